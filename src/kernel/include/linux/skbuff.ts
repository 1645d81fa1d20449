/**
 * include/linux/skbuff.h: the socket buffer and the small functions on it. Its shared part with the fragments is in skbuff_frags.ts, queues are in skbuff_queue.ts.
 *
 * `mem` is the section of physical memory that holds the linear part; `head`, `data`, `tail`, `end` are offsets in it, and header positions
 * (`transport_header` …) are offsets in it too, -1 while unset. `skb_shared_info` is an object that clones share, where C keeps it behind `end`.
 */

import type { MemorySection } from '../../../machine/memory.ts';
import { InvariantError } from '../../../sim/invariant.ts';
import { WIDE } from '../../../sim/wide.ts';
import type { page } from '../../mm/page_alloc.ts';
import type { kmem_cache, objectCache, slabObject } from '../../mm/slab.ts';
import type { dst_entry } from '../net/dst.ts';
import { napi_gro_cb } from '../net/napi_gro_cb.ts';
import type { request_sock } from '../net/request_sock.ts';
import type { sock } from '../net/sock.ts';
import { tcp_skb_cb } from '../net/tcp_skb_cb.ts';
import { newAddress } from './address.ts';
import type { sock_exterr_skb } from './errqueue.ts';
import type { net_device } from './netdevice.ts';
import type { skb_shared_info } from './skbuff_frags.ts';
import type { sk_buff_head } from './skbuff_queue.ts';

export * from './skbuff_frags.ts';
export * from './skbuff_queue.ts';

export const MAX_SKB_FRAGS = 17;
/** sizeof(struct sk_buff) and sizeof(struct skb_shared_info) on x86-64, cache-aligned: what truesize counts beside the data. */
export const SKB_META_SIZE = 256;
export const SKB_SHINFO_SIZE = 320;
export const SMP_CACHE_BYTES = 64;
export const SKB_HEAD_ALIGN = (size: number): number => SKB_DATA_ALIGN(size) + SKB_SHINFO_SIZE;
/** Room that GRO wants in front of what it pulls; heads up to this size come from a cache of their own. */
export const GRO_MAX_HEAD = 304;
export const GRO_MAX_HEAD_PAD = 368;
/** SKB_HEAD_ALIGN of the larger of MAX_TCP_HEADER and GRO_MAX_HEAD_PAD. Not a power of two, so that its objects are told apart from kmalloc's. */
export const SKB_SMALL_HEAD_CACHE_SIZE = 704;
export const SKB_SMALL_HEAD_HEADROOM = SKB_SMALL_HEAD_CACHE_SIZE - SKB_SHINFO_SIZE;
export const NET_SKB_PAD = 64;
export const NET_IP_ALIGN = 0;
export const SKB_MAX_HEAD_HEADROOM = 128;

export const SKB_DATA_ALIGN = (size: number): number => (size + (SMP_CACHE_BYTES - 1)) & ~(SMP_CACHE_BYTES - 1);
export const SKB_WITH_OVERHEAD = (size: number): number => size - SKB_SHINFO_SIZE;
export const SKB_TRUESIZE = (size: number): number => size + SKB_META_SIZE + SKB_SHINFO_SIZE;

export const CHECKSUM_NONE = 0;
export const CHECKSUM_UNNECESSARY = 1;
export const CHECKSUM_COMPLETE = 2;
export const CHECKSUM_PARTIAL = 3;

export const PACKET_HOST = 0;
export const PACKET_BROADCAST = 1;
export const PACKET_MULTICAST = 2;
export const PACKET_OTHERHOST = 3;
export const PACKET_OUTGOING = 4;
export const PACKET_LOOPBACK = 5;

export const SKB_GSO_TCPV4 = 1 << 0;
export const SKB_GSO_DODGY = 1 << 1;
export const SKB_GSO_TCP_ECN = 1 << 2;
export const SKB_GSO_TCP_FIXEDID = 1 << 3;
export const SKB_GSO_TCPV6 = 1 << 4;
export const SKB_GSO_UDP_L4 = 1 << 17;
export const SKB_GSO_FRAGLIST = 1 << 18;
export const SKB_GSO_TCP_ACCECN = 1 << 19;

