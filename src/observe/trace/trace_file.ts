/**
 * A text log of several hosts' CPUs in order of time. CPUs run ahead of the simulation, so lines wait until nothing earlier can come: every line that is still
 * to be written is stamped no earlier than the simulation's present. Lines of one instant stay in the order in which they were made.
 */
import { LogFile, wholeLines } from '../files/log_file.ts';

const FLUSH_LINES = 8192;

interface Line {
  readonly time: number;
  readonly sequence: number;
  readonly text: string;
}

export class TraceFile {
  readonly #file: LogFile;
  readonly #now: () => number;
  #waiting: Line[] = [];
  #sequence = 0;
  #limit = FLUSH_LINES;
  /** Lines written. */
  lines = 0;

  /** `now` is the simulation's present. Throws CaptureWriteError. */
  constructor(path: string, header: string, now: () => number) {
    this.#now = now;
    this.#file = new LogFile(path, wholeLines);
    this.#write(header);
  }

  /** A line (without its end) stamped `time`. */
  line(time: number, text: string): void {
    this.#waiting.push({ time, sequence: this.#sequence++, text });
    if (this.#waiting.length >= this.#limit) this.#flush(this.#now());
  }

  close(): void {
    this.#flush(Number.POSITIVE_INFINITY);
    this.#file.close();
  }

  #flush(before: number): void {
    this.#waiting.sort((a, b) => a.time - b.time || a.sequence - b.sequence);
    let end = this.#waiting.length;
    while (end > 0 && this.#waiting[end - 1]!.time >= before) end--;
    let text = '';
    for (let i = 0; i < end; i++) text += `${this.#waiting[i]!.text}\n`;
    this.lines += end;
    // Before they are written: what a full disk has refused is not tried again.
    this.#waiting = this.#waiting.slice(end);
    this.#limit = this.#waiting.length + FLUSH_LINES;
    if (text !== '') this.#write(text);
  }

  #write(text: string): void {
    const bytes = Buffer.from(text, 'latin1');
    this.#file.write(bytes, bytes.length);
  }
}
