/** fs/proc/softirqs.c: /proc/softirqs, how often each softirq ran on each CPU. */
import { softirq_to_name } from '../../include/linux/interrupt.ts';
import type { Kernel } from '../../kernel.ts';

export function show_softirqs(owner: Kernel): string {
  const head = `${' '.repeat(20)}${owner.percpu.map((_, cpu) => `CPU${String(cpu).padEnd(8)}`).join('')}`;
  const rows = softirq_to_name.map((name, nr) => {
    const counts = owner.percpu.map(({ softirqs }) => ` ${String(softirqs[nr]).padStart(10)}`).join('');
    return `${name.padStart(12)}:${counts}`;
  });
  return `${[head, ...rows].join('\n')}\n`;
}
