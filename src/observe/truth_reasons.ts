/** For truth.jsonl: why frames were sent again. The first wire that sees one finds out; wires further on are told. */

export type Reason = 'RTO' | 'fast' | 'TLP';

/** Retransmissions that may be under way between the first wire and the last; at least so many are remembered, at most twice as many. */
const REMEMBERED = 1 << 14;

export class Reasons {
  #recent = new Map<number, Reason>();
  #older = new Map<number, Reason>();

  add(id: number, reason: Reason): void {
    if (this.#recent.size >= REMEMBERED) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(id, reason);
  }

  of(id: number): Reason | undefined {
    return this.#recent.get(id) ?? this.#older.get(id);
  }
}
