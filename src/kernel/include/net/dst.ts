/** include/net/dst.h, route.h: destinations and IPv4 routes as sockets and packets hold them. */

import { WIDE } from '../../../sim/wide.ts';
import type { net_device } from '../linux/netdevice.ts';
import type { sk_buff } from '../linux/skbuff.ts';
import type { neighbour } from './neighbour.ts';
import type { net } from './net_namespace.ts';
import type { sock } from './sock.ts';

export interface dst_ops {
  readonly family: number;
  check(dst: dst_entry, cookie: number): dst_entry | null;
  default_advmss(dst: dst_entry): number;
  mtu(dst: dst_entry): number;
  neigh_lookup(dst: dst_entry, skb: sk_buff | null, daddr: number): neighbour | null;
  update_pmtu(dst: dst_entry, sk: sock | null, skb: sk_buff | null, mtu: number, confirm_neigh: boolean): void;
  redirect(dst: dst_entry, sk: sock | null, skb: sk_buff): void;
  negative_advice(sk: sock, dst: dst_entry): void;
  link_failure(skb: sk_buff): void;
  local_out(network: net, sk: sock | null, skb: sk_buff): number;
}

/** Metrics by number, as in uapi/linux/rtnetlink.h: index into dst_entry.metrics. 0 means "not set". */
export const RTAX_LOCK = 1;
export const RTAX_MTU = 2;
export const RTAX_WINDOW = 3;
export const RTAX_RTT = 4;
export const RTAX_RTTVAR = 5;
export const RTAX_SSTHRESH = 6;
export const RTAX_CWND = 7;
export const RTAX_ADVMSS = 8;
export const RTAX_REORDERING = 9;
export const RTAX_HOPLIMIT = 10;
export const RTAX_INITCWND = 11;
export const RTAX_FEATURES = 12;
export const RTAX_RTO_MIN = 13;
export const RTAX_INITRWND = 14;
export const RTAX_QUICKACK = 15;
export const RTAX_CC_ALGO = 16;
export const RTAX_FASTOPEN_NO_COOKIE = 17;
export const RTAX_MAX = 17;
export const RTAX_FEATURE_ECN = 1;
/** Of RTAX_FEATURES, inside only: the route's congestion control needs ECN. */
export const DST_FEATURE_ECN_CA = 0x8000_0000;
export const DST_FEATURE_ECN_MASK = DST_FEATURE_ECN_CA | RTAX_FEATURE_ECN;

export const DST_OBSOLETE_NONE = 0;
export const DST_OBSOLETE_DEAD = 2;
export const DST_OBSOLETE_FORCE_CHK = -1;
/** An exception was learned: whoever holds this must look up again. */
export const DST_OBSOLETE_KILL = -2;

export class dst_entry {
  dev: net_device;
  ops: dst_ops;
  input: (skb: sk_buff) => number;
  output: (network: net, sk: sock | null, skb: sk_buff) => number;
  metrics: number[] | null = null;
  obsolete = DST_OBSOLETE_FORCE_CHK;
  error = 0;
  __refcnt = 1;
  header_len = 0;
  lastuse = WIDE;
  expires = WIDE;

  /* struct rtable: the only kind of dst there is here. */
  rt_genid = 0;
  rt_flags = 0;
  rt_type = 0;
  rt_is_input = false;
  rt_uses_gateway = false;
  rt_iif = 0;
  rt_gw_family = 0;
  rt_gw4 = 0;
  rt_pmtu = 0;
  rt_mtu_locked = false;
  /** What fib said (fib_info): for caches and exceptions. */
  fi: unknown = null;

  constructor(
    dev: net_device,
    ops: dst_ops,
    input: (skb: sk_buff) => number,
    output: (network: net, sk: sock | null, skb: sk_buff) => number,
  ) {
    this.dev = dev;
    this.ops = ops;
    this.input = input;
    this.output = output;
  }
}

/** struct rtable is a dst_entry here, without the wrapping. */
export type rtable = dst_entry;

export const dst_metric_raw = (dst: dst_entry, metric: number): number => (dst.metrics === null ? 0 : (dst.metrics[metric] ?? 0));
export const dst_metric = dst_metric_raw;
export const dst_metric_locked = (dst: dst_entry, metric: number): boolean => (dst_metric_raw(dst, RTAX_LOCK) & (1 << metric)) !== 0;
export const dst_metric_advmss = (dst: dst_entry): number => dst_metric_raw(dst, RTAX_ADVMSS) || dst.ops.default_advmss(dst);
export const dst_mtu = (dst: dst_entry): number => dst.ops.mtu(dst);

export function dst_hold(dst: dst_entry): void {
  dst.__refcnt++;
}
export function dst_clone(dst: dst_entry | null): dst_entry | null {
  if (dst !== null) dst.__refcnt++;
  return dst;
}
export function dst_release(dst: dst_entry | null): void {
  if (dst !== null) dst.__refcnt--;
}
export const dst_check = (dst: dst_entry, cookie: number): dst_entry | null => (dst.obsolete !== 0 ? dst.ops.check(dst, cookie) : dst);

export function skb_dst_drop(skb: sk_buff): void {
  if (skb._skb_refdst === null) return;
  if (!skb.dstNoref) dst_release(skb._skb_refdst);
  skb._skb_refdst = null;
}

/** An skb that outlives its softirq needs a reference of its own; false when it has no destination. */
export function skb_dst_force(skb: sk_buff): boolean {
  const dst = skb._skb_refdst;
  if (dst !== null && skb.dstNoref) {
    dst_hold(dst);
    skb.dstNoref = false;
  }
  return dst !== null;
}

/** The nexthop's neighbour: the gateway's, or the destination's itself. */
export const rt_nexthop = (rt: rtable, daddr: number): number => (rt.rt_gw_family !== 0 ? rt.rt_gw4 : daddr);

/** Sends a routed packet on. */
export const dst_output = (network: net, sk: sock | null, skb: sk_buff): number => skb._skb_refdst!.output(network, sk, skb);
/** Hands a routed packet in: to the local protocols or to forwarding. */
export const dst_input = (skb: sk_buff): number => skb._skb_refdst!.input(skb);

/** The packet could not reach its next hop. */
export function dst_link_failure(skb: sk_buff): void {
  skb._skb_refdst?.ops.link_failure(skb);
}

/** The path turned out to carry no more than `mtu`. */
export function skb_dst_update_pmtu(skb: sk_buff, mtu: number): void {
  const dst = skb._skb_refdst;
  if (dst !== null) dst.ops.update_pmtu(dst, null, skb, mtu, true);
}

export const rt_is_input_route = (rt: rtable): boolean => rt.rt_is_input;
export const rt_is_output_route = (rt: rtable): boolean => !rt.rt_is_input;
export const skb_rtable = (skb: sk_buff): rtable | null => skb._skb_refdst;
export const skb_valid_dst = (skb: sk_buff): boolean => skb._skb_refdst !== null;
export const ip_rt_put: (rt: rtable | null) => void = dst_release;

/** LL_RESERVED_SPACE(): room for the link-layer header, in steps of 16. */
export const LL_RESERVED_SPACE = (dev: net_device): number => ((dev.hard_header_len + dev.needed_headroom) & ~15) + 16;
