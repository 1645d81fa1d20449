/**
 * net/ipv4/tcp_input.c: segments out of order: `tcp_data_queue_ofo` puts one into out_of_order_queue, dropping what is there twice;
 * `tcp_ofo_queue` moves them to the receive queue once the hole before them is filled.
 */
import { type sk_buff, skb_peek_tail, skb_shinfo } from '../../include/linux/skbuff.ts';
import { skbTreeErase, skbTreeInsertAfter } from '../../include/linux/skbuff_rbtree.ts';
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { SKB_DROP_REASON_PROTO_MEM, SKB_DROP_REASON_TCP_OFO_DROP, SKB_DROP_REASON_TCP_OFOMERGE } from '../../include/net/dropreason.ts';
import { inet_csk_schedule_ack } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { after, before, skbGsoSegs, TCPHDR_FIN, tcp_add_receive_queue, tcp_is_sack, u32sub } from '../../include/net/tcp.ts';
import { LINUX_MIB_TCPOFODROP, LINUX_MIB_TCPOFOMERGE, LINUX_MIB_TCPOFOQUEUE, LINUX_MIB_TCPRCVCOALESCE } from '../../uapi/snmp.ts';
import { kfree_skb_partial } from '../core/skbuff_free.ts';
import { skb_condense } from '../core/skbuff_reshape.ts';
import { skb_try_coalesce } from '../core/skbuff_split.ts';
import { sk_mem_charge, skb_set_owner_r } from '../core/sock.ts';
import { tcp_drop_reason, tcp_fin } from './tcp_input_fin.ts';
import { tcp_try_rmem_schedule } from './tcp_input_prune.ts';
import { tcp_dsack_extend, tcp_dsack_set, tcp_sack_new_ofo_skb } from './tcp_input_rcv_sack.ts';
import { tcp_data_ecn_check, tcp_grow_window, tcp_measure_rcv_mss, tcp_rcvbuf_grow } from './tcp_input_rcvbuf.ts';
import { lastStartingBy } from './tcp_rtx_queue.ts';

export function tcp_rcv_nxt_update(tp: tcp_sock, seq: number): void {
  tp.bytes_received += u32sub(seq, tp.rcv_nxt);
  tp.rcv_nxt = seq;
}

/** Merges `from` into the segment before it. True: the caller frees `from` with kfree_skb_partial(), by `net.tcpInput.coalesce`. */
export function tcp_try_coalesce(sk: sock, to: sk_buff, from: sk_buff): boolean {
  const result = sock_net(sk).tcpInput.coalesce;
  result.fragstolen = false;
  // They may overlap.
  if (from.tcp.seq !== to.tcp.end_seq) return false;
  if (!skb_try_coalesce(to, from, result)) return false;
  sk.sk_rmem_alloc += result.delta_truesize;
  sk_mem_charge(sk, result.delta_truesize);
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPRCVCOALESCE);
  to.tcp.end_seq = from.tcp.end_seq;
  to.tcp.ack_seq = from.tcp.ack_seq;
  to.tcp.tcp_flags |= from.tcp.tcp_flags;
  if (from.tcp.has_rxtstamp) {
    to.tcp.has_rxtstamp = true;
    to.tstamp = from.tstamp;
    skb_shinfo(to).hwtstamps = skb_shinfo(from).hwtstamps;
  }
  return true;
}

/** Out of order it may be dropped yet: gso_segs counts how many that would be. */
function tcp_ooo_try_coalesce(sk: sock, to: sk_buff, from: sk_buff): boolean {
  const segs = skbGsoSegs(to) + skbGsoSegs(from);
  if (!tcp_try_coalesce(sk, to, from)) return false;
  skb_shinfo(to).gso_segs = Math.min(segs, 0xffff);
  return true;
}

export function tcp_ofo_queue(sk: sock): void {
  const tp = tcp_sk(sk);
  const queue = tp.out_of_order_queue;
  const dsack_high = tp.rcv_nxt;
  for (let skb = queue.first; skb !== null && !after(skb.tcp.seq, tp.rcv_nxt); skb = queue.first) {
    if (before(skb.tcp.seq, dsack_high))
      tcp_dsack_extend(sk, skb.tcp.seq, before(skb.tcp.end_seq, dsack_high) ? skb.tcp.end_seq : dsack_high);
    skbTreeErase(queue, skb);
    if (queue.first === null) tp.ooo_last_skb = null;
    if (!after(skb.tcp.end_seq, tp.rcv_nxt)) {
      tcp_drop_reason(sk, skb, SKB_DROP_REASON_TCP_OFO_DROP, 'tcp_ofo_queue');
      continue;
    }
    const tail = skb_peek_tail(sk.sk_receive_queue);
    const eaten = tail !== null && tcp_try_coalesce(sk, tail, skb);
    tcp_rcv_nxt_update(tp, skb.tcp.end_seq);
    const fin = (skb.tcp.tcp_flags & TCPHDR_FIN) !== 0;
    if (eaten) kfree_skb_partial(skb, sock_net(sk).tcpInput.coalesce.fragstolen);
    else tcp_add_receive_queue(sk, skb);
    if (fin) {
      tcp_fin(sk);
      return;
    }
  }
}

