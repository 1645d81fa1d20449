/**
 * net/core/skbuff.c, net/core/dev.c, linux/skbuff.h: checksums of packets.
 * Out: `skb_checksum_help` when no hardware does it. In: `skb_checksum_init` → `skb_checksum_complete`.
 */
import {
  __skb_decr_checksum_unnecessary,
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  type sk_buff,
  skb_checksum_start_offset,
  skb_cloned,
  skb_csum_unnecessary,
  skb_is_gso,
  skb_pull,
  skb_shared,
} from '../../include/linux/skbuff.ts';
import { CSUM_MANGLED_0, csum_add, csum_fold, csum_partial, csum_sub } from '../../lib/checksum.ts';
import { EINVAL, ENOMEM } from '../../uapi/errno.ts';
import { skb_checksum } from './skbuff_bits.ts';
import { pskb_expand_head, pskb_may_pull, pskb_trim } from './skbuff_reshape.ts';

/** Packets up to this length are summed at once; longer ones when they are copied or read (CHECKSUM_BREAK). */
const CHECKSUM_BREAK = 76;

type ComputePseudo = (skb: sk_buff, proto: number) => number;

/** Puts the checksum that the device cannot into the packet; 0 or -errno. */
export function skb_checksum_help(skb: sk_buff): number {
  if (skb.ip_summed === CHECKSUM_COMPLETE) {
    skb.ip_summed = CHECKSUM_NONE;
    return 0;
  }
  if (skb_is_gso(skb)) return -EINVAL;
  const start = skb_checksum_start_offset(skb);
  const check = csum_fold(skb_checksum(skb, start, skb.len - start, 0));
  const error = skb_ensure_writable(skb, start + skb.csum_offset + 2);
  if (error !== 0) return error;
  skb.mem.view.setUint16(skb.csum_start + skb.csum_offset, check || CSUM_MANGLED_0);
  skb.ip_summed = CHECKSUM_NONE;
  return 0;
}

/** The first `write_len` bytes are linear and ours alone; 0 or -errno. */
export function skb_ensure_writable(skb: sk_buff, write_len: number): number {
  if (!pskb_may_pull(skb, write_len)) return -ENOMEM;
  if (!skb_cloned(skb) || (skb.cloned && skb.shinfo.dataref - skb.shinfo.datarefNohdr === 1)) return 0;
  return pskb_expand_head(skb, 0, 0);
}

/** Sums the whole packet onto the pseudo header in `skb.csum`: 0 when the checksum is right. Keeps the sum for who trims the packet. */
export function __skb_checksum_complete(skb: sk_buff): number {
  const csum = skb_checksum(skb, 0, skb.len, 0);
  const sum = csum_fold(csum_add(skb.csum, csum));
  if (!skb_shared(skb)) {
    skb.csum = csum;
    skb.ip_summed = CHECKSUM_COMPLETE;
    skb.csum_valid = sum === 0;
  }
  return sum;
}

/** The same for the first `len` bytes (UDP-Lite, and packets that are checked while they are copied). */
export function __skb_checksum_complete_head(skb: sk_buff, len: number): number {
  const sum = csum_fold(skb_checksum(skb, 0, len, skb.csum));
  if (!skb_shared(skb)) skb.csum_valid = sum === 0;
  return sum;
}

export const skb_checksum_complete = (skb: sk_buff): number => (skb_csum_unnecessary(skb) ? 0 : __skb_checksum_complete(skb));

function validate(skb: sk_buff, proto: number, complete: boolean, zeroOkay: boolean, check: number, pseudo: ComputePseudo): number {
  skb.csum_valid = false;
  if (skb_csum_unnecessary(skb) || (zeroOkay && check === 0)) {
    skb.csum_valid = true;
    __skb_decr_checksum_unnecessary(skb);
    return 0;
  }
  return validateComplete(skb, complete, pseudo(skb, proto));
}

function validateComplete(skb: sk_buff, complete: boolean, psum: number): number {
  if (skb.ip_summed === CHECKSUM_COMPLETE && csum_fold(csum_add(psum, skb.csum)) === 0) {
    skb.csum_valid = true;
    return 0;
  }
  skb.csum = psum;
  if (!complete && skb.len > CHECKSUM_BREAK) return 0;
  const sum = __skb_checksum_complete(skb);
  skb.csum_valid = sum === 0;
  return sum;
}

const nullPseudo: ComputePseudo = () => 0;

/** Notes the pseudo header; sums short packets at once. Nonzero: the checksum is wrong. */
export const skb_checksum_init = (skb: sk_buff, proto: number, compute_pseudo: ComputePseudo): number =>
  validate(skb, proto, false, false, 0, compute_pseudo);
/** For UDP, where a checksum of 0 means that there is none. */
export const skb_checksum_init_zero_check = (skb: sk_buff, proto: number, check: number, compute_pseudo: ComputePseudo): number =>
  validate(skb, proto, false, true, check, compute_pseudo);
export const skb_checksum_validate = (skb: sk_buff, proto: number, compute_pseudo: ComputePseudo): number =>
  validate(skb, proto, true, false, 0, compute_pseudo);
/** Without a pseudo header: ICMP. */
export const skb_checksum_simple_validate = (skb: sk_buff): number => validate(skb, 0, true, false, 0, nullPseudo);

/** `len` bytes at `start` (offset in mem) have been pulled: they no longer count in a checksum over all. */
export function skb_postpull_rcsum(skb: sk_buff, start: number, len: number): void {
  if (skb.ip_summed === CHECKSUM_COMPLETE) skb.csum = csum_sub(skb.csum, csum_partial(skb.mem.u8, start, len, 0));
  else if (skb.ip_summed === CHECKSUM_PARTIAL && skb_checksum_start_offset(skb) < 0) skb.ip_summed = CHECKSUM_NONE;
}

/** `len` bytes at `start` have been pushed. */
export function skb_postpush_rcsum(skb: sk_buff, start: number, len: number): void {
  if (skb.ip_summed === CHECKSUM_COMPLETE) skb.csum = csum_add(skb.csum, csum_partial(skb.mem.u8, start, len, 0));
}

export function skb_pull_rcsum(skb: sk_buff, len: number): number {
  const start = skb.data;
  skb_pull(skb, len);
  skb_postpull_rcsum(skb, start, len);
  return skb.data;
}

/** Trims, and takes what goes out of the checksum over all; 0 or -errno. */
export function pskb_trim_rcsum(skb: sk_buff, len: number): number {
  if (len >= skb.len) return 0;
  if (skb.ip_summed === CHECKSUM_COMPLETE) {
    const delta = skb.len - len;
    const rest = skb_checksum(skb, len, delta, 0);
    skb.csum = csum_sub(skb.csum, len & 1 ? ((rest & 0xff) << 8) | (rest >>> 8) : rest);
  } else if (skb.ip_summed === CHECKSUM_PARTIAL && skb_checksum_start_offset(skb) + skb.csum_offset + 2 > len) return -EINVAL;
  return pskb_trim(skb, len);
}
