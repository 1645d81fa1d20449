/**
 * A text log of several hosts' CPUs in order of time. CPUs run ahead of the simulation, so lines wait until nothing earlier can come: every line that is still
 * to be written is stamped no earlier than the simulation's present. Lines of one instant stay in the order in which they were made.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { CaptureWriteError } from '../files/capture_file.ts';

const FLUSH_LINES = 8192;

interface Line {
  readonly time: number;
  readonly sequence: number;
  readonly text: string;
}

export class TraceFile {
  readonly path: string;
  readonly #fd: number;
  readonly #now: () => number;
  #waiting: Line[] = [];
  #sequence = 0;
  #limit = FLUSH_LINES;
  /** Lines written. */
  lines = 0;

  /** `now` is the simulation's present. Throws CaptureWriteError. */
  constructor(path: string, header: string, now: () => number) {
    this.path = path;
    this.#now = now;
    try {
      this.#fd = openSync(path, 'w');
    } catch (error) {
      throw new CaptureWriteError(path, 'create', error);
    }
    this.#write(header);
  }

  /** A line (without its end) stamped `time`. */
  line(time: number, text: string): void {
    this.#waiting.push({ time, sequence: this.#sequence++, text });
    if (this.#waiting.length >= this.#limit) this.#flush(this.#now());
  }

  close(): void {
    this.#flush(Number.POSITIVE_INFINITY);
    closeSync(this.#fd);
  }

  #flush(before: number): void {
    this.#waiting.sort((a, b) => a.time - b.time || a.sequence - b.sequence);
    let end = this.#waiting.length;
    while (end > 0 && this.#waiting[end - 1]!.time >= before) end--;
    let text = '';
    for (let i = 0; i < end; i++) text += `${this.#waiting[i]!.text}\n`;
    if (text !== '') this.#write(text);
    this.lines += end;
    this.#waiting = this.#waiting.slice(end);
    this.#limit = this.#waiting.length + FLUSH_LINES;
  }

  #write(text: string): void {
    try {
      const bytes = Buffer.from(text, 'latin1');
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
    } catch (error) {
      throw new CaptureWriteError(this.path, 'write', error);
    }
  }
}
