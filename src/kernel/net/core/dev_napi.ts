/**
 * net/core/dev.c: NAPI. A device's interrupt: `napi_schedule` → NET_RX_SOFTIRQ → `net_rx_action` → `__napi_poll` → the driver's poll
 * → `napi_complete_done`, when there is no more work, else the instance stays in the list.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { kernel, this_cpu_ptr, trace } from '../../current.ts';
import { NET_RX_SOFTIRQ } from '../../include/linux/interrupt.ts';
import {
  NAPI_POLL_WEIGHT,
  NAPI_STATE_DISABLE,
  NAPI_STATE_IN_BUSY_POLL,
  NAPI_STATE_MISSED,
  NAPI_STATE_NPSVC,
  NAPI_STATE_PREFER_BUSY_POLL,
  NAPI_STATE_SCHED,
  napi_struct,
  type net_device,
  type softnet_data,
} from '../../include/linux/netdevice.ts';
import { __raise_softirq_irqoff } from '../../kernel/softirq.ts';
import { HRTIMER_NORESTART, hrtimer, hrtimer_cancel, hrtimer_start } from '../../kernel/time/hrtimer.ts';
import { HZ, jiffies, usecs_to_jiffies } from '../../kernel/time/timer.ts';
import { ____napi_schedule, addToPollList, removeFromPollList } from './dev_napi_list.ts';
import { flush_gro_hash, gro_flush_normal } from './gro.ts';
import { skb_defer_free_flush } from './skbuff_free.ts';

/* Setting up */

/** A NAPI instance of a device; disabled until napi_enable(). */
export function netif_napi_add(
  dev: net_device,
  poll: (napi: napi_struct, budget: number) => number,
  weight = NAPI_POLL_WEIGHT,
): napi_struct {
  const napi = new napi_struct(dev, poll, weight, dev.nd_net.nextNapiId++);
  napi.state = NAPI_STATE_SCHED | NAPI_STATE_NPSVC;
  napi.gro_flush_timeout = dev.gro_flush_timeout;
  napi.defer_hard_irqs = dev.napi_defer_hard_irqs;
  napi.timer = new hrtimer(() => napi_watchdog(napi), false, 'napi_watchdog');
  dev.napi_list.push(napi);
  dev.nd_net.napi_hash.set(napi.napi_id, napi);
  return napi;
}

export function netif_napi_del(napi: napi_struct): void {
  const list = napi.dev.napi_list;
  const index = list.indexOf(napi);
  if (index >= 0) list.splice(index, 1);
  napi.dev.nd_net.napi_hash.delete(napi.napi_id);
  flush_gro_hash(napi);
}

export function napi_enable(napi: napi_struct): void {
  napi.state &= ~(NAPI_STATE_SCHED | NAPI_STATE_NPSVC);
}

/** Simplified: an instance that waits to be polled is taken off its list; Linux sleeps until it has been polled. */
export function napi_disable(napi: napi_struct): void {
  removeFromPollList(napi);
  if (napi.timer !== null) hrtimer_cancel(napi.timer);
  napi.state = NAPI_STATE_SCHED | NAPI_STATE_NPSVC;
}

/** Waits until no poll runs: here none can, while anybody else does. */
export function napi_synchronize(_napi: napi_struct): void {}

/** /sys/class/net/DEV/gro_flush_timeout, in ns: how long GRO may hold packets when no interrupt is due. */
export function netdev_set_gro_flush_timeout(dev: net_device, timeout: number): void {
  dev.gro_flush_timeout = timeout;
  for (const napi of dev.napi_list) napi.gro_flush_timeout = timeout;
}

/** /sys/class/net/DEV/napi_defer_hard_irqs: how many empty polls the interrupt stays off. */
export function netdev_set_defer_hard_irqs(dev: net_device, defer: number): void {
  dev.napi_defer_hard_irqs = defer;
  for (const napi of dev.napi_list) napi.defer_hard_irqs = defer;
}

/* Scheduling */

export function napi_schedule(napi: napi_struct): boolean {
  if (!napi_schedule_prep(napi)) return false;
  __napi_schedule(napi);
  return true;
}
export const napi_schedule_irqoff = napi_schedule;

/** May the caller put it in the list? If it is there already, it is noted that it missed something. */
export function napi_schedule_prep(napi: napi_struct): boolean {
  if ((napi.state & NAPI_STATE_DISABLE) !== 0) return false;
  if ((napi.state & NAPI_STATE_SCHED) !== 0) {
    napi.state |= NAPI_STATE_MISSED;
    return false;
  }
  napi.state |= NAPI_STATE_SCHED;
  return true;
}

export function __napi_schedule(napi: napi_struct): void {
  ____napi_schedule(this_cpu_ptr().softnet_data, napi);
}

/** The deferral of interrupts is over. */
function napi_watchdog(napi: napi_struct): boolean {
  if ((napi.state & (NAPI_STATE_DISABLE | NAPI_STATE_SCHED)) === 0) {
    napi.state = (napi.state | NAPI_STATE_SCHED) & ~NAPI_STATE_PREFER_BUSY_POLL;
    __napi_schedule(napi);
  }
  return HRTIMER_NORESTART;
}

