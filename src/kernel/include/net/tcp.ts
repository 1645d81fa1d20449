/**
 * include/net/tcp.h: TCP's constants and small inline functions: sequence arithmetic, queues, windows, in-flight accounting, clocks.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { kernel } from '../../current.ts';
import { jiffies_to_usecs, msecs_to_jiffies, nsecs_to_jiffies, tcp_jiffies32, usecs_to_jiffies } from '../../kernel/time/timer.ts';
import { LINUX_MIB_LISTENDROPS } from '../../uapi/snmp.ts';
import { TCP_CA_CWR, TCP_CA_Recovery, TCPF_SYN_RECV, TCPF_SYN_SENT } from '../../uapi/tcp.ts';
import { __skb_queue_tail, type sk_buff, skb_peek_tail, skb_shinfo } from '../linux/skbuff.ts';
import { type tcp_options_received, tcp_sk, type tcp_sock } from '../linux/tcp.ts';
import { minmax_get } from '../linux/win_minmax.ts';
import { dst_metric_locked, dst_metric_raw, RTAX_RTO_MIN, skb_dst_drop } from './dst.ts';
import { inet_csk, inet_csk_ack_scheduled } from './inet_sock.ts';
import { NET_INC_STATS } from './net_namespace.ts';
import type { request_sock } from './request_sock.ts';
import { __sk_dst_get, SK_PACING_NEEDED, SOCK_DONE, SOCK_URGINLINE, type sock, sock_flag } from './sock.ts';
import { TCP_CONG_NEEDS_ECN } from './tcp_congestion_ops.ts';
import type { tcp_skb_cb } from './tcp_skb_cb.ts';

export * from './tcp_skb_cb.ts';

export const TCP_MAX_QUICKACKS = 16;
export const MAX_TCP_HEADER = 320;
export const MAX_TCP_OPTION_SPACE = 40;
export const TCP_MIN_SND_MSS = 48;
export const TCP_MIN_GSO_SIZE = 8;
export const MAX_TCP_WINDOW = 32767;
export const TCP_MIN_MSS = 88;
export const TCP_BASE_MSS = 1024;
export const TCP_FASTRETRANS_THRESH = 3;
export const TCP_MSS_DEFAULT = 536;
export const TCP_MAX_WSCALE = 14;
export const MAX_TCP_SYNCNT = 127;
export const TCP_INIT_CWND = 10;
export const TCP_INFINITE_SSTHRESH = 0x7fff_ffff;
export const TCP_RACK_LOSS_DETECTION = 1;
export const TCP_RACK_STATIC_REO_WND = 2;
export const TCP_RACK_NO_DUPTHRESH = 4;
export const TCP_PAWS_24DAYS = 60 * 60 * 24 * 24;
export const TCP_PAWS_MSL = 60;
export const TCP_PAWS_WINDOW = 1;
export const TCP_RESOURCE_PROBE_INTERVAL_US = 500_000;
export const TCP_TIMEOUT_INIT_MS = 1000;
export const TCP_TIMEOUT_FALLBACK_MS = 3000;
export const TCP_TIMEOUT_MIN_US = 2_000;
export const TCP_TIMEWAIT_LEN_MS = 60_000;
export const TCP_ATO_MIN_MS = 40;
export const TCP_DELACK_MIN_MS = 40;
export const TCP_DELACK_MAX_MS = 200;
export const TCP_FIN_TIMEOUT_MAX_S = 120;
export const TCP_SYNQ_INTERVAL_MS = 200;
export const TCP_NUM_SACKS = 4;
export const TCP_MAX_GSO_SEGS = 65535;
export const TCP_RMEM_TO_WIN_SCALE = 8;
export const TCP_DEFAULT_SCALING_RATIO = 1 << 7;
export const TCP_RTO_MAX_SEC = 120;
export const TCP_THIN_LINEAR_RETRIES = 6;
export const MAX_TCP_KEEPIDLE = 32767;
export const MAX_TCP_KEEPINTVL = 32767;
export const MAX_TCP_KEEPCNT = 127;
export const TCP_CA_NAME_MAX = 16;

/* The same times in jiffies, which depend on the kernel's HZ. */
export const TCP_RTO_MAX = (): number => TCP_RTO_MAX_SEC * kernel().HZ;
export const TCP_RTO_MIN = (): number => Math.floor(kernel().HZ / 5);
export const TCP_TIMEOUT_MIN = (): number => 2;
export const TCP_TIMEOUT_INIT = (): number => kernel().HZ;
export const TCP_DELACK_MAX = (): number => Math.floor(kernel().HZ / 5);
export const TCP_DELACK_MIN = (): number => Math.floor(kernel().HZ / 25);
export const TCP_ATO_MIN = (): number => Math.floor(kernel().HZ / 25);
export const TCP_TIMEWAIT_LEN = (): number => 60 * kernel().HZ;
export const TCP_FIN_TIMEOUT_MAX = (): number => 120 * kernel().HZ;
export const TCP_RESOURCE_PROBE_INTERVAL = (): number => Math.floor(kernel().HZ / 2);

