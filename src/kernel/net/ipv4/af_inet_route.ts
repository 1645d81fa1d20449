/** net/ipv4/af_inet.c: a connected socket's route is found anew: `inet_sk_rebuild_header`. */
import { inet_sk } from '../../include/net/inet_sock.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { __sk_dst_check, sk_setup_caps } from '../core/sock_dst.ts';
import { inet_sk_init_flowi4, ip_route_output_flow } from './route.ts';

/** 0 when the socket has a valid route (again); else a negative errno, which is also left as the soft error. */
export function inet_sk_rebuild_header(sk: sock): number {
  if (__sk_dst_check(sk, 0) !== null) return 0;
  const inet = inet_sk(sk);
  inet_sk_init_flowi4(sk, inet.fl4);
  const rt = ip_route_output_flow(sock_net(sk), inet.fl4, sk);
  if (typeof rt !== 'number') {
    sk_setup_caps(sk, rt);
    return 0;
  }
  sk.sk_route_caps = 0;
  // Simplified: net.ipv4.ip_dynaddr is always 0, so a socket never takes a new source address.
  sk.sk_err_soft = -rt;
  return rt;
}
