/**
 * What a field of a record means, for logs that programs read: addresses as text, functions by name, pointers in hex, strings, and numbers. What the bytes of
 * an array mean is known from how the event prints them.
 */
import type { Field } from '../../kernel/trace/event_layout.ts';
import type { PrintArgument } from '../../kernel/trace/print_argument.ts';
import type { TraceEvent } from '../../kernel/trace/trace_event.ts';

export type FieldKind = 'number' | 'string' | 'pointer' | 'symbol' | 'ip4' | 'ip6' | 'socketAddress' | 'bytes' | 'numbers';

export interface KnownField {
  readonly field: Field;
  readonly kind: FieldKind;
}

const CONVERSIONS = /%[#0]*\d*(?:hh|h|ll|l|L|z)?(pI4|pI6c|pISpc|ps|pS|p|[diuxXsc])/g;
const KINDS: Readonly<Record<string, FieldKind>> = {
  pI4: 'ip4',
  pI6c: 'ip6',
  pISpc: 'socketAddress',
  ps: 'symbol',
  pS: 'symbol',
  p: 'pointer',
};

const printedField = (argument: PrintArgument): string | null =>
  typeof argument === 'string' ? argument : argument.kind === 'cast' ? argument.field : null;

/** The fields of an event with what they mean. */
export function knownFields(event: TraceEvent): readonly KnownField[] {
  const printed = new Map<string, FieldKind>();
  [...event.print.matchAll(CONVERSIONS)].forEach(([, conversion = ''], index) => {
    const name = printedField(event.arguments[index]!);
    const kind = KINDS[conversion];
    if (name !== null && kind !== undefined) printed.set(name, kind);
  });
  return event.fields.map((field) => ({ field, kind: printed.get(field.name) ?? kindOf(field) }));
}

function kindOf(field: Field): FieldKind {
  if (field.dynamic || field.type === 'char') return 'string';
  if (field.type.endsWith('*')) return 'pointer';
  if (field.count === 1) return 'number';
  return field.size === field.count ? 'bytes' : 'numbers';
}
