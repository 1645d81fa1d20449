/** A classic pcap file as capture points fill it: of each packet only time and bytes; names, flags, ids and comments are left out. */
import { InvariantError } from '../../sim/invariant.ts';
import type { Present } from './capture_file.ts';
import type { PacketWriter } from './packet_writer.ts';
import { PcapWriter } from './pcap_writer.ts';
import type { CaptureInterface } from './pcapng_writer.ts';

export class PcapPackets implements PacketWriter {
  readonly #path: string;
  readonly #resolution: 'ns' | 'us';
  readonly #present: Present;
  #writer: PcapWriter | null = null;

  /** The file begins when its only interface is described. */
  constructor(path: string, resolution: 'ns' | 'us', present: Present) {
    this.#path = path;
    this.#resolution = resolution;
    this.#present = present;
  }

  /** Throws CaptureWriteError. */
  addInterface({ linkType, snapLen }: CaptureInterface): number {
    if (this.#writer !== null) throw new InvariantError(`${this.#path}: a second interface in a classic pcap file`);
    const known = { ...(linkType === undefined ? {} : { linkType }), ...(snapLen === undefined ? {} : { snapLen }) };
    this.#writer = new PcapWriter(this.#path, { resolution: this.#resolution, present: this.#present, ...known });
    return 0;
  }

  addNames(): void {}

  get bytes(): number {
    return this.#file.bytes;
  }

  packets(): number {
    return this.#file.packets;
  }

  packet(_interfaceId: number, timeNs: number, u8: Uint8Array, offset: number, captured: number, original: number): void {
    this.#file.packet(timeNs, u8, offset, captured, original);
  }

  beginPacket(_interfaceId: number, timeNs: number, captured: number, original: number): void {
    this.#file.begin(timeNs, captured, original);
  }

  append(u8: Uint8Array, offset: number, length: number): void {
    this.#file.append(u8, offset, length);
  }

  dropCount(): void {}

  customOption(): void {}

  endPacket(): void {
    this.#file.end();
  }

  setStatistics(): void {}

  close(): void {
    this.#file.close();
  }

  get #file(): PcapWriter {
    if (this.#writer === null) throw new InvariantError(`${this.#path}: no interface has been described`);
    return this.#writer;
  }
}
