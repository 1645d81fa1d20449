/**
 * net/ipv4/tcp_input.c: round-trip times: from ACKs the smoothed one and its deviation (RFC 6298), the RTO, the least RTT and the pacing rate;
 * from what is received the receiver's own estimate.
 * `tcp_ack_update_rtt` → `tcp_update_rtt_min`, `tcp_rtt_estimator`, `tcp_set_rto`.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import type { rate_sample } from '../../include/net/rate_sample.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  __tcp_set_rto,
  after,
  before,
  tcp_bound_rto,
  tcp_clock_us,
  tcp_min_rtt,
  tcp_rto_min_us,
  tcp_stamp_us_delta,
  tcp_time_stamp_ts,
  u32sub,
} from '../../include/net/tcp.ts';
import { HZ, jiffies_to_usecs, tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { minmax_running_min } from '../../lib/win_minmax.ts';
import { FLAG_ACK_MAYBE_DELAYED, FLAG_ACKED, FLAG_SYN_ACKED } from './tcp_input_flags.ts';

const INT_MAX = 0x7fff_ffff;
const USEC_PER_TS_TICK = 1000;

/**
 * RFC 6298 (2) in scaled integers: srtt_us is 8 × SRTT, mdev_us 4 × the mean deviation. rttvar_us is the largest mdev_us of the last round
 * trips, at least the least RTO: it falls slowly, by a quarter of the difference a round trip.
 */
export function tcp_rtt_estimator(sk: sock, mrtt_us: number): void {
  const tp = tcp_sk(sk);
  if (tp.srtt_us === 0) {
    tp.srtt_us = Math.max(1, mrtt_us * 8);
    tp.mdev_us = mrtt_us * 2;
    tp.rttvar_us = Math.max(tp.mdev_us, tcp_rto_min_us(sk));
    tp.mdev_max_us = tp.rttvar_us;
    tp.rtt_seq = tp.snd_nxt;
    return;
  }
  let m = mrtt_us - Math.floor(tp.srtt_us / 8);
  const srtt = tp.srtt_us + m;
  if (m < 0) {
    m = -m - Math.floor(tp.mdev_us / 4);
    // A sudden fall of the RTT is no reason to wait longer: the deviation grows by an eighth of what it otherwise would.
    if (m > 0) m = Math.floor(m / 8);
  } else m -= Math.floor(tp.mdev_us / 4);
  tp.mdev_us += m;
  if (tp.mdev_us > tp.mdev_max_us) {
    tp.mdev_max_us = tp.mdev_us;
    if (tp.mdev_max_us > tp.rttvar_us) tp.rttvar_us = tp.mdev_max_us;
  }
  if (after(tp.snd_una, tp.rtt_seq)) {
    if (tp.mdev_max_us < tp.rttvar_us) tp.rttvar_us -= Math.floor((tp.rttvar_us - tp.mdev_max_us) / 4);
    tp.rtt_seq = tp.snd_nxt;
    tp.mdev_max_us = tcp_rto_min_us(sk);
  }
  tp.srtt_us = Math.max(1, srtt);
}

/** RFC 6298 (2.3), without the backoff. */
export function tcp_set_rto(sk: sock): void {
  inet_csk(sk).icsk_rto = __tcp_set_rto(tcp_sk(sk));
  tcp_bound_rto(sk);
}

/** Twice the window per round trip in the first half of slow start, 1.2 times it later (net.ipv4.tcp_pacing_*_ratio). */
export function tcp_update_pacing_rate(sk: sock): void {
  const tp = tcp_sk(sk);
  const sysctls = sock_net(sk).ipv4;
  const ratio = tp.snd_cwnd < tp.snd_ssthresh >>> 1 ? sysctls.sysctl_tcp_pacing_ss_ratio : sysctls.sysctl_tcp_pacing_ca_ratio;
  let rate = tp.mss_cache * 80_000 * ratio * Math.max(tp.snd_cwnd, tp.packets_out);
  if (tp.srtt_us !== 0) rate = Math.floor(rate / tp.srtt_us);
  sk.sk_pacing_rate = Math.min(rate, sk.sk_max_pacing_rate);
}

/** Keeps the least RTT of the last net.ipv4.tcp_min_rtt_wlen seconds; a longer one that smells of a delayed ACK is no sample. */
function tcp_update_rtt_min(sk: sock, rtt_us: number, flag: number): void {
  const tp = tcp_sk(sk);
  if ((flag & FLAG_ACK_MAYBE_DELAYED) !== 0 && rtt_us > tcp_min_rtt(tp)) return;
  const wlen = sock_net(sk).ipv4.sysctl_tcp_min_rtt_wlen * HZ();
  minmax_running_min(tp.rtt_min, wlen, tcp_jiffies32(), rtt_us || jiffies_to_usecs(1));
}

