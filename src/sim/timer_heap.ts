/**
 * A binary heap of timers, ordered by time; what was put in first for an instant comes out first. Keys live in typed arrays and timers remember their place, so
 * that insertion and removal are O(log n) and allocate nothing.
 */
import type { Nanoseconds } from './time.ts';
import type { Timer } from './timer.ts';

const GROWTH = 2;

export class TimerHeap {
  #times = new Float64Array(64);
  #sequences = new Float64Array(64);
  /** Never shortened (that is dear): entries from #size on are left-overs. */
  readonly #timers: Timer[] = [];
  #size = 0;
  #nextSequence = 0;

  get size(): number {
    return this.#size;
  }

  /** Time of the earliest; Infinity when there is none. */
  nextTime(): Nanoseconds {
    return this.#size > 0 ? this.#times[0]! : Number.POSITIVE_INFINITY;
  }

  insert(timer: Timer, time: Nanoseconds): void {
    if (this.#size === this.#times.length) this.#grow();
    this.#siftUp(this.#size++, time, this.#nextSequence++, timer);
  }

  /** Takes out the timer at `slot`; its own slot is left to the caller. */
  removeAt(slot: number): void {
    const last = --this.#size;
    if (slot === last) return;
    const moved = this.#timers[last]!;
    const time = this.#times[last]!;
    const sequence = this.#sequences[last]!;
    if (slot > 0 && this.#before(time, sequence, (slot - 1) >> 1)) this.#siftUp(slot, time, sequence, moved);
    else this.#siftDown(slot, time, sequence, moved);
  }

  /** Takes out the earliest timer; its slot is left to the caller. The heap must not be empty. */
  pop(): Timer {
    const timer = this.#timers[0]!;
    this.removeAt(0);
    return timer;
  }

  /** All timers, earliest first: for reports, not for the run. */
  sorted(): Timer[] {
    return this.#timers
      .slice(0, this.#size)
      .map((timer, i) => ({ timer, time: this.#times[i]!, sequence: this.#sequences[i]! }))
      .sort((a, b) => a.time - b.time || a.sequence - b.sequence)
      .map(({ timer }) => timer);
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
