/**
 * Arguments of a print format: fields, and the few things that tracefs's formats compute from them. Each has the text that stands in the format file and the
 * value it gives for a record.
 */

/** What an argument can ask a record for, by the field's name. */
export interface FieldValues {
  number(name: string, index?: number): number;
}

/** A value as text, by number. `constant` is how the format file spells the number, where it does so by name or in hex. */
export interface SymbolRow {
  readonly value: number;
  readonly name: string;
  readonly constant: string;
}

export type PrintArgument =
  /** A field by its name. */
  | string
  | { readonly kind: 'symbolic'; readonly field: string; readonly rows: readonly SymbolRow[] }
  | {
      readonly kind: 'flags';
      readonly field: string;
      readonly expression: string;
      readonly resolved: string;
      readonly rows: readonly SymbolRow[];
    }
  /** Bytes in hex without separator, as many as another field says. */
  | { readonly kind: 'hexBytes'; readonly field: string; readonly length: string }
  /** One argument or another: `condition ? a : b`, the alternative a text. */
  | {
      readonly kind: 'choice';
      readonly condition: string;
      readonly holds: (record: FieldValues) => boolean;
      readonly argument: PrintArgument;
      readonly otherwise: string;
    }
  /** A field of another type. */
  | { readonly kind: 'cast'; readonly field: string; readonly expression: string }
  | { readonly kind: 'number'; readonly expression: string; readonly value: (record: FieldValues) => number }
  | { readonly kind: 'text'; readonly expression: string; readonly value: (record: FieldValues) => string };

/** Rows from names, whose numbers are their places; gaps are empty. */
export const named = (names: readonly string[], constant = (value: number, _name: string): string => String(value)): SymbolRow[] =>
  names.flatMap((name, value) => (name === '' ? [] : [{ value, name, constant: constant(value, name) }]));

export const rows = (table: Readonly<Record<number, string>>, constant = (value: number): string => String(value)): SymbolRow[] =>
  Object.entries(table).map(([key, name]) => ({ value: Number(key), name, constant: constant(Number(key)) }));

export const symbolic = (field: string, table: readonly SymbolRow[]): PrintArgument => ({ kind: 'symbolic', field, rows: table });
/** `expression` stands in the format file where it is not just the field; `resolved` is the same in terms that all readers evaluate. */
export const flags = (field: string, table: readonly SymbolRow[], expression = `REC->${field}`, resolved = expression): PrintArgument => ({
  kind: 'flags',
  field,
  expression,
  resolved,
  rows: table,
});
export const cast = (field: string, type: string): PrintArgument => ({ kind: 'cast', field, expression: `(${type})REC->${field}` });
export const number = (expression: string, value: (record: FieldValues) => number): PrintArgument => ({
  kind: 'number',
  expression,
  value,
});
export const text = (expression: string, value: (record: FieldValues) => string): PrintArgument => ({ kind: 'text', expression, value });

const braces = (table: readonly SymbolRow[], resolved: boolean): string =>
  table.map(({ value, name, constant }) => `{ ${resolved ? value : constant}, "${name}" }`).join(', ');

/** As the format file has it. `resolved`: with numbers in place of the kernel's constants, which readers outside of the kernel do not know. */
export function argumentText(argument: PrintArgument, isDynamic: (field: string) => boolean, resolved: boolean): string {
  if (typeof argument === 'string') return isDynamic(argument) ? `__get_str(${argument})` : `REC->${argument}`;
  switch (argument.kind) {
    case 'symbolic':
      return `__print_symbolic(REC->${argument.field}, ${braces(argument.rows, resolved)})`;
    case 'flags':
      return `__print_flags(${resolved ? argument.resolved : argument.expression}, "|", ${braces(argument.rows, resolved)})`;
    case 'hexBytes':
      return `__print_hex_str(REC->${argument.field}, REC->${argument.length})`;
    case 'choice':
      return `${argument.condition} ? ${argumentText(argument.argument, isDynamic, resolved)} : "${argument.otherwise}"`;
    default:
      return argument.expression;
  }
}
