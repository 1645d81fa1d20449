/**
 * net/ipv4/tcp_output.c: cutting segments of the send queues in two, trimming what was acknowledged, and keeping the counts of packets right.
 * `tcp_fragment` (any queue) and `tso_fragment` (not sent yet) → `skb_split`; `tcp_trim_head`; `tcp_set_skb_tso_segs`.
 *
 * Segments here have no headers yet, and all of their payload is in fragments.
 */
import { InvariantError } from '../../../sim/invariant.ts';
import {
  __skb_header_release,
  __skb_queue_after,
  SKB_TRUESIZE,
  SKBTX_ANY_TSTAMP,
  type sk_buff,
  skb_frag_size,
  skb_shinfo,
} from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC, type gfp_t, min } from '../../include/linux/types.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  before,
  TCP_MIN_GSO_SIZE,
  TCPCB_LOST,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  TCPHDR_FIN,
  TCPHDR_PSH,
  tcp_is_reno,
  tcp_rtx_queue_head,
  tcp_rtx_queue_tail,
  tcp_skb_mss,
  tcp_skb_pcount,
  u32add,
} from '../../include/net/tcp.ts';
import { put_page } from '../../mm/page_alloc.ts';
import { EINVAL, ENOMEM } from '../../uapi/errno.ts';
import { LINUX_MIB_TCPWQUEUETOOBIG } from '../../uapi/snmp.ts';
import { skb_unclone_keeptruesize } from '../core/skbuff_reshape.ts';
import { skb_shift, skb_split } from '../core/skbuff_split.ts';
import { sk_mem_charge, sk_mem_uncharge, sk_wmem_queued_add } from '../core/sock_mem.ts';
import { tcp_verify_left_out } from './tcp_input_cwnd.ts';
import { tcp_stream_alloc_skb } from './tcp_mem.ts';
import { tcp_rbtree_insert, tcp_unlink_write_queue, tcp_wmem_free_skb, tsortedInsertAfter } from './tcp_rtx_queue.ts';

export const TCP_FRAG_IN_WRITE_QUEUE = 0;
export const TCP_FRAG_IN_RTX_QUEUE = 1;

const GSO_LEGACY_MAX_SIZE = 65536;

/** How many packets the skb will be on the wire, at `mss_now` bytes each. */
export function tcp_set_skb_tso_segs(skb: sk_buff, mss_now: number): number {
  const cb = skb.tcp;
  if (skb.len <= mss_now) {
    cb.tcp_gso_size = 0;
    cb.tcp_gso_segs = 1;
    return 1;
  }
  const tso_segs = Math.floor((skb.len + mss_now - 1) / mss_now);
  cb.tcp_gso_size = mss_now;
  cb.tcp_gso_segs = tso_segs;
  return tso_segs;
}

/** The same when the skb was not counted yet or is counted in packets of another size. */
export function tcp_init_tso_segs(skb: sk_buff, mss_now: number): number {
  const tso_segs = tcp_skb_pcount(skb);
  if (tso_segs === 0 || (tso_segs > 1 && tcp_skb_mss(skb) !== mss_now)) return tcp_set_skb_tso_segs(skb, mss_now);
  return tso_segs;
}

/** A sent skb counts `decr` packets less than before: so do all totals it is part of. */
export function tcp_adjust_pcount(sk: sock, skb: sk_buff, decr: number): void {
  const tp = tcp_sk(sk);
  const sacked = skb.tcp.sacked;
  tp.packets_out -= decr;
  if ((sacked & TCPCB_SACKED_ACKED) !== 0) tp.sacked_out -= decr;
  if ((sacked & TCPCB_SACKED_RETRANS) !== 0) tp.retrans_out -= decr;
  if ((sacked & TCPCB_LOST) !== 0) tp.lost_out -= decr;
  // Without SACK, sacked_out counts duplicate ACKs; it must stay below packets_out.
  if (tcp_is_reno(tp) && decr > 0) tp.sacked_out -= min(tp.sacked_out, decr);
  tcp_verify_left_out(tp);
}

export const tcp_has_tx_tstamp = (skb: sk_buff): boolean => skb.tcp.txstamp_ack || (skb_shinfo(skb).tx_flags & SKBTX_ANY_TSTAMP) !== 0;

