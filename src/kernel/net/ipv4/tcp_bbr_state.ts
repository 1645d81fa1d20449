/**
 * net/ipv4/tcp_bbr.c: BBR's state and arithmetic: bandwidth (packets/µs × 2^24), gains (× 256), pacing rate, BDP and how much may be in flight.
 *
 * Products stay exact: where Linux uses 64 bits, a factor is split so that no intermediate exceeds 2^53.
 */
import { GSO_LEGACY_MAX_SIZE } from '../../include/linux/netdevice.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { minmax, minmax_get } from '../../include/linux/win_minmax.ts';
import { inet_csk, inet_csk_ca } from '../../include/net/inet_sock.ts';
import type { sock } from '../../include/net/sock.ts';
import { MAX_TCP_HEADER, TCP_INIT_CWND } from '../../include/net/tcp.ts';
import { TCP_CA_Recovery } from '../../uapi/tcp.ts';

export const BW_UNIT = 2 ** 24;
export const BBR_UNIT = 256;

export const BBR_STARTUP = 0;
export const BBR_DRAIN = 1;
export const BBR_PROBE_BW = 2;
export const BBR_PROBE_RTT = 3;

/** Phases of a cycle of gains. */
export const CYCLE_LEN = 8;
/** 2/ln 2: the least gain that doubles the rate each round trip. */
export const bbr_high_gain = Math.floor((BBR_UNIT * 2885) / 1000) + 1;
export const bbr_drain_gain = Math.floor((BBR_UNIT * 1000) / 2885);
export const bbr_cwnd_gain = BBR_UNIT * 2;
export const bbr_pacing_gain: readonly number[] = [320, 192, 256, 256, 256, 256, 256, 256];
export const bbr_cwnd_min_target = 4;
const bbr_pacing_margin_percent = 1;
/** Bits per second below which segments go one by one. */
const bbr_min_tso_rate = 1_200_000;
const bbr_extra_acked_gain = BBR_UNIT;
const bbr_extra_acked_max_us = 100_000;
const NO_RTT = 0xffff_ffff;

/** Stamps: min_rtt_stamp, probe_rtt_done_stamp in jiffies, lt_last_stamp in ms, *_mstamp in µs. */
export class bbr {
  min_rtt_us = 0;
  min_rtt_stamp = 0;
  probe_rtt_done_stamp = 0;
  readonly bw = new minmax();
  rtt_cnt = 0;
  next_rtt_delivered = 0;
  cycle_mstamp = 0;
  mode = BBR_STARTUP;
  prev_ca_state = 0;
  packet_conservation = false;
  round_start = false;
  idle_restart = false;
  probe_rtt_round_done = false;
  lt_is_sampling = false;
  lt_rtt_cnt = 0;
  lt_use_bw = false;
  lt_bw = 0;
  lt_last_delivered = 0;
  lt_last_stamp = 0;
  lt_last_lost = 0;
  pacing_gain = 0;
  cwnd_gain = 0;
  full_bw_reached = false;
  full_bw_cnt = 0;
  cycle_idx = 0;
  has_seen_rtt = false;
  prior_cwnd = 0;
  full_bw = 0;
  ack_epoch_mstamp = 0;
  readonly extra_acked: [number, number] = [0, 0];
  ack_epoch_acked = 0;
  extra_acked_win_rtts = 0;
  extra_acked_win_idx: 0 | 1 = 0;
}

export const bbr_of = (sk: sock): bbr => inet_csk_ca<bbr>(sk);

/** a × b / 2^bits, rounded down. */
function mulShift(a: number, b: number, bits: number): number {
  const unit = 2 ** bits;
  const high = Math.floor(a / unit);
  return high * b + Math.floor(((a - high * unit) * b) / unit);
}

export const bbr_full_bw_reached = (sk: sock): boolean => bbr_of(sk).full_bw_reached;
export const bbr_max_bw = (sk: sock): number => minmax_get(bbr_of(sk).bw);
export const bbr_bw = (sk: sock): number => (bbr_of(sk).lt_use_bw ? bbr_of(sk).lt_bw : bbr_max_bw(sk));
const bbr_extra_acked = (sk: sock): number => Math.max(bbr_of(sk).extra_acked[0], bbr_of(sk).extra_acked[1]);

/** Bytes a second, one per cent below the estimate, so that queues drain. */
export function bbr_rate_bytes_per_sec(sk: sock, rate: number, gain: number): number {
  const scaled = mulShift(rate * tcp_sk(sk).mss_cache, gain, 8);
  return mulShift(scaled, 10_000 * (100 - bbr_pacing_margin_percent), 24);
}

