/**
 * nstat of iproute2: the MIB counters by their full names. Without options what changed since the last call on this host; -a all since boot, -z zeros too,
 * -s does not remember. A pattern chooses.
 *
 * Simplified: the rate, which nstat has only with its daemon, is 0.0.
 */
import { kernel } from '../../kernel/current.ts';
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { netstatGroups, snmpGroups } from '../../kernel/net/ipv4/proc.ts';
import type { Output } from './command.ts';
import { getopt } from './words.ts';

/** In place of nstat's history file. */
const HISTORY = 'nstat history';

/** Constants and a gauge rather than counters: not shown. */
const NOT_COUNTED = new Set(['IpForwarding', 'IpDefaultTTL', 'TcpRtoAlgorithm', 'TcpRtoMin', 'TcpRtoMax', 'TcpMaxConn', 'TcpCurrEstab']);

export function counters(): [name: string, value: number][] {
  const network = kernel().init_net;
  return [...snmpGroups(network), ...netstatGroups(network)].flatMap(({ title, names, values }) =>
    names.map((name, i): [string, number] => [title + name, values[i] ?? 0]).filter(([name]) => !NOT_COUNTED.has(name)),
  );
}

export function* nstat(words: readonly string[], out: Output): Sleeping<number> {
  const { options, rest } = getopt('nstat', words, 'aznsr', 'dt');
  const has = (letter: string): boolean => options.some((option) => option.letter === letter);
  const remembered = kernel().userFiles.get(HISTORY) as Map<string, number> | undefined;
  const now = counters();
  const patterns = rest.map((word) => new RegExp(`^${word.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.')}$`)); // biome-ignore format: one
  if (!has('n')) {
    out('#kernel');
    for (const [name, value] of now) {
      const change = has('a') ? value : value - (remembered?.get(name) ?? 0);
      const wanted = patterns.length === 0 || patterns.some((pattern) => pattern.test(name));
      if (wanted && (change !== 0 || has('z'))) out(`${name.padEnd(31)} ${String(change).padEnd(18)} 0.0`);
    }
  }
  if (!has('s')) kernel().userFiles.set(HISTORY, new Map(now));
  return 0;
}
