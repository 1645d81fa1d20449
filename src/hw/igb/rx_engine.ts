/**
 * Reception (datasheet 7.1): checks and filters → packet buffer → queue → DMA into host buffers → write-back and interrupt.
 *
 * A frame is looked at when its last bit has arrived; one timer delivers what waits in the packet buffer when its last byte is in host memory. The
 * buffer is one queue: a frame for a ring without descriptors holds up those behind it, unless its ring drops (SRRCTL.DROP_EN).
 *
 * Simplified: queues are chosen by RSS only: no VMDq pools, no five-tuple, Ethertype or SYN filters (FTQF, ETQF, SYNQF are storage). A packet that needs
 * several descriptors waits until there are enough of them. WTHRESH of RXDCTL is taken as 1: each packet is written back at once.
 */
import { Timer } from '../../sim/event_queue.ts';
import type { Nanoseconds } from '../../sim/time.ts';
import { WIDE } from '../../sim/wide.ts';
import { FCS_BYTES, type Frame, MIN_FRAME } from '../../wire/frame.ts';
import { Classification, Classifier, packetChecksum } from './classify.ts';
import { crc32 } from './crc.ts';
import * as D from './e1000_defines.ts';
import { DESCRIPTOR_SIZE } from './e1000_desc.ts';
import * as R from './e1000_regs.ts';
import { INEXACT, REJECTED } from './filter.ts';
import type { IgbDevice } from './igb_device.ts';
import type { DropReason } from './observer.ts';
import { registerMap } from './registers.ts';
import { RxQueue } from './rx_queue.ts';

export const RX_QUEUES = 16;
/** Slots of the registers that every frame needs. */
const RCTL = registerMap.slotOf(R.E1000_RCTL);
const VET = registerMap.slotOf(R.E1000_VET);
const RXPBS = registerMap.slotOf(R.E1000_RXPBS);
const FCT = registerMap.slotOf(R.E1000_FCT);
const RXCSUM = registerMap.slotOf(R.E1000_RXCSUM);
const MRQC = registerMap.slotOf(R.E1000_MRQC);
const CTRL = registerMap.slotOf(R.E1000_CTRL);
const RLPML = registerMap.slotOf(R.E1000_RLPML);
const MAX_FRAME = 1514;
const VLAN_TAG = 4;
const ADDRESSES = 12;
const NO_QUEUE = -1;
const PAUSE_OPCODE = 0x0001;
/** Words in the write-back of an advanced descriptor; the first tells the packet type and the split, LENGTH also the VLAN tag. */
const RSS = 1;
const STATUS_ERROR = 2;
const LENGTH = 3;

/** A place in the packet buffer. */
class Entry {
  frame: Frame | null = null;
  readonly found = new Classification();
  queue = 0;
  /** Its last byte can be in host memory at this instant. */
  readyAt: Nanoseconds = WIDE;
  /** Status bits beside the checksums: inexact filter, loopback, time stamp, receive error. */
  status = 0;
  /** It has been counted as waiting for descriptors. */
  waited = false;
}

export class RxEngine {
  readonly queues: readonly RxQueue[];
  readonly #device: IgbDevice;
  readonly #classifier: Classifier;
  readonly #timer: Timer;
  readonly #entries: Entry[] = [];
  #first = 0;
  #count = 0;
  #bytes = 0;
  /** The write side of the PCIe link is busy until then. */
  #dmaFreeAt: Nanoseconds = WIDE;
  /** The ring the first frame waits for. */
  #blockedOn = NO_QUEUE;
  #enabled = false;
  /** Faults on demand, by queue: the IOMMU refuses the next packet's data; doorbells are held up. */
  readonly blocked = new Uint8Array(RX_QUEUES);
  readonly #starved = new Uint8Array(RX_QUEUES);

  constructor(device: IgbDevice) {
    this.#device = device;
    this.#classifier = new Classifier(device.rss);
    this.queues = Array.from({ length: RX_QUEUES }, (_, index) => new RxQueue(index));
    for (let i = 0; i < 64; i++) this.#entries.push(new Entry());
    this.#timer = new Timer(`${device.name} receive`, () => this.#run());
    this.reset();
  }

