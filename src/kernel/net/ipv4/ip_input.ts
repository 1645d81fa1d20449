/**
 * net/ipv4/ip_input.c: IPv4 packets in.
 * `ip_rcv` | `ip_list_rcv` → `ip_rcv_core` (is it sound?) → PRE_ROUTING → `ip_rcv_finish_core` (early demux, route) → `dst_input`:
 * `ip_local_deliver` (`ip_defrag`) → LOCAL_IN → `ip_local_deliver_finish` → `ip_protocol_deliver_rcu` → the protocol, or `ip_forward`, or `ip_error`.
 *
 */

import { NET_RX_DROP, NET_RX_SUCCESS, type net_device, type packet_type } from '../../include/linux/netdevice.ts';
import { NF_INET_LOCAL_IN, NF_INET_PRE_ROUTING, NFPROTO_IPV4 } from '../../include/linux/netfilter.ts';
import {
  __skb_dequeue,
  __skb_pull,
  __skb_queue_tail,
  PACKET_BROADCAST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  type sk_buff,
  sk_buff_head,
  skb_network_header_len,
  skb_orphan,
} from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import {
  SKB_DROP_REASON_IP_CSUM,
  SKB_DROP_REASON_IP_INHDR,
  SKB_DROP_REASON_IP_NOPROTO,
  SKB_DROP_REASON_IP_RPFILTER,
  SKB_DROP_REASON_NOMEM,
  SKB_DROP_REASON_OTHERHOST,
  SKB_DROP_REASON_PKT_TOO_SMALL,
  SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST,
} from '../../include/net/dropreason.ts';
import { type dst_entry, dst_input } from '../../include/net/dst.ts';
import { icmp_send } from '../../include/net/icmp.ts';
import { IP_DEFRAG_LOCAL_DELIVER, ip_hdr, ip_is_fragment } from '../../include/net/ip.ts';
import { RTN_BROADCAST, RTN_MULTICAST } from '../../include/net/ip_fib.ts';
import { __IP_INC_STATS, IP_UPD_PO_STATS, NET_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import { showPacket } from '../../include/net/packet_watchers.ts';
import type { sock } from '../../include/net/sock.ts';
import { ip_fast_csum } from '../../lib/checksum.ts';
import { ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, IPPROTO_TCP, IPPROTO_UDP, iphdr, ipv4_is_lbcast, ipv4_is_zeronet } from '../../uapi/in.ts';
import {
  IPSTATS_MIB_INBCASTOCTETS,
  IPSTATS_MIB_INBCASTPKTS,
  IPSTATS_MIB_INCSUMERRORS,
  IPSTATS_MIB_INDELIVERS,
  IPSTATS_MIB_INDISCARDS,
  IPSTATS_MIB_INHDRERRORS,
  IPSTATS_MIB_INMCASTOCTETS,
  IPSTATS_MIB_INMCASTPKTS,
  IPSTATS_MIB_INNOECTPKTS,
  IPSTATS_MIB_INOCTETS,
  IPSTATS_MIB_INPKTS,
  IPSTATS_MIB_INTRUNCATEDPKTS,
  IPSTATS_MIB_INUNKNOWNPROTOS,
  LINUX_MIB_IPRPFILTER,
} from '../../uapi/snmp.ts';
import { skb_share_check } from '../core/skbuff_clone.ts';
import { pskb_trim_rcsum } from '../core/skbuff_csum.ts';
import { consume_skb, kfree_skb_reason } from '../core/skbuff_free.ts';
import { pskb_may_pull } from '../core/skbuff_reshape.ts';
import { NF_HOOK, NF_HOOK_LIST } from '../netfilter/core.ts';
import { ip_defrag } from './ip_fragment.ts';
import { ip_rcv_options } from './ip_options.ts';
import { ip_route_input_noref, ip_route_use_hint } from './route.ts';

const INET_ECN_MASK = 3;

/** The receive function of ETH_P_IP. */
export function ip_rcv(skb: sk_buff, dev: net_device, _pt: packet_type, _orig_dev: net_device): number {
  const network = dev.nd_net;
  const own = ip_rcv_core(skb, network);
  if (own === null) return NET_RX_DROP;
  return NF_HOOK(NFPROTO_IPV4, NF_INET_PRE_ROUTING, network, null, own, dev, null, ip_rcv_finish);
}

/** The receive function for batches: packets are checked one by one, then go on in groups of the same device and route. */
export function ip_list_rcv(head: sk_buff_head, _pt: packet_type, orig_dev: net_device): void {
  const { listPool } = orig_dev.nd_net.ipv4;
  const list = takeList(orig_dev.nd_net);
  let curr_dev: net_device | null = null;
  for (let skb = __skb_dequeue(head); skb !== null; skb = __skb_dequeue(head)) {
    const dev: net_device = skb.dev!;
    const own = ip_rcv_core(skb, dev.nd_net);
    if (own === null) continue;
    if (curr_dev !== dev) {
      if (curr_dev !== null && list.qlen > 0) ip_sublist_rcv(list, curr_dev, curr_dev.nd_net);
      curr_dev = dev;
    }
    __skb_queue_tail(list, own);
  }
  if (curr_dev !== null && list.qlen > 0) ip_sublist_rcv(list, curr_dev, curr_dev.nd_net);
  listPool.push(list);
}

/** List heads that live on the stack in C: borrowed and given back. */
const takeList = (network: net): sk_buff_head => network.ipv4.listPool.pop() ?? new sk_buff_head();

function ip_sublist_rcv(list: sk_buff_head, dev: net_device, network: net): void {
  NF_HOOK_LIST(NFPROTO_IPV4, NF_INET_PRE_ROUTING, network, null, list, dev, null, ip_rcv_finish);
  ip_list_rcv_finish(network, list);
}

function ip_list_rcv_finish(network: net, list: sk_buff_head): void {
  const sublist = takeList(network);
  let curr_dst: dst_entry | null = null;
  let hint: sk_buff | null = null;
  for (let skb = __skb_dequeue(list); skb !== null; skb = __skb_dequeue(list)) {
    if (ip_rcv_finish_core(network, skb, skb.dev!, hint) === NET_RX_DROP) continue;
    const dst: dst_entry | null = skb._skb_refdst;
    if (curr_dst !== dst) {
      hint = ip_extract_route_hint(skb);
      if (sublist.qlen > 0) ip_sublist_rcv_finish(sublist);
      curr_dst = dst;
    }
    __skb_queue_tail(sublist, skb);
  }
  ip_sublist_rcv_finish(sublist);
  network.ipv4.listPool.push(sublist);
}

function ip_sublist_rcv_finish(list: sk_buff_head): void {
  for (let skb = __skb_dequeue(list); skb !== null; skb = __skb_dequeue(list)) dst_input(skb);
}

/** A packet whose route the next one to the same destination may take, too. */
function ip_extract_route_hint(skb: sk_buff): sk_buff | null {
  const { daddr } = ip_hdr(skb);
  return ipv4_is_lbcast(daddr) || ipv4_is_zeronet(daddr) ? null : skb;
}

/** Is the header sound (RFC 1122 3.2.1)? Trims what the link added. Null when the packet was dropped. */
function ip_rcv_core(skb: sk_buff, network: net): sk_buff | null {
  if (skb.pkt_type === PACKET_OTHERHOST) return drop(skb, SKB_DROP_REASON_OTHERHOST);
  IP_UPD_PO_STATS(network, IPSTATS_MIB_INPKTS, IPSTATS_MIB_INOCTETS, skb.len);
  showPacket(network.kernel.watchers.ip, skb, false);
  const own = skb_share_check(skb, GFP_ATOMIC);
  if (own === null) {
    __IP_INC_STATS(network, IPSTATS_MIB_INDISCARDS);
    return null;
  }
  if (!pskb_may_pull(own, iphdr.size)) return inhdr_error(own, network);
  let iph = ip_hdr(own);
  const ihl = iph.version_ihl & 15;
  if (ihl < 5 || iph.version_ihl >> 4 !== 4) return inhdr_error(own, network);
  network.mib.ip_statistics[IPSTATS_MIB_INNOECTPKTS + (iph.tos & INET_ECN_MASK)]! += own.shinfo.gso_segs || 1;
  if (ihl > 5 && !pskb_may_pull(own, ihl * 4)) return inhdr_error(own, network);
  iph = ip_hdr(own);
  if (ip_fast_csum(own.mem.view, own.network_header, ihl) !== 0) {
    __IP_INC_STATS(network, IPSTATS_MIB_INCSUMERRORS);
    __IP_INC_STATS(network, IPSTATS_MIB_INHDRERRORS);
    return drop(own, SKB_DROP_REASON_IP_CSUM);
  }
  const len = iph.tot_len === 0 && own.shinfo.gso_size !== 0 ? own.len : iph.tot_len;
  if (own.len < len) {
    __IP_INC_STATS(network, IPSTATS_MIB_INTRUNCATEDPKTS);
    return drop(own, SKB_DROP_REASON_PKT_TOO_SMALL);
  }
  if (len < ihl * 4) return inhdr_error(own, network);
  if (own.len > len && pskb_trim_rcsum(own, len) !== 0) {
    __IP_INC_STATS(network, IPSTATS_MIB_INDISCARDS);
    return drop(own, SKB_DROP_REASON_NOMEM);
  }
  own.transport_header = own.network_header + ihl * 4;
  own.ip_flags = 0;
  own.ip_opt_len = 0;
  own.ip_frag_max_size = 0;
  skb_orphan(own);
  return own;
}

function inhdr_error(skb: sk_buff, network: net): null {
  __IP_INC_STATS(network, IPSTATS_MIB_INHDRERRORS);
  return drop(skb, SKB_DROP_REASON_IP_INHDR);
}

function drop(skb: sk_buff, reason: number): null {
  kfree_skb_reason(skb, reason, 'ip_rcv_core');
  return null;
}

function ip_rcv_finish(network: net, _sk: sock | null, skb: sk_buff): number {
  if (ip_rcv_finish_core(network, skb, skb.dev!, null) === NET_RX_DROP) return NET_RX_DROP;
  return dst_input(skb);
}

/** Finds the packet's socket, which knows the route, or else the route. */
function ip_rcv_finish_core(network: net, skb: sk_buff, dev: net_device, hint: sk_buff | null): number {
  const iph = ip_hdr(skb);
  if (hint !== null && skb._skb_refdst === null && canUseHint(iph, hint)) {
    const reason = ip_route_use_hint(skb, iph.daddr, iph.saddr, iph.tos, dev, hint);
    if (reason !== 0) return dropFinish(network, skb, reason);
  }
  if (skb._skb_refdst === null && skb.sk === null && network.ipv4.sysctl_ip_early_demux !== 0 && !ip_is_fragment(iph))
    earlyDemux(network, skb, iph.protocol);
  if (skb._skb_refdst === null) {
    const reason = ip_route_input_noref(skb, iph.daddr, iph.saddr, iph.tos, dev);
    if (reason !== 0) return dropFinish(network, skb, reason);
  }
  if ((iph.version_ihl & 15) > 5) {
    const reason = ip_rcv_options(network, skb);
    if (reason !== 0) return dropFinish(network, skb, reason);
  }
  return countByType(network, skb, dev);
}

function canUseHint(iph: iphdr, hint: sk_buff): boolean {
  const other = ip_hdr(hint);
  return other.daddr === iph.daddr && other.tos === iph.tos;
}

function earlyDemux(network: net, skb: sk_buff, protocol: number): void {
  const { ipv4 } = network;
  if (protocol === IPPROTO_TCP && ipv4.sysctl_tcp_early_demux === 0) return;
  if (protocol === IPPROTO_UDP && ipv4.sysctl_udp_early_demux === 0) return;
  network.inet_protos[protocol]?.early_demux?.(skb);
}

function countByType(network: net, skb: sk_buff, dev: net_device): number {
  const { rt_type } = skb._skb_refdst!;
  if (rt_type === RTN_MULTICAST) IP_UPD_PO_STATS(network, IPSTATS_MIB_INMCASTPKTS, IPSTATS_MIB_INMCASTOCTETS, skb.len);
  else if (rt_type === RTN_BROADCAST) IP_UPD_PO_STATS(network, IPSTATS_MIB_INBCASTPKTS, IPSTATS_MIB_INBCASTOCTETS, skb.len);
  else if (skb.pkt_type === PACKET_BROADCAST || skb.pkt_type === PACKET_MULTICAST) {
    // RFC 1122 3.3.6 forbids it, but clustering depends on it: only if the administrator says so.
    const in_dev = dev.ip_ptr;
    if (in_dev !== null && (in_dev.cnf.drop_unicast_in_l2_multicast !== 0 || network.ipv4.devconf_all.drop_unicast_in_l2_multicast !== 0))
      return dropFinish(network, skb, SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST);
  }
  return NET_RX_SUCCESS;
}

function dropFinish(network: net, skb: sk_buff, reason: number): number {
  if (reason === SKB_DROP_REASON_IP_RPFILTER) NET_INC_STATS(network, LINUX_MIB_IPRPFILTER);
  kfree_skb_reason(skb, reason, 'ip_rcv_finish_core');
  return NET_RX_DROP;
}

/* Local delivery */

/** For this host: whole datagrams only. */
export function ip_local_deliver(skb: sk_buff): number {
  const network = skb.dev!.nd_net;
  if (ip_is_fragment(ip_hdr(skb)) && ip_defrag(network, skb, IP_DEFRAG_LOCAL_DELIVER) !== 0) return 0;
  return NF_HOOK(NFPROTO_IPV4, NF_INET_LOCAL_IN, network, null, skb, skb.dev, null, ip_local_deliver_finish);
}

function ip_local_deliver_finish(network: net, _sk: sock | null, skb: sk_buff): number {
  __skb_pull(skb, skb_network_header_len(skb));
  ip_protocol_deliver_rcu(network, skb, ip_hdr(skb).protocol);
  return 0;
}

/** To raw sockets, and to the protocol; a protocol may ask for another one (a negative result). */
export function ip_protocol_deliver_rcu(network: net, skb: sk_buff, protocol: number): void {
  for (;;) {
    const { raw_local_deliver } = network.ipv4.entries;
    const raw = raw_local_deliver?.(skb, protocol) ?? false;
    const ipprot = network.inet_protos[protocol];
    if (ipprot === undefined) {
      withoutProtocol(network, skb, raw);
      return;
    }
    const ret = ipprot.handler(skb);
    if (ret >= 0) {
      __IP_INC_STATS(network, IPSTATS_MIB_INDELIVERS);
      return;
    }
    protocol = -ret;
  }
}

function withoutProtocol(network: net, skb: sk_buff, raw: boolean): void {
  if (raw) {
    __IP_INC_STATS(network, IPSTATS_MIB_INDELIVERS);
    consume_skb(skb, 'ip_protocol_deliver_rcu');
    return;
  }
  __IP_INC_STATS(network, IPSTATS_MIB_INUNKNOWNPROTOS);
  icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
  kfree_skb_reason(skb, SKB_DROP_REASON_IP_NOPROTO, 'ip_protocol_deliver_rcu');
}
