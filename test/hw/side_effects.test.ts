/** What reading or writing a register sets off: one check for each row of the table that says so, and none is left out. */
import { describe, expect, it } from 'vitest';
import { registerTable } from '../../src/hw/igb/registers.ts';
import { ipv4Packet, pattern } from './packets.ts';
import * as T from './test_driver.ts';

const packet = ipv4Packet(pattern(100));
const [FRTIMER, EECD, EERD, CTRL_EXT, MDIC, SWSM] = [0x1048, 0x0010, 0x0014, 0x0018, 0x0020, 0x5b50] as const;
const [ITR, ICS, IMC, TDFPC, DTXMXSZRQ] = [0x00c4, 0x1504, 0x150c, 0x3430, 0x3540] as const;
const [SYSTIML, SYSTIMH, TIMINCA, TIMADJL, TIMADJH] = [0xb600, 0xb604, 0xb608, 0xb60c, 0xb610] as const;
const [TSYNCTXCTL, TXSTMPH, TSYNCRXCTL, RXSTMPH] = [0xb614, 0xb61c, 0xb620, 0xb628] as const;
const LSC = 4;

/** MSI-X, vector 1 for both directions of queue 0, vector 0 for other causes; both queues are set up. */
function started(rctl?: number): T.TestDriver {
  const driver = new T.TestDriver();
  driver.write(T.GPIE, 0x8000_0010);
  driver.write(T.IVAR(0), 0x8181);
  driver.write(T.IVAR_MISC, 0x8000);
  driver.write(T.EIMS, 3);
  driver.start(rctl);
  driver.setupRx(0);
  driver.setupTx(0);
  driver.run(10_000);
  driver.read(T.EICR);
  driver.read(T.ICR);
  driver.machine.messages.length = 0;
  return driver;
}

function send(driver: T.TestDriver): number {
  const index = driver.postData(0, [packet]);
  driver.ring(0);
  driver.run(20_000);
  return index;
}

function receive(driver: T.TestDriver, bytes = packet): T.Received | null {
  driver.arrive(bytes);
  driver.run(20_000);
  return driver.next(0);
}

const vectors = (driver: T.TestDriver): number[] => {
  driver.run(10);
  return driver.machine.messages.map(({ vector }) => vector);
};

/** Sets a ring up anew at fresh memory whose descriptors are given there. */
function movedRing(kind: 'rx' | 'tx', high: number): number {
  const driver = started();
  const [low, highRegister, control] = kind === 'rx' ? [T.RDBAL(0), T.RDBAH(0), T.RXDCTL(0)] : [T.TDBAL(0), T.TDBAH(0), T.TXDCTL(0)];
  driver.write(control, 0);
  if (kind === 'rx') driver.setupRx(0);
  else driver.setupTx(0);
  driver.write(highRegister, high);
  expect(driver.read(low)).toBeGreaterThan(driver.machine.section.base);
  if (kind === 'rx') return receive(driver) === null ? 0 : 1;
  send(driver);
  return driver.end.sent.length;
}

/** After how many packets a ring of eight descriptors is back at its start. */
function headAfter(kind: 'rx' | 'tx', count: number): number {
  const driver = started();
  driver.write(kind === 'rx' ? T.RDLEN(0) : T.TDLEN(0), 8 * 16);
  if (kind === 'rx') driver.write(T.RDT(0), 7);
  for (let i = 0; i < count; i++) {
    if (kind === 'rx') driver.arrive(packet);
    else {
      driver.post(0, driver.buffer(packet), 0, T.DATA | T.IFCS | T.EOP | T.RS | packet.length, packet.length << 14);
      driver.write(T.TDT(0), (i + 1) % 8);
    }
    driver.run(20_000);
    driver.refill(0, i % 8, (i % 8) + 1);
    if (kind === 'rx') driver.write(T.RDT(0), (driver.read(T.RDH(0)) + 7) % 8);
  }
  return driver.read(kind === 'rx' ? T.RDH(0) : T.TDH(0));
}

function headWriteback(high: number): () => number {
  const driver = started();
  const target = driver.buffer(new Uint8Array(16).fill(0xff));
  driver.write(T.TDWBAL(0), target | 1);
  driver.write(T.TDWBAH(0), high);
  return () => {
    send(driver);
    return driver.machine.section.view.getUint32(target - driver.machine.section.base, true);
  };
}

