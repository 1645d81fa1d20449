/** Command lines as people type them into a host's shell: words, a table of commands, results as the real ones give them. */
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import type { Sys } from '../sys.ts';

/** What a command prints, line by line. */
export type Output = (line: string) => void;

/**
 * A command: its words (the name first), where it prints, the kernel as its task sees it, and what the command before it in a pipe printed (null
 * when it stands first). Returns its exit status.
 */
export type Command = (words: readonly string[], out: Output, sys: Sys, input?: string | null) => Sleeping<number>;

/** A command that was called wrongly: the line says what was read and what was expected. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** Splits a command line into words: blanks separate, quotes hold together, a backslash takes the next character as it is. */
export function shellWords(line: string): string[] {
  return shellStages(line).flat();
}

/** The commands of a pipe, each as its words. */
export function shellStages(line: string): string[][] {
  const stages: string[][] = [[]];
  let word: string | null = null;
  let quote = '';
  const endWord = (): void => {
    if (word !== null) stages.at(-1)!.push(word);
    word = null;
  };
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!;
    if (quote !== '') {
      if (c === quote) quote = '';
      else word += c;
    } else if (c === '"' || c === "'") {
      quote = c;
      word ??= '';
    } else if (c === '\\' && i + 1 < line.length) word = (word ?? '') + line[++i]!;
    else if (c === '|') {
      endWord();
      stages.push([]);
    } else if (/\s/.test(c)) endWord();
    else word = (word ?? '') + c;
  }
  if (quote !== '') throw new CommandError(`${line}: a ${quote} is never closed`);
  endWord();
  return stages;
}

/** Refuses with the words a real tool would use, and what would have been right. */
export function refuse(tool: string, read: string, expected: string): never {
  throw new CommandError(`${tool}: read ${JSON.stringify(read)}, expected ${expected}`);
}
