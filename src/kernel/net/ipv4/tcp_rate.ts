/**
 * net/ipv4/tcp_rate.c: samples of the rate at which the network delivers (draft-cheng-iccrg-delivery-rate-estimation).
 * `tcp_rate_skb_sent` when a segment goes out, `tcp_rate_skb_delivered` when it is (s)acked, `tcp_rate_gen` at the end of an ACK;
 * `tcp_rate_check_app_limited` when the application is too slow to fill the pipe.
 */
import { SKB_TRUESIZE, type sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import type { rate_sample } from '../../include/net/rate_sample.ts';
import { sk_wmem_alloc_get, type sock } from '../../include/net/sock.ts';
import {
  after,
  TCPCB_RETRANS,
  TCPCB_SACKED_ACKED,
  tcp_min_rtt,
  tcp_packets_in_flight,
  tcp_skb_timestamp_us,
  tcp_stamp_us_delta,
  u32sub,
} from '../../include/net/tcp.ts';

/** Remembers in the segment what had been delivered when it was sent. With nothing in flight, sampling starts over now. */
export function tcp_rate_skb_sent(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  const cb = skb.tcp;
  if (tp.packets_out === 0) {
    const now = tcp_skb_timestamp_us(skb);
    tp.first_tx_mstamp = now;
    tp.delivered_mstamp = now;
  }
  cb.tx_first_tx_mstamp = tp.first_tx_mstamp;
  cb.tx_delivered_mstamp = tp.delivered_mstamp;
  cb.tx_delivered = tp.delivered;
  cb.tx_delivered_ce = tp.delivered_ce;
  cb.tx_is_app_limited = tp.app_limited !== 0;
}

/** Sent after (t1, seq1) than (t2, seq2)? */
const sentAfter = (t1: number, t2: number, seq1: number, seq2: number): boolean => t1 > t2 || (t1 === t2 && after(seq1, seq2));

/** A segment arrived: the sample is based on the one that was sent last among those that this ACK covers. */
export function tcp_rate_skb_delivered(sk: sock, skb: sk_buff, rs: rate_sample): void {
  const tp = tcp_sk(sk);
  const cb = skb.tcp;
  if (cb.tx_delivered_mstamp === 0) return;
  const sent = tcp_skb_timestamp_us(skb);
  if (rs.prior_delivered === 0 || sentAfter(sent, tp.first_tx_mstamp, cb.end_seq, rs.last_end_seq)) {
    rs.prior_delivered_ce = cb.tx_delivered_ce;
    rs.prior_delivered = cb.tx_delivered;
    rs.prior_mstamp = cb.tx_delivered_mstamp;
    rs.is_app_limited = cb.tx_is_app_limited;
    rs.is_retrans = (cb.sacked & TCPCB_RETRANS) !== 0;
    rs.last_end_seq = cb.end_seq;
    tp.first_tx_mstamp = sent;
    rs.interval_us = tcp_stamp_us_delta(tp.first_tx_mstamp, cb.tx_first_tx_mstamp);
  }
  // A segment that was SACKed is counted once: its cumulative ACK must not count it again.
  if ((cb.sacked & TCPCB_SACKED_ACKED) !== 0) cb.tx_delivered_mstamp = 0;
}

/** Turns what an ACK delivered into a rate; the longer of sending and acknowledging interval is used, so that compressed ACKs do not inflate it. */
export function tcp_rate_gen(sk: sock, delivered: number, lost: number, is_sack_reneg: boolean, rs: rate_sample): void {
  const tp = tcp_sk(sk);
  if (tp.app_limited !== 0 && after(tp.delivered, tp.app_limited)) tp.app_limited = 0;
  // The clock of the connection's deliveries stands while nothing is delivered.
  if (delivered !== 0) tp.delivered_mstamp = tp.tcp_mstamp;
  rs.acked_sacked = delivered;
  rs.losses = lost;
  if (rs.prior_mstamp === 0 || is_sack_reneg) {
    rs.delivered = -1;
    rs.interval_us = -1;
    return;
  }
  rs.delivered = u32sub(tp.delivered, rs.prior_delivered);
  rs.delivered_ce = u32sub(tp.delivered_ce, rs.prior_delivered_ce);
  const snd_us = rs.interval_us;
  const ack_us = tcp_stamp_us_delta(tp.tcp_mstamp, rs.prior_mstamp);
  rs.interval_us = Math.max(snd_us, ack_us);
  rs.snd_interval_us = snd_us;
  rs.rcv_interval_us = ack_us;
  // An interval below the least RTT is a measuring error, except just after a loss whose repair filled a hole.
  if (rs.interval_us < tcp_min_rtt(tp)) {
    rs.interval_us = -1;
    return;
  }
  keepBestRate(sk, rs);
}

/** What tcp_info shows: the last sample that the application did not limit, or a better one. */
function keepBestRate(sk: sock, rs: rate_sample): void {
  const tp = tcp_sk(sk);
  if (rs.is_app_limited && rs.delivered * tp.rate_interval_us < tp.rate_delivered * rs.interval_us) return;
  tp.rate_delivered = rs.delivered;
  tp.rate_interval_us = rs.interval_us;
  tp.rate_app_limited = rs.is_app_limited;
}

/** Less than a packet to send, nothing in queues below, room in cwnd, no loss to repair: only the application keeps us from sending. */
export function tcp_rate_check_app_limited(sk: sock): void {
  const tp = tcp_sk(sk);
  if (
    u32sub(tp.write_seq, tp.snd_nxt) < tp.mss_cache &&
    sk_wmem_alloc_get(sk) < SKB_TRUESIZE(1) &&
    tcp_packets_in_flight(tp) < tp.snd_cwnd &&
    tp.lost_out <= tp.retrans_out
  )
    tp.app_limited = tp.delivered + tcp_packets_in_flight(tp) || 1;
}
