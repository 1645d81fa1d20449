/**
 * net/core/gro.c: generic receive offload: segments of one flow that arrive together become one packet.
 * `napi_gro_receive` → `gro_receive_skb` → `dev_gro_receive` → the protocols' gro_receive → merged (`skb_gro_receive`), held, or
 * `gro_normal_one` → `netif_receive_skb_list_internal`. Held packets leave by `napi_gro_flush` → `napi_gro_complete`.
 */
import { kernel, trace } from '../../current.ts';
import {
  GRO_HASH_BUCKETS,
  GRO_HELD,
  GRO_LEGACY_MAX_SIZE,
  GRO_MERGED,
  GRO_MERGED_FREE,
  GRO_NORMAL,
  type gro_list,
  NETIF_F_GRO,
  type napi_struct,
} from '../../include/linux/netdevice.ts';
import {
  __skb_header_release,
  __skb_queue_head,
  __skb_queue_tail,
  __skb_unlink,
  CHECKSUM_COMPLETE,
  CHECKSUM_UNNECESSARY,
  copyFrag,
  MAX_SKB_FRAGS,
  SKB_FCLONE_UNAVAILABLE,
  SKB_META_SIZE,
  SKB_TRUESIZE,
  type sk_buff,
  type sk_buff_head,
  skb_end_offset,
  skb_fill_page_desc,
  skb_has_frag_list,
  skb_headlen,
  skb_is_gso,
  skb_is_gso_tcp,
  skb_pull,
  skb_reset_mac_len,
  skb_set_network_header,
} from '../../include/linux/skbuff.ts';
import { SKB_CONSUMED } from '../../include/net/dropreason.ts';
import { type packet_offload, skb_gro_len, skb_gro_offset } from '../../include/net/gro.ts';
import { NAPI_GRO_FREE, NAPI_GRO_FREE_STOLEN_HEAD } from '../../include/net/napi_gro_cb.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { showPacket } from '../../include/net/packet_watchers.ts';
import { jiffies } from '../../kernel/time/timer.ts';
import { csum_add, csum_fold } from '../../lib/checksum.ts';
import { E2BIG } from '../../uapi/errno.ts';
import { ETH_HLEN } from '../../uapi/if_ether.ts';
import { netif_receive_skb_list_internal } from './dev_receive.ts';
import { skb_checksum } from './skbuff_bits.ts';
import { __kfree_skb, __napi_kfree_skb, kfree_skb, napi_skb_free_stolen_head } from './skbuff_free.ts';
import { pskb_may_pull } from './skbuff_reshape.ts';

/** Flows that a bucket holds packets of. */
const MAX_GRO_SKBS = 8;

export function dev_add_offload(network: net, offload: packet_offload): void {
  const offloads = network.offload_base;
  let i = 0;
  while (i < offloads.length && offloads[i]!.priority <= offload.priority) i++;
  offloads.splice(i, 0, offload);
}

/* Receiving */

/** A packet from a driver's poll function. */
export function napi_gro_receive(napi: napi_struct, skb: sk_buff): number {
  return gro_receive_skb(napi, skb);
}

function gro_receive_skb(napi: napi_struct, skb: sk_buff): number {
  skb.napi_id = napi.napi_id;
  trace().napi_gro_receive_entry?.(skb);
  showPacket(kernel().watchers.gro, skb, false);
  skb.gro.data_offset = 0;
  const ret = gro_skb_finish(napi, skb, dev_gro_receive(napi, skb));
  trace().napi_gro_receive_exit?.(ret);
  return ret;
}

/** Merges the packet, holds it, or says that it is to go up as it is. */
function dev_gro_receive(napi: napi_struct, skb: sk_buff): number {
  if ((skb.dev!.features & NETIF_F_GRO) === 0) return GRO_NORMAL;
  const bucket = skb.hash & (GRO_HASH_BUCKETS - 1);
  const list = napi.gro_hash[bucket]!;
  gro_list_prepare(list.list, skb);
  const offload = gro_find_receive_by_type(skb.dev!.nd_net, skb.protocol);
  if (offload === null) return GRO_NORMAL;
  prepareControlBlock(skb);
  const completed = offload.callbacks.gro_receive!(list.list, skb);
  if (completed !== null) {
    __skb_unlink(completed, list.list);
    napi_gro_complete(napi, completed);
    list.count--;
  }
  const ret = skb.gro.same_flow ? (skb.gro.free !== 0 ? GRO_MERGED_FREE : GRO_MERGED) : hold(napi, list, skb);
  if (list.count > 0) napi.gro_bitmask |= 1 << bucket;
  else napi.gro_bitmask &= ~(1 << bucket);
  return ret;
}

