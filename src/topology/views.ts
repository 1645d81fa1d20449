/** Views of hosts at instants of a run: `--at '1.5s client: ss -tin'`, `--at 'end server: ip -s link'`. */
import { CommandError } from '../user/commands/command.ts';
import { nearest } from '../user/nearest.ts';
import { type View, viewOf } from '../user/view.ts';
import { type Network, START_NS } from './network.ts';
import { TopologyError } from './topology_error.ts';
import { DURATION_FORM, parseDuration } from './units.ts';

export interface PlannedView {
  /** ns after the start of the programs; Infinity: at the end of the run. */
  readonly at: number;
  readonly host: string;
  readonly line: string;
  readonly view: View;
}

/** What a view showed; `at` as in PlannedView, or when the run ended if it ended before. */
export type ViewListener = (host: string, at: number, line: string, lines: readonly string[]) => void;

const FORM = "a time, a host and a command, such as '1.5s client: ss -tin' or 'end client: nstat'";

/** Reads one `--at`. Throws TopologyError. */
export function parseView(text: string, hosts: readonly string[]): PlannedView {
  const match = /^\s*(\S+)\s+([^:\s]+)\s*:\s*(.*\S)\s*$/s.exec(text);
  if (match === null) throw new TopologyError([`--at: read ${JSON.stringify(text)}, expected ${FORM}`]);
  const [, when = '', host = '', line = ''] = match;
  const at = when === 'end' ? Number.POSITIVE_INFINITY : parseDuration(when);
  if (at === null) throw new TopologyError([`--at: read ${JSON.stringify(when)}, expected end or ${DURATION_FORM}`]);
  if (!hosts.includes(host)) {
    const near = nearest(host, hosts);
    const hint = near === null ? '' : `; did you mean ${JSON.stringify(near)}?`;
    throw new TopologyError([`--at: there is no host ${JSON.stringify(host)}, expected one of ${hosts.join(', ')}${hint}`]);
  }
  return { at, host, line, view: explained(line, () => viewOf(line)) };
}

function explained<T>(line: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof CommandError) throw new TopologyError([`--at: ${line}: ${error.message}`]);
    throw error;
  }
}

/** Plans the views; returns what shows at the end those whose time did not come. */
export function attachViews(network: Network, views: readonly PlannedView[], listener: ViewListener): () => void {
  const left = new Set(views);
  const show = (planned: PlannedView, at: number): void => {
    left.delete(planned);
    const { kernel, machine } = network.host(planned.host);
    const lines = explained(planned.line, () => machine.cpus[0]!.observe(() => planned.view(kernel)));
    listener(planned.host, at, planned.line, lines);
  };
  for (const planned of views)
    if (Number.isFinite(planned.at)) network.simulation.watch(START_NS + planned.at, () => show(planned, planned.at));
  return () => {
    for (const planned of [...left]) show(planned, network.simulation.now - START_NS);
  };
}
