/**
 * net/ipv4/tcp_ipv4.c: connect().
 * `tcp_v4_connect` → route → source address → `inet_hash_connect` (port, tables) → route again, with ports → initial sequence number → `tcp_connect`.
 */
import { kernel } from '../../current.ts';
import { SKB_GSO_TCPV4 } from '../../include/linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { dst_metric_raw, dst_release, RTAX_FEATURES, type rtable } from '../../include/net/dst.ts';
import { inet_sk, type inet_sock } from '../../include/net/inet_sock.ts';
import { optlen } from '../../include/net/ip.ts';
import { IP_INC_STATS } from '../../include/net/net_namespace.ts';
import { RTCF_BROADCAST, RTCF_MULTICAST } from '../../include/net/route.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { TCP_MSS_DEFAULT } from '../../include/net/tcp.ts';
import { EAFNOSUPPORT, ENETUNREACH } from '../../uapi/errno.ts';
import { IPPROTO_TCP, type sockaddr_in } from '../../uapi/in.ts';
import { IPSTATS_MIB_OUTNOROUTES } from '../../uapi/snmp.ts';
import { AF_INET } from '../../uapi/socket.ts';
import { TCP_CLOSE, TCP_SYN_SENT } from '../../uapi/tcp.ts';
import { secure_tcp_seq, secure_tcp_ts_off } from '../core/secure_seq.ts';
import { sk_setup_caps } from '../core/sock.ts';
import { inet_bhash2_reset_saddr, inet_bhash2_update_saddr, inet_hash_connect } from './inet_hashtables.ts';
import { ip_route_connect, ip_route_newports } from './route.ts';
import { tcp_fastopen_defer_connect } from './tcp_fastopen.ts';
import { tcp_connect } from './tcp_output.ts';
import { tcp_set_state } from './tcp_state.ts';

const RTAX_FEATURE_TCP_USEC_TS = 1 << 4;

/** Starts a connection: the SYN is on its way when this returns 0. */
export function tcp_v4_connect(sk: sock, uaddr: sockaddr_in): number {
  if (uaddr.sin_family !== AF_INET) return -EAFNOSUPPORT;
  const inet = inet_sk(sk);
  const orig_sport = inet.inet_sport;
  const rt = ip_route_connect(inet.fl4, uaddr.sin_addr, inet.inet_saddr, sk.skc_bound_dev_if, IPPROTO_TCP, orig_sport, uaddr.sin_port, sk);
  if (typeof rt === 'number') {
    if (rt === -ENETUNREACH) IP_INC_STATS(sock_net(sk), IPSTATS_MIB_OUTNOROUTES);
    return rt;
  }
  if ((rt.rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST)) !== 0) {
    dst_release(rt);
    return -ENETUNREACH;
  }
  setPeer(inet, tcp_sk(sk), inet.fl4.daddr, uaddr.sin_port);
  tcp_set_state(sk, TCP_SYN_SENT);
  const err = bindAndSend(sk, inet, rt, orig_sport);
  return err === 0 ? 0 : failConnect(sk, err);
}

/** Addresses of both ends. What an earlier connection of the socket left counts only for the same peer. */
function setPeer(inet: inet_sock, tp: tcp_sock, daddr: number, dport: number): void {
  if (inet.inet_saddr === 0) inet_bhash2_update_saddr(inet, inet.fl4.saddr);
  else inet.skc_rcv_saddr = inet.inet_saddr;
  if (tp.rx_opt.ts_recent_stamp !== 0 && inet.skc_daddr !== daddr) {
    tp.rx_opt.ts_recent = 0;
    tp.rx_opt.ts_recent_stamp = 0;
    if (!tp.repair) tp.write_seq = 0;
  }
  inet.skc_dport = dport;
  inet.skc_daddr = daddr;
  tp.icsk_ext_hdr_len = optlen(inet.inet_opt);
  tp.rx_opt.mss_clamp = TCP_MSS_DEFAULT;
}

/** The state is SYN_SENT already, so that nobody else takes the socket for closed while the port is searched. */
function bindAndSend(sk: sock, inet: inet_sock, rt: rtable, orig_sport: number): number {
  const err = inet_hash_connect(sk);
  if (err !== 0) {
    dst_release(rt);
    return err;
  }
  const random = kernel().random;
  // net_tx_rndhash(): never 0, which stands for no hash.
  sk.sk_txhash = random.u32() || 1;
  const route = ip_route_newports(inet.fl4, rt, orig_sport, sk.skc_dport, inet.inet_sport, sk.skc_dport, sk);
  if (typeof route === 'number') return route;
  const tp = tcp_sk(sk);
  tp.tcp_usec_ts = (dst_metric_raw(route, RTAX_FEATURES) & RTAX_FEATURE_TCP_USEC_TS) !== 0;
  sk.sk_gso_type = SKB_GSO_TCPV4;
  sk_setup_caps(sk, route);
  if (!tp.repair) {
    if (tp.write_seq === 0) tp.write_seq = secure_tcp_seq(inet.inet_saddr, sk.skc_daddr, inet.inet_sport, sk.skc_dport);
    tp.tsoffset = secure_tcp_ts_off(sock_net(sk), inet.inet_saddr, sk.skc_daddr);
  }
  inet.inet_id = random.below(0x1_0000);
  return tcp_fastopen_defer_connect(sk) ? 0 : tcp_connect(sk);
}

/** Leaves the tables and gives the port back. */
function failConnect(sk: sock, err: number): number {
  tcp_set_state(sk, TCP_CLOSE);
  inet_bhash2_reset_saddr(sk);
  sk.sk_route_caps = 0;
  sk.skc_dport = 0;
  return err;
}
