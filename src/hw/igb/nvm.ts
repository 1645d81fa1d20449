/**
 * The EEPROM behind EERD, and on the lines of EECD (datasheet 6 and 8.4): 256 words, of which the first 0x40 add up to 0xBABA. What the driver reads are the
 * MAC address, its default for flow control, LED modes and whether wake-up is allowed.
 */
import {
  E1000_EECD_DO,
  E1000_EECD_GNT,
  E1000_EECD_REQ,
  E1000_NVM_RW_ADDR_SHIFT,
  E1000_NVM_RW_REG_DONE,
  E1000_NVM_RW_REG_START,
  NVM_CHECKSUM_REG,
  NVM_SUM,
} from './e1000_defines.ts';
import * as R from './e1000_regs.ts';
import { NvmSpi } from './nvm_spi.ts';
import type { RegisterValues } from './register_values.ts';

const WORDS = 256;
const ERASED = 0xffff;
const ADDRESS_MASK = 0x3fff;

/** Words of the image that are not erased, as on a dual-port copper adapter: word → value. The MAC address and the checksum are put in later. */
const image: readonly (readonly [word: number, value: number])[] = [
  [0x03, 0x0d34], // compatibility
  [0x05, 0x2010], // image version
  [0x08, 0x1040], // printed board assembly number
  [0x0a, 0x002b], // initialization control 1
  [0x0b, 0x10c9], // subsystem id
  [0x0c, 0x8086], // subsystem vendor id
  [0x0d, 0x10c9], // device id
  [0x0e, 0x0000],
  [0x0f, 0x70c3], // initialization control 2: both kinds of pause
  [0x10, 0x0004],
  [0x11, 0x10c9],
  [0x12, 0x5c00], // EEPROM sizing
  [0x13, 0x0000], // initialization control 4
  [0x14, 0x2880], // initialization control 3 of the second port
  [0x15, 0x0014],
  [0x16, 0x4a40], // MSI-X configuration
  [0x17, 0x0060],
  [0x18, 0x6cfb], // PCIe initialization configuration 1-3
  [0x19, 0xc7b0],
  [0x1a, 0x0abe],
  [0x1b, 0x0403], // PCIe control
  [0x1c, 0x0783], // LED 1 and 3 modes
  [0x1d, 0x10a6], // dummy device id
  [0x1e, 0x0001], // revision
  [0x1f, 0x0602], // LED 0 and 2 modes
  [0x20, 0x0004],
  [0x21, 0x0020],
  [0x22, 0x0000],
  [0x23, 0x004a],
  [0x24, 0x2080], // initialization control 3: no wake-up by magic packet
  [0x25, 0x00f5],
  [0x26, 0x10ca], // virtual function device id
  [0x27, 0x0000],
  [0x28, 0x0000],
  [0x29, 0x0000],
  [0x2a, 0x4784],
  [0x2b, 0x4602],
  [0x2c, 0x0000],
  [0x2d, 0x0000],
  [0x2e, 0x1000],
  [0x30, 0x0100], // PXE
  [0x31, 0x4000],
  [0x32, 0x131f],
  [0x33, 0x4013],
  [0x34, 0x0100],
  [0x35, 0x4000],
  [0x3d, 0x00e0], // version pointer
  [0x42, 0x0000],
  [0x43, 0x0000],
];

export class Nvm {
  readonly words = new Uint16Array(WORDS).fill(ERASED);
  readonly #values: RegisterValues;
  readonly #spi = new NvmSpi(this.words);

  constructor(values: RegisterValues, mac: Uint8Array) {
    this.#values = values;
    for (let i = 0; i < 3; i++) this.words[i] = mac[2 * i]! | (mac[2 * i + 1]! << 8);
    for (const [word, value] of image) this.words[word] = value;
    this.#updateChecksum();
  }

  /** The station address as RAL0/RAH0 take it from the EEPROM after a reset. */
  loadAddress(): void {
    this.#values.set(R.E1000_RAL(0), (this.words[0]! | (this.words[1]! << 16)) >>> 0);
    this.#values.set(R.E1000_RAH(0), (this.words[2]! | 0x80000000) >>> 0);
  }

  /** EERD: a read is done at once. Simplified: the real one takes some microseconds; the driver polls DONE all the same. */
  readWritten(value: number): void {
    if ((value & E1000_NVM_RW_REG_START) === 0) return;
    const address = (value >>> E1000_NVM_RW_ADDR_SHIFT) & ADDRESS_MASK;
    const data = this.words[address & (WORDS - 1)]!;
    this.#values.set(R.E1000_EERD, ((data << 16) | (address << E1000_NVM_RW_ADDR_SHIFT) | E1000_NVM_RW_REG_DONE) >>> 0);
  }

  /** EECD: software that asks for the EEPROM's lines gets them, and drives them. */
  controlWritten(): void {
    const value = this.#values.get(R.E1000_EECD) & ~(E1000_EECD_DO | E1000_EECD_GNT);
    const isGranted = (value & E1000_EECD_REQ) !== 0;
    this.#values.set(R.E1000_EECD, isGranted ? value | E1000_EECD_GNT | this.#spi.drive(value) : value);
  }

  #updateChecksum(): void {
    let sum = 0;
    for (let i = 0; i < NVM_CHECKSUM_REG; i++) sum += this.words[i]!;
    this.words[NVM_CHECKSUM_REG] = NVM_SUM - sum;
  }
}
