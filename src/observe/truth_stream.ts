/** For truth.jsonl: which stretches of a TCP stream went by on a wire, so that one that comes again is known. */

/** How many stretches are kept before those that were acknowledged are looked for. */
const FORGET_AT = 4096;
const PART_BITS = 16;

export const before = (a: number, b: number): boolean => ((a - b) | 0) < 0;
const partOf = (seq: number): number => (seq >>> 0) >>> PART_BITS;
const nextPart = (part: number): number => (part + 1) & (0xffff_ffff >>> PART_BITS);

/** A stretch of a TCP stream that went by. */
export interface Sent {
  readonly seq: number;
  readonly end: number;
  readonly id: number;
  readonly arrives: boolean;
  /** Counts up as stretches are sent. */
  readonly order: number;
}

/** One direction of a connection on one wire. */
export class Stream {
  /**
   * What was sent, by parts of the sequence space (seq >>> PART_BITS) in the order in which they were begun; within one in the order of sending. A stretch is
   * in each part that it touches. So what a retransmission repeats is looked for in one or two parts and not in a whole window.
   */
  readonly #parts = new Map<number, Sent[]>();
  #count = 0;
  /** End of the data sent so far; null before the first. */
  highest: number | null = null;

  add(stretch: Sent): void {
    const last = partOf(stretch.end - 1);
    for (let part = partOf(stretch.seq); ; part = nextPart(part)) {
      const sent = this.#parts.get(part);
      if (sent === undefined) this.#parts.set(part, [stretch]);
      else sent.push(stretch);
      this.#count++;
      if (part === last) return;
    }
  }

  /** The stretches that share bytes with this one, in the order in which they were sent. */
  overlapping(seq: number, end: number): Sent[] {
    const found = new Set<Sent>();
    const last = partOf(end - 1);
    for (let part = partOf(seq); ; part = nextPart(part)) {
      for (const other of this.#parts.get(part) ?? []) if (before(other.seq, end) && before(seq, other.end)) found.add(other);
      if (part === last) break;
    }
    return [...found].sort((a, b) => a.order - b.order);
  }

  /** What a receiver has confirmed will not be sent again, but for the newest: a sender that has not heard of it yet may repeat them. */
  forget(ack: number): void {
    if (this.#count < FORGET_AT) return;
    for (const [part, sent] of this.#parts) {
      if (this.#count - sent.length < FORGET_AT / 2 || sent.some(({ end }) => before(ack, end))) return;
      this.#parts.delete(part);
      this.#count -= sent.length;
    }
  }
}
