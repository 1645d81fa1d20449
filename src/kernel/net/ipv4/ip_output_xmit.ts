/**
 * net/ipv4/ip_output.c: routed IPv4 packets leave.
 * `ip_local_out` → `__ip_local_out` → LOCAL_OUT → `ip_output` → POST_ROUTING → `ip_finish_output` → `__ip_finish_output` (does it fit?) →
 * `ip_finish_output2` → `neigh_output`.
 */

import { NETIF_F_GSO_MASK, type net_device } from '../../include/linux/netdevice.ts';
import { NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, NFPROTO_IPV4 } from '../../include/linux/netfilter.ts';
import {
  __skb_pull,
  CHECKSUM_NONE,
  CHECKSUM_UNNECESSARY,
  PACKET_LOOPBACK,
  type sk_buff,
  skb_headroom,
  skb_is_gso,
  skb_mark_not_on_list,
  skb_network_offset,
  skb_reset_mac_header,
} from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { SKB_DROP_REASON_NEIGH_CREATEFAIL, SKB_DROP_REASON_NOT_SPECIFIED } from '../../include/net/dropreason.ts';
import { dst_output, LL_RESERVED_SPACE, type rtable, skb_dst_force } from '../../include/net/dst.ts';
import { inet_sk } from '../../include/net/inet_sock.ts';
import { IPSKB_REROUTED, ip_hdr, ip_send_check, ip_skb_dst_mtu } from '../../include/net/ip.ts';
import { RTN_BROADCAST, RTN_MULTICAST } from '../../include/net/ip_fib.ts';
import type { neighbour } from '../../include/net/neighbour.ts';
import { IP_INC_STATS, IP_UPD_PO_STATS, type net } from '../../include/net/net_namespace.ts';
import { showPacket } from '../../include/net/packet_watchers.ts';
import { RTCF_BROADCAST, RTCF_MULTICAST } from '../../include/net/route.ts';
import type { sock } from '../../include/net/sock.ts';
import { jiffies } from '../../kernel/time/timer.ts';
import { ENOBUFS, ENOMEM } from '../../uapi/errno.ts';
import { ETH_P_IP } from '../../uapi/if_ether.ts';
import {
  IPSTATS_MIB_OUTBCASTOCTETS,
  IPSTATS_MIB_OUTBCASTPKTS,
  IPSTATS_MIB_OUTDISCARDS,
  IPSTATS_MIB_OUTMCASTOCTETS,
  IPSTATS_MIB_OUTMCASTPKTS,
  IPSTATS_MIB_OUTOCTETS,
  IPSTATS_MIB_OUTPKTS,
  IPSTATS_MIB_OUTREQUESTS,
} from '../../uapi/snmp.ts';
import { netif_skb_features } from '../core/dev_hard_start_xmit.ts';
import { netif_rx } from '../core/dev_receive.ts';
import { skb_gso_segment, skb_gso_validate_network_len } from '../core/gso.ts';
import { neigh_output } from '../core/neighbour_output.ts';
import { skb_clone } from '../core/skbuff_clone.ts';
import { consume_skb, kfree_skb_reason } from '../core/skbuff_free.ts';
import { skb_expand_head } from '../core/skbuff_reshape.ts';
import { NF_HOOK, nf_hook } from '../netfilter/core.ts';
import { ip_fragment } from './ip_output_fragment.ts';
import { ip_neigh_gw4 } from './route.ts';

/** Completes the header of a packet made here; 1 when it may go on. */
export function __ip_local_out(network: net, sk: sock | null, skb: sk_buff): number {
  const iph = ip_hdr(skb);
  IP_INC_STATS(network, IPSTATS_MIB_OUTREQUESTS);
  // Super-frames longer than the field can say have 0 there.
  iph.tot_len = skb.len <= 0xffff ? skb.len : 0;
  ip_send_check(iph);
  skb.protocol = ETH_P_IP;
  return nf_hook(NFPROTO_IPV4, NF_INET_LOCAL_OUT, network, sk, skb, null, skb._skb_refdst!.dev, dst_output);
}

export function ip_local_out(network: net, sk: sock | null, skb: sk_buff): number {
  const err = __ip_local_out(network, sk, skb);
  return err === 1 ? dst_output(network, sk, skb) : err;
}

/** As ip_local_out(), with queueing decisions (NET_XMIT_*) turned into errors. */
export function ip_send_skb(network: net, skb: sk_buff): number {
  const err = ip_local_out(network, skb.sk as sock | null, skb);
  if (err === 0) return 0;
  const error = err > 0 ? net_xmit_errno(err) : err;
  if (error !== 0) IP_INC_STATS(network, IPSTATS_MIB_OUTDISCARDS);
  return error;
}

const NET_XMIT_CN = 2;
export const net_xmit_errno = (e: number): number => (e !== NET_XMIT_CN ? -ENOBUFS : 0);

/** The output function of routes. */
export function ip_output(network: net, sk: sock | null, skb: sk_buff): number {
  const { dev } = skb._skb_refdst!;
  const indev = skb.dev;
  skb.dev = dev;
  skb.protocol = ETH_P_IP;
  if ((skb.ip_flags & IPSKB_REROUTED) !== 0) return ip_finish_output(network, sk, skb);
  const ret = nf_hook(NFPROTO_IPV4, NF_INET_POST_ROUTING, network, sk, skb, indev, dev, ip_finish_output);
  return ret === 1 ? ip_finish_output(network, sk, skb) : ret;
}

