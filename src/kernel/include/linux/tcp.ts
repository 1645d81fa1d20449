/** include/linux/tcp.h: the TCP part of a socket. */

import { WIDE } from '../../../sim/wide.ts';
import type { hrtimer } from '../../kernel/time/hrtimer.ts';
import { tcphdr } from '../../uapi/in.ts';
import { inet_connection_sock } from '../net/inet_sock.ts';
import type { sock } from '../net/sock.ts';
import type { tcp_md5sig_info } from '../net/tcp_md5sig.ts';
import type { sk_buff, ubuf_info } from './skbuff.ts';
import { skbTree } from './skbuff_rbtree.ts';
import { minmax } from './win_minmax.ts';

/** A block of received data to be acknowledged selectively. */
export class tcp_sack_block {
  start_seq = WIDE;
  end_seq = WIDE;
}

/** Options of the segment at hand and of the connection. */
export class tcp_options_received {
  ts_recent_stamp = WIDE;
  ts_recent = WIDE;
  rcv_tsval = WIDE;
  rcv_tsecr = WIDE;
  saw_tstamp = false;
  tstamp_ok = false;
  dsack = false;
  wscale_ok = false;
  sack_ok = 0;
  smc_ok = false;
  snd_wscale = 0;
  rcv_wscale = 0;
  saw_unknown = false;
  accecn = 0;
  num_sacks = 0;
  user_mss = 0;
  mss_clamp = 0;
}

export function tcp_clear_options(rx_opt: tcp_options_received): void {
  rx_opt.tstamp_ok = false;
  rx_opt.sack_ok = 0;
  rx_opt.wscale_ok = false;
  rx_opt.snd_wscale = 0;
}

/** A Fast Open cookie; `len` -1 means "asked for none". */
export class tcp_fastopen_cookie {
  val: Uint8Array = new Uint8Array(16);
  len = -1;
  exp = false;
}

export interface tcp_fastopen_request {
  cookie: tcp_fastopen_cookie;
  data: import('../net/sock.ts').msghdr | null;
  size: number;
  copied: number;
  uarg: ubuf_info | null;
}

export const TCP_CHRONO_UNSPEC = 0;
export const TCP_CHRONO_BUSY = 1;
export const TCP_CHRONO_RWND_LIMITED = 2;
export const TCP_CHRONO_SNDBUF_LIMITED = 3;
export const __TCP_CHRONO_MAX = 4;

/** Head of the list of sent segments in the order of their last transmission; O(1), since RACK moves segments on every send. */
export class tsortedList {
  next: sk_buff | null = null;
  prev: sk_buff | null = null;
}

/** Bits of sk_tsq_flags. */
export const TSQF_THROTTLED = 1 << 0;
export const TSQF_QUEUED = 1 << 1;
export const TCPF_TSQ_DEFERRED = 1 << 2;
export const TCPF_WRITE_TIMER_DEFERRED = 1 << 3;
export const TCPF_DELACK_TIMER_DEFERRED = 1 << 4;
export const TCPF_MTU_REDUCED_DEFERRED = 1 << 5;
export const TCPF_ACK_DEFERRED = 1 << 6;
export const TCP_DEFERRED_ALL =
  TCPF_TSQ_DEFERRED | TCPF_WRITE_TIMER_DEFERRED | TCPF_DELACK_TIMER_DEFERRED | TCPF_MTU_REDUCED_DEFERRED | TCPF_ACK_DEFERRED;

