/** PTHRESH, HTHRESH and WTHRESH of both directions (datasheet 7.1.6, 7.2.2.5, 8.10.9, 8.12.13), and how much the DMA engines have under way. */
import { describe, expect, it } from 'vitest';
import { ipv4Packet, pattern } from './packets.ts';
import * as T from './test_driver.ts';

const packet = ipv4Packet(pattern(4));
const US = 1000;
/** A bus so slow that every read of memory shows. */
const LATENCY = 20 * US;
const SWFLSH = 1 << 26;
const DTXMXSZRQ = 0x3540;
const thresholds = (pthresh: number, hthresh: number, wthresh = 0): number => pthresh | (hthresh << 8) | (wthresh << 16);

describe('prefetching of transmit descriptors', () => {
  /** Five packets, and `more` that are handed over while the first of those are being fetched. Returns how long the wire is idle in between. */
  function gapBefore(more: number, pthresh: number, hthresh: number): number {
    const driver = new T.TestDriver({}, { readLatencyNs: LATENCY });
    driver.start();
    driver.setupTx(0, 0, thresholds(pthresh, hthresh));
    for (let i = 0; i < 5; i++) driver.postData(0, [packet]);
    driver.ring(0);
    driver.run(LATENCY + US);
    for (let i = 0; i < more; i++) driver.postData(0, [packet]);
    driver.ring(0);
    driver.run(1000 * US);
    const { sent } = driver.end;
    expect(sent).toHaveLength(5 + more);
    return sent[5]!.time - sent[4]!.time - (sent[4]!.bytes.length + 24) * 8;
  }

  it('with PTHRESH the next descriptors come while the others are worked on; without, the queue stands still for a read', () => {
    expect(gapBefore(5, 8, 1)).toBeLessThan(LATENCY);
    expect(gapBefore(5, 0, 0)).toBeGreaterThan(LATENCY);
  });

  it('with as many as PTHRESH on the chip nothing is fetched ahead', () => {
    expect(gapBefore(5, 1, 1)).toBeGreaterThan(gapBefore(5, 8, 1));
  });

  it('HTHRESH keeps the device from fetching few', () => {
    expect(gapBefore(4, 8, 4)).toBeLessThan(LATENCY);
    expect(gapBefore(3, 8, 4)).toBeGreaterThan(LATENCY);
  });
});

describe('prefetching of receive descriptors', () => {
  /** Four descriptors, and four more once the first are on the chip; eight frames at once. When the last one is delivered. */
  function allDeliveredAt(pthresh: number, hthresh: number): number {
    const driver = new T.TestDriver({}, { readLatencyNs: LATENCY });
    driver.start();
    driver.setupRx(0, 4, undefined, thresholds(pthresh, hthresh, 1));
    driver.run(LATENCY + US);
    driver.write(T.RDT(0), 8);
    driver.run(LATENCY + US);
    const start = driver.simulation.now;
    for (let i = 0; i < 8; i++) driver.arrive(packet);
    while (driver.pool.live > 0) driver.run(100);
    return driver.simulation.now - start;
  }

  it('with PTHRESH and enough in memory they are there before they are needed', () => {
    expect(allDeliveredAt(8, 4)).toBeLessThan(LATENCY);
    expect(allDeliveredAt(8, 5)).toBeGreaterThan(LATENCY);
    expect(allDeliveredAt(0, 0)).toBeGreaterThan(LATENCY);
  });
});

