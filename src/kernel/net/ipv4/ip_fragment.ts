/**
 * net/ipv4/ip_fragment.c, inet_fragment.c: reassembly of datagrams (RFC 791 3.2, RFC 815).
 * `ip_defrag` → `inet_frag_find` (`ip4_frag_init` for a new one) → `ip_frag_queue` → `inet_frag_queue_insert` → when all is there `ip_frag_reasm` →
 * `inet_frag_reasm_prepare`, `inet_frag_reasm_finish`. `ip_expire` after 30 s.
 */
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  CHECKSUM_UNNECESSARY,
  type sk_buff,
  skb_coalesce_result,
  skb_network_offset,
  skb_orphan,
  skb_push,
} from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import {
  SKB_CONSUMED,
  SKB_DROP_REASON_DUP_FRAG,
  SKB_DROP_REASON_FRAG_REASM_TIMEOUT,
  SKB_DROP_REASON_NOMEM,
  SKB_DROP_REASON_NOT_SPECIFIED,
} from '../../include/net/dropreason.ts';
import { skb_dst_drop } from '../../include/net/dst.ts';
import { icmp_send } from '../../include/net/icmp.ts';
import { fqdir, type frag_run, INET_FRAG_COMPLETE, INET_FRAG_FIRST_IN, INET_FRAG_LAST_IN, ipq } from '../../include/net/inet_frag.ts';
import { IP_DEFRAG_LOCAL_DELIVER, IPSKB_FRAG_COMPLETE, IPSKB_FRAG_PMTU, ip_hdr, ip_hdr_len, ip_send_check } from '../../include/net/ip.ts';
import { RTN_LOCAL } from '../../include/net/ip_fib.ts';
import { l3mdev_master_ifindex_rcu } from '../../include/net/l3mdev.ts';
import { __IP_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import { jiffies, mod_timer, timer_delete, timer_list } from '../../kernel/time/timer.ts';
import { csum_add } from '../../lib/checksum.ts';
import { EINPROGRESS, EINVAL, ENOMEM } from '../../uapi/errno.ts';
import { ICMP_EXC_FRAGTIME, ICMP_TIME_EXCEEDED, IP_DF, IP_MF, IP_OFFSET, type iphdr } from '../../uapi/in.ts';
import {
  IPSTATS_MIB_REASMFAILS,
  IPSTATS_MIB_REASMOKS,
  IPSTATS_MIB_REASMOVERLAPS,
  IPSTATS_MIB_REASMREQDS,
  IPSTATS_MIB_REASMTIMEOUT,
} from '../../uapi/snmp.ts';
import { skb_clone, skb_morph } from '../core/skbuff_clone.ts';
import { pskb_trim_rcsum } from '../core/skbuff_csum.ts';
import { consume_skb, kfree_skb_partial, kfree_skb_reason } from '../core/skbuff_free.ts';
import { pskb_pull } from '../core/skbuff_reshape.ts';
import { skb_try_coalesce } from '../core/skbuff_split.ts';
import { inet_getpeer_v4 } from './inetpeer.ts';
import { ip_route_input_noref } from './route.ts';

const IP_FRAG_TIME_SECONDS = 30;
/** Outcomes of putting a fragment in its place. */
const IPFRAG_OK = 0;
const IPFRAG_DUP = 1;
const IPFRAG_OVERLAP = 2;

export function ipfrag_init(network: net): void {
  network.ipv4.fqdir = new fqdir();
  network.ipv4.sysctl_ipfrag_time = IP_FRAG_TIME_SECONDS * network.kernel.HZ;
}

/** The network goes: so does what waits for reassembly. */
export function ipv4_frags_exit_net(network: net): void {
  for (const head of [...network.ipv4.fqdir.rhashtable.values()]) {
    for (let qp: ipq | null = head; qp !== null; qp = qp.next) {
      inet_frag_kill(qp);
      inet_frag_destroy(qp, SKB_DROP_REASON_NOT_SPECIFIED);
    }
  }
}

/** Takes a fragment. 0: `skb` is the whole datagram now; -EINPROGRESS: it was kept; other errors: it was dropped. */
export function ip_defrag(network: net, skb: sk_buff, user: number): number {
  l3mdev_master_ifindex_rcu(skb.dev);
  __IP_INC_STATS(network, IPSTATS_MIB_REASMREQDS);
  const qp = inet_frag_find(network, ip_hdr(skb), user);
  if (qp !== null) return ip_frag_queue(network, qp, skb);
  __IP_INC_STATS(network, IPSTATS_MIB_REASMFAILS);
  kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM, 'ip_defrag');
  return -ENOMEM;
}

