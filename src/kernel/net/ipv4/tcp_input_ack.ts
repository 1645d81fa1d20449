/**
 * net/ipv4/tcp_input.c: the ACK field of a segment (RFC 9293 (3.10.7.4), fifth).
 * `tcp_ack` → window (`tcp_ack_update_window`), SACK (`tcp_sacktag_write_queue`), `tcp_clean_rtx_queue`, RACK, tail loss probe, `tcp_fastretrans_alert`,
 * timer, rate sample, `tcp_cong_control`, `tcp_xmit_recovery`.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { SKB_DROP_REASON_TCP_ACK_UNSENT_DATA, SKB_DROP_REASON_TCP_TOO_OLD_ACK } from '../../include/net/dropreason.ts';
import { ICSK_TIME_PROBE0, inet_csk } from '../../include/net/inet_sock.ts';
import { NET_ADD_STATS, NET_INC_STATS } from '../../include/net/net_namespace.ts';
import type { rate_sample } from '../../include/net/rate_sample.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  after,
  before,
  skbGsoSegs,
  TCP_NAGLE_OFF,
  TCPHDR_ECE,
  TCPHDR_SYN,
  tcp_ecn_mode_accecn,
  tcp_ecn_mode_rfc3168,
  tcp_fast_path_check,
  tcp_highest_sack_seq,
  tcp_in_cwnd_reduction,
  tcp_is_sack,
  tcp_packets_in_flight,
  tcp_probe0_when,
  tcp_rto_max,
  tcp_send_head,
  tcp_update_wl,
  tcp_wnd_end,
  tcp_write_queue_empty,
  u32sub,
} from '../../include/net/tcp.ts';
import { CA_ACK_ECE, CA_ACK_SLOWPATH, CA_ACK_WIN_UPDATE } from '../../include/net/tcp_congestion_ops.ts';
import { tcp_ecn_accept_cwr } from '../../include/net/tcp_ecn.ts';
import type { ackContext } from '../../include/net/tcp_input_state.ts';
import { tcp_jiffies32 } from '../../kernel/time/timer.ts';
import {
  LINUX_MIB_TCPDELIVERED,
  LINUX_MIB_TCPDELIVEREDCE,
  LINUX_MIB_TCPHPACKS,
  LINUX_MIB_TCPLOSSPROBERECOVERY,
  LINUX_MIB_TCPPUREACKS,
} from '../../uapi/snmp.ts';
import { TCP_CA_CWR, TCP_CA_Open, TCP_SYN_SENT } from '../../uapi/tcp.ts';
import { sk_dst_confirm } from '../core/sock.ts';
import { inet_csk_clear_xmit_timer } from './inet_connection_sock.ts';
import { tcp_set_ca_state } from './tcp_cong.ts';
import { tcp_accecn_process } from './tcp_input_accecn.ts';
import { tcp_replace_ts_recent, tcp_send_challenge_ack } from './tcp_input_challenge.ts';
import { tcp_cwnd_reduction, tcp_end_cwnd_reduction, tcp_init_cwnd_reduction, tcp_rearm_rto } from './tcp_input_cwnd.ts';
import {
  FLAG_ACK_MAYBE_DELAYED,
  FLAG_CA_ALERT,
  FLAG_DATA,
  FLAG_DATA_ACKED,
  FLAG_DATA_SACKED,
  FLAG_DSACK_TLP,
  FLAG_DSACKING_ACK,
  FLAG_ECE,
  FLAG_FORWARD_PROGRESS,
  FLAG_NO_CHALLENGE_ACK,
  FLAG_NOT_DUP,
  FLAG_SET_XMIT_TIMER,
  FLAG_SLOWPATH,
  FLAG_SND_UNA_ADVANCED,
  FLAG_UPDATE_TS_RECENT,
  FLAG_WIN_UPDATE,
  REXMIT_NEW,
  REXMIT_NONE,
} from './tcp_input_flags.ts';
import { tcp_fastretrans_alert } from './tcp_input_recovery.ts';
import { tcp_count_delivered } from './tcp_input_reorder.ts';
import { tcp_update_pacing_rate } from './tcp_input_rtt.ts';
import { tcp_clean_rtx_queue } from './tcp_input_rtx.ts';
import { tcp_sacktag_write_queue } from './tcp_input_sack.ts';
import { tcp_try_keep_open } from './tcp_input_undo.ts';
import { tcp_slow_start_after_idle_check } from './tcp_output_cwnd.ts';
import { tcp_current_mss, tcp_sync_mss } from './tcp_output_mss.ts';
import { tcp_xmit_retransmit_queue } from './tcp_output_retransmit.ts';
import { tcp_clamp_probe0_to_user_timeout } from './tcp_output_send.ts';
import { __tcp_push_pending_frames, tcp_schedule_loss_probe } from './tcp_output_write.ts';
import { tcp_rate_gen } from './tcp_rate.ts';
import { tcp_rack_update_reo_wnd } from './tcp_recovery.ts';
import { tcp_reset_xmit_timer } from './tcp_state.ts';

/** A tail loss probe (RFC 8985 (7.3)), or, if none is due, the retransmission timer. */
function tcp_set_xmit_timer(sk: sock): void {
  if (!tcp_schedule_loss_probe(sk, true)) tcp_rearm_rto(sk);
}

