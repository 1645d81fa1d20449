/**
 * net/core/skbuff.c: one packet in several sk_buffs: `skb_clone` → `__skb_clone` → `__copy_skb_header`.
 */
import { kernel } from '../../current.ts';
import {
  copyFrag,
  SKB_FCLONE_CLONE,
  SKB_FCLONE_ORIG,
  SKB_FCLONE_UNAVAILABLE,
  type sk_buff,
  skb_shared,
  type skb_shared_info,
} from '../../include/linux/skbuff.ts';
import type { gfp_t } from '../../include/linux/types.ts';
import { SKB_CONSUMED } from '../../include/net/dropreason.ts';
import { dst_clone } from '../../include/net/dst.ts';
import { get_page } from '../../mm/page_alloc.ts';
import { kmem_cache_alloc_noprof } from '../../mm/slab.ts';
import { consume_skb, kfree_skb, skb_release_data, skb_release_head_state } from './skbuff_free.ts';

/** Another sk_buff on the same data. */
export function skb_clone(skb: sk_buff, _gfp: gfp_t): sk_buff | null {
  const caches = kernel().skb;
  let clone: sk_buff;
  if (skb.fclone === SKB_FCLONE_ORIG && skb.fclone_ref === 1) {
    clone = skb.fclonePeer!;
    skb.fclone_ref = 2;
    clone.fclone = SKB_FCLONE_CLONE;
  } else {
    clone = kmem_cache_alloc_noprof(caches.skbuff_cache);
    clone.fclone = SKB_FCLONE_UNAVAILABLE;
  }
  caches.live++;
  kernel().copies.clones++;
  return __skb_clone(clone, skb);
}

/** `n` shares the data of `skb` and nothing else: no owner, no queue. */
function __skb_clone(n: sk_buff, skb: sk_buff): sk_buff {
  n.next = n.prev = null;
  n.list = null;
  n.sk = null;
  __copy_skb_header(n, skb);
  shareData(n, skb);
  n.cloned = true;
  n.nohdr = false;
  n.peeked = false;
  n.destructor = null;
  n.users = 1;
  n.live = true;
  skb.shinfo.dataref++;
  skb.cloned = true;
  return n;
}

function shareData(n: sk_buff, skb: sk_buff): void {
  n.len = skb.len;
  n.data_len = skb.data_len;
  n.mac_len = skb.mac_len;
  n.mem = skb.mem;
  n.head = skb.head;
  n.data = skb.data;
  n.tail = skb.tail;
  n.end = skb.end;
  n.headObject = skb.headObject;
  n.headPage = skb.headPage;
  n.head_frag = skb.head_frag;
  n.pfmemalloc = skb.pfmemalloc;
  n.shinfo = skb.shinfo;
  n.truesize = skb.truesize;
  n.alloc_cpu = skb.alloc_cpu;
}

/** All that says what the packet is; not its data, lengths, owner or links. */
export function __copy_skb_header(n: sk_buff, old: sk_buff): void {
  n.tstamp = old.tstamp;
  n.tstamp_type = old.tstamp_type;
  n.skb_mstamp_ns = old.skb_mstamp_ns;
  n.dev = old.dev;
  n.tcp.copyFrom(old.tcp);
  n.ip_opt_len = old.ip_opt_len;
  n.ip_flags = old.ip_flags;
  n.ip_frag_max_size = old.ip_frag_max_size;
  n.qdisc_pkt_len = old.qdisc_pkt_len;
  n.dropcount = old.dropcount;
  n.exterr = old.exterr;
  n._skb_refdst = old.dstNoref ? old._skb_refdst : dst_clone(old._skb_refdst);
  n.dstNoref = old.dstNoref;
  n.slow_gro = old.slow_gro || old._skb_refdst !== null;
  n.queue_mapping = old.queue_mapping;
  n.mac_header = old.mac_header;
  n.network_header = old.network_header;
  n.transport_header = old.transport_header;
  n.protocol = old.protocol;
  n.pkt_type = old.pkt_type;
  n.priority = old.priority;
  n.mark = old.mark;
  copyOffloadState(n, old);
  copyFlags(n, old);
  n.packetId = old.packetId;
  n.mergedIds = old.mergedIds;
}

function copyOffloadState(n: sk_buff, old: sk_buff): void {
  n.ip_summed = old.ip_summed;
  n.csum = old.csum;
  n.csum_start = old.csum_start;
  n.csum_offset = old.csum_offset;
  n.csum_level = old.csum_level;
  n.csum_valid = old.csum_valid;
  n.hash = old.hash;
  n.l4_hash = old.l4_hash;
  n.sw_hash = old.sw_hash;
  n.napi_id = old.napi_id;
  n.skb_iif = old.skb_iif;
  n.vlan_proto = old.vlan_proto;
  n.vlan_tci = old.vlan_tci;
  n.vlan_present = old.vlan_present;
}

function copyFlags(n: sk_buff, old: sk_buff): void {
  n.ooo_okay = old.ooo_okay;
  n.dst_pending_confirm = old.dst_pending_confirm;
  n.ignore_df = old.ignore_df;
}

/** The caller's own sk_buff: a clone if others hold this one. Null without memory, and then the reference is gone. */
export function skb_share_check(skb: sk_buff, gfp: gfp_t): sk_buff | null {
  if (!skb_shared(skb)) return skb;
  const own = skb_clone(skb, gfp);
  if (own !== null) consume_skb(skb, 'skb_share_check');
  else kfree_skb(skb, 'skb_share_check');
  return own;
}

/** `dst` drops what it holds and becomes a clone of `src`. */
export function skb_morph(dst: sk_buff, src: sk_buff): sk_buff {
  skb_release_head_state(dst);
  skb_release_data(dst, SKB_CONSUMED);
  return __skb_clone(dst, src);
}

/** Fragments of `from` also belong to `to`, which gets references of its own. */
export function skb_clone_frags(to: skb_shared_info, from: skb_shared_info): void {
  for (let i = 0; i < from.nr_frags; i++) {
    const frag = from.frags[i]!;
    copyFrag(to, i, frag);
    get_page(frag.page);
  }
  to.nr_frags = from.nr_frags;
}
