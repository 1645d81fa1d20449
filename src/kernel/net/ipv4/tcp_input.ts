/**
 * net/ipv4/tcp_input.c: TCP's receiving side. Here: segments of an established connection.
 * `tcp_rcv_established` → header prediction: `tcp_ack`, or `tcp_queue_rcv` and `tcp_event_data_recv`; else `tcp_validate_incoming` → `tcp_ack` →
 * `tcp_urg` → `tcp_data_queue`; then `tcp_data_snd_check`, `tcp_ack_snd_check`.
 *
 * The file is cut: tcp_input_flags (what is known of an ACK), tcp_input_cwnd (loss marking, PRR: used by output and timers, too), tcp_input_quickack,
 * tcp_input_sndbuf, tcp_input_rtt, tcp_input_options, tcp_input_challenge, tcp_input_validate, tcp_input_ack (tcp_ack), tcp_input_rtx (cleaning the queue),
 * tcp_input_sack and tcp_input_sack_shift (scoreboard), tcp_input_reorder, tcp_input_recovery (state machine), tcp_input_undo, tcp_input_mtup,
 * tcp_input_data, tcp_input_ofo, tcp_input_prune, tcp_input_rcv_sack (SACKs that we send), tcp_input_rcvbuf (receive buffer and window), tcp_input_fin,
 * tcp_input_urg, tcp_input_ack_snd (when to acknowledge), tcp_input_transfer (beginning of a transfer), tcp_input_connect (SYN_SENT), tcp_input_state (all other states), tcp_input_conn_request (LISTEN).
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { kernel, trace } from '../../current.ts';
import { __skb_pull, type sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_hdrlen, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { SKB_DROP_REASON_PKT_TOO_SMALL, SKB_DROP_REASON_TCP_CSUM, SKB_DROP_REASON_TCP_FLAGS } from '../../include/net/dropreason.ts';
import { inet_csk, inet_csk_ack_scheduled } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS, TCP_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  after,
  TCP_HP_BITS,
  TCPHDR_ACK,
  TCPHDR_RST,
  TCPHDR_SYN,
  TCPOLEN_TSTAMP_ALIGNED,
  tcp_cleanup_skb,
  tcp_receive_window,
  tcp_update_wl,
  u32add,
} from '../../include/net/tcp.ts';
import { tcp_ecn_received_counters } from '../../include/net/tcp_ecn.ts';
import { LINUX_MIB_TCPHPHITS, TCP_MIB_CSUMERRORS, TCP_MIB_INERRS } from '../../uapi/snmp.ts';
import { skb_checksum_complete } from '../core/skbuff_csum.ts';
import { __kfree_skb, kfree_skb_partial } from '../core/skbuff_free.ts';
import { tcp_ack } from './tcp_input_ack.ts';
import { __tcp_ack_snd_check, tcp_ack_snd_check, tcp_data_snd_check } from './tcp_input_ack_snd.ts';
import { __tcp_replace_ts_recent } from './tcp_input_challenge.ts';
import { tcp_data_queue, tcp_data_ready, tcp_queue_rcv } from './tcp_input_data.ts';
import { tcp_drop_reason } from './tcp_input_fin.ts';
import { FLAG_DATA, FLAG_SLOWPATH, FLAG_UPDATE_TS_RECENT } from './tcp_input_flags.ts';
import { tcp_parse_aligned_timestamp } from './tcp_input_options.ts';
import { tcp_event_data_recv } from './tcp_input_rcvbuf.ts';
import { tcp_rcv_rtt_measure_ts } from './tcp_input_rtt.ts';
import { tcp_urg } from './tcp_input_urg.ts';
import { tcp_validate_incoming } from './tcp_input_validate.ts';
import { tcp_mstamp_refresh } from './tcp_output_transmit.ts';

export * from './tcp_input_ack.ts';
export * from './tcp_input_ack_snd.ts';
export * from './tcp_input_challenge.ts';
export * from './tcp_input_conn_request.ts';
export * from './tcp_input_connect.ts';
export * from './tcp_input_cwnd.ts';
export * from './tcp_input_data.ts';
export * from './tcp_input_fin.ts';
export * from './tcp_input_mtup.ts';
export * from './tcp_input_ofo.ts';
export * from './tcp_input_options.ts';
export * from './tcp_input_rcv_sack.ts';
export * from './tcp_input_rcvbuf.ts';
export * from './tcp_input_rtt.ts';
export * from './tcp_input_state.ts';
export * from './tcp_input_transfer.ts';
export * from './tcp_input_validate.ts';

const TCPHDR_LEN = 20;
const WITH_TIMESTAMP = TCPHDR_LEN + TCPOLEN_TSTAMP_ALIGNED;

/** What header prediction makes of a segment. */
const SLOW = 0;
const VALIDATE = 1;
const STEP5 = 2;
const DONE = 3;

export const tcp_checksum_complete = (skb: sk_buff): boolean => skb_checksum_complete(skb) !== 0;

/** The header is the one that was predicted, and so are the numbers: a pure sender or receiver can be served at once. */
function isPredicted(tp: tcp_sock, skb: sk_buff): boolean {
  const word = skb.mem.view.getUint32(skb.transport_header + 12);
  if ((word & TCP_HP_BITS) >>> 0 !== tp.pred_flags) return false;
  return skb.tcp.seq === tp.rcv_nxt && !after(skb.tcp.ack_seq, tp.snd_nxt);
}

