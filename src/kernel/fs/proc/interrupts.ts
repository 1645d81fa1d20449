/** fs/proc/interrupts.c, kernel/irq/proc.c, arch/x86/kernel/irq.c: /proc/interrupts, how often each CPU took each interrupt. */
import type { Kernel } from '../../kernel.ts';

/** Rows of x86 that have no line of their own. What the model's machines never raise stays 0, as on an idle machine. */
const ARCH_ROWS: readonly (readonly [name: string, title: string])[] = [
  ['NMI', 'Non-maskable interrupts'],
  ['LOC', 'Local timer interrupts'],
  ['SPU', 'Spurious interrupts'],
  ['PMI', 'Performance monitoring interrupts'],
  ['IWI', 'IRQ work interrupts'],
  ['RTR', 'APIC ICR read retries'],
  ['RES', 'Rescheduling interrupts'],
  ['CAL', 'Function call interrupts'],
  ['TLB', 'TLB shootdowns'],
  ['TRM', 'Thermal event interrupts'],
  ['MCE', 'Machine check exceptions'],
  ['MCP', 'Machine check polls'],
];

const column = (count: number): string => ` ${String(count).padStart(10)}`;

export function show_interrupts(owner: Kernel): string {
  const lines = [`${' '.repeat(11)}${owner.percpu.map((_, cpu) => `CPU${String(cpu).padEnd(8)}`).join('')}`];
  for (const desc of owner.irq_desc.values()) {
    if (desc.handler === null && desc.kstat_irqs.every((count) => count === 0)) continue;
    const counts = [...desc.kstat_irqs].map(column).join('');
    const line = ` ${desc.chip.padStart(8)} ${String(desc.hwirq).padStart(3)}-${'edge'.padEnd(8)}`;
    lines.push(`${String(desc.irq).padStart(3)}:${counts}${line}${desc.name === '' ? '' : `  ${desc.name}`}`);
  }
  for (const [name, title] of ARCH_ROWS) {
    const counts = owner.percpu.map(({ apic_timer_irqs }) => column(name === 'LOC' ? apic_timer_irqs : 0)).join('');
    lines.push(`${name}:${counts}   ${title}`);
  }
  lines.push(`ERR:${column(owner.spurious_interrupts)}`, `MIS:${column(0)}`);
  return `${lines.join('\n')}\n`;
}