export const TCPOPT_NOP = 1;
export const TCPOPT_EOL = 0;
export const TCPOPT_MSS = 2;
export const TCPOPT_WINDOW = 3;
export const TCPOPT_SACK_PERM = 4;
export const TCPOPT_SACK = 5;
export const TCPOPT_TIMESTAMP = 8;
export const TCPOPT_MD5SIG = 19;
export const TCPOPT_AO = 29;
export const TCPOPT_FASTOPEN = 34;
export const TCPOPT_ACCECN0 = 172;
export const TCPOPT_ACCECN1 = 174;
export const TCPOPT_EXP = 254;
export const TCPOPT_FASTOPEN_MAGIC = 0xf989;
export const TCPOLEN_MSS = 4;
export const TCPOLEN_WINDOW = 3;
export const TCPOLEN_SACK_PERM = 2;
export const TCPOLEN_TIMESTAMP = 10;
export const TCPOLEN_MD5SIG = 18;
export const TCPOLEN_FASTOPEN_BASE = 2;
export const TCPOLEN_EXP_FASTOPEN_BASE = 4;
export const TCPOLEN_TSTAMP_ALIGNED = 12;
export const TCPOLEN_WSCALE_ALIGNED = 4;
export const TCPOLEN_SACKPERM_ALIGNED = 4;
export const TCPOLEN_SACK_BASE = 2;
export const TCPOLEN_SACK_BASE_ALIGNED = 4;
export const TCPOLEN_SACK_PERBLOCK = 8;
export const TCPOLEN_MD5SIG_ALIGNED = 20;
export const TCPOLEN_MSS_ALIGNED = 4;

export const TCP_NAGLE_OFF = 1;
export const TCP_NAGLE_CORK = 2;
export const TCP_NAGLE_PUSH = 4;

export const TCP_SACK_SEEN = 1 << 0;
export const TCP_DSACK_SEEN = 1 << 2;

/** ecn_flags: the mode that was negotiated: RFC 3168's, AccECN (RFC 9768), or none. */
export const TCP_ECN_OK = 1;
export const TCP_ECN_MODE_RFC3168 = TCP_ECN_OK;
export const TCP_ECN_MODE_ACCECN = 1 << 4;
export const TCP_ECN_MODE_ANY = TCP_ECN_MODE_RFC3168 | TCP_ECN_MODE_ACCECN;
export const TCP_ECN_DISABLED = 0;
export const TCP_ECN_QUEUE_CWR = 2;
export const TCP_ECN_DEMAND_CWR = 4;
export const TCP_ECN_SEEN = 8;

/** The ACE field: the count of CE marks modulo 8, starting at 5 (RFC 9768 (3.2.1)). */
export const TCP_ACCECN_CEP_ACE_MASK = 7;
export const TCP_ACCECN_CEP_INIT_OFFSET = 5;
/** With so many marks not reported yet an ACK is due, before the field wraps. */
export const TCP_ACCECN_ACE_MAX_DELTA = 6;

