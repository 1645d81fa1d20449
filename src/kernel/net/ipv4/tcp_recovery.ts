/**
 * net/ipv4/tcp_recovery.c: RACK (RFC 8985): a segment is lost when one that was sent sufficiently later has arrived. "Sufficiently" is the
 * reordering window: nothing while none was seen, else steps of a quarter of the least RTT, more of them after D-SACKs.
 * Per (S)ACKed segment `tcp_rack_advance`; per ACK `tcp_rack_update_reo_wnd`, `tcp_rack_mark_lost` → `tcp_rack_detect_loss`;
 * when the window ends without an ACK, `tcp_rack_reo_timeout`. Without SACK `tcp_newreno_mark_lost` (RFC 6582).
 */
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { ICSK_TIME_REO_TIMEOUT, ICSK_TIME_RETRANS, inet_csk } from '../../include/net/inet_sock.ts';
import type { rate_sample } from '../../include/net/rate_sample.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  before,
  TCP_RACK_NO_DUPTHRESH,
  TCP_RACK_STATIC_REO_WND,
  TCP_TIMEOUT_MIN_US,
  TCPCB_LOST,
  TCPCB_RETRANS,
  TCPCB_SACKED_RETRANS,
  tcp_min_rtt,
  tcp_packets_in_flight,
  tcp_rtx_queue_head,
  tcp_skb_mss,
  tcp_skb_pcount,
  tcp_skb_sent_after,
  tcp_skb_timestamp_us,
  tcp_stamp_us_delta,
  u32sub,
} from '../../include/net/tcp.ts';
import { usecs_to_jiffies } from '../../kernel/time/timer.ts';
import { TCP_CA_Recovery } from '../../uapi/tcp.ts';
import { tcp_cwnd_reduction, tcp_enter_recovery, tcp_mark_skb_lost, tcp_rack_skb_timeout, tcp_rearm_rto } from './tcp_input_cwnd.ts';
import { TCP_FRAG_IN_RTX_QUEUE, tcp_fragment } from './tcp_output_fragment.ts';
import { tcp_xmit_retransmit_queue } from './tcp_output_retransmit.ts';
import { tsortedRemove } from './tcp_rtx_queue.ts';
import { tcp_reset_xmit_timer } from './tcp_state.ts';

/** Recoveries for which a widened window is kept. */
export const TCP_RACK_RECOVERY_THRESH = 16;

function tcp_rack_reo_wnd(sk: sock): number {
  const tp = tcp_sk(sk);
  if (tp.reord_seen === 0) {
    // RFC 8985 (6.2) step 4: without reordering three segments above the hole, or a recovery under way, are proof enough.
    if (inet_csk(sk).icsk_ca_state >= TCP_CA_Recovery) return 0;
    if (tp.sacked_out >= tp.reordering && (sock_net(sk).ipv4.sysctl_tcp_recovery & TCP_RACK_NO_DUPTHRESH) === 0) return 0;
  }
  return Math.min(Math.floor(tcp_min_rtt(tp) / 4) * tp.rack.reo_wnd_steps, Math.floor(tp.srtt_us / 8));
}

/** Marks what is lost; returns in how many µs the last of those that still may arrive would be lost, too (0: none). */
function tcp_rack_detect_loss(sk: sock): number {
  const tp = tcp_sk(sk);
  const reo_wnd = tcp_rack_reo_wnd(sk);
  let reo_timeout = 0;
  for (let skb = tp.tsorted_sent_queue.next; skb !== null; ) {
    const next = skb.tsortedNext;
    const cb = skb.tcp;
    // Known to be lost and not sent again.
    const known = (cb.sacked & TCPCB_LOST) !== 0 && (cb.sacked & TCPCB_SACKED_RETRANS) === 0;
    if (!known) {
      if (!tcp_skb_sent_after(tp.rack.mstamp, tcp_skb_timestamp_us(skb), tp.rack.end_seq, cb.end_seq)) break;
      const remaining = tcp_rack_skb_timeout(tp, skb, reo_wnd);
      if (remaining <= 0) {
        tcp_mark_skb_lost(sk, skb);
        tsortedRemove(tp, skb);
      } else reo_timeout = Math.max(reo_timeout, remaining);
    }
    skb = next;
  }
  return reo_timeout;
}

