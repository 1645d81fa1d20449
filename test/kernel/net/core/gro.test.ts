/** Segmentation and its reversal: what GSO cuts is right on the wire, and GRO makes the same packet of it again. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NETIF_F_HW_CSUM, NETIF_F_SG, NETIF_F_TSO } from '../../../../src/kernel/include/linux/netdevice.ts';
import {
  CHECKSUM_PARTIAL,
  SKB_GSO_TCP_FIXEDID,
  SKB_GSO_TCPV4,
  type sk_buff,
  skb_fill_page_desc,
  skb_put,
  skb_reserve,
} from '../../../../src/kernel/include/linux/skbuff.ts';
import { GFP_KERNEL } from '../../../../src/kernel/include/linux/types.ts';
import { csum_tcpudp_nofold, ip_fast_csum } from '../../../../src/kernel/lib/checksum.ts';
import { alloc_pages } from '../../../../src/kernel/mm/page_alloc.ts';
import { dev_add_pack } from '../../../../src/kernel/net/core/dev.ts';
import { gro_flush_normal } from '../../../../src/kernel/net/core/gro.ts';
import { skb_gso_segment } from '../../../../src/kernel/net/core/gso.ts';
import { alloc_skb } from '../../../../src/kernel/net/core/skbuff.ts';
import { consume_skb } from '../../../../src/kernel/net/core/skbuff_free.ts';
import { FakeDriver, frameOf } from '../../../support/fake_driver.ts';
import { type TestKernel, testKernel } from '../../../support/kernel.ts';
import { parse } from '../../../support/packet.ts';

const HEADERS = 14 + 20 + 32;

interface Super {
  readonly payload: number;
  readonly mss: number;
  readonly linear: number;
  readonly flags: number;
  readonly id: number;
}

/** A TCP packet as the stack hands it to a device: timestamps, `linear` bytes of payload beside the headers, the rest in pages. */
function superPacket(host: TestKernel, { payload, mss, linear, flags, id }: Super): sk_buff {
  const skb = alloc_skb(HEADERS + linear + 128, GFP_KERNEL)!;
  skb_reserve(skb, 128);
  const at = skb_put(skb, HEADERS + linear);
  const { u8, view } = skb.mem;
  u8.fill(0, at, at + HEADERS);
  u8.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0], at);
  view.setUint16(at + 16, payload + HEADERS - 14);
  view.setUint16(at + 18, id);
  view.setUint16(at + 20, 0x4000);
  u8.set([64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], at + 22);
  view.setUint16(at + 24, ip_fast_csum(view, at + 14, 5));
  view.setUint16(at + 34, 40000);
  view.setUint16(at + 36, 5001);
  view.setUint32(at + 38, 0xffff_ff00);
  view.setUint32(at + 42, 7777);
  view.setUint16(at + 46, 0x8010 | flags);
  view.setUint16(at + 48, 502);
  u8.set([1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4], at + 54);
  let value = 1;
  for (let i = 0; i < linear; i++) u8[at + HEADERS + i] = value = (value * 7 + 3) & 0xff;
  for (let left = payload - linear; left > 0; left -= 3000) {
    const size = Math.min(left, 3000);
    const page = alloc_pages(GFP_KERNEL, 0)!;
    for (let i = 0; i < size; i++) page.mem.u8[page.offset + 50 + i] = value = (value * 7 + 3) & 0xff;
    skb_fill_page_desc(skb, skb.shinfo.nr_frags, page, page.offset + 50, size);
    skb.len += size;
    skb.data_len += size;
    skb.truesize += 4096;
  }
  skb.dev = host.network.loopback_dev;
  skb.protocol = 0x0800;
  skb.network_header = at + 14;
  skb.transport_header = at + 34;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.csum_start = at + 34;
  skb.csum_offset = 16;
  view.setUint16(at + 50, csum_tcpudp_nofold(0x0a000001, 0x0a000002, payload + 32, 6, 0));
  skb.shinfo.gso_size = mss;
  skb.shinfo.gso_segs = Math.ceil(payload / mss);
  skb.shinfo.gso_type = SKB_GSO_TCPV4;
  skb.packetId = 100;
  return skb;
}

const PSH_FIN = 0x0009;
const superPackets = fc
  .record({
    payload: fc.integer({ min: 200, max: 40_000 }),
    mss: fc.integer({ min: 100, max: 1448 }),
    linear: fc.integer({ min: 0, max: 180 }),
    flags: fc.constantFrom(0, 0x0008, PSH_FIN, 0x0001),
    id: fc.nat({ max: 0xffff }),
  })
  .filter(({ payload, mss }) => payload > mss && payload / mss < 100);