export const SKBTX_HW_TSTAMP_NOBPF = 1 << 0;
export const SKBTX_SW_TSTAMP = 1 << 1;
export const SKBTX_IN_PROGRESS = 1 << 2;
export const SKBTX_COMPLETION_TSTAMP = 1 << 3;
export const SKBTX_SCHED_TSTAMP = 1 << 6;
/** Those that ask for a stamp. */
export const SKBTX_ANY_TSTAMP = SKBTX_HW_TSTAMP_NOBPF | SKBTX_SW_TSTAMP | SKBTX_COMPLETION_TSTAMP | SKBTX_SCHED_TSTAMP;

export const SKB_FCLONE_UNAVAILABLE = 0;
export const SKB_FCLONE_ORIG = 1;
export const SKB_FCLONE_CLONE = 2;

export const skb_shinfo = (skb: sk_buff): skb_shared_info => skb.shinfo;

export class sk_buff {
  readonly address = newAddress(256);
  next: sk_buff | null = null;
  prev: sk_buff | null = null;
  /** The queue it is on; null on none and in a tree. */
  list: sk_buff_head | null = null;
  /** rbnode: its place in a tree (skbuff_rbtree.ts). */
  rbParent: sk_buff | null = null;
  rb_left: sk_buff | null = null;
  rb_right: sk_buff | null = null;
  rbRed = false;
  /** tcp_tsorted_anchor: links of tcp_sock.tsorted_sent_queue, and whether it is on it. */
  tsortedNext: sk_buff | null = null;
  tsortedPrev: sk_buff | null = null;
  tsorted = false;

  sk: sock | request_sock | null = null;
  dev: net_device | null = null;
  _skb_refdst: dst_entry | null = null;
  dstNoref = false;
  destructor: ((skb: sk_buff) => void) | null = null;

  mem: MemorySection = null as unknown as MemorySection;
  head = 0;
  data = 0;
  tail = 0;
  end = 0;
  /** Owner of the linear part: a slab object, or a page fragment (`head_frag`). */
  headObject: slabObject | null = null;
  headPage: page | null = null;
  shinfo: skb_shared_info = null as unknown as skb_shared_info;

  len = 0;
  data_len = 0;
  truesize = 0;
  users = 1;
  cloned = false;
  nohdr = false;
  fclone = SKB_FCLONE_UNAVAILABLE;
  /** struct sk_buff_fclones: the other half of the pair, for good; how many halves are in use is kept in the original (skb1). */
  fclonePeer: sk_buff | null = null;
  fclone_ref = 0;
  /** CPU that allocated it, which gets it back (skb_attempt_defer_free). */
  alloc_cpu = 0;
  peeked = false;
  head_frag = false;
  pfmemalloc = false;
  slow_gro = false;

  mac_header = -1;
  network_header = -1;
  transport_header = -1;
  mac_len = 0;
  protocol = 0;
  pkt_type = PACKET_HOST;
  priority = 0;
  mark = 0;
  queue_mapping = 0;
  ip_summed = CHECKSUM_NONE;
  csum = WIDE;
  /** CHECKSUM_PARTIAL: from where (offset in mem) and where to, relative to csum_start. */
  csum_start = 0;
  csum_offset = 0;
  csum_level = 0;
  csum_valid = false;
  hash = WIDE;
  l4_hash = false;
  sw_hash = false;
  napi_id = 0;
  skb_iif = 0;
  vlan_proto = 0;
  vlan_tci = 0;
  vlan_present = false;
  ooo_okay = false;
  tstamp = WIDE;
  tstamp_type = 0;
  skb_mstamp_ns = WIDE;
  dst_pending_confirm = false;
  ignore_df = false;

  /** skb->cb as TCP, IP and GRO use it: one object each, since none may disturb the other's life here. */
  readonly tcp: tcp_skb_cb = new tcp_skb_cb();
  readonly gro: napi_gro_cb = new napi_gro_cb();
  ip_opt_len = 0;
  ip_flags = 0;
  ip_frag_max_size = 0;
  /** Clock of the CPU that left it in a queue for another one to find: it is found no earlier. */
  queuedTime = WIDE;
  qdisc_pkt_len = 0;
  /** Why it is dropped, while it waits to be freed: tc_skb_cb's drop_reason, get_kfree_skb_cb()'s reason. */
  dropReason = 0;

