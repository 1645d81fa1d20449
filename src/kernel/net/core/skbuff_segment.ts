/**
 * net/core/skbuff.c: `skb_segment`, software's TSO: a packet with gso_size becomes a list of packets, each with a copy of the headers.
 * Payload that lies in pages is shared, not copied, if the device can gather (NETIF_F_SG).
 *
 * Simplified: there is no NETIF_F_GSO_PARTIAL, and no segmentation along the frag_list (GSO_BY_FRAGS, SKB_GSO_FRAGLIST).
 */
import { InvariantError } from '../../../sim/invariant.ts';
import { kernel } from '../../current.ts';
import { NETIF_F_SG } from '../../include/linux/netdevice.ts';
import {
  __skb_push,
  __skb_put,
  CHECKSUM_NONE,
  MAX_SKB_FRAGS,
  type sk_buff,
  skb_fill_page_desc,
  skb_headlen,
  skb_headroom,
  skb_mac_header,
  skb_reserve,
} from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { chargeCopy } from '../../lib/charge.ts';
import { get_page } from '../../mm/page_alloc.ts';
import { ENOMEM } from '../../uapi/errno.ts';
import { alloc_skb } from './skbuff.ts';
import { __copy_skb_header } from './skbuff_clone.ts';
import { kfree_skb_list } from './skbuff_free.ts';
import { skb_headers_offset_update } from './skbuff_reshape.ts';
import { sock_wfree } from './sock_owner.ts';

/** Goes through the payload of a packet, piece by piece: linear part, fragments, and the same of each packet in the frag_list. */
class payload {
  skb: sk_buff;
  /** The piece: -1 is the linear part, else a fragment. */
  index = -1;
  /** Bytes of the piece that are used up. */
  used: number;

  constructor(skb: sk_buff, offset: number) {
    this.skb = skb;
    this.used = offset;
  }

  get left(): number {
    return (this.index < 0 ? skb_headlen(this.skb) : this.skb.shinfo.frags[this.index]!.size) - this.used;
  }

  /** Goes to the next piece that is not empty. */
  settle(head: sk_buff): void {
    while (this.left === 0) {
      this.used = 0;
      if (++this.index < this.skb.shinfo.nr_frags) continue;
      this.index = -1;
      this.skb = (this.skb === head ? head.shinfo.frag_list : this.skb.next)!;
    }
  }
}

/**
 * Cuts `head` (data at the payload, mac header set) into segments of gso_size bytes, linked by `next`, data at their mac headers; `prev` of the first is the last.
 * Returns -errno when it fails. `csum`: will the device sum the segments?
 */
export function skb_segment(head: sk_buff, features: number, csum: boolean): sk_buff | number {
  const mss = head.shinfo.gso_size;
  const doffset = head.data - skb_mac_header(head);
  __skb_push(head, doffset);
  const gather = (features & NETIF_F_SG) !== 0 && canShare(head);
  const from = new payload(head, doffset);
  let segs: sk_buff | null = null;
  let tail: sk_buff | null = null;
  let number = 0;
  for (let offset = doffset; offset < head.len; offset += mss, number++) {
    const seg = segment(head, from, doffset, Math.min(mss, head.len - offset), gather);
    if (seg === null) {
      kfree_skb_list(segs, 'skb_segment');
      return -ENOMEM;
    }
    if (!csum) seg.ip_summed = CHECKSUM_NONE;
    seg.packetId = segmentId(head, number);
    if (tail === null) segs = seg;
    else tail.next = seg;
    tail = seg;
  }
  segs!.prev = tail;
  if (head.destructor === sock_wfree) passOwner(head, tail!);
  return segs!;
}

/** Packet id of a segment: GRO knows the ids of the frames it merged, otherwise they are consecutive. */
function segmentId(head: sk_buff, number: number): number {
  const merged = head.mergedIds;
  if (number === 0 || head.packetId === 0) return head.packetId;
  return merged === null ? head.packetId + number : (merged[number - 1] ?? head.packetId);
}

/** Can every piece but the head's own linear part be shared? */
function canShare(head: sk_buff): boolean {
  for (let part = head.shinfo.frag_list; part !== null; part = part.next) if (skb_headlen(part) > 0 && !part.head_frag) return false;
  return true;
}

/** One segment: headers copied, `len` bytes of payload. */
function segment(head: sk_buff, from: payload, doffset: number, len: number, gather: boolean): sk_buff | null {
  const headroom = skb_headroom(head);
  const linear = !gather ? len : from.skb === head && from.index < 0 ? Math.min(from.left, len) : 0;
  const seg = alloc_skb(headroom + doffset + linear, GFP_ATOMIC);
  if (seg === null) return null;
  skb_reserve(seg, headroom);
  __skb_put(seg, doffset);
  __copy_skb_header(seg, head);
  skb_headers_offset_update(seg, seg.data - head.data);
  seg.mac_len = seg.network_header - seg.mac_header;
  head.mem.block.copyTo(seg.mem.block, seg.data, head.data, doffset);
  chargeCopy(kernel().copies.skbToSkb, doffset + linear);
  let todo = copyLinear(seg, head, from, len, linear);
  while (todo > 0) todo -= sharePiece(seg, head, from, todo);
  seg.truesize += seg.data_len;
  return seg;
}

/** Copies `linear` of the `len` bytes; returns how many are left to share. */
function copyLinear(seg: sk_buff, head: sk_buff, from: payload, len: number, linear: number): number {
  for (let todo = linear; todo > 0; ) {
    from.settle(head);
    const chunk = Math.min(from.left, todo);
    const frag = from.index < 0 ? null : from.skb.shinfo.frags[from.index]!;
    const mem = frag === null ? from.skb.mem : frag.page.mem;
    const start = frag === null ? from.skb.data : frag.off;
    mem.block.copyTo(seg.mem.block, __skb_put(seg, chunk), start + from.used, chunk);
    from.used += chunk;
    todo -= chunk;
  }
  return len - linear;
}

/** Adds up to `todo` bytes of the current piece as a fragment; returns how many. */
function sharePiece(seg: sk_buff, head: sk_buff, from: payload, todo: number): number {
  from.settle(head);
  const chunk = Math.min(from.left, todo);
  const frag = from.index < 0 ? null : from.skb.shinfo.frags[from.index]!;
  const p = frag === null ? from.skb.headPage! : frag.page;
  const start = frag === null ? from.skb.data : frag.off;
  if (seg.shinfo.nr_frags === MAX_SKB_FRAGS) throw new InvariantError(`a segment of more than ${MAX_SKB_FRAGS} fragments`);
  get_page(p);
  skb_fill_page_desc(seg, seg.shinfo.nr_frags, p, start + from.used, chunk);
  seg.len += chunk;
  seg.data_len += chunk;
  from.used += chunk;
  return chunk;
}

/** The last segment is charged to the owner, so that he learns when all have left. */
function passOwner(head: sk_buff, tail: sk_buff): void {
  const truesize = tail.truesize;
  tail.truesize = head.truesize;
  head.truesize = truesize;
  tail.destructor = head.destructor;
  head.destructor = null;
  tail.sk = head.sk;
  head.sk = null;
}
