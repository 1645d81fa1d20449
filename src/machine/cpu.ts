/**
 * A CPU: a clock and a rank of contexts. Work comes in steps (a hard interrupt, a round of softirqs, a slice of a task); a step runs
 * atomically at its start and moves the CPU's clock on by what it costs. Between steps the CPU goes back to the event queue, so that
 * interrupts which arrived in the meantime are taken first, at the CPU's clock.
 *
 * `this_cpu` is the one piece of state that lives at module level: the register that tells code which CPU it runs on (on x86, the base
 * of %gs). JavaScript runs one thing at a time, so exactly one simulated CPU executes at any instant, in any number of simulations.
 */

import { InvariantError } from '../sim/invariant.ts';
import type { Simulation } from '../sim/simulation.ts';
import type { Nanoseconds } from '../sim/time.ts';
import { Timer } from '../sim/timer.ts';
import { WIDE } from '../sim/wide.ts';

/** Who uses the CPU: the rows of /proc/stat. */
export const CPU_USER = 0;
export const CPU_SYSTEM = 1;
export const CPU_HARDIRQ = 2;
export const CPU_SOFTIRQ = 3;
export const CPU_IDLE = 4;

/** The software that runs on the CPUs of a machine. */
export interface OperatingSystem {
  /** A hard interrupt: runs its handler. */
  interrupt(cpu: Cpu, vector: number): void;
  /** One step of the most urgent work there is; false when the CPU has nothing to do now. */
  step(cpu: Cpu): boolean;
  /** When there will be a step to run on an idle CPU if nothing else happens; Infinity when never. */
  nextStepAt(cpu: Cpu): Nanoseconds;
}

/** Receives entry and exit of every instrumented function: see `fentry`. */
export interface CallTracer {
  enter(cpu: Cpu, id: number): void;
  exit(cpu: Cpu, id: number): void;
}

/** The CPU that executes the current instruction. Code below a step, a boot or a `runOn` may rely on it. */
export let this_cpu: Cpu = null as unknown as Cpu;

/**
 * What the functions of `this_cpu` have charged since its clock was last put forward. This is added to several dozen times a frame, and nothing is cheaper to add
 * to than a small integer of an object that the compiler knows.
 */
const charges = { ns: 0 };

/** More functions than there are rows in the table of costs. */
const MAX_FUNCTIONS = 4096;
/**
 * What each function costs on `this_cpu`: a copy of its table, in an array that the compiler knows, so that looking it up is one instruction. CPUs of the same speed
 * share a table, and most networks have only one.
 */
const costs = new Int32Array(MAX_FUNCTIONS);
let copied: Int32Array = new Int32Array(0);

/** What `this_cpu` runs: of a constant object the compiler knows where the field is and what is in it, of a variable of a module neither. */
export const running: { os: OperatingSystem } = { os: null as unknown as OperatingSystem };

export class Cpu {
  readonly id: number;
  readonly simulation: Simulation;
  readonly os: OperatingSystem;
  /** Cost in ns of each instrumented function, by id. */
  readonly costs: Int32Array;
  /** Time spent by context: CPU_USER … CPU_IDLE. */
  readonly times = new Float64Array(5);
  /** What executes it, if that is not its own. */
  processor: SharedProcessor | null = null;

  readonly #vectors: number[] = [];
  readonly #next: Timer;
  #tracer: CallTracer | null = null;
  /** Without `charges`. */
  #clock: Nanoseconds = WIDE;
  #context = CPU_IDLE;
  #contextSince: Nanoseconds = WIDE;
  #stepping = false;

  constructor(simulation: Simulation, os: OperatingSystem, id: number, name: string, costs: Int32Array) {
    this.simulation = simulation;
    this.os = os;
    this.id = id;
    this.costs = costs;
    this.#next = new Timer(`${name} cpu${id}`, () => this.#run());
  }

  /** The CPU's own time, never behind the simulation's while it works. Integer ns. */
  get clock(): Nanoseconds {
    return this === this_cpu ? this.#clock + charges.ns : this.#clock;
  }

  set clock(time: Nanoseconds) {
    if (this === this_cpu) charges.ns = 0;
    this.#clock = time;
  }

