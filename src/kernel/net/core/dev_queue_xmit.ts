/**
 * net/core/dev.c: a packet leaves the stack.
 * `dev_queue_xmit` → `__dev_queue_xmit` → `netdev_core_pick_tx` → `__dev_xmit_skb` → the qdisc, or past it if it is empty → `sch_direct_xmit`.
 * What could not be sent at once: NET_TX_SOFTIRQ → `net_tx_action` → `qdisc_run`.
 */
import { kernel, smp_processor_id, this_cpu_ptr, trace } from '../../current.ts';
import { SCM_TSTAMP_SCHED } from '../../include/linux/errqueue.ts';
import { reciprocal_scale } from '../../include/linux/jhash.ts';
import {
  dev_xmit_complete,
  IFF_UP,
  IFF_XMIT_DST_RELEASE,
  NET_XMIT_DROP,
  NET_XMIT_MASK,
  NET_XMIT_SUCCESS,
  type net_device,
  type netdev_queue,
  netif_xmit_stopped,
} from '../../include/linux/netdevice.ts';
import {
  SKB_GSO_TCPV4,
  SKB_GSO_UDP_L4,
  SKBTX_SCHED_TSTAMP,
  type sk_buff,
  skb_get_rx_queue,
  skb_reset_mac_header,
  skb_rx_queue_recorded,
  skb_transport_header_was_set,
} from '../../include/linux/skbuff.ts';
import { SKB_CONSUMED, SKB_DROP_REASON_QDISC_DROP } from '../../include/net/dropreason.ts';
import { skb_dst_drop, skb_dst_force } from '../../include/net/dst.ts';
import { showPacket } from '../../include/net/packet_watchers.ts';
import {
  __QDISC_STATE_DEACTIVATED,
  __QDISC_STATE_SCHED,
  __qdisc_drop,
  type Qdisc,
  qdisc_bstats_update,
  TCQ_F_CAN_BYPASS,
  TCQ_F_NOLOCK,
} from '../../include/net/sch_generic.ts';
import { sk_fullsock, type sock } from '../../include/net/sock.ts';
import { local_bh_disable, local_bh_enable } from '../../kernel/softirq.ts';
import { ENETDOWN } from '../../uapi/errno.ts';
import { __qdisc_run, nolock_qdisc_is_empty, qdisc_run, qdisc_run_begin, qdisc_run_end, sch_direct_xmit } from '../sched/sch_generic.ts';
import { dev_hard_start_xmit, validate_xmit_skb } from './dev_hard_start_xmit.ts';
import { skb_get_hash } from './flow_dissector.ts';
import { __skb_tstamp_tx } from './skbuff_errqueue.ts';
import { __kfree_skb, kfree_skb_list, kfree_skb_reason } from './skbuff_free.ts';

/** A device that sends through another that sends through it, and so on. */
const XMIT_RECURSION_LIMIT = 8;

/** Sends a packet with its link-layer header. Takes it over whatever happens; NET_XMIT_* or -errno. */
export function dev_queue_xmit(skb: sk_buff): number {
  return __dev_queue_xmit(skb);
}

export function __dev_queue_xmit(skb: sk_buff): number {
  const dev = skb.dev!;
  skb_reset_mac_header(skb);
  if ((skb.shinfo.tx_flags & SKBTX_SCHED_TSTAMP) !== 0) __skb_tstamp_tx(skb, 0n, skb.sk as sock | null, SCM_TSTAMP_SCHED);
  if (skb.packetId === 0) skb.packetId = kernel().machine.simulation.takePacketIds(Math.max(skb.shinfo.gso_segs, 1));
  local_bh_disable();
  qdisc_pkt_len_segs_init(skb);
  if ((dev.priv_flags & IFF_XMIT_DST_RELEASE) !== 0) skb_dst_drop(skb);
  else skb_dst_force(skb);
  const txq = netdev_core_pick_tx(dev, skb);
  const q = txq.qdisc;
  trace().net_dev_queue?.(skb);
  showPacket(kernel().watchers.qdisc, skb, true);
  const rc = q.enqueue !== null ? __dev_xmit_skb(skb, q, dev, txq) : xmitWithoutQueue(skb, dev, txq);
  local_bh_enable();
  return rc;
}

