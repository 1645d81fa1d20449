/** System calls that are about time and tasks, and what every call does on its way into the kernel and out of it: system_calls.ts has the others. */
import { this_cpu_ptr, trace } from '../kernel/current.ts';
import {
  type Sleeping,
  TASK_DEAD,
  TASK_INTERRUPTIBLE,
  type task_struct,
  wait_queue_entry,
  wait_queue_head,
} from '../kernel/include/linux/sched.ts';
import { add_wait_queue, remove_wait_queue, schedule, set_current_state, signal_pending } from '../kernel/kernel/sched.ts';
import { send_sig } from '../kernel/kernel/signal.ts';
import { clock_adjtime, clock_gettime, clock_settime } from '../kernel/kernel/time/posix_clock.ts';
import { hrtimer_nanosleep } from '../kernel/kernel/time/sleep_timeout.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { EINTR, EINVAL } from '../kernel/uapi/errno.ts';
import type { timex } from '../kernel/uapi/timex.ts';
import { syscall_numbers } from '../kernel/uapi/unistd.ts';
import { CPU_USER, this_cpu } from '../machine/cpu.ts';
import { WIDE } from '../sim/wide.ts';
import { KilledBySignal, ProgramError } from './errors.ts';
import type { Sys } from './system_calls.ts';

export type Program = (sys: Sys) => Generator<void, number, void>;

/** Told of every call when it returns: for logs. */
export type CallListener = (name: string, start: number, end: number, result: unknown) => void;

/** A program that was started: user/process.ts. */
export class Process {
  readonly task: task_struct;
  readonly ended = new wait_queue_head();

  constructor(task: task_struct) {
    this.task = task;
  }

  get running(): boolean {
    return this.task.__state !== TASK_DEAD;
  }

  /** Its exit code; null while it runs. */
  get status(): number | null {
    return this.running ? null : this.task.exit_code;
  }
}

export interface SpawnOptions {
  readonly name?: string;
  readonly cpu?: number;
  /** A process of its own, with descriptors of its own; by default it is a thread, which shares its parent's. */
  readonly process?: boolean;
}

/** How tasks are made: user/process.ts. */
export type SpawnTask = (parent: Sys, program: Program, options: SpawnOptions) => Process;

/** How long a computing program keeps its CPU from taking interrupts. */
const COMPUTE_SLICE_NS = 5_000;

export const pointer = (what: unknown): number => (what === null ? 0 : 0x7fff_fffd_e000);

/** What all calls of a task have in common, and those that are about time and tasks. */
export class TaskCalls {
  readonly kernel: Kernel;
  readonly task: task_struct;
  onCall: CallListener | null = null;
  readonly #spawnTask: SpawnTask;
  /** Name of the call that was made but has not begun: its `yield*` is missing. */
  #pending: string | null = null;
  #start = WIDE;

  constructor(kernel: Kernel, task: task_struct, spawnTask: SpawnTask) {
    this.kernel = kernel;
    this.task = task;
    this.#spawnTask = spawnTask;
  }

  /** Memory to send from and to receive into. It is never given back; any other array does as well, but copies from and to this are cheaper. */
  malloc(size: number): Uint8Array {
    return this_cpu.simulation.bytes.allocate(size).u8;
  }

  /** CLOCK_MONOTONIC in ns. Looking at the clock takes no time: the vDSO needs no system call. */
  clockGettime(): number {
    return this_cpu.clock;
  }

  /** Ignores a signal from now on, as signal(number, SIG_IGN). */
  ignoreSignal(number: number): void {
    this.task.ignoredSignals |= 1 << number;
  }

  /* Time and tasks */

  /** clock_gettime() of any clock, also of a device's (FD_TO_CLOCKID): ns, or a negative errno as a number. */
  clockGettimeOf(clock: number): Sleeping<bigint | number> {
    return this.plain('clock_gettime', [clock, pointer(clock)], () => clock_gettime(clock));
  }

  clockSettime(clock: number, time: bigint): Sleeping<number> {
    return this.plain('clock_settime', [clock, pointer(clock)], () => clock_settime(clock, time));
  }

