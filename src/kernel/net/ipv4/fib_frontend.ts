/**
 * net/ipv4/fib_frontend.c: the routing tables' face: kinds of addresses, checks of sources, `ip route`, and the routes that addresses bring.
 * `inet_addr_type` …; `fib_validate_source` → `__fib_validate_source`; `inet_rtm_newroute` → `fib_table_insert`;
 * `fib_inetaddr_event` → `fib_add_ifaddr` | `fib_del_ifaddr` → `fib_magic`; `fib_netdev_event`.
 */
import {
  IFA_F_NOPREFIXROUTE,
  IFA_F_SECONDARY,
  IN_DEV_ACCEPT_LOCAL,
  IN_DEV_RPFILTER,
  IN_DEV_SRC_VMARK,
  IN_DEV_TX_REDIRECTS,
  type in_device,
  type in_ifaddr,
} from '../../include/linux/inetdevice.ts';
import { IFF_LOOPBACK, IFF_UP, NETDEV_UP, type net_device } from '../../include/linux/netdevice.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { SKB_DROP_REASON_IP_LOCAL_SOURCE, SKB_DROP_REASON_IP_RPFILTER, SKB_NOT_DROPPED_YET } from '../../include/net/dropreason.ts';
import {
  type fib_config,
  type fib_result,
  NLM_F_APPEND,
  NLM_F_CREATE,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTPROT_BOOT,
  RTPROT_KERNEL,
} from '../../include/net/ip_fib.ts';
import { l3mdev_fib_table_rcu } from '../../include/net/l3mdev.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { flowi4Clear } from '../../include/net/route.ts';
import { EINVAL, EXDEV } from '../../uapi/errno.ts';
import { INADDR_BROADCAST, ipv4_is_lbcast, ipv4_is_multicast, ipv4_is_zeronet } from '../../uapi/in.ts';
import { inet_lookup_ifaddr_rcu } from './devinet.ts';
import { fib_sync_down_addr, fib_sync_down_dev, fib_sync_up } from './fib_semantics.ts';
import { fib_table_delete, fib_table_flush, fib_table_insert } from './fib_trie.ts';
import { FIB_LOOKUP_IGNORE_LINKSTATE, fib_get_table, fib_lookup, fib_net_init, fib_table_lookup, maskTo } from './fib_trie_lookup.ts';

export function ip_fib_init(network: net): void {
  fib_net_init(network);
  network.ipv4.inetaddr_chain.push(fib_inetaddr_event);
  network.ipv4.localRouteDevice = localRouteDevice;
}

/* Kinds of addresses */

/** RTN_*: what `addr` is to this host, as the local table says; `dev` limits the answer to one device (null: any). */
function __inet_dev_addr_type(network: net, dev: net_device | null, addr: number): number {
  if (ipv4_is_zeronet(addr) || ipv4_is_lbcast(addr)) return RTN_BROADCAST;
  if (ipv4_is_multicast(addr)) return RTN_MULTICAST;
  const { fib } = network.ipv4;
  const fl4 = fib.typeFl4;
  fl4.daddr = addr;
  if (fib_table_lookup(fib.local, fl4, fib.typeRes, 0) !== 0) return RTN_UNICAST;
  return dev === null || dev === fib.typeRes.nhc!.nhc_dev ? fib.typeRes.type : RTN_UNICAST;
}

export function inet_addr_type_table(network: net, addr: number, _tb_id: number): number {
  return __inet_dev_addr_type(network, null, addr);
}

export const inet_addr_type = (network: net, addr: number): number => __inet_dev_addr_type(network, null, addr);
/** Only what `dev` itself has counts. */
export const inet_dev_addr_type = (network: net, dev: net_device, addr: number): number => __inet_dev_addr_type(network, dev, addr);

/** By the table of the routing domain of `dev`: always `local` here. */
export function inet_addr_type_dev_table(network: net, dev: net_device | null, addr: number): number {
  l3mdev_fib_table_rcu(dev);
  return __inet_dev_addr_type(network, null, addr);
}

/** For __ip_dev_find(): a route `local ADDRESS dev DEV` makes the address ours as well. */
function localRouteDevice(network: net, addr: number): net_device | null {
  const { fib } = network.ipv4;
  fib.typeFl4.daddr = addr;
  if (fib_table_lookup(fib.local, fib.typeFl4, fib.typeRes, FIB_LOOKUP_IGNORE_LINKSTATE) !== 0) return null;
  return fib.typeRes.type === RTN_LOCAL ? fib.typeRes.nhc!.nhc_dev : null;
}

