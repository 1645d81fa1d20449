/**
 * lib/checksum.c, net/checksum.h: the Internet checksum in the kernel's terms, on machine/checksum.ts.
 * A `csum` (__wsum) is a ones-complement sum of big-endian words, folded to 16 bits or not; a `check` (__sum16) is its complement, as in headers.
 */
import { finish, fold, sum16, sumOfHeader } from '../../machine/checksum.ts';

/** What stands for a UDP checksum of 0, which would mean "none". */
export const CSUM_MANGLED_0 = 0xffff;

/** Adds `len` bytes to `sum`. */
export function csum_partial(u8: Uint8Array, offset: number, len: number, sum: number): number {
  return sum16(u8, offset, len, sum);
}

export const csum_fold = (sum: number): number => finish(sum);
export const csum_unfold = (check: number): number => check;
export const csum_add = (a: number, b: number): number => fold(a + b);
export const csum_sub = (a: number, b: number): number => fold(a + (~fold(b) & 0xffff));

/** Adds the sum of a block that starts `offset` bytes in: at an odd offset its bytes are in the other halves of their words. */
export function csum_block_add(sum: number, block: number, offset: number): number {
  const folded = fold(block);
  return fold(sum + (offset & 1 ? ((folded & 0xff) << 8) | (folded >>> 8) : folded));
}

/** The pseudo header (RFC 9293 3.1) added to `sum`. */
export const csum_tcpudp_nofold = (saddr: number, daddr: number, len: number, proto: number, sum: number): number =>
  fold(saddr + daddr + len + proto + sum);

export const csum_tcpudp_magic = (saddr: number, daddr: number, len: number, proto: number, sum: number): number =>
  finish(saddr + daddr + len + proto + sum);

/** Checksum of an IP header of `ihl` words: 0 when it carries its right one. */
export const ip_fast_csum = (view: DataView, offset: number, ihl: number): number => finish(sumOfHeader(view, offset, ihl << 2));
export const ip_compute_csum = (u8: Uint8Array, offset: number, len: number): number => finish(sum16(u8, offset, len, 0));

/** The checksum after a 16-bit field changed (RFC 1624, equation 3). */
export const csum_replace2 = (check: number, old: number, value: number): number =>
  finish((~check & 0xffff) + (~old & 0xffff) + (value & 0xffff));

/** The same for a 32-bit field. */
export const csum_replace4 = (check: number, old: number, value: number): number =>
  finish((~check & 0xffff) + (~old >>> 0) + (value >>> 0));
