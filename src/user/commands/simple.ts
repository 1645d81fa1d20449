/** Commands that need no file of their own: true, false, echo, sleep, cat, grep, date, dmesg, uptime, hostname. */
import { kernel } from '../../kernel/current.ts';
import { readProcFile } from '../../kernel/fs/proc/root.ts';
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { NSEC_PER_SEC } from '../../sim/time.ts';
import type { Sys } from '../sys.ts';
import { type Command, type Output, refuse } from './command.ts';
import { uptimeLine } from './uptime.ts';
import { getopt } from './words.ts';

/** A command that never waits. */
const atOnce = (work: (words: readonly string[], out: Output, input: string | null) => number): Command =>
  // biome-ignore lint/correctness/useYield: a command may sleep, these need not
  function* (words, out, _sys, input) {
    return work(words, out, input ?? null);
  };

const UNITS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86400 };

/** `sleep 0.5 1m`: the sum of all. */
function* sleep(words: readonly string[], _out: Output, sys: Sys): Sleeping<number> {
  let seconds = 0;
  for (const word of words.slice(1)) {
    const match = /^(\d+(?:\.\d*)?|\.\d+)([smhd]?)$/.exec(word) ?? refuse('sleep', word, 'a time such as 0.5 or 2m');
    seconds += Number(match[1]) * UNITS[match[2]!]!;
  }
  if (words.length === 1) refuse('sleep', 'the end of the line', 'a time such as 0.5');
  yield* sys.nanosleep(Math.round(seconds * NSEC_PER_SEC));
  return 0;
}

function echo(words: readonly string[], out: Output): number {
  for (const line of words.slice(1).join(' ').split('\n')) out(line);
  return 0;
}

/** Prints a text line by line, without its last end of line. */
function print(text: string, out: Output): void {
  if (text !== '') for (const line of text.replace(/\n$/, '').split('\n')) out(line);
}

function cat(words: readonly string[], out: Output, input: string | null): number {
  const files = words.slice(1).filter((word) => word !== '-');
  if (files.length === 0) print(input ?? '', out);
  let status = 0;
  for (const file of files) {
    const text = readProcFile(kernel(), file);
    if (text === null) {
      out(`cat: ${file}: No such file or directory`);
      status = 1;
    } else print(text, out);
  }
  return status;
}

/** `grep [-i] [-v] PATTERN` of what comes by a pipe, or of files of /proc. */
function grep(words: readonly string[], out: Output, input: string | null): number {
  const { options, rest } = getopt('grep', words, 'ivE', '');
  const has = (letter: string): boolean => options.some((option) => option.letter === letter);
  const pattern = rest[0] ?? refuse('grep', 'the end of the line', 'a pattern');
  const regex = new RegExp(pattern, has('i') ? 'i' : '');
  const text = rest.length > 1 ? rest.slice(1).map((file) => readProcFile(kernel(), file) ?? '').join('') : (input ?? ''); // biome-ignore format: short
  const found = text.split('\n').filter((line, i, all) => (i < all.length - 1 || line !== '') && regex.test(line) !== has('v'));
  for (const line of found) out(line);
  return found.length > 0 ? 0 : 1;
}

/** `[    1.234567] text`: time since power-on. */
function dmesg(_words: readonly string[], out: Output): number {
  for (const { time, text } of kernel().log) out(`[${(time / NSEC_PER_SEC).toFixed(6).padStart(12)}] ${text}`);
  return 0;
}

export const SIMPLE_COMMANDS: Readonly<Record<string, Command>> = {
  true: atOnce(() => 0),
  false: atOnce(() => 1),
  echo: atOnce(echo),
  cat: atOnce(cat),
  grep: atOnce(grep),
  dmesg: atOnce(dmesg),
  uptime: atOnce((_words, out) => {
    out(uptimeLine(kernel()));
    return 0;
  }),
  hostname: atOnce((_words, out) => {
    out(kernel().hostname);
    return 0;
  }),
  sleep,
};