/** The segments as frames; frees them and the packet. */
function segmentsOf(skb: sk_buff, features: number): { frames: Uint8Array[]; ids: number[] } {
  const segs = skb_gso_segment(skb, features);
  if (segs === null || typeof segs === 'number') throw new Error(`segmentation said ${segs}`);
  const frames: Uint8Array[] = [];
  const ids: number[] = [];
  for (let seg: sk_buff | null = segs; seg !== null; ) {
    frames.push(frameOf(seg));
    ids.push(seg.packetId);
    const following: sk_buff | null = seg.next;
    consume_skb(seg);
    seg = following;
  }
  consume_skb(skb);
  return { frames, ids };
}

/** Everything that goes up from a device, with its GSO state. */
interface Delivered {
  readonly bytes: Uint8Array;
  readonly segs: number;
  readonly size: number;
  readonly type: number;
  readonly ids: number[];
  readonly lists: boolean;
}

function listen(): Delivered[] {
  const delivered: Delivered[] = [];
  dev_add_pack({
    type: 0x0800,
    dev: null,
    func(skb) {
      const { gso_segs: segs, gso_size: size, gso_type: type, frag_list } = skb.shinfo;
      delivered.push({ bytes: frameOf(skb), segs, size, type, ids: [skb.packetId, ...(skb.mergedIds ?? [])], lists: frag_list !== null });
      consume_skb(skb);
      return 0;
    },
  });
  return delivered;
}

const payloadOf = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(HEADERS)).toString('hex');

