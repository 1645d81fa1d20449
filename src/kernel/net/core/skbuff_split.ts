/**
 * net/core/skbuff.c: data from one buffer to another without copying: fragments change their owner.
 * `skb_split` cuts a packet in two, `skb_shift` and `skb_try_coalesce` join two, `skb_append_pagefrags` adds a page's part.
 */
import { kernel } from '../../current.ts';
import {
  CHECKSUM_PARTIAL,
  copyFrag,
  MAX_SKB_FRAGS,
  SKB_META_SIZE,
  SKB_TRUESIZE,
  type sk_buff,
  skb_can_coalesce,
  skb_cloned,
  type skb_coalesce_result,
  skb_end_offset,
  skb_fill_page_desc,
  skb_has_frag_list,
  skb_headlen,
  skb_put,
  skb_tailroom,
} from '../../include/linux/skbuff.ts';
import { memcpy } from '../../include/linux/string.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { chargeCopy } from '../../lib/charge.ts';
import { get_page, type page, put_page } from '../../mm/page_alloc.ts';
import { EMSGSIZE } from '../../uapi/errno.ts';
import { skb_copy_bits } from './skbuff_bits.ts';
import { skb_unclone_keeptruesize } from './skbuff_reshape.ts';

/** `skb` keeps its first `len` bytes; the rest goes to `skb1`, which is empty and has room for what is linear. Truesize is the caller's business. */
export function skb_split(skb: sk_buff, skb1: sk_buff, len: number): void {
  const linear = skb_headlen(skb);
  skb1.shinfo.flags |= skb.shinfo.flags;
  skb_zerocopy_clone(skb1, skb);
  if (len < linear) splitInHeader(skb, skb1, len, linear);
  else splitInFrags(skb, skb1, len, linear);
}

/** Both carry pages of the same user now. */
function skb_zerocopy_clone(nskb: sk_buff, orig: sk_buff): void {
  const uarg = orig.shinfo.destructor_arg;
  if (uarg === null || nskb.shinfo.destructor_arg === uarg) return;
  nskb.shinfo.destructor_arg = uarg;
  uarg.refcnt++;
}

function splitInHeader(skb: sk_buff, skb1: sk_buff, len: number, linear: number): void {
  const at = skb_put(skb1, linear - len);
  memcpy(skb1.mem.u8, at, skb.mem.u8, skb.data + len, linear - len);
  chargeCopy(kernel().copies.skbToSkb, linear - len);
  for (let i = 0; i < skb.shinfo.nr_frags; i++) copyFrag(skb1.shinfo, i, skb.shinfo.frags[i]!);
  skb1.shinfo.nr_frags = skb.shinfo.nr_frags;
  skb.shinfo.nr_frags = 0;
  skb1.data_len = skb.data_len;
  skb1.len += skb1.data_len;
  skb.data_len = 0;
  skb.len = len;
  skb.tail = skb.data + len;
}

function splitInFrags(skb: sk_buff, skb1: sk_buff, len: number, linear: number): void {
  const from = skb.shinfo;
  const to = skb1.shinfo;
  let kept = 0;
  let moved = 0;
  let pos = linear;
  for (let i = 0; i < from.nr_frags; i++) {
    const frag = from.frags[i]!;
    const end = pos + frag.size;
    if (end <= len) kept++;
    else {
      copyFrag(to, moved, frag);
      if (pos < len) {
        // The cut goes through this fragment: both have a part of the page.
        get_page(frag.page);
        to.frags[moved]!.off += len - pos;
        to.frags[moved]!.size -= len - pos;
        frag.size = len - pos;
        kept++;
      }
      moved++;
    }
    pos = end;
  }
  from.nr_frags = kept;
  to.nr_frags = moved;
  skb1.len = skb1.data_len = skb.len - len;
  skb.len = len;
  skb.data_len = len - linear;
}

/** Moves the first `shiftlen` bytes of `skb`, which has no linear data, to the end of `tgt`; all of them, or 0 when that cannot be. */
export function skb_shift(tgt: sk_buff, skb: sk_buff, shiftlen: number): number {
  if (skb_headlen(skb) > 0 || tgt.shinfo.destructor_arg !== null || skb.shinfo.destructor_arg !== null) return 0;
  const first = skb.shinfo.frags[0]!;
  const merges = skb_can_coalesce(tgt, tgt.shinfo.nr_frags, first.page, first.off);
  if (!merges || first.size <= shiftlen) {
    if (!fits(tgt, skb, shiftlen, merges)) return 0;
  }
  if (skb_unclone_keeptruesize(skb, GFP_ATOMIC) !== 0 || skb_unclone_keeptruesize(tgt, GFP_ATOMIC) !== 0) return 0;
  if (merges && first.size > shiftlen) growLast(tgt, skb, shiftlen);
  else moveFrags(tgt, skb, shiftlen, merges);
  tgt.ip_summed = skb.ip_summed = CHECKSUM_PARTIAL;
  skb_len_add(skb, -shiftlen);
  skb_len_add(tgt, shiftlen);
  return shiftlen;
}

