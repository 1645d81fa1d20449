/** The driver on the modelled 82576: frames through rings, buffers used again, full rings, teardown. */
import { expect, it } from 'vitest';
import { igb_desc_unused } from '../../../../src/kernel/drivers/net/ethernet/intel/igb/igb.ts';
import { NETDEV_TX_BUSY, NETDEV_TX_OK, netif_tx_queue_stopped } from '../../../../src/kernel/include/linux/netdevice.ts';
import { dev_set_mtu } from '../../../../src/kernel/net/core/dev.ts';
import { consume_skb, kfree_skb } from '../../../../src/kernel/net/core/skbuff_free.ts';
import { Pair, payloadOf } from './pair.ts';

const MS = 1_000_000;

it('brings the link up and tells the log', () => {
  const pair = new Pair().up();
  expect(pair.a.dev.carrier).toBe(true);
  expect(pair.a.adapter.link_speed).toBe(1000);
  expect(pair.a.host.kernel.log.at(-1)!.text).toContain('eth0 NIC Link is Up 1000 Mbps Full Duplex, Flow Control: RX/TX');
});

it('carries a frame from one stack to the other, with its id', () => {
  const { a, b, pair } = withSides();
  let id = 0;
  a.xmit(() => {
    const skb = a.frame(b, 300);
    id = skb.packetId;
    return skb;
  });
  pair.run(MS);
  expect(b.received.map(({ bytes }) => bytes)).toEqual([payloadOf(300)]);
  expect(b.received[0]!.packetId).toBe(id);
});

it('sends page fragments, split where they are longer than a descriptor takes', () => {
  const { a, b, pair } = withSides();
  a.host.onCpu(() => dev_set_mtu(a.dev, 9216));
  b.host.onCpu(() => dev_set_mtu(b.dev, 9216));
  pair.run(30 * MS);
  a.xmit(() => a.frame(b, 9000, 7, 100));
  pair.run(MS);
  expect(b.received.map(({ bytes }) => bytes)).toEqual([payloadOf(9000, 7)]);
  // Buffers of 3 KiB: the frame took three.
  expect(b.received[0]!.fragments).toBe(2);
});

it('gives everything back when the far stack is done', () => {
  const { a, b, pair } = withSides();
  const before = [a.held, b.held];
  for (let i = 0; i < 200; i++) {
    a.xmit(() => a.frame(b, 1000 + i, i, 40));
    pair.run(MS / 10);
  }
  pair.run(MS);
  expect(b.received).toHaveLength(200);
  expect(b.received.every(({ bytes }, i) => Buffer.compare(bytes, payloadOf(1000 + i, i)) === 0)).toBe(true);
  expect([a.held.skbs, b.held.skbs]).toEqual([before[0]!.skbs, before[1]!.skbs]);
  expect([a.held.mappings, b.held.mappings]).toEqual([before[0]!.mappings, before[1]!.mappings]);
  expect(b.held.pages).toBe(before[1]!.pages);
});

it('uses receive pages again by halves as long as the stack lets go of them', () => {
  const { a, b, pair } = withSides();
  const mapped = b.host.machine.dma.mapped;
  for (let i = 0; i < 1000; i++) {
    a.xmit(() => a.frame(b, 200, i));
    if (i % 50 === 49) pair.run(MS);
  }
  expect(b.received).toHaveLength(1000);
  expect(b.host.machine.dma.mapped - mapped).toBe(0);
});

it('takes fresh pages while the stack keeps both halves', () => {
  const { a, b, pair } = withSides();
  const before = b.held;
  b.kept = [];
  for (let i = 0; i < 600; i++) {
    a.xmit(() => a.frame(b, 200, i));
    if (i % 50 === 49) pair.run(MS);
  }
  expect(b.kept).toHaveLength(600);
  const [ring] = b.adapter.rx_ring;
  // 600 frames in halves of pages, besides those the ring holds.
  expect(b.held.pages - before.pages).toBeGreaterThanOrEqual(300 - ring!.count);
  expect(b.received.every(({ bytes }, i) => Buffer.compare(bytes, payloadOf(200, i)) === 0)).toBe(true);
  b.host.onCpu(() => {
    for (const skb of b.kept!) consume_skb(skb);
  });
  expect(b.held.skbs).toBe(before.skbs);
  expect(b.held.pages).toBe(before.pages);
});

it('stops the queue when the ring is full and wakes it when there is room', () => {
  const { a, b, pair } = withSides();
  const txq = a.dev._tx[0]!;
  const [ring] = a.adapter.tx_ring;
  let sent = 0;
  let last = NETDEV_TX_OK;
  a.host.onCpu(() => {
    while (!netif_tx_queue_stopped(txq)) {
      last = a.dev.netdev_ops.ndo_start_xmit(a.frame(b, 1000, sent), a.dev);
      sent++;
    }
    expect(igb_desc_unused(ring!)).toBeLessThan(21);
    // A queue discipline would not call now; who does is told so when nothing fits any more.
    while (last === NETDEV_TX_OK) {
      const skb = a.frame(b, 1000, sent);
      last = a.dev.netdev_ops.ndo_start_xmit(skb, a.dev);
      if (last === NETDEV_TX_OK) sent++;
      else kfree_skb(skb);
    }
  });
  expect(last).toBe(NETDEV_TX_BUSY);
  pair.run(20 * MS);
  expect(netif_tx_queue_stopped(txq)).toBe(false);
  expect(ring!.tx_stats.restart_queue).toBeGreaterThan(0);
  expect(b.received).toHaveLength(sent);
  expect(ring!.tx_stats.packets).toBe(sent);
});

it('leaves nothing mapped or allocated after close, whatever was on the rings', () => {
  const pair = new Pair();
  const before = [pair.a.held, pair.b.held];
  pair.up();
  pair.a.host.onCpu(() => {
    for (let i = 0; i < 100; i++) pair.a.dev.netdev_ops.ndo_start_xmit(pair.a.frame(pair.b, 1000, i, 50), pair.a.dev);
  });
  pair.run(MS / 10);
  pair.a.close();
  pair.b.close();
  pair.run(30 * MS);
  expect(pair.a.held.mappings).toBe(0);
  expect(pair.b.held.mappings).toBe(0);
  expect([pair.a.held.skbs, pair.b.held.skbs]).toEqual([before[0]!.skbs, before[1]!.skbs]);
  // Slab pages stay with their caches; ring and buffer pages must be gone.
  expect(pair.b.held.pages - before[1]!.pages).toBeLessThan(16);
  pair.up();
  pair.a.xmit(() => pair.a.frame(pair.b, 64));
  pair.run(MS);
  expect(pair.b.received.at(-1)!.bytes).toEqual(payloadOf(64));
});

function withSides(): { pair: Pair; a: Pair['a']; b: Pair['b'] } {
  const pair = new Pair().up();
  return { pair, a: pair.a, b: pair.b };
}
