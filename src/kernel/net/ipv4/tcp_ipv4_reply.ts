/**
 * net/ipv4/tcp_ipv4.c: segments that are answered without a socket of their own: RSTs, and ACKs of half-open connections and of TIME_WAIT.
 * `tcp_v4_send_reset`; `tcp_v4_timewait_ack`, `tcp_v4_reqsk_send_ack` → `tcp_v4_send_ack`. They go out by the host's control socket.
 */
import { trace } from '../../current.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_hdr, tcp_sk } from '../../include/linux/tcp.ts';
import { skb_rtable } from '../../include/net/dst.ts';
import { INET_ECN_MASK } from '../../include/net/inet_ecn.ts';
import { inet_sk } from '../../include/net/inet_sock.ts';
import { type inet_timewait_sock, TCP_TW_ACK_OOW, type tcp_tw_status } from '../../include/net/inet_timewait_sock.ts';
import { IP_REPLY_ARG_NOSRCCHECK, ip_hdr, ip_reply_arg } from '../../include/net/ip.ts';
import { RTN_LOCAL } from '../../include/net/ip_fib.ts';
import { __TCP_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import type { sock } from '../../include/net/sock.ts';
import {
  TCPOLEN_MD5SIG,
  TCPOLEN_MD5SIG_ALIGNED,
  TCPOLEN_TIMESTAMP,
  TCPOLEN_TSTAMP_ALIGNED,
  TCPOPT_MD5SIG,
  TCPOPT_NOP,
  TCPOPT_TIMESTAMP,
  tcp_clock_ns,
  tcp_clock_ts,
  tcp_synack_window,
  u32add,
} from '../../include/net/tcp.ts';
import { tcp_md5_do_lookup, type tcp_md5sig_key } from '../../include/net/tcp_md5sig.ts';
import { csum_tcpudp_nofold } from '../../lib/checksum.ts';
import { IPPROTO_TCP, tcphdr } from '../../uapi/in.ts';
import { TCP_MIB_OUTRSTS, TCP_MIB_OUTSEGS } from '../../uapi/snmp.ts';
import { TCP_LISTEN, TCP_TIME_WAIT } from '../../uapi/tcp.ts';
import { __inet_lookup_listener } from './inet_hashtables.ts';
import { inet_twsk_put } from './inet_timewait_sock.ts';
import { ip_send_unicast_reply } from './ip_output.ts';
import { isSigned, tcp_parse_md5sig_option } from './tcp_ipv4_auth.ts';
import { tcp_v4_md5_hash_hdr } from './tcp_ipv4_md5.ts';

/** Offset of the checksum in the header, in words of 16 bits. */
const CSUM_OFFSET_WORDS = 8;
const SIGNATURE = ((TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) | (TCPOPT_MD5SIG << 8) | TCPOLEN_MD5SIG) >>> 0;
const ALIGNED_TIMESTAMP = ((TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) | (TCPOPT_TIMESTAMP << 8) | TCPOLEN_TIMESTAMP) >>> 0;

type replySource = sock | inet_timewait_sock;
const isTimewait = (sk: replySource): sk is inet_timewait_sock => sk.skc_state === TCP_TIME_WAIT;

/** Marks and delay of the connection that the reply belongs to. */
class replyStyle {
  mark = 0;
  priority = 0;
  txhash = 0;
  /** When to send (ns), 0 for at once. */
  transmit_time = 0;
}

function styleOf(sk: replySource | null): replyStyle {
  const style = new replyStyle();
  if (sk === null) return style;
  const tw = isTimewait(sk);
  style.mark = tw ? sk.tw_mark : sk.sk_mark;
  style.priority = tw ? sk.tw_priority : sk.sk_priority;
  style.txhash = tw ? sk.tw_txhash : sk.sk_txhash;
  const delay = tw ? sk.tw_tx_delay : tcp_sk(sk).tcp_tx_delay;
  if (delay !== 0) style.transmit_time = tcp_clock_ns() + delay * 1000;
  return style;
}

/** A header of `len` bytes with ports and length set: the reply to `th`. */
function replyHeader(arg: ip_reply_arg, th: tcphdr, len: number): tcphdr {
  arg.data = new Uint8Array(len);
  const reply = new tcphdr(new DataView(arg.data.buffer), 0);
  reply.dest = th.source;
  reply.source = th.dest;
  reply.doff = len >> 2;
  return reply;
}

function sendReply(network: net, sk: replySource | null, skb: sk_buff, arg: ip_reply_arg, style: replyStyle): void {
  const iph = ip_hdr(skb);
  const len = arg.data.length;
  const ctl_sk = network.ipv4.tcp_sk;
  arg.csum = csum_tcpudp_nofold(iph.daddr, iph.saddr, len, IPPROTO_TCP, 0);
  arg.csumoffset = CSUM_OFFSET_WORDS;
  ctl_sk.sk_mark = style.mark;
  ctl_sk.sk_priority = style.priority;
  ip_send_unicast_reply(ctl_sk, sk as sock | null, skb, iph.saddr, iph.daddr, arg, len, style.transmit_time, style.txhash);
  __TCP_INC_STATS(network, TCP_MIB_OUTSEGS);
}

/**
 * RFC 9293 (3.5.2): a RST for a segment that belongs to no connection (`sk` null), or that is not acceptable to `sk`. It uses nothing of the socket's
 * but its device and marks: the segment does not belong to it, after all.
 */
export function tcp_v4_send_reset(sk: replySource | null, skb: sk_buff, reason: number): void {
  const th = tcp_hdr(skb);
  if (th.rst !== 0) return;
  if (sk === null && skb_rtable(skb)?.rt_type !== RTN_LOCAL) return;
  const network = sk !== null ? sk.skc_net : skb_rtable(skb)!.dev.nd_net;
  const md5_hash_location = tcp_parse_md5sig_option(skb);
  if (md5_hash_location < 0) return;
  const full = sk !== null && !isTimewait(sk);
  const key = full ? tcp_md5_do_lookup(sk, ip_hdr(skb).saddr) : strangersKey(network, skb, md5_hash_location);
  if (key === null && !full && md5_hash_location > 0) return;
  const arg = new ip_reply_arg();
  const reply = replyHeader(arg, th, tcphdr.size + (key === null ? 0 : TCPOLEN_MD5SIG_ALIGNED));
  reply.rst = 1;
  if (th.ack !== 0) reply.seq = th.ack_seq;
  else {
    reply.ack = 1;
    reply.ack_seq = u32add(th.seq, th.syn + th.fin + skb.len - (th.doff << 2));
  }
  if (sk !== null) {
    arg.bound_dev_if = sk.skc_bound_dev_if;
    if (isTransparent(sk)) arg.flags = IP_REPLY_ARG_NOSRCCHECK;
  }
  arg.tos = ip_hdr(skb).tos & ~INET_ECN_MASK;
  if (key !== null) signReply(arg, tcphdr.size, key, skb);
  trace().tcp_send_reset?.(sk as sock | null, skb, reason);
  sendReply(network, sk, skb, arg, styleOf(sk));
  __TCP_INC_STATS(network, TCP_MIB_OUTRSTS);
}

/**
 * The key for a signed segment whose connection is gone: that of the listener at the port where the peer's segments come from. Null, and then no RST is sent,
 * if there is none or if the signature is wrong; null, too, without a signature (`md5_hash_location` 0).
 */
function strangersKey(network: net, skb: sk_buff, md5_hash_location: number): tcp_md5sig_key | null {
  if (md5_hash_location === 0) return null;
  const { saddr, daddr } = ip_hdr(skb);
  const { source } = tcp_hdr(skb);
  const listener = __inet_lookup_listener(network, saddr, source, daddr, source, skb.skb_iif, 0);
  const key = listener === null ? null : tcp_md5_do_lookup(listener, saddr);
  return key !== null && isSigned(skb, key, md5_hash_location) ? key : null;
}

/** Adds the digest to a reply to `skb`, `at` being where its option starts. */
function signReply(arg: ip_reply_arg, at: number, key: tcp_md5sig_key, skb: sk_buff): void {
  const { saddr, daddr } = ip_hdr(skb);
  new DataView(arg.data.buffer).setUint32(at, SIGNATURE);
  tcp_v4_md5_hash_hdr(arg.data, at + 4, key, daddr, saddr);
}

const isTransparent = (sk: replySource): boolean => (isTimewait(sk) ? sk.tw_transparent : inet_sk(sk).transparent);

function tcp_v4_send_ack(
  sk: replySource,
  skb: sk_buff,
  seq: number,
  ack: number,
  win: number,
  tsval: number,
  tsecr: number,
  arg: ip_reply_arg,
  txhash: number,
  key: tcp_md5sig_key | null,
): void {
  const th = tcp_hdr(skb);
  const withStamps = tcphdr.size + (tsecr !== 0 ? TCPOLEN_TSTAMP_ALIGNED : 0);
  const reply = replyHeader(arg, th, withStamps + (key !== null ? TCPOLEN_MD5SIG_ALIGNED : 0));
  reply.seq = seq;
  reply.ack_seq = ack;
  reply.ack = 1;
  reply.window = win;
  if (tsecr !== 0) {
    const view = new DataView(arg.data.buffer);
    view.setUint32(20, ALIGNED_TIMESTAMP);
    view.setUint32(24, tsval);
    view.setUint32(28, tsecr);
  }
  if (key !== null) signReply(arg, withStamps, key, skb);
  const style = styleOf(sk);
  style.txhash = txhash;
  sendReply(sk.skc_net, sk, skb, arg, style);
}

/** Gives up the caller's reference of `tw`. */
export function tcp_v4_timewait_ack(tw: inet_timewait_sock, skb: sk_buff, tw_status: tcp_tw_status): void {
  const arg = new ip_reply_arg();
  arg.bound_dev_if = tw.skc_bound_dev_if;
  arg.flags = tw.tw_transparent ? IP_REPLY_ARG_NOSRCCHECK : 0;
  // An answer to what is out of window says nothing about congestion.
  arg.tos = tw_status === TCP_TW_ACK_OOW ? tw.tw_tos & ~INET_ECN_MASK : tw.tw_tos;
  const tsval = u32add(tcp_clock_ts(tw.tw_usec_ts), tw.tw_ts_offset);
  const win = tw.tw_rcv_wnd >>> tw.tw_rcv_wscale;
  tcp_v4_send_ack(tw, skb, tw.tw_snd_nxt, tw.tw_rcv_nxt, win, tsval, tw.tw_ts_recent, arg, tw.tw_txhash, tw.tw_md5_key);
  inet_twsk_put(tw);
}

/** `sk` is the listener, or the child of a Fast Open connection. */
export function tcp_v4_reqsk_send_ack(sk: sock, skb: sk_buff, req: request_sock): void {
  const seq = sk.skc_state === TCP_LISTEN ? u32add(req.snt_isn, 1) : tcp_sk(sk).snd_nxt;
  const arg = new ip_reply_arg();
  arg.flags = req.no_srccheck ? IP_REPLY_ARG_NOSRCCHECK : 0;
  arg.tos = ip_hdr(skb).tos & ~INET_ECN_MASK;
  const tsval = u32add(tcp_clock_ts(req.req_usec_ts), req.ts_off);
  const key = tcp_md5_do_lookup(sk, ip_hdr(skb).saddr);
  tcp_v4_send_ack(sk, skb, seq, req.rcv_nxt, tcp_synack_window(req) >>> req.rcv_wscale, tsval, req.ts_recent, arg, req.txhash, key);
}
