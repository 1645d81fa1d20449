/**
 * net/core/neighbour.c: tables of neighbours: looked up, created, dropped again when there are too many.
 * `neigh_lookup` | `__neigh_create` → `___neigh_create` → `neigh_alloc` → the protocol's constructor → hash table; `neigh_forced_gc`, `neigh_periodic_work`.
 */
import { InvariantError } from '../../../sim/invariant.ts';
import { kernel, trace } from '../../current.ts';
import { IFF_LOOPBACK, type net_device } from '../../include/linux/netdevice.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { SKB_DROP_REASON_NEIGH_DEAD } from '../../include/net/dropreason.ts';
import {
  NTF_EXT_LEARNED,
  NUD_CONNECTED,
  NUD_FAILED,
  NUD_NOARP,
  NUD_NONE,
  NUD_PERMANENT,
  NUD_VALID,
  neigh_hash_table,
  neigh_parms,
  type neigh_table,
  neighbour,
} from '../../include/net/neighbour.ts';
import { HZ, jiffies, mod_timer, timer_delete, timer_list, timer_pending } from '../../kernel/time/timer.ts';
import { ENETDOWN } from '../../uapi/errno.ts';
import { kfree_skb_reason, skb_queue_purge } from './skbuff_free.ts';

/** How often parameters get a new random reachable time, in s. */
const REACHABLE_TIME_REDRAW = 300;

/** Uniform between half and one and a half times the base (RFC 4861 6.3.2). */
export function neigh_rand_reach_time(base: number): number {
  return base === 0 ? 0 : kernel().random.below(base) + Math.floor(base / 2);
}

export function neigh_table_init(tbl: neigh_table): void {
  tbl.parms.reachable_time = neigh_rand_reach_time(tbl.parms.base_reachable_time);
  tbl.nht = new neigh_hash_table(3, randomOdd());
  tbl.last_flush = tbl.last_rand = jiffies();
  tbl.gc_timer = new timer_list(() => neigh_periodic_work(tbl), 'delayed_work_timer_fn');
  tbl.parms_list.push(tbl.parms);
}

const randomOdd = (): number => (kernel().random.u32() | 1) >>> 0;

/** Parameters of one device, from the table's defaults. */
export function neigh_parms_alloc(dev: net_device, tbl: neigh_table): neigh_parms {
  const p = Object.assign(new neigh_parms(), tbl.parms);
  p.dev = dev;
  p.reachable_time = neigh_rand_reach_time(p.base_reachable_time);
  tbl.parms_list.push(p);
  return p;
}

export function neigh_parms_release(tbl: neigh_table, parms: neigh_parms): void {
  const index = tbl.parms_list.indexOf(parms);
  if (index > 0) tbl.parms_list.splice(index, 1);
}

/** The neighbour with a reference for the caller; null when there is none. */
export function neigh_lookup(tbl: neigh_table, pkey: number, dev: net_device): neighbour | null {
  tbl.stats.lookups++;
  const n = __neigh_lookup_noref(tbl, pkey, dev);
  if (n === null) return null;
  n.refcnt++;
  tbl.stats.hits++;
  return n;
}

function __neigh_lookup_noref(tbl: neigh_table, pkey: number, dev: net_device): neighbour | null {
  const nht = tbl.nht;
  const bucket = tbl.hash(pkey, dev, nht.hash_rnd) >>> (32 - nht.hash_shift);
  for (let n: neighbour | null = nht.hash_buckets[bucket]!; n !== null; n = n.next) if (n.dev === dev && tbl.key_eq(n, pkey)) return n;
  return null;
}

/** A new neighbour, or the one that is there; null when the table is full or the protocol refuses. */
export function __neigh_create(tbl: neigh_table, pkey: number, dev: net_device, want_ref: boolean): neighbour | null {
  return ___neigh_create(tbl, pkey, dev, (dev.flags & IFF_LOOPBACK) !== 0, want_ref);
}

export const neigh_create = (tbl: neigh_table, pkey: number, dev: net_device): neighbour | null => __neigh_create(tbl, pkey, dev, true);

/** As neigh_lookup(), but creates what is not there. */
export function __neigh_lookup(tbl: neigh_table, pkey: number, dev: net_device, creat: boolean): neighbour | null {
  const n = neigh_lookup(tbl, pkey, dev);
  if (n !== null || !creat) return n;
  return ___neigh_create(tbl, pkey, dev, (dev.flags & IFF_LOOPBACK) !== 0, true);
}

