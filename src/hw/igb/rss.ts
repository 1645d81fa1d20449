/**
 * Receive-side scaling (datasheet 7.1.1.7): the Toeplitz hash over addresses and ports under the 40-byte key RSSRK, and the redirection table.
 * The hash is linear, so each half byte of the input contributes one of 16 words that are computed once per key.
 */
import type { Frame } from '../../wire/frame.ts';
import * as R from './e1000_regs.ts';
import type { RegisterValues } from './register_values.ts';
import { registerMap } from './registers.ts';

/** Two IPv6 addresses and two ports. */
const MAX_INPUT = 36;
const KEY_BYTES = 40;
/** The slot of RETA(0); the others follow. */
const RETA = registerMap.slotOf(R.E1000_RETA(0));

export class Rss {
  readonly #values: RegisterValues;
  readonly #key = new Uint8Array(KEY_BYTES);
  /** Contribution of half byte `n` with value `v`, at n * 16 + v. */
  readonly #table = new Uint32Array(MAX_INPUT * 2 * 16);
  #stale = true;
  /** The flow that was hashed last: packets come in bursts. */
  #source = 0;
  #destination = 0;
  #ports = 0;
  #hash = 0;

  constructor(values: RegisterValues) {
    this.#values = values;
  }

  keyWritten(): void {
    this.#stale = true;
  }

  /** Hash of a piece of input: `length` bytes from `u8[offset]`, which stand at byte `at` of the whole input. Pieces are combined with XOR. */
  piece(u8: Uint8Array, offset: number, length: number, at: number): number {
    if (this.#stale) this.#build();
    const table = this.#table;
    let hash = 0;
    for (let i = 0; i < length; i++) {
      const byte = u8[offset + i]!;
      const base = (at + i) << 5;
      hash ^= table[base + (byte >>> 4)]! ^ table[base + 16 + (byte & 15)]!;
    }
    return hash;
  }

  /** Hash of two IPv4 addresses at byte `addresses` and of two ports at byte `ports`, or of no ports (-1), which counts as ports of zero. */
  ipv4(frame: Frame, addresses: number, ports: number): number {
    const { u8, view } = frame;
    const source = view.getInt32(addresses);
    const destination = view.getInt32(addresses + 4);
    const bothPorts = ports < 0 ? 0 : view.getInt32(ports);
    if (this.#stale || source !== this.#source || destination !== this.#destination || bothPorts !== this.#ports) {
      this.#source = source;
      this.#destination = destination;
      this.#ports = bothPorts;
      this.#hash = this.piece(u8, addresses, 8, 0) ^ (ports < 0 ? 0 : this.piece(u8, ports, 4, 8));
    }
    return this.#hash;
  }

  /** The queue of a hash: the low nibble of its entry in RETA. */
  queue(hash: number): number {
    const entry = hash & 0x7f;
    return (this.#values.u32[RETA + (entry >>> 2)]! >>> (8 * (entry & 3))) & 0xf;
  }

  #build(): void {
    this.#stale = false;
    for (let i = 0; i < KEY_BYTES; i++) this.#key[i] = (this.#values.get(R.E1000_RSSRK(i >> 2)) >>> (8 * (i & 3))) & 0xff;
    for (let nibble = 0; nibble < MAX_INPUT * 2; nibble++) this.#buildNibble(nibble);
  }

  /** Input bit b selects the 32 bits of the key that begin at bit b. */
  #buildNibble(nibble: number): void {
    for (let value = 0; value < 16; value++) {
      let word = 0;
      for (let bit = 0; bit < 4; bit++) if ((value & (8 >> bit)) !== 0) word ^= this.#keyWindow(nibble * 4 + bit);
      this.#table[nibble * 16 + value] = word;
    }
  }

  #keyWindow(bit: number): number {
    const first = bit >> 3;
    const shift = bit & 7;
    const key = this.#key;
    const word = (key[first]! << 24) | (key[first + 1]! << 16) | (key[first + 2]! << 8) | key[first + 3]!;
    return shift === 0 ? word : (word << shift) | (key[first + 4]! >>> (8 - shift));
  }
}
