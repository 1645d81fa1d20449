/**
 * include/net/tcp_ecn.h: TCP's side of ECN (RFC 3168 (6.1)): who asks, who agrees, echo and answer.
 *
 * Simplified: Linux also negotiates AccECN (RFC 9768) when net.ipv4.tcp_ecn is 3 or more; here such a host asks for and grants plain RFC 3168 ECN.
 */
import type { tcphdr } from '../../uapi/in.ts';
import type { sk_buff } from '../linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../linux/tcp.ts';
import { ICSK_ACK_NOW, inet_csk } from './inet_sock.ts';
import type { sock } from './sock.ts';
import {
  TCP_ECN_DEMAND_CWR,
  TCP_ECN_DISABLED,
  TCP_ECN_QUEUE_CWR,
  tcp_ecn_disabled,
  tcp_ecn_mode_rfc3168,
  tcp_ecn_mode_set,
} from './tcp.ts';
import { TCPHDR_CWR } from './tcp_skb_cb.ts';

/** The window was reduced: the next new data segment says so with CWR. */
export function tcp_ecn_queue_cwr(tp: tcp_sock): void {
  if (tcp_ecn_mode_rfc3168(tp)) tp.ecn_flags |= TCP_ECN_QUEUE_CWR;
}

/** The reduction was undone. */
export function tcp_ecn_withdraw_cwr(tp: tcp_sock): void {
  tp.ecn_flags &= ~TCP_ECN_QUEUE_CWR;
}

/** The peer has reduced its window, so echoing stops; its window may be so small that a delayed ACK would stall it. */
export function tcp_ecn_accept_cwr(sk: sock, skb: sk_buff): void {
  if ((skb.tcp.tcp_flags & TCPHDR_CWR) === 0 || tcp_ecn_disabled(tcp_sk(sk))) return;
  tcp_sk(sk).ecn_flags &= ~TCP_ECN_DEMAND_CWR;
  if (skb.tcp.seq !== skb.tcp.end_seq) inet_csk(sk).icsk_ack.pending |= ICSK_ACK_NOW;
}

/** A SYN-ACK that grants ECN has ECE without CWR. */
export function tcp_ecn_rcv_synack(tp: tcp_sock, th: tcphdr): void {
  if (tcp_ecn_mode_rfc3168(tp) && (th.ece === 0 || th.cwr !== 0)) tcp_ecn_mode_set(tp, TCP_ECN_DISABLED);
}

/** A SYN that asks for ECN has both. */
export function tcp_ecn_rcv_syn(tp: tcp_sock, th: tcphdr): void {
  if (tcp_ecn_mode_rfc3168(tp) && (th.ece === 0 || th.cwr === 0)) tcp_ecn_mode_set(tp, TCP_ECN_DISABLED);
}

export const tcp_ecn_rcv_ecn_echo = (tp: tcp_sock, th: tcphdr): boolean => th.ece !== 0 && th.syn === 0 && tcp_ecn_mode_rfc3168(tp);