/** What the packet counts for in qdiscs: with the headers of all its segments. */
function qdisc_pkt_len_segs_init(skb: sk_buff): void {
  const shinfo = skb.shinfo;
  skb.qdisc_pkt_len = skb.len;
  if (shinfo.gso_size === 0 || !skb_transport_header_was_set(skb)) return;
  let header = skb.transport_header - skb.data;
  if ((shinfo.gso_type & SKB_GSO_TCPV4) !== 0) header += (skb.mem.u8[skb.transport_header + 12]! >> 4) * 4;
  else if ((shinfo.gso_type & SKB_GSO_UDP_L4) !== 0) header += 8;
  skb.qdisc_pkt_len += (shinfo.gso_segs - 1) * header;
}

/* Which queue */

/** The transmit queue for a packet, which is noted in it. */
export function netdev_core_pick_tx(dev: net_device, skb: sk_buff): netdev_queue {
  let index = 0;
  if (dev.real_num_tx_queues !== 1) {
    const select = dev.netdev_ops.ndo_select_queue;
    index = select === undefined ? netdev_pick_tx(dev, skb) : select(dev, skb);
    if (index >= dev.real_num_tx_queues) index = 0;
  }
  skb.queue_mapping = index;
  return dev._tx[index]!;
}

/** The queue that the socket used last, unless nothing of it is under way (then reordering is impossible) and another one is better now. */
export function netdev_pick_tx(dev: net_device, skb: sk_buff): number {
  const sk = skb.sk as sock | null;
  const old = sk === null ? -1 : (sk.skc_tx_queue_mapping ?? -1);
  if (old >= 0 && !skb.ooo_okay && old < dev.real_num_tx_queues) return old;
  let index = get_xps_queue(dev);
  if (index < 0) index = skb_tx_hash(dev, skb);
  if (index !== old && sk !== null && sk_fullsock(sk) && sk.sk_dst_cache !== null) sk.skc_tx_queue_mapping = index;
  return index;
}

/** The queue of this CPU, if one was set up (XPS). */
function get_xps_queue(dev: net_device): number {
  const index = dev.xps_cpus[smp_processor_id()];
  return index === undefined || index >= dev.real_num_tx_queues ? -1 : index;
}

/** Forwarded packets leave on the queue of the same number as they came in on, others by their hash. */
function skb_tx_hash(dev: net_device, skb: sk_buff): number {
  const count = dev.real_num_tx_queues;
  if (skb_rx_queue_recorded(skb)) return skb_get_rx_queue(skb) % count;
  return reciprocal_scale(skb_get_hash(skb), count);
}

/* Through the qdisc */

function __dev_xmit_skb(skb: sk_buff, q: Qdisc, dev: net_device, txq: netdev_queue): number {
  const to_free = q.toFree;
  const rc = (q.flags & TCQ_F_NOLOCK) !== 0 ? xmitNolock(skb, q, dev, txq) : xmitLocked(skb, q, dev, txq);
  if (to_free.list !== null) freeDropped(to_free);
  return rc;
}

/** A qdisc that several CPUs may enter (pfifo_fast). */
function xmitNolock(skb: sk_buff, q: Qdisc, dev: net_device, txq: netdev_queue): number {
  if ((q.flags & TCQ_F_CAN_BYPASS) !== 0 && nolock_qdisc_is_empty(q) && qdisc_run_begin(q)) {
    qdisc_bstats_update(q, skb);
    if (sch_direct_xmit(skb, q, dev, txq, true) && !nolock_qdisc_is_empty(q)) __qdisc_run(q);
    qdisc_run_end(q);
    return NET_XMIT_SUCCESS;
  }
  const rc = dev_qdisc_enqueue(skb, q, txq);
  qdisc_run(q);
  return rc;
}

function xmitLocked(skb: sk_buff, q: Qdisc, dev: net_device, txq: netdev_queue): number {
  if ((q.state & __QDISC_STATE_DEACTIVATED) !== 0) {
    __qdisc_drop(skb, q.toFree);
    return NET_XMIT_DROP;
  }
  if ((q.flags & TCQ_F_CAN_BYPASS) !== 0 && q.qlen === 0 && qdisc_run_begin(q)) {
    qdisc_bstats_update(q, skb);
    if (sch_direct_xmit(skb, q, dev, txq, true)) __qdisc_run(q);
    qdisc_run_end(q);
    return NET_XMIT_SUCCESS;
  }
  const rc = dev_qdisc_enqueue(skb, q, txq);
  qdisc_run(q);
  return rc;
}