describe('WTHRESH of RXDCTL', () => {
  /** Vector 1 serves queue 0, at most every 500 µs; the first packet has just started that interval. */
  function moderated(srrctl = 0x0200_0002): T.TestDriver {
    const driver = new T.TestDriver();
    driver.write(T.GPIE, 0x8000_0010);
    driver.write(T.IVAR(0), 0x81);
    driver.write(T.EIMS, 2);
    driver.write(T.EITR(1), 500 << 2);
    driver.start();
    driver.setupRx(0, T.RING - 1, srrctl, thresholds(8, 8, 4));
    driver.run(10 * US);
    driver.arrive(packet);
    driver.run(10 * US);
    expect(driver.machine.messages).toHaveLength(1);
    return driver;
  }

  function arrive(driver: T.TestDriver, count: number): void {
    for (let i = 0; i < count; i++) driver.arrive(packet);
    driver.run(10 * US);
  }

  const taken = (driver: T.TestDriver): number => {
    let count = 0;
    while (driver.next(0) !== null) count++;
    return count;
  };

  it('collects descriptors while the vector is quiet, and writes back four together', () => {
    const driver = moderated();
    expect(taken(driver)).toBe(1);
    arrive(driver, 3);
    expect(taken(driver)).toBe(0);
    arrive(driver, 1);
    expect(taken(driver)).toBe(4);
    expect(driver.machine.messages).toHaveLength(1);
  });

  it('flushes what it has when the interval is over, and interrupts', () => {
    const driver = moderated();
    arrive(driver, 3);
    expect(taken(driver)).toBe(1);
    driver.run(500 * US);
    expect(taken(driver)).toBe(3);
    expect(driver.machine.messages).toHaveLength(2);
    expect(driver.machine.messages[1]!.time - driver.machine.messages[0]!.time).toBe(500 * US);
  });

  it('writes back each packet at once while no interrupt has to wait', () => {
    const driver = moderated();
    driver.run(600 * US);
    arrive(driver, 1);
    expect(taken(driver)).toBe(2);
  });

  it('flushes when software asks for it (SWFLSH), a bit that clears itself', () => {
    const driver = moderated();
    arrive(driver, 2);
    driver.write(T.RXDCTL(0), driver.read(T.RXDCTL(0)) | SWFLSH);
    driver.run(1);
    expect(driver.read(T.RXDCTL(0)) & SWFLSH).toBe(0);
    expect(taken(driver)).toBe(3);
  });

  it('holds legacy descriptors, too, and forgets them when the queue is disabled', () => {
    const driver = moderated(0x0000_0002);
    const { view, base } = driver.machine.section;
    const ring = driver.read(T.RDBAL(0)) - base;
    const done = (): boolean[] => [0, 1, 2, 3, 4].map((i) => (view.getUint8(ring + 16 * i + 12) & 1) !== 0);
    arrive(driver, 3);
    expect(done()).toEqual([true, false, false, false, false]);
    arrive(driver, 1);
    expect(done()).toEqual([true, true, true, true, true]);
    expect(view.getUint16(ring + 16 * 3 + 8, true)).toBe(packet.length);
    driver.write(T.EIMS, 2);
    arrive(driver, 3);
    driver.write(T.RXDCTL(0), 0);
    driver.run(600 * US);
    expect(view.getUint8(ring + 16 * 5 + 12)).toBe(0);
  });
});

describe('requests under way', () => {
  function fetchTime(requests: number): number {
    const driver = new T.TestDriver({}, { readLatencyNs: LATENCY });
    driver.write(DTXMXSZRQ, requests);
    driver.start();
    driver.setupTx(0);
    driver.postData(0, [ipv4Packet(pattern(1000))]);
    const rung = driver.simulation.now;
    driver.ring(0);
    driver.run(10_000 * US);
    return driver.end.sent[0]!.time - rung;
  }

  it('DTXMXSZRQ bounds the rate of reads where latency is high: so many bytes in each round trip', () => {
    const length = ipv4Packet(pattern(1000)).length;
    expect(fetchTime(1)).toBe(2 * LATENCY + Math.round((length * LATENCY) / 256));
    expect(fetchTime(4)).toBe(2 * LATENCY + Math.round((length * LATENCY) / 1024));
    expect(fetchTime(0xfff)).toBe(2 * LATENCY + Math.round(length / 0.9));
  });
});
