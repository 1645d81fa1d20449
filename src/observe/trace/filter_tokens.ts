/** Words and signs of the filter language. */

/** A filter that says nothing of sense: where, what was read and what was expected. */
export class FilterError extends Error {
  override readonly name: string = 'FilterError';
  /** Of the filter's text, from 1. */
  readonly column: number;

  constructor(column: number, message: string) {
    super(message);
    this.column = column;
  }
}

export interface FilterToken {
  readonly kind: 'word' | 'string' | 'symbol' | 'end';
  readonly text: string;
  /** Of the filter's text, from 1. */
  readonly column: number;
}

const SPACE = /\s*/y;
const SYMBOL = /\|\||&&|==|!=|<=|>=|[!()<>&~]/y;
const STRING = /"([^"]*)"|'([^']*)'/y;
/** Names, numbers, and strings without quotes. */
const WORD = /[^\s|&=!<>()~"']+/y;

/** Cuts a filter up; the last token is the end. Throws FilterError. */
export function tokenize(text: string): FilterToken[] {
  const tokens: FilterToken[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  for (;;) {
    at += match(SPACE)![0].length;
    const column = at + 1;
    if (at === text.length) return [...tokens, { kind: 'end', text: '', column }];
    const [symbol, quoted] = [match(SYMBOL), match(STRING)];
    const found = symbol ?? quoted ?? match(WORD);
    if (found === null) throw new FilterError(column, `read ${JSON.stringify(text.slice(at))}, expected ${expectedFor(text[at]!)}`);
    at += found[0].length;
    if (quoted !== null) tokens.push({ kind: 'string', text: quoted[1] ?? quoted[2] ?? '', column });
    else tokens.push({ kind: symbol !== null ? 'symbol' : 'word', text: found[0], column });
  }
}

function expectedFor(character: string): string {
  if (character === '"' || character === "'") return `a closing ${character}`;
  return character === '=' ? '==' : '||';
}
