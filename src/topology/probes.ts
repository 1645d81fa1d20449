/**
 * What it costs a host to be watched. Captures and traces of a run take no time; those of a recorded computer did: every ftrace event and every packet that
 * tcpdump got moved its CPUs' clocks on. `probes:` gives a host that burden, so that it can be compared with the recorded one.
 */
import type { EventName } from '../kernel/trace/trace_event.ts';
import { this_cpu } from '../machine/cpu.ts';
import { selectEvents, TraceSelectionError } from '../observe/trace/event_selection.ts';
import type { Host } from './host.ts';
import type { ProbeSpec } from './schema.ts';

type Slot = ((...args: unknown[]) => void) | undefined;

/** What is wrong with a probe's events; null when they are tracepoints. */
export function probeProblem(events: string): string | null {
  try {
    const { functionGraph } = selectEvents(events);
    return functionGraph ? 'function_graph is no event, expected tracepoints' : null;
  } catch (error) {
    if (error instanceof TraceSelectionError) return error.message.replace(/^--trace: /, '');
    throw error;
  }
}

/** Charges `spec.cost` for each of the events, beside what listens there already. */
export function attachProbe(host: Host, spec: ProbeSpec): void {
  const slots = host.kernel.trace as unknown as Record<EventName, Slot>;
  const calls = new Map<EventName, Set<number>>();
  for (const { event } of selectEvents(spec.events).events) {
    const numbers = calls.get(event.slot) ?? new Set<number>();
    calls.set(event.slot, numbers.add(event.syscall));
  }
  for (const [slot, numbers] of calls) slots[slot] = charging(slots[slot], numbers, spec.cost);
}

/** `numbers` are those of system calls, or -1 for a tracepoint that isn't theirs. */
function charging(listener: Slot, numbers: ReadonlySet<number>, cost: number): Slot {
  const always = numbers.has(-1);
  return (...args) => {
    listener?.(...args);
    if (always || numbers.has(args[0] as number)) this_cpu.charge(cost);
  };
}
