/** The commands that scripts' shell lines call. What they change is the emulated kernel; what has nothing to change here says so by succeeding. */
import { kernel } from '../kernel/current.ts';
import type { Sleeping } from '../kernel/include/linux/sched.ts';
import { tcp_metrics_flush_all } from '../kernel/net/ipv4/tcp_metrics.ts';
import { deleteQdisc, replaceQdisc } from '../kernel/net/sched/sch_api.ts';
import { errnoName } from '../kernel/uapi/errno.ts';
import {
  IPSTATS_SNMP_COUNT,
  snmp4_icmp_list,
  snmp4_ipstats_list,
  snmp4_net_list,
  snmp4_tcp_list,
  snmp4_udp_list,
} from '../kernel/uapi/snmp.ts';
import { ethtool } from '../user/commands/ethtool.ts';
import { ip } from '../user/commands/ip.ts';
import { mismatch } from './failures.ts';
import type { Shell } from './shell.ts';
import { readTextFile, setSysctl } from './shell_files.ts';

export interface Surroundings {
  readonly shell: Shell;
  /** What the command before it in the pipe printed. */
  readonly input: string;
  readonly out: (line: string) => void;
  readonly complain: (line: string) => void;
}

export type ShellCommand = (words: readonly string[], surroundings: Surroundings) => Sleeping<number>;

/** A command that never waits. */
const at_once = (work: (words: readonly string[], surroundings: Surroundings) => number): ShellCommand =>
  // biome-ignore lint/correctness/useYield: a command may sleep, these need not
  function* (words, surroundings) {
    return work(words, surroundings);
  };

/** `sysctl [-q] [-e] [-w] name=value…`; one that does not exist fails the command, the others are set all the same. */
const sysctl = at_once((words, { complain }) => {
  let status = 0;
  for (const word of words.slice(1)) {
    const at = word.indexOf('=');
    if (word.startsWith('-') || at < 0) continue;
    const name = word.slice(0, at).trim();
    if (setSysctl(name, word.slice(at + 1).trim()) || words.includes('-e')) continue;
    complain(`sysctl: setting key "${name}": no such key, or an invalid value`);
    status = 255;
  }
  return status;
});

/** `set_sysctls.py /proc/sys/…=value …`; as the real one it goes on after a value that was refused. */
const setSysctls = at_once((words) => {
  for (const word of words.slice(1)) {
    const at = word.indexOf('=');
    if (at < 0) mismatch(`set_sysctls.py: read ${JSON.stringify(word)}, expected file=value`);
    setSysctl(word.slice(0, at), word.slice(at + 1));
  }
  return 0;
});

const TC_H_ROOT = 0xffff_ffff;

/** `tc qdisc add|replace|change|del dev DEV root [handle H:] KIND [limit N] …` */
const tc = at_once((words, { complain }) => {
  const [, object, verb, , name = '', place, ...rest] = words;
  if (object !== 'qdisc' || verb === undefined || place !== 'root')
    return mismatch(`tc: ${words.join(' ')}: only qdiscs at a device's root are known here`);
  const dev = kernel().init_net.dev_by_name.get(name);
  if (dev === undefined) return mismatch(`Cannot find device "${name}"`);
  if (/^del/.test(verb)) return answer(deleteQdisc(dev, TC_H_ROOT), complain);
  const kindAt = rest[0] === 'handle' ? 2 : 0;
  const kind = rest[kindAt];
  if (kind === undefined) return mismatch('tc: expected the kind of a qdisc');
  const options: Record<string, unknown> = {};
  for (let i = kindAt + 1; i < rest.length; i += 2) options[rest[i]!] = Number(rest[i + 1]);
  return answer(replaceQdisc(dev, TC_H_ROOT, 0, kind, Object.keys(options).length > 0 ? options : null), complain);
});

function answer(result: number, complain: (line: string) => void): number {
  if (result >= 0) return 0;
  complain(`RTNETLINK answers: ${errnoName(result)}`);
  return 2;
}

/** `ip tcp_metrics flush` here, the rest as on any host; IPv6 is not emulated, so what is said about it changes nothing. */
const ipCommand: ShellCommand = function* (words) {
  if (words[1] === '-6') return 0;
  const plain = words.filter((word, i) => i === 0 || word !== '-4');
  if (plain[1] !== undefined && 'tcp_metrics'.startsWith(plain[1]) && plain[1].startsWith('tcp')) {
    if (plain[2] === 'flush') tcp_metrics_flush_all(kernel().init_net);
    return 0;
  }
  return yield* ip(plain);
};

