/**
 * net/ipv4/tcp_input.c: the part that output and timers need: the retransmission timer, marking losses, entering Loss and CWR, and reducing
 * the window by Proportional Rate Reduction (RFC 6937, and its successor draft-ietf-tcpm-prr-rfc6937bis).
 * `tcp_enter_loss` → `tcp_timeout_mark_lost` → `tcp_mark_skb_lost`; `tcp_enter_cwr` → `tcp_init_cwnd_reduction`, then per ACK `tcp_cwnd_reduction`,
 * at the end `tcp_end_cwnd_reduction`.
 */
import { InvariantError } from '../../../sim/invariant.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { type dst_entry, dst_metric, RTAX_INITCWND } from '../../include/net/dst.ts';
import { ICSK_TIME_LOSS_PROBE, ICSK_TIME_REO_TIMEOUT, ICSK_TIME_RETRANS, inet_csk } from '../../include/net/inet_sock.ts';
import { NET_ADD_STATS, NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  after,
  before,
  TCP_INFINITE_SSTHRESH,
  TCP_INIT_CWND,
  TCP_MIN_MSS,
  TCP_MSS_DEFAULT,
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  tcp_ca_event,
  tcp_clear_all_retrans_hints,
  tcp_current_ssthresh,
  tcp_in_cwnd_reduction,
  tcp_is_reno,
  tcp_left_out,
  tcp_packets_in_flight,
  tcp_rto_delta_us,
  tcp_rtx_queue_head,
  tcp_skb_mss,
  tcp_skb_pcount,
  tcp_skb_timestamp_us,
  tcp_snd_cwnd_set,
  tcp_stamp_us_delta,
} from '../../include/net/tcp.ts';
import { CA_EVENT_COMPLETE_CWR, CA_EVENT_LOSS } from '../../include/net/tcp_congestion_ops.ts';
import { tcp_ecn_queue_cwr } from '../../include/net/tcp_ecn.ts';
import { tcp_jiffies32, usecs_to_jiffies } from '../../kernel/time/timer.ts';
import {
  LINUX_MIB_TCPLOSTRETRANSMIT,
  LINUX_MIB_TCPRENORECOVERY,
  LINUX_MIB_TCPSACKRECOVERY,
  LINUX_MIB_TCPSACKRENEGING,
} from '../../uapi/snmp.ts';
import { TCP_CA_CWR, TCP_CA_Disorder, TCP_CA_Loss, TCP_CA_Recovery } from '../../uapi/tcp.ts';
import { inet_csk_clear_xmit_timer } from './inet_connection_sock.ts';
import { tcp_set_ca_state } from './tcp_cong.ts';
import { FLAG_SND_UNA_ADVANCED } from './tcp_input_flags.ts';
import { tcp_reset_xmit_timer } from './tcp_state.ts';

export * from './tcp_input_quickack.ts';
export * from './tcp_input_sndbuf.ts';

/* The scoreboard. */

/** More segments cannot have left the network than were sent. */
export function tcp_verify_left_out(tp: tcp_sock): void {
  if (tcp_left_out(tp) > tp.packets_out)
    throw new InvariantError(`tcp_verify_left_out: ${tp.sacked_out} SACKed + ${tp.lost_out} lost > ${tp.packets_out} out`);
}

/** Payload of the segment's packets: all of it when it is one packet. */
export const tcp_skb_seglen = (skb: sk_buff): number => (tcp_skb_pcount(skb) === 1 ? skb.len : tcp_skb_mss(skb));

/**
 * Must be called before lost_out and retrans_out know of the loss: if all that was lost before is retransmitted already, this segment is
 * where retransmitting goes on.
 */
function tcp_verify_retransmit_hint(tp: tcp_sock, skb: sk_buff): void {
  const hint = tp.retransmit_skb_hint;
  if (hint === null ? tp.retrans_out >= tp.lost_out : before(skb.tcp.seq, hint.tcp.seq)) tp.retransmit_skb_hint = skb;
}

function tcp_notify_skb_loss_event(tp: tcp_sock, skb: sk_buff): void {
  tp.lost += tcp_skb_pcount(skb);
}

