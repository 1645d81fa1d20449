/** The kernel that executes right now: what `this_cpu` runs. In Linux there is only one, so nothing needs to name it. */
import { running, this_cpu } from '../machine/cpu.ts';
import type { percpu } from './include/linux/percpu.ts';
import type { Kernel } from './kernel.ts';
import type { Tracepoints } from './trace/tracepoints.ts';

export const kernel = (): Kernel => running.os as Kernel;

/** This CPU's own data. */
export const this_cpu_ptr = (): percpu => kernel().percpu[this_cpu.id]!;

/** Who listens to this kernel's tracepoints: call as `trace().net_dev_queue?.(skb)`. */
export const trace = (): Tracepoints => kernel().trace;

export const smp_processor_id = (): number => this_cpu.id;
