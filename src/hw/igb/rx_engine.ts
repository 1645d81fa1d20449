/**
 * Reception (datasheet 7.1): the MAC's checks and filters → packet buffer → queue → DMA into host buffers → write-back and interrupt.
 *
 * A frame is looked at when its last bit has arrived; one timer delivers what waits in the packet buffer when its last byte is in host memory. The
 * buffer is one queue: a frame for a ring without descriptors holds up those behind it, unless its ring drops (SRRCTL.DROP_EN).
 *
 * Simplified: there are no VMDq pools, and five-tuple filters know neither priorities nor the conditions of IMIREXT. A packet that needs several descriptors
 * waits until there are enough of them.
 */

import type { Nanoseconds } from '../../sim/time.ts';
import { Timer } from '../../sim/timer.ts';
import { WIDE } from '../../sim/wide.ts';
import type { Frame } from '../../wire/frame.ts';
import { Classifier } from './classify.ts';
import * as D from './e1000_defines.ts';
import { DESCRIPTOR_SIZE } from './e1000_desc.ts';
import * as R from './e1000_regs.ts';
import type { IgbDevice } from './igb_device.ts';
import { NO_FILTER } from './queue_filters.ts';
import { registerMap } from './registers.ts';
import { type Entry, RxBuffer } from './rx_buffer.ts';
import { RxMac } from './rx_mac.ts';
import { RX_QUEUES, RxQueue } from './rx_queue.ts';
import { RxWriter } from './rx_writer.ts';

/** Slots of the registers that every frame needs. */
const MRQC = registerMap.slotOf(R.E1000_MRQC);
const NO_QUEUE = -1;

export class RxEngine {
  readonly queues: readonly RxQueue[];
  readonly mac: RxMac;
  readonly writer: RxWriter;
  readonly #device: IgbDevice;
  readonly #classifier: Classifier;
  readonly #timer: Timer;
  readonly #buffer = new RxBuffer();
  /** The write side of the PCIe link is busy until then. */
  #dmaFreeAt: Nanoseconds = WIDE;
  /** The ring the first frame waits for. */
  #blockedOn = NO_QUEUE;
  /** Faults on demand, by queue: doorbells are held up. */
  readonly #starved = new Uint8Array(RX_QUEUES);

  constructor(device: IgbDevice) {
    this.#device = device;
    this.#classifier = new Classifier(device.rss, device.registers);
    this.mac = new RxMac(device);
    this.writer = new RxWriter(device);
    this.queues = Array.from({ length: RX_QUEUES }, (_, index) => new RxQueue(index));
    this.#timer = new Timer(`${device.name} receive`, () => this.#run());
    this.reset();
  }

