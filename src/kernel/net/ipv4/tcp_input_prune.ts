/**
 * net/ipv4/tcp_input.c: short of receive memory: collapsing segments whose payload is small for their memory, then dropping what is out of order.
 * `tcp_try_rmem_schedule` → `tcp_prune_queue` → `tcp_clamp_window`, `tcp_collapse_ofo_queue`, `tcp_collapse`, `tcp_prune_ofo_queue`.
 */
import { PAGE_SIZE } from '../../../machine/memory.ts';
import { InvariantError } from '../../../sim/invariant.ts';
import {
  __skb_queue_before,
  __skb_unlink,
  SKB_WITH_OVERHEAD,
  type sk_buff,
  type sk_buff_head,
  skb_put,
  skb_queue_empty,
} from '../../include/linux/skbuff.ts';
import { skbTreeErase, skbTreeInsertAfter } from '../../include/linux/skbuff_rbtree.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { SKB_DROP_REASON_TCP_OFO_QUEUE_PRUNE } from '../../include/net/dropreason.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  after,
  before,
  TCPHDR_FIN,
  TCPHDR_SYN,
  tcp_adjust_rcv_ssthresh,
  tcp_sack_reset,
  tcp_under_memory_pressure,
  tcp_win_from_space,
  u32add,
  u32sub,
} from '../../include/net/tcp.ts';
import { LINUX_MIB_OFOPRUNED, LINUX_MIB_PRUNECALLED, LINUX_MIB_RCVPRUNED, LINUX_MIB_TCPRCVCOLLAPSED } from '../../uapi/snmp.ts';
import { alloc_skb } from '../core/skbuff.ts';
import { skb_copy_bits } from '../core/skbuff_bits.ts';
import { __kfree_skb } from '../core/skbuff_free.ts';
import { sk_rmem_schedule, skb_set_owner_r } from '../core/sock.ts';
import { tcp_drop_reason } from './tcp_input_fin.ts';
import { tcp_clamp_window } from './tcp_input_rcvbuf.ts';

/** SKB_MAX_ORDER(0, 0): payload of a buffer whose head is one page. */
const COLLAPSED_SIZE = SKB_WITH_OVERHEAD(PAGE_SIZE);

/** What is queued decides, not what comes: one segment may exceed the buffer (6.18 up to its 17th stable release counted its length, too). */
const tcp_can_ingest = (sk: sock): boolean => sk.sk_rmem_alloc <= sk.sk_rcvbuf;

/** Room for a segment, whatever it takes; false if there is none. */
export function tcp_try_rmem_schedule(sk: sock, skb: sk_buff, size: number): boolean {
  if (tcp_can_ingest(sk) && sk_rmem_schedule(sk, skb, size)) return true;
  if (!tcp_prune_queue(sk, skb)) return false;
  while (!sk_rmem_schedule(sk, skb, size)) if (!tcp_prune_ofo_queue(sk, skb)) return false;
  return true;
}

const hasSynOrFin = (skb: sk_buff): boolean => (skb.tcp.tcp_flags & (TCPHDR_SYN | TCPHDR_FIN)) !== 0;

/** Frees a segment whose data has been moved; returns the next one. */
function tcp_collapse_one(sk: sock, skb: sk_buff, list: sk_buff_head | null): sk_buff | null {
  const next = skb.next;
  if (list !== null) __skb_unlink(skb, list);
  else skbTreeErase(tcp_sk(sk).out_of_order_queue, skb);
  __kfree_skb(skb);
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPRCVCOLLAPSED);
  return next;
}

/**
 * Copies the segments head … tail (exclusive; null: to the end) of `list` (null: of the out-of-order queue), with the numbers start … end, into as few buffers
 * as they fill.
 */
function tcp_collapse(sk: sock, list: sk_buff_head | null, head: sk_buff | null, tail: sk_buff | null, start: number, end: number): void {
  let skb = head;
  let worthwhile = false;
  while (skb !== null && skb !== tail) {
    if (!before(start, skb.tcp.end_seq)) {
      skb = tcp_collapse_one(sk, skb, list);
      continue;
    }
    const next: sk_buff | null = skb.next;
    const bloated = tcp_win_from_space(sk, skb.truesize) > skb.len || before(skb.tcp.seq, start);
    const overlaps = next !== null && next !== tail && skb.tcp.end_seq !== next.tcp.seq;
    if ((!hasSynOrFin(skb) && bloated) || overlaps) {
      worthwhile = true;
      break;
    }
    start = skb.tcp.end_seq;
    skb = next;
  }
  if (!worthwhile || hasSynOrFin(skb!)) return;
  copyCollapsed(sk, list, skb!, tail, start, end);
}

