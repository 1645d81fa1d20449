/**
 * mm/page_frag_cache.c: cuts pages of up to 32 KiB into pieces for packet heads. `page_frag_alloc` → the piece → `page_frag_free`.
 * A page goes back when its last piece does. The cache holds as many references as it may ever hand out and counts those it has left.
 */
import { alloc_pages, get_page, type page, page_ref_count, put_page } from './page_alloc.ts';

const PAGE_FRAG_CACHE_MAX_ORDER = 3;
const PAGE_FRAG_CACHE_MAX_SIZE = 32768;

/** The page that pieces are cut from now; `offset` is where the next one starts, relative to the page. */
export class page_frag_cache {
  page: page | null = null;
  offset = 0;
}

/** A piece of `size` bytes of a page (see lastFragOffset for where it starts); null without memory. The caller gets a reference. */
export function page_frag_alloc(cache: page_frag_cache, size: number, align: number): page | null {
  let offset = (cache.offset + align - 1) & ~(align - 1);
  if (cache.page === null || offset + size > PAGE_FRAG_CACHE_MAX_SIZE) {
    if (!refill(cache)) return null;
    offset = 0;
  }
  cache.offset = offset + size;
  get_page(cache.page!);
  return cache.page;
}

/** Where the piece of `size` bytes that was cut last starts in the page's section. */
export const lastFragOffset = (cache: page_frag_cache, size: number): number => cache.page!.offset + cache.offset - size;

/** A fresh page, or the old one again if all its pieces are back. */
function refill(cache: page_frag_cache): boolean {
  const old = cache.page;
  if (old !== null && page_ref_count(old) === 1) return true;
  if (old !== null) put_page(old);
  cache.page = alloc_pages(0, PAGE_FRAG_CACHE_MAX_ORDER);
  return cache.page !== null;
}

/** Gives back one piece. */
export function page_frag_free(p: page): void {
  put_page(p);
}

export function page_frag_cache_drain(cache: page_frag_cache): void {
  if (cache.page === null) return;
  put_page(cache.page);
  cache.page = null;
  cache.offset = 0;
}
