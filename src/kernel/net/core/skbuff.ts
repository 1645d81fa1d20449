/**
 * net/core/skbuff.c: the life of a socket buffer.
 * `alloc_skb` | `build_skb` → `skb_clone` → `consume_skb` | `kfree_skb_reason` | `napi_consume_skb` → `skb_release_head_state` → `skb_release_data`
 * → `kfree_skbmem` or the NAPI cache of this CPU.
 *
 * The file is cut by what is done to a buffer:
 * - skbuff.ts: skb_init, __alloc_skb, alloc_skb, alloc_skb_fclone, netdev_alloc_skb, napi_alloc_skb, build_skb, napi_build_skb, kfree_skb, kfree_skb_reason, sk_skb_reason_drop, kfree_skb_list, kfree_skb_list_reason, consume_skb,
 *   napi_consume_skb, __kfree_skb, __napi_kfree_skb, napi_skb_free_stolen_head, kfree_skb_partial, skb_queue_purge, skb_queue_purge_reason,
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
import { InvariantError } from '../../../sim/invariant.ts';
import { kernel, smp_processor_id, this_cpu_ptr, trace } from '../../current.ts';
import type { net_device, softnet_data } from '../../include/linux/netdevice.ts';
import {
  __skb_dequeue,
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
  type sk_buff_head,
  skb_orphan,
  skb_reserve,
  skb_shared_info,
  skb_unref,
} from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC, type gfp_t } from '../../include/linux/types.ts';
import { SKB_CONSUMED, SKB_DROP_REASON_NOT_SPECIFIED, SKB_DROP_REASON_QUEUE_PURGE } from '../../include/net/dropreason.ts';
import { skb_dst_drop } from '../../include/net/dst.ts';
import type { sock } from '../../include/net/sock.ts';
import type { Kernel } from '../../kernel.ts';
import { type page, put_page } from '../../mm/page_alloc.ts';
import { lastFragOffset, page_frag_alloc, page_frag_free } from '../../mm/page_frag_cache.ts';
import {
  __kmalloc_node_track_caller_noprof,
  kmalloc_size_roundup,
  kmem_cache_alloc_node_noprof,
  kmem_cache_alloc_noprof,
  kmem_cache_free,
  kmem_cache_size,
  objectCache,
  type slabObject,
} from '../../mm/slab.ts';
import { kickNetRx } from './dev_softirq.ts';

const NAPI_SKB_CACHE_SIZE = 128;
const NAPI_SKB_CACHE_BULK = 32;
const NAPI_SKB_CACHE_HALF = NAPI_SKB_CACHE_SIZE / 2;
/** net.core.skb_defer_max */
const SKB_DEFER_MAX = 128;

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
  skb.pp_recycle = false;
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
  skb.xmit_more = false;
  skb.tstamp = 0;
  skb.tstamp_type = 0;
  skb.skb_mstamp_ns = 0;
  skb.dst_pending_confirm = false;
  skb.decrypted = false;
  skb.ignore_df = false;
  skb.wifi_acked = false;
  skb.redirected = false;
  skb.remcsum_offload = false;
  skb.tcp.reset();
  skb.ip_opt_len = 0;
  skb.ip_flags = 0;
  skb.ip_frag_max_size = 0;
  skb.queuedTime = 0;
  skb.qdisc_pkt_len = 0;
  skb.qdisc_cb_time = 0;
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

/* Release */

export function kfree_skb(skb: sk_buff | null, location = ''): void {
  sk_skb_reason_drop(null, skb, SKB_DROP_REASON_NOT_SPECIFIED, location);
}

export function kfree_skb_reason(skb: sk_buff | null, reason: number, location = ''): void {
  sk_skb_reason_drop(null, skb, reason, location);
}

/** Drops a reference to a packet that is lost, on behalf of the receiving socket `sk`. */
export function sk_skb_reason_drop(sk: sock | null, skb: sk_buff | null, reason: number, location = ''): void {
  if (!skb_unref(skb)) return;
  if (reason === SKB_CONSUMED) trace().consume_skb?.(skb, location);
  else {
    kernel().countDrop(reason, location);
    trace().kfree_skb?.(skb, location, reason, sk);
    const { drop } = kernel().watchers;
    for (let i = 0; i < drop.length; i++) drop[i]!(skb!, reason, location);
  }
  release(skb, reason);
}

