/** Devices, NAPI, the backlog, and the way down to a driver. */
import { describe, expect, it } from 'vitest';
import { NET_RX_SOFTIRQ } from '../../../../src/kernel/include/linux/interrupt.ts';
import {
  IFF_UP,
  NET_XMIT_SUCCESS,
  NETDEV_DOWN,
  NETDEV_REGISTER,
  NETDEV_UP,
  NETIF_F_SG,
  NETIF_F_TSO,
  type napi_struct,
  type packet_type,
} from '../../../../src/kernel/include/linux/netdevice.ts';
import { CHECKSUM_PARTIAL, type sk_buff, skb_fill_page_desc, skb_put, skb_reserve } from '../../../../src/kernel/include/linux/skbuff.ts';
import { GFP_KERNEL } from '../../../../src/kernel/include/linux/types.ts';
import { SKB_DROP_REASON_UNHANDLED_PROTO } from '../../../../src/kernel/include/net/dropreason.ts';
import { alloc_pages } from '../../../../src/kernel/mm/page_alloc.ts';
import {
  dev_add_pack,
  dev_change_flags,
  dev_change_name,
  dev_close,
  dev_get_by_index,
  dev_get_by_name,
  dev_get_flags,
  dev_get_stats,
  dev_remove_pack,
  dev_set_mtu,
  netif_set_xps_queue,
} from '../../../../src/kernel/net/core/dev.ts';
import {
  napi_complete_done,
  napi_disable,
  napi_enable,
  napi_schedule,
  netdev_set_defer_hard_irqs,
  netdev_set_gro_flush_timeout,
  netif_napi_add,
} from '../../../../src/kernel/net/core/dev_napi.ts';
import { register_netdevice_notifier } from '../../../../src/kernel/net/core/dev_notifier.ts';
import { dev_queue_xmit } from '../../../../src/kernel/net/core/dev_queue_xmit.ts';
import { netif_receive_skb } from '../../../../src/kernel/net/core/dev_receive.ts';
import { alloc_skb } from '../../../../src/kernel/net/core/skbuff.ts';
import { consume_skb } from '../../../../src/kernel/net/core/skbuff_free.ts';
import { netif_carrier_off, netif_carrier_on } from '../../../../src/kernel/net/sched/sch_generic_carrier.ts';
import { EINVAL } from '../../../../src/kernel/uapi/errno.ts';
import { FakeDriver } from '../../../support/fake_driver.ts';
import { type TestKernel, testKernel } from '../../../support/kernel.ts';

/** An Ethernet frame in an skb, data at its header, as neighbours hand it over. */
function frame(dev: FakeDriver['dev'], length = 100, type = 0x0800): sk_buff {
  const skb = alloc_skb(length + 64, GFP_KERNEL)!;
  skb_reserve(skb, 64);
  const at = skb_put(skb, length);
  skb.mem.u8.fill(0, at, at + length);
  skb.mem.u8.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, type >> 8, type & 0xff], at);
  skb.dev = dev;
  skb.protocol = type;
  skb.network_header = at + 14;
  return skb;
}

function bytes(length: number, type = 0x0800): Uint8Array {
  const out = new Uint8Array(length);
  out.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, type >> 8, type & 0xff]);
  return out;
}

describe('net_device', () => {
  it('is registered, opened, renamed and closed, and others are told', () => {
    const host = testKernel();
    const events: string[] = [];
    host.on(() => {
      register_netdevice_notifier(host.network, (event, dev) => events.push(`${dev.name} ${event}`));
      const { dev } = new FakeDriver('eth%d');
      expect(dev_get_by_name(host.network, 'eth0')).toBe(dev);
      expect(dev_get_by_index(host.network, 2)).toBe(dev);
      expect(dev_get_flags(dev) & IFF_UP).toBe(IFF_UP);
      expect(new FakeDriver('eth%d').dev.name).toBe('eth1');
      expect(dev_change_name(dev, 'wan')).toBe(0);
      expect(dev_change_flags(dev, dev.flags & ~IFF_UP)).toBe(0);
      expect(dev_set_mtu(dev, 9000)).toBe(-EINVAL);
      expect(dev_set_mtu(dev, 1400)).toBe(0);
    });
    expect(events.slice(0, 4)).toEqual([`lo ${NETDEV_REGISTER}`, `lo ${NETDEV_UP}`, `eth0 ${NETDEV_REGISTER}`, `eth0 ${NETDEV_UP}`]);
    expect(events).toContain(`wan ${NETDEV_DOWN}`);
  });

  it('stops sending when the carrier goes, and sends again when it is back', () => {
    const host = testKernel();
    host.on(() => {
      const driver = new FakeDriver('eth0');
      expect(driver.dev._tx[0]!.qdisc.ops.id).toBe('pfifo_fast');
      netif_carrier_off(driver.dev);
      host.kernel.init_net.linkwatch.nextevent = 0;
    });
    host.elapse(1_000_000);
    const { dev } = { dev: host.network.dev_by_name.get('eth0')! };
    expect(dev._tx[0]!.qdisc.ops.id).toBe('noop');
    host.on(() => netif_carrier_on(dev));
    host.elapse(1_000_000);
    expect(dev._tx[0]!.qdisc.ops.id).toBe('pfifo_fast');
    expect(dev.carrier_changes).toBe(2);
  });
});

