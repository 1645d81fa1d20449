/**
 * events.msgpack: a stream of MessagePack objects, first a description of the log, then one array a record (docs/event_log.md). Records are packed by hand, since
 * libraries take microseconds for each.
 */
import type { TraceEvent } from '../../kernel/trace/trace_event.ts';
import { LogFile } from '../files/log_file.ts';
import { type KnownField, knownFields } from './field_values.ts';
import { isHardware } from './hardware_events.ts';
import { MessagePack } from './message_pack.ts';
import { compileField, type PackField } from './pack_field.ts';
import { TextBuffer } from './text_buffer.ts';
import type { TracedHost } from './trace_context.ts';
import { eventById, type TraceCursor } from './trace_cursor.ts';
import type { TraceBatch, TracedTask, TraceLog } from './trace_recorder.ts';

const WRITE_BYTES = 1 << 20;
/** Elements of a record before its fields. */
const HEAD_ELEMENTS = 8;
export const EVENT_LOG_VERSION = 1;

export class EventLog implements TraceLog {
  readonly #file: LogFile;
  readonly #tasks: readonly TracedTask[];
  readonly #out = new MessagePack(WRITE_BYTES * 2);
  readonly #scratch = new TextBuffer(16384);
  readonly #packers: (readonly PackField[])[] = [];

  /** Throws CaptureWriteError. */
  constructor(path: string, hosts: readonly TracedHost[], tasks: readonly TracedTask[], events: readonly TraceEvent[]) {
    this.#file = new LogFile(path);
    this.#tasks = tasks;
    this.#describe(hosts, events);
  }

  write({ cursor, order, count }: TraceBatch): void {
    for (let i = 0; i < count; i++) {
      cursor.moveTo(order[i]!);
      this.#record(cursor);
      if (this.#out.pos >= WRITE_BYTES) this.#flush();
    }
  }

  close(): void {
    this.#flush();
    this.#file.close();
  }

  #record(record: TraceCursor): void {
    const out = this.#out;
    const type = record.type;
    const packers = this.#packers[type] ?? this.#compile(type);
    out.reserve();
    out.array(HEAD_ELEMENTS + packers.length);
    out.integer(record.time);
    out.integer(type);
    if (isHardware(type)) {
      out.nil();
      out.nil();
      out.nil();
    } else {
      const { comm, pid } = this.#tasks[record.task]!;
      out.integer(record.cpu);
      out.integer(pid);
      out.string(comm);
    }
    out.integer(record.flags);
    if (record.packets === 0) out.nil();
    else out.integer(record.packetId);
    out.integer(record.packets);
    for (let i = 0; i < packers.length; i++) packers[i]!(record, out, this.#scratch);
  }

  #compile(type: number): readonly PackField[] {
    const packers = knownFields(eventById(type)).map(compileField);
    this.#packers[type] = packers;
    return packers;
  }

  #describe(hosts: readonly TracedHost[], events: readonly TraceEvent[]): void {
    const out = this.#out;
    out.map(5);
    out.string('format');
    out.string('truewire events');
    out.string('version');
    out.integer(EVENT_LOG_VERSION);
    out.string('record');
    const head = ['time', 'event', 'cpu', 'pid', 'comm', 'flags', 'packet', 'packets'];
    out.array(head.length);
    for (const name of head) out.string(name);
    out.string('hosts');
    out.array(hosts.length);
    for (const host of hosts) this.#host(host);
    out.string('events');
    out.array(events.length);
    for (const event of events) this.#event(event);
  }

  #host({ name, firstCpu, kernel }: TracedHost): void {
    const out = this.#out;
    out.reserve();
    out.map(3);
    out.string('name');
    out.string(name);
    out.string('firstCpu');
    out.integer(firstCpu);
    out.string('cpus');
    out.integer(kernel.percpu.length);
  }

  #event(event: TraceEvent): void {
    const out = this.#out;
    out.reserve();
    out.map(4);
    out.string('id');
    out.integer(event.id);
    out.string('system');
    out.string(event.system);
    out.string('name');
    out.string(event.name);
    out.string('fields');
    const fields: readonly KnownField[] = knownFields(event);
    out.array(fields.length);
    for (const { field, kind } of fields) {
      out.array(2);
      out.string(field.name);
      out.string(kind);
    }
  }

  #flush(): void {
    this.#file.write(this.#out.u8, this.#out.pos);
    this.#out.pos = 0;
  }
}
