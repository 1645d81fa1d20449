/**
 * net/ipv4/tcp_bbr.c: BBR's model of the path, from each ACK's rate sample: `bbr_update_model` → bandwidth (and the long-term one of a policed
 * path), ACK aggregation, phase of the gain cycle, full pipe, drained queue, least RTT, gains.
 */

import { kernel } from '../../current.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { U32_MAX } from '../../include/linux/types.ts';
import type { rate_sample } from '../../include/net/rate_sample.ts';
import type { sock } from '../../include/net/sock.ts';
import { before, tcp_packets_in_flight, tcp_snd_cwnd_set, tcp_stamp_us_delta, u32sub } from '../../include/net/tcp.ts';
import { HZ, msecs_to_jiffies, tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { minmax_running_max } from '../../lib/win_minmax.ts';
import {
  BBR_DRAIN,
  BBR_PROBE_BW,
  BBR_PROBE_RTT,
  BBR_STARTUP,
  BBR_UNIT,
  BW_UNIT,
  bbr_bw,
  bbr_cwnd_gain,
  bbr_cwnd_min_target,
  bbr_drain_gain,
  bbr_full_bw_reached,
  bbr_high_gain,
  bbr_inflight,
  bbr_max_bw,
  bbr_of,
  bbr_pacing_gain,
  bbr_packets_in_net_at_edt,
  bbr_rate_bytes_per_sec,
  bbr_save_cwnd,
  CYCLE_LEN,
} from './tcp_bbr_state.ts';

const bbr_bw_rtts = CYCLE_LEN + 2;
const bbr_min_rtt_win_sec = 10;
const bbr_probe_rtt_mode_ms = 200;
const bbr_cycle_rand = 7;
const bbr_full_bw_thresh = (BBR_UNIT * 5) / 4;
const bbr_full_bw_cnt = 3;
const bbr_lt_intvl_min_rtts = 4;
/** A fifth lost: the path is policed. */
const bbr_lt_loss_thresh = 50;
const bbr_lt_bw_ratio = BBR_UNIT / 8;
const bbr_lt_bw_diff = 4000 / 8;
const bbr_lt_bw_max_rtts = 48;
const bbr_extra_acked_win_rtts = 5;
const bbr_ack_epoch_acked_reset_thresh = 2 ** 20;

/* Modes. */

export function bbr_reset_startup_mode(sk: sock): void {
  bbr_of(sk).mode = BBR_STARTUP;
}

/** Starts the cycle at a random phase, but never with the one that drains. */
function bbr_reset_probe_bw_mode(sk: sock): void {
  const ca = bbr_of(sk);
  ca.mode = BBR_PROBE_BW;
  ca.cycle_idx = CYCLE_LEN - 1 - kernel().random.below(bbr_cycle_rand);
  bbr_advance_cycle_phase(sk);
}

function bbr_reset_mode(sk: sock): void {
  if (bbr_full_bw_reached(sk)) bbr_reset_probe_bw_mode(sk);
  else bbr_reset_startup_mode(sk);
}

function bbr_advance_cycle_phase(sk: sock): void {
  const ca = bbr_of(sk);
  ca.cycle_idx = (ca.cycle_idx + 1) & (CYCLE_LEN - 1);
  ca.cycle_mstamp = tcp_sk(sk).delivered_mstamp;
}

/** A phase lasts a least RTT; one that probes until the pipe is as full as it was to be (or loses), one that drains at most until it is drained. */
function bbr_is_next_cycle_phase(sk: sock, rs: rate_sample): boolean {
  const ca = bbr_of(sk);
  const is_full_length = tcp_stamp_us_delta(tcp_sk(sk).delivered_mstamp, ca.cycle_mstamp) > ca.min_rtt_us;
  if (ca.pacing_gain === BBR_UNIT) return is_full_length;
  const inflight = bbr_packets_in_net_at_edt(sk, rs.prior_in_flight);
  const bw = bbr_max_bw(sk);
  if (ca.pacing_gain > BBR_UNIT) return is_full_length && (rs.losses !== 0 || inflight >= bbr_inflight(sk, bw, ca.pacing_gain));
  return is_full_length || inflight <= bbr_inflight(sk, bw, BBR_UNIT);
}

function bbr_update_cycle_phase(sk: sock, rs: rate_sample): void {
  if (bbr_of(sk).mode === BBR_PROBE_BW && bbr_is_next_cycle_phase(sk, rs)) bbr_advance_cycle_phase(sk);
}

/* Long-term bandwidth: what a policer lets through. */

function bbr_reset_lt_bw_sampling_interval(sk: sock): void {
  const tp = tcp_sk(sk);
  const ca = bbr_of(sk);
  ca.lt_last_stamp = Math.floor(tp.delivered_mstamp / 1000);
  ca.lt_last_delivered = tp.delivered;
  ca.lt_last_lost = tp.lost;
  ca.lt_rtt_cnt = 0;
}

export function bbr_reset_lt_bw_sampling(sk: sock): void {
  const ca = bbr_of(sk);
  ca.lt_bw = 0;
  ca.lt_use_bw = false;
  ca.lt_is_sampling = false;
  bbr_reset_lt_bw_sampling_interval(sk);
}

/** Two lossy intervals of about the same rate: that is the policer's. */
function bbr_lt_bw_interval_done(sk: sock, bw: number): void {
  const ca = bbr_of(sk);
  if (ca.lt_bw !== 0) {
    const diff = Math.abs(bw - ca.lt_bw);
    if (diff * BBR_UNIT <= bbr_lt_bw_ratio * ca.lt_bw || bbr_rate_bytes_per_sec(sk, diff, BBR_UNIT) <= bbr_lt_bw_diff) {
      ca.lt_bw = Math.floor((bw + ca.lt_bw) / 2);
      ca.lt_use_bw = true;
      ca.pacing_gain = BBR_UNIT;
      ca.lt_rtt_cnt = 0;
      return;
    }
  }
  ca.lt_bw = bw;
  bbr_reset_lt_bw_sampling_interval(sk);
}

export function bbr_lt_bw_sampling(sk: sock, losses: number, is_app_limited: boolean): void {
  const ca = bbr_of(sk);
  if (ca.lt_use_bw) {
    if (ca.mode === BBR_PROBE_BW && ca.round_start && ++ca.lt_rtt_cnt >= bbr_lt_bw_max_rtts) {
      bbr_reset_lt_bw_sampling(sk);
      bbr_reset_probe_bw_mode(sk);
    }
    return;
  }
  // The first loss shows that the policer's tokens are used up.
  if (!ca.lt_is_sampling) {
    if (losses === 0) return;
    bbr_reset_lt_bw_sampling_interval(sk);
    ca.lt_is_sampling = true;
  }
  if (is_app_limited) {
    bbr_reset_lt_bw_sampling(sk);
    return;
  }
  if (ca.round_start) ca.lt_rtt_cnt++;
  if (ca.lt_rtt_cnt < bbr_lt_intvl_min_rtts) return;
  if (ca.lt_rtt_cnt > 4 * bbr_lt_intvl_min_rtts) {
    bbr_reset_lt_bw_sampling(sk);
    return;
  }
  if (losses !== 0) endLongTermInterval(sk);
}

function endLongTermInterval(sk: sock): void {
  const tp = tcp_sk(sk);
  const ca = bbr_of(sk);
  const lost = u32sub(tp.lost, ca.lt_last_lost);
  const delivered = u32sub(tp.delivered, ca.lt_last_delivered);
  if (delivered === 0 || lost * BBR_UNIT < bbr_lt_loss_thresh * delivered) return;
  const ms = Math.floor(tp.delivered_mstamp / 1000) - ca.lt_last_stamp;
  if (ms < 1) return;
  if (ms >= Math.floor(U32_MAX / 1000)) bbr_reset_lt_bw_sampling(sk);
  else bbr_lt_bw_interval_done(sk, Math.floor((delivered * BW_UNIT) / (ms * 1000)));
}

/* Bandwidth. */

function bbr_update_bw(sk: sock, rs: rate_sample): void {
  const ca = bbr_of(sk);
  ca.round_start = false;
  if (rs.delivered < 0 || rs.interval_us <= 0) return;
  if (!before(rs.prior_delivered, ca.next_rtt_delivered)) {
    ca.next_rtt_delivered = tcp_sk(sk).delivered;
    ca.rtt_cnt++;
    ca.round_start = true;
    ca.packet_conservation = false;
  }
  bbr_lt_bw_sampling(sk, rs.losses, rs.is_app_limited);
  const bw = Math.floor((rs.delivered * BW_UNIT) / rs.interval_us);
  // A sample that the application limited only counts if it is better than what is known.
  if (!rs.is_app_limited || bw >= bbr_max_bw(sk)) minmax_running_max(ca.bw, bbr_bw_rtts, ca.rtt_cnt, bw);
}

function bbr_update_ack_aggregation(sk: sock, rs: rate_sample): void {
  const tp = tcp_sk(sk);
  const ca = bbr_of(sk);
  if (rs.acked_sacked <= 0 || rs.delivered < 0 || rs.interval_us <= 0) return;
  if (ca.round_start) {
    ca.extra_acked_win_rtts = Math.min(0x1f, ca.extra_acked_win_rtts + 1);
    if (ca.extra_acked_win_rtts >= bbr_extra_acked_win_rtts) {
      ca.extra_acked_win_rtts = 0;
      ca.extra_acked_win_idx = ca.extra_acked_win_idx === 0 ? 1 : 0;
      ca.extra_acked[ca.extra_acked_win_idx] = 0;
    }
  }
  const epoch_us = tcp_stamp_us_delta(tp.delivered_mstamp, ca.ack_epoch_mstamp);
  let expected = Math.floor((bbr_bw(sk) * epoch_us) / BW_UNIT);
  if (ca.ack_epoch_acked <= expected || ca.ack_epoch_acked + rs.acked_sacked >= bbr_ack_epoch_acked_reset_thresh) {
    ca.ack_epoch_acked = 0;
    ca.ack_epoch_mstamp = tp.delivered_mstamp;
    expected = 0;
  }
  ca.ack_epoch_acked = Math.min(0xfffff, ca.ack_epoch_acked + rs.acked_sacked);
  const extra = Math.min(ca.ack_epoch_acked - expected, tp.snd_cwnd);
  if (extra > ca.extra_acked[ca.extra_acked_win_idx]) ca.extra_acked[ca.extra_acked_win_idx] = extra;
}

/** Three rounds without a quarter more: the pipe is full. */
function bbr_check_full_bw_reached(sk: sock, rs: rate_sample): void {
  const ca = bbr_of(sk);
  if (ca.full_bw_reached || !ca.round_start || rs.is_app_limited) return;
  if (bbr_max_bw(sk) >= Math.floor((ca.full_bw * bbr_full_bw_thresh) / BBR_UNIT)) {
    ca.full_bw = bbr_max_bw(sk);
    ca.full_bw_cnt = 0;
    return;
  }
  ca.full_bw_cnt++;
  ca.full_bw_reached = ca.full_bw_cnt >= bbr_full_bw_cnt;
}

function bbr_check_drain(sk: sock): void {
  const tp = tcp_sk(sk);
  const ca = bbr_of(sk);
  if (ca.mode === BBR_STARTUP && ca.full_bw_reached) {
    ca.mode = BBR_DRAIN;
    tp.snd_ssthresh = bbr_inflight(sk, bbr_max_bw(sk), BBR_UNIT);
  }
  if (ca.mode !== BBR_DRAIN) return;
  if (bbr_packets_in_net_at_edt(sk, tcp_packets_in_flight(tp)) <= bbr_inflight(sk, bbr_max_bw(sk), BBR_UNIT)) bbr_reset_probe_bw_mode(sk);
}

/* Least RTT. */

export function bbr_check_probe_rtt_done(sk: sock): void {
  const tp = tcp_sk(sk);
  const ca = bbr_of(sk);
  if (ca.probe_rtt_done_stamp === 0 || tcp_jiffies32() <= ca.probe_rtt_done_stamp) return;
  ca.min_rtt_stamp = tcp_jiffies32();
  tcp_snd_cwnd_set(tp, Math.max(tp.snd_cwnd, ca.prior_cwnd));
  bbr_reset_mode(sk);
}

/** After 10 s without an RTT as small as the least: 200 ms and a round trip with four packets in flight, to see the path without queue. */
function bbr_update_min_rtt(sk: sock, rs: rate_sample): void {
  const ca = bbr_of(sk);
  const expired = tcp_jiffies32() > ca.min_rtt_stamp + bbr_min_rtt_win_sec * HZ();
  if (rs.rtt_us >= 0 && (rs.rtt_us < ca.min_rtt_us || (expired && !rs.is_ack_delayed))) {
    ca.min_rtt_us = rs.rtt_us;
    ca.min_rtt_stamp = tcp_jiffies32();
  }
  if (expired && !ca.idle_restart && ca.mode !== BBR_PROBE_RTT) {
    ca.mode = BBR_PROBE_RTT;
    bbr_save_cwnd(sk);
    ca.probe_rtt_done_stamp = 0;
  }
  if (ca.mode === BBR_PROBE_RTT) probeRtt(sk);
  if (rs.delivered > 0) ca.idle_restart = false;
}

function probeRtt(sk: sock): void {
  const tp = tcp_sk(sk);
  const ca = bbr_of(sk);
  // Samples taken with so little in flight say nothing of the bandwidth.
  tp.app_limited = tp.delivered + tcp_packets_in_flight(tp) || 1;
  if (ca.probe_rtt_done_stamp === 0) {
    if (tcp_packets_in_flight(tp) > bbr_cwnd_min_target) return;
    ca.probe_rtt_done_stamp = tcp_jiffies32() + msecs_to_jiffies(bbr_probe_rtt_mode_ms);
    ca.probe_rtt_round_done = false;
    ca.next_rtt_delivered = tp.delivered;
    return;
  }
  if (ca.round_start) ca.probe_rtt_round_done = true;
  if (ca.probe_rtt_round_done) bbr_check_probe_rtt_done(sk);
}

function bbr_update_gains(sk: sock): void {
  const ca = bbr_of(sk);
  switch (ca.mode) {
    case BBR_STARTUP:
      ca.pacing_gain = bbr_high_gain;
      ca.cwnd_gain = bbr_high_gain;
      break;
    case BBR_DRAIN:
      ca.pacing_gain = bbr_drain_gain;
      ca.cwnd_gain = bbr_high_gain;
      break;
    case BBR_PROBE_BW:
      ca.pacing_gain = ca.lt_use_bw ? BBR_UNIT : bbr_pacing_gain[ca.cycle_idx]!;
      ca.cwnd_gain = bbr_cwnd_gain;
      break;
    default:
      ca.pacing_gain = BBR_UNIT;
      ca.cwnd_gain = BBR_UNIT;
  }
}

export function bbr_update_model(sk: sock, rs: rate_sample): void {
  bbr_update_bw(sk, rs);
  bbr_update_ack_aggregation(sk, rs);
  bbr_update_cycle_phase(sk, rs);
  bbr_check_full_bw_reached(sk, rs);
  bbr_check_drain(sk);
  bbr_update_min_rtt(sk, rs);
  bbr_update_gains(sk);
}