/** Takes a segment for lost; if its retransmission was in flight, takes that for lost. */
export function tcp_mark_skb_lost(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  const sacked = skb.tcp.sacked;
  if ((sacked & TCPCB_SACKED_ACKED) !== 0) return;
  tcp_verify_retransmit_hint(tp, skb);
  if ((sacked & TCPCB_LOST) === 0) {
    tp.lost_out += tcp_skb_pcount(skb);
    skb.tcp.sacked |= TCPCB_LOST;
    tcp_notify_skb_loss_event(tp, skb);
  } else if ((sacked & TCPCB_SACKED_RETRANS) !== 0) {
    skb.tcp.sacked &= ~TCPCB_SACKED_RETRANS;
    tp.retrans_out -= tcp_skb_pcount(skb);
    NET_ADD_STATS(sock_net(sk), LINUX_MIB_TCPLOSTRETRANSMIT, tcp_skb_pcount(skb));
    tcp_notify_skb_loss_event(tp, skb);
  }
}

/** Without SACK, duplicate ACKs count as SACKed segments, but one segment at least must be missing. True if it had to be limited. */
export function tcp_limit_reno_sacked(tp: tcp_sock): boolean {
  const holes = Math.min(Math.max(tp.lost_out, 1), tp.packets_out);
  if (tp.sacked_out + holes <= tp.packets_out) return false;
  tp.sacked_out = tp.packets_out - holes;
  return true;
}

export function tcp_reset_reno_sack(tp: tcp_sock): void {
  tp.sacked_out = 0;
}

/** RFC 8985: how many µs a segment may still take, given the RTT of the latest delivery and the room for reordering. */
export const tcp_rack_skb_timeout = (tp: tcp_sock, skb: sk_buff, reo_wnd: number): number =>
  tp.rack.rtt_us + reo_wnd - tcp_stamp_us_delta(tp.tcp_mstamp, tcp_skb_timestamp_us(skb));

/** Is (or was, as far as the head of the queue tells) anything retransmitted in this window? */
export function tcp_any_retrans_done(sk: sock): boolean {
  if (tcp_sk(sk).retrans_out !== 0) return true;
  const skb = tcp_rtx_queue_head(sk);
  return skb !== null && (skb.tcp.sacked & TCPCB_EVER_RETRANS) !== 0;
}

/** With nothing retransmitted any more the next recovery starts its own clock, for undo and for giving up. */
export function tcp_retrans_stamp_cleanup(sk: sock): void {
  if (!tcp_any_retrans_done(sk)) tcp_sk(sk).retrans_stamp = 0;
}

export function tcp_clear_retrans(tp: tcp_sock): void {
  tp.retrans_out = 0;
  tp.lost_out = 0;
  tp.undo_marker = 0;
  tp.undo_retrans = -1;
  tp.sacked_out = 0;
  tp.rto_stamp = 0;
  tp.total_rto = 0;
  tp.total_rto_recoveries = 0;
  tp.total_rto_time = 0;
}

/**
 * From here on it is counted how many retransmissions turn out needless: those in flight already, and a tail loss probe. -1 when there are
 * none, since 0 means that all of them were.
 */
export function tcp_init_undo(tp: tcp_sock): void {
  tp.undo_marker = tp.snd_una;
  tp.undo_retrans = tp.retrans_out;
  if (tp.tlp_high_seq !== 0 && tp.tlp_retrans) tp.undo_retrans++;
  if (tp.undo_retrans === 0) tp.undo_retrans = -1;
}

/* Timeout. */

/**
 * RFC 8985 (6.3): a timeout takes all for lost except what was sent so recently that RACK would still wait. A SACKed head shows that the
 * receiver dropped what it had SACKed (RFC 2018 (8)): then nothing that it said holds.
 */
function tcp_timeout_mark_lost(sk: sock): void {
  const tp = tcp_sk(sk);
  const head = tcp_rtx_queue_head(sk);
  const is_reneg = head !== null && (head.tcp.sacked & TCPCB_SACKED_ACKED) !== 0;
  if (is_reneg) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPSACKRENEGING);
    tp.sacked_out = 0;
    tp.is_sack_reneg = true;
  } else if (tcp_is_reno(tp)) tcp_reset_reno_sack(tp);
  for (let skb = head; skb !== null; skb = skb.next) {
    if (is_reneg) skb.tcp.sacked &= ~TCPCB_SACKED_ACKED;
    else if (skb !== head && tcp_rack_skb_timeout(tp, skb, 0) > 0) continue;
    tcp_mark_skb_lost(sk, skb);
  }
  tcp_verify_left_out(tp);
  tcp_clear_all_retrans_hints(tp);
}

