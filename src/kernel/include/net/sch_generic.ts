/** include/net/sch_generic.h: queueing disciplines. */

import { WIDE } from '../../../sim/wide.ts';
import { newAddress } from '../linux/address.ts';
import type { net_device, netdev_queue } from '../linux/netdevice.ts';
import { NET_XMIT_CN, NET_XMIT_DROP, NET_XMIT_SUCCESS } from '../linux/netdevice.ts';
import { __skb_dequeue, __skb_queue_head, __skb_queue_tail, type sk_buff, sk_buff_head, skb_is_gso } from '../linux/skbuff.ts';
import { SKB_DROP_REASON_QDISC_CONGESTED, SKB_DROP_REASON_QDISC_DROP, SKB_DROP_REASON_QDISC_OVERLIMIT } from './dropreason.ts';

export const __QDISC_STATE_SCHED = 1 << 0;
export const __QDISC_STATE_DEACTIVATED = 1 << 1;
export const __QDISC_STATE_MISSED = 1 << 2;
export const __QDISC_STATE_DRAINING = 1 << 3;
export const __QDISC_STATE2_RUNNING = 1 << 0;

export const TCQ_F_BUILTIN = 1;
export const TCQ_F_CAN_BYPASS = 4;
export const TCQ_F_MQROOT = 8;
export const TCQ_F_ONETXQUEUE = 16;
export const TCQ_F_NOPARENT = 0x40;
export const TCQ_F_NOLOCK = 0x100;

/** Handles of qdiscs and classes: major and minor number. */
export const TC_H_ROOT = 0xffff_ffff;
export const TC_H_MAJ = (handle: number): number => (handle & 0xffff_0000) >>> 0;
export const TC_H_MIN = (handle: number): number => handle & 0xffff;
export const TC_H_MAKE = (major: number, minor: number): number => ((major & 0xffff_0000) | (minor & 0xffff)) >>> 0;

/** Priorities of packets (SO_PRIORITY). */
export const TC_PRIO_BESTEFFORT = 0;
export const TC_PRIO_FILLER = 1;
export const TC_PRIO_BULK = 2;
export const TC_PRIO_INTERACTIVE_BULK = 4;
export const TC_PRIO_INTERACTIVE = 6;
export const TC_PRIO_CONTROL = 7;
export const TC_PRIO_MAX = 15;

export interface Qdisc_ops {
  readonly id: string;
  /** Bits of TCQ_F_* that every instance starts with. */
  readonly static_flags: number;
  enqueue(skb: sk_buff, sch: Qdisc, to_free: { list: sk_buff | null }): number;
  dequeue(sch: Qdisc): sk_buff | null;
  peek(sch: Qdisc): sk_buff | null;
  init?(sch: Qdisc, options: Record<string, unknown> | null): number;
  change?(sch: Qdisc, options: Record<string, unknown>): number;
  reset?(sch: Qdisc): void;
  destroy?(sch: Qdisc): void;
  attach?(sch: Qdisc): void;
  /** Qdisc_class_ops: puts a qdisc (null: the default) under class `minor`; returns the old one, or -errno for a class that does not exist. */
  graft?(sch: Qdisc, minor: number, child: Qdisc | null): Qdisc | number;
  /** Counters of its own, as `tc -s qdisc` prints them. */
  dump_stats?(sch: Qdisc): string[];
  dump?(sch: Qdisc): string;
}

export class Qdisc {
  readonly address = newAddress(512);
  readonly ops: Qdisc_ops;
  readonly dev_queue: netdev_queue;
  flags = 0;
  handle = 0;
  parent = WIDE;
  limit = 0;
  state = 0;
  state2 = 0;
  /** Packets taken out that the driver did not take (dev_requeue_skb), first to go next. */
  gso_skb: sk_buff | null = null;
  gso_skb_tail: sk_buff | null = null;
  skb_bad_txq: sk_buff | null = null;
  next_sched: Qdisc | null = null;
  /** Statistics: `tc -s qdisc`. */
  qlen = 0;
  bytes = WIDE;
  packets = 0;
  backlog = 0;
  drops = 0;
  requeues = 0;
  overlimits = 0;
  priv: unknown = null;
  /** Classes or child qdiscs, for dumps. */
  children: Qdisc[] = [];
  /** The queue of a qdisc that is no more than one. */
  readonly q = new sk_buff_head();
  /** The operations, as pointers of the instance; `enqueue` is null for noqueue. */
  enqueue: Qdisc_ops['enqueue'] | null;
  dequeue: Qdisc_ops['dequeue'];
  /** What dequeue_skb() took last: how many packets, and whether they still must be validated. */
  bulkPackets = 0;
  mustValidate = false;
  /** Packets that an enqueue drops. */
  readonly toFree: { list: sk_buff | null } = { list: null };

