/** What is recorded with every event: task, CPU, context, time. Several hosts share a log, so each CPU has a number of its own in it. */

import type { percpu } from '../../kernel/include/linux/percpu.ts';
import type { task_struct } from '../../kernel/include/linux/sched.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { CPU_HARDIRQ, CPU_SOFTIRQ, type Cpu } from '../../machine/cpu.ts';

/** A host as the log numbers it. */
export interface TracedHost {
  readonly name: string;
  readonly kernel: Kernel;
  /** Number of its CPU 0 in the log. */
  readonly firstCpu: number;
}

/** Gives the hosts' CPUs consecutive numbers. */
export function numberHosts(hosts: readonly { name: string; kernel: Kernel }[]): TracedHost[] {
  let firstCpu = 0;
  return hosts.map(({ name, kernel }) => {
    const host = { name, kernel, firstCpu };
    firstCpu += kernel.percpu.length;
    return host;
  });
}

export const cpuCount = (hosts: readonly TracedHost[]): number => hosts.reduce((sum, { kernel }) => sum + kernel.percpu.length, 0);

/* common_flags of a record: include/linux/trace_events.h, TRACE_FLAG_… */
export const TRACE_FLAG_IRQS_OFF = 0x01;
export const TRACE_FLAG_NEED_RESCHED = 0x04;
export const TRACE_FLAG_HARDIRQ = 0x08;
export const TRACE_FLAG_SOFTIRQ = 0x10;
export const TRACE_FLAG_PREEMPT_RESCHED = 0x20;
export const TRACE_FLAG_BH_OFF = 0x80;

/** Simplified: the depths of preempt_disable() and migrate_disable() are not modelled and shown as 0. */
export function contextFlags(pcpu: percpu, cpu: Cpu): number {
  const hardirq = cpu.context === CPU_HARDIRQ;
  let flags = 0;
  if (hardirq) flags |= TRACE_FLAG_HARDIRQ | TRACE_FLAG_IRQS_OFF;
  if (pcpu.softirq_disable_depth > 0) flags |= TRACE_FLAG_BH_OFF;
  if (pcpu.in_softirq || (!hardirq && cpu.context === CPU_SOFTIRQ)) flags |= TRACE_FLAG_SOFTIRQ;
  if (pcpu.current.pid === 0 && pcpu.rq.queue.length > 0) flags |= TRACE_FLAG_NEED_RESCHED | TRACE_FLAG_PREEMPT_RESCHED;
  return flags;
}

const IDLE_COMM = '<idle>';

/** A task's name as it is shown: all idle tasks have the same. */
export const commOf = (task: task_struct): string => (task.pid === 0 ? IDLE_COMM : task.comm);
