/** Sixteen queues each way, their buffers, and frames of every size. */
import { describe, expect, it } from 'vitest';
import { ipv4Packet, pattern, put16 } from './packets.ts';
import * as T from './test_driver.ts';

const packet = ipv4Packet(pattern(100));
const QUEUES = Array.from({ length: 16 }, (_, i) => i);

describe('sixteen queues each way', () => {
  it('each transmit queue sends, and reports to the vector that IVAR gives it', () => {
    const driver = new T.TestDriver();
    driver.write(T.GPIE, 0x8000_0010);
    for (const queue of QUEUES) {
      const ivar = T.IVAR(queue & 7);
      driver.write(ivar, driver.read(ivar) | ((0x80 | (queue + 1)) << (queue < 8 ? 8 : 24)));
      driver.setupTx(queue);
    }
    driver.write(T.EIMS, 0x01ff_ffff);
    driver.start();
    driver.run(10_000);
    driver.machine.messages.length = 0;
    for (const queue of QUEUES) {
      const last = driver.postData(queue, [packet], 0, 0, -1, 100 + queue);
      driver.ring(queue);
      driver.run(20_000);
      expect(driver.done(queue, last)).toBe(true);
    }
    expect(driver.end.sent.map(({ queue, id }) => [queue, id])).toEqual(QUEUES.map((queue) => [queue, 100 + queue]));
    expect(driver.machine.messages.map(({ vector }) => vector)).toEqual(QUEUES.map((queue) => queue + 1));
  });

  it('each receive queue takes what RETA gives it, and tells its vector', () => {
    const driver = new T.TestDriver();
    driver.write(T.GPIE, 0x8000_0010);
    for (const queue of QUEUES) {
      const ivar = T.IVAR(queue & 7);
      driver.write(ivar, driver.read(ivar) | ((0x80 | (queue + 1)) << (queue < 8 ? 0 : 16)));
      driver.setupRx(queue);
    }
    driver.write(T.EIMS, 0x01ff_ffff);
    driver.write(T.MRQC, 2 | (1 << 16));
    driver.start();
    for (const queue of QUEUES) {
      for (let i = 0; i < 32; i++) driver.write(T.RETA + 4 * i, queue * 0x0101_0101);
      driver.run(1000);
      driver.machine.messages.length = 0;
      driver.arrive(packet);
      driver.run(20_000);
      expect(QUEUES.filter((other) => driver.next(other) !== null)).toEqual([queue]);
      expect(driver.machine.messages.map(({ vector }) => vector)).toEqual([queue + 1]);
    }
  });

  it('MRQC names the queue of frames when it does not spread them', () => {
    const driver = new T.TestDriver();
    for (const queue of QUEUES) driver.setupRx(queue);
    driver.start();
    driver.write(T.MRQC, 5 << 3);
    driver.arrive(packet);
    driver.run(20_000);
    expect(driver.next(5)).not.toBeNull();
  });

  it('a queue that is disabled forgets its pointers, and can be set up again', () => {
    const driver = new T.TestDriver();
    driver.start();
    driver.setupTx(3);
    driver.postData(3, [packet]);
    driver.ring(3);
    driver.run(20_000);
    driver.write(T.TXDCTL(3), 0);
    expect([driver.read(T.TDH(3)), driver.read(T.TXDCTL(3))]).toEqual([0, 0]);
    driver.setupTx(3);
    driver.postData(3, [packet]);
    driver.ring(3);
    driver.run(20_000);
    expect(driver.end.sent).toHaveLength(2);
  });
});

describe('buffer sizes', () => {
  const large = ipv4Packet(pattern(1400));
  const lengths = (srrctl: number, bsize = 0): number[] => {
    const driver = new T.TestDriver();
    driver.start(T.RCTL_BAM | T.RCTL_SECRC | (bsize << 16));
    driver.setupRx(0, T.RING - 1, srrctl);
    driver.run(10_000);
    driver.arrive(large);
    driver.run(20_000);
    const received = driver.next(0)!;
    expect(received.bytes).toEqual(large);
    return received.lengths;
  };

  it('SRRCTL.BSIZEPACKET in KiB', () => {
    expect(lengths(0x0200_0001)).toEqual([1024, large.length - 1024]);
    expect(lengths(0x0200_0002)).toEqual([large.length]);
  });

  it('RCTL.BSIZE where SRRCTL gives none', () => {
    expect(lengths(0x0200_0000, 0)).toEqual([large.length]);
    expect(lengths(0x0200_0000, 1)).toEqual([1024, large.length - 1024]);
    expect(lengths(0x0200_0000, 2)).toEqual([512, 512, large.length - 1024]);
    expect(lengths(0x0200_0000, 3)).toEqual([256, 256, 256, 256, 256, large.length - 1280]);
  });

  it('RDMTS asks for more descriptors when few are left (RXDMT0)', () => {
    const driver = new T.TestDriver();
    driver.start();
    driver.setupRx(0, 15, 0x0200_0002 | (1 << 20));
    driver.run(10_000);
    driver.read(T.ICR);
    driver.arrive(packet);
    driver.run(20_000);
    expect(driver.read(T.ICR) & 0x10).toBe(0x10);
  });
});

