/**
 * The Intel 82576 (one port of it) as a PCI device and as a port of a cable. The parts do the work; here they are put together: register access,
 * reset, link, and the way to and from the wire.
 */
import type { DeviceFault } from '../../machine/fault.ts';
import type { PciDevice, PciHost } from '../../machine/pci.ts';
import { InvariantError } from '../../sim/invariant.ts';
import type { Simulation } from '../../sim/simulation.ts';
import type { Nanoseconds } from '../../sim/time.ts';
import { Timer } from '../../sim/timer.ts';
import { WIDE } from '../../sim/wide.ts';
import type { Frame, FramePool } from '../../wire/frame.ts';
import type { Port, WireEnd } from '../../wire/port.ts';
import { Clock } from './clock.ts';
import * as D from './e1000_defines.ts';
import * as R from './e1000_regs.ts';
import { Faults } from './faults.ts';
import { Filter } from './filter.ts';
import { FlowControl, PAUSE_QUANTUM_BITS } from './flow_control.ts';
import { Interrupts, VECTORS } from './interrupts.ts';
import { Nvm } from './nvm.ts';
import type { DropReason, NicObserver, RegisterObserver } from './observer.ts';
import { Phy } from './phy.ts';
import { QueueFilters } from './queue_filters.ts';
import { PostedWrites, RegisterError } from './register_file.ts';
import { RegisterValues } from './register_values.ts';
import { registerMap } from './registers.ts';
import { Rss } from './rss.ts';
import { RxEngine } from './rx_engine.ts';
import { Statistics } from './statistics.ts';
import { TxEngine } from './tx_engine.ts';

export interface IgbOptions {
  /** What the slot lets through: MSI-X, at most MSI, or only the wire INTA (old machines, some virtual ones). */
  readonly interrupts: 'msix' | 'msi' | 'intx';
  /** The station address in the EEPROM. */
  readonly mac: Uint8Array;
  /** From the start of auto-negotiation to the link: about two seconds with real 1000BASE-T partners. */
  readonly autonegotiationNs: Nanoseconds;
  /** One step of EITR's interval: 1 µs by the datasheet (8.8.14). */
  readonly interruptStepNs: Nanoseconds;
  /** How EITR spaces messages: as the datasheet says, or as QEMU does (interrupts.ts). */
  readonly moderation: 'datasheet' | 'qemu';
  /** TCP flags that the last segment of a large send may keep, beside what DTXTCPFLGH says. */
  readonly lastSegmentFlags: number;
}

export const igbDefaults: IgbOptions = {
  interrupts: 'msix',
  mac: Uint8Array.of(0x02, 0, 0, 0, 0, 1),
  autonegotiationNs: 1_000_000,
  interruptStepNs: 1000,
  moderation: 'datasheet',
  lastSegmentFlags: 0xfff,
};

/**
 * The 82576 as QEMU 10 emulates it: it takes EITR's whole register, two unused bits included, in units of 1.024 µs, moderates in its own way, and its
 * segmentation takes FIN and PSH out of the last segment, too.
 */
export const qemuIgb: Partial<IgbOptions> = { interruptStepNs: 4096, moderation: 'qemu', lastSegmentFlags: 0xff6 };

export class IgbDevice implements PciDevice, Port {
  readonly name: string;
  readonly vendorId = 0x8086;
  readonly deviceId = 0x10c9;
  readonly subsystemVendorId = 0x8086;
  readonly subsystemId = 0x10c9;
  readonly revision = 1;
  readonly msixVectors: number;
  readonly hasMsi: boolean;

  readonly simulation: Simulation;
  readonly pool: FramePool;
  readonly options: IgbOptions;
  readonly observers: NicObserver[] = [];
  registerObserver: RegisterObserver | null = null;

  readonly registers: RegisterValues;
  readonly statistics: Statistics;
  readonly nvm: Nvm;
  readonly clock: Clock;
  readonly filter: Filter;
  readonly queueFilters: QueueFilters;
  readonly rss: Rss;
  readonly phy: Phy;
  readonly interrupts: Interrupts;
  readonly flowControl: FlowControl;
  readonly tx: TxEngine;
  readonly rx: RxEngine;
  readonly faults: Faults;

  linkUp = false;
  /** Frames go to our own receiver instead of the wire. */
  loopback = false;
  /** The MAC can send. */
  canTransmit = false;

