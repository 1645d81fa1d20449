/**
 * kernel/dma/mapping.c: what a driver may hand to its device, on the machine's DMA (machine/dma.ts).
 * `dma_map_single` / `skb_frag_dma_map` → `dma_map_page_attrs` → `dma_map_phys`; `dma_unmap_single` / `dma_unmap_page` → `dma_unmap_page_attrs` → `dma_unmap_phys`.
 *
 * The bus address is the physical address, as with Linux's direct mapping; caches are coherent, so that the sync functions have nothing to do, as on x86
 * without bounce buffers.
 */
import { type MemorySection, PAGE_SIZE } from '../../../machine/memory.ts';
import { kernel, trace } from '../../current.ts';
import type { device } from '../../include/linux/device.ts';
import type { skb_frag_t } from '../../include/linux/skbuff.ts';
import type { dma_addr_t } from '../../include/linux/types.ts';
import { GFP_KERNEL } from '../../include/linux/types.ts';
import { alloc_pages, get_order, type page, put_page } from '../../mm/page_alloc.ts';

export const DMA_BIDIRECTIONAL = 0;
export const DMA_TO_DEVICE = 1;
export const DMA_FROM_DEVICE = 2;

export const DMA_MAPPING_ERROR: dma_addr_t = -1;

/** Makes `size` bytes at `offset` of `mem` reachable for the device. `tag` is the packet id that rides with the mapping, for observers only. */
function dma_map_phys(dev: device, mem: MemorySection, offset: number, size: number, dir: number, tag: number): dma_addr_t {
  const address = kernel().machine.dma.map(mem, offset, size, tag);
  trace().dma_map_phys?.(dev, address, size, dir, tag);
  return address;
}

function dma_map_page_attrs(dev: device, mem: MemorySection, offset: number, size: number, dir: number, tag: number): dma_addr_t {
  return dma_map_phys(dev, mem, offset, size, dir, tag);
}

function dma_unmap_phys(dev: device, address: dma_addr_t, size: number, dir: number): void {
  kernel().machine.dma.unmap(address, size);
  trace().dma_unmap_phys?.(dev, address, size, dir);
}

export function dma_unmap_page_attrs(dev: device, address: dma_addr_t, size: number, dir: number): void {
  dma_unmap_phys(dev, address, size, dir);
}

/** Maps a piece of linear memory: what C passes as a pointer is a section and an offset in it. */
export function dma_map_single(dev: device, mem: MemorySection, offset: number, size: number, dir: number, tag = 0): dma_addr_t {
  return dma_map_page_attrs(dev, mem, offset, size, dir, tag);
}

/** Maps `size` bytes of a page (or of a compound page), from `offset` on. */
export function dma_map_page(dev: device, p: page, offset: number, size: number, dir: number): dma_addr_t {
  return dma_map_page_attrs(dev, p.mem, p.offset + offset, size, dir, 0);
}

export function skb_frag_dma_map(dev: device, frag: skb_frag_t, offset: number, size: number, dir: number): dma_addr_t {
  return dma_map_page_attrs(dev, frag.page.mem, frag.off + offset, size, dir, 0);
}

export const dma_unmap_single = dma_unmap_page_attrs;
export const dma_unmap_page = dma_unmap_page_attrs;

/** Direct mapping of memory below the device's mask never fails; a driver asks all the same. */
export const dma_mapping_error = (_dev: device, address: dma_addr_t): boolean => address === DMA_MAPPING_ERROR;

export function dma_sync_single_range_for_cpu(_dev: device, _address: dma_addr_t, _offset: number, _size: number, _dir: number): void {}
export function dma_sync_single_range_for_device(_dev: device, _address: dma_addr_t, _offset: number, _size: number, _dir: number): void {}

/** Memory that CPU and device share for as long as it lives: a descriptor ring. */
export class coherentMemory {
  readonly page: page;
  readonly dma: dma_addr_t;
  readonly size: number;

  constructor(p: page, dma: dma_addr_t, size: number) {
    this.page = p;
    this.dma = dma;
    this.size = size;
  }
}

/** Zeroed shared memory; null when there is none left. */
export function dma_alloc_coherent(dev: device, size: number): coherentMemory | null {
  const order = get_order(size);
  const p = alloc_pages(GFP_KERNEL, order);
  if (p === null) return null;
  const bytes = PAGE_SIZE << order;
  p.mem.u8.fill(0, p.offset, p.offset + bytes);
  const dma = kernel().machine.dma.map(p.mem, p.offset, bytes);
  trace().dma_alloc?.(dev, p.mem.base + p.offset, dma, size);
  return new coherentMemory(p, dma, bytes);
}

export function dma_free_coherent(dev: device, memory: coherentMemory): void {
  trace().dma_free?.(dev, memory.page.mem.base + memory.page.offset, memory.dma, memory.size);
  kernel().machine.dma.unmap(memory.dma, memory.size);
  put_page(memory.page);
}
