/** Checksums of captured packets: right, left to the NIC (only the pseudo header is summed), or wrong. */

export type ChecksumState = 'right' | 'unfilled' | 'wrong' | 'unknown';

/** One's complement sum of bytes as 16-bit words, folded. */
export function onesSum(u8: Uint8Array, from: number, to: number, start: number): number {
  let sum = start;
  let at = from;
  for (; at + 1 < to; at += 2) sum += (u8[at]! << 8) | u8[at + 1]!;
  if (at < to) sum += u8[at]! << 8;
  return fold(sum);
}

export function fold(sum: number): number {
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  return sum;
}

/**
 * Judges the checksum field at `field` of the transport segment from `from` to `to`. `pseudo` is the sum of the pseudo header: a sender that leaves the
 * rest to its NIC stores just that, not complemented.
 */
export function judgeChecksum(u8: Uint8Array, from: number, to: number, field: number, pseudo: number): ChecksumState {
  if (onesSum(u8, from, to, pseudo) === 0xffff) return 'right';
  const stored = (u8[field]! << 8) | u8[field + 1]!;
  return stored === fold(pseudo) ? 'unfilled' : 'wrong';
}
