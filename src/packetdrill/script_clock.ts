/**
 * A script's clock and the sleep of its task: when the event at hand is due, how far it may be off, waiting for an instant or until something happens.
 */
import { type Sleeping, TASK_INTERRUPTIBLE, type task_struct } from '../kernel/include/linux/sched.ts';
import { cond_resched, current, schedule, set_current_state, try_to_wake_up } from '../kernel/kernel/sched.ts';
import { this_cpu } from '../machine/cpu.ts';
import { NSEC_PER_MSEC, NSEC_PER_SEC, NSEC_PER_USEC } from '../sim/time.ts';
import { Timer } from '../sim/timer.ts';
import type { EventTime, ScriptEvent } from './ast.ts';
import type { ScriptHost } from './host.ts';
import type { RunOptions } from './options.ts';
import { checkTime, type DueTime, tolerance } from './times.ts';

/** The clock starts this far into a jiffy, as packetdrill takes care that it does. */
const JIFFY_OFFSET_NS = 250 * NSEC_PER_USEC;
/** A multiple of every jiffy and of the 10 ms ticks that user programs see; long enough after boot for stamps to be other than 0. */
const START_GRID_NS = 20 * NSEC_PER_MSEC;
const WARM_UP_NS = 10 * NSEC_PER_SEC;

const inbound = ({ action }: ScriptEvent): boolean => action.type === 'packet' && action.inbound;

export class ScriptClock {
  /** When the script's time is 0; set by `start`. */
  startNs = 0;
  /** When the event at hand is due, µs. */
  due: DueTime = { kind: 'absolute', us: 0, endUs: 0, anchorUs: 0 };
  readonly #host: ScriptHost;
  readonly #options: RunOptions;
  /** The event before, and when it was due. */
  #previous: { readonly event: ScriptEvent; readonly us: number } | null = null;
  /** The task that waits for whatever happens first. */
  #sleeper: task_struct | null = null;

  constructor(host: ScriptHost, options: RunOptions) {
    this.#host = host;
    this.#options = options;
  }

  /** Waits for the instant at which the script's time begins. */
  *start(): Sleeping<void> {
    const earliest = this_cpu.clock + WARM_UP_NS;
    this.startNs = Math.ceil(earliest / START_GRID_NS) * START_GRID_NS + JIFFY_OFFSET_NS;
    yield* this.#sleepUntil(this.startNs);
  }

  us(ns: number): number {
    return Math.floor((ns - this.startNs) / NSEC_PER_USEC);
  }

  get nowUs(): number {
    return this.us(this_cpu.clock);
  }

  get previousUs(): number | null {
    return this.#previous?.us ?? null;
  }

  /** How far the event at hand may be off. */
  get toleranceUs(): number {
    return this.toleranceSince(this.due.us, this.previousUs);
  }

  toleranceSince(us: number, previousUs: number | null): number {
    return tolerance(us, previousUs, this.#options.toleranceUs, this.#options.tolerancePercent);
  }

  begin(event: ScriptEvent): void {
    this.due = this.#dueTime(event.time, event);
  }

  end(event: ScriptEvent): void {
    this.#previous = { event, us: this.due.us };
  }

  /** Relative times count from now; of a packet that follows another one in, from when that was due, so that delays do not add up. */
  #dueTime(time: EventTime, event: ScriptEvent): DueTime {
    if (time.kind === 'absolute' || time.kind === 'absoluteRange') return { ...time, anchorUs: 0 };
    const previous = this.#previous;
    const anchorUs = previous !== null && inbound(previous.event) && inbound(event) ? previous.us : this.nowUs;
    return { kind: time.kind, us: time.us + anchorUs, endUs: time.endUs + anchorUs, anchorUs };
  }

  /** Waits until the event at hand is due. `costNs` goes by before it happens. */
  *waitForEvent(what: string, costNs: number): Sleeping<void> {
    yield* this.#sleepUntil(this.startNs + this.due.us * NSEC_PER_USEC);
    this_cpu.charge(costNs);
    yield* cond_resched();
    if (this.#previous !== null) checkTime(this.due, this.nowUs, this.toleranceUs, what);
  }

  *#sleepUntil(ns: number): Sleeping<void> {
    yield* cond_resched();
    if (this_cpu.clock >= ns) return;
    const { simulation } = this.#host;
    const task = current();
    const timer = new Timer('packetdrill', () => this.#host.onCpu(() => try_to_wake_up(task)));
    simulation.at(Math.max(ns, simulation.now), timer);
    set_current_state(TASK_INTERRUPTIBLE);
    yield* schedule();
    simulation.cancel(timer);
  }

  /** Sleeps until `wake` is called, at the latest until `deadline`. */
  *sleepWatching(deadline: number): Sleeping<void> {
    this.#sleeper = current();
    yield* this.#sleepUntil(deadline);
    this.#sleeper = null;
  }

  wake(): void {
    if (this.#sleeper !== null) try_to_wake_up(this.#sleeper);
  }
}
