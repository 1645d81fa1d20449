/**
 * net/ipv4/tcp_input.c: is a segment acceptable (RFC 9293 (3.10.7.4) first, second, fourth; RFC 5961; RFC 7323 (5))?
 * `tcp_validate_incoming` → `tcp_fast_parse_options`, PAWS, `tcp_sequence`, RST, SYN.
 */
import { type sk_buff, skb_queue_len } from '../../include/linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import {
  SKB_DROP_REASON_TCP_INVALID_END_SEQUENCE,
  SKB_DROP_REASON_TCP_INVALID_SEQUENCE,
  SKB_DROP_REASON_TCP_INVALID_SYN,
  SKB_DROP_REASON_TCP_OLD_SEQUENCE,
  SKB_DROP_REASON_TCP_RESET,
  SKB_DROP_REASON_TCP_RFC7323_PAWS,
  SKB_DROP_REASON_TCP_RFC7323_PAWS_ACK,
  SKB_NOT_DROPPED_YET,
} from '../../include/net/dropreason.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS, TCP_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  after,
  before,
  TCP_PAWS_WINDOW,
  TCPHDR_ACK,
  TCPHDR_FIN,
  TCPHDR_RST,
  TCPHDR_SYN,
  tcp_is_sack,
  tcp_paws_check,
  tcp_receive_window,
  u32add,
  u32sub,
} from '../../include/net/tcp.ts';
import { reflectSyn } from '../../include/net/tcp_ecn.ts';
import { HZ } from '../../kernel/time/timer.ts';
import {
  LINUX_MIB_BEYOND_WINDOW,
  LINUX_MIB_PAWS_OLD_ACK,
  LINUX_MIB_PAWSESTABREJECTED,
  LINUX_MIB_TCPACKSKIPPEDPAWS,
  LINUX_MIB_TCPACKSKIPPEDSEQ,
  LINUX_MIB_TCPSYNCHALLENGE,
  TCP_MIB_INERRS,
} from '../../uapi/snmp.ts';
import { TCP_ESTABLISHED, TCP_SYN_RECV, TCPF_CLOSE_WAIT, TCPF_CLOSING, TCPF_LAST_ACK } from '../../uapi/tcp.ts';
import { __kfree_skb } from '../core/skbuff_free.ts';
import { tcp_fastopen_active_disable } from './tcp_fastopen_active.ts';
import { tcp_may_update_window } from './tcp_input_ack.ts';
import { tcp_oow_rate_limited, tcp_send_challenge_ack } from './tcp_input_challenge.ts';
import { tcp_drop_reason, tcp_reset } from './tcp_input_fin.ts';
import { tcp_fast_parse_options } from './tcp_input_options.ts';
import { tcp_send_dupack } from './tcp_input_rcv_sack.ts';

/** Ticks that the peer's timestamp clock may make in an RTO: 1200 a second at most. */
function tcp_tsval_replay(sk: sock): number {
  const rto = inet_csk(sk).icsk_rto;
  return Math.floor((rto * (tcp_sk(sk).tcp_usec_ts ? 1_000_000 : 1200)) / HZ());
}

/**
 * PAWS rejects what is older than ts_recent; but a pure duplicate ACK that changes nothing may be reordered and still help fast retransmit: 0.
 * An ACK from before the sequence expected is an old one, not worth an answer.
 */
function tcp_disordered_ack_check(sk: sock, skb: sk_buff): number {
  const tp = tcp_sk(sk);
  const { seq, end_seq, ack_seq, tcp_flags } = skb.tcp;
  if ((tcp_flags & TCPHDR_ACK) === 0 || seq !== end_seq) return SKB_DROP_REASON_TCP_RFC7323_PAWS;
  if (seq !== tp.rcv_nxt) return before(seq, tp.rcv_nxt) ? SKB_DROP_REASON_TCP_RFC7323_PAWS_ACK : SKB_DROP_REASON_TCP_RFC7323_PAWS;
  if (ack_seq !== tp.snd_una) return SKB_DROP_REASON_TCP_RFC7323_PAWS;
  const window = skb.mem.view.getUint16(skb.transport_header + 14) << tp.rx_opt.snd_wscale;
  if (tcp_may_update_window(tp, ack_seq, seq, window)) return SKB_DROP_REASON_TCP_RFC7323_PAWS;
  return ((tp.rx_opt.ts_recent - tp.rx_opt.rcv_tsval) | 0) > tcp_tsval_replay(sk) ? SKB_DROP_REASON_TCP_RFC7323_PAWS : 0;
}

