/**
 * net/ipv4/udp_offload.c: UDP in GRO (whose checksum is validated, which is all) and UDP's segmentation offload (UDP_SEGMENT):
 * `udp4_gro_receive` → `udp_gro_receive`; `udp4_ufo_fragment` → `__udp_gso_segment`.
 *
 * Simplified: datagrams are never merged: Linux does so for sockets with UDP_GRO and for forwarded packets (rx-udp-gro-forwarding), both off by default.
 */
import {
  CHECKSUM_PARTIAL,
  SKB_GSO_UDP_L4,
  SKBTX_ANY_TSTAMP,
  type sk_buff,
  type sk_buff_head,
  skb_pull,
} from '../../include/linux/skbuff.ts';
import {
  __skb_gro_checksum_validate_needed,
  type net_offload,
  skb_gro_incr_csum_unnecessary,
  skb_gro_len,
  skb_gro_offset,
} from '../../include/net/gro.ts';
import { CSUM_MANGLED_0, csum_fold, csum_tcpudp_nofold } from '../../lib/checksum.ts';
import { EINVAL } from '../../uapi/errno.ts';
import { IPPROTO_UDP, iphdr, udphdr } from '../../uapi/in.ts';
import { can_checksum_protocol, net_gso_ok } from '../core/dev_hard_start_xmit.ts';
import { __skb_gro_checksum_validate_complete, skb_gro_header } from '../core/gro.ts';
import { skb_checksum } from '../core/skbuff_bits.ts';
import { pskb_may_pull } from '../core/skbuff_reshape.ts';
import { skb_segment } from '../core/skbuff_segment.ts';

const UDPHDR = udphdr.size;

function udp4_gro_receive(head: sk_buff_head, skb: sk_buff): sk_buff | null {
  const off = skb_gro_offset(skb);
  const at = skb_gro_header(skb, off + UDPHDR, off);
  if (at < 0 || (skb.gro.flush === 0 && !checksumIsRight(skb, at))) {
    skb.gro.flush = 1;
    return null;
  }
  return udp_gro_receive(head, skb);
}

function checksumIsRight(skb: sk_buff, at: number): boolean {
  if (__skb_gro_checksum_validate_needed(skb, true, new udphdr(skb.mem.view, at).check)) {
    const iph = new iphdr(skb.mem.view, skb.network_header);
    const psum = csum_tcpudp_nofold(iph.saddr, iph.daddr, skb_gro_len(skb), IPPROTO_UDP, 0);
    if (__skb_gro_checksum_validate_complete(skb, psum) !== 0) return false;
  }
  skb_gro_incr_csum_unnecessary(skb);
  return true;
}

/** Nobody asked for merged datagrams: it goes up at once. */
function udp_gro_receive(_head: sk_buff_head, skb: sk_buff): sk_buff | null {
  skb.gro.flush |= 1;
  return null;
}

function udp4_ufo_fragment(skb: sk_buff, features: number): sk_buff | null | number {
  if (!pskb_may_pull(skb, UDPHDR) || (skb.shinfo.gso_type & SKB_GSO_UDP_L4) === 0) return -EINVAL;
  return __udp_gso_segment(skb, features);
}

/** Datagrams of gso_size bytes each, the last one may be shorter. */
export function __udp_gso_segment(skb: sk_buff, features: number): sk_buff | null | number {
  const mss = skb.shinfo.gso_size;
  if (skb.len <= UDPHDR + mss) return -EINVAL;
  if (net_gso_ok(features, skb.shinfo.gso_type)) {
    skb.shinfo.gso_segs = Math.ceil((skb.len - UDPHDR) / mss);
    return null;
  }
  const { tx_flags, tskey } = skb.shinfo;
  skb_pull(skb, UDPHDR);
  const segs = skb_segment(skb, features, can_checksum_protocol(features, skb.protocol));
  if (typeof segs === 'number') return segs;
  if (segs !== null) {
    // A stamp is of the first datagram.
    segs.shinfo.tskey = tskey;
    segs.shinfo.tx_flags |= tx_flags & SKBTX_ANY_TSTAMP;
  }
  for (let seg: sk_buff | null = segs; seg !== null; seg = seg.next) finishSegment(seg);
  return segs;
}

function finishSegment(seg: sk_buff): void {
  const uh = new udphdr(seg.mem.view, seg.transport_header);
  const iph = new iphdr(seg.mem.view, seg.network_header);
  const offset = seg.transport_header - seg.data;
  const length = seg.len - offset;
  uh.len = length;
  const pseudo = csum_tcpudp_nofold(iph.saddr, iph.daddr, length, IPPROTO_UDP, 0);
  if (seg.ip_summed === CHECKSUM_PARTIAL) uh.check = pseudo;
  else if (uh.check !== 0) {
    uh.check = 0;
    uh.check = csum_fold(skb_checksum(seg, offset, length, pseudo)) || CSUM_MANGLED_0;
  }
}

export const udpv4_offload: net_offload = { callbacks: { gso_segment: udp4_ufo_fragment, gro_receive: udp4_gro_receive } };
