/**
 * net/ipv4/tcp_ipv4.c: every segment that comes in.
 * `tcp_v4_early_demux` (before routing) … `tcp_v4_rcv` → checks → lookup → `tcp_v4_do_rcv` → tcp_rcv_established / tcp_rcv_state_process; or to a
 * half-open connection (`tcp_check_req`), to TIME_WAIT (`tcp_timewait_state_process`), to the backlog, or it is answered with a RST.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { trace } from '../../current.ts';
import { PACKET_HOST, type sk_buff, skb_dst_set_noref } from '../../include/linux/skbuff.ts';
import { tcp_hdr, tcp_sk } from '../../include/linux/tcp.ts';
import {
  SKB_DROP_REASON_NO_SOCKET,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_PKT_TOO_SMALL,
  SKB_DROP_REASON_TCP_CSUM,
  SKB_DROP_REASON_TCP_MINTTL,
  SKB_NOT_DROPPED_YET,
} from '../../include/net/dropreason.ts';
import { dst_check, dst_release } from '../../include/net/dst.ts';
import type { ehashSock } from '../../include/net/inet_hashtables.ts';
import { inet_sk } from '../../include/net/inet_sock.ts';
import { type inet_timewait_sock, TCP_TW_ACK, TCP_TW_ACK_OOW, TCP_TW_RST, TCP_TW_SYN } from '../../include/net/inet_timewait_sock.ts';
import { ip_hdr } from '../../include/net/ip.ts';
import { __NET_INC_STATS, __TCP_INC_STATS, type net, TCP_INC_STATS } from '../../include/net/net_namespace.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import { sock_rps_save_rxhash } from '../../include/net/rps.ts';
import { SK_RST_REASON_TCP_TIMEWAIT_SOCKET, sk_rst_convert_drop_reason } from '../../include/net/rstreason.ts';
import { type sock, sock_hold, sock_net, sock_owned_by_user } from '../../include/net/sock.ts';
import { skbGsoSegs, tcp_segs_in } from '../../include/net/tcp.ts';
import { IPPROTO_TCP, type iphdr, type tcphdr } from '../../uapi/in.ts';
import { LINUX_MIB_TCPMINTTLDROP, TCP_MIB_CSUMERRORS, TCP_MIB_INERRS, TCP_MIB_INSEGS } from '../../uapi/snmp.ts';
import { TCP_ESTABLISHED, TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_TIME_WAIT } from '../../uapi/tcp.ts';
import { sk_filter_trim_cap } from '../core/filter.ts';
import { reqsk_put } from '../core/request_sock.ts';
import { skb_checksum_complete, skb_checksum_init } from '../core/skbuff_csum.ts';
import { sk_skb_reason_drop } from '../core/skbuff_free.ts';
import { pskb_may_pull } from '../core/skbuff_reshape.ts';
import { sk_incoming_cpu_update, sock_put } from '../core/sock.ts';
import { sock_edemux } from '../core/sock_edemux.ts';
import { reuseport_migrate_sock } from '../core/sock_reuseport.ts';
import { inet_csk_reqsk_queue_drop_and_put } from './inet_connection_sock.ts';
import { __inet_lookup_established, __inet_lookup_listener } from './inet_hashtables.ts';
import { inet_twsk_deschedule_put, inet_twsk_put } from './inet_timewait_sock.ts';
import { tcp_rcv_established, tcp_rcv_state_process } from './tcp_input.ts';
import { tcp_inbound_hash } from './tcp_ipv4_auth.ts';
import { tcp_add_backlog } from './tcp_ipv4_backlog.ts';
import { inet_compute_pseudo } from './tcp_ipv4_check.ts';
import { tcp_v4_send_reset, tcp_v4_timewait_ack } from './tcp_ipv4_reply.ts';
import { tcp_v4_cookie_check } from './tcp_ipv4_req.ts';
import { tcp_check_req, tcp_timewait_state_process } from './tcp_minisocks.ts';
import { tcp_child_process } from './tcp_minisocks_child.ts';

const TCPHDR_LEN = 20;

/** Bytes of the TCP header at the front of `skb`. */
const headerLength = (skb: sk_buff): number => (skb.mem.u8[skb.data + 12]! >> 4) << 2;

