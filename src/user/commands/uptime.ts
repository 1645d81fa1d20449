/** uptime: the time of day, for how long the machine has been up, and the load. */
import type { Kernel } from '../../kernel/kernel.ts';
import { this_cpu } from '../../machine/cpu.ts';
import { NSEC_PER_SEC } from '../../sim/time.ts';

const pad = (value: number): string => String(value).padStart(2, '0');

/**
 * ` 00:00:10 up 0 min,  0 user,  load average: 0.00, 0.00, 0.00`. The clock of a host starts at midnight.
 * Simplified: the load is what is runnable at the instant; Linux's are averages over 1, 5 and 15 minutes.
 */
export function uptimeLine(owner: Kernel): string {
  const seconds = Math.floor(this_cpu.clock / NSEC_PER_SEC);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const days = Math.floor(hours / 24);
  const since = hours > 0 ? `${String(hours % 24).padStart(2)}:${pad(minutes)}` : `${minutes} min`;
  const up = days > 0 ? `${days} day${days > 1 ? 's' : ''}, ${since}` : since;
  const running = owner.percpu.reduce((sum, { rq, current }) => sum + rq.queue.length + (current.pid === 0 ? 0 : 1), 0);
  const load = running.toFixed(2);
  return ` ${pad(hours % 24)}:${pad(minutes)}:${pad(seconds % 60)} up ${up},  0 user,  load average: ${load}, ${load}, ${load}`;
}