/* Datagrams under reassembly, by what their fragments have in common */

function ip4_key_hashfn(iph: iphdr, user: number): number {
  return hashKey(iph.saddr, iph.daddr, iph.id, iph.protocol, user);
}

function ip4_obj_hashfn(qp: ipq): number {
  return hashKey(qp.saddr, qp.daddr, qp.id, qp.protocol, qp.user);
}

function hashKey(saddr: number, daddr: number, id: number, protocol: number, user: number): number {
  const addresses = Math.imul(saddr, 0x9e37_79b1) ^ Math.imul(daddr, 0x85eb_ca6b);
  return (addresses ^ Math.imul((id << 16) | (protocol << 8) | user, 0xc2b2_ae35)) >>> 0;
}

function ip4_obj_cmpfn(qp: ipq, iph: iphdr, user: number): boolean {
  return qp.id === iph.id && qp.saddr === iph.saddr && qp.daddr === iph.daddr && qp.protocol === iph.protocol && qp.user === user;
}

/** The datagram that a fragment belongs to, made if it is the first; null when memory for fragments is used up. */
function inet_frag_find(network: net, iph: iphdr, user: number): ipq | null {
  const dir = network.ipv4.fqdir;
  if (dir.mem > network.ipv4.sysctl_ipfrag_high_thresh) return null;
  const hash = ip4_key_hashfn(iph, user);
  for (let qp = dir.rhashtable.get(hash) ?? null; qp !== null; qp = qp.next) if (ip4_obj_cmpfn(qp, iph, user)) return qp;
  return inet_frag_create(network, dir, iph, user);
}

function inet_frag_create(network: net, dir: fqdir, iph: iphdr, user: number): ipq {
  const qp = new ipq(dir, iph.saddr, iph.daddr, iph.id, iph.protocol, user);
  ip4_frag_init(network, qp);
  qp.timer = new timer_list(() => ip_expire(network, qp), 'ip_expire');
  mod_timer(qp.timer, jiffies() + network.ipv4.sysctl_ipfrag_time);
  const hash = ip4_obj_hashfn(qp);
  qp.next = dir.rhashtable.get(hash) ?? null;
  dir.rhashtable.set(hash, qp);
  dir.nqueues++;
  return qp;
}

function ip4_frag_init(network: net, qp: ipq): void {
  qp.peer = network.ipv4.sysctl_ipfrag_max_dist !== 0 ? inet_getpeer_v4(network, qp.saddr) : null;
}

/** No more fragments for it: out of the table, timer off. */
function inet_frag_kill(qp: ipq): void {
  timer_delete(qp.timer);
  if ((qp.flags & INET_FRAG_COMPLETE) !== 0) return;
  qp.flags |= INET_FRAG_COMPLETE;
  const { rhashtable } = qp.fqdir;
  const hash = ip4_obj_hashfn(qp);
  const head = rhashtable.get(hash) ?? null;
  if (head === qp) {
    if (qp.next === null) rhashtable.delete(hash);
    else rhashtable.set(hash, qp.next);
  } else for (let at = head; at !== null; at = at.next) if (at.next === qp) at.next = qp.next;
  qp.fqdir.nqueues--;
}

function inet_frag_destroy(qp: ipq, reason: number): void {
  inet_frag_rbtree_purge(qp, reason);
}

