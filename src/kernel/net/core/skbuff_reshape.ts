/**
 * net/core/skbuff.c: room, copies, pulling and trimming: whatever changes where the bytes of a buffer are.
 * `pskb_may_pull` → `__pskb_pull_tail` → `pskb_expand_head`; `pskb_trim` → `___pskb_trim`; `skb_cow_head` before a header is written.
 */
import { kernel } from '../../current.ts';
import {
  CHECKSUM_PARTIAL,
  copyFrag,
  NET_SKB_PAD,
  SKB_DATA_ALIGN,
  SKB_TRUESIZE,
  SKB_WITH_OVERHEAD,
  type sk_buff,
  skb_cloned,
  skb_end_offset,
  skb_get,
  skb_header_cloned,
  skb_headlen,
  skb_headroom,
  skb_put,
  skb_reserve,
  skb_shared,
  skb_tailroom,
} from '../../include/linux/skbuff.ts';
import { memcpy } from '../../include/linux/string.ts';
import { GFP_ATOMIC, type gfp_t } from '../../include/linux/types.ts';
import { SKB_DROP_REASON_NOMEM, SKB_DROP_REASON_PKT_TOO_SMALL, SKB_NOT_DROPPED_YET } from '../../include/net/dropreason.ts';
import type { sock } from '../../include/net/sock.ts';
import { chargeCopy } from '../../lib/charge.ts';
import { get_page, put_page } from '../../mm/page_alloc.ts';
import { ENOMEM } from '../../uapi/errno.ts';
import { alloc_skb, clearShinfo, kmalloc_reserve } from './skbuff.ts';
import { skb_copy_bits } from './skbuff_bits.ts';
import { __copy_skb_header, skb_clone, skb_clone_frags } from './skbuff_clone.ts';
import { consume_skb, freeHead, kfree_skb, skb_release_data } from './skbuff_free.ts';

/* Room */

/**
 * A new head with `nhead` more bytes in front and `ntail` more behind, no longer shared with clones; 0 or -ENOMEM.
 * All positions that callers keep outside of the skb are void afterwards.
 */
export function pskb_expand_head(skb: sk_buff, nhead: number, ntail: number, gfp: gfp_t = GFP_ATOMIC): number {
  const osize = skb_end_offset(skb);
  const head = kmalloc_reserve(SKB_DATA_ALIGN(osize + nhead + ntail), gfp);
  if (head === null) return -ENOMEM;
  const size = SKB_WITH_OVERHEAD(head.cache.object_size);
  memcpy(head.mem.u8, head.offset + nhead, skb.mem.u8, skb.head, skb.tail - skb.head);
  chargeCopy(kernel().copies.skbToSkb, skb.tail - skb.head);
  if (skb.cloned) unshareData(skb);
  else freeHead(skb);
  const delta = head.offset + nhead - skb.head;
  skb.headObject = head;
  skb.headPage = null;
  skb.head_frag = false;
  skb.mem = head.mem;
  skb.head = head.offset;
  skb.end = head.offset + size;
  skb.data += delta;
  skb.tail += delta;
  shiftHeaders(skb, delta);
  skb.cloned = false;
  skb.nohdr = false;
  skb.shinfo.dataref = 1;
  skb.shinfo.datarefNohdr = 0;
  if (skb.sk === null) skb.truesize += size - osize;
  return 0;
}

/** A shared part of its own, with references to the same pages, and the share in the old one given up. */
function unshareData(skb: sk_buff): void {
  const old = skb.shinfo;
  const own = kernel().skb.shinfo_cache.alloc();
  clearShinfo(own);
  skb_clone_frags(own, old);
  own.gso_size = old.gso_size;
  own.gso_segs = old.gso_segs;
  own.gso_type = old.gso_type;
  own.tx_flags = old.tx_flags;
  own.tskey = old.tskey;
  own.hwtstamps = old.hwtstamps;
  own.flags = old.flags;
  own.frag_list = old.frag_list;
  for (let part = own.frag_list; part !== null; part = part.next) skb_get(part);
  if (old.destructor_arg !== null) {
    own.destructor_arg = old.destructor_arg;
    own.destructor_arg.refcnt++;
  }
  skb_release_data(skb, SKB_NOT_DROPPED_YET);
  skb.shinfo = own;
}

