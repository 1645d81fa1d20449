/**
 * kernel/time/timer.c: timers on jiffies, on the hierarchical timer wheel with its rounding.
 * `mod_timer` → `calc_wheel_index` → bucket; the CPU's next tick is programmed; tick → TIMER_SOFTIRQ → `run_timer_softirq` → `expire_timers`.
 *
 * The wheel: 9 levels of 64 buckets; a level's buckets are 8 times as coarse as those of the level below, and an expiry is rounded *up* to
 * its bucket, so a timer never fires early, and a far one up to 1/8 late. Nothing cascades.
 */

import { this_cpu } from '../../../machine/cpu.ts';
import { NSEC_PER_SEC } from '../../../sim/time.ts';
import { Timer } from '../../../sim/timer.ts';
import { WIDE } from '../../../sim/wide.ts';
import { kernel, this_cpu_ptr, trace } from '../../current.ts';
import { newAddress } from '../../include/linux/address.ts';
import { TIMER_SOFTIRQ } from '../../include/linux/interrupt.ts';
import type { percpu } from '../../include/linux/percpu.ts';
import { LOCAL_TIMER_VECTOR } from '../irq.ts';
import { raise_softirq_irqoff } from '../softirq.ts';

const LVL_BITS = 6;
const LVL_SIZE = 1 << LVL_BITS;
const LVL_MASK = LVL_SIZE - 1;
const LVL_DEPTH = 9;
const WHEEL_SIZE = LVL_SIZE * LVL_DEPTH;
/** The list of a bucket that is being expired. */
const EXPIRING = WHEEL_SIZE;
const WHEEL_TIMEOUT_MAX = (LVL_SIZE - 1) * 8 ** (LVL_DEPTH - 1);

/** Jiffies at power-on: far from zero, which so many fields use for "never". */
export const INITIAL_JIFFIES = 2 ** 32;

/** Ticks of 1/HZ s, by this CPU's clock. A number that never wraps. */
export const jiffies = (): number => INITIAL_JIFFIES + Math.floor(this_cpu.clock / kernel().nsPerJiffy);
export const tcp_jiffies32 = jiffies;
export const HZ = (): number => kernel().HZ;
export const msecs_to_jiffies = (ms: number): number => Math.ceil((ms * kernel().HZ) / 1000);
export const usecs_to_jiffies = (us: number): number => Math.ceil((us * kernel().HZ) / 1_000_000);
export const nsecs_to_jiffies = (ns: number): number => Math.floor((ns * kernel().HZ) / NSEC_PER_SEC);
export const jiffies_to_msecs = (j: number): number => Math.floor((j * 1000) / kernel().HZ);
export const jiffies_to_usecs = (j: number): number => Math.floor((j * 1_000_000) / kernel().HZ);
export const time_after = (a: number, b: number): boolean => a > b;
export const time_before = (a: number, b: number): boolean => a < b;

/** Moves an expiry to a whole second, so that timers which needn't be exact wake the machine together. CPUs are 3 jiffies apart. */
export function round_jiffies(j: number): number {
  const skewed = j + this_cpu.id * 3;
  const rest = skewed % kernel().HZ;
  const rounded = j - rest + (rest < kernel().HZ / 4 ? 0 : kernel().HZ);
  return rounded > jiffies() ? rounded : j;
}

/** A timer: `function` runs in softirq context once jiffies has reached `expires`, rounded up to its bucket. */
export class timer_list {
  readonly address = newAddress(64);
  readonly function: () => void;
  /** What tracepoints call the callback. */
  readonly name: string;
  expires = WIDE;
  /** Bucket it is in; -1 while inactive. */
  bucket = -1;
  base: timer_base | null = null;
  next: timer_list | null = null;
  prev: timer_list | null = null;

  constructor(callback: () => void, name = callback.name) {
    this.function = callback;
    this.name = name;
    if (this_cpu !== null) trace().timer_init?.(this);
  }
}

export const timer_pending = (timer: timer_list): boolean => timer.bucket >= 0;

/** One CPU's wheel. */
export class timer_base {
  /** The jiffy up to which buckets have been expired. */
  clk = INITIAL_JIFFIES;
  next_expiry = Number.POSITIVE_INFINITY;
  readonly vectors: (timer_list | null)[] = new Array<timer_list | null>(WHEEL_SIZE + 1).fill(null);
  /** Expiry in jiffies of each non-empty bucket. */
  readonly bucketExpiry = new Float64Array(WHEEL_SIZE + 1).fill(Number.POSITIVE_INFINITY);
  pending = 0;
  readonly tick: Timer;

  constructor(name: string, onTick: () => void) {
    this.tick = new Timer(`${name} tick`, onTick);
  }
}

const LVL_GRAN = Array.from({ length: LVL_DEPTH }, (_, level) => 8 ** level);
/** Where each level starts, in jiffies from now. */
const LVL_START = Array.from({ length: LVL_DEPTH }, (_, level) => (level === 0 ? 0 : (LVL_SIZE - 1) * 8 ** (level - 1)));

function levelOf(delta: number): number {
  for (let level = 1; level < LVL_DEPTH; level++) if (delta < LVL_START[level]!) return level - 1;
  return LVL_DEPTH - 1;
}

/** Bucket of an expiry; the bucket's own (rounded) expiry is left in `base.bucketExpiry`. */
function calc_wheel_index(base: timer_base, expires: number): number {
  const delta = expires - base.clk;
  if (delta < 0) return overdueIndex(base);
  if (delta >= WHEEL_TIMEOUT_MAX) return indexInLevel(base, base.clk + WHEEL_TIMEOUT_MAX - 1, LVL_DEPTH - 1);
  return indexInLevel(base, expires, levelOf(delta));
}

