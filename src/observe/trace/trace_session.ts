/** The trace of a run: which events go to which logs. */
import type { TraceEvent } from '../../kernel/trace/trace_event.ts';
import { trace_events } from '../../kernel/trace/trace_events.ts';
import { finishAtExit, tryAll } from '../files/at_exit.ts';
import { CallRecorder } from './call_recorder.ts';
import { EventLog } from './event_log.ts';
import type { TraceSelection } from './event_selection.ts';
import { FtraceLog } from './ftrace_log.ts';
import { FunctionGraph, functionGraphHeader } from './function_graph.ts';
import { call_events, hardware_events } from './hardware_events.ts';
import { PERFETTO_EVENTS, PerfettoLog } from './perfetto_log.ts';
import { cpuCount, type TracedHost } from './trace_context.ts';
import { TraceDat } from './trace_dat.ts';
import { TraceFile } from './trace_file.ts';
import type { TraceOutputs } from './trace_formats.ts';
import { type ChosenEvent, TraceRecorder } from './trace_recorder.ts';

/** KernelShark draws tasks from these. */
const DAT_EVENTS: readonly string[] = ['sched_switch', 'sched_waking'];

export class TraceSession {
  readonly recorder: TraceRecorder;
  /** True when a log shows what happens outside of the kernels: recorders for it may be attached. */
  readonly wantsHardware: boolean;
  readonly #planned: () => void;
  #graphFile: TraceFile | null = null;

  /** `now` is the simulation's present. Throws CaptureWriteError. */
  constructor(hosts: readonly TracedHost[], selection: TraceSelection, outputs: TraceOutputs, now: () => number) {
    this.recorder = new TraceRecorder(now, selection.tasks);
    this.wantsHardware = outputs.perfetto !== undefined || outputs.msgpack !== undefined;
    const chosen = withNeeded(selection.events, outputs);
    const events = chosen.map(({ event }) => event);
    this.#openText(hosts, selection, outputs, now);
    const { logs, tasks } = this.recorder;
    if (outputs.dat !== undefined) logs.push(new TraceDat(outputs.dat, cpuCount(hosts), this.recorder, events));
    if (outputs.perfetto !== undefined) logs.push(new PerfettoLog(outputs.perfetto, hosts));
    if (outputs.msgpack !== undefined) {
      logs.push(new EventLog(outputs.msgpack, hosts, tasks, [...events, ...hardware_events, ...call_events]));
      if (selection.functionGraph) for (const host of hosts) new CallRecorder(this.recorder, host);
    }
    for (const host of hosts) this.recorder.listen(host, chosen);
    this.#planned = finishAtExit(() => this.close());
  }

  #openText(hosts: readonly TracedHost[], { events, functionGraph }: TraceSelection, { text }: TraceOutputs, now: () => number): void {
    if (text === undefined) return;
    const shown = new Set(events.map(({ event }) => event.id));
    if (functionGraph) this.#startGraph(text, hosts, shown, now);
    else this.recorder.logs.push(new FtraceLog(text, hosts, this.recorder.tasks, shown));
  }

  /** The function graph is one text of calls and events: it takes records as they come. */
  #startGraph(path: string, hosts: readonly TracedHost[], shown: ReadonlySet<number>, now: () => number): void {
    const file = new TraceFile(path, functionGraphHeader(hosts), now);
    const graphs = new Map(hosts.map((host) => [host, new FunctionGraph(host, file)]));
    this.recorder.onRecord = (host) => {
      const { cursor } = this.recorder;
      if (shown.has(cursor.type)) graphs.get(host)!.event(cursor);
    };
    this.#graphFile = file;
  }

  close(): void {
    this.#planned();
    tryAll([() => this.recorder.close(), () => this.#graphFile?.close()]);
  }
}

/** The chosen events and those without which a log would be empty. */
function withNeeded(chosen: readonly ChosenEvent[], outputs: TraceOutputs): ChosenEvent[] {
  const needed = [...(outputs.dat === undefined ? [] : DAT_EVENTS), ...(outputs.perfetto === undefined ? [] : PERFETTO_EVENTS)];
  const missing = (event: TraceEvent): boolean => needed.includes(event.name) && !chosen.some((one) => one.event === event);
  return [...chosen, ...trace_events.filter(missing).map((event) => ({ event, filter: null }))];
}
