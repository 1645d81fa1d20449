/**
 * net/core/skbuff.c: the life of a socket buffer.
 * `alloc_skb` | `build_skb` → `skb_clone` → `consume_skb` | `kfree_skb_reason` | `napi_consume_skb` → `skb_release_head_state` → `skb_release_data`
 * → `kfree_skbmem` or the NAPI cache of this CPU.
 *
 * The file is cut by what is done to a buffer:
 * - skbuff.ts: skb_init, __alloc_skb, alloc_skb, alloc_skb_fclone, netdev_alloc_skb, napi_alloc_skb, build_skb, napi_build_skb
 * - skbuff_free.ts: kfree_skb, kfree_skb_reason, sk_skb_reason_drop, kfree_skb_list, kfree_skb_list_reason, consume_skb, napi_consume_skb, __kfree_skb, __napi_kfree_skb, napi_skb_free_stolen_head, kfree_skb_partial, skb_queue_purge, skb_queue_purge_reason,
 *   skb_attempt_defer_free, skb_defer_free_flush
 * - skbuff_clone.ts: skb_clone, __copy_skb_header, skb_share_check, skb_morph, skb_clone_frags
 * - skbuff_reshape.ts: pskb_expand_head, skb_cow, skb_cow_head, skb_realloc_headroom, skb_copy, skb_copy_expand, pskb_copy, skb_unshare, skb_unclone,
 *   pskb_may_pull, pskb_may_pull_reason, pskb_network_may_pull, pskb_pull, __pskb_pull_tail, pskb_trim, ___pskb_trim, skb_trim, __skb_trim, skb_linearize,
 *   skb_pad, skb_put_padto, skb_condense, skb_expand_head, skb_unclone_keeptruesize, skb_header_pointer
 * - skbuff_bits.ts: skb_copy_bits, skb_store_bits, skb_copy_to_page_nocache, skb_add_data_nocache, skb_put_data, skb_checksum, skb_copy_and_csum_bits
 * - skbuff_csum.ts: skb_checksum_help, __skb_checksum_complete, skb_checksum_complete, skb_checksum_init, skb_checksum_validate, skb_checksum_simple_validate,
 *   skb_checksum_init_zero_check, skb_postpull_rcsum, skb_postpush_rcsum, skb_pull_rcsum, pskb_trim_rcsum
 * - skbuff_split.ts: skb_split, skb_shift, skb_try_coalesce, skb_append_pagefrags
 * - skbuff_segment.ts: skb_segment
 * - skbuff_errqueue.ts: sock_queue_err_skb, sock_dequeue_err_skb, __skb_tstamp_tx, skb_tstamp_tx, skb_complete_tx_timestamp
 * - datagram.ts: skb_copy_datagram_iter, skb_copy_datagram_msg, skb_copy_and_csum_datagram_msg
 * Small inline functions (skb_get, skb_orphan, skb_header_release, skb_fclone_busy …) are in include/linux/skbuff.ts;
 * skb_set_owner_w and skb_set_owner_r in net/core/sock*.ts, since their destructors are there.
 *
 * Where C passes the address of data, these pass a page and an offset in its section: `build_skb(page, offset, frag_size)`.
 * `location` names the function that lets go of a packet (C: the return address); it goes into the tracepoints.
 */
import { PAGE_SIZE } from '../../../machine/memory.ts';
import { kernel, smp_processor_id, this_cpu_ptr } from '../../current.ts';
import type { net_device } from '../../include/linux/netdevice.ts';
import {
  NET_IP_ALIGN,
  NET_SKB_PAD,
  SKB_FCLONE_ORIG,
  SKB_FCLONE_UNAVAILABLE,
  SKB_HEAD_ALIGN,
  SKB_META_SIZE,
  SKB_SMALL_HEAD_CACHE_SIZE,
  SKB_TRUESIZE,
  SKB_WITH_OVERHEAD,
  sk_buff,
  skb_reserve,
  skb_shared_info,
} from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC, type gfp_t } from '../../include/linux/types.ts';
import type { Kernel } from '../../kernel.ts';
import type { page } from '../../mm/page_alloc.ts';
import { lastFragOffset, page_frag_alloc } from '../../mm/page_frag_cache.ts';
import {
  __kmalloc_node_track_caller_noprof,
  kmalloc_size_roundup,
  kmem_cache_alloc_node_noprof,
  kmem_cache_alloc_noprof,
  kmem_cache_size,
  objectCache,
  type slabObject,
} from '../../mm/slab.ts';

const NAPI_SKB_CACHE_BULK = 32;