  /** SO_RXQ_OVFL: packets that the socket lost before this one. */
  dropcount = 0;
  /** SKB_EXT_ERR: what a packet in an error queue tells. */
  exterr: sock_exterr_skb | null = null;

  /** First of the packet ids this packet has on the wire (one a segment); observers only. */
  packetId = WIDE;
  /** Packet ids that GRO merged into this one beyond its own: observers only. */
  mergedIds: number[] | null = null;
  /** Where it is now in the pools: catches use after free. */
  live = false;
}

/** Pools and caches behind alloc_skb(); made by skb_init(). */
export interface skbCaches {
  readonly skbuff_cache: objectCache<sk_buff>;
  /** Originals, each with its companion: see `fclonePeer`. */
  readonly skbuff_fclone_cache: objectCache<sk_buff>;
  readonly shinfo_cache: objectCache<skb_shared_info>;
  readonly small_head_cache: kmem_cache;
  /** sk_buffs alive, for the report of leaks. */
  live: number;
}

export const skb_end_pointer = (skb: sk_buff): number => skb.end;
export const skb_end_offset = (skb: sk_buff): number => skb.end - skb.head;
export const skb_headlen = (skb: sk_buff): number => skb.len - skb.data_len;
export const skb_is_nonlinear = (skb: sk_buff): boolean => skb.data_len > 0;
export const skb_headroom = (skb: sk_buff): number => skb.data - skb.head;
export const skb_tailroom = (skb: sk_buff): number => (skb.data_len > 0 ? 0 : skb.end - skb.tail);
export const skb_availroom = (skb: sk_buff): number => (skb.data_len > 0 ? 0 : skb.end - skb.tail);
export const skb_is_gso = (skb: sk_buff): boolean => skb.shinfo.gso_size !== 0;
export const skb_cloned = (skb: sk_buff): boolean => skb.cloned && skb.shinfo.dataref !== 1;
export const skb_shared = (skb: sk_buff): boolean => skb.users !== 1;
export const skb_header_cloned = (skb: sk_buff): boolean => skb.cloned && skb.shinfo.dataref - skb.shinfo.datarefNohdr !== 1;

/** This holder will not touch the header: its clones may write theirs in place. */
export function __skb_header_release(skb: sk_buff): void {
  skb.nohdr = true;
  skb.shinfo.datarefNohdr = 1;
}

export function skb_reserve(skb: sk_buff, len: number): void {
  skb.data += len;
  skb.tail += len;
}

/** Adds `len` bytes at the end; returns where they start (offset in mem). */
export function skb_put(skb: sk_buff, len: number): number {
  const at = skb.tail;
  skb.tail += len;
  skb.len += len;
  if (skb.tail > skb.end) throw new InvariantError(`skb_put: ${len} bytes over the end (len ${skb.len})`);
  return at;
}

/** Adds `len` bytes at the front; returns where they start. */
export function skb_push(skb: sk_buff, len: number): number {
  skb.data -= len;
  skb.len += len;
  if (skb.data < skb.head) throw new InvariantError(`skb_push: ${len} bytes under the head (len ${skb.len})`);
  return skb.data;
}

/** Takes `len` bytes off the front of the linear part (they must be there). */
export function skb_pull(skb: sk_buff, len: number): number {
  skb.len -= len;
  if (skb.len < skb.data_len) throw new InvariantError(`skb_pull: ${len} bytes beyond the linear part`);
  skb.data += len;
  return skb.data;
}

export const __skb_pull = skb_pull;

