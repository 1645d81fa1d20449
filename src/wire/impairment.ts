/** What a wire does wrong, one direction at a time. Every decision has a random stream of its own, so that one rule never shifts another's numbers. */
import type { RandomStream } from '../sim/random.ts';
import type { Simulation } from '../sim/simulation.ts';
import type { Nanoseconds } from '../sim/time.ts';

/** Probabilities are 0 … 1, frames count from 1 in the order in which one end puts them on the wire. */
export interface Impairment {
  /** Frames that are lost, by number. */
  readonly drop?: readonly number[];
  readonly loss?: number;
  /** Damaged on the way: one bit flips and the FCS no longer matches. */
  readonly corrupt?: number;
  readonly duplicate?: number;
  /** Frames that overtake: they arrive `reorderBy` ns earlier than the others, which are all delayed by that much. */
  readonly reorder?: number;
  readonly reorderBy?: Nanoseconds;
  /** Extra delay, uniform over 0 … jitter; frames may overtake each other. */
  readonly jitter?: Nanoseconds;
}

/** What becomes of one frame. */
export class Fate {
  lost = false;
  corrupt = false;
  duplicate = false;
  extraDelay: Nanoseconds = 0;
  /** Bit to flip, counted from the frame's first. */
  bit = 0;

  clear(): void {
    this.lost = false;
    this.corrupt = false;
    this.duplicate = false;
    this.extraDelay = 0;
    this.bit = 0;
  }
}

/** Draws the fate of each frame of one direction. */
export class Impairer {
  readonly #rules: Impairment;
  readonly #drop: ReadonlySet<number>;
  readonly #loss: RandomStream;
  readonly #corrupt: RandomStream;
  readonly #duplicate: RandomStream;
  readonly #reorder: RandomStream;
  readonly #jitter: RandomStream;
  #count = 0;
  /** Frames to be damaged whatever the rules say. */
  damageNext = 0;

  constructor(simulation: Simulation, name: string, rules: Impairment) {
    this.#rules = rules;
    this.#drop = new Set(rules.drop);
    this.#loss = simulation.random(`${name} loss`);
    this.#corrupt = simulation.random(`${name} corrupt`);
    this.#duplicate = simulation.random(`${name} duplicate`);
    this.#reorder = simulation.random(`${name} reorder`);
    this.#jitter = simulation.random(`${name} jitter`);
  }

  /** Decides on the next frame, which has `bits` bits. */
  decide(fate: Fate, bits: number): void {
    const rules = this.#rules;
    this.#count++;
    fate.lost = this.#drop.has(this.#count) || (rules.loss !== undefined && this.#loss.chance(rules.loss));
    fate.corrupt = rules.corrupt !== undefined && this.#corrupt.chance(rules.corrupt);
    if (this.damageNext > 0) {
      this.damageNext--;
      fate.corrupt = true;
    }
    fate.bit = fate.corrupt ? this.#corrupt.below(bits) : 0;
    fate.duplicate = rules.duplicate !== undefined && this.#duplicate.chance(rules.duplicate);
    fate.extraDelay = rules.jitter === undefined ? 0 : this.#jitter.below(rules.jitter + 1);
    if (rules.reorder !== undefined && !this.#reorder.chance(rules.reorder)) fate.extraDelay += rules.reorderBy ?? 0;
  }
}
