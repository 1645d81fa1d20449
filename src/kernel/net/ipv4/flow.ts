/** include/net/route.h, net/ipv4/route.c: what a socket's packets ask of routing. Not a file of Linux: `inet_sk_init_flowi4` and ip_route_output_ports()'s arguments. */

import type { flowi4, inet_sock } from '../../include/net/inet_sock.ts';
import { flowi4_init_output } from '../../include/net/route.ts';

export const FLOWI_FLAG_ANYSRC = 1;
/** DSCP, without the ECN bits. */
export const INET_DSCP_MASK = 0xfc;

export const inet_sk_flowi_flags = (inet: inet_sock): number => (inet.hdrincl || inet.transparent ? FLOWI_FLAG_ANYSRC : 0);

/** The flow of a connected socket. */
export function flowOfSocket(fl4: flowi4, inet: inet_sock): void {
  flowi4_init_output(
    fl4,
    inet.skc_bound_dev_if,
    inet.sk_mark,
    inet.tos & INET_DSCP_MASK,
    0,
    inet.sk_protocol,
    inet_sk_flowi_flags(inet),
    inet.skc_daddr,
    inet.inet_saddr,
    inet.skc_dport,
    inet.inet_sport,
  );
}