export function skb_reset_mac_header(skb: sk_buff): void {
  skb.mac_header = skb.data;
}
export function skb_reset_network_header(skb: sk_buff): void {
  skb.network_header = skb.data;
}
export function skb_reset_transport_header(skb: sk_buff): void {
  skb.transport_header = skb.data;
}
export function skb_set_transport_header(skb: sk_buff, offset: number): void {
  skb.transport_header = skb.data + offset;
}
export function skb_set_network_header(skb: sk_buff, offset: number): void {
  skb.network_header = skb.data + offset;
}
export function skb_reset_mac_len(skb: sk_buff): void {
  skb.mac_len = skb.network_header - skb.mac_header;
}
/** Where a header starts: an offset in `skb.mem`. */
export const skb_mac_header = (skb: sk_buff): number => skb.mac_header;
export const skb_network_header = (skb: sk_buff): number => skb.network_header;
export const skb_transport_header = (skb: sk_buff): number => skb.transport_header;
export const skb_mac_header_was_set = (skb: sk_buff): boolean => skb.mac_header >= 0;
export const skb_transport_header_was_set = (skb: sk_buff): boolean => skb.transport_header >= 0;
/** Distances from `data`. */
export const skb_network_offset = (skb: sk_buff): number => skb.network_header - skb.data;
export const skb_transport_offset = (skb: sk_buff): number => skb.transport_header - skb.data;
export const skb_mac_offset = (skb: sk_buff): number => skb.mac_header - skb.data;
export const skb_checksum_start_offset = (skb: sk_buff): number => skb.csum_start - skb.data;
export const skb_network_header_len = (skb: sk_buff): number => skb.transport_header - skb.network_header;

export const skb_mac_header_len = (skb: sk_buff): number => skb.network_header - skb.mac_header;
export function skb_set_mac_header(skb: sk_buff, offset: number): void {
  skb.mac_header = skb.data + offset;
}
export function skb_unset_mac_header(skb: sk_buff): void {
  skb.mac_header = -1;
}
export const skb_tail_pointer = (skb: sk_buff): number => skb.tail;
export function skb_reset_tail_pointer(skb: sk_buff): void {
  skb.tail = skb.data;
}
export function skb_set_tail_pointer(skb: sk_buff, offset: number): void {
  skb.tail = skb.data + offset;
}
/** As skb_push() and skb_put(), inline in C: without a cost of their own. */
export function __skb_push(skb: sk_buff, len: number): number {
  skb.data -= len;
  skb.len += len;
  return skb.data;
}
export function __skb_put(skb: sk_buff, len: number): number {
  const at = skb.tail;
  skb.tail += len;
  skb.len += len;
  return at;
}
/** Takes `len` bytes off the front, or none (null) when the packet is shorter. The linear part must hold them. */
export const skb_pull_inline = (skb: sk_buff, len: number): number | null => (len > skb.len ? null : skb_pull(skb, len));

export function skb_get(skb: sk_buff): sk_buff {
  skb.users++;
  return skb;
}

/** Gives up a reference; true when it was the last. */
export function skb_unref(skb: sk_buff | null): skb is sk_buff {
  if (skb === null) return false;
  if (!skb.live) throw new InvariantError(`skb of packet ${skb.packetId} freed twice`);
  return --skb.users === 0;
}

/** Only the payload is still ours: a clone may have its headers changed without a copy. */
export function skb_header_release(skb: sk_buff): void {
  skb.nohdr = true;
  skb.shinfo.datarefNohdr++;
}

/** True while the clone that TCP sent is still in a qdisc or in the device. */
export function skb_fclone_busy(sk: sock, skb: sk_buff): boolean {
  return skb.fclone === SKB_FCLONE_ORIG && skb.fclone_ref > 1 && skb.fclonePeer!.sk === sk;
}

export const skb_has_frag_list = (skb: sk_buff): boolean => skb.shinfo.frag_list !== null;
/** Bytes in the linear part and in fragments, without the frag_list. */
export function skb_pagelen(skb: sk_buff): number {
  let len = skb_headlen(skb);
  const shinfo = skb.shinfo;
  for (let i = 0; i < shinfo.nr_frags; i++) len += shinfo.frags[i]!.size;
  return len;
}