/** The headers have moved by `delta` bytes. */
function shiftHeaders(skb: sk_buff, delta: number): void {
  if (skb.mac_header >= 0) skb.mac_header += delta;
  if (skb.network_header >= 0) skb.network_header += delta;
  if (skb.transport_header >= 0) skb.transport_header += delta;
  if (skb.ip_summed === CHECKSUM_PARTIAL) skb.csum_start += delta;
}
/** For who builds a copy of his own. */
export const skb_headers_offset_update = shiftHeaders;

/** At least `headroom` bytes in front, and the data not shared; 0 or -ENOMEM. */
export const skb_cow = (skb: sk_buff, headroom: number): number => __skb_cow(skb, headroom, skb_cloned(skb));
/** The same if only headers will be written. */
export const skb_cow_head = (skb: sk_buff, headroom: number): number => __skb_cow(skb, headroom, skb_header_cloned(skb));

function __skb_cow(skb: sk_buff, headroom: number, cloned: boolean): number {
  const lack = headroom - skb_headroom(skb);
  if (lack <= 0 && !cloned) return 0;
  const delta = lack > 0 ? (lack + NET_SKB_PAD - 1) & ~(NET_SKB_PAD - 1) : 0;
  return pskb_expand_head(skb, delta, 0);
}

/** A packet with more headroom that still counts against its owner; null without memory, when the packet is gone too. */
export function skb_expand_head(skb: sk_buff, headroom: number): sk_buff | null {
  const delta = SKB_DATA_ALIGN(headroom - skb_headroom(skb));
  if (delta <= 0) return skb;
  const osize = skb_end_offset(skb);
  let own: sk_buff | null = skb;
  if (skb_shared(skb)) {
    own = skb_clone(skb, GFP_ATOMIC);
    consume_skb(skb, 'skb_expand_head');
    if (own === null) return null;
  }
  if (pskb_expand_head(own, delta, 0) !== 0) {
    kfree_skb(own, 'skb_expand_head');
    return null;
  }
  if (own.sk !== null && own.destructor !== null) {
    const more = skb_end_offset(own) - osize;
    (own.sk as sock).sk_wmem_alloc += more;
    own.truesize += more;
  }
  return own;
}

export function skb_realloc_headroom(skb: sk_buff, headroom: number): sk_buff | null {
  const delta = headroom - skb_headroom(skb);
  if (delta <= 0) return pskb_copy(skb, GFP_ATOMIC);
  const own = skb_clone(skb, GFP_ATOMIC);
  if (own === null || pskb_expand_head(own, SKB_DATA_ALIGN(delta), 0) === 0) return own;
  kfree_skb(own, 'skb_realloc_headroom');
  return null;
}

export const skb_unclone = (skb: sk_buff, gfp: gfp_t): number => (skb_cloned(skb) ? pskb_expand_head(skb, 0, 0, gfp) : 0);

/** As skb_unclone, for packets in a socket's queue, whose truesize is accounted for already. */
export function skb_unclone_keeptruesize(skb: sk_buff, gfp: gfp_t): number {
  if (!skb_cloned(skb)) return 0;
  const truesize = skb.truesize;
  const size = skb_end_offset(skb);
  const error = pskb_expand_head(skb, 0, 0, gfp);
  skb.truesize = truesize;
  if (error === 0) skb.end = skb.head + size;
  return error;
}

