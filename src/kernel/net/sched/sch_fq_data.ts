/** net/sched/sch_fq.c: what a fair queue knows: its options, its flows, its counters. */
import { NSEC_PER_SEC } from '../../../sim/time.ts';
import type { Qdisc } from '../../include/net/sch_generic.ts';
import { SK_PACING_UNLIMITED } from '../../include/net/sock.ts';
import { qdisc_watchdog } from './sch_api.ts';
import { fq_flow, fq_perband_flows } from './sch_fq_flow.ts';

export const FQ_BANDS = 3;
/** Band of each priority, and what the bands weigh: 9 : 3 : 1 times 64 KiB. */
export const PRIO2BAND = [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];
export const WEIGHTS = [589824, 196608, 65536];
export const NEVER = Number.POSITIVE_INFINITY;

export class fq_sched_data {
  readonly watchdog: qdisc_watchdog;
  /** Control packets, and all while nothing else is in the way. */
  readonly internal = new fq_flow(0);
  readonly flowsBySocket = new Map<object | number, fq_flow>();
  readonly band_flows = WEIGHTS.map((weight) => new fq_perband_flows(weight));
  readonly band_pkt_count = new Int32Array(FQ_BANDS);
  band_nr = 0;
  /** Throttled flows, the next to go last. */
  readonly delayed: fq_flow[] = [];
  time_next_delayed_flow = NEVER;
  inactive_flows = 0;

  quantum = 0;
  initial_quantum = 0;
  flow_refill_delay = 0;
  flow_plimit = 100;
  /** Bytes a second, as sk_pacing_rate. */
  flow_max_rate: number = SK_PACING_UNLIMITED;
  low_rate_threshold = 550_000 / 8;
  orphan_mask = 1023;
  rate_enable = true;
  timer_slack = 10_000;
  horizon = 10 * NSEC_PER_SEC;
  horizon_drop = true;

  stat_gc_flows = 0;
  stat_internal_packets = 0;
  stat_fastpath_packets = 0;
  stat_throttled = 0;
  stat_flows_plimit = 0;
  stat_pkts_too_long = 0;
  stat_horizon_drops = 0;
  stat_horizon_caps = 0;
  unthrottle_latency_ns = 0;

  constructor(sch: Qdisc) {
    this.watchdog = new qdisc_watchdog(sch);
  }
}

export const qdisc_priv = (sch: Qdisc): fq_sched_data => sch.priv as fq_sched_data;