export const skb_get_hash_raw = (skb: sk_buff): number => skb.hash;
export function skb_clear_hash(skb: sk_buff): void {
  skb.hash = 0;
  skb.sw_hash = false;
  skb.l4_hash = false;
}
export const PKT_HASH_TYPE_NONE = 0;
export const PKT_HASH_TYPE_L2 = 1;
export const PKT_HASH_TYPE_L3 = 2;
export const PKT_HASH_TYPE_L4 = 3;
export function skb_set_hash(skb: sk_buff, hash: number, type: number): void {
  skb.l4_hash = type === PKT_HASH_TYPE_L4;
  skb.sw_hash = false;
  skb.hash = hash;
}

export function skb_checksum_none_assert(_skb: sk_buff): void {}
export const skb_csum_unnecessary = (skb: sk_buff): boolean =>
  skb.ip_summed === CHECKSUM_UNNECESSARY || skb.csum_valid || (skb.ip_summed === CHECKSUM_PARTIAL && skb_checksum_start_offset(skb) >= 0);
export function __skb_incr_checksum_unnecessary(skb: sk_buff): void {
  if (skb.ip_summed === CHECKSUM_UNNECESSARY) {
    if (skb.csum_level < 3) skb.csum_level++;
  } else if (skb.ip_summed === CHECKSUM_NONE) {
    skb.ip_summed = CHECKSUM_UNNECESSARY;
    skb.csum_level = 0;
  }
}
export function __skb_decr_checksum_unnecessary(skb: sk_buff): void {
  if (skb.ip_summed !== CHECKSUM_UNNECESSARY) return;
  if (skb.csum_level === 0) skb.ip_summed = CHECKSUM_NONE;
  else skb.csum_level--;
}

export const skb_is_gso_tcp = (skb: sk_buff): boolean => (skb.shinfo.gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)) !== 0;
export const skb_is_gso_v6 = (skb: sk_buff): boolean => (skb.shinfo.gso_type & SKB_GSO_TCPV6) !== 0;
export function skb_gso_reset(skb: sk_buff): void {
  skb.shinfo.gso_size = 0;
  skb.shinfo.gso_segs = 0;
  skb.shinfo.gso_type = 0;
}

export const skb_vlan_tag_present = (skb: sk_buff): boolean => skb.vlan_present;
export const skb_vlan_tag_get = (skb: sk_buff): number => skb.vlan_tci;
export function __vlan_hwaccel_put_tag(skb: sk_buff, vlan_proto: number, vlan_tci: number): void {
  skb.vlan_proto = vlan_proto;
  skb.vlan_tci = vlan_tci;
  skb.vlan_present = true;
}
export function __vlan_hwaccel_clear_tag(skb: sk_buff): void {
  skb.vlan_present = false;
}

export function skb_mark_not_on_list(skb: sk_buff): void {
  skb.next = null;
}

export const skb_dst = (skb: sk_buff): dst_entry | null => skb._skb_refdst;

export function skb_dst_set(skb: sk_buff, dst: dst_entry | null): void {
  skb._skb_refdst = dst;
  skb.dstNoref = false;
}

/** Without taking a reference: valid while the softirq runs. */
export function skb_dst_set_noref(skb: sk_buff, dst: dst_entry): void {
  skb._skb_refdst = dst;
  skb.dstNoref = true;
}

/** Takes an skb away from its owner, who is told. */
export function skb_orphan(skb: sk_buff): void {
  if (skb.destructor === null) return;
  skb.destructor(skb);
  skb.destructor = null;
  skb.sk = null;
}

export const skb_get_queue_mapping = (skb: sk_buff): number => skb.queue_mapping;
export function skb_set_queue_mapping(skb: sk_buff, queue: number): void {
  skb.queue_mapping = queue;
}
/** The receive queue is recorded one up, so that 0 means none. */
export function skb_record_rx_queue(skb: sk_buff, queue: number): void {
  skb.queue_mapping = queue + 1;
}
export const skb_rx_queue_recorded = (skb: sk_buff): boolean => skb.queue_mapping !== 0;
export const skb_get_rx_queue = (skb: sk_buff): number => skb.queue_mapping - 1;

/** What skb_try_coalesce() tells: was the head taken too (kfree_skb_partial needs it), and by how much truesize grew. */
export class skb_coalesce_result {
  fragstolen = false;
  delta_truesize = 0;
}
