/** The clock (datasheet 7.9, 8.16): counter, adjustment, and the stamps of what leaves and what arrives. */
import { describe, expect, it } from 'vitest';
import { ipv4Packet, pattern, put16 } from './packets.ts';
import * as T from './test_driver.ts';

const [SYSTIML, SYSTIMH, TIMINCA, TIMADJL, TIMADJH] = [0xb600, 0xb604, 0xb608, 0xb60c, 0xb610] as const;
const [TSYNCTXCTL, TXSTMPL, TXSTMPH] = [0xb614, 0xb618, 0xb61c] as const;
const [TSYNCRXCTL, RXSTMPL, RXSTMPH, RXSATRL, RXSATRH, TSYNCRXCFG] = [0xb620, 0xb624, 0xb628, 0xb62c, 0xb630, 0x5f50] as const;
const ENABLED = 0x10;
const VALID = 1;
const TS = 1 << 16;
/** 16 ns in units of 2^-19 ns each 16 ns, as Linux sets it. */
const INCREMENT = 0x0180_0000;
const UNITS = 2 ** 19;

function started(): T.TestDriver {
  const driver = new T.TestDriver();
  driver.start(T.RCTL_BAM | T.RCTL_SECRC | T.RCTL_MPE);
  driver.setupRx(0);
  driver.setupTx(0);
  driver.write(TIMINCA, INCREMENT);
  driver.run(1000);
  return driver;
}

const clock = (driver: T.TestDriver): number => (driver.read(SYSTIML) + driver.read(SYSTIMH) * 2 ** 32) / UNITS;

/** Version 2 over Ethernet: `kind` is the first byte of the message. */
function overEthernet(kind: number, sequence = 7): Uint8Array {
  const frame = new Uint8Array(60);
  frame.set([0x01, 0x1b, 0x19, 0, 0, 0, 2, 0, 0, 0, 1, 0x0b, 0x88, 0xf7, kind, 2]);
  frame.set([0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0, 1], 14 + 20);
  put16(frame, 14 + 30, sequence);
  return frame;
}

/** Over UDP to the event port. */
function overUdp(message: Uint8Array, destinationPort = 319): Uint8Array {
  return ipv4Packet(message, { protocol: 17, destinationPort });
}

const v2 = (kind: number): Uint8Array => overEthernet(kind).slice(14, 14 + 44);
/** Version 1: source at 22, sequence at 30, control at 32. */
function v1(control: number): Uint8Array {
  const message = new Uint8Array(44);
  message.set([0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6], 22);
  put16(message, 30, 9);
  message[32] = control;
  return message;
}

/** Was it stamped? Frees the stamp. */
function stamped(driver: T.TestDriver, frame: Uint8Array): boolean {
  driver.arrive(frame);
  driver.run(20_000);
  const valid = (driver.read(TSYNCRXCTL) & VALID) !== 0;
  expect((driver.next(0)!.status & TS) !== 0).toBe(valid);
  driver.read(RXSTMPL);
  driver.read(RXSTMPH);
  expect(driver.read(TSYNCRXCTL) & VALID).toBe(0);
  return valid;
}

describe('the counter', () => {
  it('grows by the increment, and by nothing without one', () => {
    const driver = started();
    const before = clock(driver);
    driver.run(16_000);
    expect(clock(driver) - before).toBe(16_000);
    driver.write(TIMINCA, 0);
    const stopped = clock(driver);
    driver.run(16_000);
    expect(clock(driver)).toBe(stopped);
  });

  it('runs faster with a larger increment', () => {
    const driver = started();
    driver.write(TIMINCA, INCREMENT + 8389);
    const before = clock(driver);
    driver.run(16_000_000);
    expect(clock(driver) - before).toBeCloseTo(16_000_000 * (1 + 8389 / (16 * UNITS)), -1);
  });

  it('is set by writing it and stepped by TIMADJ, in both directions', () => {
    const driver = started();
    driver.write(TIMINCA, 0);
    driver.write(SYSTIML, 1000);
    driver.write(SYSTIMH, 5);
    expect([driver.read(SYSTIML), driver.read(SYSTIMH)]).toEqual([1000, 5]);
    driver.write(TIMADJL, 500);
    driver.write(TIMADJH, 1);
    expect([driver.read(SYSTIML), driver.read(SYSTIMH)]).toEqual([1500, 6]);
    driver.write(TIMADJL, 600);
    driver.write(TIMADJH, 0x8000_0000);
    expect([driver.read(SYSTIML), driver.read(SYSTIMH)]).toEqual([900, 6]);
  });
});