describe('GSO', () => {
  it('cuts frames whose headers and checksums are right, and that carry the same bytes', () => {
    const host = testKernel();
    fc.assert(
      fc.property(superPackets, fc.constantFrom(NETIF_F_SG, 0), (options, features) => {
        host.on(() => {
          const skb = superPacket(host, options);
          const whole = frameOf(skb);
          const { frames, ids } = segmentsOf(skb, features);
          expect(frames.length).toBe(Math.ceil(options.payload / options.mss));
          expect(frames.map(payloadOf).join('')).toBe(payloadOf(whole));
          expect(ids).toEqual(frames.map((_, i) => 100 + i));
          frames.forEach((frame, i) => {
            const { ip, tcp } = parse(frame);
            const isLast = i === frames.length - 1;
            expect(ip).toMatchObject({
              checksumOk: true,
              id: (options.id + i) & 0xffff,
              totalLength: frame.length - 14,
              dontFragment: true,
            });
            expect(tcp).toMatchObject({ checksumOk: true, seq: (0xffff_ff00 + i * options.mss) >>> 0, ack: 7777 });
            expect(frame[47]! & PSH_FIN).toBe(isLast ? options.flags : 0);
          });
        });
        expect(host.kernel.skb.live).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('leaves the checksum to a device that can, with the pseudo header of each segment', () => {
    const host = testKernel();
    host.on(() => {
      const skb = superPacket(host, { payload: 2000, mss: 900, linear: 0, flags: 0, id: 1 });
      const { frames } = segmentsOf(skb, NETIF_F_SG | NETIF_F_HW_CSUM);
      const seeds = frames.map((frame) => (frame[50]! << 8) | frame[51]!);
      const expected = [900, 900, 200].map((length) => 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 6 + length + 32);
      expect(seeds).toEqual(expected);
    });
  });

  it('is not done when the device segments', () => {
    const host = testKernel();
    host.on(() => {
      const skb = superPacket(host, { payload: 2000, mss: 900, linear: 0, flags: 0, id: 1 });
      expect(skb_gso_segment(skb, NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_TSO)).toBe(null);
      expect(skb.shinfo.gso_segs).toBe(3);
      consume_skb(skb);
    });
  });
});

describe('GRO', () => {
  it('makes the packet again that GSO cut', () => {
    const host = testKernel();
    const { driver, delivered } = host.on(() => ({ driver: new FakeDriver('eth0'), delivered: listen() }));
    fc.assert(
      fc.property(superPackets, (options) => {
        host.on(() => {
          const skb = superPacket(host, options);
          const whole = frameOf(skb);
          const { frames } = segmentsOf(skb, 0);
          delivered.length = 0;
          for (const frame of frames) driver.receive(frame);
          gro_flush_normal(driver.napi, false);
          expect(delivered.length).toBe(1);
          const [merged] = delivered;
          expect(Buffer.from(merged!.bytes).toString('hex')).toBe(Buffer.from(whole.subarray(14)).toString('hex'));
          expect(merged).toMatchObject({ segs: frames.length, size: options.mss, type: SKB_GSO_TCPV4 });
        });
        expect(host.kernel.skb.live).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  const twoSegments = (host: TestKernel): Uint8Array[] =>
    segmentsOf(superPacket(host, { payload: 2000, mss: 1000, linear: 0, flags: 0, id: 9 }), 0).frames;

  /** Changes the second segment, mends its checksums, and tells how many packets come out. */
  function mergedAfter(change: (frame: Uint8Array, view: DataView) => void): number[] {
    const host = testKernel();
    return host.on(() => {
      const driver = new FakeDriver('eth0');
      const delivered = listen();
      const [first, second] = twoSegments(host);
      change(second!, new DataView(second!.buffer));
      second![24] = second![25] = 0;
      const check = ip_fast_csum(new DataView(second!.buffer), 14, 5);
      second![24] = check >> 8;
      second![25] = check & 0xff;
      driver.receive(first!);
      driver.receive(second!);
      gro_flush_normal(driver.napi, false);
      return delivered.map(({ bytes }) => bytes.length);
    });
  }
  const together = [52 + 2000];
  const apart = [52 + 1000, 52 + 1000];

  it.each([
    ['nothing', () => undefined, together],
    ['the acknowledgement', (frame: Uint8Array): number => frame[45]!++, apart],
    ['the window', (frame: Uint8Array): number => frame[49]!++, apart],
    ['the timestamp', (frame: Uint8Array): number => frame[61]!++, apart],
    ['the sequence number', (frame: Uint8Array): number => frame[41]!++, apart],
    ['the TTL', (frame: Uint8Array): number => frame[22]!--, apart],
    ['the TOS', (frame: Uint8Array): number => (frame[15] = 2), apart],
    ['DF', (frame: Uint8Array): number => (frame[20] = 0), apart],
    ['a jump of the IP id', (frame: Uint8Array): number => (frame[19]! += 5), apart],
    ['PSH', (frame: Uint8Array): number => (frame[47]! |= 8), together],
    ['FIN', (frame: Uint8Array): number => (frame[47]! |= 1), together],
    ['URG', (frame: Uint8Array): number => (frame[47]! |= 0x20), apart],
    ['CWR', (frame: Uint8Array): number => (frame[47]! |= 0x80), apart],
    ['a port', (frame: Uint8Array): number => frame[37]!++, apart],
    ['an address', (frame: Uint8Array): number => frame[29]!++, apart],
    ['a MAC address', (frame: Uint8Array): number => frame[11]!++, apart],
  ] as const)('%s different in the second segment', (_what, change, expected) => {
    expect(mergedAfter(change as (frame: Uint8Array) => void)).toEqual(expected);
  });

  it('merges packets whose IP id stays the same, and says so', () => {
    const host = testKernel();
    host.on(() => {
      const driver = new FakeDriver('eth0');
      const delivered = listen();
      const frames = segmentsOf(superPacket(host, { payload: 4000, mss: 1000, linear: 0, flags: 0, id: 9 }), 0).frames;
      for (const frame of frames) {
        frame[19] = 9;
        frame[24] = frame[25] = 0;
        const check = ip_fast_csum(new DataView(frame.buffer), 14, 5);
        frame[24] = check >> 8;
        frame[25] = check & 0xff;
        driver.receive(frame);
      }
      gro_flush_normal(driver.napi, false);
      expect(delivered).toMatchObject([{ segs: 4, type: SKB_GSO_TCPV4 | SKB_GSO_TCP_FIXEDID }]);
    });
  });

  it('chains packets when a packet has 17 fragments already, as in the recording', () => {
    const host = testKernel();
    host.on(() => {
      const driver = new FakeDriver('eth0');
      const delivered = listen();
      const { frames } = segmentsOf(superPacket(host, { payload: 20 * 1448, mss: 1448, linear: 0, flags: 0, id: 9 }), 0);
      const results = frames.map((frame) => driver.receive(frame));
      gro_flush_normal(driver.napi, false);
      // GRO_HELD, then GRO_MERGED_FREE for each that became a fragment, GRO_MERGED for the one that starts the chain.
      expect(results).toEqual([2, ...new Array(17).fill(1), 0, 1]);
      expect(delivered).toMatchObject([{ segs: 20, lists: true }]);
      expect(delivered[0]!.bytes.length).toBe(52 + 20 * 1448);
    });
    expect(host.kernel.skb.live).toBe(0);
  });

  it('never makes a packet of 64 KiB or more', () => {
    const host = testKernel();
    host.on(() => {
      const driver = new FakeDriver('eth0');
      const delivered = listen();
      const many = [0, 1].flatMap((half) => {
        const { frames } = segmentsOf(superPacket(host, { payload: 24 * 1448, mss: 1448, linear: 0, flags: 0, id: 100 + 24 * half }), 0);
        for (const frame of frames)
          if (half === 1) new DataView(frame.buffer).setUint32(38, (new DataView(frame.buffer).getUint32(38) + 24 * 1448) >>> 0);
        for (const frame of frames) {
          frame[24] = frame[25] = 0;
          new DataView(frame.buffer).setUint16(24, ip_fast_csum(new DataView(frame.buffer), 14, 5));
        }
        return frames;
      });
      for (const frame of many) driver.receive(frame);
      gro_flush_normal(driver.napi, false);
      expect(delivered.map(({ segs }) => segs)).toEqual([45, 3]);
    });
  });
});