/* Sources of received packets */

/**
 * May a packet from `src` to `dst` come in through `dev`? Returns 1 when the source is on that link, 0 when it is not, -EINVAL when it
 * is our own address, -EXDEV when the route back leads elsewhere (rp_filter). `oif` is where it will leave (0: it is for us).
 */
export function fib_validate_source(
  skb: sk_buff | null,
  src: number,
  dst: number,
  tos: number,
  oif: number,
  dev: net_device,
  idev: in_device,
): number {
  const r = IN_DEV_RPFILTER(idev);
  if (r === 0 && (dev.ifindex !== oif || !IN_DEV_TX_REDIRECTS(idev))) {
    if (IN_DEV_ACCEPT_LOCAL(idev)) return 0;
    // Only addresses of devices are ours, so that the table need not be asked. Simplified: local routes of the user's own are not checked for.
    return inet_lookup_ifaddr_rcu(dev.nd_net, src) !== null ? -EINVAL : 0;
  }
  return __fib_validate_source(skb, src, dst, tos, oif, dev, r, idev);
}

function __fib_validate_source(
  skb: sk_buff | null,
  src: number,
  dst: number,
  tos: number,
  _oif: number,
  dev: net_device,
  rpf: number,
  idev: in_device,
): number {
  const network = dev.nd_net;
  const { validateFl4: fl4, validateRes: res } = network.ipv4.fib;
  flowi4Clear(fl4);
  fl4.flowi4_iif = dev.ifindex;
  fl4.daddr = src;
  fl4.saddr = dst;
  fl4.flowi4_tos = tos;
  fl4.flowi4_scope = RT_SCOPE_UNIVERSE;
  fl4.flowi4_mark = skb !== null && IN_DEV_SRC_VMARK(idev) ? skb.mark : 0;
  if (fib_lookup(network, fl4, res, 0) !== 0) return lastResort(rpf);
  if (res.type !== RTN_UNICAST && (res.type !== RTN_LOCAL || !IN_DEV_ACCEPT_LOCAL(idev))) return -EINVAL;
  const dev_match = res.fi!.fib_nh.some((nh) => nh.nhc_dev === dev);
  if (dev_match) return res.nhc!.nhc_scope >= RT_SCOPE_HOST ? 1 : 0;
  if (idev.ifa_list.length === 0) return lastResort(rpf);
  if (rpf === 1) return -EXDEV;
  fl4.flowi4_oif = dev.ifindex;
  if (fib_lookup(network, fl4, res, FIB_LOOKUP_IGNORE_LINKSTATE) === 0 && res.type === RTN_UNICAST)
    return res.nhc!.nhc_scope >= RT_SCOPE_HOST ? 1 : 0;
  return 0;
}

const lastResort = (rpf: number): number => (rpf !== 0 ? -EXDEV : 0);

/** As a reason to drop the packet. */
export function fib_validate_source_reason(
  skb: sk_buff | null,
  src: number,
  dst: number,
  tos: number,
  oif: number,
  dev: net_device,
  idev: in_device,
): number {
  const err = fib_validate_source(skb, src, dst, tos, oif, dev, idev);
  if (err >= 0) return SKB_NOT_DROPPED_YET;
  return err === -EXDEV ? SKB_DROP_REASON_IP_RPFILTER : SKB_DROP_REASON_IP_LOCAL_SOURCE;
}

/** The address that our reply to a packet for many (broadcast, multicast) is from. */
export function fib_compute_spec_dst(skb: sk_buff, saddr: number, daddr: number): number {
  const rt = skb._skb_refdst!;
  if (rt.rt_type === RTN_LOCAL) return daddr;
  const dev = skb.dev!;
  const { fib } = dev.nd_net.ipv4;
  const fl4 = fib.validateFl4;
  flowi4Clear(fl4);
  fl4.flowi4_iif = 1;
  fl4.daddr = ipv4_is_zeronet(saddr) ? INADDR_BROADCAST : saddr;
  fl4.flowi4_scope = ipv4_is_zeronet(saddr) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  if (fib_lookup(dev.nd_net, fl4, fib.validateRes, 0) === 0) return prefsrcOf(dev.nd_net, fib.validateRes);
  return 0;
}

