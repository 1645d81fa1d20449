/** `%{ … }%`: code over what the connection tells of itself. Values are taken when the event is due; the code runs after the script's end. */
import type { Sleeping } from '../kernel/include/linux/sched.ts';
import { SK_PACING_UNLIMITED } from '../kernel/include/net/sock.ts';
import { SO_MEMINFO, SOL_SOCKET, SOL_TCP } from '../kernel/uapi/socket.ts';
import * as tcp from '../kernel/uapi/tcp.ts';
import type { Sys } from '../user/sys.ts';
import { mismatch, TestFailure } from './failures.ts';
import { type Names, PythonError, runPython } from './python.ts';

/** The constants that code may name. */
const SYMBOLS: readonly (readonly [string, number])[] = Object.entries(tcp).filter(
  (entry): entry is [string, number] => /^(TCP_[A-Z_0-9]+|TCP_CA_\w+|TCPI_OPT_\w+)$/.test(entry[0]) && typeof entry[1] === 'number',
);
const STATES =
  /^TCP_(ESTABLISHED|SYN_SENT|SYN_RECV|FIN_WAIT1|FIN_WAIT2|TIME_WAIT|CLOSE|CLOSE_WAIT|LAST_ACK|LISTEN|CLOSING|CA_\w+)$|^TCPI_OPT_/;
/** A rate without limit, as 64 bits say it; the nearest number there is. */
const U64_MAX = 2 ** 64;

interface Snippet {
  readonly line: number;
  readonly text: string;
  readonly values: Names;
}

export class CodeRecorder {
  readonly #snippets: Snippet[] = [];
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Takes the values of a socket for code that will run later. */
  *record(sys: Sys, fd: number, line: number, text: string): Sleeping<void> {
    const values: Names = new Map();
    const info = yield* sys.getsockopt(fd, SOL_TCP, tcp.TCP_INFO);
    if (typeof info === 'number') mismatch("can't find getsockopt to get TCP info");
    take(values, info);
    take(values, yield* sys.getsockopt(fd, SOL_TCP, tcp.TCP_CC_INFO));
    take(values, yield* sys.getsockopt(fd, SOL_SOCKET, SO_MEMINFO));
    this.#snippets.push({ line, text, values });
  }

  /** Runs all code in order, in one set of variables. Throws TestFailure for the first that fails. */
  run(print: (line: string) => void): void {
    const names: Names = new Map(SYMBOLS.filter(([name]) => STATES.test(name)));
    for (const { line, text, values } of this.#snippets) {
      for (const [name, value] of values) names.set(name, value);
      try {
        runPython(text, names, print);
      } catch (error) {
        if (!(error instanceof PythonError)) throw error;
        throw new TestFailure(line, `${this.#path}:${line}: error in Python code\n${error.message}\n${text.trim()}`);
      }
    }
  }
}

/** Adds an option's fields under their own names. */
function take(values: Names, fields: unknown): void {
  if (typeof fields !== 'object' || fields === null) return;
  for (const [name, value] of Object.entries(fields as Record<string, unknown>)) {
    if (typeof value === 'boolean') values.set(name, value ? 1 : 0);
    else if (typeof value === 'number') values.set(name, value === SK_PACING_UNLIMITED ? U64_MAX : value);
  }
}
