/** Files that shell lines write and read: those of /proc/sys and /sys that the emulated kernel has, and those that scripts make themselves. */
import { kernel } from '../kernel/current.ts';
import type { Sleeping } from '../kernel/include/linux/sched.ts';
import type { sock } from '../kernel/include/net/sock.ts';
import { DEFAULT_SYSCTLS, TUN_NAME } from './defaults.ts';
import { mismatch } from './failures.ts';
import type { Shell } from './shell.ts';

/** Sets a sysctl by name (`net.ipv4.tcp_ecn`, `net/ipv4/tcp_ecn`) or by path below /proc/sys; false when there is none or it refuses the value. */
export function setSysctl(name: string, value: string): boolean {
  const result = kernel().init_net.sysctls.set(name.replace(/^\/proc\/sys\//, '').replaceAll('/', '.'), value);
  return typeof result !== 'number' || result >= 0;
}

/** The common set-up of test collections. */
export function* setDefaults(shell: Shell): Sleeping<number> {
  yield* shell.run(`ip tcp_metrics flush all > /dev/null 2>&1`);
  for (const [name, value] of DEFAULT_SYSCTLS) setSysctl(`net.ipv4.${name}`, value);
  return yield* shell.run(`tc qdisc add dev ${TUN_NAME} root pfifo`);
}

/** `echo … > file`; the exit status. */
export function writeFile(shell: Shell, path: string, text: string, append: boolean): number {
  if (path === '/dev/null') return 0;
  const module = /^\/sys\/module\/([^/]+)\/parameters\/([^/]+)$/.exec(path);
  if (module !== null) return setModuleParameter(module[1]!, module[2]!, text.trim());
  if (path.startsWith('/proc/sys/')) return setSysctl(path, text.trim()) ? 0 : 1;
  const bytes = new TextEncoder().encode(text);
  const old = shell.files.get(path);
  shell.files.set(path, append && old !== undefined ? Uint8Array.from([...old, ...bytes]) : bytes);
  return 0;
}

function setModuleParameter(module: string, parameter: string, value: string): number {
  const known = kernel().modules.get(module)?.params;
  if (known === undefined || !(parameter in known) || !/^-?\d+$/.test(value))
    return mismatch(`/sys/module/${module}/parameters/${parameter}: No such file or directory`);
  known[parameter] = Number(value);
  return 0;
}

/** What `cat` shows; null when there is no such file. */
export function readTextFile(shell: Shell, path: string): string | null {
  if (path === '/proc/net/tcp') return procNetTcp();
  const bytes = shell.files.get(path);
  return bytes === undefined ? null : new TextDecoder().decode(bytes);
}

const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');
const littleEndian = (address: number): string =>
  hex((((address & 0xff) << 24) | ((address & 0xff00) << 8) | ((address >>> 8) & 0xff00) | (address >>> 24)) >>> 0, 8);

/** /proc/net/tcp: listeners, then connections, with the columns that tools look at: slot, local and remote end, state. */
function procNetTcp(): string {
  const rows = [...procSockets()].map(
    (sk, i) =>
      `${String(i).padStart(4)}: ${littleEndian(sk.skc_rcv_saddr)}:${hex(sk.skc_num, 4)} ${littleEndian(sk.skc_daddr)}:${hex(sk.skc_dport, 4)} ${hex(sk.skc_state, 2)} ` +
      `${hex(sk.sk_wmem_queued ?? 0, 8)}:${hex(sk.sk_rmem_alloc ?? 0, 8)} 00:00000000 00000000 ${String(sk.sk_uid ?? 0).padStart(5)}        0 ${sk.sk_ino ?? 0} ${sk.skc_refcnt} 0`,
  );
  return ['  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode', ...rows]
    .map((row) => `${row}\n`)
    .join('');
}

function* procSockets(): Iterable<sock> {
  const { tcp_hashinfo } = kernel().init_net;
  for (const chain of tcp_hashinfo.lhash2.values()) yield* chain;
  for (const first of tcp_hashinfo.ehash) for (let sk = first as sock | null; sk !== null; sk = sk.skc_next as sock | null) yield sk;
}
