/**
 * What the driver writes into transmit descriptors, in the text form of the recordings (reference scenarios s01 and s08; buffer addresses left out),
 * and what the device makes of it on the wire.
 */
import { expect, it } from 'vitest';
import type { igb_ring } from '../../../../src/kernel/drivers/net/ethernet/intel/igb/igb.ts';
import { NETIF_F_HW_VLAN_CTAG_TX } from '../../../../src/kernel/include/linux/netdevice.ts';
import { __vlan_hwaccel_put_tag, CHECKSUM_PARTIAL, SKB_GSO_TCPV4, type sk_buff } from '../../../../src/kernel/include/linux/skbuff.ts';
import type { Frame } from '../../../../src/wire/frame.ts';
import { Pair, type Side } from './pair.ts';

const MS = 1_000_000;
const IP = 14;
const TCP = 34;
const OPTIONS = 12;
const HEADERS = TCP + 20 + OPTIONS;

/** One's complement sum of 16-bit words. */
function sum(bytes: Uint8Array, from: number, to: number, start = 0): number {
  let total = start;
  for (let i = from; i < to; i += 2) total += (bytes[i]! << 8) | (i + 1 < to ? bytes[i + 1]! : 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

/** The pseudo header's part of a TCP checksum (RFC 9293, 3.1). */
const pseudo = (bytes: Uint8Array, length: number): number => sum(bytes, IP + 12, IP + 20, 6 + length);

/** A TCP segment as tcp_transmit_skb leaves it to the device: `payload` bytes in page fragments, checksum to be completed. */
function tcpSkb(from: Side, to: Side, payload: number, mss: number): sk_buff {
  const skb = from.frame(to, HEADERS - 14 + payload, 0, HEADERS - 14);
  const { u8, view } = skb.mem;
  const at = skb.data;
  const bytes = u8.subarray(at, at + HEADERS);
  view.setUint16(at + 12, 0x0800);
  bytes.set([0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], IP);
  view.setUint16(at + IP + 2, HEADERS - IP + payload);
  bytes.set([0x9c, 0x40, 0x13, 0x89, 0, 0, 0x10, 0, 0, 0, 0x20, 0, 0x80, 0x18, 1, 0, 0, 0, 0, 0], TCP);
  bytes.fill(1, TCP + 20, HEADERS);
  view.setUint16(at + IP + 10, ~sum(bytes, IP, TCP) & 0xffff);
  view.setUint16(at + TCP + 16, pseudo(bytes, 20 + OPTIONS + payload));
  skb.transport_header = at + TCP;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.csum_start = at + TCP;
  skb.csum_offset = 16;
  if (mss === 0) return skb;
  skb.shinfo.gso_size = mss;
  skb.shinfo.gso_segs = Math.ceil(payload / mss);
  skb.shinfo.gso_type = SKB_GSO_TCPV4;
  return skb;
}

/** Descriptors from index `first` on, as the recordings print them. */
function show(ring: igb_ring, first = 0): string[] {
  const lines: string[] = [];
  for (let i = first; i !== ring.next_to_use; i++) {
    const at = ring.descBase + 16 * i;
    const [w0, w2, w3] = [0, 8, 12].map((offset) => ring.descView.getUint32(at + offset, true)) as [number, number, number];
    lines.push(((w2 >>> 20) & 15) === 2 ? showContext(w0, w2, w3) : showData(w2, w3));
  }
  return lines;
}

function showContext(lens: number, type: number, mss: number): string {
  const l4 = ['udp', 'tcp', 'sctp', '-'][(type >>> 11) & 3];
  const tucmd = `${((type >>> 9) & 0x7ff).toString(2)}b(ipv4=${(type >>> 10) & 1},l4=${l4})`;
  const rest = `mss=${mss >>> 16} l4len=${(mss >>> 8) & 255} idx=${(mss >>> 4) & 7}`;
  return `CTX maclen=${(lens >>> 9) & 127} iplen=${lens & 511} vlan=${lens >>> 16} tucmd=${tucmd} ${rest}`;
}

function showData(command: number, olinfo: number): string {
  const flags = ['EOP', 'IFCS', '', 'RS', '', 'DEXT', 'VLE', 'TSE'].filter((name, i) => name !== '' && (command & (1 << (24 + i))) !== 0);
  const options = ['IXSM', 'TXSM'].filter((_, i) => (olinfo & (0x100 << i)) !== 0).join('|') || '-';
  return `DATA dtalen=${command & 0xffff} cmd=${flags.join('|')} paylen=${olinfo >>> 14} popts=${options} cc=${(olinfo >>> 7) & 1} idx=${(olinfo >>> 4) & 7}`;
}

function pairWithWire(): { pair: Pair; a: Side; b: Side; ring: igb_ring; wire: Uint8Array[] } {
  const pair = new Pair().up();
  const wire: Uint8Array[] = [];
  pair.a.nic.observers.push({
    transmitted: (frame: Frame) => wire.push(frame.bytes().slice()),
    received: () => undefined,
    stored: () => undefined,
    discarded: () => undefined,
  });
  return { pair, a: pair.a, b: pair.b, ring: pair.a.adapter.tx_ring[0]!, wire };
}

it('a frame without offloads takes one data descriptor (s01: ARP request)', () => {
  const { a, b, ring } = pairWithWire();
  a.xmit(() => a.frame(b, 28));
  expect(show(ring)).toEqual(['DATA dtalen=42 cmd=EOP|IFCS|RS|DEXT paylen=42 popts=- cc=0 idx=0']);
});

it('a checksum to complete takes a context (s01: data)', () => {
  const { pair, a, b, ring, wire } = pairWithWire();
  a.xmit(() => tcpSkb(a, b, 100, 0));
  expect(show(ring)).toEqual([
    'CTX maclen=14 iplen=20 vlan=0 tucmd=100b(ipv4=0,l4=tcp) mss=0 l4len=0 idx=0',
    'DATA dtalen=66 cmd=IFCS|DEXT paylen=166 popts=TXSM cc=0 idx=0',
    'DATA dtalen=100 cmd=EOP|IFCS|RS|DEXT paylen=0 popts=- cc=0 idx=0',
  ]);
  pair.run(MS);
  expect(wire).toHaveLength(1);
  expect(sum(wire[0]!, TCP, 166, pseudo(wire[0]!, 132))).toBe(0xffff);
});

it('a large send takes a context with MSS (s08), and leaves as segments with right lengths, sequence numbers and checksums', () => {
  const { pair, a, b, ring, wire } = pairWithWire();
  a.xmit(() => tcpSkb(a, b, 7240, 1448));
  expect(show(ring)).toEqual([
    'CTX maclen=14 iplen=20 vlan=0 tucmd=110b(ipv4=1,l4=tcp) mss=1448 l4len=32 idx=0',
    'DATA dtalen=66 cmd=IFCS|DEXT|TSE paylen=7240 popts=IXSM|TXSM cc=0 idx=0',
    'DATA dtalen=7240 cmd=EOP|IFCS|RS|DEXT|TSE paylen=0 popts=- cc=0 idx=0',
  ]);
  pair.run(MS);
  expect(wire.map((frame) => frame.length)).toEqual([1514, 1514, 1514, 1514, 1514]);
  for (const [i, frame] of wire.entries()) {
    const view = new DataView(frame.buffer);
    expect(view.getUint16(IP + 2)).toBe(1500);
    expect(view.getUint32(TCP + 4)).toBe(0x1000 + 1448 * i);
    expect(sum(frame, IP, TCP)).toBe(0xffff);
    expect(sum(frame, TCP, frame.length, pseudo(frame, 1480))).toBe(0xffff);
  }
  // BQL and the queue's bytes count what is on the wire: headers five times.
  expect(ring.tx_stats).toMatchObject({ packets: 5, bytes: 7240 + 5 * HEADERS });
});

it('a VLAN tag goes into the context, and comes out of the far descriptor', () => {
  const { pair, a, b, ring } = pairWithWire();
  expect(a.dev.features & NETIF_F_HW_VLAN_CTAG_TX).not.toBe(0);
  b.host.onCpu(() => b.dev.netdev_ops.ndo_vlan_rx_add_vid!(b.dev, 5));
  let tag: number | null = null;
  b.dev.taps.push((skb) => {
    tag = skb.vlan_present ? skb.vlan_tci : null;
  });
  a.xmit(() => {
    const skb = a.frame(b, 100);
    __vlan_hwaccel_put_tag(skb, 0x8100, 0x6005);
    return skb;
  });
  expect(show(ring)).toEqual([
    'CTX maclen=14 iplen=0 vlan=24581 tucmd=0b(ipv4=0,l4=udp) mss=0 l4len=0 idx=0',
    'DATA dtalen=114 cmd=EOP|IFCS|RS|DEXT|VLE paylen=114 popts=- cc=0 idx=0',
  ]);
  pair.run(MS);
  expect(tag).toBe(0x6005);
});
