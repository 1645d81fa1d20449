/** The PHY behind MDIC, auto-negotiation, speeds, and what the MAC makes of a link that comes and goes (datasheet 3.5, 8.2, IEEE 802.3 clauses 22, 28). */
import { describe, expect, it } from 'vitest';
import { ipv4Packet, pattern } from './packets.ts';
import * as T from './test_driver.ts';

const MDIC = 0x0020;
const READY = 0x1000_0000;
const ERROR = 0x4000_0000;
const LSC = 4;
const LU = 2;
const PHY_RST = 0x8000_0000;
const packet = ipv4Packet(pattern(100));

class Linked {
  readonly driver: T.TestDriver;
  constructor(autonegotiationNs = 1_000_000) {
    this.driver = new T.TestDriver({ autonegotiationNs });
    this.driver.write(T.CTRL, this.driver.read(T.CTRL) | T.SLU);
  }
  phy(register: number): number {
    this.driver.write(MDIC, 0x0820_0000 | (register << 16));
    expect(this.driver.read(MDIC) & (READY | ERROR)).toBe(READY);
    return this.driver.read(MDIC) & 0xffff;
  }
  setPhy(register: number, value: number): void {
    this.driver.write(MDIC, 0x0420_0000 | (register << 16) | value);
    expect(this.driver.read(MDIC) & (READY | ERROR)).toBe(READY);
  }
  get up(): boolean {
    return (this.driver.read(T.STATUS) & LU) !== 0;
  }
  /** STATUS: 2 is 1000, 1 is 100, 0 is 10 Mbit/s. */
  get speed(): number {
    return (this.driver.read(T.STATUS) >>> 6) & 3;
  }
}

it('the card says who it is', () => {
  const { device } = new T.TestDriver();
  expect([device.vendorId, device.deviceId, device.msixVectors]).toEqual([0x8086, 0x10c9, 25]);
});

describe('auto-negotiation', () => {
  it('takes its time, then the link is up at what both ends can do', () => {
    const link = new Linked();
    link.driver.run(999_999);
    expect([link.up, link.phy(1) & 0x24]).toEqual([false, 0]);
    link.driver.run(1);
    expect([link.up, link.speed, link.phy(1) & 0x24]).toEqual([true, 2, 0x24]);
    expect(link.phy(5) & 0x4000).toBe(0x4000);
    expect(link.phy(10) & 0x3000).toBe(0x3000);
  });

  it('is done anew when software restarts it or resets the PHY', () => {
    for (const restart of [(link: Linked) => link.setPhy(0, 0x1340), (link: Linked) => link.setPhy(0, 0x9140)]) {
      const link = new Linked();
      link.driver.run(1_000_000);
      restart(link);
      expect(link.up).toBe(false);
      link.driver.run(1_000_000);
      expect(link.up).toBe(true);
    }
    const link = new Linked();
    link.driver.run(1_000_000);
    link.setPhy(4, 0x0001);
    link.driver.write(T.CTRL, link.driver.read(T.CTRL) | PHY_RST);
    expect([link.up, link.phy(4)]).toEqual([false, 0x0de1]);
  });

  it('follows the cable: 100 and 10 Mbit/s', () => {
    for (const [rateBps, speed] of [
      [1e8, 1],
      [1e7, 0],
    ] as const) {
      const link = new Linked();
      link.driver.end.rateBps = rateBps;
      link.driver.device.linkChanged(rateBps);
      link.driver.run(1_000_000);
      expect([link.up, link.speed]).toEqual([true, speed]);
    }
  });

  it('the link bit of PHY_STATUS stays low after a loss until it has been read', () => {
    const link = new Linked(1000);
    link.driver.run(10_000);
    link.driver.device.linkChanged(0);
    link.driver.device.linkChanged(1e9);
    link.driver.run(10_000);
    expect([link.phy(1) & 4, link.phy(1) & 4]).toEqual([0, 4]);
  });
});

describe('the link’s state', () => {
  it('changes raise LSC, down and up', () => {
    const link = new Linked(1000);
    link.driver.run(10_000);
    link.driver.read(T.ICR);
    link.driver.device.linkChanged(0);
    expect(link.driver.read(T.ICR) & LSC).toBe(LSC);
    link.driver.device.linkChanged(1e9);
    link.driver.run(10_000);
    expect(link.driver.read(T.ICR) & LSC).toBe(LSC);
  });

  it('without CTRL.SLU the MAC has no link', () => {
    const driver = new T.TestDriver();
    driver.run(10_000);
    expect(driver.read(T.STATUS) & LU).toBe(0);
    driver.write(T.CTRL, driver.read(T.CTRL) | T.SLU);
    expect(driver.read(T.STATUS) & LU).toBe(LU);
  });

  it('a PHY without power has none, and says so to its partner', () => {
    const link = new Linked(1000);
    link.driver.run(10_000);
    link.setPhy(0, 0x1940);
    expect(link.up).toBe(false);
    link.setPhy(0, 0x1140);
    link.driver.run(10_000);
    expect(link.up).toBe(true);
  });

  it('a frame that comes while the link is down is nobody’s', () => {
    const driver = new T.TestDriver();
    driver.start();
    driver.setupRx(0);
    driver.device.linkChanged(0);
    driver.arrive(packet);
    driver.run(10_000);
    expect([driver.next(0), driver.read(0x40d0), driver.device.faults.receiverOff]).toEqual([null, 0, 1]);
  });
});

it('the PHY’s loopback hands frames back without a partner', () => {
  const driver = new T.TestDriver();
  driver.end.rateBps = 0;
  driver.device.linkChanged(0);
  driver.start(T.RCTL_SECRC);
  driver.setupRx(0);
  driver.setupTx(0);
  driver.write(MDIC, 0x0420_0000 | 0x4140);
  driver.postData(0, [packet]);
  driver.ring(0);
  driver.run(50_000);
  expect(driver.next(0)!.bytes).toEqual(packet);
  expect(driver.end.sent).toHaveLength(0);
});

it('MDIC knows one PHY: another address is an error', () => {
  const { driver } = new Linked();
  driver.write(MDIC, 0x0840_0000);
  expect(driver.read(MDIC) & ERROR).toBe(ERROR);
});