  #host: PciHost | null = null;
  #end: WireEnd | null = null;
  readonly #writes = new PostedWrites();
  readonly #arrival: Timer;
  #applying = false;
  /** Until then arrivals are events. */
  #wantedUntil: Nanoseconds = WIDE;
  /** Loopback: the port's own wire. */
  #loopbackFreeAt: Nanoseconds = WIDE;

  constructor(name: string, simulation: Simulation, pool: FramePool, options: Partial<IgbOptions> = {}) {
    this.name = name;
    this.simulation = simulation;
    this.pool = pool;
    this.options = { ...igbDefaults, ...options };
    this.msixVectors = this.options.interrupts === 'msix' ? VECTORS : 0;
    this.hasMsi = this.options.interrupts !== 'intx';
    this.registers = new RegisterValues(registerMap, name);
    this.statistics = new Statistics(this.registers);
    this.nvm = new Nvm(this.registers, this.options.mac);
    this.clock = new Clock(simulation, this.registers);
    this.filter = new Filter(this.registers);
    this.queueFilters = new QueueFilters(this.registers);
    this.rss = new Rss(this.registers);
    this.phy = new Phy(this);
    this.interrupts = new Interrupts(this);
    this.flowControl = new FlowControl(this);
    this.faults = new Faults(this);
    this.tx = new TxEngine(this);
    this.rx = new RxEngine(this);
    this.nvm.loadAddress();
    this.#arrival = new Timer(`${name} posted writes`, () => this.#arrived());
  }

