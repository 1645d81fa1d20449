/** Text under construction, as bytes: numbers and names are put without making strings of them, which is what logs of millions of lines cost most. */
import { RecordBuffer } from './record_buffer.ts';

const CHARACTER_0 = 48;
const LOWER = Uint8Array.from('0123456789abcdef', (c) => c.charCodeAt(0));
const UPPER = Uint8Array.from('0123456789ABCDEF', (c) => c.charCodeAt(0));
const NANOSECONDS = 1e9;
/** What `reserve` makes sure of: no line is longer. */
const LINE_BYTES = 8192;

export const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

export class TextBuffer extends RecordBuffer {
  constructor(bytes: number) {
    super(bytes, LINE_BYTES);
  }

  literal(bytes: Uint8Array): void {
    const { u8 } = this;
    let { pos } = this;
    for (let i = 0; i < bytes.length; i++) u8[pos++] = bytes[i]!;
    this.pos = pos;
  }

  text(text: string): void {
    for (let i = 0; i < text.length; i++) this.u8[this.pos++] = text.charCodeAt(i);
  }

  byte(code: number): void {
    this.u8[this.pos++] = code;
  }

  /** Bytes up to a NUL, at most `limit`. */
  zeroTerminated(from: Uint8Array, at: number, limit: number): void {
    const { u8 } = this;
    let { pos } = this;
    for (let i = at; i < at + limit; i++) {
      const code = from[i]!;
      if (code === 0) break;
      u8[pos++] = code;
    }
    this.pos = pos;
  }

  /** An integer of up to 53 bits, at least `width` digits. */
  decimal(value: number, width = 1): void {
    if (value < 0) {
      this.u8[this.pos++] = 45;
      value = -value;
    }
    let digits = width;
    if (value < 10) digits = digits > 1 ? digits : 1;
    else for (let limit = 10 ** width; value >= limit; limit *= 10) digits++;
    let at = this.pos + digits;
    this.pos = at;
    const { u8 } = this;
    while (value > 0x7fff_ffff) {
      const quotient = Math.floor(value / 10);
      u8[--at] = CHARACTER_0 + (value - quotient * 10);
      value = quotient;
      digits--;
    }
    let small = value | 0;
    for (; digits > 0; digits--) {
      const quotient = (small / 10) | 0;
      u8[--at] = CHARACTER_0 + (small - quotient * 10);
      small = quotient;
    }
  }

  /** 32 bits, at least `width` digits. */
  hex(value: number, width = 1, upper = false): void {
    const table = upper ? UPPER : LOWER;
    let shift = value === 0 ? 0 : (31 - Math.clz32(value)) & ~3;
    if (shift < (width - 1) * 4) shift = (width - 1) * 4;
    for (; shift >= 0; shift -= 4) this.u8[this.pos++] = shift > 28 ? CHARACTER_0 : table[(value >>> shift) & 15]!;
  }

  /** 64 bits in two halves. */
  hex64(high: number, low: number, width = 1, upper = false): void {
    if (high === 0) {
      this.hex(low, width, upper);
      return;
    }
    this.hex(high, Math.max(width - 8, 1), upper);
    this.hex(low, 8, upper);
  }

  /** `10.0.0.1` from four bytes. */
  ip4(from: Uint8Array, at: number): void {
    this.decimal(from[at]!);
    this.byte(46);
    this.decimal(from[at + 1]!);
    this.byte(46);
    this.decimal(from[at + 2]!);
    this.byte(46);
    this.decimal(from[at + 3]!);
  }

  /** `%5lu.%06lu` from nanoseconds, rounded to microseconds as ftrace does. */
  seconds(exactNs: number): void {
    const ns = exactNs + 500;
    const seconds = Math.floor(ns / NANOSECONDS);
    for (let limit = 10_000; limit > 1 && seconds < limit; limit /= 10) this.byte(32);
    this.decimal(seconds);
    this.byte(46);
    this.decimal(Math.floor((ns - seconds * NANOSECONDS) / 1000), 6);
  }

  override toString(from = 0): string {
    return Buffer.from(this.u8.buffer, this.u8.byteOffset + from, this.pos - from).toString('latin1');
  }
}
