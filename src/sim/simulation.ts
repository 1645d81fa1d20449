/** The clock of everything: runs events in order of (time, sequence). Knows nothing of networks. */
import { ByteHeap } from './byte_heap.ts';
import { EventQueue } from './event_queue.ts';
import { InvariantError } from './invariant.ts';
import { RandomStream } from './random.ts';
import type { Nanoseconds } from './time.ts';
import { Timer } from './timer.ts';
import { WIDE } from './wide.ts';

export class Simulation {
  readonly seed: number;
  /** Where the memories of all computers and the frames between them are. */
  readonly bytes = new ByteHeap();
  readonly #queue = new EventQueue();
  #now: Nanoseconds = WIDE;
  #until: Nanoseconds = Number.POSITIVE_INFINITY;
  #stopped = false;
  #nextPacketId = 1;
  /** Those who look at the world at an instant, earliest first, and that of the first. */
  readonly #watches: { time: Nanoseconds; look: () => void }[] = [];
  #watchAt: Nanoseconds = Number.POSITIVE_INFINITY;
  /** Events run so far. */
  events = 0;

  constructor(seed = 1) {
    this.seed = seed;
    // Others see a plain zero.
    this.#now = 0;
  }

  get now(): Nanoseconds {
    return this.#now;
  }

  get pendingEvents(): { name: string; time: Nanoseconds }[] {
    return this.#queue.pending();
  }

  /** A random stream of its own for what `name` decides. */
  random(name: string): RandomStream {
    return new RandomStream(this.seed, name);
  }

  /** Reserves `count` consecutive packet ids (one for every frame a packet will become on the wire) and returns the first. */
  takePacketIds(count: number): number {
    const first = this.#nextPacketId;
    this.#nextPacketId += count;
    return first;
  }

  /** Arms `timer` for the instant `time`, which must not lie in the past. */
  at(time: Nanoseconds, timer: Timer): void {
    if (time < this.#now) throw new InvariantError(`timer '${timer.name}' set for ${time} ns, but it is ${this.#now} ns already`);
    this.#queue.insert(timer, time);
  }

  cancel(timer: Timer): void {
    if (timer.pending) this.#queue.remove(timer);
  }

  /** For what happens once and rarely; hot paths keep a Timer and arm it with `at`. */
  once(time: Nanoseconds, name: string, fire: () => void): Timer {
    const timer = new Timer(name, fire);
    this.at(time, timer);
    return timer;
  }

  /**
   * Calls `look` when everything that happens up to and at `time` has happened. It is no event: whether somebody looks changes nothing, not even the order of
   * what is due at the same time. `look` must not change anything either.
   */
  watch(time: Nanoseconds, look: () => void): void {
    const later = this.#watches.findIndex((other) => other.time > time);
    this.#watches.splice(later < 0 ? this.#watches.length : later, 0, { time, look });
    this.#watchAt = this.#watches[0]!.time;
  }

  /** The clock is about to pass `time`. */
  #lookBefore(time: Nanoseconds): void {
    while (this.#watchAt < time) {
      const { time: instant, look } = this.#watches.shift()!;
      this.#watchAt = this.#watches[0]?.time ?? Number.POSITIVE_INFINITY;
      if (instant > this.#now) this.#now = instant;
      look();
    }
  }

  /**
   * Moves the clock to `time` without going through the queue, if nothing else is due until then (an event for exactly `time` was
   * scheduled earlier and would have to run first). Lets a CPU go on with its next step at no cost when the rest of the world is quiet.
   */
  advanceIfQuiet(time: Nanoseconds): boolean {
    if (time >= this.#queue.nextTime() || time > this.#until || this.#stopped) return false;
    if (time > this.#watchAt) this.#lookBefore(time);
    this.#now = time;
    this.events++;
    return true;
  }

  /** Runs until the queue is empty, `stop` is called, or the next event lies after `until`; then the clock stands at `until` if it is finite. */
  run(until: Nanoseconds = Number.POSITIVE_INFINITY): void {
    this.#until = until;
    this.#stopped = false;
    const queue = this.#queue;
    while (!this.#stopped) {
      const timer = queue.popDue(until);
      if (timer === null) break;
      if (timer.expires > this.#watchAt) this.#lookBefore(timer.expires);
      this.#now = timer.expires;
      this.events++;
      timer.fire();
    }
    if (!this.#stopped && Number.isFinite(until) && until > this.#now) {
      if (until > this.#watchAt) this.#lookBefore(until);
      this.#now = until;
    }
  }

  /** Ends `run` after the event that is running. */
  stop(): void {
    this.#stopped = true;
  }
}