/** The window of an ACK with nothing outstanding: open enough, and probing ends; else the next probe is due. */
function tcp_ack_probe(sk: sock): void {
  const icsk = inet_csk(sk);
  const head = tcp_send_head(sk);
  if (head === null) return;
  if (!after(head.tcp.end_seq, tcp_wnd_end(tcp_sk(sk)))) {
    icsk.icsk_backoff = 0;
    icsk.icsk_probes_tstamp = 0;
    inet_csk_clear_xmit_timer(sk, ICSK_TIME_PROBE0);
    return;
  }
  const when = tcp_clamp_probe0_to_user_timeout(sk, tcp_probe0_when(sk, tcp_rto_max(sk)));
  tcp_reset_xmit_timer(sk, ICSK_TIME_PROBE0, when, true);
}

const tcp_ack_is_dubious = (sk: sock, flag: number): boolean =>
  (flag & FLAG_NOT_DUP) === 0 || (flag & FLAG_CA_ALERT) !== 0 || inet_csk(sk).icsk_ca_state !== TCP_CA_Open;

/** RFC 5681: the window grows with in-order delivery; where reordering is usual, with any. */
function tcp_may_raise_cwnd(sk: sock, flag: number): boolean {
  const reorders = tcp_sk(sk).reordering > sock_net(sk).ipv4.sysctl_tcp_reordering;
  return (flag & (reorders ? FLAG_FORWARD_PROGRESS : FLAG_DATA_ACKED)) !== 0;
}

function tcp_cong_avoid(sk: sock, ack: number, acked: number): void {
  inet_csk(sk).icsk_ca_ops.cong_avoid!(sk, ack, acked);
  tcp_sk(sk).snd_cwnd_stamp = tcp_jiffies32();
}

/** All else about the ACK is known: the window moves. */
function tcp_cong_control(sk: sock, ack: number, acked_sacked: number, flag: number, rs: rate_sample): void {
  const ops = inet_csk(sk).icsk_ca_ops;
  if (ops.cong_control !== undefined) {
    ops.cong_control(sk, ack, flag, rs);
    return;
  }
  if (tcp_in_cwnd_reduction(sk)) tcp_cwnd_reduction(sk, acked_sacked, rs.losses, flag);
  else if (tcp_may_raise_cwnd(sk, flag)) tcp_cong_avoid(sk, ack, acked_sacked);
  tcp_update_pacing_rate(sk);
}