/** Finds the connection of a packet before its route is looked up, since an established one knows the route. */
export function tcp_v4_early_demux(skb: sk_buff): number {
  if (skb.pkt_type !== PACKET_HOST) return 0;
  if (!pskb_may_pull(skb, skb.transport_header - skb.data + TCPHDR_LEN)) return 0;
  const iph = ip_hdr(skb);
  const th = tcp_hdr(skb);
  if (th.doff < 5) return 0;
  const found = __inet_lookup_established(skb.dev!.nd_net, iph.saddr, th.source, iph.daddr, th.dest, skb.skb_iif, 0);
  if (found === null) return 0;
  skb.sk = found as sock | request_sock;
  skb.destructor = sock_edemux;
  if (found.skc_state === TCP_TIME_WAIT || found.skc_state === TCP_NEW_SYN_RECV) return 0;
  const sk = found as sock;
  const dst = sk.sk_rx_dst;
  if (dst !== null && sk.sk_rx_dst_ifindex === skb.skb_iif && dst_check(dst, 0) !== null) skb_dst_set_noref(skb, dst);
  return 0;
}

/** Notes what TCP needs of the headers in skb.tcp. */
function tcp_v4_fill_cb(skb: sk_buff, iph: iphdr, th: tcphdr): void {
  const cb = skb.tcp;
  const flags = th.flagWord;
  cb.seq = th.seq;
  cb.end_seq = (cb.seq + ((flags >> 1) & 1) + (flags & 1) + skb.len - ((flags >> 12) << 2)) >>> 0;
  cb.ack_seq = th.ack_seq;
  cb.tcp_flags = flags & 0x1ff;
  cb.ip_dsfield = iph.tos;
  cb.sacked = 0;
  cb.has_rxtstamp = skb.tstamp !== 0 || skb.shinfo.hwtstamps !== 0n;
}

/** A socket filter may shorten the payload, not the header. SKB_NOT_DROPPED_YET: it passes. */
export function tcp_filter(sk: sock, skb: sk_buff): number {
  return sk_filter_trim_cap(sk, skb, headerLength(skb));
}

/** The last step of a segment that goes no further. */
function discard(sk: sock | null, skb: sk_buff, reason: number): number {
  sk_skb_reason_drop(sk, skb, reason === SKB_NOT_DROPPED_YET ? SKB_DROP_REASON_NOT_SPECIFIED : reason, 'tcp_v4_rcv');
  return 0;
}

/** As `discard`, for a segment of `sk`, whose reference is given up. */
function discardAndRelease(sk: sock, skb: sk_buff, reason: number, refcounted: boolean): number {
  sk.sk_drops += skbGsoSegs(skb);
  if (refcounted) sock_put(sk);
  return discard(sk, skb, reason);
}

function checksumError(network: net, skb: sk_buff): number {
  trace().tcp_bad_csum?.(skb);
  __TCP_INC_STATS(network, TCP_MIB_CSUMERRORS);
  __TCP_INC_STATS(network, TCP_MIB_INERRS);
  return discard(null, skb, SKB_DROP_REASON_TCP_CSUM);
}

export function tcp_v4_rcv(skb: sk_buff): number {
  const network = skb.dev!.nd_net;
  if (skb.pkt_type !== PACKET_HOST) return discard(null, skb, SKB_DROP_REASON_NOT_SPECIFIED);
  __TCP_INC_STATS(network, TCP_MIB_INSEGS);
  if (!pskb_may_pull(skb, TCPHDR_LEN)) return discard(null, skb, SKB_DROP_REASON_NOT_SPECIFIED);
  const hdrlen = headerLength(skb);
  if (hdrlen < TCPHDR_LEN) {
    __TCP_INC_STATS(network, TCP_MIB_INERRS);
    return discard(null, skb, SKB_DROP_REASON_PKT_TOO_SMALL);
  }
  if (!pskb_may_pull(skb, hdrlen)) return discard(null, skb, SKB_DROP_REASON_NOT_SPECIFIED);
  if (skb_checksum_init(skb, IPPROTO_TCP, inet_compute_pseudo) !== 0) return checksumError(network, skb);
  skb.tcp.tcp_tw_isn = 0;
  return deliver(network, skb);
}

