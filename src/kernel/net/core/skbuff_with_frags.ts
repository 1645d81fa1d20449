/**
 * net/core/skbuff.c: an skb whose payload lies in pages, for packets too large for one piece of memory. `alloc_skb_with_frags`.
 */
import { PAGE_SIZE } from '../../../machine/memory.ts';
import { MAX_SKB_FRAGS, type sk_buff, skb_fill_page_desc } from '../../include/linux/skbuff.ts';
import type { gfp_t } from '../../include/linux/types.ts';
import { alloc_pages, get_order } from '../../mm/page_alloc.ts';
import { alloc_skb } from './skbuff.ts';
import { kfree_skb } from './skbuff_free.ts';

/** `header_len` bytes of linear room and fragments for `data_len` bytes (already counted in `len`), in pages of up to 2^order; null without memory. */
export function alloc_skb_with_frags(header_len: number, data_len: number, order: number, gfp: gfp_t): sk_buff | null {
  const skb = alloc_skb(header_len, gfp);
  if (skb === null || data_len === 0) return skb;
  for (let left = data_len, i = 0; left > 0; i++) {
    const size = i < MAX_SKB_FRAGS ? addPages(skb, i, left, order, gfp) : 0;
    if (size === 0) {
      kfree_skb(skb, 'alloc_skb_with_frags');
      return null;
    }
    left -= size;
  }
  return skb;
}

/** One fragment of at most `left` bytes; returns its size. */
function addPages(skb: sk_buff, i: number, left: number, order: number, gfp: gfp_t): number {
  const wanted = Math.min(order, get_order(left));
  const page = alloc_pages(gfp, wanted) ?? alloc_pages(gfp, 0);
  if (page === null) return 0;
  const size = Math.min(left, PAGE_SIZE << page.order);
  skb_fill_page_desc(skb, i, page, page.offset, size);
  skb.data_len += size;
  skb.len += size;
  skb.truesize += PAGE_SIZE << page.order;
  return size;
}
