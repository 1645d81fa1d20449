/**
 * net/ipv4/af_inet.c: segmentation and receive offload of IPv4: `inet_gro_receive`, `inet_gro_complete`, `inet_gso_segment` do the IP header
 * and leave the rest to the transport protocol.
 */
import {
  SKB_GSO_TCP_FIXEDID,
  type sk_buff,
  type sk_buff_head,
  skb_mac_header,
  skb_pull,
  skb_reset_mac_len,
  skb_reset_network_header,
  skb_reset_transport_header,
  skb_set_transport_header,
} from '../../include/linux/skbuff.ts';
import { skb_gro_len, skb_gro_offset, skb_gro_pull } from '../../include/net/gro.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { csum_replace2, ip_fast_csum } from '../../lib/checksum.ts';
import { EINVAL, EPROTONOSUPPORT } from '../../uapi/errno.ts';
import { ETH_P_IP } from '../../uapi/if_ether.ts';
import { IP_DF, IP_MF, IP_OFFSET, IPPROTO_TCP, IPPROTO_UDP, ip_hdrlen, iphdr } from '../../uapi/in.ts';
import { dev_add_offload, skb_gro_header } from '../core/gro.ts';
import { pskb_may_pull } from '../core/skbuff_reshape.ts';
import { tcpv4_offload } from './tcp_offload.ts';
import { udpv4_offload } from './udp_offload.ts';

const IPHDR = iphdr.size;
/** Version 4, no options. */
const PLAIN = 0x45;

export function ipv4_offload_init(network: net): void {
  network.inet_offloads[IPPROTO_TCP] = tcpv4_offload;
  network.inet_offloads[IPPROTO_UDP] = udpv4_offload;
  dev_add_offload(network, {
    type: ETH_P_IP,
    priority: 0,
    callbacks: { gso_segment: inet_gso_segment, gro_receive: inet_gro_receive, gro_complete: inet_gro_complete },
  });
}

/** Only whole packets without options, with a right header checksum, are worth merging. */
export function inet_gro_receive(head: sk_buff_head, skb: sk_buff): sk_buff | null {
  const off = skb_gro_offset(skb);
  const at = skb_gro_header(skb, off + IPHDR, off);
  const receive = at < 0 ? undefined : transportOf(skb, at);
  if (receive === undefined) {
    skb.gro.flush |= 1;
    return null;
  }
  const iph = new iphdr(skb.mem.view, at);
  // A length that does not match (padding), or the reserved bit.
  const flush = iph.tot_len !== skb_gro_len(skb) || (iph.frag_off & ~IP_DF) !== 0;
  markFlows(head, iph.saddr, iph.daddr, iph.protocol, off);
  if (flush) skb.gro.flush |= 1;
  skb.gro.proto = iph.protocol;
  skb.gro.network_offset = off;
  skb_gro_pull(skb, IPHDR);
  skb_set_transport_header(skb, skb_gro_offset(skb));
  return receive(head, skb);
}

function transportOf(skb: sk_buff, at: number): ((head: sk_buff_head, skb: sk_buff) => sk_buff | null) | undefined {
  const iph = new iphdr(skb.mem.view, at);
  if (iph.version_ihl !== PLAIN || (iph.frag_off & (IP_MF | IP_OFFSET)) !== 0) return undefined;
  const receive = skb.dev!.nd_net.inet_offloads[iph.protocol]?.callbacks.gro_receive;
  return receive !== undefined && ip_fast_csum(skb.mem.view, at, 5) === 0 ? receive : undefined;
}

/** Held packets between other hosts, or of another protocol, are not of this flow. */
function markFlows(head: sk_buff_head, saddr: number, daddr: number, protocol: number, off: number): void {
  for (let p = head.next; p !== null; p = p.next) {
    if (!p.gro.same_flow) continue;
    const iph = new iphdr(p.mem.view, p.data + off);
    if (iph.saddr !== saddr || iph.daddr !== daddr || iph.protocol !== protocol) p.gro.same_flow = false;
  }
}

export function inet_gro_complete(skb: sk_buff, nhoff: number): number {
  const iph = new iphdr(skb.mem.view, skb.data + nhoff);
  const length = skb.len - nhoff;
  iph.check = csum_replace2(iph.check, iph.tot_len, length);
  iph.tot_len = length;
  const complete = skb.dev!.nd_net.inet_offloads[iph.protocol]?.callbacks.gro_complete;
  return complete === undefined ? -EINVAL : complete(skb, nhoff + IPHDR);
}

/** Each segment gets its own length, identification and header checksum. */
export function inet_gso_segment(skb: sk_buff, features: number): sk_buff | null | number {
  skb_reset_network_header(skb);
  const nhoff = skb.network_header - skb_mac_header(skb);
  if (!pskb_may_pull(skb, IPHDR)) return -EINVAL;
  const iph = new iphdr(skb.mem.view, skb.network_header);
  const ihl = ip_hdrlen(iph);
  if (ihl < IPHDR || !pskb_may_pull(skb, ihl)) return -EINVAL;
  const { protocol, id } = new iphdr(skb.mem.view, skb.network_header);
  const fixedid = (skb.shinfo.gso_type & SKB_GSO_TCP_FIXEDID) !== 0;
  skb_pull(skb, ihl);
  skb_reset_transport_header(skb);
  const segment = skb.dev!.nd_net.inet_offloads[protocol]?.callbacks.gso_segment;
  const segs = segment === undefined ? -EPROTONOSUPPORT : segment(skb, features);
  if (segs === null || typeof segs === 'number') return segs;
  let number = 0;
  for (let seg: sk_buff | null = segs; seg !== null; seg = seg.next, number++) finishSegment(seg, nhoff, ihl, fixedid ? id : id + number);
  return segs;
}

function finishSegment(seg: sk_buff, nhoff: number, ihl: number, id: number): void {
  seg.network_header = skb_mac_header(seg) + nhoff;
  seg.transport_header = seg.network_header + ihl;
  const iph = new iphdr(seg.mem.view, seg.network_header);
  iph.id = id & 0xffff;
  iph.tot_len = seg.len - nhoff;
  iph.check = 0;
  iph.check = ip_fast_csum(seg.mem.view, seg.network_header, ihl >> 2);
  skb_reset_mac_len(seg);
}