/** It is the first of its flow: it waits for more, unless the protocol said that it must not. */
function hold(napi: napi_struct, list: gro_list, skb: sk_buff): number {
  const cb = skb.gro;
  if (cb.flush !== 0) return GRO_NORMAL;
  if (list.count >= MAX_GRO_SKBS) gro_flush_oldest(napi, list.list);
  else list.count++;
  cb.age = jiffies();
  cb.last = skb;
  if (!skb_is_gso(skb)) skb.shinfo.gso_size = skb_gro_len(skb);
  __skb_queue_head(list.list, skb);
  const lack = skb_gro_offset(skb) - skb_headlen(skb);
  if (lack > 0) pskb_may_pull(skb, skb_gro_offset(skb));
  return GRO_HELD;
}

function prepareControlBlock(skb: sk_buff): void {
  const cb = skb.gro;
  skb_set_network_header(skb, cb.data_offset);
  skb_reset_mac_len(skb);
  cb.same_flow = false;
  cb.csum_valid = false;
  cb.csum_cnt = 0;
  cb.free = 0;
  cb.ip_fixedid = false;
  cb.flush = skb_has_frag_list(skb) ? 1 : 0;
  cb.count = 1;
  if (skb_is_gso(skb)) {
    cb.count = skb.shinfo.gso_segs;
    if (!skb_is_gso_tcp(skb)) cb.flush = 1;
  }
  if (skb.ip_summed === CHECKSUM_COMPLETE) {
    cb.csum = skb.csum;
    cb.csum_valid = true;
  } else if (skb.ip_summed === CHECKSUM_UNNECESSARY) cb.csum_cnt = skb.csum_level + 1;
}

/** Which of the held packets have the same link-layer header, device and VLAN? */
function gro_list_prepare(head: sk_buff_head, skb: sk_buff): void {
  for (let p = head.next; p !== null; p = p.next) {
    p.gro.flush = 0;
    p.gro.same_flow =
      p.hash === skb.hash &&
      p.dev === skb.dev &&
      p.vlan_present === skb.vlan_present &&
      (!p.vlan_present || p.vlan_tci === skb.vlan_tci) &&
      sameMacHeader(p, skb) &&
      (!(skb.slow_gro || p.slow_gro) || p.sk === skb.sk);
  }
}

function sameMacHeader(p: sk_buff, skb: sk_buff): boolean {
  if (skb.dev!.hard_header_len !== ETH_HLEN) return true;
  const a = p.mem.view;
  const b = skb.mem.view;
  const i = p.mac_header;
  const j = skb.mac_header;
  return (
    a.getUint32(i) === b.getUint32(j) &&
    a.getUint32(i + 4) === b.getUint32(j + 4) &&
    a.getUint32(i + 8) === b.getUint32(j + 8) &&
    a.getUint16(i + 12) === b.getUint16(j + 12)
  );
}

export function gro_find_receive_by_type(network: net, type: number): packet_offload | null {
  const offloads = network.offload_base;
  for (let i = 0; i < offloads.length; i++)
    if (offloads[i]!.type === type && offloads[i]!.callbacks.gro_receive !== undefined) return offloads[i]!;
  return null;
}

function gro_skb_finish(napi: napi_struct, skb: sk_buff, ret: number): number {
  if (ret === GRO_NORMAL) gro_normal_one(napi, skb, 1);
  else if (ret === GRO_MERGED_FREE) {
    if (skb.gro.free === NAPI_GRO_FREE_STOLEN_HEAD) napi_skb_free_stolen_head(skb);
    else if (skb.fclone !== SKB_FCLONE_UNAVAILABLE) __kfree_skb(skb);
    else __napi_kfree_skb(skb, SKB_CONSUMED);
  }
  return ret;
}

