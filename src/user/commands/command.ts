/** Command lines as people type them into a host's shell: words, a table of commands, results as the real ones give them. */
import type { Sleeping } from '../../kernel/include/linux/sched.ts';

/** What a command prints, line by line. */
export type Output = (line: string) => void;

/** A command: its words (the name first) and where it prints; returns its exit status. */
export type Command = (words: readonly string[], out: Output) => Sleeping<number>;

/** A command that was called wrongly: the line says what was read and what was expected. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** Splits a command line into words: blanks separate, quotes hold together, a backslash takes the next character as it is. */
export function shellWords(line: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote = '';
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!;
    if (quote !== '') {
      if (c === quote) quote = '';
      else word += c;
    } else if (c === '"' || c === "'") {
      quote = c;
      word ??= '';
    } else if (c === '\\' && i + 1 < line.length) word = (word ?? '') + line[++i]!;
    else if (/\s/.test(c)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? '') + c;
  }
  if (quote !== '') throw new CommandError(`${line}: a ${quote} is never closed`);
  if (word !== null) words.push(word);
  return words;
}

/** Refuses with the words a real tool would use, and what would have been right. */
export function refuse(tool: string, read: string, expected: string): never {
  throw new CommandError(`${tool}: read ${JSON.stringify(read)}, expected ${expected}`);
}
