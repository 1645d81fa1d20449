/** kernel/irq/: interrupt lines, their handlers and counts. `request_irq` → `handle_irq_event` → handler. */
import { this_cpu } from '../../machine/cpu.ts';
import { kernel, trace } from '../current.ts';
import type { irq_handler_t } from '../include/linux/interrupt.ts';

/** One interrupt line. */
export class irq_desc {
  readonly irq: number;
  name: string;
  /** Its chip and its number there, as /proc/interrupts shows them. */
  chip = '';
  hwirq = 0;
  handler: irq_handler_t<never> | null;
  dev_id: unknown;
  /** /proc/irq/N/smp_affinity_list: the CPU that takes it. */
  affinity: number;
  /** How often each CPU took it: /proc/interrupts. */
  readonly kstat_irqs: Float64Array;
  /** Reroutes the device's message when the affinity changes. */
  route: ((cpu: number) => void) | null = null;

  constructor(irq: number, cpus: number) {
    this.irq = irq;
    this.name = '';
    this.handler = null;
    this.dev_id = null;
    this.affinity = 0;
    this.kstat_irqs = new Float64Array(cpus);
  }
}

/** Number of the local timer's interrupt: a vector of its own on x86, no line. */
export const LOCAL_TIMER_VECTOR = 0;
/** First number given to devices. */
const FIRST_IRQ = 24;

/** A fresh interrupt number, without a handler. */
export function irq_alloc_desc(): irq_desc {
  const descs = kernel().irq_desc;
  const desc = new irq_desc(FIRST_IRQ + descs.size, kernel().percpu.length);
  descs.set(desc.irq, desc);
  return desc;
}

export function request_irq<T>(irq: number, handler: irq_handler_t<T>, name: string, dev_id: T): number {
  const desc = kernel().irq_desc.get(irq)!;
  desc.handler = handler as irq_handler_t<never>;
  desc.name = name;
  desc.dev_id = dev_id;
  return 0;
}

export function free_irq(irq: number): void {
  const desc = kernel().irq_desc.get(irq)!;
  desc.handler = null;
  desc.dev_id = null;
}

export function irq_set_affinity(irq: number, cpu: number): void {
  const desc = kernel().irq_desc.get(irq)!;
  desc.affinity = cpu;
  desc.route?.(cpu);
}

/** Runs the handler of a line on this CPU. */
export function handle_irq_event(irq: number): void {
  const desc = kernel().irq_desc.get(irq);
  if (desc === undefined || desc.handler === null) {
    kernel().spurious_interrupts++;
    return;
  }
  desc.kstat_irqs[this_cpu.id]!++;
  trace().irq_handler_entry?.(irq, desc.name);
  const handled = desc.handler(irq, desc.dev_id as never);
  trace().irq_handler_exit?.(irq, handled);
}
