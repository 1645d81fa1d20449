/**
 * fs/select.c: poll(). `do_sys_poll` → `do_poll` → `do_pollfd` for each descriptor → sleep → again, until one is ready or the time is over.
 */
import { this_cpu } from '../../machine/cpu.ts';
import {
  type Sleeping,
  TASK_INTERRUPTIBLE,
  TASK_RUNNING,
  type task_struct,
  wait_queue_entry,
  type wait_queue_head,
} from '../include/linux/sched.ts';
import { add_wait_queue, current, remove_wait_queue, set_current_state, signal_pending, try_to_wake_up } from '../kernel/sched.ts';
import { schedule_hrtimeout_range, TIMER_SLACK_NS } from '../kernel/time/sleep_timeout.ts';
import { busy_loop_timeout, cpu_relax, net_busy_loop_on } from '../net/core/dev_busy_poll.ts';
import { EINTR, EINVAL } from '../uapi/errno.ts';
import { POLL_BUSY_LOOP, POLLERR, POLLHUP, POLLNVAL } from '../uapi/socket.ts';
import { fdget, type poll_table, vfs_poll } from './file.ts';

export interface pollfd {
  readonly fd: number;
  readonly events: number;
  revents: number;
}

const MAX_SLACK_NS = 100_000_000;
const MAX_FDS = 1024;

/** How exactly a wait must end: to a thousandth of its length, between the task's slack and 100 ms. */
export const select_estimate_accuracy = (timeoutNs: number): number =>
  Math.max(TIMER_SLACK_NS, Math.min(MAX_SLACK_NS, Math.floor(timeoutNs / 1000)));

/** A poll in progress: its places in the wait queues of all the files. */
class poll_wqueues implements poll_table {
  _key = 0;
  readonly polling_task: task_struct;
  readonly #entries: wait_queue_entry[] = [];
  triggered = false;
  /** Waiters are registered in the first pass only, and not if it will not sleep. */
  registering: boolean;
  /** POLL_BUSY_LOOP while sockets are to busy-poll, and whether one of them can. */
  busyFlag = 0;
  canBusyLoop = false;

  constructor(task: task_struct, registering: boolean) {
    this.polling_task = task;
    this.registering = registering;
  }

  _qproc(wq: wait_queue_head): void {
    if (!this.registering) return;
    const key = this._key;
    const entry = new wait_queue_entry(null, (_entry, event) => this.#pollwake(key, event));
    this.#entries.push(entry);
    add_wait_queue(wq, entry);
  }

  #pollwake(key: number, event: number): boolean {
    if (event !== 0 && (event & key) === 0) return false;
    this.triggered = true;
    return try_to_wake_up(this.polling_task);
  }

  poll_freewait(): void {
    for (const entry of this.#entries) remove_wait_queue(entry.queue!, entry);
  }
}

/** `timeout_msecs` negative: for ever. Returns how many descriptors have events, or a negative errno. */
export function* do_sys_poll(fds: readonly pollfd[], timeout_msecs: number): Sleeping<number> {
  if (fds.length > MAX_FDS) return -EINVAL;
  const timeoutNs = timeout_msecs < 0 ? null : timeout_msecs * 1_000_000;
  const table = new poll_wqueues(current(), timeoutNs !== 0);
  const count = yield* do_poll(fds, table, timeoutNs);
  table.poll_freewait();
  return count;
}

function* do_poll(fds: readonly pollfd[], table: poll_wqueues, timeoutNs: number | null): Sleeping<number> {
  const expires = timeoutNs === null ? null : this_cpu.clock + timeoutNs;
  const slack = timeoutNs === null ? 0 : select_estimate_accuracy(timeoutNs);
  let timedOut = timeoutNs === 0;
  const busyStart = this_cpu.clock;
  table.busyFlag = net_busy_loop_on() ? POLL_BUSY_LOOP : 0;
  for (;;) {
    table.canBusyLoop = false;
    const count = pollAll(fds, table);
    table.registering = false;
    if (count > 0 || timedOut) return count;
    if (signal_pending(current())) return -EINTR;
    if (table.canBusyLoop && !busy_loop_timeout(busyStart)) {
      yield* cpu_relax();
      continue;
    }
    table.busyFlag = 0;
    timedOut = !(yield* poll_schedule_timeout(table, expires, slack));
  }
}

function pollAll(fds: readonly pollfd[], table: poll_wqueues): number {
  let count = 0;
  for (const entry of fds) {
    const mask = do_pollfd(entry, table);
    entry.revents = mask;
    if (mask === 0) continue;
    count++;
    table.registering = false;
    table.busyFlag = 0;
  }
  return count;
}

function do_pollfd(entry: pollfd, table: poll_wqueues): number {
  if (entry.fd < 0) return 0;
  const opened = fdget(entry.fd);
  if (opened === null) return POLLNVAL;
  const filter = entry.events | POLLERR | POLLHUP;
  table._key = filter | table.busyFlag;
  const mask = vfs_poll(opened, table);
  if ((mask & table.busyFlag) !== 0) table.canBusyLoop = true;
  return mask & filter;
}

/** False when the time is over. */
function* poll_schedule_timeout(table: poll_wqueues, expires: number | null, slack: number): Sleeping<boolean> {
  let result = -EINTR;
  set_current_state(TASK_INTERRUPTIBLE);
  if (!table.triggered) result = yield* schedule_hrtimeout_range(expires, slack);
  set_current_state(TASK_RUNNING);
  table.triggered = false;
  return result !== 0;
}