/** The retransmission timer expired: RFC 5681 (3.1), RFC 5682 (F-RTO). */
export function tcp_enter_loss(sk: sock): void {
  const icsk = inet_csk(sk);
  const tp = tcp_sk(sk);
  const new_recovery = icsk.icsk_ca_state < TCP_CA_Recovery;
  tcp_timeout_mark_lost(sk);
  if (isFirstReductionOfWindow(sk)) {
    tp.prior_ssthresh = tcp_current_ssthresh(sk);
    tp.prior_cwnd = tp.snd_cwnd;
    tp.snd_ssthresh = icsk.icsk_ca_ops.ssthresh(sk);
    tcp_ca_event(sk, CA_EVENT_LOSS);
    tcp_init_undo(tp);
  }
  tcp_snd_cwnd_set(tp, tcp_packets_in_flight(tp) + 1);
  tp.snd_cwnd_cnt = 0;
  tp.snd_cwnd_stamp = tcp_jiffies32();
  lowerReordering(sk);
  tcp_set_ca_state(sk, TCP_CA_Loss);
  tp.high_seq = tp.snd_nxt;
  tp.tlp_high_seq = 0;
  tcp_ecn_queue_cwr(tp);
  // RFC 5682 (3.1) step 1, unless another recovery is under way; repeated timeouts of one segment are no new recovery (3.2).
  const frto = sock_net(sk).ipv4.sysctl_tcp_frto !== 0;
  tp.frto = frto && (new_recovery || icsk.icsk_retransmits !== 0) && icsk.icsk_mtup.probe_size === 0;
}

function isFirstReductionOfWindow(sk: sock): boolean {
  const icsk = inet_csk(sk);
  const tp = tcp_sk(sk);
  if (icsk.icsk_ca_state <= TCP_CA_Disorder || !after(tp.high_seq, tp.snd_una)) return true;
  return icsk.icsk_ca_state === TCP_CA_Loss && icsk.icsk_retransmits === 0;
}

/** Many segments arrived out of order and yet it took a timeout: reordering was overestimated. */
function lowerReordering(sk: sock): void {
  const tp = tcp_sk(sk);
  const reordering = sock_net(sk).ipv4.sysctl_tcp_reordering;
  if (inet_csk(sk).icsk_ca_state <= TCP_CA_Disorder && tp.sacked_out >= reordering) tp.reordering = Math.min(tp.reordering, reordering);
}

/* Reduction of the window. */

export function tcp_init_cwnd_reduction(sk: sock): void {
  const tp = tcp_sk(sk);
  tp.high_seq = tp.snd_nxt;
  tp.tlp_high_seq = 0;
  tp.snd_cwnd_cnt = 0;
  tp.prior_cwnd = tp.snd_cwnd;
  tp.prr_delivered = 0;
  tp.prr_out = 0;
  tp.snd_ssthresh = inet_csk(sk).icsk_ca_ops.ssthresh(sk);
  tcp_ecn_queue_cwr(tp);
}

/**
 * PRR, per ACK: above the threshold sends ssthresh/prior_cwnd of what was delivered, so that the reduction takes one round trip; below it as
 * much as was delivered, and one more if the ACK advanced and nothing was lost. The first ACK always sends, for the fast retransmit.
 */
export function tcp_cwnd_reduction(sk: sock, newly_acked_sacked: number, newly_lost: number, flag: number): void {
  const tp = tcp_sk(sk);
  const in_flight = tcp_packets_in_flight(tp);
  const delta = tp.snd_ssthresh - in_flight;
  if (newly_acked_sacked <= 0 || tp.prior_cwnd === 0) return;
  tp.prr_delivered += newly_acked_sacked;
  let sndcnt: number;
  if (delta < 0) sndcnt = Math.floor((tp.snd_ssthresh * tp.prr_delivered + tp.prior_cwnd - 1) / tp.prior_cwnd) - tp.prr_out;
  else {
    sndcnt = Math.max(tp.prr_delivered - tp.prr_out, newly_acked_sacked);
    if ((flag & FLAG_SND_UNA_ADVANCED) !== 0 && newly_lost === 0) sndcnt++;
    sndcnt = Math.min(delta, sndcnt);
  }
  sndcnt = Math.max(sndcnt, tp.prr_out !== 0 ? 0 : 1);
  tcp_snd_cwnd_set(tp, in_flight + sndcnt);
}