/** The segment became part of another one. */
function coalesced(sk: sock, skb: sk_buff): null {
  if (tcp_is_sack(tcp_sk(sk))) tcp_grow_window(sk, skb, true);
  kfree_skb_partial(skb, sock_net(sk).tcpInput.coalesce.fragstolen);
  return null;
}

function dropDuplicate(sk: sock, skb: sk_buff): void {
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPOFOMERGE);
  tcp_drop_reason(sk, skb, SKB_DROP_REASON_TCP_OFOMERGE, 'tcp_data_queue_ofo');
}

/** Finds the segment's place; it may be merged or found there already: then null, else the segment, queued. */
function insertOfo(sk: sock, tp: tcp_sock, skb: sk_buff): sk_buff | null {
  const queue = tp.out_of_order_queue;
  const seq = skb.tcp.seq;
  const end_seq = skb.tcp.end_seq;
  const before1 = lastStartingBy(queue, seq);
  if (before1 === null) skbTreeInsertAfter(queue, null, skb);
  else if (!before(seq, before1.tcp.end_seq)) {
    if (tcp_ooo_try_coalesce(sk, before1, skb)) return coalesced(sk, skb);
    skbTreeInsertAfter(queue, before1, skb);
  } else if (!after(end_seq, before1.tcp.end_seq)) {
    dropDuplicate(sk, skb);
    tcp_dsack_set(sk, seq, end_seq);
    return null;
  } else {
    skbTreeInsertAfter(queue, before1, skb);
    if (after(seq, before1.tcp.seq)) tcp_dsack_set(sk, seq, before1.tcp.end_seq);
    else {
      // It starts where the other does, and is longer.
      skbTreeErase(queue, before1);
      tcp_dsack_extend(sk, before1.tcp.seq, before1.tcp.end_seq);
      dropDuplicate(sk, before1);
    }
  }
  dropCovered(sk, tp, skb, end_seq);
  return skb;
}

/** Drops segments after `skb` that it covers, and reports the overlap with the one that it covers in part. */
function dropCovered(sk: sock, tp: tcp_sock, skb: sk_buff, end_seq: number): void {
  for (let next = skb.next; next !== null; next = skb.next) {
    if (!after(end_seq, next.tcp.seq)) break;
    if (before(end_seq, next.tcp.end_seq)) {
      tcp_dsack_extend(sk, next.tcp.seq, end_seq);
      break;
    }
    skbTreeErase(tp.out_of_order_queue, next);
    tcp_dsack_extend(sk, next.tcp.seq, next.tcp.end_seq);
    dropDuplicate(sk, next);
  }
  if (skb.next === null) tp.ooo_last_skb = skb;
}

export function tcp_data_queue_ofo(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  tcp_data_ecn_check(sk, skb);
  if (!tcp_try_rmem_schedule(sk, skb, skb.truesize)) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPOFODROP);
    sk.sk_data_ready(sk);
    tcp_drop_reason(sk, skb, SKB_DROP_REASON_PROTO_MEM, 'tcp_data_queue_ofo');
    return;
  }
  tcp_measure_rcv_mss(sk, skb);
  tp.pred_flags = 0;
  inet_csk_schedule_ack(sk);
  tp.rcv_ooopack += skbGsoSegs(skb);
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPOFOQUEUE);
  const seq = skb.tcp.seq;
  const end_seq = skb.tcp.end_seq;
  let queued: sk_buff | null = skb;
  if (tp.out_of_order_queue.first === null) {
    if (tcp_is_sack(tp)) {
      tp.rx_opt.num_sacks = 1;
      tp.selective_acks[0]!.start_seq = seq;
      tp.selective_acks[0]!.end_seq = end_seq;
    }
    skbTreeInsertAfter(tp.out_of_order_queue, null, skb);
    tp.ooo_last_skb = skb;
  } else {
    queued = insertOfo(sk, tp, skb);
    if (tcp_is_sack(tp)) tcp_sack_new_ofo_skb(sk, seq, end_seq);
  }
  if (queued !== null) {
    // Without SACK the window must not change, or duplicate ACKs would not look like ones.
    if (tcp_is_sack(tp)) tcp_grow_window(sk, skb, false);
    skb_condense(skb);
    skb_set_owner_r(skb, sk);
  }
  if (sk.sk_socket !== null) tcp_rcvbuf_grow(sk, tp.rcvq_space.space);
}
