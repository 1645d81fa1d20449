/**
 * net/core/neighbour.c: unreachability detection (RFC 4861 7.3 as Linux applies it to ARP, too).
 * Out: `neigh_resolve_output` → `neigh_event_send` → (queue, `neigh_probe` → solicit) or link-layer header → `dev_queue_xmit`.
 * In: `neigh_update` → `__neigh_update` → new state, queued packets leave. Time: `neigh_timer_handler`.
 *
 * States: INCOMPLETE (asked, packets wait) → REACHABLE → STALE (used again: DELAY → PROBE → REACHABLE or FAILED).
 * The table itself is in neighbour_table.ts, output in neighbour_output.ts.
 */
import { trace } from '../../current.ts';
import type { net_device } from '../../include/linux/netdevice.ts';
import { __skb_dequeue, __skb_queue_tail, type sk_buff, skb_peek_tail } from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import {
  SKB_DROP_REASON_NEIGH_DEAD,
  SKB_DROP_REASON_NEIGH_FAILED,
  SKB_DROP_REASON_NEIGH_QUEUEFULL,
  SKB_DROP_REASON_QUEUE_PURGE,
} from '../../include/net/dropreason.ts';
import { DST_OBSOLETE_DEAD, skb_dst_force } from '../../include/net/dst.ts';
import {
  NEIGH_UPDATE_F_ADMIN,
  NEIGH_UPDATE_F_OVERRIDE,
  NEIGH_UPDATE_F_WEAK_OVERRIDE,
  NTF_ROUTER,
  NUD_CONNECTED,
  NUD_DELAY,
  NUD_FAILED,
  NUD_IN_TIMER,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
  NUD_VALID,
  type neigh_table,
  type neighbour,
} from '../../include/net/neighbour.ts';
import { local_bh_disable, local_bh_enable } from '../../kernel/softirq.ts';
import { HZ, jiffies, mod_timer } from '../../kernel/time/timer.ts';
import { EINVAL, ENOENT, EPERM } from '../../uapi/errno.ts';
import {
  __neigh_lookup,
  neigh_del_timer,
  neigh_hold,
  neigh_lookup,
  neigh_release,
  neigh_remove_one,
  redrawReachableTimes,
} from './neighbour_table.ts';
import { skb_clone } from './skbuff_clone.ts';
import { consume_skb, kfree_skb_reason } from './skbuff_free.ts';

export * from './neighbour_table.ts';

/* Events */

/** A packet is about to leave: 0 when the neighbour's address is usable, 1 when the packet was queued or dropped. */
export function neigh_event_send(neigh: neighbour, skb: sk_buff | null): number {
  neigh.used = jiffies();
  if ((neigh.nud_state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE)) === 0) return __neigh_event_send(neigh, skb, true);
  return 0;
}

export function __neigh_event_send(neigh: neighbour, skb: sk_buff | null, immediate_ok: boolean): number {
  local_bh_disable();
  const result = eventSend(neigh, skb, immediate_ok);
  // Frames that the probe made the device complete are seen to here.
  local_bh_enable();
  if (result < 0) trace().neigh_event_send_dead?.(neigh, 1);
  else trace().neigh_event_send_done?.(neigh, result);
  return result < 0 ? 1 : result;
}

/** As __neigh_event_send(); -1 when the neighbour is dead or cannot be asked. */
function eventSend(neigh: neighbour, skb: sk_buff | null, immediate_ok: boolean): number {
  if ((neigh.nud_state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE)) !== 0) return 0;
  if (neigh.dead !== 0) {
    if ((neigh.nud_state & NUD_STALE) !== 0) return 0;
    kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_DEAD, '__neigh_event_send');
    return -1;
  }
  let probe = false;
  if ((neigh.nud_state & (NUD_STALE | NUD_INCOMPLETE)) === 0) {
    if (neigh.parms.mcast_solicit + neigh.parms.app_solicit === 0) return failAtOnce(neigh, skb);
    startResolution(neigh, immediate_ok);
    probe = immediate_ok;
  } else if ((neigh.nud_state & NUD_STALE) !== 0) {
    neigh_del_timer(neigh);
    neigh.nud_state = NUD_DELAY;
    neigh.updated = jiffies();
    neigh_add_timer(neigh, jiffies() + neigh.parms.delay_probe_time);
  }
  const queued = neigh.nud_state === NUD_INCOMPLETE;
  if (queued && skb !== null) queueUnresolved(neigh, skb);
  if (probe) neigh_probe(neigh, '__neigh_event_send');
  return queued ? 1 : 0;
}

