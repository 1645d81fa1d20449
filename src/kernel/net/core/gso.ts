/**
 * net/core/gso.c: software segmentation of super-packets: `skb_gso_segment` → `skb_mac_gso_segment` → the protocol's gso_segment.
 */
import {
  __skb_push,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  SKB_GSO_TCPV4,
  SKB_GSO_TCPV6,
  SKB_GSO_UDP_L4,
  type sk_buff,
  skb_mac_header,
  skb_pull,
  skb_reset_mac_header,
  skb_reset_mac_len,
} from '../../include/linux/skbuff.ts';
import { EINVAL, EPROTONOSUPPORT } from '../../uapi/errno.ts';
import { skb_cow_head } from './skbuff_reshape.ts';

/** The segments of `skb` (linked by `next`, `prev` of the first is the last), null when the device can segment it, or -errno. `skb` stays the caller's. */
export function skb_gso_segment(skb: sk_buff, features: number): sk_buff | null | number {
  return __skb_gso_segment(skb, features, true);
}

export function __skb_gso_segment(skb: sk_buff, features: number, tx_path: boolean): sk_buff | null | number {
  if (skb_needs_check(skb, tx_path)) {
    const error = skb_cow_head(skb, 0);
    if (error < 0) return error;
  }
  skb_reset_mac_header(skb);
  skb_reset_mac_len(skb);
  return skb_mac_gso_segment(skb, features);
}

/** Packets whose checksum nobody prepared get it in the segments. */
function skb_needs_check(skb: sk_buff, tx_path: boolean): boolean {
  if (tx_path) return skb.ip_summed !== CHECKSUM_PARTIAL && skb.ip_summed !== CHECKSUM_UNNECESSARY;
  return skb.ip_summed === CHECKSUM_NONE;
}

/** By the protocol behind the link-layer header, where data start. */
export function skb_mac_gso_segment(skb: sk_buff, features: number): sk_buff | null | number {
  if (skb.protocol === 0) return -EINVAL;
  skb_pull(skb, skb.mac_len);
  let segs: sk_buff | null | number = -EPROTONOSUPPORT;
  const offloads = skb.dev!.nd_net.offload_base;
  for (let i = 0; i < offloads.length; i++) {
    const offload = offloads[i]!;
    if (offload.type !== skb.protocol || offload.callbacks.gso_segment === undefined) continue;
    segs = offload.callbacks.gso_segment(skb, features);
    break;
  }
  __skb_push(skb, skb.data - skb_mac_header(skb));
  return segs;
}

/** Length of the transport header of every segment. */
function transportHeaderLen(skb: sk_buff): number {
  if ((skb.shinfo.gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)) !== 0) return (skb.mem.u8[skb.transport_header + 12]! >> 4) << 2;
  return (skb.shinfo.gso_type & SKB_GSO_UDP_L4) !== 0 ? 8 : 0;
}

/** Length of the longest segment from its network header on. */
export const skb_gso_network_seglen = (skb: sk_buff): number =>
  skb.transport_header - skb.network_header + transportHeaderLen(skb) + skb.shinfo.gso_size;

/** Does each segment fit into `mtu`? */
export const skb_gso_validate_network_len = (skb: sk_buff, mtu: number): boolean => skb_gso_network_seglen(skb) <= mtu;
