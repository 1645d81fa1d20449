/** System calls: `...0.2 name(args) = result ERRNO (note)` and the expressions in them. */
import type { CallAction, Expression } from './ast.ts';
import type { Scanner } from './scanner.ts';

export function parseCall(scanner: Scanner, parseTime: (scanner: Scanner) => number): CallAction {
  const endUs = scanner.skip('...') ? parseTime(scanner) : null;
  const name = scanner.next();
  if (name.kind !== 'word') scanner.fail('expected the name of a system call', name);
  scanner.expect('(');
  const args = parseItems(scanner, ')');
  scanner.expect('=');
  const result = parseExpression(scanner);
  const errno = scanner.peek().kind === 'word' ? scanner.next().text : null;
  if (scanner.skip('(')) skipNote(scanner);
  return { type: 'call', name: name.text, args, endUs, result, errno };
}

/** `(Connection reset by peer)` says to people what the errno says to the program. */
function skipNote(scanner: Scanner): void {
  if (scanner.match(/[^()`\n]*\)/y) === null) scanner.fail('expected the end of the note');
}

/** Expressions separated by commas up to the closing bracket. */
function parseItems(scanner: Scanner, close: string): Expression[] {
  const items: Expression[] = [];
  if (scanner.skip(close)) return items;
  do items.push(parseExpression(scanner));
  while (scanner.skip(','));
  scanner.expect(close);
  return items;
}

export function parseExpression(scanner: Scanner): Expression {
  let left = parseAtom(scanner);
  while (scanner.skip('|')) left = { kind: 'or', left, right: parseAtom(scanner) };
  return left;
}

function parseAtom(scanner: Scanner): Expression {
  const token = scanner.next();
  switch (token.kind) {
    case 'ellipsis':
      return { kind: 'ellipsis' };
    case 'number':
      return { kind: 'number', value: Number(token.text) };
    case 'string':
      return parseString(scanner, token.text);
    case 'word':
      return parseWord(scanner, token.text);
    case 'symbol':
      if (token.text === '[') return { kind: 'list', items: parseItems(scanner, ']') };
      if (token.text === '{') return parseStruct(scanner);
      break;
    default:
  }
  return scanner.fail('expected an expression', token);
}

/** Strings one after the other are one; `"…"...` stands for a longer one that begins so. */
function parseString(scanner: Scanner, first: string): Expression {
  let value = unescaped(first);
  while (scanner.peek().kind === 'string') value += unescaped(scanner.next().text);
  scanner.skip('...');
  return { kind: 'string', value };
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', f: '\f', v: '\v', '0': '\0' };

/** Bytes as characters 0 to 255. */
function unescaped(text: string): string {
  return text.replace(/\\(x[0-9a-fA-F]{2}|[\s\S])/g, (_, what: string) =>
    what.length === 3 ? String.fromCharCode(Number.parseInt(what.slice(1), 16)) : (ESCAPES[what] ?? what),
  );
}

/** A symbol; `htons(8080)` and `inet_addr("…")` are their argument, since addresses and ports are numbers here. */
function parseWord(scanner: Scanner, name: string): Expression {
  if (!scanner.skip('(')) return { kind: 'word', name };
  const args = parseItems(scanner, ')');
  const first = args[0];
  if (args.length !== 1 || first === undefined || !['htons', 'htonl', 'inet_addr'].includes(name))
    return scanner.fail(`'${name}(…)' is no expression`);
  if (name !== 'inet_addr') return first;
  const match = first.kind === 'string' ? /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(first.value) : null;
  if (match === null) return scanner.fail('expected an IPv4 address');
  return { kind: 'number', value: match.slice(1).reduce((address, part) => address * 256 + Number(part), 0) };
}

/** `{name=value, …}`, `{value, …}`; `msg_iov(2)=` says its length, which the list that follows has anyhow. */
function parseStruct(scanner: Scanner): Expression {
  const fields: (readonly [string, Expression])[] = [];
  do {
    const name = scanner.match(/([a-z][A-Za-z0-9_]*)\s*(\(\s*(?:\.\.\.|\d+)\s*\)\s*)?=/y);
    fields.push([name?.[1] ?? '', parseExpression(scanner)]);
  } while (scanner.skip(','));
  scanner.expect('}');
  return { kind: 'struct', fields };
}