export const TCP_SYNACK_NORMAL = 0;
export const TCP_SYNACK_FASTOPEN = 1;
export const TCP_SYNACK_COOKIE = 2;
export const TCP_SYNACK_RETRANS = 3;

export const TFO_CLIENT_ENABLE = 1;
export const TFO_SERVER_ENABLE = 2;
export const TFO_CLIENT_NO_COOKIE = 4;
export const TFO_SERVER_COOKIE_NOT_REQD = 0x200;
export const TFO_SERVER_WO_SOCKOPT1 = 0x400;

export const TCP_URG_VALID = 0x0100;
export const TCP_URG_NOTYET = 0x0200;
export const TCP_URG_READ = 0x0400;

/** seq1 is before seq2, modulo 2^32. */
export const before = (seq1: number, seq2: number): boolean => ((seq1 - seq2) | 0) < 0;
export const after = (seq1: number, seq2: number): boolean => ((seq2 - seq1) | 0) < 0;
/** Is seq1 within seq2 … seq3? */
export const between = (seq1: number, seq2: number, seq3: number): boolean => (seq3 - seq2) >>> 0 >= (seq1 - seq2) >>> 0;
/** a + b and a - b as u32. */
export const u32add = (a: number, b: number): number => (a + b) >>> 0;
export const u32sub = (a: number, b: number): number => (a - b) >>> 0;
/** a - b as s32: how far a is ahead of b. */
export const s32sub = (a: number, b: number): number => (a - b) | 0;

export const TCP_SKB_CB = (skb: sk_buff): tcp_skb_cb => skb.tcp;
export const tcp_skb_pcount = (skb: sk_buff): number => skb.tcp.tcp_gso_segs;
export function tcp_skb_pcount_set(skb: sk_buff, segs: number): void {
  skb.tcp.tcp_gso_segs = segs;
}
export function tcp_skb_pcount_add(skb: sk_buff, segs: number): void {
  skb.tcp.tcp_gso_segs += segs;
}
export const tcp_skb_mss = (skb: sk_buff): number => skb.tcp.tcp_gso_size;
/** Length of the segment in sequence space, SYN and FIN included. */
export const tcp_skb_seglen = (skb: sk_buff): number => (skb.tcp.end_seq - skb.tcp.seq) >>> 0;

/** CLOCK_MONOTONIC in ns, µs, ms. */
export const tcp_clock_ns = (): number => this_cpu.clock;
export const tcp_clock_us = (): number => Math.floor(this_cpu.clock / 1000);
export const tcp_clock_ms = (): number => Math.floor(this_cpu.clock / 1_000_000);
/** Timestamp option clock (1 ms, or 1 µs with TCP_USEC_TS), as of tcp_mstamp. */
export const tcp_time_stamp_ms = (tp: tcp_sock): number => Math.floor(tp.tcp_mstamp / 1000) >>> 0;
export const tcp_time_stamp_ts = (tp: tcp_sock): number => (tp.tcp_usec_ts ? tp.tcp_mstamp >>> 0 : tcp_time_stamp_ms(tp));
export const tcp_clock_ts = (usec_ts: boolean): number => (usec_ts ? tcp_clock_us() : tcp_clock_ms()) >>> 0;
export const tcp_rsk_tsval = (clock: number, offset: number): number => (clock + offset) >>> 0;
export const tcp_stamp_us_delta = (t1: number, t0: number): number => Math.max(t1 - t0, 0);
export const tcp_skb_timestamp_us = (skb: sk_buff): number => Math.floor(skb.skb_mstamp_ns / 1000);
export const tcp_skb_timestamp_ts = (usec_ts: boolean, skb: sk_buff): number =>
  (usec_ts ? tcp_skb_timestamp_us(skb) : Math.floor(skb.skb_mstamp_ns / 1_000_000)) >>> 0;

