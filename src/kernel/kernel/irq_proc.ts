/**
 * kernel/irq/proc.c: /proc/irq/N: which CPU takes an interrupt. `smp_affinity` is a mask, `smp_affinity_list` the same as a list.
 *
 * Simplified: of several CPUs the first gets the interrupt; x86 chooses the one with the fewest vectors.
 */
import type { Kernel } from '../kernel.ts';
import { cpulistText, cpumaskText, parseCpulist, parseCpumask } from '../lib/bitmap_str.ts';
import { EACCES, EINVAL, ENOENT } from '../uapi/errno.ts';
import { type irq_desc, irq_set_affinity } from './irq.ts';

interface Place {
  readonly desc: irq_desc;
  readonly file: string;
}

function find(owner: Kernel, path: string): Place | null {
  const match = /^\/proc\/irq\/(\d+)\/(\w+)$/.exec(path);
  const desc = match === null ? undefined : owner.irq_desc.get(Number(match[1]));
  return desc === undefined ? null : { desc, file: match![2]! };
}

/** The text of a file of /proc/irq; null when there is none of that name. */
export function readIrqFile(owner: Kernel, path: string): string | null {
  const place = find(owner, path);
  if (place === null) return null;
  const cpus = [place.desc.affinity];
  if (/^(smp|effective)_affinity$/.test(place.file)) return `${cpumaskText(cpus, owner.percpu.length)}\n`;
  return /^(smp|effective)_affinity_list$/.test(place.file) ? `${cpulistText(cpus)}\n` : null;
}

/** 0 or -errno. */
export function writeIrqFile(owner: Kernel, path: string, text: string): number {
  const place = find(owner, path);
  if (place === null) return -ENOENT;
  if (place.file.startsWith('effective')) return -EACCES;
  const parse = place.file === 'smp_affinity_list' ? parseCpulist : place.file === 'smp_affinity' ? parseCpumask : null;
  if (parse === null) return -ENOENT;
  const cpu = parse(text.trim(), owner.percpu.length)?.[0];
  if (cpu === undefined) return -EINVAL;
  irq_set_affinity(place.desc.irq, cpu);
  return 0;
}
