/**
 * net/ipv4/tcp_metrics.c: what earlier connections to a host learned: round-trip time, threshold, window, reordering, Fast Open cookie.
 * `tcp_update_metrics` at a connection's end, `tcp_init_metrics` at the next one's start; `tcp_fastopen_cache_get`/`_set`.
 *
 * Simplified: entries are never thrown out (Linux keeps about five in a bucket of its table and replaces the oldest).
 */

import { WIDE } from '../../../sim/wide.ts';
import { tcp_fastopen_cookie, tcp_sk } from '../../include/linux/tcp.ts';
import {
  type dst_entry,
  dst_metric_locked,
  dst_metric_raw,
  RTAX_CWND,
  RTAX_REORDERING,
  RTAX_RTT,
  RTAX_RTTVAR,
  RTAX_SSTHRESH,
} from '../../include/net/dst.ts';
import { inet_csk, inet_sk } from '../../include/net/inet_sock.ts';
import type { net } from '../../include/net/net_namespace.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import { __sk_dst_get, type sock, sock_net } from '../../include/net/sock.ts';
import {
  TCP_INFINITE_SSTHRESH,
  TCP_TIMEOUT_FALLBACK_MS,
  tcp_in_initial_slowstart,
  tcp_in_slow_start,
  tcp_rto_min,
} from '../../include/net/tcp.ts';
import { HZ, jiffies, msecs_to_jiffies } from '../../kernel/time/timer.ts';
import { TCP_CA_Open } from '../../uapi/tcp.ts';
import { sk_dst_confirm } from '../core/sock_dst.ts';

/** Index of tcpm_vals, and bit of tcpm_lock. Times are in µs, scaled as in the socket (8 and 4 times). */
export const TCP_METRIC_RTT = 0;
export const TCP_METRIC_RTTVAR = 1;
export const TCP_METRIC_SSTHRESH = 2;
export const TCP_METRIC_CWND = 3;
export const TCP_METRIC_REORDERING = 4;
const TCP_METRIC_MAX_KERNEL = 4;

const TCP_METRICS_TIMEOUT = (): number => 60 * 60 * HZ();

/** What is known of a host's Fast Open. */
export class tcp_fastopen_metrics {
  mss = 0;
  syn_loss = 0;
  /** 1: ask for a cookie with the experimental option next time; 2: that failed too. */
  try_exp = 0;
  last_syn_loss = 0;
  cookie = new tcp_fastopen_cookie();
}

export class tcp_metrics_block {
  readonly tcpm_saddr: number;
  readonly tcpm_daddr: number;
  tcpm_stamp = WIDE;
  tcpm_lock = 0;
  readonly tcpm_vals: number[] = new Array<number>(TCP_METRIC_MAX_KERNEL + 1).fill(0);
  readonly tcpm_fastopen = new tcp_fastopen_metrics();

  constructor(saddr: number, daddr: number) {
    this.tcpm_saddr = saddr;
    this.tcpm_daddr = daddr;
  }
}

/** By destination; a destination has one for each of our addresses. */
type metricsTable = Map<number, tcp_metrics_block[]>;

function tableOf(network: net): metricsTable {
  network.ipv4.tcp_metrics ??= new Map<number, tcp_metrics_block[]>();
  return network.ipv4.tcp_metrics as metricsTable;
}

const tcp_metric_locked = (tm: tcp_metrics_block, index: number): boolean => (tm.tcpm_lock & (1 << index)) !== 0;
const tcp_metric_get = (tm: tcp_metrics_block, index: number): number => tm.tcpm_vals[index]!;
const tcp_metric_set = (tm: tcp_metrics_block, index: number, value: number): void => {
  tm.tcpm_vals[index] = value;
};

const fromRoute = [RTAX_RTT, RTAX_RTTVAR, RTAX_SSTHRESH, RTAX_CWND, RTAX_REORDERING] as const;

/** Starts over from what the route says; routes give times in ms. */
function tcpm_suck_dst(tm: tcp_metrics_block, dst: dst_entry, fastopen_clear: boolean): void {
  tm.tcpm_stamp = jiffies();
  tm.tcpm_lock = 0;
  for (let i = 0; i < fromRoute.length; i++) {
    if (dst_metric_locked(dst, fromRoute[i]!)) tm.tcpm_lock |= 1 << i;
    tm.tcpm_vals[i] = dst_metric_raw(dst, fromRoute[i]!) * (i <= TCP_METRIC_RTTVAR ? 1000 : 1);
  }
  if (!fastopen_clear) return;
  tm.tcpm_fastopen.mss = 0;
  tm.tcpm_fastopen.syn_loss = 0;
  tm.tcpm_fastopen.try_exp = 0;
  tm.tcpm_fastopen.cookie.exp = false;
  tm.tcpm_fastopen.cookie.len = 0;
}

/** Old knowledge is worth nothing. */
function tcpm_check_stamp(tm: tcp_metrics_block, dst: dst_entry): void {
  if (jiffies() > tm.tcpm_stamp + TCP_METRICS_TIMEOUT()) tcpm_suck_dst(tm, dst, false);
}