/** A packet that is not cloned: itself or a copy. */
export function skb_unshare(skb: sk_buff, gfp: gfp_t): sk_buff | null {
  if (!skb_cloned(skb)) return skb;
  const own = skb_copy(skb, gfp);
  if (own !== null) consume_skb(skb, 'skb_unshare');
  else kfree_skb(skb, 'skb_unshare');
  return own;
}

/* Copies */

/** Headers and data copied, all of it linear. */
export function skb_copy(skb: sk_buff, gfp: gfp_t): sk_buff | null {
  return skb_copy_expand(skb, skb_headroom(skb), skb_end_offset(skb) - skb_headroom(skb) + skb.data_len - skb.len, gfp);
}

/** The same with `newheadroom` bytes in front and `newtailroom` behind. */
export function skb_copy_expand(skb: sk_buff, newheadroom: number, newtailroom: number, gfp: gfp_t): sk_buff | null {
  const n = alloc_skb(newheadroom + skb.len + Math.max(newtailroom, 0), gfp);
  if (n === null) return null;
  skb_reserve(n, newheadroom);
  skb_put(n, skb.len);
  const front = Math.min(skb_headroom(skb), newheadroom);
  memcpy(n.mem.u8, n.data - front, skb.mem.u8, skb.data - front, front);
  skb_copy_bits(skb, 0, n.mem.u8, n.data, skb.len);
  chargeCopy(kernel().copies.skbToSkb, front + skb.len);
  skb_copy_header(n, skb);
  return n;
}

/** The linear part copied, the fragments shared. */
export function pskb_copy(skb: sk_buff, gfp: gfp_t): sk_buff | null {
  return __pskb_copy(skb, skb_headroom(skb), gfp);
}

export function __pskb_copy(skb: sk_buff, headroom: number, gfp: gfp_t): sk_buff | null {
  const linear = skb_headlen(skb);
  const n = alloc_skb(linear + headroom, gfp);
  if (n === null) return null;
  skb_reserve(n, headroom);
  skb_put(n, linear);
  memcpy(n.mem.u8, n.data, skb.mem.u8, skb.data, linear);
  chargeCopy(kernel().copies.skbToSkb, linear);
  skb_clone_frags(n.shinfo, skb.shinfo);
  n.shinfo.frag_list = skb.shinfo.frag_list;
  for (let part = n.shinfo.frag_list; part !== null; part = part.next) skb_get(part);
  n.truesize += skb.data_len;
  n.data_len = skb.data_len;
  n.len = skb.len;
  skb_copy_header(n, skb);
  return n;
}

/** What the packet is, for a copy whose data correspond to the original's from `data` on. */
export function skb_copy_header(n: sk_buff, old: sk_buff): void {
  __copy_skb_header(n, old);
  n.mac_len = old.mac_len;
  shiftHeaders(n, n.data - old.data);
  n.shinfo.gso_size = old.shinfo.gso_size;
  n.shinfo.gso_segs = old.shinfo.gso_segs;
  n.shinfo.gso_type = old.shinfo.gso_type;
}

/* Pulling: bytes that headers are read from must be linear */

/** Makes sure that the first `len` bytes are linear; false when the packet is shorter or memory is exhausted. */
export function pskb_may_pull(skb: sk_buff, len: number): boolean {
  if (len <= skb.len - skb.data_len) return true;
  return len <= skb.len && __pskb_pull_tail(skb, len - skb_headlen(skb)) !== null;
}

/** The same, saying why not. */
export function pskb_may_pull_reason(skb: sk_buff, len: number): number {
  if (len <= skb.len - skb.data_len) return SKB_NOT_DROPPED_YET;
  if (len > skb.len) return SKB_DROP_REASON_PKT_TOO_SMALL;
  return __pskb_pull_tail(skb, len - skb_headlen(skb)) === null ? SKB_DROP_REASON_NOMEM : SKB_NOT_DROPPED_YET;
}

export const pskb_network_may_pull = (skb: sk_buff, len: number): boolean => pskb_may_pull(skb, skb.network_header - skb.data + len);

