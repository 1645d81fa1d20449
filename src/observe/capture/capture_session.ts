/** All captures of a run: one pcapng file a capture point, streamed, closed together. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CaptureWriteError } from '../files/capture_file.ts';
import { PcapngWriter } from '../files/pcapng_writer.ts';
import { HOST_OS, NIC_HARDWARE } from '../identity.ts';

/** One file being written. `interfaceId` is 0: each point has a file of its own. */
export interface CapturePoint {
  readonly file: string;
  readonly point: string;
  readonly writer: PcapngWriter;
  /** What the point saw, whether its filter wanted it or not. */
  received: number;
  /** What was lost there: written with the reason as comment, or not shown at all. */
  dropped: number;
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
}

export class CaptureSession {
  readonly directory: string;
  readonly #points: CapturePoint[] = [];
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
    const { file, point, ...networkInterface } = description;
    const writer = new PcapngWriter(join(this.directory, file), { os: HOST_OS, hardware: NIC_HARDWARE, application: this.#application });
    writer.addInterface({ ...networkInterface, os: HOST_OS, fcsLength: 0 }, nowNs);
    if (this.#names.length > 0) writer.addNames(this.#names.map((entry) => ({ ...entry })));
    const opened: CapturePoint = { file, point, writer, received: 0, dropped: 0 };
    this.#points.push(opened);
    return opened;
  }

  /** Writes statistics and closes everything. */
  close(nowNs: number): CaptureSummary[] {
    return this.#points.map(({ file, point, writer, received, dropped }) => {
      const frames = writer.packets(0);
      writer.setStatistics(0, { received, dropped, filterAccepted: frames });
      writer.close(nowNs);
      return { file, point, frames };
    });
  }
}

/** With all folders above it that are missing. One by one: Node's own `recursive` never returns where a file system refuses new folders with ENOENT (/proc). */
function makeFolder(directory: string): void {
  const missing: string[] = [];
  for (let at = resolve(directory); !existsSync(at); at = dirname(at)) missing.unshift(at);
  for (const folder of missing) mkdirSync(folder);
}