function failAtOnce(neigh: neighbour, skb: sk_buff | null): number {
  neigh.nud_state = NUD_FAILED;
  neigh.updated = jiffies();
  kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_FAILED, '__neigh_event_send');
  return 1;
}

/** Unicast probes count as made: an unknown neighbour can only be asked for by broadcast. */
function startResolution(neigh: neighbour, immediate_ok: boolean): void {
  const now = jiffies();
  neigh.probes = neigh.parms.ucast_solicit;
  neigh_del_timer(neigh);
  neigh.nud_state = NUD_INCOMPLETE;
  neigh.updated = now;
  neigh_add_timer(neigh, immediate_ok ? now + retransTime(neigh) : now + 1);
}

const retransTime = (neigh: neighbour): number => Math.max(neigh.parms.retrans_time, Math.floor(HZ() / 100));

/** Packets wait up to a limit in bytes; beyond it the oldest go. */
function queueUnresolved(neigh: neighbour, skb: sk_buff): void {
  while (neigh.arp_queue_len_bytes + skb.truesize > neigh.parms.queue_len_bytes) {
    const oldest = __skb_dequeue(neigh.arp_queue);
    if (oldest === null) break;
    neigh.arp_queue_len_bytes -= oldest.truesize;
    kfree_skb_reason(oldest, SKB_DROP_REASON_NEIGH_QUEUEFULL, '__neigh_event_send');
    neigh.tbl.stats.unres_discards++;
  }
  skb_dst_force(skb);
  __skb_queue_tail(neigh.arp_queue, skb);
  neigh.arp_queue_len_bytes += skb.truesize;
}

/* Timer */

function neigh_add_timer(neigh: neighbour, when: number): void {
  neigh_hold(neigh);
  neigh.timer.expires = when;
  mod_timer(neigh.timer, when);
}

/** Asks. What the question looks like may depend on the youngest packet that waits. gcc inlines it, so the copy is freed in its caller. */
function neigh_probe(neigh: neighbour, caller: string): void {
  const waiting = skb_peek_tail(neigh.arp_queue);
  const skb = waiting === null ? null : skb_clone(waiting, GFP_ATOMIC);
  neigh.ops.solicit(neigh, skb);
  neigh.probes++;
  consume_skb(skb, caller);
}

export function neigh_max_probes(n: neighbour): number {
  const p = n.parms;
  return p.ucast_solicit + p.app_solicit + ((n.nud_state & NUD_PROBE) !== 0 ? p.mcast_reprobes : p.mcast_solicit);
}

export function neigh_timer_handler(neigh: neighbour): void {
  if ((neigh.nud_state & NUD_IN_TIMER) !== 0 && timerStep(neigh)) neigh_update_notify(neigh);
  trace().neigh_timer_handler?.(neigh, 0);
  neigh_release(neigh);
}

/** The next state, and what it asks for; true when others should hear of it. */
function timerStep(neigh: neighbour): boolean {
  const now = jiffies();
  const before = neigh.nud_state;
  let next = now + retransTime(neigh);
  if ((before & NUD_REACHABLE) !== 0) next = leaveReachable(neigh, now);
  else if ((before & NUD_DELAY) !== 0) next = leaveDelay(neigh, now);
  let notify = neigh.nud_state !== before && neigh.nud_state !== NUD_DELAY;
  if ((neigh.nud_state & (NUD_INCOMPLETE | NUD_PROBE)) !== 0 && neigh.probes >= neigh_max_probes(neigh)) {
    neigh.nud_state = NUD_FAILED;
    neigh_invalidate(neigh);
    notify = true;
  }
  if ((neigh.nud_state & NUD_IN_TIMER) !== 0 && !mod_timer(neigh.timer, Math.max(next, now + Math.floor(HZ() / 100)))) neigh_hold(neigh);
  if ((neigh.nud_state & (NUD_INCOMPLETE | NUD_PROBE)) !== 0) neigh_probe(neigh, 'neigh_timer_handler');
  return notify;
}

/** Reachable for long enough without a word from it: believe it a little longer if it is in use, else until it is used again. */
function leaveReachable(neigh: neighbour, now: number): number {
  const p = neigh.parms;
  if (now <= neigh.confirmed + p.reachable_time) return neigh.confirmed + p.reachable_time;
  const used = now <= neigh.used + p.delay_probe_time;
  neigh.nud_state = used ? NUD_DELAY : NUD_STALE;
  neigh.updated = now;
  neigh_suspect(neigh);
  return now + p.delay_probe_time;
}