  /** From now on code runs on `cpu`. */
  static #switchTo(cpu: Cpu): void {
    if (this_cpu !== null) this_cpu.#settle();
    this_cpu = cpu;
    if (cpu === null) return;
    running.os = cpu.os;
    if (cpu.costs === copied) return;
    copied = cpu.costs;
    costs.fill(0, copied.length);
    costs.set(copied);
  }

  /** Puts the clock forward by what functions have charged. */
  #settle(): void {
    this.#clock += charges.ns;
    charges.ns = 0;
  }

  /** Who hears of the functions that run here. */
  get tracer(): CallTracer | null {
    return this.#tracer;
  }

  set tracer(tracer: CallTracer | null) {
    this.#tracer = tracer;
    if (tracer !== null) ftrace.enabled = true;
  }

  get context(): number {
    return this.#context;
  }

  /** Charges `ns` (integer) to whoever runs now. */
  charge(ns: number): void {
    if (this === this_cpu) charges.ns += ns;
    else this.#clock += ns;
  }

  /**
   * Waits, as at a lock, until `time`: another CPU, whose step ran earlier but reached further, did then what this one is about to build upon. So whatever passes
   * from CPU to CPU through memory passes in the order of their clocks.
   */
  spinUntil(time: Nanoseconds): void {
    if (this.clock < time) this.clock = time;
  }

  /** Enters a context and returns the one that was left, to be restored with the same call. */
  switchContext(context: number): number {
    const previous = this.#context;
    const { clock } = this;
    this.times[previous]! += clock - this.#contextSince;
    this.#contextSince = clock;
    this.#context = context;
    return previous;
  }

  /** Starts the accounts anew: what went before does not count. */
  resetAccount(): void {
    this.account();
    this.times.fill(0);
  }

  /** Counts the time up to the simulation's present as idle, if this CPU has been idle. */
  account(): void {
    if (this.clock < this.simulation.now) this.clock = this.simulation.now;
    this.switchContext(this.#context);
  }

  /** A hard interrupt arrives now. */
  raise(vector: number): void {
    this.#vectors.push(vector);
    this.kick();
  }

  /** There is work from `time` on (now, unless said otherwise): run a step then, or as soon as the CPU is free. */
  kick(time: Nanoseconds = 0): void {
    if (this.#stepping) return;
    const start = Math.max(this.clock, this.simulation.now, time);
    if (this.#next.pending && this.#next.expires <= start) return;
    this.simulation.at(start, this.#next);
  }

  get interruptPending(): boolean {
    return this.#vectors.length > 0;
  }

  /** True when nothing else in the world happens before this CPU's clock: a task may go on without giving way. */
  caughtUp(): boolean {
    return this.simulation.now >= this.clock || this.simulation.advanceIfQuiet(this.clock);
  }

  /** Runs `work` on this CPU outside of its steps (boot, teardown): as the system, at the later of both clocks. */
  runOn<T>(work: () => T): T {
    const outer = this_cpu;
    const wasStepping = this.#stepping;
    this.#enterStep();
    Cpu.#switchTo(this);
    const context = this.switchContext(CPU_SYSTEM);
    try {
      return work();
    } finally {
      this.switchContext(context);
      Cpu.#switchTo(outer);
      this.#stepping = wasStepping;
      if (!wasStepping) this.kick();
    }
  }

  /** Looks at the machine from this CPU as it is now: what kernel functions charge meanwhile is given back, and no tracer hears of them. */
  observe<T>(look: () => T): T {
    const [outer, clock, tracer] = [this_cpu, this.clock, this.tracer];
    Cpu.#switchTo(this);
    this.tracer = null;
    if (clock < this.simulation.now) this.clock = this.simulation.now;
    try {
      return look();
    } finally {
      this.clock = clock;
      this.tracer = tracer;
      Cpu.#switchTo(outer);
    }
  }

  #enterStep(): void {
    this.#stepping = true;
    const now = this.simulation.now;
    if (this.clock < now) {
      if (this.#context !== CPU_IDLE && this.#context !== CPU_SYSTEM)
        throw new InvariantError(`cpu${this.id}: idle time in context ${this.#context}`);
      this.clock = now;
    }
  }

  #run(): void {
    if (this.clock > this.simulation.now && !this.simulation.advanceIfQuiet(this.clock)) {
      // Held up since this step was planned.
      this.simulation.at(this.clock, this.#next);
      return;
    }
    this.#enterStep();
    Cpu.#switchTo(this);
    // Nothing is left in `charges` here, nor after each step.
    for (let start = this.#clock; this.#step(); start = this.#clock) {
      this.#settle();
      if (this.processor !== null) this.processor.settle(this, start);
      if (this.simulation.now === this.#clock || this.simulation.advanceIfQuiet(this.#clock)) continue;
      this.#stepping = false;
      this.simulation.at(this.#clock, this.#next);
      return;
    }
    this.#stepping = false;
    const later = this.os.nextStepAt(this);
    if (later < Number.POSITIVE_INFINITY) this.kick(later);
  }

  #step(): boolean {
    if (this.#vectors.length > 0) {
      const context = this.switchContext(CPU_HARDIRQ);
      this.os.interrupt(this, this.#vectors.shift()!);
      this.switchContext(context);
      return true;
    }
    return this.os.step(this);
  }
}

/**
 * A processor that executes several CPUs in turns so short that each seems to run all the time, but the slower the more of them are busy: as QEMU executes the
 * CPUs of a guest in one thread.
 */
export class SharedProcessor {
  readonly #cpus: Cpu[] = [];

  add(cpu: Cpu): void {
    this.#cpus.push(cpu);
    cpu.processor = this;
  }

  /** `cpu` has worked from `start` on. It and each CPU that was busy meanwhile hold up each other, for as long as the shorter of both works. */
  settle(cpu: Cpu, start: Nanoseconds): void {
    const end = cpu.clock;
    for (const other of this.#cpus) {
      const common = other === cpu ? 0 : Math.min(end, other.clock) - start;
      if (common <= 0) continue;
      other.clock += common;
      cpu.clock += common;
    }
  }
}

/**
 * Is there a tracer on any CPU? The field of a constant object that nobody has ever changed is a constant to the optimizing compiler: as long as nobody
 * traces functions, what asks for it below leaves no instruction behind.
 */
const ftrace = { enabled: false };

/**
 * Entry of a kernel function. Nobody writes these calls: they are put at the head and at every return of the functions that have a row
 * in the cost table, when the sources are built (tools/fentry.mjs), as gcc does for the real ftrace.
 */
export function fentry(id: number): void {
  charges.ns += costs[id]!;
  if (ftrace.enabled) enter(id);
}

/** Exit of a kernel function; hands through the value it returns. */
export function fexit<T>(id: number, value: T): T {
  if (ftrace.enabled) exit(id);
  return value;
}

function enter(id: number): void {
  this_cpu.tracer?.enter(this_cpu, id);
}

function exit(id: number): void {
  this_cpu.tracer?.exit(this_cpu, id);
}
