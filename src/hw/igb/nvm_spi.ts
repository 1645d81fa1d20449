/**
 * The serial EEPROM on the lines of EECD (datasheet 3.3.1.5, 8.4.1): what software does to clock, chip select and data input is what a 25xx part sees. Bits
 * come most significant first: an opcode, an address of eight bits (the ninth is bit 3 of the opcode), then bytes for as long as the chip is selected.
 */
import * as D from './e1000_defines.ts';

const READ = 0x03;
const WRITE = 0x02;
const WRITE_DISABLE = 0x04;
const READ_STATUS = 0x05;
const WRITE_ENABLE = 0x06;
/** Bit 3 of READ and WRITE: the upper half of the part. */
const A8 = 0x08;
const STATUS_WRITE_ENABLED = 0x02;
const BITS = 8;

export class NvmSpi {
  readonly #words: Uint16Array;
  #lines = D.E1000_EECD_CS;
  /** The byte that comes in, and how many of its bits have. */
  #shift = 0;
  #bits = 0;
  /** Bytes that came since the chip was selected. */
  #bytes = 0;
  #opcode = 0;
  #address = 0;
  /** The byte that goes out, and how many of its bits have. */
  #output = 0;
  #sent = BITS;
  #writeEnabled = false;

  constructor(words: Uint16Array) {
    this.#words = words;
  }

  /** The state of the lines as EECD has them; returns the line that the part drives (EE_DO). */
  drive(lines: number): number {
    const rises = (lines & ~this.#lines & D.E1000_EECD_SK) !== 0;
    const falls = (~lines & this.#lines & D.E1000_EECD_SK) !== 0;
    this.#lines = lines;
    // Chip select is active low, as the part has it.
    if ((lines & D.E1000_EECD_CS) !== 0) this.#deselect();
    else if (rises) this.#clockIn((lines & D.E1000_EECD_DI) !== 0 ? 1 : 0);
    else if (falls) this.#clockOut();
    return ((this.#output << Math.max(0, this.#sent - 1)) & 0x80) !== 0 ? D.E1000_EECD_DO : 0;
  }

  #deselect(): void {
    if (this.#bytes === 1 && this.#opcode === WRITE_ENABLE) this.#writeEnabled = true;
    else if (this.#bytes > 0 && (this.#opcode === WRITE_DISABLE || (this.#opcode & ~A8) === WRITE)) this.#writeEnabled = false;
    this.#bits = 0;
    this.#bytes = 0;
    this.#output = 0;
    this.#sent = BITS;
  }

  #clockIn(bit: number): void {
    this.#shift = ((this.#shift << 1) | bit) & 0xff;
    if (++this.#bits < BITS) return;
    this.#bits = 0;
    this.#bytes++;
    if (this.#bytes === 1) this.#opcode = this.#shift;
    else if (this.#bytes === 2) this.#address = this.#shift | ((this.#opcode & A8) !== 0 ? 0x100 : 0);
    else if ((this.#opcode & ~A8) === WRITE) this.#store(this.#shift);
  }

  /** The next bit appears when the clock falls. */
  #clockOut(): void {
    if (this.#sent === BITS && this.#bits === 0) {
      const isStatus = this.#opcode === READ_STATUS && this.#bytes >= 1;
      const isRead = (this.#opcode & ~A8) === READ && this.#bytes >= 2;
      if (!isStatus && !isRead) return;
      this.#output = isStatus ? (this.#writeEnabled ? STATUS_WRITE_ENABLED : 0) : this.#fetch();
      this.#sent = 0;
    }
    if (this.#sent < BITS) this.#sent++;
  }

  #fetch(): number {
    const word = this.#words[this.#address >> 1]!;
    const byte = (this.#address & 1) === 0 ? word & 0xff : word >>> 8;
    this.#advance();
    return byte;
  }

  #store(byte: number): void {
    if (!this.#writeEnabled) return;
    const at = this.#address >> 1;
    const word = this.#words[at]!;
    this.#words[at] = (this.#address & 1) === 0 ? (word & 0xff00) | byte : (word & 0xff) | (byte << 8);
    this.#advance();
  }

  #advance(): void {
    this.#address = (this.#address + 1) % (2 * this.#words.length);
  }
}
