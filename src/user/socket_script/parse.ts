/**
 * Socket scripts: one system call a line, in the vocabulary of the recordings. This file turns text into steps; mistakes name line, column, what was read,
 * what was expected and the nearest word.
 */
import { nearest } from '../nearest.ts';

/** A mistake in a script: `line` and `column` count from 1 within it. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError';
  readonly line: number;
  readonly column: number;

  constructor(line: number, column: number, message: string) {
    super(message);
    this.line = line;
    this.column = column;
  }
}

/** One command with its words; `text` is what the log shows. */
export interface Step {
  readonly kind: 'command';
  readonly text: string;
  readonly words: readonly string[];
  readonly background: boolean;
}

/** `repeat N: a; b` */
export interface Repeat {
  readonly kind: 'repeat';
  readonly times: number;
  readonly steps: readonly Step[];
}

export type ScriptItem = Step | Repeat;

type Kind = 'number' | 'port' | 'address' | 'how' | 'option' | 'value' | 'prefix';

const FORMS: Readonly<Record<Kind, { readonly test: RegExp; readonly expected: string }>> = {
  number: { test: /^\d+$/, expected: 'a number' },
  port: { test: /^\d{1,5}$/, expected: 'a port' },
  address: { test: /^\d{1,3}(\.\d{1,3}){3}$/, expected: 'an IPv4 address' },
  how: { test: /^(rd|wr|rdwr)$/, expected: 'rd, wr or rdwr' },
  option: { test: /^[A-Z]+_[A-Z0-9_]+$/, expected: 'a socket option such as TCP_NODELAY' },
  prefix: { test: /^\d{1,3}(\.\d{1,3}){3}(\/\d{1,2})?$/, expected: 'an IPv4 address or prefix' },
  value: { test: /^\S+$/, expected: 'a value' },
};

/** What each command takes; a `?` marks what may be left out. */
const COMMANDS: Readonly<Record<string, readonly (Kind | `${Kind}?`)[]>> = {
  tcp: [],
  udp: [],
  new: [],
  listen: ['port', 'number?'],
  bind: ['address', 'port'],
  accept: [],
  connect: ['address', 'port'],
  send: ['number', 'number?'],
  recv: ['number'],
  recvall: [],
  recvonce: ['number'],
  rdsize: ['number'],
  sendto: ['address', 'port', 'number'],
  recvfrom: ['number'],
  recvmsg: ['number'],
  recverr: ['number'],
  reply: ['number'],
  wait_readable: ['number?'],
  inq: [],
  outq: [],
  setsockopt: ['option', 'value'],
  getsockopt: ['option'],
  md5sig: ['prefix', 'value?'],
  sleep_us: ['number'],
  shutdown: ['how'],
  close: [],
  closelisten: [],
  linger0: [],
  tcpinfo: [],
  sample_us: ['number'],
  join: [],
};

export function parseScript(text: string): ScriptItem[] {
  const items: ScriptItem[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/#.*$/, '').trimEnd();
    const column = line.length - line.trimStart().length + 1;
    if (line.trim() !== '') items.push(parseLine(line.trim(), index + 1, column));
  }
  return items;
}

function parseLine(line: string, number: number, column: number): ScriptItem {
  if (/^repeat\b/.test(line)) return parseRepeat(line, number, column);
  const background = /^bg\s+/.exec(line);
  if (background === null) return parseStep(line, number, column, false);
  return parseStep(line.slice(background[0].length), number, column + background[0].length, true);
}

function parseRepeat(line: string, number: number, column: number): Repeat {
  const head = /^repeat\s+(\d+)\s*:/.exec(line);
  if (head === null) throw new ScriptError(number, column, `read ${JSON.stringify(line)}, expected repeat N: command; command`);
  const steps: Step[] = [];
  let at = head[0].length;
  for (const part of line.slice(at).split(';')) {
    const indent = part.length - part.trimStart().length;
    if (part.trim() !== '') steps.push(parseStep(part.trim(), number, column + at + indent, false));
    at += part.length + 1;
  }
  return { kind: 'repeat', times: Number(head[1]), steps };
}

function parseStep(text: string, line: number, column: number, background: boolean): Step {
  const words = text.split(/\s+/);
  const command = words[0]!;
  const parameters = COMMANDS[command];
  if (parameters === undefined) {
    const near = nearest(command, Object.keys(COMMANDS));
    const hint = near === null ? '' : `; did you mean ${JSON.stringify(near)}?`;
    throw new ScriptError(
      line,
      column,
      `unknown command ${JSON.stringify(command)}, expected one of ${Object.keys(COMMANDS).join(' ')}${hint}`,
    );
  }
  for (const [i, parameter] of parameters.entries()) checkWord(words[i + 1], parameter, command, line, column, text, i + 1);
  if (words.length > parameters.length + 1) {
    const extra = words[parameters.length + 1]!;
    throw new ScriptError(
      line,
      columnOf(text, parameters.length + 1, column),
      `${command}: read ${JSON.stringify(extra)}, expected the end of the line`,
    );
  }
  return { kind: 'command', text, words, background };
}

function checkWord(
  word: string | undefined,
  parameter: string,
  command: string,
  line: number,
  column: number,
  text: string,
  index: number,
): void {
  const optional = parameter.endsWith('?');
  const form = FORMS[parameter.replace('?', '') as Kind];
  if (word === undefined ? optional : form.test.test(word)) return;
  const read = word === undefined ? 'the end of the line' : JSON.stringify(word);
  throw new ScriptError(line, columnOf(text, index, column), `${command}: read ${read}, expected ${form.expected}`);
}

/** Column of the `index`-th word of a command that starts at `column`. */
function columnOf(text: string, index: number, column: number): number {
  let at = 0;
  for (let i = 0; i < index; i++) at += /^\S*\s*/.exec(text.slice(at))![0].length;
  return column + at;
}