function __tcp_get_metrics(network: net, saddr: number, daddr: number): tcp_metrics_block | null {
  return (
    tableOf(network)
      .get(daddr)
      ?.find((tm) => tm.tcpm_saddr === saddr) ?? null
  );
}

function tcpm_new(dst: dst_entry, network: net, saddr: number, daddr: number): tcp_metrics_block {
  const tm = new tcp_metrics_block(saddr, daddr);
  tcpm_suck_dst(tm, dst, true);
  const table = tableOf(network);
  const chain = table.get(daddr);
  if (chain === undefined) table.set(daddr, [tm]);
  else chain.unshift(tm);
  return tm;
}

function tcp_get_metrics(sk: sock, dst: dst_entry, create: boolean): tcp_metrics_block | null {
  const saddr = inet_sk(sk).inet_saddr;
  const tm = __tcp_get_metrics(sock_net(sk), saddr, sk.skc_daddr);
  if (tm === null) return create ? tcpm_new(dst, sock_net(sk), saddr, sk.skc_daddr) : null;
  tcpm_check_stamp(tm, dst);
  return tm;
}

/** Sets a metric unless the route has locked it. */
function learn(tm: tcp_metrics_block, index: number, value: number): void {
  if (!tcp_metric_locked(tm, index)) tcp_metric_set(tm, index, value);
}

/** A longer round-trip time is believed at once, a shorter one slowly: to overestimate is the safer error. */
function learnRtt(tm: tcp_metrics_block, srtt: number, mdev: number): void {
  const rtt = tcp_metric_get(tm, TCP_METRIC_RTT);
  const shorter = rtt - srtt;
  learn(tm, TCP_METRIC_RTT, shorter <= 0 ? srtt : rtt - (shorter >> 3));
  const deviation = Math.max(Math.abs(shorter) >> 1, mdev);
  const rttvar = tcp_metric_get(tm, TCP_METRIC_RTTVAR);
  learn(tm, TCP_METRIC_RTTVAR, deviation >= rttvar ? deviation : rttvar - ((rttvar - deviation) >> 2));
}

/** A connection ends well (TIME_WAIT, or LAST_ACK's end): keeps what it learned. */
export function tcp_update_metrics(sk: sock): void {
  const dst = __sk_dst_get(sk);
  const tp = tcp_sk(sk);
  sk_dst_confirm(sk);
  if (sock_net(sk).ipv4.sysctl_tcp_nometrics_save !== 0 || dst === null) return;
  if (tp.icsk_backoff !== 0 || tp.srtt_us === 0) {
    // It never got a round-trip time: perhaps no packet came back in time.
    const tm = tcp_get_metrics(sk, dst, false);
    if (tm !== null) learn(tm, TCP_METRIC_RTT, 0);
    return;
  }
  const tm = tcp_get_metrics(sk, dst, true)!;
  learnRtt(tm, tp.srtt_us, tp.mdev_us);
  learnWindow(tm, sk);
  tm.tcpm_stamp = jiffies();
}

function learnWindow(tm: tcp_metrics_block, sk: sock): void {
  const tp = tcp_sk(sk);
  const ipv4 = sock_net(sk).ipv4;
  const keepSsthresh = ipv4.sysctl_tcp_no_ssthresh_metrics_save === 0;
  const ssthresh = tcp_metric_get(tm, TCP_METRIC_SSTHRESH);
  const cwnd = tcp_metric_get(tm, TCP_METRIC_CWND);
  const half = tp.snd_cwnd >>> 1;
  if (tcp_in_initial_slowstart(tp)) {
    // Slow start has not ended: the window is a lower bound only.
    if (keepSsthresh && ssthresh !== 0 && half > ssthresh) learn(tm, TCP_METRIC_SSTHRESH, half);
    if (tp.snd_cwnd > cwnd) learn(tm, TCP_METRIC_CWND, tp.snd_cwnd);
    return;
  }
  if (!tcp_in_slow_start(tp) && inet_csk(sk).icsk_ca_state === TCP_CA_Open) {
    if (keepSsthresh) learn(tm, TCP_METRIC_SSTHRESH, Math.max(half, tp.snd_ssthresh));
    learn(tm, TCP_METRIC_CWND, (cwnd + tp.snd_cwnd) >>> 1);
    return;
  }
  // In recovery the window says nothing, and the threshold may be too low.
  learn(tm, TCP_METRIC_CWND, (cwnd + tp.snd_ssthresh) >>> 1);
  if (keepSsthresh && ssthresh !== 0 && tp.snd_ssthresh > ssthresh) learn(tm, TCP_METRIC_SSTHRESH, tp.snd_ssthresh);
  if (tcp_metric_get(tm, TCP_METRIC_REORDERING) < tp.reordering && tp.reordering !== ipv4.sysctl_tcp_reordering)
    learn(tm, TCP_METRIC_REORDERING, tp.reordering);
}

