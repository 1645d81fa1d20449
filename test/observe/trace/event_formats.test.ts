/** Events declare what Linux 6.18's format files declare, and their records hold what they declare. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatText, type TraceEvent } from '../../../src/kernel/trace/trace_event.ts';
import { trace_events } from '../../../src/kernel/trace/trace_events.ts';
import { linesOf, parseLine, runBusy } from './traced_run.ts';

const FOLDER = 'test/fixtures/linux/tracefs-formats';
const recorded = readdirSync(FOLDER).map((file) => file.replace('.format', '').replace('__', ':'));
const nameOf = ({ system, name }: TraceEvent): string => `${system}:${name}`;

/** Without the number, which differs from kernel to kernel, and without the freedom that the formats take with spaces in lists. */
const comparable = (text: string): string =>
  text
    .replace(/^ID: \d+$/m, 'ID:')
    .replaceAll(/\s*([{}])\s*/g, '$1')
    .replaceAll(/\s+,/g, ',')
    .replaceAll(') REC->', ')REC->')
    .trimEnd();

/** Calls that the recorded kernel's list left out. */
const UNRECORDED = ['dup', 'kill', 'pipe2'].flatMap((name) => [`syscalls:sys_enter_${name}`, `syscalls:sys_exit_${name}`]);

/** What Linux has in these systems and the model does not pass through. */
const NOT_MODELLED = [
  // TCP-AO.
  'tcp:tcp_ao_handshake_failure',
  'tcp:tcp_hash_ao_required',
  // igb hands GRO whole skbs.
  'net:napi_gro_frags_entry',
  'net:napi_gro_frags_exit',
  // Off unless a stall threshold is set.
  'napi:dql_stall_detected',
  // Nothing left of the model's parts uses tasklets.
  'irq:tasklet_entry',
  'irq:tasklet_exit',
  // The accounts of run time are kept by CPU and context.
  'sched:sched_stat_runtime',
  // No periodic tick, so none that stops.
  'timer:tick_stop',
  'timer:timer_base_idle',
  'timer:itimer_expire',
  'timer:itimer_state',
  // Memory is coherent and mapped piece by piece: Linux leaves these out, too.
  'dma:dma_alloc_pages',
  'dma:dma_alloc_sgt',
  'dma:dma_alloc_sgt_err',
  'dma:dma_free_pages',
  'dma:dma_free_sgt',
  'dma:dma_map_sg',
  'dma:dma_map_sg_err',
  'dma:dma_sync_sg_for_cpu',
  'dma:dma_sync_sg_for_device',
  'dma:dma_sync_single_for_cpu',
  'dma:dma_sync_single_for_device',
  'dma:dma_unmap_sg',
  // Calls that programs here cannot make.
  ...['epoll_pwait', 'ppoll', 'pselect6', 'readv', 'recvmmsg', 'select', 'sendmmsg', 'socketpair', 'writev'].flatMap((name) => [
    `syscalls:sys_enter_${name}`,
    `syscalls:sys_exit_${name}`,
  ]),
];

describe('the format of an event', () => {
  it.each(trace_events.filter((event) => recorded.includes(nameOf(event))).map((event) => [nameOf(event), event] as const))(
    '%s is that of Linux',
    (name, event) => {
      const theirs = readFileSync(join(FOLDER, `${name.replace(':', '__')}.format`), 'utf8');
      // The page allocator's flags are a table of their own, of which one is in use here.
      const known = (text: string): string => (name === 'dma:dma_alloc' ? text.replace(/\(REC->flags\) \?.*"none"/, 'FLAGS') : text);
      expect(known(comparable(formatText(event)))).toBe(known(comparable(theirs)));
    },
  );

  it('exists for all that the model passes through', () => {
    const ours = trace_events.map(nameOf);
    expect(recorded.filter((name) => !ours.includes(name)).sort()).toEqual([...NOT_MODELLED].sort());
    expect(ours.filter((name) => !recorded.includes(name)).sort()).toEqual([...UNRECORDED].sort());
  });

  it('has an id of its own', () => {
    expect(new Set(trace_events.map(({ id }) => id)).size).toBe(trace_events.length);
  });
});

/** A line with its values taken out: names of fields and signs remain. */
const shape = (text: string): string =>
  text
    .replaceAll(/\+0x[0-9a-f]+\/0x[0-9a-f]+/g, '')
    .replaceAll(/::ffff:\d+\.\d+\.\d+\.\d+|::/g, '#')
    .replaceAll(/\d+\.\d+\.\d+\.\d+(:\d+)?/g, '#')
    .replaceAll(/(?<==)[^\s,]+/g, '#')
    .replaceAll(/\b(lladdr|nud_state|new_state|device|dev|table|flags|reason:|skb_addr|struct) [^\s]+/g, '$1 #')
    .replaceAll(/\b(0x[0-9a-f]+|[0-9a-f]{8,}|-?\d+)\b/g, '#')
    .replaceAll(/^[0-9a-f]+:\S+/g, '#');

describe('the lines of a run', () => {
  const lines = linesOf(runBusy('all'));
  const fixture = readFileSync('test/fixtures/linux/trace-lines.txt', 'utf8').trimEnd().split('\n').map(parseLine);

  it.each(fixture.map((line) => [`${line.event}${line.text.startsWith(' ->') ? ' ->' : ''}`, line] as const))(
    '%s looks as on Linux',
    (_name, theirs) => {
      const isExit = theirs.text.startsWith(' ->');
      const ours = lines.filter((line) => line.event === theirs.event && line.text.startsWith(' ->') === isExit);
      if (ours.length === 0) return;
      expect(new Set(ours.map(({ text }) => shape(text)))).toContain(shape(theirs.text));
    },
  );

  it('show most of what was recorded on Linux', () => {
    const seen = new Set(lines.map(({ event }) => event));
    expect([...new Set(fixture.map(({ event }) => event))].filter((event) => !seen.has(event)).sort()).toMatchInlineSnapshot(`
      [
        "qdisc_enqueue",
        "sys_poll",
      ]
    `);
  });

  it('are in order of time on each CPU and over all', () => {
    const times = lines.map(({ time }) => Number(time));
    expect(times.every((time, i) => i === 0 || time >= times[i - 1]!)).toBe(true);
  });
});
