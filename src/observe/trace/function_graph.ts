/**
 * trace.txt of the function_graph tracer: who called whom and how long it took, with the chosen tracepoints as comments between. A function that calls
 * nothing is one line; to know that, an entry waits until the next thing happens on its CPU.
 */

import type { task_struct } from '../../kernel/include/linux/sched.ts';
import { function_costs } from '../../kernel/trace/function_costs.ts';
import { type CallTracer, type Cpu, this_cpu } from '../../machine/cpu.ts';
import { formatSeconds } from '../../sim/time.ts';
import { hostLines } from './ftrace_log.ts';
import { TextBuffer } from './text_buffer.ts';
import { commOf, type TracedHost } from './trace_context.ts';
import type { TraceCursor } from './trace_cursor.ts';
import type { TraceFile } from './trace_file.ts';
import { RecordText } from './trace_text.ts';

export function functionGraphHeader(hosts: readonly TracedHost[]): string {
  return `# tracer: function_graph
#
${hostLines(hosts)}#     TIME        CPU  TASK/PID         DURATION                  FUNCTION CALLS
#      |          |     |    |           |   |                     |   |   |   |
`;
}

/** One call under way. */
interface Call {
  readonly id: number;
  readonly start: number;
  /** Whose call, and how deep: when it turns out not to be a leaf because it sleeps, another task runs already. */
  readonly task: task_struct;
  readonly depth: number;
}

/** The calls of one task (or of a CPU's interrupts) and the entry that is not printed yet. */
class Stack {
  readonly calls: Call[] = [];
}

export class FunctionGraph implements CallTracer {
  readonly #host: TracedHost;
  readonly #file: TraceFile;
  readonly #out = new TextBuffer(16384);
  readonly #text = new RecordText();
  /** Calls of each task; interrupts nest on the stack of the task they interrupt, as in Linux. */
  readonly #stacks = new Map<number, Stack>();
  /** By CPU: the last entry, while it may still turn out to be a leaf. */
  readonly #pending: (Call | null)[] = [];

  constructor(host: TracedHost, file: TraceFile) {
    this.#host = host;
    this.#file = file;
    for (const { cpu } of host.kernel.percpu) cpu.tracer = this;
  }

  /** An event of this host that has just happened. */
  event(record: TraceCursor): void {
    const out = this.#out;
    out.pos = 0;
    this.#text.write(record, out);
    this.#comment(this_cpu, out.toString());
  }

  enter(cpu: Cpu, id: number): void {
    this.#printPending(cpu);
    const cost = cpu.costs[id] ?? 0;
    const { calls } = this.#stack(cpu);
    const call = { id, start: cpu.clock - cost, task: this.#current(cpu), depth: calls.length };
    calls.push(call);
    this.#pending[cpu.id] = call;
  }

  exit(cpu: Cpu, id: number): void {
    const calls = this.#stack(cpu).calls;
    const call = calls.pop();
    if (call === undefined) return;
    const duration = durationColumn(cpu.clock - call.start);
    const indent = '  '.repeat(calls.length);
    if (this.#pending[cpu.id] === call) {
      this.#pending[cpu.id] = null;
      this.#line(cpu, call.task, call.start, `${duration} |  ${indent}${nameOf(id)}();`);
    } else {
      this.#printPending(cpu);
      this.#line(cpu, call.task, cpu.clock, `${duration} |  ${indent}} /* ${nameOf(id)} */`);
    }
  }

  #comment(cpu: Cpu, text: string): void {
    this.#printPending(cpu);
    const indent = '  '.repeat(this.#stack(cpu).calls.length);
    this.#line(cpu, this.#current(cpu), cpu.clock, `${NO_DURATION} |  ${indent}/* ${text} */`);
  }

  #printPending(cpu: Cpu): void {
    const call = this.#pending[cpu.id];
    if (call == null) return;
    this.#pending[cpu.id] = null;
    this.#line(cpu, call.task, call.start, `${NO_DURATION} |  ${'  '.repeat(call.depth)}${nameOf(call.id)}() {`);
  }

  #current(cpu: Cpu): task_struct {
    return this.#host.kernel.percpu[cpu.id]!.current;
  }

  #line(cpu: Cpu, task: task_struct, time: number, text: string): void {
    const comm = commOf(task);
    const { pid } = task;
    const stamp = formatSeconds(time, 6).padStart(12);
    const who = `${comm.slice(0, 7).padStart(7)}-${String(pid).padEnd(6)}`;
    this.#file.line(time, `${stamp} | ${String(this.#host.firstCpu + cpu.id).padStart(3)})  ${who}| ${text}`);
  }

  #stack(cpu: Cpu): Stack {
    const { pid } = this.#current(cpu);
    // Each CPU has an idle task of its own, all with pid 0.
    const key = pid === 0 ? -1 - cpu.id : pid;
    let stack = this.#stacks.get(key);
    if (stack === undefined) {
      stack = new Stack();
      this.#stacks.set(key, stack);
    }
    return stack;
  }
}

const nameOf = (id: number): string => function_costs[id]![0];
const NO_DURATION = ' '.repeat(15);

/** `+ 12.345 us   `: the mark says at a glance what took over 10 µs, 100 µs, 1 ms, 10 ms, 100 ms, 1 s. */
function durationColumn(ns: number): string {
  const marks: readonly [number, string][] = [[1e9, '$'], [1e8, '@'], [1e7, '*'], [1e6, '#'], [1e5, '!'], [1e4, '+']]; // biome-ignore format: a table
  const mark = marks.find(([limit]) => ns > limit)?.[1] ?? ' ';
  const number = (ns / 1000).toFixed(3).slice(0, 7);
  return `${mark} ${`${number} us`.padEnd(10)}`.padStart(12).padEnd(15);
}
