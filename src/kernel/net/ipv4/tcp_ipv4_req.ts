/**
 * net/ipv4/tcp_ipv4.c: connections that come in.
 * SYN: `tcp_v4_conn_request` → `tcp_conn_request` (tcp_input) → `tcp_v4_route_req`, `tcp_v4_init_seq`, `tcp_v4_send_synack`.
 * ACK: `tcp_check_req` → `tcp_v4_syn_recv_sock`. The tables of operations stand at the end.
 */
import { kernel } from '../../current.ts';
import { SKB_GSO_TCPV4, type sk_buff, skb_dst } from '../../include/linux/skbuff.ts';
import { type tcp_fastopen_cookie, tcp_hdr, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { type dst_entry, dst_hold, dst_metric_advmss, dst_mtu, dst_release, skb_rtable } from '../../include/net/dst.ts';
import { INET_ECN_MASK } from '../../include/net/inet_ecn.ts';
import { type flowi4, inet_sk } from '../../include/net/inet_sock.ts';
import { ip_hdr, optlen } from '../../include/net/ip.ts';
import { NET_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import type { request_sock, request_sock_ops, tcp_request_sock_ops as tcpRequestSockOps } from '../../include/net/request_sock.ts';
import { RTCF_BROADCAST, RTCF_MULTICAST } from '../../include/net/route.ts';
import { sk_acceptq_is_full, type sock, sock_net } from '../../include/net/sock.ts';
import { TCP_MSS_DEFAULT, tcp_listendrop, tcp_mss_clamp } from '../../include/net/tcp.ts';
import { tcp_md5_do_lookup } from '../../include/net/tcp_md5sig.ts';
import { LINUX_MIB_LISTENOVERFLOWS } from '../../uapi/snmp.ts';
import { AF_INET } from '../../uapi/socket.ts';
import { secure_tcp_seq, secure_tcp_ts_off } from '../core/secure_seq.ts';
import { sk_setup_caps, sock_put } from '../core/sock.ts';
import { sk_gso_disable } from '../core/sock_dst.ts';
import {
  inet_csk_destroy_sock,
  inet_csk_prepare_forced_close,
  inet_csk_route_child_sock,
  inet_csk_route_req,
} from './inet_connection_sock.ts';
import { __inet_inherit_port, inet_ehash_nolisten } from './inet_hashtables.ts';
import { tcp_v4_save_options } from './ip_options_output.ts';
import { ip_build_and_send_pkt } from './ip_output.ts';
import { cookie_v4_init_sequence } from './syncookies.ts';
import { cookie_v4_check } from './syncookies_check.ts';
import { tcp_conn_request, tcp_initialize_rcv_mss } from './tcp_input.ts';
import { __tcp_v4_send_check } from './tcp_ipv4_check.ts';
import { tcp_md5_key_copy } from './tcp_ipv4_md5.ts';
import { tcp_v4_reqsk_send_ack, tcp_v4_send_reset } from './tcp_ipv4_reply.ts';
import { tcp_ca_openreq_child, tcp_create_openreq_child } from './tcp_minisocks.ts';
import { tcp_make_synack, tcp_rtx_synack, tcp_sync_mss } from './tcp_output.ts';
import { tcp_done } from './tcp_state.ts';

const NET_XMIT_CN = 2;

function tcp_v4_init_seq(skb: sk_buff): number {
  const iph = ip_hdr(skb);
  const th = tcp_hdr(skb);
  return secure_tcp_seq(iph.daddr, iph.saddr, th.dest, th.source);
}

function tcp_v4_init_ts_off(network: net, skb: sk_buff): number {
  const iph = ip_hdr(skb);
  return secure_tcp_ts_off(network, iph.daddr, iph.saddr);
}

/** Gives the request its addresses and IP options, and finds the way back. */
function tcp_v4_route_req(sk: sock, skb: sk_buff, fl: flowi4, req: request_sock, _tw_isn: number): dst_entry | null {
  const iph = ip_hdr(skb);
  req.skc_rcv_saddr = iph.daddr;
  req.skc_daddr = iph.saddr;
  req.ireq_opt = tcp_v4_save_options(sock_net(sk), skb);
  return inet_csk_route_req(sk, fl, req);
}

/** Sends the SYN-ACK of a request; takes over the reference of `dst`. */
function tcp_v4_send_synack(
  sk: sock,
  dst: dst_entry | null,
  fl: flowi4,
  req: request_sock,
  foc: unknown,
  synack_type: number,
  syn_skb: sk_buff | null,
): number {
  const route = dst ?? inet_csk_route_req(sk, fl, req);
  if (route === null) return -1;
  const skb = tcp_make_synack(sk, route, req, foc as tcp_fastopen_cookie | null, synack_type, syn_skb);
  if (skb === null) return -1;
  req.syn_ect_snt = inet_sk(sk).tos & INET_ECN_MASK;
  __tcp_v4_send_check(skb, req.skc_rcv_saddr, req.skc_daddr);
  let tos = inet_sk(sk).tos;
  if (sock_net(sk).ipv4.sysctl_tcp_reflect_tos !== 0) tos = (req.syn_tos & ~INET_ECN_MASK) | (tos & INET_ECN_MASK);
  const err = ip_build_and_send_pkt(skb, sk, req.skc_rcv_saddr, req.skc_daddr, req.ireq_opt, tos);
  return err === NET_XMIT_CN ? 0 : err;
}

function tcp_v4_reqsk_destructor(req: request_sock): void {
  req.ireq_opt = null;
}

/** A SYN for a listener. Those to broadcast and multicast addresses are never answered (RFC 1122 4.2.3.10). */
export function tcp_v4_conn_request(sk: sock, skb: sk_buff): number {
  if (((skb_rtable(skb)?.rt_flags ?? 0) & (RTCF_BROADCAST | RTCF_MULTICAST)) === 0)
    return tcp_conn_request(tcp_request_sock_ops, tcp_request_sock_ipv4_ops, sk, skb);
  tcp_listendrop(sk);
  return 0;
}

/** A segment without SYN for a listener may bring a SYN cookie back: see cookie_v4_check(). */
export function tcp_v4_cookie_check(sk: sock, skb: sk_buff): sock | null {
  return tcp_hdr(skb).syn !== 0 ? sk : cookie_v4_check(sk, skb, tcp_request_sock_ops, tcp_request_sock_ipv4_ops);
}

/** Keeps the route on which packets of the connection arrive. */
export function inet_sk_rx_dst_set(sk: sock, skb: sk_buff): void {
  const dst = skb_dst(skb);
  if (dst === null) return;
  dst_hold(dst);
  sk.sk_rx_dst = dst;
  sk.sk_rx_dst_ifindex = skb.skb_iif;
}

/**
 * The handshake is complete: makes the socket and puts it in the place of `req_unhash` in the table (null: there was none, as with cookies).
 * `dst` null: to be looked up. Null when there is no room in the accept queue, no route, or the connection exists already.
 */
export function tcp_v4_syn_recv_sock(
  sk: sock,
  skb: sk_buff,
  req: request_sock,
  dst: dst_entry | null,
  req_unhash: request_sock | null,
): sock | null {
  if (sk_acceptq_is_full(sk)) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_LISTENOVERFLOWS);
    return refuse(sk, dst);
  }
  const newsk = tcp_create_openreq_child(sk, req, skb);
  inheritFromSyn(sk, newsk, skb, req);
  const route = dst ?? inet_csk_route_child_sock(sk, newsk, req);
  if (route === null) return giveUpChild(sk, newsk);
  sk_setup_caps(newsk, route);
  tcp_ca_openreq_child(newsk, route);
  tcp_sync_mss(newsk, dst_mtu(route));
  tcp_sk(newsk).advmss = tcp_mss_clamp(tcp_sk(sk), dst_metric_advmss(route));
  tcp_initialize_rcv_mss(newsk);
  const key = tcp_md5_do_lookup(sk, newsk.skc_daddr);
  if (key !== null) {
    tcp_md5_key_copy(newsk, newsk.skc_daddr, key);
    sk_gso_disable(newsk);
  }
  if (__inet_inherit_port(sk, newsk) < 0) return giveUpChild(sk, newsk);
  if (inet_ehash_nolisten(newsk, req_unhash, req_unhash === null)) {
    tcp_move_syn(tcp_sk(newsk), req);
    return newsk;
  }
  inet_csk_destroy_sock(newsk);
  sock_put(newsk);
  return null;
}