describe('dev_queue_xmit', () => {
  it('hands the packet straight to the driver, and shows it to taps first', () => {
    const host = testKernel();
    const seen: string[] = [];
    host.kernel.trace.net_dev_queue = () => seen.push('queue');
    host.kernel.trace.net_dev_start_xmit = () => seen.push('start_xmit');
    host.kernel.trace.net_dev_xmit = (_skb, rc) => seen.push(`xmit ${rc}`);
    host.on(() => {
      const driver = new FakeDriver('eth0');
      driver.dev.taps.push((_skb, outgoing) => seen.push(`tap ${outgoing ? 'out' : 'in'}`));
      expect(dev_queue_xmit(frame(driver.dev))).toBe(NET_XMIT_SUCCESS);
      driver.complete(0);
      expect(driver.sent.length).toBe(1);
    });
    expect(seen).toEqual(['queue', 'tap out', 'start_xmit', 'xmit 0']);
    expect(host.kernel.skb.live).toBe(0);
  });

  it('gives a clone to packet handlers for all protocols, and ids to packets without', () => {
    const host = testKernel();
    const got: [number, number][] = [];
    host.on(() => {
      const driver = new FakeDriver('eth0');
      const hook: packet_type = {
        type: 3,
        dev: driver.dev,
        func: (skb) => {
          got.push([skb.packetId, skb.pkt_type]);
          consume_skb(skb);
          return 0;
        },
      };
      dev_add_pack(hook);
      dev_queue_xmit(frame(driver.dev));
      dev_queue_xmit(frame(driver.dev));
      dev_remove_pack(hook);
      dev_queue_xmit(frame(driver.dev));
      driver.complete(0);
    });
    expect(got).toEqual([
      [1, 4],
      [2, 4],
    ]);
    expect(host.kernel.skb.live).toBe(0);
  });

  it('computes the checksum and linearises for a device that can do neither', () => {
    const host = testKernel();
    host.on(() => {
      const driver = new FakeDriver('eth0', { features: 0 });
      const skb = frame(driver.dev, 34);
      const page = alloc_pages(GFP_KERNEL, 0)!;
      page.mem.u8.fill(0, page.offset, page.offset + 8);
      page.mem.u8.set([1, 2, 3, 4], page.offset);
      skb_fill_page_desc(skb, 0, page, page.offset, 8);
      skb.len += 8;
      skb.data_len += 8;
      skb.ip_summed = CHECKSUM_PARTIAL;
      skb.csum_start = skb.data + 34;
      skb.csum_offset = 6;
      dev_queue_xmit(skb);
      expect([...driver.sent[0]!.subarray(34)]).toEqual([1, 2, 3, 4, 0, 0, 0xff ^ 4, 0xff ^ 6]);
      driver.complete(0);
    });
    expect(host.kernel.copies.checksum).toEqual({ count: 1, bytes: 8 });
    expect(host.kernel.skb.live).toBe(0);
  });

  it('chooses the queue by XPS, by the queue it came in on, or by its hash', () => {
    const host = testKernel({ cpus: 2 });
    host.on(() => {
      const driver = new FakeDriver('eth0', { queues: 4 });
      const forwarded = frame(driver.dev);
      forwarded.queue_mapping = 3;
      dev_queue_xmit(forwarded);
      expect(driver.rings.map((ring) => ring.length)).toEqual([0, 0, 1, 0]);
      const hashed = frame(driver.dev);
      hashed.hash = 0x4000_0001;
      hashed.l4_hash = true;
      dev_queue_xmit(hashed);
      expect(driver.rings[1]!.length).toBe(1);
      netif_set_xps_queue(driver.dev, 1, 3);
      dev_queue_xmit(frame(driver.dev));
      expect(driver.rings[3]!.length).toBe(1);
    });
  });

  it('drops what is sent on a device that is down', () => {
    const host = testKernel();
    host.on(() => {
      const driver = new FakeDriver('eth0');
      dev_close(driver.dev);
      dev_queue_xmit(frame(driver.dev));
      expect(driver.sent.length).toBe(0);
    });
    expect([...host.kernel.drops.values()]).toMatchObject([{ location: '__dev_xmit_skb', count: 1 }]);
    expect(host.kernel.skb.live).toBe(0);
  });
});

