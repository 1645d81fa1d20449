/**
 * kernel/softirq.c: deferred work of interrupts.
 * `raise_softirq_irqoff` → `irq_exit` or `local_bh_enable` → `handle_softirqs` → the actions; after 10 rounds or 2 ms ksoftirqd takes over.
 *
 * After an interrupt each round is a step of its own (see machine/cpu.ts), so that interrupts which arrived meanwhile are taken between rounds;
 * within local_bh_enable() the rounds run in place, as in Linux.
 */
import { CPU_SOFTIRQ, this_cpu } from '../../machine/cpu.ts';
import { kernel, this_cpu_ptr, trace } from '../current.ts';
import { NR_SOFTIRQS } from '../include/linux/interrupt.ts';
import type { percpu } from '../include/linux/percpu.ts';

const MAX_SOFTIRQ_TIME_NS = 2_000_000;
const MAX_SOFTIRQ_RESTART = 10;

export type softirq_action = () => void;

export function open_softirq(nr: number, action: softirq_action): void {
  kernel().softirq_vec[nr] = action;
}

export function __raise_softirq_irqoff(nr: number): void {
  trace().softirq_raise?.(nr);
  this_cpu_ptr().__softirq_pending |= 1 << nr;
}

export function raise_softirq_irqoff(nr: number): void {
  __raise_softirq_irqoff(nr);
}

export function raise_softirq(nr: number): void {
  __raise_softirq_irqoff(nr);
}

export const in_softirq = (): boolean => {
  const pcpu = this_cpu_ptr();
  return pcpu.in_softirq || pcpu.softirq_disable_depth > 0;
};

export function local_bh_disable(): void {
  this_cpu_ptr().softirq_disable_depth++;
}

/** Raised softirqs run now, in the context of whoever enabled them, unless this is an interrupt or softirq itself. */
export function local_bh_enable(): void {
  const pcpu = this_cpu_ptr();
  if (--pcpu.softirq_disable_depth === 0 && pcpu.__softirq_pending !== 0 && !pcpu.in_softirq && !kernel().inHardirq) do_softirq();
}

export function do_softirq(): void {
  const pcpu = this_cpu_ptr();
  if (pcpu.ksoftirqdAwake) return;
  handle_softirqs(pcpu);
}

/** Rounds of all that is pending, up to Linux's limits; what is left then is ksoftirqd's. */
function handle_softirqs(pcpu: percpu): void {
  const end = this_cpu.clock + MAX_SOFTIRQ_TIME_NS;
  for (let round = 0; pcpu.__softirq_pending !== 0; round++) {
    if (round === MAX_SOFTIRQ_RESTART || this_cpu.clock >= end) {
      pcpu.ksoftirqdAwake = true;
      return;
    }
    softirqRound(pcpu);
  }
}

/** One pass over everything that is pending. */
export function softirqRound(pcpu: percpu): void {
  const context = this_cpu.switchContext(CPU_SOFTIRQ);
  const actions = kernel().softirq_vec;
  let pending = pcpu.__softirq_pending;
  pcpu.__softirq_pending = 0;
  pcpu.in_softirq = true;
  for (let nr = 0; pending !== 0 && nr < NR_SOFTIRQS; nr++) {
    const bit = 1 << nr;
    if ((pending & bit) === 0) continue;
    pending &= ~bit;
    pcpu.softirqs[nr]!++;
    trace().softirq_entry?.(nr);
    actions[nr]?.();
    trace().softirq_exit?.(nr);
  }
  pcpu.in_softirq = false;
  this_cpu.switchContext(context);
}

/**
 * A step of softirq work at interrupt rank: false when there is none, when bottom halves are disabled, or when ksoftirqd has taken over.
 */
export function softirqStep(pcpu: percpu): boolean {
  if (pcpu.__softirq_pending === 0) {
    pcpu.softirqRounds = 0;
    return false;
  }
  if (pcpu.ksoftirqdAwake || pcpu.softirq_disable_depth > 0) return false;
  if (pcpu.softirqRounds === 0) pcpu.softirqSince = this_cpu.clock;
  if (pcpu.softirqRounds++ === MAX_SOFTIRQ_RESTART || this_cpu.clock - pcpu.softirqSince >= MAX_SOFTIRQ_TIME_NS) {
    pcpu.softirqRounds = 0;
    pcpu.ksoftirqdAwake = true;
    return false;
  }
  softirqRound(pcpu);
  return true;
}

/** ksoftirqd: a round of softirqs at the rank of a task. It goes back to sleep when nothing is pending. */
export function ksoftirqdStep(pcpu: percpu): boolean {
  if (!pcpu.ksoftirqdAwake) return false;
  if (pcpu.__softirq_pending === 0) {
    pcpu.ksoftirqdAwake = false;
    return false;
  }
  const previous = pcpu.current;
  pcpu.current = pcpu.ksoftirqd;
  softirqRound(pcpu);
  pcpu.current = previous;
  return true;
}
