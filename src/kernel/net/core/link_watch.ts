/**
 * net/core/link_watch.c: acts on changes of the carrier, outside of the driver's interrupt.
 * `linkwatch_fire_event` → system_wq → `linkwatch_do_dev` → `dev_activate` | `dev_deactivate`. A link that comes up is dealt with at once,
 * everything else once a second at most.
 */
import type { linkwatchState } from '../../include/linux/linkwatch.ts';
import { IFF_UP, NETDEV_CHANGE, type net_device, netif_carrier_ok, netif_running } from '../../include/linux/netdevice.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { HZ, jiffies, mod_timer, timer_delete, timer_list, timer_pending } from '../../kernel/time/timer.ts';
import { schedule_work, work_struct } from '../../kernel/workqueue.ts';
import { dev_activate, dev_deactivate } from '../sched/sch_generic_activate.ts';
import { call_netdevice_notifiers } from './dev_notifier.ts';

export function linkwatch_init(network: net): void {
  const work = new work_struct(() => linkwatch_event(state));
  const state: linkwatchState = {
    events: [],
    nextevent: 0,
    work,
    timer: new timer_list(() => void schedule_work(work), 'delayed_work_timer_fn'),
  };
  network.linkwatch = state;
}

/** The carrier of `dev` has changed. */
export function linkwatch_fire_event(dev: net_device): void {
  const state = dev.nd_net.linkwatch;
  const urgent = linkwatch_urgent_event(dev);
  if (!dev.linkwatchPending) {
    dev.linkwatchPending = true;
    state.events.push(dev);
  } else if (!urgent) return;
  linkwatch_schedule_work(state, urgent);
}

/** Carrier has come, or gone, and the transmit queues are in the other state still. */
function linkwatch_urgent_event(dev: net_device): boolean {
  return netif_running(dev) && netif_carrier_ok(dev) && dev._tx.some((txq) => txq.qdisc !== txq.qdisc_sleeping);
}

function linkwatch_schedule_work(state: linkwatchState, urgent: boolean): void {
  const delay = state.nextevent - jiffies();
  if (urgent || delay <= 0 || delay > HZ()) {
    timer_delete(state.timer);
    schedule_work(state.work);
  } else if (!timer_pending(state.timer)) mod_timer(state.timer, state.nextevent);
}

/** Deals with all that wait, or with the urgent ones when it is too early for the others. */
function linkwatch_event(state: linkwatchState): void {
  const urgentOnly = jiffies() < state.nextevent;
  if (!urgentOnly) state.nextevent = jiffies() + HZ();
  const waiting = state.events.splice(0);
  for (const dev of waiting) {
    if (urgentOnly && !linkwatch_urgent_event(dev)) state.events.push(dev);
    else linkwatch_do_dev(dev);
  }
  if (state.events.length > 0) linkwatch_schedule_work(state, false);
}

function linkwatch_do_dev(dev: net_device): void {
  dev.linkwatchPending = false;
  if ((dev.flags & IFF_UP) === 0) return;
  if (netif_carrier_ok(dev)) dev_activate(dev);
  else dev_deactivate(dev);
  call_netdevice_notifiers(NETDEV_CHANGE, dev);
}

/** Deals with what waits for `dev` now: it goes down or is unregistered. */
export function linkwatch_sync_dev(dev: net_device): void {
  if (!dev.linkwatchPending) return;
  const events = dev.nd_net.linkwatch.events;
  events.splice(events.indexOf(dev), 1);
  linkwatch_do_dev(dev);
}
