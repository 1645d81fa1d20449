/** include/linux/hash.h: spreads numbers over a table by multiplying with a constant near the golden ratio (Knuth, The Art of Computer Programming 6.4). */
const GOLDEN_RATIO_32 = 0x61c88647;

/** The `bits` upper bits of the product. */
export const hash_32 = (value: number, bits: number): number => (bits === 0 ? 0 : Math.imul(value, GOLDEN_RATIO_32) >>> (32 - bits));
