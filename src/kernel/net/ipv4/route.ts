/**
 * net/ipv4/route.c: everything about IPv4 routes as packets and sockets use them. Cut by subject; this file is the name under which others know it all.
 *
 * - route_output: `ip_route_output_flow` and its like; route_input: `ip_route_input_noref`
 * - route_cache: rtables, their operations, exceptions (path MTU, redirects)
 * - here: path MTU and redirects for sockets, redirects that we send, identification of datagrams, initialisation
 */
import { kernel } from '../../current.ts';
import { IN_DEV_TX_REDIRECTS } from '../../include/linux/inetdevice.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { dst_check, dst_release, rt_nexthop, type rtable } from '../../include/net/dst.ts';
import { icmp_send } from '../../include/net/icmp.ts';
import { flowi4, inet_sk } from '../../include/net/inet_sock.ts';
import { ip_hdr, ip_sk_accept_pmtu } from '../../include/net/ip.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { flowi4_init_output } from '../../include/net/route.ts';
import { type sock, sock_net, sock_owned_by_user } from '../../include/net/sock.ts';
import { HZ, jiffies } from '../../kernel/time/timer.ts';
import { ICMP_REDIR_HOST, ICMP_REDIRECT, iphdr } from '../../uapi/in.ts';
import { sk_dst_get, sk_dst_set } from '../core/sock_dst.ts';
import { inet_getpeer_v4 } from './inetpeer.ts';
import { __ip_do_redirect, __ip_rt_update_pmtu } from './route_cache.ts';
import { inet_sk_flowi_flags, ip_route_output_flow } from './route_output.ts';

export * from './route_cache.ts';
export * from './route_input.ts';
export * from './route_output.ts';

const IP_IDENTS_SZ = 2048;

export function ip_rt_init(network: net): void {
  const { random, HZ: hz } = network.kernel;
  const { ipv4 } = network;
  ipv4.ip_idents = new Uint32Array(IP_IDENTS_SZ);
  for (let i = 0; i < IP_IDENTS_SZ; i++) ipv4.ip_idents[i] = random.u32();
  ipv4.ip_tstamps = new Float64Array(IP_IDENTS_SZ);
  ipv4.ip_id_key = random.u32();
  ipv4.ip_rt_mtu_expires = 600 * hz;
  ipv4.fnhe_genid = 0;
}

/* Identification */

/** A fresh identification for a datagram that may be fragmented (RFC 6864), not to be guessed from others. Counts `segs` of them. */
export function __ip_select_ident(network: net, iph: iphdr, segs: number): void {
  iph.id = ip_idents_reserve(network, identHash(network, iph), segs);
}

/** Stands for siphash_3u32: keyed, so that neighbours in the table tell nothing about each other. */
function identHash(network: net, iph: iphdr): number {
  let h = network.ipv4.ip_id_key;
  h = Math.imul(h ^ iph.daddr, 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 15) ^ iph.saddr, 0xc2b2_ae35);
  h = Math.imul(h ^ (h >>> 13) ^ iph.protocol, 0x9e37_79b1);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Skips a random part of what idle time allows, so that the rate of one flow cannot be counted by another. */
function ip_idents_reserve(network: net, hash: number, segs: number): number {
  const { ip_idents, ip_tstamps } = network.ipv4;
  const bucket = hash & (IP_IDENTS_SZ - 1);
  const now = jiffies();
  const old = ip_tstamps[bucket]!;
  let delta = 0;
  if (old !== now) {
    delta = kernel().random.below(Math.min(now - old, 0xffff_ffff));
    ip_tstamps[bucket] = now;
  }
  ip_idents[bucket] = ip_idents[bucket]! + segs + delta;
  return (ip_idents[bucket]! - segs) & 0xffff;
}

/* Path MTU and redirects, as sockets hear of them: `skb` is the ICMP message, at its data the header it quotes */

function quotedFlow(skb: sk_buff, oif: number, protocol: number, sk: sock | null): flowi4 {
  const iph = new iphdr(skb.mem.view, skb.data);
  const fl4 = new flowi4();
  const flags = sk === null ? 0 : inet_sk_flowi_flags(sk);
  const mark = sk === null ? 0 : sk.sk_mark;
  const bound = sk === null ? oif : sk.skc_bound_dev_if;
  flowi4_init_output(fl4, bound, mark, iph.tos & 0x1c, 0, sk === null ? protocol : sk.sk_protocol, flags, iph.daddr, iph.saddr, 0, 0);
  return fl4;
}

