/** The trace of a run: which events of which hosts go where. */
import { selectEvents } from '../observe/trace/event_selection.ts';
import { NicTrace, WireTrace } from '../observe/trace/hardware_recorder.ts';
import { numberHosts } from '../observe/trace/trace_context.ts';
import { type TraceFormat, traceOutputs } from '../observe/trace/trace_formats.ts';
import { TraceSession } from '../observe/trace/trace_session.ts';
import type { Network } from './network.ts';

/** Starts the logs that `--trace` and `--trace-format` ask for; null when they ask for none. */
export function attachTrace(
  network: Network,
  directory: string,
  selection: string,
  formats: readonly TraceFormat[] = ['text'],
): TraceSession | null {
  const chosen = selectEvents(selection);
  if (chosen.events.length === 0 && !chosen.functionGraph) return null;
  const hosts = numberHosts(network.hosts);
  const session = new TraceSession(hosts, chosen, traceOutputs(directory, formats), () => network.simulation.now);
  if (session.wantsHardware) attachHardware(network, session);
  return session;
}

function attachHardware({ hosts, cables }: Network, { recorder }: TraceSession): void {
  for (const host of hosts) for (const { name, device } of host.nics) new NicTrace(recorder, `${host.name}.${name}`, device);
  for (const cable of cables) new WireTrace(recorder, cable);
}
