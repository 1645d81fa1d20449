/**
 * Pages of the kernel's trace ring buffer for one CPU (kernel/trace/ring_buffer.c; tracefs's header_page and header_event): a page starts with the time
 * of its first event and the number of its bytes in use; an event is a word of length and time since the one before, and its record.
 */
import { LogFile } from '../files/log_file.ts';

export const PAGE_BYTES = 4096;
const DATA = 16;
const PAGES_A_WRITE = 64;
/** Records up to this say their length in the event's first word, in units of four bytes. */
const SMALL_BYTES = 112;
/** Bits of the time since the event before; after a longer silence a new page starts. */
const DELTA_LIMIT = 1 << 27;
const TWO_TO_32 = 4294967296;

export class RingBufferPages {
  readonly path: string;
  readonly #file: LogFile;
  readonly #u8 = new Uint8Array(PAGE_BYTES * PAGES_A_WRITE);
  readonly #view = new DataView(this.#u8.buffer);
  /** Start of the page under construction, and where its next event goes. */
  #page = 0;
  #pos = DATA;
  #last = 0;

  constructor(path: string) {
    this.path = path;
    this.#file = new LogFile(path, (_, written) => written - (written % PAGE_BYTES));
  }

  /** Written so far. */
  get bytes(): number {
    return this.#file.bytes;
  }

  /** `size` bytes at `from` of `u8`, recorded at `time`. */
  add(time: number, u8: Uint8Array, from: number, size: number): void {
    const length = (size + 3) & ~3;
    const needed = length > SMALL_BYTES ? length + 8 : length + 4;
    let delta = time - this.#last;
    if (this.#pos === DATA || this.#pos + needed > PAGE_BYTES || delta >= DELTA_LIMIT) {
      this.#startPage(time);
      delta = 0;
    }
    this.#last = time;
    let at = this.#page + this.#pos;
    if (length > SMALL_BYTES) {
      // The second word counts itself.
      this.#view.setUint32(at, delta * 32, true);
      this.#view.setUint32(at + 4, length + 4, true);
      at += 8;
    } else {
      this.#view.setUint32(at, delta * 32 + length / 4, true);
      at += 4;
    }
    for (let i = 0; i < size; i++) this.#u8[at + i] = u8[from + i]!;
    for (let i = size; i < length; i++) this.#u8[at + i] = 0;
    this.#pos += needed;
  }

  close(): void {
    this.#endPage();
    this.#write();
    this.#file.close();
  }

  #startPage(time: number): void {
    this.#endPage();
    this.#view.setUint32(this.#page, time % TWO_TO_32, true);
    this.#view.setUint32(this.#page + 4, Math.floor(time / TWO_TO_32), true);
  }

  /** Fills in how much of the page is used; an empty one is not kept. */
  #endPage(): void {
    if (this.#pos === DATA) return;
    this.#view.setUint32(this.#page + 8, this.#pos - DATA, true);
    this.#view.setUint32(this.#page + 12, 0, true);
    this.#u8.fill(0, this.#page + this.#pos, this.#page + PAGE_BYTES);
    this.#page += PAGE_BYTES;
    this.#pos = DATA;
    if (this.#page === this.#u8.length) this.#write();
  }

  #write(): void {
    this.#file.write(this.#u8, this.#page);
    this.#page = 0;
  }
}