/** RFC 9293 (3.4), with the last acknowledged number as left edge; data beyond the window only with an empty queue, a FIN just beyond it always. */
function tcp_sequence(sk: sock, skb: sk_buff): number {
  const tp = tcp_sk(sk);
  const { seq, end_seq } = skb.tcp;
  if (before(end_seq, tp.rcv_wup)) return SKB_DROP_REASON_TCP_OLD_SEQUENCE;
  const limit = u32add(tp.rcv_nxt, tcp_receive_window(tp));
  if (!after(end_seq, limit)) return SKB_NOT_DROPPED_YET;
  const fin = (skb.tcp.tcp_flags & TCPHDR_FIN) !== 0 ? 1 : 0;
  if (!after(u32sub(end_seq, fin), limit)) return SKB_NOT_DROPPED_YET;
  if (after(seq, limit)) return SKB_DROP_REASON_TCP_INVALID_SEQUENCE;
  return skb_queue_len(sk.sk_receive_queue) !== 0 ? SKB_DROP_REASON_TCP_INVALID_END_SEQUENCE : SKB_NOT_DROPPED_YET;
}

/** Some stacks send a RST with the number of the FIN that they sent before. */
function tcp_reset_check(sk: sock, skb: sk_buff): boolean {
  const closing = TCPF_CLOSE_WAIT | TCPF_LAST_ACK | TCPF_CLOSING;
  return skb.tcp.seq === u32sub(tcp_sk(sk).rcv_nxt, 1) && ((1 << sk.skc_state) & closing) !== 0;
}

/** PAWS (RFC 7323 (5.3)): 0 or a drop reason. RST is exempt. */
function checkPaws(sk: sock, skb: sk_buff): number {
  const rx_opt = tcp_sk(sk).rx_opt;
  if (!tcp_fast_parse_options(sk, skb) || !rx_opt.saw_tstamp || tcp_paws_check(rx_opt, TCP_PAWS_WINDOW)) return 0;
  const reason = tcp_disordered_ack_check(sk, skb);
  return (skb.tcp.tcp_flags & TCPHDR_RST) !== 0 ? 0 : reason;
}

function pawsRejected(sk: sock, skb: sk_buff, reason: number): false {
  const tp = tcp_sk(sk);
  if (reason === SKB_DROP_REASON_TCP_RFC7323_PAWS_ACK) NET_INC_STATS(sock_net(sk), LINUX_MIB_PAWS_OLD_ACK);
  else {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_PAWSESTABREJECTED);
    if (!tcp_oow_rate_limited(sock_net(sk), skb, LINUX_MIB_TCPACKSKIPPEDPAWS, tp)) tcp_send_dupack(sk, skb);
  }
  tcp_drop_reason(sk, skb, reason, 'tcp_validate_incoming');
  return false;
}

function outOfSequence(sk: sock, skb: sk_buff, reason: number): false {
  const rst = (skb.tcp.tcp_flags & TCPHDR_RST) !== 0;
  if (rst && tcp_reset_check(sk, skb)) return acceptReset(sk, skb);
  if (!rst) {
    if (reason !== SKB_DROP_REASON_TCP_OLD_SEQUENCE) NET_INC_STATS(sock_net(sk), LINUX_MIB_BEYOND_WINDOW);
    if (!tcp_oow_rate_limited(sock_net(sk), skb, LINUX_MIB_TCPACKSKIPPEDSEQ, tcp_sk(sk))) tcp_send_dupack(sk, skb);
  }
  tcp_drop_reason(sk, skb, reason, 'tcp_validate_incoming');
  return false;
}