  clockAdjtime(clock: number, change: timex): Sleeping<number> {
    return this.plain('clock_adjtime', [clock, pointer(change)], () => clock_adjtime(clock, change));
  }

  nanosleep(ns: number): Sleeping<number> {
    return this.call('nanosleep', this.#nanosleep(ns));
  }
  *#nanosleep(ns: number): Sleeping<number> {
    if (this.enter()) yield;
    return this.leave('nanosleep', ns < 0 ? -EINVAL : yield* hrtimer_nanosleep(Math.round(ns)));
  }

  /** The program works for `ns` of its CPU's time; interrupts are taken meanwhile. */
  compute(ns: number): Sleeping<void> {
    return this.call('compute', this.#compute(ns));
  }
  *#compute(ns: number): Sleeping<void> {
    this.#pending = null;
    for (let left = Math.round(ns); left > 0; left -= COMPUTE_SLICE_NS) {
      const context = this_cpu.switchContext(CPU_USER);
      this_cpu.charge(Math.min(left, COMPUTE_SLICE_NS));
      this_cpu.switchContext(context);
      if (mustGiveWay()) yield;
    }
    this.#deliverSignals();
  }

  /** Starts another task at once. */
  spawn(this: Sys, program: Program, options: SpawnOptions = {}): Process {
    this.checkPending();
    return this.#spawnTask(this, program, options);
  }

  /** Waits until a task has ended; returns its exit code. */
  join(process: Process): Sleeping<number> {
    return this.call('wait4', this.#join(process));
  }
  *#join(process: Process): Sleeping<number> {
    if (this.enter()) yield;
    const entry = new wait_queue_entry(this.task);
    add_wait_queue(process.ended, entry);
    while (process.running && !signal_pending(this.task)) {
      set_current_state(TASK_INTERRUPTIBLE);
      yield* schedule();
    }
    remove_wait_queue(process.ended, entry);
    return this.leave('wait4', process.status ?? -EINTR);
  }

  /** Sends a signal to a task. */
  kill(process: Process, signal: number): Sleeping<number> {
    return this.plain('kill', [process.task.pid, signal], () => {
      send_sig(signal, process.task);
      return 0;
    });
  }

  /** Ends the program at once. */
  exit(code: number): never {
    throw new ProgramExit(code);
  }

  /* What every call has in common */

  /** A call that never sleeps. */
  protected plain<T>(name: string, args: readonly number[], work: () => T): Sleeping<T> {
    return this.call(name, this.#run(name, args, work));
  }
  *#run<T>(name: string, args: readonly number[], work: () => T): Sleeping<T> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers[name]!, args);
    return this.leave(name, work());
  }

  /** Remembers a call until it begins, which it does only under `yield*`. */
  protected call<T>(name: string, call: Sleeping<T>): Sleeping<T> {
    this.checkPending();
    this.#pending = name;
    return call;
  }

  /** Reports a call that was made without `yield*`, so that nothing happened. */
  checkPending(): void {
    const name = this.#pending;
    this.#pending = null;
    if (name !== null) throw new ProgramError(`${this.task.comm}: sys.${name}() was called without yield*, so it did nothing`);
  }

  /** True when the task must give way before the call begins. */
  protected enter(): boolean {
    this.#pending = null;
    const giveWay = mustGiveWay();
    this_cpu.charge(this.kernel.options.syscallNs);
    this.#start = this_cpu.clock;
    return giveWay;
  }

  protected leave<T>(name: string, result: T): T {
    trace().sys_exit?.(syscall_numbers[name]!, typeof result === 'number' ? result : 0);
    this.onCall?.(name, this.#start, this_cpu.clock, result);
    this.#deliverSignals();
    return result;
  }

  #deliverSignals(): void {
    const signal = this.task.signalPending;
    if (signal === 0) return;
    this.task.signalPending = 0;
    throw new KilledBySignal(signal);
  }
}

/** exit(): caught where the program was started. */
export class ProgramExit {
  readonly code: number;

  constructor(code: number) {
    this.code = code;
  }
}

/** Has anything else in the world to happen before this CPU's clock? */
const mustGiveWay = (): boolean => !this_cpu.caughtUp() || this_cpu.interruptPending || this_cpu_ptr().__softirq_pending !== 0;