/** A requested timestamp belongs to the byte `tskey`: it goes with the half that has it. */
function tcp_fragment_tstamp(skb: sk_buff, skb2: sk_buff): void {
  const shinfo = skb_shinfo(skb);
  if (!tcp_has_tx_tstamp(skb) || before(shinfo.tskey, skb2.tcp.seq)) return;
  const shinfo2 = skb_shinfo(skb2);
  const tsflags = shinfo.tx_flags & SKBTX_ANY_TSTAMP;
  shinfo.tx_flags &= ~tsflags;
  shinfo2.tx_flags |= tsflags;
  const tskey = shinfo.tskey;
  shinfo.tskey = shinfo2.tskey;
  shinfo2.tskey = tskey;
  skb2.tcp.txstamp_ack = skb.tcp.txstamp_ack;
  skb.tcp.txstamp_ack = false;
}

export function tcp_skb_collapse_tstamp(skb: sk_buff, next_skb: sk_buff): void {
  if (!tcp_has_tx_tstamp(next_skb)) return;
  const next_shinfo = skb_shinfo(next_skb);
  skb_shinfo(skb).tx_flags |= next_shinfo.tx_flags & SKBTX_ANY_TSTAMP;
  skb_shinfo(skb).tskey = next_shinfo.tskey;
  if (next_skb.tcp.txstamp_ack) skb.tcp.txstamp_ack = true;
}

/** Cuts `skb` at `len`: the rest becomes an skb of its own, with FIN, PSH and the record's end, not linked yet. Null when memory is short. */
function cutTail(sk: sock, skb: sk_buff, len: number, gfp: gfp_t): sk_buff | null {
  const buff = tcp_stream_alloc_skb(sk, gfp, true);
  if (buff === null) return null;
  sk_wmem_queued_add(sk, buff.truesize);
  sk_mem_charge(sk, buff.truesize);
  const nlen = skb.len - len;
  buff.truesize += nlen;
  skb.truesize -= nlen;

  const cb = skb.tcp;
  const rest = buff.tcp;
  rest.seq = u32add(cb.seq, len);
  rest.end_seq = cb.end_seq;
  cb.end_seq = rest.seq;
  rest.tcp_flags = cb.tcp_flags;
  cb.tcp_flags &= ~(TCPHDR_FIN | TCPHDR_PSH);
  rest.eor = cb.eor;
  cb.eor = false;
  skb_split(skb, buff, len);
  tcp_fragment_tstamp(skb, buff);
  __skb_header_release(buff);
  return buff;
}

/** Splits a segment of either queue at `len` bytes; 0 or an errno. */
export function tcp_fragment(sk: sock, tcp_queue: number, skb: sk_buff, len: number, mss_now: number, gfp: gfp_t): number {
  const tp = tcp_sk(sk);
  if (len > skb.len) return -EINVAL;
  if (tcp_queue !== TCP_FRAG_IN_WRITE_QUEUE && queueTooBig(sk, skb)) return -ENOMEM;
  if (skb_unclone_keeptruesize(skb, gfp) !== 0) return -ENOMEM;
  const buff = cutTail(sk, skb, len, gfp);
  if (buff === null) return -ENOMEM;
  copySendState(skb, buff);
  const old_factor = tcp_skb_pcount(skb);
  const diff = old_factor - tcp_set_skb_tso_segs(skb, mss_now) - tcp_set_skb_tso_segs(buff, mss_now);
  if (!before(tp.snd_nxt, buff.tcp.end_seq) && diff !== 0) tcp_adjust_pcount(sk, skb, diff);
  if (tcp_queue === TCP_FRAG_IN_WRITE_QUEUE) __skb_queue_after(sk.sk_write_queue, skb, buff);
  else {
    tcp_rbtree_insert(sk.tcp_rtx_queue, buff);
    tsortedInsertAfter(tp, skb, buff);
  }
  return 0;
}

/** A peer that makes us split again and again with crafted SACKs must not make the queue grow without bounds (CVE-2019-11478). */
function queueTooBig(sk: sock, skb: sk_buff): boolean {
  const limit = sk.sk_sndbuf + 2 * SKB_TRUESIZE(GSO_LEGACY_MAX_SIZE);
  if (sk.sk_wmem_queued >> 1 <= limit || skb === tcp_rtx_queue_head(sk) || skb === tcp_rtx_queue_tail(sk)) return false;
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPWQUEUETOOBIG);
  return true;
}