export const tcp_left_out = (tp: tcp_sock): number => tp.sacked_out + tp.lost_out;
export const tcp_packets_in_flight = (tp: tcp_sock): number => tp.packets_out - (tp.sacked_out + tp.lost_out) + tp.retrans_out;
export const tcp_snd_cwnd = (tp: tcp_sock): number => tp.snd_cwnd;
export function tcp_snd_cwnd_set(tp: tcp_sock, value: number): void {
  tp.snd_cwnd = value;
}
export const tcp_in_slow_start = (tp: tcp_sock): boolean => tp.snd_cwnd < tp.snd_ssthresh;
export const tcp_in_initial_slowstart = (tp: tcp_sock): boolean => tp.snd_ssthresh >= TCP_INFINITE_SSTHRESH;
export const tcp_in_cwnd_reduction = (sk: sock): boolean => {
  const state = inet_csk(sk).icsk_ca_state;
  return state === TCP_CA_CWR || state === TCP_CA_Recovery;
};
export const tcp_is_sack = (tp: tcp_sock): boolean => tp.rx_opt.sack_ok !== 0;
export const tcp_is_reno = (tp: tcp_sock): boolean => tp.rx_opt.sack_ok === 0;
export const tcp_wnd_end = (tp: tcp_sock): number => (tp.snd_una + tp.snd_wnd) >>> 0;
export const tcp_min_rtt = (tp: tcp_sock): number => minmax_get(tp.rtt_min);
/** How much window a buffer of `space` bytes is worth, by the ratio of payload to truesize seen so far. */
export const tcp_win_from_space = (sk: sock, space: number): number =>
  Math.floor((space * tcp_sk(sk).scaling_ratio) / (1 << TCP_RMEM_TO_WIN_SCALE));
export const tcp_space_from_win = (sk: sock, win: number): number =>
  Math.floor((win * (1 << TCP_RMEM_TO_WIN_SCALE)) / tcp_sk(sk).scaling_ratio);
export const tcp_space = (sk: sock): number => tcp_win_from_space(sk, sk.sk_rcvbuf - sk.sk_backlog_len - sk.sk_rmem_alloc);
export const tcp_full_space = (sk: sock): number => tcp_win_from_space(sk, sk.sk_rcvbuf);

/** What the peer may still send: the right edge of the window offered. */
export const tcp_receive_window = (tp: tcp_sock): number => Math.max((tp.rcv_wup + tp.rcv_wnd - tp.rcv_nxt) | 0, 0);

export const tcp_write_queue_empty = (sk: sock): boolean => tcp_sk(sk).write_seq === tcp_sk(sk).snd_nxt;
export const tcp_send_head = (sk: sock): sk_buff | null => sk.sk_write_queue.next;
export const tcp_write_queue_head = tcp_send_head;
export const tcp_write_queue_tail = (sk: sock): sk_buff | null => skb_peek_tail(sk.sk_write_queue);
export const tcp_skb_is_last = (sk: sock, skb: sk_buff): boolean => sk.sk_write_queue.prev === skb;
export const tcp_rtx_queue_head = (sk: sock): sk_buff | null => sk.tcp_rtx_queue.first;
export const tcp_rtx_queue_tail = (sk: sock): sk_buff | null => sk.tcp_rtx_queue.last;
export const tcp_rtx_queue_empty = (sk: sock): boolean => sk.tcp_rtx_queue.first === null;
export const tcp_rtx_and_write_queues_empty = (sk: sock): boolean => tcp_rtx_queue_empty(sk) && tcp_write_queue_empty(sk);
export const skb_rb_next = (skb: sk_buff): sk_buff | null => skb.next;
export const skb_rb_prev = (skb: sk_buff): sk_buff | null => skb.prev;

