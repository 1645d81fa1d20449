/** Queueing disciplines between the stack and a driver whose ring is full now and then. */
import { describe, expect, it } from 'vitest';
import { NET_XMIT_DROP } from '../../../../src/kernel/include/linux/netdevice.ts';
import { type sk_buff, skb_put, skb_reserve } from '../../../../src/kernel/include/linux/skbuff.ts';
import { GFP_KERNEL } from '../../../../src/kernel/include/linux/types.ts';
import { SKB_DROP_REASON_QDISC_OVERLIMIT } from '../../../../src/kernel/include/net/dropreason.ts';
import { TC_H_MAKE, TC_H_ROOT } from '../../../../src/kernel/include/net/sch_generic.ts';
import { dev_queue_xmit } from '../../../../src/kernel/net/core/dev_queue_xmit.ts';
import { alloc_skb } from '../../../../src/kernel/net/core/skbuff.ts';
import {
  changeQdisc,
  deleteQdisc,
  qdisc_watchdog,
  qdisc_watchdog_schedule_ns,
  replaceQdisc,
} from '../../../../src/kernel/net/sched/sch_api.ts';
import { ENOENT, EOPNOTSUPP } from '../../../../src/kernel/uapi/errno.ts';
import { FakeDriver } from '../../../support/fake_driver.ts';
import { type TestKernel, testKernel } from '../../../support/kernel.ts';

function packet(driver: FakeDriver, mark: number, length = 100, priority = 0): sk_buff {
  const skb = alloc_skb(length + 64, GFP_KERNEL)!;
  skb_reserve(skb, 64);
  const at = skb_put(skb, length);
  skb.mem.u8.fill(0, at, at + length);
  skb.mem.u8[at + 14] = mark;
  skb.dev = driver.dev;
  skb.protocol = 0x88b5;
  skb.network_header = at + 14;
  skb.priority = priority;
  return skb;
}

const marks = (driver: FakeDriver): number[] => driver.sent.map((frame) => frame[14]!);

function settle(host: TestKernel): void {
  host.elapse(100_000);
}

describe('pfifo_fast', () => {
  it('queues while the driver has no room and sends in order of bands', () => {
    const host = testKernel();
    const driver = host.on(() => new FakeDriver('eth0', { ring: 1 }));
    host.on(() => {
      // The first goes to the driver, the second finds the queue stopped and becomes the one to go next.
      for (const [mark, priority] of [
        [1, 0],
        [2, 0],
        [3, 0],
        [4, 2],
        [5, 7],
      ] as const)
        dev_queue_xmit(packet(driver, mark, 100, priority));
    });
    settle(host);
    const { qdisc } = driver.dev._tx[0]!;
    expect([qdisc.qlen, qdisc.backlog, qdisc.requeues]).toEqual([4, 400, 1]);
    for (let i = 0; i < 5; i++) {
      host.on(() => driver.complete(0));
      settle(host);
    }
    expect(marks(driver)).toEqual([1, 2, 5, 3, 4]);
    expect([qdisc.qlen, qdisc.backlog, qdisc.packets, qdisc.bytes]).toEqual([0, 0, 5, 500]);
    expect(host.kernel.skb.live).toBe(0);
  });

  it('drops beyond tx_queue_len in a band', () => {
    const host = testKernel();
    const driver = host.on(() => new FakeDriver('eth0', { ring: 1, queueLength: 3 }));
    const codes = host.on(() => [1, 2, 3, 4, 5, 6].map((mark) => dev_queue_xmit(packet(driver, mark))));
    expect(codes).toEqual([0, 0, 0, 0, 0, NET_XMIT_DROP]);
    expect(driver.dev._tx[0]!.qdisc).toMatchObject({ qlen: 4, drops: 1 });
    expect([...host.kernel.drops.values()]).toMatchObject([{ reason: SKB_DROP_REASON_QDISC_OVERLIMIT, count: 1 }]);
  });
});

describe('a driver that says NETDEV_TX_BUSY', () => {
  it('gets the packet again, before all others', () => {
    const host = testKernel();
    const driver = host.on(() => new FakeDriver('eth0', { ring: 2, busy: true }));
    host.on(() => {
      for (let mark = 1; mark <= 4; mark++) dev_queue_xmit(packet(driver, mark));
    });
    host.on(() => driver.complete(0, 2));
    settle(host);
    host.on(() => driver.complete(0));
    settle(host);
    expect(marks(driver)).toEqual([1, 2, 3, 4]);
    expect(driver.dev._tx[0]!.qdisc.requeues).toBeGreaterThan(0);
  });
});

