/** include/linux/jhash.h: Bob Jenkins' lookup3 for three words (public domain, 2006). */

const JHASH_INITVAL = 0xdeadbeef;

const rol32 = (word: number, shift: number): number => (word << shift) | (word >>> (32 - shift));

/** Hash of three 32-bit words under a seed. */
export function jhash_3words(a: number, b: number, c: number, initval: number): number {
  const start = initval + JHASH_INITVAL + (3 << 2);
  let x = (a + start) | 0;
  let y = (b + start) | 0;
  let z = (c + start) | 0;
  z = ((z ^ y) - rol32(y, 14)) | 0;
  x = ((x ^ z) - rol32(z, 11)) | 0;
  y = ((y ^ x) - rol32(x, 25)) | 0;
  z = ((z ^ y) - rol32(y, 16)) | 0;
  x = ((x ^ z) - rol32(z, 4)) | 0;
  y = ((y ^ x) - rol32(x, 14)) | 0;
  return ((z ^ y) - rol32(y, 24)) >>> 0;
}

/** Maps a 32-bit hash to 0 … range - 1 without a division (Lemire). */
export const reciprocal_scale = (value: number, range: number): number => Math.floor((value / 0x1_0000_0000) * range);