export const tcp_jiffies_to_usecs = (j: number): number => Math.floor((j * 1_000_000) / kernel().HZ);
export const tcp_skb_can_collapse_to = (skb: sk_buff): boolean => !skb.tcp.eor;
/** Segments a super-frame counts for: gso_segs of a merged one, else 1. */
export const skbGsoSegs = (skb: sk_buff): number => Math.max(1, skb_shinfo(skb).gso_segs);

/* Retransmission timeouts, in jiffies. */
export const tcp_timeout_init = (_sk: sock): number => TCP_TIMEOUT_INIT();
export const tcp_rto_max = (sk: sock): number => inet_csk(sk).icsk_rto_max;
/** The least RTO: the socket's, unless the route locks one (RTAX_RTO_MIN, in ms). */
export function tcp_rto_min(sk: sock): number {
  const dst = __sk_dst_get(sk);
  if (dst !== null && dst_metric_locked(dst, RTAX_RTO_MIN)) return msecs_to_jiffies(dst_metric_raw(dst, RTAX_RTO_MIN));
  return inet_csk(sk).icsk_rto_min;
}
export const tcp_rto_min_us = (sk: sock): number => jiffies_to_usecs(tcp_rto_min(sk));
/** RFC 6298 (2.3): SRTT + 4 × RTTVAR; srtt_us is kept ×8, rttvar_us holds the factor 4 already. */
export const __tcp_set_rto = (tp: tcp_sock): number => usecs_to_jiffies(Math.floor(tp.srtt_us / 8) + tp.rttvar_us);
/** How far in the future (µs) the RTO of the oldest segment is. */
export function tcp_rto_delta_us(sk: sock): number {
  const rto = jiffies_to_usecs(inet_csk(sk).icsk_rto);
  const head = tcp_rtx_queue_head(sk);
  return head === null ? rto : tcp_skb_timestamp_us(head) + rto - tcp_sk(sk).tcp_mstamp;
}
/** Jiffies until the pacer lets the next packet go. */
export function tcp_pacing_delay(sk: sock): number {
  const tp = tcp_sk(sk);
  const delay = tp.tcp_wstamp_ns - tp.tcp_clock_cache;
  return delay > 0 ? nsecs_to_jiffies(delay) : 0;
}
export const tcp_needs_internal_pacing = (sk: sock): boolean => sk.sk_pacing_status === SK_PACING_NEEDED;
export const tcp_probe0_base = (sk: sock): number => Math.max(inet_csk(sk).icsk_rto, TCP_RTO_MIN());
/** When to probe a closed window: exponential, like the RTO (RFC 9293 3.8.6.1). */
export function tcp_probe0_when(sk: sock, max_when: number): number {
  const limit = Math.floor(Math.log2(TCP_RTO_MAX() / TCP_RTO_MIN())) + 1;
  return Math.min(tcp_probe0_base(sk) * 2 ** Math.min(limit, inet_csk(sk).icsk_backoff), max_when);
}
export const tcp_stream_is_thin = (tp: tcp_sock): boolean => tp.packets_out < 4 && !tcp_in_initial_slowstart(tp);

export const keepalive_intvl_when = (tp: tcp_sock): number => tp.keepalive_intvl || tp.skc_net.ipv4.sysctl_tcp_keepalive_intvl;
export const keepalive_time_when = (tp: tcp_sock): number => tp.keepalive_time || tp.skc_net.ipv4.sysctl_tcp_keepalive_time;
export const keepalive_probes = (tp: tcp_sock): number => tp.keepalive_probes || tp.skc_net.ipv4.sysctl_tcp_keepalive_probes;
export const keepalive_time_elapsed = (tp: tcp_sock): number => tcp_jiffies32() - Math.max(tp.icsk_ack.lrcvtime, tp.rcv_tstamp);
/** How long FIN_WAIT2 may last without its owner; at least 3.5 RTOs, so that a retransmitted FIN is still heard. */
export function tcp_fin_time(sk: sock): number {
  const rto = inet_csk(sk).icsk_rto;
  return Math.max(tcp_sk(sk).linger2 || sk.skc_net.ipv4.sysctl_tcp_fin_timeout, 4 * rto - Math.floor(rto / 2));
}

