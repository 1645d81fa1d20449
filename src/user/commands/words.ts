/** The words of a command that are still to be read, one after the other; whoever meets something else than it expects says so in the tool's name. */
import { inet_addr } from '../inet.ts';
import { refuse } from './command.ts';

export class Words {
  readonly #tool: string;
  readonly #words: readonly string[];
  #next: number;

  constructor(tool: string, words: readonly string[], next = 1) {
    this.#tool = tool;
    this.#words = words;
    this.#next = next;
  }

  get more(): boolean {
    return this.#next < this.#words.length;
  }

  /** The next word, left where it is; '' at the end. */
  get peek(): string {
    return this.#words[this.#next] ?? '';
  }

  take(expected: string): string {
    const word = this.#words[this.#next++];
    return word ?? refuse(this.#tool, 'the end of the line', expected);
  }

  /** Takes the next word if it is the one given. */
  skip(word: string): boolean {
    if (this.#words[this.#next] !== word) return false;
    this.#next++;
    return true;
  }

  number(expected: string): number {
    const word = this.take(expected);
    return /^\d+$/.test(word) ? Number(word) : refuse(this.#tool, word, expected);
  }

  /** A number with a decimal point, perhaps. */
  decimal(expected: string): number {
    const word = this.take(expected);
    return /^\d+(\.\d*)?$|^\.\d+$/.test(word) ? Number(word) : refuse(this.#tool, word, expected);
  }

  address(expected = 'an IPv4 address'): number {
    const word = this.take(expected);
    return inet_addr(word) ?? refuse(this.#tool, word, expected);
  }
}

/**
 * Options as getopt() reads them: `-c 3`, `-c3`, `-qn`. `taking` are the letters that take a value. Returns the options in order and the other words.
 */
export function getopt(
  tool: string,
  words: readonly string[],
  plain: string,
  taking: string,
): { options: { letter: string; value: string }[]; rest: string[] } {
  const options: { letter: string; value: string }[] = [];
  const rest: string[] = [];
  for (let i = 1; i < words.length; i++) {
    const word = words[i]!;
    if (!/^-./.test(word) || word === '--') rest.push(word);
    else i += readLetters(tool, word, words[i + 1], plain, taking, options);
  }
  return { options, rest };
}

/** One word of letters; returns how many words beyond it were used. */
function readLetters(
  tool: string,
  word: string,
  next: string | undefined,
  plain: string,
  taking: string,
  options: { letter: string; value: string }[],
): number {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at]!;
    if (plain.includes(letter)) options.push({ letter, value: '' });
    else if (!taking.includes(letter))
      refuse(tool, word, `one of the options ${[...plain, ...taking].map((known) => `-${known}`).join(' ')}`);
    else if (at + 1 < word.length) {
      options.push({ letter, value: word.slice(at + 1) });
      return 0;
    } else {
      options.push({ letter, value: next ?? refuse(tool, 'the end of the line', `a value for -${letter}`) });
      return 1;
    }
  }
  return 0;
}
