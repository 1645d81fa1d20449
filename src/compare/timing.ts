/**
 * Compares times of corresponding units, although clocks start elsewhere and a delay pushes everything after it: a unit is late or early against the one
 * before it, not against the beginning. One late unit counts once; so does a shift that stays.
 */
export class Timing {
  readonly #toleranceNs: number;
  #offset = 0;
  #known = false;
  /** Offset of the last unit that was late or early: if the next has it too, it has come to stay. */
  #candidate = Number.NaN;

  constructor(toleranceNs: number) {
    this.#toleranceNs = toleranceNs;
  }

  /** How much later than theirs ours comes, 0 if within tolerance. */
  deviation(oursNs: number, theirsNs: number): number {
    const offset = oursNs - theirsNs;
    if (!this.#known) {
      this.#known = true;
      this.#offset = offset;
      return 0;
    }
    if (Math.abs(offset - this.#offset) <= this.#toleranceNs) this.#settle(offset);
    else if (Math.abs(offset - this.#candidate) <= this.#toleranceNs) this.#settle(offset);
    else {
      this.#candidate = offset;
      return offset - this.#offset;
    }
    return 0;
  }

  #settle(offset: number): void {
    this.#offset = offset;
    this.#candidate = Number.NaN;
  }
}
