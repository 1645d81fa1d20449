/**
 * The transmit packet buffer and the MAC behind it: frames that have been fetched wait here for the wire, in order. The buffer is finite
 * (TXPBS); a frame's room is free again when its last bit has left. The MAC stops while the partner's pause frames say so (datasheet 3.7.5).
 */
import type { Nanoseconds } from '../../sim/time.ts';
import { WIDE } from '../../sim/wide.ts';
import type { Frame } from '../../wire/frame.ts';
import type { IgbDevice } from './igb_device.ts';

/** A place in the buffer. */
class Slot {
  frame: Frame | null = null;
  /** The last byte has been fetched. */
  readyAt: Nanoseconds = WIDE;
  descriptor = 0;
  stamped = false;
}

export class TxBuffer {
  readonly #device: IgbDevice;
  readonly #slots: Slot[] = [];
  #first = 0;
  #count = 0;
  #bytes = 0;
  /** The frame that is on its way out: its room is taken until then. */
  #leaving = 0;
  #leavesAt: Nanoseconds = WIDE;
  pausedUntil: Nanoseconds = WIDE;

  constructor(device: IgbDevice) {
    this.#device = device;
    for (let i = 0; i < 64; i++) this.#slots.push(new Slot());
  }

  /** Frames that wait. */
  get packets(): number {
    return this.#count;
  }

  /** Is there room for one more frame of `length` bytes in a buffer of `size`? */
  hasRoom(length: number, size: number): boolean {
    const leaving = this.#leavesAt > this.#device.simulation.now ? this.#leaving : 0;
    return this.#bytes + leaving + length <= size;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** The instant at which the frame on the wire gives its room back. */
  get leavesAt(): Nanoseconds {
    return this.#leavesAt;
  }

  push(frame: Frame, readyAt: Nanoseconds, descriptor: number, stamped: boolean): void {
    if (this.#count === this.#slots.length) this.#grow();
    const slot = this.#slots[(this.#first + this.#count) & (this.#slots.length - 1)]!;
    slot.frame = frame;
    slot.readyAt = readyAt;
    slot.descriptor = descriptor;
    slot.stamped = stamped;
    this.#count++;
    this.#bytes += frame.length;
  }

  /** When the MAC has something to do next: Infinity while it waits for the buffer, the link or the end of a pause without end. */
  #due(): Nanoseconds {
    if (this.#count === 0 || !this.#device.canTransmit) return Number.POSITIVE_INFINITY;
    const { readyAt } = this.#slots[this.#first]!;
    const { wireFreeAt } = this.#device;
    const due = readyAt > wireFreeAt ? readyAt : wireFreeAt;
    return due > this.pausedUntil ? due : this.pausedUntil;
  }

  /** Puts what is due on the wire: one frame, since the wire is busy then. Returns when there is something to do next. */
  transmit(): Nanoseconds {
    const { now } = this.#device.simulation;
    let due = this.#due();
    while (due <= now) {
      this.#send();
      due = this.#due();
    }
    return due;
  }

  #send(): void {
    const slot = this.#slots[this.#first]!;
    const frame = slot.frame!;
    slot.frame = null;
    // An empty buffer starts over, so that the few slots in use stay in the cache.
    this.#first = --this.#count === 0 ? 0 : (this.#first + 1) & (this.#slots.length - 1);
    this.#bytes -= frame.length;
    this.#leaving = frame.length;
    this.#device.putOnWire(frame, slot.descriptor, slot.stamped);
    this.#leavesAt = this.#device.wireFreeAt;
  }

  /** Gives up all that waits: reset. */
  clear(): void {
    while (this.#count > 0) {
      const slot = this.#slots[this.#first]!;
      this.#device.pool.release(slot.frame!);
      slot.frame = null;
      this.#first = (this.#first + 1) & (this.#slots.length - 1);
      this.#count--;
    }
    this.#bytes = 0;
    this.pausedUntil = 0;
  }

  #grow(): void {
    const ordered: Slot[] = [];
    for (let i = 0; i < this.#count; i++) ordered.push(this.#slots[(this.#first + i) & (this.#slots.length - 1)]!);
    for (let i = this.#count; i > 0; i--) ordered.push(new Slot());
    this.#slots.length = 0;
    for (const slot of ordered) this.#slots.push(slot);
    this.#first = 0;
  }
}