function bbr_bw_to_pacing_rate(sk: sock, bw: number, gain: number): number {
  return Math.min(bbr_rate_bytes_per_sec(sk, bw, gain), sk.sk_max_pacing_rate);
}

/** Before any rate is known: the initial window per round trip, or per millisecond. */
export function bbr_init_pacing_rate_from_rtt(sk: sock): void {
  const tp = tcp_sk(sk);
  let rtt_us = 1000;
  if (tp.srtt_us !== 0) {
    rtt_us = Math.max(Math.floor(tp.srtt_us / 8), 1);
    bbr_of(sk).has_seen_rtt = true;
  }
  const bw = Math.floor((tp.snd_cwnd * BW_UNIT) / rtt_us);
  sk.sk_pacing_rate = bbr_bw_to_pacing_rate(sk, bw >>> 0, bbr_high_gain);
}

/** In startup the rate only rises. */
export function bbr_set_pacing_rate(sk: sock, bw: number, gain: number): void {
  const rate = bbr_bw_to_pacing_rate(sk, bw, gain);
  if (!bbr_of(sk).has_seen_rtt && tcp_sk(sk).srtt_us !== 0) bbr_init_pacing_rate_from_rtt(sk);
  if (bbr_full_bw_reached(sk) || rate > sk.sk_pacing_rate) sk.sk_pacing_rate = rate;
}

export function bbr_min_tso_segs(sk: sock): number {
  return sk.sk_pacing_rate < bbr_min_tso_rate >>> 3 ? 1 : 2;
}

function bbr_tso_segs_goal(sk: sock): number {
  const bytes = Math.min(Math.floor(sk.sk_pacing_rate / 2 ** sk.sk_pacing_shift), GSO_LEGACY_MAX_SIZE - 1 - MAX_TCP_HEADER);
  const segs = Math.max(Math.floor(bytes / tcp_sk(sk).mss_cache), bbr_min_tso_segs(sk));
  return Math.min(segs, 0x7f);
}

/** The window to come back to after a recovery or a PROBE_RTT. */
export function bbr_save_cwnd(sk: sock): void {
  const ca = bbr_of(sk);
  const cwnd = tcp_sk(sk).snd_cwnd;
  ca.prior_cwnd = ca.prev_ca_state < TCP_CA_Recovery && ca.mode !== BBR_PROBE_RTT ? cwnd : Math.max(ca.prior_cwnd, cwnd);
}

/** Bandwidth × least RTT × gain in packets, rounded up. */
export function bbr_bdp(sk: sock, bw: number, gain: number): number {
  const ca = bbr_of(sk);
  if (ca.min_rtt_us === NO_RTT) return TCP_INIT_CWND;
  return Math.floor((mulShift(bw * ca.min_rtt_us, gain, 8) + BW_UNIT - 1) / BW_UNIT);
}

/** Room for what hosts hold: three bursts; an even number, against delayed ACKs; two more while probing. */
export function bbr_quantization_budget(sk: sock, cwnd: number): number {
  const ca = bbr_of(sk);
  cwnd += 3 * bbr_tso_segs_goal(sk);
  cwnd = (cwnd + 1) & ~1;
  return ca.mode === BBR_PROBE_BW && ca.cycle_idx === 0 ? cwnd + 2 : cwnd;
}

export const bbr_inflight = (sk: sock, bw: number, gain: number): number => bbr_quantization_budget(sk, bbr_bdp(sk, bw, gain));

/** What will be in the network when the pacer lets the next burst go. */
export function bbr_packets_in_net_at_edt(sk: sock, inflight_now: number): number {
  const tp = tcp_sk(sk);
  const interval_us = Math.floor(Math.max(tp.tcp_wstamp_ns - tp.tcp_clock_cache, 0) / 1000);
  const delivered = Math.floor((bbr_bw(sk) * interval_us) / BW_UNIT);
  const at_edt = bbr_of(sk).pacing_gain > BBR_UNIT ? inflight_now + bbr_tso_segs_goal(sk) : inflight_now;
  return Math.max(at_edt - delivered, 0);
}

/** ACKs that come in bunches need a larger window: by as much as was ever acknowledged beyond the estimate, up to 100 ms' worth. */
export function bbr_ack_aggregation_cwnd(sk: sock): number {
  if (!bbr_full_bw_reached(sk)) return 0;
  const max_aggr_cwnd = Math.floor((bbr_bw(sk) * bbr_extra_acked_max_us) / BW_UNIT);
  return Math.min((bbr_extra_acked_gain * bbr_extra_acked(sk)) >>> 8, max_aggr_cwnd);
}

export const bbrCaState = (sk: sock): number => inet_csk(sk).icsk_ca_state;
