/**
 * include/net/gro.h, gso.h, protocol.h: offload operations of protocols, and the small functions of GRO.
 * While a packet is in GRO its data stay where they are: `data_offset` says how far the headers have been read.
 */

import { IP_DF, iphdr } from '../../uapi/in.ts';
import { CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, type sk_buff, type sk_buff_head, skb_checksum_start_offset } from '../linux/skbuff.ts';

export interface offload_callbacks {
  /** The segments (linked by `next`), null when the device does it, or -errno. */
  gso_segment?(skb: sk_buff, features: number): sk_buff | null | number;
  /** Merges `skb` into a packet of `head` if it can (`same_flow`); returns the packet that must be completed now, or null. */
  gro_receive?(head: sk_buff_head, skb: sk_buff): sk_buff | null;
  /** Puts the merged packet's headers right; 0 or -errno. */
  gro_complete?(skb: sk_buff, nhoff: number): number;
}

export interface packet_offload {
  readonly type: number;
  readonly priority: number;
  readonly callbacks: offload_callbacks;
}

export interface net_offload {
  readonly callbacks: offload_callbacks;
}

export const skb_gro_offset = (skb: sk_buff): number => skb.gro.data_offset;
export const skb_gro_len = (skb: sk_buff): number => skb.len - skb.gro.data_offset;
export function skb_gro_pull(skb: sk_buff, len: number): void {
  skb.gro.data_offset += len;
}

/** Does nobody but us know yet whether the checksum is right? */
export function __skb_gro_checksum_validate_needed(skb: sk_buff, zero_okay: boolean, check: number): boolean {
  if (skb.ip_summed === CHECKSUM_PARTIAL && skb_checksum_start_offset(skb) >= skb.gro.data_offset) return false;
  return skb.gro.csum_cnt === 0 && (!zero_okay || check !== 0);
}

/** A checksum was found right: by hardware, which is used up, or by us, which is noted for who comes after GRO. */
export function skb_gro_incr_csum_unnecessary(skb: sk_buff): void {
  if (skb.gro.csum_cnt > 0) skb.gro.csum_cnt--;
  else if (skb.ip_summed === CHECKSUM_UNNECESSARY) skb.csum_level = Math.min(skb.csum_level + 1, 3);
  else if (skb.ip_summed === 0) {
    skb.ip_summed = CHECKSUM_UNNECESSARY;
    skb.csum_level = 0;
  }
}

/** IP headers must be equal but for length, checksum and an identification that counts up, or stays the same. */
export function inet_gro_flush(p: sk_buff, skb: sk_buff): boolean {
  const iph = new iphdr(skb.mem.view, skb.network_header);
  const iph2 = new iphdr(p.mem.view, p.network_header);
  if (iph.ttl !== iph2.ttl || iph.tos !== iph2.tos || ((iph.frag_off ^ iph2.frag_off) & IP_DF) !== 0) return true;
  const ahead = (iph.id - iph2.id) & 0xffff;
  const count = p.gro.count;
  // The second frame tells which of the two this flow does.
  if (count === 1 && ahead === 0) p.gro.ip_fixedid = true;
  return ahead !== (p.gro.ip_fixedid ? 0 : count & 0xffff);
}
