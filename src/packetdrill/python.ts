/**
 * The Python that scripts use to look at TCP_INFO: assertions over numbers. Assignments, `assert`, `print()`; arithmetic, bits,
 * chained comparisons, `and`/`or`/`not`, conditional expressions, `%` formatting and a few functions. Python's integers have no limit; these are exact to 2^53.
 *
 * Simplified: there are no compound statements, classes or imports.
 */

export class PythonError extends Error {
  override readonly name = 'PythonError';
}

type Value = number | string | boolean | null | readonly Value[];

export type Names = Map<string, Value>;

interface PyToken {
  readonly kind: 'number' | 'string' | 'name' | 'operator' | 'newline' | 'end';
  readonly text: string;
}

const LEXEMES: readonly (readonly [PyToken['kind'] | 'skip', RegExp])[] = [
  ['skip', /(?:[ \t\r]|\\\n|#[^\n]*)+/y],
  ['newline', /[\n;]/y],
  ['number', /0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+/y],
  ['string', /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/y],
  ['name', /[A-Za-z_]\w*/y],
  ['operator', /\*\*|\/\/|<<|>>|[<>=!]=|[-+*/%&|^~<>()[\],.=:]/y],
];

function lex(code: string): PyToken[] {
  const tokens: PyToken[] = [];
  let depth = 0;
  for (let at = 0; at < code.length; ) {
    const found = LEXEMES.map(([kind, pattern]) => ({ kind, text: stickyMatch(pattern, code, at) })).find(({ text }) => text !== '');
    if (found === undefined) throw new PythonError(`SyntaxError: invalid syntax at ${JSON.stringify(code.slice(at, at + 10))}`);
    at += found.text.length;
    if (found.text === '(' || found.text === '[') depth++;
    if (found.text === ')' || found.text === ']') depth--;
    // Within brackets a line's end means nothing.
    if (found.kind === 'skip' || (found.kind === 'newline' && depth > 0)) continue;
    tokens.push({ kind: found.kind, text: found.text });
  }
  return [...tokens, { kind: 'newline', text: '\n' }, { kind: 'end', text: '' }];
}

function stickyMatch(pattern: RegExp, code: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(code)?.[0] ?? '';
}

/** Runs `code` with the names given, which assignments add to. Throws PythonError, whose message is what Python's last line says. */
export function runPython(code: string, names: Names, print: (line: string) => void): void {
  new Interpreter(lex(code), names, print).run();
}

const truth = (value: Value): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== 0 && value !== '' && value !== false && value !== null;

function numeric(value: Value, operator: string): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  throw new PythonError(`TypeError: unsupported operand type for ${operator}`);
}

export function pythonText(value: Value): string {
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (Array.isArray(value))
    return `(${value.map((item: Value) => (typeof item === 'string' ? `'${item}'` : pythonText(item))).join(', ')})`;
  return String(value);
}

const ORDER: readonly (readonly string[])[] = [['|'], ['^'], ['&'], ['<<', '>>'], ['+', '-'], ['*', '/', '//', '%']];
const COMPARISONS = new Set(['<', '>', '<=', '>=', '==', '!=', 'in', 'not', 'is']);

class Interpreter {
  readonly #tokens: readonly PyToken[];
  readonly #names: Names;
  readonly #print: (line: string) => void;
  #next = 0;

  constructor(tokens: readonly PyToken[], names: Names, print: (line: string) => void) {
    this.#tokens = tokens;
    this.#names = names;
    this.#print = print;
  }

  run(): void {
    while (this.#peek().kind !== 'end') {
      if (this.#peek().kind === 'newline') this.#next++;
      else this.#statement();
    }
  }

  #peek(): PyToken {
    return this.#tokens[this.#next]!;
  }

  #skip(text: string): boolean {
    const token = this.#peek();
    if (token.text !== text || token.kind === 'string') return false;
    this.#next++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#skip(text)) this.#invalid();
  }

  #invalid(): never {
    throw new PythonError(`SyntaxError: invalid syntax at ${JSON.stringify(this.#peek().text)}`);
  }

  #statement(): void {
    if (this.#skip('assert')) this.#assert();
    else if (this.#skip('pass')) this.#end();
    else if (this.#peek().kind === 'name' && this.#tokens[this.#next + 1]!.text === '=') {
      const name = this.#peek().text;
      this.#next += 2;
      this.#names.set(name, this.#expression());
      this.#end();
    } else {
      this.#expression();
      this.#end();
    }
  }

  #end(): void {
    if (this.#peek().kind !== 'newline') this.#invalid();
  }

  #assert(): void {
    const value = this.#expression();
    // The message is only computed when it is needed; here it costs nothing and syntax errors show.
    const message = this.#skip(',') ? this.#expression() : null;
    this.#end();
    if (!truth(value)) throw new PythonError(message === null ? 'AssertionError' : `AssertionError: ${pythonText(message)}`);
  }

  #expression(): Value {
    const value = this.#or();
    if (!this.#skip('if')) return value;
    const condition = this.#or();
    this.#expect('else');
    const other = this.#expression();
    return truth(condition) ? value : other;
  }

  #or(): Value {
    let value = this.#and();
    while (this.#skip('or')) {
      const right = this.#and();
      value = truth(value) ? value : right;
    }
    return value;
  }

  #and(): Value {
    let value = this.#not();
    while (this.#skip('and')) {
      const right = this.#not();
      value = truth(value) ? right : value;
    }
    return value;
  }

  #not(): Value {
    return this.#skip('not') ? !truth(this.#not()) : this.#comparison();
  }

  /** `a < b < c` is `a < b and b < c`. */
  #comparison(): Value {
    let left = this.#binary(0);
    if (!COMPARISONS.has(this.#peek().text) || this.#peek().kind === 'string') return left;
    let result = true;
    while (COMPARISONS.has(this.#peek().text)) {
      let operator = this.#tokens[this.#next++]!.text;
      if (operator === 'not') {
        this.#expect('in');
        operator = 'not in';
      } else if (operator === 'is' && this.#skip('not')) operator = '!=';
      const right = this.#binary(0);
      result &&= compare(operator, left, right);
      left = right;
    }
    return result;
  }

  #binary(level: number): Value {
    const operators = ORDER[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    while (this.#peek().kind === 'operator' && operators.includes(this.#peek().text)) {
      const operator = this.#tokens[this.#next++]!.text;
      left = operate(operator, left, this.#binary(level + 1));
    }
    return left;
  }

  #unary(): Value {
    if (this.#skip('-')) return -numeric(this.#unary(), '-');
    if (this.#skip('+')) return numeric(this.#unary(), '+');
    if (this.#skip('~')) return -numeric(this.#unary(), '~') - 1;
    const base = this.#atom();
    return this.#skip('**') ? numeric(base, '**') ** numeric(this.#unary(), '**') : base;
  }

  #atom(): Value {
    const token = this.#peek();
    this.#next++;
    switch (token.kind) {
      case 'number':
        return Number(token.text);
      case 'string':
        return this.#string(token);
      case 'name':
        return this.#name(token.text);
      default:
        if (token.text === '(') return this.#tuple(')', false);
        if (token.text === '[') return this.#tuple(']', true);
        this.#next--;
        return this.#invalid();
    }
  }

  #string(first: PyToken): string {
    let text = unquote(first.text);
    while (this.#peek().kind === 'string') text += unquote(this.#tokens[this.#next++]!.text);
    return text;
  }

  /** What stands in brackets: one value in round ones is itself. */
  #tuple(close: string, always: boolean): Value {
    const items: Value[] = [];
    let tuple = always;
    while (!this.#skip(close)) {
      items.push(this.#expression());
      if (this.#skip(',')) tuple = true;
      else {
        this.#expect(close);
        break;
      }
    }
    return tuple || items.length === 0 ? items : items[0]!;
  }

  #name(name: string): Value {
    if (name === 'True') return true;
    if (name === 'False') return false;
    if (name === 'None') return null;
    if (this.#peek().text === '(') return this.#call(name);
    const value = this.#names.get(name);
    if (value === undefined) throw new PythonError(`NameError: name '${name}' is not defined`);
    return value;
  }

  #call(name: string): Value {
    this.#expect('(');
    const args = this.#tuple(')', true) as readonly Value[];
    const numbers = (): number[] => (Array.isArray(args[0]) ? args[0] : args).map((arg) => numeric(arg, name));
    switch (name) {
      case 'print':
        this.#print(args.map(pythonText).join(' '));
        return null;
      case 'abs':
        return Math.abs(numbers()[0]!);
      case 'min':
        return Math.min(...numbers());
      case 'max':
        return Math.max(...numbers());
      case 'int':
        return Math.trunc(Number(args[0]));
      case 'float':
        return Number(args[0]);
      case 'str':
        return pythonText(args[0] ?? '');
      case 'hex':
        return `0x${numbers()[0]!.toString(16)}`;
      default:
        throw new PythonError(`NameError: name '${name}' is not defined`);
    }
  }
}

const unquote = (text: string): string => text.slice(1, -1).replace(/\\(.)/g, (_, c: string) => ({ n: '\n', t: '\t', r: '\r' })[c] ?? c);

function compare(operator: string, left: Value, right: Value): boolean {
  if (operator === '==' || operator === 'is') return pythonText(left) === pythonText(right) || left === right;
  if (operator === '!=') return !compare('==', left, right);
  if (operator === 'in' || operator === 'not in') {
    const found = Array.isArray(right)
      ? right.some((item: Value) => compare('==', left, item))
      : pythonText(right).includes(pythonText(left));
    return found === (operator === 'in');
  }
  if (typeof left === 'string' && typeof right === 'string') return order(operator, left < right ? -1 : left > right ? 1 : 0);
  return order(operator, numeric(left, operator) - numeric(right, operator));
}

function order(operator: string, difference: number): boolean {
  if (operator === '<') return difference < 0;
  if (operator === '>') return difference > 0;
  return operator === '<=' ? difference <= 0 : difference >= 0;
}

function operate(operator: string, left: Value, right: Value): Value {
  if (operator === '%' && typeof left === 'string') return format(left, Array.isArray(right) ? right : [right]);
  if (operator === '+' && typeof left === 'string' && typeof right === 'string') return left + right;
  const a = numeric(left, operator);
  const b = numeric(right, operator);
  if ((operator === '/' || operator === '//' || operator === '%') && b === 0) throw new PythonError('ZeroDivisionError: division by zero');
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '//':
      return Math.floor(a / b);
    case '%':
      return a - Math.floor(a / b) * b;
    default:
      return bits(operator, BigInt(a), BigInt(b));
  }
}

/** Through big integers, since JavaScript's bit operators stop at 32 bits. */
function bits(operator: string, a: bigint, b: bigint): number {
  switch (operator) {
    case '&':
      return Number(a & b);
    case '|':
      return Number(a | b);
    case '^':
      return Number(a ^ b);
    case '<<':
      return Number(a << b);
    default:
      return Number(a >> b);
  }
}

/** `'%d of %s' % (…)`: flags and widths are obeyed for numbers' leading zeros and precision only. */
function format(template: string, values: readonly Value[]): string {
  let next = 0;
  return template.replace(/%(0?\d*)(?:\.(\d+))?([sdifgrxX%])/g, (_, width: string, precision: string | undefined, kind: string) => {
    if (kind === '%') return '%';
    const value = values[next++] ?? null;
    return formatOne(value, kind, precision).padStart(Number(width || 0), width.startsWith('0') ? '0' : ' ');
  });
}

function formatOne(value: Value, kind: string, precision: string | undefined): string {
  if (kind === 's' || kind === 'r') return pythonText(value);
  const number = numeric(value, `%${kind}`);
  if (kind === 'f') return number.toFixed(Number(precision ?? 6));
  if (kind === 'x') return number.toString(16);
  if (kind === 'X') return number.toString(16).toUpperCase();
  return kind === 'g' ? String(number) : String(Math.trunc(number));
}
