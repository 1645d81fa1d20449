/** What stands before each capture file: counts what the point saw, asks its filter, cuts to its snap length. */
import type { ByteBlock } from '../../sim/byte_heap.ts';
import type { PacketWriter } from '../files/packet_writer.ts';
import type { CapturePoint } from './capture_session.ts';
import type { FilterProgram } from './filter/filter_program.ts';

export interface GateOptions {
  /** Bytes of each packet that are kept. */
  readonly snapLen: number;
  /** Null: everything. */
  readonly filter: FilterProgram | null;
}

export class PacketGate {
  readonly interfaceId: number;
  readonly #point: CapturePoint;
  readonly #snapLen: number;
  readonly #filter: FilterProgram | null;

  constructor(point: CapturePoint, { snapLen, filter }: GateOptions) {
    this.interfaceId = point.interfaceId;
    this.#point = point;
    this.#snapLen = snapLen;
    this.#filter = filter;
  }

  /** Does the point want this packet of `length` bytes, that it has not `seen` before? `available` of them lie in `u8` at `start`. */
  wants(u8: Uint8Array, start: number, available: number, length: number, now: number, seen = false): boolean {
    const point = this.#point;
    point.limit(now);
    if (!seen) point.received++;
    if (this.#filter !== null && !this.#filter.matches(u8, start, available, length)) return false;
    if (!seen) point.accepted++;
    return true;
  }

  /** The file that the packet goes to, valid until the next `wants`. */
  get writer(): PacketWriter {
    return this.#point.writer;
  }

  kept(length: number): number {
    return length < this.#snapLen ? length : this.#snapLen;
  }

  /** Marks the packet under construction as lost; its comment says why. So the drop counts of a file add up to that of its statistics. */
  drop(): void {
    this.#point.dropped++;
    this.#point.writer.dropCount(1);
  }

  /** Writes a packet that was lost. */
  packetDropped(
    time: number,
    bytes: ByteBlock,
    start: number,
    length: number,
    flags: number,
    id: number,
    queue: number,
    comment: string,
  ): void {
    const captured = this.kept(length);
    const { writer } = this;
    writer.beginPacket(this.interfaceId, time, captured, length);
    writer.append(bytes, start, captured);
    this.drop();
    writer.endPacket(flags, id, queue, -1, comment);
  }
}