/* Congestion control. */
export const tcp_ca_needs_ecn = (sk: sock): boolean => (inet_csk(sk).icsk_ca_ops.flags & TCP_CONG_NEEDS_ECN) !== 0;
export function tcp_ca_event(sk: sock, event: number): void {
  inet_csk(sk).icsk_ca_ops.cwnd_event?.(sk, event);
}
/** During a reduction the threshold is set already; otherwise 3/4 of the window is known to have worked. */
export function tcp_current_ssthresh(sk: sock): number {
  const tp = tcp_sk(sk);
  if (tcp_in_cwnd_reduction(sk)) return tp.snd_ssthresh;
  return Math.max(tp.snd_ssthresh, (tp.snd_cwnd >>> 1) + (tp.snd_cwnd >>> 2));
}
/** RFC 7661: may cwnd grow? In slow start, when more than half of it was used. */
export function tcp_is_cwnd_limited(sk: sock): boolean {
  const tp = tcp_sk(sk);
  if (tp.is_cwnd_limited) return true;
  return tcp_in_slow_start(tp) && tp.snd_cwnd < 2 * tp.max_packets_out;
}
export const tcp_max_tso_deferred_mss = (_tp: tcp_sock): number => 3;
export const tcp_ecn_mode_any = (tp: tcp_sock): boolean => (tp.ecn_flags & TCP_ECN_MODE_ANY) !== 0;
export const tcp_ecn_mode_rfc3168 = (tp: tcp_sock): boolean => (tp.ecn_flags & TCP_ECN_MODE_ANY) === TCP_ECN_MODE_RFC3168;
export const tcp_ecn_mode_accecn = (tp: tcp_sock): boolean => (tp.ecn_flags & TCP_ECN_MODE_ANY) === TCP_ECN_MODE_ACCECN;
export const tcp_ecn_disabled = (tp: tcp_sock): boolean => !tcp_ecn_mode_any(tp);
export function tcp_ecn_mode_set(tp: tcp_sock, mode: number): void {
  tp.ecn_flags = (tp.ecn_flags & ~TCP_ECN_MODE_ANY) | mode;
}

/* Segment sizes. */
export const tcp_mss_clamp = (tp: tcp_sock, mss: number): number =>
  tp.rx_opt.user_mss !== 0 && tp.rx_opt.user_mss < mss ? tp.rx_opt.user_mss : mss;
/** No packet larger than half the largest window seen, or the peer might never open it that far (RFC 9293 3.8.6.2.1). */
export function tcp_bound_to_half_wnd(tp: tcp_sock, pktsize: number): number {
  const cutoff = tp.max_window > TCP_MSS_DEFAULT ? tp.max_window >>> 1 : tp.max_window;
  return cutoff !== 0 && pktsize > cutoff ? Math.max(cutoff, 68 - tp.tcp_header_len) : pktsize;
}

