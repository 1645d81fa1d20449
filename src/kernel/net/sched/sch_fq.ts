/**
 * net/sched/sch_fq.c: fair queueing by socket, and the pacing that TCP asks for: a packet leaves not before its earliest departure time (skb.tstamp: EDT) nor
 * sooner than the socket's rate allows.
 * `fq_enqueue` → `fq_classify`; `fq_dequeue` → `fq_check_throttled`: bands by weight, in each band new flows, then the others in turn, a quantum each; a flow
 * whose time has not come waits in `delayed`, which a watchdog timer looks after.
 *
 * Simplified: flows are found in a map and not in hashed trees, so `buckets` is only shown; ECN marks (ce_threshold) and offload_horizon are absent.
 */

import { NSEC_PER_SEC } from '../../../sim/time.ts';
import { type sk_buff, skb_orphan } from '../../include/linux/skbuff.ts';
import {
  SKB_DROP_REASON_FQ_BAND_LIMIT,
  SKB_DROP_REASON_FQ_FLOW_LIMIT,
  SKB_DROP_REASON_FQ_HORIZON_LIMIT,
} from '../../include/net/dropreason.ts';
import {
  type Qdisc,
  type Qdisc_ops,
  qdisc_bstats_update,
  qdisc_dev,
  qdisc_drop_reason,
  qdisc_peek_dequeued,
  TC_PRIO_CONTROL,
  TC_PRIO_MAX,
} from '../../include/net/sch_generic.ts';
import { SK_PACING_FQ, SK_PACING_UNLIMITED, sk_fullsock, type sock } from '../../include/net/sock.ts';
import { ktime_get_ns } from '../../kernel/time/hrtimer.ts';
import { HZ, jiffies } from '../../kernel/time/timer.ts';
import { TCP_CLOSE, TCP_LISTEN } from '../../uapi/tcp.ts';
import { skb_get_hash } from '../core/flow_dissector.ts';
import { kfree_skb } from '../core/skbuff_free.ts';
import { sk_is_tcp } from '../core/sock_dst.ts';
import { qdisc_watchdog_cancel, qdisc_watchdog_schedule_ns } from './sch_api.ts';
import { FQ_BANDS, fq_sched_data, NEVER, PRIO2BAND, qdisc_priv, WEIGHTS } from './sch_fq_data.ts';
import { FLOW_DETACHED, FLOW_THROTTLED, fq_flow, fq_perband_flows } from './sch_fq_flow.ts';
import { fq_change, fq_dump, fq_dump_stats } from './sch_fq_options.ts';

const ETHERNET_HEADER = 14;
/** Packets that the flow for control packets and the fast path may hold. */
const FASTPATH_LIMIT = 8;
/** fq_gc(): a flow that has been empty for so long is forgotten. */
const FQ_GC_AGE_SECONDS = 3;
const FQ_GC_MAX = 8;

/* Throttled flows */

function fq_flow_set_throttled(q: fq_sched_data, f: fq_flow): void {
  const { delayed } = q;
  let at = delayed.length;
  while (at > 0 && delayed[at - 1]!.time_next_packet <= f.time_next_packet) at--;
  delayed.splice(at, 0, f);
  q.stat_throttled++;
  f.where = FLOW_THROTTLED;
  q.time_next_delayed_flow = Math.min(q.time_next_delayed_flow, f.time_next_packet);
}

function fq_flow_unset_throttled(q: fq_sched_data, f: fq_flow): void {
  q.delayed.splice(q.delayed.indexOf(f), 1);
  q.band_flows[f.band]!.old_flows.addTail(f);
}

/** Flows whose time has come are served again. How late that is is averaged, an eighth a time. */
function fq_check_throttled(q: fq_sched_data, now: number): void {
  if (q.time_next_delayed_flow > now) return;
  const sample = now - q.time_next_delayed_flow;
  q.unthrottle_latency_ns += (sample >> 3) - (q.unthrottle_latency_ns >> 3);
  q.time_next_delayed_flow = NEVER;
  for (let f = q.delayed.at(-1); f !== undefined; f = q.delayed.at(-1)) {
    if (f.time_next_packet > now) {
      q.time_next_delayed_flow = f.time_next_packet;
      return;
    }
    fq_flow_unset_throttled(q, f);
  }
}

/* Which flow */

/** Nothing is due before this packet, so it need not be queued by flow. Sockets with a rate of their own must be. */
function fq_fastpath_check(sch: Qdisc, skb: sk_buff, time_to_send: number, now: number): boolean {
  const q = qdisc_priv(sch);
  if (time_to_send > now) return false;
  if (sch.qlen !== 0) {
    if (q.flowsBySocket.size !== q.inactive_flows + q.delayed.length) return false;
    if (q.internal.qlen >= FASTPATH_LIMIT || q.time_next_delayed_flow <= now) return false;
  }
  const sk = skb.sk as sock | null;
  if (sk !== null && sk_fullsock(sk) && !sk_is_tcp(sk) && sk.sk_max_pacing_rate !== SK_PACING_UNLIMITED) return false;
  return q.flow_max_rate === SK_PACING_UNLIMITED;
}

