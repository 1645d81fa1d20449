/**
 * Perfetto's TrackEvent packets (protos/perfetto/trace/trace_packet.proto, track_event.proto, track_descriptor.proto; field numbers below): tracks are described
 * when they are first used, then slices, instants and counters are put on them.
 */
import { LogFile } from '../files/log_file.ts';
import { Protobuf } from './protobuf.ts';

const WRITE_BYTES = 1 << 20;

/* Trace */
const PACKET = 1;
/* TracePacket */
const TIMESTAMP = 8;
const SEQUENCE_ID = 10;
const TRACK_EVENT = 11;
const SEQUENCE_FLAGS = 13;
const TRACK_DESCRIPTOR = 60;
/** No state of this sequence is incomplete. */
const SEQ_INCREMENTAL_STATE_CLEARED = 1;
const OUR_SEQUENCE = 1;
/* TrackDescriptor */
const UUID = 1;
const NAME = 2;
const PROCESS = 3;
const PARENT_UUID = 5;
const COUNTER = 8;
/* ProcessDescriptor */
const PROCESS_PID = 1;
const PROCESS_NAME = 6;
/* CounterDescriptor */
const UNIT_NAME = 6;
/* TrackEvent */
const TYPE = 9;
const TRACK_UUID = 11;
const CATEGORIES = 22;
const EVENT_NAME = 23;
const COUNTER_VALUE = 30;
const FLOW_IDS = 47;
export const DEBUG_ANNOTATIONS = 4;

export const TYPE_SLICE_BEGIN = 1;
export const TYPE_SLICE_END = 2;
export const TYPE_INSTANT = 3;
const TYPE_COUNTER = 4;

export class PerfettoTracks {
  readonly out = new Protobuf(WRITE_BYTES * 2);
  readonly #file: LogFile;
  readonly #uuids = new Map<string, number>();
  /** Last value of each counter: only changes are written. */
  readonly #values = new Map<number, number>();
  #packet = 0;
  #event = 0;
  #first = true;

  /** Throws CaptureWriteError. */
  constructor(path: string) {
    this.#file = new LogFile(path);
  }

  /** A host, as a process. */
  host(name: string, pid: number): number {
    return this.#track(`host ${name}`, (out) => {
      const process = out.begin(PROCESS);
      out.integer(PROCESS_PID, pid);
      out.string(PROCESS_NAME, name);
      out.end(process);
    });
  }

  /** A track below another one. */
  track(parent: number, name: string): number {
    return this.#track(`${parent} ${name}`, (out) => {
      out.string(NAME, name);
      if (parent !== 0) out.integer(PARENT_UUID, parent);
    });
  }

  /** A track that is never asked for again by its name. */
  ownTrack(parent: number, name: string): number {
    return this.#track(`own ${this.#uuids.size}`, (out) => {
      out.string(NAME, name);
      out.integer(PARENT_UUID, parent);
    });
  }

  counterTrack(parent: number, name: string, unit: string): number {
    return this.#track(`counter ${parent} ${name}`, (out) => {
      out.string(NAME, name);
      if (parent !== 0) out.integer(PARENT_UUID, parent);
      const counter = out.begin(COUNTER);
      out.string(UNIT_NAME, unit);
      out.end(counter);
    });
  }

  /** Starts an event; annotations may follow before `endEvent`. */
  beginEvent(time: number, track: number, type: number, name: string, category: string): void {
    this.#beginPacket(time);
    this.#event = this.out.begin(TRACK_EVENT);
    this.out.integer(TYPE, type);
    this.out.integer(TRACK_UUID, track);
    if (category !== '') this.out.string(CATEGORIES, category);
    if (name !== '') this.out.string(EVENT_NAME, name);
  }

  /** The event is about these packets: arrows go from event to event of each. */
  flow(id: number, count: number): void {
    for (let i = 0; i < count; i++) this.out.fixed64(FLOW_IDS, id + i);
  }

  endEvent(): void {
    this.out.end(this.#event);
    this.#endPacket();
  }

  endSlice(time: number, track: number): void {
    this.beginEvent(time, track, TYPE_SLICE_END, '', '');
    this.endEvent();
  }

  counter(time: number, track: number, value: number): void {
    if (this.#values.get(track) === value) return;
    this.#values.set(track, value);
    this.#beginPacket(time);
    const event = this.out.begin(TRACK_EVENT);
    this.out.integer(TYPE, TYPE_COUNTER);
    this.out.integer(TRACK_UUID, track);
    this.out.integer(COUNTER_VALUE, value);
    this.out.end(event);
    this.#endPacket();
  }

  close(): void {
    this.#flush();
    this.#file.close();
  }

  #track(key: string, describe: (out: Protobuf) => void): number {
    const known = this.#uuids.get(key);
    if (known !== undefined) return known;
    const uuid = this.#uuids.size + 1;
    this.#uuids.set(key, uuid);
    this.#beginPacket(0);
    const descriptor = this.out.begin(TRACK_DESCRIPTOR);
    this.out.integer(UUID, uuid);
    describe(this.out);
    this.out.end(descriptor);
    this.#endPacket();
    return uuid;
  }

  #beginPacket(time: number): void {
    this.out.reserve();
    this.#packet = this.out.begin(PACKET);
    if (time > 0) this.out.integer(TIMESTAMP, time);
    this.out.integer(SEQUENCE_ID, OUR_SEQUENCE);
    if (!this.#first) return;
    this.#first = false;
    this.out.integer(SEQUENCE_FLAGS, SEQ_INCREMENTAL_STATE_CLEARED);
  }

  #endPacket(): void {
    this.out.end(this.#packet);
    if (this.out.pos >= WRITE_BYTES) this.#flush();
  }

  #flush(): void {
    this.#file.write(this.out.u8, this.out.pos);
    this.out.pos = 0;
  }
}
