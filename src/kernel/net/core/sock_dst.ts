/**
 * net/core/sock.c, include/net/sock.h: the route a socket keeps, and what the route's device lets it do.
 * `sk_setup_caps` when it is connected, `__sk_dst_check` for every packet, `__sk_dst_reset` when the path looks broken.
 */
import {
  GSO_LEGACY_MAX_SIZE,
  NETIF_F_GSO,
  NETIF_F_GSO_MASK,
  NETIF_F_HW_CSUM,
  NETIF_F_SG,
  NETIF_F_TSO,
  NETIF_F_TSO_ECN,
  NETIF_F_TSO6,
} from '../../include/linux/netdevice.ts';
import { SKB_GSO_TCPV4, SKB_GSO_UDP_L4, type sk_buff } from '../../include/linux/skbuff.ts';
import { type dst_entry, dst_hold, dst_release } from '../../include/net/dst.ts';
import { sk_tx_queue_clear, type sock } from '../../include/net/sock.ts';
import { MAX_TCP_HEADER } from '../../include/net/tcp.ts';
import { IPPROTO_TCP } from '../../uapi/in.ts';
import { SOCK_STREAM } from '../../uapi/socket.ts';

const NETIF_F_GSO_SOFTWARE = NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_TSO_ECN;

export const sk_is_tcp = (sk: sock): boolean => sk.sk_type === SOCK_STREAM && sk.sk_protocol === IPPROTO_TCP;

/** Takes over the caller's reference; null forgets the route. */
export function __sk_dst_set(sk: sock, dst: dst_entry | null): void {
  sk_tx_queue_clear(sk);
  sk.sk_dst_pending_confirm = false;
  const old = sk.sk_dst_cache;
  sk.sk_dst_cache = dst;
  dst_release(old);
}

export const sk_dst_set = __sk_dst_set;

export function __sk_dst_reset(sk: sock): void {
  __sk_dst_set(sk, null);
}

export const sk_dst_reset = __sk_dst_reset;

/** The route with a reference for the caller. */
export function sk_dst_get(sk: sock): dst_entry | null {
  const dst = sk.sk_dst_cache;
  if (dst !== null) dst_hold(dst);
  return dst;
}

/** The route if it still holds; the caller gets no reference. */
export function __sk_dst_check(sk: sock, cookie: number): dst_entry | null {
  const dst = sk.sk_dst_cache;
  if (dst !== null && dst.obsolete !== 0 && dst.ops.check(dst, cookie) === null) {
    __sk_dst_set(sk, null);
    return null;
  }
  return dst;
}

/** The route if it still holds, with a reference for the caller. */
export function sk_dst_check(sk: sock, cookie: number): dst_entry | null {
  const dst = sk_dst_get(sk);
  if (dst !== null && dst.obsolete !== 0 && dst.ops.check(dst, cookie) === null) {
    __sk_dst_set(sk, null);
    dst_release(dst);
    return null;
  }
  return dst;
}

/** The peer answers: its neighbour entry will be confirmed by the next packet out. */
export function sk_dst_confirm(sk: sock): void {
  sk.sk_dst_pending_confirm = true;
}

export function skb_set_dst_pending_confirm(skb: sk_buff, confirm: boolean): void {
  skb.dst_pending_confirm = confirm;
}

export function dst_negative_advice(sk: sock): void {
  const dst = sk.sk_dst_cache;
  if (dst !== null) dst.ops.negative_advice(sk, dst);
}

/** May this socket send super-frames over its route's device? (In software at least, for TCP.) */
export const sk_can_gso = (sk: sock): boolean => netGsoOk(sk.sk_route_caps, sk.sk_gso_type);

/** net_gso_ok(): the feature bit that stands for a kind of super-frame. */
function netGsoOk(features: number, gso_type: number): boolean {
  if ((gso_type & SKB_GSO_TCPV4) !== 0) return (features & NETIF_F_TSO) !== 0;
  if ((gso_type & SKB_GSO_UDP_L4) !== 0) return (features & (1 << 13)) !== 0;
  return gso_type === 0;
}

/** No more super-frames for this socket, whatever its device can do. */
export function sk_gso_disable(sk: sock): void {
  sk.sk_gso_disabled = true;
  sk.sk_route_caps &= ~NETIF_F_GSO_MASK;
}

/** A route was chosen: keep it, with what its device can do for this socket. TCP always segments late, in software if need be. */
export function sk_setup_caps(sk: sock, dst: dst_entry): void {
  let max_segs = 1;
  sk.sk_route_caps = dst.dev.features;
  if (sk_is_tcp(sk)) sk.sk_route_caps |= NETIF_F_GSO;
  if ((sk.sk_route_caps & NETIF_F_GSO) !== 0) sk.sk_route_caps |= NETIF_F_GSO_SOFTWARE;
  if (sk.sk_gso_disabled) sk.sk_route_caps &= ~NETIF_F_GSO_MASK;
  if (sk_can_gso(sk)) {
    if (dst.header_len > 0) sk.sk_route_caps &= ~NETIF_F_GSO_MASK;
    else {
      sk.sk_route_caps |= NETIF_F_SG | NETIF_F_HW_CSUM;
      sk.sk_gso_max_size = sk_dst_gso_max_size(sk, dst);
      max_segs = Math.max(dst.dev.gso_max_segs, 1);
    }
  }
  sk.sk_gso_max_segs = max_segs;
  sk_dst_set(sk, dst);
}

function sk_dst_gso_max_size(sk: sock, dst: dst_entry): number {
  const device = dst.dev.gso_ipv4_max_size;
  const max_size = sk_is_tcp(sk) ? device : Math.min(device, GSO_LEGACY_MAX_SIZE);
  return max_size - (MAX_TCP_HEADER + 1);
}