/** Drops all fragments. */
function inet_frag_rbtree_purge(qp: ipq, reason: number): void {
  const { fragments } = qp;
  for (let i = 0; i < fragments.length; i++) {
    qp.fqdir.mem -= fragments[i]!.truesize;
    kfree_skb_reason(fragments[i]!, reason, 'inet_frag_rbtree_purge');
  }
  fragments.length = 0;
  qp.offsets.length = 0;
  qp.runs.length = 0;
}

/* One more fragment */

function ip_frag_queue(network: net, qp: ipq, skb: sk_buff): number {
  if ((skb.ip_flags & IPSKB_FRAG_COMPLETE) === 0 && ip_frag_too_far(network, qp)) ip_frag_reinit(network, qp);
  const iph = ip_hdr(skb);
  const { frag_off, tos } = iph;
  const ihl = ip_hdr_len(skb);
  const offset = (frag_off & IP_OFFSET) << 3;
  let end = offset + skb.len - skb_network_offset(skb) - ihl;
  if ((frag_off & IP_MF) === 0) {
    if (end < qp.len || ((qp.flags & INET_FRAG_LAST_IN) !== 0 && end !== qp.len)) return discard(network, qp, skb);
    qp.flags |= INET_FRAG_LAST_IN;
    qp.len = end;
  } else {
    if ((end & 7) !== 0) {
      end &= ~7;
      if (skb.ip_summed !== CHECKSUM_UNNECESSARY) skb.ip_summed = CHECKSUM_NONE;
    }
    if (end > qp.len) {
      // Beyond the last one.
      if ((qp.flags & INET_FRAG_LAST_IN) !== 0) return discard(network, qp, skb);
      qp.len = end;
    }
  }
  if (end === offset) return discard(network, qp, skb);
  if (pskb_pull(skb, skb_network_offset(skb) + ihl) === null) return discard(network, qp, skb);
  if (skb.len > end - offset && pskb_trim_rcsum(skb, end - offset) !== 0) return discard(network, qp, skb);
  const where = inet_frag_queue_insert(qp, skb, offset, end);
  if (where !== IPFRAG_OK) return refuse(network, qp, skb, where);
  return account(network, qp, skb, offset, ihl, (frag_off & IP_DF) !== 0, tos & 3);
}

/** RFC 5722 4: who overlaps, attacks; the whole datagram goes. An exact duplicate is only dropped. */
function refuse(network: net, qp: ipq, skb: sk_buff, where: number): number {
  if (where === IPFRAG_OVERLAP) {
    __IP_INC_STATS(network, IPSTATS_MIB_REASMOVERLAPS);
    return discard(network, qp, skb);
  }
  kfree_skb_reason(skb, SKB_DROP_REASON_DUP_FRAG, 'ip_frag_queue');
  return -EINVAL;
}

function discard(network: net, qp: ipq, skb: sk_buff): number {
  inet_frag_kill(qp);
  inet_frag_destroy(qp, SKB_CONSUMED);
  __IP_INC_STATS(network, IPSTATS_MIB_REASMFAILS);
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, 'ip_frag_queue');
  return -EINVAL;
}

/** So many fragments came from that host in between that identifications may have wrapped (RFC 4963). */
function ip_frag_too_far(network: net, qp: ipq): boolean {
  if (qp.peer === null) return false;
  const start = qp.rid;
  qp.rid = ++qp.peer.rid;
  const far = qp.fragments.length > 0 && qp.rid - start > network.ipv4.sysctl_ipfrag_max_dist;
  if (far) __IP_INC_STATS(network, IPSTATS_MIB_REASMFAILS);
  return far;
}

/** Begins anew with the fragment at hand. */
function ip_frag_reinit(network: net, qp: ipq): void {
  mod_timer(qp.timer, jiffies() + network.ipv4.sysctl_ipfrag_time);
  inet_frag_rbtree_purge(qp, SKB_DROP_REASON_NOT_SPECIFIED);
  qp.flags = qp.len = qp.meat = qp.iif = qp.ecn = qp.max_size = qp.max_df_size = 0;
}