export function skb_init(owner: Kernel): void {
  owner.skb = {
    skbuff_cache: new objectCache('skbuff_head_cache', SKB_META_SIZE, () => new sk_buff()),
    skbuff_fclone_cache: new objectCache('skbuff_fclone_cache', 512, newFclones),
    shinfo_cache: new objectCache('skb_shared_info', 0, () => new skb_shared_info()),
    small_head_cache: owner.slab.create('skbuff_small_head', SKB_SMALL_HEAD_CACHE_SIZE),
    live: 0,
  };
}

/** struct sk_buff_fclones: an original and the companion that its first clone will be. */
function newFclones(): sk_buff {
  const original = new sk_buff();
  const companion = new sk_buff();
  original.fclonePeer = companion;
  companion.fclonePeer = original;
  return original;
}

/* Allocation */

/** An empty buffer with room for `size` bytes; null when memory is exhausted. */
export function alloc_skb(size: number, gfp: gfp_t): sk_buff | null {
  return __alloc_skb(size, gfp, false);
}

/** As alloc_skb, with the place for one clone beside it: for what is cloned for sure. */
export function alloc_skb_fclone(size: number, gfp: gfp_t): sk_buff | null {
  return __alloc_skb(size, gfp, true);
}

export function __alloc_skb(size: number, gfp: gfp_t, fclone: boolean): sk_buff | null {
  const caches = kernel().skb;
  const skb = kmem_cache_alloc_node_noprof(fclone ? caches.skbuff_fclone_cache : caches.skbuff_cache);
  const head = kmalloc_reserve(size, gfp);
  if (head === null) {
    if (fclone) caches.skbuff_fclone_cache.free(skb);
    else caches.skbuff_cache.free(skb);
    return null;
  }
  clearSkb(skb);
  skb.headObject = head;
  skb.mem = head.mem;
  skb.head = head.offset;
  __build_skb_around(skb, head.cache.object_size);
  if (fclone) {
    skb.fclone = SKB_FCLONE_ORIG;
    skb.fclone_ref = 1;
  }
  caches.live++;
  return skb;
}

/** The head: from the cache for small ones, else from kmalloc's next size, all of which is used. */
export function kmalloc_reserve(size: number, gfp: gfp_t): slabObject | null {
  const needed = SKB_HEAD_ALIGN(size);
  if (needed <= SKB_SMALL_HEAD_CACHE_SIZE) return kmem_cache_alloc_node_noprof(kernel().skb.small_head_cache);
  return __kmalloc_node_track_caller_noprof(kmalloc_size_roundup(needed), gfp);
}

/** What a buffer of `size` bytes costs its owner. */
export function truesizeFor(size: number): number {
  const needed = SKB_HEAD_ALIGN(size);
  const small = needed <= SKB_SMALL_HEAD_CACHE_SIZE;
  return SKB_TRUESIZE(SKB_WITH_OVERHEAD(small ? kernel().skb.small_head_cache.object_size : kmalloc_size_roundup(needed)));
}

/** Sets up the buffer over `frag_size` bytes at `skb.head`, of which skb_shared_info takes its share. */
export function __build_skb_around(skb: sk_buff, frag_size: number): void {
  const size = SKB_WITH_OVERHEAD(frag_size);
  skb.truesize = SKB_TRUESIZE(size);
  skb.users = 1;
  skb.data = skb.tail = skb.head;
  skb.end = skb.head + size;
  skb.alloc_cpu = smp_processor_id();
  skb.live = true;
  skb.shinfo = kernel().skb.shinfo_cache.alloc();
  clearShinfo(skb.shinfo);
}

/** A buffer over `frag_size` bytes at `offset` of the page's section, whose reference it takes over. */
export function build_skb(p: page, offset: number, frag_size: number): sk_buff | null {
  return buildOver(kmem_cache_alloc_noprof(kernel().skb.skbuff_cache), p, offset, frag_size);
}

/** As build_skb, with an sk_buff that this CPU's NAPI has freed before: for drivers' receive paths. */
export function napi_build_skb(p: page, offset: number, frag_size: number): sk_buff | null {
  return __napi_build_skb(p, offset, frag_size);
}

function __napi_build_skb(p: page, offset: number, frag_size: number): sk_buff | null {
  return buildOver(napi_skb_cache_get(), p, offset, frag_size);
}

function buildOver(skb: sk_buff, p: page, offset: number, frag_size: number): sk_buff {
  clearSkb(skb);
  skb.headObject = null;
  skb.headPage = p;
  skb.head_frag = true;
  skb.mem = p.mem;
  skb.head = offset;
  __build_skb_around(skb, frag_size);
  kernel().skb.live++;
  return skb;
}

export function netdev_alloc_skb(dev: net_device, len: number): sk_buff | null {
  return __netdev_alloc_skb(dev, len, GFP_ATOMIC);
}

