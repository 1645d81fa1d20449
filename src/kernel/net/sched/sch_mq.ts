/** net/sched/sch_mq.c: the root of multi-queue devices: a qdisc for each transmit queue, which packets reach without passing this one. */
import { IFF_UP, netif_is_multiqueue } from '../../include/linux/netdevice.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import {
  type Qdisc,
  type Qdisc_ops,
  qdisc_dev,
  qdisc_drop,
  TC_H_MAJ,
  TC_H_MAKE,
  TCQ_F_MQROOT,
  TCQ_F_NOPARENT,
  TCQ_F_ONETXQUEUE,
} from '../../include/net/sch_generic.ts';
import { ENOENT, ENOMEM, EOPNOTSUPP } from '../../uapi/errno.ts';
import {
  dev_activate,
  dev_deactivate,
  dev_graft_qdisc,
  get_default_qdisc_ops,
  qdisc_create_dflt,
  qdisc_put,
} from './sch_generic_activate.ts';

function mq_init(sch: Qdisc): number {
  const dev = qdisc_dev(sch);
  if (!netif_is_multiqueue(dev)) return -EOPNOTSUPP;
  for (let ntx = 0; ntx < dev.num_tx_queues; ntx++) {
    const qdisc = qdisc_create_dflt(dev._tx[ntx]!, get_default_qdisc_ops(dev, ntx), TC_H_MAKE(TC_H_MAJ(sch.handle), ntx + 1));
    if (qdisc === null) return -ENOMEM;
    qdisc.flags |= TCQ_F_ONETXQUEUE | TCQ_F_NOPARENT;
    sch.children.push(qdisc);
  }
  sch.flags |= TCQ_F_MQROOT;
  return 0;
}

/** The queues get their qdiscs. */
function mq_attach(sch: Qdisc): void {
  for (const qdisc of sch.children) {
    const old = dev_graft_qdisc(qdisc.dev_queue, qdisc);
    if (old !== qdisc) qdisc_put(old);
  }
}

/** Puts another qdisc (null: the default one) on queue `minor` - 1. */
function mq_graft(sch: Qdisc, minor: number, child: Qdisc | null): Qdisc | number {
  const dev = qdisc_dev(sch);
  const txq = dev._tx[minor - 1];
  if (txq === undefined) return -ENOENT;
  const isUp = (dev.flags & IFF_UP) !== 0;
  if (isUp) dev_deactivate(dev);
  const fresh = child ?? qdisc_create_dflt(txq, get_default_qdisc_ops(dev, minor - 1), TC_H_MAKE(TC_H_MAJ(sch.handle), minor));
  if (fresh !== null) fresh.flags |= TCQ_F_ONETXQUEUE | TCQ_F_NOPARENT;
  const old = dev_graft_qdisc(txq, fresh);
  if (fresh !== null) sch.children[minor - 1] = fresh;
  if (isUp) dev_activate(dev);
  return old;
}

export const mq_qdisc_ops: Qdisc_ops = {
  id: 'mq',
  static_flags: 0,
  enqueue: (skb, sch, to_free) => qdisc_drop(skb, sch, to_free),
  dequeue: (): sk_buff | null => null,
  peek: (): sk_buff | null => null,
  init: mq_init,
  attach: mq_attach,
  graft: mq_graft,
};