/** RFC 9293 (3.10.7.4): SND.WL1 and SND.WL2; and of two ACKs with the same numbers the larger window, or a closed one. */
export const tcp_may_update_window = (tp: tcp_sock, ack: number, ack_seq: number, nwin: number): boolean =>
  after(ack, tp.snd_una) || after(ack_seq, tp.snd_wl1) || (ack_seq === tp.snd_wl1 && (nwin > tp.snd_wnd || nwin === 0));

function tcp_snd_una_update(tp: tcp_sock, ack: number): void {
  tp.bytes_acked += u32sub(ack, tp.snd_una);
  tp.snd_una = ack;
}

function tcp_ack_update_window(sk: sock, skb: sk_buff, ack: number, ack_seq: number): number {
  const tp = tcp_sk(sk);
  let flag = 0;
  let nwin = skb.mem.view.getUint16(skb.transport_header + 14);
  if ((skb.tcp.tcp_flags & TCPHDR_SYN) === 0) nwin <<= tp.rx_opt.snd_wscale;
  if (tcp_may_update_window(tp, ack, ack_seq, nwin)) {
    flag = FLAG_WIN_UPDATE;
    tcp_update_wl(tp, ack_seq);
    if (tp.snd_wnd !== nwin) windowChanged(sk, tp, nwin);
  }
  tcp_snd_una_update(tp, ack);
  return flag;
}

function windowChanged(sk: sock, tp: tcp_sock, nwin: number): void {
  tp.snd_wnd = nwin;
  tp.pred_flags = 0;
  tcp_fast_path_check(sk);
  if (!tcp_write_queue_empty(sk)) tcp_slow_start_after_idle_check(sk);
  if (nwin > tp.max_window) {
    tp.max_window = nwin;
    tcp_sync_mss(sk, inet_csk(sk).icsk_pmtu_cookie);
  }
}

/** The end of a tail loss probe's episode (RFC 8985 (7.4)): was the probe needed, then there was a loss. */
function tcp_process_tlp_ack(sk: sock, ack: number, flag: number): void {
  const tp = tcp_sk(sk);
  if (before(ack, tp.tlp_high_seq)) return;
  // New data was the probe, or a D-SACK says that the original had arrived as well.
  if (!tp.tlp_retrans || (flag & FLAG_DSACK_TLP) !== 0) tp.tlp_high_seq = 0;
  else if (after(ack, tp.tlp_high_seq)) {
    tcp_init_cwnd_reduction(sk);
    tcp_set_ca_state(sk, TCP_CA_CWR);
    tcp_end_cwnd_reduction(sk);
    tcp_try_keep_open(sk);
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPLOSSPROBERECOVERY);
  } else if ((flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DATA_SACKED)) === 0) tp.tlp_high_seq = 0;
}

function tcp_in_ack_event(sk: sock, flag: number): void {
  const ops = inet_csk(sk).icsk_ca_ops;
  if (ops.in_ack_event === undefined) return;
  let ack_ev_flags = 0;
  if ((flag & FLAG_WIN_UPDATE) !== 0) ack_ev_flags |= CA_ACK_WIN_UPDATE;
  if ((flag & FLAG_SLOWPATH) !== 0) {
    ack_ev_flags |= CA_ACK_SLOWPATH;
    if ((flag & FLAG_ECE) !== 0) ack_ev_flags |= CA_ACK_ECE;
  }
  ops.in_ack_event(sk, ack_ev_flags);
}

/** Retransmits, or for F-RTO sends new data first; the window is up to date by now. */
function tcp_xmit_recovery(sk: sock, rexmit: number): void {
  const tp = tcp_sk(sk);
  if (rexmit === REXMIT_NONE || sk.skc_state === TCP_SYN_SENT) return;
  if (rexmit === REXMIT_NEW) {
    __tcp_push_pending_frames(sk, tcp_current_mss(sk), TCP_NAGLE_OFF);
    if (after(tp.snd_nxt, tp.high_seq)) return;
    tp.frto = false;
  }
  tcp_xmit_retransmit_queue(sk);
}

