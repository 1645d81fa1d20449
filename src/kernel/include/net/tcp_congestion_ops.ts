/** include/net/tcp.h: the interface of congestion control, and what it is told. */
import type { rate_sample } from './rate_sample.ts';
import type { sock } from './sock.ts';

export const TCP_CONG_NON_RESTRICTED = 1;
export const TCP_CONG_NEEDS_ECN = 2;

export const CA_EVENT_TX_START = 0;
export const CA_EVENT_CWND_RESTART = 1;
export const CA_EVENT_COMPLETE_CWR = 2;
export const CA_EVENT_LOSS = 3;
export const CA_EVENT_ECN_NO_CE = 4;
export const CA_EVENT_ECN_IS_CE = 5;

export const CA_ACK_SLOWPATH = 1;
export const CA_ACK_WIN_UPDATE = 2;
export const CA_ACK_ECE = 4;

export interface ack_sample {
  pkts_acked: number;
  rtt_us: number;
  in_flight: number;
}

export interface tcp_congestion_ops {
  readonly name: string;
  readonly flags: number;
  /** A zeroed icsk_ca_priv; absent when it keeps none. */
  newPriv?(): unknown;
  ssthresh(sk: sock): number;
  cong_avoid?(sk: sock, ack: number, acked: number): void;
  set_state?(sk: sock, new_state: number): void;
  cwnd_event?(sk: sock, event: number): void;
  in_ack_event?(sk: sock, flags: number): void;
  pkts_acked?(sk: sock, sample: ack_sample): void;
  min_tso_segs?(sk: sock): number;
  cong_control?(sk: sock, ack: number, flag: number, rs: rate_sample): void;
  undo_cwnd(sk: sock): number;
  sndbuf_expand?(sk: sock): number;
  get_info?(sk: sock, ext: number): unknown;
  init?(sk: sock): void;
  release?(sk: sock): void;
}