/** RTT in µs by the echoed timestamp, or -1: a tick's resolution, so that 0 ticks are `min_delta`. */
export function tcp_rtt_tsopt_us(tp: tcp_sock, min_delta: number): number {
  const delta = u32sub(tcp_time_stamp_ts(tp), tp.rx_opt.rcv_tsecr);
  if (tp.tcp_usec_ts) return delta | 0;
  if (delta >= Math.floor(INT_MAX / USEC_PER_TS_TICK)) return -1;
  return (delta || min_delta) * USEC_PER_TS_TICK;
}

/**
 * Takes the ACK's sample: preferably by the clock (`seq_rtt_us`, else `sack_rtt_us`), else by timestamp if it acknowledged something
 * (Karn's rule, RFC 6298 (3); RFC 7323 (4.1)). -1 means "none". True if there was one.
 */
export function tcp_ack_update_rtt(
  sk: sock,
  flag: number,
  seq_rtt_us: number,
  sack_rtt_us: number,
  ca_rtt_us: number,
  rs: rate_sample,
): boolean {
  const tp = tcp_sk(sk);
  if (seq_rtt_us < 0) seq_rtt_us = sack_rtt_us;
  if (seq_rtt_us < 0 && tp.rx_opt.saw_tstamp && tp.rx_opt.rcv_tsecr !== 0 && (flag & FLAG_ACKED) !== 0)
    seq_rtt_us = ca_rtt_us = tcp_rtt_tsopt_us(tp, 1);
  rs.rtt_us = ca_rtt_us;
  if (seq_rtt_us < 0) return false;
  tcp_update_rtt_min(sk, ca_rtt_us, flag);
  tcp_rtt_estimator(sk, seq_rtt_us);
  tcp_set_rto(sk);
  inet_csk(sk).icsk_backoff = 0;
  return true;
}

/** The handshake's sample, for the passive side; none if the SYN-ACK was retransmitted. */
export function tcp_synack_rtt_meas(sk: sock, req: request_sock | null): void {
  const measured = req !== null && req.num_retrans === 0 && req.snt_synack !== 0;
  const rtt_us = measured ? tcp_stamp_us_delta(tcp_clock_us(), req.snt_synack) : -1;
  tcp_ack_update_rtt(sk, FLAG_SYN_ACKED, rtt_us, -1, rtt_us, sock_net(sk).tcpInput.ack.sack.rate);
}

/* The receiver's estimate. */

function tcp_rcv_rtt_update(tp: tcp_sock, sample: number, win_dep: boolean): void {
  const old = tp.rcv_rtt_est.rtt_us;
  const m = sample * 8;
  if (old === 0 || m < old) {
    tp.rcv_rtt_est.rtt_us = m;
    return;
  }
  // How long a window takes depends on the sender; a queue that is not read depends on the reader.
  if (win_dep || tp.rcv_nxt !== tp.copied_seq) return;
  tp.rcv_rtt_est.rtt_us = old - Math.floor(old / 8) + sample;
}

/** Without timestamps: a window's worth of data takes at least a round trip. */
export function tcp_rcv_rtt_measure(tp: tcp_sock): void {
  if (tp.rcv_rtt_est.time !== 0) {
    if (before(tp.rcv_nxt, tp.rcv_rtt_est.seq)) return;
    tcp_rcv_rtt_update(tp, tcp_stamp_us_delta(tp.tcp_mstamp, tp.rcv_rtt_est.time) || 1, true);
  }
  tp.rcv_rtt_est.seq = (tp.rcv_nxt + tp.rcv_wnd) >>> 0;
  tp.rcv_rtt_est.time = tp.tcp_mstamp;
}

/** With timestamps: once per echoed value, by full-sized segments. */
export function tcp_rcv_rtt_measure_ts(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  if (tp.rx_opt.rcv_tsecr === tp.rcv_rtt_last_tsecr) return;
  tp.rcv_rtt_last_tsecr = tp.rx_opt.rcv_tsecr;
  if (u32sub(skb.tcp.end_seq, skb.tcp.seq) < inet_csk(sk).icsk_ack.rcv_mss) return;
  const delta = tcp_rtt_tsopt_us(tp, 0);
  if (delta > 0) tcp_rcv_rtt_update(tp, delta, false);
}