/** The window arrives where it was to go, unless the reduction was undone. */
export function tcp_end_cwnd_reduction(sk: sock): void {
  const icsk = inet_csk(sk);
  const tp = tcp_sk(sk);
  if (icsk.icsk_ca_ops.cong_control !== undefined) return;
  if (tp.snd_ssthresh < TCP_INFINITE_SSTHRESH && (icsk.icsk_ca_state === TCP_CA_CWR || tp.undo_marker !== 0)) {
    tcp_snd_cwnd_set(tp, tp.snd_ssthresh);
    tp.snd_cwnd_stamp = tcp_jiffies32();
  }
  tcp_ca_event(sk, CA_EVENT_COMPLETE_CWR);
}

/** Congestion that is certain (ECN, a full local queue): no undo. */
export function tcp_enter_cwr(sk: sock): void {
  const tp = tcp_sk(sk);
  tp.prior_ssthresh = 0;
  if (inet_csk(sk).icsk_ca_state >= TCP_CA_CWR) return;
  tp.undo_marker = 0;
  tcp_init_cwnd_reduction(sk);
  tcp_set_ca_state(sk, TCP_CA_CWR);
}

/** Loss is evident: fast retransmit and fast recovery (RFC 6675, RFC 6582). What ECN demands cannot be undone. */
export function tcp_enter_recovery(sk: sock, ece_ack: boolean): void {
  const tp = tcp_sk(sk);
  tcp_retrans_stamp_cleanup(sk);
  NET_INC_STATS(sock_net(sk), tcp_is_reno(tp) ? LINUX_MIB_TCPRENORECOVERY : LINUX_MIB_TCPSACKRECOVERY);
  tp.prior_ssthresh = 0;
  tcp_init_undo(tp);
  if (!tcp_in_cwnd_reduction(sk)) {
    if (!ece_ack) tp.prior_ssthresh = tcp_current_ssthresh(sk);
    tcp_init_cwnd_reduction(sk);
  }
  tcp_set_ca_state(sk, TCP_CA_Recovery);
}

/** RFC 6928, or what the route says. */
export function tcp_init_cwnd(tp: tcp_sock, dst: dst_entry | null): number {
  const cwnd = dst === null ? 0 : dst_metric(dst, RTAX_INITCWND);
  return Math.min(cwnd || TCP_INIT_CWND, tp.snd_cwnd_clamp);
}

/* Timer. */

/** RFC 6298 (5.1), (5.3): from now on, less what has passed already when a shorter timer was running instead. */
export function tcp_rearm_rto(sk: sock): void {
  const icsk = inet_csk(sk);
  const tp = tcp_sk(sk);
  // Fast Open uses the timer for its SYN-ACK.
  if (tp.fastopen_rsk !== null) return;
  if (tp.packets_out === 0) {
    inet_csk_clear_xmit_timer(sk, ICSK_TIME_RETRANS);
    return;
  }
  let rto = icsk.icsk_rto;
  if (icsk.icsk_pending === ICSK_TIME_REO_TIMEOUT || icsk.icsk_pending === ICSK_TIME_LOSS_PROBE)
    rto = usecs_to_jiffies(Math.max(tcp_rto_delta_us(sk), 1));
  tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, rto, true);
}

/** A guess at the peer's segment size, rather too small: too large a one would delay ACKs. */
export function tcp_initialize_rcv_mss(sk: sock): void {
  const tp = tcp_sk(sk);
  const hint = Math.min(tp.advmss, tp.mss_cache, tp.rcv_wnd >>> 1, TCP_MSS_DEFAULT);
  inet_csk(sk).icsk_ack.rcv_mss = Math.max(hint, TCP_MIN_MSS);
}

/** A recovery from timeouts is over: tcp_info's tcpi_total_rto_time. */
export function tcp_update_rto_time(tp: tcp_sock): void {
  if (tp.rto_stamp === 0) return;
  tp.total_rto_time += (Math.floor(tp.tcp_mstamp / 1000) - tp.rto_stamp) >>> 0;
  tp.rto_stamp = 0;
}
