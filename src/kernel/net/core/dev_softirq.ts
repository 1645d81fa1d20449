/** net/core/dev.c: NET_RX_SOFTIRQ on another CPU, which Linux raises by an inter-processor interrupt. */
import { this_cpu } from '../../../machine/cpu.ts';
import { NET_RX_SOFTIRQ } from '../../include/linux/interrupt.ts';
import type { percpu } from '../../include/linux/percpu.ts';

/** Simplified: the other CPU finds the softirq pending at once; Linux sends an interrupt (CALL_FUNCTION_SINGLE_VECTOR) that costs about a microsecond. */
export function kickNetRx(remote: percpu): void {
  remote.__softirq_pending |= 1 << NET_RX_SOFTIRQ;
  remote.cpu.kick(this_cpu.clock);
}
