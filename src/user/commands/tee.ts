/** tee: writes what comes by the pipe to files of /proc and /sys: `echo 4 | tee /proc/irq/25/smp_affinity`. */
import { kernel } from '../../kernel/current.ts';
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { writeIrqFile } from '../../kernel/kernel/irq_proc.ts';
import { writeSysFile } from '../../kernel/net/core/net_sysfs.ts';
import { ENOENT, errnoName } from '../../kernel/uapi/errno.ts';
import type { Sys } from '../sys.ts';
import { CommandError, type Output } from './command.ts';

// biome-ignore lint/correctness/useYield: a command may sleep, this one need not
export function* tee(words: readonly string[], out: Output, _sys: Sys, input: string | null = null): Sleeping<number> {
  const text = (input ?? '').replace(/\n$/, '');
  for (const file of words.slice(1)) writeFile(file, text);
  out(text);
  return 0;
}

/** Writes a text to a file of /proc or /sys. */
export function writeFile(path: string, text: string): void {
  const result = path.startsWith('/proc/sys/') ? writeSysctl(path, text) : writeAttribute(path, text);
  if (result < 0)
    throw new CommandError(`${path}: read ${JSON.stringify(text)}: ${result === -ENOENT ? 'No such file' : errnoName(result)}`);
}

function writeAttribute(path: string, text: string): number {
  return path.startsWith('/proc/irq/') ? writeIrqFile(kernel(), path, text) : writeSysFile(kernel(), path, text);
}

function writeSysctl(path: string, text: string): number {
  const result = kernel().init_net.sysctls.set(path.slice('/proc/sys/'.length).replaceAll('/', '.'), text);
  return typeof result === 'number' ? result : 0;
}
