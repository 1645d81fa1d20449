/** include/linux/sched.h, wait.h: tasks and wait queues. */
import { WIDE } from '../../../sim/wide.ts';

/**
 * What a function that may sleep returns: call it with `yield*`. What travels through the yield is a request to the scheduler: the task gives
 * up its CPU; its state says whether it sleeps or only gives way.
 */
export type Sleeping<T> = Generator<void, T, void>;

export const TASK_RUNNING = 0;
export const TASK_INTERRUPTIBLE = 1;
export const TASK_UNINTERRUPTIBLE = 2;
export const TASK_DEAD = 0x80;

export const MAX_SCHEDULE_TIMEOUT = Number.POSITIVE_INFINITY;

export class task_struct {
  readonly pid: number;
  comm: string;
  /** The CPU it runs on: a task stays where it was started unless it is moved. */
  cpu: number;
  __state = TASK_RUNNING;
  /** On a run queue (or running). */
  on_rq = false;
  /** It must not run before this instant: the clock of the CPU that woke it. */
  wakeTime = WIDE;
  /** The program; null for the idle task and kernel threads without one. */
  body: Sleeping<number> | null;
  exit_code = 0;
  /** Number of the signal that waits to be delivered; 0: none. */
  signalPending = 0;
  /** Bit mask of signals that the program ignores. */
  ignoredSignals = 0;
  /** Run when the task ends. */
  onExit: ((task: task_struct) => void) | null = null;
  /** Open files: set by fs/file.ts. */
  files: unknown = null;
  /** Per-task page fragment for sk_page_frag(): set by net/core/sock.ts. */
  task_frag: unknown = null;

  constructor(pid: number, comm: string, cpu: number, body: Sleeping<number> | null) {
    this.pid = pid;
    this.comm = comm;
    this.cpu = cpu;
    this.body = body;
  }
}

export const WQ_FLAG_EXCLUSIVE = 1;

/** Wakes what waits; returns true if it did (counts as an exclusive wake-up). `key` says what happened (poll events). */
export type wait_queue_func_t = (entry: wait_queue_entry, key: number) => boolean;

export class wait_queue_entry {
  flags = 0;
  task: task_struct | null;
  func: wait_queue_func_t | null;
  /** The queue it is on; null when on none. */
  queue: wait_queue_head | null = null;

  /** Without `func` the task is woken (default_wake_function). */
  constructor(task: task_struct | null, func: wait_queue_func_t | null = null) {
    this.task = task;
    this.func = func;
  }
}

export class wait_queue_head {
  /** Waiters, exclusive ones at the end. */
  readonly head: wait_queue_entry[] = [];
}

export const waitqueue_active = (wq: wait_queue_head): boolean => wq.head.length > 0;