/* Receiving side. */
/** What a SYN-ACK offered: its window is not scaled. */
export const tcp_synack_window = (req: request_sock): number => Math.min(req.rsk_rcv_wnd, 65535);
export const TCP_HP_BITS = ~(0x0e00_0000 | 0x0008_0000) >>> 0;
export function tcp_init_wl(tp: tcp_sock, seq: number): void {
  tp.snd_wl1 = seq;
}
export const tcp_update_wl = tcp_init_wl;
/** Header prediction: the fourth word of the header (length, flags, window) that the next segment ought to have. */
export function __tcp_fast_path_on(tp: tcp_sock, snd_wnd: number): void {
  // Under AccECN the count of CE marks is expected to stand still.
  const ace = tcp_ecn_mode_accecn(tp) ? (tp.delivered_ce + TCP_ACCECN_CEP_INIT_OFFSET) & TCP_ACCECN_CEP_ACE_MASK : 0;
  tp.pred_flags = ((tp.tcp_header_len << 26) | (ace << 22) | 0x0010_0000 | snd_wnd) >>> 0;
}
export function tcp_fast_path_on(tp: tcp_sock): void {
  __tcp_fast_path_on(tp, tp.snd_wnd >>> tp.rx_opt.snd_wscale);
}
export function tcp_fast_path_check(sk: sock): void {
  const tp = tcp_sk(sk);
  if (tp.out_of_order_queue.first === null && tp.rcv_wnd !== 0 && sk.sk_rmem_alloc < sk.sk_rcvbuf && tp.urg_data === 0)
    tcp_fast_path_on(tp);
}
/** One quick ACK was used up; with the last one the delay starts over at its minimum. */
export function tcp_dec_quickack_mode(sk: sock): void {
  const ack = inet_csk(sk).icsk_ack;
  if (ack.quick === 0) return;
  const pkts = inet_csk_ack_scheduled(sk) ? 1 : 0;
  if (pkts >= ack.quick) {
    ack.quick = 0;
    ack.ato = TCP_ATO_MIN();
  } else ack.quick -= pkts;
}
export const tcp_under_memory_pressure = (sk: sock): boolean => sk.protoMemory !== null && sk.protoMemory.memory_pressure !== 0;
export const tcp_rmem_pressure = (sk: sock): boolean =>
  tcp_under_memory_pressure(sk) || sk.sk_rmem_alloc > sk.sk_rcvbuf - (sk.sk_rcvbuf >>> 3);