/** Packets that this ACK (S)ACKed. */
function tcp_newly_delivered(sk: sock, prior_delivered: number, ecn_count: number, flag: number): number {
  const tp = tcp_sk(sk);
  const delivered = tp.delivered - prior_delivered;
  NET_ADD_STATS(sock_net(sk), LINUX_MIB_TCPDELIVERED, delivered);
  if ((flag & FLAG_ECE) !== 0) NET_ADD_STATS(sock_net(sk), LINUX_MIB_TCPDELIVEREDCE, tcp_ecn_mode_rfc3168(tp) ? delivered : ecn_count);
  return delivered;
}

/** Window, SACK and ECE of an acceptable ACK: in the fast path only snd_una moves. */
function takeNumbers(sk: sock, skb: sk_buff, ctx: ackContext, ack: number, prior_snd_una: number): void {
  const tp = tcp_sk(sk);
  const ack_seq = skb.tcp.seq;
  if ((ctx.flag & (FLAG_SLOWPATH | FLAG_SND_UNA_ADVANCED)) === FLAG_SND_UNA_ADVANCED) {
    tcp_update_wl(tp, ack_seq);
    tcp_snd_una_update(tp, ack);
    ctx.flag |= FLAG_WIN_UPDATE;
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPHPACKS);
    return;
  }
  if (ack_seq !== skb.tcp.end_seq) ctx.flag |= FLAG_DATA;
  else NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPPUREACKS);
  ctx.flag |= tcp_ack_update_window(sk, skb, ack, ack_seq);
  if (skb.tcp.sacked !== 0) ctx.flag |= tcp_sacktag_write_queue(sk, skb, prior_snd_una, ctx);
  if ((skb.tcp.tcp_flags & (TCPHDR_ECE | TCPHDR_SYN)) === TCPHDR_ECE && tcp_ecn_mode_rfc3168(tp)) ctx.flag |= FLAG_ECE;
  if (ctx.sack.sack_delivered !== 0) tcp_count_delivered(tp, ctx.sack.sack_delivered, (ctx.flag & FLAG_ECE) !== 0);
}

/** Duplicates that this segment stands for: GRO and the backlog merge pure ACKs. */
function countDupacks(skb: sk_buff, flag: number): number {
  if ((flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DSACKING_ACK)) !== 0) return 0;
  return (flag & FLAG_DATA) !== 0 ? 1 : skbGsoSegs(skb);
}

/** An ACK older than another that came before it: only its SACKs matter. RFC 5961 (5.2): one that is far too old is an attack. */
function oldAck(sk: sock, skb: sk_buff, ctx: ackContext, ack: number, prior_snd_una: number): number {
  const tp = tcp_sk(sk);
  const max_window = Math.min(tp.max_window, tp.bytes_acked);
  if (before(ack, u32sub(prior_snd_una, max_window))) {
    if ((ctx.flag & FLAG_NO_CHALLENGE_ACK) === 0) tcp_send_challenge_ack(sk);
    return -SKB_DROP_REASON_TCP_TOO_OLD_ACK;
  }
  if (skb.tcp.sacked !== 0) {
    const delivered = tp.delivered;
    ctx.flag |= tcp_sacktag_write_queue(sk, skb, prior_snd_una, ctx);
    tcp_fastretrans_alert(sk, prior_snd_una, 0, ctx);
    tcp_newly_delivered(sk, delivered, 0, ctx.flag);
    tcp_xmit_recovery(sk, ctx.rexmit);
  }
  return 0;
}

/** Nothing was outstanding. */
function ackedNothing(sk: sock, skb: sk_buff, ctx: ackContext, ack: number, prior_snd_una: number, delivered: number): number {
  const ecn_count = tcp_ecn_mode_accecn(tcp_sk(sk)) ? tcp_accecn_process(sk, skb, tcp_sk(sk).delivered - delivered, ctx) : 0;
  tcp_in_ack_event(sk, ctx.flag);
  if ((ctx.flag & FLAG_DSACKING_ACK) !== 0) {
    tcp_fastretrans_alert(sk, prior_snd_una, 0, ctx);
    tcp_newly_delivered(sk, delivered, ecn_count, ctx.flag);
  }
  tcp_ack_probe(sk);
  if (tcp_sk(sk).tlp_high_seq !== 0) tcp_process_tlp_ack(sk, ack, ctx.flag);
  return 1;
}

