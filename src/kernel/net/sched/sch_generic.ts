/**
 * net/sched/sch_generic.c: running queueing disciplines.
 * `qdisc_run` → `__qdisc_run` → `qdisc_restart` → `dequeue_skb` (in bulk, as far as BQL allows) → `sch_direct_xmit` → the driver;
 * what the driver did not take goes back: `dev_requeue_skb`.
 *
 * The rest of the C file: sch_generic_fifo.ts (noop, noqueue, pfifo_fast), sch_generic_activate.ts (dev_activate, dev_deactivate, qdisc_create_dflt,
 * qdisc_reset, qdisc_put, dev_graft_qdisc), sch_generic_watchdog.ts (dev_watchdog), sch_generic_carrier.ts (netif_carrier_on, netif_carrier_off).
 */
import { kernel, trace } from '../../current.ts';
import {
  dev_xmit_complete,
  NETDEV_TX_BUSY,
  type net_device,
  type netdev_queue,
  netif_xmit_frozen_or_stopped,
  skb_get_tx_queue,
} from '../../include/linux/netdevice.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import {
  __QDISC_STATE_DRAINING,
  __QDISC_STATE_MISSED,
  __QDISC_STATE2_RUNNING,
  type Qdisc,
  qdisc_dev,
  TCQ_F_NOLOCK,
  TCQ_F_ONETXQUEUE,
} from '../../include/net/sch_generic.ts';
import { dql_avail } from '../../lib/dynamic_queue_limits.ts';
import { dev_hard_start_xmit, validate_xmit_skb_list } from '../core/dev_hard_start_xmit.ts';
import { __netif_schedule } from '../core/dev_tx_queue.ts';

/** Packets taken at once from a qdisc whose packets may go to different queues. */
const SLOW_BULK = 8;

/** Nobody else may run the qdisc until qdisc_run_end(); false when somebody does already. */
export function qdisc_run_begin(q: Qdisc): boolean {
  if ((q.state2 & __QDISC_STATE2_RUNNING) !== 0) {
    if ((q.flags & TCQ_F_NOLOCK) !== 0) q.state |= __QDISC_STATE_MISSED;
    return false;
  }
  q.state2 |= __QDISC_STATE2_RUNNING;
  return true;
}

export function qdisc_run_end(q: Qdisc): void {
  q.state2 &= ~__QDISC_STATE2_RUNNING;
  if ((q.flags & TCQ_F_NOLOCK) !== 0 && (q.state & __QDISC_STATE_MISSED) !== 0) __netif_schedule(q);
}

/** For qdiscs without a lock, whose length is not to be trusted: is anything known to wait? */
export const nolock_qdisc_is_empty = (q: Qdisc): boolean => (q.state & (__QDISC_STATE_MISSED | __QDISC_STATE_DRAINING)) === 0;

export function qdisc_run(q: Qdisc): void {
  if (!qdisc_run_begin(q)) return;
  __qdisc_run(q);
  qdisc_run_end(q);
}

/** Sends until the qdisc is empty, the hardware is full, or dev_tx_weight packets are out: the rest is NET_TX_SOFTIRQ's. */
export function __qdisc_run(q: Qdisc): void {
  let quota = qdisc_dev(q).nd_net.core.dev_tx_weight;
  while (qdisc_restart(q)) {
    quota -= q.bulkPackets;
    if (quota > 0) continue;
    if ((q.flags & TCQ_F_NOLOCK) !== 0) q.state |= __QDISC_STATE_MISSED;
    else __netif_schedule(q);
    return;
  }
}

/** One round; true when there may be more to send. */
function qdisc_restart(q: Qdisc): boolean {
  const skb = dequeue_skb(q);
  if (skb === null) return false;
  const dev = qdisc_dev(q);
  return sch_direct_xmit(skb, q, dev, skb_get_tx_queue(dev, skb), q.mustValidate);
}

/** A packet or a chain of them, all for one queue. How many is in `q.bulkPackets`. */
function dequeue_skb(q: Qdisc): sk_buff | null {
  const txq = q.dev_queue;
  q.bulkPackets = 1;
  if (q.gso_skb !== null) {
    const again = requeued(q);
    trace().qdisc_dequeue?.(q, txq, again === null ? 0 : 1, again);
    return again;
  }
  q.mustValidate = true;
  if ((q.flags & TCQ_F_ONETXQUEUE) !== 0 && netif_xmit_frozen_or_stopped(txq)) {
    qdisc_maybe_clear_missed(q, txq);
    return null;
  }
  const skb = badTxqSkb(q) ?? q.dequeue(q);
  if (skb !== null) {
    if ((q.flags & TCQ_F_ONETXQUEUE) !== 0) try_bulk_dequeue_skb(q, skb, txq);
    else try_bulk_dequeue_skb_slow(q, skb);
  }
  trace().qdisc_dequeue?.(q, txq, skb === null ? 0 : q.bulkPackets, skb);
  return skb;
}