  reset(): void {
    this.#discardAll();
    for (const queue of this.queues) {
      queue.reset();
      queue.configure(this.#device.registers.get(R.E1000_SRRCTL(queue.index)));
    }
    this.#enabled = false;
    this.#blockedOn = NO_QUEUE;
    this.#device.simulation.cancel(this.#timer);
  }

  // --- registers ---

  controlWritten(rctl: number): void {
    this.#enabled = (rctl & D.E1000_RCTL_EN) !== 0;
  }

  ringWritten(index: number): void {
    const registers = this.#device.registers;
    const queue = this.queues[index]!;
    queue.base = registers.get(R.E1000_RDBAL(index)) + registers.get(R.E1000_RDBAH(index)) * 0x1_0000_0000;
    queue.size = registers.get(R.E1000_RDLEN(index)) / DESCRIPTOR_SIZE;
  }

  splitWritten(index: number, value: number): void {
    this.queues[index]!.configure(value);
  }

  head(index: number): number {
    return this.queues[index]!.head;
  }

  headWritten(index: number, value: number): void {
    this.queues[index]!.head = value & 0xffff;
  }

  enableWritten(index: number, value: number): void {
    const queue = this.queues[index]!;
    if ((value & D.E1000_RXDCTL_QUEUE_ENABLE) !== 0) queue.enabled = true;
    else if (queue.enabled) queue.stop();
  }

  /** New descriptors are under way: worth an event only if the first frame waits for them. */
  tailIssued(index: number, time: Nanoseconds): void {
    if (this.#blockedOn === index) this.#device.wakeForWrites(time);
  }

  tailWritten(index: number, value: number, time: Nanoseconds): void {
    if (this.#starved[index] === 1) return;
    const queue = this.queues[index]!;
    if (queue.available === 0) queue.availableFrom = time + this.#device.host.timing.readLatencyNs;
    queue.tail = value & 0xffff;
    if (this.#blockedOn !== index) return;
    this.#blockedOn = NO_QUEUE;
    this.#arm(queue.availableFrom);
  }

  /** Faults on demand: new descriptors do not arrive, until `feed`. */
  starve(index: number): void {
    this.#starved[index] = 1;
  }

  feed(index: number): void {
    this.#starved[index] = 0;
    this.tailWritten(index, this.#device.registers.get(R.E1000_RDT(index)), this.#device.simulation.now);
  }

  // --- from the wire ---

  /** A frame has arrived whole, now. `loopback`: it is one of our own. */
  receive(frame: Frame, loopback = false): void {
    const now = this.#device.simulation.now;
    this.#device.applyWrites(now);
    const reason = this.#admit(frame, now, loopback);
    if (reason === null) return;
    if (this.#device.observers.length > 0) this.#device.notifyReceived(frame, NO_QUEUE, now, 0, reason);
    this.#device.pool.release(frame);
  }

  /** Takes the frame into the packet buffer, or says why not. */
  #admit(frame: Frame, now: Nanoseconds, loopback: boolean): DropReason | null {
    const device = this.#device;
    if (!this.#enabled) {
      device.faults.receiverOff++;
      return 'receiver disabled';
    }
    const rctl = device.registers.u32[RCTL]!;
    device.statistics.arrived(frame.length);
    const bad = this.#checkFrame(frame, rctl);
    if (bad !== null && (rctl & D.E1000_RCTL_SBP) === 0) return bad;
    if (bad === null && this.#isMacControl(frame)) {
      this.#macControl(frame, now);
      if ((rctl & D.E1000_RCTL_PMCF) === 0) return 'pause frame';
    }
    const verdict = device.filter.destination(frame, rctl);
    if (verdict === REJECTED) return 'address filter';
    const registers = device.registers;
    const vet = registers.u32[VET]! & 0xffff;
    if ((rctl & D.E1000_RCTL_VFE) !== 0 && frame.view.getUint16(frame.start + ADDRESSES) === vet) {
      if (!device.filter.vlan(frame.view.getUint16(frame.start + ADDRESSES + 2), rctl)) return 'VLAN filter';
    }
    const room = (registers.u32[RXPBS]! & D.E1000_RXPBS_SIZE_MASK_82576) * 1024;
    if (this.#bytes + frame.length + FCS_BYTES > room) {
      device.statistics.count(R.E1000_MPC);
      device.interrupts.causeOther(D.E1000_ICR_RXMISS, now);
      return 'packet buffer full (MPC)';
    }
    // GPRC leaves out what MPC counts (8.18.23).
    if (bad === null) this.#countGood(frame);
    this.#store(frame, now, verdict === INEXACT, loopback, bad !== null, vet);
    return null;
  }

  /** FCS and length (8.18.1, 8.18.30 …). Lengths count the FCS. */
  #checkFrame(frame: Frame, rctl: number): DropReason | null {
    const statistics = this.#device.statistics;
    const limit = this.#longest(frame, rctl);
    if (frame.badFcs) {
      statistics.count(R.E1000_CRCERRS);
      if (frame.length < MIN_FRAME) statistics.count(R.E1000_RFC);
      else if (frame.length > limit) statistics.count(R.E1000_RJC);
      return 'bad FCS (CRCERRS)';
    }
    if (frame.length < MIN_FRAME) {
      statistics.count(R.E1000_RUC);
      statistics.count(R.E1000_RLEC);
      return 'too short (RUC)';
    }
    if (frame.length <= limit) return null;
    statistics.count(R.E1000_ROC);
    statistics.count(R.E1000_RLEC);
    return 'too long (ROC)';
  }

  #longest(frame: Frame, rctl: number): number {
    if ((rctl & D.E1000_RCTL_LPE) !== 0) return (this.#device.registers.u32[RLPML]! & D.E1000_RLPML_MASK) - FCS_BYTES;
    if (frame.length <= MAX_FRAME) return MAX_FRAME;
    const tagged = frame.view.getUint16(frame.start + ADDRESSES) === (this.#device.registers.u32[VET]! & 0xffff);
    return tagged ? MAX_FRAME + VLAN_TAG : MAX_FRAME;
  }

  #isMacControl(frame: Frame): boolean {
    const registers = this.#device.registers;
    if (frame.view.getUint16(frame.start + ADDRESSES) !== registers.u32[FCT]!) return false;
    return (
      frame.view.getUint32(frame.start, true) === registers.get(R.E1000_FCAL) &&
      frame.view.getUint16(frame.start + 4, true) === (registers.get(R.E1000_FCAH) & 0xffff)
    );
  }

  /** A pause frame stops our MAC for so many times 512 bit times; 0 lets it go on (IEEE 802.3 annex 31B). */
  #macControl(frame: Frame, now: Nanoseconds): void {
    const statistics = this.#device.statistics;
    const enabled = (this.#device.registers.u32[CTRL]! & D.E1000_CTRL_RFCE) !== 0;
    if (!enabled || frame.view.getUint16(frame.start + 14) !== PAUSE_OPCODE) {
      statistics.count(R.E1000_FCRUC);
      return;
    }
    const quanta = frame.view.getUint16(frame.start + 16);
    statistics.count(quanta === 0 ? R.E1000_XONRXC : R.E1000_XOFFRXC);
    this.#device.pauseTransmission(quanta, now);
  }

  #countGood(frame: Frame): void {
    const multicast = (frame.u8[frame.start]! & 1) !== 0;
    this.#device.statistics.received(frame.length, multicast, multicast && this.#device.filter.isBroadcast(frame));
  }

  #store(frame: Frame, now: Nanoseconds, inexact: boolean, loopback: boolean, bad: boolean, vet: number): void {
    const device = this.#device;
    const entry = this.#place();
    const settings = this.#classifier.settings;
    settings.rxcsum = device.registers.u32[RXCSUM]!;
    settings.mrqc = device.registers.u32[MRQC]!;
    settings.vet = vet;
    if (bad) entry.found.clear();
    else this.#classifier.classify(frame, entry.found);
    entry.frame = frame;
    entry.queue = this.#queueFor(settings.mrqc, entry.found.rssHash);
    entry.status =
      (inexact ? D.E1000_RXD_STAT_PIF : 0) | (loopback ? D.E1000_RXDEXT_STATERR_LB : 0) | (bad ? D.E1000_RXDEXT_STATERR_RXE : 0);
    if (device.clock.stampsReceived && device.clock.stampReceive(frame, now)) entry.status |= D.E1000_RXD_STAT_TS;
    entry.waited = false;
    this.#dmaFreeAt = Math.max(this.#dmaFreeAt, now) + Math.round(frame.length / device.host.timing.bytesPerNs);
    entry.readyAt = this.#dmaFreeAt + device.host.timing.writeLatencyNs;
    this.#bytes += frame.length + FCS_BYTES;
    if (device.observers.length > 0) device.notifyReceived(frame, entry.queue, now, entry.found.rssHash, null);
    if (this.#count === 1) this.#arm(entry.readyAt);
    device.bufferFilled(this.#bytes, now);
  }

  #queueFor(mrqc: number, hash: number): number {
    if ((mrqc & D.E1000_MRQC_ENABLE_MASK) === D.E1000_MRQC_ENABLE_RSS_MQ) return this.#device.rss.queue(hash);
    return (mrqc & D.E1000_MRQC_DEF_Q_MASK) >>> D.E1000_MRQC_DEF_Q_SHIFT;
  }

  #place(): Entry {
    if (this.#count === this.#entries.length) this.#grow();
    return this.#entries[(this.#first + this.#count++) & (this.#entries.length - 1)]!;
  }

  #grow(): void {
    const ordered: Entry[] = [];
    for (let i = 0; i < this.#count; i++) ordered.push(this.#entries[(this.#first + i) & (this.#entries.length - 1)]!);
    for (let i = this.#count; i > 0; i--) ordered.push(new Entry());
    this.#entries.length = 0;
    for (const entry of ordered) this.#entries.push(entry);
    this.#first = 0;
  }

  // --- to the host ---

  #arm(time: Nanoseconds): void {
    const at = Math.max(time, this.#device.simulation.now);
    if (!this.#timer.pending || this.#timer.expires > at) this.#device.simulation.at(at, this.#timer);
  }

  #run(): void {
    const now = this.#device.simulation.now;
    this.#device.applyWrites(now);
    while (this.#count > 0) {
      const entry = this.#entries[this.#first]!;
      if (entry.readyAt > now) {
        this.#arm(entry.readyAt);
        break;
      }
      const queue = this.queues[entry.queue]!;
      if (queue.availableFrom > now && queue.available > 0) {
        this.#arm(queue.availableFrom);
        break;
      }
      if (!this.#deliver(entry, queue, now)) break;
      this.#pop();
    }
    this.#device.bufferDrained(this.#bytes, now);
  }

  #pop(): void {
    const entry = this.#entries[this.#first]!;
    const frame = entry.frame!;
    entry.frame = null;
    this.#bytes -= frame.length + FCS_BYTES;
    // An empty buffer starts over, so that the few entries in use stay in the cache.
    this.#first = --this.#count === 0 ? 0 : (this.#first + 1) & (this.#entries.length - 1);
    this.#device.pool.release(frame);
  }

  /** Writes a frame to host memory, or drops it; false while it has to wait for descriptors. */
  #deliver(entry: Entry, queue: RxQueue, now: Nanoseconds): boolean {
    const device = this.#device;
    const rctl = device.registers.u32[RCTL]!;
    const stripsTag = entry.found.vlan >= 0 && (device.registers.u32[CTRL]! & D.E1000_CTRL_VME) !== 0;
    const keepsFcs = (rctl & D.E1000_RCTL_SECRC) === 0;
    const length = entry.frame!.length - (stripsTag ? VLAN_TAG : 0) + (keepsFcs ? FCS_BYTES : 0);
    const split = this.#splitAt(entry, queue, length, stripsTag);
    const room = queue.bufferBytes(rctl);
    const needed = length - split <= room ? 1 : Math.ceil((length - split) / room);
    if (!queue.enabled || queue.available < needed) return this.#starve(entry, queue, now);
    const frame = entry.frame!;
    if (keepsFcs) frame.view.setUint32(frame.start + frame.length, crc32(frame.u8, frame.start, frame.length), true);
    let start = frame.start;
    if (stripsTag) {
      frame.u8.copyWithin(start + VLAN_TAG, start, start + ADDRESSES);
      start += VLAN_TAG;
    }
    if (this.blocked[queue.index] === 1) this.#block(queue, frame, start, length);
    this.#write(entry, queue, start, length, split, room, stripsTag);
    device.statistics.passedToHost(frame.length);
    device.interrupts.causeRx(queue.index, now);
    if (queue.minimumThreshold > 0 && queue.available <= queue.minimumThreshold) device.interrupts.causeOther(D.E1000_ICR_RXDMT0, now);
    return true;
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
    const at = (descriptor - section.base) >> 2;
    const address = section.u32[at]! + section.u32[at + 1]! * 0x1_0000_0000;
    host.dma.read(name, address, Math.min(length, queue.bufferBytes(this.#device.registers.u32[RCTL]!)), frame.block, start);
    frame.forgetSum();
    host.dmaFault?.(address, true);
  }

  /** No descriptors: the frame is dropped if its queue says so, else it waits (and all behind it). */
  #starve(entry: Entry, queue: RxQueue, now: Nanoseconds): boolean {
    const device = this.#device;
    const drops = queue.dropEnabled || !queue.enabled || ((device.registers.get(R.E1000_QDE) >>> queue.index) & 1) !== 0;
    if (drops) {
      device.statistics.count(R.E1000_RQDPC(queue.index));
      if (device.observers.length > 0) device.notifyDiscarded(entry.frame!, queue.index, now, 'no descriptor (RQDPC)');
      return true;
    }
    if (!entry.waited) device.statistics.count(R.E1000_RNBC);
    entry.waited = true;
    this.#blockedOn = queue.index;
    device.watchPendingWrites();
    return false;
  }

  /** How many bytes go to the header buffer (7.1.10): all known headers if they fit. 0 when nothing is split. */
  #splitAt(entry: Entry, queue: RxQueue, length: number, stripsTag: boolean): number {
    const type = queue.descriptorType;
    if (type !== D.E1000_SRRCTL_DESCTYPE_HDR_SPLIT && type !== D.E1000_SRRCTL_DESCTYPE_HDR_SPLIT_ALWAYS) return 0;
    const end = entry.found.headerEnd - (stripsTag ? VLAN_TAG : 0);
    if (entry.found.headerEnd > 0 && end <= queue.headerSize) return Math.min(end, length);
    return type === D.E1000_SRRCTL_DESCTYPE_HDR_SPLIT_ALWAYS ? Math.min(queue.headerSize, length) : 0;
  }

  /** Buffer after buffer: reads the descriptor, fills its buffer, writes it back. */
  #write(entry: Entry, queue: RxQueue, start: number, length: number, split: number, bufferBytes: number, stripped: boolean): void {
    const dma = this.#device.host.dma;
    const name = this.#device.name;
    const frame = entry.frame!;
    const end = start + length;
    let at = start + split;
    let isFirst = true;
    do {
      const descriptor = queue.base + queue.head * DESCRIPTOR_SIZE;
      const section = dma.access(name, descriptor, DESCRIPTOR_SIZE, true);
      const offset = descriptor - section.base;
      const words = section.u32;
      const buffer = words[offset >> 2]! + words[(offset >> 2) + 1]! * 0x1_0000_0000;
      const bytes = Math.min(bufferBytes, end - at);
      const target = dma.access(name, buffer, bytes, true);
      frame.block.copyTo(target.block, buffer - target.base, at, bytes);
      if (isFirst) {
        target.dmaTags[(buffer - target.base) >> 8] = frame.id;
        if (split > 0) this.#writeHeader(words[(offset >> 2) + 2]! + words[(offset >> 2) + 3]! * 0x1_0000_0000, frame, start, split);
      }
      at += bytes;
      const isLast = at >= end;
      if (queue.descriptorType === D.E1000_SRRCTL_DESCTYPE_LEGACY)
        this.#writeBackLegacy(section.view, offset, entry, bytes, isLast, stripped);
      else this.#writeBack(words, offset >> 2, entry, bytes, isFirst ? split : 0, isLast, stripped);
      queue.head = queue.next(queue.head);
      isFirst = false;
    } while (at < end);
  }

  #writeHeader(address: number, frame: Frame, start: number, length: number): void {
    const section = this.#device.host.dma.access(this.#device.name, address, length, true);
    frame.block.copyTo(section.block, address - section.base, start, length);
  }

  /** Two fields of 16 bits make one word, the first in its lower half. */
  #writeBack(words: Uint32Array, at: number, entry: Entry, bytes: number, split: number, isLast: boolean, stripped: boolean): void {
    const found = entry.found;
    let status = D.E1000_RXD_STAT_DD;
    if (isLast) status |= D.E1000_RXD_STAT_EOP | found.statusError | entry.status | (stripped ? D.E1000_RXD_STAT_VP : 0);
    const hdrInfo = split > 0 ? D.E1000_RXDADV_SPH | (split << D.E1000_RXDADV_HDRBUFLEN_SHIFT) : 0;
    words[at] = found.pktInfo | (hdrInfo << 16);
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

  #writeBackLegacy(view: DataView, at: number, entry: Entry, bytes: number, isLast: boolean, stripped: boolean): void {
    const found = entry.found;
    let status = D.E1000_RXD_STAT_DD;
    if (isLast) status |= D.E1000_RXD_STAT_EOP | ((found.statusError | entry.status) & 0xff) | (stripped ? D.E1000_RXD_STAT_VP : 0);
    const errors = isLast ? (found.statusError | entry.status) >>> 24 : 0;
    const pcss = this.#device.registers.u32[RXCSUM]! & D.E1000_RXCSUM_PCSS_MASK;
    view.setUint16(at + 8, bytes, true);
    view.setUint16(at + 10, packetChecksum(entry.frame!, pcss), true);
    view.setUint8(at + 12, status);
    view.setUint8(at + 13, errors);
    view.setUint16(at + 14, stripped ? found.vlan : 0, true);
  }

  #discardAll(): void {
    const now = this.#device.simulation.now;
    while (this.#count > 0) {
      const entry = this.#entries[this.#first]!;
      this.#device.faults.resetRx++;
      if (this.#device.observers.length > 0) this.#device.notifyDiscarded(entry.frame!, entry.queue, now, 'reset');
      this.#pop();
    }
  }
}
