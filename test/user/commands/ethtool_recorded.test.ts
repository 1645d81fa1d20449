/** What ethtool shows of a port, against what it showed of a real igb under Linux 6.18 (two CPUs; ethtool 6.1), line by line. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { twoHosts } from './two_hosts.ts';

/** Lines by the command that printed them. */
function recorded(name: string): Map<string, string[]> {
  const text = readFileSync(new URL(`../../fixtures/linux/ethtool/${name}.txt`, import.meta.url), 'utf8');
  const sections = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of text.trimEnd().split('\n')) {
    if (line.startsWith('# ')) sections.set(line.slice(2).trim(), (lines = []));
    else lines.push(line);
  }
  return sections;
}

/** Lines that differ, with the reason. */
const KNOWN: readonly (readonly [line: RegExp, reason: string])[] = [
  [/^rx-gro-list: off/, 'cannot be switched on here'],
  [/^version: /, 'the release of another build'],
  [/^supports-(eeprom-access|register-dump|priv-flags): /, 'ethtool -e, -d and --show-priv-flags are absent'],
  [/^\tSupports Wake-on:|^\tWake-on:/, 'no wake-up'],
  [/Current message level:|^ +drv probe link$/, 'no message levels'],
];

const comparable = (lines: readonly string[]): string[] => lines.filter((line) => !KNOWN.some(([known]) => known.test(line)));

/** twoHosts' client with two CPUs. */
function show(option: string, setup: readonly string[]): string[] {
  return twoHosts({ client: [`ethtool ${option} eth0`.replace('  ', ' ')], clientSetup: setup, clientCpus: 2 }).client;
}

const defaults = recorded('defaults');

it.each([...defaults.keys()])('%s', (command) => {
  expect(comparable(show(command.slice('ethtool '.length), []))).toEqual(comparable(defaults.get(command)!));
});

it('ethtool -k after everything was switched off', () => {
  const off = recorded('no-offloads').get('ethtool -k')!;
  expect(comparable(show('-k', ['ethtool -K eth0 tso off gso off gro off tx off rx off sg off']))).toEqual(comparable(off));
});
