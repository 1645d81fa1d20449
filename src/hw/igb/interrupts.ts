/**
 * Interrupts (datasheet 7.3, 8.8). Queues raise causes of a vector chosen by IVAR; a vector whose EICR bit is set and enabled in EIMS sends its MSI-X
 * message, but not before its EITR interval since the last one has passed. Sending clears the bit (EIAC) and disables the vector (EIAM).
 *
 * Without MSI-X mode there is one message (MSI; vector 0), causes are collected in ICR under IMS, and EITR[0] moderates.
 *
 * QEMU's 82576 moderates otherwise (`IgbOptions.moderation`): a timer starts with a message that is sent at once; its end sends another one, whether or not
 * there is a cause for it, and starts nothing, so that the next cause is again served at once. The vector stays enabled, so that messages come while the
 * driver polls, and a cause that is still set raises nothing new.
 */

import { type Nanoseconds, NSEC_PER_USEC } from '../../sim/time.ts';
import { Timer } from '../../sim/timer.ts';
import { WIDE } from '../../sim/wide.ts';
import * as D from './e1000_defines.ts';
import * as R from './e1000_regs.ts';
import type { IgbDevice } from './igb_device.ts';

export const VECTORS = 25;
const QUEUES = 16;
const NO_VECTOR = -1;
const CTRL_EXT_IAME = 0x08000000;
/** EITR shows its counter in bits 30:21: the upper ten of thirteen bits of µs, so one is 8 µs. */
const COUNTER_UNIT_NS = 8 * NSEC_PER_USEC;

export class Interrupts {
  /** Causes and masks as signed 32-bit: bit i is vector i. */
  eicr = 0;
  eims = 0;
  eiac = 0;
  eiam = 0;
  icr = 0;
  ims = 0;
  readonly #device: IgbDevice;
  /** Moderation is QEMU's. */
  readonly #emulated: boolean;
  readonly #rxVectors = new Int8Array(QUEUES).fill(NO_VECTOR);
  readonly #txVectors = new Int8Array(QUEUES).fill(NO_VECTOR);
  #miscVector = NO_VECTOR;
  #msixMode = false;
  #autoMask = false;
  #clearAlways = false;
  /** EITR: the interval of each vector, and the instant when its counter reaches zero. */
  readonly #intervals = new Float64Array(VECTORS);
  readonly #quietUntil = new Float64Array(VECTORS);
  readonly #timers: (Timer | null)[] = new Array<Timer | null>(VECTORS).fill(null);
  /** Writes to EIMS that have not arrived, and when the last of them will. */
  #enablesUnderWay = 0;
  #lastEnableAt: Nanoseconds = WIDE;

  constructor(device: IgbDevice) {
    this.#device = device;
    this.#emulated = device.options.moderation === 'qemu';
  }