function inet_frag_queue_insert(qp: ipq, skb: sk_buff, offset: number, end: number): number {
  const { fragments, offsets } = qp;
  const where = joinRun(qp.runs, offset, end);
  if (where !== IPFRAG_OK) return where;
  let at = offsets.length;
  while (at > 0 && offsets[at - 1]! > offset) at--;
  fragments.splice(at, 0, skb);
  offsets.splice(at, 0, offset);
  return IPFRAG_OK;
}

/** What continues the last run becomes part of it; anything else is a run of its own, even if it fills a gap. Within a run, it is a duplicate. */
function joinRun(runs: frag_run[], offset: number, end: number): number {
  const last = runs.at(-1);
  if (last !== undefined && last.end === offset) {
    last.end = end;
    return IPFRAG_OK;
  }
  let at = runs.length;
  for (; at > 0 && runs[at - 1]!.start >= end; at--);
  const before = runs[at - 1];
  if (before !== undefined && offset < before.end) return offset >= before.start && end <= before.end ? IPFRAG_DUP : IPFRAG_OVERLAP;
  runs.splice(at, 0, { start: offset, end });
  return IPFRAG_OK;
}

function account(network: net, qp: ipq, skb: sk_buff, offset: number, ihl: number, df: boolean, ecn: number): number {
  const { dev } = skb;
  if (dev !== null) qp.iif = dev.ifindex;
  qp.stamp = skb.tstamp;
  qp.meat += skb.len;
  qp.ecn |= 1 << ecn;
  qp.fqdir.mem += skb.truesize;
  if (offset === 0) qp.flags |= INET_FRAG_FIRST_IN;
  const fragsize = skb.len + ihl;
  if (fragsize > qp.max_size) qp.max_size = fragsize;
  if (df && fragsize > qp.max_df_size) qp.max_df_size = fragsize;
  if (qp.flags === (INET_FRAG_FIRST_IN | INET_FRAG_LAST_IN) && qp.meat === qp.len) return reassembleWithRoute(network, qp, skb);
  skb_dst_drop(skb);
  skb_orphan(skb);
  return -EINPROGRESS;
}

/* All there */

/** RFC 3168 5.3: which mark the datagram gets from those of its fragments (bits: Not-ECT, ECT(1), ECT(0), CE); -1: they contradict each other. */
function combinedEcn(seen: number): number {
  const [notEct, ce] = [(seen & 1) !== 0, (seen & 8) !== 0];
  if (notEct && seen !== 1) return ce || (seen & 6) !== 0 ? -1 : 0;
  return ce ? 3 : 0;
}

/** The datagram goes on by the route of the fragment that came last; those that waited have none any more, and joining would leave it theirs. */
function reassembleWithRoute(network: net, qp: ipq, skb: sk_buff): number {
  const { _skb_refdst: route, dstNoref } = skb;
  skb._skb_refdst = null;
  const err = ip_frag_reasm(network, qp, skb);
  skb._skb_refdst = route;
  skb.dstNoref = dstNoref;
  return err;
}

/** `skb`, the fragment that came last, becomes the datagram. */
function ip_frag_reasm(network: net, qp: ipq, skb: sk_buff): number {
  const { dev } = skb;
  inet_frag_kill(qp);
  const ecn = combinedEcn(qp.ecn);
  if (ecn < 0) return failReassembly(network, qp);
  inet_frag_reasm_prepare(qp, skb);
  const len = ip_hdr_len(skb) + qp.len;
  if (len > 65535) return failReassembly(network, qp);
  inet_frag_reasm_finish(qp, skb);
  skb.dev = dev;
  skb.ip_frag_max_size = Math.max(qp.max_df_size, qp.max_size);
  const iph = ip_hdr(skb);
  iph.tot_len = len;
  iph.tos |= ecn;
  // If its largest fragment must not be fragmented, the datagram may go on only in pieces no larger than that one.
  if (qp.max_df_size === qp.max_size) {
    skb.ip_flags |= IPSKB_FRAG_PMTU;
    iph.frag_off = IP_DF;
  } else iph.frag_off = 0;
  ip_send_check(iph);
  __IP_INC_STATS(network, IPSTATS_MIB_REASMOKS);
  inet_frag_destroy(qp, SKB_CONSUMED);
  return 0;
}