function dev_qdisc_enqueue(skb: sk_buff, q: Qdisc, txq: netdev_queue): number {
  skb.dropReason = SKB_DROP_REASON_QDISC_DROP;
  const rc = q.enqueue!(skb, q, q.toFree) & NET_XMIT_MASK;
  if (rc === NET_XMIT_SUCCESS) trace().qdisc_enqueue?.(q, txq, skb);
  return rc;
}

function freeDropped(to_free: { list: sk_buff | null }): void {
  let skb = to_free.list;
  to_free.list = null;
  while (skb !== null) {
    const next: sk_buff | null = skb.next;
    skb.next = null;
    kfree_skb_reason(skb, skb.dropReason || SKB_DROP_REASON_QDISC_DROP, '__dev_xmit_skb');
    skb = next;
  }
}

/* Without a queue: loopback and other virtual devices */

function xmitWithoutQueue(skb: sk_buff, dev: net_device, txq: netdev_queue): number {
  if ((dev.flags & IFF_UP) === 0) return dropNoQueue(skb, dev);
  const softnet = this_cpu_ptr().softnet_data;
  if (softnet.xmit_recursion > XMIT_RECURSION_LIMIT) {
    kernel().printk(`Dead loop on virtual device ${dev.name}, fix it urgently!`);
    return dropNoQueue(skb, dev);
  }
  const valid = validate_xmit_skb(skb, dev);
  if (valid === null) return -ENETDOWN;
  if (netif_xmit_stopped(txq)) return dropNoQueue(valid, dev);
  softnet.xmit_recursion++;
  const rc = dev_hard_start_xmit(valid, dev, txq);
  softnet.xmit_recursion--;
  if (dev_xmit_complete(rc)) return rc;
  kernel().printk(`Virtual device ${dev.name} asks to queue packet!`);
  const unsent = txq.unsent;
  txq.unsent = null;
  return unsent === null ? rc : dropNoQueue(unsent, dev);
}

function dropNoQueue(skb: sk_buff, dev: net_device): number {
  dev.tx_dropped++;
  kfree_skb_list(skb, '__dev_queue_xmit');
  return -ENETDOWN;
}

/* NET_TX_SOFTIRQ */

/** Frees what hard interrupts have left, and runs qdiscs that were scheduled. */
export function net_tx_action(): void {
  const softnet = this_cpu_ptr().softnet_data;
  freeCompleted();
  let q = softnet.output_queue;
  softnet.output_queue = softnet.output_queue_tail = null;
  while (q !== null) {
    const next: Qdisc | null = q.next_sched;
    q.next_sched = null;
    q.state &= ~__QDISC_STATE_SCHED;
    if ((q.state & __QDISC_STATE_DEACTIVATED) === 0) qdisc_run(q);
    q = next;
  }
  xfrm_dev_backlog();
}

function freeCompleted(): void {
  const softnet = this_cpu_ptr().softnet_data;
  let skb = softnet.completion_queue;
  softnet.completion_queue = null;
  while (skb !== null) {
    const next: sk_buff | null = skb.next;
    skb.next = null;
    if (skb.dropReason === SKB_CONSUMED) trace().consume_skb?.(skb, 'net_tx_action');
    else {
      kernel().countDrop(skb.dropReason, 'net_tx_action');
      trace().kfree_skb?.(skb, 'net_tx_action', skb.dropReason, null);
    }
    __kfree_skb(skb);
    skb = next;
  }
}

/** Simplified: there is no IPsec offload, so nothing waits. The call is in every recording. */
function xfrm_dev_backlog(): void {}

/** Straight to the driver: for packet sockets that bypass the qdisc. */
export function dev_direct_xmit(skb: sk_buff, queue_id: number): number {
  const dev = skb.dev!;
  const txq = dev._tx[queue_id]!;
  skb.queue_mapping = queue_id;
  skb_reset_mac_header(skb);
  const valid = validate_xmit_skb(skb, dev);
  if (valid === null) return NET_XMIT_DROP;
  const rc = netif_xmit_stopped(txq) ? -1 : dev_hard_start_xmit(valid, dev, txq);
  if (rc >= 0 && dev_xmit_complete(rc)) return rc;
  kfree_skb_list(txq.unsent ?? valid, 'dev_direct_xmit');
  txq.unsent = null;
  dev.tx_dropped++;
  return NET_XMIT_DROP;
}