/** Takes `len` bytes off the front wherever they are; where data start then, or null. */
export function pskb_pull(skb: sk_buff, len: number): number | null {
  if (!pskb_may_pull(skb, len)) return null;
  skb.len -= len;
  skb.data += len;
  return skb.data;
}

/** Moves `delta` bytes from the fragments to the end of the linear part; the new tail, or null without memory. */
export function __pskb_pull_tail(skb: sk_buff, delta: number): number | null {
  const lack = skb.tail + delta - skb.end;
  if ((lack > 0 || skb_cloned(skb)) && pskb_expand_head(skb, 0, lack > 0 ? lack + 128 : 0) !== 0) return null;
  skb_copy_bits(skb, skb_headlen(skb), skb.mem.u8, skb.tail, delta);
  chargeCopy(kernel().copies.skbToSkb, delta);
  const left = eatFrags(skb, delta);
  if (left > 0 && !eatFragList(skb, left)) return null;
  skb.tail += delta;
  skb.data_len -= delta;
  return skb.tail;
}

/** Takes `eat` bytes off the front of the fragments; returns how many it lacked. */
function eatFrags(skb: sk_buff, eat: number): number {
  const shinfo = skb.shinfo;
  let kept = 0;
  for (let i = 0; i < shinfo.nr_frags; i++) {
    const frag = shinfo.frags[i]!;
    if (frag.size <= eat) {
      eat -= frag.size;
      put_page(frag.page);
      continue;
    }
    const own = shinfo.frags[kept]!;
    if (i !== kept) copyFrag(shinfo, kept, frag);
    own.off += eat;
    own.size -= eat;
    eat = 0;
    kept++;
  }
  shinfo.nr_frags = kept;
  return eat;
}

/** Takes `eat` bytes off the front of the frag_list. A part that is not ours alone is replaced by a clone; false without memory. */
function eatFragList(skb: sk_buff, eat: number): boolean {
  const shinfo = skb.shinfo;
  while (eat > 0) {
    let part = shinfo.frag_list!;
    if (part.len <= eat) {
      eat -= part.len;
      shinfo.frag_list = part.next;
      consume_skb(part, '__pskb_pull_tail');
      continue;
    }
    if (skb_shared(part)) {
      const own = skb_clone(part, GFP_ATOMIC);
      if (own === null) return false;
      own.next = part.next;
      consume_skb(part, '__pskb_pull_tail');
      shinfo.frag_list = part = own;
    }
    return pskb_pull(part, eat) !== null;
  }
  return true;
}

/** Everything linear; 0 or -ENOMEM. */
export function skb_linearize(skb: sk_buff): number {
  return skb.data_len === 0 || __pskb_pull_tail(skb, skb.data_len) !== null ? 0 : -ENOMEM;
}
export const __skb_linearize = skb_linearize;

/**
 * Where `len` bytes at `offset` are, as an offset in `skb.mem`; null when the packet is shorter. C copies them to a buffer of the caller's when they
 * are not linear; here they are pulled, which may move the head.
 */
export function skb_header_pointer(skb: sk_buff, offset: number, len: number): number | null {
  return pskb_may_pull(skb, offset + len) ? skb.data + offset : null;
}

/* Trimming */

/** Cuts a linear packet to `len` bytes. */
export function skb_trim(skb: sk_buff, len: number): void {
  if (skb.len > len) __skb_trim(skb, len);
}

export function __skb_trim(skb: sk_buff, len: number): void {
  skb.len = len;
  skb.tail = skb.data + len;
}

/** Cuts any packet to `len` bytes; 0 or -ENOMEM. */
export function pskb_trim(skb: sk_buff, len: number): number {
  if (len >= skb.len) return 0;
  if (skb.data_len > 0) return ___pskb_trim(skb, len);
  __skb_trim(skb, len);
  return 0;
}

