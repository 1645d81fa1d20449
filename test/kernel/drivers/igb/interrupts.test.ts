/** Vectors, moderation, and the register accesses of each packet and each interrupt, as recorded in scenario s01 (igb-s01-scenario.txt). */
import { expect, it } from 'vitest';
import { IGB_4K_ITR, IGB_20K_ITR, IGB_70K_ITR, igb_q_vector } from '../../../../src/kernel/drivers/net/ethernet/intel/igb/igb.ts';
import { igb_set_itr, igb_update_ring_itr } from '../../../../src/kernel/drivers/net/ethernet/intel/igb/igb_main_itr.ts';
import { Pair, type Side } from './pair.ts';

const MS = 1_000_000;

/** Every access of one side's driver from now on: `WR TDT[0] 0x1`. */
function listen(side: Side): string[] {
  const log: string[] = [];
  side.nic.registerObserver = {
    access: (_device, write, name, value) => log.push(`${write ? 'WR' : 'rd'} ${name} 0x${value.toString(16)}`),
  };
  return log;
}

it('a packet costs the sender a doorbell and an interrupt, the receiver an interrupt and a refill', () => {
  const pair = new Pair(2).up();
  const { a, b } = pair;
  const sent = listen(a);
  const got = listen(b);
  a.xmit(() => a.frame(b, 28));
  pair.run(MS);
  // Vector 3 is TX queue 0's: the first interrupt tells the device the interval to start with.
  expect(sent).toEqual(['WR TDT[0] 0x1', 'WR EITR[3] 0x80000288', 'WR EIMS 0x8']);
  expect(got).toEqual(['WR EITR[1] 0x80000288', 'WR RDT[0] 0x0', 'WR EIMS 0x2']);
  sent.length = 0;
  got.length = 0;
  a.xmit(() => a.frame(b, 28));
  pair.run(MS);
  // Small packets make the interval 50 µs (0xc4): conservative moderation allows no less.
  expect(sent).toEqual(['WR TDT[0] 0x2', 'WR EITR[3] 0x800000c4', 'WR EIMS 0x8']);
  expect(got).toEqual(['WR EITR[1] 0x800000c4', 'WR RDT[0] 0x1', 'WR EIMS 0x2']);
  sent.length = 0;
  a.xmit(() => a.frame(b, 28));
  pair.run(MS);
  expect(sent).toEqual(['WR TDT[0] 0x3', 'WR EIMS 0x8']);
});

it('buffers go back in groups of sixteen', () => {
  const pair = new Pair(2).up();
  const { a, b } = pair;
  const got = listen(b);
  a.host.onCpu(() => {
    for (let i = 0; i < 40; i++) a.dev.netdev_ops.ndo_start_xmit(a.frame(b, 28), a.dev);
  });
  pair.run(5 * MS);
  const refills = got.filter((access) => access.startsWith('WR RDT[0]')).map((access) => Number(access.split(' ')[2]));
  expect(refills.at(-1)).toBe((255 + 40) % 256);
  const steps = refills.map((tail, i) => (tail - (i === 0 ? 255 : refills[i - 1]!) + 256) % 256);
  expect(Math.max(...steps)).toBeLessThanOrEqual(16);
  expect(steps).toContain(16);
});

it.each([
  [1, ['eth0', 'eth0-rx-0', 'eth0-tx-0']],
  [4, ['eth0', 'eth0-rx-0', 'eth0-rx-1', 'eth0-rx-2', 'eth0-rx-3', 'eth0-tx-0', 'eth0-tx-1', 'eth0-tx-2', 'eth0-tx-3']],
  [5, ['eth0', 'eth0-TxRx-0', 'eth0-TxRx-1', 'eth0-TxRx-2', 'eth0-TxRx-3', 'eth0-TxRx-4']],
  [12, ['eth0', ...Array.from({ length: 8 }, (_, i) => `eth0-TxRx-${i}`)]],
])('%i CPUs: queues share vectors only where there are more than four', (cpus, names) => {
  const { a } = new Pair(cpus).up();
  expect([...a.host.kernel.irq_desc.values()].map(({ name }) => name)).toEqual(names);
  expect(a.adapter.num_rx_queues).toBe(Math.min(cpus, 8));
});

it('every queue works: what is sent on one comes back from its ring', () => {
  const pair = new Pair(8).up();
  const { a, b } = pair;
  for (let queue = 0; queue < 8; queue++) {
    a.xmit(() => {
      const skb = a.frame(b, 100, queue);
      skb.queue_mapping = queue;
      return skb;
    });
  }
  pair.run(5 * MS);
  expect(b.received).toHaveLength(8);
  expect(a.adapter.tx_ring.map((ring) => ring.tx_stats.packets)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  expect(a.adapter.tx_ring.every((ring) => ring.next_to_clean === ring.next_to_use)).toBe(true);
});

it('with several vectors the interval follows the size of packets', () => {
  const { a } = new Pair(2).up();
  const vector = new igb_q_vector(a.adapter);
  vector.rx.ring = a.adapter.rx_ring[0]!;
  const intervalAfter = (packets: number, bytes: number): number => {
    vector.rx.total_packets = packets;
    vector.rx.total_bytes = bytes;
    igb_update_ring_itr(vector);
    return vector.itr_val;
  };
  expect(intervalAfter(10, 660)).toBe(IGB_20K_ITR);
  expect(intervalAfter(10, 15140)).toBe((1514 + 24) >> 1);
  expect(intervalAfter(10, 8000)).toBe(Math.floor((800 + 24) / 3));
  expect(intervalAfter(10, 90000)).toBe(1500);
  expect(intervalAfter(0, 0)).toBe(1500);
  a.adapter.link_speed = 100;
  expect(intervalAfter(1, 60)).toBe(IGB_4K_ITR);
});

it('with one vector for all, the interval follows packets and bytes through three classes', () => {
  const { a } = new Pair(2).up();
  const vector = new igb_q_vector(a.adapter);
  a.adapter.rx_itr_setting = 1;
  vector.rx.ring = a.adapter.rx_ring[0]!;
  const intervalAfter = (packets: number, bytes: number): number => {
    vector.rx.total_packets = packets;
    vector.rx.total_bytes = bytes;
    igb_set_itr(vector);
    return vector.itr_val;
  };
  expect(intervalAfter(10, 640)).toBe(IGB_70K_ITR);
  expect(intervalAfter(2, 3000)).toBe(IGB_20K_ITR);
  expect(intervalAfter(20, 30000)).toBe(IGB_4K_ITR);
  expect(intervalAfter(1, 60)).toBe(IGB_20K_ITR);
  expect(intervalAfter(1, 60)).toBe(IGB_70K_ITR);
  a.adapter.rx_itr_setting = 3;
  expect(intervalAfter(1, 60)).toBe(IGB_20K_ITR);
});