/** An expiry in the past goes into the bucket that is expired next. */
function overdueIndex(base: timer_base): number {
  const index = base.clk & LVL_MASK;
  base.bucketExpiry[index] = base.clk;
  return index;
}

function indexInLevel(base: timer_base, expires: number, level: number): number {
  const granularity = LVL_GRAN[level]!;
  // A timer never fires early: the bucket after the one its expiry falls into.
  const slot = Math.floor((expires + (level === 0 ? 1 : granularity)) / granularity);
  const index = level * LVL_SIZE + (slot & LVL_MASK);
  base.bucketExpiry[index] = slot * granularity;
  return index;
}

function enqueue_timer(base: timer_base, timer: timer_list, index: number): void {
  const head = base.vectors[index]!;
  timer.bucket = index;
  timer.base = base;
  timer.prev = null;
  timer.next = head;
  if (head !== null) head.prev = timer;
  base.vectors[index] = timer;
  base.pending++;
}

function detach_timer(timer: timer_list): void {
  const base = timer.base!;
  if (timer.prev !== null) timer.prev.next = timer.next;
  else {
    base.vectors[timer.bucket] = timer.next;
    if (timer.next === null) base.bucketExpiry[timer.bucket] = Number.POSITIVE_INFINITY;
  }
  if (timer.next !== null) timer.next.prev = timer.prev;
  timer.next = timer.prev = null;
  timer.bucket = -1;
  base.pending--;
}

/** (Re)arms a timer for jiffy `expires` on this CPU; returns whether it was pending. */
export function mod_timer(timer: timer_list, expires: number): boolean {
  const wasPending = timer.bucket >= 0;
  if (wasPending && timer.expires === expires) return true;
  if (wasPending) detach_timer(timer);
  const base = this_cpu_ptr().timer_base;
  forward_timer_base(base);
  timer.expires = expires;
  enqueue_timer(base, timer, calc_wheel_index(base, expires));
  trace().timer_start?.(timer, base.bucketExpiry[timer.bucket]!);
  const expiry = base.bucketExpiry[timer.bucket]!;
  if (expiry < base.next_expiry) programTick(base, expiry);
  return wasPending;
}

export const add_timer = (timer: timer_list): boolean => mod_timer(timer, timer.expires);

/** Disarms a timer; returns whether it was pending. */
export function timer_delete(timer: timer_list): boolean {
  if (timer.bucket < 0) return false;
  detach_timer(timer);
  trace().timer_cancel?.(timer);
  return true;
}

export const timer_delete_sync = timer_delete;

/** An idle wheel catches up with the present, so that a short delay lands in a fine level. */
function forward_timer_base(base: timer_base): void {
  const now = jiffies();
  if (now <= base.clk) return;
  base.clk = base.next_expiry > now ? now : Math.max(base.clk, base.next_expiry);
}

function programTick(base: timer_base, expiry: number): void {
  base.next_expiry = expiry;
  const k = kernel();
  k.machine.simulation.at(Math.max((expiry - INITIAL_JIFFIES) * k.nsPerJiffy, k.machine.simulation.now), base.tick);
}

/** The tick timer of a CPU's wheel: its event raises the local timer interrupt. */
export function newTimerBase(name: string, raise: (vector: number) => void): timer_base {
  return new timer_base(name, () => raise(LOCAL_TIMER_VECTOR));
}

/** The local timer interrupt found the wheel due. */
export function run_local_timers(pcpu: percpu): void {
  if (jiffies() >= pcpu.timer_base.next_expiry) raise_softirq_irqoff(TIMER_SOFTIRQ);
}

/** TIMER_SOFTIRQ. */
export function run_timer_softirq(): void {
  const base = this_cpu_ptr().timer_base;
  const now = jiffies();
  while (base.next_expiry <= now) {
    base.clk = Math.max(base.clk, base.next_expiry);
    const due = base.next_expiry;
    base.next_expiry = Number.POSITIVE_INFINITY;
    for (let index = 0; index < WHEEL_SIZE; index++) if (base.bucketExpiry[index]! <= due) expire_timers(base, index);
    base.clk = Math.max(base.clk, due + 1);
    const next = nextTimerExpiry(base);
    if (next < base.next_expiry) base.next_expiry = next;
  }
  if (base.next_expiry < Number.POSITIVE_INFINITY) programTick(base, base.next_expiry);
}

/** Runs a bucket, last armed first. The list is set aside before, since a callback may arm timers for this bucket's next turn. */
function expire_timers(base: timer_base, index: number): void {
  for (let timer = base.vectors[index]!; timer !== null; timer = timer.next!) timer.bucket = EXPIRING;
  base.vectors[EXPIRING] = base.vectors[index]!;
  base.vectors[index] = null;
  base.bucketExpiry[index] = Number.POSITIVE_INFINITY;
  for (;;) {
    const timer = base.vectors[EXPIRING]!;
    if (timer === null) return;
    detach_timer(timer);
    trace().timer_expire_entry?.(timer, base.clk);
    timer.function();
    trace().timer_expire_exit?.(timer);
  }
}

function nextTimerExpiry(base: timer_base): number {
  let next = Number.POSITIVE_INFINITY;
  if (base.pending === 0) return next;
  for (let index = 0; index < WHEEL_SIZE; index++) if (base.bucketExpiry[index]! < next) next = base.bucketExpiry[index]!;
  return next;
}
