/**
 * Writes received packets to host memory: which bytes go to which buffer of which descriptor, and what the descriptor says about them when it is written
 * back (datasheet 7.1.4, 7.1.5, 7.1.10).
 */
import { sectionOffset } from '../../machine/memory.ts';
import type { Nanoseconds } from '../../sim/time.ts';
import { FCS_BYTES, type Frame } from '../../wire/frame.ts';
import { packetChecksum } from './classify.ts';
import { crc32 } from './crc.ts';
import * as D from './e1000_defines.ts';
import { DESCRIPTOR_SIZE } from './e1000_desc.ts';
import * as R from './e1000_regs.ts';
import { HeaderSplit } from './header_split.ts';
import type { IgbDevice } from './igb_device.ts';
import { registerMap } from './registers.ts';
import type { Entry } from './rx_buffer.ts';
import { ADDRESSES, VLAN_TAG } from './rx_mac.ts';
import { RX_QUEUES, type RxQueue } from './rx_queue.ts';

/** Slots of the registers that every frame needs. */
const RCTL = registerMap.slotOf(R.E1000_RCTL);
const RXCSUM = registerMap.slotOf(R.E1000_RXCSUM);
const CTRL = registerMap.slotOf(R.E1000_CTRL);
/** Words in the write-back of an advanced descriptor; the first tells the packet type and the split, LENGTH also the VLAN tag. */
const RSS = 1;
const STATUS_ERROR = 2;
const LENGTH = 3;

export class RxWriter {
  /** Faults on demand, by queue: the IOMMU refuses the next packet's data. */
  readonly blocked = new Uint8Array(RX_QUEUES);
  readonly #device: IgbDevice;
  readonly #split = new HeaderSplit();

  constructor(device: IgbDevice) {
    this.#device = device;
  }

  /** Writes a packet to the buffers of the queue's next descriptors. Returns how many it took; 0, and nothing done, when there are not enough. */
  write(entry: Entry, queue: RxQueue, now: Nanoseconds): number {
    const registers = this.#device.registers;
    const rctl = registers.u32[RCTL]!;
    const stripsTag = entry.found.vlan >= 0 && (registers.u32[CTRL]! & D.E1000_CTRL_VME) !== 0;
    const keepsFcs = (rctl & D.E1000_RCTL_SECRC) === 0;
    const length = entry.frame!.length - (stripsTag ? VLAN_TAG : 0) + (keepsFcs ? FCS_BYTES : 0);
    const split = this.#split;
    if (queue.usesHeaderBuffer) split.plan(entry, queue, length, stripsTag ? VLAN_TAG : 0, registers.u32);
    else split.none();
    const room = queue.bufferBytes(rctl);
    const needed = length - split.from <= room ? 1 : Math.ceil((length - split.from) / room);
    if (!queue.enabled || queue.available < needed) return 0;
    const frame = entry.frame!;
    if (keepsFcs) frame.view.setUint32(frame.start + frame.length, crc32(frame.u8, frame.start, frame.length), true);
    let start = frame.start;
    if (stripsTag) {
      frame.u8.copyWithin(start + VLAN_TAG, start, start + ADDRESSES);
      start += VLAN_TAG;
    }
    if (this.blocked[queue.index] === 1) this.#block(queue, frame, start, length);
    const holds = queue.heldCount > 0 || (queue.writebackThreshold > 1 && this.#device.interrupts.rxModerated(queue.index, now));
    this.#fill(entry, queue, start, length, room, stripsTag, holds);
    return needed;
  }

  /** Buffer after buffer: reads the descriptor, fills its buffer, writes it back. */
  #fill(entry: Entry, queue: RxQueue, start: number, length: number, bufferBytes: number, stripped: boolean, holds: boolean): void {
    const dma = this.#device.host.dma;
    const name = this.#device.name;
    const frame = entry.frame!;
    const header = this.#split.header;
    const end = start + length;
    let at = start + this.#split.from;
    let isFirst = true;
    do {
      const descriptor = queue.base + queue.head * DESCRIPTOR_SIZE;
      const section = dma.access(name, descriptor, DESCRIPTOR_SIZE, true);
      const offset = sectionOffset(descriptor);
      const words = section.u32;
      const buffer = words[offset >> 2]! + words[(offset >> 2) + 1]! * 0x1_0000_0000;
      const bytes = Math.min(bufferBytes, end - at);
      const target = dma.access(name, buffer, bytes, true);
      frame.block.copyTo(target.block, sectionOffset(buffer), at, bytes);
      if (isFirst) {
        dma.setTagIn(target, buffer, frame.id);
        if (header > 0) this.#writeHeader(words[(offset >> 2) + 2]! + words[(offset >> 2) + 3]! * 0x1_0000_0000, frame, start, header);
      }
      at += bytes;
      const isLast = at >= end;
      const to = holds ? this.#hold(queue, descriptor, words, offset >> 2) : offset >> 2;
      const written = holds ? queue.heldWords : words;
      if (queue.descriptorType === D.E1000_SRRCTL_DESCTYPE_LEGACY) this.#writeBackLegacy(written, to, entry, bytes, isLast, stripped);
      else this.#writeBack(written, to, entry, bytes, isFirst, isLast, stripped);
      queue.head = queue.next(queue.head);
      isFirst = false;
    } while (at < end);
  }

