/** include/net/request_sock.h, inet_sock.h, linux/tcp.h: half-open connections and the accept queue. */

import { WIDE } from '../../../sim/wide.ts';
import type { timer_list } from '../../kernel/time/timer.ts';
import { newAddress } from '../linux/address.ts';
import type { sk_buff } from '../linux/skbuff.ts';
import type { dst_entry } from './dst.ts';
import type { ehashSock } from './inet_hashtables.ts';
import type { flowi4 } from './inet_sock.ts';
import type { net } from './net_namespace.ts';
import type { sock } from './sock.ts';

export interface request_sock_ops {
  readonly family: number;
  rtx_syn_ack(sk: sock, req: request_sock): number;
  send_ack(sk: sock, skb: sk_buff, req: request_sock): void;
  send_reset(sk: sock, skb: sk_buff, reason: number): void;
  destructor(req: request_sock): void;
}

export interface tcp_request_sock_ops {
  readonly mss_clamp: number;
  init_seq(skb: sk_buff): number;
  init_ts_off(network: net, skb: sk_buff): number;
  route_req(sk: sock, skb: sk_buff, fl: flowi4, req: request_sock, isn: number): dst_entry | null;
  send_synack(
    sk: sock,
    dst: dst_entry | null,
    fl: flowi4,
    req: request_sock,
    foc: unknown,
    synack_type: number,
    syn_skb: sk_buff | null,
  ): number;
  cookie_init_seq(skb: sk_buff, mss: { value: number }): number;
}

/** struct request_sock, inet_request_sock and tcp_request_sock in one. It may stand where a lookup returns a socket (state TCP_NEW_SYN_RECV). */
export class request_sock {
  readonly address = newAddress(304);
  skc_state = 12;
  skc_family = 2;
  skc_daddr = 0;
  skc_rcv_saddr = 0;
  skc_dport = 0;
  skc_num = 0;
  skc_net: net;
  skc_hash = WIDE;
  skc_hashed = false;
  skc_next: ehashSock | null = null;
  skc_refcnt = 1;
  skc_cookie = 0;
  skc_bound_dev_if = 0;
  skc_incoming_cpu = -1;

  rsk_listener: sock | null;
  readonly rsk_ops: request_sock_ops;
  /** Result of tcp_check_req(): why the segment is dropped. */
  dropReason = 0;
  af_specific: tcp_request_sock_ops | null = null;
  rsk_timer: timer_list = null as unknown as timer_list;
  /** Established child, once there is one. */
  sk: sock | null = null;
  dl_next: request_sock | null = null;
  mss = 0;
  num_retrans = 0;
  num_timeout = 0;
  syncookie = false;
  timeout = 0;
  rsk_rcv_wnd = 0;
  rsk_window_clamp = WIDE;
  ts_recent = WIDE;
  saved_syn: Uint8Array | null = null;

  /** IP options of the SYN, for the way back. */
  ireq_opt: Uint8Array | null = null;
  ir_mark = 0;
  ir_iif = 0;
  snd_wscale = 0;
  rcv_wscale = 0;
  tstamp_ok = false;
  sack_ok = false;
  wscale_ok = false;
  ecn_ok = false;
  acked = false;
  no_srccheck = false;

  tfo_listener = false;
  req_usec_ts = false;
  snt_synack = WIDE;
  last_oow_ack_time = 0;
  txhash = WIDE;
  rcv_isn = WIDE;
  snt_isn = WIDE;
  ts_off = WIDE;
  snt_tsval_first = WIDE;
  snt_tsval_last = WIDE;
  rcv_nxt = WIDE;
  syn_tos = 0;
  syn_ect_rcv = 0;
  syn_ect_snt = 0;

  constructor(network: net, ops: request_sock_ops, listener: sock | null) {
    this.skc_net = network;
    this.rsk_ops = ops;
    this.rsk_listener = listener;
  }
}

/** A listener's queue of established but not accepted connections, and its count of half-open ones. */
export class request_sock_queue {
  qlen = 0;
  young = 0;
  rskq_accept_head: request_sock | null = null;
  rskq_accept_tail: request_sock | null = null;
  rskq_defer_accept = 0;
  synflood_warned = false;
  readonly fastopenq = {
    rskq_rst_head: null as request_sock | null,
    rskq_rst_tail: null as request_sock | null,
    qlen: 0,
    max_qlen: 0,
    ctx: null as unknown,
  };
}

export const reqsk_queue_len = (queue: request_sock_queue): number => queue.qlen;
export const reqsk_queue_len_young = (queue: request_sock_queue): number => queue.young;
export const reqsk_queue_empty = (queue: request_sock_queue): boolean => queue.rskq_accept_head === null;
export const inet_rsk = (req: request_sock): request_sock => req;
export const tcp_rsk = (req: request_sock): request_sock => req;

/** A half-open connection more; it is young until its SYN-ACK was sent again. */
export function reqsk_queue_added(queue: request_sock_queue): void {
  queue.young++;
  queue.qlen++;
}
export function reqsk_queue_removed(queue: request_sock_queue, req: request_sock): void {
  if (req.num_timeout === 0) queue.young--;
  queue.qlen--;
}
/** Takes the oldest connection that waits to be accepted. */
export function reqsk_queue_remove(queue: request_sock_queue, parent: sock): request_sock | null {
  const req = queue.rskq_accept_head;
  if (req === null) return null;
  parent.sk_ack_backlog--;
  queue.rskq_accept_head = req.dl_next;
  if (queue.rskq_accept_head === null) queue.rskq_accept_tail = null;
  return req;
}