/** For who has no socket at hand. */
export function ipv4_update_pmtu(skb: sk_buff, network: net, mtu: number, oif: number, protocol: number): void {
  updateByFlow(network, quotedFlow(skb, oif, protocol, null), mtu);
}

function updateByFlow(network: net, fl4: flowi4, mtu: number): void {
  const rt = ip_route_output_flow(network, fl4, null);
  if (typeof rt === 'number') return;
  __ip_rt_update_pmtu(rt, fl4, mtu);
  dst_release(rt);
}

/** The socket's route learns the path MTU; the socket gets the route that knows it. */
export function ipv4_sk_update_pmtu(skb: sk_buff, sk: sock, mtu: number): void {
  if (!ip_sk_accept_pmtu(sk)) return;
  const network = sock_net(sk);
  const fl4 = quotedFlow(skb, 0, 0, sk);
  const odst = sk_dst_get(sk);
  if (sock_owned_by_user(sk) || odst === null) {
    updateByFlow(network, fl4, mtu);
    dst_release(odst);
    return;
  }
  let rt: rtable | number = odst;
  if (dst_check(odst, 0) === null) rt = ip_route_output_flow(network, fl4, sk);
  if (typeof rt !== 'number') __ip_rt_update_pmtu(rt, fl4, mtu);
  if (typeof rt !== 'number' && dst_check(rt, 0) === null) rt = ip_route_output_flow(network, fl4, sk);
  if (typeof rt !== 'number' && rt !== odst) sk_dst_set(sk, rt);
  dst_release(odst);
}

/** A router redirected a packet of ours. */
export function ipv4_redirect(skb: sk_buff, network: net, oif: number, protocol: number): void {
  redirectFlow(skb, network, quotedFlow(skb, oif, protocol, null));
}

export function ipv4_sk_redirect(skb: sk_buff, sk: sock): void {
  redirectFlow(skb, sock_net(sk), quotedFlow(skb, 0, 0, sk));
}

function redirectFlow(skb: sk_buff, network: net, fl4: flowi4): void {
  const rt = ip_route_output_flow(network, fl4, null);
  if (typeof rt === 'number') return;
  __ip_do_redirect(rt, skb, fl4, false);
  dst_release(rt);
}

/* Redirects that we send */

/** net.ipv4.route.redirect_number, redirect_load, redirect_silence (jiffies) */
const REDIRECT_NUMBER = 9;
const redirectLoad = (): number => Math.floor(HZ() / 50);
const redirectSilence = (): number => redirectLoad() << (REDIRECT_NUMBER + 1);

/** Tells the sender of a forwarded packet about the nearer router: ever less often, until it listens or has been told often enough. */
export function ip_rt_send_redirect(skb: sk_buff): void {
  const rt = skb._skb_refdst!;
  const in_dev = rt.dev.ip_ptr;
  if (in_dev === null || !IN_DEV_TX_REDIRECTS(in_dev)) return;
  const network = rt.dev.nd_net;
  const iph = ip_hdr(skb);
  const gw = rt_nexthop(rt, iph.daddr);
  const peer = inet_getpeer_v4(network, iph.saddr);
  const now = jiffies();
  if (now > peer.rate_last + redirectSilence()) {
    peer.rate_tokens = 0;
    peer.n_redirects = 0;
  }
  if (peer.n_redirects >= REDIRECT_NUMBER) {
    peer.rate_last = now;
    return;
  }
  if (peer.n_redirects !== 0 && now <= peer.rate_last + (redirectLoad() << peer.n_redirects)) return;
  icmp_send(skb, ICMP_REDIRECT, ICMP_REDIR_HOST, gw);
  peer.rate_last = now;
  peer.n_redirects++;
}

/** The local address of a socket's flow. */
export function inet_sk_init_flowi4(sk: sock, fl4: flowi4): void {
  const inet = inet_sk(sk);
  flowi4_init_output(
    fl4,
    sk.skc_bound_dev_if,
    sk.sk_mark,
    inet.tos & 0xfc,
    0,
    sk.sk_protocol,
    inet_sk_flowi_flags(sk),
    sk.skc_daddr,
    inet.inet_saddr,
    sk.skc_dport,
    inet.inet_sport,
  );
}
