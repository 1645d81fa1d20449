// Makes the functions of a bundle constants: a plugin for rolldown (tools/bundle.mjs).
//
// A declared function is a variable to the engine: compiled code reads it and compares it with what it was compiled for, at each call, even where the function has
// become part of its caller. A constant it knows. So `const f$ = f` stands at the head of the bundle, where functions declared further down exist already, and what
// says `f` says `f$` instead. The functions themselves keep their names, which traces and stacks show.
import { parseAst } from 'rolldown/parseAst';
import { children, edited } from './source_text.mjs';

/** The code with constants for the functions that are declared at its top and that nothing is assigned to. Its lines stay what they are. */
export function withConstantFunctions(code) {
  const program = parseAst(code, { lang: 'js' });
  const names = new Set(declaredFunctions(program));
  for (const name of [...assignedNames(program), ...otherNames(program)]) names.delete(name);
  if (names.size === 0) return code;
  const head = program.body.findLast(({ type }) => type === 'ImportDeclaration')?.end ?? 0;
  const constants = [...names].map((name) => `${name}$ = ${name}`);
  return edited(code, [...references(program, names), [head, head, `const ${constants.join(', ')};`]]);
}

function* declaredFunctions({ body }) {
  for (const node of body.map(exported)) if (node.type === 'FunctionDeclaration') yield node.id.name;
}

const exported = (statement) => (statement.type === 'ExportNamedDeclaration' && statement.declaration) || statement;

/** Names that something is assigned to anywhere, whatever they stand for there. */
function* assignedNames(node) {
  const target = node.type === 'AssignmentExpression' ? node.left : node.type === 'UpdateExpression' ? node.argument : null;
  if (target?.type === 'Identifier') yield target.name;
  for (const child of children(node)) yield* assignedNames(child);
}

/** Names that something else has at the top, too: what is declared in a block or in a class there, and what expressions call themselves. */
function* otherNames({ body }) {
  yield* declaredNames({ type: 'Program', body: body.map(exported).filter((node) => !isFunction(node)) });
}

/** Edits that make `f` in expressions `f$`, where it is one of the names and nothing else is called so. */
function* references(node, names) {
  switch (node.type) {
    case 'Identifier':
      if (names.has(node.name)) yield [node.end, node.end, '$'];
      return;
    case 'ExportNamedDeclaration':
      if (node.declaration !== null) yield* references(node.declaration, names);
      return;
    case 'MemberExpression':
      yield* references(node.object, names);
      if (node.computed) yield* references(node.property, names);
      return;
    case 'Property':
    case 'PropertyDefinition':
    case 'MethodDefinition':
      if (node.computed) yield* references(node.key, names);
      if (node.shorthand && node.value.type === 'Identifier') {
        if (names.has(node.value.name)) yield [node.end, node.end, `: ${node.value.name}$`];
      } else if (node.value !== null) yield* references(node.value, names);
      return;
    case 'LabeledStatement':
      yield* references(node.body, names);
      return;
    case 'BreakStatement':
    case 'ContinueStatement':
    case 'MetaProperty':
    case 'ImportDeclaration':
      return;
    default:
      yield* isFunction(node) ? inFunction(node, names) : inChildren(node, names);
  }
}

const isFunction = ({ type }) => type === 'FunctionDeclaration' || type === 'FunctionExpression' || type === 'ArrowFunctionExpression';

/** All that a function declares, in whichever block, is its own throughout: what is not made a constant by mistake still is the function. */
function* inFunction(node, names) {
  const own = new Set([...declaredNames(node)].filter((name) => names.has(name)));
  const visible = own.size === 0 ? names : { has: (name) => names.has(name) && !own.has(name) };
  for (const param of node.params) yield* references(param, visible);
  yield* references(node.body, visible);
}

function* inChildren(node, names) {
  const isNamed = node.type === 'ClassDeclaration' || node.type === 'ClassExpression';
  for (const child of children(node)) if (!isNamed || child !== node.id) yield* references(child, names);
}

/** Names of parameters and of all declarations in a function; those of functions inside are theirs, but for their own name. */
function* declaredNames(node) {
  if (node.params !== undefined) for (const param of node.params) yield* identifiers(param);
  for (const child of children(node)) {
    if (child.type === 'VariableDeclarator' || /^(Function|Class)(Declaration|Expression)$/.test(child.type))
      yield* child.id === null ? [] : identifiers(child.id);
    if (child.type === 'CatchClause' && child.param !== null) yield* identifiers(child.param);
    if (!isFunction(child)) yield* declaredNames(child);
  }
}

/** More than those that a pattern declares: those in its defaults, too. */
function* identifiers(node) {
  if (node.type === 'Identifier') yield node.name;
  for (const child of children(node)) yield* identifiers(child);
}

export function constantFunctionsPlugin() {
  return {
    name: 'constant-functions',
    renderChunk: (code) => ({ code: withConstantFunctions(code), map: null }),
  };
}
