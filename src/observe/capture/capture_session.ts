/** All captures of a run: one pcapng file a capture point, streamed, closed together. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CaptureWriteError } from '../files/capture_file.ts';
import { PcapngWriter } from '../files/pcapng_writer.ts';
import { HOST_OS, NIC_HARDWARE } from '../identity.ts';

/** One capture point and the file that it writes to at present. `interfaceId` is 0: each point has files of its own. */
export interface CapturePoint {
  readonly file: string;
  readonly point: string;
  /** Another one after each change of files: not to be kept. */
  writer: PcapngWriter;
  /** What the point saw, whether its filter wanted it or not. */
  received: number;
  /** What was lost there: written with the reason as comment, or not shown at all. */
  dropped: number;
  /** Begins the next file if this one is as large as it may become. */
  limit(nowNs: number): void;
}

export interface CaptureSummary {
  file: string;
  point: string;
  frames: number;
}

export interface PointDescription {
  readonly file: string;
  readonly point: string;
  readonly name: string;
  readonly description: string;
  readonly mac?: Uint8Array;
  readonly ipv4?: readonly { address: number; prefixLength: number }[];
  readonly speedBps?: number;
  readonly snapLen?: number;
  readonly hardware?: string;
  readonly filter?: string;
  /** LINKTYPE_*; Ethernet unless said otherwise. */
  readonly linkType?: number;
  /** Bytes after which the next file begins, as `tcpdump -C`: FILE, FILE1, FILE2 … */
  readonly maximumBytes?: number;
  /** How many files there may be, as `tcpdump -W`: FILE0 … FILEn, the oldest of which is written over. */
  readonly files?: number;
}

export class CaptureSession {
  readonly directory: string;
  readonly #points: Point[] = [];
  readonly #names: readonly { address: number; name: string }[];
  readonly #application: string;

  /** `names` go into every file's name resolution block. */
  constructor(directory: string, application: string, names: readonly { address: number; name: string }[]) {
    this.directory = directory;
    this.#application = application;
    this.#names = names;
    try {
      makeFolder(directory);
    } catch (error) {
      throw new CaptureWriteError(directory, 'create a folder for', error);
    }
  }

  get points(): readonly CapturePoint[] {
    return this.#points;
  }

  /** Opens the file of a capture point. Throws CaptureWriteError when that fails. */
  open(description: PointDescription, nowNs: number): CapturePoint {
    const point = new Point(description, (file, now) => this.#create(description, file, now), nowNs);
    this.#points.push(point);
    return point;
  }

  #create(description: PointDescription, file: string, nowNs: number): PcapngWriter {
    const { file: _name, point: _point, maximumBytes: _maximum, files: _files, ...networkInterface } = description;
    const writer = new PcapngWriter(join(this.directory, file), { os: HOST_OS, hardware: NIC_HARDWARE, application: this.#application });
    writer.addInterface({ ...networkInterface, os: HOST_OS, fcsLength: 0 }, nowNs);
    if (this.#names.length > 0) writer.addNames(this.#names.map((entry) => ({ ...entry })));
    return writer;
  }

  /** Writes statistics and closes everything. */
  close(nowNs: number): CaptureSummary[] {
    return this.#points.flatMap((point) => point.close(nowNs));
  }
}

class Point implements CapturePoint {
  readonly file: string;
  readonly point: string;
  writer: PcapngWriter;
  received = 0;
  dropped = 0;
  readonly #maximumBytes: number;
  readonly #files: number;
  readonly #create: (file: string, nowNs: number) => PcapngWriter;
  readonly #closed = new Map<string, CaptureSummary>();
  #number = 0;

  constructor(description: PointDescription, create: (file: string, nowNs: number) => PcapngWriter, nowNs: number) {
    this.file = description.file;
    this.point = description.point;
    this.#maximumBytes = description.maximumBytes ?? Number.POSITIVE_INFINITY;
    this.#files = description.files ?? 0;
    this.#create = create;
    this.writer = create(this.#name(), nowNs);
  }

  limit(nowNs: number): void {
    if (this.writer.bytes < this.#maximumBytes) return;
    this.#finish(nowNs);
    this.#number++;
    this.writer = this.#create(this.#name(), nowNs);
  }

  close(nowNs: number): CaptureSummary[] {
    this.#finish(nowNs);
    return [...this.#closed.values()];
  }

  /** A ring's numbers have as many digits as its highest. */
  #name(): string {
    if (this.#files === 0) return this.#number === 0 ? this.file : `${this.file}${this.#number}`;
    return `${this.file}${String(this.#number % this.#files).padStart(String(this.#files - 1).length, '0')}`;
  }

  #finish(nowNs: number): void {
    const frames = this.writer.packets(0);
    this.writer.setStatistics(0, { received: this.received, dropped: this.dropped, filterAccepted: frames });
    this.writer.close(nowNs);
    this.received = this.dropped = 0;
    const file = this.#name();
    // Written over: the last one stands at the end.
    this.#closed.delete(file);
    this.#closed.set(file, { file, point: this.point, frames });
  }
}

/** With all folders above it that are missing. One by one: Node's own `recursive` never returns where a file system refuses new folders with ENOENT (/proc). */
function makeFolder(directory: string): void {
  const missing: string[] = [];
  for (let at = resolve(directory); !existsSync(at); at = dirname(at)) missing.unshift(at);
  for (const folder of missing) mkdirSync(folder);
}