const prefsrcOf = (network: net, res: fib_result): number =>
  res.fi!.fib_prefsrc || (res.nhc!.nhc_dev!.ip_ptr?.ifa_list[0]?.ifa_local ?? inet_lookup_ifaddr_rcu(network, 0)?.ifa_local ?? 0);

/* ip route */

/** Completes a request as the `ip` command would: scope, table, and protocol follow from the type where they are not given. */
export function completeRoute(cfg: fib_config): fib_config {
  const type = cfg.fc_type ?? RTN_UNICAST;
  const direct = (cfg.fc_gw4 ?? 0) === 0 && !(cfg.fc_mp ?? []).some((hop) => (hop.gw ?? 0) !== 0);
  const narrow = type === RTN_BROADCAST || type === RTN_MULTICAST || (type === RTN_UNICAST && direct);
  const scope = type === RTN_LOCAL ? RT_SCOPE_HOST : narrow ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  const table = type === RTN_LOCAL || type === RTN_BROADCAST ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
  return { fc_type: type, fc_scope: scope, fc_table: table, fc_protocol: RTPROT_BOOT, ...cfg };
}

/** `ip route add|replace|append`; what is to happen with an equal route is in fc_nlflags. */
export function inet_rtm_newroute(network: net, cfg: fib_config): number {
  const full = completeRoute({ ...cfg, fc_dst: maskTo(cfg.fc_dst, cfg.fc_dst_len) });
  const tb = fib_get_table(network, full.fc_table!);
  if (tb === null) return -EINVAL;
  const err = fib_table_insert(network, tb, full);
  rt_cache_bump(network);
  return err;
}

/** `ip route del` */
export function inet_rtm_delroute(network: net, cfg: fib_config): number {
  const tb = fib_get_table(network, cfg.fc_table ?? RT_TABLE_MAIN);
  if (tb === null) return -EINVAL;
  const err = fib_table_delete(network, tb, { ...cfg, fc_dst: maskTo(cfg.fc_dst, cfg.fc_dst_len) });
  rt_cache_bump(network);
  return err;
}

/** What was looked up before may be wrong now: rt_cache_flush(). */
function rt_cache_bump(network: net): void {
  network.ipv4.rt_genid++;
}

export function fib_flush(network: net): void {
  const { local, main, default_ } = network.ipv4.fib;
  if (fib_table_flush(network, main, false) + fib_table_flush(network, local, false) + fib_table_flush(network, default_, false) > 0)
    rt_cache_bump(network);
}

/* Routes that addresses bring */

function fib_magic(add: boolean, type: number, dst: number, dst_len: number, dev: net_device, prefsrc: number): void {
  const network = dev.nd_net;
  const local = type !== RTN_UNICAST;
  const cfg: fib_config = {
    fc_protocol: RTPROT_KERNEL,
    fc_type: type,
    fc_dst: dst,
    fc_dst_len: dst_len,
    fc_prefsrc: prefsrc,
    fc_oif: dev.ifindex,
    fc_nlflags: NLM_F_CREATE | NLM_F_APPEND,
    fc_table: local ? RT_TABLE_LOCAL : RT_TABLE_MAIN,
    fc_scope: type === RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK,
  };
  const tb = fib_get_table(network, cfg.fc_table!)!;
  if (add) fib_table_insert(network, tb, cfg);
  else fib_table_delete(network, tb, cfg);
}

/** The address itself; the subnet, and its broadcast address, once a device. */
export function fib_add_ifaddr(ifa: in_ifaddr): void {
  const { dev } = ifa.ifa_dev;
  const prefix = (ifa.ifa_address & ifa.ifa_mask) >>> 0;
  const secondary = (ifa.ifa_flags & IFA_F_SECONDARY) !== 0;
  const source = prefsrcOfIfa(ifa);
  fib_magic(true, RTN_LOCAL, ifa.ifa_local, 32, dev, source);
  if ((dev.flags & IFF_UP) === 0) return;
  if (ifa.ifa_broadcast !== 0 && ifa.ifa_broadcast !== INADDR_BROADCAST) fib_magic(true, RTN_BROADCAST, ifa.ifa_broadcast, 32, dev, source);
  if (!bringsSubnet(ifa, prefix) || secondary) return;
  if ((ifa.ifa_flags & IFA_F_NOPREFIXROUTE) === 0)
    fib_magic(true, (dev.flags & IFF_LOOPBACK) !== 0 ? RTN_LOCAL : RTN_UNICAST, prefix, ifa.ifa_prefixlen, dev, source);
  if (ifa.ifa_prefixlen < 31) fib_magic(true, RTN_BROADCAST, (prefix | ~ifa.ifa_mask) >>> 0, 32, dev, source);
}