/** What early demux found, or the connection, or a listener. A reference comes with all but listeners. */
function lookup(network: net, skb: sk_buff, iph: iphdr, th: tcphdr): ehashSock | null {
  const found = skb.sk;
  if (found !== null) {
    skb.sk = null;
    skb.destructor = null;
    return found;
  }
  const { saddr, daddr } = iph;
  const { source, dest } = th;
  return (
    __inet_lookup_established(network, saddr, source, daddr, dest, skb.skb_iif, 0) ??
    __inet_lookup_listener(network, saddr, source, daddr, dest, skb.skb_iif, 0)
  );
}

function deliver(network: net, skb: sk_buff): number {
  const iph = ip_hdr(skb);
  const th = tcp_hdr(skb);
  const sk = lookup(network, skb, iph, th);
  if (sk === null) return noSocket(network, skb, iph, th);
  if (sk.skc_state === TCP_TIME_WAIT) return toTimewait(network, sk as inet_timewait_sock, skb, iph, th);
  if (sk.skc_state === TCP_NEW_SYN_RECV) return toRequest(network, sk as request_sock, skb, iph, th);
  return toSocket(network, sk as sock, skb, iph, th, sk.skc_state !== TCP_LISTEN);
}

/** For a connection or a listener. */
function toSocket(network: net, sk: sock, skb: sk_buff, iph: iphdr, th: tcphdr, refcounted: boolean): number {
  if (iph.ttl < inet_sk(sk).min_ttl) {
    __NET_INC_STATS(network, LINUX_MIB_TCPMINTTLDROP);
    return discardAndRelease(sk, skb, SKB_DROP_REASON_TCP_MINTTL, refcounted);
  }
  let reason = tcp_inbound_hash(sk, skb);
  if (reason !== SKB_NOT_DROPPED_YET) return discardAndRelease(sk, skb, reason, refcounted);
  reason = tcp_filter(sk, skb);
  if (reason !== SKB_NOT_DROPPED_YET) return discardAndRelease(sk, skb, reason, refcounted);
  tcp_v4_fill_cb(skb, iph, th);
  skb.dev = null;
  if (sk.skc_state !== TCP_LISTEN) {
    sk_incoming_cpu_update(sk);
    tcp_segs_in(tcp_sk(sk), skb);
    if (sock_owned_by_user(sk)) {
      reason = tcp_add_backlog(sk, skb);
      if (reason !== SKB_NOT_DROPPED_YET) return discardAndRelease(sk, skb, reason, refcounted);
      if (refcounted) sock_put(sk);
      return 0;
    }
  }
  const ret = tcp_v4_do_rcv(sk, skb);
  if (refcounted) sock_put(sk);
  return ret;
}

/** For a half-open connection; the reference of `req` is ours. */
function toRequest(network: net, req: request_sock, skb: sk_buff, iph: iphdr, th: tcphdr): number {
  let sk = req.rsk_listener!;
  let reason = tcp_inbound_hash(sk, skb);
  if (reason !== SKB_NOT_DROPPED_YET) {
    sk.sk_drops += skbGsoSegs(skb);
    reqsk_put(req);
    return discard(sk, skb, reason);
  }
  if (skb_checksum_complete(skb) !== 0) {
    reqsk_put(req);
    return checksumError(network, skb);
  }
  if (sk.skc_state === TCP_LISTEN) sock_hold(sk);
  else {
    const nsk = reuseport_migrate_sock(sk, req.skc_hash);
    if (nsk === null) {
      inet_csk_reqsk_queue_drop_and_put(sk, req);
      return deliver(network, skb);
    }
    sk = nsk;
  }
  let nsk: sock | null = null;
  reason = tcp_filter(sk, skb);
  if (reason === SKB_NOT_DROPPED_YET) {
    tcp_v4_fill_cb(skb, iph, th);
    nsk = tcp_check_req(sk, skb, req, false);
    reason = req.dropReason;
  }
  if (nsk === null) {
    reqsk_put(req);
    return discardAndRelease(sk, skb, reason, true);
  }
  if (nsk === sk) {
    reqsk_put(req);
    return toSocket(network, sk, skb, iph, th, true);
  }
  reason = tcp_child_process(sk, nsk, skb);
  if (reason !== SKB_NOT_DROPPED_YET) {
    tcp_v4_send_reset(nsk, skb, sk_rst_convert_drop_reason(reason));
    return discardAndRelease(sk, skb, reason, true);
  }
  sock_put(sk);
  return 0;
}

