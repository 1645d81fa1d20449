/** net/ipv4/tcp.c, uapi/linux/tcp.h: struct tcp_info, all that a connection tells about itself. */
import { TCP_CHRONO_BUSY, TCP_CHRONO_RWND_LIMITED, TCP_CHRONO_SNDBUF_LIMITED, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { min } from '../../include/linux/types.ts';
import { INET_ECN_CE, INET_ECN_ECT_0, INET_ECN_ECT_1 } from '../../include/net/inet_ecn.ts';
import type { sock } from '../../include/net/sock.ts';
import { s32sub, TCP_ECN_SEEN, tcp_clock_ms, tcp_ecn_mode_any, tcp_is_sack, tcp_min_rtt, tcp_snd_cwnd } from '../../include/net/tcp.ts';
import { jiffies_to_msecs, jiffies_to_usecs, tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { SOCK_STREAM } from '../../uapi/socket.ts';
import {
  TCP_LISTEN,
  TCPI_OPT_ECN,
  TCPI_OPT_ECN_SEEN,
  TCPI_OPT_SACK,
  TCPI_OPT_SYN_DATA,
  TCPI_OPT_TFO_CHILD,
  TCPI_OPT_TIMESTAMPS,
  TCPI_OPT_USEC_TS,
  TCPI_OPT_WSCALE,
} from '../../uapi/tcp.ts';
import { tcp_delack_max } from './tcp_output.ts';

/** Fields in the order of the C structure. Rates are bytes a second (SK_PACING_UNLIMITED for ~0), times as their names or µs (tcpi_last_*: ms). */
export class tcp_info {
  tcpi_state = 0;
  tcpi_ca_state = 0;
  tcpi_retransmits = 0;
  tcpi_probes = 0;
  tcpi_backoff = 0;
  tcpi_options = 0;
  tcpi_snd_wscale = 0;
  tcpi_rcv_wscale = 0;
  tcpi_delivery_rate_app_limited = 0;
  tcpi_fastopen_client_fail = 0;
  tcpi_rto = 0;
  tcpi_ato = 0;
  tcpi_snd_mss = 0;
  tcpi_rcv_mss = 0;
  tcpi_unacked = 0;
  tcpi_sacked = 0;
  tcpi_lost = 0;
  tcpi_retrans = 0;
  tcpi_fackets = 0;
  tcpi_last_data_sent = 0;
  tcpi_last_ack_sent = 0;
  tcpi_last_data_recv = 0;
  tcpi_last_ack_recv = 0;
  tcpi_pmtu = 0;
  tcpi_rcv_ssthresh = 0;
  tcpi_rtt = 0;
  tcpi_rttvar = 0;
  tcpi_snd_ssthresh = 0;
  tcpi_snd_cwnd = 0;
  tcpi_advmss = 0;
  tcpi_reordering = 0;
  tcpi_rcv_rtt = 0;
  tcpi_rcv_space = 0;
  tcpi_total_retrans = 0;
  tcpi_pacing_rate = 0;
  tcpi_max_pacing_rate = 0;
  tcpi_bytes_acked = 0;
  tcpi_bytes_received = 0;
  tcpi_segs_out = 0;
  tcpi_segs_in = 0;
  tcpi_notsent_bytes = 0;
  tcpi_min_rtt = 0;
  tcpi_data_segs_in = 0;
  tcpi_data_segs_out = 0;
  tcpi_delivery_rate = 0;
  tcpi_busy_time = 0;
  tcpi_rwnd_limited = 0;
  tcpi_sndbuf_limited = 0;
  tcpi_delivered = 0;
  tcpi_delivered_ce = 0;
  tcpi_bytes_sent = 0;
  tcpi_bytes_retrans = 0;
  tcpi_dsack_dups = 0;
  tcpi_reord_seen = 0;
  tcpi_rcv_ooopack = 0;
  tcpi_snd_wnd = 0;
  tcpi_rcv_wnd = 0;
  tcpi_rehash = 0;
  tcpi_total_rto = 0;
  tcpi_total_rto_recoveries = 0;
  tcpi_total_rto_time = 0;
  tcpi_received_ce = 0;
  tcpi_delivered_e1_bytes = 0;
  tcpi_delivered_e0_bytes = 0;
  tcpi_delivered_ce_bytes = 0;
  tcpi_received_e1_bytes = 0;
  tcpi_received_e0_bytes = 0;
  tcpi_received_ce_bytes = 0;
  tcpi_accecn_fail_mode = 0;
  tcpi_accecn_opt_seen = 0;
}

/** µs that the chronograph `type` has run, the present time included. */
function chronoUs(tp: tcp_sock, type: number): number {
  const running = type === tp.chrono_type ? tcp_jiffies32() - tp.chrono_start : 0;
  return jiffies_to_usecs(tp.chrono_stat[type - 1]! + running);
}

/** Being limited by the window or the buffer is being busy, too. */
function tcp_get_info_chrono_stats(tp: tcp_sock, info: tcp_info): void {
  info.tcpi_rwnd_limited = chronoUs(tp, TCP_CHRONO_RWND_LIMITED);
  info.tcpi_sndbuf_limited = chronoUs(tp, TCP_CHRONO_SNDBUF_LIMITED);
  info.tcpi_busy_time = chronoUs(tp, TCP_CHRONO_BUSY) + info.tcpi_rwnd_limited + info.tcpi_sndbuf_limited;
}

export function tcp_compute_delivery_rate(tp: tcp_sock): number {
  if (tp.rate_delivered === 0 || tp.rate_interval_us === 0) return 0;
  return Math.floor((tp.rate_delivered * tp.mss_cache * 1_000_000) / tp.rate_interval_us);
}

function optionBits(tp: tcp_sock): number {
  let options = 0;
  if (tp.rx_opt.tstamp_ok) options |= TCPI_OPT_TIMESTAMPS;
  if (tcp_is_sack(tp)) options |= TCPI_OPT_SACK;
  if (tp.rx_opt.wscale_ok) options |= TCPI_OPT_WSCALE;
  if (tcp_ecn_mode_any(tp)) options |= TCPI_OPT_ECN;
  if ((tp.ecn_flags & TCP_ECN_SEEN) !== 0) options |= TCPI_OPT_ECN_SEEN;
  if (tp.syn_data_acked) options |= TCPI_OPT_SYN_DATA;
  if (tp.tcp_usec_ts) options |= TCPI_OPT_USEC_TS;
  if (tp.syn_fastopen_child) options |= TCPI_OPT_TFO_CHILD;
  return options;
}

export function tcp_get_info(sk: sock, info: tcp_info): void {
  if (sk.sk_type !== SOCK_STREAM) return;
  const tp = tcp_sk(sk);
  info.tcpi_state = sk.skc_state;
  info.tcpi_pacing_rate = sk.sk_pacing_rate;
  info.tcpi_max_pacing_rate = sk.sk_max_pacing_rate;
  info.tcpi_reordering = tp.reordering;
  info.tcpi_snd_cwnd = tcp_snd_cwnd(tp);
  if (sk.skc_state === TCP_LISTEN) {
    // Fields that listeners have another use for.
    info.tcpi_unacked = sk.sk_ack_backlog;
    info.tcpi_sacked = sk.sk_max_ack_backlog;
    return;
  }
  fillConnection(sk, tp, info);
  fillCounters(tp, info);
  tcp_get_info_chrono_stats(tp, info);
}

function fillConnection(sk: sock, tp: tcp_sock, info: tcp_info): void {
  const now = tcp_jiffies32();
  info.tcpi_ca_state = tp.icsk_ca_state;
  info.tcpi_retransmits = tp.icsk_retransmits;
  info.tcpi_probes = tp.icsk_probes_out;
  info.tcpi_backoff = tp.icsk_backoff;
  info.tcpi_options = optionBits(tp);
  if (tp.rx_opt.wscale_ok) {
    info.tcpi_snd_wscale = tp.rx_opt.snd_wscale;
    info.tcpi_rcv_wscale = tp.rx_opt.rcv_wscale;
  }
  info.tcpi_delivery_rate_app_limited = tp.rate_app_limited ? 1 : 0;
  info.tcpi_fastopen_client_fail = tp.fastopen_client_fail;
  info.tcpi_rto = jiffies_to_usecs(tp.icsk_rto);
  info.tcpi_ato = jiffies_to_usecs(min(tp.icsk_ack.ato, tcp_delack_max(sk)));
  info.tcpi_snd_mss = tp.mss_cache;
  info.tcpi_rcv_mss = tp.icsk_ack.rcv_mss;
  info.tcpi_unacked = tp.packets_out;
  info.tcpi_sacked = tp.sacked_out;
  info.tcpi_lost = tp.lost_out;
  info.tcpi_retrans = tp.retrans_out;
  // Differences of 32-bit jiffies, in milliseconds of 32 bits: of what never was they count from where jiffies wrapped.
  info.tcpi_last_data_sent = jiffies_to_msecs((now - tp.lsndtime) >>> 0) >>> 0;
  info.tcpi_last_data_recv = jiffies_to_msecs((now - tp.icsk_ack.lrcvtime) >>> 0) >>> 0;
  info.tcpi_last_ack_recv = jiffies_to_msecs((now - tp.rcv_tstamp) >>> 0) >>> 0;
  info.tcpi_pmtu = tp.icsk_pmtu_cookie;
  info.tcpi_rcv_ssthresh = tp.rcv_ssthresh;
  info.tcpi_rtt = Math.floor(tp.srtt_us / 8);
  info.tcpi_rttvar = Math.floor(tp.mdev_us / 4);
  info.tcpi_snd_ssthresh = tp.snd_ssthresh;
  info.tcpi_advmss = tp.advmss;
  info.tcpi_rcv_rtt = Math.floor(tp.rcv_rtt_est.rtt_us / 8);
  info.tcpi_rcv_space = tp.rcvq_space.space;
  info.tcpi_min_rtt = tcp_min_rtt(tp);
  info.tcpi_snd_wnd = tp.snd_wnd;
  info.tcpi_rcv_wnd = tp.rcv_wnd;
}

function fillCounters(tp: tcp_sock, info: tcp_info): void {
  info.tcpi_total_retrans = tp.total_retrans;
  info.tcpi_bytes_acked = tp.bytes_acked;
  info.tcpi_bytes_received = tp.bytes_received;
  info.tcpi_notsent_bytes = Math.max(0, s32sub(tp.write_seq, tp.snd_nxt));
  info.tcpi_segs_out = tp.segs_out;
  info.tcpi_segs_in = tp.segs_in;
  info.tcpi_data_segs_in = tp.data_segs_in;
  info.tcpi_data_segs_out = tp.data_segs_out;
  info.tcpi_delivery_rate = tcp_compute_delivery_rate(tp);
  info.tcpi_delivered = tp.delivered;
  info.tcpi_delivered_ce = tp.delivered_ce;
  info.tcpi_bytes_sent = tp.bytes_sent;
  info.tcpi_bytes_retrans = tp.bytes_retrans;
  info.tcpi_dsack_dups = tp.dsack_dups;
  info.tcpi_reord_seen = tp.reord_seen;
  info.tcpi_rcv_ooopack = tp.rcv_ooopack;
  info.tcpi_rehash = tp.plb_rehash + tp.timeout_rehash;
  info.tcpi_total_rto = tp.total_rto;
  info.tcpi_total_rto_recoveries = tp.total_rto_recoveries;
  info.tcpi_total_rto_time = tp.total_rto_time + (tp.rto_stamp !== 0 ? tcp_clock_ms() - tp.rto_stamp : 0);
  info.tcpi_received_ce = tp.received_ce;
  info.tcpi_delivered_e1_bytes = tp.delivered_ecn_bytes[INET_ECN_ECT_1 - 1]!;
  info.tcpi_delivered_e0_bytes = tp.delivered_ecn_bytes[INET_ECN_ECT_0 - 1]!;
  info.tcpi_delivered_ce_bytes = tp.delivered_ecn_bytes[INET_ECN_CE - 1]!;
  info.tcpi_received_e1_bytes = tp.received_ecn_bytes[INET_ECN_ECT_1 - 1]!;
  info.tcpi_received_e0_bytes = tp.received_ecn_bytes[INET_ECN_ECT_0 - 1]!;
  info.tcpi_received_ce_bytes = tp.received_ecn_bytes[INET_ECN_CE - 1]!;
  info.tcpi_accecn_fail_mode = tp.accecn_fail_mode;
  info.tcpi_accecn_opt_seen = tp.saw_accecn_opt;
}
