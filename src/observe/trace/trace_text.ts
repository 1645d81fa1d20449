/** One record as a line of ftrace's text: `          <idle>-0       [001] ..s1.    10.594450: net_dev_queue: dev=eth0 …`. */
import type { TraceEvent } from '../../kernel/trace/trace_event.ts';
import { compilePrint, type Writer } from './print_format.ts';
import { ascii, type TextBuffer } from './text_buffer.ts';
import {
  TRACE_FLAG_BH_OFF,
  TRACE_FLAG_HARDIRQ,
  TRACE_FLAG_IRQS_OFF,
  TRACE_FLAG_NEED_RESCHED,
  TRACE_FLAG_SOFTIRQ,
} from './trace_context.ts';
import { eventById, type TraceCursor } from './trace_cursor.ts';
import type { TracedTask } from './trace_recorder.ts';

const code = (character: string): number => character.charCodeAt(0);
const [DOT, SPACE, LOWER_D, UPPER_D, LOWER_B, UPPER_N, LOWER_H, UPPER_H, LOWER_S] = [...'. dDbNhHs'].map(code) as [
  number, number, number, number, number, number, number, number, number,
]; // biome-ignore format: a row
const [OPEN, CLOSE] = [...'[]'].map(code) as [number, number];
const COLON = ascii(': ');
const PLAIN_LIMIT = 10;

/** `name: fields` of records. System calls print their own name in place of the event's: kernel/trace/trace_syscalls.c. */
export class RecordText {
  readonly #writers: (readonly Writer[])[] = [];

  write(record: TraceCursor, out: TextBuffer): void {
    const { type } = record;
    const writers = this.#writers[type] ?? this.#compile(type);
    for (let i = 0; i < writers.length; i++) writers[i]!(record, out);
  }

  #compile(type: number): readonly Writer[] {
    const event = eventById(type);
    const writers = event.syscall >= 0 ? syscallWriters(event) : namedWriters(event);
    this.#writers[type] = writers;
    return writers;
  }
}

function namedWriters(event: TraceEvent): readonly Writer[] {
  const head = ascii(`${event.name}: `);
  return [(_record, out) => out.literal(head), ...compilePrint(event)];
}

/** `sys_shutdown(fd: 5, how: 1)`, `sys_shutdown -> 0x0`: small arguments in decimal. */
function syscallWriters(event: TraceEvent): readonly Writer[] {
  const name = event.name.replace(/^sys_(enter|exit)_/, 'sys_');
  const args = event.fields.slice(1);
  if (event.slot === 'sys_exit') {
    const head = ascii(`${name} -> 0x`);
    const { offset } = args[0]!;
    return [
      (record, out) => {
        out.literal(head);
        out.hex64(record.u32(offset + 4), record.u32(offset));
      },
    ];
  }
  const heads = args.map((field, index) => ascii(`${index === 0 ? '' : ', '}${field.name}: `));
  const [before, after] = [ascii(`${name}(`), code(')')];
  return [
    (record, out) => {
      out.literal(before);
      for (let i = 0; i < args.length; i++) {
        out.literal(heads[i]!);
        smallOrHex(record.u32(args[i]!.offset + 4), record.u32(args[i]!.offset), out);
      }
      out.byte(after);
    },
  ];
}

const HEX = ascii('0x');

function smallOrHex(high: number, low: number, out: TextBuffer): void {
  if (high === 0 && low < PLAIN_LIMIT) out.decimal(low);
  else {
    out.literal(HEX);
    out.hex64(high, low);
  }
}

/** What stands before a record: task, CPU, context, time. */
export class LinePrefix {
  readonly #tasks: readonly TracedTask[];
  readonly #names: Uint8Array[] = [];

  constructor(tasks: readonly TracedTask[]) {
    this.#tasks = tasks;
  }

  write(record: TraceCursor, out: TextBuffer): void {
    const { task } = record;
    out.literal(this.#names[task] ?? this.#name(task));
    out.byte(OPEN);
    out.decimal(record.cpu, 3);
    out.byte(CLOSE);
    out.byte(SPACE);
    context(record.flags, record.preemptCount, out);
    out.byte(SPACE);
    out.seconds(record.time);
    out.literal(COLON);
  }

  #name(task: number): Uint8Array {
    const { comm, pid } = this.#tasks[task]!;
    const name = ascii(`${comm.padStart(16)}-${String(pid).padEnd(7)} `);
    this.#names[task] = name;
    return name;
  }
}

/** Five letters: irqs-off or BH-disabled, need-resched, hardirq/softirq, preempt-depth, migrate-disable. */
function context(flags: number, preemptCount: number, out: TextBuffer): void {
  const bottomHalvesOff = (flags & TRACE_FLAG_BH_OFF) !== 0;
  if ((flags & TRACE_FLAG_IRQS_OFF) !== 0) out.byte(bottomHalvesOff ? UPPER_D : LOWER_D);
  else out.byte(bottomHalvesOff ? LOWER_B : DOT);
  out.byte((flags & TRACE_FLAG_NEED_RESCHED) !== 0 ? UPPER_N : DOT);
  const softirq = (flags & TRACE_FLAG_SOFTIRQ) !== 0;
  if ((flags & TRACE_FLAG_HARDIRQ) !== 0) out.byte(softirq ? UPPER_H : LOWER_H);
  else out.byte(softirq ? LOWER_S : DOT);
  depth(preemptCount & 15, out);
  depth(preemptCount >>> 4, out);
}

function depth(value: number, out: TextBuffer): void {
  if (value === 0) out.byte(DOT);
  else out.hex(value);
}
