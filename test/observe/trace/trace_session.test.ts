/** All logs of a run together: the same each time, and without influence on the run. */
import { describe, expect, it } from 'vitest';
import { trace_events } from '../../../src/kernel/trace/trace_events.ts';
import { parseTraceFormats, trace_formats } from '../../../src/observe/trace/trace_formats.ts';
import { filesOf, type Outcome } from '../../scenarios/scenario.ts';
import { fileOf, linesOf, runBusy } from './traced_run.ts';

const LOGS = ['trace.txt', 'trace.dat', 'trace.pftrace', 'events.msgpack'];

const course = ({ report, output }: Outcome): unknown => ({ ...report, captures: [], output });

describe('the logs of a run', () => {
  const all = runBusy('all', trace_formats);

  it('are there, and no others', () => {
    const names = [...filesOf(all).keys()];
    expect(names).toEqual(expect.arrayContaining(LOGS));
    expect(names.filter((name) => name.includes('.cpu'))).toEqual([]);
  });

  it('are the same bytes each time', () => {
    const again = filesOf(runBusy('all', trace_formats));
    for (const name of LOGS) expect(fileOf(all, name).equals(again.get(name)!), name).toBe(true);
  });

  it('change nothing of what happens', () => {
    expect(course(all)).toEqual(course(runBusy('none')));
  });

  it('show in the text what was asked for, whatever the other logs need', () => {
    const outcome = runBusy('tcp', trace_formats);
    expect(fileOf(outcome, 'trace.txt').equals(fileOf(runBusy('tcp'), 'trace.txt'))).toBe(true);
    const tcp = trace_events.filter(({ system }) => system === 'tcp').map(({ name }) => name);
    expect([...new Set(linesOf(outcome).map(({ event }) => event))].every((name) => tcp.includes(name))).toBe(true);
  });
});

describe('--trace-format', () => {
  it('is a list of formats', () => {
    expect(parseTraceFormats('text, dat')).toEqual(['text', 'dat']);
    expect(() => parseTraceFormats('text,json')).toThrow(
      '--trace-format: read "json", expected one or more of text, dat, perfetto, msgpack',
    );
  });
});
