/**
 * net/sched/sch_netem.c: a network in a qdisc: every packet is held for a time before it may go to the device.
 * `netem_enqueue` → (the delay passes) → `netem_dequeue`, which a watchdog timer calls when nobody else does.
 *
 * Simplified: delay, limit and reordering without correlation only; jitter, loss, duplication and corruption are the wires' (`impair:`). So packets that are delayed
 * leave in the order in which they came, also when the delay is made shorter meanwhile; Linux would let later ones overtake.
 */
import type { RandomStream } from '../../../sim/random.ts';
import { kernel } from '../../current.ts';
import { NET_XMIT_SUCCESS } from '../../include/linux/netdevice.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { SKB_DROP_REASON_QDISC_OVERLIMIT } from '../../include/net/dropreason.ts';
import {
  type Qdisc,
  type Qdisc_ops,
  qdisc_dequeue_head,
  qdisc_drop_reason,
  qdisc_enqueue_tail,
  qdisc_peek_dequeued,
  qdisc_requeue_head,
} from '../../include/net/sch_generic.ts';
import { ktime_get_ns } from '../../kernel/time/hrtimer.ts';
import { EINVAL } from '../../uapi/errno.ts';
import { skb_orphan_partial } from '../core/sock_orphan.ts';
import { qdisc_watchdog, qdisc_watchdog_cancel, qdisc_watchdog_schedule_ns } from './sch_api.ts';

const DEFAULT_LIMIT = 1000;
const FIRST_SIZE = 64;

class netem_sched_data {
  readonly watchdog: qdisc_watchdog;
  /** ns. */
  latency = 0;
  /** Of packets that could overtake, the share that does: each one after `gap` - 1 others that were delayed. No gap: none. */
  reorder = 0;
  gap = 0;
  counter = 0;
  readonly prng: RandomStream;
  /** When each packet of the queue may go: a ring, in the queue's order. */
  #times = new Float64Array(FIRST_SIZE);
  #head = 0;
  #count = 0;

  constructor(sch: Qdisc) {
    this.watchdog = new qdisc_watchdog(sch);
    this.prng = kernel().machine.simulation.random(`${kernel().hostname} ${sch.dev_queue.dev.name} netem`);
  }

  get time_to_send(): number {
    return this.#times[this.#head]!;
  }

  push(time: number): void {
    if (this.#count === this.#times.length) this.#grow();
    this.#times[(this.#head + this.#count++) & (this.#times.length - 1)] = time;
  }

  /** Before all others. */
  unshift(time: number): void {
    if (this.#count === this.#times.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#times.length - 1);
    this.#times[this.#head] = time;
    this.#count++;
  }

  shift(): void {
    this.#head = (this.#head + 1) & (this.#times.length - 1);
    this.#count--;
  }

  clear(): void {
    this.#head = this.#count = 0;
  }

  #grow(): void {
    const grown = new Float64Array(this.#times.length * 2);
    for (let i = 0; i < this.#count; i++) grown[i] = this.#times[(this.#head + i) & (this.#times.length - 1)]!;
    this.#times = grown;
    this.#head = 0;
  }
}

const qdisc_priv = (sch: Qdisc): netem_sched_data => sch.priv as netem_sched_data;

function netem_enqueue(skb: sk_buff, sch: Qdisc, to_free: { list: sk_buff | null }): number {
  const q = qdisc_priv(sch);
  if (q.latency > 0) skb_orphan_partial(skb);
  if (sch.q.qlen >= sch.limit) return qdisc_drop_reason(skb, sch, to_free, SKB_DROP_REASON_QDISC_OVERLIMIT);
  if (overtakes(q)) {
    q.unshift(ktime_get_ns());
    qdisc_requeue_head(skb, sch);
    sch.requeues++;
    return NET_XMIT_SUCCESS;
  }
  q.push(ktime_get_ns() + q.latency);
  return qdisc_enqueue_tail(skb, sch);
}

/** Goes at once, before all that are held. */
function overtakes(q: netem_sched_data): boolean {
  const held = q.gap === 0 || q.counter < q.gap - 1 || !(q.reorder >= 1 || q.prng.chance(q.reorder));
  q.counter = held ? q.counter + 1 : 0;
  return !held;
}

function netem_dequeue(sch: Qdisc): sk_buff | null {
  if (sch.q.next === null) return null;
  const q = qdisc_priv(sch);
  if (q.time_to_send <= ktime_get_ns()) {
    q.shift();
    return qdisc_dequeue_head(sch);
  }
  qdisc_watchdog_schedule_ns(q.watchdog, q.time_to_send);
  return null;
}

function netem_init(sch: Qdisc, options: Record<string, unknown> | null): number {
  if (options === null) return -EINVAL;
  sch.priv = new netem_sched_data(sch);
  sch.limit = DEFAULT_LIMIT;
  return netem_change(sch, options);
}

/** Options: `delay` in ns, `limit` in packets, `reorder` as a share, `gap` in packets. Reordering needs a delay, which is what the others have. */
function netem_change(sch: Qdisc, { delay = 0, limit = sch.limit, reorder = 0, gap = 0 }: Record<string, unknown>): number {
  for (const option of [delay, limit, reorder, gap]) if (typeof option !== 'number' || option < 0) return -EINVAL;
  const q = qdisc_priv(sch);
  q.reorder = reorder as number;
  q.gap = (gap as number) || (q.reorder > 0 ? 1 : 0);
  q.latency = delay as number;
  sch.limit = limit as number;
  return 0;
}

function netem_reset(sch: Qdisc): void {
  qdisc_priv(sch).clear();
  qdisc_watchdog_cancel(qdisc_priv(sch).watchdog);
}

export const netem_qdisc_ops: Qdisc_ops = {
  id: 'netem',
  static_flags: 0,
  enqueue: netem_enqueue,
  dequeue: netem_dequeue,
  peek: qdisc_peek_dequeued,
  init: netem_init,
  change: netem_change,
  reset: netem_reset,
  destroy: netem_reset,
  dump: (sch) => {
    const { latency, reorder, gap } = qdisc_priv(sch);
    return `limit ${sch.limit} delay ${latency / 1e6}ms${reorder > 0 ? ` reorder ${reorder * 100}%` : ''}${gap > 0 ? ` gap ${gap}` : ''}`;
  },
};