describe('lo', () => {
  it('delivers what it sends when bottom halves are enabled again, without cutting or summing', () => {
    const host = testKernel();
    const received: number[] = [];
    const lo = host.network.loopback_dev;
    host.on(() => {
      dev_add_pack({
        type: 0x0800,
        dev: null,
        func: (skb) => {
          received.push(skb.len, skb.shinfo.gso_size, skb.ip_summed);
          consume_skb(skb);
          return 0;
        },
      });
      const skb = frame(lo, 20_000);
      skb.shinfo.gso_size = 1400;
      skb.shinfo.gso_segs = 15;
      skb.shinfo.gso_type = 1;
      skb.transport_header = skb.network_header + 20;
      skb.ip_summed = CHECKSUM_PARTIAL;
      skb.csum_start = skb.transport_header;
      skb.csum_offset = 16;
      expect(dev_queue_xmit(skb)).toBe(NET_XMIT_SUCCESS);
      expect(received).toEqual([20_000 - 14, 1400, CHECKSUM_PARTIAL]);
      expect(dev_get_stats(lo)).toMatchObject({ rx_packets: 1, tx_packets: 1, rx_bytes: 20_000 - 14 });
    });
    expect(lo._tx[0]!.qdisc.ops.id).toBe('noqueue');
    expect(lo.features & (NETIF_F_TSO | NETIF_F_SG)).toBe(NETIF_F_TSO | NETIF_F_SG);
    expect(host.kernel.percpu[0]!.softirqs[NET_RX_SOFTIRQ]).toBe(1);
    expect(host.kernel.skb.live).toBe(0);
  });

  it('drops beyond netdev_max_backlog', () => {
    const host = testKernel();
    const lo = host.network.loopback_dev;
    host.network.core.netdev_max_backlog = 10;
    host.on(() => {
      host.kernel.percpu[0]!.softirq_disable_depth++;
      for (let i = 0; i < 15; i++) dev_queue_xmit(frame(lo));
      host.kernel.percpu[0]!.softirq_disable_depth--;
    });
    expect(lo.rx_dropped).toBe(4);
    expect(host.kernel.percpu[0]!.softnet_data.dropped).toBe(4);
  });
});

describe('__netif_receive_skb_core', () => {
  it('drops protocols that nobody handles, after the taps', () => {
    const host = testKernel();
    let tapped = 0;
    host.on(() => {
      const driver = new FakeDriver('eth0');
      driver.dev.taps.push((_skb, outgoing) => (tapped += outgoing ? 100 : 1));
      driver.received.push(bytes(60, 0x88cc));
      napi_schedule(driver.napi);
    });
    host.elapse(1000);
    expect(tapped).toBe(1);
    const dev = host.network.dev_by_name.get('eth0')!;
    expect(dev.rx_dropped).toBe(1);
    expect([...host.kernel.drops.values()]).toMatchObject([{ reason: SKB_DROP_REASON_UNHANDLED_PROTO, count: 1 }]);
    expect(host.kernel.skb.live).toBe(0);
  });

  it('takes VLAN tags off; only priority tags are for us', () => {
    const host = testKernel();
    const types: [number, number][] = [];
    host.on(() => {
      const driver = new FakeDriver('eth0');
      dev_add_pack({
        type: 0x0806,
        dev: null,
        func: (skb) => {
          types.push([skb.pkt_type, skb.len]);
          consume_skb(skb);
          return 0;
        },
      });
      for (const tci of [0xe000, 0x0005]) {
        const tagged = new Uint8Array(64);
        tagged.set(bytes(14, 0x8100));
        tagged.set([tci >> 8, tci & 0xff, 0x08, 0x06], 14);
        driver.received.push(tagged);
      }
      napi_schedule(driver.napi);
    });
    host.elapse(1000);
    expect(types).toEqual([
      [0, 46],
      [3, 46],
    ]);
  });

  it('gives a reference to each of several handlers', () => {
    const host = testKernel();
    const calls: string[] = [];
    host.on(() => {
      const driver = new FakeDriver('eth0');
      for (const name of ['first', 'second'])
        dev_add_pack({
          type: 0x0801,
          dev: null,
          func: (skb) => {
            calls.push(`${name} ${skb.users}`);
            consume_skb(skb);
            return 0;
          },
        });
      const skb = frame(driver.dev, 60, 0x0801);
      skb.mac_header = skb.data;
      skb.data += 14;
      skb.len -= 14;
      netif_receive_skb(skb);
    });
    expect(calls).toEqual(['first 2', 'second 1']);
    expect(host.kernel.skb.live).toBe(0);
  });
});