describe('byte queue limits', () => {
  it('hold packets back until completions have shown how much the device needs, and then send in bulk', () => {
    const host = testKernel();
    const driver = host.on(() => new FakeDriver('eth0', { ring: 64, bql: true }));
    const txq = driver.dev._tx[0]!;
    host.on(() => {
      for (let mark = 1; mark <= 40; mark++) dev_queue_xmit(packet(driver, mark, 1000));
    });
    settle(host);
    expect(driver.sent.length).toBe(1);
    let rounds = 0;
    while (driver.sent.length < 40) {
      host.on(() => driver.complete(0));
      settle(host);
      rounds++;
      expect(rounds).toBeLessThan(40);
    }
    expect(marks(driver)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(txq.dql.limit).toBeGreaterThan(1000);
    // In bulk: the driver is told that more follow, until the last of each chain.
    expect(driver.more.filter(Boolean).length).toBeGreaterThan(10);
    expect(driver.more.at(-1)).toBe(false);
    host.on(() => driver.complete(0));
    expect(host.kernel.skb.live).toBe(0);
  });
});

describe('quota', () => {
  it('after dev_tx_weight packets leaves the rest to NET_TX_SOFTIRQ', () => {
    const host = testKernel();
    host.network.core.dev_tx_weight = 5;
    const driver = host.on(() => new FakeDriver('eth0', { ring: 1000 }));
    let scheduled = 0;
    host.kernel.trace.softirq_raise = (vector) => (scheduled += vector === 2 ? 1 : 0);
    host.on(() => {
      replaceQdisc(driver.dev, TC_H_ROOT, 0, 'pfifo', { limit: 1000 });
      const txq = driver.dev._tx[0]!;
      txq.state |= 1;
      for (let mark = 0; mark < 30; mark++) dev_queue_xmit(packet(driver, mark));
      txq.state &= ~1;
      // What runs the qdisc is the next packet.
      dev_queue_xmit(packet(driver, 30));
    });
    settle(host);
    expect(driver.sent.length).toBe(31);
    expect(scheduled).toBeGreaterThan(4);
  });
});

describe('tc qdisc', () => {
  it('replaces, changes and deletes the root, and the default comes back', () => {
    const host = testKernel();
    host.on(() => {
      const driver = new FakeDriver('eth0', { ring: 1 });
      const { dev } = driver;
      expect(replaceQdisc(dev, TC_H_ROOT, 0x10000, 'pfifo', { limit: 2 })).toBe(0);
      expect([dev.qdisc.ops.id, dev.qdisc.handle, dev._tx[0]!.qdisc.ops.id]).toEqual(['pfifo', 0x10000, 'pfifo']);
      const codes = [1, 2, 3, 4].map((mark) => dev_queue_xmit(packet(driver, mark)));
      expect(codes).toEqual([0, 0, 0, NET_XMIT_DROP]);
      expect(dev.qdisc.drops).toBe(1);
      expect(changeQdisc(dev, TC_H_ROOT, { limit: 9 })).toBe(0);
      expect(dev.qdisc.limit).toBe(9);
      expect(replaceQdisc(dev, TC_H_ROOT, 0, 'nonsense', null)).toBe(-ENOENT);
      expect(deleteQdisc(dev, TC_H_ROOT)).toBe(0);
      expect(dev._tx[0]!.qdisc.ops.id).toBe('pfifo_fast');
      expect(deleteQdisc(dev, TC_H_ROOT)).toBe(-ENOENT);
      driver.complete(0);
    });
    settle(host);
    expect(host.kernel.skb.live).toBe(0);
  });

  it('mq has a qdisc for each queue, which can be replaced one by one', () => {
    const host = testKernel();
    host.on(() => {
      const { dev } = new FakeDriver('eth0', { queues: 3 });
      expect(dev.qdisc.ops.id).toBe('mq');
      expect(dev._tx.map((txq) => [txq.qdisc.ops.id, txq.qdisc.parent])).toEqual([
        ['pfifo_fast', 1],
        ['pfifo_fast', 2],
        ['pfifo_fast', 3],
      ]);
      expect(replaceQdisc(dev, TC_H_ROOT, 0x10000, 'mq', null)).toBe(0);
      expect(replaceQdisc(dev, TC_H_MAKE(0x10000, 2), 0, 'bfifo', { limit: 5000 })).toBe(0);
      expect(dev._tx.map((txq) => txq.qdisc.ops.id)).toEqual(['pfifo_fast', 'bfifo', 'pfifo_fast']);
      expect(deleteQdisc(dev, TC_H_MAKE(0x10000, 2))).toBe(0);
      expect(dev._tx.map((txq) => txq.qdisc.ops.id)).toEqual(['pfifo_fast', 'pfifo_fast', 'pfifo_fast']);
      expect(replaceQdisc(new FakeDriver('eth1').dev, TC_H_ROOT, 0, 'mq', null)).toBe(-EOPNOTSUPP);
    });
  });

  it('a watchdog runs the qdisc at its time', () => {
    const host = testKernel();
    const driver = host.on(() => new FakeDriver('eth0', { ring: 10 }));
    host.on(() => {
      const { qdisc } = driver.dev._tx[0]!;
      driver.dev._tx[0]!.state |= 1;
      dev_queue_xmit(packet(driver, 7));
      driver.dev._tx[0]!.state &= ~1;
      qdisc.state = 0;
      qdisc_watchdog_schedule_ns(new qdisc_watchdog(qdisc), 50_000);
    });
    host.elapse(40_000);
    expect(driver.sent.length).toBe(0);
    host.elapse(20_000);
    expect(driver.sent.length).toBe(1);
  });
});

describe('dev_watchdog', () => {
  it('tells the driver of a queue that has been stopped for too long', () => {
    const host = testKernel();
    const timeouts: number[] = [];
    const driver = host.on(() => new FakeDriver('eth0', { ring: 1, txTimeout: (queue) => timeouts.push(queue) }));
    host.on(() => dev_queue_xmit(packet(driver, 1)));
    host.elapse(4_000_000_000);
    expect(timeouts).toEqual([]);
    host.elapse(12_000_000_000);
    expect(timeouts[0]).toBe(0);
    const reported = timeouts.length;
    host.on(() => driver.complete(0));
    host.elapse(30_000_000_000);
    expect(timeouts.length).toBe(reported);
    expect(host.kernel.log.some(({ text }) => text.includes('eth0: NETDEV WATCHDOG: CPU: 0: transmit queue 0 timed out'))).toBe(true);
  });
});
