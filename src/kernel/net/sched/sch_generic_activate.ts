/**
 * net/sched/sch_generic.c: qdiscs come and go with their devices.
 * Up with carrier: `dev_activate` → `attach_default_qdiscs` → `qdisc_create_dflt`. Down: `dev_deactivate` → `qdisc_reset`. Replaced: `dev_graft_qdisc`.
 */
import { trace } from '../../current.ts';
import { IFF_NO_QUEUE, type net_device, type netdev_queue, netif_carrier_ok, netif_is_multiqueue } from '../../include/linux/netdevice.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import {
  __QDISC_STATE_DEACTIVATED,
  Qdisc,
  type Qdisc_ops,
  TCQ_F_BUILTIN,
  TCQ_F_NOPARENT,
  TCQ_F_ONETXQUEUE,
} from '../../include/net/sch_generic.ts';
import { jiffies } from '../../kernel/time/timer.ts';
import { kfree_skb } from '../core/skbuff_free.ts';
import { noop_qdisc_ops, noqueue_qdisc_ops, pfifo_fast_ops } from './sch_generic_fifo.ts';
import { dev_watchdog_down, netdev_watchdog_up } from './sch_generic_watchdog.ts';

/** A fresh qdisc for one queue; null when its init function refuses. */
export function qdisc_create_dflt(txq: netdev_queue, ops: Qdisc_ops, parent: number): Qdisc | null {
  const sch = new Qdisc(ops, txq);
  sch.parent = parent;
  if (ops.init !== undefined && ops.init(sch, null) !== 0) return null;
  trace().qdisc_create?.(ops.id, txq.dev, parent);
  return sch;
}

/** The device has carrier and is up: its qdiscs get to work. */
export function dev_activate(dev: net_device): void {
  if (dev.qdisc === dev.noopQdisc) attach_default_qdiscs(dev);
  if (!netif_carrier_ok(dev)) return;
  let needsWatchdog = false;
  for (let i = 0; i < dev.num_tx_queues; i++) if (transition_one_qdisc(dev._tx[i]!)) needsWatchdog = true;
  if (!needsWatchdog) return;
  for (let i = 0; i < dev.num_tx_queues; i++) dev._tx[i]!.trans_start = jiffies();
  netdev_watchdog_up(dev);
}

/** The sleeping qdisc of a queue becomes the one that packets go to; does it need the watchdog? */
function transition_one_qdisc(txq: netdev_queue): boolean {
  const sleeping = txq.qdisc_sleeping;
  if ((sleeping.flags & TCQ_F_BUILTIN) === 0) sleeping.state &= ~__QDISC_STATE_DEACTIVATED;
  txq.qdisc = sleeping;
  if (sleeping.ops === noop_qdisc_ops || sleeping.enqueue === null) return false;
  txq.trans_start = 0;
  return true;
}

/** Multi-queue devices get `mq` with a default qdisc a queue, others one default qdisc. */
function attach_default_qdiscs(dev: net_device): void {
  const mq = dev.nd_net.qdisc_base.get('mq');
  if (!netif_is_multiqueue(dev) || (dev.priv_flags & IFF_NO_QUEUE) !== 0 || mq === undefined) {
    for (let i = 0; i < dev.num_tx_queues; i++) attach_one_default_qdisc(dev, dev._tx[i]!);
    dev.qdisc = dev._tx[0]!.qdisc_sleeping;
    return;
  }
  const root = qdisc_create_dflt(dev._tx[0]!, mq, 0xffff_ffff);
  if (root === null) return;
  dev.qdisc = root;
  root.ops.attach?.(root);
}

function attach_one_default_qdisc(dev: net_device, txq: netdev_queue): void {
  const noQueue = (dev.priv_flags & IFF_NO_QUEUE) !== 0 || dev.tx_queue_len === 0;
  const qdisc = qdisc_create_dflt(txq, noQueue ? noqueue_qdisc_ops : get_default_qdisc_ops(dev, 0), 0xffff_ffff);
  if (qdisc === null) return;
  if (!netif_is_multiqueue(dev)) qdisc.flags |= TCQ_F_ONETXQUEUE | TCQ_F_NOPARENT;
  txq.qdisc_sleeping = qdisc;
}

