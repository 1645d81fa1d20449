/**
 * The receive packet buffer: frames that passed the filters wait here for the DMA, in order. It is one queue for all rings, and finite (RXPBS); what
 * finds no room is missed (MPC).
 */
import type { Nanoseconds } from '../../sim/time.ts';
import { WIDE } from '../../sim/wide.ts';
import { FCS_BYTES, type Frame } from '../../wire/frame.ts';
import { Classification } from './classify.ts';

const INITIAL_PLACES = 64;

/** A place in the packet buffer. */
export class Entry {
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

export class RxBuffer {
  readonly #entries: Entry[] = [];
  #first = 0;
  count = 0;
  /** Bytes of all frames in it, FCS included. */
  bytes = 0;

  constructor() {
    for (let i = 0; i < INITIAL_PLACES; i++) this.#entries.push(new Entry());
  }

  /** The oldest frame; ask `count` first. */
  get head(): Entry {
    return this.#entries[this.#first]!;
  }

  push(frame: Frame): Entry {
    if (this.count === this.#entries.length) this.#grow();
    const entry = this.#entries[(this.#first + this.count++) & (this.#entries.length - 1)]!;
    entry.frame = frame;
    entry.waited = false;
    this.bytes += frame.length + FCS_BYTES;
    return entry;
  }

  /** Takes the oldest frame out. */
  pop(): Frame {
    const entry = this.#entries[this.#first]!;
    const frame = entry.frame!;
    entry.frame = null;
    this.bytes -= frame.length + FCS_BYTES;
    // An empty buffer starts over, so that the few entries in use stay in the cache.
    this.#first = --this.count === 0 ? 0 : (this.#first + 1) & (this.#entries.length - 1);
    return frame;
  }

  #grow(): void {
    const ordered: Entry[] = [];
    for (let i = 0; i < this.count; i++) ordered.push(this.#entries[(this.#first + i) & (this.#entries.length - 1)]!);
    for (let i = this.count; i > 0; i--) ordered.push(new Entry());
    this.#entries.length = 0;
    for (const entry of ordered) this.#entries.push(entry);
    this.#first = 0;
  }
}
