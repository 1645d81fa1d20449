/**
 * Transmission (datasheet 7.2): doorbell → descriptor fetch → payload DMA into the packet buffer → segmentation and offloads → MAC → write-back and
 * interrupt. Queues take turns packet by packet.
 *
 * One timer drives it all. A packet is built at the instant its last byte has been fetched; latency is paid when a queue wakes up (descriptors) and
 * when the DMA engine was idle (payload), because requests overlap. The segments of a large send are fetched together as far as there is room: each
 * knows when its own last byte is there. In the long run this makes one event per frame, that of the MAC.
 *
 * Simplified: a write-back is visible when it is sent, not PcieTiming.writeLatencyNs later; its interrupt comes at that time.
 */
import { sectionOffset } from '../../machine/memory.ts';
import type { PcieTiming } from '../../machine/pci.ts';
import type { Nanoseconds } from '../../sim/time.ts';
import { Timer } from '../../sim/timer.ts';
import { WIDE } from '../../sim/wide.ts';
import { type Frame, MIN_FRAME } from '../../wire/frame.ts';
import * as D from './e1000_defines.ts';
import { DESCRIPTOR_SIZE } from './e1000_desc.ts';
import * as R from './e1000_regs.ts';
import { QUEUE_BLOCKED, QUEUE_HUNG, QUEUE_WORKS } from './faults.ts';
import type { IgbDevice } from './igb_device.ts';
import { insertChecksums, insertLegacyChecksum, insertVlanTag, pad, Segmenter, VLAN_TAG } from './offload.ts';
import { registerMap } from './registers.ts';
import { TxBuffer } from './tx_buffer.ts';
import { TxPacket, TxQueue } from './tx_queue.ts';

export const TX_QUEUES = 16;
/** Slots of the registers that every frame needs. */
const CTRL = registerMap.slotOf(R.E1000_CTRL);
const TCTL = registerMap.slotOf(R.E1000_TCTL);
const TXPBS = registerMap.slotOf(R.E1000_TXPBS);
const VET = registerMap.slotOf(R.E1000_VET);
const NEVER = Number.POSITIVE_INFINITY;
const STATUS = 12;
/** DTXMXSZRQ counts in these units (8.12.6). */
const REQUEST_UNIT = 256;

export class TxEngine {
  readonly buffer: TxBuffer;
  readonly queues: readonly TxQueue[];
  readonly #device: IgbDevice;
  readonly #timer: Timer;
  readonly #packet = new TxPacket();
  readonly #segmenter: Segmenter;
  /** A packet is being fetched. */
  #fetching = false;
  /** Its next frame's last byte is there at this instant. */
  #readyAt: Nanoseconds = WIDE;
  /** All of it has been fetched, ahead of time; it counts as done at this instant. */
  #doneAt: Nanoseconds = NEVER;
  /** The read side of the PCIe link is busy until then. */
  #dmaFreeAt: Nanoseconds = WIDE;
  /** The queues that are enabled, in the order of their numbers, and whose turn it is among them. */
  #enabled: readonly TxQueue[] = [];
  #turn = 0;
  /** Bytes a ns at which payload comes, and the slot's timing for which that holds. */
  #rate: number = WIDE;
  #rateOf: PcieTiming | null = null;
  /** Doorbells under way. */
  #ringing = 0;
  /** Faults on demand: queues that have stopped working. */
  readonly hung = new Uint8Array(TX_QUEUES);

  constructor(device: IgbDevice) {
    this.#device = device;
    this.#segmenter = new Segmenter(device.simulation.bytes);
    this.buffer = new TxBuffer(device);
    this.queues = Array.from({ length: TX_QUEUES }, (_, index) => new TxQueue(index));
    this.#timer = new Timer(`${device.name} transmit`, () => this.run());
  }

  reset(): void {
    for (const queue of this.queues) queue.reset();
    this.#listEnabled();
    this.requestsWritten();
    this.hung.fill(QUEUE_WORKS);
    this.#device.faults.resetTx += this.buffer.packets;
    this.buffer.clear();
    this.#fetching = false;
    this.#doneAt = NEVER;
    this.#device.simulation.cancel(this.#timer);
  }

  // --- registers ---

  ringWritten(index: number): void {
    const queue = this.queues[index]!;
    const registers = this.#device.registers;
    queue.base = registers.get(R.E1000_TDBAL(index)) + registers.get(R.E1000_TDBAH(index)) * 0x1_0000_0000;
    queue.size = registers.get(R.E1000_TDLEN(index)) / DESCRIPTOR_SIZE;
  }

