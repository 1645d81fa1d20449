/**
 * net/core/skbuff.c: the end of a socket buffer: `consume_skb` | `kfree_skb_reason` | `napi_consume_skb` → `skb_release_head_state` → `skb_release_data`
 * → `kfree_skbmem` or the NAPI cache of this CPU. skbuff.ts tells of the rest.
 */
import { InvariantError } from '../../../sim/invariant.ts';
import { kernel, smp_processor_id, this_cpu_ptr, trace } from '../../current.ts';
import type { softnet_data } from '../../include/linux/netdevice.ts';
import {
  __skb_dequeue,
  SKB_FCLONE_ORIG,
  SKB_FCLONE_UNAVAILABLE,
  type sk_buff,
  type sk_buff_head,
  skb_orphan,
  skb_unref,
} from '../../include/linux/skbuff.ts';
import { SKB_CONSUMED, SKB_DROP_REASON_NOT_SPECIFIED, SKB_DROP_REASON_QUEUE_PURGE } from '../../include/net/dropreason.ts';
import { skb_dst_drop } from '../../include/net/dst.ts';
import type { sock } from '../../include/net/sock.ts';
import { put_page } from '../../mm/page_alloc.ts';
import { page_frag_free } from '../../mm/page_frag_cache.ts';
import { kmem_cache_free } from '../../mm/slab.ts';
import { kickNetRx } from './dev_softirq.ts';

const NAPI_SKB_CACHE_SIZE = 128;
const NAPI_SKB_CACHE_HALF = NAPI_SKB_CACHE_SIZE / 2;
/** net.core.skb_defer_max */
const SKB_DEFER_MAX = 128;

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