  reset(): void {
    this.#discardAll();
    for (const queue of this.queues) {
      queue.reset();
      queue.configure(this.#device.registers.get(R.E1000_SRRCTL(queue.index)));
    }
    this.mac.enabled = false;
    this.#blockedOn = NO_QUEUE;
    this.#device.simulation.cancel(this.#timer);
  }

  // --- registers ---

  controlWritten(rctl: number): void {
    this.mac.enabled = (rctl & D.E1000_RCTL_EN) !== 0;
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
    queue.control(value);
    if ((value & D.E1000_RXDCTL_SWFLSH) !== 0) {
      this.#device.registers.set(R.E1000_RXDCTL(index), value & ~D.E1000_RXDCTL_SWFLSH);
      this.#flush(queue, this.#device.simulation.now);
    }
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
    const latencyNs = this.#device.host.timing.readLatencyNs;
    queue.tail = value & 0xffff;
    queue.cache.fetch(queue.available, time, latencyNs);
    if (this.#blockedOn !== index) return;
    this.#blockedOn = NO_QUEUE;
    this.#arm(queue.available === 0 ? time : queue.cache.readyAt(1, queue.available, time, latencyNs));
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
    const reason = this.mac.admit(frame, now, this.#buffer.bytes);
    if (reason === null) {
      this.#store(frame, now, loopback);
      return;
    }
    if (this.#device.observers.length > 0) this.#device.notifyReceived(frame, NO_QUEUE, now, 0, reason);
    this.#device.pool.release(frame);
  }

  #store(frame: Frame, now: Nanoseconds, loopback: boolean): void {
    const device = this.#device;
    const { inexact, bad } = this.mac;
    const entry = this.#buffer.push(frame);
    const mrqc = device.registers.u32[MRQC]!;
    if (bad) entry.found.clear();
    else this.#classifier.classify(frame, entry.found);
    entry.queue = device.queueFilters.active ? this.#filteredQueue(entry, mrqc) : this.#queueFor(mrqc, entry.found.rssHash);
    entry.status =
      (inexact ? D.E1000_RXD_STAT_PIF : 0) | (loopback ? D.E1000_RXDEXT_STATERR_LB : 0) | (bad ? D.E1000_RXDEXT_STATERR_RXE : 0);
    if (device.clock.stampsReceived && device.clock.stampReceive(frame, now)) entry.status |= D.E1000_RXD_STAT_TS;
    this.#dmaFreeAt = Math.max(this.#dmaFreeAt, now) + Math.round(frame.length / device.host.timing.bytesPerNs);
    entry.readyAt = this.#dmaFreeAt + device.host.timing.writeLatencyNs;
    if (device.observers.length > 0) device.notifyReceived(frame, entry.queue, now, entry.found.rssHash, null);
    if (this.#buffer.count === 1) this.#arm(entry.readyAt);
    device.bufferFilled(this.#buffer.bytes, now);
  }

  /** A filter's queue, or what RSS says. An Ethertype filter replaces the packet type in the descriptor (7.1.5.2). */
  #filteredQueue({ frame, found }: Entry, mrqc: number): number {
    const filters = this.#device.queueFilters;
    const queue = filters.queue(frame!, found.vlan);
    if (filters.ethertype !== NO_FILTER)
      found.pktInfo = (found.pktInfo & D.E1000_RXDADV_RSSTYPE_MASK) | D.E1000_RXDADV_PKTTYPE_ETQF | (filters.ethertype << 4);
    return queue === NO_FILTER ? this.#queueFor(mrqc, found.rssHash) : queue;
  }

  #queueFor(mrqc: number, hash: number): number {
    if ((mrqc & D.E1000_MRQC_ENABLE_MASK) === D.E1000_MRQC_ENABLE_RSS_MQ) return this.#device.rss.queue(hash);
    return (mrqc & D.E1000_MRQC_DEF_Q_MASK) >>> D.E1000_MRQC_DEF_Q_SHIFT;
  }

  // --- to the host ---

  #arm(time: Nanoseconds): void {
    const at = Math.max(time, this.#device.simulation.now);
    if (!this.#timer.pending || this.#timer.expires > at) this.#device.simulation.at(at, this.#timer);
  }

  #run(): void {
    const now = this.#device.simulation.now;
    const buffer = this.#buffer;
    this.#device.applyWrites(now);
    const { readLatencyNs: latencyNs } = this.#device.host.timing;
    while (buffer.count > 0) {
      const entry = buffer.head;
      if (entry.readyAt > now) {
        this.#arm(entry.readyAt);
        break;
      }
      const queue = this.queues[entry.queue]!;
      const onChipAt = queue.available === 0 ? now : queue.cache.readyAt(1, queue.available, now, latencyNs);
      if (onChipAt > now) {
        this.#arm(onChipAt);
        break;
      }
      if (!this.#deliver(entry, queue, now)) break;
      this.#device.pool.release(buffer.pop());
    }
    this.#device.bufferDrained(buffer.bytes);
  }

  /** Writes a frame to host memory, or drops it; false while it has to wait for descriptors. */
  #deliver(entry: Entry, queue: RxQueue, now: Nanoseconds): boolean {
    const device = this.#device;
    const { head } = queue;
    const used = this.writer.write(entry, queue, now);
    if (used === 0) return this.#starve(entry, queue, now);
    if (device.observers.length > 0) device.notifyStored(entry.frame!, queue.index, now, head);
    queue.cache.use(used);
    queue.cache.fetch(queue.available, now, device.host.timing.readLatencyNs);
    device.statistics.passedToHost(entry.frame!.length);
    if (queue.heldCount === 0) device.interrupts.causeRx(queue.index, now);
    else if (queue.heldCount >= queue.writebackThreshold) this.#flush(queue, now);
    else device.interrupts.wakeRxAtExpiry(queue.index);
    if (queue.minimumThreshold > 0 && queue.available <= queue.minimumThreshold) device.interrupts.causeOther(D.E1000_ICR_RXDMT0, now);
    return true;
  }

  /** Writes back what is held, and raises the queue's interrupt. */
  #flush(queue: RxQueue, now: Nanoseconds): void {
    if (queue.heldCount === 0) return;
    this.writer.flush(queue);
    this.#device.interrupts.causeRx(queue.index, now);
  }

  /** A vector's moderation interval is over: its queues need not wait for more packets (7.1.6.1). */
  flushWritebacks(vector: number, now: Nanoseconds): void {
    for (const queue of this.queues)
      if (queue.heldCount > 0 && this.#device.interrupts.rxVector(queue.index) === vector) this.#flush(queue, now);
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

  #discardAll(): void {
    const now = this.#device.simulation.now;
    while (this.#buffer.count > 0) {
      const { frame, queue } = this.#buffer.head;
      this.#device.faults.resetRx++;
      if (this.#device.observers.length > 0) this.#device.notifyDiscarded(frame!, queue, now, 'reset');
      this.#device.pool.release(this.#buffer.pop());
    }
  }
}
