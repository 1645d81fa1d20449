/**
 * mm/page_alloc.c: pages of physical memory, by order, with reference counts.
 * `alloc_pages` → `get_page` / `put_page` → `__free_pages`.
 *
 * Simplified: a free list per order without splitting or coalescing buddies; per-CPU lists, zones and reclaim are absent.
 */

import { type MemorySection, PAGE_SHIFT, PAGE_SIZE, type PhysicalMemory, SECTION_SIZE } from '../../machine/memory.ts';
import { InvariantError } from '../../sim/invariant.ts';
import { kernel } from '../current.ts';
import type { gfp_t } from '../include/linux/types.ts';

/** struct page: the first page of an allocation of 2^order pages. */
export class page {
  readonly mem: MemorySection;
  /** Byte offset in `mem`. */
  readonly offset: number;
  readonly order: number;
  _refcount = 0;

  constructor(mem: MemorySection, offset: number, order: number) {
    this.mem = mem;
    this.offset = offset;
    this.order = order;
  }
}

/** All free pages of a machine. */
export class pageAllocator {
  readonly #memory: PhysicalMemory;
  readonly #free: page[][] = [];
  #section: MemorySection | null = null;
  #used = SECTION_SIZE;
  /** Pages (of 4 KiB) handed out and not given back. */
  inUse = 0;
  /** Faults on demand: no page is to be had (Linux: fail_page_alloc). */
  failing = false;

  constructor(memory: PhysicalMemory) {
    this.#memory = memory;
    for (let order = 0; order <= 10; order++) this.#free.push([]);
  }

  alloc(order: number): page | null {
    if (this.failing) return null;
    const found = this.#free[order]!.pop() ?? this.#carve(order);
    if (found === null) return null;
    found._refcount = 1;
    this.inUse += 1 << order;
    return found;
  }

  free(freed: page): void {
    this.inUse -= 1 << freed.order;
    this.#free[freed.order]!.push(freed);
  }

  #carve(order: number): page | null {
    const size = PAGE_SIZE << order;
    const start = Math.ceil(this.#used / size) * size;
    if (this.#section === null || start + size > SECTION_SIZE) {
      this.#section = this.#memory.grow();
      this.#used = 0;
      return this.#section === null ? null : this.#carve(order);
    }
    for (let gap = this.#used; gap < start; gap += PAGE_SIZE) this.#free[0]!.push(new page(this.#section, gap, 0));
    this.#used = start + size;
    return new page(this.#section, start, order);
  }
}

/** Pages with one reference; null when the machine has no more memory. */
export function alloc_pages(_gfp: gfp_t, order: number): page | null {
  return kernel().pages.alloc(order);
}

export function get_page(p: page): void {
  p._refcount++;
}

export function put_page(p: page): void {
  if (--p._refcount === 0) kernel().pages.free(p);
  else if (p._refcount < 0) throw new InvariantError(`page 0x${(p.mem.base + p.offset).toString(16)} put once too often`);
}

/** Takes `count` references at once: a driver that gives out parts of a page keeps a stock of them. */
export function page_ref_add(p: page, count: number): void {
  p._refcount += count;
}

/** Gives `count` references back at once. */
export function __page_frag_cache_drain(p: page, count: number): void {
  p._refcount -= count;
  if (p._refcount === 0) kernel().pages.free(p);
  else if (p._refcount < 0) throw new InvariantError(`page 0x${(p.mem.base + p.offset).toString(16)} drained below zero`);
}

export function __free_pages(p: page, _order: number): void {
  put_page(p);
}

export const page_ref_count = (p: page): number => p._refcount;
export const page_size = (p: page): number => PAGE_SIZE << p.order;
/** Order of the smallest allocation that holds `size` bytes. */
export const get_order = (size: number): number => (size <= PAGE_SIZE ? 0 : 32 - Math.clz32((size - 1) >> PAGE_SHIFT));
