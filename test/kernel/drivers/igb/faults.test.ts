/** What the driver does when the link goes, the device hangs, or memory runs out; and that time passes while it waits for the hardware. */
import { expect, it } from 'vitest';
import { NETDEV_TX_OK } from '../../../../src/kernel/include/linux/netdevice.ts';
import { Pair, payloadOf } from './pair.ts';

const MS = 1_000_000;
const SECOND = 1000 * MS;

it('a pulled cable takes the carrier away; plugged in again, frames flow', () => {
  const pair = new Pair().up();
  const { a, b } = pair;
  pair.cable.setLink(false);
  pair.run(50 * MS);
  expect([a.dev.carrier, b.dev.carrier]).toEqual([false, false]);
  expect(a.host.kernel.log.at(-1)!.text).toBe('igb 0000:01:00.0 eth0: igb: eth0 NIC Link is Down');
  pair.cable.setLink(true);
  pair.run(50 * MS);
  expect([a.dev.carrier, b.dev.carrier]).toEqual([true, true]);
  a.xmit(() => a.frame(b, 100));
  pair.run(MS);
  expect(b.received.map(({ bytes }) => bytes)).toEqual([payloadOf(100)]);
});

it('frames that stand on a ring without a link are dropped by a reset', () => {
  const pair = new Pair().up();
  const { a, b } = pair;
  const before = a.held;
  pair.cable.setLink(false);
  // More than the device's packet buffer takes: what fits into that counts as sent.
  for (let i = 0; i < 100; i++) expect(a.xmit(() => a.frame(b, 1000, i, 50))).toBe(NETDEV_TX_OK);
  expect(a.held.skbs).toBe(before.skbs + 100);
  pair.run(3 * SECOND);
  expect(a.host.kernel.log.map(({ text }) => text)).toContain('igb 0000:01:00.0 eth0: Reset adapter');
  expect(a.adapter.tx_timeout_count).toBe(1);
  expect(a.held.skbs).toBe(before.skbs);
  expect(a.held.mappings).toBe(before.mappings);
});

it('a queue that does not move is found, told of and reset by ndo_tx_timeout', () => {
  const pair = new Pair().up();
  const { a, b } = pair;
  // The transmit queue is switched off behind the driver's back: the descriptors stay where they are.
  a.nic.writel(0x3828, 0, pair.simulation.now);
  a.xmit(() => a.frame(b, 100));
  // The watchdog asks for the check every two seconds; it is made when the ring is cleaned next: here by a message of the vector.
  pair.run(4 * SECOND);
  const vector = a.adapter.tx_ring[0]!.q_vector;
  a.nic.writel(0x1520, vector.eims_value, pair.simulation.now);
  pair.run(MS);
  const log = a.host.kernel.log.map(({ text }) => text);
  expect(log.some((text) => text.startsWith('igb 0000:01:00.0: Detected Tx Unit Hang\n  Tx Queue             <0>'))).toBe(true);
  a.host.onCpu(() => a.dev.netdev_ops.ndo_tx_timeout!(a.dev, 0));
  pair.run(200 * MS);
  expect(a.host.kernel.log.map(({ text }) => text)).toContain('igb 0000:01:00.0 eth0: Reset adapter');
  expect(a.dev.carrier).toBe(true);
  a.xmit(() => a.frame(b, 100));
  pair.run(MS);
  expect(b.received).toHaveLength(1);
});

it('a ring that got no pages is filled when there is memory again', () => {
  const pair = new Pair().up();
  const { a, b } = pair;
  const { pages } = b.host.kernel;
  const alloc = pages.alloc;
  b.kept = [];
  pages.alloc = () => null;
  for (let i = 0; i < 700; i++) {
    a.xmit(() => a.frame(b, 100, i));
    if (i % 50 === 49) pair.run(MS);
  }
  const [ring] = b.adapter.rx_ring;
  expect(ring!.rx_stats.alloc_failed).toBeGreaterThan(0);
  expect(b.kept.length).toBeLessThan(700);
  pages.alloc = alloc;
  const starved = b.kept.length;
  // The watchdog raises the vector of the starved ring.
  pair.run(3 * SECOND);
  a.xmit(() => a.frame(b, 100));
  pair.run(MS);
  expect(b.kept.length).toBeGreaterThan(starved);
});

it('waits for the PHY in virtual time once time has started', () => {
  const pair = new Pair();
  const { a } = pair;
  a.host.kernel.timeless = false;
  const cpu = a.host.machine.cpus[0]!;
  const idle = cpu.times[4]!;
  a.open();
  // 100 ms after the PHY's reset, 10 ms for the queues to stop.
  expect(cpu.clock).toBeGreaterThan(110 * MS);
  expect(cpu.clock).toBeLessThan(130 * MS);
  expect(cpu.times[4]! - idle).toBeGreaterThanOrEqual(110 * MS);
});
