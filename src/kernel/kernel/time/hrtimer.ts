/**
 * kernel/time/hrtimer.c, timekeeping.c: timers with ns resolution and the clocks.
 * `hrtimer_start` → the CPU's clock event → local timer interrupt → `hrtimer_interrupt` → `__run_hrtimer`.
 *
 * Callbacks run in hard interrupt context, or in HRTIMER_SOFTIRQ for HRTIMER_MODE_SOFT.
 */

import { this_cpu } from '../../../machine/cpu.ts';
import { EventQueue } from '../../../sim/event_queue.ts';
import { Timer } from '../../../sim/timer.ts';
import { kernel, this_cpu_ptr, trace } from '../../current.ts';
import { newAddress } from '../../include/linux/address.ts';
import { HRTIMER_SOFTIRQ } from '../../include/linux/interrupt.ts';
import type { percpu } from '../../include/linux/percpu.ts';
import { LOCAL_TIMER_VECTOR } from '../irq.ts';
import { raise_softirq_irqoff } from '../softirq.ts';

export const HRTIMER_NORESTART = false;
export const HRTIMER_RESTART = true;

/** CLOCK_MONOTONIC in ns: this CPU's clock. */
export const ktime_get = (): number => this_cpu.clock;
export const ktime_get_ns = ktime_get;
/** CLOCK_REALTIME in ns since the epoch is not a safe integer; this is ns since the simulation's epoch (see observe). */
export const ktime_get_real = ktime_get;

/** A high-resolution timer: the callback returns HRTIMER_RESTART after `hrtimer_forward` to run again. */
export class hrtimer {
  readonly address = newAddress(64);
  readonly function: (timer: hrtimer) => boolean;
  readonly soft: boolean;
  /** What tracepoints call the callback. */
  readonly name: string;
  /** The entry in its CPU's queue. */
  readonly node: Timer;
  base: hrtimer_cpu_base | null = null;
  /** Due in softirq context: its time has come but the softirq has not run yet. */
  queuedSoft = false;

  constructor(callback: (timer: hrtimer) => boolean, soft = false, name = callback.name) {
    this.function = callback;
    this.soft = soft;
    this.name = name;
    this.node = new Timer('hrtimer', () => expired(this));
    if (this_cpu !== null) trace().hrtimer_setup?.(this);
  }

  get expires(): number {
    return this.node.expires;
  }
}

export class hrtimer_cpu_base {
  readonly queue = new EventQueue();
  readonly softDue: hrtimer[] = [];
  readonly event: Timer;

  constructor(name: string, raise: (vector: number) => void) {
    this.event = new Timer(`${name} hrtimer`, () => raise(LOCAL_TIMER_VECTOR));
  }
}

export const hrtimer_is_queued = (timer: hrtimer): boolean => timer.node.pending || timer.queuedSoft;
export const hrtimer_active = hrtimer_is_queued;

/** The latest time, ns: what lies beyond never comes. Simplified: 104 days; Linux has 63 bits, which are 292 years. */
export const KTIME_MAX = Number.MAX_SAFE_INTEGER;

/** Arms `timer` for the absolute time `expires` (ns, CLOCK_MONOTONIC; at most KTIME_MAX) on this CPU; moves it if it is pending. */
export function hrtimer_start(timer: hrtimer, expires: number): void {
  const was_armed = hrtimer_is_queued(timer);
  if (was_armed) hrtimer_cancel(timer);
  const base = this_cpu_ptr().hrtimer_base;
  timer.base = base;
  base.queue.insert(timer.node, expires < KTIME_MAX ? expires : KTIME_MAX);
  trace().hrtimer_start?.(timer, was_armed);
  program(base);
}

/** Disarms; true when it was armed. */
export function hrtimer_cancel(timer: hrtimer): boolean {
  if (timer.queuedSoft) {
    timer.queuedSoft = false;
    const due = timer.base!.softDue;
    due.splice(due.indexOf(timer), 1);
    return true;
  }
  if (!timer.node.pending) return false;
  timer.base!.queue.remove(timer.node);
  trace().hrtimer_cancel?.(timer);
  return true;
}

export const hrtimer_try_to_cancel = (timer: hrtimer): number => (hrtimer_cancel(timer) ? 1 : 0);

/** Moves the expiry of a timer that is not queued by whole intervals beyond now. */
export function hrtimer_forward_now(timer: hrtimer, intervalNs: number): number {
  const now = this_cpu.clock;
  const overruns = now < timer.node.expires ? 0 : Math.floor((now - timer.node.expires) / intervalNs) + 1;
  timer.node.expires += overruns * intervalNs;
  return overruns;
}

function program(base: hrtimer_cpu_base): void {
  const next = base.queue.nextTime();
  const simulation = kernel().machine.simulation;
  if (next >= KTIME_MAX || (base.event.pending && base.event.expires <= next)) return;
  simulation.at(Math.max(next, simulation.now), base.event);
}

/** The part of the local timer interrupt that runs hrtimers. */
export function hrtimer_interrupt(pcpu: percpu): void {
  const base = pcpu.hrtimer_base;
  while (base.queue.nextTime() <= this_cpu.clock) base.queue.pop().fire();
  program(base);
}

/** Those of softirq context have to wait for it. */
function expired(timer: hrtimer): void {
  const base = timer.base!;
  if (timer.soft) {
    timer.queuedSoft = true;
    base.softDue.push(timer);
    raise_softirq_irqoff(HRTIMER_SOFTIRQ);
  } else __run_hrtimer(base, timer);
}

function __run_hrtimer(base: hrtimer_cpu_base, timer: hrtimer): void {
  const expires = timer.node.expires;
  trace().hrtimer_expire_entry?.(timer);
  const restart = timer.function(timer);
  trace().hrtimer_expire_exit?.(timer);
  if (restart && !timer.node.pending) base.queue.insert(timer.node, Math.max(timer.node.expires, expires));
}

/** HRTIMER_SOFTIRQ. */
export function hrtimer_run_softirq(): void {
  const base = this_cpu_ptr().hrtimer_base;
  while (base.softDue.length > 0) {
    const timer = base.softDue.shift()!;
    timer.queuedSoft = false;
    __run_hrtimer(base, timer);
  }
  program(base);
}
