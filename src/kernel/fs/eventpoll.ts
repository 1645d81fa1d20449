/**
 * fs/eventpoll.c: epoll.
 * `do_epoll_ctl` → `ep_insert` registers `ep_poll_callback` with the file's wait queue; a wake-up puts the item on the ready list;
 * `do_epoll_wait` → `ep_poll` → `ep_send_events` asks the files on that list what they are really ready for.
 *
 * Level-triggered items go back on the list after they were reported, edge-triggered ones wait for the next wake-up, one-shot ones are disabled.
 *
 * Simplified: loops of epolls that watch each other are refused only directly (an epoll in itself); Linux searches the whole graph.
 */
import { this_cpu } from '../../machine/cpu.ts';
import { NSEC_PER_USEC } from '../../sim/time.ts';
import { kernel } from '../current.ts';
import { type Sleeping, TASK_INTERRUPTIBLE, wait_queue_entry, wait_queue_head, waitqueue_active } from '../include/linux/sched.ts';
import { INT_MAX } from '../include/linux/types.ts';
import type { socket } from '../include/net/sock.ts';
import {
  __wake_up,
  add_wait_queue_exclusive,
  current,
  remove_wait_queue,
  set_current_state,
  signal_pending,
  wake_up,
} from '../kernel/sched.ts';
import { schedule_hrtimeout_range } from '../kernel/time/sleep_timeout.ts';
import { BUSY_POLL_BUDGET, napi_busy_loop, net_busy_loop_on } from '../net/core/dev_busy_poll.ts';
import { EBADF, EEXIST, EINTR, EINVAL, ENOENT, EPERM } from '../uapi/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM } from '../uapi/socket.ts';
import {
  addWaiter,
  fd_install,
  fdget,
  file,
  type file_operations,
  get_unused_fd_flags,
  type poll_table,
  poll_wait,
  vfs_poll,
} from './file.ts';
import { select_estimate_accuracy } from './select.ts';

export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = POLLIN;
export const EPOLLOUT = POLLOUT;
export const EPOLLERR = POLLERR;
export const EPOLLHUP = POLLHUP;
export const EPOLLRDHUP = 0x2000;
export const EPOLLEXCLUSIVE = 1 << 28;
export const EPOLLWAKEUP = 1 << 29;
export const EPOLLONESHOT = 1 << 30;
export const EPOLLET = 1 << 31;

const EP_PRIVATE_BITS = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;
const EPOLLINOUT_BITS = POLLIN | POLLOUT;
const EPOLLEXCLUSIVE_OK_BITS = EPOLLINOUT_BITS | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

/** ioctls of an epoll, by their numbers on x86-64. */
export const EPIOCSPARAMS = 0x4008_8a01;
export const EPIOCGPARAMS = 0x8008_8a02;

/** Busy polling of an epoll; times in µs. */
export interface epoll_params {
  busy_poll_usecs: number;
  busy_poll_budget: number;
  prefer_busy_poll: number;
}

export interface epoll_event {
  events: number;
  data: unknown;
}

/** One watched file: struct epitem. It is the poll table of its own registration. */
class epitem implements poll_table {
  readonly ep: eventpoll;
  readonly file: file;
  readonly fd: number;
  readonly event: epoll_event;
  ready = false;
  _key = 0;
  readonly #waits: wait_queue_entry[] = [];

  constructor(ep: eventpoll, watched: file, fd: number, event: epoll_event) {
    this.ep = ep;
    this.file = watched;
    this.fd = fd;
    this.event = { ...event };
  }

  _qproc(wq: wait_queue_head): void {
    const entry = new wait_queue_entry(null, (_entry, key) => ep_poll_callback(this, key));
    this.#waits.push(entry);
    addWaiter(wq, entry, (this.event.events & EPOLLEXCLUSIVE) !== 0);
  }

