// Puts function entry and exit hooks into the functions of src/kernel, as gcc's -pg puts __fentry__ at the head of the kernel's functions: a plugin for rolldown
// (tools/bundle.mjs) and vite, which hand it the TypeScript.
//
// Every top-level function declaration with a row in src/kernel/trace/function_costs.ts calls `fentry(id)` first and hands its result
// through `fexit(id, value)`; both are in src/machine/cpu.ts, id is the row's index. Insertions keep to the lines of the source, so that
// source maps and stack traces stay right. A function that throws reports no exit: in the kernel that is a bug's end, not a way to return.
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAst } from 'rolldown/parseAst';
import { children, edited } from './source_text.mjs';

const IMPORT = 'import { fentry as __fentry, fexit as __fexit } from ';
const SOURCE_ROOT = fileURLToPath(new URL('../src/', import.meta.url));

/** Name → id from the text of the cost table. */
export function readIds(text) {
  const ids = new Map();
  for (const row of text.matchAll(/^\s*\[\s*['"](\w+)['"],\s*\d+\s*\]/gm)) ids.set(row[1], ids.size);
  return ids;
}

/** The instrumented code, or null if none of its functions has an id. */
export function instrument(code, ids, cpuModule) {
  if (code.startsWith(IMPORT)) return null;
  const insertions = [];
  for (const declaration of topLevelFunctions(parseAst(code, { lang: 'ts' }))) {
    const id = ids.get(declaration.id?.name);
    if (id !== undefined) hook(declaration.body, id, insertions);
  }
  if (insertions.length === 0) return null;
  return `${IMPORT}${JSON.stringify(cpuModule)};${edited(code, insertions)}`;
}

function* topLevelFunctions(program) {
  for (const statement of program.body) {
    const declaration = statement.type.startsWith('Export') ? statement.declaration : statement;
    if (declaration?.type === 'FunctionDeclaration') yield declaration;
  }
}

function hook(body, id, insertions) {
  insert(body.start + 1, `__fentry(${id});`, insertions);
  for (const statement of body.body) hookReturns(statement, id, insertions);
  // The semicolon ends a last statement that relies on the brace to end it.
  if (!neverEnds(body)) insert(body.end - 1, `;__fexit(${id}, undefined);`, insertions);
}

/** Insertions at the same place keep their order: nested returns are found outside in, and no two of them share a place. */
function insert(at, text, insertions) {
  insertions.push([at, at, text]);
}

function hookReturns(node, id, insertions) {
  if (isFunctionOrClass(node)) return;
  if (node.type === 'ReturnStatement') hookReturn(node, id, insertions);
  for (const child of children(node)) hookReturns(child, id, insertions);
}

function hookReturn(node, id, insertions) {
  const value = node.argument;
  if (value === null) {
    insert(node.start + 'return'.length, ` __fexit(${id}, undefined)`, insertions);
    return;
  }
  // The node of `return (a, b)` begins inside of the parentheses; `return!a` needs a space.
  const isList = value.type === 'SequenceExpression';
  const space = value.start === node.start + 'return'.length ? ' ' : '';
  insert(value.start, `${space}__fexit(${id}, ${isList ? '(' : ''}`, insertions);
  insert(value.end, isList ? '))' : ')', insertions);
}

/** Their returns are their own. */
function isFunctionOrClass(node) {
  return /^(?:Arrow)?Function|^Class/.test(node.type);
}

/** True if control surely doesn't run out of the statement's end. A wrong false costs one call that is never reached. */
function neverEnds(statement) {
  switch (statement.type) {
    case 'ReturnStatement':
    case 'ThrowStatement':
      return true;
    case 'BlockStatement':
      return statement.body.length > 0 && neverEnds(statement.body.at(-1));
    case 'IfStatement':
      return statement.alternate !== null && neverEnds(statement.consequent) && neverEnds(statement.alternate);
    default:
      return false;
  }
}

function modulePath(from, to) {
  const path = relative(dirname(from), to).split(sep).join('/');
  return path.startsWith('.') ? path : `./${path}`;
}

/** Of rolldown and vite, before anything else has changed the sources. */
export function fentryPlugin() {
  const table = join(SOURCE_ROOT, 'kernel', 'trace', 'function_costs.ts');
  const kernel = join(SOURCE_ROOT, 'kernel') + sep;
  const cpu = join(SOURCE_ROOT, 'machine', 'cpu.ts');
  let ids;
  return {
    name: 'fentry',
    enforce: 'pre',
    transform(code, id) {
      const path = resolve(id.split('?')[0]);
      if (!path.startsWith(kernel) || !path.endsWith('.ts')) return null;
      ids ??= readIds(readFileSync(table, 'utf8'));
      const instrumented = instrument(code, ids, modulePath(path, cpu));
      return instrumented === null ? null : { code: instrumented, map: null };
    },
  };
}
