/**
 * net/ipv4/tcp_input.c: what an ACK acknowledges leaves the retransmission queue; it yields RTT samples, deliveries, signs of reordering.
 * `tcp_clean_rtx_queue` → per segment `tcp_tso_acked`, `tcp_rack_advance`, `tcp_rate_skb_delivered`, `tcp_ack_tstamp`; then `tcp_ack_update_rtt`,
 * `pkts_acked` of the congestion control.
 */
import { type sk_buff, skb_shinfo } from '../../include/linux/skbuff.ts';
import { TCP_CHRONO_BUSY, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import type { sock } from '../../include/net/sock.ts';
import {
  after,
  before,
  between,
  TCPCB_LOST,
  TCPCB_RETRANS,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  TCPHDR_SYN,
  tcp_highest_sack_replace,
  tcp_is_reno,
  tcp_is_sack,
  tcp_skb_pcount,
  tcp_skb_timestamp_us,
  tcp_stamp_us_delta,
  u32sub,
} from '../../include/net/tcp.ts';
import type { ackContext } from '../../include/net/tcp_input_state.ts';
import { __skb_tstamp_tx } from '../core/skbuff_errqueue.ts';
import {
  FLAG_ACK_MAYBE_DELAYED,
  FLAG_ACKED,
  FLAG_CA_ALERT,
  FLAG_DATA_ACKED,
  FLAG_ORIG_SACK_ACKED,
  FLAG_RETRANS_DATA_ACKED,
  FLAG_SACK_RENEGING,
  FLAG_SET_XMIT_TIMER,
  FLAG_SYN_ACKED,
} from './tcp_input_flags.ts';
import { tcp_mtup_probe_success } from './tcp_input_mtup.ts';
import { tcp_check_sack_reordering, tcp_count_delivered, tcp_remove_reno_sacks } from './tcp_input_reorder.ts';
import { tcp_ack_update_rtt } from './tcp_input_rtt.ts';
import { tcp_skb_spurious_retrans } from './tcp_input_undo.ts';
import { tcp_trim_head } from './tcp_output_fragment.ts';
import { tcp_rate_skb_delivered } from './tcp_rate.ts';
import { tcp_rack_advance } from './tcp_recovery.ts';
import { tcp_rtx_queue_unlink_and_free } from './tcp_rtx_queue.ts';
import { tcp_chrono_stop } from './tcp_state.ts';

const SCM_TSTAMP_ACK = 2;

/** Part of a super-segment is acknowledged: cuts that off; returns how many packets it was. */
function tcp_tso_acked(sk: sock, skb: sk_buff): number {
  const packets = tcp_skb_pcount(skb);
  if (tcp_trim_head(sk, skb, u32sub(tcp_sk(sk).snd_una, skb.tcp.seq)) !== 0) return 0;
  return packets - tcp_skb_pcount(skb);
}

/** SO_TIMESTAMPING: the byte that was to be reported is acknowledged. */
export function tcp_ack_tstamp(sk: sock, skb: sk_buff, prior_snd_una: number): void {
  if (!skb.tcp.txstamp_ack) return;
  const tskey = skb_shinfo(skb).tskey;
  if (!before(tskey, prior_snd_una) && before(tskey, tcp_sk(sk).snd_una)) __skb_tstamp_tx(skb, 0n, sk, SCM_TSTAMP_ACK);
}

/** Accounts for `pcount` acknowledged packets of a segment with the tags `sacked`; returns flags. */
function accountAcked(sk: sock, tp: tcp_sock, skb: sk_buff, sacked: number, pcount: number, ctx: ackContext, ece_ack: boolean): number {
  const cb = skb.tcp;
  let flag = 0;
  if ((sacked & TCPCB_RETRANS) !== 0) {
    if ((sacked & TCPCB_SACKED_RETRANS) !== 0) tp.retrans_out -= pcount;
    flag = FLAG_RETRANS_DATA_ACKED;
  } else if ((sacked & TCPCB_SACKED_ACKED) === 0 && !after(cb.end_seq, tp.high_seq)) flag = FLAG_ORIG_SACK_ACKED;
  if ((sacked & TCPCB_SACKED_ACKED) !== 0) tp.sacked_out -= pcount;
  else if (tcp_is_sack(tp)) {
    tcp_count_delivered(tp, pcount, ece_ack);
    if (!tcp_skb_spurious_retrans(tp, skb)) tcp_rack_advance(tp, sacked, cb.end_seq, tcp_skb_timestamp_us(skb));
  }
  if ((sacked & TCPCB_LOST) !== 0) tp.lost_out -= pcount;
  tp.packets_out -= pcount;
  tcp_rate_skb_delivered(sk, skb, ctx.sack.rate);
  return flag;
}

/** Probably a delayed ACK: of one packet, less than a segment, with nothing else going on. */
function looksDelayed(tp: tcp_sock, ctx: ackContext, flag: number, prior_snd_una: number): boolean {
  return (
    u32sub(tp.snd_una, prior_snd_una) < tp.mss_cache &&
    ctx.sack.rate.prior_delivered + 1 === tp.delivered &&
    (flag & (FLAG_CA_ALERT | FLAG_SYN_ACKED)) === 0
  );
}

/** Processes a cumulative ACK that brought snd_una here from `prior_snd_una`; returns flags. */
export function tcp_clean_rtx_queue(sk: sock, prior_fack: number, prior_snd_una: number, ctx: ackContext, ece_ack: boolean): number {
  const tp = tcp_sk(sk);
  const sack = ctx.sack;
  const prior_sacked = tp.sacked_out;
  let reord = tp.snd_nxt;
  let first_ackt = 0;
  let last_ackt = 0;
  let fully_acked = true;
  let pkts_acked = 0;
  let flag = 0;
  let skb = sk.tcp_rtx_queue.first;
  while (skb !== null) {
    const cb = skb.tcp;
    const start_seq = cb.seq;
    const sacked = cb.sacked;
    let acked_pcount = tcp_skb_pcount(skb);
    if (after(cb.end_seq, tp.snd_una)) {
      if (acked_pcount === 1 || !after(tp.snd_una, start_seq)) break;
      acked_pcount = tcp_tso_acked(sk, skb);
      if (acked_pcount === 0) break;
      fully_acked = false;
    }
    if ((sacked & (TCPCB_RETRANS | TCPCB_SACKED_ACKED)) === 0) {
      last_ackt = tcp_skb_timestamp_us(skb);
      if (first_ackt === 0) first_ackt = last_ackt;
      if (before(start_seq, reord)) reord = start_seq;
    }
    flag |= accountAcked(sk, tp, skb, sacked, acked_pcount, ctx, ece_ack);
    pkts_acked += acked_pcount;
    // A SYN is no data: it must not end slow start one packet early.
    if ((cb.tcp_flags & TCPHDR_SYN) === 0) flag |= FLAG_DATA_ACKED;
    else {
      flag |= FLAG_SYN_ACKED;
      tp.retrans_stamp = 0;
    }
    if (!fully_acked) break;
    tcp_ack_tstamp(sk, skb, prior_snd_una);
    const next: sk_buff | null = skb.next;
    if (skb === tp.retransmit_skb_hint) tp.retransmit_skb_hint = null;
    tcp_highest_sack_replace(sk, skb, next);
    tcp_rtx_queue_unlink_and_free(skb, sk);
    skb = next;
  }
  if (skb === null) tcp_chrono_stop(sk, TCP_CHRONO_BUSY);
  else {
    tcp_ack_tstamp(sk, skb, prior_snd_una);
    if ((skb.tcp.sacked & TCPCB_SACKED_ACKED) !== 0) flag |= FLAG_SACK_RENEGING;
  }
  if (between(tp.snd_up, prior_snd_una, tp.snd_una)) tp.snd_up = tp.snd_una;
  const seq_measured = first_ackt !== 0 && (flag & FLAG_RETRANS_DATA_ACKED) === 0;
  if (seq_measured && pkts_acked === 1 && fully_acked && prior_sacked === 0 && looksDelayed(tp, ctx, flag, prior_snd_una))
    flag |= FLAG_ACK_MAYBE_DELAYED;
  const seq_rtt_us = seq_measured ? tcp_stamp_us_delta(tp.tcp_mstamp, first_ackt) : -1;
  const sack_rtt_us = sack.first_sackt !== 0 ? tcp_stamp_us_delta(tp.tcp_mstamp, sack.first_sackt) : -1;
  let ca_rtt_us = seq_measured ? tcp_stamp_us_delta(tp.tcp_mstamp, last_ackt) : -1;
  if (sack_rtt_us >= 0) ca_rtt_us = tcp_stamp_us_delta(tp.tcp_mstamp, sack.last_sackt);
  const rtt_update = tcp_ack_update_rtt(sk, flag, seq_rtt_us, sack_rtt_us, ca_rtt_us, sack.rate);
  if ((flag & FLAG_ACKED) !== 0) {
    flag = queueAdvanced(sk, flag, pkts_acked, reord, prior_fack, ece_ack);
    // What the ACK's SACKs added is forgotten, what earlier ones added is counted again.
    sack.delivered_bytes = u32sub(skb === null ? tp.snd_una : skb.tcp.seq, prior_snd_una);
  } else if (skb !== null && rtt_update && sack_rtt_us >= 0 && sack_rtt_us > tcp_stamp_us_delta(tp.tcp_mstamp, tcp_skb_timestamp_us(skb))) {
    // Only for data SACKed that was sent before the head was (re)transmitted: or in a recovery the timeout would move on and on.
    flag |= FLAG_SET_XMIT_TIMER;
  }
  tellCongestionControl(sk, ctx, pkts_acked);
  return flag;
}

function queueAdvanced(sk: sock, flag: number, pkts_acked: number, reord: number, prior_fack: number, ece_ack: boolean): number {
  const tp = tcp_sk(sk);
  flag |= FLAG_SET_XMIT_TIMER;
  if (inet_csk(sk).icsk_mtup.probe_size !== 0 && !after(tp.mtu_probe.probe_seq_end, tp.snd_una)) tcp_mtup_probe_success(sk);
  if (tcp_is_reno(tp)) {
    tcp_remove_reno_sacks(sk, pkts_acked, ece_ack);
    // Without SACK it cannot be told which of the segments arrived when.
    if ((flag & FLAG_RETRANS_DATA_ACKED) !== 0) flag &= ~FLAG_ORIG_SACK_ACKED;
  } else if (before(reord, prior_fack)) tcp_check_sack_reordering(sk, reord, false);
  return flag;
}

function tellCongestionControl(sk: sock, ctx: ackContext, pkts_acked: number): void {
  const ops = inet_csk(sk).icsk_ca_ops;
  if (ops.pkts_acked === undefined) return;
  const tp = tcp_sk(sk);
  const sample = ctx.sample;
  sample.pkts_acked = pkts_acked;
  sample.rtt_us = ctx.sack.rate.rtt_us;
  sample.in_flight = tp.mss_cache * (tp.delivered - ctx.sack.rate.prior_delivered);
  ops.pkts_acked(sk, sample);
}
