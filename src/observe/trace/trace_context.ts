/** What stands before a trace record: task, CPU, context flags, time. Several hosts share a log, so each CPU has a number of its own in it. */

import type { Kernel } from '../../kernel/kernel.ts';
import { CPU_HARDIRQ, CPU_SOFTIRQ, type Cpu } from '../../machine/cpu.ts';
import { formatSeconds } from '../../sim/time.ts';

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

/** The five flags of ftrace's latency format: irqs-off or BH-disabled, need-resched, hardirq/softirq, preempt depth, migrate-disable. */
function contextFlags(host: TracedHost, cpu: Cpu): string {
  const pcpu = host.kernel.percpu[cpu.id]!;
  const hardirq = cpu.context === CPU_HARDIRQ;
  const bottomHalvesOff = pcpu.softirq_disable_depth > 0;
  const irqs = hardirq ? (bottomHalvesOff ? 'D' : 'd') : bottomHalvesOff ? 'b' : '.';
  const resched = pcpu.rq.queue.length > 0 && pcpu.current.pid === 0 ? 'N' : '.';
  const context = hardirq ? (pcpu.in_softirq ? 'H' : 'h') : pcpu.in_softirq || cpu.context === CPU_SOFTIRQ ? 's' : '.';
  return `${irqs}${resched}${context}..`;
}

/** `sockscript-327` as it is padded in each line. */
export function taskName(host: TracedHost, cpu: Cpu): { comm: string; pid: number } {
  const task = host.kernel.percpu[cpu.id]!.current;
  return task.pid === 0 ? { comm: '<idle>', pid: 0 } : { comm: task.comm, pid: task.pid };
}

/** `          <idle>-0       [001] ..s1.    10.594450: ` */
export function linePrefix(host: TracedHost, cpu: Cpu): string {
  const { comm, pid } = taskName(host, cpu);
  const number = String(host.firstCpu + cpu.id).padStart(3, '0');
  const [seconds = '', fraction = ''] = formatSeconds(cpu.clock, 6).split('.');
  return `${comm.padStart(16)}-${String(pid).padEnd(7)} [${number}] ${contextFlags(host, cpu)} ${seconds.padStart(5)}.${fraction}: `;
}
