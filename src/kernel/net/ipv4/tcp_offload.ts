/**
 * net/ipv4/tcp_offload.c: segmentation and receive offload of TCP: `tcp4_gro_receive` → `tcp_gro_receive`, `tcp4_gro_complete`;
 * `tcp4_gso_segment` → `tcp_gso_segment`.
 */
import { NETIF_F_TSO } from '../../include/linux/netdevice.ts';
import {
  CHECKSUM_PARTIAL,
  SKB_GSO_TCP_ACCECN,
  SKB_GSO_TCP_FIXEDID,
  SKB_GSO_TCPV4,
  type sk_buff,
  type sk_buff_head,
  skb_has_frag_list,
  skb_is_gso,
  skb_pull,
} from '../../include/linux/skbuff.ts';
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
import { csum_fold, csum_tcpudp_magic, csum_tcpudp_nofold } from '../../lib/checksum.ts';
import { EINVAL } from '../../uapi/errno.ts';
import { IPPROTO_TCP, iphdr, tcphdr } from '../../uapi/in.ts';
import { can_checksum_protocol, net_gso_ok } from '../core/dev_hard_start_xmit.ts';
import { __skb_gro_checksum_validate_complete, skb_gro_header, skb_gro_receive } from '../core/gro.ts';
import { skb_checksum } from '../core/skbuff_bits.ts';
import { pskb_may_pull } from '../core/skbuff_reshape.ts';
import { skb_segment } from '../core/skbuff_segment.ts';
import { tcp_wfree } from './tcp_output_wfree.ts';

const TCPHDR = tcphdr.size;
const CHECK_OFFSET = tcphdr.offset.check;
const FLAGS_OFFSET = 12;
/** Flags in the fourth word of the header, which also holds data offset and window. */
const TCP_FLAG_FIN = 0x0001_0000;
const TCP_FLAG_SYN = 0x0002_0000;
const TCP_FLAG_RST = 0x0004_0000;
const TCP_FLAG_PSH = 0x0008_0000;
const TCP_FLAG_URG = 0x0020_0000;
const FLAGS_THAT_END = TCP_FLAG_URG | TCP_FLAG_PSH | TCP_FLAG_RST | TCP_FLAG_SYN | TCP_FLAG_FIN;

/* Receive */

export function tcp4_gro_receive(head: sk_buff_head, skb: sk_buff): sk_buff | null {
  // What will not be merged need not be checked here.
  if (skb.gro.flush === 0 && !checksumIsRight(skb)) {
    skb.gro.flush = 1;
    return null;
  }
  const th = tcp_gro_pull_header(skb);
  if (th < 0) {
    skb.gro.flush = 1;
    return null;
  }
  return tcp_gro_receive(head, skb, th);
}

function checksumIsRight(skb: sk_buff): boolean {
  if (__skb_gro_checksum_validate_needed(skb, false, 0)) {
    const iph = new iphdr(skb.mem.view, skb.network_header);
    const psum = csum_tcpudp_nofold(iph.saddr, iph.daddr, skb_gro_len(skb), IPPROTO_TCP, 0);
    if (__skb_gro_checksum_validate_complete(skb, psum) !== 0) return false;
  }
  skb_gro_incr_csum_unnecessary(skb);
  return true;
}

/** Reads past the header; returns where it is in mem, -1 when it is cut short. */
function tcp_gro_pull_header(skb: sk_buff): number {
  const off = skb_gro_offset(skb);
  const at = skb_gro_header(skb, off + TCPHDR, off);
  if (at < 0) return -1;
  const thlen = (skb.mem.u8[at + FLAGS_OFFSET]! >> 4) * 4;
  if (thlen < TCPHDR) return -1;
  const th = skb_gro_header(skb, off + thlen, off);
  if (th >= 0) skb_gro_pull(skb, thlen);
  return th;
}

