/**
 * Wireshark itself (4.4, as WebAssembly) asked about captures: does it accept the file, which frames does a display filter match, what does it show of a
 * field. Loading takes about a second: a test file opens it once and loads one capture after the other.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { LoadResponse, ProtoTree, Vector, Wiregasm, WiregasmLoader } from '@goodtools/wiregasm';

/** One node of Wireshark's packet details. */
export interface Detail {
  /** The line as shown. */
  label: string;
  /** The filter that would match it: `tcp.seq == 1`. */
  filter: string;
  details: Detail[];
}

/** A capture as Wireshark sees it; valid until the next one is loaded. */
export interface Dissection {
  packetCount: number;
  /** "Wireshark/... - pcapng", … */
  fileType: string;
  /** Numbers (from 1) of the frames that match a display filter. Throws for a filter that Wireshark does not know. */
  filter(displayFilter: string): number[];
  /** The columns of the packet list: number, time, source, destination, protocol, length, info. */
  columns(frame: number): string[];
  /** The values of a field in one frame, as a filter would spell them, without quotes. */
  field(frame: number, name: string): string[];
  /** The whole packet details of one frame. */
  details(frame: number): Detail[];
}

export class WiresharkError extends Error {
  override readonly name = 'WiresharkError';
}

export class Wireshark {
  readonly #wiregasm: Wiregasm;
  #loaded = 0;

  constructor(wiregasm: Wiregasm) {
    this.#wiregasm = wiregasm;
  }

  get version(): string {
    return this.#wiregasm.lib.wiresharkVersion();
  }

  /** Loads a capture, given as bytes or as a path. Throws when Wireshark does not accept it to its end. */
  load(capture: Uint8Array | string): Dissection {
    const bytes = typeof capture === 'string' ? readFileSync(capture) : capture;
    const serial = ++this.#loaded;
    const response = this.#wiregasm.load('capture', bytes);
    checkLoaded(response);
    return new LoadedCapture(this.#wiregasm, response, () => serial === this.#loaded);
  }

  close(): void {
    this.#wiregasm.destroy();
  }
}

/** Loads Wireshark, silently, with all checksums verified. */
export async function openWireshark(): Promise<Wireshark> {
  const require = createRequire(import.meta.url);
  const main = require('@goodtools/wiregasm') as { Wiregasm: new () => Wiregasm };
  const loader = require('@goodtools/wiregasm/dist/wiregasm.js') as WiregasmLoader;
  const dist = dirname(require.resolve('@goodtools/wiregasm/dist/wiregasm.js'));
  const wiregasm = new main.Wiregasm();
  await wiregasm.init(loader, { locateFile: (file) => join(dist, file), print: ignore, printErr: ignore, handleStatus: ignore });
  for (const protocol of ['ip', 'tcp', 'udp']) wiregasm.set_pref(protocol, 'check_checksum', 'true');
  wiregasm.apply_prefs();
  return new Wireshark(wiregasm);
}

class LoadedCapture implements Dissection {
  readonly packetCount: number;
  readonly fileType: string;
  readonly #wiregasm: Wiregasm;
  readonly #current: () => boolean;

  constructor(wiregasm: Wiregasm, response: LoadResponse, current: () => boolean) {
    this.#wiregasm = wiregasm;
    this.#current = current;
    this.packetCount = response.summary.packet_count;
    this.fileType = response.summary.file_type;
  }

  filter(displayFilter: string): number[] {
    this.#check();
    // Without this a filter with a typing error would match nothing, and tests would pass.
    const checked = this.#wiregasm.test_filter(displayFilter);
    if (!checked.ok) throw new WiresharkError(`filter ${displayFilter}: ${checked.error}`);
    return toArray(this.#wiregasm.frames(displayFilter).frames).map((frame) => frame.number);
  }

  columns(frame: number): string[] {
    this.#check();
    const row = this.#wiregasm.frames('', frame - 1, 1).frames;
    if (row.size() !== 1) throw new WiresharkError(`frame ${frame} of ${this.packetCount}`);
    return toArray(row.get(0).columns);
  }

  field(frame: number, name: string): string[] {
    return collect(this.details(frame), name, []);
  }

  details(frame: number): Detail[] {
    this.#check();
    return toDetails(this.#wiregasm.frame(frame).tree);
  }

  #check(): void {
    if (!this.#current()) throw new WiresharkError('another capture has been loaded meanwhile');
  }
}

/** Negative codes come without a message: wtap's error numbers. */
function checkLoaded(response: LoadResponse): void {
  if (response.code === 0) return;
  const known = new Map([
    [-12, 'the file is cut short'],
    [-13, 'the file is damaged'],
  ]);
  throw new WiresharkError(`Wireshark does not accept the capture: ${known.get(response.code) ?? response.error} (${response.code})`);
}

function toDetails(tree: Vector<ProtoTree>): Detail[] {
  return toArray(tree).map((node) => ({ label: node.label, filter: node.filter, details: toDetails(node.tree) }));
}

function collect(details: Detail[], name: string, into: string[]): string[] {
  for (const detail of details) {
    const value = detail.filter.startsWith(`${name} == `) ? detail.filter.slice(name.length + 4) : null;
    if (value !== null) into.push(value.replace(/^"(.*)"$/s, '$1'));
    collect(detail.details, name, into);
  }
  return into;
}

function toArray<T>(vector: Vector<T>): T[] {
  return Array.from({ length: vector.size() }, (_, i) => vector.get(i));
}

function ignore(): void {}
