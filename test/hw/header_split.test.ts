/** Header splitting and replication (datasheet 7.1.10): SRRCTL.DESCTYPE 010b to 101b, PSRTYPE, and what the first descriptor says. */
import { describe, expect, it } from 'vitest';
import { ETH, IP, ipv4Packet, pattern, put16, TCP, UDP } from './packets.ts';
import * as T from './test_driver.ts';

const SPLIT = 2 << 25;
const REPLICATE = 3 << 25;
const REPLICATE_LARGE = 4 << 25;
const SPLIT_ALWAYS = 5 << 25;
const HEADERS = ETH + IP + TCP;
const SPH = 0x8000;
const HBO = 0x0080_0000;
const PSRTYPE = 0x5480;
const RFCTL = 0x5008;
const MARK = 0xee;

interface Seen {
  /** What is in the header buffer, as far as it was written. */
  readonly header: Uint8Array;
  readonly data: Uint8Array;
  readonly lengths: readonly number[];
  readonly sph: boolean;
  readonly hdrLen: number;
  readonly hbo: boolean;
}

/** A queue with buffers of 2 KB and header buffers of `headerBytes`, a multiple of 64. */
class SplitDriver {
  readonly driver = new T.TestDriver();
  readonly #header: number;
  readonly #ring: number;
  readonly #headerBytes: number;

