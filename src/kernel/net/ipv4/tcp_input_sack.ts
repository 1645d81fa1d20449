/**
 * net/ipv4/tcp_input.c: the SACK scoreboard (RFC 2018, RFC 6675): an ACK's blocks tag the retransmission queue.
 * `tcp_sacktag_write_queue` → `tcp_check_dsack`; blocks sorted; per block, as far as the cache of earlier ones doesn't cover it,
 * `tcp_sacktag_skip` → `tcp_sacktag_walk` → `tcp_shift_skb_data` (tcp_input_sack_shift.ts) or `tcp_match_skb_to_sack` → `tcp_sacktag_one`.
 *
 * A segment's tags: S (SACKed), R (retransmission in flight), L (lost). In flight are: none of S or L alone, one of nothing or L+R, two of R.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { type tcp_sack_block, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { NET_ADD_STATS, NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  after,
  before,
  TCP_NUM_SACKS,
  TCPCB_SACKED_ACKED,
  TCPOLEN_SACK_BASE,
  tcp_advance_highest_sack,
  tcp_highest_sack_reset,
  tcp_highest_sack_seq,
  tcp_skb_mss,
  tcp_skb_pcount,
  tcp_skb_timestamp_us,
  u32sub,
} from '../../include/net/tcp.ts';
import type { ackContext, tcp_sacktag_state } from '../../include/net/tcp_input_state.ts';
import {
  LINUX_MIB_TCPDSACKIGNOREDDUBIOUS,
  LINUX_MIB_TCPDSACKIGNOREDNOUNDO,
  LINUX_MIB_TCPDSACKIGNOREDOLD,
  LINUX_MIB_TCPDSACKOFORECV,
  LINUX_MIB_TCPDSACKRECV,
  LINUX_MIB_TCPDSACKRECVSEGS,
  LINUX_MIB_TCPSACKDISCARD,
} from '../../uapi/snmp.ts';
import { TCP_CA_Loss } from '../../uapi/tcp.ts';
import { tcp_verify_left_out } from './tcp_input_cwnd.ts';
import { FLAG_DSACK_TLP, FLAG_DSACKING_ACK } from './tcp_input_flags.ts';
import { tcp_check_sack_reordering } from './tcp_input_reorder.ts';
import { tcp_sacktag_one, tcp_shift_skb_data } from './tcp_input_sack_shift.ts';
import { TCP_FRAG_IN_RTX_QUEUE, tcp_fragment } from './tcp_output_fragment.ts';
import { tcp_current_mss } from './tcp_output_mss.ts';
import { tcp_rate_skb_delivered } from './tcp_rate.ts';
import { lastStartingBy, tsortedRemove } from './tcp_rtx_queue.ts';

const TCP_DSACK_SEEN = 1 << 2;

/* D-SACK (RFC 2883). */

/**
 * Counts the segments that arrived twice; 0 if the report is dubious: larger than any window offered, or more duplicates than were ever
 * retransmitted (the network made them).
 */
function tcp_dsack_seen(tp: tcp_sock, start_seq: number, end_seq: number, state: tcp_sacktag_state): number {
  if (!before(start_seq, end_seq)) return 0;
  const seq_len = u32sub(end_seq, start_seq);
  if (seq_len > tp.max_window) return 0;
  let dup_segs = 1;
  if (seq_len > tp.mss_cache) dup_segs = Math.floor((seq_len + tp.mss_cache - 1) / tp.mss_cache);
  else if (tp.tlp_high_seq !== 0 && tp.tlp_high_seq === end_seq) state.flag |= FLAG_DSACK_TLP;
  tp.dsack_dups += dup_segs;
  if (tp.dsack_dups > tp.total_retrans) return 0;
  tp.rx_opt.sack_ok |= TCP_DSACK_SEEN;
  // Only if RACK may have been too hasty: a probe is sent by the timer, and without reordering something else is wrong.
  if (tp.reord_seen !== 0 && (state.flag & FLAG_DSACK_TLP) === 0) tp.rack.dsack_seen = true;
  state.flag |= FLAG_DSACKING_ACK;
  state.sack_delivered += dup_segs;
  return dup_segs;
}

const blockStart = (ack_skb: sk_buff, i: number): number =>
  ack_skb.mem.view.getUint32(ack_skb.transport_header + ack_skb.tcp.sacked + 2 + 8 * i);
const blockEnd = (ack_skb: sk_buff, i: number): number =>
  ack_skb.mem.view.getUint32(ack_skb.transport_header + ack_skb.tcp.sacked + 6 + 8 * i);

