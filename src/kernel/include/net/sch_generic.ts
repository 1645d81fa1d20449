/** include/net/sch_generic.h: queueing disciplines. */

import type { net_device, netdev_queue } from '../linux/netdevice.ts';
import type { sk_buff } from '../linux/skbuff.ts';

export const __QDISC_STATE_SCHED = 1 << 0;
export const __QDISC_STATE_DEACTIVATED = 1 << 1;
export const __QDISC_STATE_MISSED = 1 << 2;
export const __QDISC_STATE_DRAINING = 1 << 3;
export const __QDISC_STATE2_RUNNING = 1 << 0;

export const TCQ_F_BUILTIN = 1;
export const TCQ_F_CAN_BYPASS = 4;
export const TCQ_F_MQROOT = 8;
export const TCQ_F_ONETXQUEUE = 16;
export const TCQ_F_NOLOCK = 0x100;

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
  /** Counters of its own, as `tc -s qdisc` prints them. */
  dump_stats?(sch: Qdisc): string[];
  dump?(sch: Qdisc): string;
}

export class Qdisc {
  readonly ops: Qdisc_ops;
  readonly dev_queue: netdev_queue;
  flags = 0;
  handle = 0;
  parent = 0;
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
  bytes = 0;
  packets = 0;
  backlog = 0;
  drops = 0;
  requeues = 0;
  overlimits = 0;
  priv: unknown = null;
  /** Classes or child qdiscs, for dumps. */
  children: Qdisc[] = [];

  constructor(ops: Qdisc_ops, dev_queue: netdev_queue) {
    this.ops = ops;
    this.dev_queue = dev_queue;
    this.flags = ops.static_flags;
  }
}

export const qdisc_dev = (sch: Qdisc): net_device => sch.dev_queue.dev;
export const qdisc_pkt_len = (skb: sk_buff): number => skb.qdisc_pkt_len;
export const qdisc_qlen = (sch: Qdisc): number => sch.qlen;
