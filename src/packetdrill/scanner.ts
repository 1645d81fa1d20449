/**
 * Reads a script's text piece by piece. Tokens are found on demand, because what a word means depends on where it stands: TCP flags
 * (`FP.`), sequence ranges (`1:1001(1000)`) and hexadecimal cookies would be something else elsewhere.
 */
import { ScriptSyntaxError } from './failures.ts';

export type TokenKind = 'number' | 'float' | 'word' | 'string' | 'command' | 'code' | 'option' | 'ellipsis' | 'symbol' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** The text; of strings, commands and code what is inside the quotes. */
  readonly text: string;
  readonly line: number;
}

const BLANK = /(?:[ \t\r\n]+|\/\/[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/y;
const PATTERNS: readonly (readonly [TokenKind, RegExp])[] = [
  ['ellipsis', /\.\.\./y],
  ['option', /--[A-Za-z0-9_]+/y],
  ['float', /-?\d*\.\d+/y],
  ['number', /(?:0[xX][0-9a-fA-F]+|-?\d+)(?![A-Za-z0-9_])/y],
  ['word', /[A-Za-z0-9_]+/y],
  ['string', /"((?:\\[\s\S]|[^"\\])*)"/y],
  ['command', /`((?:\\[\s\S]|[^`\\])*)`/y],
  ['code', /%\{((?:[^}]|\}[^%])*)\}%/y],
  ['symbol', /[^\s]/y],
];

export class Scanner {
  readonly path: string;
  readonly #text: string;
  readonly #defines: ReadonlyMap<string, string>;
  #position = 0;

  /** `defines` replaces words, as packetdrill's -D does. */
  constructor(path: string, text: string, defines: ReadonlyMap<string, string>) {
    this.path = path;
    this.#text = text;
    this.#defines = defines;
  }

  /** Line of the next token. */
  get line(): number {
    this.#skipBlank();
    return this.#lineAt(this.#position);
  }

  peek(): Token {
    const start = this.#position;
    const token = this.next();
    this.#position = start;
    return token;
  }

  next(): Token {
    this.#skipBlank();
    const line = this.#lineAt(this.#position);
    if (this.#position >= this.#text.length) return { kind: 'end', text: '', line };
    for (const [kind, pattern] of PATTERNS) {
      pattern.lastIndex = this.#position;
      const match = pattern.exec(this.#text);
      if (match === null) continue;
      this.#position = pattern.lastIndex;
      return this.#define({ kind, text: match[1] ?? match[0], line });
    }
    return this.fail('a character that belongs to nothing');
  }

  /** Takes the next token if it is the symbol or word given. */
  skip(text: string): boolean {
    const start = this.#position;
    const token = this.next();
    if ((token.kind === 'symbol' || token.kind === 'word' || token.kind === 'ellipsis') && token.text === text) return true;
    this.#position = start;
    return false;
  }

  expect(text: string): void {
    if (!this.skip(text)) this.fail(`expected '${text}'`);
  }

  /** Takes what `pattern` (sticky) finds after blanks; null when it finds nothing. */
  match(pattern: RegExp): RegExpExecArray | null {
    this.#skipBlank();
    pattern.lastIndex = this.#position;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#position = pattern.lastIndex;
    return match;
  }

  /** What a word was defined to be; itself when it was not. */
  definition(word: string): string {
    return this.#defines.get(word) ?? word;
  }

  integer(what: string, least: number, most: number): number {
    const token = this.next();
    const value = Number(token.text);
    if (token.kind !== 'number') this.fail(`expected ${what}`, token);
    if (value < least || value > most) this.fail(`${what} out of range`, token);
    return value;
  }

  /** Refuses the token given, or the next one. */
  fail(what: string, token?: Token): never {
    let at = token;
    if (at === undefined) {
      this.#skipBlank();
      at = {
        kind: 'symbol',
        text: this.#text.slice(this.#position, this.#position + 12).split('\n')[0]!,
        line: this.#lineAt(this.#position),
      };
    }
    throw new ScriptSyntaxError(this.path, at.line, `parse error at '${at.text}': ${what}`);
  }

  /** A word that was defined stands for its definition: "…" and `…` keep their quotes' meaning. */
  #define(token: Token): Token {
    if (token.kind !== 'word') return token;
    const value = this.#defines.get(token.text);
    if (value === undefined) return token;
    if (/^".*"$/s.test(value)) return { ...token, kind: 'string', text: value.slice(1, -1) };
    if (/^`.*`$/s.test(value)) return { ...token, kind: 'command', text: value.slice(1, -1) };
    return { ...token, kind: /^(0[xX][0-9a-fA-F]+|-?\d+)$/.test(value) ? 'number' : 'word', text: value };
  }

  #skipBlank(): void {
    BLANK.lastIndex = this.#position;
    BLANK.exec(this.#text);
    this.#position = BLANK.lastIndex;
  }

  #lineAt(position: number): number {
    let line = 1;
    for (let at = this.#text.indexOf('\n'); at >= 0 && at < position; at = this.#text.indexOf('\n', at + 1)) line++;
    return line;
  }
}
