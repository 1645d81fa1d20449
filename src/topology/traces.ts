/** The trace log of a run: which events of which hosts go where. */
import { join } from 'node:path';
import { selectEvents } from '../observe/trace/event_selection.ts';
import { ftraceHeader, logEvents } from '../observe/trace/ftrace_log.ts';
import { FunctionGraph, functionGraphHeader } from '../observe/trace/function_graph.ts';
import { numberHosts } from '../observe/trace/trace_context.ts';
import { TraceFile } from '../observe/trace/trace_file.ts';
import type { Network } from './network.ts';

/** Starts the log that `--trace` asks for; null when it asks for none. */
export function attachTrace(network: Network, directory: string, selection: string): TraceFile | null {
  const { events, functionGraph } = selectEvents(selection);
  if (events.length === 0 && !functionGraph) return null;
  const hosts = numberHosts(network.hosts);
  const header = functionGraph ? functionGraphHeader(hosts) : ftraceHeader(hosts);
  const file = new TraceFile(join(directory, 'trace.txt'), header, () => network.simulation.now);
  for (const host of hosts) {
    if (functionGraph) new FunctionGraph(host, events, file);
    else logEvents(host, events, file);
  }
  return file;
}
