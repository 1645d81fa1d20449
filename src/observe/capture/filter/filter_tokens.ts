/** The words of a filter, each with its column. */
import { FilterError } from './filter_error.ts';

export interface Token {
  readonly kind: 'word' | 'sign';
  readonly text: string;
  readonly column: number;
}

/** Signs, longest first. */
const SIGNS = [
  '&&',
  '||',
  '<<',
  '>>',
  '<=',
  '>=',
  '==',
  '!=',
  '!',
  '&',
  '|',
  '<',
  '>',
  '=',
  '(',
  ')',
  '[',
  ']',
  ':',
  '+',
  '-',
  '*',
  '/',
  '%',
  '^',
];
/** Names may have hyphens in them (tcp-syn), numbers dots, colons and slashes (addresses). */
const MAC = /^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}(?![\w:])/i;
const ADDRESS = /^\d+(\.\d+){1,3}(\/\d+)?(?![\w.])/;
const PREFIX = /^\d+\/\d+(?![\w.])/;
const RANGE = /^\d+-\d+(?![\w.])/;
const WORD = /^[a-z_\d]+(-[a-z][a-z_\d]*)*/i;

export function filterTokens(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; ) {
    const rest = text.slice(at);
    const blank = /^\s+/.exec(rest);
    if (blank !== null) {
      at += blank[0].length;
      continue;
    }
    const previous = tokens.at(-1)?.text ?? '';
    const token = oneToken(rest, previous, at + 1);
    tokens.push(token);
    at += token.text.length;
  }
  return tokens;
}

/** Only after words that want an address, a prefix or a range are slashes and hyphens part of a number. */
function oneToken(rest: string, previous: string, column: number): Token {
  const word =
    MAC.exec(rest) ??
    ADDRESS.exec(rest) ??
    (previous === 'net' ? PREFIX.exec(rest) : null) ??
    (previous === 'portrange' ? RANGE.exec(rest) : null) ??
    WORD.exec(rest);
  if (word !== null) return { kind: 'word', text: word[0], column };
  const sign = SIGNS.find((candidate) => rest.startsWith(candidate));
  if (sign === undefined) throw new FilterError(column, rest[0]!, 'a word, a number or a sign');
  return { kind: 'sign', text: sign, column };
}
