/**
 * kernel/sched/: tasks, wait queues, and what a CPU does next.
 * `__wake_up` → `try_to_wake_up` → the CPU's run queue → `runTaskSlice`; a task leaves by yielding from `schedule`, `schedule_timeout` or `cond_resched`.
 *
 * Simplified: the run queue is first come, first served; Linux's EEVDF would order it by virtual deadline. A task runs until it sleeps or gives way,
 * and stays on its CPU unless moved.
 */
import { CPU_IDLE, CPU_SYSTEM, CPU_USER, this_cpu } from '../../machine/cpu.ts';
import { kernel, this_cpu_ptr, trace } from '../current.ts';
import type { percpu } from '../include/linux/percpu.ts';
import {
  MAX_SCHEDULE_TIMEOUT,
  type Sleeping,
  TASK_DEAD,
  TASK_INTERRUPTIBLE,
  TASK_RUNNING,
  type task_struct,
  WQ_FLAG_EXCLUSIVE,
  type wait_queue_entry,
  type wait_queue_head,
} from '../include/linux/sched.ts';
import { jiffies, mod_timer, timer_delete_sync, timer_list } from './time/timer.ts';

/** One CPU's run queue. */
export class rq {
  readonly queue: task_struct[] = [];
  /** Context switches, for /proc/stat. */
  nr_switches = 0;
  /** The task that runs has only been interrupted: it goes on before all others. */
  interrupted = false;
}

export const current = (): task_struct => this_cpu_ptr().current;

export function set_current_state(state: number): void {
  current().__state = state;
}

/** Makes a sleeping task runnable on its CPU, not before the waker's clock. False when it was awake. */
export function try_to_wake_up(task: task_struct): boolean {
  if (task.__state === TASK_RUNNING || task.__state === TASK_DEAD) return false;
  trace().sched_waking?.(task);
  task.__state = TASK_RUNNING;
  if (!task.on_rq) enqueueTask(task);
  trace().sched_wakeup?.(task);
  return true;
}

export const wake_up_process = try_to_wake_up;

function enqueueTask(task: task_struct): void {
  const target = kernel().percpu[task.cpu]!;
  task.on_rq = true;
  task.wakeTime = this_cpu.clock;
  target.rq.queue.push(task);
  if (target.cpu !== this_cpu) target.cpu.kick(task.wakeTime);
}

/** Starts a new task. */
export function wake_up_new_task(task: task_struct): void {
  enqueueTask(task);
}

export function add_wait_queue(wq: wait_queue_head, entry: wait_queue_entry): void {
  entry.flags &= ~WQ_FLAG_EXCLUSIVE;
  entry.queue = wq;
  wq.head.unshift(entry);
}

export function add_wait_queue_exclusive(wq: wait_queue_head, entry: wait_queue_entry): void {
  entry.flags |= WQ_FLAG_EXCLUSIVE;
  entry.queue = wq;
  wq.head.push(entry);
}

export function remove_wait_queue(wq: wait_queue_head, entry: wait_queue_entry): void {
  const index = wq.head.indexOf(entry);
  if (index >= 0) wq.head.splice(index, 1);
  entry.queue = null;
}

export function prepare_to_wait(wq: wait_queue_head, entry: wait_queue_entry, state: number): void {
  if (entry.queue === null) add_wait_queue(wq, entry);
  set_current_state(state);
}

export function prepare_to_wait_exclusive(wq: wait_queue_head, entry: wait_queue_entry, state: number): void {
  if (entry.queue === null) add_wait_queue_exclusive(wq, entry);
  set_current_state(state);
}

export function finish_wait(wq: wait_queue_head, entry: wait_queue_entry): void {
  set_current_state(TASK_RUNNING);
  if (entry.queue !== null) remove_wait_queue(wq, entry);
}

export function default_wake_function(entry: wait_queue_entry): boolean {
  return try_to_wake_up(entry.task!);
}

/** How an entry that goes with `wait_woken` is woken. */
export function woken_wake_function(entry: wait_queue_entry): boolean {
  return default_wake_function(entry);
}

/** How an entry that goes with `prepare_to_wait` is woken: it leaves the queue at once. */
export function autoremove_wake_function(entry: wait_queue_entry): boolean {
  const woken = default_wake_function(entry);
  if (woken && entry.queue !== null) remove_wait_queue(entry.queue, entry);
  return woken;
}

/** Wakes all non-exclusive waiters and up to `nr_exclusive` exclusive ones (0 = all). */
function __wake_up_common(wq: wait_queue_head, nr_exclusive: number, key: number): void {
  // Who is woken may leave the queue.
  for (const entry of wq.head.length > 1 ? wq.head.slice() : wq.head) {
    const woken = entry.func !== null ? entry.func(entry, key) : default_wake_function(entry);
    if (woken && (entry.flags & WQ_FLAG_EXCLUSIVE) !== 0 && nr_exclusive > 0 && --nr_exclusive === 0) break;
  }
}