/** The second half was sent when the first was, and shares its fate on the scoreboard. */
function copySendState(skb: sk_buff, buff: sk_buff): void {
  const from = skb.tcp;
  const to = buff.tcp;
  to.sacked = from.sacked;
  buff.tstamp = skb.tstamp;
  buff.skb_mstamp_ns = skb.skb_mstamp_ns;
  buff.tstamp_type = skb.tstamp_type;
  to.tx_is_app_limited = from.tx_is_app_limited;
  to.tx_delivered_ce = from.tx_delivered_ce;
  to.tx_delivered = from.tx_delivered;
  to.tx_first_tx_mstamp = from.tx_first_tx_mstamp;
  to.tx_delivered_mstamp = from.tx_delivered_mstamp;
}

/** As tcp_fragment() for an skb that was never sent, so that it has no clones and is on no scoreboard. */
export function tso_fragment(sk: sock, skb: sk_buff, len: number, mss_now: number, gfp: gfp_t): number {
  const buff = cutTail(sk, skb, len, gfp);
  if (buff === null) return -ENOMEM;
  tcp_set_skb_tso_segs(skb, mss_now);
  tcp_set_skb_tso_segs(buff, mss_now);
  __skb_queue_after(sk.sk_write_queue, skb, buff);
  return 0;
}

/** Throws the first `len` bytes of payload away. */
export function __pskb_trim_head(skb: sk_buff, len: number): number {
  const shinfo = skb_shinfo(skb);
  let eat = len;
  let kept = 0;
  for (let i = 0; i < shinfo.nr_frags; i++) {
    const frag = shinfo.frags[i]!;
    const size = skb_frag_size(frag);
    if (size <= eat) {
      put_page(frag.page);
      eat -= size;
      continue;
    }
    frag.off += eat;
    frag.size -= eat;
    eat = 0;
    // Swapped, not copied: frags are objects that stay with the skb.
    shinfo.frags[i] = shinfo.frags[kept]!;
    shinfo.frags[kept++] = frag;
  }
  if (eat !== 0) throw new InvariantError(`__pskb_trim_head: ${len} bytes of ${skb.len}`);
  shinfo.nr_frags = kept;
  skb.data_len -= len;
  skb.len = skb.data_len;
  return len;
}

/** Part of a segment was acknowledged: the rest of it stays in the queue. */
export function tcp_trim_head(sk: sock, skb: sk_buff, len: number): number {
  if (skb_unclone_keeptruesize(skb, GFP_ATOMIC) !== 0) return -ENOMEM;
  const delta_truesize = __pskb_trim_head(skb, len);
  skb.tcp.seq = u32add(skb.tcp.seq, len);
  skb.truesize -= delta_truesize;
  sk_wmem_queued_add(sk, -delta_truesize);
  sk_mem_uncharge(sk, delta_truesize);
  if (tcp_skb_pcount(skb) > 1) tcp_set_skb_tso_segs(skb, tcp_skb_mss(skb));
  return 0;
}

/** net/ipv4/tcp_input.c: moves payload from one sent skb to the one before, within what 16 bits of segments and bytes can count. */
export function tcp_skb_shift(to: sk_buff, from: sk_buff, pcount: number, shiftlen: number): number {
  if (to.len + shiftlen >= 65535 * TCP_MIN_GSO_SIZE) return 0;
  if (tcp_skb_pcount(to) + pcount > 65535) return 0;
  return skb_shift(to, from, shiftlen);
}

/** All payload of `src` has moved to `dst`, in the write queue: flags, record end and timestamps move, too. */
export function tcp_eat_one_skb(sk: sock, dst: sk_buff, src: sk_buff): void {
  dst.tcp.tcp_flags |= src.tcp.tcp_flags;
  dst.tcp.eor = src.tcp.eor;
  tcp_skb_collapse_tstamp(dst, src);
  tcp_unlink_write_queue(src, sk);
  tcp_wmem_free_skb(sk, src);
}
