/**
 * Brings the blocks of a capture into order of time. CPUs run ahead of the simulation and cards name times that are still to come, so what is seen first need not
 * be what happened first; a block waits in the file's buffer until nothing earlier can come. Blocks of one instant stay in the order in which they were made.
 */
import type { BlockFormat, Present } from './block_format.ts';

const FIRST_BLOCKS = 1024;

export class TimeOrder {
  readonly #format: BlockFormat;
  readonly #present: Present;
  #scratch = Buffer.alloc(0);
  /** Of the blocks in hand: where each begins, and when it was; the last start is the end of all. */
  #starts = new Int32Array(FIRST_BLOCKS + 1);
  #times = new Float64Array(FIRST_BLOCKS);
  #count = 0;

  constructor(format: BlockFormat, present: Present) {
    this.#format = format;
    this.#present = present;
  }

  /** Takes note of the next block, which begins at `at`; its place in the file is `fileOffset` more. Now its head is in the processor's caches, later it is not. */
  add(view: DataView, at: number, fileOffset: number): void {
    if (this.#count === this.#times.length) this.#grow();
    this.#starts[this.#count] = at;
    this.#times[this.#count++] = this.#format.timeAt(view, at, fileOffset + at);
  }

  /** Begins anew with the blocks from `from` to `limit`. */
  restart(view: DataView, from: number, limit: number, fileOffset: number): void {
    this.#count = 0;
    for (let at = from; at < limit; at += this.#format.lengthAt(view, at, fileOffset + at)) this.add(view, at, fileOffset);
  }

  /** Arranges the blocks, which end at `limit`; returns the end of those that may be written: all once the capture has `ended`. Then it has to begin anew. */
  arrange(buf: Buffer, limit: number, ended: boolean): number {
    const count = this.#count;
    this.#starts[count] = limit;
    const order = this.#inOrder(count) ? null : this.#sorted(count);
    if (order !== null) this.#copyInOrder(buf, this.#starts, order);
    if (ended) return limit;
    const present = this.#present();
    let ready = limit;
    for (let i = count - 1; i >= 0; i--) {
      const block = order === null ? i : order[i]!;
      if (this.#times[block]! < present) break;
      ready -= this.#starts[block + 1]! - this.#starts[block]!;
    }
    return ready;
  }

  #grow(): void {
    const [starts, times] = [this.#starts, this.#times];
    this.#starts = new Int32Array(2 * times.length + 1);
    this.#times = new Float64Array(2 * times.length);
    this.#starts.set(starts);
    this.#times.set(times);
  }

  #inOrder(count: number): boolean {
    const times = this.#times;
    for (let i = 1; i < count; i++) if (times[i]! < times[i - 1]!) return false;
    return true;
  }

  #sorted(count: number): Int32Array {
    const times = this.#times;
    return Int32Array.from({ length: count }, (_, i) => i).sort((a, b) => times[a]! - times[b]! || a - b);
  }

  /** Moves only what is out of order: stretches of blocks that change places among themselves. */
  #copyInOrder(buf: Buffer, starts: Int32Array, order: Int32Array): void {
    for (let first = 0; first < order.length; ) {
      let last = order[first]!;
      let end = first + 1;
      for (; end <= last; end++) if (order[end]! > last) last = order[end]!;
      if (end > first + 1) this.#copyStretch(buf, starts, order, first, end);
      first = end;
    }
  }

  #copyStretch(buf: Buffer, starts: Int32Array, order: Int32Array, first: number, end: number): void {
    const from = starts[first]!;
    const length = starts[end]! - from;
    if (this.#scratch.length < length) this.#scratch = Buffer.allocUnsafeSlow(2 * length);
    let at = 0;
    for (let i = first; i < end; i++) at += buf.copy(this.#scratch, at, starts[order[i]!]!, starts[order[i]! + 1]!);
    this.#scratch.copy(buf, from, 0, length);
  }
}