/** RFC 2883 (4): the first block reports a duplicate if it is below the ACK, or within the second block. */
function tcp_check_dsack(sk: sock, ack_skb: sk_buff, num_sacks: number, prior_snd_una: number, state: tcp_sacktag_state): boolean {
  const tp = tcp_sk(sk);
  const start_seq = blockStart(ack_skb, 0);
  const end_seq = blockEnd(ack_skb, 0);
  if (before(start_seq, ack_skb.tcp.ack_seq)) NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPDSACKRECV);
  else {
    if (num_sacks <= 1 || after(end_seq, blockEnd(ack_skb, 1)) || before(start_seq, blockStart(ack_skb, 1))) return false;
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPDSACKOFORECV);
  }
  const dup_segs = tcp_dsack_seen(tp, start_seq, end_seq, state);
  if (dup_segs === 0) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPDSACKIGNOREDDUBIOUS);
    return false;
  }
  NET_ADD_STATS(sock_net(sk), LINUX_MIB_TCPDSACKRECVSEGS, dup_segs);
  // For segments that are gone from the queue.
  if (tp.undo_marker !== 0 && tp.undo_retrans > 0 && !after(end_seq, prior_snd_una) && after(end_seq, tp.undo_marker))
    tp.undo_retrans = Math.max(0, tp.undo_retrans - dup_segs);
  return true;
}

/* Blocks. */

/** Within what is outstanding; a D-SACK may be below, but not below what still matters (undo_marker), give or take a window. */
function tcp_is_sackblock_valid(tp: tcp_sock, is_dsack: boolean, start_seq: number, end_seq: number): boolean {
  if (after(end_seq, tp.snd_nxt) || !before(start_seq, end_seq) || !before(start_seq, tp.snd_nxt)) return false;
  if (after(start_seq, tp.snd_una)) return true;
  if (!is_dsack || tp.undo_marker === 0) return false;
  if (after(end_seq, tp.snd_una)) return false;
  if (!before(start_seq, tp.undo_marker)) return true;
  if (!after(end_seq, tp.undo_marker)) return false;
  return !before(start_seq, u32sub(end_seq, tp.max_window));
}

/** The valid, new blocks of the ACK into ctx.sp; ctx.firstSack is where the first one went, or -1. Returns their number. */
function collectBlocks(
  sk: sock,
  ack_skb: sk_buff,
  ctx: ackContext,
  num_sacks: number,
  found_dup_sack: boolean,
  prior_snd_una: number,
): number {
  const tp = tcp_sk(sk);
  let used = 0;
  ctx.firstSack = 0;
  for (let i = 0; i < num_sacks; i++) {
    const dup_sack = i === 0 && found_dup_sack;
    const start_seq = blockStart(ack_skb, i);
    const end_seq = blockEnd(ack_skb, i);
    if (!tcp_is_sackblock_valid(tp, dup_sack, start_seq, end_seq)) {
      // Reordered ACKs bring old blocks: nothing to count.
      if (!dup_sack && ack_skb.tcp.ack_seq !== tp.snd_una && !after(end_seq, tp.snd_una)) continue;
      NET_INC_STATS(sock_net(sk), invalidBlockCounter(tp, dup_sack));
      if (i === 0) ctx.firstSack = -1;
    } else if (!after(end_seq, prior_snd_una)) {
      if (i === 0) ctx.firstSack = -1;
    } else {
      ctx.sp[used]!.start_seq = start_seq;
      ctx.sp[used]!.end_seq = end_seq;
      used++;
    }
  }
  return used;
}

function invalidBlockCounter(tp: tcp_sock, dup_sack: boolean): number {
  if (!dup_sack) return LINUX_MIB_TCPSACKDISCARD;
  return tp.undo_marker === 0 ? LINUX_MIB_TCPDSACKIGNOREDNOUNDO : LINUX_MIB_TCPDSACKIGNOREDOLD;
}

function swapBlocks(a: tcp_sack_block, b: tcp_sack_block): void {
  const start = a.start_seq;
  const end = a.end_seq;
  a.start_seq = b.start_seq;
  a.end_seq = b.end_seq;
  b.start_seq = start;
  b.end_seq = end;
}

function sortBlocks(ctx: ackContext, used: number): void {
  const sp = ctx.sp;
  for (let i = used - 1; i > 0; i--) {
    for (let j = 0; j < i; j++) {
      if (!after(sp[j]!.start_seq, sp[j + 1]!.start_seq)) continue;
      swapBlocks(sp[j]!, sp[j + 1]!);
      if (j === ctx.firstSack) ctx.firstSack = j + 1;
    }
  }
}