/** Does `tgt` have places for the fragments that `shiftlen` bytes take? */
function fits(tgt: sk_buff, skb: sk_buff, shiftlen: number, merges: boolean): boolean {
  const from = skb.shinfo;
  let i = merges ? 1 : 0;
  let todo = merges ? shiftlen - from.frags[0]!.size : shiftlen;
  let places = MAX_SKB_FRAGS - tgt.shinfo.nr_frags;
  for (; todo > 0 && i < from.nr_frags; i++, places--) todo -= from.frags[i]!.size;
  return places >= 0;
}

/** The last fragment of `tgt` takes in the front of the first of `skb`: they are neighbours in one page. */
function growLast(tgt: sk_buff, skb: sk_buff, shiftlen: number): void {
  tgt.shinfo.frags[tgt.shinfo.nr_frags - 1]!.size += shiftlen;
  const frag = skb.shinfo.frags[0]!;
  frag.off += shiftlen;
  frag.size -= shiftlen;
}

function moveFrags(tgt: sk_buff, skb: sk_buff, shiftlen: number, merges: boolean): void {
  const from = skb.shinfo;
  const to = tgt.shinfo;
  let todo = shiftlen;
  let i = 0;
  if (merges) {
    const frag = from.frags[0]!;
    to.frags[to.nr_frags - 1]!.size += frag.size;
    todo -= frag.size;
    put_page(frag.page);
    i = 1;
  }
  while (todo > 0) {
    const frag = from.frags[i]!;
    copyFrag(to, to.nr_frags, frag);
    const copy = to.frags[to.nr_frags++]!;
    if (frag.size <= todo) {
      todo -= frag.size;
      i++;
      continue;
    }
    get_page(frag.page);
    copy.size = todo;
    frag.off += todo;
    frag.size -= todo;
    todo = 0;
  }
  let left = 0;
  for (; i < from.nr_frags; i++) copyFrag(from, left++, from.frags[i]!);
  from.nr_frags = left;
}

export function skb_len_add(skb: sk_buff, delta: number): void {
  skb.len += delta;
  skb.data_len += delta;
  skb.truesize += delta;
}

/** Appends the data of `from` to `to`, if that needs no large copy. On success the caller frees `from` with kfree_skb_partial(). */
export function skb_try_coalesce(to: sk_buff, from: sk_buff, result: skb_coalesce_result): boolean {
  result.fragstolen = false;
  result.delta_truesize = 0;
  if (skb_cloned(to)) return false;
  const len = from.len;
  if (len <= skb_tailroom(to)) {
    if (len > 0) copyInto(to, from, len);
    return true;
  }
  if (skb_has_frag_list(to) || skb_has_frag_list(from) || to.shinfo.destructor_arg !== null || from.shinfo.destructor_arg !== null)
    return false;
  const delta = skb_headlen(from) > 0 ? stealHead(to, from) : truesizeOfFrags(to, from);
  if (delta < 0) return false;
  result.fragstolen = skb_headlen(from) > 0;
  takeFrags(to, from);
  to.truesize += delta;
  to.len += len;
  to.data_len += len;
  result.delta_truesize = delta;
  return true;
}

function copyInto(to: sk_buff, from: sk_buff, len: number): void {
  const at = skb_put(to, len);
  skb_copy_bits(from, 0, to.mem.u8, at, len);
  chargeCopy(kernel().copies.skbToSkb, len);
}

/** The linear data of `from` become a fragment, if its head is part of a page that it alone holds. Returns the growth of truesize, or -1. */
function stealHead(to: sk_buff, from: sk_buff): number {
  const places = MAX_SKB_FRAGS - to.shinfo.nr_frags - from.shinfo.nr_frags;
  if (places < 1 || !from.head_frag || skb_cloned(from)) return -1;
  skb_fill_page_desc(to, to.shinfo.nr_frags, from.headPage!, from.data, skb_headlen(from));
  return from.truesize - SKB_META_SIZE;
}

function truesizeOfFrags(to: sk_buff, from: sk_buff): number {
  if (to.shinfo.nr_frags + from.shinfo.nr_frags > MAX_SKB_FRAGS) return -1;
  return from.truesize - SKB_TRUESIZE(skb_end_offset(from));
}

/** Fragments change their owner; those of a clone have two owners then. */
function takeFrags(to: sk_buff, from: sk_buff): void {
  const cloned = skb_cloned(from);
  for (let i = 0; i < from.shinfo.nr_frags; i++) {
    const frag = from.shinfo.frags[i]!;
    copyFrag(to.shinfo, to.shinfo.nr_frags++, frag);
    if (cloned) get_page(frag.page);
  }
  if (!cloned) from.shinfo.nr_frags = 0;
}

/** Adds a part of a page; 0 or -EMSGSIZE when there are `max_frags` fragments already. */
export function skb_append_pagefrags(skb: sk_buff, p: page, offset: number, size: number, max_frags: number): number {
  const i = skb.shinfo.nr_frags;
  if (skb_can_coalesce(skb, i, p, offset)) skb.shinfo.frags[i - 1]!.size += size;
  else if (i < max_frags) {
    get_page(p);
    skb_fill_page_desc(skb, i, p, offset, size);
  } else return -EMSGSIZE;
  return 0;
}