/** A connection starts: takes over what is known of its peer. */
export function tcp_init_metrics(sk: sock): void {
  const dst = __sk_dst_get(sk);
  const tp = tcp_sk(sk);
  sk_dst_confirm(sk);
  // The handshake may have reduced it for nothing.
  tp.snd_ssthresh = TCP_INFINITE_SSTHRESH;
  const tm = dst === null ? null : tcp_get_metrics(sk, dst, false);
  if (tm !== null) applyWindow(sk, tm);
  initRto(sk, tm === null ? 0 : tcp_metric_get(tm, TCP_METRIC_RTT));
}

function applyWindow(sk: sock, tm: tcp_metrics_block): void {
  const tp = tcp_sk(sk);
  if (tcp_metric_locked(tm, TCP_METRIC_CWND)) tp.snd_cwnd_clamp = tcp_metric_get(tm, TCP_METRIC_CWND);
  const ssthresh = sock_net(sk).ipv4.sysctl_tcp_no_ssthresh_metrics_save !== 0 ? 0 : tcp_metric_get(tm, TCP_METRIC_SSTHRESH);
  if (ssthresh !== 0) tp.snd_ssthresh = Math.min(ssthresh, tp.snd_cwnd_clamp);
  const reordering = tcp_metric_get(tm, TCP_METRIC_REORDERING);
  if (reordering !== 0) tp.reordering = reordering;
}

/**
 * The first RTO comes from the remembered round-trip time if that is longer than the handshake's, whose packets were small. Without either it is
 * 3 s, since the handshake must have been repeated (RFC 6298 (5.7)). The estimator itself starts from the connection's own samples.
 */
function initRto(sk: sock, rtt_us: number): void {
  const tp = tcp_sk(sk);
  if (rtt_us > tp.srtt_us) {
    const rtt = Math.floor(rtt_us / Math.floor(8_000_000 / HZ()));
    tp.icsk_rto = rtt + Math.max(2 * rtt, tcp_rto_min(sk));
  } else if (tp.srtt_us === 0) {
    tp.rttvar_us = tp.mdev_us = tp.mdev_max_us = TCP_TIMEOUT_FALLBACK_MS * 1000;
    tp.icsk_rto = msecs_to_jiffies(TCP_TIMEOUT_FALLBACK_MS);
  }
}

/** Has a handshake with that peer succeeded before? Under pressure such peers are preferred (tcp_syncookies = 0). */
export function tcp_peer_is_proven(req: request_sock, dst: dst_entry | null): boolean {
  if (dst === null) return false;
  const tm = __tcp_get_metrics(req.skc_net, req.skc_rcv_saddr, req.skc_daddr);
  if (tm === null) return false;
  tcpm_check_stamp(tm, dst);
  return tcp_metric_get(tm, TCP_METRIC_RTT) !== 0;
}

/** Cookie of the peer (`len` 0 when none is known, which asks for one) and the MSS it announced. */
export function tcp_fastopen_cache_get(sk: sock, opt: { mss_clamp: number }, cookie: tcp_fastopen_cookie): void {
  const dst = __sk_dst_get(sk);
  const tm = dst === null ? null : tcp_get_metrics(sk, dst, false);
  if (tm === null) return;
  const tfom = tm.tcpm_fastopen;
  if (tfom.mss !== 0) opt.mss_clamp = tfom.mss;
  cookie.len = tfom.cookie.len;
  cookie.exp = tfom.cookie.exp;
  cookie.val.set(tfom.cookie.val);
  if (cookie.len <= 0 && tfom.try_exp === 1) cookie.exp = true;
}

/** Keeps what a SYN with Fast Open taught. */
export function tcp_fastopen_cache_set(
  sk: sock,
  mss: number,
  cookie: tcp_fastopen_cookie | null,
  syn_lost: boolean,
  try_exp: number,
): void {
  const dst = __sk_dst_get(sk);
  if (dst === null) return;
  const tfom = tcp_get_metrics(sk, dst, true)!.tcpm_fastopen;
  if (mss !== 0) tfom.mss = mss;
  if (cookie !== null && cookie.len > 0) {
    tfom.cookie.len = cookie.len;
    tfom.cookie.exp = cookie.exp;
    tfom.cookie.val.set(cookie.val);
  } else if (try_exp > tfom.try_exp && tfom.cookie.len <= 0 && !tfom.cookie.exp) tfom.try_exp = try_exp;
  tfom.syn_loss = syn_lost ? tfom.syn_loss + 1 : 0;
  if (syn_lost) tfom.last_syn_loss = jiffies();
}

/** `ip tcp_metrics flush`: forgets all, or one destination. */
export function tcp_metrics_flush_all(network: net, daddr: number | null = null): void {
  if (daddr === null) tableOf(network).clear();
  else tableOf(network).delete(daddr);
}

/** `ip tcp_metrics show`. */
export const tcp_metrics_dump = (network: net): tcp_metrics_block[] => [...tableOf(network).values()].flat();
