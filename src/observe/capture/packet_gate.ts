/** What stands before each capture file: counts what the point saw, asks its filter, cuts to its snap length. */
import type { CapturePoint } from './capture_session.ts';
import type { FilterProgram } from './filter/filter_program.ts';

export interface GateOptions {
  /** Bytes of each packet that are kept. */
  readonly snapLen: number;
  /** Null: everything. */
  readonly filter: FilterProgram | null;
}

export class PacketGate {
  readonly point: CapturePoint;
  readonly snapLen: number;
  readonly #filter: FilterProgram | null;

  constructor(point: CapturePoint, { snapLen, filter }: GateOptions) {
    this.point = point;
    this.snapLen = snapLen;
    this.#filter = filter;
  }

  /** Does the point want this packet of `length` bytes? `available` of them lie in `u8` at `start`. */
  wants(u8: Uint8Array, start: number, available: number, length: number, now: number): boolean {
    this.point.limit(now);
    this.point.received++;
    return this.#filter === null || this.#filter.matches(u8, start, available, length);
  }

  kept(length: number): number {
    return length < this.snapLen ? length : this.snapLen;
  }
}