function ___neigh_create(tbl: neigh_table, pkey: number, dev: net_device, exempt_from_gc: boolean, want_ref: boolean): neighbour | null {
  const n = neigh_alloc(tbl, pkey, dev, exempt_from_gc);
  trace().neigh_create?.(dev, pkey, exempt_from_gc, n);
  if (n === null) return null;
  if (tbl.constructor_(n) < 0) {
    neigh_release(n);
    return null;
  }
  n.confirmed = jiffies() - 2 * n.parms.base_reachable_time;
  if (tbl.entries > tbl.nht.hash_buckets.length) neigh_hash_grow(tbl);
  return insertNew(tbl, n, want_ref);
}

function insertNew(tbl: neigh_table, n: neighbour, want_ref: boolean): neighbour {
  const nht = tbl.nht;
  const bucket = tbl.hash(n.primary_key, n.dev, nht.hash_rnd) >>> (32 - nht.hash_shift);
  for (let n1: neighbour | null = nht.hash_buckets[bucket]!; n1 !== null; n1 = n1.next) {
    if (n1.dev !== n.dev || !tbl.key_eq(n1, n.primary_key)) continue;
    // The constructor may have changed the key to that of one which exists (loopback).
    neigh_release(n);
    if (want_ref) n1.refcnt++;
    return n1;
  }
  n.dead = 0;
  if (want_ref) n.refcnt++;
  n.next = nht.hash_buckets[bucket]!;
  nht.hash_buckets[bucket] = n;
  return n;
}

function neigh_alloc(tbl: neigh_table, pkey: number, dev: net_device, exempt_from_gc: boolean): neighbour | null {
  const now = jiffies();
  if (!exempt_from_gc && !makeRoom(tbl, now)) {
    tbl.stats.table_fulls++;
    return null;
  }
  const n = new neighbour(tbl, dev, pkey, tbl.parms);
  n.updated = n.used = now;
  n.nud_state = NUD_NONE;
  n.output = neigh_blackhole;
  n.dead = 1;
  n.exempt_from_gc = exempt_from_gc;
  n.timer = new timer_list(() => tbl.timer_handler(n), 'neigh_timer_handler');
  tbl.stats.allocs++;
  tbl.entries++;
  if (!exempt_from_gc) tbl.gc_entries++;
  armGc(tbl);
  return n;
}

function makeRoom(tbl: neigh_table, now: number): boolean {
  const entries = tbl.gc_entries;
  if (entries < tbl.gc_thresh2 || (entries < tbl.gc_thresh3 && now <= tbl.last_flush + 5 * HZ())) return true;
  return neigh_forced_gc(tbl) > 0 || entries < tbl.gc_thresh3;
}

/** Output of a neighbour that is not set up yet, or not any more. */
export function neigh_blackhole(_neigh: neighbour, skb: sk_buff): number {
  kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_DEAD, 'neigh_blackhole');
  return -ENETDOWN;
}

/** Drops entries until gc_thresh2 are left, if nobody holds them; returns how many. */
function neigh_forced_gc(tbl: neigh_table): number {
  tbl.stats.forced_gc_runs++;
  const idleSince = jiffies() - 5 * HZ();
  let excess = tbl.gc_entries - tbl.gc_thresh2;
  let shrunk = 0;
  neigh_for_each(tbl, (n) => {
    if (excess <= 0 || n.refcnt !== 1 || n.exempt_from_gc || (n.nud_state & NUD_PERMANENT) !== 0) return;
    const useless = n.nud_state === NUD_FAILED || n.nud_state === NUD_NOARP || n.updated < idleSince;
    if (!useless) return;
    neigh_remove_one(n);
    excess--;
    shrunk++;
  });
  tbl.last_flush = jiffies();
  return shrunk;
}

/**
 * Simplified: Linux queues this work every half base_reachable_time for good, to find mostly nothing to do; here only while the table
 * has at least gc_thresh1 entries, so that a quiet host is quiet.
 */
function armGc(tbl: neigh_table): void {
  const timer = tbl.gc_timer;
  if (timer !== null && tbl.entries >= tbl.gc_thresh1 && !timer_pending(timer))
    mod_timer(timer, jiffies() + Math.floor(tbl.parms.base_reachable_time / 2));
}

/** Drops what nobody used for gc_staletime, and what failed. */
function neigh_periodic_work(tbl: neigh_table): void {
  tbl.stats.periodic_gc_runs++;
  const now = jiffies();
  if (tbl.entries >= tbl.gc_thresh1) {
    neigh_for_each(tbl, (n) => {
      if ((n.nud_state & NUD_PERMANENT) !== 0 || (n.flags & NTF_EXT_LEARNED) !== 0 || timer_pending(n.timer)) return;
      if (n.used < n.confirmed) n.used = n.confirmed;
      const unused = n.nud_state === NUD_FAILED || n.used + n.parms.gc_staletime < now;
      if (n.refcnt === 1 && unused) neigh_remove_one(n);
    });
  }
  armGc(tbl);
}

