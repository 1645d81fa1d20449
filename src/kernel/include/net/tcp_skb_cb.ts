/** include/net/tcp.h: struct tcp_skb_cb, what TCP keeps in skb->cb. */
import { WIDE } from '../../../sim/wide.ts';

export const TCPCB_SACKED_ACKED = 0x01;
export const TCPCB_SACKED_RETRANS = 0x02;
export const TCPCB_LOST = 0x04;
export const TCPCB_TAGBITS = 0x07;
export const TCPCB_REPAIRED = 0x10;
export const TCPCB_EVER_RETRANS = 0x80;
export const TCPCB_RETRANS = TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS | TCPCB_REPAIRED;

export const TCPHDR_FIN = 0x01;
export const TCPHDR_SYN = 0x02;
export const TCPHDR_RST = 0x04;
export const TCPHDR_PSH = 0x08;
export const TCPHDR_ACK = 0x10;
export const TCPHDR_URG = 0x20;
export const TCPHDR_ECE = 0x40;
export const TCPHDR_CWR = 0x80;
export const TCPHDR_AE = 0x100;
export const TCPHDR_ACE = TCPHDR_ECE | TCPHDR_CWR | TCPHDR_AE;
export const TCPHDR_SYN_ECN = TCPHDR_SYN | TCPHDR_ECE | TCPHDR_CWR;

export class tcp_skb_cb {
  seq = WIDE;
  end_seq = WIDE;
  /** tcp_tw_isn when a SYN reopened a TIME_WAIT socket; tcp_gso_segs and tcp_gso_size on the way out. */
  tcp_tw_isn = 0;
  tcp_gso_segs = 0;
  tcp_gso_size = 0;
  tcp_flags = 0;
  sacked = 0;
  ip_dsfield = 0;
  txstamp_ack = false;
  eor = false;
  has_rxtstamp = false;
  ack_seq = WIDE;
  /** Outgoing: the rate sample's state when it was sent. */
  tx_is_app_limited = false;
  tx_delivered_ce = 0;
  tx_delivered = 0;
  tx_first_tx_mstamp = WIDE;
  tx_delivered_mstamp = WIDE;

  reset(): void {
    this.seq = this.end_seq = this.ack_seq = 0;
    this.tcp_tw_isn = this.tcp_gso_segs = this.tcp_gso_size = 0;
    this.tcp_flags = this.sacked = this.ip_dsfield = 0;
    this.txstamp_ack = this.eor = this.has_rxtstamp = false;
    this.tx_delivered_ce = this.tx_delivered = 0;
    this.tx_is_app_limited = false;
    this.tx_first_tx_mstamp = this.tx_delivered_mstamp = 0;
  }

  copyFrom(from: tcp_skb_cb): void {
    this.seq = from.seq;
    this.end_seq = from.end_seq;
    this.ack_seq = from.ack_seq;
    this.tcp_tw_isn = from.tcp_tw_isn;
    this.tcp_gso_segs = from.tcp_gso_segs;
    this.tcp_gso_size = from.tcp_gso_size;
    this.tcp_flags = from.tcp_flags;
    this.sacked = from.sacked;
    this.ip_dsfield = from.ip_dsfield;
    this.txstamp_ack = from.txstamp_ack;
    this.eor = from.eor;
    this.has_rxtstamp = from.has_rxtstamp;
    this.tx_is_app_limited = from.tx_is_app_limited;
    this.tx_delivered_ce = from.tx_delivered_ce;
    this.tx_delivered = from.tx_delivered;
    this.tx_first_tx_mstamp = from.tx_first_tx_mstamp;
    this.tx_delivered_mstamp = from.tx_delivered_mstamp;
  }
}
