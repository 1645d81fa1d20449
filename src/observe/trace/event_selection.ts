/** Which tracepoints `--trace` means: `tcp:*,net:net_dev_xmit`, `default`, `all`, `function_graph`. */
import { type TraceEvent, trace_events } from '../../kernel/trace/trace_events.ts';

/** What a run logs unless told otherwise. */
const DEFAULT_SYSTEMS: readonly string[] = ['net', 'tcp', 'sock', 'skb', 'napi', 'irq', 'qdisc'];

export interface TraceSelection {
  readonly events: readonly TraceEvent[];
  readonly functionGraph: boolean;
}

export class TraceSelectionError extends Error {
  override readonly name = 'TraceSelectionError';
}

export function selectEvents(text: string): TraceSelection {
  const chosen = new Set<TraceEvent>();
  let functionGraph = false;
  for (const word of text.split(',').map((part) => part.trim())) {
    if (word === '' || word === 'none') continue;
    if (word === 'function_graph') functionGraph = true;
    else for (const event of eventsOf(word)) chosen.add(event);
  }
  return { events: trace_events.filter((event) => chosen.has(event)), functionGraph };
}

function eventsOf(word: string): readonly TraceEvent[] {
  if (word === 'all') return trace_events;
  if (word === 'default') return trace_events.filter((event) => DEFAULT_SYSTEMS.includes(event.system));
  const [system = '', pattern = '*'] = word.includes(':') ? word.split(':') : isSystem(word) ? [word] : ['*', word];
  const found = trace_events.filter((event) => matches(event.system, system) && matches(event.name, pattern));
  if (found.length > 0) return found;
  const systems = [...new Set(trace_events.map((event) => event.system))].join(', ');
  throw new TraceSelectionError(
    `--trace: no tracepoint is called ${JSON.stringify(word)}, expected none, default, all, function_graph, SYSTEM:EVENT or SYSTEM:* with one of the systems ${systems}`,
  );
}

const isSystem = (word: string): boolean => trace_events.some((event) => event.system === word);
const matches = (name: string, pattern: string): boolean =>
  new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`).test(name);
