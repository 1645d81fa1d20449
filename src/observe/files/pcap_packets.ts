/** A classic pcap file as capture points fill it: of each packet only time and bytes; names, flags, ids and comments are left out. */
import type { ByteBlock } from '../../sim/byte_heap.ts';
import { InvariantError } from '../../sim/invariant.ts';
import type { Present } from './block_format.ts';
import type { CaptureBuffers } from './capture_buffers.ts';
import type { CaptureInterface, PacketWriter } from './packet_writer.ts';
import { PcapWriter } from './pcap_writer.ts';

export class PcapPackets implements PacketWriter {
  readonly #path: string;
  readonly #resolution: 'ns' | 'us';
  readonly #present: Present;
  readonly #buffers: CaptureBuffers;
  #writer: PcapWriter | null = null;

  /** The file begins when its only interface is described. */
  constructor(path: string, resolution: 'ns' | 'us', present: Present, buffers: CaptureBuffers) {
    this.#path = path;
    this.#resolution = resolution;
    this.#present = present;
    this.#buffers = buffers;
  }

  /** Throws CaptureWriteError. */
  addInterface({ linkType, snapLen }: CaptureInterface): number {
    if (this.#writer !== null) throw new InvariantError(`${this.#path}: a second interface in a classic pcap file`);
    const known = { ...(linkType === undefined ? {} : { linkType }), ...(snapLen === undefined ? {} : { snapLen }) };
    this.#writer = new PcapWriter(this.#path, { resolution: this.#resolution, present: this.#present, buffers: this.#buffers, ...known });
    return 0;
  }

  addNames(): void {}

  get bytes(): number {
    return this.#file.bytes;
  }

  packets(): number {
    return this.#file.packets;
  }

  packet(_interfaceId: number, timeNs: number, bytes: ByteBlock, offset: number, captured: number, original: number): void {
    this.#file.packet(timeNs, bytes, offset, captured, original);
  }

  beginPacket(_interfaceId: number, timeNs: number, captured: number, original: number): void {
    this.#file.begin(timeNs, captured, original);
  }

  append(bytes: ByteBlock, offset: number, length: number): void {
    this.#file.append(bytes, offset, length);
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
