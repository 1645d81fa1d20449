/**
 * net/ipv4/route.c: routes as packets carry them (rtable), where they are cached, and what is learned about paths.
 * Made: `rt_dst_alloc` → `rt_set_nexthop` → `rt_cache_route` (at the next hop) or `rt_bind_exception` (at what was learned about one destination).
 * Learned: `ip_rt_update_pmtu` → `__ip_rt_update_pmtu` → `update_or_create_fnhe`. Asked: `ipv4_dst_check`, `ipv4_mtu`, `ipv4_default_advmss`.
 */
import { smp_processor_id } from '../../current.ts';
import { IN_DEV_RX_REDIRECTS, IN_DEV_SHARED_MEDIA } from '../../include/linux/inetdevice.ts';
import type { net_device } from '../../include/linux/netdevice.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { __ipv4_confirm_neigh, __ipv4_neigh_lookup_noref } from '../../include/net/arp.ts';
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../include/net/dropreason.ts';
import {
  DST_OBSOLETE_FORCE_CHK,
  DST_OBSOLETE_KILL,
  type dst_entry,
  dst_hold,
  dst_metric_locked,
  type dst_ops,
  RTAX_MTU,
  type rtable,
} from '../../include/net/dst.ts';
import { icmp_hdr, icmp_send } from '../../include/net/icmp.ts';
import { flowi4, inet_sk } from '../../include/net/inet_sock.ts';
import { IPV4_MAX_PMTU, ip_dst_mtu_maybe_forward, ip_hdr } from '../../include/net/ip.ts';
import { type fib_info, type fib_nh, fib_nh_exception, fib_result, RT_SCOPE_LINK, RTN_UNICAST } from '../../include/net/ip_fib.ts';
import { NUD_VALID, type neighbour } from '../../include/net/neighbour.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { flowi4_init_output, RTCF_LOCAL, RTCF_REDIRECTED } from '../../include/net/route.ts';
import type { sock } from '../../include/net/sock.ts';
import { jiffies } from '../../kernel/time/timer.ts';
import { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, iphdr, ipv4_is_lbcast, ipv4_is_multicast, ipv4_is_zeronet } from '../../uapi/in.ts';
import { dst_alloc, dst_dev_put, dst_set_expires } from '../core/dst.ts';
import { __neigh_create, neigh_event_send } from '../core/neighbour.ts';
import { kfree_skb_reason } from '../core/skbuff_free.ts';
import { sk_dst_reset } from '../core/sock_dst.ts';
import { inet_addr_onlink } from './devinet.ts';
import { inet_addr_type } from './fib_frontend.ts';
import { fib_select_path } from './fib_semantics.ts';
import { fib_lookup } from './fib_trie_lookup.ts';

/** sizeof IP and TCP headers. */
const HEADERS = 20 + 20;
/** Destinations with exceptions a next hop remembers. Simplified: the oldest goes; Linux limits each of 2048 hash buckets to 5. */
const FNHE_MAX = 2048 * 5;

export const rt_genid_ipv4 = (network: net): number => network.ipv4.rt_genid;
export const rt_is_expired = (rt: rtable): boolean => rt.rt_genid !== rt.dev.nd_net.ipv4.rt_genid;
/** Usable as it is in a cache? */
export const rt_cache_valid = (rt: rtable | null): rt is rtable =>
  rt !== null && rt.obsolete === DST_OBSOLETE_FORCE_CHK && !rt_is_expired(rt);

/** Makes every route that was handed out be looked up again. */
export function rt_cache_flush(network: net): void {
  network.ipv4.rt_genid++;
}

/* The operations of IPv4 destinations */

export function ipv4_dst_check(dst: dst_entry, _cookie: number): dst_entry | null {
  return dst.obsolete !== DST_OBSOLETE_FORCE_CHK || rt_is_expired(dst) ? null : dst;
}

export function ipv4_mtu(dst: dst_entry): number {
  return ip_dst_mtu_maybe_forward(dst, false);
}

export function ipv4_default_advmss(dst: dst_entry): number {
  const advmss = Math.max(ip_dst_mtu_maybe_forward(dst, false) - HEADERS, dst.dev.nd_net.ipv4.ip_rt_min_advmss);
  return Math.min(advmss, IPV4_MAX_PMTU - HEADERS);
}

/** The neighbour that a route leads to, made if need be; null when that fails. No reference. */
export function ip_neigh_gw4(dev: net_device, daddr: number): neighbour | null {
  return __ipv4_neigh_lookup_noref(dev, daddr) ?? __neigh_create(dev.nd_net.arp_tbl, daddr, dev, false);
}

