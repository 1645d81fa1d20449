/** A packet's life and sums of waits as text. */
import { formatSeconds } from '../../sim/time.ts';
import type { CallTree, RootCall, Skipped } from './calls.ts';
import type { Life } from './life.ts';
import type { StageSum } from './waits.ts';

/** `830 ns`, `12.208 µs`, `1.000 ms` */
export function duration(ns: number): string {
  if (ns < 10_000) return `${ns} ns`;
  return ns < 10_000_000 ? `${(ns / 1000).toFixed(3)} µs` : `${(ns / 1e6).toFixed(3)} ms`;
}

/** `remarks` say what else is known of the packet. */
export function lifeLines(life: Life, remarks: readonly string[]): string[] {
  const part = life.frames > 1 ? `, frame ${life.id - life.first + 1} of the ${life.frames} that packet ${life.first} becomes` : '';
  const lines = [`packet ${life.id}${part}`, ...remarks];
  if (life.cause !== '') lines.push(`sent by ${life.cause}`);
  lines.push('');
  const rows = life.steps.map(({ time, wait, stage, host, cpu, task, event, place, text }) => [
    formatSeconds(time, 9),
    stage === '' ? '' : `+${duration(wait)}`,
    host === '' ? '' : `${host} cpu${cpu}`,
    task,
    event,
    place === '' ? '' : `${place}()`,
    text,
  ]);
  lines.push(...aligned(['TIME', 'WAIT', 'WHERE', 'TASK', 'EVENT', 'IN', 'FIELDS'], rows, [0, 1]));
  const total = [...life.waits.values()].reduce((sum, ns) => sum + ns, 0);
  lines.push('', `where its ${duration(total)} went:`);
  for (const [stage, ns] of life.waits) lines.push(`  ${stage.padEnd(32)} ${duration(ns).padStart(14)} ${share(ns, total)}`);
  lines.push('', ...callLines(life.calls));
  return lines;
}

/** The functions in the way of Linux's function_graph tracer: those that call nothing have their time beside them, others at their end. */
function callLines(calls: readonly RootCall[]): string[] {
  if (calls.length === 0) return ['for the functions that it passed through run with --trace all,function_graph'];
  const lines = [`${'TIME'.padStart(14)} ${'DURATION'.padStart(14)} | FUNCTION CALLS`];
  for (const call of calls) {
    lines.push(`${formatSeconds(call.start, 9).padStart(14)} ${''.padStart(14)} | /* ${call.host} cpu${call.cpu} ${call.task} */`);
    putCall(lines, call, '');
  }
  return lines;
}

function putCall(lines: string[], call: CallTree | Skipped, indent: string): void {
  const put = (time: string, taken: string, text: string): number =>
    lines.push(`${time.padStart(14)} ${taken.padStart(14)} | ${indent}${text}`);
  if ('calls' in call) {
    put('', duration(call.ns), `/* ${call.calls === 1 ? 'a call that is' : `${call.calls} calls that are`} not about this packet */`);
    return;
  }
  const { name, start, end, below } = call;
  const taken = end === null ? '' : duration(end - start);
  const time = formatSeconds(start, 9);
  if (below.length === 0) put(time, taken, `${name}();`);
  else {
    put(time, '', `${name}() {`);
    for (const one of below) putCall(lines, one, `${indent}  `);
    put(end === null ? '' : formatSeconds(end, 9), taken, `} /* ${name} */`);
  }
}

export function waitLines(sums: readonly StageSum[], what: string): string[] {
  const total = sums.reduce((sum, { ns }) => sum + ns, 0);
  const rows = sums.map(({ stage, ns, packets, longest }) => [stage, String(packets), duration(ns), share(ns, total).trim(), duration(Math.round(ns / packets)), duration(longest)]); // biome-ignore format: one
  return [`waits of ${what}:`, ...aligned(['STAGE', 'PACKETS', 'TOTAL', 'SHARE', 'MEAN', 'LONGEST'], rows, [1, 2, 3, 4, 5])];
}

const share = (ns: number, total: number): string => `${total > 0 ? ((100 * ns) / total).toFixed(1) : '0.0'}%`.padStart(7);

/** Columns as wide as their widest cell; `right` are those whose cells stand to the right. */
function aligned(head: readonly string[], rows: readonly (readonly string[])[], right: readonly number[]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  return all.map((row) => row.map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  ').trimEnd()); // biome-ignore format: one
}