/** A receive buffer with NET_SKB_PAD bytes of headroom. */
export function __netdev_alloc_skb(dev: net_device, len: number, gfp: gfp_t): sk_buff | null {
  const skb = allocReceive(len + NET_SKB_PAD, gfp, false);
  if (skb === null) return null;
  skb_reserve(skb, NET_SKB_PAD);
  skb.dev = dev;
  return skb;
}

/** As netdev_alloc_skb, for code in a NAPI poll. */
export function napi_alloc_skb(dev: net_device, len: number): sk_buff | null {
  const skb = allocReceive(len + NET_SKB_PAD + NET_IP_ALIGN, GFP_ATOMIC, true);
  if (skb === null) return null;
  skb_reserve(skb, NET_SKB_PAD + NET_IP_ALIGN);
  skb.dev = dev;
  return skb;
}

/** Small and huge heads come from kmalloc, those in between are pieces of a page, so that GRO can make fragments of them. */
function allocReceive(len: number, gfp: gfp_t, napi: boolean): sk_buff | null {
  if (len <= SKB_WITH_OVERHEAD(SKB_SMALL_HEAD_CACHE_SIZE) || len > SKB_WITH_OVERHEAD(PAGE_SIZE)) return __alloc_skb(len, gfp, false);
  const size = SKB_HEAD_ALIGN(len);
  const cache = this_cpu_ptr().softnet_data.skb_frags;
  const p = page_frag_alloc(cache, size, 256);
  if (p === null) return null;
  const offset = lastFragOffset(cache, size);
  return napi ? __napi_build_skb(p, offset, size) : build_skb(p, offset, size);
}

/** What memset does in C: every field as in a new object, except the head's and the pair's. */
function clearSkb(skb: sk_buff): void {
  skb.next = null;
  skb.prev = null;
  skb.list = null;
  skb.sk = null;
  skb.dev = null;
  skb._skb_refdst = null;
  skb.dstNoref = false;
  skb.destructor = null;
  skb.headPage = null;
  skb.len = 0;
  skb.data_len = 0;
  skb.cloned = false;
  skb.nohdr = false;
  skb.fclone = SKB_FCLONE_UNAVAILABLE;
  skb.peeked = false;
  skb.head_frag = false;
  skb.pfmemalloc = false;
  skb.slow_gro = false;
  skb.mac_header = -1;
  skb.network_header = -1;
  skb.transport_header = -1;
  skb.mac_len = 0;
  skb.protocol = 0;
  skb.pkt_type = 0;
  skb.priority = 0;
  skb.mark = 0;
  skb.queue_mapping = 0;
  skb.ip_summed = 0;
  skb.csum = 0;
  skb.csum_start = 0;
  skb.csum_offset = 0;
  skb.csum_level = 0;
  skb.csum_valid = false;
  skb.hash = 0;
  skb.l4_hash = false;
  skb.sw_hash = false;
  skb.napi_id = 0;
  skb.skb_iif = 0;
  skb.vlan_proto = 0;
  skb.vlan_tci = 0;
  skb.vlan_present = false;
  skb.ooo_okay = false;
  skb.tstamp = 0;
  skb.tstamp_type = 0;
  skb.skb_mstamp_ns = 0;
  skb.dst_pending_confirm = false;
  skb.ignore_df = false;
  skb.tcp.reset();
  skb.ip_opt_len = 0;
  skb.ip_flags = 0;
  skb.ip_frag_max_size = 0;
  skb.queuedTime = 0;
  skb.qdisc_pkt_len = 0;
  skb.dropReason = 0;
  skb.dropcount = 0;
  skb.exterr = null;
  skb.packetId = 0;
  skb.mergedIds = null;
}

export function clearShinfo(shinfo: skb_shared_info): void {
  shinfo.dataref = 1;
  shinfo.datarefNohdr = 0;
  shinfo.nr_frags = 0;
  shinfo.frag_list = null;
  shinfo.gso_size = 0;
  shinfo.gso_segs = 0;
  shinfo.gso_type = 0;
  shinfo.tx_flags = 0;
  shinfo.tskey = 0;
  shinfo.hwtstamps = 0n;
  shinfo.destructor_arg = null;
  shinfo.flags = 0;
}

function napi_skb_cache_get(): sk_buff {
  const cache = this_cpu_ptr().softnet_data.napi_skb_cache;
  const skbuff_cache = kernel().skb.skbuff_cache;
  if (cache.length === 0) for (let i = 0; i < NAPI_SKB_CACHE_BULK; i++) cache.push(skbuff_cache.alloc());
  // Linux asks for the size to poison the object under KASAN; the call is in every recording.
  kmem_cache_size(skbuff_cache);
  return cache.pop()!;
}
