/**
 * net/ipv4/tcp_input.c: the receive buffer and the window that it allows: what a segment costs in memory (`scaling_ratio`), slow start of the window
 * (`rcv_ssthresh`), growth of the buffer with the rate (Dynamic Right-Sizing).
 * Per segment `tcp_event_data_recv` → `tcp_measure_rcv_mss`, `tcp_data_ecn_check`, `tcp_grow_window`; per read `tcp_rcv_space_adjust` → `tcp_rcvbuf_grow`.
 */
import { trace } from '../../current.ts';
import { SKB_TRUESIZE, type sk_buff, skb_end_offset, skb_headlen, skb_shinfo } from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { INET_ECN_CE, INET_ECN_MASK, INET_ECN_NOT_ECT } from '../../include/net/inet_ecn.ts';
import { ICSK_ACK_PUSHED, ICSK_ACK_PUSHED2, inet_csk, inet_csk_schedule_ack } from '../../include/net/inet_sock.ts';
import { SOCK_RCVBUF_LOCK, SOCK_SNDBUF_LOCK, type sock, sock_net } from '../../include/net/sock.ts';
import {
  TCP_ATO_MIN,
  TCP_ECN_DEMAND_CWR,
  TCP_ECN_SEEN,
  TCP_INIT_CWND,
  TCP_MAX_QUICKACKS,
  TCP_MIN_MSS,
  TCP_MSS_DEFAULT,
  TCP_RMEM_TO_WIN_SCALE,
  TCPHDR_FIN,
  TCPHDR_PSH,
  TCPHDR_SYN,
  TCPHDR_URG,
  tcp_adjust_rcv_ssthresh,
  tcp_ca_event,
  tcp_ca_needs_ecn,
  tcp_ecn_disabled,
  tcp_ecn_mode_rfc3168,
  tcp_full_space,
  tcp_space,
  tcp_space_from_win,
  tcp_stamp_us_delta,
  tcp_under_memory_pressure,
  tcp_win_from_space,
  u32sub,
} from '../../include/net/tcp.ts';
import { CA_EVENT_ECN_IS_CE, CA_EVENT_ECN_NO_CE } from '../../include/net/tcp_congestion_ops.ts';
import { tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { sk_memory_allocated, sk_prot_mem_limits } from '../core/sock.ts';
import { tcp_enter_quickack_mode, tcp_incr_quickack } from './tcp_input_quickack.ts';
import { tcp_rcv_rtt_measure } from './tcp_input_rtt.ts';
import { tcp_sndbuf_expand } from './tcp_input_sndbuf.ts';
import { tcp_mstamp_refresh } from './tcp_output_transmit.ts';
import { tcp_set_window_clamp } from './tcp_state.ts';

const TCPHDR_LEN = 20;
const TCP_REMNANT = TCPHDR_FIN | TCPHDR_URG | TCPHDR_SYN | TCPHDR_PSH;

/**
 * The peer's segment size, which decides when ACKs are due. One that is smaller than before counts only if it comes twice; without PSH it
 * may be very small, since then the peer had more to send.
 */
export function tcp_measure_rcv_mss(sk: sock, skb: sk_buff): void {
  const ack = inet_csk(sk).icsk_ack;
  const lss = ack.last_seg_size;
  ack.last_seg_size = 0;
  const len = skb_shinfo(skb).gso_size || skb.len;
  if (len >= ack.rcv_mss) {
    if (len !== ack.rcv_mss) updateScalingRatio(sk, skb);
    ack.rcv_mss = Math.min(len, tcp_sk(sk).advmss);
    // A single full segment with PSH ends a write: who reads it all sends the ACK, since the peer may wait for that.
    if ((skb.tcp.tcp_flags & TCPHDR_PSH) !== 0) ack.pending |= ICSK_ACK_PUSHED;
    return;
  }
  const withHeader = len + skb.data - skb.transport_header;
  if (withHeader >= TCP_MSS_DEFAULT + TCPHDR_LEN || (withHeader >= TCP_MIN_MSS + TCPHDR_LEN && (skb.tcp.tcp_flags & TCP_REMNANT) === 0)) {
    // SACK blocks vary; the rest of the header doesn't.
    const size = withHeader - tcp_sk(sk).tcp_header_len;
    ack.last_seg_size = size;
    if (size === lss) {
      ack.rcv_mss = size;
      return;
    }
  }
  if ((ack.pending & ICSK_ACK_PUSHED) !== 0) ack.pending |= ICSK_ACK_PUSHED2;
  ack.pending |= ICSK_ACK_PUSHED;
}

/** How much of the memory that a segment takes is payload: the buffer is worth that share of window. */
function updateScalingRatio(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  const old_ratio = tp.scaling_ratio;
  tp.scaling_ratio = Math.floor((skb.len << TCP_RMEM_TO_WIN_SCALE) / skb.truesize) || 1;
  if (old_ratio === tp.scaling_ratio) return;
  tcp_set_window_clamp(sk, tcp_win_from_space(sk, sk.sk_rcvbuf));
  if (tp.window_clamp < tp.rcvq_space.space) tp.rcvq_space.space = tp.window_clamp;
}

/** Would segments like this one fill the largest buffer before they fill the window? */
function __tcp_grow_window(sk: sock, skb: sk_buff, skbtruesize: number): number {
  let truesize = tcp_win_from_space(sk, skbtruesize) >> 1;
  let window = tcp_win_from_space(sk, sock_net(sk).ipv4.sysctl_tcp_rmem[2]) >> 1;
  while (tcp_sk(sk).rcv_ssthresh <= window) {
    if (truesize <= skb.len) return 2 * inet_csk(sk).icsk_ack.rcv_mss;
    truesize >>= 1;
    window >>= 1;
  }
  return 0;
}

/** A segment that was merged into another one left only its fragments behind. */
function truesize_adjust(adjust: boolean, skb: sk_buff): number {
  if (!adjust || skb_headlen(skb) !== 0) return skb.truesize;
  const truesize = skb.truesize - SKB_TRUESIZE(skb_end_offset(skb));
  return truesize < skb.len ? skb.truesize : truesize;
}

/** The window offered may grow by two segments per segment received, as long as memory allows. */
export function tcp_grow_window(sk: sock, skb: sk_buff, adjust: boolean): void {
  const tp = tcp_sk(sk);
  const room = Math.min(tp.window_clamp, tcp_space(sk)) - tp.rcv_ssthresh;
  if (room <= 0) return;
  if (tcp_under_memory_pressure(sk)) {
    tcp_adjust_rcv_ssthresh(sk);
    return;
  }
  const truesize = truesize_adjust(adjust, skb);
  const incr = tcp_win_from_space(sk, truesize) <= skb.len ? 2 * tp.advmss : __tcp_grow_window(sk, skb, truesize);
  if (incr === 0) return;
  tp.rcv_ssthresh += Math.min(room, Math.max(incr, 2 * skb.len));
  inet_csk(sk).icsk_ack.quick |= 1;
}

/** The connection is established: sets buffers and the limit of the window; a segment is always kept in reserve. */
export function tcp_init_buffer_space(sk: sock): void {
  const tp = tcp_sk(sk);
  const app_win = sock_net(sk).ipv4.sysctl_tcp_app_win;
  if ((sk.sk_userlocks & SOCK_SNDBUF_LOCK) === 0) tcp_sndbuf_expand(sk);
  tcp_mstamp_refresh(tp);
  tp.rcvq_space.time = tp.tcp_mstamp;
  tp.rcvq_space.seq = tp.copied_seq;
  const maxwin = tcp_full_space(sk);
  if (tp.window_clamp >= maxwin) {
    tp.window_clamp = maxwin;
    if (app_win !== 0 && maxwin > 4 * tp.advmss) tp.window_clamp = Math.max(maxwin - (maxwin >> app_win), 4 * tp.advmss);
  }
  if (app_win !== 0 && tp.window_clamp > 2 * tp.advmss && tp.window_clamp + tp.advmss > maxwin)
    tp.window_clamp = Math.max(2 * tp.advmss, maxwin - tp.advmss);
  tp.rcv_ssthresh = Math.min(tp.rcv_ssthresh, tp.window_clamp);
  tp.snd_cwnd_stamp = tcp_jiffies32();
  tp.rcvq_space.space = Math.min(tp.rcv_ssthresh, tp.rcv_wnd, TCP_INIT_CWND * tp.advmss);
}

/** The buffer is over its limit: the limit follows as far as it may, else the window shrinks. */
export function tcp_clamp_window(sk: sock): void {
  const tp = tcp_sk(sk);
  const rmem2 = sock_net(sk).ipv4.sysctl_tcp_rmem[2];
  inet_csk(sk).icsk_ack.quick = 0;
  const mayGrow = sk.sk_rcvbuf < rmem2 && (sk.sk_userlocks & SOCK_RCVBUF_LOCK) === 0;
  if (mayGrow && !tcp_under_memory_pressure(sk) && sk_memory_allocated(sk) < sk_prot_mem_limits(sk, 0))
    sk.sk_rcvbuf = Math.min(sk.sk_rmem_alloc, rmem2);
  if (sk.sk_rmem_alloc > sk.sk_rcvbuf) tp.rcv_ssthresh = Math.min(tp.window_clamp, 2 * tp.advmss);
}

/* Dynamic Right-Sizing. */

/**
 * `newval` bytes are read per round trip: room for twice that, since the measure is a round trip old, twice the growth on top, since in slow
 * start the sender doubles its rate, and what waits out of order.
 */
export function tcp_rcvbuf_grow(sk: sock, newval: number): void {
  const tp = tcp_sk(sk);
  const ipv4 = sock_net(sk).ipv4;
  const oldval = tp.rcvq_space.space;
  tp.rcvq_space.space = newval;
  if (ipv4.sysctl_tcp_moderate_rcvbuf === 0 || (sk.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0) return;
  let rcvwin = newval * 2;
  rcvwin += Math.floor((rcvwin * (newval - oldval)) / oldval) * 2;
  if (tp.out_of_order_queue.first !== null) rcvwin += u32sub(tp.ooo_last_skb!.tcp.end_seq, tp.rcv_nxt);
  const rcvbuf = Math.min(tcp_space_from_win(sk, rcvwin), ipv4.sysctl_tcp_rmem[2]);
  if (rcvbuf <= sk.sk_rcvbuf) return;
  sk.sk_rcvbuf = rcvbuf;
  tp.window_clamp = tcp_win_from_space(sk, rcvbuf);
}

/** The user has read something: once per round trip, measures how much. */
export function tcp_rcv_space_adjust(sk: sock): void {
  const tp = tcp_sk(sk);
  trace().tcp_rcv_space_adjust?.(sk);
  tcp_mstamp_refresh(tp);
  if (tp.rcv_rtt_est.rtt_us === 0) return;
  const time = tcp_stamp_us_delta(tp.tcp_mstamp, tp.rcvq_space.time);
  if (time < Math.floor(tp.rcv_rtt_est.rtt_us / 8)) return;
  const inq = u32sub(tp.rcv_nxt, tp.copied_seq);
  const copied = u32sub(tp.copied_seq, tp.rcvq_space.seq) - inq;
  if (copied > tp.rcvq_space.space) {
    trace().tcp_rcvbuf_grow?.(sk, time);
    tcp_rcvbuf_grow(sk, copied);
  }
  tp.rcvq_space.seq = tp.copied_seq;
  tp.rcvq_space.time = tp.tcp_mstamp;
}

/* Arrival of data. */

/** RFC 3168 (6.1.3): a CE mark is echoed until CWR comes; the congestion control may want to know of every packet (DCTCP). */
export function tcp_data_ecn_check(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  if (tcp_ecn_disabled(tp)) return;
  const ecn = skb.tcp.ip_dsfield & INET_ECN_MASK;
  if (ecn === INET_ECN_NOT_ECT) {
    // Without ECT although ECN is used: a retransmission, most likely.
    if ((tp.ecn_flags & TCP_ECN_SEEN) !== 0) tcp_enter_quickack_mode(sk, 2);
    return;
  }
  if (tcp_ca_needs_ecn(sk)) tcp_ca_event(sk, ecn === INET_ECN_CE ? CA_EVENT_ECN_IS_CE : CA_EVENT_ECN_NO_CE);
  // AccECN has counted it already.
  if (!tcp_ecn_mode_rfc3168(tp)) return;
  if (ecn === INET_ECN_CE && (tp.ecn_flags & TCP_ECN_DEMAND_CWR) === 0) {
    tcp_enter_quickack_mode(sk, 2);
    tp.ecn_flags |= TCP_ECN_DEMAND_CWR;
  }
  tp.ecn_flags |= TCP_ECN_SEEN;
}

/** Adapts the delay of ACKs to the spacing of segments: half the old and half the new. */
function adaptAto(sk: sock, now: number): void {
  const icsk = inet_csk(sk);
  const ack = icsk.icsk_ack;
  const half = TCP_ATO_MIN() >> 1;
  if (ack.ato === 0) {
    tcp_incr_quickack(sk, TCP_MAX_QUICKACKS);
    ack.ato = TCP_ATO_MIN();
    return;
  }
  const m = now - ack.lrcvtime;
  if (m <= half) ack.ato = (ack.ato >> 1) + half;
  else if (m < ack.ato) ack.ato = Math.min((ack.ato >> 1) + m, icsk.icsk_rto);
  // So long a pause that the sender starts slowly again.
  else if (m > icsk.icsk_rto) tcp_incr_quickack(sk, TCP_MAX_QUICKACKS);
}

export function tcp_event_data_recv(sk: sock, skb: sk_buff): void {
  inet_csk_schedule_ack(sk);
  tcp_measure_rcv_mss(sk, skb);
  tcp_rcv_rtt_measure(tcp_sk(sk));
  const now = tcp_jiffies32();
  adaptAto(sk, now);
  inet_csk(sk).icsk_ack.lrcvtime = now;
  tcp_data_ecn_check(sk, skb);
  if (skb.len >= 128) tcp_grow_window(sk, skb, true);
}
