/**
 * net/ipv4/route.c: routes for received packets.
 * `ip_route_input_noref` → `ip_route_input_slow`: for us (`ip_local_deliver`), to be forwarded (`ip_mkroute_input`), unreachable (`ip_error`),
 * or not to be believed (a drop reason). `ip_route_use_hint` for a packet that follows one to the same destination.
 *
 * All return 0 or an SKB_DROP_REASON_*.
 */
import { kernel } from '../../current.ts';
import {
  IN_DEV_BFORWARD,
  IN_DEV_FORWARD,
  IN_DEV_LOG_MARTIANS,
  IN_DEV_NET_ROUTE_LOCALNET,
  IN_DEV_SHARED_MEDIA,
  IN_DEV_TX_REDIRECTS,
  type in_device,
} from '../../include/linux/inetdevice.ts';
import type { net_device } from '../../include/linux/netdevice.ts';
import { type sk_buff, skb_dst_set, skb_dst_set_noref } from '../../include/linux/skbuff.ts';
import {
  SKB_DROP_REASON_ARP_PVLAN_DISABLE,
  SKB_DROP_REASON_INVALID_PROTO,
  SKB_DROP_REASON_IP_INADDRERRORS,
  SKB_DROP_REASON_IP_INNOROUTES,
  SKB_DROP_REASON_IP_INVALID_DEST,
  SKB_DROP_REASON_IP_INVALID_SOURCE,
  SKB_DROP_REASON_IP_LOCAL_SOURCE,
  SKB_DROP_REASON_IP_LOCALNET,
  SKB_DROP_REASON_IP_RPFILTER,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_NOT_DROPPED_YET,
} from '../../include/net/dropreason.ts';
import { dst_clone, type rtable } from '../../include/net/dst.ts';
import { icmp_send } from '../../include/net/icmp.ts';
import { IPSKB_DOREDIRECT, ip_hdr } from '../../include/net/ip.ts';
import {
  FIB_RES_DEV,
  FIB_RES_OIF,
  type fib_result,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from '../../include/net/ip_fib.ts';
import { IP_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import { flowi4Clear, RTCF_BROADCAST, RTCF_LOCAL, RTCF_MULTICAST } from '../../include/net/route.ts';
import { HZ, jiffies } from '../../kernel/time/timer.ts';
import { EACCES, EHOSTUNREACH, ENETUNREACH } from '../../uapi/errno.ts';
import { ETH_P_IP } from '../../uapi/if_ether.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_HOST_UNREACH,
  ICMP_NET_UNREACH,
  ICMP_PKT_FILTERED,
  INADDR_ALLHOSTS_GROUP,
  ipv4_is_lbcast,
  ipv4_is_local_multicast,
  ipv4_is_loopback,
  ipv4_is_multicast,
  ipv4_is_zeronet,
} from '../../uapi/in.ts';
import { IPSTATS_MIB_INADDRERRORS, IPSTATS_MIB_INNOROUTES } from '../../uapi/snmp.ts';
import { kfree_skb_reason } from '../core/skbuff_free.ts';
import { inet_addr_onlink } from './devinet.ts';
import { fib_validate_source, fib_validate_source_reason } from './fib_frontend.ts';
import { fib_select_path } from './fib_semantics.ts';
import { fib_lookup } from './fib_trie_lookup.ts';
import { inet_getpeer_v4 } from './inetpeer.ts';
import { find_exception, ip_rt_bug, rt_cache_route, rt_cache_valid, rt_dst_alloc, rt_set_nexthop } from './route_cache.ts';

/** Gives the packet its route, if it may come in at all; the skb does not hold a reference on a cached one. */
export function ip_route_input_noref(skb: sk_buff, daddr: number, saddr: number, tos: number, dev: net_device): number {
  if (ipv4_is_multicast(daddr)) return ip_route_input_mc(skb, daddr, saddr, tos, dev);
  return ip_route_input_slow(skb, daddr, saddr, tos & 0x1c, dev, dev.nd_net.ipv4.fib.inputRes);
}

export const ip_route_input = (skb: sk_buff, daddr: number, saddr: number, tos: number, dev: net_device): number => {
  const reason = ip_route_input_noref(skb, daddr, saddr, tos, dev);
  if (reason === 0 && skb.dstNoref) skb_dst_set(skb, dst_clone(skb._skb_refdst));
  return reason;
};

/** Simplified: hosts are members of 224.0.0.1 only (no IGMP, no IP_ADD_MEMBERSHIP), and multicasts are not forwarded. */
function ip_route_input_mc(skb: sk_buff, daddr: number, saddr: number, tos: number, dev: net_device): number {
  const in_dev = dev.ip_ptr;
  if (in_dev === null || daddr !== INADDR_ALLHOSTS_GROUP) return SKB_DROP_REASON_NOT_SPECIFIED;
  const reason = ip_mc_validate_source(skb, daddr, saddr, tos, dev, in_dev);
  if (reason !== SKB_NOT_DROPPED_YET) return reason;
  const rt = rt_dst_alloc(dev.nd_net.loopback_dev, RTCF_MULTICAST | RTCF_LOCAL, RTN_MULTICAST);
  rt.output = ip_rt_bug;
  rt.rt_is_input = true;
  skb_dst_set(skb, rt);
  return SKB_NOT_DROPPED_YET;
}

function ip_mc_validate_source(skb: sk_buff, daddr: number, saddr: number, tos: number, dev: net_device, in_dev: in_device): number {
  if (ipv4_is_multicast(saddr) || ipv4_is_lbcast(saddr)) return SKB_DROP_REASON_IP_INVALID_SOURCE;
  if (skb.protocol !== ETH_P_IP) return SKB_DROP_REASON_INVALID_PROTO;
  if (ipv4_is_loopback(saddr) && !IN_DEV_NET_ROUTE_LOCALNET(in_dev)) return SKB_DROP_REASON_IP_LOCALNET;
  if (ipv4_is_zeronet(saddr)) return ipv4_is_local_multicast(daddr) ? SKB_NOT_DROPPED_YET : SKB_DROP_REASON_IP_INVALID_SOURCE;
  return fib_validate_source_reason(skb, saddr, 0, tos, 0, dev, in_dev);
}

export function ip_route_input_slow(skb: sk_buff, daddr: number, saddr: number, tos: number, dev: net_device, res: fib_result): number {
  const in_dev = dev.ip_ptr;
  const network = dev.nd_net;
  if (in_dev === null) return SKB_DROP_REASON_NOT_SPECIFIED;
  res.fi = null;
  res.nhc = null;
  res.table = null;
  const martian = impossibleAddress(in_dev, daddr, saddr);
  if (martian !== SKB_NOT_DROPPED_YET) return handleMartian(in_dev, daddr, saddr, martian);
  if (ipv4_is_lbcast(daddr) || (saddr === 0 && daddr === 0)) return inputBroadcast(skb, saddr, tos, dev, in_dev, res);
  const err = lookupInput(network, daddr, saddr, tos, dev, skb.mark, res);
  if (err !== 0) return inputUnreachable(network, skb, res, IN_DEV_FORWARD(in_dev) ? err : -EHOSTUNREACH);
  if (res.type === RTN_BROADCAST && !IN_DEV_BFORWARD(in_dev)) return inputBroadcast(skb, saddr, tos, dev, in_dev, res);
  if (res.type === RTN_LOCAL) {
    const reason = fib_validate_source_reason(skb, saddr, daddr, tos, 0, dev, in_dev);
    if (reason !== SKB_NOT_DROPPED_YET) return handleMartian(in_dev, daddr, saddr, reason);
    return inputLocal(network, skb, res, 0, 0);
  }
  if (!IN_DEV_FORWARD(in_dev)) return inputUnreachable(network, skb, res, -EHOSTUNREACH);
  if (res.type !== RTN_UNICAST && res.type !== RTN_BROADCAST) return handleMartian(in_dev, daddr, saddr, SKB_DROP_REASON_IP_INVALID_DEST);
  return ip_mkroute_input(skb, res, in_dev, daddr, saddr, tos);
}

/** RFC 1122 3.2.1.3: addresses that cannot be on a wire. */
function impossibleAddress(in_dev: in_device, daddr: number, saddr: number): number {
  if (ipv4_is_multicast(saddr) || ipv4_is_lbcast(saddr)) return SKB_DROP_REASON_IP_INVALID_SOURCE;
  if (ipv4_is_lbcast(daddr) || (saddr === 0 && daddr === 0)) return SKB_NOT_DROPPED_YET;
  if (ipv4_is_zeronet(saddr)) return SKB_DROP_REASON_IP_INVALID_SOURCE;
  if (ipv4_is_zeronet(daddr)) return SKB_DROP_REASON_IP_INVALID_DEST;
  if ((ipv4_is_loopback(daddr) || ipv4_is_loopback(saddr)) && !IN_DEV_NET_ROUTE_LOCALNET(in_dev)) return SKB_DROP_REASON_IP_LOCALNET;
  return SKB_NOT_DROPPED_YET;
}

function lookupInput(network: net, daddr: number, saddr: number, tos: number, dev: net_device, mark: number, res: fib_result): number {
  const fl4 = network.ipv4.fib.inputFl4;
  flowi4Clear(fl4);
  fl4.flowi4_iif = dev.ifindex;
  fl4.flowi4_mark = mark;
  fl4.flowi4_tos = tos;
  fl4.daddr = daddr;
  fl4.saddr = saddr;
  return fib_lookup(network, fl4, res, 0);
}

function handleMartian(in_dev: in_device, daddr: number, saddr: number, reason: number): number {
  if (IN_DEV_LOG_MARTIANS(in_dev))
    kernel().printk(`IPv4: martian packet from 0x${saddr.toString(16)} to 0x${daddr.toString(16)}, on dev ${in_dev.dev.name}`);
  return reason;
}

function inputBroadcast(skb: sk_buff, saddr: number, tos: number, dev: net_device, in_dev: in_device, res: fib_result): number {
  if (skb.protocol !== ETH_P_IP) return SKB_DROP_REASON_INVALID_PROTO;
  if (!ipv4_is_zeronet(saddr)) {
    const reason = fib_validate_source_reason(skb, saddr, 0, tos, 0, dev, in_dev);
    if (reason !== SKB_NOT_DROPPED_YET) return handleMartian(in_dev, 0, saddr, reason);
  }
  res.type = RTN_BROADCAST;
  return inputLocal(dev.nd_net, skb, res, RTCF_BROADCAST, 0);
}

function inputUnreachable(network: net, skb: sk_buff, res: fib_result, err: number): number {
  res.type = RTN_UNREACHABLE;
  res.fi = null;
  res.nhc = null;
  return inputLocal(network, skb, res, 0, err);
}

/** For us, or for nobody (type unreachable, `err` says why): cached at the next hop of the local route. */
function inputLocal(network: net, skb: sk_buff, res: fib_result, flags: number, err: number): number {
  const nhc = res.fi !== null ? res.nhc : null;
  if (nhc !== null && rt_cache_valid(nhc.nhc_rth_input)) {
    skb_dst_set_noref(skb, nhc.nhc_rth_input);
    return SKB_NOT_DROPPED_YET;
  }
  const rt = rt_dst_alloc(network.loopback_dev, flags | RTCF_LOCAL, res.type);
  rt.output = ip_rt_bug;
  rt.rt_is_input = true;
  if (res.type === RTN_UNREACHABLE) {
    rt.input = ip_error;
    rt.error = -err;
    rt.rt_flags &= ~RTCF_LOCAL;
  }
  if (nhc !== null) rt_cache_route(nhc, rt);
  skb_dst_set(skb, rt);
  return SKB_NOT_DROPPED_YET;
}

/* Forwarding */

function ip_mkroute_input(skb: sk_buff, res: fib_result, in_dev: in_device, daddr: number, saddr: number, tos: number): number {
  const { inputFl4 } = in_dev.dev.nd_net.ipv4.fib;
  if (res.fi!.fib_nh.length > 1) fib_select_path(in_dev.dev.nd_net, res, inputFl4, skb);
  return __mkroute_input(skb, res, in_dev, daddr, saddr, tos);
}

function __mkroute_input(skb: sk_buff, res: fib_result, in_dev: in_device, daddr: number, saddr: number, tos: number): number {
  const out_dev = FIB_RES_DEV(res).ip_ptr;
  if (out_dev === null) return SKB_DROP_REASON_NOT_SPECIFIED;
  const valid = fib_validate_source(skb, saddr, daddr, tos, FIB_RES_OIF(res), in_dev.dev, in_dev);
  if (valid < 0) return handleMartian(in_dev, daddr, saddr, reasonOf(valid));
  if (valid > 0) noticeDetour(skb, res, in_dev, out_dev, saddr);
  if (skb.protocol !== ETH_P_IP && out_dev === in_dev) return SKB_DROP_REASON_ARP_PVLAN_DISABLE;
  const nhc = res.nhc!;
  const fnhe = find_exception(nhc, daddr);
  const cached = fnhe !== null ? fnhe.fnhe_rth_input : nhc.nhc_rth_input;
  if (rt_cache_valid(cached)) {
    skb_dst_set_noref(skb, cached);
    return SKB_NOT_DROPPED_YET;
  }
  const rt = rt_dst_alloc(out_dev.dev, 0, res.type);
  rt.rt_is_input = true;
  rt.input = out_dev.dev.nd_net.ipv4.entries.ip_forward;
  rt_set_nexthop(rt, daddr, res, fnhe, res.fi, res.type, true);
  skb_dst_set(skb, rt);
  return SKB_NOT_DROPPED_YET;
}

const EXDEV = 18;
const reasonOf = (err: number): number => (err === -EXDEV ? SKB_DROP_REASON_IP_RPFILTER : SKB_DROP_REASON_IP_LOCAL_SOURCE);

/** In and out on the same link: the sender could have gone there directly. */
function noticeDetour(skb: sk_buff, res: fib_result, in_dev: in_device, out_dev: in_device, saddr: number): void {
  if (out_dev !== in_dev || !IN_DEV_TX_REDIRECTS(out_dev) || skb.protocol !== ETH_P_IP) return;
  const gw = res.nhc!.nhc_gw;
  if (IN_DEV_SHARED_MEDIA(out_dev) || inet_addr_onlink(out_dev, saddr, gw)) skb.ip_flags |= IPSKB_DOREDIRECT;
}

/** The packet before went to the same destination: it takes its route, if its source is as good. */
export function ip_route_use_hint(skb: sk_buff, daddr: number, saddr: number, tos: number, dev: net_device, hint: sk_buff): number {
  const rt: rtable | null = hint._skb_refdst;
  const in_dev = dev.ip_ptr;
  if (in_dev === null || rt === null) return SKB_DROP_REASON_NOT_SPECIFIED;
  if (ipv4_is_multicast(saddr) || ipv4_is_lbcast(saddr) || ipv4_is_zeronet(saddr))
    return handleMartian(in_dev, daddr, saddr, SKB_DROP_REASON_IP_INVALID_SOURCE);
  if (ipv4_is_loopback(saddr) && !IN_DEV_NET_ROUTE_LOCALNET(in_dev))
    return handleMartian(in_dev, daddr, saddr, SKB_DROP_REASON_IP_LOCALNET);
  const reason = rt.rt_type === RTN_LOCAL ? fib_validate_source_reason(skb, saddr, daddr, tos & 0x1c, 0, dev, in_dev) : SKB_NOT_DROPPED_YET;
  if (reason !== SKB_NOT_DROPPED_YET) return handleMartian(in_dev, daddr, saddr, reason);
  if (hint.dstNoref) skb_dst_set_noref(skb, rt);
  else skb_dst_set(skb, dst_clone(rt));
  return SKB_NOT_DROPPED_YET;
}

/* Unreachable */

/** Messages about unreachable destinations: tokens in jiffies (net.ipv4.route.error_cost, error_burst). */
const errorCost = (): number => HZ();
const errorBurst = (): number => 5 * HZ();

/** The input function of routes to nowhere: routers say so, hosts are silent. */
export function ip_error(skb: sk_buff): number {
  const rt = skb._skb_refdst!;
  const in_dev = skb.dev?.ip_ptr ?? null;
  const network = rt.dev.nd_net;
  let reason = SKB_DROP_REASON_NOT_SPECIFIED;
  if (in_dev !== null) {
    if (rt.error === EHOSTUNREACH && !IN_DEV_FORWARD(in_dev)) {
      reason = SKB_DROP_REASON_IP_INADDRERRORS;
      IP_INC_STATS(network, IPSTATS_MIB_INADDRERRORS);
    } else if (rt.error === ENETUNREACH) {
      reason = SKB_DROP_REASON_IP_INNOROUTES;
      IP_INC_STATS(network, IPSTATS_MIB_INNOROUTES);
    }
    if (IN_DEV_FORWARD(in_dev)) sendUnreachable(network, skb, rt.error);
  }
  kfree_skb_reason(skb, reason, 'ip_error');
  return 0;
}

function sendUnreachable(network: net, skb: sk_buff, error: number): void {
  const code =
    error === EHOSTUNREACH ? ICMP_HOST_UNREACH : error === ENETUNREACH ? ICMP_NET_UNREACH : error === EACCES ? ICMP_PKT_FILTERED : -1;
  if (code < 0) return;
  const peer = inet_getpeer_v4(network, ip_hdr(skb).saddr);
  const now = jiffies();
  peer.rate_tokens = Math.min(peer.rate_tokens + (now - peer.rate_last), errorBurst());
  peer.rate_last = now;
  if (peer.rate_tokens < errorCost()) return;
  peer.rate_tokens -= errorCost();
  icmp_send(skb, ICMP_DEST_UNREACH, code, 0);
}
