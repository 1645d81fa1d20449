/** The progress line of a run on a terminal: virtual time, frames, speed. Nothing at all when the output is piped. */
import { formatSeconds } from '../sim/time.ts';

const INTERVAL_MS = 100;

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #started = performance.now();
  #next = 0;
  #shown = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** Shows where the run is, at most ten times a second. */
  update(virtualNs: number, frames: number): void {
    if (!this.#stream.isTTY) return;
    const now = performance.now();
    if (now < this.#next) return;
    this.#next = now + INTERVAL_MS;
    const seconds = (now - this.#started) / 1000;
    const rate = seconds > 0 ? Math.round(frames / seconds) : 0;
    this.#stream.write(`\r\x1b[K${formatSeconds(virtualNs, 3)} s   ${frames.toLocaleString('en')} frames   ${rate.toLocaleString('en')}/s`);
    this.#shown = true;
  }

  clear(): void {
    if (this.#shown) this.#stream.write('\r\x1b[K');
    this.#shown = false;
  }
}
