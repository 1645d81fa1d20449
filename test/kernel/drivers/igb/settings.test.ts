/** What ethtool and ip link show and change. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { ethtool_ops } from '../../../../src/kernel/include/linux/ethtool.ts';
import { dev_get_stats, dev_set_mtu } from '../../../../src/kernel/net/core/dev.ts';
import { Pair, payloadOf, type Side } from './pair.ts';

const MS = 1_000_000;
const EINVAL = -22;

/** Calls an ethtool operation on one side. */
function ethtool<T>(side: Side, call: (ops: Required<ethtool_ops>) => T): T {
  return side.host.onCpu(() => call(side.dev.ethtool_ops as Required<ethtool_ops>));
}

function exchange(pair: Pair, length = 500): void {
  const seen = [pair.a.received.length, pair.b.received.length];
  pair.a.xmit(() => pair.a.frame(pair.b, length));
  pair.b.xmit(() => pair.b.frame(pair.a, length, 1));
  pair.run(5 * MS);
  expect([pair.a.received.length - seen[0]!, pair.b.received.length - seen[1]!]).toEqual([1, 1]);
  expect(pair.b.received.at(-1)!.bytes).toEqual(payloadOf(length));
}

it('ethtool -S has the names of the real driver, in its order', () => {
  const recorded = readFileSync(new URL('../../../fixtures/linux/igb/ethtool-S.txt', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  const { a } = new Pair(2).up();
  expect(ethtool(a, (ops) => ops.get_ethtool_stats(a.dev)).map(([name]) => name)).toEqual(recorded);
});

it('counts what it sends and receives, with FCS in the device’s octets and without in the rings’', () => {
  const pair = new Pair(2).up();
  exchange(pair);
  const stats = Object.fromEntries(ethtool(pair.a, (ops) => ops.get_ethtool_stats(pair.a.dev)));
  expect(stats).toMatchObject({ rx_packets: 1, tx_packets: 1, rx_bytes: 518, tx_bytes: 518, tx_queue_0_bytes: 514, rx_queue_0_bytes: 514 });
  const link = pair.a.host.onCpu(() => dev_get_stats(pair.a.dev));
  expect(link).toMatchObject({ rx_packets: 1, rx_bytes: 514, tx_packets: 1, tx_bytes: 514, rx_errors: 0, tx_errors: 0 });
});

it('ethtool -i, -l, -c, -a and the link as the real driver shows them', () => {
  const { a } = new Pair(2).up();
  expect(ethtool(a, (ops) => ops.get_drvinfo(a.dev))).toMatchObject({ driver: 'igb', fw_version: '2.1.0', bus_info: '0000:01:00.0' });
  expect(ethtool(a, (ops) => ops.get_channels(a.dev))).toMatchObject({ max_combined: 8, max_other: 1, combined_count: 2, other_count: 1 });
  expect(ethtool(a, (ops) => ops.get_coalesce(a.dev))).toMatchObject({ rx_coalesce_usecs: 3, tx_coalesce_usecs: 3 });
  expect(ethtool(a, (ops) => ops.get_pauseparam(a.dev))).toEqual({ autoneg: true, rx_pause: true, tx_pause: true });
  const modes = ['10baseT/Half', '10baseT/Full', '100baseT/Half', '100baseT/Full', '1000baseT/Full'];
  expect(ethtool(a, (ops) => ops.get_link_ksettings(a.dev))).toMatchObject({
    speed: 1000,
    duplex: 1,
    autoneg: true,
    advertising: modes,
    supported: modes,
  });
  expect(ethtool(a, (ops) => ops.get_link(a.dev))).toBe(true);
});

it('changes ring sizes, in multiples of eight and within limits, and goes on', () => {
  const pair = new Pair(2).up();
  const { a } = pair;
  const ring = (rx: number, tx: number) => ({ rx_pending: rx, tx_pending: tx, rx_max_pending: 0, tx_max_pending: 0 });
  expect(ethtool(a, (ops) => ops.set_ringparam(a.dev, ring(1001, 10)))).toBe(0);
  expect(ethtool(a, (ops) => ops.get_ringparam(a.dev))).toEqual({
    rx_pending: 1008,
    tx_pending: 64,
    rx_max_pending: 4096,
    tx_max_pending: 4096,
  });
  pair.run(50 * MS);
  expect(a.dev.carrier).toBe(true);
  expect(a.adapter.rx_ring[0]!.rx_buffer_info).toHaveLength(1008);
  exchange(pair);
});

it('changes the number of queues and goes on', () => {
  const pair = new Pair(8).up();
  const channels = { max_rx: 0, max_tx: 0, max_other: 1, max_combined: 8, rx_count: 0, tx_count: 0, other_count: 1, combined_count: 3 };
  expect(ethtool(pair.a, (ops) => ops.set_channels(pair.a.dev, channels))).toBe(0);
  pair.run(50 * MS);
  expect(pair.a.adapter.num_tx_queues).toBe(3);
  expect(pair.a.dev.real_num_tx_queues).toBe(3);
  exchange(pair);
  expect(ethtool(pair.a, (ops) => ops.set_channels(pair.a.dev, { ...channels, combined_count: 9 }))).toBe(EINVAL);
  expect(ethtool(pair.a, (ops) => ops.set_channels(pair.a.dev, { ...channels, combined_count: 0 }))).toBe(EINVAL);
});

it('sets fixed and adaptive interrupt intervals, and refuses those that make no sense', () => {
  const { a } = new Pair(2).up();
  const set = (rx: number, tx: number): number =>
    ethtool(a, (ops) =>
      ops.set_coalesce(a.dev, { rx_coalesce_usecs: rx, tx_coalesce_usecs: tx, rx_max_coalesced_frames: 0, tx_max_coalesced_frames: 0 }),
    );
  expect(set(100, 0)).toBe(0);
  expect(ethtool(a, (ops) => ops.get_coalesce(a.dev))).toMatchObject({ rx_coalesce_usecs: 100, tx_coalesce_usecs: 0 });
  expect(a.adapter.q_vector.map(({ itr_val }) => itr_val)).toEqual([400, 400, 0, 0]);
  expect([set(2, 3), set(5, 3), set(10001, 3)]).toEqual([EINVAL, EINVAL, EINVAL]);
});

it('takes jumbo frames after ip link set mtu 9216, and refuses more', () => {
  const pair = new Pair().up();
  for (const side of [pair.a, pair.b]) {
    expect(side.host.onCpu(() => dev_set_mtu(side.dev, 9216))).toBe(0);
    expect(side.host.onCpu(() => dev_set_mtu(side.dev, 9217))).toBe(EINVAL);
  }
  pair.run(50 * MS);
  exchange(pair, 9216);
});

it('forces pause off: then queues drop on their own', () => {
  const pair = new Pair(2).up();
  const { a } = pair;
  expect(ethtool(a, (ops) => ops.set_pauseparam(a.dev, { autoneg: false, rx_pause: false, tx_pause: false }))).toBe(0);
  expect(ethtool(a, (ops) => ops.get_pauseparam(a.dev))).toEqual({ autoneg: false, rx_pause: false, tx_pause: false });
  pair.run(MS);
  // SRRCTL of queue 0: drop enable.
  expect(a.nic.registers.get(0x280c) & 0x8000_0000).not.toBe(0);
});
