/**
 * net/ipv4/syncookies.c: the ACK that brings a cookie back makes the connection: `cookie_v4_check` → `cookie_tcp_check` → `tcp_get_cookie_sock`.
 */
import { kernel } from '../../current.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_hdr, tcp_options_received, tcp_sk } from '../../include/linux/tcp.ts';
import { SKB_DROP_REASON_NO_SOCKET, SKB_DROP_REASON_NOT_SPECIFIED } from '../../include/net/dropreason.ts';
import { type dst_entry, dst_metric, RTAX_INITRWND, RTAX_WINDOW } from '../../include/net/dst.ts';
import { flowi4, inet_csk, inet_sk } from '../../include/net/inet_sock.ts';
import { ip_hdr } from '../../include/net/ip.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import type { request_sock, request_sock_ops, tcp_request_sock_ops } from '../../include/net/request_sock.ts';
import { SOCK_RCVBUF_LOCK, type sock, sock_net } from '../../include/net/sock.ts';
import { tcp_full_space } from '../../include/net/tcp.ts';
import { LINUX_MIB_SYNCOOKIESFAILED, LINUX_MIB_SYNCOOKIESRECV } from '../../uapi/snmp.ts';
import { __reqsk_free } from '../core/request_sock.ts';
import { secure_tcp_ts_off } from '../core/secure_seq.ts';
import { kfree_skb_reason } from '../core/skbuff_free.ts';
import { sock_put } from '../core/sock.ts';
import { flowOfRequest, inet_csk_reqsk_queue_add, inet_reqsk_alloc } from './inet_connection_sock.ts';
import { tcp_v4_save_options } from './ip_options_output.ts';
import { ip_route_output_flow } from './route.ts';
import { __cookie_v4_check, cookie_ecn_asked, cookie_ecn_ok, cookie_timestamp_decode, tcp_synq_no_recent_overflow } from './syncookies.ts';
import { tcp_parse_options } from './tcp_input_options.ts';
import { tcp_select_initial_window } from './tcp_output.ts';

/** The new socket enters the accept queue; null when there is no room. */
function tcp_get_cookie_sock(sk: sock, skb: sk_buff, req: request_sock, dst: dst_entry): sock | null {
  const child = inet_csk(sk).icsk_af_ops.syn_recv_sock(sk, skb, req, dst, null);
  if (child !== null) {
    req.skc_refcnt = 1;
    if (inet_csk_reqsk_queue_add(sk, req, child) !== null) return child;
    sock_put(child);
  }
  __reqsk_free(req);
  return null;
}

/** The request that the cookie stands for; null when it is not ours. */
function cookie_tcp_check(sk: sock, skb: sk_buff, ops: request_sock_ops, af_ops: tcp_request_sock_ops): request_sock | null {
  const network = sock_net(sk);
  if (tcp_synq_no_recent_overflow(sk)) return null;
  const iph = ip_hdr(skb);
  const mss = __cookie_v4_check(iph, tcp_hdr(skb));
  if (mss === 0) {
    NET_INC_STATS(network, LINUX_MIB_SYNCOOKIESFAILED);
    return null;
  }
  NET_INC_STATS(network, LINUX_MIB_SYNCOOKIESRECV);
  const tcp_opt = new tcp_options_received();
  tcp_parse_options(network, skb, tcp_opt, false, null);
  let tsoff = 0;
  if (tcp_opt.saw_tstamp && tcp_opt.rcv_tsecr !== 0) {
    tsoff = secure_tcp_ts_off(network, iph.daddr, iph.saddr);
    tcp_opt.rcv_tsecr = (tcp_opt.rcv_tsecr - tsoff) >>> 0;
  }
  if (!cookie_timestamp_decode(network, tcp_opt)) return null;
  return requestFromCookie(inet_reqsk_alloc(ops, sk, false), sk, skb, af_ops, tcp_opt, mss, tsoff);
}

function requestFromCookie(
  req: request_sock,
  sk: sock,
  skb: sk_buff,
  af_ops: tcp_request_sock_ops,
  tcp_opt: tcp_options_received,
  mss: number,
  tsoff: number,
): request_sock {
  const th = tcp_hdr(skb);
  const iph = ip_hdr(skb);
  req.af_specific = af_ops;
  req.syncookie = true;
  req.rcv_isn = (th.seq - 1) >>> 0;
  req.rcv_nxt = th.seq;
  req.snt_isn = (th.ack_seq - 1) >>> 0;
  req.ts_off = tsoff;
  req.txhash = kernel().random.below(0xffff_ffff) + 1;
  req.syn_tos = skb.tcp.ip_dsfield;
  req.mss = mss;
  req.skc_num = th.dest;
  req.skc_dport = th.source;
  req.skc_rcv_saddr = iph.daddr;
  req.skc_daddr = iph.saddr;
  req.ireq_opt = tcp_v4_save_options(sock_net(sk), skb);
  req.ir_mark = sk.sk_mark === 0 && sock_net(sk).ipv4.sysctl_tcp_fwmark_accept !== 0 ? skb.mark : sk.sk_mark;
  req.ir_iif = sk.skc_bound_dev_if;
  req.snd_wscale = tcp_opt.snd_wscale;
  req.sack_ok = tcp_opt.sack_ok !== 0;
  req.wscale_ok = tcp_opt.wscale_ok;
  req.tstamp_ok = tcp_opt.saw_tstamp;
  req.ts_recent = tcp_opt.saw_tstamp ? tcp_opt.rcv_tsval : 0;
  // Provisional: whether the route allows it is seen once there is one.
  req.ecn_ok = tcp_opt.saw_tstamp && cookie_ecn_asked(tcp_opt);
  return req;
}

/** A segment without SYN for a listener. Returns the new socket; the listener, if there is no cookie in it; null when the segment was dropped. */
export function cookie_v4_check(sk: sock, skb: sk_buff, ops: request_sock_ops, af_ops: tcp_request_sock_ops): sock | null {
  const network = sock_net(sk);
  const th = tcp_hdr(skb);
  if (network.ipv4.sysctl_tcp_syncookies === 0 || th.ack === 0 || th.rst !== 0) return sk;
  const req = cookie_tcp_check(sk, skb, ops, af_ops);
  if (req === null) return sk;
  const fl4 = new flowi4();
  flowOfRequest(fl4, sk, req);
  const rt = ip_route_output_flow(network, fl4, sk);
  if (typeof rt === 'number') {
    __reqsk_free(req);
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, 'cookie_v4_check');
    return null;
  }
  windowOfCookie(sk, req, rt);
  req.ecn_ok &&= cookie_ecn_ok(network, rt);
  const child = tcp_get_cookie_sock(sk, skb, req, rt);
  if (child === null) kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET, 'cookie_v4_check');
  else Object.assign(inet_sk(child).fl4, fl4);
  return child;
}

/** The window that the SYN-ACK offered, as far as it can be told again. */
function windowOfCookie(sk: sock, req: request_sock, rt: dst_entry): void {
  const full_space = tcp_full_space(sk);
  let clamp = tcp_sk(sk).window_clamp || dst_metric(rt, RTAX_WINDOW);
  if ((sk.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0 && (clamp > full_space || clamp === 0)) clamp = full_space;
  const window = tcp_select_initial_window(sk, full_space, req.mss, clamp, req.wscale_ok, dst_metric(rt, RTAX_INITRWND));
  req.rsk_rcv_wnd = window.rcv_wnd;
  req.rsk_window_clamp = window.window_clamp;
  req.rcv_wscale = window.rcv_wscale;
}
