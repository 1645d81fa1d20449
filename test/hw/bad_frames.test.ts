/** Frames that are no good (datasheet 8.18): each has its counter, and one only that says why it was dropped. */
import { expect, it } from 'vitest';
import { ipv4Packet, pattern } from './packets.ts';
import * as T from './test_driver.ts';

const counters = {
  CRCERRS: 0x4000,
  ALGNERRC: 0x4004,
  RLEC: 0x4040,
  GPRC: 0x4074,
  RUC: 0x40a4,
  RFC: 0x40a8,
  ROC: 0x40ac,
  RJC: 0x40b0,
  TPR: 0x40d0,
  LENERRS: 0x4138,
} as const;
const RFCTL = 0x5008;
const LEF = 1 << 18;
const RXE = 0x8000_0000;

const good = ipv4Packet(pattern(500));
const short = good.slice(0, 50);
const long = ipv4Packet(pattern(1500));
/** IEEE 802.3 with LLC: the length counts what follows it. */
function lengthFramed(length: number, bytes: number): Uint8Array {
  const frame = new Uint8Array(bytes);
  frame.set([...T.mac, 2, 0, 0, 0, 1, 0x0b, length >>> 8, length & 0xff, 0x42, 0x42, 0x03]);
  return frame;
}

interface Arrival {
  readonly bytes: Uint8Array;
  readonly badFcs?: boolean;
  readonly misaligned?: boolean;
}

function count(
  { bytes, badFcs = false, misaligned = false }: Arrival,
  rctl = 0,
  rfctl = 0,
): Record<string, number> & { delivered: number } {
  const driver = new T.TestDriver();
  driver.start(T.RCTL_BAM | T.RCTL_SECRC | rctl);
  driver.setupRx(0);
  driver.write(RFCTL, rfctl);
  driver.run(10_000);
  const frame = driver.pool.take(bytes.length);
  frame.u8.set(bytes, frame.start);
  frame.badFcs = badFcs || misaligned;
  frame.misaligned = misaligned;
  driver.device.receive(frame);
  driver.run(50_000);
  const read = Object.entries(counters).map(([name, offset]) => [name, driver.read(offset)] as const);
  const received = driver.next(0);
  if (received !== null && (rctl & T.RCTL_SBP) !== 0) expect((received.status & RXE) >>> 0).toBe(RXE);
  return { ...Object.fromEntries(read.filter(([, value]) => value > 0)), delivered: received === null ? 0 : 1 };
}

it.each<[string, Arrival, Record<string, number>]>([
  ['a good one', { bytes: good }, { GPRC: 1, TPR: 1, delivered: 1 }],
  ['a wrong FCS', { bytes: good, badFcs: true }, { CRCERRS: 1, TPR: 1, delivered: 0 }],
  ['one that ends within a byte', { bytes: good, misaligned: true }, { ALGNERRC: 1, TPR: 1, delivered: 0 }],
  ['one that is too short', { bytes: short }, { RUC: 1, RLEC: 1, TPR: 1, delivered: 0 }],
  ['a fragment of a collision', { bytes: short, badFcs: true }, { RFC: 1, TPR: 1, delivered: 0 }],
  ['one that is too long', { bytes: long }, { ROC: 1, RLEC: 1, TPR: 1, delivered: 0 }],
  ['jabber', { bytes: long, badFcs: true }, { RJC: 1, CRCERRS: 1, TPR: 1, delivered: 0 }],
  ['a length field that is right', { bytes: lengthFramed(100, 114) }, { GPRC: 1, TPR: 1, delivered: 1 }],
  ['padding after the length', { bytes: lengthFramed(38, 60) }, { GPRC: 1, TPR: 1, delivered: 1 }],
  ['a length field that says more', { bytes: lengthFramed(200, 114) }, { LENERRS: 1, TPR: 1, delivered: 0 }],
  ['a length field that says less', { bytes: lengthFramed(80, 114) }, { LENERRS: 1, TPR: 1, delivered: 0 }],
])('%s', (_name, arrival, expected) => {
  expect(count(arrival)).toEqual(expected);
});

it('a wrong length field passes when RFCTL.LEF says so, and is counted all the same', () => {
  expect(count({ bytes: lengthFramed(200, 114) }, 0, LEF)).toEqual({ LENERRS: 1, GPRC: 1, TPR: 1, delivered: 1 });
});

it('RCTL.SBP hands up what is bad, marked as such; it is no good packet', () => {
  expect(count({ bytes: good, badFcs: true }, T.RCTL_SBP)).toEqual({ CRCERRS: 1, TPR: 1, delivered: 1 });
  expect(count({ bytes: good, misaligned: true }, T.RCTL_SBP)).toEqual({ ALGNERRC: 1, TPR: 1, delivered: 1 });
  expect(count({ bytes: short }, T.RCTL_SBP)).toEqual({ RUC: 1, RLEC: 1, TPR: 1, delivered: 1 });
});

it('counters stop at their greatest value', () => {
  const driver = new T.TestDriver();
  driver.start();
  driver.device.registers.add(counters.CRCERRS, 0xffff_fffe);
  for (let i = 0; i < 3; i++) driver.arrive(good, true);
  expect(driver.read(counters.CRCERRS)).toBe(0xffff_ffff);
  expect(driver.read(counters.CRCERRS)).toBe(0);
});
