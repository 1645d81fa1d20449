/**
 * Listens to the chosen tracepoints of all hosts and keeps their records in one buffer, in the order in which they were made. CPUs run ahead of the simulation,
 * so records wait until nothing earlier can come (everything still to be recorded is stamped no earlier than the simulation's present); then they go to the
 * logs in order of time. Those of one instant stay in the order in which they were made.
 */

import type { task_struct } from '../../kernel/include/linux/sched.ts';
import type { EventName, TraceEvent } from '../../kernel/trace/trace_event.ts';
import { MAX_RECORD_BYTES, TraceRecord } from '../../kernel/trace/trace_record.ts';
import { type Cpu, this_cpu } from '../../machine/cpu.ts';
import { InvariantError } from '../../sim/invariant.ts';
import { tryAll } from '../files/at_exit.ts';
import type { EventFilter } from './event_filter.ts';
import { commOf, contextFlags, type TracedHost } from './trace_context.ts';
import { TraceCursor } from './trace_cursor.ts';

const BUFFER_BYTES = 4 << 20;

/** An event that is wanted, of records that pass the filter. */
export interface ChosenEvent {
  readonly event: TraceEvent;
  /** null: all. */
  readonly filter: EventFilter | null;
}

/** A task as it was called when it was first seen. */
export interface TracedTask {
  readonly comm: string;
  readonly pid: number;
}

/** Records in order of time, for a log to write. */
export interface TraceBatch {
  readonly cursor: TraceCursor;
  /** Where each starts. */
  readonly order: readonly number[];
  readonly count: number;
}

export interface TraceLog {
  write(batch: TraceBatch): void;
  close(): void;
}

/** What a tracepoint calls. Six arguments are the most that one has. */
type Slot = (a: never, b: never, c: never, d: never, e: never, f: never) => void;

export class TraceRecorder {
  readonly record = new TraceRecord(BUFFER_BYTES);
  readonly cursor: TraceCursor;
  readonly tasks: TracedTask[];
  readonly logs: TraceLog[] = [];
  /** Called for each record of a kernel as it is made, with the cursor on it. */
  onRecord: ((host: TracedHost) => void) | null = null;
  /** Records of kernels that passed. */
  count = 0;

  readonly #now: () => number;
  readonly #taskIds = new Map<task_struct, number>();
  #starts: number[] = [];
  #lastTask: task_struct | null = null;
  #lastTaskId = 0;

  /** `now` is the simulation's present; tasks that are seen are listed in `tasks`. */
  constructor(now: () => number, tasks: TracedTask[] = []) {
    this.#now = now;
    this.tasks = tasks;
    this.cursor = new TraceCursor(this.record);
  }

  /** Hooks up the chosen events of a host. */
  listen(host: TracedHost, chosen: readonly ChosenEvent[]): void {
    const slots = host.kernel.trace as unknown as Record<EventName, Slot>;
    for (const one of chosen) if (one.event.syscall < 0) slots[one.event.slot] = this.#listener(host, one);
    for (const slot of ['sys_enter', 'sys_exit'] as const) {
      const calls = chosen.filter(({ event }) => event.slot === slot);
      if (calls.length > 0) slots[slot] = this.#syscallListener(host, calls);
    }
  }