export class tcp_sock extends inet_connection_sock {
  tcp_header_len = 0;
  gso_segs = 0;
  bytes_received = WIDE;
  segs_in = 0;
  data_segs_in = 0;
  rcv_nxt = WIDE;
  copied_seq = WIDE;
  rcv_wup = WIDE;
  snd_nxt = WIDE;
  segs_out = 0;
  data_segs_out = 0;
  bytes_sent = WIDE;
  bytes_acked = WIDE;
  dsack_dups = 0;
  snd_una = WIDE;
  snd_sml = WIDE;
  rcv_tstamp = WIDE;
  rcv_rtt_last_tsecr = WIDE;
  lsndtime = WIDE;
  last_oow_ack_time = WIDE;
  compressed_ack_rcv_nxt = WIDE;
  tsoffset = WIDE;
  snd_wl1 = WIDE;
  snd_wnd = WIDE;
  max_window = WIDE;
  mss_cache = 0;
  window_clamp = WIDE;
  rcv_ssthresh = 0;
  scaling_ratio = 0;
  advmss = 0;
  compressed_ack = 0;
  dup_ack_counter = 0;
  tlp_retrans = false;
  tcp_usec_ts = false;
  tcp_tx_delay = 0;
  tcp_wstamp_ns = WIDE;
  tcp_clock_cache = WIDE;
  /** µs, refreshed from the clock by tcp_mstamp_refresh(). */
  tcp_mstamp = WIDE;
  /** Sent segments by the time they were last sent: links are in the sk_buffs (net/ipv4/tcp_rtx_queue.ts). */
  readonly tsorted_sent_queue = new tsortedList();
  highest_sack: sk_buff | null = null;
  prr_delivered = 0;
  prr_out = 0;
  delivered = 0;
  delivered_ce = 0;
  received_ce = 0;
  received_ce_pending = 0;
  app_limited = WIDE;
  rcv_wnd = 0;
  write_seq = WIDE;
  notsent_lowat = 0;
  pushed_seq = WIDE;
  lost_out = 0;
  sacked_out = 0;
  packets_out = 0;
  retrans_out = 0;
  max_packets_out = 0;
  cwnd_usage_seq = WIDE;
  rate_delivered = 0;
  rate_interval_us = 0;
  rate_app_limited = true;
  readonly rack = {
    mstamp: WIDE,
    rtt_us: 0,
    end_seq: WIDE,
    last_delivered: 0,
    reo_wnd_steps: 1,
    reo_wnd_persist: 0,
    dsack_seen: false,
    advanced: false,
  };
  fastopen_connect = false;
  fastopen_no_cookie = false;
  fastopen_client_fail = 0;
  fastopen_req: tcp_fastopen_request | null = null;
  fastopen_rsk: import('../net/request_sock.ts').request_sock | null = null;
  syn_fastopen = false;
  syn_fastopen_exp = false;
  syn_fastopen_ch = false;
  /** Made by a SYN with data. */
  syn_fastopen_child = false;
  syn_data = false;
  syn_data_acked = false;
  save_syn = 0;
  is_cwnd_limited = false;
  is_sack_reneg = false;
  frto = false;
  repair = false;
  nonagle = 0;
  thin_lto = false;
  recvmsg_inq = false;
  chrono_type = TCP_CHRONO_UNSPEC;
  chrono_start = WIDE;
  readonly chrono_stat = new Float64Array(__TCP_CHRONO_MAX);
  keepalive_time = 0;
  keepalive_intvl = 0;
  keepalive_probes = 0;
  linger2 = 0;
  srtt_us = 0;
  mdev_us = 0;
  mdev_max_us = 0;
  rttvar_us = 0;
  rtt_seq = WIDE;
  readonly rtt_min = new minmax();
  snd_cwnd = 0;
  snd_cwnd_cnt = 0;
  snd_cwnd_clamp = WIDE;
  snd_cwnd_used = 0;
  snd_cwnd_stamp = WIDE;
  snd_ssthresh = 0;
  prior_cwnd = 0;
  prior_ssthresh = 0;
  high_seq = WIDE;
  undo_marker = WIDE;
  undo_retrans = 0;
  bytes_retrans = WIDE;
  total_retrans = 0;
  rto_stamp = WIDE;
  total_rto = 0;
  total_rto_recoveries = 0;
  total_rto_time = 0;
  first_tx_mstamp = WIDE;
  delivered_mstamp = WIDE;
  lost = 0;
  urg_seq = WIDE;
  urg_data = 0;
  snd_up = WIDE;
  pred_flags = WIDE;
  reordering = 0;
  reord_seen = 0;
  rcv_ooopack = 0;
  timeout_rehash = 0;
  ecn_flags = 0;
  tlp_high_seq = WIDE;
  retransmit_skb_hint: sk_buff | null = null;
  retrans_stamp = WIDE;
  /** Out-of-order segments by sequence number. */
  readonly out_of_order_queue = new skbTree();
  ooo_last_skb: sk_buff | null = null;
  readonly duplicate_sack: [tcp_sack_block] = [new tcp_sack_block()];
  readonly selective_acks: tcp_sack_block[] = [new tcp_sack_block(), new tcp_sack_block(), new tcp_sack_block(), new tcp_sack_block()];
  readonly recv_sack_cache: tcp_sack_block[] = [new tcp_sack_block(), new tcp_sack_block(), new tcp_sack_block(), new tcp_sack_block()];
  readonly rx_opt = new tcp_options_received();
  pacing_timer: hrtimer = null as unknown as hrtimer;
  compressed_ack_timer: hrtimer = null as unknown as hrtimer;
  readonly rcv_rtt_est = { rtt_us: 0, seq: WIDE, time: WIDE };
  readonly rcvq_space = { space: 0, seq: WIDE, time: WIDE };
  readonly mtu_probe = { probe_seq_start: WIDE, probe_seq_end: WIDE };
  /** On its CPU's queue of throttled sockets whose skbs were freed: tsq_node. */
  tsqNext: tcp_sock | null = null;
  plb_rehash = 0;
  mtu_info = 0;
  md5sig_info: tcp_md5sig_info | null = null;
  saved_syn: Uint8Array | null = null;
  /** Bytes that arrived with ECT(1), ECT(0) and CE; and that the peer reports so of ours. */
  readonly received_ecn_bytes = new Uint32Array(3);
  readonly delivered_ecn_bytes = new Uint32Array(3);
  /** When the AccECN option was sent last, µs. */
  accecn_opt_tstamp = WIDE;
  prev_ecnfield = 0;
  /** Counters that the next option must have at least. */
  accecn_minlen = 0;
  /** The only codepoint whose count has moved of late (the peer's options tell); 0: none or several. */
  est_ecnfield = 0;
  accecn_opt_demand = 0;
  accecn_fail_mode = 0;
  saw_accecn_opt = 0;
  syn_ect_rcv = 0;
  syn_ect_snt = 0;
}

export const tcp_hdr = (skb: sk_buff): tcphdr => new tcphdr(skb.mem.view, skb.transport_header);
export const tcp_hdrlen = (skb: sk_buff): number => (skb.mem.u8[skb.transport_header + 12]! >> 4) << 2;
export const tcp_sk = (sk: sock): tcp_sock => sk as tcp_sock;
