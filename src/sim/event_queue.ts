/**
 * The event queue: timers in order of time; what was armed first for an instant fires first.
 *
 * A network has few timers that fire all the time (a dozen for two busy hosts: cards, cables, CPUs) and many that wait for long and are mostly put off
 * (retransmissions, watchdogs). The earliest are a short sorted list: arming one moves a few others along, taking one out moves none. All from the `#horizon` on
 * are in a heap, from which the list is filled when it is empty.
 */
import { InvariantError } from './invariant.ts';
import type { Nanoseconds } from './time.ts';
import type { Timer } from './timer.ts';
import { TimerHeap } from './timer_heap.ts';

/** So many the list gets at a time, and so many it has at most, unless more are due at one instant. */
const FILLED = 16;
const LONGEST = 32;
/** The slot of a timer in the list. */
const LISTED = 0x3fff_ffff;

export class EventQueue {
  /** The list, the earliest last. Entries from #listed on are left-overs. */
  #times = new Float64Array(2 * LONGEST);
  readonly #timers: Timer[] = [];
  #listed = 0;
  /** What is due from here on is in the heap, what is due before in the list. */
  #horizon: Nanoseconds = Number.POSITIVE_INFINITY;
  readonly #heap = new TimerHeap();

  get size(): number {
    return this.#listed + this.#heap.size;
  }

  /** Time of the earliest event; Infinity when there is none. */
  nextTime(): Nanoseconds {
    if (this.#listed === 0 && !this.#fill()) return Number.POSITIVE_INFINITY;
    return this.#times[this.#listed - 1]!;
  }

  /** Arms `timer` for `time`. A pending timer is moved and counts as scheduled now. */
  insert(timer: Timer, time: Nanoseconds): void {
    if (Math.floor(time) !== time || Math.abs(time) > Number.MAX_SAFE_INTEGER)
      throw new InvariantError(`timer '${timer.name}': ${time} is no integer number of ns`);
    if (timer.slot >= 0) this.remove(timer);
    timer.expires = time;
    if (time >= this.#horizon) this.#heap.insert(timer, time);
    else this.#list(timer, time);
  }

  remove(timer: Timer): void {
    if (timer.slot === LISTED) this.#unlist(timer);
    else this.#heap.removeAt(timer.slot);
    timer.slot = -1;
  }

  /** Takes out the earliest timer, if it is due at `until` at the latest; else null. */
  popDue(until: Nanoseconds): Timer | null {
    if (this.nextTime() > until || this.#listed === 0) return null;
    const timer = this.#timers[--this.#listed]!;
    timer.slot = -1;
    return timer;
  }

  /** Takes out the earliest timer. The queue must not be empty. */
  pop(): Timer {
    return this.popDue(Number.POSITIVE_INFINITY)!;
  }

  /** All pending timers, earliest first: for reports, not for the run. */
  pending(): { name: string; time: Nanoseconds }[] {
    const timers = [...this.#timers.slice(0, this.#listed).reverse(), ...this.#heap.sorted()];
    return timers.map(({ name, expires }) => ({ name, time: expires }));
  }

  #list(timer: Timer, time: Nanoseconds): void {
    if (this.#listed >= LONGEST && this.#pushBack(time)) {
      this.#heap.insert(timer, time);
      return;
    }
    let at = this.#extend();
    const times = this.#times;
    const timers = this.#timers;
    for (; at > 0; at--) {
      const other = times[at - 1]!;
      if (other > time) break;
      times[at] = other;
      timers[at] = timers[at - 1]!;
    }
    times[at] = time;
    timers[at] = timer;
    timer.slot = LISTED;
  }

  #unlist(timer: Timer): void {
    const times = this.#times;
    const timers = this.#timers;
    let at = this.#listed - 1;
    while (timers[at] !== timer) at--;
    const last = --this.#listed;
    for (; at < last; at++) {
      times[at] = times[at + 1]!;
      timers[at] = timers[at + 1]!;
    }
  }

  /** Moves the later half of a long list to the heap, if not all of it is due at one instant. True when `time` belongs there, too. */
  #pushBack(time: Nanoseconds): boolean {
    const earliest = this.#times[this.#listed - 1]!;
    const middle = this.#times[this.#listed >> 1]!;
    const horizon = middle > earliest ? middle : this.#times[0]!;
    if (horizon === earliest) return false;
    let from = 0;
    while (this.#times[from]! >= horizon) from++;
    // None in the heap is due as early, so the order among them is all that has to be kept.
    for (let i = from - 1; i >= 0; i--) this.#heap.insert(this.#timers[i]!, this.#times[i]!);
    this.#times.copyWithin(0, from, this.#listed);
    this.#timers.copyWithin(0, from, this.#listed);
    this.#listed -= from;
    this.#horizon = horizon;
    return time >= horizon;
  }

  /** Takes the earliest timers from the heap, and all that are due together with the last of them; false when there are none. */
  #fill(): boolean {
    const heap = this.#heap;
    if (heap.size === 0) {
      this.#horizon = Number.POSITIVE_INFINITY;
      return false;
    }
    const timers = [heap.pop()];
    while (heap.size > 0 && (timers.length < FILLED || heap.nextTime() === timers.at(-1)!.expires)) timers.push(heap.pop());
    this.#horizon = heap.nextTime();
    for (const timer of timers.reverse()) {
      const at = this.#extend();
      this.#times[at] = timer.expires;
      this.#timers[at] = timer;
      timer.slot = LISTED;
    }
    return true;
  }

  /** Makes the list longer by one; returns the new place, for the earliest. */
  #extend(): number {
    if (this.#listed === this.#times.length) {
      const times = new Float64Array(2 * this.#listed);
      times.set(this.#times);
      this.#times = times;
    }
    return this.#listed++;
  }
}
