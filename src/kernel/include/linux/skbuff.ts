/**
 * include/linux/skbuff.h: the socket buffer, its shared part, queues of them, and the small functions on them.
 *
 * `mem` is the section of physical memory that holds the linear part; `head`, `data`, `tail`, `end` are offsets in it, and header positions
 * (`transport_header` …) are offsets in it too, -1 while unset. `skb_shared_info` is an object that clones share, where C keeps it behind `end`.
 */

import { this_cpu } from '../../../machine/cpu.ts';
import type { MemorySection } from '../../../machine/memory.ts';
import { InvariantError } from '../../../sim/invariant.ts';
import { kernel } from '../../current.ts';
import type { page } from '../../mm/page_alloc.ts';
import type { kmem_cache, slabObject } from '../../mm/slab.ts';
import type { dst_entry } from '../net/dst.ts';
import type { request_sock } from '../net/request_sock.ts';
import type { sock } from '../net/sock.ts';
import { tcp_skb_cb } from '../net/tcp_skb_cb.ts';
import type { net_device } from './netdevice.ts';

export const MAX_SKB_FRAGS = 17;
/** sizeof(struct sk_buff) and sizeof(struct skb_shared_info) on x86-64, cache-aligned: what truesize counts beside the data. */
export const SKB_META_SIZE = 256;
export const SKB_SHINFO_SIZE = 320;
export const SMP_CACHE_BYTES = 64;
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

export const SKB_FCLONE_UNAVAILABLE = 0;
export const SKB_FCLONE_ORIG = 1;
export const SKB_FCLONE_CLONE = 2;

/** A piece of a page that carries data. */
export class skb_frag_t {
  page: page = null as unknown as page;
  /** Byte offset in the page's section (not in the page), so that `page.mem` and `off` suffice. */
  off = 0;
  size = 0;
}

/** What clones of a buffer share: how many there are, fragments, segmentation. */
export class skb_shared_info {
  dataref = 1;
  /** Clones that hold the payload only (`nohdr`): SKB_DATAREF_SHIFT's upper half. */
  datarefNohdr = 0;
  nr_frags = 0;
  readonly frags: skb_frag_t[] = [];
  frag_list: sk_buff | null = null;
  gso_size = 0;
  gso_segs = 0;
  gso_type = 0;
  tx_flags = 0;
  tskey = 0;
  hwtstamps = 0;
  /** MSG_ZEROCOPY: the ubuf_info. */
  destructor_arg: unknown = null;
  flags = 0;
}

export const skb_shinfo = (skb: sk_buff): skb_shared_info => skb.shinfo;

/** Receive offload state of an skb on its way through GRO. */
export class napi_gro_cb {
  frag0_len = 0;
  data_offset = 0;
  flush = 0;
  count = 0;
  age = 0;
  last: sk_buff | null = null;
  same_flow = false;
  csum_valid = false;
  is_atomic = false;
  network_offset = 0;
  proto = 0;
  csum_cnt = 0;
  is_flist = false;
  free = 0;
}

export class sk_buff {
  next: sk_buff | null = null;
  prev: sk_buff | null = null;
  /** Retransmission and out-of-order queues are ordered: the same pair of links serves them (see net/ipv4/tcp_rtx_queue). */
  list: sk_buff_head | null = null;

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
  peeked = false;
  head_frag = false;
  pfmemalloc = false;
  pp_recycle = false;
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
  csum = 0;
  /** CHECKSUM_PARTIAL: from where (offset in mem) and where to, relative to csum_start. */
  csum_start = 0;
  csum_offset = 0;
  csum_level = 0;
  csum_valid = false;
  hash = 0;
  l4_hash = false;
  sw_hash = false;
  napi_id = 0;
  skb_iif = 0;
  vlan_proto = 0;
  vlan_tci = 0;
  vlan_present = false;
  ooo_okay = false;
  xmit_more = false;
  tstamp = 0;
  tstamp_type = 0;
  skb_mstamp_ns = 0;
  dst_pending_confirm = false;
  decrypted = false;
  ignore_df = false;
  wifi_acked = false;
  redirected = false;
  remcsum_offload = false;

  /** skb->cb as TCP, IP and GRO use it: one object each, since none may disturb the other's life here. */
  readonly tcp: tcp_skb_cb = new tcp_skb_cb();
  readonly gro: napi_gro_cb = new napi_gro_cb();
  ip_opt_len = 0;
  ip_flags = 0;
  ip_frag_max_size = 0;
  qdisc_pkt_len = 0;
  qdisc_cb_time = 0;

