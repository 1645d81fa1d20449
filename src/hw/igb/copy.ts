/** Moving bytes between frames and host memory. */

/** Up to here a loop beats making a view for `set`. */
const SHORT = 64;

export function copyBytes(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  if (length > SHORT) {
    target.set(source.subarray(from, from + length), to);
    return;
  }
  for (let i = 0; i < length; i++) target[to + i] = source[from + i]!;
}
