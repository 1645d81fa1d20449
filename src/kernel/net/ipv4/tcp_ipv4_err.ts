/**
 * net/ipv4/tcp_ipv4.c: ICMP errors about segments of ours.
 * `tcp_v4_err` → `tcp_v4_mtu_reduced` (RFC 1191), `tcp_ld_RTO_revert` (RFC 6069), `tcp_req_err`, or an error for the socket (RFC 1122 4.2.3.9).
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { TCPF_MTU_REDUCED_DEFERRED, tcp_sk } from '../../include/linux/tcp.ts';
import { dst_mtu } from '../../include/net/dst.ts';
import { icmp_err_convert, icmp_hdr } from '../../include/net/icmp.ts';
import type { ehashSock } from '../../include/net/inet_hashtables.ts';
import { ICSK_TIME_RETRANS, inet_csk, inet_csk_rto_backoff, inet_sk } from '../../include/net/inet_sock.ts';
import type { inet_timewait_sock } from '../../include/net/inet_timewait_sock.ts';
import { ip_dont_fragment, ip_sk_accept_pmtu } from '../../include/net/ip.ts';
import { __NET_INC_STATS, ICMP_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import { type sock, sock_hold, sock_owned_by_user } from '../../include/net/sock.ts';
import {
  __tcp_set_rto,
  between,
  TCP_TIMEOUT_INIT,
  tcp_listendrop,
  tcp_rto_max,
  tcp_rtx_queue_head,
  tcp_skb_timestamp_us,
} from '../../include/net/tcp.ts';
import { usecs_to_jiffies } from '../../kernel/time/timer.ts';
import { EHOSTUNREACH, EMSGSIZE, ENOENT, EPROTO } from '../../uapi/errno.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_HOST_UNREACH,
  ICMP_NET_UNREACH,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  IP_PMTUDISC_DONT,
  ip_hdrlen,
  iphdr,
  tcphdr,
} from '../../uapi/in.ts';
import { ICMP_MIB_INERRORS, LINUX_MIB_LOCKDROPPEDICMPS, LINUX_MIB_OUTOFWINDOWICMPS, LINUX_MIB_TCPMINTTLDROP } from '../../uapi/snmp.ts';
import {
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
  TCPF_CLOSE,
  TCPF_LISTEN,
} from '../../uapi/tcp.ts';
import { reqsk_put } from '../core/request_sock.ts';
import { __sk_dst_check, sk_error_report, sock_put } from '../core/sock.ts';
import { inet_csk_reqsk_queue_drop, inet_csk_update_pmtu } from './inet_connection_sock.ts';
import { __inet_lookup_established } from './inet_hashtables.ts';
import { inet_twsk_put } from './inet_timewait_sock.ts';
import { ip_icmp_error } from './ip_sockglue_error.ts';
import { tcp_simple_retransmit } from './tcp_input.ts';
import { tcp_mstamp_refresh, tcp_sync_mss } from './tcp_output.ts';
import { tcp_done_with_error, tcp_reset_xmit_timer } from './tcp_state.ts';
import { tcp_retransmit_timer } from './tcp_timer.ts';

const NR_ICMP_UNREACH = 15;

/** The path takes less: segments become smaller, and those that were too large are sent again at once. */
export function tcp_v4_mtu_reduced(sk: sock): void {
  if (((1 << sk.skc_state) & (TCPF_LISTEN | TCPF_CLOSE)) !== 0) return;
  const told = tcp_sk(sk).mtu_info;
  const dst = inet_csk_update_pmtu(sk, told);
  if (dst === null) return;
  // If the connection does not recover, this is what the user shall hear.
  if (told < dst_mtu(dst) && ip_dont_fragment(sk, dst)) sk.sk_err_soft = EMSGSIZE;
  const mtu = dst_mtu(dst);
  if (inet_sk(sk).pmtudisc === IP_PMTUDISC_DONT || !ip_sk_accept_pmtu(sk) || inet_csk(sk).icsk_pmtu_cookie <= mtu) return;
  tcp_sync_mss(sk, mtu);
  tcp_simple_retransmit(sk);
}

/** An error about the SYN-ACK of a half-open connection. accept() shall not return network errors, so the request just goes. */
function tcp_req_err(req: request_sock, seq: number, abort: boolean): void {
  const listener = req.rsk_listener!;
  if (seq !== req.snt_isn) __NET_INC_STATS(req.skc_net, LINUX_MIB_OUTOFWINDOWICMPS);
  else if (abort) {
    inet_csk_reqsk_queue_drop(listener, req);
    tcp_listendrop(listener);
  }
  reqsk_put(req);
}

/** RFC 6069: the timeout was for lack of a route, not for congestion, so one doubling of the RTO is taken back. */
export function tcp_ld_RTO_revert(sk: sock, seq: number): void {
  const tp = tcp_sk(sk);
  if (sock_owned_by_user(sk) || seq !== tp.snd_una || tp.icsk_retransmits === 0 || tp.icsk_backoff === 0) return;
  const skb = tcp_rtx_queue_head(sk);
  if (skb === null) return;
  tp.icsk_backoff--;
  tp.icsk_rto = tp.srtt_us !== 0 ? __tcp_set_rto(tp) : TCP_TIMEOUT_INIT();
  tp.icsk_rto = inet_csk_rto_backoff(tp, tcp_rto_max(sk));
  tcp_mstamp_refresh(tp);
  const remaining = tp.icsk_rto - usecs_to_jiffies(tp.tcp_mstamp - tcp_skb_timestamp_us(skb));
  if (remaining > 0) tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, remaining, false);
  else tcp_retransmit_timer(sk);
}

