/**
 * The Internet checksum (RFC 1071): the 16-bit ones-complement sum of big-endian words. Sums are kept in the byte order of the machine
 * while they grow, because a ones-complement sum may be swapped as a whole at the end (RFC 1071, 2 (B)); results are always big-endian.
 */

/** Below this, finding a view on words costs more than it saves. */
const SHORT = 32;

/** Views on 32-bit words of buffers that have been summed. A memo only: what is in it never depends on the past. */
const wordViews = new WeakMap<ArrayBufferLike, Uint32Array>();

function words(buffer: ArrayBufferLike): Uint32Array {
  let view = wordViews.get(buffer);
  if (view === undefined) {
    view = new Uint32Array(buffer, 0, buffer.byteLength >> 2);
    wordViews.set(buffer, view);
  }
  return view;
}

/** Folds a sum of up to 2^53 into 16 bits; 0 only when everything summed was 0. */
export function fold(sum: number): number {
  if (sum > 0xffff_ffff) sum = (sum % 0x1_0000_0000) + Math.floor(sum / 0x1_0000_0000);
  if (sum > 0xffff_ffff) sum -= 0xffff_ffff;
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** The value that goes into a checksum field: the complement of the folded sum. */
export function finish(sum: number): number {
  return ~fold(sum) & 0xffff;
}

/**
 * Adds the bytes `offset` … `offset + length - 1` of `u8`, taken as big-endian words (an odd last byte is padded with zero), to `initial`.
 * The result is folded to 16 bits.
 */
export function sum16(u8: Uint8Array, offset: number, length: number, initial: number): number {
  if (length < SHORT) return fold(initial + sumShort(u8, offset, length));
  const sum = sumLong(words(u8.buffer), u8, u8.byteOffset + offset, length);
  return fold(initial + sum);
}

/** The same of a header: a few 32-bit words, for which finding another view or calling other code costs more than summing. Unfolded. */
export function sumOfHeader(view: DataView, offset: number, length: number): number {
  let sum = 0;
  for (let at = offset, end = offset + length; at < end; at += 4) {
    const word = view.getInt32(at);
    sum += (word >>> 16) + (word & 0xffff);
  }
  return sum;
}

/** Byte by byte. Unfolded: up to 2^21 words fit. */
function sumShort(u8: Uint8Array, offset: number, length: number): number {
  let sum = 0;
  const end = offset + (length & ~1);
  let at = offset;
  for (; at < end; at += 2) sum += (u8[at]! << 8) | u8[at + 1]!;
  if (length & 1) sum += u8[at]! << 8;
  return sum;
}

/** Sums aligned 32-bit words and puts right what alignment and byte order leave over. `at` counts from the start of the buffer. */
function sumLong(u32: Uint32Array, u8: Uint8Array, at: number, length: number): number {
  const base = u8.byteOffset;
  const head = -at & 3;
  const first = (at + head) >> 2;
  const count = (length - head) >> 2;
  const tail = at + head + 4 * count;
  const body = swap16(fold(sumWords(u32, first, first + count)));
  // Words that begin at an odd byte of the data have their halves the other way round.
  let sum = head & 1 ? swap16(body) : body;
  if (head > 0) sum += sumShort(u8, at - base, head);
  const rest = at + length - tail;
  if (rest > 0) {
    const end = fold(sumShort(u8, tail - base, rest));
    sum += head & 1 ? swap16(end) : end;
  }
  return sum;
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8);
}

/** Low and high halves in two sums that stay below 2^31 for up to 2^15 words (128 KiB); unrolled because it is the hottest loop there is. */
function sumWords(u32: Uint32Array, from: number, to: number): number {
  let low = 0;
  let high = 0;
  let i = from;
  for (const last = to - 7; i < last; i += 8) {
    const a = u32[i]!;
    const b = u32[i + 1]!;
    const c = u32[i + 2]!;
    const d = u32[i + 3]!;
    const e = u32[i + 4]!;
    const f = u32[i + 5]!;
    const g = u32[i + 6]!;
    const h = u32[i + 7]!;
    low = (low + (a & 0xffff) + (b & 0xffff) + (c & 0xffff) + (d & 0xffff) + (e & 0xffff) + (f & 0xffff) + (g & 0xffff) + (h & 0xffff)) | 0;
    high = (high + (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16) + (e >>> 16) + (f >>> 16) + (g >>> 16) + (h >>> 16)) | 0;
  }
  for (; i < to; i++) {
    const a = u32[i]!;
    low = (low + (a & 0xffff)) | 0;
    high = (high + (a >>> 16)) | 0;
  }
  return low + high;
}
