/** netem: packets are held for a time, in order, up to a limit. */
import { describe, expect, it } from 'vitest';
import { NET_XMIT_DROP, NET_XMIT_SUCCESS } from '../../../../src/kernel/include/linux/netdevice.ts';
import { type sk_buff, skb_put, skb_reserve } from '../../../../src/kernel/include/linux/skbuff.ts';
import { GFP_KERNEL } from '../../../../src/kernel/include/linux/types.ts';
import { TC_H_ROOT } from '../../../../src/kernel/include/net/sch_generic.ts';
import { dev_queue_xmit } from '../../../../src/kernel/net/core/dev_queue_xmit.ts';
import { alloc_skb } from '../../../../src/kernel/net/core/skbuff.ts';
import { changeQdisc, deleteQdisc, register_qdisc, replaceQdisc } from '../../../../src/kernel/net/sched/sch_api.ts';
import { netem_qdisc_ops } from '../../../../src/kernel/net/sched/sch_netem.ts';
import { EINVAL } from '../../../../src/kernel/uapi/errno.ts';
import { FakeDriver } from '../../../support/fake_driver.ts';
import { type TestKernel, testKernel } from '../../../support/kernel.ts';

const MS = 1_000_000;

function packet(driver: FakeDriver, mark: number): sk_buff {
  const skb = alloc_skb(164, GFP_KERNEL)!;
  skb_reserve(skb, 64);
  const at = skb_put(skb, 100);
  skb.mem.u8.fill(0, at, at + 100);
  skb.mem.u8[at + 14] = mark;
  skb.dev = driver.dev;
  skb.protocol = 0x88b5;
  skb.network_header = at + 14;
  return skb;
}

const marks = (driver: FakeDriver): number[] => driver.sent.map((frame) => frame[14]!);

function delayed(options: Record<string, unknown>): { host: TestKernel; driver: FakeDriver } {
  const host = testKernel();
  const driver = host.on(() => new FakeDriver('eth0', { ring: 200 }));
  host.on(() => {
    if (!driver.dev.nd_net.qdisc_base.has('netem')) register_qdisc(driver.dev.nd_net, netem_qdisc_ops);
    expect(replaceQdisc(driver.dev, TC_H_ROOT, 0, 'netem', options)).toBe(0);
  });
  return { host, driver };
}

describe('netem', () => {
  it('holds every packet for its delay, in order', () => {
    const { host, driver } = delayed({ delay: 10 * MS });
    for (let mark = 1; mark <= 100; mark++) {
      host.on(() => dev_queue_xmit(packet(driver, mark)));
      if (mark === 50) host.elapse(5 * MS);
    }
    host.elapse(4.9 * MS);
    expect(driver.sent).toEqual([]);
    host.elapse(0.2 * MS);
    expect(marks(driver)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    host.elapse(5 * MS);
    expect(marks(driver)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  });

  it('drops what exceeds its limit', () => {
    const { host, driver } = delayed({ delay: MS, limit: 3 });
    const results = [1, 2, 3, 4, 5].map((mark) => host.on(() => dev_queue_xmit(packet(driver, mark))));
    expect(results).toEqual([NET_XMIT_SUCCESS, NET_XMIT_SUCCESS, NET_XMIT_SUCCESS, NET_XMIT_DROP, NET_XMIT_DROP]);
    expect(driver.dev.qdisc).toMatchObject({ qlen: 3, drops: 2 });
    host.elapse(2 * MS);
    expect(marks(driver)).toEqual([1, 2, 3]);
  });

  it('lets every gap-th packet overtake those that are held', () => {
    const { host, driver } = delayed({ delay: 10 * MS, reorder: 1, gap: 3 });
    for (let mark = 1; mark <= 7; mark++) host.on(() => dev_queue_xmit(packet(driver, mark)));
    host.elapse(MS);
    expect(marks(driver)).toEqual([3, 6]);
    host.elapse(10 * MS);
    expect(marks(driver)).toEqual([3, 6, 1, 2, 4, 5, 7]);
    expect(netem_qdisc_ops.dump!(driver.dev.qdisc)).toBe('limit 1000 delay 10ms reorder 100% gap 3');
  });

  it('lets about as many overtake as it is told', () => {
    const { host, driver } = delayed({ delay: 10 * MS, reorder: 0.25 });
    for (let mark = 1; mark <= 200; mark++) host.on(() => dev_queue_xmit(packet(driver, mark)));
    host.elapse(MS);
    expect(driver.sent.length).toBeGreaterThan(25);
    expect(driver.sent.length).toBeLessThan(75);
    host.elapse(10 * MS);
    expect(driver.sent).toHaveLength(200);
  });

  it('is changed, shown, and taken away with what it holds', () => {
    const { host, driver } = delayed({ delay: 20 * MS });
    const { qdisc } = driver.dev;
    expect(host.on(() => changeQdisc(driver.dev, TC_H_ROOT, { delay: 5 * MS }))).toBe(0);
    expect(netem_qdisc_ops.dump!(qdisc)).toBe('limit 1000 delay 5ms');
    expect(host.on(() => changeQdisc(driver.dev, TC_H_ROOT, { delay: -1 }))).toBe(-EINVAL);
    host.on(() => dev_queue_xmit(packet(driver, 1)));
    expect(host.on(() => deleteQdisc(driver.dev, TC_H_ROOT))).toBe(0);
    host.elapse(10 * MS);
    expect(driver.sent).toEqual([]);
  });
});
