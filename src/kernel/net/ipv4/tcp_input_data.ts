/**
 * net/ipv4/tcp_input.c: the text of a segment (RFC 9293 (3.10.7.4), seventh): `tcp_data_queue` → in sequence `tcp_queue_rcv`, `tcp_event_data_recv`,
 * `tcp_fin`, `tcp_ofo_queue`; else `tcp_data_queue_ofo`, or dropped because it is old or beyond the window.
 */
import { __skb_pull, type sk_buff, skb_peek_tail, skb_queue_len } from '../../include/linux/skbuff.ts';
import { tcp_hdrlen, tcp_sk } from '../../include/linux/tcp.ts';
import {
  SKB_DROP_REASON_PROTO_MEM,
  SKB_DROP_REASON_TCP_OLD_DATA,
  SKB_DROP_REASON_TCP_OVERWINDOW,
  SKB_DROP_REASON_TCP_ZEROWINDOW,
} from '../../include/net/dropreason.ts';
import { ICSK_ACK_NOMEM, ICSK_ACK_NOW, inet_csk, inet_csk_schedule_ack } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { SOCK_DEAD, SOCK_DONE, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import {
  after,
  before,
  TCP_MAX_QUICKACKS,
  TCPHDR_FIN,
  tcp_add_receive_queue,
  tcp_cleanup_skb,
  tcp_epollin_ready,
  tcp_fast_path_check,
  tcp_receive_window,
  u32add,
} from '../../include/net/tcp.ts';
import { LINUX_MIB_DELAYEDACKLOST, LINUX_MIB_TCPRCVQDROP, LINUX_MIB_TCPZEROWINDOWDROP } from '../../uapi/snmp.ts';
import { __kfree_skb, kfree_skb_partial } from '../core/skbuff_free.ts';
import { sk_forced_mem_schedule, skb_set_owner_r } from '../core/sock.ts';
import { tcp_drop_reason, tcp_fin } from './tcp_input_fin.ts';
import { tcp_data_queue_ofo, tcp_ofo_queue, tcp_rcv_nxt_update, tcp_try_coalesce } from './tcp_input_ofo.ts';
import { tcp_try_rmem_schedule } from './tcp_input_prune.ts';
import { tcp_enter_quickack_mode } from './tcp_input_quickack.ts';
import { tcp_dsack_set, tcp_sack_remove } from './tcp_input_rcv_sack.ts';
import { tcp_event_data_recv } from './tcp_input_rcvbuf.ts';

/** Appends in-sequence data. True if it was merged: then the caller frees it with kfree_skb_partial(). */
export function tcp_queue_rcv(sk: sock, skb: sk_buff): boolean {
  const tail = skb_peek_tail(sk.sk_receive_queue);
  const eaten = tail !== null && tcp_try_coalesce(sk, tail, skb);
  tcp_rcv_nxt_update(tcp_sk(sk), skb.tcp.end_seq);
  if (!eaten) {
    tcp_add_receive_queue(sk, skb);
    skb_set_owner_r(skb, sk);
  }
  return eaten;
}

export function tcp_data_ready(sk: sock): void {
  if (tcp_epollin_ready(sk, sk.sk_rcvlowat) || sock_flag(sk, SOCK_DONE)) sk.sk_data_ready(sk);
}

function outOfWindow(sk: sock, skb: sk_buff, reason: number): void {
  tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS);
  inet_csk_schedule_ack(sk);
  tcp_drop_reason(sk, skb, reason, 'tcp_data_queue');
}

/** No memory: the window closes. One segment is always taken, and a bare FIN costs nothing. False if it was dropped. */
function scheduleOrDrop(sk: sock, skb: sk_buff): boolean {
  if (tcp_try_rmem_schedule(sk, skb, skb.truesize)) return true;
  inet_csk(sk).icsk_ack.pending |= ICSK_ACK_NOMEM | ICSK_ACK_NOW;
  inet_csk_schedule_ack(sk);
  sk.sk_data_ready(sk);
  if (skb_queue_len(sk.sk_receive_queue) !== 0 && skb.len !== 0) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPRCVQDROP);
    tcp_drop_reason(sk, skb, SKB_DROP_REASON_PROTO_MEM, 'tcp_data_queue');
    return false;
  }
  sk_forced_mem_schedule(sk, skb.truesize);
  return true;
}

function queueAndOut(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  if (!scheduleOrDrop(sk, skb)) return;
  const eaten = tcp_queue_rcv(sk, skb);
  const fragstolen = sock_net(sk).tcpInput.coalesce.fragstolen;
  if (skb.len !== 0) tcp_event_data_recv(sk, skb);
  if ((skb.tcp.tcp_flags & TCPHDR_FIN) !== 0) tcp_fin(sk);
  if (tp.out_of_order_queue.first !== null) {
    tcp_ofo_queue(sk);
    // RFC 5681 (4.2): an ACK at once when a hole is filled.
    if (tp.out_of_order_queue.first === null) inet_csk(sk).icsk_ack.pending |= ICSK_ACK_NOW;
  }
  if (tp.rx_opt.num_sacks !== 0) tcp_sack_remove(tp);
  tcp_fast_path_check(sk);
  if (eaten) kfree_skb_partial(skb, fragstolen);
  if (!sock_flag(sk, SOCK_DEAD)) tcp_data_ready(sk);
}

function zeroWindow(sk: sock, skb: sk_buff): void {
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPZEROWINDOWDROP);
  outOfWindow(sk, skb, SKB_DROP_REASON_TCP_ZEROWINDOW);
}

/** Takes over the segment. */
export function tcp_data_queue(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  const seq = skb.tcp.seq;
  const end_seq = skb.tcp.end_seq;
  if (seq === end_seq) {
    __kfree_skb(skb);
    return;
  }
  tcp_cleanup_skb(skb);
  __skb_pull(skb, tcp_hdrlen(skb));
  tp.rx_opt.dsack = false;
  if (seq === tp.rcv_nxt) {
    const bareFin = skb.len === 0 && (skb.tcp.tcp_flags & TCPHDR_FIN) !== 0;
    if (tcp_receive_window(tp) === 0 && !bareFin) zeroWindow(sk, skb);
    else queueAndOut(sk, skb);
  } else if (!after(end_seq, tp.rcv_nxt)) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_DELAYEDACKLOST);
    tcp_dsack_set(sk, seq, end_seq);
    outOfWindow(sk, skb, SKB_DROP_REASON_TCP_OLD_DATA);
  } else if (!before(seq, u32add(tp.rcv_nxt, tcp_receive_window(tp)))) outOfWindow(sk, skb, SKB_DROP_REASON_TCP_OVERWINDOW);
  else if (before(seq, tp.rcv_nxt)) {
    tcp_dsack_set(sk, seq, tp.rcv_nxt);
    if (tcp_receive_window(tp) === 0) zeroWindow(sk, skb);
    else queueAndOut(sk, skb);
  } else tcp_data_queue_ofo(sk, skb);
}
