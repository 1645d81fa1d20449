/** Reads one record after the other out of the recorder's memory: see kernel/trace/trace_record.ts for what is where. */
import type { Field } from '../../kernel/trace/event_layout.ts';
import { fieldOf, type TraceEvent } from '../../kernel/trace/trace_event.ts';
import { trace_events } from '../../kernel/trace/trace_events.ts';
import {
  HEAD_BYTES,
  HEAD_CPU,
  HEAD_PACKET,
  HEAD_PACKETS,
  HEAD_SIZE,
  HEAD_TASK,
  type SymbolTable,
  TEXT_HIGH,
  type TraceRecord,
} from '../../kernel/trace/trace_record.ts';
import { call_events, hardware_events } from './hardware_events.ts';

const TWO_TO_32 = 4294967296;

export class TraceCursor {
  u8: Uint8Array;
  view: DataView;
  start = 0;
  /** Where Linux's part of the record starts. */
  base = HEAD_BYTES;
  readonly symbols: SymbolTable;

  constructor(record: TraceRecord) {
    this.u8 = record.u8;
    this.view = record.view;
    this.symbols = record.symbols;
  }

  /** The record whose head is at `start`. */
  moveTo(start: number): void {
    this.start = start;
    this.base = start + HEAD_BYTES;
  }

  get time(): number {
    return this.view.getFloat64(this.start, true);
  }
  /** First packet that the record is about; 0: none. */
  get packetId(): number {
    return this.view.getFloat64(this.start + HEAD_PACKET, true);
  }
  /** How many packets from there. */
  get packets(): number {
    return this.view.getUint16(this.start + HEAD_PACKETS, true);
  }
  /** The CPU as the whole log numbers it. */
  get cpu(): number {
    return this.view.getUint16(this.start + HEAD_CPU, true);
  }
  get task(): number {
    return this.view.getUint16(this.start + HEAD_TASK, true);
  }
  /** Bytes of Linux's part. */
  get size(): number {
    return this.view.getUint16(this.start + HEAD_SIZE, true);
  }
  get type(): number {
    return this.view.getUint16(this.base, true);
  }
  get flags(): number {
    return this.u8[this.base + 2]!;
  }
  get preemptCount(): number {
    return this.u8[this.base + 3]!;
  }
  get pid(): number {
    return this.view.getInt32(this.base + 4, true);
  }
  /** Where the next record's head is. */
  get next(): number {
    return this.start + ((HEAD_BYTES + this.size + 7) & ~7);
  }
  get event(): TraceEvent {
    return eventById(this.type);
  }

  u32(offset: number): number {
    return this.view.getUint32(this.base + offset, true);
  }

  /** Start of a string of variable length, relative to the buffer. */
  textAt(offset: number): number {
    return this.base + (this.u32(offset) & 0xffff);
  }

  /** The value of a field that is a number; exact up to 53 bits. */
  number(field: Field, index = 0): number {
    const at = this.base + field.offset;
    switch (field.size / field.count) {
      case 1:
        return field.signed ? this.view.getInt8(at + index) : this.u8[at + index]!;
      case 2:
        return this.view.getUint16(at + 2 * index, true);
      case 4:
        return field.signed ? this.view.getInt32(at + 4 * index, true) : this.view.getUint32(at + 4 * index, true);
      default: {
        const high = field.signed ? this.view.getInt32(at + 8 * index + 4, true) : this.view.getUint32(at + 8 * index + 4, true);
        return high * TWO_TO_32 + this.view.getUint32(at + 8 * index, true);
      }
    }
  }

  /** The value of a field of a given name; for what is not hot. */
  value(name: string): number {
    return this.number(fieldOf(this.event, name));
  }

  /** The string of a field: char[] or __data_loc char[]. */
  string(field: Field): string {
    const start = field.dynamic ? this.textAt(field.offset) : this.base + field.offset;
    const limit = field.dynamic ? this.u32(field.offset) >>> 16 : field.size;
    let text = '';
    for (let i = start; i < start + limit && this.u8[i] !== 0; i++) text += String.fromCharCode(this.u8[i]!);
    return text;
  }

  /** The name of the function that a field points at. */
  symbolAt(offset: number): string | undefined {
    return this.u32(offset + 4) === TEXT_HIGH ? this.symbols.nameAt(this.u32(offset)) : undefined;
  }
}

const firstId = trace_events[0]!.id;
const all: readonly TraceEvent[] = [...trace_events, ...hardware_events, ...call_events];
export const eventById = (id: number): TraceEvent => all[id - firstId]!;
