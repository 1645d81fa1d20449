/**
 * net/ipv4/ip_output.c: datagrams that are larger than the way out takes (RFC 791 3.2).
 * `ip_fragment` (may it be?) → `ip_do_fragment`: the pieces that ip_append_data() made become fragments as they are (`ip_fraglist_*`), or the
 * datagram is copied piece by piece (`ip_frag_*`).
 */
import { kernel } from '../../current.ts';
import {
  __skb_push,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  type sk_buff,
  skb_cloned,
  skb_dst_set,
  skb_has_frag_list,
  skb_headlen,
  skb_headroom,
  skb_mark_not_on_list,
  skb_pagelen,
  skb_put,
  skb_reserve,
  skb_reset_network_header,
  skb_reset_transport_header,
  skb_shared,
} from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { SKB_DROP_REASON_NOT_SPECIFIED, SKB_DROP_REASON_PKT_TOO_BIG } from '../../include/net/dropreason.ts';
import { dst_clone, LL_RESERVED_SPACE, skb_dst_drop } from '../../include/net/dst.ts';
import { icmp_send } from '../../include/net/icmp.ts';
import { IPSKB_FRAG_COMPLETE, IPSKB_FRAG_PMTU, ip_hdr, ip_is_fragment, ip_send_check, ip_skb_dst_mtu } from '../../include/net/ip.ts';
import { IP_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import type { sock } from '../../include/net/sock.ts';
import { chargeCopy } from '../../lib/charge.ts';
import { EMSGSIZE, ENOMEM } from '../../uapi/errno.ts';
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, IP_DF, IP_MF, IP_OFFSET } from '../../uapi/in.ts';
import { IPSTATS_MIB_FRAGCREATES, IPSTATS_MIB_FRAGFAILS, IPSTATS_MIB_FRAGOKS } from '../../uapi/snmp.ts';
import { alloc_skb } from '../core/skbuff.ts';
import { skb_copy_bits } from '../core/skbuff_bits.ts';
import { skb_checksum_help } from '../core/skbuff_csum.ts';
import { consume_skb, kfree_skb_list, kfree_skb_reason } from '../core/skbuff_free.ts';
import { skb_set_owner_w, sock_wfree } from '../core/sock_owner.ts';
import { ip_options_fragment } from './ip_options_output.ts';

type output_t = (network: net, sk: sock | null, skb: sk_buff) => number;

/** Fragments unless DF forbids it; then the sender learns what would fit (RFC 1191 4). */
export function ip_fragment(network: net, sk: sock | null, skb: sk_buff, mtu: number, output: output_t): number {
  if ((ip_hdr(skb).frag_off & IP_DF) === 0) return ip_do_fragment(network, sk, skb, output);
  if (!skb.ignore_df || (skb.ip_frag_max_size !== 0 && skb.ip_frag_max_size > mtu)) {
    IP_INC_STATS(network, IPSTATS_MIB_FRAGFAILS);
    icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
    kfree_skb_reason(skb, SKB_DROP_REASON_PKT_TOO_BIG, 'ip_fragment');
    return -EMSGSIZE;
  }
  return ip_do_fragment(network, sk, skb, output);
}

export function ip_do_fragment(network: net, sk: sock | null, skb: sk_buff, output: output_t): number {
  const rt = skb._skb_refdst!;
  // No device can checksum a datagram that it sees in pieces.
  if (skb.ip_summed === CHECKSUM_PARTIAL && skb_checksum_help(skb) !== 0) return failed(network, skb, -ENOMEM);
  const hlen = (ip_hdr(skb).version_ihl & 15) * 4;
  let mtu = ip_skb_dst_mtu(sk, skb);
  if (skb.ip_frag_max_size !== 0 && skb.ip_frag_max_size < mtu) mtu = skb.ip_frag_max_size;
  mtu -= hlen;
  skb.ip_flags |= IPSKB_FRAG_COMPLETE;
  const ll_rs = LL_RESERVED_SPACE(rt.dev);
  if (skb_has_frag_list(skb) && fitsAsItIs(skb, hlen, mtu, ll_rs)) return sendPieces(network, sk, skb, hlen, output);
  return sendCopies(network, sk, skb, hlen, ll_rs, mtu, output);
}

function failed(network: net, skb: sk_buff, err: number): number {
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, 'ip_do_fragment');
  IP_INC_STATS(network, IPSTATS_MIB_FRAGFAILS);
  return err;
}

/* The fast way: pieces exist */

/** Have all pieces a length that fragments can have, room for headers, and no other owner? */
function fitsAsItIs(skb: sk_buff, hlen: number, mtu: number, ll_rs: number): boolean {
  const first_len = skb_pagelen(skb);
  if (
    first_len - hlen > mtu ||
    ((first_len - hlen) & 7) !== 0 ||
    ip_is_fragment(ip_hdr(skb)) ||
    skb_cloned(skb) ||
    skb_headroom(skb) < ll_rs
  )
    return false;
  for (let frag = skb.shinfo.frag_list; frag !== null; frag = frag.next) {
    if (frag.len > mtu || ((frag.len & 7) !== 0 && frag.next !== null) || skb_headroom(frag) < hlen + ll_rs || skb_shared(frag))
      return false;
  }
  return true;
}