/** SYN-ACKs belong to no connection yet, and a listener's rate is not meant for them: they count as nobody's, by their hash. */
function flowKey(q: fq_sched_data, skb: sk_buff): object | number {
  const sk = skb.sk as sock | null;
  if (sk !== null && sk_fullsock(sk) && sk.skc_state !== TCP_LISTEN) {
    if (sk.skc_state !== TCP_CLOSE) return sk;
    return skb_get_hash(skb) & q.orphan_mask;
  }
  const hash = skb_get_hash(skb) & q.orphan_mask;
  if (sk !== null) skb_orphan(skb);
  return hash;
}

function fq_classify(sch: Qdisc, skb: sk_buff, time_to_send: number, now: number): fq_flow {
  const q = qdisc_priv(sch);
  if ((skb.priority & TC_PRIO_MAX) === TC_PRIO_CONTROL) {
    q.stat_internal_packets++;
    return q.internal;
  }
  const key = flowKey(q, skb);
  if (fq_fastpath_check(sch, skb, time_to_send, now)) {
    q.stat_fastpath_packets++;
    notePacing(q, key);
    return q.internal;
  }
  const known = q.flowsBySocket.get(key);
  if (known !== undefined) return sameSocket(q, known);
  fq_gc(q);
  const f = new fq_flow(key);
  if (typeof key === 'object') f.socket_hash = (key as sock).skc_hash;
  notePacing(q, key);
  f.credit = q.initial_quantum;
  f.age = jiffies();
  q.flowsBySocket.set(key, f);
  q.inactive_flows++;
  return f;
}

/** The socket learns that it needn't pace itself. */
function notePacing(q: fq_sched_data, key: object | number): void {
  if (typeof key === 'object' && q.rate_enable) (key as sock).sk_pacing_status = SK_PACING_FQ;
}

/** A socket that has been connected anew starts anew. */
function sameSocket(q: fq_sched_data, f: fq_flow): fq_flow {
  if (typeof f.sk === 'number' || f.socket_hash === (f.sk as sock).skc_hash) return f;
  f.credit = q.initial_quantum;
  f.socket_hash = (f.sk as sock).skc_hash;
  notePacing(q, f.sk);
  if (f.where === FLOW_THROTTLED) fq_flow_unset_throttled(q, f);
  f.time_next_packet = 0;
  return f;
}

function fq_gc(q: fq_sched_data): void {
  const { flowsBySocket } = q;
  if (flowsBySocket.size < 2048 || q.inactive_flows <= flowsBySocket.size >> 1) return;
  let left = FQ_GC_MAX;
  for (const [key, f] of flowsBySocket) {
    if (f.where !== FLOW_DETACHED || f.qlen !== 0 || jiffies() - f.age < FQ_GC_AGE_SECONDS * HZ()) continue;
    flowsBySocket.delete(key);
    q.inactive_flows--;
    q.stat_gc_flows++;
    if (--left === 0) return;
  }
}

/* In and out */

function fq_enqueue(skb: sk_buff, sch: Qdisc, to_free: { list: sk_buff | null }): number {
  const q = qdisc_priv(sch);
  const band = PRIO2BAND[skb.priority & TC_PRIO_MAX]!;
  if (q.band_pkt_count[band]! >= sch.limit) return qdisc_drop_reason(skb, sch, to_free, SKB_DROP_REASON_FQ_BAND_LIMIT);
  const now = ktime_get_ns();
  if (skb.tstamp > now + q.horizon) {
    if (q.horizon_drop) {
      q.stat_horizon_drops++;
      return qdisc_drop_reason(skb, sch, to_free, SKB_DROP_REASON_FQ_HORIZON_LIMIT);
    }
    q.stat_horizon_caps++;
    skb.tstamp = now + q.horizon;
  }
  const time_to_send = skb.tstamp === 0 ? now : skb.tstamp;
  const f = fq_classify(sch, skb, time_to_send, now);
  if (f !== q.internal) {
    if (f.qlen >= q.flow_plimit) {
      q.stat_flows_plimit++;
      return qdisc_drop_reason(skb, sch, to_free, SKB_DROP_REASON_FQ_FLOW_LIMIT);
    }
    if (f.qlen === 0) q.inactive_flows--;
    if (f.where === FLOW_DETACHED) {
      f.band = band;
      q.band_flows[band]!.new_flows.addTail(f);
      if (jiffies() > f.age + q.flow_refill_delay) f.credit = Math.max(f.credit, q.quantum);
    }
    q.band_pkt_count[f.band]!++;
  }
  f.add(skb, time_to_send);
  sch.qlen++;
  sch.backlog += skb.qdisc_pkt_len;
  return 0;
}

function takeFrom(sch: Qdisc, f: fq_flow): sk_buff {
  const skb = f.take();
  sch.qlen--;
  sch.backlog -= skb.qdisc_pkt_len;
  qdisc_bstats_update(sch, skb);
  return skb;
}