export function __tcp_adjust_rcv_ssthresh(sk: sock, new_ssthresh: number): void {
  const tp = tcp_sk(sk);
  tp.rcv_ssthresh = Math.min(tp.rcv_ssthresh, new_ssthresh);
}
export function tcp_adjust_rcv_ssthresh(sk: sock): void {
  __tcp_adjust_rcv_ssthresh(sk, 4 * tcp_sk(sk).advmss);
}
export function tcp_scaling_ratio_init(sk: sock): void {
  tcp_sk(sk).scaling_ratio = TCP_DEFAULT_SCALING_RATIO;
}
/** Enough to read to wake a reader who waits for `target` bytes: also when the sender cannot send more. */
export function tcp_epollin_ready(sk: sock, target: number): boolean {
  const tp = tcp_sk(sk);
  const available = s32sub(tp.rcv_nxt, tp.copied_seq);
  if (available <= 0) return false;
  return available >= target || tcp_rmem_pressure(sk) || tcp_receive_window(tp) <= tp.icsk_ack.rcv_mss;
}
/** Bytes that can be read up to the urgent mark; a FIN counts in rcv_nxt but is no byte. */
export function tcp_inq(sk: sock): number {
  const tp = tcp_sk(sk);
  if (((1 << sk.skc_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) !== 0) return 0;
  if (sock_flag(sk, SOCK_URGINLINE) || tp.urg_data === 0 || before(tp.urg_seq, tp.copied_seq) || !before(tp.urg_seq, tp.rcv_nxt)) {
    const answ = u32sub(tp.rcv_nxt, tp.copied_seq);
    return answ !== 0 && sock_flag(sk, SOCK_DONE) ? answ - 1 : answ;
  }
  return u32sub(tp.urg_seq, tp.copied_seq);
}

/* Sending side. */
export const tcp_urg_mode = (tp: tcp_sock): boolean => tp.snd_una !== tp.snd_up;
export const tcp_notsent_lowat = (tp: tcp_sock): number => tp.notsent_lowat || tp.skc_net.ipv4.sysctl_tcp_notsent_lowat;
export const tcp_passive_fastopen = (sk: sock): boolean => sk.skc_state === 3 && tcp_sk(sk).fastopen_rsk !== null;
/** Collapsing keeps the boundary of a record (MSG_EOR) and does not mix zero-copy and copied data. */
export const tcp_skb_can_collapse = (to: sk_buff, from: sk_buff): boolean =>
  tcp_skb_can_collapse_to(to) && to.shinfo.destructor_arg === from.shinfo.destructor_arg;
export function tcp_clear_retrans_hints_partial(_tp: tcp_sock): void {}
export function tcp_clear_all_retrans_hints(tp: tcp_sock): void {
  tcp_clear_retrans_hints_partial(tp);
  tp.retransmit_skb_hint = null;
}
export function tcp_saved_syn_free(tp: tcp_sock): void {
  tp.saved_syn = null;
}
/** The highest segment that was selectively acknowledged: what lies before it may be lost, null when it is the last one sent. */
export function tcp_highest_sack_seq(tp: tcp_sock): number {
  if (tp.sacked_out === 0) return tp.snd_una;
  return tp.highest_sack === null ? tp.snd_nxt : tp.highest_sack.tcp.seq;
}
export function tcp_advance_highest_sack(sk: sock, skb: sk_buff): void {
  tcp_sk(sk).highest_sack = skb.next;
}
export const tcp_highest_sack = (sk: sock): sk_buff | null => tcp_sk(sk).highest_sack;
export function tcp_highest_sack_reset(sk: sock): void {
  tcp_sk(sk).highest_sack = tcp_rtx_queue_head(sk);
}
export function tcp_highest_sack_replace(sk: sock, old: sk_buff, next: sk_buff | null): void {
  const tp = tcp_sk(sk);
  if (old === tp.highest_sack) tp.highest_sack = next;
}

/** Sent later; of two sent at the same instant the one with the higher sequence number. */
export const tcp_skb_sent_after = (t1: number, t2: number, seq1: number, seq2: number): boolean =>
  t1 > t2 || (t1 === t2 && after(seq1, seq2));
export function tcp_bound_rto(sk: sock): void {
  const icsk = inet_csk(sk);
  if (icsk.icsk_rto > icsk.icsk_rto_max) icsk.icsk_rto = icsk.icsk_rto_max;
}
export function tcp_sack_reset(rx_opt: tcp_options_received): void {
  rx_opt.dsack = false;
  rx_opt.num_sacks = 0;
}
/** Never 0, which means "no stamp" where it is kept: a machine does not talk in its first second, a simulation does. */
export const ktime_get_seconds = (): number => Math.floor(this_cpu.clock / 1_000_000_000) + 1;
/** RFC 7323 (5.3), with `paws_win` ticks of tolerance; stamps older than 24 days say nothing. */
export function tcp_paws_check(rx_opt: tcp_options_received, paws_win: number): boolean {
  if (((rx_opt.ts_recent - rx_opt.rcv_tsval) | 0) <= paws_win) return true;
  if (ktime_get_seconds() >= rx_opt.ts_recent_stamp + TCP_PAWS_24DAYS) return true;
  return rx_opt.ts_recent === 0;
}
/** A RST may be old: the peer's clock may have started anew. */
export function tcp_paws_reject(rx_opt: tcp_options_received, rst: boolean): boolean {
  if (tcp_paws_check(rx_opt, 0)) return false;
  return !(rst && ktime_get_seconds() >= rx_opt.ts_recent_stamp + TCP_PAWS_MSL);
}

/** Counts a received packet by its segments. */
export function tcp_segs_in(tp: tcp_sock, skb: sk_buff): void {
  const segs = skbGsoSegs(skb);
  tp.segs_in += segs;
  if (skb.len > (skb.mem.u8[skb.transport_header + 12]! >> 4) << 2) tp.data_segs_in += segs;
}
/** A segment that stays with its socket needs no route any more. */
export function tcp_cleanup_skb(skb: sk_buff): void {
  skb_dst_drop(skb);
}
export function tcp_add_receive_queue(sk: sock, skb: sk_buff): void {
  __skb_queue_tail(sk.sk_receive_queue, skb);
}
/** A listener could not take a SYN, or the ACK that completes a handshake. */
export function tcp_listendrop(sk: sock): void {
  sk.sk_drops++;
  NET_INC_STATS(sk.skc_net, LINUX_MIB_LISTENDROPS);
}
