/**
 * include/linux/sockptr.h: the value that setsockopt() was given. Programs pass numbers, strings and objects named after the C structure; or bytes, as many
 * as they like, as C programs do.
 */

const INT = 4;

/** The int at the front; null when there are fewer bytes, or when it is a structure. */
export function intOf(value: unknown): number | null {
  if (typeof value === 'number') return value | 0;
  if (!(value instanceof Uint8Array) || value.length < INT) return null;
  return new DataView(value.buffer, value.byteOffset).getInt32(0, true);
}

/** A structure's or a name's bytes: those given, or those of an int; null for objects. */
export function bytesOf(value: unknown): Uint8Array | null {
  if (value instanceof Uint8Array) return value;
  if (typeof value !== 'number') return null;
  return Uint8Array.of(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, (value >>> 24) & 255);
}

/** A name: a string, or bytes up to the first zero, `room` at most. Null when it is neither. */
export function nameOf(value: unknown, room: number): string | null {
  if (typeof value === 'string') return value.slice(0, room);
  const bytes = bytesOf(value)?.subarray(0, room);
  if (bytes === undefined) return null;
  const end = bytes.indexOf(0);
  return String.fromCharCode(...(end < 0 ? bytes : bytes.subarray(0, end)));
}
