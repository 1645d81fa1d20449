/** Reads events.msgpack (docs/event_log.md), record by record, whatever its size. */
import { createReadStream, existsSync } from 'node:fs';

export interface LoggedHost {
  readonly name: string;
  readonly firstCpu: number;
  readonly cpus: number;
}

/** One kind of event; `fields` are names in the order in which records have the values. */
export interface LoggedEvent {
  readonly id: number;
  readonly system: string;
  readonly name: string;
  readonly fields: readonly (readonly [name: string, kind: string])[];
}

export interface LogDescription {
  readonly hosts: readonly LoggedHost[];
  readonly events: ReadonlyMap<number, LoggedEvent>;
}

/** Indices of what every record starts with. */
const TIME = 0;
const EVENT = 1;
const CPU = 2;
const PID = 3;
const COMM = 4;
const FLAGS = 5;
const PACKET = 6;
const PACKETS = 7;
const FIELDS = 8;
const TRACE_FLAG_HARDIRQ = 0x08;
const TRACE_FLAG_SOFTIRQ = 0x10;

/** One record. It is one object that changes: what is kept must be copied. */
export class LogRecord {
  #row: readonly unknown[] = [];
  event: LoggedEvent = { id: 0, system: '', name: '', fields: [] };

  load(row: readonly unknown[], event: LoggedEvent): void {
    this.#row = row;
    this.event = event;
  }

  get time(): number {
    return this.#row[TIME] as number;
  }

  /** By the log's numbers; -1 for hardware. */
  get cpu(): number {
    return (this.#row[CPU] as number | null) ?? -1;
  }

  /** Of the task that the CPU ran; null for hardware. */
  get pid(): number | null {
    return this.#row[PID] as number | null;
  }

  get task(): string {
    const { pid } = this;
    return pid === null ? '' : pid === 0 ? '<idle>' : `${String(this.#row[COMM])}-${pid}`;
  }

  /** ` softirq` or ` hardirq` when the task was interrupted; '' otherwise. */
  get context(): string {
    const flags = this.#row[FLAGS] as number;
    return (flags & TRACE_FLAG_HARDIRQ) !== 0 ? ' hardirq' : (flags & TRACE_FLAG_SOFTIRQ) !== 0 ? ' softirq' : '';
  }

  /** The first of `packets` ids; -1 when the record is about none. */
  get packet(): number {
    return (this.#row[PACKET] as number | null) ?? -1;
  }

  get packets(): number {
    return this.#row[PACKETS] as number;
  }

  isAbout(id: number): boolean {
    const first = this.packet;
    return first > 0 && first <= id && id < first + this.packets;
  }

  field(name: string): unknown {
    const at = this.event.fields.findIndex(([other]) => other === name);
    return at < 0 ? undefined : this.#row[FIELDS + at];
  }

  /** Fields as `name=value`, without addresses of objects. */
  text(): string {
    return this.event.fields
      .map(([name, kind], i) => (kind === 'pointer' ? '' : `${name}=${String(this.#row[FIELDS + i])}`))
      .filter((part) => part !== '')
      .join(' ');
  }
}

/** A file that is missing or is no event log. */
export class EventLogError extends Error {
  override readonly name = 'EventLogError';
}

/** Calls `each` with every record of a log, in its order. */
export async function readEventLog(path: string, each: (record: LogRecord, log: LogDescription) => void): Promise<LogDescription> {
  if (!existsSync(path)) throw new EventLogError(`${path}: no such file: run with --trace all --trace-format msgpack to leave one`);
  // Loaded by those who need it: it gives an array of bytes properties of its own, after which the engine has to look at the shape of every one.
  const { createDecodeStream } = await import('msgpack-lite');
  let log: LogDescription | null = null;
  const record = new LogRecord();
  const stream = createReadStream(path).pipe(createDecodeStream());
  for await (const object of stream as AsyncIterable<unknown>) {
    if (log === null) log = describe(path, object);
    else {
      const row = object as readonly unknown[];
      const event = log.events.get(row[EVENT] as number);
      if (event === undefined) throw new EventLogError(`${path}: a record of event ${String(row[EVENT])}, which the log does not describe`);
      record.load(row, event);
      each(record, log);
    }
  }
  if (log === null) throw new EventLogError(`${path}: the file is empty`);
  return log;
}

function describe(path: string, object: unknown): LogDescription {
  const found = object as { format?: unknown; hosts?: LoggedHost[]; events?: LoggedEvent[] } | null;
  if (found?.format !== 'truewire events' || found.hosts === undefined || found.events === undefined)
    throw new EventLogError(`${path}: not an event log of truewire`);
  return { hosts: found.hosts, events: new Map(found.events.map((event) => [event.id, event])) };
}

/** Host and CPU of a record's CPU number. */
export function hostOfCpu({ hosts }: LogDescription, cpu: number): { name: string; cpu: number } {
  const host = hosts.findLast(({ firstCpu }) => firstCpu <= cpu);
  return host === undefined ? { name: '?', cpu } : { name: host.name, cpu: cpu - host.firstCpu };
}
