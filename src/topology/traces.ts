/** The trace of a run: which events of which hosts go where. */
import { join } from 'node:path';
import { selectEvents } from '../observe/trace/event_selection.ts';
import { numberHosts } from '../observe/trace/trace_context.ts';
import { TraceSession } from '../observe/trace/trace_session.ts';
import type { Network } from './network.ts';

/** Starts the log that `--trace` asks for; null when it asks for none. */
export function attachTrace(network: Network, directory: string, selection: string): TraceSession | null {
  const chosen = selectEvents(selection);
  if (chosen.events.length === 0 && !chosen.functionGraph) return null;
  const hosts = numberHosts(network.hosts);
  return new TraceSession(hosts, chosen, { text: join(directory, 'trace.txt') }, () => network.simulation.now);
}
