/**
 * net/ipv4/tcp_input.c: a SYN for a listener: `tcp_conn_request` → queue limits and SYN cookies (RFC 4987 (3.6)), `inet_reqsk_alloc`, options, route,
 * initial sequence number, ECN, Fast Open → into the hash of requests, SYN-ACK.
 */
import { kernel } from '../../current.ts';
import { type sk_buff, skb_network_header_len } from '../../include/linux/skbuff.ts';
import { tcp_clear_options, tcp_fastopen_cookie, tcp_hdrlen, tcp_options_received, tcp_sk } from '../../include/linux/tcp.ts';
import { DST_FEATURE_ECN_CA, DST_FEATURE_ECN_MASK, type dst_entry, dst_metric, dst_release, RTAX_FEATURES } from '../../include/net/dst.ts';
import { INET_ECN_is_not_ect } from '../../include/net/inet_ecn.ts';
import { flowi4, inet_csk, inet_sk } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import type { request_sock, request_sock_ops, tcp_request_sock_ops } from '../../include/net/request_sock.ts';
import { sk_acceptq_is_full, type sock, sock_net } from '../../include/net/sock.ts';
import { tcp_ca_needs_ecn, tcp_listendrop, tcp_timeout_init, u32add } from '../../include/net/tcp.ts';
import { tcphdr } from '../../uapi/in.ts';
import { LINUX_MIB_LISTENOVERFLOWS, LINUX_MIB_TCPREQQFULLDOCOOKIES, LINUX_MIB_TCPREQQFULLDROP } from '../../uapi/snmp.ts';
import { __reqsk_free, reqsk_free, reqsk_put } from '../core/request_sock.ts';
import { sock_put } from '../core/sock.ts';
import {
  inet_csk_reqsk_queue_add,
  inet_csk_reqsk_queue_hash_add,
  inet_csk_reqsk_queue_is_full,
  inet_csk_reqsk_queue_len,
  inet_reqsk_alloc,
} from './inet_connection_sock.ts';
import { cookie_init_sequence } from './syncookies.ts';
import { tcp_try_fastopen } from './tcp_fastopen_server.ts';
import { tcp_parse_mss_option, tcp_parse_options } from './tcp_input_options.ts';
import { tcp_peer_is_proven } from './tcp_metrics.ts';
import { tcp_openreq_init_rwin } from './tcp_minisocks_req.ts';

export const TCP_SYNACK_NORMAL = 0;
export const TCP_SYNACK_FASTOPEN = 1;
export const TCP_SYNACK_COOKIE = 2;

/**
 * RFC 3168 (6.1.1): a SYN with ECT in its IP header comes from a network that plays with these bits, so ECN is refused; unless the congestion control
 * needs it, or reserved bits show that a newer protocol is spoken (RFC 8311 (4.3)).
 */
function tcp_ecn_create_request(req: request_sock, skb: sk_buff, listen_sk: sock, dst: dst_entry): void {
  const th = new tcphdr(skb.mem.view, skb.transport_header);
  if (th.ece === 0 || th.cwr === 0) return;
  const ect = !INET_ECN_is_not_ect(skb.tcp.ip_dsfield);
  const ecn_ok_dst = dst_metric(dst, RTAX_FEATURES) & DST_FEATURE_ECN_MASK;
  const ecn_ok = sock_net(listen_sk).ipv4.sysctl_tcp_ecn !== 0 || ecn_ok_dst !== 0;
  if (((!ect || th.res1 !== 0 || th.ae !== 0) && ecn_ok) || tcp_ca_needs_ecn(listen_sk) || (ecn_ok_dst & DST_FEATURE_ECN_CA) !== 0)
    req.ecn_ok = true;
}

function tcp_openreq_init(req: request_sock, rx_opt: tcp_options_received, skb: sk_buff, sk: sock): void {
  const th = new tcphdr(skb.mem.view, skb.transport_header);
  req.rsk_rcv_wnd = 0;
  req.rcv_isn = skb.tcp.seq;
  req.rcv_nxt = u32add(skb.tcp.seq, 1);
  req.snt_synack = 0;
  req.snt_tsval_first = 0;
  req.last_oow_ack_time = 0;
  req.mss = rx_opt.mss_clamp;
  req.ts_recent = rx_opt.saw_tstamp ? rx_opt.rcv_tsval : 0;
  req.tstamp_ok = rx_opt.tstamp_ok;
  req.sack_ok = rx_opt.sack_ok !== 0;
  req.snd_wscale = rx_opt.snd_wscale;
  req.wscale_ok = rx_opt.wscale_ok;
  req.acked = false;
  req.ecn_ok = false;
  req.skc_dport = th.source;
  req.skc_num = th.dest;
  req.ir_mark = sk.sk_mark === 0 && sock_net(sk).ipv4.sysctl_tcp_fwmark_accept !== 0 ? skb.mark : sk.sk_mark;
}

