import { errnoName } from '../../kernel/uapi/errno.ts';

/** Where a script's log goes. */
export interface ScriptLog {
  line(text: string): void;
  /** `START +DURATION WHAT -> RESULT`: times in ns, a negative result as -1 and its errno. */
  call(start: number, duration: number, what: string, result: number): void;
}

/** A log for who wants every line as text. */
export const linesTo = (output: (line: string) => void): ScriptLog => ({
  line: output,
  call: (start, duration, what, result) => output(`${start} +${duration} ${what} -> ${result < 0 ? `-1 ${errnoName(result)}` : result}`),
});