/** The timestamp of a predicted segment: how far it is ahead of ts_recent; negative when it must be looked at more closely. */
function stampDelta(tp: tcp_sock, skb: sk_buff): number {
  if (tp.tcp_header_len !== WITH_TIMESTAMP) return 0;
  if (!tcp_parse_aligned_timestamp(tp, skb)) return -1;
  return (tp.rx_opt.rcv_tsval - tp.rx_opt.ts_recent) | 0;
}

/** Sequence numbers are as predicted, so that RFC 7323 (4.3) comes down to: nothing is unacknowledged. */
function takeStamp(tp: tcp_sock, delta: number): number {
  return tp.tcp_header_len === WITH_TIMESTAMP && tp.rcv_nxt === tp.rcv_wup ? __tcp_replace_ts_recent(tp, delta) : 0;
}

/** A pure ACK: bulk transfer, sender. */
function predictedAck(sk: sock, tp: tcp_sock, skb: sk_buff, delta: number): void {
  const flag = takeStamp(tp, delta);
  tcp_ecn_received_counters(sk, skb, 0);
  tcp_ack(sk, skb, flag);
  __kfree_skb(skb);
  tcp_data_snd_check(sk);
  tp.rcv_rtt_last_tsecr = tp.rx_opt.rcv_tsecr;
}

/** Data in sequence: bulk transfer, receiver. */
function predictedData(sk: sock, tp: tcp_sock, skb: sk_buff, delta: number): number {
  if (tcp_checksum_complete(skb)) {
    badChecksum(sk, skb);
    return DONE;
  }
  if (after(skb.tcp.end_seq, u32add(tp.rcv_nxt, tcp_receive_window(tp)))) return VALIDATE;
  if (skb.truesize > sk.sk_forward_alloc) return STEP5;
  const flag = takeStamp(tp, delta);
  tcp_rcv_rtt_measure_ts(sk, skb);
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPHPHITS);
  tcp_cleanup_skb(skb);
  __skb_pull(skb, tp.tcp_header_len);
  tcp_ecn_received_counters(sk, skb, skb.len);
  const eaten = tcp_queue_rcv(sk, skb);
  const fragstolen = sock_net(sk).tcpInput.coalesce.fragstolen;
  tcp_event_data_recv(sk, skb);
  let ackDue = true;
  if (skb.tcp.ack_seq !== tp.snd_una) {
    tcp_ack(sk, skb, flag | FLAG_DATA);
    tcp_data_snd_check(sk);
    ackDue = inet_csk_ack_scheduled(sk);
  } else tcp_update_wl(tp, skb.tcp.seq);
  if (ackDue) __tcp_ack_snd_check(sk, false);
  if (eaten) kfree_skb_partial(skb, fragstolen);
  tcp_data_ready(sk);
  return DONE;
}

/** Van Jacobson's fast path. Returns where the slow path is to begin. */
function predict(sk: sock, tp: tcp_sock, skb: sk_buff): number {
  if (!isPredicted(tp, skb)) return SLOW;
  const delta = stampDelta(tp, skb);
  if (delta < 0) return SLOW;
  if (skb.len > tp.tcp_header_len) return predictedData(sk, tp, skb, delta);
  if (skb.len === tp.tcp_header_len) predictedAck(sk, tp, skb, delta);
  else {
    TCP_INC_STATS(sock_net(sk), TCP_MIB_INERRS);
    tcp_drop_reason(sk, skb, SKB_DROP_REASON_PKT_TOO_SMALL, 'tcp_rcv_established');
  }
  return DONE;
}

function badChecksum(sk: sock, skb: sk_buff): void {
  trace().tcp_bad_csum?.(skb);
  TCP_INC_STATS(sock_net(sk), TCP_MIB_CSUMERRORS);
  TCP_INC_STATS(sock_net(sk), TCP_MIB_INERRS);
  tcp_drop_reason(sk, skb, SKB_DROP_REASON_TCP_CSUM, 'tcp_rcv_established');
}

/** Checksum and flags; false when the segment was dropped for them. */
function isWellFormed(sk: sock, skb: sk_buff): boolean {
  if (skb.len < tcp_hdrlen(skb) || tcp_checksum_complete(skb)) {
    badChecksum(sk, skb);
    return false;
  }
  if ((skb.tcp.tcp_flags & (TCPHDR_ACK | TCPHDR_RST | TCPHDR_SYN)) !== 0) return true;
  tcp_drop_reason(sk, skb, SKB_DROP_REASON_TCP_FLAGS, 'tcp_rcv_established');
  return false;
}

export function tcp_rcv_established(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  trace().tcp_probe?.(sk, skb);
  const { callTimes } = kernel();
  if (callTimes !== null) this_cpu.spinUntil(callTimes.segment(sk.skc_num, skb.len - tcp_hdrlen(skb)));
  tcp_mstamp_refresh(tp);
  if (sk.sk_rx_dst === null) inet_csk(sk).icsk_af_ops.sk_rx_dst_set(sk, skb);
  tp.rx_opt.saw_tstamp = false;
  tp.rx_opt.accecn = 0;
  const from = predict(sk, tp, skb);
  if (from === DONE) return;
  if (from === SLOW && !isWellFormed(sk, skb)) return;
  if (from !== STEP5 && !tcp_validate_incoming(sk, skb, true)) return;
  tcp_ecn_received_counters(sk, skb, skb.len - tcp_hdrlen(skb));
  const result = tcp_ack(sk, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT);
  if (result < 0) {
    tcp_drop_reason(sk, skb, -result, 'tcp_rcv_established');
    return;
  }
  tcp_rcv_rtt_measure_ts(sk, skb);
  tcp_urg(sk, skb);
  tcp_data_queue(sk, skb);
  tcp_data_snd_check(sk);
  tcp_ack_snd_check(sk);
}