/** True when it set the timer for the end of the reordering window. */
export function tcp_rack_mark_lost(sk: sock): boolean {
  const tp = tcp_sk(sk);
  if (!tp.rack.advanced) return false;
  tp.rack.advanced = false;
  const timeout = tcp_rack_detect_loss(sk);
  if (timeout === 0) return false;
  tcp_reset_xmit_timer(sk, ICSK_TIME_REO_TIMEOUT, usecs_to_jiffies(timeout + TCP_TIMEOUT_MIN_US), false);
  return true;
}

/** RFC 8985 (6.2) step 2: the latest transmission that is known to have arrived. */
export function tcp_rack_advance(tp: tcp_sock, sacked: number, end_seq: number, xmit_time: number): void {
  const rtt_us = tcp_stamp_us_delta(tp.tcp_mstamp, xmit_time);
  // Sooner than a round trip after it was retransmitted: that was the original.
  if (rtt_us < tcp_min_rtt(tp) && (sacked & TCPCB_RETRANS) !== 0) return;
  tp.rack.advanced = true;
  tp.rack.rtt_us = rtt_us;
  if (tcp_skb_sent_after(xmit_time, tp.rack.mstamp, end_seq, tp.rack.end_seq)) {
    tp.rack.mstamp = xmit_time;
    tp.rack.end_seq = end_seq;
  }
}

/** The reordering window ended (ICSK_TIME_REO_TIMEOUT). */
export function tcp_rack_reo_timeout(sk: sock): void {
  const tp = tcp_sk(sk);
  const prior_inflight = tcp_packets_in_flight(tp);
  const lost = tp.lost;
  tcp_rack_detect_loss(sk);
  if (prior_inflight !== tcp_packets_in_flight(tp)) {
    if (inet_csk(sk).icsk_ca_state !== TCP_CA_Recovery) {
      tcp_enter_recovery(sk, false);
      if (inet_csk(sk).icsk_ca_ops.cong_control === undefined) tcp_cwnd_reduction(sk, 1, u32sub(tp.lost, lost), 0);
    }
    tcp_xmit_retransmit_queue(sk);
  }
  if (inet_csk(sk).icsk_pending !== ICSK_TIME_RETRANS) tcp_rearm_rto(sk);
}

/**
 * RFC 8985 (6.2) step 4: a round trip with D-SACKs widens the window by one step, at most once a round trip; it is kept for 16 recoveries
 * and then starts over.
 */
export function tcp_rack_update_reo_wnd(sk: sock, rs: rate_sample): void {
  const tp = tcp_sk(sk);
  const rack = tp.rack;
  if ((sock_net(sk).ipv4.sysctl_tcp_recovery & TCP_RACK_STATIC_REO_WND) !== 0 || rs.prior_delivered === 0) return;
  if (before(rs.prior_delivered, rack.last_delivered)) rack.dsack_seen = false;
  if (rack.dsack_seen) {
    rack.reo_wnd_steps = Math.min(0xff, rack.reo_wnd_steps + 1);
    rack.dsack_seen = false;
    rack.last_delivered = tp.delivered;
    rack.reo_wnd_persist = TCP_RACK_RECOVERY_THRESH;
  } else if (rack.reo_wnd_persist === 0) rack.reo_wnd_steps = 1;
}

/** RFC 6582: three duplicate ACKs, or a partial ACK during recovery, take one segment at the head for lost. */
export function tcp_newreno_mark_lost(sk: sock, snd_una_advanced: boolean): void {
  const tp = tcp_sk(sk);
  const state = inet_csk(sk).icsk_ca_state;
  const dupthresh = state < TCP_CA_Recovery && tp.sacked_out >= tp.reordering;
  if (!dupthresh && !(state === TCP_CA_Recovery && snd_una_advanced)) return;
  const skb = tcp_rtx_queue_head(sk)!;
  if ((skb.tcp.sacked & TCPCB_LOST) !== 0) return;
  const mss = tcp_skb_mss(skb);
  if (tcp_skb_pcount(skb) > 1 && skb.len > mss) tcp_fragment(sk, TCP_FRAG_IN_RTX_QUEUE, skb, mss, mss, GFP_ATOMIC);
  tcp_mark_skb_lost(sk, skb);
}
