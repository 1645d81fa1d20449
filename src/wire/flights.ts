/** Frames under way in one direction of a cable, in order of departure: a ring in three columns, so that what arrives next lies beside what arrives now. */
import { InvariantError } from '../sim/invariant.ts';
import type { Nanoseconds } from '../sim/time.ts';
import type { Frame } from './frame.ts';
import { Fate } from './impairment.ts';

const INITIAL_PLACES = 64;

export class Flights {
  #frames: (Frame | null)[] = [];
  #departures = new Float64Array(INITIAL_PLACES);
  #fates: Fate[] = [];
  #head = 0;
  count = 0;

  constructor() {
    for (let i = 0; i < INITIAL_PLACES; i++) this.#add();
  }

  #add(): void {
    this.#frames.push(null);
    this.#fates.push(new Fate());
  }

  /** A frame whose last bit leaves at `departure`; returns its fate, to be decided. It is what it was for the frame before it in this place. */
  depart(frame: Frame, departure: Nanoseconds): Fate {
    if (this.count === this.#frames.length) this.#grow();
    const place = (this.#head + this.count++) & (this.#frames.length - 1);
    this.#frames[place] = frame;
    this.#departures[place] = departure;
    return this.#fates[place]!;
  }

  /** When the first of them departed. */
  get departure(): Nanoseconds {
    return this.#departures[this.#head]!;
  }

  get fate(): Fate {
    return this.#fates[this.#head]!;
  }

  /** Takes the first out. */
  arrive(): Frame {
    const frame = this.#frames[this.#head];
    if (frame === null || frame === undefined) throw new InvariantError('no frame is under way');
    this.#frames[this.#head] = null;
    this.#head = (this.#head + 1) & (this.#frames.length - 1);
    this.count--;
    return frame;
  }

  /** Nothing has gone wrong with any of them so far. */
  clearFates(): void {
    for (const fate of this.#fates) fate.clear();
  }

  #grow(): void {
    const { length } = this.#frames;
    const inOrder = <T>(list: readonly T[]): T[] => list.map((_, i) => list[(this.#head + i) & (length - 1)]!);
    this.#frames = inOrder(this.#frames);
    this.#fates = inOrder(this.#fates);
    this.#departures = Float64Array.from({ length: 2 * length }, (_, i) => this.#departures[(this.#head + i) & (length - 1)]!);
    for (let i = 0; i < length; i++) this.#add();
    this.#head = 0;
  }
}
