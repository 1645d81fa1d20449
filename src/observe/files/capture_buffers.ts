/**
 * Where capture files put their packets together: pieces of the bytes of the simulated world, so that a packet gets there in one move and a disk can read them where
 * they are. Files hand them on to those that come after them.
 */
import { type ByteBlock, ByteHeap } from '../../sim/byte_heap.ts';
import { DISK_BLOCK } from './direct_io.ts';
import { WriterThread } from './writer_thread.ts';

/** Measured: each block that is handed over costs two switches of threads and what they bring into the processor's caches; with a quarter of this captures cost half as much again. */
const DEFAULT_BYTES = 1 << 22;

/** How many bytes fit wherever in a disk block they begin. */
export const roomIn = ({ u8 }: ByteBlock): number => u8.length - DISK_BLOCK;

export class CaptureBuffers {
  readonly #heap: ByteHeap;
  readonly #bytes: number;
  readonly #free: ByteBlock[] = [];
  /** Null: there can be none; undefined: nobody has asked for it yet. */
  #thread: WriterThread | null | undefined;

  /** A file begins with a buffer of `bytes` and writes when it is full. */
  constructor(heap = new ByteHeap(), bytes = DEFAULT_BYTES) {
    this.#heap = heap;
    this.#bytes = bytes;
  }

  /** With room for at least `bytes` bytes. */
  take(bytes = this.#bytes): ByteBlock {
    const at = this.#free.findIndex((block) => roomIn(block) >= bytes);
    return at < 0 ? this.#heap.allocate(bytes + DISK_BLOCK) : this.#free.splice(at, 1)[0]!;
  }

  give(block: ByteBlock): void {
    this.#free.push(block);
  }

  /** The thread that writes full buffers; the first one starts it. Null where there can be none. */
  thread({ buffer }: ByteBlock): WriterThread | null {
    if (this.#thread === undefined) this.#thread = buffer instanceof SharedArrayBuffer ? WriterThread.start(buffer) : null;
    return this.#thread;
  }

  /** Ends the thread: no file uses the buffers any more. */
  close(): void {
    this.#thread?.end();
    this.#thread = undefined;
  }
}
