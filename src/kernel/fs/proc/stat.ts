/** fs/proc/stat.c, uptime.c, loadavg.c, version.c: where the CPUs' time went, in ticks of 1/100 s (USER_HZ), and since when. */
import { CPU_HARDIRQ, CPU_IDLE, CPU_SOFTIRQ, CPU_SYSTEM, CPU_USER, this_cpu } from '../../../machine/cpu.ts';
import { NSEC_PER_SEC } from '../../../sim/time.ts';
import { NR_SOFTIRQS } from '../../include/linux/interrupt.ts';
import type { percpu } from '../../include/linux/percpu.ts';
import type { Kernel } from '../../kernel.ts';

const NSEC_PER_TICK = NSEC_PER_SEC / 100;
const RELEASE = '6.18.0';

const sum = (values: Iterable<number>): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

/** user nice system idle iowait irq softirq steal guest guest_nice */
function cpuRow(name: string, cpus: readonly percpu[]): string {
  const ticks = (context: number): number => Math.floor(sum(cpus.map(({ cpu }) => cpu.times[context]!)) / NSEC_PER_TICK);
  const [user, system, idle] = [ticks(CPU_USER), ticks(CPU_SYSTEM), ticks(CPU_IDLE)];
  return `${name} ${user} 0 ${system} ${idle} 0 ${ticks(CPU_HARDIRQ)} ${ticks(CPU_SOFTIRQ)} 0 0 0`;
}

export function show_stat(owner: Kernel): string {
  for (const { cpu } of owner.percpu) cpu.account();
  const irqs = [...owner.irq_desc.values()];
  const perIrq = Array.from({ length: Math.max(0, ...irqs.map(({ irq }) => irq + 1)) }, () => 0);
  for (const { irq, kstat_irqs } of irqs) perIrq[irq] = sum(kstat_irqs);
  const timers = sum(owner.percpu.map(({ apic_timer_irqs }) => apic_timer_irqs));
  const softirqs = Array.from({ length: NR_SOFTIRQS }, (_, nr) => sum(owner.percpu.map((pcpu) => pcpu.softirqs[nr]!)));
  const running = sum(owner.percpu.map(({ rq, current }) => rq.queue.length + (current.pid === 0 ? 0 : 1)));
  const lines = [
    cpuRow('cpu ', owner.percpu),
    ...owner.percpu.map((pcpu, i) => cpuRow(`cpu${i}`, [pcpu])),
    `intr ${[sum(perIrq) + timers, ...perIrq].join(' ')}`,
    `ctxt ${sum(owner.percpu.map(({ rq }) => rq.nr_switches))}`,
    // The clock of a host starts when it is switched on.
    'btime 0',
    `processes ${owner.processes}`,
    `procs_running ${running}`,
    'procs_blocked 0',
    `softirq ${[sum(softirqs), ...softirqs].join(' ')}`,
  ];
  return `${lines.join('\n')}\n`;
}

export function uptime_proc_show(owner: Kernel): string {
  for (const { cpu } of owner.percpu) cpu.account();
  const idle = sum(owner.percpu.map(({ cpu }) => cpu.times[CPU_IDLE]!));
  return `${(this_cpu.clock / NSEC_PER_SEC).toFixed(2)} ${(idle / NSEC_PER_SEC).toFixed(2)}\n`;
}

/** Simplified: the load is what is runnable now; Linux's are averages over 1, 5 and 15 minutes. */
export function loadavg_proc_show(owner: Kernel): string {
  const running = sum(owner.percpu.map(({ rq, current }) => rq.queue.length + (current.pid === 0 ? 0 : 1)));
  const load = running.toFixed(2);
  return `${load} ${load} ${load} ${running}/${owner.tasks.length} ${owner.lastPid}\n`;
}

export const version_proc_show = (): string => `Linux version ${RELEASE} (truewire) #1 SMP\n`;