export function ___pskb_trim(skb: sk_buff, len: number): number {
  if (skb_cloned(skb)) {
    const error = pskb_expand_head(skb, 0, 0);
    if (error !== 0) return error;
  }
  const linear = skb_headlen(skb);
  const kept = trimFrags(skb, Math.max(len - linear, 0));
  trimFragList(skb, Math.max(len - linear, 0) - kept);
  if (len > linear) {
    skb.data_len -= skb.len - len;
    skb.len = len;
  } else {
    skb.data_len = 0;
    __skb_trim(skb, len);
  }
  if (skb.sk === null) skb_condense(skb);
  return 0;
}

/** Keeps the first `len` bytes of the fragments; returns how many that are. */
function trimFrags(skb: sk_buff, len: number): number {
  const shinfo = skb.shinfo;
  let kept = 0;
  let i = 0;
  for (; i < shinfo.nr_frags && kept < len; i++) {
    const frag = shinfo.frags[i]!;
    if (frag.size > len - kept) frag.size = len - kept;
    kept += frag.size;
  }
  for (let gone = i; gone < shinfo.nr_frags; gone++) put_page(shinfo.frags[gone]!.page);
  shinfo.nr_frags = i;
  return kept;
}

function trimFragList(skb: sk_buff, len: number): void {
  const shinfo = skb.shinfo;
  let last: sk_buff | null = null;
  let part = shinfo.frag_list;
  while (part !== null && len > 0) {
    if (skb_shared(part)) part = replacePart(shinfo.frag_list === part ? null : last, skb, part);
    if (part.len > len) pskb_trim(part, len);
    len -= part.len;
    last = part;
    part = part.next;
  }
  if (last === null) shinfo.frag_list = null;
  else last.next = null;
  while (part !== null) {
    const next: sk_buff | null = part.next;
    consume_skb(part, '___pskb_trim');
    part = next;
  }
}

/** A clone in the place of a shared part of the frag_list. */
function replacePart(before: sk_buff | null, skb: sk_buff, part: sk_buff): sk_buff {
  const own = skb_clone(part, GFP_ATOMIC)!;
  own.next = part.next;
  if (before === null) skb.shinfo.frag_list = own;
  else before.next = own;
  consume_skb(part, '___pskb_trim');
  return own;
}

/** Makes a packet that will stay in a queue cost less: small fragments are pulled in, and truesize is what is really held. */
export function skb_condense(skb: sk_buff): void {
  if (skb.data_len > 0) {
    if (skb.data_len > skb.end - skb.tail || skb_cloned(skb)) return;
    __pskb_pull_tail(skb, skb.data_len);
  }
  skb.truesize = SKB_TRUESIZE(skb_end_offset(skb));
}

/* Padding */

/** Zeroes behind the data, which are not part of the packet; 0 or -ENOMEM, when the packet is freed. */
export function skb_pad(skb: sk_buff, pad: number): number {
  if (skb_cloned(skb) || skb_tailroom(skb) < pad) {
    const lack = skb.data_len + pad - (skb.end - skb.tail);
    if (pskb_expand_head(skb, 0, Math.max(lack, 0)) !== 0 || skb_linearize(skb) !== 0) {
      kfree_skb(skb, '__skb_pad');
      return -ENOMEM;
    }
  }
  skb.mem.u8.fill(0, skb.tail, skb.tail + pad);
  return 0;
}

/** Zeroes up to a length of `len`, as part of the packet: Ethernet's minimum. */
export function skb_put_padto(skb: sk_buff, len: number): number {
  const lack = len - skb.len;
  if (lack <= 0) return 0;
  const error = skb_pad(skb, lack);
  if (error === 0) skb_put(skb, lack);
  return error;
}

/** Takes one more reference on each page of `skb`. */
export function skb_frags_ref(skb: sk_buff): void {
  for (let i = 0; i < skb.shinfo.nr_frags; i++) get_page(skb.shinfo.frags[i]!.page);
}