/** Processes the ACK of a segment. 1: acceptable; 0: old; negative: not acceptable, a drop reason. */
export function tcp_ack(sk: sock, skb: sk_buff, flag: number): number {
  const icsk = inet_csk(sk);
  const tp = tcp_sk(sk);
  const ctx = sock_net(sk).tcpInput.ack;
  const rs = ctx.sack.rate;
  const prior_snd_una = tp.snd_una;
  const is_sack_reneg = tp.is_sack_reneg;
  const ack = skb.tcp.ack_seq;
  const prior_packets = tp.packets_out;
  const prior_delivered = tp.delivered;
  const prior_lost = tp.lost;
  ctx.start(flag);
  if (before(ack, prior_snd_una)) return oldAck(sk, skb, ctx, ack, prior_snd_una);
  if (after(ack, tp.snd_nxt)) {
    // RFC 5961 (5.2): of what was never sent.
    if ((flag & FLAG_NO_CHALLENGE_ACK) === 0) tcp_send_challenge_ack(sk);
    return -SKB_DROP_REASON_TCP_ACK_UNSENT_DATA;
  }
  if (after(ack, prior_snd_una)) {
    ctx.flag |= FLAG_SND_UNA_ADVANCED;
    icsk.icsk_retransmits = 0;
  }
  const prior_fack = tcp_is_sack(tp) ? tcp_highest_sack_seq(tp) : tp.snd_una;
  rs.prior_in_flight = tcp_packets_in_flight(tp);
  if ((flag & FLAG_UPDATE_TS_RECENT) !== 0) ctx.flag |= tcp_replace_ts_recent(tp, skb.tcp.seq);
  takeNumbers(sk, skb, ctx, ack, prior_snd_una);
  tcp_ecn_accept_cwr(sk, skb);
  sk.sk_err_soft = 0;
  icsk.icsk_probes_out = 0;
  tp.rcv_tstamp = tcp_jiffies32();
  if (prior_packets === 0) return ackedNothing(sk, skb, ctx, ack, prior_snd_una, prior_delivered);

  ctx.flag |= tcp_clean_rtx_queue(sk, prior_fack, prior_snd_una, ctx, (ctx.flag & FLAG_ECE) !== 0);
  tcp_rack_update_reo_wnd(sk, rs);
  const ecn_count = tcp_ecn_mode_accecn(tp) ? tcp_accecn_process(sk, skb, tp.delivered - prior_delivered, ctx) : 0;
  tcp_in_ack_event(sk, ctx.flag);
  if (tp.tlp_high_seq !== 0) tcp_process_tlp_ack(sk, ack, ctx.flag);
  if (tcp_ack_is_dubious(sk, ctx.flag)) tcp_fastretrans_alert(sk, prior_snd_una, countDupacks(skb, ctx.flag), ctx);
  if ((ctx.flag & FLAG_SET_XMIT_TIMER) !== 0) tcp_set_xmit_timer(sk);
  if ((ctx.flag & FLAG_FORWARD_PROGRESS) !== 0 || (ctx.flag & FLAG_NOT_DUP) === 0) sk_dst_confirm(sk);
  const delivered = tcp_newly_delivered(sk, prior_delivered, ecn_count, ctx.flag);
  rs.is_ack_delayed = (ctx.flag & FLAG_ACK_MAYBE_DELAYED) !== 0;
  tcp_rate_gen(sk, delivered, tp.lost - prior_lost, is_sack_reneg, rs);
  tcp_cong_control(sk, ack, delivered, ctx.flag, rs);
  tcp_xmit_recovery(sk, ctx.rexmit);
  return 1;
}