/** Drops a chain linked by `next`. Others may hold references to its parts, so the links stay as they are. */
export function kfree_skb_list_reason(segs: sk_buff | null, reason: number, location = ''): void {
  while (segs !== null) {
    const next: sk_buff | null = segs.next;
    sk_skb_reason_drop(null, segs, reason, location);
    segs = next;
  }
}

export function kfree_skb_list(segs: sk_buff | null, location = ''): void {
  kfree_skb_list_reason(segs, SKB_DROP_REASON_NOT_SPECIFIED, location);
}

/** Drops a reference to a packet that has served its purpose. */
export function consume_skb(skb: sk_buff | null, location = ''): void {
  if (!skb_unref(skb)) return;
  trace().consume_skb?.(skb, location);
  release(skb, SKB_CONSUMED);
}

/** Frees without asking for references and without a trace: for who knows to be the last. */
export function __kfree_skb(skb: sk_buff): void {
  release(skb, SKB_DROP_REASON_NOT_SPECIFIED);
}

function release(skb: sk_buff, reason: number): void {
  skb_release_head_state(skb);
  skb_release_data(skb, reason);
  kfree_skbmem(skb);
}

/** A driver's transmit completion. `budget` is that of its poll, 0 outside of NAPI. */
export function napi_consume_skb(skb: sk_buff | null, budget: number, location = ''): void {
  if (budget === 0) {
    consume_skb(skb, location);
    return;
  }
  if (!skb_unref(skb)) return;
  trace().consume_skb?.(skb, location);
  __napi_kfree_skb(skb, SKB_CONSUMED);
}

/** Frees within a softirq: the sk_buff stays with this CPU's NAPI. */
export function __napi_kfree_skb(skb: sk_buff, reason: number): void {
  if (skb.fclone !== SKB_FCLONE_UNAVAILABLE) {
    release(skb, reason);
    return;
  }
  skb_release_head_state(skb);
  skb_release_data(skb, reason);
  napi_skb_cache_put(skb);
}

/** Frees an sk_buff whose head has become a fragment of another. */
export function napi_skb_free_stolen_head(skb: sk_buff): void {
  if (skb.slow_gro) {
    skb_dst_drop(skb);
    skb_orphan(skb);
    skb.slow_gro = false;
  }
  freeShinfo(skb);
  napi_skb_cache_put(skb);
}

/** Frees an sk_buff, all of it or, when its head was stolen, the rest. */
export function kfree_skb_partial(skb: sk_buff, head_stolen: boolean): void {
  if (!head_stolen) {
    __kfree_skb(skb);
    return;
  }
  skb_release_head_state(skb);
  freeShinfo(skb);
  kernel().skb.live--;
  skb.live = false;
  kmem_cache_free(kernel().skb.skbuff_cache, skb);
}

/** Lets go of the route and of the owner. */
export function skb_release_head_state(skb: sk_buff): void {
  skb_dst_drop(skb);
  if (skb.destructor !== null) skb.destructor(skb);
}

/** Gives up the data; who does so last frees them. */
export function skb_release_data(skb: sk_buff, reason: number): void {
  const shinfo = skb.shinfo;
  if (skb.cloned) {
    if (skb.nohdr) shinfo.datarefNohdr--;
    if (--shinfo.dataref > 0) return;
  }
  if (shinfo.destructor_arg !== null) skb_zcopy_clear(skb, true);
  for (let i = 0; i < shinfo.nr_frags; i++) put_page(shinfo.frags[i]!.page);
  if (shinfo.frag_list !== null) kfree_skb_list_reason(shinfo.frag_list, listReason(reason), 'skb_release_data');
  skb_free_head(skb);
  freeShinfo(skb);
}

/** Only what was consumed without a look is silent; all else is lost for no reason that is known here. */
const listReason = (reason: number): number => (reason === SKB_CONSUMED ? reason : SKB_DROP_REASON_NOT_SPECIFIED);

function skb_free_head(skb: sk_buff): void {
  if (skb.head_frag) page_frag_free(skb.headPage!);
  else kmem_cache_free(skb.headObject!.cache, skb.headObject!);
}

/** The head alone: for who moves a buffer to another one. */
export function freeHead(skb: sk_buff): void {
  skb_free_head(skb);
}

