/** include/net/inet_timewait_sock.h, linux/tcp.h: what is left of a connection in TIME_WAIT. */

import { WIDE } from '../../../sim/wide.ts';
import type { timer_list } from '../../kernel/time/timer.ts';
import { newAddress } from '../linux/address.ts';
import type { ehashSock, inet_bind_bucket, inet_bind2_bucket } from './inet_hashtables.ts';
import type { net } from './net_namespace.ts';
import type { tcp_md5sig_key } from './tcp_md5sig.ts';

export class inet_timewait_sock {
  readonly address = newAddress(256);
  skc_state = 6;
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
  skc_reuse = 0;
  skc_reuseport = false;
  skc_incoming_cpu = -1;

  tw_substate = 6;
  tw_mark = 0;
  tw_rcv_wscale = 0;
  tw_sport = 0;
  tw_tos = 0;
  tw_txhash = WIDE;
  tw_priority = 0;
  tw_timer: timer_list = null as unknown as timer_list;
  tw_tb: inet_bind_bucket | null = null;
  tw_tb2: inet_bind2_bucket | null = null;
  tw_transparent = false;
  /** The port came from connect(): see SOCK_CONNECT_BIND. */
  tw_connect_bind = false;
  tw_entry_stamp = WIDE;

  tw_rcv_nxt = WIDE;
  tw_snd_nxt = WIDE;
  tw_rcv_wnd = 0;
  tw_ts_offset = WIDE;
  tw_ts_recent = WIDE;
  tw_ts_recent_stamp = WIDE;
  tw_last_oow_ack_time = WIDE;
  tw_usec_ts = false;
  tw_tx_delay = 0;
  tw_md5_key: tcp_md5sig_key | null = null;

  /** Results of tcp_timewait_state_process(): the sequence number for a new connection, and why a segment is dropped. */
  newIsn = 0;
  dropReason = 0;

  constructor(network: net) {
    this.skc_net = network;
  }

  /** So that tcp_oow_rate_limited() may be told of any kind of socket. */
  get last_oow_ack_time(): number {
    return this.tw_last_oow_ack_time;
  }

  set last_oow_ack_time(stamp: number) {
    this.tw_last_oow_ack_time = stamp;
  }
}
export const inet_twsk = (sk: unknown): inet_timewait_sock => sk as inet_timewait_sock;
export const tcp_twsk = inet_twsk;

/** What tcp_timewait_state_process() wants done. */
export const TCP_TW_SUCCESS = 0;
export const TCP_TW_RST = 1;
export const TCP_TW_ACK = 2;
export const TCP_TW_SYN = 3;
export const TCP_TW_ACK_OOW = 4;
export type tcp_tw_status = number;
