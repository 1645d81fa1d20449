/** MessagePack under construction (msgpack.org, spec.md): the shortest form of each value. */
import { InvariantError } from '../../sim/invariant.ts';
import { RecordBuffer } from './record_buffer.ts';

const RECORD_BYTES = 16384;
const TWO_TO_32 = 4294967296;

export class MessagePack extends RecordBuffer {
  constructor(bytes: number) {
    super(bytes, RECORD_BYTES);
  }

  nil(): void {
    this.u8[this.pos++] = 0xc0;
  }

  array(length: number): void {
    if (length < 16) this.u8[this.pos++] = 0x90 | length;
    else this.#with16(0xdc, length);
  }

  map(length: number): void {
    if (length >= 16) throw new InvariantError(`a map of ${length}`);
    this.u8[this.pos++] = 0x80 | length;
  }

  /** An integer between -2^53 and 2^53. */
  integer(value: number): void {
    if (value >= 0) this.#unsigned(value);
    else if (value >= -32) this.u8[this.pos++] = value;
    else if (value >= -0x8000_0000) this.#with32(0xd2, value);
    else this.#with64(0xd3, value);
  }

  /** A text of Latin letters. */
  string(text: string): void {
    this.stringHead(text.length);
    for (let i = 0; i < text.length; i++) this.u8[this.pos++] = text.charCodeAt(i) & 127;
  }

  /** What stands before the bytes of a string. */
  stringHead(length: number): void {
    if (length < 32) this.u8[this.pos++] = 0xa0 | length;
    else if (length < 256) this.#with8(0xd9, length);
    else this.#with16(0xda, length);
  }

  binary(from: Uint8Array, at: number, length: number): void {
    this.#with8(0xc4, length);
    this.raw(from, at, length);
  }

  raw(from: Uint8Array, at: number, length: number): void {
    for (let i = 0; i < length; i++) this.u8[this.pos++] = from[at + i]!;
  }

  #unsigned(value: number): void {
    if (value < 128) this.u8[this.pos++] = value;
    else if (value < 256) this.#with8(0xcc, value);
    else if (value < 65536) this.#with16(0xcd, value);
    else if (value < TWO_TO_32) this.#with32(0xce, value);
    else this.#with64(0xcf, value);
  }

  #with8(head: number, value: number): void {
    this.u8[this.pos++] = head;
    this.u8[this.pos++] = value;
  }

  #with16(head: number, value: number): void {
    this.u8[this.pos++] = head;
    this.view.setUint16(this.pos, value);
    this.pos += 2;
  }

  #with32(head: number, value: number): void {
    this.u8[this.pos++] = head;
    this.view.setUint32(this.pos, value);
    this.pos += 4;
  }

  #with64(head: number, value: number): void {
    this.u8[this.pos++] = head;
    const high = Math.floor(value / TWO_TO_32);
    this.view.setUint32(this.pos, high);
    this.view.setUint32(this.pos + 4, value - high * TWO_TO_32);
    this.pos += 8;
  }
}