describe('jumbo frames', () => {
  /** 9,216 bytes with FCS: what the 82576 takes at most. */
  const jumbo = ipv4Packet(pattern(9216 - 4 - 66));

  it('of 9,216 bytes leave as they are', () => {
    const driver = new T.TestDriver();
    driver.start();
    driver.setupTx(0);
    driver.postData(0, [jumbo.slice(0, 100), jumbo.slice(100)]);
    driver.ring(0);
    driver.run(200_000);
    expect(driver.end.sent[0]!.bytes).toEqual(jumbo);
    expect(driver.read(0x40ec)).toBe(1);
  });

  it('of RLPML bytes arrive, longer ones do not', () => {
    const driver = new T.TestDriver();
    driver.start(T.RCTL_BAM | T.RCTL_SECRC | T.RCTL_LPE);
    driver.setupRx(0);
    driver.write(T.RLPML, 9216);
    driver.run(10_000);
    driver.arrive(jumbo);
    driver.arrive(Uint8Array.from([...jumbo, 0]));
    driver.run(100_000);
    expect(driver.next(0)!.bytes).toEqual(jumbo);
    expect(driver.next(0)).toBeNull();
    expect(driver.read(0x40ac)).toBe(1);
  });

  it('the factory value of RLPML lets 9,728 bytes pass', () => {
    const driver = new T.TestDriver();
    expect(driver.read(T.RLPML)).toBe(9728);
  });
});

describe('exact addresses and multicast hashes', () => {
  const RCTL_MO = (choice: number): number => choice << 12;
  const to = (address: readonly number[]): Uint8Array => ipv4Packet(pattern(60), { to: Uint8Array.from(address) });

  it('all twenty-four receive addresses count', () => {
    const driver = new T.TestDriver();
    driver.start(T.RCTL_SECRC);
    driver.setupRx(0);
    driver.run(10_000);
    for (let i = 0; i < 24; i++) {
      const at = i < 16 ? 0x5400 + 8 * i : 0x54e0 + 8 * (i - 16);
      driver.write(at, 0x0403_0202);
      driver.write(at + 4, 0x8000_0005 | (i << 8));
      driver.arrive(to([2, 2, 3, 4, 5, i]));
      driver.run(20_000);
      expect(driver.next(0), `address ${i}`).not.toBeNull();
      driver.giveBack(0, (driver.read(T.RDH(0)) + T.RING - 1) % T.RING);
    }
  });

  it.each([
    [0, 4],
    [1, 3],
    [2, 2],
    [3, 0],
  ])('RCTL.MO %i takes the hash from bit %i of the last two bytes', (choice, shift) => {
    const driver = new T.TestDriver();
    driver.start(T.RCTL_SECRC | RCTL_MO(choice));
    driver.setupRx(0);
    driver.run(10_000);
    const hash = ((0xa5 << 8) | 0x5a) >>> shift;
    driver.write(T.MTA + 4 * ((hash >>> 5) & 0x7f), 1 << (hash & 31));
    driver.arrive(to([0x01, 0, 0x5e, 0, 0x5a, 0xa5]));
    driver.arrive(to([0x01, 0, 0x5e, 0, 0xa5, 0x5a]));
    driver.run(20_000);
    expect(driver.next(0)).not.toBeNull();
    expect(driver.next(0)).toBeNull();
  });

  it('the canonical form bit of a tag can be asked for (CFIEN, CFI)', () => {
    const driver = new T.TestDriver();
    driver.start(T.RCTL_SECRC | T.RCTL_VFE | (1 << 19));
    driver.setupRx(0);
    driver.write(T.VFTA + 4 * (100 >>> 5), 1 << (100 & 31));
    driver.run(10_000);
    const plain = to([...T.mac]);
    const tagged = (tci: number): Uint8Array => {
      const frame = Uint8Array.from([...plain.slice(0, 12), 0x81, 0, 0, 0, ...plain.slice(12)]);
      put16(frame, 14, tci);
      return frame;
    };
    driver.arrive(tagged(0x1064));
    driver.arrive(tagged(0x0064));
    driver.run(20_000);
    expect(driver.next(0)!.bytes).toEqual(tagged(0x0064));
    expect(driver.next(0)).toBeNull();
  });
});

