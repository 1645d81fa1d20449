/**
 * net/sched/sch_generic.c: the qdiscs that need no configuration: `noop` (drops, while a device is down), `noqueue` (sends at once) and
 * `pfifo_fast` (three bands, by priority).
 */
import { NET_XMIT_CN } from '../../include/linux/netdevice.ts';
import { __skb_dequeue, __skb_queue_tail, type sk_buff, sk_buff_head } from '../../include/linux/skbuff.ts';
import { SKB_DROP_REASON_QDISC_OVERLIMIT } from '../../include/net/dropreason.ts';
import {
  __QDISC_STATE_DRAINING,
  __QDISC_STATE_MISSED,
  __qdisc_drop,
  type Qdisc,
  type Qdisc_ops,
  qdisc_bstats_update,
  qdisc_dev,
  qdisc_drop_reason,
  TC_PRIO_MAX,
  TCQ_F_BUILTIN,
  TCQ_F_CAN_BYPASS,
  TCQ_F_NOLOCK,
} from '../../include/net/sch_generic.ts';
import { kfree_skb } from '../core/skbuff_free.ts';

function noop_enqueue(skb: sk_buff, _sch: Qdisc, to_free: { list: sk_buff | null }): number {
  __qdisc_drop(skb, to_free);
  return NET_XMIT_CN;
}

function noop_dequeue(_sch: Qdisc): sk_buff | null {
  return null;
}

export const noop_qdisc_ops: Qdisc_ops = {
  id: 'noop',
  static_flags: TCQ_F_BUILTIN,
  enqueue: noop_enqueue,
  dequeue: noop_dequeue,
  peek: noop_dequeue,
};

export const noqueue_qdisc_ops: Qdisc_ops = {
  id: 'noqueue',
  static_flags: 0,
  enqueue: noop_enqueue,
  dequeue: noop_dequeue,
  peek: noop_dequeue,
  // Without a function to enqueue with, __dev_queue_xmit() sends at once.
  init(sch: Qdisc): number {
    sch.enqueue = null;
    return 0;
  },
};

/** Band of each priority: interactive traffic goes first, bulk last. */
const prio2band: readonly number[] = [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];
const PFIFO_FAST_BANDS = 3;

class pfifo_fast_priv {
  readonly bands: readonly sk_buff_head[] = [new sk_buff_head(), new sk_buff_head(), new sk_buff_head()];
  limit = 0;
}

function pfifo_fast_enqueue(skb: sk_buff, qdisc: Qdisc, to_free: { list: sk_buff | null }): number {
  const priv = qdisc.priv as pfifo_fast_priv;
  const band = priv.bands[prio2band[skb.priority & TC_PRIO_MAX]!]!;
  if (band.qlen >= priv.limit) return qdisc_drop_reason(skb, qdisc, to_free, SKB_DROP_REASON_QDISC_OVERLIMIT);
  __skb_queue_tail(band, skb);
  qdisc.qlen++;
  qdisc.backlog += skb.qdisc_pkt_len;
  return 0;
}

function pfifo_fast_dequeue(qdisc: Qdisc): sk_buff | null {
  const priv = qdisc.priv as pfifo_fast_priv;
  for (let band = 0; band < PFIFO_FAST_BANDS; band++) {
    const skb = __skb_dequeue(priv.bands[band]!);
    if (skb === null) continue;
    qdisc.backlog -= skb.qdisc_pkt_len;
    qdisc_bstats_update(qdisc, skb);
    qdisc.qlen--;
    return skb;
  }
  qdisc.state &= ~(__QDISC_STATE_MISSED | __QDISC_STATE_DRAINING);
  return null;
}

function pfifo_fast_peek(qdisc: Qdisc): sk_buff | null {
  const priv = qdisc.priv as pfifo_fast_priv;
  return priv.bands[0]!.next ?? priv.bands[1]!.next ?? priv.bands[2]!.next;
}

export const pfifo_fast_ops: Qdisc_ops = {
  id: 'pfifo_fast',
  static_flags: TCQ_F_NOLOCK,
  enqueue: pfifo_fast_enqueue,
  dequeue: pfifo_fast_dequeue,
  peek: pfifo_fast_peek,
  init(qdisc: Qdisc): number {
    const priv = new pfifo_fast_priv();
    priv.limit = qdisc_dev(qdisc).tx_queue_len;
    qdisc.priv = priv;
    qdisc.flags |= TCQ_F_CAN_BYPASS;
    return 0;
  },
  reset(qdisc: Qdisc): void {
    for (const band of (qdisc.priv as pfifo_fast_priv).bands)
      for (let skb = __skb_dequeue(band); skb !== null; skb = __skb_dequeue(band)) kfree_skb(skb, 'pfifo_fast_reset');
    qdisc.qlen = 0;
    qdisc.backlog = 0;
  },
  dump: () => 'bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1',
};