/** All counters by the names that nstat gives them. */
function counters(): Map<string, number> {
  const { mib } = kernel().init_net;
  const all = new Map<string, number>();
  const add = (prefix: string, names: readonly string[], values: Float64Array): void => {
    for (const [i, name] of names.entries()) all.set(`${prefix}${name}`, values[i] ?? 0);
  };
  add('Ip', snmp4_ipstats_list.slice(0, IPSTATS_SNMP_COUNT), mib.ip_statistics);
  add('IpExt', snmp4_ipstats_list.slice(IPSTATS_SNMP_COUNT), mib.ip_statistics.subarray(IPSTATS_SNMP_COUNT));
  add('Icmp', snmp4_icmp_list, mib.icmp_statistics);
  add('Tcp', snmp4_tcp_list, mib.tcp_statistics);
  add('Udp', snmp4_udp_list, mib.udp_statistics);
  add('TcpExt', snmp4_net_list, mib.net_statistics);
  return all;
}

/** `nstat`: what changed since it was last called; `-n` only remembers, `-a` shows all since boot, `-s` does not remember, `-z` shows zeros. */
const nstat = at_once((words, { shell, out }) => {
  const flags = words.filter((word) => /^-[a-z]+$/.test(word)).join('');
  const wanted = words.slice(1).filter((word) => !word.startsWith('-'));
  const now = counters();
  if (!flags.includes('n')) {
    out('#kernel');
    for (const [name, value] of now) {
      const change = value - (flags.includes('a') ? 0 : (shell.nstatHistory.get(name) ?? 0));
      if ((change !== 0 || flags.includes('z')) && (wanted.length === 0 || wanted.includes(name)))
        out(`${name.padEnd(31)} ${String(change).padEnd(18)} 0.0`);
    }
  }
  if (!flags.includes('s')) for (const [name, value] of now) shell.nstatHistory.set(name, value);
  return 0;
});

/** `grep [-q] [-c] [-v] [-i] PATTERN [file…]` */
const grep = at_once((words, { shell, input, out }) => {
  const flags = words
    .slice(1)
    .filter((word) => /^-[a-zA-Z]+$/.test(word))
    .join('');
  const [pattern, ...files] = words.slice(1).filter((word) => !/^-[a-zA-Z]+$/.test(word));
  if (pattern === undefined) return 2;
  const expression = new RegExp(pattern, flags.includes('i') ? 'i' : '');
  const texts = files.length === 0 ? [input] : files.map((file) => readTextFile(shell, file) ?? '');
  const lines = texts.flatMap((text) => text.split('\n').filter((line) => line !== '' && expression.test(line) !== flags.includes('v')));
  if (flags.includes('c')) out(String(lines.length));
  else if (!flags.includes('q')) for (const line of lines) out(line);
  return lines.length > 0 ? 0 : 1;
});

/** `dd if=/dev/zero of=FILE bs=N count=N`: files of zeros, for sendfile(). */
const dd = at_once((words, { shell }) => {
  const settings = new Map(words.slice(1).map((word) => word.split('=', 2) as [string, string]));
  const file = settings.get('of');
  if (file === undefined || settings.get('if') !== '/dev/zero') return mismatch(`dd: ${words.join(' ')}: expected if=/dev/zero of=FILE`);
  shell.files.set(file, new Uint8Array(bytesOf(settings.get('bs') ?? '512') * Number(settings.get('count') ?? 1)));
  return 0;
});

/** `4k`, `1M`: as dd and truncate count. */
function bytesOf(text: string): number {
  const match = /^(\d+)([kKmM]?)/.exec(text);
  if (match === null) return mismatch(`read ${JSON.stringify(text)}, expected a size`);
  return Number(match[1]) * ({ k: 1024, m: 1024 * 1024 }[match[2]!.toLowerCase()] ?? 1);
}

const rm = at_once((words, { shell }) => {
  for (const word of words.slice(1)) shell.files.delete(word);
  return 0;
});

const cat = at_once((words, { shell, input, out, complain }) => {
  let status = 0;
  const text =
    words.length === 1
      ? input
      : words
          .slice(1)
          .map((file) => readTextFile(shell, file) ?? file_missing(file))
          .join('');
  function file_missing(file: string): string {
    complain(`cat: ${file}: No such file or directory`);
    status = 1;
    return '';
  }
  for (const line of text.split('\n').slice(0, -1)) out(line);
  return status;
});

const echo = at_once((words, { out }) => {
  out(words.slice(words[1] === '-n' ? 2 : 1).join(' '));
  return 0;
});

const ethtoolCommand: ShellCommand = function* (words, { out }) {
  return yield* ethtool(words, out);
};

export const COMMANDS: Readonly<Record<string, ShellCommand>> = {
  sysctl,
  'set_sysctls.py': setSysctls,
  tc,
  ip: ipCommand,
  nstat,
  grep,
  dd,
  rm,
  cat,
  echo,
  ethtool: ethtoolCommand,
  true: at_once(() => 0),
  ':': at_once(() => 0),
  false: at_once(() => 1),
  chmod: at_once(() => 0),
  sleep: at_once(() => 0),
};
