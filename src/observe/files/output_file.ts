/**
 * A file that grows at its end, written synchronously, or by another thread if whoever appends can do without these bytes until later. Much at once goes past the
 * operating system's page cache where system and file system can do that (O_DIRECT): the cache's pages may cost several times the CPU time of what is put into them.
 * Little at once goes through the cache, and so do the bytes before the first and after the last whole block of the disk. The file is the same, whichever way its
 * bytes went, and other programs see all that was appended.
 */
import fs from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import type { ByteBlock } from '../../sim/byte_heap.ts';
import { DISK_BLOCK, directDescriptor, pagedBuffer } from './direct_io.ts';
import type { WriterThread } from './writer_thread.ts';

/** From so many bytes on an append is large. Measured: at a quarter of this system calls and waiting cost what the cache does, beyond 1 MiB nothing is won. */
const LARGE_BYTES = 1 << 18;
/** What goes past the cache at once when it has to be copied to an aligned place first. */
const STAGING_BYTES = 1 << 20;
/** A disk that is slower than this (bytes a ms, after so many bytes) is better written to by the system, in the background. */
const SLOW_DISK = 100_000;
const SLOW_AFTER = 1 << 25;
/** With these a file system says that it can't, or not in whole blocks; then the cached way tells what is the matter. */
const REFUSALS: readonly (string | undefined)[] = ['EINVAL', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSPC', 'EDQUOT'];

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

/** Bytes up to the place where the disk's next block begins. */
const beforeDiskBlock = (place: number): number => (DISK_BLOCK - (place % DISK_BLOCK)) % DISK_BLOCK;

/** An append that another thread makes. */
interface Pending {
  readonly thread: WriterThread;
  readonly slot: number;
  readonly block: ByteBlock;
  readonly from: number;
  readonly to: number;
}

export class OutputFile {
  readonly path: string;
  /** Bytes appended so far: after an error those that still found room. */
  size = 0;
  readonly #fd: number;
  /** Pipes and devices have no places to write at. */
  readonly #isFile: boolean;
  /** Descriptor that goes past the cache; -1: there is none. */
  #direct = -1;
  #triedDirect = false;
  #staging: Uint8Array | null = null;
  #directBytes = 0;
  #directMs = 0;
  #pending: Pending | null = null;

  /** Creates the file, or empties it. Throws CaptureWriteError. */
  constructor(path: string) {
    this.path = path;
    try {
      this.#fd = fs.openSync(path, 'w');
      this.#isFile = fs.fstatSync(this.#fd).isFile();
    } catch (error) {
      throw new CaptureWriteError(path, 'create', error);
    }
  }

  /**
   * Appends bytes `from` … `to` of `u8`. Throws CaptureWriteError. `paged`: its buffer begins at a page of the machine; then those need not be copied that lie at
   * the same place within a disk block as they will in the file.
   */
  append(u8: Uint8Array, from: number, to: number, paged = false): void {
    try {
      let at = from;
      if (this.isLarge(to - from)) {
        at = this.#writeCached(u8, at, at + beforeDiskBlock(this.size));
        at = this.#writeDirect(u8, at, to - ((to - at) % DISK_BLOCK), paged && (u8.byteOffset + at) % DISK_BLOCK === 0);
      }
      this.#writeCached(u8, at, to);
    } catch (error) {
      throw new CaptureWriteError(this.path, 'write', error);
    }
  }

  /** Whether an append of so many bytes goes past the cache; only then is another thread worth its while. */
  isLarge(bytes: number): boolean {
    return bytes >= LARGE_BYTES && this.#openDirect();
  }

  /**
   * Has bytes `from` … `to` of a block, which are a large append, written by another thread. Until `settle` has been called they must stay as they are, and nothing
   * else may be done with the file; `size` counts them already. False if that thread cannot do it now.
   */
  appendLater(thread: WriterThread, block: ByteBlock, from: number, to: number): boolean {
    const [length, at, head] = [to - from, block.origin + from, beforeDiskBlock(this.size)];
    if (block.buffer !== thread.arena || (at + head) % DISK_BLOCK !== 0) return false;
    const slot = thread.takeSlot();
    if (slot === 0) return false;
    const tail = (length - head) % DISK_BLOCK;
    thread.ask(slot, this.#fd, this.#direct, at, this.size, head, length - head - tail, tail);
    this.#pending = { thread, slot, block, from, to };
    this.size += length;
    return true;
  }

  /** Returns when what was handed over is in the file. What the thread left is written now: so errors and refusals are met here. Throws CaptureWriteError. */
  settle(): void {
    const pending = this.#pending;
    if (pending === null) return;
    this.#pending = null;
    const { thread, slot, block, from, to } = pending;
    // A disk is as fast as it seems to who waits for it.
    const started = performance.now();
    const done = thread.settle(slot);
    this.#directMs += performance.now() - started;
    this.#directBytes += done;
    thread.giveSlot(slot);
    this.size -= to - from - done;
    if (done < to - from) this.append(block.u8, from + done, to, true);
    else if (this.#slow) this.#closeDirect();
  }

  /** Cuts the file off at `size`. */
  cut(size: number): void {
    this.size = size;
    try {
      fs.ftruncateSync(this.#fd, size);
    } catch {
      // A pipe or device: nothing to cut there.
    }
  }

  /** Throws CaptureWriteError. */
  close(): void {
    this.#closeDirect();
    try {
      fs.closeSync(this.#fd);
    } catch (error) {
      // Network file systems report a full disk here.
      throw new CaptureWriteError(this.path, 'close', error);
    }
  }

  #writeCached(u8: Uint8Array, from: number, to: number): number {
    while (from < to) {
      const done = fs.writeSync(this.#fd, u8, from, to - from, this.#isFile ? this.size : null);
      from += done;
      this.size += done;
    }
    return to;
  }

  /** Whole blocks of the disk; returns how far it came before the file system refused. */
  #writeDirect(u8: Uint8Array, from: number, to: number, inPlace: boolean): number {
    while (from < to && this.#direct >= 0) {
      const done = this.#tryDirect(u8, from, to, inPlace);
      from += done;
      this.size += done;
    }
    return from;
  }

  #tryDirect(u8: Uint8Array, from: number, to: number, inPlace: boolean): number {
    const started = performance.now();
    let done = 0;
    try {
      done = inPlace ? fs.writeSync(this.#direct, u8, from, to - from, this.size) : this.#writeStaged(u8, from, to);
    } catch (error) {
      if (!REFUSALS.includes((error as NodeJS.ErrnoException).code)) throw error;
    }
    this.#directMs += performance.now() - started;
    this.#directBytes += done;
    if (done === 0 || done % DISK_BLOCK !== 0 || this.#slow) this.#closeDirect();
    return done;
  }

  get #slow(): boolean {
    return this.#directBytes > SLOW_AFTER && this.#directBytes < this.#directMs * SLOW_DISK;
  }

  #writeStaged(u8: Uint8Array, from: number, to: number): number {
    this.#staging ??= pagedBuffer(STAGING_BYTES);
    if (this.#staging === null) return 0;
    const length = Math.min(to - from, this.#staging.length);
    this.#staging.set(u8.subarray(from, from + length));
    return fs.writeSync(this.#direct, this.#staging, 0, length, this.size);
  }

  #openDirect(): boolean {
    if (!this.#triedDirect) this.#direct = directDescriptor(this.#fd, fs.constants.O_WRONLY);
    this.#triedDirect = true;
    return this.#direct >= 0;
  }

  #closeDirect(): void {
    if (this.#direct >= 0) fs.closeSync(this.#direct);
    this.#direct = -1;
  }
}
