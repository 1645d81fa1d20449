/**
 * net/ipv4/datagram.c: connect() of datagram sockets (UDP, ping, raw): `ip4_datagram_connect`; and a fresh route after ICMP said that the old one is
 * bad: `ip4_datagram_release_cb`.
 */
import { dst_release, type rtable } from '../../include/net/dst.ts';
import { inet_sk } from '../../include/net/inet_sock.ts';
import { ipcm_cookie } from '../../include/net/ip.ts';
import { IP_INC_STATS } from '../../include/net/net_namespace.ts';
import { RTCF_BROADCAST } from '../../include/net/route.ts';
import { SOCK_BROADCAST, sk_set_txhash, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import { EACCES, EAFNOSUPPORT, ENETUNREACH } from '../../uapi/errno.ts';
import type { sockaddr_in } from '../../uapi/in.ts';
import { IPSTATS_MIB_OUTNOROUTES } from '../../uapi/snmp.ts';
import { AF_INET } from '../../uapi/socket.ts';
import { TCP_ESTABLISHED } from '../../uapi/tcp.ts';
import { sk_dst_reset, sk_dst_set } from '../core/sock_dst.ts';
import { ipcm_init_sk, ipcmInterface } from './ip_sockglue.ts';
import { inet_sk_init_flowi4, ip_route_connect, ip_route_output_flow } from './route.ts';

export function ip4_datagram_connect(sk: sock, uaddr: sockaddr_in): number {
  return __ip4_datagram_connect(sk, uaddr);
}

/** Remembers destination and route, and takes the route's source address if the socket has none. */
export function __ip4_datagram_connect(sk: sock, uaddr: sockaddr_in): number {
  if (uaddr.sin_family !== AF_INET) return -EAFNOSUPPORT;
  sk_dst_reset(sk);
  const inet = inet_sk(sk);
  const ipc = new ipcm_cookie();
  ipcm_init_sk(ipc, inet);
  ipcmInterface(ipc, inet, uaddr.sin_addr);
  const rt = ip_route_connect(inet.fl4, uaddr.sin_addr, ipc.addr, ipc.oif, sk.sk_protocol, inet.inet_sport, uaddr.sin_port, sk);
  if (typeof rt === 'number') {
    if (rt === -ENETUNREACH) IP_INC_STATS(sock_net(sk), IPSTATS_MIB_OUTNOROUTES);
    return rt;
  }
  if ((rt.rt_flags & RTCF_BROADCAST) !== 0 && !sock_flag(sk, SOCK_BROADCAST)) {
    dst_release(rt);
    return -EACCES;
  }
  establish(sk, uaddr.sin_port, rt);
  return 0;
}

function establish(sk: sock, port: number, rt: rtable): void {
  const inet = inet_sk(sk);
  const fl4 = inet.fl4;
  if (inet.inet_saddr === 0) inet.inet_saddr = fl4.saddr;
  if (sk.skc_rcv_saddr === 0) {
    sk.skc_rcv_saddr = fl4.saddr;
    sk.skc_prot.rehash?.(sk);
  }
  sk.skc_daddr = fl4.daddr;
  sk.skc_dport = port;
  sk.skc_state = TCP_ESTABLISHED;
  sk_set_txhash(sk);
  inet.inet_id = sock_net(sk).kernel.random.below(0x10000);
  sk_dst_set(sk, rt);
}

/** The route was declared obsolete while the socket was in use: it gets another one. */
export function ip4_datagram_release_cb(sk: sock): void {
  const dst = sk.sk_dst_cache;
  if (dst === null || dst.obsolete === 0 || dst.ops.check(dst, 0) !== null) return;
  const inet = inet_sk(sk);
  inet_sk_init_flowi4(sk, inet.fl4);
  const rt = ip_route_output_flow(sock_net(sk), inet.fl4, sk);
  sk_dst_set(sk, typeof rt === 'number' ? null : rt);
}