/** IP_MULTICAST_LOOP. */
const sk_mc_loop = (sk: sock): boolean => inet_sk(sk).mc_loop;

/** The output function of routes to many of whom we are one: a copy comes back to us. */
export function ip_mc_output(network: net, sk: sock | null, skb: sk_buff): number {
  const rt = skb._skb_refdst!;
  skb.dev = rt.dev;
  skb.protocol = ETH_P_IP;
  if ((rt.rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST)) !== 0 && ((rt.rt_flags & RTCF_MULTICAST) === 0 || sk === null || sk_mc_loop(sk))) {
    const copy = skb_clone(skb, GFP_ATOMIC);
    if (copy !== null) NF_HOOK(NFPROTO_IPV4, NF_INET_POST_ROUTING, network, sk, copy, null, copy.dev, dev_loopback_xmit);
  }
  if ((rt.rt_flags & RTCF_MULTICAST) !== 0 && ip_hdr(skb).ttl === 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, 'ip_mc_output');
    return 0;
  }
  return NF_HOOK(NFPROTO_IPV4, NF_INET_POST_ROUTING, network, sk, skb, null, skb.dev, ip_finish_output);
}

function dev_loopback_xmit(_network: net, _sk: sock | null, skb: sk_buff): number {
  skb_reset_mac_header(skb);
  __skb_pull(skb, skb_network_offset(skb));
  skb.pkt_type = PACKET_LOOPBACK;
  if (skb.ip_summed === CHECKSUM_NONE) skb.ip_summed = CHECKSUM_UNNECESSARY;
  skb_dst_force(skb);
  netif_rx(skb);
  return 0;
}

function ip_finish_output(network: net, sk: sock | null, skb: sk_buff): number {
  return __ip_finish_output(network, sk, skb);
}

function __ip_finish_output(network: net, sk: sock | null, skb: sk_buff): number {
  if (skb.packetId === 0) skb.packetId = network.kernel.machine.simulation.takePacketIds(Math.max(skb.shinfo.gso_segs, 1));
  showPacket(network.kernel.watchers.ip, skb, true);
  const mtu = ip_skb_dst_mtu(sk, skb);
  if (skb_is_gso(skb)) return ip_finish_output_gso(network, sk, skb, mtu);
  if (skb.len > mtu || skb.ip_frag_max_size !== 0) return ip_fragment(network, sk, skb, mtu, ip_finish_output2);
  return ip_finish_output2(network, sk, skb);
}

/** Super-frames whose segments do not fit (forwarded from a link with a larger MTU) are segmented here, and the segments fragmented. */
function ip_finish_output_gso(network: net, sk: sock | null, skb: sk_buff, mtu: number): number {
  if (skb_gso_validate_network_len(skb, mtu)) return ip_finish_output2(network, sk, skb);
  const segs = skb_gso_segment(skb, netif_skb_features(skb) & ~NETIF_F_GSO_MASK);
  if (segs === null || typeof segs === 'number') {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, 'ip_finish_output_gso');
    return -ENOMEM;
  }
  consume_skb(skb, 'ip_finish_output_gso');
  let ret = 0;
  for (let segment: sk_buff | null = segs, next: sk_buff | null; segment !== null; segment = next) {
    next = segment.next;
    skb_mark_not_on_list(segment);
    const err = ip_fragment(network, sk, segment, mtu, ip_finish_output2);
    if (err !== 0 && ret === 0) ret = err;
  }
  return ret;
}

/** To the next hop's neighbour, with room for the link-layer header. */
function ip_finish_output2(network: net, _sk: sock | null, skb: sk_buff): number {
  const rt = skb._skb_refdst!;
  const { dev } = rt;
  countByType(network, rt, skb.len);
  // Octets count when fragments are made already.
  IP_UPD_PO_STATS(network, IPSTATS_MIB_OUTPKTS, IPSTATS_MIB_OUTOCTETS, skb.len);
  if (skb_headroom(skb) < LL_RESERVED_SPACE(dev) && dev.header_ops !== null) {
    const expanded = skb_expand_head(skb, LL_RESERVED_SPACE(dev));
    if (expanded === null) return -ENOMEM;
    skb = expanded;
  }
  const neigh = ip_neigh_for_gw(rt, skb, dev);
  if (neigh !== null) {
    sock_confirm_neigh(skb, neigh);
    return neigh_output(neigh, skb, false);
  }
  kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_CREATEFAIL, 'ip_finish_output2');
  return -ENOBUFS;
}

function countByType(network: net, rt: rtable, len: number): void {
  if (rt.rt_type === RTN_MULTICAST) IP_UPD_PO_STATS(network, IPSTATS_MIB_OUTMCASTPKTS, IPSTATS_MIB_OUTMCASTOCTETS, len);
  else if (rt.rt_type === RTN_BROADCAST) IP_UPD_PO_STATS(network, IPSTATS_MIB_OUTBCASTPKTS, IPSTATS_MIB_OUTBCASTOCTETS, len);
}

const ip_neigh_for_gw = (rt: rtable, skb: sk_buff, dev: net_device): neighbour | null =>
  ip_neigh_gw4(dev, rt.rt_gw_family !== 0 ? rt.rt_gw4 : ip_hdr(skb).daddr);

/** The transport heard from the other side: as good as a probe that was answered. */
function sock_confirm_neigh(skb: sk_buff, n: neighbour): void {
  if (!skb.dst_pending_confirm) return;
  n.confirmed = jiffies();
  const sk = skb.sk as sock | null;
  if (sk?.sk_dst_pending_confirm === true) sk.sk_dst_pending_confirm = false;
}
