/**
 * net/ipv4/udp_offload.c: UDP in GRO (UDP_GRO, rx-udp-gro-forwarding) and UDP's segmentation offload (UDP_SEGMENT):
 * `udp4_gro_receive` → `udp_gro_receive` → `udp_gro_receive_segment`, `udp4_gro_complete`; `udp4_ufo_fragment` → `__udp_gso_segment`.
 *
 * Simplified: datagrams are not chained as they are (rx-gro-list), and there are no tunnels: neither sockets with receive functions of their own, nor packets that carry others.
 */

import { NETIF_F_GRO_UDP_FWD } from '../../include/linux/netdevice.ts';
import {
  CHECKSUM_PARTIAL,
  SKB_GSO_UDP_L4,
  SKBTX_ANY_TSTAMP,
  type sk_buff,
  type sk_buff_head,
  skb_pull,
} from '../../include/linux/skbuff.ts';
import { udp_sk } from '../../include/linux/udp.ts';
import {
  __skb_gro_checksum_validate_needed,
  inet_gro_flush,
  type net_offload,
  skb_gro_incr_csum_unnecessary,
  skb_gro_len,
  skb_gro_offset,
  skb_gro_pull,
} from '../../include/net/gro.ts';
import type { sock } from '../../include/net/sock.ts';
import { CSUM_MANGLED_0, csum_fold, csum_tcpudp_magic, csum_tcpudp_nofold } from '../../lib/checksum.ts';
import { EINVAL } from '../../uapi/errno.ts';
import { IPPROTO_UDP, iphdr, udphdr } from '../../uapi/in.ts';
import { can_checksum_protocol, net_gso_ok } from '../core/dev_hard_start_xmit.ts';
import { __skb_gro_checksum_validate_complete, skb_gro_header, skb_gro_receive } from '../core/gro.ts';
import { skb_checksum } from '../core/skbuff_bits.ts';
import { pskb_may_pull } from '../core/skbuff_reshape.ts';
import { skb_segment } from '../core/skbuff_segment.ts';
import { __udp4_lib_lookup } from './udp_table.ts';

const UDPHDR = udphdr.size;
const CHECK_OFFSET = 6;
/** Under a flood of small datagrams more would take too much memory. */
const UDP_GRO_CNT_MAX = 64;

function udp4_gro_receive(head: sk_buff_head, skb: sk_buff): sk_buff | null {
  const off = skb_gro_offset(skb);
  const at = skb_gro_header(skb, off + UDPHDR, off);
  if (at < 0 || (skb.gro.flush === 0 && !checksumIsRight(skb, at))) {
    skb.gro.flush = 1;
    return null;
  }
  return udp_gro_receive(head, skb, at);
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

/** Merges for sockets with UDP_GRO, and with rx-udp-gro-forwarding what is for no socket here; everything else goes up at once. */
function udp_gro_receive(head: sk_buff_head, skb: sk_buff, at: number): sk_buff | null {
  const network = skb.dev!.nd_net;
  const sk = network.udp_encap_needed > 0 ? udp4_gro_lookup_skb(skb, new udphdr(skb.mem.view, at)) : null;
  const merges = sk === null ? (skb.dev!.features & NETIF_F_GRO_UDP_FWD) !== 0 : udp_sk(sk).gro_enabled;
  if (merges) return udp_gro_receive_segment(head, skb, new udphdr(skb.mem.view, at));
  skb.gro.flush |= 1;
  return null;
}

function udp4_gro_lookup_skb(skb: sk_buff, uh: udphdr): sock | null {
  const iph = new iphdr(skb.mem.view, skb.network_header);
  return __udp4_lib_lookup(skb.dev!.nd_net, iph.saddr, uh.source, iph.daddr, uh.dest, skb.dev!.ifindex);
}

/**
 * Datagrams of equal length make up a packet; a shorter one is its last, a longer one begins the next, and 64 are enough. The second result of Linux,
 * the packet to be completed, is the one returned.
 */
function udp_gro_receive_segment(head: sk_buff_head, skb: sk_buff, uh: udphdr): sk_buff | null {
  const ulen = uh.len;
  // Without a checksum, or padded.
  if (uh.check === 0 || ulen <= UDPHDR || ulen !== skb_gro_len(skb)) {
    skb.gro.flush = 1;
    return null;
  }
  skb_gro_pull(skb, UDPHDR);
  const p = heldFlow(head, uh);
  if (p === null) return null;
  const held = new udphdr(p.mem.view, p.transport_header).len;
  if (ulen > held || inet_gro_flush(p, skb)) return p;
  const refused = skb_gro_receive(p, skb) !== 0;
  return refused || ulen !== held || p.gro.count >= UDP_GRO_CNT_MAX ? p : null;
}

/** The held packet with the same ports; others lose their mark. */
function heldFlow(head: sk_buff_head, uh: udphdr): sk_buff | null {
  for (let p = head.next; p !== null; p = p.next) {
    if (!p.gro.same_flow) continue;
    const uh2 = new udphdr(p.mem.view, p.transport_header);
    if (uh2.source === uh.source && uh2.dest === uh.dest) return p;
    p.gro.same_flow = false;
  }
  return null;
}

/** The held packet goes up: its header tells the whole length, its checksum that of the pseudo header. */
function udp4_gro_complete(skb: sk_buff, nhoff: number): number {
  const uh = new udphdr(skb.mem.view, skb.transport_header);
  const iph = new iphdr(skb.mem.view, skb.data + skb.gro.network_offset);
  const length = skb.len - nhoff;
  if (uh.check !== 0) uh.check = ~csum_tcpudp_magic(iph.saddr, iph.daddr, length, IPPROTO_UDP, 0) & 0xffff;
  uh.len = length;
  return udp_gro_complete_segment(skb);
}

function udp_gro_complete_segment(skb: sk_buff): number {
  skb.csum_start = skb.transport_header;
  skb.csum_offset = CHECK_OFFSET;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.shinfo.gso_segs = skb.gro.count;
  skb.shinfo.gso_type |= SKB_GSO_UDP_L4;
  return 0;
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

export const udpv4_offload: net_offload = {
  callbacks: { gso_segment: udp4_ufo_fragment, gro_receive: udp4_gro_receive, gro_complete: udp4_gro_complete },
};