const bringsSubnet = (ifa: in_ifaddr, prefix: number): boolean =>
  !ipv4_is_zeronet(prefix) && (prefix !== ifa.ifa_local || ifa.ifa_prefixlen < 32);

/** Routes of secondary addresses prefer the primary one of their subnet as source. */
function prefsrcOfIfa(ifa: in_ifaddr): number {
  if ((ifa.ifa_flags & IFA_F_SECONDARY) === 0) return ifa.ifa_local;
  const primary = ifa.ifa_dev.ifa_list.find(
    (at) => (at.ifa_flags & IFA_F_SECONDARY) === 0 && at.ifa_mask === ifa.ifa_mask && sameSubnet(at, ifa),
  );
  return (primary ?? ifa).ifa_local;
}

const sameSubnet = (a: in_ifaddr, b: in_ifaddr): boolean => ((a.ifa_address ^ b.ifa_address) & a.ifa_mask) === 0;

/** Takes back what fib_add_ifaddr() added, as far as no other address of the device needs it. */
export function fib_del_ifaddr(ifa: in_ifaddr): void {
  const { dev } = ifa.ifa_dev;
  const rest = ifa.ifa_dev.ifa_list.filter((at) => at !== ifa);
  const prefix = (ifa.ifa_address & ifa.ifa_mask) >>> 0;
  if ((ifa.ifa_flags & IFA_F_SECONDARY) === 0 && bringsSubnet(ifa, prefix)) {
    fib_magic(false, (dev.flags & IFF_LOOPBACK) !== 0 ? RTN_LOCAL : RTN_UNICAST, prefix, ifa.ifa_prefixlen, dev, 0);
    if (ifa.ifa_prefixlen < 31 && !rest.some((at) => at.ifa_mask === ifa.ifa_mask && sameSubnet(at, ifa)))
      fib_magic(false, RTN_BROADCAST, (prefix | ~ifa.ifa_mask) >>> 0, 32, dev, 0);
  }
  if (ifa.ifa_broadcast !== 0 && !rest.some((at) => at.ifa_broadcast === ifa.ifa_broadcast))
    fib_magic(false, RTN_BROADCAST, ifa.ifa_broadcast, 32, dev, 0);
  if (rest.some((at) => at.ifa_local === ifa.ifa_local)) return;
  fib_magic(false, RTN_LOCAL, ifa.ifa_local, 32, dev, 0);
  // Routes that prefer the lost address as source cannot stay.
  if (inet_lookup_ifaddr_rcu(dev.nd_net, ifa.ifa_local) === null && fib_sync_down_addr(dev, ifa.ifa_local) > 0) fib_flush(dev.nd_net);
}

/** An address came or went. */
function fib_inetaddr_event(event: number, ifa: in_ifaddr): void {
  const { dev } = ifa.ifa_dev;
  const network = dev.nd_net;
  network.ipv4.fib.dev_addr_genid++;
  if (event === NETDEV_UP) fib_add_ifaddr(ifa);
  else {
    fib_del_ifaddr(ifa);
    if (ifa.ifa_dev.ifa_list.length === 0) fib_disable_ip(dev, false);
  }
  rt_cache_bump(network);
}

/* Devices */

/** The device is up: its addresses' routes are there (again). */
export function fib_enable_ip(dev: net_device): void {
  if (dev.ip_ptr === null) return;
  for (const ifa of dev.ip_ptr.ifa_list) fib_add_ifaddr(ifa);
  fib_sync_up(dev, RTNH_F_DEAD);
  dev.nd_net.ipv4.fib.dev_addr_genid++;
  rt_cache_bump(dev.nd_net);
}

/** The device is down (or `force`: gone): nothing is routed through it. */
export function fib_disable_ip(dev: net_device, force: boolean): void {
  if (fib_sync_down_dev(dev, RTNH_F_DEAD, force) > 0) fib_flush(dev.nd_net);
  else rt_cache_bump(dev.nd_net);
}

/** Carrier lost or found: routes stay, but are marked. */
export function fibCarrierChange(dev: net_device): void {
  if (dev.carrier) fib_sync_up(dev, RTNH_F_LINKDOWN);
  else fib_sync_down_dev(dev, RTNH_F_LINKDOWN, false);
  rt_cache_bump(dev.nd_net);
}
