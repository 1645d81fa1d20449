/**
 * mm/slub.c: kmalloc() of bytes that hardware may read (skb heads), from caches of the sizes Linux has.
 * Metadata objects (sk_buff, sock) are JavaScript objects and pooled where they are defined.
 */

import { type MemorySection, PAGE_SIZE } from '../../machine/memory.ts';
import { InvariantError } from '../../sim/invariant.ts';
import { kernel } from '../current.ts';
import type { gfp_t } from '../include/linux/types.ts';
import type { pageAllocator } from './page_alloc.ts';

/** One piece of slab memory: what C's `void *` points at. */
export class slabObject {
  readonly mem: MemorySection;
  readonly offset: number;
  readonly cache: kmem_cache;
  live = false;

  constructor(mem: MemorySection, offset: number, cache: kmem_cache) {
    this.mem = mem;
    this.offset = offset;
    this.cache = cache;
  }
}

export class kmem_cache {
  readonly name: string;
  readonly object_size: number;
  readonly #pages: pageAllocator;
  readonly #free: slabObject[] = [];
  /** Objects handed out and not given back. */
  inUse = 0;

  constructor(pages: pageAllocator, name: string, object_size: number) {
    this.#pages = pages;
    this.name = name;
    this.object_size = object_size;
  }

  alloc(): slabObject | null {
    if (this.#free.length === 0 && !this.#addSlab()) return null;
    const object = this.#free.pop()!;
    object.live = true;
    this.inUse++;
    return object;
  }

  free(object: slabObject): void {
    if (!object.live) throw new InvariantError(`${this.name}: object at 0x${(object.mem.base + object.offset).toString(16)} freed twice`);
    object.live = false;
    this.inUse--;
    this.#free.push(object);
  }

  #addSlab(): boolean {
    const order = this.object_size <= 1024 ? 2 : this.object_size <= 4096 ? 3 : Math.ceil(Math.log2(this.object_size / PAGE_SIZE));
    const slab = this.#pages.alloc(order);
    if (slab === null) return false;
    const last = slab.offset + (PAGE_SIZE << order) - this.object_size;
    for (let offset = last - ((last - slab.offset) % this.object_size); offset >= slab.offset; offset -= this.object_size) {
      this.#free.push(new slabObject(slab.mem, offset, this));
    }
    return true;
  }
}

/**
 * A cache of metadata objects (sk_buff and the like): JavaScript objects that are made once and used again. `object_size` is what C's would take.
 */
export class objectCache<T> {
  readonly name: string;
  readonly object_size: number;
  readonly #make: () => T;
  readonly #free: T[] = [];
  /** Objects handed out and not given back. */
  inUse = 0;

  constructor(name: string, object_size: number, make: () => T) {
    this.name = name;
    this.object_size = object_size;
    this.#make = make;
  }

  alloc(): T {
    this.inUse++;
    return this.#free.pop() ?? this.#make();
  }

  free(object: T): void {
    this.inUse--;
    this.#free.push(object);
  }
}

/** kmalloc's sizes from 256 bytes on (no piece is closer than a DMA tag's granule), up to what the page allocator has. */
const KMALLOC_SIZES = [256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144];

/** The slab caches of a kernel. */
export class slabCaches {
  readonly #pages: pageAllocator;
  readonly #kmalloc: kmem_cache[];
  readonly all: kmem_cache[];

  constructor(pages: pageAllocator) {
    this.#pages = pages;
    this.#kmalloc = KMALLOC_SIZES.map((size) => new kmem_cache(pages, `kmalloc-${size}`, size));
    this.all = [...this.#kmalloc];
  }

  kmalloc(size: number): slabObject | null {
    const index = size <= 256 ? 0 : 24 - Math.clz32(size - 1);
    const cache = this.#kmalloc[index];
    if (cache === undefined) throw new InvariantError(`kmalloc of ${size} bytes: more than the largest cache`);
    return cache.alloc();
  }

  create(name: string, size: number): kmem_cache {
    const cache = new kmem_cache(this.#pages, name, size);
    this.all.push(cache);
    return cache;
  }
}

/** `size` bytes of physically contiguous memory, its size rounded up to the cache's (`ksize`); null when memory is exhausted. */
export function kmalloc(size: number, _gfp: gfp_t): slabObject | null {
  return kernel().slab.kmalloc(size);
}

export function kfree(object: slabObject): void {
  object.cache.free(object);
}

export const ksize = (object: slabObject): number => object.cache.object_size;
/** Which size kmalloc() would really give. */
export function kmalloc_size_roundup(size: number): number {
  return size <= 256 ? 256 : 1 << (32 - Math.clz32(size - 1));
}

/** kmalloc() that is accounted to its caller: what skb heads are made with. */
export function __kmalloc_node_track_caller_noprof(size: number, gfp: gfp_t): slabObject | null {
  return kmalloc(size, gfp);
}

/** An object of a cache; null when memory is exhausted. The names are those that allocation profiling gives kmem_cache_alloc(_node). */
export function kmem_cache_alloc_node_noprof<T>(cache: { alloc(): T }): T {
  return cache.alloc();
}

export function kmem_cache_alloc_noprof<T>(cache: { alloc(): T }): T {
  return cache.alloc();
}

export function kmem_cache_free<T>(cache: { free(object: T): void }, object: T): void {
  cache.free(object);
}

export function kmem_cache_size(cache: { readonly object_size: number }): number {
  return cache.object_size;
}
