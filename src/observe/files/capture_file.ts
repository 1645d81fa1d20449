/**
 * Output of one capture file: a buffer that is filled in place and written always up to the end of a whole block, a large one by a second thread while the next one is
 * filled. So whatever happens to the process, and whenever, the file ends with a whole block and every tool can open it.
 */
import type { ByteBlock } from '../../sim/byte_heap.ts';
import { finishAtExit } from './at_exit.ts';
import type { BlockFormat, Present } from './block_format.ts';
import { CaptureBuffers, roomIn } from './capture_buffers.ts';
import { DISK_BLOCK } from './direct_io.ts';
import { CaptureWriteError, OutputFile } from './output_file.ts';
import { TimeOrder } from './time_order.ts';

export class CaptureFile {
  readonly path: string;
  /** Filled by the writer from `pos` on, after `reserve`, which may replace and move them. */
  buf: Buffer;
  view: DataView;
  pos: number;
  /** Start of the block under construction; what lies before it is whole. */
  blockStart: number;
  /** Where the bytes begin that are not in the file yet: at the place within a disk block that they will have there, so that the disk can read them from here. */
  #start: number;
  #limit: number;
  #block: ByteBlock;
  /** The buffer that another thread is writing. */
  #handed: Handed | null = null;
  readonly #file: OutputFile;
  readonly #buffers: CaptureBuffers;
  #failure: CaptureWriteError | null = null;
  readonly #format: BlockFormat;
  readonly #order: TimeOrder | null;
  readonly #planned: () => void;
  readonly #ownBuffers: boolean;
  #ended = false;

