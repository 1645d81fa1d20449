/**
 * lib/siphash.c: SipHash-2-4 (Aumasson, Bernstein 2012), the keyed hash behind sequence numbers, ports and cookies.
 *
 * JavaScript has no 64-bit integers that are fast, so a word is a pair of 32-bit halves; the result of a hash stays in its key (`hi`, `lo`).
 */
import type { RandomStream } from '../../sim/random.ts';
import { WIDE } from '../../sim/wide.ts';

/** A key, and the result of the last hash under it. */
export class siphash_key_t {
  readonly k0lo: number;
  readonly k0hi: number;
  readonly k1lo: number;
  readonly k1hi: number;
  lo = WIDE;
  hi = WIDE;

  constructor(k0lo: number, k0hi: number, k1lo: number, k1hi: number) {
    this.k0lo = k0lo;
    this.k0hi = k0hi;
    this.k1lo = k1lo;
    this.k1hi = k1hi;
  }
}

/** net_get_random_once() for a key. */
export const randomSiphashKey = (random: RandomStream): siphash_key_t =>
  new siphash_key_t(random.u32(), random.u32(), random.u32(), random.u32());

/** A key from its 16 bytes, little endian. */
export function siphashKeyOf(bytes: Uint8Array): siphash_key_t {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return new siphash_key_t(view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true), view.getUint32(12, true));
}

/** The four words of state, as pairs. */
class SipState {
  readonly lo = new Int32Array(4);
  readonly hi = new Int32Array(4);

  constructor(key: siphash_key_t) {
    this.set(0, key.k0lo ^ 0x70736575, key.k0hi ^ 0x736f6d65);
    this.set(1, key.k1lo ^ 0x6e646f6d, key.k1hi ^ 0x646f7261);
    this.set(2, key.k0lo ^ 0x6e657261, key.k0hi ^ 0x6c796765);
    this.set(3, key.k1lo ^ 0x79746573, key.k1hi ^ 0x74656462);
  }

  set(word: number, lo: number, hi: number): void {
    this.lo[word] = lo;
    this.hi[word] = hi;
  }

  add(a: number, b: number): void {
    const low = (this.lo[a]! >>> 0) + (this.lo[b]! >>> 0);
    this.hi[a] = this.hi[a]! + this.hi[b]! + (low > 0xffff_ffff ? 1 : 0);
    this.lo[a] = low;
  }

  /** Rotates `a` left by `bits` (below 32) and xors `b` into it. */
  rotateXor(a: number, bits: number, b: number): void {
    const { lo, hi } = this;
    const low = (lo[a]! << bits) | (hi[a]! >>> (32 - bits));
    const high = (hi[a]! << bits) | (lo[a]! >>> (32 - bits));
    this.set(a, low ^ lo[b]!, high ^ hi[b]!);
  }

  rotateHalf(a: number): void {
    this.set(a, this.hi[a]!, this.lo[a]!);
  }

  rounds(count: number): void {
    for (let i = 0; i < count; i++) {
      this.add(0, 1);
      this.rotateXor(1, 13, 0);
      this.rotateHalf(0);
      this.add(2, 3);
      this.rotateXor(3, 16, 2);
      this.add(0, 3);
      this.rotateXor(3, 21, 0);
      this.add(2, 1);
      this.rotateXor(1, 17, 2);
      this.rotateHalf(2);
    }
  }

  block(lo: number, hi: number): void {
    this.set(3, this.lo[3]! ^ lo, this.hi[3]! ^ hi);
    this.rounds(2);
    this.set(0, this.lo[0]! ^ lo, this.hi[0]! ^ hi);
  }

  finish(key: siphash_key_t): void {
    this.lo[2] = this.lo[2]! ^ 0xff;
    this.rounds(4);
    key.lo = (this.lo[0]! ^ this.lo[1]! ^ this.lo[2]! ^ this.lo[3]!) >>> 0;
    key.hi = (this.hi[0]! ^ this.hi[1]! ^ this.hi[2]! ^ this.hi[3]!) >>> 0;
  }
}

/** Hash of bytes; returns the lower half. */
export function siphash(data: Uint8Array, key: siphash_key_t): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const state = new SipState(key);
  const whole = data.length & ~7;
  for (let at = 0; at < whole; at += 8) state.block(view.getUint32(at, true), view.getUint32(at + 4, true));
  let lo = 0;
  let hi = data.length << 24;
  for (let at = whole; at < data.length; at++) {
    if (at - whole < 4) lo |= data[at]! << ((at - whole) * 8);
    else hi |= data[at]! << ((at - whole - 4) * 8);
  }
  state.block(lo, hi);
  state.finish(key);
  return key.lo;
}

/** Hashes of two, three and four 32-bit words. */
export function siphash_2u32(first: number, second: number, key: siphash_key_t): number {
  const state = new SipState(key);
  state.block(first, second);
  state.block(0, 8 << 24);
  state.finish(key);
  return key.lo;
}

export function siphash_3u32(first: number, second: number, third: number, key: siphash_key_t): number {
  const state = new SipState(key);
  state.block(first, second);
  state.block(third, 12 << 24);
  state.finish(key);
  return key.lo;
}

export function siphash_4u32(first: number, second: number, third: number, fourth: number, key: siphash_key_t): number {
  const state = new SipState(key);
  state.block(first, second);
  state.block(third, fourth);
  state.block(0, 16 << 24);
  state.finish(key);
  return key.lo;
}
