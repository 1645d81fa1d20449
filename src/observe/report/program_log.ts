/**
 * What a program printed, as a file beside the captures: written while the program runs, so that one that prints for long costs no memory, and put together from
 * numbers where they are printed often, which costs a tenth of making strings of them.
 */
import { errnoName } from '../../kernel/uapi/errno.ts';
import { finishAtExit } from '../files/at_exit.ts';
import { LogFile, wholeLines } from '../files/log_file.ts';
import { ascii, TextBuffer } from '../trace/text_buffer.ts';

const WRITE_BYTES = 1 << 16;
const NEWLINE = 10;
const DURATION = ascii(' +');
const SPACE = ascii(' ');
const RESULT = ascii(' -> ');
const FAILED = ascii('-1 ');

export class ProgramLog {
  readonly #path: () => string;
  readonly #text = new TextBuffer(WRITE_BYTES * 2);
  #file: LogFile | null = null;
  #planned: (() => void) | null = null;
  /** What was called last. */
  #what = '';
  #whatBytes = new Uint8Array(0);

  /** `path` is asked for when there is something to write: without it there is no file. */
  constructor(path: () => string) {
    this.#path = path;
  }

  /** Throws CaptureWriteError, as do all of these. */
  line(text: string): void {
    this.#put(Buffer.from(text));
    this.#end();
  }

  /** `START +DURATION WHAT -> RESULT`: times in ns, a negative result as -1 and its errno. */
  call(start: number, duration: number, what: string, result: number): void {
    const out = this.#text;
    out.reserve();
    out.decimal(start);
    out.literal(DURATION);
    out.decimal(duration);
    out.literal(SPACE);
    this.#put(this.#bytesOf(what));
    out.reserve();
    out.literal(RESULT);
    if (result < 0) {
      out.literal(FAILED);
      out.text(errnoName(result));
    } else out.decimal(result);
    this.#end();
  }

  close(): void {
    this.#planned?.();
    this.#flush();
    this.#file?.close();
    this.#file = null;
  }

  /** The same call comes again and again. */
  #bytesOf(what: string): Uint8Array {
    if (what !== this.#what) this.#whatBytes = Buffer.from(what);
    this.#what = what;
    return this.#whatBytes;
  }

  #put(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; from += WRITE_BYTES) {
      const piece = bytes.length <= WRITE_BYTES ? bytes : bytes.subarray(from, from + WRITE_BYTES);
      if (this.#text.pos + piece.length > WRITE_BYTES) this.#flush();
      this.#text.literal(piece);
    }
  }

  #end(): void {
    this.#planned ??= finishAtExit(() => this.close());
    this.#text.byte(NEWLINE);
    if (this.#text.pos >= WRITE_BYTES) this.#flush();
  }

  #flush(): void {
    const text = this.#text;
    if (text.pos === 0) return;
    this.#file ??= new LogFile(this.#path(), wholeLines);
    const length = text.pos;
    text.pos = 0;
    this.#file.write(text.u8, length);
  }
}
