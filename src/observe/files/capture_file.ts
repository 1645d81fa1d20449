/**
 * Output of one capture file: a buffer that is filled in place and written synchronously, always up to the end of a whole block. So whatever
 * happens to the process, and whenever, the file ends with a whole block and every tool can open it.
 */
import fs from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { TimeOrder } from './time_order.ts';

/** Measured: with a buffer of 1 MiB the page cache's copy dominates, with smaller ones the system calls do. */
const DEFAULT_BUFFER_BYTES = 1 << 20;
/** Below this a loop over the bytes is cheaper than making the view that `set` needs. */
const SHORT_COPY = 48;

/** A capture could not be written: which file and why. What had been written before stays readable. */
export class CaptureWriteError extends Error {
  override readonly name = 'CaptureWriteError';
  readonly path: string;
  /** The operating system's name of the error: ENOSPC, EACCES, … */
  readonly code: string;

  constructor(path: string, doing: string, cause: unknown) {
    const error = cause as NodeJS.ErrnoException;
    const known = error.errno === undefined ? undefined : getSystemErrorMap().get(error.errno);
    super(`${path}: cannot ${doing} the capture: ${known?.[1] ?? error.message}${error.code === undefined ? '' : ` (${error.code})`}`, {
      cause,
    });
    this.path = path;
    this.code = error.code ?? '';
  }
}

/** What a file consists of: blocks that tell their length. `fileOffset` is where in the file a block begins. */
export interface BlockFormat {
  /** The bytes that a block's length and time are read from; no block is shorter. */
  readonly headBytes: number;
  lengthAt(view: DataView, at: number, fileOffset: number): number;
  /** When its packet was seen (virtual ns); -Infinity for what precedes all packets, Infinity for what follows them. */
  timeAt(view: DataView, at: number, fileOffset: number): number;
}

/** Blocks come in any order of time and are written in it: nothing that is seen before `present()` is still to come. */
export type Present = () => number;

export class CaptureFile {
  readonly path: string;
  /** Filled by the writer from `pos` on, after `reserve`, which may replace and move them. */
  buf: Buffer;
  view: DataView;
  pos = 0;
  /** Start of the block under construction; what lies before it is whole. */
  blockStart = 0;
  #limit: number;
  #fd: number;
  #fileBytes = 0;
  #failure: CaptureWriteError | null = null;
  readonly #format: BlockFormat;
  readonly #order: TimeOrder | null;
  readonly #atExit: () => void;
  #ended = false;