function fq_dequeue(sch: Qdisc): sk_buff | null {
  if (sch.qlen === 0) return null;
  const q = qdisc_priv(sch);
  if (q.internal.qlen > 0) return takeFrom(sch, q.internal);
  const now = ktime_get_ns();
  fq_check_throttled(q, now);
  let pband = q.band_flows[q.band_nr]!;
  for (;;) {
    const head = pband.select();
    if (head === null) {
      const other = nextBand(q);
      if (other === null) {
        if (q.time_next_delayed_flow !== NEVER) qdisc_watchdog_schedule_ns(q.watchdog, q.time_next_delayed_flow);
        return null;
      }
      pband = other;
      continue;
    }
    const f = head.first!;
    if (f.credit <= 0) {
      f.credit += q.quantum;
      head.removeFirst();
      pband.old_flows.addTail(f);
      continue;
    }
    if (f.qlen === 0) {
      head.removeFirst();
      // Once through the old flows first, so that a flow that is new again and again does not starve them.
      if (head === pband.new_flows) pband.old_flows.addTail(f);
      else {
        f.where = FLOW_DETACHED;
        f.age = jiffies();
      }
      continue;
    }
    const time_next_packet = Math.max(f.time_to_send, f.time_next_packet);
    if (now < time_next_packet) {
      head.removeFirst();
      f.time_next_packet = time_next_packet;
      fq_flow_set_throttled(q, f);
      continue;
    }
    const skb = takeFrom(sch, f);
    if (f.qlen === 0) q.inactive_flows++;
    q.band_pkt_count[f.band]!--;
    f.credit -= skb.qdisc_pkt_len;
    pband.credit -= skb.qdisc_pkt_len;
    if (q.rate_enable) pace(q, f, skb, now);
    return skb;
  }
}

/** The next band with something to send and credit for it; each that is passed gets its quantum. Null when none has anything. */
function nextBand(q: fq_sched_data): fq_perband_flows | null {
  if (q.band_flows.every(({ new_flows, old_flows }) => new_flows.first === null && old_flows.first === null)) return null;
  for (;;) {
    q.band_nr = (q.band_nr + 1) % FQ_BANDS;
    const pband = q.band_flows[q.band_nr]!;
    pband.credit = Math.min(pband.credit + pband.quantum, pband.quantum);
    if (pband.select() !== null) return pband;
  }
}

/** When the flow's next packet may go. A packet with a departure time was paced by who made it; only the qdisc's own limit counts then. */
function pace(q: fq_sched_data, f: fq_flow, skb: sk_buff, now: number): void {
  let rate = q.flow_max_rate;
  let plen = skb.qdisc_pkt_len;
  if (skb.tstamp === 0) {
    if (skb.sk !== null) rate = Math.min((skb.sk as sock).sk_pacing_rate, rate);
    if (rate <= q.low_rate_threshold) f.credit = 0;
    else {
      plen = Math.max(plen, q.quantum);
      if (f.credit > 0) return;
    }
  }
  if (rate === SK_PACING_UNLIMITED) return;
  let len = rate === 0 ? plen * NSEC_PER_SEC : Math.floor((plen * NSEC_PER_SEC) / rate);
  // The rate may change meanwhile: a second at most.
  if (len > NSEC_PER_SEC) {
    len = NSEC_PER_SEC;
    q.stat_pkts_too_long++;
  }
  // What this packet was late is made up for, up to half.
  if (f.time_next_packet !== 0) len -= Math.min(Math.floor(len / 2), now - f.time_next_packet);
  f.time_next_packet = now + len;
}

/* Life */

function fq_init(sch: Qdisc, options: Record<string, unknown> | null): number {
  const q = new fq_sched_data(sch);
  const mtu = qdisc_dev(sch).mtu + ETHERNET_HEADER;
  sch.priv = q;
  sch.limit = 10_000;
  q.quantum = 2 * mtu;
  q.initial_quantum = 10 * mtu;
  q.flow_refill_delay = Math.floor((40 * HZ()) / 1000);
  return options === null ? 0 : fq_change(sch, options);
}

function fq_reset(sch: Qdisc): void {
  const q = qdisc_priv(sch);
  for (const f of [q.internal, ...q.flowsBySocket.values()]) {
    for (const skb of f.rest()) kfree_skb(skb, 'fq_reset');
    f.clear();
  }
  q.flowsBySocket.clear();
  q.delayed.length = 0;
  q.time_next_delayed_flow = NEVER;
  q.inactive_flows = 0;
  q.band_pkt_count.fill(0);
  q.band_flows.forEach((_, i) => {
    q.band_flows[i] = new fq_perband_flows(WEIGHTS[i]!);
  });
  sch.qlen = sch.backlog = 0;
  qdisc_watchdog_cancel(q.watchdog);
}

export const fq_qdisc_ops: Qdisc_ops = {
  id: 'fq',
  static_flags: 0,
  enqueue: fq_enqueue,
  dequeue: fq_dequeue,
  peek: qdisc_peek_dequeued,
  init: fq_init,
  change: fq_change,
  reset: fq_reset,
  destroy: fq_reset,
  dump: fq_dump,
  dump_stats: fq_dump_stats,
};