const CHECKS: Record<string, () => void> = {
  CTRL: () => {
    const driver = started();
    driver.write(T.CTRL, driver.read(T.CTRL) & ~T.SLU);
    expect(driver.read(T.STATUS) & 2).toBe(0);
    driver.write(T.CTRL, driver.read(T.CTRL) | (1 << 26));
    expect([driver.read(T.CTRL), driver.read(T.RCTL), driver.read(T.RXDCTL(0))]).toEqual([0x0010_0209, 0, 0]);
  },
  STATUS: () => {
    const driver = started();
    expect(driver.read(T.STATUS) & 2).toBe(2);
    driver.device.linkChanged(0);
    expect(driver.read(T.STATUS) & 2).toBe(0);
  },
  CTRL_EXT: () => {
    const driver = started();
    driver.write(T.RAH0, 0);
    driver.write(CTRL_EXT, 0x1000_2000);
    expect([driver.read(CTRL_EXT), driver.read(T.RAH0)]).toEqual([0x1000_0000, 0x8000_0a01]);
  },
  FRTIMER: () => {
    const driver = new T.TestDriver();
    driver.run(3_004_005_000);
    expect(driver.read(FRTIMER)).toBe((3 << 20) | (4 << 10) | 5);
  },
  EECD: () => {
    const driver = new T.TestDriver();
    driver.write(EECD, 0x40);
    expect(driver.read(EECD) & 0xc0).toBe(0xc0);
  },
  EERD: () => {
    const driver = new T.TestDriver();
    driver.write(EERD, (0x0d << 2) | 1);
    expect(driver.read(EERD)).toBe(0x10c9_0000 | (0x0d << 2) | 2);
  },
  MDIC: () => {
    const driver = new T.TestDriver();
    driver.write(MDIC, 0x0822_0000);
    expect(driver.read(MDIC) & 0x1000_ffff).toBe(0x1000_02a8);
  },
  SWSM: () => {
    const driver = new T.TestDriver();
    expect([driver.read(SWSM), driver.read(SWSM)]).toEqual([0, 1]);
  },
  ICR: () => {
    const driver = started();
    driver.write(T.IMS, LSC);
    driver.write(ICS, LSC);
    expect([driver.read(T.ICR), driver.read(T.ICR)]).toEqual([0x8000_0004, 0]);
  },
  ICS: () => {
    const driver = started();
    driver.write(T.IMS, LSC);
    driver.write(ICS, LSC);
    expect(vectors(driver)).toEqual([0]);
    expect([driver.read(ICS), driver.read(ICS)]).toEqual([LSC, LSC]);
  },
  IMS: () => {
    const driver = started();
    driver.write(ICS, LSC);
    expect(vectors(driver)).toEqual([]);
    driver.write(T.IMS, LSC);
    expect(vectors(driver)).toEqual([0]);
    driver.write(T.IMS, 1);
    expect(driver.read(T.IMS)).toBe(LSC | 1);
  },
  IMC: () => {
    const driver = started();
    driver.write(T.IMS, LSC | 1);
    driver.write(IMC, LSC);
    expect([driver.read(T.IMS), driver.read(IMC)]).toEqual([1, 1]);
  },
  ITR: () => {
    const driver = started();
    driver.write(ITR, 77 << 2);
    expect([driver.read(T.EITR(0)), driver.read(ITR)]).toEqual([77 << 2, 77 << 2]);
  },
  GPIE: () => {
    const driver = started();
    driver.write(T.GPIE, 0);
    driver.write(T.IMS, 0x80);
    driver.read(T.ICR);
    driver.machine.messages.length = 0;
    receive(driver);
    expect(vectors(driver)).toEqual([0]);
  },
  EICR: () => {
    const driver = started();
    driver.write(T.EICS, 0x30);
    driver.write(T.EICR, 0x10);
    expect([driver.read(T.EICR), driver.read(T.EICR)]).toEqual([0x20, 0]);
  },
  EICS: () => {
    const driver = started();
    driver.write(T.EICS, 2);
    expect(vectors(driver)).toEqual([1]);
    expect(driver.read(T.EICS)).toBe(2);
  },
  EIMS: () => {
    const driver = started();
    driver.write(T.EICS, 0x10);
    driver.write(T.EIMS, 0x10);
    expect(vectors(driver)).toEqual([4]);
    expect(driver.read(T.EIMS)).toBe(0x13);
  },
  EIMC: () => {
    const driver = started();
    driver.write(T.EIMC, 1);
    expect([driver.read(T.EIMS), driver.read(T.EIMC)]).toEqual([2, 2]);
  },
  EIAC: () => {
    const driver = started();
    receive(driver);
    expect(driver.read(T.EICS)).toBe(2);
    driver.read(T.EICR);
    driver.write(T.EIAC, 2);
    receive(driver);
    expect(driver.read(T.EICS)).toBe(0);
  },
  EIAM: () => {
    const driver = started();
    driver.write(T.GPIE, 0xc000_0010);
    receive(driver);
    expect(driver.read(T.EIMS)).toBe(3);
    driver.write(T.EIAM, 2);
    receive(driver);
    expect(driver.read(T.EIMS)).toBe(1);
  },
  EITR: () => {
    const driver = started();
    driver.write(T.EITR(1), (100 << 21) | (1000 << 2));
    driver.run(400_000);
    expect((driver.read(T.EITR(1)) >>> 21) & 0x3ff).toBe(50);
    driver.write(T.EITR(1), 0x8000_0000 | (5 << 2));
    expect((driver.read(T.EITR(1)) >>> 21) & 0x3ff).toBe(50);
    driver.write(T.EITR(1), 5 << 2);
    expect((driver.read(T.EITR(1)) >>> 21) & 0x3ff).toBe(0);
  },
  IVAR: () => {
    const driver = started();
    driver.write(T.EIMS, 1 << 9);
    driver.write(T.IVAR(0), 0x0089);
    receive(driver);
    send(driver);
    expect(vectors(driver)).toEqual([9]);
  },
  IVAR_MISC: () => {
    const driver = started();
    driver.write(T.EIMS, 1 << 9);
    driver.write(T.IVAR_MISC, 0x8900);
    driver.write(T.IMS, LSC);
    driver.write(ICS, LSC);
    expect(vectors(driver)).toEqual([9]);
  },
  RCTL: () => {
    const driver = started();
    driver.write(T.RCTL, 0);
    expect(receive(driver)).toBeNull();
    driver.device.linkChanged(0);
    driver.write(T.RCTL, T.RCTL_EN | T.RCTL_SECRC | T.RCTL_LBM_MAC);
    send(driver);
    expect(driver.next(0)).not.toBeNull();
  },
  RA: () => {
    const driver = started();
    driver.write(T.RAH0, 0);
    expect(receive(driver)).toBeNull();
  },
  RA2: () => {
    const driver = started();
    driver.write(T.RAH0, 0);
    driver.write(0x54e0 + 8 * 7, 0x0000_0002);
    driver.write(0x54e4 + 8 * 7, 0x8000_0a01);
    expect(receive(driver)).not.toBeNull();
  },
  RSSRK: () => {
    const driver = started();
    driver.write(T.RXCSUM, 0x2000);
    driver.write(T.MRQC, 2 | (1 << 16));
    expect(receive(driver)!.rss).toBe(0);
    driver.write(T.RSSRK, 0xffff_ffff);
    expect(receive(driver)!.rss).not.toBe(0);
  },
  ETQF: () => {
    const driver = started();
    driver.setupRx(3);
    driver.write(0x5cb0 + 8, 0x8403_0800);
    receive(driver);
    expect(driver.next(3)!.pktInfo & 0x80f0).toBe(0x8020);
  },
  FTQF: () => {
    const driver = started();
    driver.setupRx(3);
    driver.write(0x59e0, 0xf003_8100);
    driver.write(0x5a80, 0x0002_0000);
    receive(driver);
    expect(driver.next(3)).not.toBeNull();
  },
  SYNQF: () => {
    const driver = started();
    driver.setupRx(3);
    driver.write(0x55fc, (3 << 1) | 1);
    expect(receive(driver)).not.toBeNull();
    receive(driver, ipv4Packet(pattern(0), { flags: 0x02 }));
    expect(driver.next(3)).not.toBeNull();
  },
  RDBAL: () => expect(movedRing('rx', 0)).toBe(1),
  RDBAH: () => expect(() => movedRing('rx', 1)).toThrow(/DMA fault/),
  RDLEN: () => expect(headAfter('rx', 9)).toBe(1),
  SRRCTL: () => {
    const driver = started();
    driver.write(T.SRRCTL(0), 0x0200_0001);
    expect(receive(driver, ipv4Packet(pattern(1400)))!.lengths).toHaveLength(2);
  },
  RDH: () => {
    const driver = started();
    receive(driver);
    expect(driver.read(T.RDH(0))).toBe(1);
  },
  RDT: () => {
    const driver = new T.TestDriver();
    driver.start();
    driver.setupRx(0, 0);
    expect(receive(driver)).toBeNull();
    driver.write(T.RDT(0), 4);
    driver.run(20_000);
    expect(driver.next(0)).not.toBeNull();
  },
  RXDCTL: () => {
    const driver = started();
    receive(driver);
    driver.write(T.RXDCTL(0), 1 << 26);
    expect([driver.read(T.RXDCTL(0)), driver.read(T.RDH(0))]).toEqual([0, 0]);
    expect(receive(driver)).toBeNull();
  },
  TCTL: () => {
    const driver = started();
    driver.write(T.TCTL, 0);
    send(driver);
    expect(driver.end.sent).toHaveLength(0);
    driver.write(T.TCTL, 2);
    driver.run(20_000);
    expect(driver.end.sent).toHaveLength(1);
  },
  TDFPC: () => {
    const driver = started();
    driver.end.freeAt = driver.simulation.now + 1_000_000;
    send(driver);
    expect(driver.read(TDFPC)).toBe(1);
    driver.run(1_000_000);
    expect(driver.read(TDFPC)).toBe(0);
  },
  DTXMXSZRQ: () => {
    const time = (requests: number): number => {
      const driver = new T.TestDriver({}, { readLatencyNs: 10_000 });
      driver.start();
      driver.setupTx(0);
      driver.write(DTXMXSZRQ, requests);
      driver.postData(0, [ipv4Packet(pattern(1400))]);
      driver.ring(0);
      driver.run(1_000_000);
      return driver.end.sent[0]!.time;
    };
    expect(time(1)).toBeGreaterThan(time(16));
  },
  TDBAL: () => expect(movedRing('tx', 0)).toBe(1),
  TDBAH: () => expect(() => movedRing('tx', 1)).toThrow(/DMA fault/),
  TDLEN: () => expect(headAfter('tx', 9)).toBe(1),
  TDH: () => {
    const driver = started();
    send(driver);
    expect(driver.read(T.TDH(0))).toBe(1);
  },
  TDT: () => {
    const driver = started();
    driver.postData(0, [packet]);
    driver.run(20_000);
    expect(driver.end.sent).toHaveLength(0);
    driver.ring(0);
    driver.run(20_000);
    expect(driver.end.sent).toHaveLength(1);
  },
  TXDCTL: () => {
    const driver = started();
    send(driver);
    driver.write(T.TXDCTL(0), 0);
    driver.write(T.TDT(0), 1);
    driver.run(20_000);
    expect([driver.read(T.TDH(0)), driver.end.sent.length]).toEqual([0, 1]);
  },
  TDWBAL: () => expect(headWriteback(0)()).toBe(1),
  TDWBAH: () => expect(() => headWriteback(1)()).toThrow(/DMA fault/),
  SYSTIML: () => {
    const driver = new T.TestDriver();
    driver.write(SYSTIML, 0x1234);
    expect(driver.read(SYSTIML)).toBe(0x1234);
  },
  SYSTIMH: () => {
    const driver = new T.TestDriver();
    driver.write(SYSTIMH, 7);
    expect(driver.read(SYSTIMH)).toBe(0);
    driver.read(SYSTIML);
    expect(driver.read(SYSTIMH)).toBe(7);
  },
  TIMINCA: () => {
    const driver = new T.TestDriver();
    driver.write(TIMINCA, 0x0100_0010);
    driver.run(1600);
    expect(driver.read(SYSTIML)).toBe(1600);
    driver.write(TIMINCA, 0x0100_0020);
    driver.run(1600);
    expect(driver.read(SYSTIML)).toBe(4800);
  },
  TIMADJH: () => {
    const driver = new T.TestDriver();
    driver.write(TIMADJL, 50);
    driver.write(TIMADJH, 0);
    expect(driver.read(SYSTIML)).toBe(50);
  },
  RXSTMPH: () => {
    const driver = started();
    driver.write(TSYNCRXCTL, 0x18);
    receive(driver);
    expect(driver.read(TSYNCRXCTL)).toBe(0x19);
    driver.read(RXSTMPH);
    expect(driver.read(TSYNCRXCTL)).toBe(0x18);
  },
  TXSTMPH: () => {
    const driver = started();
    driver.write(TSYNCTXCTL, 0x10);
    driver.postData(0, [packet], 0x0008_0000);
    driver.ring(0);
    driver.run(20_000);
    expect(driver.read(TSYNCTXCTL)).toBe(0x11);
    driver.read(TXSTMPH);
    expect(driver.read(TSYNCTXCTL)).toBe(0x10);
  },
};

const HALVES = ['GORC', 'GOTC', 'TOR', 'TOT', 'HGORC', 'HGOTC'];

describe('side effects', () => {
  it('each row that has some is checked here', () => {
    const rows = registerTable.filter(({ effect }) => effect !== undefined).map(({ name }) => name);
    expect([...Object.keys(CHECKS), ...HALVES.map((name) => `${name}H`)].sort()).toEqual(rows.sort());
  });

  it.each(Object.entries(CHECKS))('%s', (_name, check) => check());

  it.each(HALVES)('%sH: reading clears both halves, reading the low one neither', (name) => {
    const offset = registerTable.find((row) => row.name === `${name}L`)!.offset;
    const driver = new T.TestDriver();
    driver.device.registers.addOctets(offset, 0x3_0000_0004);
    expect([driver.read(offset), driver.read(offset), driver.read(offset + 4), driver.read(offset), driver.read(offset + 4)]).toEqual([
      4, 4, 3, 0, 0,
    ]);
  });
});
