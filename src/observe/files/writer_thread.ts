/**
 * A second thread that writes large blocks of files while the simulation goes on, which would otherwise wait for the disk and find its processor's caches cold
 * afterwards. Nothing depends on it: what it has not begun is taken back when somebody waits for it, what it could not do is told by how far it came, and there need
 * be no thread at all. The simulation may not return to its event loop for as long as it runs, so the two speak by memory that they share and by nothing else.
 */
import { Worker } from 'node:worker_threads';
import { CONTROL, type WriterMemory, writerLoop } from './writer_loop.ts';

/** Its heap holds nothing but Node's own start. */
const SMALL = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 };

export class WriterThread {
  /** What it can write from. */
  readonly arena: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #free: number[] = [];

  /** Null where the system or the process's permissions do not allow threads. */
  static start(arena: SharedArrayBuffer): WriterThread | null {
    try {
      return new WriterThread(arena);
    } catch {
      return null;
    }
  }

  private constructor(arena: SharedArrayBuffer) {
    this.arena = arena;
    const { slots, wordsOfSlot } = CONTROL;
    const control = new SharedArrayBuffer((slots + 1) * wordsOfSlot * Int32Array.BYTES_PER_ELEMENT);
    this.#words = new Int32Array(control);
    for (let slot = slots; slot > 0; slot--) this.#free.push(slot * wordsOfSlot);
    const workerData: WriterMemory = { control, arena, layout: CONTROL };
    const text = `(${writerLoop})(require('node:fs'), require('node:worker_threads').workerData)`;
    const worker = new Worker(text, { eval: true, workerData, execArgv: [], resourceLimits: SMALL });
    // If it fails, who asked writes.
    worker.on('error', () => undefined);
    // A process that has nothing else to do ends.
    worker.unref();
  }

  /** A place for one block; 0: there is none, or the thread does not run yet. */
  takeSlot(): number {
    return Atomics.load(this.#words, CONTROL.ready) === 0 ? 0 : (this.#free.pop() ?? 0);
  }

  giveSlot(slot: number): void {
    this.#free.push(slot);
  }

  /** Asks for `head`, `middle` and `tail` bytes from `at` in the arena to be written at `place` in the file, the middle past the page cache. */
  ask(slot: number, cached: number, direct: number, at: number, place: number, head: number, middle: number, tail: number): void {
    const words = this.#words;
    words[slot + CONTROL.cached] = cached;
    words[slot + CONTROL.direct] = direct;
    words[slot + CONTROL.at] = at;
    words[slot + CONTROL.placeLow] = place;
    words[slot + CONTROL.placeHigh] = place / 2 ** 32;
    words[slot + CONTROL.head] = head;
    words[slot + CONTROL.middle] = middle;
    words[slot + CONTROL.tail] = tail;
    words[slot + CONTROL.done] = 0;
    Atomics.store(words, slot + CONTROL.state, CONTROL.ASKED);
    this.#ring();
  }

  /** Waits for the block if it is being written, and takes it back if it is not; returns how many of its bytes are in the file. */
  settle(slot: number): number {
    const [words, state] = [this.#words, slot + CONTROL.state];
    const found = Atomics.compareExchange(words, state, CONTROL.ASKED, CONTROL.EMPTY);
    if (found === CONTROL.TAKEN) while (Atomics.wait(words, state, CONTROL.TAKEN) !== 'not-equal');
    Atomics.store(words, state, CONTROL.EMPTY);
    return words[slot + CONTROL.done]!;
  }

  /** Ends it when it has done what it is doing; no slot may be in use. */
  end(): void {
    Atomics.store(this.#words, CONTROL.ended, 1);
    this.#ring();
  }

  #ring(): void {
    Atomics.add(this.#words, CONTROL.bell, 1);
    Atomics.notify(this.#words, CONTROL.bell);
  }
}