  reset(): void {
    this.eicr = 0;
    this.eims = 0;
    this.eiac = 0;
    this.eiam = 0;
    this.icr = 0;
    this.ims = 0;
    this.#rxVectors.fill(NO_VECTOR);
    this.#txVectors.fill(NO_VECTOR);
    this.#miscVector = NO_VECTOR;
    this.writeGPIE(0);
    this.#intervals.fill(0);
    this.#quietUntil.fill(0);
    for (const timer of this.#timers) if (timer !== null) this.#device.simulation.cancel(timer);
  }

  /** A received packet of `queue` is in memory at `time`. */
  causeRx(queue: number, time: Nanoseconds): void {
    if (this.#msixMode) this.#cause(this.#rxVectors[queue]!, time);
    else this.causeOther(D.E1000_ICR_RXDW, time);
  }

  /** A descriptor of `queue` was written back at `time`. */
  causeTx(queue: number, time: Nanoseconds): void {
    if (this.#msixMode) this.#cause(this.#txVectors[queue]!, time);
    else this.causeOther(D.E1000_ICR_TXDW, time);
  }

  /** True when an interrupt of the queue's vector would have to wait: write-backs may be collected until then. */
  txModerated(queue: number, time: Nanoseconds): boolean {
    const vector = this.#msixMode ? this.#txVectors[queue]! : 0;
    return vector >= 0 && !this.#emulated && this.#quietUntil[vector]! > time;
  }

  /** The same for a receive queue. */
  rxModerated(queue: number, time: Nanoseconds): boolean {
    const vector = this.rxVector(queue);
    return vector >= 0 && this.#quietUntil[vector]! > time;
  }

  /** The vector of a receive queue; -1 when it has none. */
  rxVector(queue: number): number {
    return this.#msixMode ? this.#rxVectors[queue]! : 0;
  }

  wakeRxAtExpiry(queue: number): void {
    this.#arm(this.rxVector(queue));
  }

  /** Asks for `expired` of the queue's vector, so that collected write-backs are flushed then. */
  wakeAtExpiry(queue: number): void {
    const vector = this.#msixMode ? this.#txVectors[queue]! : 0;
    if (vector >= 0) this.#arm(vector);
  }

  /** Causes that are no queue's: link, receiver overrun, … (ICR). */
  causeOther(bits: number, time: Nanoseconds): void {
    this.icr = (this.icr | bits) >>> 0;
    if ((this.icr & this.ims) === 0) return;
    if (this.#msixMode) this.#cause(this.#miscVector, time);
    else this.#assertLegacy(time);
  }

  #cause(vector: number, time: Nanoseconds): void {
    if (vector < 0) return;
    const bit = 1 << vector;
    const known = this.#emulated && (this.eicr & bit) !== 0;
    this.eicr |= bit;
    if (known && (this.eims & bit) !== 0) return;
    if ((this.eims & bit) !== 0) this.#assert(vector, time);
    else if (this.#enablesUnderWay > 0) this.#device.wakeForWrites(Math.max(this.#lastEnableAt, this.#device.simulation.now));
  }

  #assert(vector: number, time: Nanoseconds): void {
    if (this.#emulated) this.#sendAndTime(vector, time);
    else if (this.#quietUntil[vector]! <= time) this.#fire(vector, time);
    else this.#arm(vector);
  }

  /** QEMU's way: nothing while the timer runs, which will send anyway; else at once, and the timer starts. */
  #sendAndTime(vector: number, time: Nanoseconds): void {
    if (this.#timers[vector]?.pending === true) return;
    this.#fire(vector, time);
    if (this.#quietUntil[vector]! > time) this.#arm(vector);
  }

  #assertLegacy(time: Nanoseconds): void {
    if (this.#quietUntil[0]! > time) {
      this.#arm(0);
      return;
    }
    this.#start(0, time);
  }

  #arm(vector: number): void {
    let timer = this.#timers[vector]!;
    if (timer === null) {
      timer = new Timer(`${this.#device.name} EITR[${vector}]`, () => this.#expired(vector));
      this.#timers[vector] = timer;
    }
    if (!timer.pending) this.#device.simulation.at(Math.max(this.#quietUntil[vector]!, this.#device.simulation.now), timer);
  }

  #expired(vector: number): void {
    const now = this.#device.simulation.now;
    this.#device.applyWrites(now);
    this.#device.tx.flushWritebacks(now);
    this.#device.rx.flushWritebacks(vector, now);
    if (this.#emulated && this.#msixMode) {
      this.#acknowledge(vector);
      this.#send(vector, now);
      return;
    }
    if (this.#quietUntil[vector]! > now) return;
    if (!this.#msixMode) {
      if ((this.icr & this.ims) !== 0) this.#start(0, now);
    } else if ((this.eicr & this.eims & (1 << vector)) !== 0) this.#fire(vector, now);
  }

  #fire(vector: number, time: Nanoseconds): void {
    const bit = 1 << vector;
    this.#start(vector, time);
    this.#acknowledge(vector);
    if (this.#autoMask && !this.#emulated && (this.eiam & bit) !== 0) this.eims &= ~bit;
  }

  #acknowledge(vector: number): void {
    this.eicr &= ~(this.eiac & (1 << vector));
  }

  /** Sends the message and starts the vector's counter. */
  #start(vector: number, time: Nanoseconds): void {
    this.#quietUntil[vector] = time + this.#intervals[vector]!;
    this.#send(vector, time);
  }

  #send(vector: number, time: Nanoseconds): void {
    this.#device.registers.add(R.E1000_IAC, 1);
    // An enable that was applied late lets out a message only now: it cannot be sent in the past.
    this.#device.host.msix(this.#device, vector, Math.max(time, this.#device.simulation.now));
  }

  // --- registers ---

  writeGPIE(value: number): void {
    this.#msixMode = (value & D.E1000_GPIE_MSIX_MODE) !== 0;
    this.#autoMask = (value & D.E1000_GPIE_EIAME) !== 0;
    this.#clearAlways = (value & D.E1000_GPIE_NSICR) !== 0;
  }

  writeIVAR(index: number, value: number): void {
    this.#rxVectors[index] = vectorOf(value);
    this.#txVectors[index] = vectorOf(value >>> 8);
    this.#rxVectors[index + 8] = vectorOf(value >>> 16);
    this.#txVectors[index + 8] = vectorOf(value >>> 24);
  }

  writeIVARMisc(value: number): void {
    this.#miscVector = vectorOf(value >>> 8);
  }

  /** ICR, and what reading it does: see 8.8.8. */
  readICR(): number {
    const asserted = (this.icr & this.ims) !== 0;
    const value = asserted ? (this.icr | D.E1000_ICR_INT_ASSERTED) >>> 0 : this.icr;
    if (this.#clearAlways || this.ims === 0 || asserted) this.icr = 0;
    if ((this.#device.registers.get(R.E1000_CTRL_EXT) & CTRL_EXT_IAME) !== 0) this.clearIMS(this.#device.registers.get(R.E1000_IAM_82576));
    return value;
  }

  clearICR(value: number): void {
    this.icr = (this.icr & ~value) >>> 0;
  }

  setIMS(value: number, time: Nanoseconds): void {
    this.ims = (this.ims | value) >>> 0;
    this.causeOther(0, time);
  }

  clearIMS(value: number): void {
    this.ims = (this.ims & ~value) >>> 0;
  }

  readEICR(): number {
    const value = this.eicr >>> 0;
    this.eicr = 0;
    return value;
  }

  clearEICR(value: number): void {
    this.eicr &= ~value;
  }

  setEICR(value: number, time: Nanoseconds): void {
    this.eicr |= value & D.E1000_EICR_VECTOR_MASK;
    this.#assertAll(time);
  }

  setEIMS(value: number, time: Nanoseconds): void {
    if (this.#enablesUnderWay > 0) this.#enablesUnderWay--;
    this.eims |= value;
    this.#assertAll(time);
  }

  clearEIMS(value: number): void {
    this.eims &= ~value;
  }

  /** A write to EIMS is under way: its arrival is worth an event only if something waits for it. */
  issuedEIMS(value: number, time: Nanoseconds): void {
    this.#enablesUnderWay++;
    this.#lastEnableAt = time;
    if ((this.eicr & value) !== 0) this.#device.wakeForWrites(time);
  }

  #assertAll(time: Nanoseconds): void {
    let pending = this.eicr & this.eims & D.E1000_EICR_VECTOR_MASK;
    while (pending !== 0) {
      const vector = 31 - Math.clz32(pending & -pending);
      pending &= pending - 1;
      this.#assert(vector, time);
    }
  }

  readEITR(vector: number): number {
    const interval = (this.#intervals[vector]! / this.#device.options.interruptStepNs) << D.E1000_EITR_INTERVAL_SHIFT;
    const left = Math.max(0, this.#quietUntil[vector]! - this.#device.simulation.now);
    const counter = Math.floor(left / COUNTER_UNIT_NS) & (D.E1000_EITR_COUNTER_MASK >>> D.E1000_EITR_COUNTER_SHIFT);
    return (interval | (counter << D.E1000_EITR_COUNTER_SHIFT)) >>> 0;
  }

  writeEITR(vector: number, value: number, time: Nanoseconds): void {
    this.#intervals[vector] = ((value & D.E1000_EITR_INTERVAL_MASK) >>> D.E1000_EITR_INTERVAL_SHIFT) * this.#device.options.interruptStepNs;
    if ((value & D.E1000_EITR_CNT_IGNR) !== 0) return;
    const counter = (value & D.E1000_EITR_COUNTER_MASK) >>> D.E1000_EITR_COUNTER_SHIFT;
    this.#quietUntil[vector] = time + counter * COUNTER_UNIT_NS;
    const timer = this.#timers[vector]!;
    if (timer?.pending) this.#device.simulation.at(Math.max(this.#quietUntil[vector]!, this.#device.simulation.now), timer);
  }
}

/** The vector in a byte of IVAR; -1 when it is not valid. */
function vectorOf(entry: number): number {
  return (entry & D.E1000_IVAR_VALID) !== 0 ? entry & D.E1000_IVAR_VECTOR_MASK : NO_VECTOR;
}
