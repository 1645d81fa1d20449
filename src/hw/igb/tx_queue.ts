/** One transmit queue: its descriptor ring, its two contexts, and the packet that stands at its head. */

import type { Dma } from '../../machine/dma.ts';
import { sectionOffset } from '../../machine/memory.ts';
import type { ByteBlock } from '../../sim/byte_heap.ts';
import { InvariantError } from '../../sim/invariant.ts';
import { WIDE } from '../../sim/wide.ts';
import { DescriptorCache } from './descriptor_cache.ts';
import * as D from './e1000_defines.ts';
import { DESCRIPTOR_SIZE } from './e1000_desc.ts';
import { TxContext } from './offload.ts';

const CMD = 8;
const STATUS = 12;
const CONTEXT_TUCMD = 8;
const CONTEXT_MSS = 12;
const MIN_FRAGMENTS = 64;
const CONTEXT = D.E1000_ADVTXD_DCMD_DEXT | D.E1000_ADVTXD_DTYP_CTXT;
const CONTEXT_MASK = D.E1000_ADVTXD_DCMD_DEXT | D.E1000_ADVTXD_DTYP_MASK;
/** For looking ahead only. */
const scratch = new TxContext();

export class TxQueue {
  readonly index: number;
  base = WIDE;
  /** Descriptors in the ring. */
  size = 0;
  head = 0;
  tail = 0;
  enabled = false;
  readonly cache = new DescriptorCache();
  writebackThreshold = 0;
  /** Address of the head write-back; 0 when it is off. */
  headWriteback = WIDE;
  /** Descriptors that are done but not written back yet (WTHRESH). */
  readonly unwritten: number[] = [];
  unwrittenCount = 0;
  readonly contexts: readonly TxContext[] = [new TxContext(), new TxContext()];

  constructor(index: number) {
    this.index = index;
  }

  get waiting(): boolean {
    return this.enabled && this.head !== this.tail;
  }

  /** Descriptors from the head up to `end`. */
  until(end: number): number {
    return end >= this.head ? end - this.head : end - this.head + this.size;
  }

  /** TXDCTL. */
  control(txdctl: number): void {
    this.cache.configure(txdctl);
    this.writebackThreshold = (txdctl >>> D.E1000_TXDCTL_WTHRESH_SHIFT) & 0x1f;
  }

  reset(): void {
    this.base = 0;
    this.size = 0;
    this.headWriteback = 0;
    this.control(0);
    this.stop();
  }

  /** Disabling a queue forgets what it held; the pointers go back to the start of the ring. */
  stop(): void {
    this.enabled = false;
    this.head = 0;
    this.tail = 0;
    this.unwrittenCount = 0;
    this.cache.clear();
    for (const context of this.contexts) context.clear();
  }

  next(index: number): number {
    return index + 1 === this.size ? 0 : index + 1;
  }

  addUnwritten(index: number): void {
    this.unwritten[this.unwrittenCount++] = index;
  }

  /** Bytes to fetch for the first frame between head and `tail`. Touches nothing: it only tells how long the DMA will take. */
  bytesAhead(dma: Dma, tail: number): number {
    const section = dma.memory.sectionOrNull(this.base);
    if (section === null || tail >= this.size) return 0;
    const ring = sectionOffset(this.base);
    let bytes = 0;
    let segment = 0;
    for (let i = this.head; i !== tail; i = this.next(i)) {
      const at = (ring + i * DESCRIPTOR_SIZE) >> 2;
      const command = section.u32[at + (CMD >> 2)]!;
      if ((command & CONTEXT_MASK) === CONTEXT) {
        scratch.load(section.u32[at]!, command, section.u32[at + (CONTEXT_MSS >> 2)]!);
        segment = scratch.headerLength + scratch.mss;
        continue;
      }
      bytes += command & D.E1000_ADVTXD_DTALEN_MASK;
      if ((command & D.E1000_TXD_CMD_EOP) === 0) continue;
      if ((command & D.E1000_ADVTXD_DCMD_TSE) === 0 || (command & D.E1000_ADVTXD_DCMD_DEXT) === 0) return bytes;
      const context = this.contexts[(section.u32[at + (STATUS >> 2)]! >>> D.E1000_ADVTXD_IDX_SHIFT) & 1]!;
      return Math.min(bytes, segment > 0 ? segment : context.headerLength + context.mss);
    }
    return bytes;
  }
}

/** The packet that is being fetched. There is one: the device takes packets one after the other, queue by queue. */
export class TxPacket {
  queue: TxQueue | null = null;
  /** First data descriptor, and the one after the last. */
  first = 0;
  end = 0;
  /** cmd_type_len and options of the first data descriptor. */
  command = WIDE;
  options = WIDE;
  legacy = false;
  /** Legacy checksum: where it starts, where it goes; and its VLAN tag. */
  css = 0;
  cso = 0;
  special = 0;
  context: TxContext = new TxContext();
  /** All bytes of all fragments. */
  total = 0;
  tag = WIDE;
  fragments = 0;
  addresses = new Float64Array(MIN_FRAGMENTS);
  lengths = new Int32Array(MIN_FRAGMENTS);
  /** Descriptors that want a report. */
  readonly reports: number[] = [];
  reportCount = 0;
  /** Segments of a large send (1 otherwise), and how many have been made. */
  segments = 1;
  made = 0;
  /** Where gathering goes on. */
  #fragment = 0;
  #offset = 0;

