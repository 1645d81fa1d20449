/**
 * net/ipv4/tcp_bbr.c: BBR version 1, as in Linux 6.18: sends at the bandwidth of the bottleneck and keeps about two BDPs in flight.
 * Per ACK `bbr_main` → `bbr_update_model` (tcp_bbr_model.ts) → `bbr_set_pacing_rate`, `bbr_set_cwnd`. State and arithmetic: tcp_bbr_state.ts.
 */
import { tcp_sk } from '../../include/linux/tcp.ts';
import type { rate_sample } from '../../include/net/rate_sample.ts';
import { SK_PACING_NEEDED, SK_PACING_NONE, type sock } from '../../include/net/sock.ts';
import { TCP_INFINITE_SSTHRESH, TCP_INIT_CWND, tcp_min_rtt, tcp_packets_in_flight, tcp_snd_cwnd_set } from '../../include/net/tcp.ts';
import { CA_EVENT_TX_START, TCP_CONG_NON_RESTRICTED, type tcp_congestion_ops } from '../../include/net/tcp_congestion_ops.ts';
import { tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { minmax_reset } from '../../lib/win_minmax.ts';
import { TCP_CA_Loss, TCP_CA_Open, TCP_CA_Recovery } from '../../uapi/tcp.ts';
import {
  bbr_check_probe_rtt_done,
  bbr_lt_bw_sampling,
  bbr_reset_lt_bw_sampling,
  bbr_reset_startup_mode,
  bbr_update_model,
} from './tcp_bbr_model.ts';
import {
  BBR_PROBE_BW,
  BBR_PROBE_RTT,
  BBR_UNIT,
  bbr,
  bbr_ack_aggregation_cwnd,
  bbr_bdp,
  bbr_bw,
  bbr_cwnd_min_target,
  bbr_full_bw_reached,
  bbr_init_pacing_rate_from_rtt,
  bbr_min_tso_segs,
  bbr_of,
  bbr_quantization_budget,
  bbr_rate_bytes_per_sec,
  bbr_save_cwnd,
  bbr_set_pacing_rate,
  bbrCaState,
} from './tcp_bbr_state.ts';

/** Sending resumes after a pause for want of data: at the estimated rate, without a burst. */
function bbr_cwnd_event(sk: sock, event: number): void {
  const tp = tcp_sk(sk);
  if (event !== CA_EVENT_TX_START || tp.app_limited === 0) return;
  const ca = bbr_of(sk);
  ca.idle_restart = true;
  ca.ack_epoch_mstamp = tp.tcp_mstamp;
  ca.ack_epoch_acked = 0;
  if (ca.mode === BBR_PROBE_BW) bbr_set_pacing_rate(sk, bbr_bw(sk), BBR_UNIT);
  else if (ca.mode === BBR_PROBE_RTT) bbr_check_probe_rtt_done(sk);
}

/**
 * The window during and after a recovery, or -1 - window when nothing is to be added to it: in the first round of a recovery packets are
 * conserved; its end restores the window of before.
 */
function bbr_set_cwnd_to_recover_or_restore(sk: sock, rs: rate_sample, acked: number): number {
  const tp = tcp_sk(sk);
  const ca = bbr_of(sk);
  const prev_state = ca.prev_ca_state;
  const state = bbrCaState(sk);
  let cwnd = tp.snd_cwnd;
  if (rs.losses > 0) cwnd = Math.max(cwnd - rs.losses, 1);
  if (state === TCP_CA_Recovery && prev_state !== TCP_CA_Recovery) {
    ca.packet_conservation = true;
    ca.next_rtt_delivered = tp.delivered;
    cwnd = tcp_packets_in_flight(tp) + acked;
  } else if (prev_state >= TCP_CA_Recovery && state < TCP_CA_Recovery) {
    cwnd = Math.max(cwnd, ca.prior_cwnd);
    ca.packet_conservation = false;
  }
  ca.prev_ca_state = state;
  return ca.packet_conservation ? -1 - Math.max(cwnd, tcp_packets_in_flight(tp) + acked) : cwnd;
}

/** Grows towards the target as in slow start; shrinks to it only once the pipe is known to be full. */
function towardsTarget(sk: sock, cwnd: number, acked: number, bw: number, gain: number): number {
  const target = bbr_quantization_budget(sk, bbr_bdp(sk, bw, gain) + bbr_ack_aggregation_cwnd(sk));
  if (bbr_full_bw_reached(sk)) cwnd = Math.min(cwnd + acked, target);
  else if (cwnd < target || tcp_sk(sk).delivered < TCP_INIT_CWND) cwnd += acked;
  return Math.max(cwnd, bbr_cwnd_min_target);
}

function bbr_set_cwnd(sk: sock, rs: rate_sample, acked: number, bw: number, gain: number): void {
  const tp = tcp_sk(sk);
  let cwnd = tp.snd_cwnd;
  if (acked !== 0) {
    const recovering = bbr_set_cwnd_to_recover_or_restore(sk, rs, acked);
    cwnd = recovering < 0 ? -1 - recovering : towardsTarget(sk, recovering, acked, bw, gain);
  }
  cwnd = Math.min(cwnd, tp.snd_cwnd_clamp);
  if (bbr_of(sk).mode === BBR_PROBE_RTT) cwnd = Math.min(cwnd, bbr_cwnd_min_target);
  tcp_snd_cwnd_set(tp, cwnd);
}

function bbr_main(sk: sock, _ack: number, _flag: number, rs: rate_sample): void {
  bbr_update_model(sk, rs);
  const bw = bbr_bw(sk);
  bbr_set_pacing_rate(sk, bw, bbr_of(sk).pacing_gain);
  bbr_set_cwnd(sk, rs, rs.acked_sacked, bw, bbr_of(sk).cwnd_gain);
}

/** On a fresh state. */
function bbr_init(sk: sock): void {
  const tp = tcp_sk(sk);
  const ca = bbr_of(sk);
  tp.snd_ssthresh = TCP_INFINITE_SSTHRESH;
  ca.next_rtt_delivered = tp.delivered;
  ca.prev_ca_state = TCP_CA_Open;
  ca.min_rtt_us = tcp_min_rtt(tp);
  ca.min_rtt_stamp = tcp_jiffies32();
  minmax_reset(ca.bw, ca.rtt_cnt, 0);
  bbr_init_pacing_rate_from_rtt(sk);
  bbr_reset_lt_bw_sampling(sk);
  bbr_reset_startup_mode(sk);
  ca.ack_epoch_mstamp = tp.tcp_mstamp;
  if (sk.sk_pacing_status === SK_PACING_NONE) sk.sk_pacing_status = SK_PACING_NEEDED;
}

/** The loss was none: the pipe may not have been full either. */
function bbr_undo_cwnd(sk: sock): number {
  const ca = bbr_of(sk);
  ca.full_bw = 0;
  ca.full_bw_cnt = 0;
  bbr_reset_lt_bw_sampling(sk);
  return tcp_sk(sk).snd_cwnd;
}

/** Loss doesn't move BBR's threshold; but the window may have to be restored. */
function bbr_ssthresh(sk: sock): number {
  bbr_save_cwnd(sk);
  return tcp_sk(sk).snd_ssthresh;
}

function bbr_set_state(sk: sock, new_state: number): void {
  if (new_state !== TCP_CA_Loss) return;
  const ca = bbr_of(sk);
  ca.prev_ca_state = TCP_CA_Loss;
  ca.full_bw = 0;
  ca.round_start = true;
  bbr_lt_bw_sampling(sk, 1, false);
}

/** struct tcp_bbr_info. */
export interface tcp_bbr_info {
  bbr_bw_lo: number;
  bbr_bw_hi: number;
  bbr_min_rtt: number;
  bbr_pacing_gain: number;
  bbr_cwnd_gain: number;
}

function bbr_get_info(sk: sock): tcp_bbr_info {
  const ca = bbr_of(sk);
  const bw = bbr_rate_bytes_per_sec(sk, bbr_bw(sk), BBR_UNIT);
  return {
    bbr_bw_lo: bw >>> 0,
    bbr_bw_hi: Math.floor(bw / 0x1_0000_0000),
    bbr_min_rtt: ca.min_rtt_us,
    bbr_pacing_gain: ca.pacing_gain,
    bbr_cwnd_gain: ca.cwnd_gain,
  };
}

export const tcp_bbr_cong_ops: tcp_congestion_ops = {
  name: 'bbr',
  flags: TCP_CONG_NON_RESTRICTED,
  newPriv: () => new bbr(),
  init: bbr_init,
  cong_control: bbr_main,
  sndbuf_expand: () => 3,
  undo_cwnd: bbr_undo_cwnd,
  cwnd_event: bbr_cwnd_event,
  ssthresh: bbr_ssthresh,
  min_tso_segs: bbr_min_tso_segs,
  get_info: bbr_get_info,
  set_state: bbr_set_state,
};