function ipv4_neigh_lookup(dst: dst_entry, skb: sk_buff | null, daddr: number): neighbour | null {
  const key = dst.rt_gw_family !== 0 ? dst.rt_gw4 : skb !== null ? ip_hdr(skb).daddr : daddr;
  const n = ip_neigh_gw4(dst.dev, key);
  if (n !== null) n.refcnt++;
  return n;
}

function ipv4_negative_advice(sk: sock, dst: dst_entry): void {
  if (dst.obsolete > 0 || (dst.rt_flags & RTCF_REDIRECTED) !== 0 || dst.expires !== 0) sk_dst_reset(sk);
}

/** The next hop does not answer: tell the sender, and let the route be looked up again soon. */
function ipv4_link_failure(skb: sk_buff): void {
  icmp_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
  const rt = skb._skb_refdst;
  if (rt !== null) dst_set_expires(rt, 0);
}

export const ipv4_dst_ops: dst_ops = {
  family: 2,
  check: ipv4_dst_check,
  default_advmss: ipv4_default_advmss,
  mtu: ipv4_mtu,
  neigh_lookup: ipv4_neigh_lookup,
  update_pmtu: ip_rt_update_pmtu,
  redirect: ip_do_redirect,
  negative_advice: ipv4_negative_advice,
  link_failure: ipv4_link_failure,
  local_out: (network, sk, skb) => network.ipv4.entries.__ip_local_out(network, sk, skb),
};

export function ipv4_confirm_neigh(dst: dst_entry, daddr: number): void {
  if (dst.rt_gw_family !== 0) daddr = dst.rt_gw4;
  else if (daddr === 0 || (dst.rt_flags & ~RTCF_LOCAL & 0x7000_0000) !== 0) return;
  __ipv4_confirm_neigh(dst.dev, daddr);
}

/* Making and caching */

export function rt_dst_alloc(dev: net_device, flags: number, type: number): rtable {
  const rt = dst_alloc(ipv4_dst_ops, dev, DST_OBSOLETE_FORCE_CHK);
  const { entries, rt_genid } = dev.nd_net.ipv4;
  rt.rt_genid = rt_genid;
  rt.rt_flags = flags;
  rt.rt_type = type;
  rt.output = entries.ip_output;
  if ((flags & RTCF_LOCAL) !== 0) rt.input = entries.ip_local_deliver;
  return rt;
}

/** A received packet's route does not send: reaching this is a bug in routing. */
export function ip_rt_bug(_network: net, _sk: sock | null, skb: sk_buff): number {
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, 'ip_rt_bug');
  return 0;
}

/** Gateway, metrics, and the place where the route is cached for the next packet. */
export function rt_set_nexthop(
  rt: rtable,
  daddr: number,
  res: fib_result,
  fnhe: fib_nh_exception | null,
  fi: fib_info | null,
  _type: number,
  do_cache: boolean,
): void {
  if (fi === null) return;
  const nhc = res.nhc!;
  if (nhc.nhc_gw_family !== 0 && nhc.nhc_scope === RT_SCOPE_LINK) {
    rt.rt_uses_gateway = true;
    rt.rt_gw_family = nhc.nhc_gw_family;
    rt.rt_gw4 = nhc.nhc_gw;
  }
  rt.metrics = fi.fib_metrics;
  rt.fi = fi;
  if (fnhe !== null) rt_bind_exception(rt, fnhe, daddr, do_cache);
  else if (do_cache) rt_cache_route(nhc, rt);
}

/** Routes of packets in are shared by all CPUs, those of packets out are one a CPU. */
export function rt_cache_route(nhc: fib_nh, rt: rtable): boolean {
  dst_hold(rt);
  if (rt.rt_is_input) nhc.nhc_rth_input = replaceCached(nhc.nhc_rth_input, rt);
  else {
    const cpu = smp_processor_id();
    nhc.nhc_pcpu_rth_output[cpu] = replaceCached(nhc.nhc_pcpu_rth_output[cpu] ?? null, rt);
  }
  return true;
}

function replaceCached(old: rtable | null, rt: rtable): rtable {
  if (old !== null) old.__refcnt--;
  return rt;
}

/* Exceptions: what was learned about one destination behind a next hop */

