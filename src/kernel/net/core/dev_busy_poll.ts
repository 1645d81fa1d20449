/**
 * net/core/dev.c, include/net/busy_poll.h: busy polling: a reader that would sleep polls its socket's NAPI instance itself instead, for as long as
 * SO_BUSY_POLL (net.core.busy_read), or for poll() and epoll net.core.busy_poll, says, in µs.
 * `sk_busy_loop` → `napi_busy_loop` → the driver's poll, again and again → `busy_poll_stop`, which enables the interrupt. Meanwhile the instance is the
 * reader's: interrupts find it scheduled, and its own completion does nothing.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { kernel, this_cpu_ptr, trace } from '../../current.ts';
import {
  NAPI_STATE_DISABLE,
  NAPI_STATE_IN_BUSY_POLL,
  NAPI_STATE_MISSED,
  NAPI_STATE_PREFER_BUSY_POLL,
  NAPI_STATE_SCHED,
  type napi_struct,
} from '../../include/linux/netdevice.ts';
import type { Sleeping } from '../../include/linux/sched.ts';
import { NET_ADD_STATS } from '../../include/net/net_namespace.ts';
import type { sock } from '../../include/net/sock.ts';
import { cond_resched, current, signal_pending } from '../../kernel/sched.ts';
import { local_bh_disable, local_bh_enable } from '../../kernel/softirq.ts';
import { hrtimer_start } from '../../kernel/time/hrtimer.ts';
import { HZ } from '../../kernel/time/timer.ts';
import { LINUX_MIB_BUSYPOLLRXPACKETS } from '../../uapi/snmp.ts';
import { __napi_schedule } from './dev_napi.ts';
import { gro_flush_normal, gro_normal_list } from './gro.ts';
import { skb_defer_free_flush } from './skbuff_free.ts';

/** Packets a round takes at most, unless SO_BUSY_POLL_BUDGET says otherwise. */
export const BUSY_POLL_BUDGET = 8;
/** A PAUSE instruction. It is charged on a CPU without costs, too: a loop that takes no time would never end. */
const CPU_RELAX_NS = 40;
const NSEC_PER_USEC = 1000;

/** True when the wait is over. */
type loopEnd = () => boolean;

const napi_by_id = (napi_id: number): napi_struct | null => kernel().init_net.napi_hash.get(napi_id) ?? null;

export const sk_can_busy_loop = (sk: sock): boolean => sk.sk_ll_usec !== 0 && !signal_pending(current());

/** net.core.busy_poll: do poll() and epoll_wait() busy-poll? */
export const net_busy_loop_on = (): boolean => kernel().init_net.core.busy_poll !== 0;

/** Has a busy poll() that began at `start` (ns) had its time? */
export const busy_loop_timeout = (start: number): boolean => this_cpu.clock > start + kernel().init_net.core.busy_poll * NSEC_PER_USEC;

/** One round, for who cannot wait: poll() on a socket, recv(MSG_DONTWAIT). */
export function sk_busy_poll_once(sk: sock): void {
  const napi = napi_by_id(sk.sk_napi_id);
  if (napi === null) return;
  const budget = sk.sk_busy_poll_budget || BUSY_POLL_BUDGET;
  const owned = pollRound(napi, false, sk.sk_prefer_busy_poll, budget);
  if (owned) busy_poll_stop(napi, sk.sk_prefer_busy_poll, budget);
}

/** Polls until the socket has something to read or its time is over. */
export function* sk_busy_loop(sk: sock, nonblock: boolean): Sleeping<void> {
  if (nonblock) {
    sk_busy_poll_once(sk);
    return;
  }
  const end = this_cpu.clock + sk.sk_ll_usec * NSEC_PER_USEC;
  const done = (): boolean => sk.sk_receive_queue.next !== null || this_cpu.clock > end;
  yield* napi_busy_loop(sk.sk_napi_id, done, sk.sk_prefer_busy_poll, sk.sk_busy_poll_budget || BUSY_POLL_BUDGET);
}

export function* napi_busy_loop(napi_id: number, done: loopEnd, prefer: boolean, budget: number): Sleeping<void> {
  const napi = napi_by_id(napi_id);
  if (napi === null) return;
  let owned = false;
  for (;;) {
    owned = pollRound(napi, owned, prefer, budget);
    if (done()) break;
    if (owned && need_resched()) {
      busy_poll_stop(napi, prefer, budget);
      owned = false;
    }
    yield* cpu_relax();
    if (!owned && done()) return;
    // Who takes the device down meanwhile takes the instance away.
    if ((napi.state & NAPI_STATE_IN_BUSY_POLL) === 0) owned = false;
    if (napi_by_id(napi_id) !== napi) return;
  }
  if (owned) busy_poll_stop(napi, prefer, budget);
}

/** Between two looks: lets the world go on by this CPU's clock, and other tasks if there are any. */
export function* cpu_relax(): Sleeping<void> {
  this_cpu.charge(CPU_RELAX_NS);
  if (need_resched()) yield;
  else yield* cond_resched();
}

/** Others want the CPU. */
const need_resched = (): boolean => this_cpu_ptr().rq.queue.length > 0;

/** Polls once if the instance is, or can be made, the caller's; returns whether it is. */
function pollRound(napi: napi_struct, owned: boolean, prefer: boolean, budget: number): boolean {
  local_bh_disable();
  if (!owned) owned = takeOver(napi, prefer);
  if (owned) {
    const work = napi.poll(napi, budget);
    trace().napi_poll?.(napi, work, budget);
    gro_normal_list(napi);
    if (work > 0) NET_ADD_STATS(napi.dev.nd_net, LINUX_MIB_BUSYPOLLRXPACKETS, work);
  }
  skb_defer_free_flush(this_cpu_ptr().softnet_data);
  local_bh_enable();
  return owned;
}

/** Only one polls: the softirq, or one reader. Who prefers to poll says so, and gets the next turn. */
function takeOver(napi: napi_struct, prefer: boolean): boolean {
  if ((napi.state & (NAPI_STATE_DISABLE | NAPI_STATE_SCHED | NAPI_STATE_IN_BUSY_POLL)) !== 0) {
    if (prefer) napi.state |= NAPI_STATE_PREFER_BUSY_POLL;
    return false;
  }
  napi.state |= NAPI_STATE_IN_BUSY_POLL | NAPI_STATE_SCHED;
  return true;
}

/** The last poll enables the device's interrupt, or if the reader prefers to poll and there is a timeout, the timer looks after the instance. */
function busy_poll_stop(napi: napi_struct, prefer: boolean, budget: number): void {
  let skip_schedule = false;
  napi.state &= ~(NAPI_STATE_MISSED | NAPI_STATE_IN_BUSY_POLL);
  local_bh_disable();
  if (prefer) {
    napi.defer_hard_irqs_count = napi.defer_hard_irqs;
    if (napi.defer_hard_irqs_count > 0 && napi.gro_flush_timeout > 0) {
      hrtimer_start(napi.timer!, this_cpu.clock + napi.gro_flush_timeout);
      skip_schedule = true;
    }
  }
  const work = napi.poll(napi, budget);
  trace().napi_poll?.(napi, work, budget);
  if (work === budget) __busy_poll_stop(napi, skip_schedule);
  local_bh_enable();
}

/** There is more: the softirq goes on, unless the timer will. */
function __busy_poll_stop(napi: napi_struct, skip_schedule: boolean): void {
  if (!skip_schedule) {
    gro_normal_list(napi);
    __napi_schedule(napi);
    return;
  }
  gro_flush_normal(napi, HZ() >= 1000);
  napi.state &= ~NAPI_STATE_SCHED;
}