/** Passes one packet up, in batches: `segs` is how many frames it counts for. */
export function gro_normal_one(napi: napi_struct, skb: sk_buff, segs: number): void {
  __skb_queue_tail(napi.rx_list, skb);
  napi.rx_count += segs;
  if (napi.rx_count >= kernel().init_net.core.gro_normal_batch) gro_normal_list(napi);
}

export function gro_normal_list(napi: napi_struct): void {
  if (napi.rx_count === 0) return;
  napi.rx_count = 0;
  netif_receive_skb_list_internal(napi.rx_list);
}

/* Merging */

/** Appends the payload of `skb` to `p`; 0, or -errno when `p` is full. Fragments and heads in pages move, other heads go to the frag_list. */
export function skb_gro_receive(p: sk_buff, skb: sk_buff): number {
  const len = skb_gro_len(skb);
  if (p.len + len >= Math.min(p.dev!.gro_max_size, GRO_LEGACY_MAX_SIZE) || skb.gro.flush !== 0) return -E2BIG;
  let target = p.gro.last!;
  let delta = takeFrags(target, skb);
  if (delta < 0) {
    delta = chain(p, skb);
    target = p;
  }
  p.gro.count += skb.gro.count;
  grow(p, len, delta);
  if (target !== p) grow(target, len, delta);
  skb.gro.same_flow = true;
  noteMerged(p, skb);
  return 0;
}

function grow(skb: sk_buff, len: number, truesize: number): void {
  skb.data_len += len;
  skb.truesize += truesize;
  skb.len += len;
}

/** Payload becomes fragments of `target`; returns by how much its truesize grows, -1 when that cannot be. */
function takeFrags(target: sk_buff, skb: sk_buff): number {
  const offset = skb_gro_offset(skb);
  const headlen = skb_headlen(skb);
  const to = target.shinfo;
  const from = skb.shinfo;
  if (headlen <= offset) {
    if (to.nr_frags + from.nr_frags > MAX_SKB_FRAGS) return -1;
    return moveFrags(target, skb, offset - headlen);
  }
  if (!skb.head_frag || to.nr_frags + 1 + from.nr_frags > MAX_SKB_FRAGS) return -1;
  skb_fill_page_desc(target, to.nr_frags, skb.headPage!, skb.data + offset, headlen - offset);
  for (let i = 0; i < from.nr_frags; i++) copyFrag(to, to.nr_frags++, from.frags[i]!);
  const delta = skb.truesize - SKB_META_SIZE;
  skb.truesize = SKB_META_SIZE;
  skb.gro.free = NAPI_GRO_FREE_STOLEN_HEAD;
  return delta;
}

/** All data are in fragments, of whose first `eat` bytes are headers. */
function moveFrags(target: sk_buff, skb: sk_buff, eat: number): number {
  const to = target.shinfo;
  const from = skb.shinfo;
  const first = to.nr_frags;
  for (let i = 0; i < from.nr_frags; i++) copyFrag(to, to.nr_frags++, from.frags[i]!);
  to.frags[first]!.off += eat;
  to.frags[first]!.size -= eat;
  from.nr_frags = 0;
  const rest = SKB_TRUESIZE(skb_end_offset(skb));
  const delta = skb.truesize - rest;
  skb.truesize = rest;
  skb.len -= skb.data_len;
  skb.data_len = 0;
  skb.gro.free = NAPI_GRO_FREE;
  return delta;
}

/** The packet without its headers goes to the end of the frag_list of `p`. */
function chain(p: sk_buff, skb: sk_buff): number {
  const headlen = skb_headlen(skb);
  let offset = skb_gro_offset(skb);
  skb.destructor = null;
  skb.sk = null;
  if (offset > headlen) {
    const eat = offset - headlen;
    skb.shinfo.frags[0]!.off += eat;
    skb.shinfo.frags[0]!.size -= eat;
    skb.data_len -= eat;
    skb.len -= eat;
    offset = headlen;
  }
  skb_pull(skb, offset);
  if (p.gro.last === p) p.shinfo.frag_list = skb;
  else p.gro.last!.next = skb;
  p.gro.last = skb;
  __skb_header_release(skb);
  return skb.truesize;
}

