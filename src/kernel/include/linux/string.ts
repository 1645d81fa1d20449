/** linux/string.h: bytes from one memory to another. */

/** Up to here a loop is faster than making a view for the engine's own copy. */
const SHORT = 48;

export function memcpy(to: Uint8Array, toOffset: number, from: Uint8Array, fromOffset: number, length: number): void {
  if (length <= SHORT) for (let i = 0; i < length; i++) to[toOffset + i] = from[fromOffset + i]!;
  else if (to === from) to.copyWithin(toOffset, fromOffset, fromOffset + length);
  else to.set(from.subarray(fromOffset, fromOffset + length), toOffset);
}
