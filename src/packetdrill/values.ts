/** Script expressions as values: symbols become numbers, `A|B` is computed. */
import type { Expression } from './ast.ts';
import { mismatch } from './failures.ts';
import { symbolValue } from './symbols.ts';

export type Fields = ReadonlyMap<string, Expression>;

const KINDS: Readonly<Record<Expression['kind'], string>> = {
  ellipsis: '...',
  number: 'integer',
  word: 'symbol',
  string: 'string',
  or: 'integer',
  list: 'list',
  struct: 'structure',
};

/** A whole number; symbols and alternatives of symbols are numbers, too. */
export function numberOf(expression: Expression | undefined): number {
  if (expression === undefined) return mismatch('Too few arguments');
  switch (expression.kind) {
    case 'number':
      return expression.value;
    case 'word':
      return symbolValue(expression.name) ?? mismatch(`Unknown symbol: '${expression.name}'`);
    case 'or':
      // Above 2^31 the operator's result would be negative.
      return (numberOf(expression.left) | numberOf(expression.right)) >>> 0;
    default:
      return mismatch(`Expected integer but got ${KINDS[expression.kind]}`);
  }
}

/** The number in `[n]`: what calls get and give through a pointer. */
export function bracketedNumber(expression: Expression | undefined): number {
  const items = listOf(expression);
  if (items.length !== 1) mismatch(`Expected [<integer>] but got ${items.length} items`);
  return numberOf(items[0]);
}

export function listOf(expression: Expression | undefined): readonly Expression[] {
  if (expression?.kind !== 'list')
    return mismatch(`Expected a list but got ${expression === undefined ? 'nothing' : KINDS[expression.kind]}`);
  return expression.items;
}

/** The fields of `{name=value, …}`; all of `names` must be there. */
export function fieldsOf(expression: Expression | undefined, names: readonly string[]): Fields {
  if (expression?.kind !== 'struct')
    return mismatch(`Expected {${names.join('=, ')}=…} but got ${expression === undefined ? 'nothing' : KINDS[expression.kind]}`);
  const fields = new Map(expression.fields);
  for (const name of names) if (!fields.has(name)) mismatch(`Expected a field '${name}'`);
  return fields;
}

/** True for NULL or 0, false for `...`: a buffer that is there, whose content does not matter. */
export function isNullBuffer(expression: Expression | undefined): boolean {
  if (expression?.kind === 'ellipsis') return false;
  if ((expression?.kind === 'number' || expression?.kind === 'word') && numberOf(expression) === 0) return true;
  return mismatch('Expected ... or NULL for buffer');
}