/* Polling */

/** NET_RX_SOFTIRQ: polls in turn, until nothing is left, the budget is used up, or two jiffies are over. */
export function net_rx_action(): void {
  const softnet = this_cpu_ptr().softnet_data;
  const core = kernel().init_net.core;
  const timeLimit = jiffies() + usecs_to_jiffies(core.netdev_budget_usecs);
  let budget = core.netdev_budget;
  let list = takePollList(softnet);
  let repoll: napi_struct | null = null;
  let repollTail: napi_struct | null = null;
  softnet.in_net_rx_action = true;
  for (;;) {
    skb_defer_free_flush(softnet);
    if (list === null) {
      // Instances that were scheduled in the meantime are polled at once, unless others have been waiting for longer.
      if (repoll !== null || softnet.poll_list === null) break;
      list = takePollList(softnet);
      continue;
    }
    const napi: napi_struct = list;
    list = napi.next;
    napi.next = null;
    budget -= __napi_poll(napi);
    if (napi.wantsRepoll) {
      napi.wantsRepoll = false;
      if (repollTail === null) repoll = napi;
      else repollTail.next = napi;
      repollTail = napi;
    }
    if (budget <= 0 || jiffies() >= timeLimit) {
      softnet.time_squeeze++;
      break;
    }
  }
  softnet.in_net_rx_action = false;
  putBack(softnet, list, repoll);
}

/** All that wait. They are on no list from here on, so that they can be scheduled again. */
function takePollList(softnet: softnet_data): napi_struct | null {
  const list = softnet.poll_list;
  softnet.poll_list = softnet.poll_list_tail = null;
  for (let napi = list; napi !== null; napi = napi.next) napi.scheduled = false;
  return list;
}

/** What was not polled goes to the front, what is to be polled again to the end. */
function putBack(softnet: softnet_data, unpolled: napi_struct | null, repoll: napi_struct | null): void {
  let fresh: napi_struct | null = null;
  if (unpolled !== null) {
    fresh = takePollList(softnet);
    append(softnet, unpolled);
  }
  append(softnet, fresh);
  append(softnet, repoll);
  if (softnet.poll_list !== null) __raise_softirq_irqoff(NET_RX_SOFTIRQ);
}

function append(softnet: softnet_data, list: napi_struct | null): void {
  while (list !== null) {
    const next: napi_struct | null = list.next;
    addToPollList(softnet, list);
    list = next;
  }
}

/** One poll; `wantsRepoll` is set when the driver used all of its weight. */
function __napi_poll(napi: napi_struct): number {
  const weight = napi.weight;
  let work = 0;
  if ((napi.state & NAPI_STATE_SCHED) !== 0) {
    work = napi.poll(napi, weight);
    trace().napi_poll?.(napi, work, weight);
  }
  if (work < weight) return work;
  if ((napi.state & NAPI_STATE_DISABLE) !== 0) {
    napi_complete(napi);
    return work;
  }
  // A reader that prefers to poll gets its turn, if the timer looks after the instance meanwhile.
  if ((napi.state & NAPI_STATE_PREFER_BUSY_POLL) !== 0) {
    if (napi_complete_done(napi, work)) napi_schedule(napi);
    return work;
  }
  // What has been held for longer than a tick goes up; a tick of more than a millisecond is too long to wait for.
  gro_flush_normal(napi, HZ() >= 1000);
  if (!napi.scheduled) napi.wantsRepoll = true;
  return work;
}

export const napi_complete = (napi: napi_struct): boolean => napi_complete_done(napi, 0);

/** The driver has no more work; true when it may enable its interrupt again. */
export function napi_complete_done(napi: napi_struct, work_done: number): boolean {
  // Who busy-polls calls once more at its end.
  if ((napi.state & (NAPI_STATE_NPSVC | NAPI_STATE_IN_BUSY_POLL)) !== 0) return false;
  let timeout = 0;
  let interruptsOn = true;
  if (work_done > 0) {
    if (napi.gro_bitmask !== 0) timeout = napi.gro_flush_timeout;
    napi.defer_hard_irqs_count = napi.defer_hard_irqs;
  }
  if (napi.defer_hard_irqs_count > 0) {
    napi.defer_hard_irqs_count--;
    timeout = napi.gro_flush_timeout;
    if (timeout > 0) interruptsOn = false;
  }
  gro_flush_normal(napi, timeout > 0);
  if ((napi.state & NAPI_STATE_MISSED) !== 0) {
    // It was scheduled while it was polled: it stays scheduled and is polled once more.
    napi.state &= ~(NAPI_STATE_MISSED | NAPI_STATE_PREFER_BUSY_POLL);
    __napi_schedule(napi);
    return false;
  }
  napi.state &= ~(NAPI_STATE_SCHED | NAPI_STATE_PREFER_BUSY_POLL);
  if (timeout > 0) hrtimer_start(napi.timer!, this_cpu.clock + timeout);
  return interruptsOn;
}
