/** The trace of a run: which events go to which logs. */
import type { TraceSelection } from './event_selection.ts';
import { FtraceLog } from './ftrace_log.ts';
import { FunctionGraph, functionGraphHeader } from './function_graph.ts';
import type { TracedHost } from './trace_context.ts';
import { TraceFile } from './trace_file.ts';
import { TraceRecorder } from './trace_recorder.ts';

/** Paths of the logs that are wanted. */
export interface TraceOutputs {
  /** ftrace's text. */
  readonly text?: string;
}

export class TraceSession {
  readonly recorder: TraceRecorder;
  #graphFile: TraceFile | null = null;

  /** `now` is the simulation's present. Throws CaptureWriteError. */
  constructor(hosts: readonly TracedHost[], selection: TraceSelection, outputs: TraceOutputs, now: () => number) {
    this.recorder = new TraceRecorder(now);
    const { logs, tasks } = this.recorder;
    if (outputs.text !== undefined) {
      if (selection.functionGraph) this.#startGraph(outputs.text, hosts, now);
      else logs.push(new FtraceLog(outputs.text, hosts, tasks));
    }
    for (const host of hosts) this.recorder.listen(host, selection.events);
  }

  /** The function graph is one text of calls and events: it takes records as they come. */
  #startGraph(path: string, hosts: readonly TracedHost[], now: () => number): void {
    const file = new TraceFile(path, functionGraphHeader(hosts), now);
    const graphs = new Map(hosts.map((host) => [host, new FunctionGraph(host, file)]));
    this.recorder.onRecord = (host) => graphs.get(host)!.event(this.recorder.cursor);
    this.#graphFile = file;
  }

  close(): void {
    this.recorder.close();
    this.#graphFile?.close();
  }
}