function failReassembly(network: net, qp: ipq): number {
  __IP_INC_STATS(network, IPSTATS_MIB_REASMFAILS);
  inet_frag_destroy(qp, SKB_CONSUMED);
  return -EINVAL;
}

/** The caller goes on with `skb`: it takes the place of the first fragment, whose place a clone of it takes. */
function inet_frag_reasm_prepare(qp: ipq, skb: sk_buff): void {
  const head = qp.fragments[0]!;
  if (head !== skb) {
    const fp = skb_clone(skb, GFP_ATOMIC)!;
    qp.fragments[qp.fragments.indexOf(skb)] = fp;
    skb_morph(skb, head);
    qp.fragments[0] = skb;
    consume_skb(head, 'inet_frag_reasm_prepare');
  }
}

/** Joins all to the first: data or pages go over to it where that needs no copy, other fragments hang on its list. */
function inet_frag_reasm_finish(qp: ipq, skb: sk_buff): void {
  const { fragments } = qp;
  skb_push(skb, skb.data - skb.network_header);
  for (let i = 0; i < fragments.length; i++) qp.fqdir.mem -= fragments[i]!.truesize;
  const stolen = new skb_coalesce_result();
  let last: sk_buff | null = skb.shinfo.frag_list;
  while (last !== null && last.next !== null) last = last.next;
  for (let i = 1; i < fragments.length; i++) {
    const fp = fragments[i]!;
    if (skb.ip_summed !== fp.ip_summed) skb.ip_summed = CHECKSUM_NONE;
    else if (skb.ip_summed === CHECKSUM_COMPLETE) skb.csum = csum_add(skb.csum, fp.csum);
    if (last === null && skb_try_coalesce(skb, fp, stolen)) {
      kfree_skb_partial(fp, stolen.fragstolen);
      continue;
    }
    if (last === null) skb.shinfo.frag_list = fp;
    else last.next = fp;
    last = fp;
    fp.next = fp.prev = null;
    fp.sk = null;
    skb.data_len += fp.len;
    skb.len += fp.len;
    skb.truesize += fp.truesize;
  }
  fragments.length = 0;
  qp.offsets.length = 0;
  skb.next = skb.prev = null;
  skb.tstamp = qp.stamp;
}

/* Not all there */

/** The first fragment's sender is told, if it was the end of the way (RFC 792). */
function ip_expire(network: net, qp: ipq): void {
  if ((qp.flags & INET_FRAG_COMPLETE) !== 0) return;
  inet_frag_kill(qp);
  __IP_INC_STATS(network, IPSTATS_MIB_REASMFAILS);
  __IP_INC_STATS(network, IPSTATS_MIB_REASMTIMEOUT);
  if ((qp.flags & INET_FRAG_FIRST_IN) !== 0) reportTimeout(qp);
  inet_frag_destroy(qp, SKB_DROP_REASON_FRAG_REASM_TIMEOUT);
}

function reportTimeout(qp: ipq): void {
  const head = qp.fragments.shift()!;
  qp.offsets.shift();
  qp.fqdir.mem -= head.truesize;
  const iph = ip_hdr(head);
  const reason = ip_route_input_noref(head, iph.daddr, iph.saddr, iph.tos, head.dev!);
  const local = reason === 0 && head._skb_refdst!.rt_type === RTN_LOCAL;
  if (reason === 0 && (qp.user === IP_DEFRAG_LOCAL_DELIVER || local)) icmp_send(head, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0);
  kfree_skb_reason(head, reason || SKB_DROP_REASON_FRAG_REASM_TIMEOUT, 'ip_expire');
}
