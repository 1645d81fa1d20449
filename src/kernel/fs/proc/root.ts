/**
 * fs/proc/root.c, proc_net.c: the files of /proc that the model has, by path. Each is made when it is read, from the counters of the kernel that it belongs to.
 * `readProcFile` → the file's `show` function; /proc/sys/ leads to the sysctls.
 */
import { readIrqFile } from '../../kernel/irq_proc.ts';
import type { Kernel } from '../../kernel.ts';
import { dev_seq_show, softnet_seq_show } from '../../net/core/net_procfs.ts';
import { readSysFile } from '../../net/core/net_sysfs.ts';
import { arp_seq_show, fib_route_seq_show, tcp4_seq_show, udp4_seq_show } from '../../net/ipv4/inet_procfs.ts';
import { netstat_seq_show, snmp_seq_show, sockstat_seq_show } from '../../net/ipv4/proc.ts';
import { show_interrupts } from './interrupts.ts';
import { show_softirqs } from './softirqs.ts';
import { loadavg_proc_show, show_stat, uptime_proc_show, version_proc_show } from './stat.ts';

/** Returns the text of a file, its last line ended. */
type ProcShow = (owner: Kernel) => string;

const FILES: Readonly<Record<string, ProcShow>> = {
  '/proc/net/arp': (owner) => arp_seq_show(owner.init_net),
  '/proc/net/dev': (owner) => dev_seq_show(owner.init_net),
  '/proc/net/netstat': (owner) => netstat_seq_show(owner.init_net),
  '/proc/net/route': (owner) => fib_route_seq_show(owner.init_net),
  '/proc/net/snmp': (owner) => snmp_seq_show(owner.init_net),
  '/proc/net/sockstat': (owner) => sockstat_seq_show(owner.init_net),
  '/proc/net/softnet_stat': softnet_seq_show,
  '/proc/net/tcp': (owner) => tcp4_seq_show(owner.init_net),
  '/proc/net/udp': (owner) => udp4_seq_show(owner.init_net),
  '/proc/interrupts': show_interrupts,
  '/proc/loadavg': loadavg_proc_show,
  '/proc/softirqs': show_softirqs,
  '/proc/stat': show_stat,
  '/proc/uptime': uptime_proc_show,
  '/proc/version': version_proc_show,
};

export const procFileNames = (): string[] => Object.keys(FILES);

/** The text of a file; null when there is none of that name. */
export function readProcFile(owner: Kernel, path: string): string | null {
  const name = path.replace(/^\/proc\/(self|thread-self)\/net\//, '/proc/net/');
  const show = Object.hasOwn(FILES, name) ? FILES[name] : undefined;
  if (show !== undefined) return show(owner);
  if (name.startsWith('/proc/irq/')) return readIrqFile(owner, name);
  if (name.startsWith('/sys/')) return readSysFile(owner, name);
  if (!name.startsWith('/proc/sys/')) return null;
  const value = owner.init_net.sysctls.get(name.slice('/proc/sys/'.length));
  return typeof value === 'string' ? `${value}\n` : null;
}
