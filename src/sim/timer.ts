import type { Nanoseconds } from './time.ts';
import { WIDE } from './wide.ts';

/** One alarm: made once with a name and a callback, armed and cancelled often. */
export class Timer {
  /** Where the queue keeps it, -1 while not armed. The queue's business. */
  slot = -1;
  /** The instant it is armed for. Meaningful while pending. */
  expires: Nanoseconds = WIDE;

  readonly name: string;
  readonly fire: () => void;

  constructor(name: string, fire: () => void) {
    this.name = name;
    this.fire = fire;
  }

  get pending(): boolean {
    return this.slot >= 0;
  }
}