function noSocket(network: net, skb: sk_buff, iph: iphdr, th: tcphdr): number {
  tcp_v4_fill_cb(skb, iph, th);
  if (skb_checksum_complete(skb) !== 0) return checksumError(network, skb);
  tcp_v4_send_reset(null, skb, sk_rst_convert_drop_reason(SKB_DROP_REASON_NO_SOCKET));
  return discard(null, skb, SKB_DROP_REASON_NO_SOCKET);
}

/** For a connection in TIME_WAIT; the reference of `tw` is ours. */
function toTimewait(network: net, tw: inet_timewait_sock, skb: sk_buff, iph: iphdr, th: tcphdr): number {
  tcp_v4_fill_cb(skb, iph, th);
  if (skb_checksum_complete(skb) !== 0) {
    inet_twsk_put(tw);
    return checksumError(network, skb);
  }
  const tw_status = tcp_timewait_state_process(tw, skb, th);
  if (tw_status === TCP_TW_SYN) {
    const listener = __inet_lookup_listener(network, iph.saddr, th.source, iph.daddr, th.dest, skb.skb_iif, 0);
    if (listener !== null) {
      skb.tcp.tcp_tw_isn = tw.newIsn;
      inet_twsk_deschedule_put(tw);
      return toSocket(network, listener, skb, iph, th, false);
    }
  }
  if (tw_status === TCP_TW_RST) {
    tcp_v4_send_reset(tw, skb, SK_RST_REASON_TCP_TIMEWAIT_SOCKET);
    inet_twsk_deschedule_put(tw);
  } else if (tw_status === TCP_TW_ACK || tw_status === TCP_TW_ACK_OOW || tw_status === TCP_TW_SYN) tcp_v4_timewait_ack(tw, skb, tw_status);
  return discard(null, skb, tw.dropReason);
}

/** A segment for a socket that nobody owns, straight from tcp_v4_rcv() or from the backlog. */
export function tcp_v4_do_rcv(sk: sock, skb: sk_buff): number {
  if (this_cpu.clock > sk.inputTime) sk.inputTime = this_cpu.clock;
  if (sk.skc_state === TCP_ESTABLISHED) {
    sock_rps_save_rxhash(sk, skb);
    sk.sk_napi_id = skb.napi_id;
    const dst = sk.sk_rx_dst;
    if (dst !== null && (sk.sk_rx_dst_ifindex !== skb.skb_iif || dst.ops.check(dst, 0) === null)) {
      sk.sk_rx_dst = null;
      dst_release(dst);
    }
    tcp_rcv_established(sk, skb);
    return 0;
  }
  if (skb_checksum_complete(skb) !== 0) return checksumErrorOf(sk, skb);
  if (sk.skc_state === TCP_LISTEN) return listenerRcv(sk, skb);
  sock_rps_save_rxhash(sk, skb);
  return resetIfAsked(sk, sk, skb, tcp_rcv_state_process(sk, skb));
}

function listenerRcv(sk: sock, skb: sk_buff): number {
  const nsk = tcp_v4_cookie_check(sk, skb);
  if (nsk === null) return 0;
  if (nsk !== sk) return resetIfAsked(sk, nsk, skb, tcp_child_process(sk, nsk, skb));
  return resetIfAsked(sk, sk, skb, tcp_rcv_state_process(sk, skb));
}

/** tcp_rcv_state_process() found the segment unacceptable for `reason`: a RST, on behalf of `rsk`. */
function resetIfAsked(sk: sock, rsk: sock, skb: sk_buff, reason: number): number {
  if (reason === SKB_NOT_DROPPED_YET) return 0;
  tcp_v4_send_reset(rsk, skb, sk_rst_convert_drop_reason(reason));
  sk_skb_reason_drop(sk, skb, reason, 'tcp_v4_do_rcv');
  return 0;
}

function checksumErrorOf(sk: sock, skb: sk_buff): number {
  trace().tcp_bad_csum?.(skb);
  TCP_INC_STATS(sock_net(sk), TCP_MIB_CSUMERRORS);
  TCP_INC_STATS(sock_net(sk), TCP_MIB_INERRS);
  sk_skb_reason_drop(sk, skb, SKB_DROP_REASON_TCP_CSUM, 'tcp_v4_do_rcv');
  return 0;
}