/** The shared part goes back to its cache. */
export function freeShinfo(skb: sk_buff): void {
  kernel().skb.shinfo_cache.free(skb.shinfo);
}

/** Tells the owner of user pages that this packet needs them no longer. */
export function skb_zcopy_clear(skb: sk_buff, success: boolean): void {
  const uarg = skb.shinfo.destructor_arg;
  if (uarg === null) return;
  skb.shinfo.destructor_arg = null;
  skb.shinfo.flags = 0;
  uarg.complete(skb, uarg, success);
}

/** Somebody on this host keeps the packet for a time of his own: the user's pages cannot be lent to him, he gets a copy. */
export function skb_orphan_frags_rx(skb: sk_buff): void {
  if (skb.shinfo.destructor_arg !== null) skb.shinfo.destructor_arg.zerocopy = false;
}

/** The sk_buff itself. A pair goes back when both of its halves are free. */
function kfree_skbmem(skb: sk_buff): void {
  const caches = kernel().skb;
  if (!skb.live) throw new InvariantError(`sk_buff of packet ${skb.packetId} freed twice`);
  skb.live = false;
  caches.live--;
  if (skb.fclone === SKB_FCLONE_UNAVAILABLE) {
    kmem_cache_free(caches.skbuff_cache, skb);
    return;
  }
  const original = skb.fclone === SKB_FCLONE_ORIG ? skb : skb.fclonePeer!;
  if (--original.fclone_ref === 0) kmem_cache_free(caches.skbuff_fclone_cache, original);
}

export function skb_queue_purge(list: sk_buff_head, location = 'skb_queue_purge_reason'): void {
  skb_queue_purge_reason(list, SKB_DROP_REASON_QUEUE_PURGE, location);
}

export function skb_queue_purge_reason(list: sk_buff_head, reason: number, location = 'skb_queue_purge_reason'): void {
  for (let skb = __skb_dequeue(list); skb !== null; skb = __skb_dequeue(list)) sk_skb_reason_drop(null, skb, reason, location);
}
export const __skb_queue_purge_reason = skb_queue_purge_reason;

/* Caches of each CPU */

function napi_skb_cache_get(): sk_buff {
  const cache = this_cpu_ptr().softnet_data.napi_skb_cache;
  const skbuff_cache = kernel().skb.skbuff_cache;
  if (cache.length === 0) for (let i = 0; i < NAPI_SKB_CACHE_BULK; i++) cache.push(skbuff_cache.alloc());
  // Linux asks for the size to poison the object under KASAN; the call is in every recording.
  kmem_cache_size(skbuff_cache);
  return cache.pop()!;
}

function napi_skb_cache_put(skb: sk_buff): void {
  if (!skb.live) throw new InvariantError(`sk_buff of packet ${skb.packetId} freed twice`);
  skb.live = false;
  const caches = kernel().skb;
  caches.live--;
  const cache = this_cpu_ptr().softnet_data.napi_skb_cache;
  cache.push(skb);
  if (cache.length < NAPI_SKB_CACHE_SIZE) return;
  while (cache.length > NAPI_SKB_CACHE_HALF) caches.skbuff_cache.free(cache.pop()!);
}

/** Frees on the CPU that allocated the packet: there the pages and the sk_buff are wanted next. */
export function skb_attempt_defer_free(skb: sk_buff): void {
  const cpu = skb.alloc_cpu;
  if (cpu === smp_processor_id()) {
    __napi_kfree_skb(skb, SKB_CONSUMED);
    return;
  }
  const remote = kernel().percpu[cpu]!;
  const softnet = remote.softnet_data;
  if (softnet.defer_count >= SKB_DEFER_MAX) {
    __napi_kfree_skb(skb, SKB_CONSUMED);
    return;
  }
  skb.next = softnet.defer_list;
  softnet.defer_list = skb;
  if (++softnet.defer_count === SKB_DEFER_MAX >> 1) kickNetRx(remote);
}

/** Frees what other CPUs have left for this one. */
export function skb_defer_free_flush(softnet: softnet_data): void {
  let skb = softnet.defer_list;
  if (skb === null) return;
  softnet.defer_list = null;
  softnet.defer_count = 0;
  while (skb !== null) {
    const next: sk_buff | null = skb.next;
    skb.next = null;
    napi_consume_skb(skb, 1, 'skb_defer_free_flush');
    skb = next;
  }
}