describe('filters that name a queue', () => {
  const [ETQF, SYNQF, SAQF, DAQF, SPQF, FTQF, IMIR, RFCTL] = [0x5cb0, 0x55fc, 0x5980, 0x59a0, 0x59c0, 0x59e0, 0x5a80, 0x5008] as const;
  /** FTQF's bypasses: protocol, source, destination, source port; IMIR's: destination port. */
  const [ANY_PROTOCOL, ANY_SOURCE, ANY_DESTINATION, ANY_SOURCE_PORT, ANY_PORT] = [1 << 28, 1 << 29, 1 << 30, 1 << 31, 1 << 17] as const;
  const flow = (queue: number): number => (queue << 16) | (1 << 15) | (1 << 8);
  const syn = ipv4Packet(pattern(0), { flags: 0x02 });

  function spread(): T.TestDriver {
    const driver = new T.TestDriver();
    driver.start(T.RCTL_BAM | T.RCTL_SECRC);
    for (let queue = 0; queue < 8; queue++) driver.setupRx(queue);
    for (let i = 0; i < 32; i++) driver.write(T.RETA + 4 * i, 0x0101_0101);
    driver.write(T.MRQC, 2 | (1 << 16));
    driver.run(10_000);
    return driver;
  }

  function queueOf(driver: T.TestDriver, bytes: Uint8Array): number {
    driver.arrive(bytes);
    driver.run(20_000);
    return [0, 1, 2, 3, 4, 5, 6, 7].find((queue) => driver.next(queue) !== null)!;
  }

  it('an Ethertype, also behind a tag; other frames go where RSS sends them', () => {
    const driver = spread();
    driver.write(ETQF + 4 * 5, (1 << 31) | (1 << 26) | (6 << 16) | 0x0806);
    const arp = new Uint8Array(60);
    arp.set([...T.mac, 2, 0, 0, 0, 1, 0x0b, 0x08, 0x06]);
    const tagged = new Uint8Array(64);
    tagged.set([...T.mac, 2, 0, 0, 0, 1, 0x0b, 0x81, 0x00, 0, 5, 0x08, 0x06]);
    expect([queueOf(driver, arp), queueOf(driver, tagged), queueOf(driver, packet)]).toEqual([6, 6, 1]);
    driver.write(ETQF + 4 * 5, 0);
    expect(queueOf(driver, arp)).toBe(1);
  });

  it('TCP SYN without ACK', () => {
    const driver = spread();
    driver.write(SYNQF, (5 << 1) | 1);
    expect([syn, ipv4Packet(pattern(0), { flags: 0x12 }), packet].map((bytes) => queueOf(driver, bytes))).toEqual([5, 1, 1]);
  });

  it('the five of a flow, each of which may be bypassed', () => {
    const driver = spread();
    const ours = { source: [10, 0, 0, 2], destination: [10, 0, 0, 1], sourcePort: 40000, destinationPort: 5001 };
    driver.write(SAQF + 4, 0x0200_000a);
    driver.write(DAQF + 4, 0x0100_000a);
    driver.write(SPQF + 4, ((40000 & 0xff) << 8) | (40000 >>> 8));
    driver.write(IMIR + 4, ((5001 & 0xff) << 8) | (5001 >>> 8));
    driver.write(FTQF + 4, flow(4) | 6);
    const others = [
      { ...ours, protocol: 17 },
      { ...ours, source: [10, 0, 0, 3] },
      { ...ours, destination: [10, 0, 0, 9] },
      { ...ours, sourcePort: 40001 },
      { ...ours, destinationPort: 5002 },
    ];
    const queues = (): number[] => [ours, ...others].map((options) => queueOf(driver, ipv4Packet(pattern(40), options)));
    expect(queues()).toEqual([4, 1, 1, 1, 1, 1]);
    driver.write(FTQF + 4, flow(4) | ANY_PROTOCOL | ANY_SOURCE | ANY_DESTINATION | ANY_SOURCE_PORT);
    driver.write(IMIR + 4, ANY_PORT);
    expect(queues()).toEqual([4, 4, 4, 4, 4, 4]);
  });

  it('RFCTL.SYNQFP puts SYN before the flows', () => {
    const driver = spread();
    driver.write(SYNQF, (5 << 1) | 1);
    driver.write(FTQF, flow(4) | ANY_PROTOCOL | ANY_SOURCE | ANY_DESTINATION | ANY_SOURCE_PORT);
    driver.write(IMIR, ANY_PORT);
    expect(queueOf(driver, syn)).toBe(4);
    driver.write(RFCTL, 1 << 19);
    expect(queueOf(driver, syn)).toBe(5);
  });
});