  headWritebackWritten(index: number): void {
    const low = this.#device.registers.get(R.E1000_TDWBAL(index));
    const high = this.#device.registers.get(R.E1000_TDWBAH(index));
    const enabled = (low & D.E1000_TDWBAL_HEAD_WB_ENABLE) !== 0;
    this.queues[index]!.headWriteback = enabled ? (low & ~3) + high * 0x1_0000_0000 : 0;
  }

  head(index: number): number {
    return this.queues[index]!.head;
  }

  headWritten(index: number, value: number): void {
    this.queues[index]!.head = value & 0xffff;
  }

  enableWritten(index: number, value: number): void {
    const queue = this.queues[index]!;
    queue.control(value);
    const enable = (value & D.E1000_TXDCTL_QUEUE_ENABLE) !== 0;
    if (enable) queue.enabled = true;
    else if (queue.enabled) this.#stop(queue);
    this.#listEnabled();
    this.#schedule();
  }

  #listEnabled(): void {
    const next = this.#enabled[this.#turn]?.index ?? 0;
    this.#enabled = this.queues.filter(({ enabled }) => enabled);
    this.#turn = Math.max(
      0,
      this.#enabled.findIndex(({ index }) => index >= next),
    );
  }

  #stop(queue: TxQueue): void {
    if (this.#fetching && this.#packet.queue === queue) {
      this.#fetching = false;
      this.#doneAt = NEVER;
    }
    queue.stop();
  }

  controlWritten(): void {
    this.#schedule();
  }

  /** A doorbell is under way: the first packet it announces to an idle engine will have been fetched when the timer fires. */
  tailIssued(index: number, value: number, time: Nanoseconds): void {
    this.#ringing++;
    const queue = this.queues[index]!;
    const timing = this.#device.host.timing;
    const bytes = this.#fetching ? 0 : queue.bytesAhead(this.#device.host.dma, value);
    const start = Math.max(time + 2 * timing.readLatencyNs, this.#dmaFreeAt);
    this.#armBy(start + Math.round(bytes / this.#bytesPerNs(timing)));
  }

  tailWritten(index: number, value: number, time: Nanoseconds): void {
    if (this.#ringing > 0) this.#ringing--;
    const queue = this.queues[index]!;
    queue.tail = value & 0xffff;
    queue.cache.fetch(queue.until(queue.tail), time, this.#device.host.timing.readLatencyNs);
  }

  // --- the engine ---

  /** The timer: everything that is due. */
  run(): void {
    this.#device.applyWrites(this.#device.simulation.now);
    const due = this.buffer.transmit();
    const next = this.#fetch();
    // What has been fetched now waits behind what waited before.
    this.#armBy(Math.min(next, this.#nextDoorbell, due === NEVER ? this.buffer.transmit() : due));
  }

  /** When to look again for doorbells that are under way. */
  get #nextDoorbell(): Nanoseconds {
    return this.#ringing === 0 ? NEVER : Math.max(this.#device.nextWriteAt, this.#device.simulation.now + 1);
  }

  /** Something changed (link, pause, room, a queue): look again now. */
  #schedule(): void {
    this.#armBy(this.#device.simulation.now);
  }

  kick(): void {
    this.#schedule();
  }

  #armBy(time: Nanoseconds): void {
    if (time === NEVER) return;
    if (!this.#timer.pending || this.#timer.expires > time) this.#device.simulation.at(time, this.#timer);
  }

  /** Fetches what can have been fetched by now; returns when to look again. */
  #fetch(): Nanoseconds {
    const { now } = this.#device.simulation;
    const size = (this.#device.registers.u32[TXPBS]! & D.E1000_TXPBS_SIZE_MASK) * 1024;
    for (;;) {
      if (!this.#fetching && !this.#pick(now)) return NEVER;
      if (this.#doneAt !== NEVER) {
        if (this.#doneAt > now) return this.#doneAt;
        this.#complete(now);
        continue;
      }
      const bytes = this.#nextBytes();
      // The first byte needs room; that the last one fits is the length limit's business (a frame is never longer than the buffer).
      if (!this.buffer.hasRoom(Math.min(bytes, size), size)) return this.buffer.isEmpty ? this.buffer.leavesAt : NEVER;
      if (this.#readyAt > now && this.#packet.made === 0) return this.#readyAt;
      this.#build(Math.max(this.#readyAt, now));
    }
  }

  /** Chooses the next packet, queue after queue, and computes when its first frame is there. */
  #pick(now: Nanoseconds): boolean {
    if ((this.#device.registers.u32[TCTL]! & D.E1000_TCTL_EN) === 0) return false;
    const enabled = this.#enabled;
    const first = this.#turn;
    for (let i = 0; i < enabled.length; i++) {
      const place = first + i < enabled.length ? first + i : first + i - enabled.length;
      const queue = enabled[place]!;
      if (!queue.waiting) continue;
      if (this.hung[queue.index] !== QUEUE_WORKS && this.#isHung(queue)) continue;
      if (!this.#packet.read(this.#device.host.dma, this.#device.name, queue)) continue;
      this.#turn = place + 1 === enabled.length ? 0 : place + 1;
      this.#fetching = true;
      const timing = this.#device.host.timing;
      const onChipAt = queue.cache.readyAt(queue.until(this.#packet.end), queue.until(queue.tail), now, timing.readLatencyNs);
      this.#dmaFreeAt = Math.max(this.#dmaFreeAt, onChipAt + timing.readLatencyNs);
      this.#readyAt = this.#dmaFreeAt + Math.round(this.#nextBytes() / this.#bytesPerNs(timing));
      return true;
    }
    return false;
  }

  /** A read that the IOMMU refuses never completes: the queue waits for it until the device is reset. */
  #isHung(queue: TxQueue): boolean {
    if (this.hung[queue.index] !== QUEUE_BLOCKED) return true;
    const { host, name } = this.#device;
    if (!this.#packet.read(host.dma, name, queue)) return false;
    this.hung[queue.index] = QUEUE_HUNG;
    host.dmaFault?.(this.#packet.addresses[0]!, false);
    return true;
  }

  /** The link's bandwidth, or less where the requests under way (DTXMXSZRQ) do not cover the latency. */
  #bytesPerNs(timing: PcieTiming): number {
    if (timing !== this.#rateOf) {
      const underWay = this.#device.registers.get(R.E1000_DTXMXSZRQ) * REQUEST_UNIT;
      this.#rateOf = timing;
      this.#rate = timing.readLatencyNs > 0 ? Math.min(timing.bytesPerNs, underWay / timing.readLatencyNs) : timing.bytesPerNs;
    }
    return this.#rate;
  }

  requestsWritten(): void {
    this.#rateOf = null;
  }

  /** Bytes to fetch for the next frame. */
  #nextBytes(): number {
    const packet = this.#packet;
    return packet.isSegmented ? packet.context.headerLength + packet.nextPayload : packet.total;
  }

  #build(readyAt: Nanoseconds): void {
    const packet = this.#packet;
    const frame = packet.isSegmented ? this.#buildSegment() : this.#buildWhole();
    frame.queue = packet.queue!.index;
    frame.id = packet.tag === 0 ? 0 : packet.tag + packet.made;
    packet.made++;
    this.#dmaFreeAt = readyAt;
    this.buffer.push(
      frame,
      readyAt,
      packet.first,
      packet.made === 1 && (packet.command & D.E1000_ADVTXD_MAC_TSTAMP) !== 0 && !packet.legacy,
    );
    if (packet.made === packet.segments) this.#doneAt = readyAt;
    else this.#readyAt = readyAt + Math.round(this.#nextBytes() / this.#bytesPerNs(this.#device.host.timing));
  }

  /** Room for the tag if one is to be put in, which needs CTRL.VME (7.4.2). */
  #vlanRoom(): number {
    return this.#packet.wantsVlan && (this.#device.registers.u32[CTRL]! & D.E1000_CTRL_VME) !== 0 ? VLAN_TAG : 0;
  }

  #buildWhole(): Frame {
    const packet = this.#packet;
    const vlan = this.#vlanRoom();
    const length = packet.total + vlan;
    const pads = (this.#device.registers.u32[TCTL]! & D.E1000_TCTL_PSP) !== 0;
    const frame = this.#device.pool.take(pads && length < MIN_FRAME ? MIN_FRAME : length);
    const at = frame.start + vlan;
    packet.gather(this.#device.host.dma, this.#device.name, frame.block, at, packet.total);
    if (packet.legacy) {
      if ((packet.command & D.E1000_TXD_CMD_IC) !== 0) insertLegacyChecksum(frame, at, packet.total, packet.css, packet.cso);
    } else {
      const ip = (packet.options & D.E1000_ADVTXD_POPTS_IXSM) !== 0;
      const l4 = (packet.options & D.E1000_ADVTXD_POPTS_TXSM) !== 0;
      if (ip || l4) insertChecksums(frame, at, packet.total, packet.context, ip, l4);
    }
    if (vlan > 0) this.#insertVlan(frame);
    pad(frame, length);
    return frame;
  }

  #buildSegment(): Frame {
    const packet = this.#packet;
    const dma = this.#device.host.dma;
    const header = packet.context.headerLength;
    if (packet.made === 0) this.#beginSegments(header);
    const payload = packet.nextPayload;
    const vlan = this.#vlanRoom();
    const frame = this.#device.pool.take(header + payload + vlan);
    const at = frame.start + vlan;
    packet.gather(dma, this.#device.name, frame.block, at + header, payload);
    this.#segmenter.writeHeader(frame, at, packet.made, payload, packet.made === packet.segments - 1);
    if (vlan > 0) this.#insertVlan(frame);
    return frame;
  }

  #beginSegments(header: number): void {
    const packet = this.#packet;
    const registers = this.#device.registers;
    packet.gather(this.#device.host.dma, this.#device.name, this.#segmenter.header, 0, header);
    const ip = (packet.options & D.E1000_ADVTXD_POPTS_IXSM) !== 0;
    const lastFlags = registers.get(R.E1000_DTXTCPFLGH) & this.#device.options.lastSegmentFlags;
    this.#segmenter.begin(packet.context, ip, registers.get(R.E1000_DTXTCPFLGL), lastFlags);
    this.#device.statistics.count(R.E1000_TSCTC);
  }

  #insertVlan(frame: Frame): void {
    const packet = this.#packet;
    const tag = packet.legacy ? packet.special : packet.context.vlan;
    insertVlanTag(frame, this.#device.registers.u32[VET]! & 0xffff, tag);
  }

  /** The packet is in the packet buffer: report it. */
  #complete(now: Nanoseconds): void {
    const packet = this.#packet;
    const queue = packet.queue!;
    this.#fetching = false;
    this.#doneAt = NEVER;
    queue.cache.use(queue.until(packet.end));
    queue.head = packet.end;
    queue.cache.fetch(queue.until(queue.tail), now, this.#device.host.timing.readLatencyNs);
    if (packet.reportCount === 0) return;
    for (let i = 0; i < packet.reportCount; i++) queue.addUnwritten(packet.reports[i]!);
    if (queue.unwrittenCount >= queue.writebackThreshold || !this.#device.interrupts.txModerated(queue.index, now))
      this.#writeBack(queue, now);
    else this.#device.interrupts.wakeAtExpiry(queue.index);
  }

  /** Marks collected descriptors as done, or writes the head, and raises the queue's interrupt. */
  #writeBack(queue: TxQueue, now: Nanoseconds): void {
    const dma = this.#device.host.dma;
    if (queue.headWriteback !== 0) {
      const section = dma.access(this.#device.name, queue.headWriteback, 4, true);
      section.view.setUint32(sectionOffset(queue.headWriteback), queue.head, true);
    } else {
      for (let i = 0; i < queue.unwrittenCount; i++) {
        const address = queue.base + queue.unwritten[i]! * DESCRIPTOR_SIZE;
        const section = dma.access(this.#device.name, address, DESCRIPTOR_SIZE, true);
        const at = (sectionOffset(address) + STATUS) >> 2;
        section.u32[at] = this.#doneStatus(section.u32[at]!);
      }
    }
    queue.unwrittenCount = 0;
    this.#device.interrupts.causeTx(queue.index, now + this.#device.host.timing.writeLatencyNs);
  }

  /** Simplified: the rest of the descriptor is left as it was; the device may write anything there. */
  #doneStatus(word: number): number {
    return word | D.E1000_TXD_STAT_DD;
  }

  /** A vector's moderation interval is over: what was collected for fewer, larger writes goes out (7.2.3.4). */
  flushWritebacks(now: Nanoseconds): void {
    for (const queue of this.#enabled) if (queue.unwrittenCount > 0) this.#writeBack(queue, now);
  }
}