export function __wake_up(wq: wait_queue_head, nr_exclusive: number, key: number): void {
  __wake_up_common(wq, nr_exclusive, key);
}

/** As __wake_up, but the waker is about to sleep, so the woken task needs no preemption. */
export function __wake_up_sync_key(wq: wait_queue_head, key: number): void {
  __wake_up_common(wq, 1, key);
}

export const wake_up = (wq: wait_queue_head): void => __wake_up(wq, 1, 0);
export const wake_up_all = (wq: wait_queue_head): void => __wake_up(wq, 0, 0);
export const wake_up_interruptible = wake_up;
export const wake_up_interruptible_all = wake_up_all;
export const wake_up_interruptible_poll = (wq: wait_queue_head, events: number): void => __wake_up(wq, 1, events);
export const wake_up_interruptible_sync_poll = (wq: wait_queue_head, events: number): void => __wake_up_sync_key(wq, events);

/** Gives up the CPU. The task's state says whether it sleeps (set it first) or only lets others run. */
export function* schedule(): Sleeping<void> {
  yield;
}

/** Sleeps for `timeout` jiffies at most (MAX_SCHEDULE_TIMEOUT: until woken); returns what is left of them. */
export function* schedule_timeout(timeout: number): Sleeping<number> {
  if (timeout === MAX_SCHEDULE_TIMEOUT) {
    yield;
    return timeout;
  }
  const task = current();
  const expires = jiffies() + timeout;
  const timer = new timer_list((): void => {
    try_to_wake_up(task);
  }, 'process_timeout');
  mod_timer(timer, expires);
  yield;
  timer_delete_sync(timer);
  return Math.max(0, expires - jiffies());
}

/** Sleeps until an entry that is on a wait queue with `woken_wake_function` is woken, or for `timeout` jiffies; returns what is left of them. */
export function* wait_woken(mode: number, timeout: number): Sleeping<number> {
  set_current_state(mode);
  return yield* schedule_timeout(timeout);
}

/** A preemption point: interrupts that arrived by this CPU's clock are taken here. */
export function* cond_resched(): Sleeping<void> {
  if (!this_cpu.caughtUp() || this_cpu.interruptPending || this_cpu_ptr().__softirq_pending !== 0) yield;
}

/**
 * For loops that copy, which interrupts must not wait for: true when there is one to be taken by this CPU's clock; the caller then yields, and goes on after it.
 * Unlike cond_resched() it makes no generator.
 */
export function interruptDue(): boolean {
  const pcpu = this_cpu_ptr();
  if (this_cpu.caughtUp() && !this_cpu.interruptPending && pcpu.__softirq_pending === 0) return false;
  pcpu.rq.interrupted = true;
  return true;
}

export const signal_pending = (task: task_struct): boolean => task.signalPending !== 0;

/** A new task with a program, runnable at once on the given CPU. */
export function kernelSpawn(task: task_struct): task_struct {
  kernel().tasks.push(task);
  trace().sched_process_fork?.(current(), task);
  wake_up_new_task(task);
  return task;
}

/** Runs the next task of this CPU until it sleeps, gives way or ends; false when none is ready. */
export function runTaskSlice(pcpu: percpu): boolean {
  const queue = pcpu.rq.queue;
  const task = queue[0];
  if (task === undefined || task.wakeTime > this_cpu.clock) return false;
  queue.shift();
  pcpu.rq.interrupted = false;
  switchTo(pcpu, task);
  const context = this_cpu.switchContext(CPU_SYSTEM);
  const done = task.body!.next();
  this_cpu.switchContext(context);
  if (done.done === true) endTask(task, done.value);
  else if (pcpu.rq.interrupted) queue.unshift(task);
  else if (task.__state === TASK_RUNNING) queue.push(task);
  else task.on_rq = false;
  if (queue.length === 0) switchTo(pcpu, kernel().idle[this_cpu.id]!);
  return true;
}

function switchTo(pcpu: percpu, next: task_struct): void {
  const previous = pcpu.current;
  if (previous === next) return;
  this_cpu.charge(kernel().options.contextSwitchNs);
  trace().sched_switch?.(previous, next);
  pcpu.rq.nr_switches++;
  pcpu.current = next;
}

function endTask(task: task_struct, code: number): void {
  trace().sched_process_exit?.(task);
  task.__state = TASK_DEAD;
  task.on_rq = false;
  task.exit_code = code;
  const tasks = kernel().tasks;
  tasks.splice(tasks.indexOf(task), 1);
  task.onExit?.(task);
}

/** Enters and leaves user mode, for the accounting of CPU time. */
export const enterUser = (): number => this_cpu.switchContext(CPU_USER);
export const enterSystem = (): number => this_cpu.switchContext(CPU_SYSTEM);

/** The state a sleeping system call waits in. */
export const SLEEP_STATE = TASK_INTERRUPTIBLE;
export const isIdle = (): boolean => this_cpu.context === CPU_IDLE;