  constructor(ops: Qdisc_ops, dev_queue: netdev_queue) {
    this.ops = ops;
    this.dev_queue = dev_queue;
    this.flags = ops.static_flags;
    this.enqueue = ops.enqueue;
    this.dequeue = ops.dequeue;
  }
}

export const qdisc_dev = (sch: Qdisc): net_device => sch.dev_queue.dev;
export const qdisc_pkt_len = (skb: sk_buff): number => skb.qdisc_pkt_len;
export const qdisc_qlen = (sch: Qdisc): number => sch.qlen;

/** Counts a packet that leaves: each frame of a super-packet. */
export function qdisc_bstats_update(sch: Qdisc, skb: sk_buff): void {
  sch.bytes += skb.qdisc_pkt_len;
  sch.packets += skb_is_gso(skb) ? skb.shinfo.gso_segs : 1;
}

export function qdisc_qstats_backlog_inc(sch: Qdisc, skb: sk_buff): void {
  sch.backlog += skb.qdisc_pkt_len;
}
export function qdisc_qstats_backlog_dec(sch: Qdisc, skb: sk_buff): void {
  sch.backlog -= skb.qdisc_pkt_len;
}
export function qdisc_qstats_drop(sch: Qdisc): void {
  sch.drops++;
}
export function qdisc_qstats_overlimit(sch: Qdisc): void {
  sch.overlimits++;
}

export const tcf_get_drop_reason = (skb: sk_buff): number => skb.dropReason;
export function tcf_set_drop_reason(skb: sk_buff, reason: number): void {
  skb.dropReason = reason;
}

/** Packets are not freed under the qdisc: they go to a list of the caller's. */
export function __qdisc_drop(skb: sk_buff, to_free: { list: sk_buff | null }): void {
  skb.next = to_free.list;
  to_free.list = skb;
}

export function qdisc_drop(skb: sk_buff, sch: Qdisc, to_free: { list: sk_buff | null }): number {
  __qdisc_drop(skb, to_free);
  sch.drops++;
  return NET_XMIT_DROP;
}

export function qdisc_drop_reason(skb: sk_buff, sch: Qdisc, to_free: { list: sk_buff | null }, reason: number): number {
  skb.dropReason = reason;
  return qdisc_drop(skb, sch, to_free);
}

/** Room was made, or the packet was dropped, for the sake of congestion: TCP is told by NET_XMIT_CN. */
export function qdisc_drop_congested(skb: sk_buff, sch: Qdisc, to_free: { list: sk_buff | null }): number {
  qdisc_drop_reason(skb, sch, to_free, SKB_DROP_REASON_QDISC_CONGESTED);
  return NET_XMIT_CN;
}

export const QDISC_DROP = SKB_DROP_REASON_QDISC_DROP;
export const QDISC_OVERLIMIT = SKB_DROP_REASON_QDISC_OVERLIMIT;

/** Into a child qdisc. */
export function qdisc_enqueue(skb: sk_buff, sch: Qdisc, to_free: { list: sk_buff | null }): number {
  return sch.enqueue!(skb, sch, to_free);
}

export function qdisc_enqueue_tail(skb: sk_buff, sch: Qdisc): number {
  __skb_queue_tail(sch.q, skb);
  sch.qlen++;
  sch.backlog += skb.qdisc_pkt_len;
  return NET_XMIT_SUCCESS;
}

export function qdisc_dequeue_head(sch: Qdisc): sk_buff | null {
  const skb = __skb_dequeue(sch.q);
  if (skb === null) return null;
  sch.qlen--;
  sch.backlog -= skb.qdisc_pkt_len;
  qdisc_bstats_update(sch, skb);
  return skb;
}

export const qdisc_peek_head = (sch: Qdisc): sk_buff | null => sch.q.next;

/** peek() for qdiscs that can only tell by taking out: the packet waits in gso_skb until qdisc_dequeue_peeked(). */
export function qdisc_peek_dequeued(sch: Qdisc): sk_buff | null {
  if (sch.gso_skb === null) {
    const skb = sch.dequeue(sch);
    if (skb === null) return null;
    skb.next = null;
    sch.gso_skb = sch.gso_skb_tail = skb;
    sch.backlog += skb.qdisc_pkt_len;
    sch.qlen++;
  }
  return sch.gso_skb;
}

export function qdisc_dequeue_peeked(sch: Qdisc): sk_buff | null {
  const skb = sch.gso_skb;
  if (skb === null) return sch.dequeue(sch);
  sch.gso_skb = skb.next;
  if (sch.gso_skb === null) sch.gso_skb_tail = null;
  skb.next = null;
  sch.backlog -= skb.qdisc_pkt_len;
  sch.qlen--;
  return skb;
}

/** Puts a packet back in front. */
export function qdisc_requeue_head(skb: sk_buff, sch: Qdisc): void {
  __skb_queue_head(sch.q, skb);
  sch.qlen++;
  sch.backlog += skb.qdisc_pkt_len;
}
