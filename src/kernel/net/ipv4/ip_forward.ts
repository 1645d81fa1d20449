/**
 * net/ipv4/ip_forward.c: packets that go on to another host.
 * `ip_forward` (hop limit, MTU, room for the link-layer header) → FORWARD → `ip_forward_finish` → `dst_output`.
 */
import { NET_RX_DROP } from '../../include/linux/netdevice.ts';
import { NF_INET_FORWARD, NFPROTO_IPV4 } from '../../include/linux/netfilter.ts';
import { PACKET_HOST, type sk_buff, skb_is_gso } from '../../include/linux/skbuff.ts';
import { SKB_DROP_REASON_IP_INHDR, SKB_DROP_REASON_NOT_SPECIFIED, SKB_DROP_REASON_PKT_TOO_BIG } from '../../include/net/dropreason.ts';
import { dst_output, LL_RESERVED_SPACE } from '../../include/net/dst.ts';
import { icmp_send } from '../../include/net/icmp.ts';
import { IPSKB_DOREDIRECT, IPSKB_FORWARDED, ip_decrease_ttl, ip_dst_mtu_maybe_forward, ip_hdr } from '../../include/net/ip.ts';
import { __IP_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import type { sock } from '../../include/net/sock.ts';
import { ICMP_DEST_UNREACH, ICMP_EXC_TTL, ICMP_FRAG_NEEDED, ICMP_TIME_EXCEEDED, IP_DF } from '../../uapi/in.ts';
import { IPSTATS_MIB_FRAGFAILS, IPSTATS_MIB_INDISCARDS, IPSTATS_MIB_INHDRERRORS, IPSTATS_MIB_OUTFORWDATAGRAMS } from '../../uapi/snmp.ts';
import { skb_gso_validate_network_len } from '../core/gso.ts';
import { kfree_skb_reason } from '../core/skbuff_free.ts';
import { skb_cow } from '../core/skbuff_reshape.ts';
import { NF_HOOK } from '../netfilter/core.ts';
import { ip_forward_options } from './ip_options.ts';
import { ip_rt_send_redirect } from './route.ts';

/** TOS to the priority that a router's queues give it: rt_tos2priority(). */
const ip_tos2prio = [0, 1, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4];
const rt_tos2priority = (tos: number): number => ip_tos2prio[(tos & 0x1e) >> 1]!;

export function ip_forward(skb: sk_buff): number {
  // Only what was sent to us on the link is ours to pass on.
  if (skb.pkt_type !== PACKET_HOST || skb.sk !== null) return drop(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  const rt = skb._skb_refdst!;
  const network = rt.dev.nd_net;
  if (ip_hdr(skb).ttl <= 1) return too_many_hops(network, skb);
  skb.ip_flags |= IPSKB_FORWARDED;
  __IP_INC_STATS(network, IPSTATS_MIB_OUTFORWDATAGRAMS);
  const mtu = ip_dst_mtu_maybe_forward(rt, true);
  if (ip_exceeds_mtu(skb, mtu)) {
    __IP_INC_STATS(network, IPSTATS_MIB_FRAGFAILS);
    icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
    return drop(skb, SKB_DROP_REASON_PKT_TOO_BIG);
  }
  if (skb_cow(skb, LL_RESERVED_SPACE(rt.dev) + rt.header_len) !== 0) {
    __IP_INC_STATS(network, IPSTATS_MIB_INDISCARDS);
    return drop(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  }
  const iph = ip_hdr(skb);
  ip_decrease_ttl(iph);
  if (skb.ip_opt_len !== 0) ip_forward_options(skb);
  if ((skb.ip_flags & IPSKB_DOREDIRECT) !== 0) ip_rt_send_redirect(skb);
  skb.priority = rt_tos2priority(iph.tos);
  return NF_HOOK(NFPROTO_IPV4, NF_INET_FORWARD, network, null, skb, skb.dev, rt.dev, ip_forward_finish);
}

/** RFC 1812 5.3.1: discard, and tell the sender. */
function too_many_hops(network: net, skb: sk_buff): number {
  __IP_INC_STATS(network, IPSTATS_MIB_INHDRERRORS);
  icmp_send(skb, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
  return drop(skb, SKB_DROP_REASON_IP_INHDR);
}

/** May not be fragmented, and is too large for the way on: each packet of it, if it is several merged ones. */
function ip_exceeds_mtu(skb: sk_buff, mtu: number): boolean {
  if (skb.len <= mtu || (ip_hdr(skb).frag_off & IP_DF) === 0) return false;
  if (skb.ip_frag_max_size > mtu) return true;
  if (skb.ignore_df) return false;
  return !(skb_is_gso(skb) && skb_gso_validate_network_len(skb, mtu));
}

function drop(skb: sk_buff, reason: number): number {
  kfree_skb_reason(skb, reason, 'ip_forward');
  return NET_RX_DROP;
}

function ip_forward_finish(network: net, sk: sock | null, skb: sk_buff): number {
  skb.tstamp = 0;
  return dst_output(network, sk, skb);
}