function sendPieces(network: net, sk: sock | null, skb: sk_buff, hlen: number, output: output_t): number {
  let frag = skb.shinfo.frag_list;
  for (let piece = frag; piece !== null; piece = piece.next) {
    if (skb.sk !== null) {
      piece.sk = skb.sk;
      piece.destructor = sock_wfree;
    }
    skb.truesize -= piece.truesize;
  }
  ip_fraglist_init(skb);
  let offset = 0;
  for (;;) {
    // The next one is made from this one, which is gone once it was sent.
    if (frag !== null) {
      const isFirst = offset === 0;
      frag.ip_flags = skb.ip_flags;
      offset += skb.len - hlen;
      ip_fraglist_prepare(skb, frag, hlen, offset, isFirst);
    }
    const err = output(network, sk, skb);
    if (err === 0) IP_INC_STATS(network, IPSTATS_MIB_FRAGCREATES);
    else {
      kfree_skb_list(frag, 'ip_do_fragment');
      IP_INC_STATS(network, IPSTATS_MIB_FRAGFAILS);
      return err;
    }
    if (frag === null) break;
    skb = frag;
    frag = skb.next;
    skb_mark_not_on_list(skb);
  }
  IP_INC_STATS(network, IPSTATS_MIB_FRAGOKS);
  return 0;
}

/** The head becomes the first fragment. */
function ip_fraglist_init(skb: sk_buff): void {
  const first_len = skb_pagelen(skb);
  skb.shinfo.frag_list = null;
  skb.data_len = first_len - skb_headlen(skb);
  skb.len = first_len;
  const iph = ip_hdr(skb);
  iph.tot_len = first_len;
  iph.frag_off = IP_MF;
  ip_send_check(iph);
}

/** Makes a fragment of `frag`, with the header of the one before it, `skb`, whose options are still all there if that is the first. */
function ip_fraglist_prepare(skb: sk_buff, frag: sk_buff, hlen: number, offset: number, isFirst: boolean): void {
  frag.ip_summed = CHECKSUM_NONE;
  skb_reset_transport_header(frag);
  __skb_push(frag, hlen);
  skb_reset_network_header(frag);
  copyHeader(frag, skb, hlen);
  const iph = ip_hdr(frag);
  iph.tot_len = frag.len;
  ip_copy_metadata(frag, skb);
  iph.frag_off = (offset >> 3) | (frag.next !== null ? IP_MF : 0);
  if (isFirst) ip_options_fragment(frag);
  ip_send_check(iph);
}

function copyHeader(to: sk_buff, from: sk_buff, hlen: number): void {
  const target = to.mem.u8;
  const source = from.mem.u8;
  for (let i = 0; i < hlen; i++) target[to.network_header + i] = source[from.network_header + i]!;
}

function ip_copy_metadata(to: sk_buff, from: sk_buff): void {
  to.pkt_type = from.pkt_type;
  to.priority = from.priority;
  to.protocol = from.protocol;
  to.skb_iif = from.skb_iif;
  skb_dst_drop(to);
  skb_dst_set(to, dst_clone(from._skb_refdst));
  to.dev = from.dev;
  to.mark = from.mark;
  to.hash = from.hash;
  to.l4_hash = from.l4_hash;
  to.sw_hash = from.sw_hash;
}

/* The slow way: copies */

function sendCopies(network: net, sk: sock | null, skb: sk_buff, hlen: number, ll_rs: number, mtu: number, output: output_t): number {
  const { frag_off } = ip_hdr(skb);
  const more = (frag_off & IP_MF) !== 0;
  const df = (skb.ip_flags & IPSKB_FRAG_PMTU) !== 0;
  let offset = (frag_off & IP_OFFSET) << 3;
  let ptr = hlen;
  let left = skb.len - hlen;
  while (left > 0) {
    let len = Math.min(left, mtu);
    if (len < left) len &= ~7;
    const skb2 = ip_frag_next(skb, hlen, ll_rs, ptr, len);
    if (skb2 === null) return failed(network, skb, -ENOMEM);
    left -= len;
    // What is itself a later fragment has lost its options before.
    if (offset === 0) ip_options_fragment(skb);
    const iph = ip_hdr(skb2);
    iph.frag_off = (offset >> 3) | (df ? IP_DF : 0) | (left > 0 || more ? IP_MF : 0);
    iph.tot_len = len + hlen;
    ip_send_check(iph);
    skb2.ip_flags = skb.ip_flags;
    // The first fragment is still the datagram that observers know.
    if (ptr === hlen) skb2.packetId = skb.packetId;
    ptr += len;
    offset += len;
    const err = output(network, sk, skb2);
    if (err !== 0) return failed(network, skb, err);
    IP_INC_STATS(network, IPSTATS_MIB_FRAGCREATES);
  }
  consume_skb(skb, 'ip_do_fragment');
  IP_INC_STATS(network, IPSTATS_MIB_FRAGOKS);
  return 0;
}

/** A fragment with a copy of the header and of `len` bytes from `ptr` on. */
function ip_frag_next(skb: sk_buff, hlen: number, ll_rs: number, ptr: number, len: number): sk_buff | null {
  const skb2 = alloc_skb(len + hlen + ll_rs, GFP_ATOMIC);
  if (skb2 === null) return null;
  ip_copy_metadata(skb2, skb);
  skb_reserve(skb2, ll_rs);
  skb_put(skb2, len + hlen);
  skb_reset_network_header(skb2);
  skb2.transport_header = skb2.network_header + hlen;
  if (skb.sk !== null) skb_set_owner_w(skb2, skb.sk as sock);
  copyHeader(skb2, skb, hlen);
  chargeCopy(kernel().copies.skbToSkb, len);
  skb_copy_bits(skb, ptr, skb2.mem.u8, skb2.transport_header, len);
  return skb2;
}