/** Observers want to know which frames a packet is made of. */
function noteMerged(p: sk_buff, skb: sk_buff): void {
  if (p.mergedIds === null) p.mergedIds = [];
  p.mergedIds.push(skb.packetId);
  if (skb.mergedIds !== null) for (let i = 0; i < skb.mergedIds.length; i++) p.mergedIds.push(skb.mergedIds[i]!);
}

/* Completion */

/** A merged packet is finished: headers put right, then up with it. */
export function napi_gro_complete(napi: napi_struct, skb: sk_buff): void {
  if (skb.gro.count === 1) skb.shinfo.gso_size = 0;
  else {
    const offload = gro_find_receive_by_type(skb.dev!.nd_net, skb.protocol);
    if (offload === null || offload.callbacks.gro_complete!(skb, 0) !== 0) {
      kfree_skb(skb, 'gro_complete');
      return;
    }
  }
  gro_normal_one(napi, skb, skb.gro.count);
}

/** Completes what is held: all, or (`flush_old`) what was there before this jiffy. */
export function napi_gro_flush(napi: napi_struct, flush_old: boolean): void {
  for (let index = 0, bits = napi.gro_bitmask; bits !== 0; index++, bits >>>= 1)
    if ((bits & 1) !== 0) __gro_flush_chain(napi, index, flush_old);
}

/** Oldest first: they are at the end. */
function __gro_flush_chain(napi: napi_struct, index: number, flush_old: boolean): void {
  const list = napi.gro_hash[index]!;
  for (let skb = list.list.prev; skb !== null; skb = list.list.prev) {
    if (flush_old && skb.gro.age === jiffies()) return;
    __skb_unlink(skb, list.list);
    napi_gro_complete(napi, skb);
    list.count--;
  }
  napi.gro_bitmask &= ~(1 << index);
}

function gro_flush_oldest(napi: napi_struct, head: sk_buff_head): void {
  const oldest = head.prev!;
  __skb_unlink(oldest, head);
  napi_gro_complete(napi, oldest);
}

/** Completes what is held and passes up what waits in the batch. */
export function gro_flush_normal(napi: napi_struct, flush_old: boolean): void {
  if (napi.gro_bitmask !== 0) napi_gro_flush(napi, flush_old);
  gro_normal_list(napi);
}

/** Frees what is held: the NAPI instance goes. */
export function flush_gro_hash(napi: napi_struct): void {
  for (const list of napi.gro_hash) {
    for (let skb = list.list.prev; skb !== null; skb = list.list.prev) {
      __skb_unlink(skb, list.list);
      kfree_skb(skb, 'flush_gro_hash');
    }
    list.count = 0;
  }
  napi.gro_bitmask = 0;
}

/* For protocols */

/** Where `hlen` bytes of headers, counted from data, can be read (offset in mem of the one at `offset`); -1 when the packet is shorter. */
export function skb_gro_header(skb: sk_buff, hlen: number, offset: number): number {
  if (hlen > skb.len - skb.data_len && !pskb_may_pull(skb, hlen)) return -1;
  return skb.data + offset;
}

/** Sums what has not been read yet onto the pseudo header in `csum`; 0 when the checksum is right. */
export function __skb_gro_checksum_complete(skb: sk_buff): number {
  const csum = skb_checksum(skb, skb_gro_offset(skb), skb_gro_len(skb), 0);
  const sum = csum_fold(csum_add(skb.gro.csum, csum));
  skb.gro.csum = csum;
  skb.gro.csum_valid = true;
  return sum;
}

/** Shared by protocols that validate against a pseudo header's sum. */
export function __skb_gro_checksum_validate_complete(skb: sk_buff, psum: number): number {
  if (skb.gro.csum_valid && csum_fold(csum_add(psum, skb.gro.csum)) === 0) return 0;
  skb.gro.csum = psum;
  return __skb_gro_checksum_complete(skb);
}
