/**
 * Brings the blocks of a capture into order of time. CPUs run ahead of the simulation and cards name times that are still to come, so what is seen first need not
 * be what happened first; a block waits in the file's buffer until nothing earlier can come. Blocks of one instant stay in the order in which they were made.
 */
import type { BlockFormat, Present } from './capture_file.ts';

export class TimeOrder {
  readonly #format: BlockFormat;
  readonly #present: Present;
  #scratch = Buffer.alloc(0);

  constructor(format: BlockFormat, present: Present) {
    this.#format = format;
    this.#present = present;
  }

  /** Arranges the blocks in the first `limit` bytes; returns how many bytes of them may be written, all once the capture has `ended`. */
  arrange(buf: Buffer, view: DataView, limit: number, fileOffset: number, ended: boolean): number {
    const starts: number[] = [];
    const times: number[] = [];
    let sorted = true;
    for (let at = 0; at < limit; at += this.#format.lengthAt(view, at, fileOffset + at)) {
      const time = this.#format.timeAt(view, at, fileOffset + at);
      if (times.length > 0 && time < times[times.length - 1]!) sorted = false;
      starts.push(at);
      times.push(time);
    }
    const order = starts.map((_, i) => i);
    if (!sorted) {
      order.sort((a, b) => times[a]! - times[b]! || a - b);
      this.#copyInOrder(buf, starts, order, limit);
    }
    if (ended) return limit;
    const present = this.#present();
    let ready = 0;
    for (const i of order) {
      if (times[i]! >= present) break;
      ready += (starts[i + 1] ?? limit) - starts[i]!;
    }
    return ready;
  }

  /** Moves only what is out of order: stretches of blocks that change places among themselves. */
  #copyInOrder(buf: Buffer, starts: readonly number[], order: readonly number[], limit: number): void {
    for (let first = 0; first < order.length; ) {
      let last = order[first]!;
      let end = first + 1;
      for (; end <= last; end++) if (order[end]! > last) last = order[end]!;
      if (end > first + 1) this.#copyStretch(buf, starts, order, first, end, limit);
      first = end;
    }
  }

  #copyStretch(buf: Buffer, starts: readonly number[], order: readonly number[], first: number, end: number, limit: number): void {
    const from = starts[first]!;
    const to = starts[end] ?? limit;
    if (this.#scratch.length < to - from) this.#scratch = Buffer.allocUnsafeSlow(buf.length);
    let at = 0;
    for (let i = first; i < end; i++) at += buf.copy(this.#scratch, at, starts[order[i]!]!, starts[order[i]! + 1] ?? limit);
    this.#scratch.copy(buf, from, 0, to - from);
  }
}