function copyCollapsed(sk: sock, list: sk_buff_head | null, first: sk_buff, tail: sk_buff | null, start: number, end: number): void {
  let skb: sk_buff | null = first;
  while (before(start, end)) {
    let copy = Math.min(COLLAPSED_SIZE, u32sub(end, start));
    const nskb = alloc_skb(copy, GFP_ATOMIC);
    if (nskb === null) return;
    nskb.tcp.copyFrom(skb!.tcp);
    nskb.packetId = skb!.packetId;
    nskb.tcp.seq = nskb.tcp.end_seq = start;
    if (list !== null) __skb_queue_before(list, skb!, nskb);
    else skbTreeInsertAfter(tcp_sk(sk).out_of_order_queue, skb!.prev, nskb);
    skb_set_owner_r(nskb, sk);
    while (copy > 0) {
      const offset = (start - skb!.tcp.seq) | 0;
      if (offset < 0) throw new InvariantError(`tcp_collapse: hole of ${-offset} bytes before ${skb!.tcp.seq}`);
      const size = Math.min(copy, (skb!.tcp.end_seq - start) | 0);
      if (size > 0) {
        skb_copy_bits(skb!, offset, nskb.mem.u8, skb_put(nskb, size), size);
        nskb.tcp.end_seq = u32add(nskb.tcp.end_seq, size);
        copy -= size;
        start = u32add(start, size);
      }
      if (before(start, skb!.tcp.end_seq)) continue;
      skb = tcp_collapse_one(sk, skb!, list);
      if (skb === null || skb === tail || hasSynOrFin(skb)) return;
    }
  }
}

/** Collapses each contiguous range of the out-of-order queue, unless it is a single small segment; gives up when those are many. */
function tcp_collapse_ofo_queue(sk: sock): void {
  const tp = tcp_sk(sk);
  const queue = tp.out_of_order_queue;
  let sum_tiny = 0;
  let head = queue.first;
  while (head !== null) {
    let start = head.tcp.seq;
    let end = head.tcp.end_seq;
    let range_truesize = head.truesize;
    let skb: sk_buff | null = head.next;
    while (skb !== null && !after(skb.tcp.seq, end) && !before(skb.tcp.end_seq, start)) {
      range_truesize += skb.truesize;
      if (before(skb.tcp.seq, start)) start = skb.tcp.seq;
      if (after(skb.tcp.end_seq, end)) end = skb.tcp.end_seq;
      skb = skb.next;
    }
    if (range_truesize !== head.truesize || u32sub(end, start) >= COLLAPSED_SIZE) tcp_collapse(sk, null, head, skb, start, end);
    else {
      sum_tiny += range_truesize;
      if (sum_tiny > sk.sk_rcvbuf >> 3) return;
    }
    head = skb;
  }
  tp.ooo_last_skb = queue.last;
}

/**
 * Drops from the end of the out-of-order queue, at least an eighth of the buffer at a time, but nothing before the segment that just came.
 * What was SACKed may be gone: RFC 2018 (8) allows that.
 */
function tcp_prune_ofo_queue(sk: sock, in_skb: sk_buff): boolean {
  const tp = tcp_sk(sk);
  const queue = tp.out_of_order_queue;
  let pruned = false;
  let goal = sk.sk_rcvbuf >> 3;
  for (let skb = queue.last; skb !== null; skb = queue.last) {
    if (after(in_skb.tcp.seq, skb.tcp.seq)) break;
    pruned = true;
    skbTreeErase(queue, skb);
    goal -= skb.truesize;
    tcp_drop_reason(sk, skb, SKB_DROP_REASON_TCP_OFO_QUEUE_PRUNE, 'tcp_prune_ofo_queue');
    tp.ooo_last_skb = queue.last;
    if (queue.last === null || goal <= 0) {
      if (tcp_can_ingest(sk) && !tcp_under_memory_pressure(sk)) break;
      goal = sk.sk_rcvbuf >> 3;
    }
  }
  if (pruned) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_OFOPRUNED);
    if (tp.rx_opt.sack_ok !== 0) tcp_sack_reset(tp.rx_opt);
  }
  return pruned;
}

/** False when nothing helped: then segments are dropped until the user reads. */
function tcp_prune_queue(sk: sock, in_skb: sk_buff): boolean {
  const tp = tcp_sk(sk);
  if (sk.sk_rmem_alloc === 0) return false;
  NET_INC_STATS(sock_net(sk), LINUX_MIB_PRUNECALLED);
  if (!tcp_can_ingest(sk)) tcp_clamp_window(sk);
  else if (tcp_under_memory_pressure(sk)) tcp_adjust_rcv_ssthresh(sk);
  if (tcp_can_ingest(sk)) return true;
  tcp_collapse_ofo_queue(sk);
  const queue = sk.sk_receive_queue;
  if (!skb_queue_empty(queue)) tcp_collapse(sk, queue, queue.next, null, tp.copied_seq, tp.rcv_nxt);
  if (tcp_can_ingest(sk)) return true;
  tcp_prune_ofo_queue(sk, in_skb);
  if (tcp_can_ingest(sk)) return true;
  NET_INC_STATS(sock_net(sk), LINUX_MIB_RCVPRUNED);
  tp.pred_flags = 0;
  return false;
}
