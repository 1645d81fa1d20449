/**
 * net/ipv4/route.c, include/net/route.h: routes for packets out.
 * `ip_route_output_flow` | `ip_route_output_key` → `ip_route_output_key_hash_rcu` (source, device, `fib_lookup`, `fib_select_path`) → `__mkroute_output`
 * (a cached rtable, or a fresh one).
 *
 * All return an rtable with a reference for the caller, or a negative errno.
 */
import { smp_processor_id } from '../../current.ts';
import { IN_DEV_NET_ROUTE_LOCALNET } from '../../include/linux/inetdevice.ts';
import { IFF_LOOPBACK, IFF_UP, type net_device } from '../../include/linux/netdevice.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { dst_hold, dst_release, type rtable } from '../../include/net/dst.ts';
import { type flowi4, inet_sk } from '../../include/net/inet_sock.ts';
import {
  FIB_RES_DEV,
  FIB_RES_OIF,
  FLOWI_FLAG_ANY_SPORT,
  FLOWI_FLAG_ANYSRC,
  FLOWI_FLAG_KNOWN_NH,
  type fib_info,
  type fib_nh_exception,
  type fib_result,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTN_UNSPEC,
} from '../../include/net/ip_fib.ts';
import type { net } from '../../include/net/net_namespace.ts';
import {
  flowi4_init_output,
  flowi4_update_output,
  flowi4Clear,
  LOOPBACK_IFINDEX,
  RTCF_BROADCAST,
  RTCF_LOCAL,
  RTCF_MULTICAST,
} from '../../include/net/route.ts';
import { SOCK_LOCALROUTE, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import { EINVAL, ENETUNREACH, ENODEV } from '../../uapi/errno.ts';
import {
  INADDR_ALLHOSTS_GROUP,
  INADDR_LOOPBACK,
  ipv4_is_lbcast,
  ipv4_is_local_multicast,
  ipv4_is_loopback,
  ipv4_is_multicast,
  ipv4_is_zeronet,
} from '../../uapi/in.ts';
import { dev_get_by_index_rcu } from '../core/dev.ts';
import { xfrm_lookup_route } from '../xfrm/xfrm_policy.ts';
import { __ip_dev_find, inet_select_addr } from './devinet.ts';
import { fib_select_path } from './fib_semantics.ts';
import { fib_lookup } from './fib_trie_lookup.ts';
import { find_exception, rt_cache_valid, rt_dst_alloc, rt_set_nexthop } from './route_cache.ts';

/** The flow's own DSCP bits that routing looks at (INET_DSCP_LEGACY_TOS_MASK without ECN). */
const TOS_MASK = 0x1c;

/** The route of a flow; completes `flp4` with the source address and the device. */
export function ip_route_output_flow(network: net, flp4: flowi4, _sk: sock | null): rtable | number {
  const rt = outputKeyHash(network, flp4, null);
  if (typeof rt === 'number') return rt;
  if (flp4.flowi4_proto === 0) return rt;
  flp4.flowi4_oif = rt.dev.ifindex;
  return xfrm_lookup_route(rt);
}

export const ip_route_output_key = (network: net, flp: flowi4): rtable | number => ip_route_output_flow(network, flp, null);
export const __ip_route_output_key = (network: net, flp: flowi4): rtable | number => ip_route_output_key_hash(network, flp, null);

export function ip_route_output_key_hash(network: net, fl4: flowi4, skb: sk_buff | null): rtable | number {
  return outputKeyHash(network, fl4, skb);
}

function outputKeyHash(network: net, fl4: flowi4, skb: sk_buff | null): rtable | number {
  const res = network.ipv4.fib.outputRes;
  res.type = RTN_UNSPEC;
  res.fi = null;
  res.nhc = null;
  res.table = null;
  res.prefixlen = 0;
  fl4.flowi4_iif = LOOPBACK_IFINDEX;
  fl4.flowi4_tos &= TOS_MASK;
  return ip_route_output_key_hash_rcu(network, fl4, res, skb);
}

export function ip_route_output_key_hash_rcu(network: net, fl4: flowi4, res: fib_result, skb: sk_buff | null): rtable | number {
  const orig_oif = fl4.flowi4_oif;
  let dev_out: net_device | null = null;
  if (fl4.saddr !== 0) {
    const err = checkSource(network, fl4);
    if (err !== 0) return err;
  }
  if (fl4.flowi4_oif !== 0) {
    dev_out = dev_get_by_index_rcu(network, fl4.flowi4_oif);
    if (dev_out === null) return -ENODEV;
    if ((dev_out.flags & IFF_UP) === 0 || dev_out.ip_ptr === null) return -ENETUNREACH;
    if (staysOnLink(fl4)) {
      if (fl4.saddr === 0) fl4.saddr = inet_select_addr(dev_out, 0, RT_SCOPE_LINK);
      return __mkroute_output(res, fl4, orig_oif, dev_out, 0);
    }
    if (fl4.saddr === 0) chooseSource(fl4, dev_out);
  }
  if (fl4.daddr === 0) return toOurselves(network, fl4, res, orig_oif);
  const err = fib_lookup(network, fl4, res, 0);
  if (err !== 0) return withoutRoute(fl4, res, orig_oif, dev_out, err);
  if (res.type === RTN_LOCAL) return localRoute(network, fl4, res);
  fib_select_path(network, res, fl4, skb);
  return __mkroute_output(res, fl4, orig_oif, FIB_RES_DEV(res), 0);
}

/** A source that was asked for must be ours, unless the socket may forge it. Multicasts and broadcasts then leave through its device. */
function checkSource(network: net, fl4: flowi4): number {
  const { saddr, daddr } = fl4;
  if (ipv4_is_multicast(saddr) || ipv4_is_lbcast(saddr)) return -EINVAL;
  if (fl4.flowi4_oif === 0 && (ipv4_is_multicast(daddr) || ipv4_is_lbcast(daddr))) {
    const dev = __ip_dev_find(network, saddr, false);
    if (dev === null) return -EINVAL;
    fl4.flowi4_oif = dev.ifindex;
    return 0;
  }
  if ((fl4.flowi4_flags & FLOWI_FLAG_ANYSRC) === 0 && __ip_dev_find(network, saddr, false) === null) return -EINVAL;
  return 0;
}

const staysOnLink = (fl4: flowi4): boolean => ipv4_is_local_multicast(fl4.daddr) || ipv4_is_lbcast(fl4.daddr);

function chooseSource(fl4: flowi4, dev: net_device): void {
  if (ipv4_is_multicast(fl4.daddr)) fl4.saddr = inet_select_addr(dev, 0, fl4.flowi4_scope);
  else if (fl4.daddr === 0) fl4.saddr = inet_select_addr(dev, 0, RT_SCOPE_HOST);
}

/** Destination 0 is this host. */
function toOurselves(network: net, fl4: flowi4, res: fib_result, orig_oif: number): rtable | number {
  fl4.daddr = fl4.saddr;
  if (fl4.daddr === 0) fl4.daddr = fl4.saddr = INADDR_LOOPBACK;
  fl4.flowi4_oif = LOOPBACK_IFINDEX;
  res.type = RTN_LOCAL;
  return __mkroute_output(res, fl4, orig_oif, network.loopback_dev, RTCF_LOCAL);
}

/** Who names the device may reach its link without any route. */
function withoutRoute(fl4: flowi4, res: fib_result, orig_oif: number, dev_out: net_device | null, err: number): rtable | number {
  if (dev_out === null) return err;
  res.fi = null;
  res.nhc = null;
  if (fl4.saddr === 0) fl4.saddr = inet_select_addr(dev_out, 0, RT_SCOPE_LINK);
  res.type = RTN_UNICAST;
  return __mkroute_output(res, fl4, orig_oif, dev_out, 0);
}

function localRoute(network: net, fl4: flowi4, res: fib_result): rtable | number {
  if (fl4.saddr === 0) fl4.saddr = res.fi!.fib_prefsrc || fl4.daddr;
  const orig_oif = FIB_RES_OIF(res);
  const dev_out = network.loopback_dev;
  fl4.flowi4_oif = dev_out.ifindex;
  return __mkroute_output(res, fl4, orig_oif, dev_out, RTCF_LOCAL);
}

function __mkroute_output(res: fib_result, fl4: flowi4, orig_oif: number, dev_out: net_device, flags: number): rtable | number {
  const in_dev = dev_out.ip_ptr;
  if (in_dev === null) return -EINVAL;
  const loopback = (dev_out.flags & IFF_LOOPBACK) !== 0;
  if (!loopback && ipv4_is_loopback(fl4.saddr) && !IN_DEV_NET_ROUTE_LOCALNET(in_dev)) return -EINVAL;
  const { daddr } = fl4;
  if (ipv4_is_zeronet(daddr)) return -EINVAL;
  const type = ipv4_is_lbcast(daddr) ? RTN_BROADCAST : ipv4_is_multicast(daddr) ? RTN_MULTICAST : res.type;
  let fi = res.fi;
  let do_cache = true;
  if (loopback) flags |= RTCF_LOCAL;
  if (type === RTN_BROADCAST) {
    flags |= RTCF_BROADCAST | RTCF_LOCAL;
    fi = null;
  } else if (type === RTN_MULTICAST) {
    flags |= RTCF_MULTICAST;
    if (daddr === INADDR_ALLHOSTS_GROUP) {
      flags |= RTCF_LOCAL;
      do_cache = false;
    } else flags &= ~RTCF_LOCAL;
    // A default route does not mean that there is a router for multicasts.
    if (fi !== null && res.prefixlen < 4) fi = null;
  } else if (type === RTN_LOCAL && orig_oif !== 0 && orig_oif !== dev_out.ifindex) do_cache = false;
  return cachedOrNew(res, fl4, orig_oif, dev_out, flags, type, fi, do_cache && fi !== null);
}

function cachedOrNew(
  res: fib_result,
  fl4: flowi4,
  orig_oif: number,
  dev_out: net_device,
  flags: number,
  type: number,
  fi: fib_info | null,
  do_cache: boolean,
): rtable | number {
  let fnhe: fib_nh_exception | null = null;
  if (fi !== null) {
    const nhc = res.nhc!;
    fnhe = find_exception(nhc, fl4.daddr);
    if (fnhe === null && (fl4.flowi4_flags & FLOWI_FLAG_KNOWN_NH) !== 0 && !(nhc.nhc_gw_family !== 0 && nhc.nhc_scope === RT_SCOPE_LINK))
      do_cache = false;
    if (do_cache) {
      const cached = fnhe !== null ? fnhe.fnhe_rth_output : (nhc.nhc_pcpu_rth_output[smp_processor_id()] ?? null);
      if (rt_cache_valid(cached)) {
        dst_hold(cached);
        return cached;
      }
    }
  }
  const rt = rt_dst_alloc(dev_out, flags, type);
  rt.rt_iif = orig_oif;
  if ((flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0 && (flags & RTCF_LOCAL) !== 0 && (dev_out.flags & IFF_LOOPBACK) === 0)
    rt.output = dev_out.nd_net.ipv4.entries.ip_mc_output;
  rt_set_nexthop(rt, fl4.daddr, res, fnhe, fi, type, do_cache);
  return rt;
}

/* Ways to ask: include/net/route.h */

export function ip_route_output(network: net, daddr: number, saddr: number, tos: number, oif: number): rtable | number {
  const fl4 = network.ipv4.fib.questionFl4;
  flowi4Clear(fl4);
  fl4.flowi4_oif = oif;
  fl4.flowi4_tos = tos;
  fl4.daddr = daddr;
  fl4.saddr = saddr;
  return ip_route_output_key(network, fl4);
}

/** RT_CONN_FLAGS: SO_DONTROUTE keeps to the link. */
export const ip_sock_rt_scope = (sk: sock): number => (sock_flag(sk, SOCK_LOCALROUTE) ? RT_SCOPE_LINK : 0);
export const ip_sock_rt_tos = (sk: sock): number => inet_sk(sk).tos & 0xfc;

export function inet_sk_flowi_flags(sk: sock): number {
  const inet = inet_sk(sk);
  return inet.transparent || inet.hdrincl ? FLOWI_FLAG_ANYSRC : 0;
}

export function ip_route_output_ports(
  network: net,
  fl4: flowi4,
  sk: sock | null,
  daddr: number,
  saddr: number,
  dport: number,
  sport: number,
  proto: number,
  tos: number,
  oif: number,
): rtable | number {
  const flags = sk === null ? 0 : inet_sk_flowi_flags(sk);
  flowi4_init_output(
    fl4,
    oif,
    sk === null ? 0 : sk.sk_mark,
    tos,
    sk === null ? 0 : ip_sock_rt_scope(sk),
    proto,
    flags,
    daddr,
    saddr,
    dport,
    sport,
  );
  return ip_route_output_flow(network, fl4, sk);
}

/** connect(): `dst` and `src` may be open; what routing makes of them is in `fl4`. */
export function ip_route_connect_init(
  fl4: flowi4,
  dst: number,
  src: number,
  oif: number,
  protocol: number,
  sport: number,
  dport: number,
  sk: sock,
): void {
  let flow_flags = inet_sk_flowi_flags(sk);
  if (protocol === 6 && sport === 0) flow_flags |= FLOWI_FLAG_ANY_SPORT;
  flowi4_init_output(fl4, oif, sk.sk_mark, ip_sock_rt_tos(sk), ip_sock_rt_scope(sk), protocol, flow_flags, dst, src, dport, sport);
}

export function ip_route_connect(
  fl4: flowi4,
  dst: number,
  src: number,
  oif: number,
  protocol: number,
  sport: number,
  dport: number,
  sk: sock,
): rtable | number {
  const network = sock_net(sk);
  ip_route_connect_init(fl4, dst, src, oif, protocol, sport, dport, sk);
  if (dst === 0 || src === 0) {
    const rt = __ip_route_output_key(network, fl4);
    if (typeof rt === 'number') return rt;
    dst_release(rt);
    flowi4_update_output(fl4, oif, fl4.daddr, fl4.saddr);
  }
  return ip_route_output_flow(network, fl4, sk);
}

/** The ports are known now: route again if they were not before. Takes the old route, returns the new one. */
export function ip_route_newports(
  fl4: flowi4,
  rt: rtable,
  orig_sport: number,
  orig_dport: number,
  sport: number,
  dport: number,
  sk: sock,
): rtable | number {
  if (sport === orig_sport && dport === orig_dport) return rt;
  fl4.fl4_dport = dport;
  fl4.fl4_sport = sport;
  dst_release(rt);
  flowi4_update_output(fl4, sk.skc_bound_dev_if, fl4.daddr, fl4.saddr);
  return ip_route_output_flow(sock_net(sk), fl4, sk);
}
