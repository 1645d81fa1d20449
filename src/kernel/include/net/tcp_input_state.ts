/**
 * Nothing of Linux: what tcp_input.c keeps on its stack while it processes one segment (struct tcp_sacktag_state, struct rate_sample,
 * out-parameters). Processing is never interrupted by processing another segment of the same kernel, so one set per namespace serves all.
 */
import { skb_coalesce_result } from '../linux/skbuff.ts';
import { tcp_sack_block } from '../linux/tcp.ts';
import { rate_sample } from './rate_sample.ts';
import type { ack_sample } from './tcp_congestion_ops.ts';

/** What one ACK's walk over the scoreboard finds. */
export class tcp_sacktag_state {
  /** Send times (µs) of the earliest and the latest segment newly SACKed that was never retransmitted; 0 while none. */
  first_sackt = 0;
  last_sackt = 0;
  /** Lowest sequence number that turned out to be reordered. */
  reord = 0;
  sack_delivered = 0;
  /** Bytes that the ACK delivered, as AccECN's estimate counts them. */
  delivered_bytes = 0;
  flag = 0;
  mss_now = 0;
  readonly rate = new rate_sample();
}

/** One ACK: its flags (FLAG_*), and what is to be sent because of it (REXMIT_*). */
export class ackContext {
  flag = 0;
  rexmit = 0;
  readonly sack = new tcp_sacktag_state();
  /** The segment's SACK blocks, in order. */
  readonly sp: tcp_sack_block[] = [new tcp_sack_block(), new tcp_sack_block(), new tcp_sack_block(), new tcp_sack_block()];
  /** Where the block that came first (a D-SACK perhaps) is in `sp`; -1 when it is not. */
  firstSack = 0;
  readonly sample: ack_sample = { pkts_acked: 0, rtt_us: 0, in_flight: 0 };

  /** Makes it ready for the next ACK. */
  start(flag: number): void {
    this.flag = flag;
    this.rexmit = 0;
    this.sack.first_sackt = this.sack.last_sackt = 0;
    this.sack.sack_delivered = this.sack.delivered_bytes = 0;
    this.sack.flag = 0;
    resetRateSample(this.sack.rate);
  }
}

function resetRateSample(rs: rate_sample): void {
  rs.prior_mstamp = rs.prior_delivered = rs.prior_delivered_ce = 0;
  rs.delivered = rs.delivered_ce = 0;
  rs.interval_us = rs.snd_interval_us = rs.rcv_interval_us = 0;
  rs.rtt_us = 0;
  rs.losses = rs.acked_sacked = rs.prior_in_flight = 0;
  rs.last_end_seq = 0;
  rs.is_app_limited = rs.is_retrans = rs.is_ack_delayed = false;
}

export class tcpInputState {
  readonly ack = new ackContext();
  /** What skb_try_coalesce() says of the last segment it was asked about. */
  readonly coalesce = new skb_coalesce_result();
}
