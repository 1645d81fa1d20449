/** net/sched/sch_fq.c: options as tc(8) sets and prints them, and the statistics beside them. */
import { NSEC_PER_SEC } from '../../../sim/time.ts';
import type { Qdisc } from '../../include/net/sch_generic.ts';
import { SK_PACING_UNLIMITED } from '../../include/net/sock.ts';
import { ktime_get_ns } from '../../kernel/time/hrtimer.ts';
import { HZ } from '../../kernel/time/timer.ts';
import { EINVAL } from '../../uapi/errno.ts';
import { FQ_BANDS, type fq_sched_data, NEVER, PRIO2BAND, qdisc_priv, WEIGHTS } from './sch_fq_data.ts';

/** Options by tc's words: numbers; rates in bytes a second, times in ns; switches are booleans. */
const NUMBERS: Readonly<Record<string, (q: fq_sched_data, value: number) => void>> = {
  flow_limit: (q, value) => {
    q.flow_plimit = value;
  },
  quantum: (q, value) => {
    q.quantum = value;
  },
  initial_quantum: (q, value) => {
    q.initial_quantum = value;
  },
  maxrate: (q, value) => {
    q.flow_max_rate = value;
  },
  low_rate_threshold: (q, value) => {
    q.low_rate_threshold = value;
  },
  orphan_mask: (q, value) => {
    q.orphan_mask = value;
  },
  refill_delay: (q, value) => {
    q.flow_refill_delay = Math.round((value * HZ()) / NSEC_PER_SEC);
  },
  timer_slack: (q, value) => {
    q.timer_slack = value;
  },
  horizon: (q, value) => {
    q.horizon = value;
  },
};

export function fq_change(sch: Qdisc, options: Record<string, unknown>): number {
  const q = qdisc_priv(sch);
  for (const [name, value] of Object.entries(options)) {
    if (name === 'pacing') q.rate_enable = value !== false;
    else if (name === 'horizon_drop') q.horizon_drop = value !== false;
    else if (typeof value !== 'number' || value < 0) return -EINVAL;
    else if (name === 'limit') sch.limit = value;
    else if (name === 'quantum' && value === 0) return -EINVAL;
    else if (NUMBERS[name] !== undefined) NUMBERS[name](q, value);
    else return -EINVAL;
  }
  return 0;
}

/** `550Kbit`: as iproute2 prints rates. */
function rateText(bytes: number): string {
  let bits = bytes * 8;
  let unit = 0;
  while (bits >= 1000 && bits % 1000 === 0 && unit < 4) {
    bits /= 1000;
    unit++;
  }
  return `${bits}${['', 'K', 'M', 'G', 'T'][unit]}bit`;
}

function timeText(ns: number): string {
  if (ns >= NSEC_PER_SEC) return `${Number((ns / NSEC_PER_SEC).toPrecision(3))}s`;
  if (ns >= 1e6) return `${Number((ns / 1e6).toPrecision(3))}ms`;
  return ns >= 1000 ? `${Number((ns / 1000).toPrecision(3))}us` : `${ns}ns`;
}

export function fq_dump(sch: Qdisc): string {
  const q = qdisc_priv(sch);
  const words = [
    `limit ${sch.limit}p flow_limit ${q.flow_plimit}p buckets 1024 orphan_mask ${q.orphan_mask}`,
    `bands ${FQ_BANDS} priomap ${PRIO2BAND.join(' ')} weights ${WEIGHTS.join(' ')}`,
    q.rate_enable ? '' : 'nopacing',
    `quantum ${q.quantum}b initial_quantum ${q.initial_quantum}b`,
    q.flow_max_rate === SK_PACING_UNLIMITED ? '' : `maxrate ${rateText(q.flow_max_rate)}`,
    `low_rate_threshold ${rateText(q.low_rate_threshold)} refill_delay ${timeText((q.flow_refill_delay * NSEC_PER_SEC) / HZ())}`,
    `timer_slack ${timeText(q.timer_slack)} horizon ${timeText(q.horizon)} ${q.horizon_drop ? 'horizon_drop' : 'horizon_cap'}`,
  ];
  return words.filter((word) => word !== '').join(' ');
}

export function fq_dump_stats(sch: Qdisc): string[] {
  const q = qdisc_priv(sch);
  const unlessZero = (name: string, value: number, text = String(value)): string => (value === 0 ? '' : ` ${name} ${text}`);
  const wait = q.time_next_delayed_flow === NEVER ? 0 : Math.max(0, q.time_next_delayed_flow - ktime_get_ns());
  const rest = `${unlessZero('horizon_drops', q.stat_horizon_drops)}${unlessZero('horizon_caps', q.stat_horizon_caps)}`;
  return [
    `  flows ${q.flowsBySocket.size} (inactive ${q.inactive_flows} throttled ${q.delayed.length})${wait === 0 ? '' : ` next packet delay ${wait} ns`}`,
    `  gc ${q.stat_gc_flows} highprio ${q.stat_internal_packets}${unlessZero('fastpath', q.stat_fastpath_packets)} throttled ${q.stat_throttled}` +
      `${unlessZero('latency', q.unthrottle_latency_ns, timeText(q.unthrottle_latency_ns))}${unlessZero('flows_plimit', q.stat_flows_plimit)}`,
    ...(q.stat_pkts_too_long === 0 && rest === '' ? [] : [` ${unlessZero('too long pkts', q.stat_pkts_too_long)}${rest}`]),
  ];
}