  /** Without `present` blocks are written as they come. */
  constructor(path: string, format: BlockFormat, bufferBytes = DEFAULT_BUFFER_BYTES, present: Present | null = null) {
    this.path = path;
    this.#format = format;
    this.#order = present === null ? null : new TimeOrder(format, present);
    this.buf = Buffer.allocUnsafeSlow(bufferBytes);
    this.view = new DataView(this.buf.buffer);
    this.#limit = bufferBytes;
    this.#fd = this.#open();
    this.#atExit = () => this.#saveAtExit();
    // One listener a file is meant, not a leak: without this Node warns from the eleventh on.
    process.setMaxListeners(process.getMaxListeners() + 1);
    process.on('exit', this.#atExit);
  }

  /** Bytes of whole blocks so far, written or not. */
  get bytes(): number {
    return this.#fileBytes + this.blockStart;
  }

  /** False once writing has failed or the file is closed. */
  get usable(): boolean {
    return this.#failure === null;
  }

  /** Makes room for `bytes` more of the block under construction. Throws the file's CaptureWriteError once writing has failed. */
  reserve(bytes: number): void {
    if (this.pos + bytes > this.#limit) this.#makeRoom(bytes);
  }

  /** What was put after `blockStart` is a whole block. */
  commit(): void {
    this.blockStart = this.pos;
  }

  /** Forgets the block under construction. */
  abandon(): void {
    this.pos = this.blockStart;
  }

  /** Writes all whole blocks, or those that nothing earlier can come before. */
  flush(): void {
    if (this.#failure !== null) throw this.#failure;
    const ready =
      this.#order === null ? this.blockStart : this.#order.arrange(this.buf, this.view, this.blockStart, this.#fileBytes, this.#ended);
    if (ready === 0) return;
    this.#write(ready);
    this.buf.copyWithin(0, ready, this.pos);
    this.pos -= ready;
    this.blockStart -= ready;
  }

  /** Writes what is whole and closes the file; also after an error, which it does not repeat. */
  close(): void {
    if (this.#fd < 0) return;
    this.#ended = true;
    try {
      if (this.#failure === null) this.flush();
    } finally {
      this.#release();
    }
  }

  /** Appends bytes of the caller's to the block under construction; `reserve` has made the room. */
  copy(u8: Uint8Array, offset: number, length: number): void {
    const to = this.pos;
    if (length <= SHORT_COPY) {
      for (let i = 0; i < length; i++) this.buf[to + i] = u8[offset + i]!;
    } else {
      // The view costs less than any loop over the bytes: JavaScript has no other copy between two buffers.
      this.buf.set(u8.subarray(offset, offset + length), to);
    }
    this.pos = to + length;
  }

  u16(value: number): void {
    this.view.setUint16(this.pos, value, true);
    this.pos += 2;
  }

  u32(value: number): void {
    this.view.setUint32(this.pos, value, true);
    this.pos += 4;
  }

  /** A 64-bit integer below 2^53. */
  u64(value: number): void {
    const high = Math.floor(value / 4294967296);
    this.u32(value - high * 4294967296);
    this.u32(high);
  }

  /** Zeroes up to the next multiple of four from the block's start. */
  pad(): void {
    while (((this.pos - this.blockStart) & 3) !== 0) this.buf[this.pos++] = 0;
  }

  #open(): number {
    try {
      return fs.openSync(this.path, 'w');
    } catch (error) {
      throw new CaptureWriteError(this.path, 'create', error);
    }
  }

  #makeRoom(bytes: number): void {
    this.flush();
    if (this.pos + bytes <= this.#limit) return;
    const grown = Buffer.allocUnsafeSlow(2 * (this.pos + bytes));
    this.buf.copy(grown, 0, 0, this.pos);
    this.buf = grown;
    this.view = new DataView(grown.buffer);
    this.#limit = grown.length;
  }

  #write(length: number): void {
    let done = 0;
    try {
      while (done < length) done += fs.writeSync(this.#fd, this.buf, done, length - done);
    } catch (error) {
      throw this.#fail(error, done);
    }
    this.#fileBytes += length;
  }

  /** Cuts off the part of a block that was still written, and refuses everything from now on: a gap would make the file unreadable. */
  #fail(error: unknown, written: number): CaptureWriteError {
    const whole = this.#fileBytes + wholeBlocks(this.#format, this.view, written, this.#fileBytes);
    try {
      fs.ftruncateSync(this.#fd, whole);
    } catch {
      // A pipe or device: nothing to cut there.
    }
    this.#fileBytes = whole;
    this.#failure = new CaptureWriteError(this.path, 'write', error);
    this.#limit = -1;
    this.pos = 0;
    this.blockStart = 0;
    return this.#failure;
  }

  #saveAtExit(): void {
    try {
      this.close();
    } catch {
      // The process is ending; the file ends with the last whole block that found room.
    }
  }

  #release(): void {
    process.off('exit', this.#atExit);
    process.setMaxListeners(Math.max(0, process.getMaxListeners() - 1));
    this.#limit = -1;
    this.#failure ??= new CaptureWriteError(this.path, 'write', new Error('it is closed'));
    const fd = this.#fd;
    this.#fd = -1;
    try {
      fs.closeSync(fd);
    } catch (error) {
      // Network file systems report a full disk here.
      throw new CaptureWriteError(this.path, 'close', error);
    }
  }
}

/** The end of the last whole block in the first `limit` bytes of `view`, which begins with a block. */
function wholeBlocks(format: BlockFormat, view: DataView, limit: number, fileOffset: number): number {
  let end = 0;
  while (end + format.headBytes <= limit) {
    const length = format.lengthAt(view, end, fileOffset + end);
    if (end + length > limit) break;
    end += length;
  }
  return end;
}