const isUnreachable = (type: number, code: number): boolean =>
  type === ICMP_DEST_UNREACH && (code === ICMP_NET_UNREACH || code === ICMP_HOST_UNREACH);

/** `skb.data` is at the IP header of the segment that the error is about; of its TCP header only 8 bytes are certain. 0, or -ENOENT. */
export function tcp_v4_err(skb: sk_buff, info: number): number {
  const network = skb.dev!.nd_net;
  const iph = new iphdr(skb.mem.view, skb.data);
  const th = new tcphdr(skb.mem.view, skb.data + ip_hdrlen(iph));
  const { type, code } = icmp_hdr(skb);
  const found = __inet_lookup_established(network, iph.daddr, th.dest, iph.saddr, th.source, skb.skb_iif, 0);
  if (found === null) {
    ICMP_INC_STATS(network, ICMP_MIB_INERRORS);
    return -ENOENT;
  }
  if (found.skc_state === TCP_TIME_WAIT) inet_twsk_put(found as inet_timewait_sock);
  else if (found.skc_state === TCP_NEW_SYN_RECV)
    tcp_req_err(found as request_sock, th.seq, type === ICMP_PARAMETERPROB || type === ICMP_TIME_EXCEEDED || isUnreachable(type, code));
  else {
    const sk = asSock(found);
    if (sock_owned_by_user(sk) && !(type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED))
      __NET_INC_STATS(network, LINUX_MIB_LOCKDROPPEDICMPS);
    if (isCredible(network, sk, iph, th.seq)) errorOf(sk, skb, th, type, code, info);
    sock_put(sk);
  }
  return 0;
}

const asSock = (found: ehashSock): sock => found as sock;

/** The quoted sequence number must be one in flight, or the error may be forged (RFC 5927). */
function isCredible(network: net, sk: sock, iph: iphdr, seq: number): boolean {
  if (sk.skc_state === TCP_CLOSE) return false;
  if (iph.ttl < inet_sk(sk).min_ttl) {
    __NET_INC_STATS(network, LINUX_MIB_TCPMINTTLDROP);
    return false;
  }
  const tp = tcp_sk(sk);
  const snd_una = tp.fastopen_rsk !== null ? tp.fastopen_rsk.snt_isn : tp.snd_una;
  if (sk.skc_state === TCP_LISTEN || between(seq, snd_una, tp.snd_nxt)) return true;
  __NET_INC_STATS(network, LINUX_MIB_OUTOFWINDOWICMPS);
  return false;
}

function errorOf(sk: sock, skb: sk_buff, th: tcphdr, type: number, code: number, info: number): void {
  if (type === ICMP_REDIRECT) {
    if (!sock_owned_by_user(sk)) do_redirect(skb, sk);
  } else if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) fragNeeded(sk, info);
  else {
    const err = errnoOf(type, code);
    if (err === 0) return;
    if (tcp_sk(sk).fastopen_rsk === null && isUnreachable(type, code)) tcp_ld_RTO_revert(sk, th.seq);
    reportError(sk, skb, th, err, info);
  }
}

/** 0: the message says nothing to TCP. */
function errnoOf(type: number, code: number): number {
  if (type === ICMP_PARAMETERPROB) return EPROTO;
  if (type === ICMP_TIME_EXCEEDED) return EHOSTUNREACH;
  return type === ICMP_DEST_UNREACH && code <= NR_ICMP_UNREACH ? icmp_err_convert[code]!.errno : 0;
}

function do_redirect(skb: sk_buff, sk: sock): void {
  const dst = __sk_dst_check(sk, 0);
  if (dst !== null) dst.ops.redirect(dst, sk, skb);
}

/** While the user has the socket, release_sock() will see to it. Listeners send nothing large enough. */
function fragNeeded(sk: sock, info: number): void {
  if (sk.skc_state === TCP_LISTEN) return;
  tcp_sk(sk).mtu_info = info;
  if (!sock_owned_by_user(sk)) tcp_v4_mtu_reduced(sk);
  else if ((sk.sk_tsq_flags & TCPF_MTU_REDUCED_DEFERRED) === 0) {
    sk.sk_tsq_flags |= TCPF_MTU_REDUCED_DEFERRED;
    sock_hold(sk);
  }
}

/** A connection attempt fails at once; an established connection goes on trying, and remembers the error for when it gives up. */
function reportError(sk: sock, skb: sk_buff, th: tcphdr, err: number, info: number): void {
  const fastopen = tcp_sk(sk).fastopen_rsk;
  const opening = sk.skc_state === TCP_SYN_SENT || sk.skc_state === TCP_SYN_RECV;
  // A Fast Open connection that was accepted already counts as established.
  if (opening && (fastopen === null || fastopen.sk !== null)) {
    ip_icmp_error(sk, skb, err, th.dest, info, th.base);
    if (!sock_owned_by_user(sk)) tcp_done_with_error(sk, err);
    else sk.sk_err_soft = err;
    return;
  }
  if (!sock_owned_by_user(sk) && inet_sk(sk).recverr) {
    sk.sk_err = err;
    sk_error_report(sk);
  } else sk.sk_err_soft = err;
}
