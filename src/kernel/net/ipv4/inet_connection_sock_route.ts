/** net/ipv4/inet_connection_sock.c: routes of half-open and of established connections, and their path MTU. */
import type { dst_entry } from '../../include/net/dst.ts';
import { type flowi4, inet_sk } from '../../include/net/inet_sock.ts';
import { IP_INC_STATS } from '../../include/net/net_namespace.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import { flowi4_init_output } from '../../include/net/route.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { IPSTATS_MIB_OUTNOROUTES } from '../../uapi/snmp.ts';
import { __sk_dst_check, sk_setup_caps } from '../core/sock_dst.ts';
import { inet_sk_flowi_flags, inet_sk_init_flowi4, ip_route_output_flow, ip_sock_rt_scope, ip_sock_rt_tos } from './route.ts';

/** The path back to who sent the SYN. */
export function flowOfRequest(fl4: flowi4, sk: sock, req: request_sock): void {
  const { skc_daddr, skc_rcv_saddr, skc_dport, skc_num } = req;
  const flags = inet_sk_flowi_flags(sk);
  flowi4_init_output(
    fl4, req.ir_iif, req.ir_mark, ip_sock_rt_tos(sk), ip_sock_rt_scope(sk), sk.sk_protocol, flags, skc_daddr, skc_rcv_saddr, skc_dport, skc_num,
  ); // biome-ignore format: one flow
}

function routeRequest(sk: sock, fl4: flowi4, req: request_sock): dst_entry | null {
  flowOfRequest(fl4, sk, req);
  const rt = ip_route_output_flow(req.skc_net, fl4, sk);
  if (typeof rt !== 'number') return rt;
  IP_INC_STATS(req.skc_net, IPSTATS_MIB_OUTNOROUTES);
  return null;
}

/** Null when there is no route. */
export function inet_csk_route_req(sk: sock, fl4: flowi4, req: request_sock): dst_entry | null {
  return routeRequest(sk, fl4, req);
}

/** As inet_csk_route_req; the new socket keeps the flow. */
export function inet_csk_route_child_sock(sk: sock, newsk: sock, req: request_sock): dst_entry | null {
  return routeRequest(sk, inet_sk(newsk).fl4, req);
}

function inet_csk_rebuild_route(sk: sock): dst_entry | null {
  const inet = inet_sk(sk);
  inet_sk_init_flowi4(sk, inet.fl4);
  const rt = ip_route_output_flow(sock_net(sk), inet.fl4, sk);
  if (typeof rt === 'number') return null;
  sk_setup_caps(sk, rt);
  return rt;
}

/** The path takes `mtu` bytes only: tells the route, which may become another one by that. Null when there is none left. */
export function inet_csk_update_pmtu(sk: sock, mtu: number): dst_entry | null {
  const dst = __sk_dst_check(sk, 0) ?? inet_csk_rebuild_route(sk);
  if (dst === null) return null;
  dst.ops.update_pmtu(dst, sk, null, mtu, true);
  return __sk_dst_check(sk, 0) ?? inet_csk_rebuild_route(sk);
}
