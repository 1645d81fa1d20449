/**
 * net/ipv4/ip_output.c: IPv4 packets out. Cut by subject; this file is the name under which others know it all.
 *
 * - here: packets of connected sockets (`ip_queue_xmit` → route → header → `ip_local_out`), and SYN-ACKs (`ip_build_and_send_pkt`)
 * - ip_output_xmit: `ip_local_out` … `ip_finish_output2`; ip_output_fragment: `ip_do_fragment`
 * - ip_output_append: `ip_append_data`, `ip_make_skb`, `ip_push_pending_frames`; ip_output_reply: `ip_send_unicast_reply`; ip_output_ident
 */
import { kernel } from '../../current.ts';
import { type sk_buff, skb_dst_set_noref, skb_push, skb_reset_network_header } from '../../include/linux/skbuff.ts';
import { SKB_DROP_REASON_IP_OUTNOROUTES } from '../../include/net/dropreason.ts';
import { type flowi4, inet_sk } from '../../include/net/inet_sock.ts';
import { IP_HLEN, ip_copy_addrs, ip_dont_fragment, ip_hdr, ip_select_ttl, optlen } from '../../include/net/ip.ts';
import { IP_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { EHOSTUNREACH } from '../../uapi/errno.ts';
import { IP_DF, IPPROTO_TCP, type iphdr } from '../../uapi/in.ts';
import { IPSTATS_MIB_OUTNOROUTES } from '../../uapi/snmp.ts';
import { kfree_skb_reason } from '../core/skbuff_free.ts';
import { __sk_dst_check, sk_setup_caps } from '../core/sock_dst.ts';
import { ip_options_build } from './ip_options_output.ts';
import { ip_select_ident_segs } from './ip_output_ident.ts';
import { __ip_local_out, ip_local_out, ip_mc_output, ip_output } from './ip_output_xmit.ts';
import { __ip_select_ident, inet_sk_init_flowi4, ip_route_output_flow, ip_rt_init } from './route.ts';

export * from './ip_output_append.ts';
export * from './ip_output_fragment.ts';
export * from './ip_output_ident.ts';
export * from './ip_output_reply.ts';
export * from './ip_output_xmit.ts';

/** Sends a segment of a connected socket. */
export function ip_queue_xmit(sk: sock, skb: sk_buff, fl: flowi4): number {
  return __ip_queue_xmit(sk, skb, fl, inet_sk(sk).tos);
}

export function __ip_queue_xmit(sk: sock, skb: sk_buff, fl4: flowi4, tos: number): number {
  const network = sock_net(sk);
  if (skb._skb_refdst === null && !routeBySocket(network, sk, skb, fl4, tos)) {
    IP_INC_STATS(network, IPSTATS_MIB_OUTNOROUTES);
    kfree_skb_reason(skb, SKB_DROP_REASON_IP_OUTNOROUTES, '__ip_queue_xmit');
    return -EHOSTUNREACH;
  }
  const rt = skb._skb_refdst!;
  const iph = pushHeader(skb, inet_sk(sk).inet_opt);
  iph.tos = tos;
  iph.frag_off = ip_dont_fragment(sk, rt) && !skb.ignore_df ? IP_DF : 0;
  iph.ttl = ip_select_ttl(sk, rt);
  iph.protocol = sk.sk_protocol;
  ip_copy_addrs(iph, fl4);
  if (inet_sk(sk).inet_opt !== null) ip_options_build(network, skb, inet_sk(sk).inet_opt!);
  ip_select_ident_segs(network, skb, sk, skb.shinfo.gso_segs || 1);
  skb.priority = sk.sk_priority;
  skb.mark = sk.sk_mark;
  return ip_local_out(network, sk, skb);
}

/** Room for a header with these options; its first octet tells how long it is. */
function pushHeader(skb: sk_buff, opt: Uint8Array | null): iphdr {
  skb_push(skb, IP_HLEN + optlen(opt));
  skb_reset_network_header(skb);
  const iph = ip_hdr(skb);
  iph.version_ihl = 0x45 + (optlen(opt) >> 2);
  return iph;
}

/** The route that the socket keeps, or a fresh one that it keeps from now on. */
function routeBySocket(network: net, sk: sock, skb: sk_buff, fl4: flowi4, tos: number): boolean {
  let rt = __sk_dst_check(sk, 0);
  if (rt === null) {
    inet_sk_init_flowi4(sk, fl4);
    fl4.flowi4_tos = tos & 0xfc;
    const fresh = ip_route_output_flow(network, fl4, sk);
    if (typeof fresh === 'number') return false;
    sk_setup_caps(sk, fresh);
    rt = fresh;
  }
  skb_dst_set_noref(skb, rt);
  return true;
}

/** Sends a segment whose route is set and whose socket is not connected yet: a SYN-ACK. */
export function ip_build_and_send_pkt(skb: sk_buff, sk: sock, saddr: number, daddr: number, opt: Uint8Array | null, tos: number): number {
  const rt = skb._skb_refdst!;
  const network = rt.dev.nd_net;
  const iph = pushHeader(skb, opt);
  iph.tos = tos;
  iph.ttl = ip_select_ttl(sk, rt);
  iph.daddr = daddr;
  iph.saddr = saddr;
  iph.protocol = sk.sk_protocol;
  if (ip_dont_fragment(sk, rt)) {
    iph.frag_off = IP_DF;
    iph.id = 0;
  } else {
    iph.frag_off = 0;
    // A connection's first number says nothing about others' (TCP counts on from its own).
    if (iph.protocol === IPPROTO_TCP) iph.id = kernel().random.u32() & 0xffff;
    else __ip_select_ident(network, iph, 1);
  }
  if (opt !== null) ip_options_build(network, skb, opt);
  skb.priority = sk.sk_priority;
  if (skb.mark === 0) skb.mark = sk.sk_mark;
  return ip_local_out(network, skb.sk as sock | null, skb);
}

/** Routing, and the functions that routes point to. */
export function ip_init(network: net): void {
  ip_rt_init(network);
  const { entries } = network.ipv4;
  entries.ip_output = ip_output;
  entries.ip_mc_output = ip_mc_output;
  entries.__ip_local_out = __ip_local_out;
}