/** Merges the segment into the held packet of its flow if it is the next one and differs in nothing but length, FIN and PSH. */
export function tcp_gro_receive(head: sk_buff_head, skb: sk_buff, th: number): sk_buff | null {
  const flags = skb.mem.view.getUint32(th + FLAGS_OFFSET);
  const len = skb_gro_len(skb);
  const p = tcp_gro_lookup(head, skb.mem.view.getUint32(th));
  let mss = 1;
  if (p !== null) {
    mss = p.shinfo.gso_size;
    if (mustFlush(p, skb, th, flags, len, mss) || skb_gro_receive(p, skb) !== 0) mss = 1;
    else {
      const word = p.transport_header + FLAGS_OFFSET;
      p.mem.view.setUint32(word, p.mem.view.getUint32(word) | (flags & (TCP_FLAG_FIN | TCP_FLAG_PSH)));
    }
  }
  // A short segment, or one with these flags, is the last of a packet.
  const isShort = skb_is_gso(skb) ? len !== skb.gro.count * skb.shinfo.gso_size : len < mss;
  const ends = isShort || (flags & FLAGS_THAT_END) !== 0;
  if (ends) skb.gro.flush |= 1;
  return p !== null && (!skb.gro.same_flow || ends) ? p : null;
}

/** The held packet with the same ports; others lose their mark. */
function tcp_gro_lookup(head: sk_buff_head, ports: number): sk_buff | null {
  for (let p = head.next; p !== null; p = p.next) {
    if (!p.gro.same_flow) continue;
    if (p.mem.view.getUint32(p.transport_header) === ports) return p;
    p.gro.same_flow = false;
  }
  return null;
}

function mustFlush(p: sk_buff, skb: sk_buff, th: number, flags: number, len: number, mss: number): boolean {
  const view = skb.mem.view;
  const pview = p.mem.view;
  const th2 = p.transport_header;
  if (((flags ^ pview.getUint32(th2 + FLAGS_OFFSET)) & ~(TCP_FLAG_FIN | TCP_FLAG_PSH)) !== 0) return true;
  if (view.getUint32(th + 8) !== pview.getUint32(th2 + 8)) return true;
  for (let i = TCPHDR, thlen = (flags >>> 28) * 4; i < thlen; i += 4) if (view.getUint32(th + i) !== pview.getUint32(th2 + i)) return true;
  if (inet_gro_flush(p, skb)) return true;
  if (skb_is_gso(skb) ? mss !== skb.shinfo.gso_size : len > mss || len === 0) return true;
  return (pview.getUint32(th2 + 4) + skb_gro_len(p)) >>> 0 !== view.getUint32(th + 4);
}

export function tcp4_gro_complete(skb: sk_buff, thoff: number): number {
  const iph = new iphdr(skb.mem.view, skb.data + skb.gro.network_offset);
  const th = skb.transport_header;
  skb.mem.view.setUint16(th + CHECK_OFFSET, ~csum_tcpudp_magic(iph.saddr, iph.daddr, skb.len - thoff, IPPROTO_TCP, 0) & 0xffff);
  skb.shinfo.gso_type |= SKB_GSO_TCPV4 | (skb.gro.ip_fixedid ? SKB_GSO_TCP_FIXEDID : 0);
  tcp_gro_complete(skb);
  return 0;
}

/** From here on the packet is like one that is sent: a checksum to be finished, segments to be cut. */
function tcp_gro_complete(skb: sk_buff): void {
  skb.csum_start = skb.transport_header;
  skb.csum_offset = CHECK_OFFSET;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.shinfo.gso_segs = skb.gro.count;
  if (new tcphdr(skb.mem.view, skb.transport_header).cwr === 1) skb.shinfo.gso_type |= SKB_GSO_TCP_ACCECN;
}

/* Segmentation */

export function tcp4_gso_segment(skb: sk_buff, features: number): sk_buff | null | number {
  if ((skb.shinfo.gso_type & SKB_GSO_TCPV4) === 0 || !pskb_may_pull(skb, TCPHDR)) return -EINVAL;
  if (skb.ip_summed !== CHECKSUM_PARTIAL) {
    skb.csum_start = skb.transport_header;
    skb.csum_offset = CHECK_OFFSET;
    skb.ip_summed = CHECKSUM_PARTIAL;
  }
  return tcp_gso_segment(skb, features);
}

