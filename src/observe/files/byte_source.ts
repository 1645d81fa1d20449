/** A file read in chunks: the reader asks for so many bytes in one piece and gets them in a buffer that only grows with the largest piece asked for. */
import fs from 'node:fs';
import zlib from 'node:zlib';
import { CaptureDamage, CaptureOpenError } from './capture_errors.ts';

const CHUNK_BYTES = 1 << 18;
/** Unpacked size up to which a .gz file is read. */
const MAX_GUNZIPPED = 1 << 30;

export class ByteSource {
  readonly path: string;
  /** Bytes `start` … `end` of the buffer are read and not consumed. */
  buf: Buffer = Buffer.alloc(0);
  view: DataView = new DataView(this.buf.buffer);
  start = 0;
  end = 0;
  /** Offset in the file of the buffer's first byte. */
  #base = 0;
  #fd = -1;
  #ended = false;

  constructor(path: string, chunkBytes = CHUNK_BYTES) {
    this.path = path;
    this.#fd = openForReading(path);
    this.#setBuffer(Buffer.allocUnsafeSlow(chunkBytes));
    try {
      if (this.available(2) && this.buf[0] === 0x1f && this.buf[1] === 0x8b) this.#unpack();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Offset in the file of the next byte. */
  get offset(): number {
    return this.#base + this.start;
  }

  /** Bytes that lie in the buffer from `start` on: all that are left once `available` has said no. */
  get left(): number {
    return this.end - this.start;
  }

  /** Brings `bytes` bytes into the buffer; false when the file ends before. */
  available(bytes: number): boolean {
    return this.end - this.start >= bytes || this.#fill(bytes);
  }

  /** Consumes bytes, which need not fit into the buffer; false when the file ends before. */
  skip(bytes: number): boolean {
    while (bytes > this.left) {
      bytes -= this.left;
      this.start = this.end;
      if (!this.available(1)) return false;
    }
    this.start += bytes;
    return true;
  }

  close(): void {
    if (this.#fd >= 0) fs.closeSync(this.#fd);
    this.#fd = -1;
    this.#ended = true;
  }

  #fill(bytes: number): boolean {
    this.#makeRoom(bytes);
    while (this.left < bytes && !this.#ended) {
      const got = this.#read();
      this.end += got;
      if (got === 0) this.#ended = true;
    }
    return this.left >= bytes;
  }

  #makeRoom(bytes: number): void {
    if (this.start + bytes <= this.buf.length) return;
    const target = bytes > this.buf.length ? Buffer.allocUnsafeSlow(2 * bytes) : this.buf;
    this.buf.copy(target, 0, this.start, this.end);
    this.#base += this.start;
    this.end -= this.start;
    this.start = 0;
    if (target !== this.buf) this.#setBuffer(target);
  }

  #setBuffer(buf: Buffer): void {
    this.buf = buf;
    this.view = new DataView(buf.buffer, buf.byteOffset, buf.length);
  }

  #read(): number {
    try {
      return fs.readSync(this.#fd, this.buf, this.end, this.buf.length - this.end, null);
    } catch (error) {
      throw new CaptureOpenError(this.path, `cannot be read: ${(error as Error).message}`, error);
    }
  }

  /** A packed capture is unpacked in memory, at once: zlib’s streams are asynchronous, and reading is not. */
  #unpack(): void {
    const packed = Buffer.concat([this.buf.subarray(this.start, this.end), fs.readFileSync(this.#fd)]);
    this.close();
    this.#setBuffer(gunzip(this.path, packed));
    this.start = 0;
    this.end = this.buf.length;
  }
}

function openForReading(path: string): number {
  try {
    return fs.openSync(path, 'r');
  } catch (error) {
    throw new CaptureOpenError(path, `cannot be opened: ${(error as Error).message}`, error);
  }
}

/** Unpacks; of a file that was cut, what there is: the reader then says where the capture ends. */
function gunzip(path: string, packed: Buffer): Buffer {
  try {
    return zlib.gunzipSync(packed, { finishFlush: zlib.constants.Z_SYNC_FLUSH, maxOutputLength: MAX_GUNZIPPED });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new CaptureOpenError(path, `unpacks to more than ${MAX_GUNZIPPED >> 20} MiB; unpack it with gunzip first`, error);
    }
    throw new CaptureDamage(path, 0, `gzip data that cannot be unpacked (${(error as Error).message})`, 'an intact .gz file', 0);
  }
}