  /** First of the packet ids this packet has on the wire (one a segment); observers only. */
  packetId = 0;
  /** Packet ids that GRO merged into this one beyond its own: observers only. */
  mergedIds: number[] | null = null;
  /** Where it is now in the pools: catches use after free. */
  live = false;
}

/** A queue of sk_buffs. */
export class sk_buff_head {
  next: sk_buff | null = null;
  prev: sk_buff | null = null;
  qlen = 0;
}

/** Pools and caches behind alloc_skb(); made by skb_init(). */
export interface skbCaches {
  readonly skbuff_cache: sk_buff[];
  readonly shinfo_cache: skb_shared_info[];
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

export const skb_queue_len = (list: sk_buff_head): number => list.qlen;
export const skb_queue_empty = (list: sk_buff_head): boolean => list.next === null;
export const skb_peek = (list: sk_buff_head): sk_buff | null => list.next;
export const skb_peek_tail = (list: sk_buff_head): sk_buff | null => list.prev;
export const skb_queue_is_last = (list: sk_buff_head, skb: sk_buff): boolean => list.prev === skb;

export function __skb_queue_tail(list: sk_buff_head, skb: sk_buff): void {
  skb.next = null;
  skb.prev = list.prev;
  if (list.prev !== null) list.prev.next = skb;
  else list.next = skb;
  list.prev = skb;
  skb.list = list;
  list.qlen++;
}

export function __skb_queue_head(list: sk_buff_head, skb: sk_buff): void {
  skb.prev = null;
  skb.next = list.next;
  if (list.next !== null) list.next.prev = skb;
  else list.prev = skb;
  list.next = skb;
  skb.list = list;
  list.qlen++;
}

export function __skb_queue_after(list: sk_buff_head, prev: sk_buff, skb: sk_buff): void {
  if (prev.next === null) {
    __skb_queue_tail(list, skb);
    return;
  }
  skb.prev = prev;
  skb.next = prev.next;
  prev.next.prev = skb;
  prev.next = skb;
  skb.list = list;
  list.qlen++;
}

export function __skb_queue_before(list: sk_buff_head, next: sk_buff, skb: sk_buff): void {
  if (next.prev === null) __skb_queue_head(list, skb);
  else __skb_queue_after(list, next.prev, skb);
}

export function __skb_unlink(skb: sk_buff, list: sk_buff_head): void {
  if (skb.prev !== null) skb.prev.next = skb.next;
  else list.next = skb.next;
  if (skb.next !== null) skb.next.prev = skb.prev;
  else list.prev = skb.prev;
  skb.next = skb.prev = null;
  skb.list = null;
  list.qlen--;
}

export function __skb_dequeue(list: sk_buff_head): sk_buff | null {
  const skb = list.next;
  if (skb !== null) __skb_unlink(skb, list);
  return skb;
}

/** Moves all of `list` to the end of `head`. */
export function skb_queue_splice_tail_init(list: sk_buff_head, head: sk_buff_head): void {
  for (let skb = __skb_dequeue(list); skb !== null; skb = __skb_dequeue(list)) __skb_queue_tail(head, skb);
}

export const skb_queue_tail = __skb_queue_tail;
export const skb_queue_head = __skb_queue_head;
export const skb_dequeue = __skb_dequeue;
export const skb_unlink = __skb_unlink;

export const skb_frag_size = (frag: skb_frag_t): number => frag.size;
export const skb_frag_page = (frag: skb_frag_t): page => frag.page;

/** Fragment `i`, made if it is not there yet: frags are never given back, so that segments allocate none. */
export function skbFrag(shinfo: skb_shared_info, i: number): skb_frag_t {
  let frag = shinfo.frags[i];
  if (frag === undefined) {
    frag = new skb_frag_t();
    shinfo.frags.push(frag);
  }
  return frag;
}

/** Appends or replaces fragment `i`: `off` counts from the start of the page's section. */
export function skb_fill_page_desc(skb: sk_buff, i: number, p: page, off: number, size: number): void {
  const frag = skbFrag(skb.shinfo, i);
  frag.page = p;
  frag.off = off;
  frag.size = size;
  skb.shinfo.nr_frags = i + 1;
}

export function skb_can_coalesce(skb: sk_buff, i: number, p: page, off: number): boolean {
  if (i === 0) return false;
  const frag = skb.shinfo.frags[i - 1]!;
  return frag.page === p && off === frag.off + frag.size;
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

/** Counts bytes that a CPU copies, and charges it for them. */
export function chargeCopy(counter: { count: number; bytes: number }, bytes: number): void {
  counter.count++;
  counter.bytes += bytes;
  this_cpu.charge(Math.round(bytes * kernel().options.copyNsPerByte));
}