describe('stamps of what leaves', () => {
  it('are given to a frame that asks for one, and kept until they are read', () => {
    const driver = started();
    driver.write(TSYNCTXCTL, ENABLED);
    const send = (): void => {
      driver.postData(0, [ipv4Packet(pattern(10))], 0x0008_0000);
      driver.ring(0);
      driver.run(50_000);
    };
    const rung = clock(driver);
    send();
    expect(driver.read(TSYNCTXCTL) & VALID).toBe(VALID);
    send();
    const stamp = (driver.read(TXSTMPL) + driver.read(TXSTMPH) * 2 ** 32) / UNITS;
    expect(stamp - rung).toBeGreaterThan(1000);
    expect(stamp - rung).toBeLessThan(2000);
    expect(driver.read(TSYNCTXCTL) & VALID).toBe(0);
    send();
    expect(driver.read(TSYNCTXCTL) & VALID).toBe(VALID);
  });
});

describe('stamps of what arrives', () => {
  it('all frames (type 100b), and their arrival is what the stamp says', () => {
    const driver = started();
    driver.write(TSYNCRXCTL, ENABLED | 0x08);
    const before = clock(driver);
    driver.arrive(ipv4Packet(pattern(10)));
    driver.run(20_000);
    expect(driver.read(TSYNCRXCTL) & VALID).toBe(VALID);
    expect((driver.read(RXSTMPL) + driver.read(RXSTMPH) * 2 ** 32) / UNITS - before).toBeLessThanOrEqual(16);
  });

  it('version 2 over Ethernet of the kind in TSYNCRXCFG (000b)', () => {
    const driver = started();
    driver.write(TSYNCRXCTL, ENABLED);
    driver.write(TSYNCRXCFG, 0x0100);
    expect([overEthernet(1), overEthernet(0), overUdp(v2(1)), ipv4Packet(pattern(50))].map((frame) => stamped(driver, frame))).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  it('version 1 over UDP of the control in TSYNCRXCFG (001b)', () => {
    const driver = started();
    driver.write(TSYNCRXCTL, ENABLED | 0x02);
    driver.write(TSYNCRXCFG, 1);
    expect([overUdp(v1(1)), overUdp(v1(0)), overUdp(v1(1), 320), overEthernet(1)].map((frame) => stamped(driver, frame))).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  it('version 2 over both of one kind (010b), and of all event messages (101b)', () => {
    const driver = started();
    driver.write(TSYNCRXCTL, ENABLED | 0x04);
    driver.write(TSYNCRXCFG, 0x0000);
    expect([overEthernet(0), overUdp(v2(0)), overUdp(v2(1))].map((frame) => stamped(driver, frame))).toEqual([true, true, false]);
    driver.write(TSYNCRXCTL, ENABLED | 0x0a);
    const kinds = [overEthernet(0), overEthernet(3), overUdp(v2(1)), overEthernet(8), overUdp(v2(0xb))];
    expect(kinds.map((frame) => stamped(driver, frame))).toEqual([true, true, true, false, false]);
  });

  it('say whose message it was, and which', () => {
    const driver = started();
    driver.write(TSYNCRXCTL, ENABLED | 0x0a);
    driver.arrive(overEthernet(0, 0x1234));
    driver.run(20_000);
    expect([driver.read(RXSATRL), driver.read(RXSATRH)]).toEqual([0xa3a4a5a6, 0x1234a1a2]);
  });

  it('are not overwritten before they are read', () => {
    const driver = started();
    driver.write(TSYNCRXCTL, ENABLED | 0x08);
    driver.arrive(ipv4Packet(pattern(10)));
    driver.run(20_000);
    driver.arrive(ipv4Packet(pattern(10)));
    driver.run(20_000);
    expect([driver.next(0)!, driver.next(0)!].map(({ status }) => (status & TS) !== 0)).toEqual([true, false]);
  });
});
