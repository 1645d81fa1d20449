// Makes the private names (#name) of a bundle ordinary properties: a plugin for rolldown (tools/bundle.mjs).
//
// A private field has to be declared at the head of its class, so where its value comes from the constructor it is `undefined` first. The engine then takes it for a
// field of anything: numbers of more than 31 bits get an object of their own at each assignment, and of what a field refers to the class is asked at each use. An
// ordinary field first exists when it gets its value, and the engine knows from then on what it holds. That private names are private the type checker has seen.
import { parseAst } from 'rolldown/parseAst';
import { children, edited } from './source_text.mjs';

/** The code without private names; throws on what only a private name can do (`#name in value`). */
export function withOrdinaryFields(code) {
  const edits = [];
  let classes = 0;

  function visit(node, scopes) {
    if (node.type === 'BinaryExpression' && node.left.type === 'PrivateIdentifier')
      throw new Error(`no ordinary field can do this: #${node.left.name} in …`);
    const inner = node.type === 'ClassBody' ? [ordinaryNames(node, classes++), ...scopes] : scopes;
    if (isBareDeclaration(node)) edits.push([node.start, node.end, '']);
    else if (node.type === 'PrivateIdentifier')
      edits.push([node.start, node.end, inner.find((names) => names.has(node.name)).get(node.name)]);
    else for (const child of children(node)) visit(child, inner);
  }

  visit(parseAst(code, { lang: 'js' }), []);
  return edited(code, edits);
}

/** Private name → name that no other class has, since a class and the one it extends may both have a #name. */
function ordinaryNames(body, number) {
  const privates = body.body.filter(({ key }) => key?.type === 'PrivateIdentifier');
  return new Map(privates.map(({ key }) => [key.name, `${key.name}$${number}`]));
}

function isBareDeclaration(node) {
  return node.type === 'PropertyDefinition' && node.key.type === 'PrivateIdentifier' && node.value === null && !node.static;
}

export function ordinaryFieldsPlugin() {
  return {
    name: 'ordinary-fields',
    // Lines stay what they are, so the source map does, too.
    renderChunk: (code) => ({ code: withOrdinaryFields(code), map: null }),
  };
}
