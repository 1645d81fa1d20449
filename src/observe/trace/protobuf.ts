/** Protocol buffers' wire format under construction (protobuf.dev, encoding): varints, fixed64 and length-delimited fields. */
import { RecordBuffer } from './record_buffer.ts';

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const MESSAGE_BYTES = 65536;
/** Lengths of nested messages are not known when they start, so they get four bytes, as Perfetto's own writers do; a varint may be longer than it needs. */
const LENGTH_BYTES = 4;
const TWO_TO_32 = 4294967296;

export class Protobuf extends RecordBuffer {
  constructor(bytes: number) {
    super(bytes, MESSAGE_BYTES);
  }

  /** An integer of up to 53 bits; negative ones as 64-bit two's complement. */
  integer(field: number, value: number): void {
    this.#varint(field * 8 + VARINT);
    if (value >= 0) this.#varint(value);
    else this.#negative(value);
  }

  fixed64(field: number, value: number): void {
    this.#varint(field * 8 + FIXED64);
    const high = Math.floor(value / TWO_TO_32);
    this.view.setUint32(this.pos, value - high * TWO_TO_32, true);
    this.view.setUint32(this.pos + 4, high, true);
    this.pos += 8;
  }

  string(field: number, text: string): void {
    this.#varint(field * 8 + DELIMITED);
    this.#varint(text.length);
    for (let i = 0; i < text.length; i++) this.u8[this.pos++] = text.charCodeAt(i) & 127;
  }

  bytes(field: number, from: Uint8Array, at: number, length: number): void {
    this.#varint(field * 8 + DELIMITED);
    this.#varint(length);
    for (let i = 0; i < length; i++) this.u8[this.pos++] = from[at + i]!;
  }

  /** Starts a nested message; returns what `end` needs. */
  begin(field: number): number {
    this.#varint(field * 8 + DELIMITED);
    const start = this.pos;
    this.pos += LENGTH_BYTES;
    return start;
  }

  end(start: number): void {
    const length = this.pos - start - LENGTH_BYTES;
    for (let i = 0; i < LENGTH_BYTES; i++) this.u8[start + i] = ((length >>> (7 * i)) & 127) | (i < LENGTH_BYTES - 1 ? 128 : 0);
  }

  #varint(value: number): void {
    while (value > 0x7fff_ffff) {
      const rest = Math.floor(value / 128);
      this.u8[this.pos++] = 128 | (value - rest * 128);
      value = rest;
    }
    while (value > 127) {
      this.u8[this.pos++] = 128 | (value & 127);
      value >>>= 7;
    }
    this.u8[this.pos++] = value;
  }

  #negative(value: number): void {
    let bits = BigInt.asUintN(64, BigInt(value));
    for (; bits > 127n; bits >>= 7n) this.u8[this.pos++] = 128 | Number(bits & 127n);
    this.u8[this.pos++] = Number(bits);
  }
}
