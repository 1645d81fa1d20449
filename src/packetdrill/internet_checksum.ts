/** RFC 1071: what the peer that a script plays puts into its packets. Independent of the stack under test, so that neither hides the other's faults. */

/** The folded one's complement sum of big-endian 16-bit words, started with `initial`. */
export function onesComplementSum(bytes: Uint8Array, initial: number): number {
  let sum = initial;
  const even = bytes.length & ~1;
  for (let i = 0; i < even; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  if (even !== bytes.length) sum += bytes[even]! << 8;
  while (sum > 0xffff) sum = Math.floor(sum / 0x10000) + (sum & 0xffff);
  return sum;
}
