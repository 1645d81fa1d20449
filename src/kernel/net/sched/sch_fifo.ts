/** net/sched/sch_fifo.c: one queue with a limit: `pfifo` in packets, `bfifo` in bytes, `pfifo_head_drop` drops the oldest instead of the newest. */
import { NET_XMIT_CN } from '../../include/linux/netdevice.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { SKB_DROP_REASON_QDISC_OVERLIMIT } from '../../include/net/dropreason.ts';
import {
  __qdisc_drop,
  type Qdisc,
  type Qdisc_ops,
  qdisc_dequeue_head,
  qdisc_dev,
  qdisc_drop_reason,
  qdisc_enqueue_tail,
  qdisc_peek_head,
  TCQ_F_CAN_BYPASS,
} from '../../include/net/sch_generic.ts';
import { EINVAL } from '../../uapi/errno.ts';
import { qdisc_reset_queue } from './sch_generic_activate.ts';

/** One jiffy's worth of small packets still fits a queue of bytes that is given in packets. */
const PSCHED_MTU = 14;

function pfifo_enqueue(skb: sk_buff, sch: Qdisc, to_free: { list: sk_buff | null }): number {
  if (sch.qlen < sch.limit) return qdisc_enqueue_tail(skb, sch);
  return qdisc_drop_reason(skb, sch, to_free, SKB_DROP_REASON_QDISC_OVERLIMIT);
}

function bfifo_enqueue(skb: sk_buff, sch: Qdisc, to_free: { list: sk_buff | null }): number {
  if (sch.backlog + skb.qdisc_pkt_len <= sch.limit) return qdisc_enqueue_tail(skb, sch);
  return qdisc_drop_reason(skb, sch, to_free, SKB_DROP_REASON_QDISC_OVERLIMIT);
}

function pfifo_tail_enqueue(skb: sk_buff, sch: Qdisc, to_free: { list: sk_buff | null }): number {
  if (sch.qlen < sch.limit) return qdisc_enqueue_tail(skb, sch);
  const oldest = qdisc_dequeue_head(sch);
  if (oldest === null) return qdisc_drop_reason(skb, sch, to_free, SKB_DROP_REASON_QDISC_OVERLIMIT);
  // Counted as sent by qdisc_dequeue_head(), but it was not.
  sch.packets -= 1;
  sch.bytes -= oldest.qdisc_pkt_len;
  sch.drops++;
  oldest.dropReason = SKB_DROP_REASON_QDISC_OVERLIMIT;
  __qdisc_drop(oldest, to_free);
  qdisc_enqueue_tail(skb, sch);
  return NET_XMIT_CN;
}

function fifo_init(sch: Qdisc, options: Record<string, unknown> | null): number {
  const inBytes = sch.ops === bfifo_qdisc_ops;
  const dev = qdisc_dev(sch);
  const mtu = dev.mtu + PSCHED_MTU;
  sch.limit = inBytes ? dev.tx_queue_len * mtu : dev.tx_queue_len;
  if (options !== null) {
    const error = fifo_change(sch, options);
    if (error !== 0) return error;
  }
  if (inBytes ? sch.limit >= mtu : sch.limit >= 1) sch.flags |= TCQ_F_CAN_BYPASS;
  return 0;
}

function fifo_change(sch: Qdisc, options: Record<string, unknown>): number {
  const limit = options['limit'];
  if (limit === undefined) return 0;
  if (typeof limit !== 'number' || limit < 0) return -EINVAL;
  sch.limit = limit;
  return 0;
}

const common = {
  static_flags: 0,
  dequeue: qdisc_dequeue_head,
  peek: qdisc_peek_head,
  init: fifo_init,
  change: fifo_change,
  reset: qdisc_reset_queue,
};

export const pfifo_qdisc_ops: Qdisc_ops = { id: 'pfifo', enqueue: pfifo_enqueue, ...common, dump: (sch) => `limit ${sch.limit}p` };
export const bfifo_qdisc_ops: Qdisc_ops = { id: 'bfifo', enqueue: bfifo_enqueue, ...common, dump: (sch) => `limit ${sch.limit}b` };
export const pfifo_head_drop_qdisc_ops: Qdisc_ops = {
  id: 'pfifo_head_drop',
  enqueue: pfifo_tail_enqueue,
  ...common,
  dump: (sch) => `limit ${sch.limit}p`,
};
