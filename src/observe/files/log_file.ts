/** A log: appended to in whole records, and left with whole records when something fails. */
import { OutputFile } from './output_file.ts';

const NEWLINE = 10;

/** How many of the first `written` bytes are whole records. */
export type WholeRecords = (bytes: Uint8Array, written: number) => number;

/** All or nothing of what is written at once: whoever writes hands over whole records. */
const noPart: WholeRecords = () => 0;
export const wholeLines: WholeRecords = (bytes, written) => (written === 0 ? 0 : bytes.lastIndexOf(NEWLINE, written - 1) + 1);

export class LogFile {
  readonly #file: OutputFile;
  readonly #whole: WholeRecords;

  /** Throws CaptureWriteError. */
  constructor(path: string, whole: WholeRecords = noPart) {
    this.#file = new OutputFile(path);
    this.#whole = whole;
  }

  /** Bytes of the file so far. */
  get bytes(): number {
    return this.#file.size;
  }

  /** Appends the first `length` bytes. Throws CaptureWriteError, when the file has been cut to whole records. */
  write(bytes: Uint8Array, length: number): void {
    const before = this.#file.size;
    try {
      this.#file.append(bytes, 0, length);
    } catch (error) {
      this.#file.cut(before + this.#whole(bytes, this.#file.size - before));
      throw error;
    }
  }

  close(): void {
    this.#file.close();
  }
}
