/**
 * DMA: what a device may touch, and for whom. The bus address is the physical address; as with an IOMMU, protection is by page:
 * each page counts its live mappings, and a device's access to a page without one is a fault that names device, address and owner.
 *
 * A mapping also carries a tag, the packet id. Hardware has no such thing: it lets observers join a descriptor, a frame and an skb,
 * and nothing else may depend on it. Tags are kept for the 256-byte granule in which a mapping starts; buffers are never closer.
 */
import type { ByteBlock } from '../sim/byte_heap.ts';
import { InvariantError } from '../sim/invariant.ts';
import { WIDE } from '../sim/wide.ts';
import { type MemorySection, PAGE_SHIFT, type PhysicalMemory, sectionOffset } from './memory.ts';

/** Tags of granules 2 KiB apart are neighbours, because buffers of a ring are that far apart. */
const tagIndex = (address: number): number => ((address & 0x700) << 3) | (sectionOffset(address) >> 11);

/** The last page of `length` bytes at `offset`; none count as one. */
const lastPage = (offset: number, length: number): number => (offset + (length > 0 ? length - 1 : 0)) >> PAGE_SHIFT;

export class DmaFault extends Error {
  override readonly name = 'DmaFault';
  readonly address: number;
  constructor(message: string, address: number) {
    super(message);
    this.address = address;
  }
}

/** One host's DMA mappings: the kernel maps and unmaps, devices read and write. */
export class Dma {
  readonly memory: PhysicalMemory;
  /** Live mappings, and all ever made. */
  live = 0;
  mapped = 0;
  /** Bytes devices read from and wrote to memory. */
  bytesRead = WIDE;
  bytesWritten = WIDE;

  constructor(memory: PhysicalMemory) {
    this.memory = memory;
  }

  /** Opens `length` bytes at `offset` of `section` to devices; returns the bus address. */
  map(section: MemorySection, offset: number, length: number, tag = 0): number {
    const last = lastPage(offset, length);
    for (let pfn = offset >> PAGE_SHIFT; pfn <= last; pfn++) section.dmaMaps[pfn]!++;
    section.dmaTags[tagIndex(offset)] = tag;
    this.live++;
    this.mapped++;
    return section.base + offset;
  }

  /** Closes what `map` opened; address and length must be those of the mapping. */
  unmap(address: number, length: number): void {
    const section = this.memory.section(address);
    const offset = sectionOffset(address);
    const last = lastPage(offset, length);
    for (let pfn = offset >> PAGE_SHIFT; pfn <= last; pfn++) {
      if (section.dmaMaps[pfn] === 0)
        throw new InvariantError(`${this.memory.owner}: unmap of 0x${address.toString(16)}, which is not mapped`);
      section.dmaMaps[pfn]!--;
    }
    this.live--;
  }

  /** The tag of the mapping that starts at (or in the granule of) `address`; 0 when it has none. */
  tag(address: number): number {
    const section = this.memory.sectionOrNull(address);
    return section === null ? 0 : section.dmaTags[tagIndex(address)]!;
  }

  setTag(address: number, tag: number): void {
    this.setTagIn(this.memory.section(address), address, tag);
  }

  setTagIn(section: MemorySection, address: number, tag: number): void {
    section.dmaTags[tagIndex(address)] = tag;
  }

  /** A device's access: checks that every page is mapped and returns the section. Throws DmaFault. */
  access(device: string, address: number, length: number, write: boolean): MemorySection {
    const section = this.memory.sectionOrNull(address);
    if (section === null) throw this.#fault(device, address, length, write, 'no memory there');
    const offset = sectionOffset(address);
    const last = lastPage(offset, length);
    for (let pfn = offset >> PAGE_SHIFT; pfn <= last; pfn++) {
      // Beyond the section's last page there is no count at all.
      if (!(section.dmaMaps[pfn]! > 0)) throw this.#fault(device, address, length, write, 'the page is not mapped');
    }
    if (write) this.bytesWritten += length;
    else this.bytesRead += length;
    return section;
  }

  /** Device reads host memory into `target` at `at`. */
  read(device: string, address: number, length: number, target: ByteBlock, at: number): void {
    const section = this.access(device, address, length, false);
    section.block.copyTo(target, at, sectionOffset(address), length);
  }

  /** Device writes `length` bytes of `source` from `at` into host memory. */
  write(device: string, address: number, length: number, source: ByteBlock, at: number): void {
    const section = this.access(device, address, length, true);
    source.copyTo(section.block, sectionOffset(address), at, length);
  }

  #fault(device: string, address: number, length: number, write: boolean, why: string): DmaFault {
    const what = `${write ? 'write' : 'read'} of ${length} bytes at 0x${address.toString(16)}`;
    return new DmaFault(`DMA fault: ${device} on ${this.memory.owner}: ${what}: ${why}`, address);
  }
}
