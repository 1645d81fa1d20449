/**
 * net/sched/sch_api.c: what `tc qdisc` asks for: qdiscs by name, put in and out of devices; and the watchdog timer of those that delay packets.
 * `register_qdisc`; `replaceQdisc` → `qdisc_create` → `qdisc_graft`; `qdisc_watchdog_schedule_ns` → `__netif_schedule`.
 */
import { trace } from '../../current.ts';
import { IFF_UP, type net_device, type netdev_queue, netif_is_multiqueue } from '../../include/linux/netdevice.ts';
import type { net } from '../../include/net/net_namespace.ts';
import {
  __QDISC_STATE_DEACTIVATED,
  Qdisc,
  type Qdisc_ops,
  TC_H_MAJ,
  TC_H_MAKE,
  TC_H_MIN,
  TC_H_ROOT,
  TCQ_F_BUILTIN,
  TCQ_F_ONETXQUEUE,
} from '../../include/net/sch_generic.ts';
import { HRTIMER_NORESTART, hrtimer, hrtimer_cancel, hrtimer_is_queued, hrtimer_start } from '../../kernel/time/hrtimer.ts';
import { EINVAL, ENOENT, EOPNOTSUPP } from '../../uapi/errno.ts';
import { __netif_schedule } from '../core/dev_tx_queue.ts';
import { bfifo_qdisc_ops, pfifo_head_drop_qdisc_ops, pfifo_qdisc_ops } from './sch_fifo.ts';
import { dev_activate, dev_deactivate, dev_graft_qdisc, qdisc_put } from './sch_generic_activate.ts';
import { noqueue_qdisc_ops, pfifo_fast_ops } from './sch_generic_fifo.ts';
import { mq_qdisc_ops } from './sch_mq.ts';

export function register_qdisc(network: net, ops: Qdisc_ops): void {
  network.qdisc_base.set(ops.id, ops);
}

/** The qdiscs that are always there. */
export function pktsched_init(network: net): void {
  for (const ops of [pfifo_fast_ops, pfifo_qdisc_ops, bfifo_qdisc_ops, pfifo_head_drop_qdisc_ops, mq_qdisc_ops, noqueue_qdisc_ops])
    register_qdisc(network, ops);
}

/** Makes a qdisc by name; -errno when there is no such kind or it refuses its options. */
export function qdisc_create(
  txq: netdev_queue,
  kind: string,
  parent: number,
  handle: number,
  options: Record<string, unknown> | null,
): Qdisc | number {
  const ops = txq.dev.nd_net.qdisc_base.get(kind);
  if (ops === undefined) return -ENOENT;
  const sch = new Qdisc(ops, txq);
  sch.parent = parent;
  sch.handle = handle || qdisc_alloc_handle(txq.dev);
  if (!netif_is_multiqueue(txq.dev)) sch.flags |= TCQ_F_ONETXQUEUE;
  const error = ops.init === undefined ? 0 : ops.init(sch, options);
  if (error !== 0) {
    ops.destroy?.(sch);
    return error;
  }
  trace().qdisc_create?.(ops.id, txq.dev, parent);
  return sch;
}

/** The next free of the handles that nobody asked for: 8001:, 8002: … */
function qdisc_alloc_handle(dev: net_device): number {
  for (let major = 0x8001; ; major++) {
    const handle = TC_H_MAKE((major << 16) >>> 0, 0);
    if (qdisc_lookup(dev, handle) === null) return handle;
  }
}

/** The qdisc with a handle (`1:` is 0x10000), wherever in the device's tree. */
export function qdisc_lookup(dev: net_device, handle: number): Qdisc | null {
  const wanted = TC_H_MAJ(handle);
  return wanted === 0 ? null : search(dev.qdisc, wanted);
}

function search(sch: Qdisc, handle: number): Qdisc | null {
  if (sch.handle === handle) return sch;
  for (const child of sch.children) {
    const found = search(child, handle);
    if (found !== null) return found;
  }
  return null;
}

/** `tc qdisc add|replace dev DEV root|parent P [handle H] KIND …`; 0 or -errno. */
export function replaceQdisc(
  dev: net_device,
  parent: number,
  handle: number,
  kind: string,
  options: Record<string, unknown> | null,
): number {
  if (parent === TC_H_ROOT) {
    const root = qdisc_create(dev._tx[0]!, kind, parent, handle, options);
    if (typeof root === 'number') return root;
    graftRoot(dev, root);
    return 0;
  }
  const owner = qdisc_lookup(dev, parent);
  if (owner === null) return -ENOENT;
  if (owner.ops.graft === undefined) return -EOPNOTSUPP;
  const txq = owner.ops === mq_qdisc_ops ? dev._tx[TC_H_MIN(parent) - 1] : owner.dev_queue;
  if (txq === undefined) return -ENOENT;
  const child = qdisc_create(txq, kind, parent, handle, options);
  return typeof child === 'number' ? child : graftChild(owner, parent, child);
}