function inheritFromSyn(sk: sock, newsk: sock, skb: sk_buff, req: request_sock): void {
  const newinet = inet_sk(newsk);
  const iph = ip_hdr(skb);
  newsk.sk_gso_type = SKB_GSO_TCPV4;
  inet_sk_rx_dst_set(newsk, skb);
  newinet.mc_ttl = iph.ttl;
  newinet.rcv_tos = iph.tos;
  newinet.inet_opt = req.ireq_opt;
  tcp_sk(newsk).icsk_ext_hdr_len = optlen(req.ireq_opt);
  newinet.inet_id = kernel().random.below(0x1_0000);
  if (sock_net(sk).ipv4.sysctl_tcp_reflect_tos !== 0) newinet.tos = req.syn_tos & ~INET_ECN_MASK;
}

/** TCP_SAVE_SYN: the copy of the SYN goes to the socket. */
function tcp_move_syn(tp: tcp_sock, req: request_sock): void {
  tp.saved_syn = req.saved_syn;
  req.saved_syn = null;
}

function refuse(sk: sock, dst: dst_entry | null): null {
  dst_release(dst);
  tcp_listendrop(sk);
  return null;
}

function giveUpChild(sk: sock, newsk: sock): null {
  inet_csk_prepare_forced_close(newsk);
  tcp_done(newsk);
  tcp_listendrop(sk);
  return null;
}

export const tcp_request_sock_ops: request_sock_ops = {
  family: AF_INET,
  rtx_syn_ack: tcp_rtx_synack,
  send_ack: tcp_v4_reqsk_send_ack,
  send_reset: tcp_v4_send_reset,
  destructor: tcp_v4_reqsk_destructor,
};

export const tcp_request_sock_ipv4_ops: tcpRequestSockOps = {
  mss_clamp: TCP_MSS_DEFAULT,
  init_seq: tcp_v4_init_seq,
  init_ts_off: tcp_v4_init_ts_off,
  route_req: tcp_v4_route_req,
  send_synack: tcp_v4_send_synack,
  cookie_init_seq: cookie_v4_init_sequence,
};
