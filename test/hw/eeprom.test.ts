/** The EEPROM through both of its doors: EERD, and the lines of EECD as a 25xx part sees them (datasheet 3.3, 8.4). */
import { describe, expect, it } from 'vitest';
import * as T from './test_driver.ts';

const EECD = 0x0010;
const EERD = 0x0014;
const CTRL_EXT = 0x0018;
const SK = 1;
const CS = 2;
const DI = 4;
const DO = 8;
const REQ = 0x40;
const GNT = 0x80;
const EE_RST = 1 << 13;
const READ = 0x03;
const WRITE = 0x02;
const WREN = 0x06;
const RDSR = 0x05;
const A8 = 0x08;

/** Software that moves the lines, bit by bit. */
class BitBang {
  readonly driver = new T.TestDriver();
  #eecd = REQ;

  #write(value: number): void {
    this.#eecd = value;
    this.driver.write(EECD, value);
  }

  select(): void {
    this.#write(REQ | CS);
    this.#write(REQ);
  }

  deselect(): void {
    this.#write(REQ | CS);
  }

  out(byte: number): void {
    for (let bit = 7; bit >= 0; bit--) {
      const data = (byte >>> bit) & 1 ? DI : 0;
      this.#write((this.#eecd & ~(DI | SK)) | data);
      this.#write(this.#eecd | SK);
      this.#write(this.#eecd & ~SK);
    }
  }

  in(): number {
    let byte = 0;
    for (let i = 0; i < 8; i++) {
      this.#write(this.#eecd | SK);
      byte = (byte << 1) | ((this.driver.read(EECD) & DO) !== 0 ? 1 : 0);
      this.#write(this.#eecd & ~SK);
    }
    return byte;
  }

  /** One command: bytes out, then `count` bytes in. */
  command(bytes: readonly number[], count = 0): number[] {
    this.select();
    for (const byte of bytes) this.out(byte);
    const answer = Array.from({ length: count }, () => this.in());
    this.deselect();
    return answer;
  }
}

function word(driver: T.TestDriver, n: number): number {
  driver.write(EERD, (n << 2) | 1);
  expect(driver.read(EERD) & 2).toBe(2);
  return driver.read(EERD) >>> 16;
}

describe('the lines of EECD', () => {
  it('are granted to who asks for them', () => {
    const driver = new T.TestDriver();
    expect(driver.read(EECD) & GNT).toBe(0);
    driver.write(EECD, REQ);
    expect(driver.read(EECD) & GNT).toBe(GNT);
    driver.write(EECD, 0);
    expect(driver.read(EECD) & GNT).toBe(0);
  });

  it('read the same bytes as EERD, one after the other', () => {
    const spi = new BitBang();
    expect(spi.command([READ, 0], 6)).toEqual([...T.mac]);
    const bytes = spi.command([READ, 0], 0x80);
    const words = Array.from({ length: 0x40 }, (_, i) => bytes[2 * i]! | (bytes[2 * i + 1]! << 8));
    expect(words.reduce((a, b) => a + b, 0) & 0xffff).toBe(0xbaba);
    expect(words).toEqual(Array.from({ length: 0x40 }, (_, i) => word(spi.driver, i)));
  });

  it('write words, after a write enable only', () => {
    const spi = new BitBang();
    expect(word(spi.driver, 0x06)).toBe(0xffff);
    spi.command([WRITE, 0x0c, 0x34, 0x12]);
    expect(word(spi.driver, 0x06)).toBe(0xffff);
    spi.command([WREN]);
    expect(spi.command([RDSR], 1)).toEqual([2]);
    spi.command([WRITE, 0x0c, 0x34, 0x12]);
    expect(word(spi.driver, 0x06)).toBe(0x1234);
    expect(spi.command([RDSR], 1)).toEqual([0]);
  });

  it('reach the upper half of the part by bit 3 of the opcode', () => {
    const spi = new BitBang();
    spi.command([WREN]);
    spi.command([WRITE | A8, 0x02, 0xcd, 0xab]);
    expect(word(spi.driver, 0x81)).toBe(0xabcd);
    expect(spi.command([READ | A8, 0x02], 2)).toEqual([0xcd, 0xab]);
    expect(word(spi.driver, 0x01)).toBe(0x0000);
  });

  it('do nothing for who has not asked', () => {
    const driver = new T.TestDriver();
    for (let i = 0; i < 40; i++) driver.write(EECD, i & 1 ? SK | DI : 0);
    expect(driver.read(EECD) & DO).toBe(0);
  });
});

it('a changed address is taken at the next reset, or when CTRL_EXT.EE_RST asks for it', () => {
  const spi = new BitBang();
  const { driver } = spi;
  spi.command([WREN]);
  spi.command([WRITE, 0x04, 0x0a, 0x77]);
  expect(driver.read(T.RAH0)).toBe(0x8000_0a01);
  driver.write(CTRL_EXT, EE_RST);
  expect(driver.read(CTRL_EXT) & EE_RST).toBe(0);
  expect(driver.read(T.RAH0)).toBe(0x8000_770a);
  driver.write(T.RAH0, 0);
  driver.write(T.CTRL, driver.read(T.CTRL) | (1 << 26));
  expect(driver.read(T.RAH0)).toBe(0x8000_770a);
});
