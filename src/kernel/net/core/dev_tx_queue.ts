/**
 * net/core/dev.c, linux/netdevice.h: starting and stopping transmit queues, and byte queue limits.
 * Driver full: `netif_tx_stop_queue`; room again: `netif_tx_wake_queue` → `__netif_schedule` → NET_TX_SOFTIRQ. BQL: `netdev_tx_sent_queue` ↔
 * `netdev_tx_completed_queue`.
 */
import { kernel, this_cpu_ptr } from '../../current.ts';
import { NET_TX_SOFTIRQ } from '../../include/linux/interrupt.ts';
import {
  __QUEUE_STATE_DRV_XOFF,
  __QUEUE_STATE_STACK_XOFF,
  type net_device,
  type netdev_queue,
  QUEUE_STATE_ANY_XOFF,
} from '../../include/linux/netdevice.ts';
import { type sk_buff, skb_unref } from '../../include/linux/skbuff.ts';
import { SKB_CONSUMED, SKB_DROP_REASON_NOT_SPECIFIED } from '../../include/net/dropreason.ts';
import { __QDISC_STATE_SCHED, type Qdisc } from '../../include/net/sch_generic.ts';
import { raise_softirq_irqoff } from '../../kernel/softirq.ts';
import { dql_avail, dql_completed, dql_queued, dql_reset } from '../../lib/dynamic_queue_limits.ts';
import { consume_skb, kfree_skb_reason } from './skbuff_free.ts';

/** Has the qdisc run in NET_TX_SOFTIRQ, once however often it is asked for. */
export function __netif_schedule(q: Qdisc): void {
  if ((q.state & __QDISC_STATE_SCHED) !== 0) return;
  q.state |= __QDISC_STATE_SCHED;
  __netif_reschedule(q);
}

function __netif_reschedule(q: Qdisc): void {
  const softnet = this_cpu_ptr().softnet_data;
  q.next_sched = null;
  if (softnet.output_queue_tail === null) softnet.output_queue = q;
  else softnet.output_queue_tail.next_sched = q;
  softnet.output_queue_tail = q;
  raise_softirq_irqoff(NET_TX_SOFTIRQ);
}

export function netif_schedule_queue(txq: netdev_queue): void {
  if ((txq.state & QUEUE_STATE_ANY_XOFF) === 0) __netif_schedule(txq.qdisc);
}

/** The driver has room again. */
export function netif_tx_wake_queue(txq: netdev_queue): void {
  if ((txq.state & __QUEUE_STATE_DRV_XOFF) === 0) return;
  txq.state &= ~__QUEUE_STATE_DRV_XOFF;
  __netif_schedule(txq.qdisc);
}

export function netif_tx_wake_all_queues(dev: net_device): void {
  for (let i = 0; i < dev.num_tx_queues; i++) netif_tx_wake_queue(dev._tx[i]!);
}

export const netif_wake_queue = (dev: net_device): void => netif_tx_wake_queue(dev._tx[0]!);
export const netif_wake_subqueue = (dev: net_device, queue_index: number): void => netif_tx_wake_queue(dev._tx[queue_index]!);

/** BQL: `bytes` were put into the ring. */
export function netdev_tx_sent_queue(txq: netdev_queue, bytes: number): void {
  dql_queued(txq.dql, bytes);
  if (dql_avail(txq.dql) < 0) txq.state |= __QUEUE_STATE_STACK_XOFF;
}

/** The same; returns whether the doorbell must be rung now: no more frames follow, or the driver takes none. */
export function __netdev_tx_sent_queue(txq: netdev_queue, bytes: number, xmit_more: boolean): boolean {
  if (xmit_more) {
    dql_queued(txq.dql, bytes);
    return (txq.state & __QUEUE_STATE_DRV_XOFF) !== 0;
  }
  netdev_tx_sent_queue(txq, bytes);
  return true;
}

/** BQL: `bytes` have been sent. */
export function netdev_tx_completed_queue(txq: netdev_queue, _pkts: number, bytes: number): void {
  if (bytes === 0) return;
  dql_completed(txq.dql, bytes);
  if (dql_avail(txq.dql) < 0 || (txq.state & __QUEUE_STATE_STACK_XOFF) === 0) return;
  txq.state &= ~__QUEUE_STATE_STACK_XOFF;
  netif_schedule_queue(txq);
}

export function netdev_tx_reset_queue(txq: netdev_queue): void {
  txq.state &= ~__QUEUE_STATE_STACK_XOFF;
  dql_reset(txq.dql);
}

export const netdev_tx_reset_subqueue = (dev: net_device, queue: number): void => netdev_tx_reset_queue(dev._tx[queue]!);
export const netdev_sent_queue = (dev: net_device, bytes: number): void => netdev_tx_sent_queue(dev._tx[0]!, bytes);
export const netdev_completed_queue = (dev: net_device, pkts: number, bytes: number): void =>
  netdev_tx_completed_queue(dev._tx[0]!, pkts, bytes);

/** Frees a packet from any context: hard interrupts leave it to NET_TX_SOFTIRQ. */
export function dev_kfree_skb_any_reason(skb: sk_buff | null, reason: number, location = ''): void {
  if (skb === null) return;
  if (kernel().inHardirq) dev_kfree_skb_irq_reason(skb, reason);
  else if (reason === SKB_CONSUMED) consume_skb(skb, location);
  else kfree_skb_reason(skb, reason, location);
}

export const dev_kfree_skb_any = (skb: sk_buff | null, location = ''): void =>
  dev_kfree_skb_any_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, location);
export const dev_consume_skb_any = (skb: sk_buff | null, location = ''): void => dev_kfree_skb_any_reason(skb, SKB_CONSUMED, location);

function dev_kfree_skb_irq_reason(skb: sk_buff, reason: number): void {
  if (!skb_unref(skb)) return;
  const softnet = this_cpu_ptr().softnet_data;
  skb.users = 0;
  skb.dropReason = reason;
  skb.next = softnet.completion_queue;
  softnet.completion_queue = skb;
  raise_softirq_irqoff(NET_TX_SOFTIRQ);
}