/** The queue is full: cookies, or drop. Tells the log once per listener. */
function tcp_syn_flood_action(sk: sock, proto: string): boolean {
  const queue = inet_csk(sk).icsk_accept_queue;
  const syncookies = sock_net(sk).ipv4.sysctl_tcp_syncookies;
  const want_cookie = syncookies !== 0;
  NET_INC_STATS(sock_net(sk), want_cookie ? LINUX_MIB_TCPREQQFULLDOCOOKIES : LINUX_MIB_TCPREQQFULLDROP);
  if (syncookies !== 2 && !queue.synflood_warned) {
    queue.synflood_warned = true;
    const action = want_cookie ? 'Sending cookies' : 'Dropping request';
    kernel().printk(`TCP: ${proto}: Possible SYN flooding on port ${dotted(sk.skc_rcv_saddr)}:${sk.skc_num}. ${action}.`);
  }
  return want_cookie;
}

const dotted = (address: number): string => `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;

/** TCP_SAVE_SYN: the headers from the IP (or with 2 the Ethernet) header on. */
function tcp_reqsk_record_syn(sk: sock, req: request_sock, skb: sk_buff): void {
  const save_syn = tcp_sk(sk).save_syn;
  if (save_syn === 0) return;
  const from = save_syn === 2 ? skb.mac_header : skb.network_header;
  req.saved_syn = skb.mem.u8.slice(from, skb.network_header + skb_network_header_len(skb) + tcp_hdrlen(skb));
}

/** The MSS for a cookie that XDP or a firewall makes; 0 if none is wanted. */
export function tcp_get_syncookie_mss(af_ops: tcp_request_sock_ops, sk: sock, skb: sk_buff): number {
  if (sock_net(sk).ipv4.sysctl_tcp_syncookies !== 2 && !inet_csk_reqsk_queue_is_full(sk)) return 0;
  if (!tcp_syn_flood_action(sk, 'request_sock_TCP')) return 0;
  if (sk_acceptq_is_full(sk)) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_LISTENOVERFLOWS);
    return 0;
  }
  return tcp_parse_mss_option(skb, tcp_sk(sk).rx_opt.user_mss) || af_ops.mss_clamp;
}

/** A SYN that nothing is made of. */
function refuse(sk: sock): 0 {
  tcp_listendrop(sk);
  return 0;
}

/** Without cookies the last quarter of the queue is for peers that are known to exist. */
function isRoomForStrangers(network: net, sk: sock, req: request_sock, dst: dst_entry): boolean {
  const max = network.ipv4.sysctl_max_syn_backlog;
  if (network.ipv4.sysctl_tcp_syncookies !== 0 || max - inet_csk_reqsk_queue_len(sk) >= max >> 2) return true;
  return tcp_peer_is_proven(req, dst);
}

function parseSyn(sk: sock, skb: sk_buff, mss_clamp: number, want_cookie: boolean, foc: tcp_fastopen_cookie): tcp_options_received {
  const opt = new tcp_options_received();
  opt.mss_clamp = mss_clamp;
  opt.user_mss = tcp_sk(sk).rx_opt.user_mss;
  tcp_parse_options(sock_net(sk), skb, opt, false, want_cookie ? null : foc);
  // A cookie remembers options in the timestamp, or not at all.
  if (want_cookie && !opt.saw_tstamp) tcp_clear_options(opt);
  opt.tstamp_ok = opt.saw_tstamp;
  return opt;
}

export function tcp_conn_request(rsk_ops: request_sock_ops, af_ops: tcp_request_sock_ops, sk: sock, skb: sk_buff): number {
  const network = sock_net(sk);
  // A SYN that reopens a TIME_WAIT connection comes from a peer that is real: it is not limited.
  const isn = skb.tcp.tcp_tw_isn;
  let want_cookie = false;
  if (isn === 0 && (network.ipv4.sysctl_tcp_syncookies === 2 || inet_csk_reqsk_queue_is_full(sk))) {
    want_cookie = tcp_syn_flood_action(sk, 'request_sock_TCP');
    if (!want_cookie) return refuse(sk);
  }
  if (sk_acceptq_is_full(sk)) {
    NET_INC_STATS(network, LINUX_MIB_LISTENOVERFLOWS);
    return refuse(sk);
  }
  const req = inet_reqsk_alloc(rsk_ops, sk, !want_cookie);
  req.syncookie = want_cookie;
  req.af_specific = af_ops;
  req.ts_off = 0;
  req.req_usec_ts = false;
  const foc = new tcp_fastopen_cookie();
  const opt = parseSyn(sk, skb, af_ops.mss_clamp, want_cookie, foc);
  tcp_openreq_init(req, opt, skb, sk);
  req.no_srccheck = inet_sk(sk).transparent;
  req.ir_iif = sk.skc_bound_dev_if;
  const fl = new flowi4();
  const dst = af_ops.route_req(sk, skb, fl, req, isn);
  if (dst === null) {
    __reqsk_free(req);
    return refuse(sk);
  }
  if (opt.tstamp_ok) req.ts_off = af_ops.init_ts_off(network, skb);
  if (!want_cookie && isn === 0) {
    if (!isRoomForStrangers(network, sk, req, dst)) {
      dst_release(dst);
      __reqsk_free(req);
      return refuse(sk);
    }
    req.snt_isn = af_ops.init_seq(skb);
  } else req.snt_isn = isn;
  tcp_ecn_create_request(req, skb, sk, dst);
  if (want_cookie) chooseCookie(af_ops, sk, skb, req, opt.tstamp_ok);
  req.txhash = kernel().random.u32() || 1;
  req.syn_tos = skb.tcp.ip_dsfield;
  tcp_openreq_init_rwin(req, sk, dst);
  return want_cookie ? answerWithCookie(af_ops, sk, skb, req, fl, foc, dst) : answer(af_ops, sk, skb, req, fl, foc, dst);
}

function chooseCookie(af_ops: tcp_request_sock_ops, sk: sock, skb: sk_buff, req: request_sock, tstamp_ok: boolean): void {
  const mss = { value: req.mss };
  req.snt_isn = cookie_init_sequence(af_ops, sk, skb, mss);
  req.mss = mss.value;
  if (!tstamp_ok) req.ecn_ok = false;
}

/** The cookie is all that is kept, and the peer keeps it. */
function answerWithCookie(
  af_ops: tcp_request_sock_ops,
  sk: sock,
  skb: sk_buff,
  req: request_sock,
  fl: flowi4,
  foc: tcp_fastopen_cookie,
  dst: dst_entry,
): number {
  req.tfo_listener = false;
  af_ops.send_synack(sk, dst, fl, req, foc, TCP_SYNACK_COOKIE, skb);
  reqsk_free(req);
  return 0;
}

function answer(
  af_ops: tcp_request_sock_ops,
  sk: sock,
  skb: sk_buff,
  req: request_sock,
  fl: flowi4,
  foc: tcp_fastopen_cookie,
  dst: dst_entry,
): number {
  tcp_reqsk_record_syn(sk, req, skb);
  const child = tcp_try_fastopen(sk, skb, req, foc, dst);
  if (child !== null) return answerFastOpen(af_ops, sk, child, skb, req, fl, foc, dst);
  req.tfo_listener = false;
  req.timeout = tcp_timeout_init(sk);
  if (!inet_csk_reqsk_queue_hash_add(sk, req, req.timeout)) {
    reqsk_free(req);
    dst_release(dst);
    return 0;
  }
  af_ops.send_synack(sk, dst, fl, req, foc, TCP_SYNACK_NORMAL, skb);
  reqsk_put(req);
  return 0;
}

/** The child is ready for accept() before the handshake is over. */
function answerFastOpen(
  af_ops: tcp_request_sock_ops,
  sk: sock,
  child: sock,
  skb: sk_buff,
  req: request_sock,
  fl: flowi4,
  foc: tcp_fastopen_cookie,
  dst: dst_entry,
): number {
  af_ops.send_synack(child, dst, fl, req, foc, TCP_SYNACK_FASTOPEN, skb);
  if (inet_csk_reqsk_queue_add(sk, req, child) === null) {
    sock_put(child);
    __reqsk_free(req);
    return refuse(sk);
  }
  sk.sk_data_ready(sk);
  sock_put(child);
  reqsk_put(req);
  return 0;
}