  /** Without `present` blocks are written as they come. */
  constructor(path: string, format: BlockFormat, buffers: CaptureBuffers | null = null, present: Present | null = null) {
    this.path = path;
    this.#format = format;
    this.#order = present === null ? null : new TimeOrder(format, present);
    this.#file = new OutputFile(path);
    this.#ownBuffers = buffers === null;
    this.#buffers = buffers ?? new CaptureBuffers();
    this.#block = this.#buffers.take();
    this.buf = bytesOf(this.#block);
    this.view = this.#block.view;
    this.#start = this.pos = this.blockStart = this.#place();
    this.#limit = this.#start + roomIn(this.#block);
    this.#planned = finishAtExit(() => this.close());
  }

  /** Bytes of whole blocks so far, written or not. */
  get bytes(): number {
    return this.#file.size + this.blockStart - this.#start;
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
    this.#order?.add(this.view, this.blockStart, this.#file.size - this.#start);
    this.blockStart = this.pos;
  }

  /** Forgets the block under construction. */
  abandon(): void {
    this.pos = this.blockStart;
  }

  /** Writes all whole blocks, or those that nothing earlier can come before. */
  flush(): void {
    if (this.#failure !== null) throw this.#failure;
    this.#settle();
    const ready = this.#ready();
    if (ready !== this.#start) this.#write(ready);
  }

  /** Writes what is whole and closes the file; also after an error, which it does not repeat. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#planned();
    try {
      if (this.#failure === null) this.flush();
    } finally {
      this.#limit = -1;
      this.#failure ??= new CaptureWriteError(this.path, 'write', new Error('it is closed'));
      this.#buffers.give(this.#block);
      if (this.#ownBuffers) this.#buffers.close();
      this.#file.close();
    }
  }

  /** Appends bytes of the caller's to the block under construction; `reserve` has made the room. */
  copy(bytes: ByteBlock, offset: number, length: number): void {
    bytes.copyTo(this.#block, this.pos, offset, length);
    this.pos += length;
  }

  /** The same with few bytes from anywhere. */
  copyShort(u8: Uint8Array): void {
    const { buf } = this;
    const to = this.pos;
    for (let i = 0; i < u8.length; i++) buf[to + i] = u8[i]!;
    this.pos = to + u8.length;
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

  /** The end of the blocks that may be written. */
  #ready(): number {
    if (this.#order === null) return this.blockStart;
    const end = this.#order.arrange(this.buf, this.blockStart, this.#ended);
    // Else it is told when the blocks that are left have been moved.
    if (end === this.#start) this.#blocksMoved();
    return end;
  }

  #blocksMoved(): void {
    this.#order?.restart(this.view, this.#start, this.blockStart, this.#file.size - this.#start);
  }

  /** Has what is ready written, while the next blocks go into another buffer if a thread can do that. */
  #makeRoom(bytes: number): void {
    if (this.#failure !== null) throw this.#failure;
    this.#settle();
    const ready = this.#ready();
    if (ready !== this.#start && !this.#handOver(ready)) this.#write(ready);
    if (this.pos + bytes <= this.#limit) return;
    const small = this.#block;
    this.#moveTo(this.#buffers.take(2 * (this.pos + bytes)));
    this.#buffers.give(small);
  }

  /** Moves what is not in the file yet to where it belongs, in this buffer or in another one. */
  #moveTo(target: ByteBlock): void {
    const [from, buf] = [this.#start, this.buf];
    if (target !== this.#block) {
      this.#block = target;
      this.buf = bytesOf(target);
      this.view = target.view;
    }
    this.#start = this.#place();
    this.#limit = this.#start + roomIn(target);
    buf.copy(this.buf, this.#start, from, this.pos);
    this.pos += this.#start - from;
    this.blockStart += this.#start - from;
    this.#blocksMoved();
  }

  /** The first place in the buffer that lies in its page as the file's next byte will lie in its disk block. */
  #place(): number {
    return (DISK_BLOCK + ((this.#file.size - this.#block.origin) % DISK_BLOCK)) % DISK_BLOCK;
  }

  #write(end: number): void {
    const before = this.#file.size;
    try {
      this.#file.append(this.buf, this.#start, end, true);
    } catch (error) {
      throw this.#fail(error as CaptureWriteError, this.view, this.#start, before);
    }
    this.#start = end;
    this.#moveTo(this.#block);
  }

  #handOver(end: number): boolean {
    const [block, start, before] = [this.#block, this.#start, this.#file.size];
    const thread = this.#file.isLarge(end - start) ? this.#buffers.thread(block) : null;
    if (thread === null || !this.#file.appendLater(thread, block, start, end)) return false;
    this.#handed = { block, start, before };
    this.#start = end;
    this.#moveTo(this.#buffers.take(roomIn(block)));
    return true;
  }

  /** Returns when what was handed over is in the file. */
  #settle(): void {
    if (this.#handed === null) return;
    const { block, start, before } = this.#handed;
    this.#handed = null;
    try {
      this.#file.settle();
    } catch (error) {
      throw this.#fail(error as CaptureWriteError, block.view, start, before);
    } finally {
      this.#buffers.give(block);
    }
  }

  /**
   * Cuts off the part of a block that was still written, and refuses everything from now on: a gap would make the file unreadable. The bytes from `start` on were to
   * follow the first `before` ones of the file.
   */
  #fail(error: CaptureWriteError, view: DataView, start: number, before: number): CaptureWriteError {
    const limit = start + this.#file.size - before;
    this.#file.cut(before + wholeBlocks(this.#format, view, start, limit, before) - start);
    this.#failure = error;
    this.#limit = -1;
    this.#start = this.pos = this.blockStart = 0;
    return error;
  }
}

/** A full buffer on its way into the file: its bytes from `start` on follow the first `before` ones there. */
interface Handed {
  readonly block: ByteBlock;
  readonly start: number;
  readonly before: number;
}

const bytesOf = ({ buffer, origin, u8 }: ByteBlock): Buffer => Buffer.from(buffer, origin, u8.length);

/** The end of the last whole block between `start`, where one begins, and `limit`. `fileOffset` is where in the file `start` is. */
function wholeBlocks(format: BlockFormat, view: DataView, start: number, limit: number, fileOffset: number): number {
  let end = start;
  while (end + format.headBytes <= limit) {
    const length = format.lengthAt(view, end, fileOffset + end - start);
    if (end + length > limit) break;
    end += length;
  }
  return end;
}