  unregister(): void {
    for (const entry of this.#waits) remove_wait_queue(entry.queue!, entry);
    this.#waits.length = 0;
  }

  /** ep_remove() */
  remove(): void {
    this.unregister();
    this.file.f_ep.splice(this.file.f_ep.indexOf(this), 1);
    this.ep.items.splice(this.ep.items.indexOf(this), 1);
    if (this.ready) this.ep.rdllist.splice(this.ep.rdllist.indexOf(this), 1);
  }
}

class eventpoll {
  /** Who sleeps in epoll_wait(), and who polls the epoll itself. */
  readonly wq = new wait_queue_head();
  readonly poll_wait = new wait_queue_head();
  readonly items: epitem[] = [];
  readonly rdllist: epitem[] = [];
  /** Busy polling: the NAPI instance of a socket that became ready, and what EPIOCSPARAMS set (0: net.core.busy_poll, the default budget). */
  napi_id = 0;
  busy_poll_usecs = 0;
  busy_poll_budget = 0;
  prefer_busy_poll = false;
}

const eventpoll_fops: file_operations = {
  poll: ep_eventpoll_poll,
  unlocked_ioctl: ep_eventpoll_ioctl,
  // biome-ignore lint/correctness/useYield: a release that never waits
  *release(opened) {
    const ep = opened.private_data as eventpoll;
    for (const item of ep.items.slice()) item.remove();
    return 0;
  },
};

function ep_eventpoll_poll(opened: file, wait: poll_table | null): number {
  const ep = opened.private_data as eventpoll;
  poll_wait(ep.poll_wait, wait);
  return ep.rdllist.some((item) => ep_item_poll(item, false) !== 0) ? POLLIN | POLLRDNORM : 0;
}

export function do_epoll_create(flags: number): number {
  const fd = get_unused_fd_flags(flags);
  if (fd >= 0) fd_install(fd, new file(eventpoll_fops, new eventpoll(), flags));
  return fd;
}

export function do_epoll_ctl(epfd: number, op: number, fd: number, event: epoll_event | null): number {
  const epFile = fdget(epfd);
  const target = fdget(fd);
  if (epFile === null || target === null) return -EBADF;
  if (target.f_op.poll === undefined) return -EPERM;
  if (epFile === target || epFile.f_op !== eventpoll_fops) return -EINVAL;
  if (event === null && op !== EPOLL_CTL_DEL) return -EINVAL;
  if (event !== null && op !== EPOLL_CTL_DEL && !exclusiveOk(op, event.events, target)) return -EINVAL;
  const ep = epFile.private_data as eventpoll;
  const found = ep.items.find((item) => item.file === target && item.fd === fd) ?? null;
  switch (op) {
    case EPOLL_CTL_ADD:
      return found !== null ? -EEXIST : ep_insert(ep, target, fd, event!);
    case EPOLL_CTL_DEL:
      return found === null ? -ENOENT : ep_remove(found);
    case EPOLL_CTL_MOD:
      if (found !== null && (found.event.events & EPOLLEXCLUSIVE) !== 0) return -EINVAL;
      return found === null ? -ENOENT : ep_modify(found, event!);
    default:
      return -EINVAL;
  }
}

function exclusiveOk(op: number, events: number, target: file): boolean {
  if ((events & EPOLLEXCLUSIVE) === 0) return true;
  return op === EPOLL_CTL_ADD && target.f_op !== eventpoll_fops && (events & ~EPOLLEXCLUSIVE_OK_BITS) === 0;
}

function ep_insert(ep: eventpoll, target: file, fd: number, event: epoll_event): number {
  const item = new epitem(ep, target, fd, event);
  item.event.events |= POLLERR | POLLHUP;
  target.f_ep.push(item);
  ep.items.push(item);
  ep_set_busy_poll_napi_id(item);
  if (ep_item_poll(item, true) !== 0) markReady(item);
  return 0;
}

function ep_modify(item: epitem, event: epoll_event): number {
  item.event.events = event.events | POLLERR | POLLHUP;
  item.event.data = event.data;
  if (ep_item_poll(item, false) !== 0) markReady(item);
  return 0;
}

function ep_remove(item: epitem): number {
  item.remove();
  return 0;
}

/** What the item's file is ready for, of what was asked for. */
function ep_item_poll(item: epitem, register: boolean): number {
  return vfs_poll(item.file, register ? item : null) & item.event.events & ~EP_PRIVATE_BITS;
}

function markReady(item: epitem): void {
  const ep = item.ep;
  if (!item.ready) {
    item.ready = true;
    ep.rdllist.push(item);
  }
  if (waitqueue_active(ep.wq)) wake_up(ep.wq);
  if (waitqueue_active(ep.poll_wait)) __wake_up(ep.poll_wait, 0, POLLIN);
}

/** A watched file has something to tell. With EPOLLEXCLUSIVE the answer says whether somebody was woken. */
function ep_poll_callback(item: epitem, key: number): boolean {
  const events = item.event.events;
  // A one-shot item that was reported stays silent until it is armed again.
  if ((events & ~EP_PRIVATE_BITS) === 0) return false;
  if (key !== 0 && (key & events) === 0) return false;
  ep_set_busy_poll_napi_id(item);
  const sleepers = waitqueue_active(item.ep.wq);
  markReady(item);
  return (events & EPOLLEXCLUSIVE) === 0 || sleepers;
}

/** Waits for events; `timeout_ms` negative: for ever. */
export function* do_epoll_wait(epfd: number, maxevents: number, timeout_ms: number): Sleeping<epoll_event[] | number> {
  if (maxevents <= 0) return -EINVAL;
  const opened = fdget(epfd);
  if (opened === null) return -EBADF;
  if (opened.f_op !== eventpoll_fops) return -EINVAL;
  return yield* ep_poll(opened.private_data as eventpoll, maxevents, timeout_ms);
}

function* ep_poll(ep: eventpoll, maxevents: number, timeout_ms: number): Sleeping<epoll_event[] | number> {
  const timeoutNs = timeout_ms < 0 ? null : timeout_ms * 1_000_000;
  const expires = timeoutNs === null ? null : this_cpu.clock + timeoutNs;
  let timedOut = timeoutNs === 0;
  for (;;) {
    const events = ep_send_events(ep, maxevents);
    if (events.length > 0 || timedOut) return events;
    if (yield* ep_busy_loop(ep)) continue;
    if (signal_pending(current())) return -EINTR;
    timedOut = yield* ep_schedule_timeout(ep, expires, timeoutNs === null ? 0 : select_estimate_accuracy(timeoutNs));
  }
}

/* Busy polling */

const ep_busy_loop_on = (ep: eventpoll): boolean => ep.busy_poll_usecs !== 0 || net_busy_loop_on();

/** Polls the NAPI instance that sockets became ready by; true when something is ready now. One that brought nothing is forgotten. */
function* ep_busy_loop(ep: eventpoll): Sleeping<boolean> {
  if (ep.napi_id === 0 || !ep_busy_loop_on(ep)) return false;
  const usecs = ep.busy_poll_usecs || kernel().init_net.core.busy_poll;
  const end = this_cpu.clock + usecs * NSEC_PER_USEC;
  const done = (): boolean => ep.rdllist.length > 0 || this_cpu.clock > end;
  yield* napi_busy_loop(ep.napi_id, done, ep.prefer_busy_poll, ep.busy_poll_budget || BUSY_POLL_BUDGET);
  if (ep.rdllist.length > 0) return true;
  ep.napi_id = 0;
  return false;
}

function ep_set_busy_poll_napi_id(item: epitem): void {
  if (!ep_busy_loop_on(item.ep) || item.file.f_op.isSocket !== true) return;
  const { sk_napi_id } = (item.file.private_data as socket).sk!;
  if (sk_napi_id !== 0) item.ep.napi_id = sk_napi_id;
}

/** EPIOCSPARAMS, EPIOCGPARAMS */
function ep_eventpoll_ioctl(opened: file, cmd: number, arg: unknown): number {
  const ep = opened.private_data as eventpoll;
  const params = arg as epoll_params;
  if (cmd === EPIOCGPARAMS) {
    params.busy_poll_usecs = ep.busy_poll_usecs;
    params.busy_poll_budget = ep.busy_poll_budget;
    params.prefer_busy_poll = ep.prefer_busy_poll ? 1 : 0;
    return 0;
  }
  if (cmd !== EPIOCSPARAMS) return -EINVAL;
  if (params.prefer_busy_poll > 1 || params.busy_poll_usecs > INT_MAX) return -EINVAL;
  ep.busy_poll_usecs = params.busy_poll_usecs;
  ep.busy_poll_budget = params.busy_poll_budget;
  ep.prefer_busy_poll = params.prefer_busy_poll !== 0;
  return 0;
}

/* Waiting */

/** True when the time is over. */
function* ep_schedule_timeout(ep: eventpoll, expires: number | null, slack: number): Sleeping<boolean> {
  const entry = new wait_queue_entry(current());
  add_wait_queue_exclusive(ep.wq, entry);
  set_current_state(TASK_INTERRUPTIBLE);
  const result = yield* schedule_hrtimeout_range(expires, slack);
  remove_wait_queue(ep.wq, entry);
  return result === 0;
}

function ep_send_events(ep: eventpoll, maxevents: number): epoll_event[] {
  const events: epoll_event[] = [];
  const scan = ep.rdllist.splice(0);
  let taken = 0;
  for (; taken < scan.length && events.length < maxevents; taken++) {
    const item = scan[taken]!;
    item.ready = false;
    report(ep, item, events);
  }
  // What did not fit is first in line the next time.
  ep.rdllist.unshift(...scan.slice(taken));
  return events;
}

function report(ep: eventpoll, item: epitem, events: epoll_event[]): void {
  const revents = ep_item_poll(item, false);
  if (revents === 0) return;
  events.push({ events: revents, data: item.event.data });
  if ((item.event.events & EPOLLONESHOT) !== 0) item.event.events &= EP_PRIVATE_BITS;
  else if ((item.event.events & EPOLLET) === 0) {
    item.ready = true;
    ep.rdllist.push(item);
  }
}
