/** What a host's ftrace log says of its timing, read and handed out again. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import type { task_struct } from '../../src/kernel/include/linux/sched.ts';
import { CALL_BEGINS, CALL_COPIED, CALL_ENDS, CALL_WAITS, CALL_WOKEN } from '../../src/kernel/kernel/call_times.ts';
import { RecordedCalls } from '../../src/replay/recorded_calls.ts';
import { FOLDER } from '../../tools/recorded_scenarios.mjs';

const log = (...lines: string[]): RecordedCalls => new RecordedCalls(['# tracer: nop', ...lines].join('\n'));
const frame = (micros: number): string => `<idle>-0 [001] ..s1. 10.${micros}: napi_gro_receive_entry: dev=eth0 napi_id=0x2006 len=1500`;
const poll = (micros: number): string =>
  `<idle>-0 [001] ..s1. 10.${micros}: napi_poll: napi poll on napi struct 0 for device eth0 work 1 budget 64`;
const reader = (micros: number, record: string): string => `sockscript-254 [001] ..... 10.${micros}: ${record}`;
const softirq = (micros: number, record: string): string => `sockscript-254 [001] ..s2. 10.${micros}: ${record}`;
const probe = (port: number, len: number): string =>
  `tcp_probe: family=AF_INET src=10.0.0.2:${port} dest=10.0.0.1:46328 mark=0x0 data_len=${len} snd_nxt=0`;
const adjust = 'tcp_rcv_space_adjust: family=AF_INET sport=5001 dport=46328';
const one = {} as task_struct;
const other = {} as task_struct;

it('frames of one poll come together, when its first one did', () => {
  const calls = log(frame(100000), poll(100009), frame(200000), frame(200003), poll(200020), frame(200021));
  expect(calls.arrivals).toEqual([0, 100_000_000, 100_000_000, 100_021_000]);
  expect(calls.firstArrival).toBe(10_100_000_000);
});

it('a call begins, waits, runs again, copies and ends at its recorded times, each counted from the first frame', () => {
  const times = log(
    frame(100000),
    reader(100010, 'sys_recvfrom(fd: 6, ubuf: 0x4d8930, size: 0x10000, flags: 0, addr: 0, addr_len: 0)'),
    reader(100013, 'sched_switch: prev_comm=sockscript prev_pid=254 prev_state=S ==> next_comm=swapper/1 next_pid=0 next_prio=120'),
    '<idle>-0 [001] d..2. 10.100500: sched_switch: prev_comm=swapper/1 prev_pid=0 prev_state=R ==> next_comm=sockscript next_pid=254 next_prio=120',
    reader(100501, 'skb_copy_datagram_iovec: skbaddr=0 len=1448'),
    reader(100505, adjust),
    reader(100507, 'sock_recv_length: sk address = 0, length = 1448'),
  ).times();
  const points = [CALL_BEGINS, CALL_WAITS, CALL_WOKEN, CALL_COPIED, CALL_ENDS];
  expect(points.map((point) => times.until(one, point))).toEqual([10_000, 13_000, 500_000, 505_000, 507_000]);
  expect(times.until(one, CALL_BEGINS)).toBe(Number.NEGATIVE_INFINITY);
  expect(times.until(other, CALL_BEGINS)).toBe(Number.NEGATIVE_INFINITY);
});

it('a segment that the interrupted reader did not keep out shows that it had not locked the socket yet', () => {
  const begins = reader(100010, 'sys_recvfrom(fd: 6)');
  const copies = [reader(100060, 'skb_copy_datagram_iovec: len=1448'), reader(100070, adjust), reader(100072, 'sock_recv_length:')];
  const locked = log(frame(100000), begins, ...copies).times();
  expect(locked.until(one, CALL_BEGINS)).toBe(10_000);
  const open = log(frame(100000), begins, softirq(100030, probe(5001, 1448)), ...copies).times();
  expect(open.until(one, CALL_BEGINS)).toBe(30_000);
});

it('what the reader itself takes in came from the backlog, so that it held the lock until then', () => {
  const times = log(frame(100000), reader(100010, 'sys_recvfrom(fd: 6)'), reader(100090, probe(5001, 8688))).times();
  times.until(one, CALL_BEGINS);
  expect(times.until(one, CALL_WAITS)).toBe(90_000);
});

it('segments are found by port and length, not too far ahead', () => {
  const times = log(
    frame(100000),
    softirq(100020, probe(5001, 1448)),
    softirq(100021, probe(5002, 700)),
    softirq(100022, probe(5001, 2896)),
  ).times();
  expect([times.segment(5002, 700), times.segment(5001, 2896)]).toEqual([21_000, 22_000]);
  expect([times.segment(5001, 1448), times.segment(5003, 1)]).toEqual([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
});

it('records of the same microsecond keep their order', () => {
  const times = log(frame(100000), softirq(100005, probe(1, 1)), softirq(100005, probe(1, 2))).times();
  expect(times.segment(1, 2) - 5000).toBeGreaterThan(times.segment(1, 1) - 5000);
});

it('the log of a real reader has a frame for each that the capture has', () => {
  const bytes = readFileSync(join(FOLDER, 'n16-bbr', 'B.trace.gz'));
  expect(new RecordedCalls(gunzipSync(bytes).toString()).arrivals).toHaveLength(143);
});