export function find_exception(nhc: fib_nh, daddr: number): fib_nh_exception | null {
  const all = nhc.nhc_exceptions;
  if (all === null) return null;
  const fnhe = all.get(daddr);
  if (fnhe === undefined) return null;
  if (fnhe.fnhe_expires === 0 || jiffies() <= fnhe.fnhe_expires) return fnhe;
  flushExceptionRoutes(fnhe);
  all.delete(daddr);
  return null;
}

function flushExceptionRoutes(fnhe: fib_nh_exception): void {
  if (fnhe.fnhe_rth_input !== null) dst_dev_put(fnhe.fnhe_rth_input);
  if (fnhe.fnhe_rth_output !== null) dst_dev_put(fnhe.fnhe_rth_output);
  fnhe.fnhe_rth_input = fnhe.fnhe_rth_output = null;
}

function fill_route_from_fnhe(rt: rtable, fnhe: fib_nh_exception): void {
  rt.rt_pmtu = fnhe.fnhe_pmtu;
  rt.rt_mtu_locked = fnhe.fnhe_mtu_locked;
  rt.expires = fnhe.fnhe_expires;
  if (fnhe.fnhe_gw === 0) return;
  rt.rt_flags |= RTCF_REDIRECTED;
  rt.rt_uses_gateway = true;
  rt.rt_gw_family = 2;
  rt.rt_gw4 = fnhe.fnhe_gw;
}

function rt_bind_exception(rt: rtable, fnhe: fib_nh_exception, daddr: number, do_cache: boolean): void {
  if (daddr !== fnhe.fnhe_daddr) return;
  const genid = rt.dev.nd_net.ipv4.fnhe_genid;
  if (fnhe.fnhe_genid !== genid) {
    fnhe.fnhe_genid = genid;
    fnhe.fnhe_gw = fnhe.fnhe_pmtu = fnhe.fnhe_expires = 0;
    fnhe.fnhe_mtu_locked = false;
    flushExceptionRoutes(fnhe);
  }
  fill_route_from_fnhe(rt, fnhe);
  if (rt.rt_gw4 === 0) {
    rt.rt_gw4 = daddr;
    rt.rt_gw_family = 2;
  }
  if (do_cache) {
    dst_hold(rt);
    if (rt.rt_is_input) fnhe.fnhe_rth_input = rt;
    else fnhe.fnhe_rth_output = rt;
  }
  fnhe.fnhe_stamp = jiffies();
}

function update_or_create_fnhe(network: net, nhc: fib_nh, daddr: number, gw: number, pmtu: number, lock: boolean, expires: number): void {
  nhc.nhc_exceptions ??= new Map();
  const old = nhc.nhc_exceptions.get(daddr);
  const fnhe = old ?? new fib_nh_exception(daddr);
  fnhe.fnhe_genid = network.ipv4.fnhe_genid;
  if (gw !== 0) fnhe.fnhe_gw = gw;
  if (pmtu !== 0) {
    fnhe.fnhe_pmtu = pmtu;
    fnhe.fnhe_mtu_locked = lock;
  }
  fnhe.fnhe_expires = Math.max(1, expires);
  if (old !== undefined) {
    if (fnhe.fnhe_rth_input !== null) fill_route_from_fnhe(fnhe.fnhe_rth_input, fnhe);
    if (fnhe.fnhe_rth_output !== null) fill_route_from_fnhe(fnhe.fnhe_rth_output, fnhe);
    return;
  }
  addException(nhc, fnhe);
}

/** Whoever has the next hop's common route must look up again: the exception may be about them. */
function addException(nhc: fib_nh, fnhe: fib_nh_exception): void {
  const all = nhc.nhc_exceptions!;
  if (all.size >= FNHE_MAX)
    for (const daddr of all.keys()) {
      all.delete(daddr);
      break;
    }
  fnhe.fnhe_stamp = jiffies();
  all.set(fnhe.fnhe_daddr, fnhe);
  if (nhc.nhc_rth_input !== null) nhc.nhc_rth_input.obsolete = DST_OBSOLETE_KILL;
  for (const rt of nhc.nhc_pcpu_rth_output) if (rt !== null && rt !== undefined) rt.obsolete = DST_OBSOLETE_KILL;
}

/* Path MTU */

/** Packets to this route's destination may not be larger than `mtu` (RFC 1191). `sk` or `skb` says which destination that is. */
function ip_rt_update_pmtu(dst: dst_entry, sk: sock | null, skb: sk_buff | null, mtu: number, _confirm_neigh: boolean): void {
  const fl4 = new flowi4();
  ip_rt_build_flow_key(fl4, sk, skb);
  __ip_rt_update_pmtu(dst, fl4, mtu);
}

