/** All captures of a run: a file a capture point, or one for several, streamed, closed together. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Simulation } from '../../sim/simulation.ts';
import type { Present } from '../files/block_format.ts';
import { CaptureBuffers } from '../files/capture_buffers.ts';
import { CaptureWriteError } from '../files/output_file.ts';
import type { CaptureInterface, PacketWriter } from '../files/packet_writer.ts';
import { PcapPackets } from '../files/pcap_packets.ts';
import { PcapngWriter } from '../files/pcapng_writer.ts';
import { HOST_OS, NIC_HARDWARE } from '../identity.ts';
import type { CaptureFormat } from './capture_format.ts';

/** One capture point: an interface of the file that it writes to. */
export interface CapturePoint {
  readonly file: string;
  readonly point: string;
  readonly interfaceId: number;
  /** Another one after each change of files: not to be kept. */
  readonly writer: PacketWriter;
  /** What the point saw, whether its filter wanted it or not. */
  received: number;
  /** What its filter wanted. */
  accepted: number;
  /** What was lost there: each is written with its reason as comment and a drop count of 1. */
  dropped: number;
  /** Begins the next file if this one is as large as it may become. */
  limit(nowNs: number): void;
}

export interface CaptureSummary {
  file: string;
  point: string;
  frames: number;
}

export interface PointDescription extends Omit<CaptureInterface, 'os' | 'fcsLength'> {
  /** Points that name the same file share it: each is an interface of its own there. */
  readonly file: string;
  readonly point: string;
  readonly format: CaptureFormat;
  /** Bytes after which the next file begins, as `tcpdump -C`: FILE, FILE1, FILE2 … */
  readonly maximumBytes?: number;
  /** How many ns after it happened the point may learn of a packet. */
  readonly latenessNs?: number;
  /** How many files there may be, as `tcpdump -W`: FILE0 … FILEn, the oldest of which is written over. */
  readonly files?: number;
}

export class CaptureSession {
  readonly directory: string;
  readonly #outputs = new Map<string, Output>();
  readonly #names: readonly { address: number; name: string }[];
  readonly #application: string;
  readonly #present: Present;
  readonly #buffers: CaptureBuffers;

  /** `names` go into every file's name resolution block; nothing that is seen before the simulation's present is still to come. */
  constructor(directory: string, application: string, names: readonly { address: number; name: string }[], simulation: Simulation) {
    this.directory = directory;
    this.#application = application;
    this.#names = names;
    this.#present = () => simulation.now;
    this.#buffers = new CaptureBuffers(simulation.bytes);
    try {
      makeFolder(directory);
    } catch (error) {
      throw new CaptureWriteError(directory, 'create a folder for', error);
    }
  }

  get points(): readonly CapturePoint[] {
    return [...this.#outputs.values()].flatMap(({ points }) => points);
  }

  /** Opens a capture point, and its file if no other point writes to it. Throws CaptureWriteError when that fails. */
  open(description: PointDescription, nowNs: number): CapturePoint {
    let output = this.#outputs.get(description.file);
    if (output === undefined) {
      output = new Output(description, (file, lateness) => this.#create(description.format, file, () => this.#present() - lateness()));
      this.#outputs.set(description.file, output);
    }
    return output.add(description, nowNs);
  }

  #create(format: CaptureFormat, file: string, present: Present): PacketWriter {
    const path = join(this.directory, file);
    if (format !== 'pcapng') return new PcapPackets(path, format === 'pcap' ? 'us' : 'ns', present, this.#buffers);
    const about = { os: HOST_OS, hardware: NIC_HARDWARE, application: this.#application, present, buffers: this.#buffers };
    const writer = new PcapngWriter(path, about);
    if (this.#names.length > 0) writer.addNames(this.#names);
    return writer;
  }

  /** Writes statistics and closes everything. */
  close(nowNs: number): CaptureSummary[] {
    try {
      return [...this.#outputs.values()].flatMap((output) => output.close(nowNs));
    } finally {
      this.#buffers.close();
    }
  }
}

/** A file, or the files that follow each other under one name. */
class Output {
  readonly points: Point[] = [];
  writer: PacketWriter;
  readonly #name: string;
  readonly #maximumBytes: number;
  readonly #files: number;
  readonly #create: (file: string, lateness: () => number) => PacketWriter;
  #latenessNs = 0;
  readonly #closed = new Map<string, CaptureSummary[]>();
  #number = 0;

  constructor({ file, maximumBytes, files }: PointDescription, create: (file: string, lateness: () => number) => PacketWriter) {
    this.#name = file;
    this.#maximumBytes = maximumBytes ?? Number.POSITIVE_INFINITY;
    this.#files = files ?? 0;
    this.#create = create;
    this.writer = this.#open();
  }

  add(description: PointDescription, nowNs: number): Point {
    const { file, point, format: _format, maximumBytes: _maximum, files: _files, latenessNs = 0, ...networkInterface } = description;
    this.#latenessNs = Math.max(this.#latenessNs, latenessNs);
    const described = { ...networkInterface, os: HOST_OS, fcsLength: 0 };
    const added = new Point(this, file, point, described, this.writer.addInterface(described, nowNs));
    this.points.push(added);
    return added;
  }

  #open(): PacketWriter {
    return this.#create(this.#file(), () => this.#latenessNs);
  }

  limit(nowNs: number): void {
    if (this.writer.bytes < this.#maximumBytes) return;
    this.#finish(nowNs);
    this.#number++;
    this.writer = this.#open();
    for (const { description } of this.points) this.writer.addInterface(description, nowNs);
  }

  close(nowNs: number): CaptureSummary[] {
    this.#finish(nowNs);
    return [...this.#closed.values()].flat();
  }

  /** A ring's numbers have as many digits as its highest. */
  #file(): string {
    if (this.#files === 0) return this.#number === 0 ? this.#name : `${this.#name}${this.#number}`;
    return `${this.#name}${String(this.#number % this.#files).padStart(String(this.#files - 1).length, '0')}`;
  }

  #finish(nowNs: number): void {
    const file = this.#file();
    const summaries = this.points.map(({ point, interfaceId }) => ({ file, point, frames: this.writer.packets(interfaceId) }));
    for (const point of this.points) point.finish();
    this.writer.close(nowNs);
    // Written over: the last one stands at the end.
    this.#closed.delete(file);
    this.#closed.set(file, summaries);
  }
}

class Point implements CapturePoint {
  readonly file: string;
  readonly point: string;
  readonly description: CaptureInterface;
  readonly interfaceId: number;
  received = 0;
  accepted = 0;
  dropped = 0;
  readonly #output: Output;

  constructor(output: Output, file: string, point: string, description: CaptureInterface, interfaceId: number) {
    this.#output = output;
    this.file = file;
    this.point = point;
    this.description = description;
    this.interfaceId = interfaceId;
  }

  get writer(): PacketWriter {
    return this.#output.writer;
  }

  limit(nowNs: number): void {
    this.#output.limit(nowNs);
  }

  /** Hands its counters to the file that ends. */
  finish(): void {
    const { received, accepted, dropped } = this;
    this.writer.setStatistics(this.interfaceId, { received, dropped, filterAccepted: accepted });
    this.received = this.accepted = this.dropped = 0;
  }
}

/** With all folders above it that are missing. One by one: Node's own `recursive` never returns where a file system refuses new folders with ENOENT (/proc). */
function makeFolder(directory: string): void {
  const missing: string[] = [];
  for (let at = resolve(directory); !existsSync(at); at = dirname(at)) missing.unshift(at);
  for (const folder of missing) mkdirSync(folder);
}