/** net.core.default_qdisc; queues that are not in use take what costs least. */
export function get_default_qdisc_ops(dev: net_device, ntx: number): Qdisc_ops {
  if (ntx >= dev.real_num_tx_queues) return pfifo_fast_ops;
  return dev.nd_net.qdisc_base.get(dev.nd_net.core.default_qdisc) ?? pfifo_fast_ops;
}

/** The device goes down or has lost its carrier: what waits is dropped, and what comes is dropped, too. */
export function dev_deactivate(dev: net_device): void {
  for (let i = 0; i < dev.num_tx_queues; i++) {
    const txq = dev._tx[i]!;
    const qdisc = txq.qdisc;
    if ((qdisc.flags & TCQ_F_BUILTIN) === 0) qdisc.state |= __QDISC_STATE_DEACTIVATED;
    txq.qdisc = dev.noopQdisc;
  }
  dev_watchdog_down(dev);
  for (let i = 0; i < dev.num_tx_queues; i++) qdisc_reset(dev._tx[i]!.qdisc_sleeping);
}

/** Empties a qdisc. */
export function qdisc_reset(qdisc: Qdisc): void {
  trace().qdisc_reset?.(qdisc);
  qdisc.ops.reset?.(qdisc);
  qdisc_reset_queue(qdisc);
  dropChain(qdisc.gso_skb);
  dropChain(qdisc.skb_bad_txq);
  qdisc.gso_skb = qdisc.gso_skb_tail = qdisc.skb_bad_txq = null;
  qdisc.qlen = 0;
  qdisc.backlog = 0;
}

/** Empties the queue of a qdisc that is no more than one. */
export function qdisc_reset_queue(qdisc: Qdisc): void {
  for (let skb = qdisc.q.next; skb !== null; skb = qdisc.q.next) {
    qdisc.q.next = skb.next;
    skb.next = skb.prev = null;
    skb.list = null;
    kfree_skb(skb, 'qdisc_reset_queue');
  }
  qdisc.q.prev = null;
  qdisc.q.qlen = 0;
}

function dropChain(skb: sk_buff | null): void {
  while (skb !== null) {
    const next: sk_buff | null = skb.next;
    skb.next = null;
    kfree_skb(skb, 'qdisc_reset');
    skb = next;
  }
}

/** The last user is gone: drops what it holds, and its children. */
export function qdisc_put(qdisc: Qdisc): void {
  if ((qdisc.flags & TCQ_F_BUILTIN) !== 0) return;
  qdisc_reset(qdisc);
  trace().qdisc_destroy?.(qdisc);
  qdisc.ops.destroy?.(qdisc);
}

/** Puts `qdisc` (null: noop) in the place of a queue's root; returns the old one. Packets reach it once the device is activated. */
export function dev_graft_qdisc(txq: netdev_queue, qdisc: Qdisc | null): Qdisc {
  const old = txq.qdisc_sleeping;
  txq.qdisc_sleeping = qdisc ?? txq.dev.noopQdisc;
  txq.qdisc = txq.dev.noopQdisc;
  return old;
}

export const qdisc_tx_is_noop = (dev: net_device): boolean => dev._tx.every((txq) => txq.qdisc.ops === noop_qdisc_ops);

/** noop for each queue: a device that was never opened. */
export function dev_init_scheduler(dev: net_device): void {
  dev.noopQdisc = new Qdisc(noop_qdisc_ops, dev._tx[0]!);
  dev.qdisc = dev.noopQdisc;
  for (const txq of dev._tx) txq.qdisc = txq.qdisc_sleeping = dev.noopQdisc;
}

/** The device is unregistered. */
export function dev_shutdown(dev: net_device): void {
  for (const txq of dev._tx) {
    const old = dev_graft_qdisc(txq, null);
    if (old !== dev.qdisc) qdisc_put(old);
  }
  if (dev.qdisc !== dev.noopQdisc) qdisc_put(dev.qdisc);
  dev.qdisc = dev.noopQdisc;
  dev_watchdog_down(dev);
}
