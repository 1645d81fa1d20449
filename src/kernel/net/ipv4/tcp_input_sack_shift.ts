/**
 * net/ipv4/tcp_input.c: tagging one segment as SACKed, and merging SACKed neighbours, so that a long queue of them stays short to walk.
 * `tcp_shift_skb_data` → `tcp_skb_shift` → `tcp_shifted_skb` → `tcp_sacktag_one`.
 */
import { type sk_buff, skb_headlen, skb_is_nonlinear } from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  after,
  before,
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_RETRANS,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  TCPCB_TAGBITS,
  TCPHDR_FIN,
  tcp_advance_highest_sack,
  tcp_highest_sack,
  tcp_highest_sack_seq,
  tcp_skb_can_collapse,
  tcp_skb_mss,
  tcp_skb_pcount,
  tcp_skb_pcount_add,
  tcp_skb_timestamp_us,
  u32add,
  u32sub,
} from '../../include/net/tcp.ts';
import type { tcp_sacktag_state } from '../../include/net/tcp_input_state.ts';
import { LINUX_MIB_SACKMERGED, LINUX_MIB_SACKSHIFTED, LINUX_MIB_SACKSHIFTFALLBACK } from '../../uapi/snmp.ts';
import { tcp_skb_seglen } from './tcp_input_cwnd.ts';
import { FLAG_DATA_SACKED, FLAG_ORIG_SACK_ACKED } from './tcp_input_flags.ts';
import { tcp_skb_collapse_tstamp, tcp_skb_shift } from './tcp_output_fragment.ts';
import { tcp_rate_skb_delivered } from './tcp_rate.ts';
import { tcp_rack_advance } from './tcp_recovery.ts';
import { tcp_rtx_queue_unlink_and_free } from './tcp_rtx_queue.ts';

/** Accounts for a SACKed range with the tags `sacked`; returns its new tags. */
export function tcp_sacktag_one(
  sk: sock,
  state: tcp_sacktag_state,
  sacked: number,
  start_seq: number,
  end_seq: number,
  dup_sack: boolean,
  pcount: number,
  plen: number,
  xmit_time: number,
): number {
  const tp = tcp_sk(sk);
  if (dup_sack && (sacked & TCPCB_RETRANS) !== 0) {
    if (tp.undo_marker !== 0 && tp.undo_retrans > 0 && after(end_seq, tp.undo_marker))
      tp.undo_retrans = Math.max(0, tp.undo_retrans - pcount);
    if ((sacked & TCPCB_SACKED_ACKED) !== 0 && before(start_seq, state.reord)) state.reord = start_seq;
  }
  // The cumulative ACK covers it: it is about to go.
  if (!after(end_seq, tp.snd_una)) return sacked;
  if ((sacked & TCPCB_SACKED_ACKED) === 0) sacked = tagNewlySacked(sk, state, sacked, start_seq, end_seq, pcount, plen, xmit_time);
  // A D-SACK shows that the retransmission arrived, too.
  if (dup_sack && (sacked & TCPCB_SACKED_RETRANS) !== 0) {
    sacked &= ~TCPCB_SACKED_RETRANS;
    tp.retrans_out -= pcount;
  }
  return sacked;
}

function tagNewlySacked(
  sk: sock,
  state: tcp_sacktag_state,
  sacked: number,
  start_seq: number,
  end_seq: number,
  pcount: number,
  plen: number,
  xmit_time: number,
): number {
  const tp = tcp_sk(sk);
  tcp_rack_advance(tp, sacked, end_seq, xmit_time);
  if ((sacked & TCPCB_SACKED_RETRANS) !== 0) {
    // Retransmitted without having been taken for lost: the retransmission is believed to be still under way.
    if ((sacked & TCPCB_LOST) !== 0) {
      sacked &= ~(TCPCB_LOST | TCPCB_SACKED_RETRANS);
      tp.lost_out -= pcount;
      tp.retrans_out -= pcount;
    }
  } else {
    if ((sacked & TCPCB_RETRANS) === 0) noteOriginal(sk, state, start_seq, end_seq, xmit_time);
    if ((sacked & TCPCB_LOST) !== 0) {
      sacked &= ~TCPCB_LOST;
      tp.lost_out -= pcount;
    }
  }
  state.flag |= FLAG_DATA_SACKED;
  tp.sacked_out += pcount;
  state.sack_delivered += pcount;
  state.delivered_bytes += plen;
  return sacked | TCPCB_SACKED_ACKED;
}

/** It was sent only once: below what was SACKed before, that is reordering; its RTT is a sample. */
function noteOriginal(sk: sock, state: tcp_sacktag_state, start_seq: number, end_seq: number, xmit_time: number): void {
  const tp = tcp_sk(sk);
  if (before(start_seq, tcp_highest_sack_seq(tp)) && before(start_seq, state.reord)) state.reord = start_seq;
  if (!after(end_seq, tp.high_seq)) state.flag |= FLAG_ORIG_SACK_ACKED;
  if (state.first_sackt === 0) state.first_sackt = xmit_time;
  state.last_sackt = xmit_time;
}

