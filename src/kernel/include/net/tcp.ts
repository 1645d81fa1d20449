/**
 * include/net/tcp.h: TCP's constants and small inline functions: sequence arithmetic, queues, windows, in-flight accounting, clocks.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { kernel } from '../../current.ts';
import { TCP_CA_CWR, TCP_CA_Recovery } from '../../uapi/tcp.ts';
import { type sk_buff, skb_peek_tail, skb_shinfo } from '../linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../linux/tcp.ts';
import { minmax_get } from '../linux/win_minmax.ts';
import { inet_csk } from './inet_sock.ts';
import type { sock } from './sock.ts';
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

export const TCP_ECN_OK = 1;
export const TCP_ECN_QUEUE_CWR = 2;
export const TCP_ECN_DEMAND_CWR = 4;
export const TCP_ECN_SEEN = 8;

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
  Math.floor((space * tcp_sk(sk).scaling_ratio) / 2 ** TCP_RMEM_TO_WIN_SCALE);
export const tcp_space_from_win = (sk: sock, win: number): number =>
  Math.floor((win * 2 ** TCP_RMEM_TO_WIN_SCALE) / tcp_sk(sk).scaling_ratio);
export const tcp_space = (sk: sock): number => tcp_win_from_space(sk, sk.sk_rcvbuf - sk.sk_backlog_len - sk.sk_rmem_alloc);
export const tcp_full_space = (sk: sock): number => tcp_win_from_space(sk, sk.sk_rcvbuf);

/** What the peer may still send: the right edge of the window offered. */
export const tcp_receive_window = (tp: tcp_sock): number => Math.max((tp.rcv_wup + tp.rcv_wnd - tp.rcv_nxt) | 0, 0);

export const tcp_write_queue_empty = (sk: sock): boolean => tcp_sk(sk).write_seq === tcp_sk(sk).snd_nxt;
export const tcp_send_head = (sk: sock): sk_buff | null => sk.sk_write_queue.next;
export const tcp_write_queue_head = tcp_send_head;
export const tcp_write_queue_tail = (sk: sock): sk_buff | null => skb_peek_tail(sk.sk_write_queue);
export const tcp_skb_is_last = (sk: sock, skb: sk_buff): boolean => sk.sk_write_queue.prev === skb;
export const tcp_rtx_queue_head = (sk: sock): sk_buff | null => sk.tcp_rtx_queue.next;
export const tcp_rtx_queue_tail = (sk: sock): sk_buff | null => sk.tcp_rtx_queue.prev;
export const tcp_rtx_queue_empty = (sk: sock): boolean => sk.tcp_rtx_queue.next === null;
export const tcp_rtx_and_write_queues_empty = (sk: sock): boolean => tcp_rtx_queue_empty(sk) && tcp_write_queue_empty(sk);
export const skb_rb_next = (skb: sk_buff): sk_buff | null => skb.next;
export const skb_rb_prev = (skb: sk_buff): sk_buff | null => skb.prev;

export const tcp_jiffies_to_usecs = (j: number): number => Math.floor((j * 1_000_000) / kernel().HZ);
export const tcp_skb_can_collapse_to = (skb: sk_buff): boolean => !skb.tcp.eor;
/** Segments a super-frame counts for: gso_segs of a merged one, else 1. */
export const skbGsoSegs = (skb: sk_buff): number => Math.max(1, skb_shinfo(skb).gso_segs);
