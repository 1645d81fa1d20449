/**
 * What declares a tracepoint beside its prototype: the fields of its record and its print format, both as in Linux 6.18's tracefs, and the assignment of the
 * tracepoint's arguments to the fields.
 */
import { InvariantError } from '../../sim/invariant.ts';
import { endOf, type Field, layOut } from './event_layout.ts';
import { argumentText, type PrintArgument } from './print_argument.ts';
import type { TraceRecord } from './trace_record.ts';
import type { Tracepoints } from './tracepoints.ts';

export type EventName = keyof Tracepoints;
export type EventArguments<K extends EventName> = Parameters<NonNullable<Tracepoints[K]>>;

/** An event as a table of events declares it. */
export interface EventSource<A extends readonly unknown[]> {
  /** C declarations, `;` between. */
  readonly fields: string;
  readonly print: string;
  readonly arguments: readonly PrintArgument[];
  /** Puts the arguments into the record, one field after the other. */
  readonly assign: (record: TraceRecord, ...args: A) => void;
}

export type EventTable = { readonly [K in EventName]?: EventSource<EventArguments<K>> };

export interface TraceEvent {
  readonly system: string;
  readonly name: string;
  /** common_type of its records. */
  readonly id: number;
  /** The tracepoint that it hangs on. */
  readonly slot: EventName;
  /** Number of the system call of `sys_enter` and `sys_exit`; -1 with other tracepoints. */
  readonly syscall: number;
  readonly fields: readonly Field[];
  /** Where the fields end. */
  readonly size: number;
  readonly print: string;
  readonly arguments: readonly PrintArgument[];
  readonly assign: (record: TraceRecord, ...args: never[]) => void;
}

export function fieldOf(event: TraceEvent, name: string): Field {
  const field = event.fields.find((candidate) => candidate.name === name);
  if (field === undefined) throw new InvariantError(`${event.system}:${event.name} has no field ${name}`);
  return field;
}

/** The fields that every record has. */
export const common_fields: readonly Field[] = layOut(
  'unsigned short common_type; unsigned char common_flags; unsigned char common_preempt_count; int common_pid',
  0,
);

const fieldLine = ({ declaration, offset, size, signed }: Field): string =>
  `\tfield:${declaration};\toffset:${offset};\tsize:${size};\tsigned:${signed ? 1 : 0};\n`;

/** The event's format file. `resolved`: see argumentText. */
export function formatText(event: TraceEvent, resolved = false): string {
  const isDynamic = (name: string): boolean => fieldOf(event, name).dynamic;
  const args = event.arguments.map((argument) => argumentText(argument, isDynamic, resolved));
  const fields = event.fields.map(fieldLine).join('');
  const print = [`"${event.print}"`, ...args].join(', ');
  return `name: ${event.name}\nID: ${event.id}\nformat:\n${common_fields.map(fieldLine).join('')}\n${fields}\nprint fmt: ${print}\n`;
}

/** Events of a table, all fields laid out. `firstId`: of the first one. */
export function eventsOf(system: string, table: EventTable, firstId: number): TraceEvent[] {
  return Object.entries(table).map(([name, source], index) => {
    const fields = layOut(source.fields);
    const assign = source.assign as TraceEvent['assign'];
    const { print, arguments: args } = source;
    return {
      system,
      name,
      id: firstId + index,
      slot: name as EventName,
      syscall: -1,
      fields,
      size: endOf(fields),
      print,
      arguments: args,
      assign,
    };
  });
}
