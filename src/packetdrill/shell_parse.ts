/**
 * The shell that set-up lines are written in: lists (`;`, newline, `&&`, `||`), pipes, redirections, quotes, comments, `$((…))` and variables.
 *
 * Simplified: no compound commands, globbing or substitution of commands; what a script would need these for is not known of any collection.
 */
import { mismatch } from './failures.ts';

export interface Redirect {
  readonly append: boolean;
  readonly input: boolean;
  readonly target: string;
  /** Only standard error goes there. */
  readonly errorsOnly: boolean;
}

export interface SimpleCommand {
  readonly words: readonly string[];
  readonly redirects: readonly Redirect[];
}

/** Commands connected by pipes, and under which condition they run: after the one before, if it succeeded, or if it failed. */
export interface Pipeline {
  readonly when: 'always' | 'success' | 'failure';
  readonly commands: readonly SimpleCommand[];
  readonly negated: boolean;
}

const TOKEN =
  /(?<blank>[ \t]+|\\\n|#[^\n]*)|(?<operator>&>>?|\d?>>?&\d|\d?>>?|<|&&|\|\||\||;|\n|&)|(?<word>(?:\\[\s\S]|"(?:\\[\s\S]|[^"\\])*"|'[^']*'|\$\(\([\s\S]*?\)\)|\$\{\w+\}|[^\s;|&<>"'\\])+)/y;

interface Lexeme {
  readonly operator: string | null;
  readonly word: string;
}

function lex(text: string, variables: ReadonlyMap<string, string>): Lexeme[] {
  const lexemes: Lexeme[] = [];
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < text.length; ) {
    const at = TOKEN.lastIndex;
    const groups = TOKEN.exec(text)?.groups;
    if (groups === undefined) return mismatch(`shell: cannot read ${JSON.stringify(text.slice(at, at + 20))}`);
    if (groups['operator'] !== undefined) lexemes.push({ operator: groups['operator'], word: '' });
    else if (groups['word'] !== undefined) lexemes.push({ operator: null, word: expand(groups['word'], variables) });
  }
  return lexemes;
}

/** Takes quotes away and puts values in. */
function expand(word: string, variables: ReadonlyMap<string, string>): string {
  return word.replace(
    /\\([\s\S])|'([^']*)'|"((?:\\[\s\S]|[^"\\])*)"|(\$\(\([\s\S]*?\)\)|\$\{?\w+\}?)/g,
    (_all, escaped, single, double, dollar) => {
      if (escaped !== undefined) return escaped === '\n' ? '' : (escaped as string);
      if (single !== undefined) return single as string;
      if (double !== undefined) return expandQuoted(double as string, variables);
      return expandDollar(dollar as string, variables);
    },
  );
}

function expandQuoted(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(/\\(["$`\\\n])|(\$\(\([\s\S]*?\)\)|\$\{?\w+\}?)/g, (_all, escaped, dollar) =>
    escaped !== undefined ? (escaped === '\n' ? '' : (escaped as string)) : expandDollar(dollar as string, variables),
  );
}

function expandDollar(text: string, variables: ReadonlyMap<string, string>): string {
  if (text.startsWith('$((')) return String(arithmetic(text.slice(3, -2)));
  return variables.get(text.replace(/[${}]/g, '')) ?? '';
}

/** Sums and products of whole numbers. */
function arithmetic(text: string): number {
  const tokens = text.match(/\d+|[-+*/()]/g) ?? [];
  let next = 0;
  const atom = (): number => {
    const token = tokens[next++];
    if (token !== '(') return Number(token);
    const value = sum();
    next++;
    return value;
  };
  const product = (): number => {
    let value = atom();
    while (tokens[next] === '*' || tokens[next] === '/') value = tokens[next++] === '*' ? value * atom() : Math.trunc(value / atom());
    return value;
  };
  const sum = (): number => {
    let value = product();
    while (tokens[next] === '+' || tokens[next] === '-') value = tokens[next++] === '+' ? value + product() : value - product();
    return value;
  };
  const value = sum();
  return Number.isInteger(value) && next === tokens.length ? value : mismatch(`shell: cannot compute $((${text}))`);
}

/** What to run, in order. */
export function parseShell(text: string, variables: ReadonlyMap<string, string>): Pipeline[] {
  const pipelines: Pipeline[] = [];
  let when: Pipeline['when'] = 'always';
  let commands: SimpleCommand[] = [];
  let words: string[] = [];
  let redirects: Redirect[] = [];
  const endCommand = (): void => {
    if (words.length > 0 || redirects.length > 0) commands.push({ words, redirects });
    words = [];
    redirects = [];
  };
  const endPipeline = (next: Pipeline['when']): void => {
    endCommand();
    const first = commands[0];
    if (first !== undefined) {
      const negated = first.words[0] === '!';
      if (negated) commands[0] = { ...first, words: first.words.slice(1) };
      pipelines.push({ when, commands, negated });
      commands = [];
      when = next;
    } else if (next !== 'always') when = next;
  };
  const lexemes = lex(text, variables);
  for (let i = 0; i < lexemes.length; i++) {
    const { operator, word } = lexemes[i]!;
    if (operator === null) words.push(word);
    else if (operator === ';' || operator === '\n' || operator === '&') endPipeline('always');
    else if (operator === '&&') endPipeline('success');
    else if (operator === '||') endPipeline('failure');
    else if (operator === '|') endCommand();
    else if (!/&\d$/.test(operator)) redirects.push(redirect(operator, lexemes[++i]));
  }
  endPipeline('always');
  return pipelines;
}

function redirect(operator: string, target: Lexeme | undefined): Redirect {
  if (target === undefined || target.operator !== null) return mismatch(`shell: expected a file after ${operator}`);
  return { append: operator.endsWith('>>'), input: operator === '<', target: target.word, errorsOnly: operator.startsWith('2') };
}
