/** Every register: what the table says of it is what a driver finds. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as Offsets from '../../src/hw/igb/e1000_regs.ts';
import { RegisterError, type RegisterRow, resetValue } from '../../src/hw/igb/register_file.ts';
import { registerMap, registerTable } from '../../src/hw/igb/registers.ts';
import { ipv4Packet, pattern } from './packets.ts';
import * as T from './test_driver.ts';

/** Their reset value is that of a card without link and EEPROM. */
const LOADED = new Set(['STATUS', 'RA']);

const everywhere = registerMap.rows.map((row, slot) => {
  const index = registerMap.indices[slot]!;
  return { row, index, name: registerMap.nameOf(slot), offset: row.offset + index * (row.stride ?? 4) };
});

describe('the register table', () => {
  it('has a line of explanation for each row and no two of a name', () => {
    expect(registerTable.every((row) => row.about.length > 3)).toBe(true);
    expect(new Set(registerTable.map((row) => row.name)).size).toBe(registerTable.length);
  });

  it('tells of side effects where there are some, and only there', () => {
    const acts = ({ read, written, issued }: RegisterRow): boolean => read !== undefined || written !== undefined || issued !== undefined;
    expect(registerTable.filter((row) => acts(row) !== (row.effect !== undefined)).map(({ name }) => name)).toEqual([]);
  });

  it('says which are kept without being modelled: no part of the device looks at them', () => {
    const folder = 'src/hw/igb';
    const parts = readdirSync(folder).filter((name) => !/^(register|e1000_)/.test(name));
    const source = parts.map((name) => readFileSync(`${folder}/${name}`, 'utf8')).join('\n');
    const looksAt = ({ name, offset }: RegisterRow): boolean => {
      const names = Object.entries(Offsets).filter(([, value]) => (typeof value === 'number' ? value : value(0)) === (offset & 0xffff));
      return [`E1000_${name}`, ...names.map(([constant]) => constant)].some((constant) => new RegExp(`\\b${constant}\\b`).test(source));
    };
    const highHalf = /^(GORC|GOTC|TOR|TOT|HGORC|HGOTC)H$/;
    const wrong = registerTable.filter((row) => {
      const isUsed = row.effect !== undefined || looksAt(row) || highHalf.test(row.name);
      return isUsed === (row.inert === true);
    });
    expect(wrong.map(({ name }) => name)).toEqual([]);
  });

  it('every register reads as its reset value', () => {
    const driver = new T.TestDriver();
    const wrong = everywhere
      .filter(({ row }) => row.access !== 'WO' && !LOADED.has(row.name))
      .map(({ row, index, name, offset }) => ({ name, read: driver.read(offset), reset: resetValue(row, index) }))
      .filter(({ read, reset }) => read !== reset);
    expect(wrong).toEqual([]);
  });

  it('every register does with a write what its access type says', () => {
    const wrong: string[] = [];
    let driver = new T.TestDriver();
    for (const { row, index, name, offset } of everywhere) {
      if (index === 0) driver = new T.TestDriver();
      const write = (): void => driver.write(offset, 0x0a0a_0a00);
      if (row.access === 'RO' || (row.access === 'RC' && row.written === undefined)) {
        if (!throws(write)) wrong.push(`${name} can be written`);
        continue;
      }
      if (row.effect !== undefined) continue;
      write();
      if (row.access === 'WO') {
        if (!throws(() => driver.read(offset))) wrong.push(`${name} can be read`);
      } else if (row.access === 'RW') {
        const writable = row.writable ?? 0xffffffff;
        const expected = ((resetValue(row, index) & ~writable) | (0x0a0a_0a00 & writable)) >>> 0;
        if (driver.read(offset) !== expected) wrong.push(`${name} reads 0x${driver.read(offset).toString(16)}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('a counter is cleared by reading it, and a bit by writing a one', () => {
    const driver = new T.TestDriver();
    for (const { row, offset, name } of everywhere.filter(({ row: { effect } }) => effect === undefined)) {
      if (row.access === 'RC') {
        driver.device.registers.set(offset, 5);
        expect([driver.read(offset), driver.read(offset)], name).toEqual([5, 0]);
      } else if (row.access === 'RW1C') {
        driver.device.registers.set(offset, 0b1110);
        driver.write(offset, 0b0110);
        expect(driver.read(offset), name).toBe(0b1000);
      }
    }
  });

  it('aliases are the same register', () => {
    const driver = new T.TestDriver();
    driver.write(0x3800 + 0x100 * 3, 0x1234_5680);
    expect(driver.read(0xe000 + 0x40 * 3)).toBe(0x1234_5680);
    driver.write(0x00d0, 0x10);
    expect(driver.read(0x1508)).toBe(0x10);
  });

  it('what is not there, or may not be touched so, is an error that says where', () => {
    const driver = new T.TestDriver();
    expect(() => driver.read(0x7ffc)).toThrow(RegisterError);
    expect(() => driver.read(0x7ffc)).toThrow('nic: no register at register offset 0x7ffc');
    expect(() => driver.write(0x1048, 1)).toThrow('nic: write to read-only FRTIMER at register offset 0x1048');
    expect(() => driver.read(0xa004)).toThrow('nic: read of write-only UTA[1] at register offset 0xa004');
    expect(() => driver.read(0x0002)).toThrow(RegisterError);
  });
});

function throws(work: () => unknown): boolean {
  try {
    work();
    return false;
  } catch (error) {
    return error instanceof RegisterError;
  }
}

describe('reset, EEPROM and PHY', () => {
  it('CTRL.RST brings back reset values, the address and nothing of the queues', () => {
    const driver = new T.TestDriver();
    driver.start();
    driver.setupTx(0);
    driver.write(T.RAL0, 0xdead_beef);
    driver.write(T.RCTL, 0x0404_8022);
    driver.write(T.CTRL, driver.read(T.CTRL) | (1 << 26));
    expect(driver.read(T.CTRL)).toBe(0x0010_0209);
    expect(driver.read(T.RCTL)).toBe(0);
    expect(driver.read(T.RAL0)).toBe(0x0000_0002);
    expect(driver.read(T.TXDCTL(0))).toBe(0);
    expect(driver.read(T.TDT(0))).toBe(0);
  });

  it('CTRL.GIO_MASTER_DISABLE shows in STATUS', () => {
    const driver = new T.TestDriver();
    expect(driver.read(T.STATUS) & (1 << 19)).not.toBe(0);
    driver.write(T.CTRL, driver.read(T.CTRL) | 4);
    expect(driver.read(T.STATUS) & (1 << 19)).toBe(0);
  });

  it('the EEPROM holds the address, and its first 64 words add up to 0xBABA', () => {
    const driver = new T.TestDriver();
    const word = (n: number): number => {
      driver.write(0x0014, (n << 2) | 1);
      expect(driver.read(0x0014) & 2).toBe(2);
      return driver.read(0x0014) >>> 16;
    };
    expect([word(0), word(1), word(2)]).toEqual([0x0002, 0x0000, 0x0a01]);
    let sum = 0;
    for (let n = 0; n < 0x40; n++) sum += word(n);
    expect(sum & 0xffff).toBe(0xbaba);
  });

  it('SWSM is taken by reading it', () => {
    const driver = new T.TestDriver();
    expect([driver.read(0x5b50), driver.read(0x5b50)]).toEqual([0, 1]);
    driver.write(0x5b50, 3);
    expect(driver.read(0x5b50)).toBe(3);
    driver.write(0x5b50, 0);
    expect(driver.read(0x5b50)).toBe(0);
  });

  it('the PHY answers through MDIC, and its link comes up after auto-negotiation', () => {
    const driver = new T.TestDriver({ autonegotiationNs: 3_000_000 });
    const phy = (register: number): number => {
      driver.write(0x0020, 0x0820_0000 | (register << 16));
      expect(driver.read(0x0020) & 0x1000_0000).toBe(0x1000_0000);
      return driver.read(0x0020) & 0xffff;
    };
    expect([phy(2), phy(3)]).toEqual([0x02a8, 0x0391]);
    driver.write(T.CTRL, driver.read(T.CTRL) | T.SLU);
    driver.write(0x0020, 0x0420_1340);
    expect(phy(0)).toBe(0x1140);
    expect(phy(1) & 4).toBe(0);
    driver.run(2_999_999);
    expect(driver.read(T.STATUS) & 2).toBe(0);
    driver.run(1);
    expect(phy(1)).toBe(0x796d);
    expect(phy(5) & 0x0400).toBe(0x0400);
    expect(driver.read(T.STATUS) & 0xc3).toBe(0x83);
    driver.write(0x0020, 0x0420_1940);
    expect(driver.read(T.STATUS) & 2).toBe(0);
    driver.write(0x0020, 0x0840_0000);
    expect(driver.read(0x0020) & 0x4000_0000).not.toBe(0);
  });
});

describe('statistics', () => {
  it('count frames, octets with FCS and sizes, and are cleared by reading', () => {
    const driver = new T.TestDriver();
    driver.start();
    driver.setupRx(0);
    driver.setupTx(0);
    driver.arrive(ipv4Packet(pattern(100)));
    driver.arrive(ipv4Packet(pattern(1000), { to: new Uint8Array(6).fill(0xff) }));
    driver.postData(0, [ipv4Packet(pattern(0))]);
    driver.ring(0);
    driver.run(100_000);
    const [GPRC, BPRC, GORCL, GORCH, PRC255, PRC1522, GPTC, GOTCL, GOTCH, PTC127] = [
      0x4074, 0x4078, 0x4088, 0x408c, 0x4064, 0x4070, 0x4080, 0x4090, 0x4094, 0x40dc,
    ] as const;
    expect(driver.read(GPRC)).toBe(2);
    expect(driver.read(GPRC)).toBe(0);
    expect(driver.read(BPRC)).toBe(1);
    expect(driver.read(GORCL)).toBe(170 + 1070);
    expect(driver.read(GORCL)).toBe(170 + 1070);
    expect(driver.read(GORCH)).toBe(0);
    expect(driver.read(GORCL)).toBe(0);
    expect([driver.read(PRC255), driver.read(PRC1522)]).toEqual([1, 1]);
    expect([driver.read(GPTC), driver.read(GOTCL), driver.read(GOTCH), driver.read(PTC127)]).toEqual([1, 70, 0, 1]);
  });
});

describe('the PTP clock', () => {
  it('counts 2^19 a nanosecond with the driver’s increment, and stamps a frame that asks for it', () => {
    const driver = new T.TestDriver();
    driver.start();
    driver.setupTx(0);
    driver.write(0xb608, 0x0180_0000);
    const clock = (): number => (driver.read(0xb600) + driver.read(0xb604) * 2 ** 32) / 2 ** 19;
    const before = clock();
    driver.run(16_000);
    expect(clock() - before).toBe(16_000);
    driver.write(0xb614, 0x10);
    driver.postData(0, [ipv4Packet(pattern(10))], 0x0008_0000);
    driver.ring(0);
    const rung = clock();
    driver.run(100_000);
    expect(driver.read(0xb614) & 1).toBe(1);
    const stamp = (driver.read(0xb618) + driver.read(0xb61c) * 2 ** 32) / 2 ** 19;
    expect(stamp - rung).toBeGreaterThan(1000);
    expect(stamp - rung).toBeLessThan(2000);
    expect(driver.read(0xb614) & 1).toBe(0);
  });
});
