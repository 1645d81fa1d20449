/**
 * net/ipv4/tcp_ipv4.c: segments for a socket whose user has it: `tcp_add_backlog` appends them to the backlog, or to the last segment there.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { trace } from '../../current.ts';
import { type sk_buff, skb_coalesce_result, skb_pull, skb_push, skb_shinfo } from '../../include/linux/skbuff.ts';
import { SKB_DROP_REASON_SOCKET_BACKLOG, SKB_DROP_REASON_TCP_CSUM, SKB_NOT_DROPPED_YET } from '../../include/net/dropreason.ts';
import { __NET_INC_STATS, __TCP_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  before,
  TCPHDR_ACK,
  TCPHDR_AE,
  TCPHDR_CWR,
  TCPHDR_ECE,
  TCPHDR_RST,
  TCPHDR_SYN,
  TCPHDR_URG,
  tcp_cleanup_skb,
} from '../../include/net/tcp.ts';
import { tcphdr } from '../../uapi/in.ts';
import { LINUX_MIB_TCPBACKLOGCOALESCE, LINUX_MIB_TCPBACKLOGDROP, TCP_MIB_CSUMERRORS, TCP_MIB_INERRS } from '../../uapi/snmp.ts';
import { skb_checksum_complete } from '../core/skbuff_csum.ts';
import { kfree_skb_partial } from '../core/skbuff_free.ts';
import { skb_condense } from '../core/skbuff_reshape.ts';
import { skb_try_coalesce } from '../core/skbuff_split.ts';
import { sk_add_backlog } from '../core/sock.ts';

const NEVER_MERGED = TCPHDR_SYN | TCPHDR_RST | TCPHDR_URG;
const MUST_AGREE = TCPHDR_ECE | TCPHDR_CWR | TCPHDR_AE;

/** SKB_NOT_DROPPED_YET if the segment was taken; else why it is to be dropped. */
export function tcp_add_backlog(sk: sock, skb: sk_buff): number {
  skb_condense(skb);
  tcp_cleanup_skb(skb);
  if (skb_checksum_complete(skb) !== 0) {
    trace().tcp_bad_csum?.(skb);
    __TCP_INC_STATS(sock_net(sk), TCP_MIB_CSUMERRORS);
    __TCP_INC_STATS(sock_net(sk), TCP_MIB_INERRS);
    return SKB_DROP_REASON_TCP_CSUM;
  }
  const tail = sk.sk_backlog.prev;
  if (tail !== null && follows(tail, skb) && coalesce(sk, tail, skb)) return SKB_NOT_DROPPED_YET;
  // Both the backlog and the receive queue may fill sk_rcvbuf; only the owner can compact them, so some headroom is allowed on top.
  if (sk_add_backlog(sk, skb, sk.sk_rcvbuf * 2 + (sk.sk_sndbuf >>> 1) + 64 * 1024) === 0) return SKB_NOT_DROPPED_YET;
  __NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPBACKLOGDROP);
  return SKB_DROP_REASON_SOCKET_BACKLOG;
}

/** Continues `skb` the last segment, with the same flags and options? */
function follows(tail: sk_buff, skb: sk_buff): boolean {
  const a = tail.tcp;
  const b = skb.tcp;
  if (a.end_seq !== b.seq || a.ip_dsfield !== b.ip_dsfield) return false;
  if (((a.tcp_flags | b.tcp_flags) & NEVER_MERGED) !== 0 || (a.tcp_flags & b.tcp_flags & TCPHDR_ACK) === 0) return false;
  return ((a.tcp_flags ^ b.tcp_flags) & MUST_AGREE) === 0 && sameOptions(tail, skb);
}

function sameOptions(tail: sk_buff, skb: sk_buff): boolean {
  const a = tail.mem.u8;
  const b = skb.mem.u8;
  const len = (b[skb.data + 12]! >> 4) << 2;
  if ((a[tail.data + 12]! >> 4) << 2 !== len) return false;
  for (let i = tcphdr.size; i < len; i++) if (a[tail.data + i] !== b[skb.data + i]) return false;
  return true;
}

/** Appends the data of `skb` to `tail`, as GRO would have done; false (and nothing changed) if there is no room. */
function coalesce(sk: sock, tail: sk_buff, skb: sk_buff): boolean {
  const hdrlen = (skb.mem.u8[skb.data + 12]! >> 4) << 2;
  const th = new tcphdr(skb.mem.view, skb.data);
  const thtail = new tcphdr(tail.mem.view, tail.data);
  const window = th.window;
  const fin = th.fin;
  skb_pull(skb, hdrlen);
  const from = skb_shinfo(skb);
  const to = skb_shinfo(tail);
  const gso_size = Math.max(from.gso_size || skb.len, to.gso_size || tail.len - hdrlen);
  const gso_segs = (from.gso_segs || 1) + (to.gso_segs || 1);
  const result = new skb_coalesce_result();
  if (!skb_try_coalesce(tail, skb, result)) {
    skb_push(skb, hdrlen);
    return false;
  }
  tail.tcp.end_seq = skb.tcp.end_seq;
  if (!before(skb.tcp.ack_seq, tail.tcp.ack_seq)) {
    tail.tcp.ack_seq = skb.tcp.ack_seq;
    thtail.window = window;
  }
  if (fin !== 0) thtail.fin = 1;
  tail.tcp.tcp_flags |= skb.tcp.tcp_flags;
  if (skb.tcp.has_rxtstamp) {
    tail.tcp.has_rxtstamp = true;
    tail.tstamp = skb.tstamp;
    to.hwtstamps = from.hwtstamps;
  }
  to.gso_size = gso_size;
  to.gso_segs = Math.min(gso_segs, 0xffff);
  sk.sk_backlog_len += result.delta_truesize;
  tail.queuedTime = this_cpu.clock;
  __NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPBACKLOGCOALESCE);
  kfree_skb_partial(skb, result.fragstolen);
  return true;
}