/** The time to be confirmed by upper layers is over. */
function leaveDelay(neigh: neighbour, now: number): number {
  const p = neigh.parms;
  neigh.updated = now;
  if (now <= neigh.confirmed + p.delay_probe_time) {
    neigh.nud_state = NUD_REACHABLE;
    neigh_connect(neigh);
    return neigh.confirmed + p.reachable_time;
  }
  neigh.nud_state = NUD_PROBE;
  neigh.probes = 0;
  return now + retransTime(neigh);
}

function neigh_suspect(neigh: neighbour): void {
  neigh.output = neigh.ops.output;
}

function neigh_connect(neigh: neighbour): void {
  neigh.output = neigh.ops.connected_output;
}

/** Nobody answered: those who sent the waiting packets are told. */
function neigh_invalidate(neigh: neighbour): void {
  neigh.tbl.stats.res_failed++;
  neigh.updated = jiffies();
  // An error report may lead back here with a changed state: then the rest is not ours any more.
  while (neigh.nud_state === NUD_FAILED) {
    const skb = __skb_dequeue(neigh.arp_queue);
    if (skb === null) break;
    neigh.ops.error_report(neigh, skb);
  }
  purgeWaiting(neigh);
}

function purgeWaiting(neigh: neighbour): void {
  for (let skb = __skb_dequeue(neigh.arp_queue); skb !== null; skb = __skb_dequeue(neigh.arp_queue))
    kfree_skb_reason(skb, SKB_DROP_REASON_QUEUE_PURGE, '__neigh_update');
  neigh.arp_queue_len_bytes = 0;
}

/* Updates */

/**
 * News about a neighbour: its link-layer address (null: only the state) and a state. OVERRIDE lets a different address replace a valid one.
 * Returns 0 or -errno.
 */
export function neigh_update(neigh: neighbour, lladdr: Uint8Array | null, state: number, flags: number): number {
  return __neigh_update(neigh, lladdr, state, flags);
}

function __neigh_update(neigh: neighbour, lladdr: Uint8Array | null, state: number, flags: number): number {
  trace().neigh_update?.(neigh, lladdr, state, flags);
  local_bh_disable();
  const err = applyUpdate(neigh, lladdr, state, flags);
  local_bh_enable();
  if (err === CHANGED) neigh_update_notify(neigh);
  trace().neigh_update_done?.(neigh, err > 0 ? 0 : err);
  return err > 0 ? 0 : err;
}

/** Result of an update that others should hear of. */
const CHANGED = 1;

function applyUpdate(neigh: neighbour, lladdr: Uint8Array | null, state: number, flags: number): number {
  const old = neigh.nud_state;
  if (neigh.dead !== 0) return -EPERM;
  if ((flags & NEIGH_UPDATE_F_ADMIN) === 0 && (old & (NUD_NOARP | NUD_PERMANENT)) !== 0) return -EPERM;
  if ((state & NUD_VALID) === 0) return invalidateTo(neigh, state);
  if (lladdr === null && (old & NUD_VALID) === 0) return -EINVAL;
  const differs = lladdr !== null && !((old & NUD_VALID) !== 0 && sameAddress(lladdr, neigh.ha));
  if ((state & NUD_CONNECTED) !== 0) neigh.confirmed = jiffies();
  return settle(neigh, differs ? lladdr : null, state, flags);
}

/** `lladdr` is null when the address stays as it is. */
function settle(neigh: neighbour, lladdr: Uint8Array | null, state: number, flags: number): number {
  const old = neigh.nud_state;
  if ((old & NUD_VALID) !== 0) {
    if (lladdr !== null && (flags & NEIGH_UPDATE_F_OVERRIDE) === 0) {
      if ((flags & NEIGH_UPDATE_F_WEAK_OVERRIDE) === 0 || (old & NUD_CONNECTED) === 0) return 0;
      lladdr = null;
      state = NUD_STALE;
    } else if (lladdr === null && state === NUD_STALE && (flags & NEIGH_UPDATE_F_ADMIN) === 0) state = old;
  }
  if (state === old && lladdr === null) return 0;
  neigh.updated = jiffies();
  if (state !== old) enterState(neigh, state);
  if (lladdr !== null) adoptAddress(neigh, lladdr, state);
  if (state === old) return CHANGED;
  if ((state & NUD_CONNECTED) !== 0) neigh_connect(neigh);
  else neigh_suspect(neigh);
  if ((old & NUD_VALID) === 0) sendWaiting(neigh);
  return CHANGED;
}

