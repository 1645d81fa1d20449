/** Writes the classic pcap format (draft-ietf-opsawg-pcap), which every tool reads: one link type, no options. Little-endian, in ns or µs. */
import type { ByteBlock } from '../../sim/byte_heap.ts';
import { InvariantError } from '../../sim/invariant.ts';
import type { BlockFormat, Present } from './block_format.ts';
import type { CaptureBuffers } from './capture_buffers.ts';
import { CaptureFile } from './capture_file.ts';
import { LINKTYPE_ETHERNET, MAXIMUM_SNAPLEN } from './pcapng_format.ts';
import { DEFAULT_START_EPOCH_NS } from './pcapng_writer.ts';

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const NS_PER_SECOND = 1_000_000_000;

export interface PcapWriterOptions {
  resolution?: 'ns' | 'us';
  linkType?: number;
  snapLen?: number;
  /** The instant of virtual time 0, in ns since 1970. */
  startEpochNs?: bigint;
  /** Shared with other files. */
  buffers?: CaptureBuffers;
  /** Given: packets come in any order and are written in order of time; see TimeOrder. */
  present?: Present;
}

export class PcapWriter {
  /** Packets written. */
  packets = 0;
  readonly #file: CaptureFile;
  readonly #nsPerUnit: number;
  readonly #epochSeconds: number;
  readonly #epochNs: number;
  /** Where the data of the packet under construction ends, relative to its start. */
  #dataEnd = 0;

  constructor(path: string, options: PcapWriterOptions = {}) {
    const epoch = options.startEpochNs ?? DEFAULT_START_EPOCH_NS;
    this.#epochSeconds = Number(epoch / 1_000_000_000n);
    this.#epochNs = Number(epoch % 1_000_000_000n);
    this.#nsPerUnit = options.resolution === 'us' ? 1000 : 1;
    this.#file = new CaptureFile(
      path,
      new PcapRecords(this.#nsPerUnit, this.#epochSeconds, this.#epochNs),
      options.buffers,
      options.present,
    );
    this.#header(options);
    this.#file.flush();
  }

  get path(): string {
    return this.#file.path;
  }

  /** Bytes of the file so far. */
  get bytes(): number {
    return this.#file.bytes;
  }

  /** A packet: `captured` of `bytes` from `offset`, of `original` on the wire. */
  packet(timeNs: number, bytes: ByteBlock, offset: number, captured: number, original: number): void {
    this.begin(timeNs, captured, original);
    this.#file.copy(bytes, offset, captured);
    this.end();
  }

  /** Opens a packet whose `captured` bytes come in pieces, by `append`; `end` closes it. */
  begin(timeNs: number, captured: number, original: number): void {
    const file = this.#file;
    file.reserve(RECORD_HEADER_BYTES + captured);
    const wholeSeconds = Math.floor(timeNs / NS_PER_SECOND);
    let ns = timeNs - wholeSeconds * NS_PER_SECOND + this.#epochNs;
    let seconds = wholeSeconds + this.#epochSeconds;
    if (ns >= NS_PER_SECOND) {
      ns -= NS_PER_SECOND;
      seconds++;
    }
    file.u32(seconds);
    file.u32(Math.floor(ns / this.#nsPerUnit));
    file.u32(captured);
    file.u32(original);
    this.#dataEnd = file.pos - file.blockStart + captured;
  }

  append(bytes: ByteBlock, offset: number, length: number): void {
    this.#file.copy(bytes, offset, length);
  }

  end(): void {
    const file = this.#file;
    const missing = this.#dataEnd - (file.pos - file.blockStart);
    if (missing !== 0) throw new InvariantError(`${this.path}: ${missing} bytes fewer than were announced`);
    file.commit();
    this.packets++;
  }

  flush(): void {
    this.#file.flush();
  }

  close(): void {
    this.#file.close();
  }

  #header(options: PcapWriterOptions): void {
    const file = this.#file;
    file.reserve(FILE_HEADER_BYTES);
    file.u32(this.#nsPerUnit === 1 ? MAGIC_NANOSECONDS : MAGIC_MICROSECONDS);
    file.u16(2);
    file.u16(4);
    file.u32(0);
    file.u32(0);
    file.u32(options.snapLen ?? MAXIMUM_SNAPLEN);
    file.u32(options.linkType ?? LINKTYPE_ETHERNET);
    file.commit();
  }
}

/** Records of a file of ours; its header counts as one. Times are virtual ns, as exact as the file's. */
class PcapRecords implements BlockFormat {
  readonly headBytes = RECORD_HEADER_BYTES;
  readonly #nsPerUnit: number;
  readonly #epochSeconds: number;
  readonly #epochNs: number;

  constructor(nsPerUnit: number, epochSeconds: number, epochNs: number) {
    this.#nsPerUnit = nsPerUnit;
    this.#epochSeconds = epochSeconds;
    this.#epochNs = epochNs;
  }

  lengthAt(view: DataView, at: number, fileOffset: number): number {
    return fileOffset === 0 ? FILE_HEADER_BYTES : RECORD_HEADER_BYTES + view.getUint32(at + 8, true);
  }

  timeAt(view: DataView, at: number, fileOffset: number): number {
    if (fileOffset === 0) return Number.NEGATIVE_INFINITY;
    const seconds = view.getUint32(at, true) - this.#epochSeconds;
    return seconds * NS_PER_SECOND + view.getUint32(at + 4, true) * this.#nsPerUnit - this.#epochNs;
  }
}
