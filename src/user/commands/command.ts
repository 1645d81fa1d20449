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

/** Commands of a pipe, each as its words; and what joins it to the pipe after it (`;` also at the end). */
export interface Pipeline {
  readonly stages: string[][];
  readonly joint: '&&' | '||' | ';';
}

/**
 * Splits a command line: blanks separate words, quotes hold together, a backslash takes the next character as it is; `|` joins commands to pipes, and `&&`, `||`
 * and `;` pipes to a line.
 */
export function shellPipelines(line: string): Pipeline[] {
  const pipelines: Pipeline[] = [];
  let stages: string[][] = [[]];
  let word: string | null = null;
  let quote = '';
  const endWord = (): void => {
    if (word !== null) stages.at(-1)!.push(word);
    word = null;
  };
  const endPipeline = (joint: Pipeline['joint']): void => {
    endWord();
    pipelines.push({ stages, joint });
    stages = [[]];
  };
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!;
    const joint = /^(&&|\|\||;)/.exec(line.slice(i, i + 2))?.[0] as Pipeline['joint'] | undefined;
    if (quote !== '') {
      if (c === quote) quote = '';
      else word += c;
    } else if (c === '"' || c === "'") {
      quote = c;
      word ??= '';
    } else if (c === '\\' && i + 1 < line.length) word = (word ?? '') + line[++i]!;
    else if (joint !== undefined) {
      endPipeline(joint);
      i += joint.length - 1;
    } else if (c === '|') {
      endWord();
      stages.push([]);
    } else if (/\s/.test(c)) endWord();
    else word = (word ?? '') + c;
  }
  if (quote !== '') throw new CommandError(`${line}: a ${quote} is never closed`);
  // Nothing need follow a semicolon.
  if (word !== null || stages.length > 1 || stages[0]!.length > 0 || pipelines.at(-1)?.joint !== ';') endPipeline(';');
  return pipelines;
}

/** Refuses with the words a real tool would use, and what would have been right. */
export function refuse(tool: string, read: string, expected: string): never {
  throw new CommandError(`${tool}: read ${JSON.stringify(read)}, expected ${expected}`);
}