export function tcp_gso_segment(skb: sk_buff, features: number): sk_buff | null | number {
  const thlen = new tcphdr(skb.mem.view, skb.transport_header).doff * 4;
  if (thlen < TCPHDR || skb.csum_start !== skb.transport_header || !pskb_may_pull(skb, thlen)) return -EINVAL;
  skb_pull(skb, thlen);
  const mss = skb.shinfo.gso_size;
  if (skb.len <= mss) return -EINVAL;
  if ((features & NETIF_F_TSO) !== 0 && net_gso_ok(features, skb.shinfo.gso_type) && !skb_has_frag_list(skb)) {
    skb.shinfo.gso_segs = Math.ceil(skb.len / mss);
    return null;
  }
  const ooo_okay = skb.ooo_okay;
  skb.ooo_okay = false;
  const segs = skb_segment(skb, features, can_checksum_protocol(features, skb.protocol));
  if (typeof segs === 'number') return segs;
  segs.ooo_okay = ooo_okay;
  if (skb.shinfo.tx_flags !== 0) tcp_gso_tstamp(segs, skb, mss);
  finishSegments(skb, segs, mss);
  if (skb.destructor === tcp_wfree) shareOwner(skb, segs);
  return segs;
}

/** Sequence numbers go up; PSH and FIN are the last segment's, CWR the first's (all of them under AccECN, where it is a counter). */
function finishSegments(skb: sk_buff, segs: sk_buff, mss: number): void {
  const keepsCwr = (skb.shinfo.gso_type & SKB_GSO_TCP_ACCECN) !== 0;
  const first = new tcphdr(segs.mem.view, segs.transport_header).seq;
  let number = 0;
  for (let seg: sk_buff | null = segs; seg !== null; seg = seg.next, number++) {
    const th = new tcphdr(seg.mem.view, seg.transport_header);
    th.seq = (first + number * mss) >>> 0;
    if (seg.next !== null) th.flagWord &= ~0x0009;
    if (number > 0 && !keepsCwr) th.flagWord &= ~0x0080;
    th.check = segmentChecksum(seg, th);
  }
}

/** The pseudo header's sum when the device does the rest, else all of it. */
function segmentChecksum(seg: sk_buff, th: tcphdr): number {
  const iph = new iphdr(seg.mem.view, seg.network_header);
  const offset = seg.transport_header - seg.data;
  const length = seg.len - offset;
  const pseudo = csum_tcpudp_nofold(iph.saddr, iph.daddr, length, IPPROTO_TCP, 0);
  if (seg.ip_summed === CHECKSUM_PARTIAL) return pseudo;
  th.check = 0;
  return csum_fold(skb_checksum(seg, offset, length, pseudo));
}

/** The timestamp that was asked for a byte is taken of the segment that carries it. */
function tcp_gso_tstamp(segs: sk_buff, gso_skb: sk_buff, mss: number): void {
  const key = gso_skb.shinfo.tskey;
  let end = new tcphdr(segs.mem.view, segs.transport_header).seq;
  for (let seg: sk_buff | null = segs; seg !== null; seg = seg.next) {
    end = (end + mss) >>> 0;
    if (((key - end) | 0) >= 0) continue;
    seg.shinfo.tx_flags |= gso_skb.shinfo.tx_flags;
    seg.shinfo.tskey = key;
    return;
  }
}

/** Every segment counts against the socket until it has left (TCP small queues), not the super-packet that is freed now. */
function shareOwner(skb: sk_buff, segs: sk_buff): void {
  const sk = skb.sk as sock;
  let truesize = 0;
  for (let seg: sk_buff | null = segs; seg !== null; seg = seg.next) {
    seg.destructor = skb.destructor;
    seg.sk = sk;
    truesize += seg.truesize;
  }
  sk.sk_wmem_alloc += truesize - skb.truesize;
  skb.destructor = null;
  skb.sk = null;
}

export const tcpv4_offload: net_offload = {
  callbacks: { gso_segment: tcp4_gso_segment, gro_receive: tcp4_gro_receive, gro_complete: tcp4_gro_complete },
};