  constructor(type: number, headerBytes: number, rctl = T.RCTL_BAM | T.RCTL_SECRC | T.RCTL_LPE) {
    const { driver } = this;
    this.#headerBytes = headerBytes;
    driver.start(rctl);
    driver.setupRx(0, T.RING - 1, type | ((headerBytes / 64) << 8) | 2);
    driver.run(10_000);
    this.#header = driver.buffer(new Uint8Array(1024).fill(MARK));
    this.#ring = driver.read(T.RDBAL(0)) - driver.machine.section.base;
    for (let i = 0; i < T.RING; i++) driver.machine.section.view.setUint32(this.#ring + 16 * i + 8, this.#header, true);
  }

  receive(packet: Uint8Array): Seen {
    const { view, u8, base } = this.driver.machine.section;
    const at = this.#ring + 16 * this.driver.read(T.RDH(0));
    u8.fill(MARK, this.#header - base, this.#header - base + 1024);
    this.driver.arrive(packet);
    this.driver.run(20_000);
    const info = view.getUint16(at + 2, true);
    const hbo = (view.getUint32(at + 8, true) & HBO) !== 0;
    const { bytes, lengths } = this.driver.next(0)!;
    const buffer = u8.slice(this.#header - base, this.#header - base + 1024);
    expect(buffer.subarray(this.#headerBytes)).toEqual(new Uint8Array(1024 - this.#headerBytes).fill(MARK));
    const written = buffer.findLastIndex((byte) => byte !== MARK) + 1;
    return { header: buffer.slice(0, written), data: bytes, lengths, sph: (info & SPH) !== 0, hdrLen: (info & 0x7fff) >>> 5, hbo };
  }
}

const NOTHING = new Uint8Array(0);
const small = ipv4Packet(pattern(20));
const large = ipv4Packet(pattern(1000));
const arp = new Uint8Array(60);
arp.set([...T.mac, 2, 0, 0, 0, 1, 0x0b, 0x08, 0x06]);
/** Not IP, and longer than any header buffer here. */
const foreign = new Uint8Array(300).fill(7);
foreign.set([...T.mac, 2, 0, 0, 0, 1, 0x0b, 0x88, 0xb5]);

describe('split (010b)', () => {
  it('puts the headers into the header buffer and the rest into the packet buffer', () => {
    const seen = new SplitDriver(SPLIT, 128).receive(large);
    expect(seen).toEqual({
      header: large.slice(0, HEADERS),
      data: large.slice(HEADERS),
      lengths: [1000],
      sph: true,
      hdrLen: HEADERS,
      hbo: false,
    });
  });

  it('does so for a packet of several descriptors: the header belongs to the first', () => {
    const jumbo = ipv4Packet(pattern(5000));
    const split = new SplitDriver(SPLIT, 128);
    split.driver.write(T.RLPML, 9018);
    const seen = split.receive(jumbo);
    expect(seen.header).toEqual(jumbo.slice(0, HEADERS));
    expect(seen.data).toEqual(jumbo.slice(HEADERS));
    expect(seen.lengths).toEqual([2048, 2048, 904]);
  });

  it('leaves alone what it does not know', () => {
    expect(new SplitDriver(SPLIT, 128).receive(arp)).toEqual({
      header: NOTHING,
      data: arp,
      lengths: [60],
      sph: false,
      hdrLen: 0,
      hbo: false,
    });
  });

  it('leaves alone a packet whose headers do not fit, and says so (HBO)', () => {
    const seen = new SplitDriver(SPLIT, 64).receive(large);
    expect(seen).toEqual({ header: NOTHING, data: large, lengths: [large.length], sph: true, hdrLen: HEADERS, hbo: true });
  });

  it('counts the tag among the headers, unless it was taken out', () => {
    const tagged = Uint8Array.from([...large.slice(0, 12), 0x81, 0x00, 0x60, 0x64, ...large.slice(12)]);
    const split = new SplitDriver(SPLIT, 128);
    expect(split.receive(tagged)).toMatchObject({ header: tagged.slice(0, HEADERS + 4), hdrLen: HEADERS + 4 });
    split.driver.write(T.CTRL, split.driver.read(T.CTRL) | T.VME);
    expect(split.receive(tagged)).toMatchObject({ header: large.slice(0, HEADERS), data: large.slice(HEADERS), hdrLen: HEADERS });
  });
});

describe('split, always using the header buffer (101b)', () => {
  it('puts the headers there', () => {
    const seen = new SplitDriver(SPLIT_ALWAYS, 128).receive(large);
    expect(seen).toMatchObject({ header: large.slice(0, HEADERS), data: large.slice(HEADERS), sph: true, hdrLen: HEADERS, hbo: false });
  });

  it('puts a packet that fits there as a whole; the packet buffer stays empty', () => {
    for (const packet of [small, arp])
      expect(new SplitDriver(SPLIT_ALWAYS, 128).receive(packet)).toMatchObject({
        data: NOTHING,
        lengths: [0],
        sph: false,
        hdrLen: packet.length,
        hbo: false,
      });
    expect(new SplitDriver(SPLIT_ALWAYS, 128).receive(small).header).toEqual(small);
  });

  it('fills it with the beginning of what it does not know', () => {
    const seen = new SplitDriver(SPLIT_ALWAYS, 128).receive(foreign);
    expect(seen).toMatchObject({ header: foreign.slice(0, 128), data: foreign.slice(128), sph: false, hdrLen: 128, hbo: false });
  });

  it('fills it when the headers do not fit, and says how long they are', () => {
    const seen = new SplitDriver(SPLIT_ALWAYS, 64).receive(large);
    expect(seen).toMatchObject({ header: large.slice(0, 64), data: large.slice(64), sph: true, hdrLen: HEADERS, hbo: true });
  });
});

describe('replication', () => {
  it('always (011b): the header buffer holds the beginning, the packet buffer all', () => {
    const seen = new SplitDriver(REPLICATE, 128).receive(large);
    expect(seen).toMatchObject({ header: large.slice(0, 128), data: large, sph: true, hdrLen: HEADERS, hbo: false });
    expect(new SplitDriver(REPLICATE, 128).receive(small)).toMatchObject({ header: small, data: small, sph: true });
    expect(new SplitDriver(REPLICATE, 128).receive(foreign)).toMatchObject({ header: foreign.slice(0, 128), data: foreign, sph: false });
    expect(new SplitDriver(REPLICATE, 64).receive(large)).toMatchObject({ data: large, hbo: true, hdrLen: HEADERS });
  });

  it('of large packets only (100b): those that are longer than the header buffer', () => {
    expect(new SplitDriver(REPLICATE_LARGE, 128).receive(small)).toMatchObject({ header: NOTHING, data: small, hdrLen: HEADERS });
    expect(new SplitDriver(REPLICATE_LARGE, 128).receive(large)).toMatchObject({ header: large.slice(0, 128), data: large });
  });
});

describe('PSRTYPE chooses the packets', () => {
  it('splits after layer 3 what it does not split after layer 4, and nothing of a kind that is off', () => {
    const udp = ipv4Packet(pattern(500), { protocol: 17 });
    const split = new SplitDriver(SPLIT, 128);
    expect(split.receive(udp).header).toEqual(udp.slice(0, ETH + IP + UDP));
    split.driver.write(PSRTYPE, 1 << 1);
    expect(split.receive(udp).header).toEqual(udp.slice(0, ETH + IP));
    expect(split.receive(large).header).toEqual(large.slice(0, ETH + IP));
    split.driver.write(PSRTYPE, 1 << 2);
    expect(split.receive(large).header).toEqual(large.slice(0, HEADERS));
    expect(split.receive(udp)).toMatchObject({ header: NOTHING, data: udp, sph: false });
  });

  it('fragments are split after their IP header, or not at all (RFCTL.IPFRSP_DIS)', () => {
    const fragment = ipv4Packet(pattern(500));
    put16(fragment, 20, 0x2000);
    const split = new SplitDriver(SPLIT, 128);
    expect(split.receive(fragment).header).toEqual(fragment.slice(0, ETH + IP));
    split.driver.write(RFCTL, 1 << 14);
    expect(split.receive(fragment)).toMatchObject({ header: NOTHING, data: fragment, sph: false });
  });
});
