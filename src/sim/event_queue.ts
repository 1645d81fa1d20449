/**
 * The event queue: a binary heap ordered by (time, sequence), so what was scheduled first for an instant runs first.
 * Keys live in typed arrays and timers remember their place, so that insertion, removal and re-arming are O(log n) and allocate nothing.
 *
 * Taking out the earliest timer leaves its place vacant: most callbacks arm a timer, often the same one, and what they arm goes down from there in one
 * pass. Whoever wants to see the heap as it is closes the gap first.
 */
import { InvariantError } from './invariant.ts';
import type { Nanoseconds } from './time.ts';
import { WIDE } from './wide.ts';

const GROWTH = 2;

/** One alarm: made once with a name and a callback, armed and cancelled often. */
export class Timer {
  /** Place in the heap, -1 while not armed. Kept by the queue. */
  slot = -1;
  /** The instant it is armed for. Meaningful while pending. */
  expires: Nanoseconds = WIDE;

  readonly name: string;
  readonly fire: () => void;

  constructor(name: string, fire: () => void) {
    this.name = name;
    this.fire = fire;
  }

  get pending(): boolean {
    return this.slot >= 0;
  }
}

export class EventQueue {
  #times = new Float64Array(64);
  #sequences = new Float64Array(64);
  /** Never shortened (that is dear): entries from #size on are left-overs. */
  readonly #timers: Timer[] = [];
  #size = 0;
  #nextSequence = 0;
  /** The root is vacant. It counts in #size. */
  #vacant = false;

  get size(): number {
    return this.#vacant ? this.#size - 1 : this.#size;
  }

  /** Time of the earliest event; Infinity when there is none. */
  nextTime(): Nanoseconds {
    if (this.#vacant) this.#close();
    return this.#size > 0 ? this.#times[0]! : Number.POSITIVE_INFINITY;
  }

  /** Arms `timer` for `time`. A pending timer is moved and counts as scheduled now. */
  insert(timer: Timer, time: Nanoseconds): void {
    if (!Number.isSafeInteger(time)) throw new InvariantError(`timer '${timer.name}': ${time} is no integer number of ns`);
    if (timer.slot >= 0) this.remove(timer);
    timer.expires = time;
    if (this.#vacant) {
      this.#vacant = false;
      this.#siftDown(0, time, this.#nextSequence++, timer);
      return;
    }
    if (this.#size === this.#times.length) this.#grow();
    this.#siftUp(this.#size++, time, this.#nextSequence++, timer);
  }

  remove(timer: Timer): void {
    if (this.#vacant) this.#close();
    const slot = timer.slot;
    timer.slot = -1;
    const last = --this.#size;
    const moved = this.#timers[last]!;
    const time = this.#times[last]!;
    const sequence = this.#sequences[last]!;
    if (slot === last) return;
    if (slot > 0 && this.#before(time, sequence, (slot - 1) >> 1)) this.#siftUp(slot, time, sequence, moved);
    else this.#siftDown(slot, time, sequence, moved);
  }

  /** Takes out the earliest timer, if it is due at `until` at the latest; else null. */
  popDue(until: Nanoseconds): Timer | null {
    if (this.#vacant) this.#close();
    if (this.#size === 0 || this.#times[0]! > until) return null;
    const timer = this.#timers[0]!;
    timer.slot = -1;
    this.#vacant = true;
    return timer;
  }

  /** Takes out the earliest timer. The queue must not be empty. */
  pop(): Timer {
    return this.popDue(Number.POSITIVE_INFINITY)!;
  }

  /** All pending timers, earliest first: for reports, not for the run. */
  pending(): { name: string; time: Nanoseconds }[] {
    if (this.#vacant) this.#close();
    const order = this.#timers
      .slice(0, this.#size)
      .map((timer, i) => ({ name: timer.name, time: timer.expires, sequence: this.#sequences[i]! }));
    return order.sort((a, b) => a.time - b.time || a.sequence - b.sequence).map(({ name, time }) => ({ name, time }));
  }

  /** Nothing was armed in the place of the timer that was taken out: the last one moves there. */
  #close(): void {
    this.#vacant = false;
    const last = --this.#size;
    if (last > 0) this.#siftDown(0, this.#times[last]!, this.#sequences[last]!, this.#timers[last]!);
  }

  #before(time: number, sequence: number, slot: number): boolean {
    const other = this.#times[slot]!;
    return time < other || (time === other && sequence < this.#sequences[slot]!);
  }

  #place(slot: number, time: number, sequence: number, timer: Timer): void {
    this.#times[slot] = time;
    this.#sequences[slot] = sequence;
    this.#timers[slot] = timer;
    timer.slot = slot;
  }

  #siftUp(slot: number, time: number, sequence: number, timer: Timer): void {
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      if (!this.#before(time, sequence, parent)) break;
      this.#place(slot, this.#times[parent]!, this.#sequences[parent]!, this.#timers[parent]!);
      slot = parent;
    }
    this.#place(slot, time, sequence, timer);
  }

  #siftDown(slot: number, time: number, sequence: number, timer: Timer): void {
    for (;;) {
      let child = 2 * slot + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#before(this.#times[child + 1]!, this.#sequences[child + 1]!, child)) child++;
      if (this.#before(time, sequence, child)) break;
      this.#place(slot, this.#times[child]!, this.#sequences[child]!, this.#timers[child]!);
      slot = child;
    }
    this.#place(slot, time, sequence, timer);
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * GROWTH);
    const sequences = new Float64Array(this.#times.length * GROWTH);
    times.set(this.#times);
    sequences.set(this.#sequences);
    this.#times = times;
    this.#sequences = sequences;
  }
}
