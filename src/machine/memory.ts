/**
 * Physical memory: real bytes, grown section by section as a kernel asks for pages, so that a small host costs little.
 * A physical address is `section.base + offset`; nothing contiguous ever straddles two sections. Pages of a fresh section are
 * zero and cost no real memory until they are touched.
 */
import { type ByteBlock, ByteHeap } from '../sim/byte_heap.ts';
import { InvariantError } from '../sim/invariant.ts';
import { WIDE } from '../sim/wide.ts';

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 1 << PAGE_SHIFT;
const SECTION_SHIFT = 22;
/** 4 MiB: the largest contiguous piece (order 10), as with Linux's MAX_PAGE_ORDER. */
export const SECTION_SIZE = 1 << SECTION_SHIFT;

/** Where an address lies in its section. */
export const sectionOffset = (address: number): number => address & (SECTION_SIZE - 1);

/** A contiguous run of physical memory and the views on its bytes. */
export class MemorySection {
  readonly base: number;
  readonly block: ByteBlock;
  readonly u8: Uint8Array;
  readonly view: DataView;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  /** DMA bookkeeping of this section's pages, kept by machine/dma.ts. */
  readonly dmaMaps = new Uint16Array(SECTION_SIZE >> PAGE_SHIFT);
  /** Packet id of a DMA mapping that starts in a 256-byte granule: see machine/dma.ts. */
  readonly dmaTags = new Float64Array(SECTION_SIZE >> 8);

  constructor(base: number, block: ByteBlock) {
    this.base = base;
    this.block = block;
    this.u8 = block.u8;
    this.view = block.view;
    this.u16 = new Uint16Array(block.buffer, block.origin, SECTION_SIZE >> 1);
    this.u32 = new Uint32Array(block.buffer, block.origin, SECTION_SIZE >> 2);
  }
}

export class PhysicalMemory {
  readonly owner: string;
  /** By the upper bits of their addresses. The first is null: address 0 is never valid. */
  readonly #sections: (MemorySection | null)[] = [null];
  /** The first address behind them all. */
  #end = WIDE;
  readonly #limit: number;
  readonly #heap: ByteHeap;

  /** `limitBytes` is the size of the machine's RAM; going beyond it returns null, as real memory would be exhausted. */
  constructor(owner: string, limitBytes = 4 * 1024 ** 3, heap = new ByteHeap()) {
    this.owner = owner;
    this.#heap = heap;
    this.#limit = Math.floor(limitBytes / SECTION_SIZE);
  }

  get bytesGrown(): number {
    return (this.#sections.length - 1) * SECTION_SIZE;
  }

  /** Adds a section of zeroes; null when the machine's RAM is used up. */
  grow(): MemorySection | null {
    if (this.#sections.length > this.#limit) return null;
    const section = new MemorySection(this.#sections.length * SECTION_SIZE, this.#heap.allocate(SECTION_SIZE));
    this.#sections.push(section);
    this.#end = section.base + SECTION_SIZE;
    return section;
  }

  /** The section that holds a physical address. See `sectionOffset`. */
  section(address: number): MemorySection {
    const section = this.sectionOrNull(address);
    if (section === null) throw new InvariantError(`${this.owner}: no memory at physical address 0x${address.toString(16)}`);
    return section;
  }

  /** The section that holds an address, or null where there is no memory. */
  sectionOrNull(address: number): MemorySection | null {
    return address < this.#end ? this.#sections[(address / SECTION_SIZE) | 0]! : null;
  }
}
