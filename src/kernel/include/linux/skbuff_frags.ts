/** include/linux/skbuff.h: what clones of a socket buffer share, and the pieces of pages in it. */
import { get_page, type page, put_page } from '../../mm/page_alloc.ts';
import type { sk_buff } from './skbuff.ts';

/** A piece of a page that carries data. */
export class skb_frag_t {
  page: page = null as unknown as page;
  /** Byte offset in the page's section (not in the page), so that `page.mem` and `off` suffice. */
  off = 0;
  size = 0;
}

/** What clones of a buffer share: how many there are, fragments, segmentation. */
export class skb_shared_info {
  dataref = 1;
  /** Clones that hold the payload only (`nohdr`): SKB_DATAREF_SHIFT's upper half. */
  datarefNohdr = 0;
  nr_frags = 0;
  readonly frags: skb_frag_t[] = [];
  frag_list: sk_buff | null = null;
  gso_size = 0;
  gso_segs = 0;
  gso_type = 0;
  tx_flags = 0;
  tskey = 0;
  /** When the device's clock saw the packet, ns; 0n: no such stamp. */
  hwtstamps = 0n;
  /** MSG_ZEROCOPY: who is told when the user's pages are free again. */
  destructor_arg: ubuf_info | null = null;
  flags = 0;
}

export const SKBFL_ZEROCOPY_ENABLE = 1 << 0;
export const SKBFL_SHARED_FRAG = 1 << 1;
export const SKBFL_PURE_ZEROCOPY = 1 << 2;

/** Completion of a zero-copy send: each skb that carries user pages holds a reference. */
export interface ubuf_info {
  complete(skb: sk_buff | null, uarg: ubuf_info, success: boolean): void;
  refcnt: number;
  flags: number;
  /** Nobody had to copy the data. */
  zerocopy: boolean;
}

export const skb_frag_size = (frag: skb_frag_t): number => frag.size;
export const skb_frag_page = (frag: skb_frag_t): page => frag.page;

/** Fragment `i`, made if it is not there yet: frags are never given back, so that segments allocate none. */
export function skbFrag(shinfo: skb_shared_info, i: number): skb_frag_t {
  let frag = shinfo.frags[i];
  if (frag === undefined) {
    frag = new skb_frag_t();
    shinfo.frags.push(frag);
  }
  return frag;
}

export const skb_frag_off = (frag: skb_frag_t): number => frag.off;
export function skb_frag_off_add(frag: skb_frag_t, delta: number): void {
  frag.off += delta;
}
export function skb_frag_size_sub(frag: skb_frag_t, delta: number): void {
  frag.size -= delta;
}
export function skb_frag_size_add(frag: skb_frag_t, delta: number): void {
  frag.size += delta;
}
export function __skb_frag_ref(frag: skb_frag_t): void {
  get_page(frag.page);
}
export function __skb_frag_unref(frag: skb_frag_t): void {
  put_page(frag.page);
}
export function skb_frag_ref(skb: sk_buff, i: number): void {
  get_page(skb.shinfo.frags[i]!.page);
}
export function skb_frag_unref(skb: sk_buff, i: number): void {
  put_page(skb.shinfo.frags[i]!.page);
}
/** Makes fragment `i` of `shinfo` the same piece as `from`; the reference on the page is the caller's business. */
export function copyFrag(shinfo: skb_shared_info, i: number, from: skb_frag_t): void {
  const frag = skbFrag(shinfo, i);
  frag.page = from.page;
  frag.off = from.off;
  frag.size = from.size;
}

/** Appends or replaces fragment `i`: `off` counts from the start of the page's section. */
export function skb_fill_page_desc(skb: sk_buff, i: number, p: page, off: number, size: number): void {
  const frag = skbFrag(skb.shinfo, i);
  frag.page = p;
  frag.off = off;
  frag.size = size;
  skb.shinfo.nr_frags = i + 1;
}

export function skb_can_coalesce(skb: sk_buff, i: number, p: page, off: number): boolean {
  if (i === 0) return false;
  const frag = skb.shinfo.frags[i - 1]!;
  return frag.page === p && off === frag.off + frag.size;
}