/* Walking the queue. */

/**
 * Is the segment within the block: 1 or 0. A super-segment that is so in part is split at a multiple of its MSS first; negative if that fails.
 */
function tcp_match_skb_to_sack(sk: sock, skb: sk_buff, start_seq: number, end_seq: number): number {
  const cb = skb.tcp;
  let in_sack = !after(start_seq, cb.seq) && !before(end_seq, cb.end_seq);
  if (tcp_skb_pcount(skb) <= 1 || in_sack || !after(cb.end_seq, start_seq)) return in_sack ? 1 : 0;
  const mss = tcp_skb_mss(skb);
  in_sack = !after(start_seq, cb.seq);
  let pkt_len: number;
  if (in_sack) {
    pkt_len = u32sub(end_seq, cb.seq);
    if (pkt_len < mss) return -1;
  } else pkt_len = Math.max(u32sub(start_seq, cb.seq), mss);
  if (pkt_len > mss) {
    const whole = Math.floor(pkt_len / mss) * mss;
    pkt_len = !in_sack && whole < pkt_len ? whole + mss : whole;
  }
  if (pkt_len >= skb.len && !in_sack) return 0;
  const err = tcp_fragment(sk, TCP_FRAG_IN_RTX_QUEUE, skb, pkt_len, mss, GFP_ATOMIC);
  if (err < 0) return err;
  return in_sack ? 1 : 0;
}

/** Tags what lies in start … end from `skb` on; returns the segment where the walk stopped. */
function tcp_sacktag_walk(
  from: sk_buff | null,
  sk: sock,
  next_dup: tcp_sack_block | null,
  state: tcp_sacktag_state,
  start_seq: number,
  end_seq: number,
  dup_sack_in: boolean,
): sk_buff | null {
  const tp = tcp_sk(sk);
  let skb = from;
  for (; skb !== null; skb = skb.next) {
    let in_sack = 0;
    let dup_sack = dup_sack_in;
    if (!before(skb.tcp.seq, end_seq)) break;
    if (next_dup !== null && before(skb.tcp.seq, next_dup.end_seq)) {
      in_sack = tcp_match_skb_to_sack(sk, skb, next_dup.start_seq, next_dup.end_seq);
      if (in_sack > 0) dup_sack = true;
    }
    if (in_sack <= 0) {
      const shifted: sk_buff | null = tcp_shift_skb_data(sk, skb, state, start_seq, end_seq, dup_sack);
      if (shifted !== null && shifted !== skb) {
        skb = shifted;
        continue;
      }
      in_sack = shifted === null ? tcp_match_skb_to_sack(sk, skb, start_seq, end_seq) : 0;
    }
    if (in_sack < 0) break;
    if (in_sack > 0) tagSegment(sk, tp, skb, state, dup_sack);
  }
  return skb;
}

function tagSegment(sk: sock, tp: tcp_sock, skb: sk_buff, state: tcp_sacktag_state, dup_sack: boolean): void {
  const cb = skb.tcp;
  cb.sacked = tcp_sacktag_one(sk, state, cb.sacked, cb.seq, cb.end_seq, dup_sack, tcp_skb_pcount(skb), skb.len, tcp_skb_timestamp_us(skb));
  tcp_rate_skb_delivered(sk, skb, state.rate);
  if ((cb.sacked & TCPCB_SACKED_ACKED) !== 0) tsortedRemove(tp, skb);
  if (!before(cb.seq, tcp_highest_sack_seq(tp))) tcp_advance_highest_sack(sk, skb);
}

/** The segment that contains `seq`, or null. */
function tcp_sacktag_bsearch(sk: sock, seq: number): sk_buff | null {
  const skb = lastStartingBy(sk.tcp_rtx_queue, seq);
  return skb !== null && before(seq, skb.tcp.end_seq) ? skb : null;
}

function tcp_sacktag_skip(skb: sk_buff | null, sk: sock, skip_to_seq: number): sk_buff | null {
  if (skb !== null && after(skb.tcp.seq, skip_to_seq)) return skb;
  return tcp_sacktag_bsearch(sk, skip_to_seq);
}

/** What the cache lets us skip may still hold the D-SACKed range. */
function tcp_maybe_skipping_dsack(
  skb: sk_buff | null,
  sk: sock,
  next_dup: tcp_sack_block | null,
  state: tcp_sacktag_state,
  skip_to_seq: number,
): sk_buff | null {
  if (next_dup === null || !before(next_dup.start_seq, skip_to_seq)) return skb;
  const at = tcp_sacktag_skip(skb, sk, next_dup.start_seq);
  return tcp_sacktag_walk(at, sk, null, state, next_dup.start_seq, next_dup.end_seq, true);
}