describe('NAPI', () => {
  /** Instances whose polls are scripted: how much work each poll finds. */
  function scripted(host: TestKernel, script: number[][]): { napi: napi_struct; work: number[] }[] {
    const dev = host.network.loopback_dev;
    return script.map((plan) => {
      const work = [...plan];
      const napi = netif_napi_add(dev, (self, budget) => {
        const done = Math.min(work.shift() ?? 0, budget);
        if (done < budget) napi_complete_done(self, done);
        return done;
      });
      napi_enable(napi);
      return { napi, work };
    });
  }

  it('polls in turn, and those with more to do again after the others', () => {
    const host = testKernel();
    const polls: string[] = [];
    host.kernel.trace.napi_poll = (napi, work) => polls.push(`${napi.napi_id}:${work}`);
    host.on(() => {
      const [a, b] = scripted(host, [
        [64, 64, 3],
        [64, 1],
      ]);
      napi_schedule(a!.napi);
      napi_schedule(b!.napi);
    });
    host.elapse(1000);
    expect(polls.map((poll) => poll.slice(-5))).toEqual(
      ['93:64', '94:64', '93:64', '94:1', '93:3'].map((end) => expect.stringContaining(end)),
    );
    expect(host.kernel.percpu[0]!.softirqs[NET_RX_SOFTIRQ]).toBe(3);
  });

  it('stops at netdev_budget and goes on in the next softirq', () => {
    const host = testKernel();
    host.network.core.netdev_budget = 100;
    host.on(() => {
      const napis = scripted(host, [[64], [64], [5]]);
      for (const { napi } of napis) napi_schedule(napi);
    });
    host.elapse(1000);
    const softnet = host.kernel.percpu[0]!.softnet_data;
    expect(softnet.time_squeeze).toBe(1);
    expect(softnet.poll_list).toBe(null);
  });

  it('polls once more when it was scheduled while it was polled', () => {
    const host = testKernel();
    let polls = 0;
    host.on(() => {
      const napi = netif_napi_add(host.network.loopback_dev, (self) => {
        if (polls++ === 0) expect(napi_schedule(self)).toBe(false);
        expect(napi_complete_done(self, 0)).toBe(polls === 2);
        return 0;
      });
      napi_enable(napi);
      napi_schedule(napi);
    });
    host.elapse(1000);
    expect(polls).toBe(2);
  });

  it('is not scheduled while it is disabled, and not polled once it is', () => {
    const host = testKernel();
    host.on(() => {
      const [only] = scripted(host, [[5]]);
      napi_schedule(only!.napi);
      napi_disable(only!.napi);
      expect(napi_schedule(only!.napi)).toBe(false);
    });
    host.elapse(1000);
    expect(host.kernel.percpu[0]!.softnet_data.poll_list).toBe(null);
  });

  it('defers the interrupt and wakes itself when told to', () => {
    const host = testKernel();
    const results: boolean[] = [];
    host.on(() => {
      netdev_set_gro_flush_timeout(host.network.loopback_dev, 20_000);
      netdev_set_defer_hard_irqs(host.network.loopback_dev, 2);
      const work = [3, 0, 0, 0];
      const napi = netif_napi_add(host.network.loopback_dev, (self) => {
        const done = work.shift()!;
        results.push(napi_complete_done(self, done));
        return done;
      });
      napi_enable(napi);
      napi_schedule(napi);
    });
    host.elapse(200_000);
    expect(results).toEqual([false, false, true]);
  });

  it('keeps packets back for GRO no longer than the poll, and passes them up in batches of 8', () => {
    const host = testKernel();
    const batches: number[] = [];
    const driver = host.on(() => {
      const made = new FakeDriver('eth0');
      dev_add_pack({
        type: 0x0806,
        dev: null,
        func: () => 0,
        list_func: (list) => {
          batches.push(list.qlen);
          for (let skb = list.next; skb !== null; ) {
            const following: sk_buff | null = skb.next;
            consume_skb(skb);
            skb = following;
          }
        },
      });
      for (let i = 0; i < 20; i++) made.received.push(bytes(60, 0x0806));
      napi_schedule(made.napi);
      return made;
    });
    host.elapse(1000);
    expect(batches).toEqual([8, 8, 4]);
    expect(driver.polls).toBe(1);
    expect(host.kernel.skb.live).toBe(0);
  });
});