  get isSegmented(): boolean {
    return !this.legacy && (this.command & D.E1000_ADVTXD_DCMD_TSE) !== 0;
  }

  get wantsVlan(): boolean {
    return (this.command & D.E1000_ADVTXD_DCMD_VLE) !== 0;
  }

  /** Reads the descriptors from the queue's head to EOP; false when the packet is not complete yet. Contexts on the way are loaded. */
  read(dma: Dma, device: string, queue: TxQueue): boolean {
    this.queue = queue;
    this.fragments = 0;
    this.total = 0;
    this.made = 0;
    this.segments = 1;
    this.reportCount = 0;
    this.#fragment = 0;
    this.#offset = 0;
    for (let i = queue.head; i !== queue.tail; i = queue.next(i)) {
      const address = queue.base + i * DESCRIPTOR_SIZE;
      const section = dma.access(device, address, DESCRIPTOR_SIZE, false);
      const at = sectionOffset(address);
      const words = section.u32;
      const command = words[(at + CMD) >> 2]!;
      const last = words[(at + STATUS) >> 2]!;
      const kind = command & D.E1000_ADVTXD_DTYP_MASK;
      const extended = (command & D.E1000_ADVTXD_DCMD_DEXT) !== 0;
      if (extended && kind === D.E1000_ADVTXD_DTYP_CTXT) {
        this.#loadContext(queue, words[at >> 2]!, words[(at + CONTEXT_TUCMD) >> 2]!, words[(at + CONTEXT_MSS) >> 2]!);
        continue;
      }
      if (extended && kind !== D.E1000_ADVTXD_DTYP_DATA)
        throw new InvariantError(`${device}: TX descriptor ${i} of queue ${queue.index} has unknown type 0x${command.toString(16)}`);
      if (this.fragments === 0) this.#start(i, command, last, extended, queue);
      this.#add(words[at >> 2]! + words[(at >> 2) + 1]! * 0x1_0000_0000, command & D.E1000_ADVTXD_DTALEN_MASK);
      if ((command & D.E1000_TXD_CMD_RS) !== 0) this.reports[this.reportCount++] = i;
      if ((command & D.E1000_TXD_CMD_EOP) === 0) continue;
      this.end = queue.next(i);
      this.#finish(dma, device);
      return true;
    }
    return false;
  }

  #loadContext(queue: TxQueue, vlanMacIpLens: number, typeTucmd: number, mssL4len: number): void {
    queue.contexts[(mssL4len >>> D.E1000_ADVTXD_IDX_SHIFT) & 1]!.load(vlanMacIpLens, typeTucmd, mssL4len);
  }

  #start(index: number, command: number, last: number, extended: boolean, queue: TxQueue): void {
    this.first = index;
    this.command = command;
    this.options = last;
    this.legacy = !extended;
    this.cso = (command >>> 16) & 0xff;
    this.css = (last >>> 8) & 0xff;
    this.special = last >>> 16;
    this.context = queue.contexts[(last >>> D.E1000_ADVTXD_IDX_SHIFT) & 1]!;
  }

  #add(address: number, length: number): void {
    if (this.fragments === this.lengths.length) this.#grow();
    this.addresses[this.fragments] = address;
    this.lengths[this.fragments++] = length;
    this.total += length;
  }

  #grow(): void {
    const addresses = new Float64Array(this.fragments * 2);
    const lengths = new Int32Array(this.fragments * 2);
    addresses.set(this.addresses);
    lengths.set(this.lengths);
    this.addresses = addresses;
    this.lengths = lengths;
  }

  #finish(dma: Dma, device: string): void {
    this.tag = dma.tag(this.addresses[0]!);
    if (!this.isSegmented) return;
    const payload = this.total - this.context.headerLength;
    if (this.context.mss === 0 || payload <= 0)
      throw new InvariantError(`${device}: TX queue ${this.queue!.index}: large send of ${this.total} bytes, MSS ${this.context.mss}`);
    this.segments = Math.ceil(payload / this.context.mss);
  }

  /** Payload of the next segment. */
  get nextPayload(): number {
    const header = this.context.headerLength;
    return Math.min(this.context.mss, this.total - header - this.made * this.context.mss);
  }

  /** Fetches the next `length` bytes of the packet to `target[at]`. */
  gather(dma: Dma, device: string, target: ByteBlock, at: number, length: number): void {
    while (length > 0) {
      const left = this.lengths[this.#fragment]! - this.#offset;
      const take = left < length ? left : length;
      const address = this.addresses[this.#fragment]! + this.#offset;
      if (take > 0) dma.read(device, address, take, target, at);
      at += take;
      length -= take;
      if (take === left) {
        this.#fragment++;
        this.#offset = 0;
      } else this.#offset += take;
    }
  }
}