/**
 * A new random reachable time for every device once in five minutes.
 * Simplified: drawn when it is next used; in Linux by neigh_periodic_work().
 */
export function redrawReachableTimes(tbl: neigh_table): void {
  if (jiffies() <= tbl.last_rand + REACHABLE_TIME_REDRAW * HZ()) return;
  tbl.last_rand = jiffies();
  for (const p of tbl.parms_list) p.reachable_time = neigh_rand_reach_time(p.base_reachable_time);
}

export function neigh_for_each(tbl: neigh_table, visit: (n: neighbour) => void): void {
  for (const head of tbl.nht.hash_buckets) {
    for (let n = head, next: neighbour | null; n !== null; n = next) {
      next = n.next;
      visit(n);
    }
  }
}

function neigh_hash_grow(tbl: neigh_table): void {
  tbl.stats.hash_grows++;
  const grown = new neigh_hash_table(tbl.nht.hash_shift + 1, randomOdd());
  neigh_for_each(tbl, (n) => {
    const bucket = tbl.hash(n.primary_key, n.dev, grown.hash_rnd) >>> (32 - grown.hash_shift);
    n.next = grown.hash_buckets[bucket]!;
    grown.hash_buckets[bucket] = n;
  });
  tbl.nht = grown;
}

/** Takes an entry out of the table. */
export function neigh_remove_one(n: neighbour): boolean {
  const nht = n.tbl.nht;
  const bucket = n.tbl.hash(n.primary_key, n.dev, nht.hash_rnd) >>> (32 - nht.hash_shift);
  let previous: neighbour | null = null;
  for (let at: neighbour | null = nht.hash_buckets[bucket]!; at !== null; previous = at, at = at.next) {
    if (at !== n) continue;
    if (previous === null) nht.hash_buckets[bucket] = n.next;
    else previous.next = n.next;
    n.dead = 1;
    neigh_cleanup_and_release(n);
    return true;
  }
  return false;
}

export function neigh_cleanup_and_release(n: neighbour): void {
  trace().neigh_cleanup_and_release?.(n, 0);
  neigh_release(n);
}

export function neigh_hold(n: neighbour): void {
  n.refcnt++;
}

export function neigh_release(n: neighbour): void {
  if (--n.refcnt === 0) neigh_destroy(n);
}

function neigh_destroy(n: neighbour): void {
  if (n.dead === 0) throw new InvariantError(`neighbour ${n.primary_key.toString(16)} destroyed while in its table`);
  const tbl = n.tbl;
  tbl.stats.destroys++;
  skb_queue_purge(n.arp_queue);
  n.arp_queue_len_bytes = 0;
  tbl.entries--;
  if (!n.exempt_from_gc) tbl.gc_entries--;
}

/** Its timer gives back the reference it holds. */
export function neigh_del_timer(n: neighbour): boolean {
  if (!timer_pending(n.timer) || !timer_delete(n.timer)) return false;
  neigh_release(n);
  return true;
}

/** The device is gone, or its address changed: forget its neighbours, all or (`skip_perm`) those that were learned. */
export function neigh_flush_dev(tbl: neigh_table, dev: net_device | null, skip_perm: boolean): void {
  neigh_for_each(tbl, (n) => {
    if (dev !== null && n.dev !== dev) return;
    if (skip_perm && (n.nud_state & NUD_PERMANENT) !== 0) return;
    unlinkForGood(n);
  });
}

function unlinkForGood(n: neighbour): void {
  n.refcnt++;
  neigh_remove_one(n);
  neigh_del_timer(n);
  if (n.refcnt > 1) {
    // Somebody still holds it: what it would send goes nowhere.
    skb_queue_purge(n.arp_queue);
    n.arp_queue_len_bytes = 0;
    n.output = neigh_blackhole;
    n.nud_state = (n.nud_state & NUD_VALID) !== 0 ? NUD_NOARP : NUD_NONE;
  }
  neigh_release(n);
}

export function neigh_changeaddr(tbl: neigh_table, dev: net_device): void {
  neigh_flush_dev(tbl, dev, false);
}

export function neigh_ifdown(tbl: neigh_table, dev: net_device): void {
  neigh_flush_dev(tbl, dev, false);
}

/** Carrier lost: what was learned may have changed when it returns. */
export function neigh_carrier_down(tbl: neigh_table, dev: net_device): void {
  neigh_flush_dev(tbl, dev, true);
}

export const neigh_is_connected = (n: neighbour): boolean => (n.nud_state & NUD_CONNECTED) !== 0;
