/** The filter language of ftrace. */
import { describe, expect, it } from 'vitest';
import { trace_events } from '../../../src/kernel/trace/trace_events.ts';
import { TraceRecord } from '../../../src/kernel/trace/trace_record.ts';
import { compileFilter } from '../../../src/observe/trace/event_filter.ts';
import { selectEvents } from '../../../src/observe/trace/event_selection.ts';
import { FilterError } from '../../../src/observe/trace/filter_tokens.ts';
import { TraceCursor } from '../../../src/observe/trace/trace_cursor.ts';
import { linesOf, runBusy } from './traced_run.ts';

const eventNamed = (name: string) => trace_events.find((event) => event.name === name)!;
const tasks = [{ comm: 'iperf3', pid: 42 }];

/** A kfree_skb of an IPv4 packet without socket, reason 6, freed in tcp_v4_rcv. */
function droppedPacket(): TraceCursor {
  const record = new TraceRecord(4096);
  const event = eventNamed('kfree_skb');
  record.begin(1000, 3, 0, event.id, 0, 42, event.size);
  record.address(0x0100_2f40);
  record.symbol('tcp_v4_rcv');
  record.pointer(null);
  record.u16(2048);
  record.u32(6);
  record.end();
  const cursor = new TraceCursor(record);
  cursor.moveTo(0);
  return cursor;
}

/** An exit from sendto() with -EAGAIN, and a switch of tasks. */
function returned(ret: number): TraceCursor {
  const record = new TraceRecord(4096);
  const event = eventNamed('sys_exit_sendto');
  record.begin(1000, 0, 0, event.id, 0, 42, event.size);
  record.u32(44);
  record.u64(ret);
  record.end();
  const cursor = new TraceCursor(record);
  cursor.moveTo(0);
  return cursor;
}

const passes = (filter: string): boolean => compileFilter(filter, eventNamed('kfree_skb'), tasks)(droppedPacket());

describe('a filter', () => {
  it.each([
    ['reason == 6', true],
    ['reason != 6', false],
    ['reason > 5 && reason < 7', true],
    ['reason >= 7 || reason <= 5', false],
    ['reason & 4', true],
    ['reason & 1', false],
    ['protocol == 0x800', true],
    ['!(protocol == 0x800)', false],
    ['!protocol == 0x800', false],
    ['reason == 1 || reason == 6 && protocol == 1', false],
    ['(reason == 1 || reason == 6) && protocol == 2048', true],
    ['rx_sk == 0', true],
    ['skbaddr == 0xffff888001002f40', true],
    ['skbaddr == 0xffff888001002f41', false],
    ['skbaddr > 0xffff888001002f3f && skbaddr < 0xffff888001002f41', true],
    ['location.function == tcp_v4_rcv', true],
    ['location.function ~ "udp_*"', false],
    ['comm == iperf3', true],
    ['comm ~ "iperf?"', true],
    ["COMM != 'iperf3'", false],
    ['comm ~ "[a-i]*"', true],
    ['cpu == 3', true],
    ['common_pid == 42', true],
    ['reason==6&&protocol==2048', true],
  ])('%s → %s', (filter, expected) => {
    expect(passes(filter)).toBe(expected);
  });

  it('compares 64-bit numbers with their sign', () => {
    const failed = (filter: string, ret: number): boolean => compileFilter(filter, eventNamed('sys_exit_sendto'), tasks)(returned(ret));
    expect(failed('ret < 0', -11)).toBe(true);
    expect(failed('ret == -11', -11)).toBe(true);
    expect(failed('ret < 0', 100)).toBe(false);
    expect(failed('ret >= 100', 100)).toBe(true);
    expect(failed('ret > -12', -11)).toBe(true);
  });

  it.each([
    ['reson == 6', 1, /read "reson", expected a field of kfree_skb: skbaddr, location/],
    ['reason = 6', 8, /read "= 6", expected ==/],
    ['reason == ', 11, /read the end, expected a number or a string/],
    ['reason == six', 11, /read "six", expected a number/],
    ['(reason == 6', 13, /read the end, expected &&, \|\| or \)/],
    ['reason == 6)', 12, /read "\)", expected &&, \|\| or the end/],
    ['reason == 6 reason == 7', 13, /expected &&, \|\| or the end/],
    ['comm > "a"', 6, /expected ==, != or ~/],
    ['reason ~ "6"', 8, /expected a string field before ~/],
    ['comm == "iperf3', 9, /expected a closing "/],
    ['&& reason == 6', 1, /expected a field, ! or \(/],
    ['location.func == a', 1, /expected no suffix or \.function/],
  ])('%s is wrong at column %i', (filter, column, message) => {
    let error: unknown;
    try {
      passes(filter);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(FilterError);
    expect((error as FilterError).message).toMatch(message);
    expect((error as FilterError).column).toBe(column);
  });
});

describe('--trace', () => {
  it('takes filters between slashes, with commas and slashes in strings', () => {
    const { events } = selectEvents('tcp:tcp_probe/snd_cwnd > 10/, irq:irq_handler_entry/name ~ "eth0/*,x"/,napi');
    expect(events.map(({ event, filter }) => [event.name, filter !== null])).toEqual([
      ['tcp_probe', true],
      ['napi_poll', false],
      ['irq_handler_entry', true],
    ]);
  });

  it('gives a filter to those events of a system that have its fields', () => {
    const names = selectEvents('tcp:*/dport == 5001/').events.map(({ event }) => event.name);
    expect(names).toContain('tcp_probe');
    expect(names).not.toContain('tcp_bad_csum');
  });

  it('shows where a filter is wrong', () => {
    expect(() => selectEvents('net,tcp:tcp_probe/dport==5001 && cwnd>1/')).toThrow(
      '--trace: column 34: read "cwnd", expected a field of tcp_probe: saddr, daddr, sport,',
    );
    expect(() => selectEvents('tcp:tcp_probe/dport==1/x')).toThrow('--trace: column 1: read');
    expect(() => selectEvents('tcp:tcp_prob')).toThrow('no tracepoint is called "tcp:tcp_prob"');
  });

  it('logs what passes and nothing else', () => {
    const all = linesOf(runBusy('tcp:tcp_probe'));
    const some = linesOf(runBusy('tcp:tcp_probe/dport == 5001 && snd_cwnd > 10/'));
    const wanted = all.filter(({ text }) => /dest=\S+:5001 /.test(text) && Number(/snd_cwnd=(\d+)/.exec(text)![1]) > 10);
    expect(some).toEqual(wanted);
    expect(some.length).toBeGreaterThan(0);
    expect(some.length).toBeLessThan(all.length);
  });
});