function acceptReset(sk: sock, skb: sk_buff): false {
  tcp_reset(sk, skb);
  __kfree_skb(skb);
  return false;
}

/** The end of the last block that we SACKed. */
function highestSackSent(tp: tcp_sock): number {
  let max_sack = tp.selective_acks[0]!.end_seq;
  for (let i = 1; i < tp.rx_opt.num_sacks; i++) {
    const end_seq = tp.selective_acks[i]!.end_seq;
    if (after(end_seq, max_sack)) max_sack = end_seq;
  }
  return max_sack;
}

/** RFC 5961 (3.2): a RST must have exactly the number expected (or that after what we have SACKed); any other in the window gets a challenge ACK. */
function handleReset(sk: sock, skb: sk_buff): false {
  const tp = tcp_sk(sk);
  if (skb.tcp.seq === tp.rcv_nxt || tcp_reset_check(sk, skb)) return acceptReset(sk, skb);
  if (tcp_is_sack(tp) && tp.rx_opt.num_sacks > 0 && skb.tcp.seq === highestSackSent(tp)) return acceptReset(sk, skb);
  // Out of order and before any data: perhaps a middlebox that dislikes Fast Open.
  if (tp.syn_fastopen && tp.data_segs_in === 0 && sk.skc_state === TCP_ESTABLISHED) tcp_fastopen_active_disable(sk);
  tcp_send_challenge_ack(sk);
  tcp_drop_reason(sk, skb, SKB_DROP_REASON_TCP_RESET, 'tcp_validate_incoming');
  return false;
}

/** RFC 5961 (4.2). */
function challengeSyn(sk: sock, skb: sk_buff, syn_inerr: boolean, flags: number): false {
  if (syn_inerr) TCP_INC_STATS(sock_net(sk), TCP_MIB_INERRS);
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPSYNCHALLENGE);
  tcp_send_challenge_ack(sk, flags);
  tcp_drop_reason(sk, skb, SKB_DROP_REASON_TCP_INVALID_SYN, 'tcp_validate_incoming');
  return false;
}

/** The SYN-ACK of a simultaneous open: both sent a SYN, and each then a SYN-ACK. */
function isCrossedSynAck(sk: sock, skb: sk_buff): boolean {
  const tp = tcp_sk(sk);
  const { seq, end_seq, ack_seq, tcp_flags } = skb.tcp;
  if (sk.skc_state !== TCP_SYN_RECV || sk.sk_socket === null || (tcp_flags & TCPHDR_ACK) === 0) return false;
  return u32add(seq, 1) === end_seq && u32add(seq, 1) === tp.rcv_nxt && ack_seq === tp.snd_nxt;
}

/** False: the segment is not acceptable, and is dealt with. */
export function tcp_validate_incoming(sk: sock, skb: sk_buff, syn_inerr: boolean): boolean {
  const flags = skb.tcp.tcp_flags;
  const paws = checkPaws(sk, skb);
  if (paws !== 0) return (flags & TCPHDR_SYN) !== 0 ? challengeSyn(sk, skb, syn_inerr, 0) : pawsRejected(sk, skb, paws);
  const reason = tcp_sequence(sk, skb);
  if (reason !== SKB_NOT_DROPPED_YET) {
    const syn = (flags & (TCPHDR_SYN | TCPHDR_RST)) === TCPHDR_SYN;
    return syn ? challengeSyn(sk, skb, syn_inerr, 0) : outOfSequence(sk, skb, reason);
  }
  if ((flags & TCPHDR_RST) !== 0) return handleReset(sk, skb);
  if ((flags & TCPHDR_SYN) !== 0) {
    const reflected = reflectSyn(sk, skb);
    if (!isCrossedSynAck(sk, skb)) return challengeSyn(sk, skb, syn_inerr, reflected);
  }
  return true;
}