/** Walks all blocks, leaving out what the previous ACK's blocks (recv_sack_cache) have tagged already. */
function walkBlocks(sk: sock, ctx: ackContext, used: number, found_dup_sack: boolean): void {
  const tp = tcp_sk(sk);
  const state = ctx.sack;
  const cache = tp.recv_sack_cache;
  let c = TCP_NUM_SACKS;
  if (tp.sacked_out !== 0) {
    c = 0;
    while (c < TCP_NUM_SACKS && cache[c]!.start_seq === 0 && cache[c]!.end_seq === 0) c++;
  }
  let skb: sk_buff | null = null;
  for (let i = 0; i < used; ) {
    const { start_seq, end_seq } = ctx.sp[i]!;
    const dup_sack = found_dup_sack && i === ctx.firstSack;
    const next_dup = found_dup_sack && i + 1 === ctx.firstSack ? ctx.sp[i + 1]! : null;
    while (c < TCP_NUM_SACKS && !before(start_seq, cache[c]!.end_seq)) c++;
    if (c < TCP_NUM_SACKS && !dup_sack && after(end_seq, cache[c]!.start_seq)) {
      const cached = cache[c]!;
      if (before(start_seq, cached.start_seq)) {
        skb = tcp_sacktag_skip(skb, sk, start_seq);
        skb = tcp_sacktag_walk(skb, sk, next_dup, state, start_seq, cached.start_seq, dup_sack);
      }
      if (!after(end_seq, cached.end_seq)) {
        i++;
        continue;
      }
      skb = tcp_maybe_skipping_dsack(skb, sk, next_dup, state, cached.end_seq);
      c++;
      if (tcp_highest_sack_seq(tp) !== cached.end_seq) {
        skb = tcp_sacktag_skip(skb, sk, cached.end_seq);
        continue;
      }
      skb = tp.highest_sack;
      if (skb === null) break;
    } else {
      if (!before(start_seq, tcp_highest_sack_seq(tp))) {
        skb = tp.highest_sack;
        if (skb === null) break;
      }
      skb = tcp_sacktag_skip(skb, sk, start_seq);
    }
    skb = tcp_sacktag_walk(skb, sk, next_dup, state, start_seq, end_seq, dup_sack);
    i++;
  }
}

/** Remembers the blocks, at the end of the cache. */
function cacheBlocks(tp: tcp_sock, ctx: ackContext, used: number): void {
  const free = TCP_NUM_SACKS - used;
  for (let i = 0; i < TCP_NUM_SACKS; i++) {
    const slot = tp.recv_sack_cache[i]!;
    slot.start_seq = i < free ? 0 : ctx.sp[i - free]!.start_seq;
    slot.end_seq = i < free ? 0 : ctx.sp[i - free]!.end_seq;
  }
}

/** Processes the SACK option of an ACK; returns flags. */
export function tcp_sacktag_write_queue(sk: sock, ack_skb: sk_buff, prior_snd_una: number, ctx: ackContext): number {
  const tp = tcp_sk(sk);
  const state = ctx.sack;
  const optlen = ack_skb.mem.view.getUint8(ack_skb.transport_header + ack_skb.tcp.sacked + 1);
  const num_sacks = Math.min(TCP_NUM_SACKS, (optlen - TCPOLEN_SACK_BASE) >> 3);
  state.flag = 0;
  state.reord = tp.snd_nxt;
  if (tp.sacked_out === 0) tcp_highest_sack_reset(sk);
  const found_dup_sack = tcp_check_dsack(sk, ack_skb, num_sacks, prior_snd_una, state);
  // Too old an ACK to tell anything.
  if (before(ack_skb.tcp.ack_seq, u32sub(prior_snd_una, tp.max_window))) return 0;
  if (tp.packets_out === 0) return state.flag;
  const used = collectBlocks(sk, ack_skb, ctx, num_sacks, found_dup_sack, prior_snd_una);
  sortBlocks(ctx, used);
  state.mss_now = tcp_current_mss(sk);
  walkBlocks(sk, ctx, used, found_dup_sack);
  cacheBlocks(tp, ctx, used);
  if (inet_csk(sk).icsk_ca_state !== TCP_CA_Loss || tp.undo_marker !== 0) tcp_check_sack_reordering(sk, state.reord, false);
  tcp_verify_left_out(tp);
  return state.flag;
}
