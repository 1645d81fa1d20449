/** trace.dat says the same as trace.txt, to a reader of ours and to trace-cmd. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../scenarios/scenario.ts';
import { readTraceDat } from './trace_dat_reader.ts';
import { fileOf, type Line, linesOf, parseLine, runBusy } from './traced_run.ts';

const installed = spawnSync('trace-cmd', ['report', '-h']).error === undefined;

/** With sched, of which trace.dat always has the switches. */
const outcome = runBusy('all', ['text', 'dat']);
const lines = linesOf(outcome);

describe('trace.dat', () => {
  const dat = readTraceDat(fileOf(outcome, 'trace.dat'));

  it('has the records of each CPU in order, with the times and tasks of the text', () => {
    expect(dat.cpus).toHaveLength(3);
    dat.cpus.forEach((records, cpu) => {
      const text = lines.filter((line) => line.cpu === cpu);
      expect(records.map(({ pid }) => pid)).toEqual(text.map(({ pid }) => pid));
      expect(records.map(({ time }) => microseconds(time))).toEqual(text.map(({ time }) => time));
      const names = records.map(({ id }) => dat.formats.get(id)!.name.replace(/^sys_(enter|exit)_/, 'sys_'));
      expect(names).toEqual(text.map(({ event }) => event));
      expect(records.every(({ time }, i) => i === 0 || time >= records[i - 1]!.time)).toBe(true);
    });
  });

  it('names the tasks and the functions', () => {
    const pids = new Set(lines.filter(({ pid }) => pid !== 0).map(({ pid, comm }) => `${pid} ${comm}`));
    for (const line of pids) expect(dat.commandLines).toContain(line);
    expect(dat.functions.some((line) => / t tcp_write_timer$/.test(line))).toBe(true);
  });

  it('leaves no temporary file', () => {
    expect(execFileSync('ls', [outcome.directory], { encoding: 'utf8' })).not.toMatch(/\.cpu\d/);
  });
});

const microseconds = (ns: bigint): string => {
  const us = (ns + 500n) / 1000n;
  return `${us / 1_000_000n}.${String(us % 1_000_000n).padStart(6, '0')}`;
};

/** What trace-cmd prints, as lines of trace.txt. */
function reported({ directory }: Outcome): Line[] {
  const { stdout, stderr, status } = spawnSync('trace-cmd', ['report', join(directory, 'trace.dat')], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const rows = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('cpus='));
  return rows.map((row) => parseLine(row.replace(/\] {5}/, '] ..... ')));
}

/** trace-cmd prints pointers with 0x and NULL as (nil), 0 by %#x as 0, functions with their offset, and some events in words of its own. */
function normalised({ event, text, comm, pid, cpu, time }: Line): string {
  const plain = text
    .trimStart()
    .replaceAll(/0x(ffff[0-9a-f]{12})/g, '$1')
    .replaceAll('(nil)', '0000000000000000')
    .replaceAll(/\b(mark|gso_type|napi_id)=0x0\b/g, '$1=0')
    .replaceAll(/(location=\S+?)\+0x0\b/g, '$1');
  return [cpu, time, `${comm}-${pid}`, event, plain].join(' ');
}

const OWN_WORDS = ['sched_switch', 'sched_wakeup', 'hrtimer_start', 'hrtimer_expire_entry'];
const comparable = (list: readonly Line[]): string[] =>
  [0, 1, 2].flatMap((cpu) =>
    list.filter((line) => line.cpu === cpu && !OWN_WORDS.includes(line.event) && !line.event.startsWith('sys_')).map(normalised),
  );

describe.skipIf(!installed)('trace-cmd report', () => {
  it('prints the lines of trace.txt', () => {
    const theirs = reported(outcome);
    expect(theirs).toHaveLength(lines.length);
    expect(comparable(theirs)).toEqual(comparable(lines));
  });

  it('prints system calls and switches of tasks', () => {
    const theirs = reported(outcome);
    const count = (list: readonly Line[], pattern: RegExp): number =>
      list.filter(({ event, text }) => pattern.test(`${event} ${text}`)).length;
    expect(count(theirs, /^sys_enter_sendto .*len: 0x/)).toBe(count(lines, /^sys_sendto \(/));
    expect(count(theirs, /^sys_exit_/)).toBe(count(lines, /^sys_\w+ +->/));
    expect(count(theirs, /^sched_switch .* ==> /)).toBe(count(lines, /^sched_switch /));
  });
});