/** `tc qdisc change`: new options for a qdisc that stays; 0 or -errno. */
export function changeQdisc(dev: net_device, parent: number, options: Record<string, unknown>): number {
  const sch = parent === TC_H_ROOT ? dev.qdisc : childOf(dev, parent);
  if (sch === null || (sch.flags & TCQ_F_BUILTIN) !== 0) return -ENOENT;
  return sch.ops.change === undefined ? -EOPNOTSUPP : sch.ops.change(sch, options);
}

/** `tc qdisc del`: the default comes back; 0 or -errno. */
export function deleteQdisc(dev: net_device, parent: number): number {
  if (parent === TC_H_ROOT) {
    // The default has no handle, and is not to be deleted.
    if (dev.qdisc.handle === 0) return -ENOENT;
    graftRoot(dev, null);
    return 0;
  }
  const owner = qdisc_lookup(dev, parent);
  if (owner === null) return -ENOENT;
  return owner.ops.graft === undefined ? -EINVAL : graftChild(owner, parent, null);
}

function childOf(dev: net_device, parent: number): Qdisc | null {
  const owner = qdisc_lookup(dev, parent);
  return owner === null ? null : (owner.children[TC_H_MIN(parent) - 1] ?? null);
}

function graftChild(owner: Qdisc, parent: number, child: Qdisc | null): number {
  const old = owner.ops.graft!(owner, TC_H_MIN(parent), child);
  if (typeof old !== 'number') {
    qdisc_put(old);
    return 0;
  }
  if (child !== null) qdisc_put(child);
  return old;
}

/** qdisc_graft() for the root: all queues share it, or get what it attaches to them. */
function graftRoot(dev: net_device, root: Qdisc | null): void {
  const isUp = (dev.flags & IFF_UP) !== 0;
  if (isUp) dev_deactivate(dev);
  const oldRoot = dev.qdisc;
  for (const txq of dev._tx) {
    const old = dev_graft_qdisc(txq, root?.ops.attach === undefined ? root : null);
    if (old !== oldRoot) qdisc_put(old);
  }
  qdisc_put(oldRoot);
  dev.qdisc = root ?? dev.noopQdisc;
  root?.ops.attach?.(root);
  if (isUp) dev_activate(dev);
}

/** Wakes a qdisc that holds packets back until a time. */
export class qdisc_watchdog {
  readonly qdisc: Qdisc;
  readonly timer: hrtimer;

  constructor(qdisc: Qdisc) {
    this.qdisc = qdisc;
    this.timer = new hrtimer(
      () => {
        __netif_schedule(qdisc_root_sleeping(qdisc));
        return HRTIMER_NORESTART;
      },
      false,
      'qdisc_watchdog',
    );
  }
}

/** The qdisc that packets for this one go through first. */
export const qdisc_root_sleeping = (qdisc: Qdisc): Qdisc => qdisc.dev_queue.qdisc_sleeping;

/** Runs the qdisc at `expires` (ns, CLOCK_MONOTONIC). */
export function qdisc_watchdog_schedule_ns(watchdog: qdisc_watchdog, expires: number): void {
  if ((qdisc_root_sleeping(watchdog.qdisc).state & __QDISC_STATE_DEACTIVATED) !== 0) return;
  if (hrtimer_is_queued(watchdog.timer) && watchdog.timer.expires === expires) return;
  hrtimer_start(watchdog.timer, expires);
}

export function qdisc_watchdog_cancel(watchdog: qdisc_watchdog): void {
  hrtimer_cancel(watchdog.timer);
}

/** A child dropped `n` packets (`len` bytes) by itself: its ancestors held them for theirs. */
export function qdisc_tree_reduce_backlog(sch: Qdisc, n: number, len: number): void {
  if (n === 0 && len === 0) return;
  for (let child = sch; child.parent !== TC_H_ROOT && child.parent !== 0; ) {
    const parent = qdisc_lookup(sch.dev_queue.dev, child.parent);
    if (parent === null || parent.ops === mq_qdisc_ops) return;
    parent.qlen -= n;
    parent.backlog -= len;
    parent.drops += n;
    child = parent;
  }
}