function enterState(neigh: neighbour, state: number): void {
  neigh_del_timer(neigh);
  if ((state & NUD_PROBE) !== 0) neigh.probes = 0;
  redrawReachableTimes(neigh.tbl);
  if ((state & NUD_IN_TIMER) !== 0) neigh_add_timer(neigh, jiffies() + ((state & NUD_REACHABLE) !== 0 ? neigh.parms.reachable_time : 0));
  neigh.nud_state = state;
}

function adoptAddress(neigh: neighbour, lladdr: Uint8Array, state: number): void {
  for (let i = 0; i < neigh.dev.addr_len; i++) neigh.ha[i] = lladdr[i]!;
  if (neigh.hh.hh_len !== 0) neigh.dev.header_ops?.cache_update?.(neigh.hh, neigh.dev, neigh.ha);
  if ((state & NUD_CONNECTED) === 0) neigh.confirmed = jiffies() - 2 * neigh.parms.base_reachable_time;
}

function invalidateTo(neigh: neighbour, state: number): number {
  const old = neigh.nud_state;
  neigh_del_timer(neigh);
  if ((old & NUD_CONNECTED) !== 0) neigh_suspect(neigh);
  neigh.nud_state = state;
  if ((old & (NUD_INCOMPLETE | NUD_PROBE)) !== 0 && (state & NUD_FAILED) !== 0) neigh_invalidate(neigh);
  return (old & (NUD_VALID | NUD_INCOMPLETE)) !== 0 ? CHANGED : 0;
}

/** The address is known at last. A packet's route may have another neighbour by now. */
function sendWaiting(neigh: neighbour): void {
  while ((neigh.nud_state & NUD_VALID) !== 0) {
    const skb = __skb_dequeue(neigh.arp_queue);
    if (skb === null) break;
    local_bh_enable();
    sendThroughRoute(neigh, skb);
    local_bh_disable();
  }
  purgeWaiting(neigh);
}

function sendThroughRoute(neigh: neighbour, skb: sk_buff): void {
  const dst = skb._skb_refdst;
  const other = dst !== null && dst.obsolete !== DST_OBSOLETE_DEAD ? dst.ops.neigh_lookup(dst, skb, 0) : null;
  const n1 = other ?? neigh;
  n1.output(n1, skb);
  if (other !== null) neigh_release(other);
}

function sameAddress(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Tells who watches neighbours: drivers that offload them, and `ip monitor`. */
function neigh_update_notify(neigh: neighbour): void {
  call_netevent_notifiers(neigh);
  __neigh_notify(neigh);
}

/** No driver here has asked to be told. */
function call_netevent_notifiers(_neigh: neighbour): void {}

/** Simplified: Linux builds an RTM_NEWNEIGH message for netlink listeners; there is no netlink here, so nobody could listen. */
function __neigh_notify(_neigh: neighbour): void {}

/* Protocol and administration */

/** A neighbour has asked for us: it is there, at least one way (RFC 826's merge). */
export function neigh_event_ns(tbl: neigh_table, lladdr: Uint8Array, saddr: number, dev: net_device): neighbour | null {
  const neigh = __neigh_lookup(tbl, saddr, dev, true);
  if (neigh !== null) __neigh_update(neigh, lladdr, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE);
  return neigh;
}

/** `ip neigh add|replace`: an entry with a state of the administrator's choice. */
export function neigh_add(
  tbl: neigh_table,
  dst: number,
  dev: net_device,
  lladdr: Uint8Array | null,
  state = NUD_PERMANENT,
  ndm_flags = 0,
): number {
  const neigh = __neigh_lookup(tbl, dst, dev, true);
  if (neigh === null) return -EINVAL;
  if ((ndm_flags & NTF_ROUTER) !== 0) neigh.flags |= NTF_ROUTER;
  const err = neigh_update(neigh, lladdr, state, NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE);
  neigh_release(neigh);
  return err;
}

/** `ip neigh del` */
export function neigh_delete(tbl: neigh_table, dst: number, dev: net_device): number {
  const neigh = neigh_lookup(tbl, dst, dev);
  if (neigh === null) return -ENOENT;
  const err = neigh_update(neigh, null, NUD_FAILED, NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN);
  neigh_release(neigh);
  if (neigh.refcnt === 1) neigh_remove_one(neigh);
  return err;
}
