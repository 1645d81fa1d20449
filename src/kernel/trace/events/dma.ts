/** include/trace/events/dma.h */
import { flags, named, type SymbolRow, symbolic, text } from '../print_argument.ts';
import type { EventTable } from '../trace_event.ts';

const direction = symbolic('dir', named(['BIDIRECTIONAL', 'TO_DEVICE', 'FROM_DEVICE', 'NONE']));
const DMA_BIDIRECTIONAL = 0;

const attribute = (bit: number, name: string): SymbolRow => ({ value: 1 << bit, name, constant: `(1UL << ${bit})` });
const attributes = flags('attrs', [
  attribute(1, 'WEAK_ORDERING'),
  attribute(2, 'WRITE_COMBINE'),
  attribute(4, 'NO_KERNEL_MAPPING'),
  attribute(5, 'SKIP_CPU_SYNC'),
  attribute(6, 'FORCE_CONTIGUOUS'),
  attribute(7, 'ALLOC_SINGLE_PAGES'),
  attribute(8, 'NO_WARN'),
  attribute(9, 'PRIVILEGED'),
  attribute(10, 'MMIO'),
  attribute(11, 'CACHE_CLEAN'),
]);
/** What drivers allocate rings with. Simplified: the format of Linux lists all flags of the page allocator. */
const GFP_KERNEL = 0xcc0;
const allocation = text(`(REC->flags) ? __print_flags(REC->flags, "|", {${GFP_KERNEL}, "GFP_KERNEL"}) : "none"`, (r) =>
  r.number('flags') === 0 ? 'none' : 'GFP_KERNEL',
);

export const dma_events: EventTable = {
  dma_map_phys: {
    fields: '__data_loc char[] device; u64 phys_addr; u64 dma_addr; size_t size; enum dma_data_direction dir; unsigned long attrs',
    print: '%s dir=%s dma_addr=%llx size=%zu phys_addr=%llx attrs=%s',
    arguments: ['device', direction, 'dma_addr', 'size', 'phys_addr', attributes],
    assign: (record, dev, addr, size, dir, tag) => {
      if (tag > 0) record.packet(tag, 1);
      record.text(dev.name);
      record.u64(addr);
      record.u64(addr);
      record.u64(size);
      record.u32(dir);
      record.u64(0);
    },
  },
  dma_unmap_phys: {
    fields: '__data_loc char[] device; u64 addr; size_t size; enum dma_data_direction dir; unsigned long attrs',
    print: '%s dir=%s dma_addr=%llx size=%zu attrs=%s',
    arguments: ['device', direction, 'addr', 'size', attributes],
    assign: (record, dev, addr, size, dir) => {
      record.text(dev.name);
      record.u64(addr);
      record.u64(size);
      record.u32(dir);
      record.u64(0);
    },
  },
  dma_alloc: {
    fields:
      '__data_loc char[] device; void * virt_addr; u64 dma_addr; size_t size; gfp_t flags; enum dma_data_direction dir; unsigned long attrs',
    print: '%s dir=%s dma_addr=%llx size=%zu virt_addr=%p flags=%s attrs=%s',
    arguments: ['device', direction, 'dma_addr', 'size', 'virt_addr', allocation, attributes],
    assign: (record, dev, virt, addr, size) => {
      record.text(dev.name);
      record.address(virt);
      record.u64(addr);
      record.u64(size);
      record.u32(GFP_KERNEL);
      record.u32(DMA_BIDIRECTIONAL);
      record.u64(0);
    },
  },
  dma_free: {
    fields: '__data_loc char[] device; void * virt_addr; u64 dma_addr; size_t size; enum dma_data_direction dir; unsigned long attrs',
    print: '%s dir=%s dma_addr=%llx size=%zu virt_addr=%p attrs=%s',
    arguments: ['device', direction, 'dma_addr', 'size', 'virt_addr', attributes],
    assign: (record, dev, virt, addr, size) => {
      record.text(dev.name);
      record.address(virt);
      record.u64(addr);
      record.u64(size);
      record.u32(DMA_BIDIRECTIONAL);
      record.u64(0);
    },
  },
};