export function __ip_rt_update_pmtu(rt: rtable, fl4: flowi4, mtu: number): void {
  const network = rt.dev.nd_net;
  const { ip_rt_min_pmtu, ip_rt_mtu_expires } = network.ipv4;
  if (dst_metric_locked(rt, RTAX_MTU)) return;
  const old_mtu = ipv4_mtu(rt);
  if (old_mtu < mtu) return;
  // A router that reports less than this lies or is attacked through: then packets go without DF instead (RFC 1191 6.4).
  const lock = mtu < ip_rt_min_pmtu;
  if (lock) mtu = Math.min(old_mtu, ip_rt_min_pmtu);
  if (rt.rt_pmtu === mtu && !lock && jiffies() < rt.expires - ip_rt_mtu_expires / 2) return;
  const res = new fib_result();
  if (fib_lookup(network, fl4, res, 0) !== 0) return;
  fib_select_path(network, res, fl4, null);
  if (res.nhc !== null) update_or_create_fnhe(network, res.nhc, fl4.daddr, 0, mtu, lock, jiffies() + ip_rt_mtu_expires);
}

/** The flow as the socket sends it, or as the packet (sent, or quoted in an ICMP error) shows it. */
export function ip_rt_build_flow_key(fl4: flowi4, sk: sock | null, skb: sk_buff | null): void {
  if (skb !== null) {
    const iph = ip_hdr(skb);
    flowi4_init_output(fl4, skb.dev?.ifindex ?? 0, skb.mark, iph.tos & 0x1c, 0, iph.protocol, 0, iph.daddr, iph.saddr, 0, 0);
    return;
  }
  const inet = inet_sk(sk!);
  flowi4_init_output(fl4, sk!.skc_bound_dev_if, sk!.sk_mark, inet.tos & 0x1c, 0, sk!.sk_protocol, 0, sk!.skc_daddr, inet.inet_saddr, 0, 0);
}

/* Redirects (RFC 1122 3.2.2.2) */

/** A router says that another one is nearer to the destination. */
function ip_do_redirect(dst: dst_entry, _sk: sock | null, skb: sk_buff): void {
  const fl4 = new flowi4();
  // `skb` is the ICMP message: what it quotes, at its data, is the packet of ours.
  const iph = new iphdr(skb.mem.view, skb.data);
  flowi4_init_output(fl4, 0, 0, iph.tos & 0x1c, 0, iph.protocol, 0, iph.daddr, iph.saddr, 0, 0);
  __ip_do_redirect(dst, skb, fl4, true);
}

export function __ip_do_redirect(rt: rtable, skb: sk_buff, fl4: flowi4, kill_route: boolean): void {
  const icmph = icmp_hdr(skb);
  const new_gw = icmph.view.getUint32(icmph.base + 4);
  const old_gw = ip_hdr(skb).saddr;
  const dev = skb.dev!;
  const in_dev = dev.ip_ptr;
  if (in_dev === null || rt.rt_gw_family !== 2 || rt.rt_gw4 !== old_gw) return;
  if (new_gw === old_gw || !IN_DEV_RX_REDIRECTS(in_dev)) return;
  if (ipv4_is_multicast(new_gw) || ipv4_is_lbcast(new_gw) || ipv4_is_zeronet(new_gw)) return;
  if (!IN_DEV_SHARED_MEDIA(in_dev)) {
    if (!inet_addr_onlink(in_dev, new_gw, old_gw)) return;
  } else if (inet_addr_type(dev.nd_net, new_gw) !== RTN_UNICAST) return;
  adoptRedirect(rt, dev, fl4, new_gw, kill_route);
}

function adoptRedirect(rt: rtable, dev: net_device, fl4: flowi4, new_gw: number, kill_route: boolean): void {
  const network = dev.nd_net;
  const n = ip_neigh_gw4(dev, new_gw);
  if (n === null) return;
  if ((n.nud_state & NUD_VALID) === 0) {
    neigh_event_send(n, null);
    return;
  }
  const res = new fib_result();
  if (fib_lookup(network, fl4, res, 0) === 0) {
    fib_select_path(network, res, fl4, null);
    update_or_create_fnhe(network, res.nhc!, fl4.daddr, new_gw, 0, false, jiffies() + GC_TIMEOUT_SECONDS * network.kernel.HZ);
  }
  if (kill_route) rt.obsolete = DST_OBSOLETE_KILL;
}

/** net.ipv4.route.gc_timeout */
const GC_TIMEOUT_SECONDS = 300;
