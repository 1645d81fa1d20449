/** Puts the calls of a kernel's functions into the event log. Another tracer that listens already keeps listening. */
import { function_costs } from '../../kernel/trace/function_costs.ts';
import type { CallTracer, Cpu } from '../../machine/cpu.ts';
import { functionEntry, functionExit } from './hardware_events.ts';
import type { TracedHost } from './trace_context.ts';
import type { TraceRecorder } from './trace_recorder.ts';

export class CallRecorder implements CallTracer {
  readonly #recorder: TraceRecorder;
  readonly #host: TracedHost;
  readonly #other: CallTracer | null;

  /** Listens at once on all CPUs of the host. */
  constructor(recorder: TraceRecorder, host: TracedHost) {
    this.#recorder = recorder;
    this.#host = host;
    this.#other = host.kernel.percpu[0]!.cpu.tracer;
    for (const { cpu } of host.kernel.percpu) cpu.tracer = this;
  }

  enter(cpu: Cpu, id: number): void {
    this.#other?.enter(cpu, id);
    // The function's own cost has been charged already.
    this.#recorder.call(this.#host, functionEntry, cpu, cpu.clock - (cpu.costs[id] ?? 0), function_costs[id]![0]);
  }

  exit(cpu: Cpu, id: number): void {
    this.#other?.exit(cpu, id);
    this.#recorder.call(this.#host, functionExit, cpu, cpu.clock, function_costs[id]![0]);
  }
}