  #listener(host: TracedHost, { event, filter }: ChosenEvent): Slot {
    const assign = event.assign as (record: TraceRecord, ...args: never[]) => void;
    const { record } = this;
    const { size } = event;
    return (a, b, c, d, e, f) => {
      this.#begin(host, event, this_cpu, this_cpu.clock);
      assign(record, a, b, c, d, e, f);
      if (record.offset !== size) throw new InvariantError(`${event.name}: ${record.offset} bytes of ${size} are filled`);
      this.#commit(host, filter);
    };
  }

  /** One tracepoint for all system calls: the number says which event it is. */
  #syscallListener(host: TracedHost, calls: readonly ChosenEvent[]): Slot {
    const byNumber: (Slot | undefined)[] = [];
    for (const one of calls) byNumber[one.event.syscall] = this.#listener(host, one);
    return (id, ...rest) => byNumber[id]?.(id, ...rest);
  }

  #begin(host: TracedHost, event: TraceEvent, cpu: Cpu, time: number): void {
    const pcpu = host.kernel.percpu[cpu.id]!;
    const task = pcpu.current;
    if (task !== this.#lastTask) this.#switchTask(task);
    this.record.begin(time, host.firstCpu + cpu.id, this.#lastTaskId, event.id, contextFlags(pcpu, cpu), task.pid, event.size);
  }

  #switchTask(task: task_struct): void {
    let id = this.#taskIds.get(task);
    if (id === undefined) {
      id = this.tasks.length;
      this.#taskIds.set(task, id);
      this.tasks.push({ comm: commOf(task), pid: task.pid });
    }
    this.#lastTask = task;
    this.#lastTaskId = id;
  }

  #commit(host: TracedHost, filter: EventFilter | null): void {
    const { record, cursor } = this;
    const size = record.end();
    cursor.moveTo(record.start);
    if (filter !== null && !filter(cursor)) return;
    this.count++;
    if (this.onRecord !== null) this.onRecord(host);
    if (this.logs.length > 0) this.#keep(size);
  }

  /** A function of a kernel is entered or left. */
  call(host: TracedHost, event: TraceEvent, cpu: Cpu, time: number, name: string): void {
    this.#begin(host, event, cpu, time);
    this.record.symbol(name);
    this.#keep(this.record.end());
  }

  /** Starts a record of something outside of the kernels; its fields follow, then `endHardware`. */
  beginHardware(event: TraceEvent, time: number): TraceRecord {
    this.record.begin(time, 0, 0, event.id, 0, 0, event.size);
    return this.record;
  }

  endHardware(): void {
    this.#keep(this.record.end());
  }

  #keep(size: number): void {
    const { record } = this;
    this.#starts.push(record.start);
    record.start += size;
    if (record.start + MAX_RECORD_BYTES > record.u8.length) this.#makeRoom();
  }

  #makeRoom(): void {
    this.#flush(this.#now());
    const { record, cursor } = this;
    if (record.start < record.u8.length / 2) return;
    // Little could be written: a CPU is far ahead.
    const grown = new Uint8Array(record.u8.length * 2);
    grown.set(record.u8);
    record.u8 = cursor.u8 = grown;
    record.view = cursor.view = new DataView(grown.buffer);
  }

  close(): void {
    tryAll([() => this.#flush(Number.POSITIVE_INFINITY), () => tryAll(this.logs.map((log) => () => log.close()))]);
  }

  /** A log that fails gets nothing any more; the others go on, so that each ends with all that it was handed. */
  #hand(batch: TraceBatch, log: TraceLog, failures: unknown[]): void {
    try {
      log.write(batch);
    } catch (error) {
      this.logs.splice(this.logs.indexOf(log), 1);
      failures.push(error);
    }
  }

  /** Hands everything stamped before `before` to the logs; the rest moves to the buffer's start. */
  #flush(before: number): void {
    const { cursor } = this;
    const order = this.#starts;
    const times = new Float64Array(cursor.u8.buffer);
    if (!inOrder(order, times)) order.sort((a, b) => times[a >> 3]! - times[b >> 3]!);
    let count = order.length;
    while (count > 0 && times[order[count - 1]! >> 3]! >= before) count--;
    const failures: unknown[] = [];
    if (count > 0) for (const log of [...this.logs]) this.#hand({ cursor, order, count }, log, failures);
    // In the order in which they were made.
    this.#moveDown(order.slice(count).sort((a, b) => a - b));
    if (failures.length > 0) throw failures[0];
  }

  #moveDown(left: readonly number[]): void {
    const { cursor, record } = this;
    let to = 0;
    this.#starts = left.map((start) => {
      cursor.moveTo(start);
      const { next } = cursor;
      cursor.u8.copyWithin(to, start, next);
      const moved = to;
      to += next - start;
      return moved;
    });
    record.start = to;
  }
}

function inOrder(order: readonly number[], times: Float64Array): boolean {
  for (let i = 1; i < order.length; i++) if (times[order[i]! >> 3]! < times[order[i - 1]! >> 3]!) return false;
  return true;
}
