/** include/net/inet_sock.h, inet_connection_sock.h: the Internet and the connection part of a socket. */

import { WIDE } from '../../../sim/wide.ts';
import type { timer_list } from '../../kernel/time/timer.ts';
import type { sk_buff } from '../linux/skbuff.ts';
import type { dst_entry } from './dst.ts';
import type { inet_bind_bucket, inet_bind2_bucket } from './inet_hashtables.ts';
import type { inet_cork } from './ip.ts';
import { type request_sock, request_sock_queue } from './request_sock.ts';
import { sock } from './sock.ts';
import type { tcp_congestion_ops } from './tcp_congestion_ops.ts';

/** The path of a socket's packets: what ip_route_output_flow() is asked. */
export class flowi4 {
  flowi4_oif = 0;
  flowi4_iif = 0;
  flowi4_scope = 0;
  flowi4_mark = 0;
  flowi4_tos = 0;
  flowi4_proto = 0;
  flowi4_flags = 0;
  saddr = 0;
  daddr = 0;
  fl4_sport = 0;
  fl4_dport = 0;
  fl4_icmp_type = 0;
  fl4_icmp_code = 0;
}

export class inet_sock extends sock {
  inet_saddr = 0;
  inet_sport = 0;
  uc_ttl = -1;
  mc_ttl = 1;
  mc_loop = true;
  mc_all = true;
  mc_index = 0;
  mc_addr = 0;
  uc_index = 0;
  tos = 0;
  rcv_tos = 0;
  min_ttl = 0;
  pmtudisc = 1;
  inet_id = 0;
  cmsg_flags = 0;
  recverr = false;
  recverr_rfc4884 = false;
  freebind = false;
  transparent = false;
  hdrincl = false;
  is_icsk = false;
  defer_connect = false;
  bind_address_no_port = false;
  nodefrag = false;
  local_port_range: [number, number] | null = null;
  readonly fl4 = new flowi4();
  /** IP options of what it sends: those that came with the SYN, for the way back. */
  inet_opt: Uint8Array | null = null;
  /** What ip_append_data() has collected so far; null while nothing is corked. */
  cork: inet_cork | null = null;
}

export const inet_sk = (sk: sock): inet_sock => sk as inet_sock;

/** icsk_pending */
export const ICSK_TIME_RETRANS = 1;
export const ICSK_TIME_DACK = 2;
export const ICSK_TIME_PROBE0 = 3;
export const ICSK_TIME_LOSS_PROBE = 5;
export const ICSK_TIME_REO_TIMEOUT = 6;

/** icsk_ack.pending */
export const ICSK_ACK_SCHED = 1;
export const ICSK_ACK_TIMER = 2;
export const ICSK_ACK_PUSHED = 4;
export const ICSK_ACK_PUSHED2 = 8;
export const ICSK_ACK_NOW = 16;
export const ICSK_ACK_NOMEM = 32;

/** What differs between TCP over IPv4 and others. */
export interface inet_connection_sock_af_ops {
  queue_xmit(sk: sock, skb: sk_buff, fl: flowi4): number;
  send_check(sk: sock, skb: sk_buff): void;
  rebuild_header(sk: sock): number;
  sk_rx_dst_set(sk: sock, skb: sk_buff): void;
  conn_request(sk: sock, skb: sk_buff): number;
  syn_recv_sock(sk: sock, skb: sk_buff, req: request_sock, dst: dst_entry | null, req_unhash: request_sock | null): sock | null;
  readonly net_header_len: number;
  setsockopt(sk: sock, level: number, optname: number, value: unknown): number;
  getsockopt(sk: sock, level: number, optname: number): unknown;
  mtu_reduced(sk: sock): void;
}

export class inet_connection_sock extends inet_sock {
  icsk_accept_queue = new request_sock_queue();
  icsk_bind_hash: inet_bind_bucket | null = null;
  icsk_bind2_hash: inet_bind2_bucket | null = null;
  icsk_timeout = WIDE;
  icsk_retransmit_timer: timer_list = null as unknown as timer_list;
  icsk_delack_timer: timer_list = null as unknown as timer_list;
  icsk_keepalive_timer: timer_list = null as unknown as timer_list;
  icsk_rto = 0;
  icsk_rto_min = 0;
  icsk_rto_max = 0;
  icsk_delack_max = 0;
  icsk_pmtu_cookie = 0;
  icsk_ca_ops: tcp_congestion_ops = null as unknown as tcp_congestion_ops;
  /** inet_csk_ca(sk): the congestion control's own state. */
  icsk_ca_priv: unknown = null;
  icsk_af_ops: inet_connection_sock_af_ops = null as unknown as inet_connection_sock_af_ops;
  icsk_ca_state = 0;
  icsk_ca_initialized = false;
  icsk_ca_setsockopt = false;
  icsk_ca_dst_locked = false;
  icsk_retransmits = 0;
  icsk_pending = 0;
  icsk_backoff = 0;
  icsk_syn_retries = 0;
  icsk_probes_out = 0;
  icsk_probes_tstamp = 0;
  icsk_user_timeout = 0;
  icsk_ext_hdr_len = 0;
  icsk_sync_mss: (sk: sock, pmtu: number) => number = null as unknown as (sk: sock, pmtu: number) => number;
  readonly icsk_ack = {
    pending: 0,
    quick: 0,
    pingpong: 0,
    retry: 0,
    ato: 0,
    lrcv_flowlabel: 0,
    dst_quick_ack: false,
    timeout: 0,
    lrcvtime: 0,
    last_seg_size: 0,
    rcv_mss: 0,
  };
  readonly icsk_mtup = { search_high: 0, search_low: 0, probe_size: 0, enabled: false, probe_timestamp: 0 };
}

export const inet_csk = (sk: sock): inet_connection_sock => sk as inet_connection_sock;
export const inet_csk_ca = <T>(sk: sock): T => (sk as inet_connection_sock).icsk_ca_priv as T;
export const inet_csk_ack_scheduled = (sk: sock): boolean => (inet_csk(sk).icsk_ack.pending & ICSK_ACK_SCHED) !== 0;
export function inet_csk_schedule_ack(sk: sock): void {
  inet_csk(sk).icsk_ack.pending |= ICSK_ACK_SCHED;
}

/** Jiffies at which the retransmission and the delayed-ACK timer are due. */
export const icsk_timeout = (icsk: inet_connection_sock): number => icsk.icsk_retransmit_timer.expires;
export const icsk_delack_timeout = (icsk: inet_connection_sock): number => icsk.icsk_delack_timer.expires;

/** A session that answers requests sends its ACKs along with the answers: it delays them without quick ACKs. */
export function inet_csk_enter_pingpong_mode(sk: sock): void {
  inet_csk(sk).icsk_ack.pingpong = sk.skc_net.ipv4.sysctl_tcp_pingpong_thresh;
}
export function inet_csk_exit_pingpong_mode(sk: sock): void {
  inet_csk(sk).icsk_ack.pingpong = 0;
}
export const inet_csk_in_pingpong_mode = (sk: sock): boolean =>
  inet_csk(sk).icsk_ack.pingpong >= sk.skc_net.ipv4.sysctl_tcp_pingpong_thresh;
export function inet_csk_inc_pingpong_cnt(sk: sock): void {
  const ack = inet_csk(sk).icsk_ack;
  if (ack.pingpong < 255) ack.pingpong++;
}
/** The retransmission timeout with its backoff applied, at most `max_when` jiffies. */
export const inet_csk_rto_backoff = (icsk: inet_connection_sock, max_when: number): number =>
  Math.min(icsk.icsk_rto * 2 ** icsk.icsk_backoff, max_when);
