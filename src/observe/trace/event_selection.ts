/** Which tracepoints `--trace` means: `tcp:*,net:net_dev_xmit`, `tcp:tcp_probe/dport==5001/`, `default`, `all`, `function_graph`. */
import type { TraceEvent } from '../../kernel/trace/trace_event.ts';
import { trace_events } from '../../kernel/trace/trace_events.ts';
import { compileFilter, type EventFilter, glob, UnknownFieldError } from './event_filter.ts';
import { FilterError } from './filter_tokens.ts';
import type { ChosenEvent, TracedTask } from './trace_recorder.ts';

/** What a run logs unless told otherwise. */
const DEFAULT_SYSTEMS: readonly string[] = ['net', 'tcp', 'sock', 'skb', 'napi', 'irq', 'qdisc'];

export interface TraceSelection {
  readonly events: readonly ChosenEvent[];
  readonly functionGraph: boolean;
  /** Where the recorder must list the tasks it sees: filters look there. */
  readonly tasks: TracedTask[];
}

export class TraceSelectionError extends Error {
  override readonly name = 'TraceSelectionError';
}

/** One of the comma-separated parts of the option. */
interface Word {
  readonly name: string;
  readonly filter: string | null;
  /** Where the filter starts in the option's text, from 0. */
  readonly filterAt: number;
}

export function selectEvents(text: string): TraceSelection {
  const tasks: TracedTask[] = [];
  const chosen = new Map<TraceEvent, EventFilter | null>();
  let functionGraph = false;
  for (const word of words(text)) {
    if (word.name === '' || word.name === 'none') continue;
    if (word.name === 'function_graph') functionGraph = true;
    else for (const [event, filter] of filtered(word, text, tasks)) chosen.set(event, either(chosen.get(event), filter));
  }
  const events = trace_events.filter((event) => chosen.has(event));
  return { events: events.map((event) => ({ event, filter: chosen.get(event) ?? null })), functionGraph, tasks };
}

/** An event that is asked for twice: what either wants. */
function either(one: EventFilter | null | undefined, other: EventFilter | null): EventFilter | null {
  if (one === undefined) return other;
  return one === null || other === null ? null : (record) => one(record) || other(record);
}

const WORD = /\s*([^,/]*?)\s*(?:\/((?:"[^"]*"|'[^']*'|[^/"'])*)(\/)?\s*)?(,|$)/y;

function words(text: string): Word[] {
  const found: Word[] = [];
  for (let at = 0; ; ) {
    WORD.lastIndex = at;
    const match = WORD.exec(text);
    if (match === null || (match[2] !== undefined && match[3] === undefined))
      throw new TraceSelectionError(`--trace: column ${at + 1}: read ${JSON.stringify(text.slice(at))}, expected EVENT or EVENT/FILTER/`);
    const [whole, name = '', filter = null] = match;
    found.push({ name, filter, filterAt: at + whole.indexOf('/') + 1 });
    at += whole.length;
    if (match[4] !== ',') return found;
  }
}

/** The events of a word, each with its filter. A filter on several events goes to those that have its fields. */
function filtered(word: Word, text: string, tasks: readonly TracedTask[]): [TraceEvent, EventFilter | null][] {
  const events = eventsOf(word.name);
  if (word.filter === null) return events.map((event) => [event, null]);
  const found: [TraceEvent, EventFilter][] = [];
  let unknown: FilterError | null = null;
  for (const event of events) {
    try {
      found.push([event, compileFilter(word.filter, event, tasks)]);
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      if (!(error instanceof UnknownFieldError)) throw located(error, word, text);
      unknown ??= error;
    }
  }
  if (found.length === 0 && unknown !== null) throw located(unknown, word, text);
  return found;
}

/** The error with its place in the option, and a mark under it. */
function located(error: FilterError, { filterAt }: Word, text: string): TraceSelectionError {
  const column = filterAt + error.column;
  return new TraceSelectionError(`--trace: column ${column}: ${error.message}\n  ${text}\n  ${' '.repeat(column - 1)}^`);
}

function eventsOf(word: string): readonly TraceEvent[] {
  if (word === 'all') return trace_events;
  if (word === 'default') return trace_events.filter((event) => DEFAULT_SYSTEMS.includes(event.system));
  const [system = '', pattern = '*'] = word.includes(':') ? word.split(':') : isSystem(word) ? [word] : ['*', word];
  const [systems, names] = [glob(system), glob(pattern)];
  const found = trace_events.filter((event) => systems.test(event.system) && names.test(event.name));
  if (found.length > 0) return found;
  throw new TraceSelectionError(`--trace: no tracepoint is called ${JSON.stringify(word)}, expected ${expected(system)}`);
}

/** What could have been written in the place of an unknown event: the events of its system, if that exists. */
function expected(system: string): string {
  const events = trace_events.filter((event) => event.system === system).map((event) => `${system}:${event.name}`);
  if (events.length > 0) return `${system}:* or one of ${events.join(', ')}`;
  const systems = [...new Set(trace_events.map((event) => event.system))].join(', ');
  return `none, default, all, function_graph, SYSTEM:EVENT or SYSTEM:* with one of the systems ${systems}`;
}

const isSystem = (word: string): boolean => trace_events.some((event) => event.system === word);
