/**
 * Evaluates print formats on records: the format string is cut into pieces once, each piece writes itself into a buffer of text. What %p and its extensions
 * print follows Documentation/core-api/printk-formats.rst; addresses are not hashed.
 */
import type { Field } from '../../kernel/trace/event_layout.ts';
import type { FieldValues, PrintArgument, SymbolRow } from '../../kernel/trace/print_argument.ts';
import { fieldOf, type TraceEvent } from '../../kernel/trace/trace_event.ts';
import { InvariantError } from '../../sim/invariant.ts';
import { ascii, type TextBuffer } from './text_buffer.ts';
import type { TraceCursor } from './trace_cursor.ts';

/** Writes its part of a record's text. */
export type Writer = (record: TraceCursor, out: TextBuffer) => void;

interface Conversion {
  readonly flags: string;
  readonly width: number;
  /** d u x X s c, or p with its extension. */
  readonly letter: string;
  /** 64 bits: l, ll, z. */
  readonly long: boolean;
}

const CONVERSION = /%([#0]*)(\d+)?(hh|h|ll|l|L|z)?(p(?:I4|I6c|ISpc|s|S)?|[diuxXsc])/g;

/** How the event prints a record. */
export function compilePrint(event: TraceEvent): readonly Writer[] {
  const writers: Writer[] = [];
  let at = 0;
  let argument = 0;
  const literal = (text: string): void => {
    const bytes = ascii(text);
    if (bytes.length > 0) writers.push((_record, out) => out.literal(bytes));
  };
  for (const match of event.print.matchAll(CONVERSION)) {
    literal(event.print.slice(at, match.index));
    at = match.index + match[0].length;
    const conversion = { flags: match[1]!, width: Number(match[2] ?? 0), letter: match[4]!, long: /[lLz]/.test(match[3] ?? '') };
    const value = event.arguments[argument++];
    if (value === undefined) throw new InvariantError(`${event.name}: fewer arguments than the print format has`);
    writers.push(writerOf(event, value, conversion));
  }
  literal(event.print.slice(at));
  return writers;
}

function writerOf(event: TraceEvent, argument: PrintArgument, conversion: Conversion): Writer {
  if (typeof argument === 'string') return fieldWriter(fieldOf(event, argument), conversion);
  switch (argument.kind) {
    case 'cast':
      return fieldWriter(fieldOf(event, argument.field), conversion);
    case 'symbolic':
      return symbolWriter(fieldOf(event, argument.field), argument.rows);
    case 'flags':
      return flagsWriter(fieldOf(event, argument.field), argument.rows);
    case 'hexBytes':
      return hexBytesWriter(fieldOf(event, argument.field), fieldOf(event, argument.length));
    case 'choice': {
      const { holds } = argument;
      const first = writerOf(event, argument.argument, conversion);
      const otherwise = ascii(argument.otherwise);
      const values = new Values(event);
      return (record, out) => {
        values.record = record;
        if (holds(values)) first(record, out);
        else out.literal(otherwise);
      };
    }
    case 'number': {
      const { value } = argument;
      const values = new Values(event);
      const put = numberWriter(conversion);
      return (record, out) => {
        values.record = record;
        put(value(values), out);
      };
    }
    case 'text': {
      const { value } = argument;
      const values = new Values(event);
      return (record, out) => {
        values.record = record;
        out.text(value(values));
      };
    }
  }
}

/** What computed arguments ask for their fields. */
class Values implements FieldValues {
  record: TraceCursor = null as unknown as TraceCursor;
  readonly #fields: Map<string, Field>;

  constructor(event: TraceEvent) {
    this.#fields = new Map(event.fields.map((field) => [field.name, field]));
  }

  number(name: string, index = 0): number {
    return this.record.number(this.#fields.get(name)!, index);
  }
}

export function fieldWriter(field: Field, conversion: Conversion): Writer {
  const { offset } = field;
  switch (conversion.letter) {
    case 's':
      return stringWriter(field);
    case 'p':
      return (record, out) => out.hex64(record.u32(offset + 4), record.u32(offset), 16);
    case 'ps':
    case 'pS':
      return (record, out) => {
        const name = record.symbolAt(offset);
        if (name === undefined) out.hex64(record.u32(offset + 4), record.u32(offset), 16);
        else out.text(name);
      };
    case 'pI4':
      return (record, out) => out.ip4(record.u8, record.base + offset);
    case 'pI6c':
      return (record, out) => ip6(record.u8, record.base + offset, out);
    case 'pISpc':
      return (record, out) => socketAddress(record.u8, record.base + offset, out);
    case 'x':
    case 'X':
      if (field.size === 8) return wideHexWriter(field, conversion);
  }
  const put = numberWriter(conversion);
  return (record, out) => put(record.number(field), out);
}

function stringWriter(field: Field): Writer {
  const { offset, size } = field;
  if (field.dynamic) return (record, out) => out.zeroTerminated(record.u8, record.textAt(offset), 1024);
  return (record, out) => out.zeroTerminated(record.u8, record.base + offset, size);
}

const PREFIX = ascii('0x');

function wideHexWriter({ offset }: Field, { flags, width, letter }: Conversion): Writer {
  const prefix = flags.includes('#');
  const digits = Math.max(width, 1);
  return (record, out) => {
    if (prefix) out.literal(PREFIX);
    out.hex64(record.u32(offset + 4), record.u32(offset), digits, letter === 'X');
  };
}

/** Only widths with zeroes before are in use. */
function numberWriter({ flags, width, letter, long }: Conversion): (value: number, out: TextBuffer) => void {
  const digits = Math.max(width, 1);
  if (letter === 'x' || letter === 'X') {
    const prefix = flags.includes('#');
    return (value, out) => {
      if (prefix) out.literal(PREFIX);
      out.hex(value >>> 0, digits, letter === 'X');
    };
  }
  if (long) return (value, out) => out.decimal(value, digits);
  // %u of an int and %d of an unsigned int show the 32 bits as the other.
  if (letter === 'u') return (value, out) => out.decimal(value < 0 && value >= -0x8000_0000 ? value >>> 0 : value, digits);
  return (value, out) => out.decimal(value > 0x7fff_ffff && value <= 0xffff_ffff ? value | 0 : value, digits);
}

function symbolWriter(field: Field, rows: readonly SymbolRow[]): Writer {
  const names: Uint8Array[] = [];
  const others = new Map<number, Uint8Array>();
  for (const { value, name } of rows) {
    if (value >= 0 && value < 256) names[value] = ascii(name);
    else others.set(value, ascii(name));
  }
  return (record, out) => {
    const value = record.number(field);
    const name = value >= 0 && value < names.length ? names[value] : others.get(value);
    if (name !== undefined) out.literal(name);
    else {
      out.literal(PREFIX);
      out.hex(value >>> 0);
    }
  };
}

function flagsWriter(field: Field, rows: readonly SymbolRow[]): Writer {
  const names = rows.map(({ value, name }) => ({ value, bytes: ascii(name) }));
  return (record, out) => {
    const bits = record.number(field);
    let first = true;
    for (const { value, bytes } of names) {
      if ((bits & value) === 0) continue;
      if (!first) out.byte(124);
      first = false;
      out.literal(bytes);
    }
  };
}

function hexBytesWriter({ offset }: Field, length: Field): Writer {
  return (record, out) => {
    const count = record.number(length);
    for (let i = 0; i < count; i++) out.hex(record.u8[record.base + offset + i]!, 2);
  };
}

/** RFC 5952: the longest run of zero groups is `::`; addresses mapped from IPv4 end in dotted form. */
function ip6(u8: Uint8Array, at: number, out: TextBuffer): void {
  const group = (i: number): number => (u8[at + 2 * i]! << 8) | u8[at + 2 * i + 1]!;
  let [bestStart, bestLength, length] = [-1, 1, 0];
  for (let i = 0; i < 8; i++) {
    length = group(i) === 0 ? length + 1 : 0;
    if (length > bestLength) [bestStart, bestLength] = [i - length + 1, length];
  }
  if (bestStart === 0 && bestLength === 5 && group(5) === 0xffff) {
    out.text('::ffff:');
    out.ip4(u8, at + 12);
    return;
  }
  for (let i = 0; i < 8; i++) {
    if (i === bestStart) {
      out.text('::');
      i += bestLength - 1;
      continue;
    }
    if (i > 0 && i !== bestStart + bestLength) out.byte(58);
    out.hex(group(i));
  }
}

const AF_INET = 2;

function socketAddress(u8: Uint8Array, at: number, out: TextBuffer): void {
  if (u8[at] !== AF_INET) {
    out.text('(einval)');
    return;
  }
  out.ip4(u8, at + 4);
  out.byte(58);
  out.decimal((u8[at + 2]! << 8) | u8[at + 3]!);
}
