/** trace.txt as `cat /sys/kernel/tracing/trace` prints it with the nop tracer: listens to the chosen tracepoints of every host. */

import type { TraceEvent } from '../../kernel/trace/trace_events.ts';
import type { Tracepoints } from '../../kernel/trace/tracepoints.ts';
import { this_cpu } from '../../machine/cpu.ts';
import { linePrefix, type TracedHost } from './trace_context.ts';
import type { TraceFile } from './trace_file.ts';

/** The head of the log. With several hosts it also says whose CPUs are which. */
export function ftraceHeader(hosts: readonly TracedHost[]): string {
  const cpus = hosts.reduce((sum, host) => sum + host.kernel.percpu.length, 0);
  return `# tracer: nop
#
# entries-in-buffer/entries-written: all   #P:${cpus}
#
${hostLines(hosts)}#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
`;
}

/** `# CPUs of client: 0-1` */
export function hostLines(hosts: readonly TracedHost[]): string {
  const range = (first: number, count: number): string => (count === 1 ? String(first) : `${first}-${first + count - 1}`);
  return hosts.map((host) => `# CPUs of ${host.name}: ${range(host.firstCpu, host.kernel.percpu.length)}\n#\n`).join('');
}

/** Puts a listener on each chosen tracepoint of a host. `write` gets the record's text, `name: fields`. */
export function listen(host: TracedHost, events: readonly TraceEvent[], write: (text: string) => void): void {
  const slots = host.kernel.trace as unknown as Record<keyof Tracepoints, (...args: never[]) => void>;
  for (const { system, name, format } of events) {
    // System calls print their own name in place of the event's.
    const prefix = system === 'syscalls' ? '' : `${name}: `;
    slots[name] = (...args) => write(prefix + format(...args));
  }
}

export function logEvents(host: TracedHost, events: readonly TraceEvent[], file: TraceFile): void {
  listen(host, events, (text) => file.line(this_cpu.clock, linePrefix(host, this_cpu) + text));
}