/** `shifted` bytes (`pcount` packets) of `skb` have moved to `prev`, which is SACKed; true if that was all of it. */
function tcp_shifted_skb(
  sk: sock,
  prev: sk_buff,
  skb: sk_buff,
  state: tcp_sacktag_state,
  pcount: number,
  shifted: number,
  mss: number,
  dup_sack: boolean,
): boolean {
  const tp = tcp_sk(sk);
  const start_seq = skb.tcp.seq;
  const end_seq = u32add(start_seq, shifted);
  // Before sequence numbers move, since highest_sack may be this one. Of the bytes AccECN's estimate is told, as by Linux, those that stay behind.
  tcp_sacktag_one(sk, state, skb.tcp.sacked, start_seq, end_seq, dup_sack, pcount, skb.len, tcp_skb_timestamp_us(skb));
  tcp_rate_skb_delivered(sk, skb, state.rate);
  prev.tcp.end_seq = u32add(prev.tcp.end_seq, shifted);
  skb.tcp.seq = end_seq;
  tcp_skb_pcount_add(prev, pcount);
  tcp_skb_pcount_add(skb, -pcount);
  if (prev.tcp.tcp_gso_size === 0) prev.tcp.tcp_gso_size = mss;
  if (tcp_skb_pcount(skb) <= 1) skb.tcp.tcp_gso_size = 0;
  prev.tcp.sacked |= skb.tcp.sacked & TCPCB_EVER_RETRANS;
  if (skb.len > 0) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_SACKSHIFTED);
    return false;
  }
  if (skb === tp.retransmit_skb_hint) tp.retransmit_skb_hint = prev;
  prev.tcp.tcp_flags |= skb.tcp.tcp_flags;
  prev.tcp.eor = skb.tcp.eor;
  if ((skb.tcp.tcp_flags & TCPHDR_FIN) !== 0) prev.tcp.end_seq = u32add(prev.tcp.end_seq, 1);
  if (skb === tcp_highest_sack(sk)) tcp_advance_highest_sack(sk, skb);
  tcp_skb_collapse_tstamp(prev, skb);
  // Its share of the rate sample is taken.
  prev.tcp.tx_delivered_mstamp = 0;
  tcp_rtx_queue_unlink_and_free(skb, sk);
  NET_INC_STATS(sock_net(sk), LINUX_MIB_SACKMERGED);
  return true;
}

/** Payload must be in fragments alone: bytes of the linear part cannot move. */
const skb_can_shift = (skb: sk_buff): boolean => skb_headlen(skb) === 0 && skb_is_nonlinear(skb);

function fallback(sk: sock): null {
  NET_INC_STATS(sock_net(sk), LINUX_MIB_SACKSHIFTFALLBACK);
  return null;
}

/** May what the block covers of `skb` join its SACKed neighbour? */
function mayShift(sk: sock, prev: sk_buff | null, skb: sk_buff, dup_sack: boolean): prev is sk_buff {
  const sacked = skb.tcp.sacked;
  if (!dup_sack && (sacked & (TCPCB_LOST | TCPCB_SACKED_RETRANS)) === TCPCB_SACKED_RETRANS) return false;
  if (!skb_can_shift(skb) || !after(skb.tcp.end_seq, tcp_sk(sk).snd_una)) return false;
  if (prev === null || (prev.tcp.sacked & TCPCB_TAGBITS) !== TCPCB_SACKED_ACKED) return false;
  return tcp_skb_can_collapse(prev, skb);
}

/**
 * Moves what is SACKed of `skb` to the SACKed segment before it. Returns that segment, or `skb` when the block covers nothing of it that could be
 * moved, or null when it must be tagged where it is.
 */
export function tcp_shift_skb_data(
  sk: sock,
  skb: sk_buff,
  state: tcp_sacktag_state,
  start_seq: number,
  end_seq: number,
  dup_sack: boolean,
): sk_buff | null {
  const prev = skb.prev;
  if (!mayShift(sk, prev, skb, dup_sack)) return fallback(sk);
  const cb = skb.tcp;
  let len: number;
  let pcount: number;
  let mss: number;
  if (!after(start_seq, cb.seq) && !before(end_seq, cb.end_seq)) {
    len = skb.len;
    pcount = tcp_skb_pcount(skb);
    mss = tcp_skb_seglen(skb);
    if (mss !== tcp_skb_seglen(prev)) return fallback(sk);
  } else {
    if (!after(cb.end_seq, start_seq) || tcp_skb_pcount(skb) <= 1) return skb;
    if (after(start_seq, cb.seq)) return fallback(sk);
    mss = tcp_skb_mss(skb);
    if (mss !== tcp_skb_seglen(prev)) return fallback(sk);
    // Whole packets only, or counts would no longer agree.
    pcount = Math.floor(u32sub(end_seq, cb.seq) / mss);
    if (pcount === 0) return skb;
    len = pcount * mss;
  }
  if (!after(u32add(cb.seq, len), tcp_sk(sk).snd_una)) return fallback(sk);
  if (tcp_skb_shift(prev, skb, pcount, len) === 0) return fallback(sk);
  if (tcp_shifted_skb(sk, prev, skb, state, pcount, len, mss, dup_sack)) mergeNext(sk, prev, state, mss);
  return prev;
}

/** The hole behind `prev` is filled: the SACKed segment after it joins, too. */
function mergeNext(sk: sock, prev: sk_buff, state: tcp_sacktag_state, mss: number): void {
  const next = prev.next;
  if (next === null || !skb_can_shift(next) || (next.tcp.sacked & TCPCB_TAGBITS) !== TCPCB_SACKED_ACKED) return;
  if (mss !== tcp_skb_seglen(next) || !tcp_skb_can_collapse(prev, next)) return;
  const len = next.len;
  const pcount = tcp_skb_pcount(next);
  if (tcp_skb_shift(prev, next, pcount, len) !== 0) tcp_shifted_skb(sk, prev, next, state, pcount, len, mss, false);
}
