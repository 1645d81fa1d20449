/** The calls that the core makes are those of a recorded Linux 6.18, in its order (shortened to this part of the stack). */
import { describe, expect, it } from 'vitest';
import { CHECKSUM_PARTIAL, type sk_buff, skb_reserve } from '../../../../src/kernel/include/linux/skbuff.ts';
import { GFP_KERNEL } from '../../../../src/kernel/include/linux/types.ts';
import { ip_fast_csum } from '../../../../src/kernel/lib/checksum.ts';
import { dev_add_pack } from '../../../../src/kernel/net/core/dev.ts';
import { napi_schedule } from '../../../../src/kernel/net/core/dev_napi.ts';
import { dev_queue_xmit } from '../../../../src/kernel/net/core/dev_queue_xmit.ts';
import { alloc_skb, alloc_skb_fclone } from '../../../../src/kernel/net/core/skbuff.ts';
import { skb_clone } from '../../../../src/kernel/net/core/skbuff_clone.ts';
import { __kfree_skb, napi_consume_skb } from '../../../../src/kernel/net/core/skbuff_free.ts';
import { function_costs } from '../../../../src/kernel/trace/function_costs.ts';
import type { Cpu } from '../../../../src/machine/cpu.ts';
import { FakeDriver } from '../../../support/fake_driver.ts';
import { type TestKernel, testKernel } from '../../../support/kernel.ts';

/** The call graph of `work`, a line a call, indented. */
function graph(host: TestKernel, work: () => void): string {
  const lines: string[] = [];
  let depth = 0;
  const cpu = host.kernel.machine.cpus[0] as Cpu;
  cpu.tracer = {
    enter: (_cpu, id) => lines.push('  '.repeat(depth++) + function_costs[id]![0]),
    exit: () => {
      depth--;
    },
  };
  work();
  cpu.tracer = null;
  return lines.join('\n');
}

/** Sends a packet whose checksum is the device's work. */
function packet(dev: FakeDriver['dev']): sk_buff {
  const skb = alloc_skb(200, GFP_KERNEL)!;
  skb_reserve(skb, 64);
  skb.data = skb.tail;
  skb.tail += 66;
  skb.len = 66;
  skb.dev = dev;
  skb.protocol = 0x0800;
  skb.network_header = skb.data + 14;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.csum_start = skb.data + 34;
  skb.csum_offset = 16;
  skb.hash = 77;
  skb.l4_hash = true;
  return skb;
}

describe('call graphs', () => {
  it('allocation of a packet', () => {
    const host = testKernel();
    const calls = graph(host, () => host.on(() => alloc_skb_fclone(320, GFP_KERNEL)));
    expect(calls).toBe(
      [
        '__alloc_skb',
        '  kmem_cache_alloc_node_noprof',
        '  kmalloc_reserve',
        '    kmem_cache_alloc_node_noprof',
        '  __build_skb_around',
      ].join('\n'),
    );
  });

  it('transmission past an empty qdisc', () => {
    const host = testKernel();
    const { driver, skb } = host.on(() => {
      const made = new FakeDriver('eth0', { queues: 2 });
      return { driver: made, skb: packet(made.dev) };
    });
    const calls = graph(host, () => host.on(() => dev_queue_xmit(skb)));
    expect(calls).toBe(
      [
        '__dev_queue_xmit',
        '  netdev_core_pick_tx',
        '    netdev_pick_tx',
        '  sch_direct_xmit',
        '    validate_xmit_skb_list',
        '      validate_xmit_skb',
        '        netif_skb_features',
        '          skb_network_protocol',
        '        skb_csum_hwoffload_help',
        '        validate_xmit_xfrm',
        '    dev_hard_start_xmit',
      ].join('\n'),
    );
    expect(driver.sent.length).toBe(1);
  });

  it('completion of the clone that TCP sent, and of a packet of its own', () => {
    const host = testKernel();
    const { clone, single } = host.on(() => {
      const original = alloc_skb_fclone(320, GFP_KERNEL)!;
      return { clone: skb_clone(original, GFP_KERNEL)!, single: alloc_skb(100, GFP_KERNEL)! };
    });
    const calls = graph(host, () =>
      host.on(() => {
        napi_consume_skb(clone, 64);
        napi_consume_skb(single, 64);
      }),
    );
    expect(calls).toBe(
      [
        'napi_consume_skb',
        '  skb_release_head_state',
        '  skb_release_data',
        '  kfree_skbmem',
        'napi_consume_skb',
        '  skb_release_head_state',
        '  skb_release_data',
        '    skb_free_head',
        '      kmem_cache_free',
        '  napi_skb_cache_put',
      ].join('\n'),
    );
  });

  it('reception of a segment', () => {
    const host = testKernel();
    const driver = host.on(() => {
      const made = new FakeDriver('eth0');
      const frame = new Uint8Array(66);
      frame.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 52, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
      const view = new DataView(frame.buffer);
      view.setUint16(24, ip_fast_csum(view, 14, 5));
      frame[46] = 0x80;
      frame[47] = 0x10;
      made.received.push(frame);
      dev_add_pack({
        type: 0x0800,
        dev: null,
        func: (skb) => {
          __kfree_skb(skb);
          return 0;
        },
      });
      return made;
    });
    const calls = graph(host, () => {
      host.on(() => napi_schedule(driver.napi));
      host.elapse(1000);
    });
    expect(calls).toBe(
      [
        'napi_schedule_prep',
        '__napi_schedule',
        '  __raise_softirq_irqoff',
        'net_rx_action',
        '  skb_defer_free_flush',
        '  __napi_poll',
        '    napi_build_skb',
        '      __napi_build_skb',
        '        napi_skb_cache_get',
        '          kmem_cache_size',
        '        __build_skb_around',
        '    skb_put',
        '    eth_type_trans',
        '    gro_receive_skb',
        '      dev_gro_receive',
        '        inet_gro_receive',
        '          tcp4_gro_receive',
        '            tcp_gro_pull_header',
        '            tcp_gro_receive',
        '    napi_complete_done',
        '      netif_receive_skb_list_internal',
        '        skb_defer_rx_timestamp',
        '        __netif_receive_skb_list_core',
        '          __netif_receive_skb_core',
        '          __kfree_skb',
        '            skb_release_head_state',
        '            skb_release_data',
        '              skb_free_head',
        '                page_frag_free',
        '            kfree_skbmem',
        '              kmem_cache_free',
        '  skb_defer_free_flush',
      ].join('\n'),
    );
  });
});