  get host(): PciHost {
    if (this.#host === null) throw new InvariantError(`${this.name} is in no slot`);
    return this.#host;
  }

  // --- PciDevice ---

  attach(host: PciHost): void {
    this.#host = host;
  }

  /** A read pushes the writes that were posted before it (PCI Express, ordering rules). */
  readl(offset: number): number {
    this.applyWrites(Number.POSITIVE_INFINITY);
    this.statistics.update();
    const registers = this.registers;
    const slot = registers.slot(offset);
    const effects = registers.map.effects[slot]!;
    if (effects.access === 'WO') throw new RegisterError(this.name, `read of write-only ${registers.map.nameOf(slot)}`, offset);
    const stored = registers.u32[slot]!;
    const value = effects.read === null ? stored : effects.read(this, registers.map.indices[slot]!, stored);
    if (effects.access === 'RC') registers.u32[slot] = 0;
    if (this.registerObserver !== null) this.registerObserver.access(this.name, false, registers.map.nameOf(slot), value >>> 0);
    return value >>> 0;
  }

  writel(offset: number, value: number, time: Nanoseconds): void {
    const registers = this.registers;
    const slot = registers.slot(offset);
    const effects = registers.map.effects[slot]!;
    if (effects.access === 'RO' || (effects.access === 'RC' && effects.written === null))
      throw new RegisterError(this.name, `write to read-only ${registers.map.nameOf(slot)}`, offset);
    if (this.registerObserver !== null) this.registerObserver.access(this.name, true, registers.map.nameOf(slot), value >>> 0);
    const arrival = this.#writes.add(slot, value >>> 0, Math.max(time, this.simulation.now));
    if (effects.issued !== null) effects.issued(this, registers.map.indices[slot]!, value >>> 0, arrival);
  }

  /** Applies the writes that have arrived by `until`. */
  applyWrites(until: Nanoseconds): void {
    if (this.#writes.empty || this.#applying) return;
    this.#applying = true;
    try {
      for (let slot = this.#writes.due(until); slot >= 0; slot = this.#writes.due(until)) {
        const value = this.#writes.value;
        const time = this.#writes.nextTime;
        this.#writes.next();
        this.#apply(slot, value, time);
      }
    } finally {
      this.#applying = false;
    }
    if (this.#arrival.pending && this.#writes.empty) this.simulation.cancel(this.#arrival);
  }

  /** Stores a write and sets off what it does. */
  #apply(slot: number, value: number, time: Nanoseconds): void {
    const registers = this.registers;
    const effects = registers.map.effects[slot]!;
    const u32 = registers.u32;
    if (effects.access === 'RW1C') u32[slot] = u32[slot]! & ~value;
    else if (effects.access === 'RW' || effects.access === 'WO') {
      const { writable } = effects;
      u32[slot] = (u32[slot]! & ~writable) | (value & writable);
    }
    if (effects.written !== null) effects.written(this, registers.map.indices[slot]!, effects.access === 'RW' ? u32[slot]! : value, time);
  }

  /** The arrival of a write at `time` is an event of its own. */
  wakeForWrites(time: Nanoseconds): void {
    if (time > this.#wantedUntil) this.#wantedUntil = time;
    if (!this.#arrival.pending || this.#arrival.expires > time) this.simulation.at(time, this.#arrival);
  }

  #arrived(): void {
    this.applyWrites(this.simulation.now);
    if (!this.#writes.empty && this.#wantedUntil > this.simulation.now) this.wakeForWrites(this.#writes.nextTime);
  }

  /** Something waits for software: whatever is under way may be what it waits for. */
  watchPendingWrites(): void {
    if (this.#writes.empty) return;
    this.#wantedUntil = Math.max(this.#wantedUntil, this.#writes.lastTime);
    this.wakeForWrites(Math.max(this.#writes.nextTime, this.simulation.now));
  }

  get nextWriteAt(): Nanoseconds {
    return this.#writes.nextTime;
  }

  inject(fault: DeviceFault): void {
    this.applyWrites(this.simulation.now);
    this.faults.inject(fault);
  }

  // --- general registers ---

  /** STATUS: link, speed and mastership as they are now. */
  status(): number {
    const control = this.registers.get(R.E1000_CTRL);
    let status = 0x80000001 | (this.registers.get(R.E1000_STATUS) & D.E1000_STATUS_PHYRA);
    if ((control & D.E1000_CTRL_GIO_MASTER_DISABLE) === 0) status |= D.E1000_STATUS_GIO_MASTER_ENABLE;
    if (this.linkUp) status |= D.E1000_STATUS_LU;
    if (this.tx.buffer.pausedUntil > this.simulation.now) status |= D.E1000_STATUS_TXOFF;
    if (!this.phy.linkUp || this.phy.speed === D.SPEED_1000) status |= D.E1000_STATUS_SPEED_1000;
    else if (this.phy.speed === D.SPEED_100) status |= D.E1000_STATUS_SPEED_100;
    return status >>> 0;
  }

  controlWritten(value: number, time: Nanoseconds): void {
    if ((value & (D.E1000_CTRL_RST | D.E1000_CTRL_DEV_RST)) !== 0) this.#reset(time);
    else if ((value & D.E1000_CTRL_PHY_RST) !== 0) {
      this.phy.hardReset(time);
      this.registers.set(R.E1000_STATUS, this.registers.get(R.E1000_STATUS) | D.E1000_STATUS_PHYRA);
      this.registers.set(R.E1000_CTRL, value & ~D.E1000_CTRL_PHY_RST);
    }
    this.updateLink();
  }

  /** CTRL_EXT.EE_RST reads the EEPROM again, and clears itself (8.2.3). */
  extendedControlWritten(value: number): void {
    if ((value & D.E1000_CTRL_EXT_EE_RST) === 0) return;
    this.registers.set(R.E1000_CTRL_EXT, value & ~D.E1000_CTRL_EXT_EE_RST);
    this.nvm.loadAddress();
    this.filter.addressesWritten();
  }

  /** CTRL.RST (4.2.1.5): everything but the PHY, the semaphores and what wake-up needs. */
  #reset(time: Nanoseconds): void {
    this.statistics.update();
    this.registers.reset();
    this.interrupts.reset();
    this.tx.reset();
    this.rx.reset();
    this.clock.reset(time);
    this.flowControl.reset();
    this.rss.keyWritten();
    this.filter.addressesWritten();
    this.queueFilters.changed();
    this.nvm.loadAddress();
  }

  /** SWSM: a read returns whether SMBI was taken, and takes it. */
  takeSemaphore(value: number): number {
    this.registers.set(R.E1000_SWSM, value | D.E1000_SWSM_SMBI);
    return value;
  }

  // --- link ---

  connect(end: WireEnd): void {
    this.#end = end;
    if (end.rateBps > 0) this.linkChanged(end.rateBps);
  }

  /** Port: the cable's other end came or went. */
  linkChanged(rateBps: number): void {
    this.applyWrites(this.simulation.now);
    this.phy.cable(rateBps, this.simulation.now);
    this.updateLink();
  }

  /** The PHY's link came up or went down. */
  linkChangedTo(now: Nanoseconds): void {
    if (this.#host === null) return;
    this.applyWrites(this.simulation.now);
    this.updateLink();
    this.interrupts.causeOther(D.E1000_ICR_LSC, now);
  }

  /** The PHY has begun or stopped to send a signal. */
  signal(on: boolean): void {
    this.#end?.signal(on);
  }

  /** The next `count` frames will arrive damaged. */
  damage(count: number): void {
    this.#end?.damage(count);
  }

  get rateBps(): number {
    return this.#end === null || this.#end.rateBps === 0 ? 1e9 : this.#end.rateBps;
  }

  /** Something changed that decides whether frames can leave, and where to: CTRL, RCTL, the PHY or the cable. */
  updateLink(): void {
    const slu = (this.registers.get(R.E1000_CTRL) & D.E1000_CTRL_SLU) !== 0;
    this.loopback = (this.registers.get(R.E1000_RCTL) & D.E1000_RCTL_LBM_MASK) !== 0 || this.phy.loopback;
    this.linkUp = this.phy.linkUp && (slu || this.loopback);
    this.canTransmit = this.loopback || (this.linkUp && this.#end !== null && this.#end.rateBps > 0);
    this.tx.kick();
  }

  // --- to and from the wire ---

  get wireFreeAt(): Nanoseconds {
    return this.loopback ? this.#loopbackFreeAt : this.#end!.freeAt;
  }

  /** Sends a frame now. Its last bit and the gap will have left at `wireFreeAt`. */
  putOnWire(frame: Frame, descriptor: number, stamped: boolean): void {
    const first = frame.u8[frame.start]!;
    const multicast = (first & 1) !== 0;
    // Pause frames of our own making (no descriptor) are counted in XONTXC and XOFFTXC only (8.18.28).
    if (descriptor >= 0) this.statistics.sent(frame.length, multicast, multicast && this.filter.isBroadcast(frame));
    if (stamped) this.clock.stampTransmit(this.#wireStart);
    if (this.observers.length > 0) this.#notifyTransmitted(frame, this.#wireStart, descriptor);
    if (this.loopback) this.#sendToSelf(frame);
    else this.#end!.send(frame);
  }

  /** When a frame that is sent now gets on the wire. */
  get #wireStart(): Nanoseconds {
    return Math.max(this.simulation.now, this.wireFreeAt);
  }

  #sendToSelf(frame: Frame): void {
    this.#loopbackFreeAt = this.#wireStart + Math.round((frame.wireBytes * 8e9) / this.rateBps);
    this.simulation.once(this.#loopbackFreeAt, `${this.name} loopback`, () => this.rx.receive(frame, true));
  }

  /** Port: a frame has arrived. */
  receive(frame: Frame): void {
    if (this.loopback || !this.linkUp) {
      this.faults.receiverOff++;
      if (this.observers.length > 0) this.notifyReceived(frame, -1, this.simulation.now, 0, 'receiver disabled');
      this.pool.release(frame);
      return;
    }
    this.rx.receive(frame);
  }

  pauseTransmission(quanta: number, now: Nanoseconds): void {
    this.tx.buffer.pausedUntil = now + Math.round((quanta * PAUSE_QUANTUM_BITS * 1e9) / this.rateBps);
    this.tx.kick();
  }

  bufferFilled(bytes: number, now: Nanoseconds): void {
    this.flowControl.filled(bytes, now);
  }

  bufferDrained(bytes: number): void {
    this.flowControl.drained(bytes);
  }

  // --- observers ---

  #notifyTransmitted(frame: Frame, time: Nanoseconds, descriptor: number): void {
    for (const observer of this.observers) observer.transmitted(frame, frame.queue, time, descriptor);
  }

  notifyReceived(frame: Frame, queue: number, time: Nanoseconds, rssHash: number, dropped: DropReason | null): void {
    for (const observer of this.observers) observer.received(frame, queue, time, rssHash, dropped);
  }

  notifyStored(frame: Frame, queue: number, time: Nanoseconds, descriptor: number): void {
    for (const observer of this.observers) observer.stored(frame, queue, time, descriptor);
  }

  notifyDiscarded(frame: Frame, queue: number, time: Nanoseconds, reason: DropReason): void {
    for (const observer of this.observers) observer.discarded(frame, queue, time, reason);
  }
}