/** The first of the packets that the driver refused, if its queue runs again. They have been validated. */
function requeued(q: Qdisc): sk_buff | null {
  const skb = q.gso_skb!;
  q.mustValidate = false;
  const txq = skb_get_tx_queue(qdisc_dev(q), skb);
  if (netif_xmit_frozen_or_stopped(txq)) {
    qdisc_maybe_clear_missed(q, txq);
    return null;
  }
  q.gso_skb = skb.next;
  if (q.gso_skb === null) q.gso_skb_tail = null;
  skb.next = null;
  q.backlog -= skb.qdisc_pkt_len;
  q.qlen--;
  return skb;
}

/** Nothing can be sent: whoever wakes the queue will schedule the qdisc, so it need not be remembered as missed. */
function qdisc_maybe_clear_missed(q: Qdisc, _txq: netdev_queue): void {
  if ((q.flags & TCQ_F_NOLOCK) === 0) return;
  q.state = (q.state & ~__QDISC_STATE_MISSED) | __QDISC_STATE_DRAINING;
}

/** As many packets as the byte limit of the hardware's queue admits. */
function try_bulk_dequeue_skb(q: Qdisc, skb: sk_buff, txq: netdev_queue): void {
  let budget = dql_avail(txq.dql) - skb.len;
  let last = skb;
  while (budget > 0) {
    const next = q.dequeue(q);
    if (next === null) break;
    budget -= next.len;
    last.next = next;
    last = next;
    q.bulkPackets++;
  }
  last.next = null;
}

/** Up to eight packets for the same queue; one for another has to wait in skb_bad_txq. */
function try_bulk_dequeue_skb_slow(q: Qdisc, skb: sk_buff): void {
  let last = skb;
  for (let taken = 0; taken < SLOW_BULK; taken++) {
    const next = q.dequeue(q);
    if (next === null) break;
    if (next.queue_mapping !== skb.queue_mapping) {
      qdisc_enqueue_skb_bad_txq(q, next);
      break;
    }
    last.next = next;
    last = next;
    q.bulkPackets++;
  }
  last.next = null;
}

function qdisc_enqueue_skb_bad_txq(q: Qdisc, skb: sk_buff): void {
  skb.next = null;
  q.skb_bad_txq = skb;
  q.backlog += skb.qdisc_pkt_len;
  q.qlen++;
}

function badTxqSkb(q: Qdisc): sk_buff | null {
  const skb = q.skb_bad_txq;
  if (skb === null || netif_xmit_frozen_or_stopped(skb_get_tx_queue(qdisc_dev(q), skb))) return null;
  q.skb_bad_txq = null;
  q.backlog -= skb.qdisc_pkt_len;
  q.qlen--;
  return skb;
}

/** Gives a chain to the driver; false when it is no use to go on now. */
export function sch_direct_xmit(skb: sk_buff, q: Qdisc, dev: net_device, txq: netdev_queue, validate: boolean): boolean {
  let chain: sk_buff | null = skb;
  if (validate) {
    chain = validate_xmit_skb_list(skb, dev);
    if (chain === null) return true;
  }
  let rc = NETDEV_TX_BUSY;
  if (!netif_xmit_frozen_or_stopped(txq)) {
    rc = dev_hard_start_xmit(chain, dev, txq);
    chain = txq.unsent;
    txq.unsent = null;
  }
  if (!dev_xmit_complete(rc)) {
    if (rc !== NETDEV_TX_BUSY) kernel().printk(`BUG ${dev.name} code ${rc} qlen ${q.qlen}`);
    dev_requeue_skb(chain, q);
    return false;
  }
  return rc === 0 || !netif_xmit_frozen_or_stopped(txq);
}

/** Back into the qdisc, to be the next to go. */
function dev_requeue_skb(chain: sk_buff | null, q: Qdisc): void {
  while (chain !== null) {
    const next: sk_buff | null = chain.next;
    chain.next = null;
    if (q.gso_skb_tail === null) q.gso_skb = chain;
    else q.gso_skb_tail.next = chain;
    q.gso_skb_tail = chain;
    q.requeues++;
    q.backlog += chain.qdisc_pkt_len;
    q.qlen++;
    chain = next;
  }
  if ((q.flags & TCQ_F_NOLOCK) !== 0) q.state |= __QDISC_STATE_MISSED;
  else __netif_schedule(q);
}