  #writeHeader(address: number, frame: Frame, start: number, length: number): void {
    const section = this.#device.host.dma.access(this.#device.name, address, length, true);
    frame.block.copyTo(section.block, sectionOffset(address), start, length);
  }

  /** Two fields of 16 bits make one word, the first in its lower half. */
  #writeBack(words: Uint32Array, at: number, entry: Entry, bytes: number, isFirst: boolean, isLast: boolean, stripped: boolean): void {
    const found = entry.found;
    let status = D.E1000_RXD_STAT_DD;
    if (isLast) status |= D.E1000_RXD_STAT_EOP | found.statusError | entry.status | (stripped ? D.E1000_RXD_STAT_VP : 0);
    if (isFirst && this.#split.overflow) status |= D.E1000_RXDEXT_STATERR_HBO;
    words[at] = found.pktInfo | (isFirst ? this.#split.info << 16 : 0);
    words[at + RSS] = this.#hashOrChecksum(entry);
    words[at + STATUS_ERROR] = status;
    words[at + LENGTH] = bytes | (stripped ? found.vlan << 16 : 0);
  }

  /** RXCSUM.PCSD chooses what the second word says. */
  #hashOrChecksum(entry: Entry): number {
    const rxcsum = this.#device.registers.u32[RXCSUM]!;
    if ((rxcsum & D.E1000_RXCSUM_PCSD) !== 0) return entry.found.rssHash;
    const checksum = packetChecksum(entry.frame!, rxcsum & D.E1000_RXCSUM_PCSS_MASK);
    return ((checksum << 16) | entry.found.ipId) >>> 0;
  }

  /** Three fields make the third word (length and checksum), three the fourth (status, errors, VLAN tag). */
  #writeBackLegacy(words: Uint32Array, at: number, entry: Entry, bytes: number, isLast: boolean, stripped: boolean): void {
    const found = entry.found;
    let status = D.E1000_RXD_STAT_DD;
    if (isLast) status |= D.E1000_RXD_STAT_EOP | ((found.statusError | entry.status) & 0xff) | (stripped ? D.E1000_RXD_STAT_VP : 0);
    const errors = isLast ? (found.statusError | entry.status) >>> 24 : 0;
    const pcss = this.#device.registers.u32[RXCSUM]! & D.E1000_RXCSUM_PCSS_MASK;
    words[at + STATUS_ERROR] = bytes | (packetChecksum(entry.frame!, pcss) << 16);
    words[at + LENGTH] = status | (errors << 8) | (stripped ? found.vlan << 16 : 0);
  }

  /** A descriptor's place on the chip until the write-back: starts as what memory holds. */
  #hold(queue: RxQueue, address: number, words: Uint32Array, at: number): number {
    const place = 4 * queue.heldCount;
    queue.heldAddresses[queue.heldCount++] = address;
    for (let i = 0; i < 4; i++) queue.heldWords[place + i] = words[at + i]!;
    return place;
  }

  /** Writes back what is held. */
  flush(queue: RxQueue): void {
    const { host, name } = this.#device;
    for (let i = 0; i < queue.heldCount; i++) {
      const address = queue.heldAddresses[i]!;
      const section = host.dma.access(name, address, DESCRIPTOR_SIZE, true);
      section.u32.set(queue.heldWords.subarray(4 * i, 4 * i + 4), sectionOffset(address) >> 2);
    }
    queue.heldCount = 0;
  }

  /**
   * The IOMMU swallows the packet's data: writes are posted, so the device learns nothing of it and reports the packet as received. What the driver finds
   * is what was in the buffer before.
   */
  #block(queue: RxQueue, frame: Frame, start: number, length: number): void {
    this.blocked[queue.index] = 0;
    const { host, name } = this.#device;
    const descriptor = queue.base + queue.head * DESCRIPTOR_SIZE;
    const section = host.dma.access(name, descriptor, DESCRIPTOR_SIZE, false);
    const at = sectionOffset(descriptor) >> 2;
    const address = section.u32[at]! + section.u32[at + 1]! * 0x1_0000_0000;
    host.dma.read(name, address, Math.min(length, queue.bufferBytes(this.#device.registers.u32[RCTL]!)), frame.block, start);
    frame.forgetSum();
    host.dmaFault?.(address, true);
  }
}
