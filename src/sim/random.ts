/**
 * Seeded random streams. Every consumer has a stream of its own, named after what it decides, so that a new consumer never
 * shifts the numbers of another. The generator is sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, passes BigCrush.
 */
export class RandomStream {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, name: string) {
    this.#a = hash(name, seed);
    this.#b = hash(name, this.#a ^ 0x9e3779b9);
    this.#c = hash(name, this.#b ^ 0x85ebca6b);
    for (let i = 0; i < 12; i++) this.u32();
  }

  /** Uniform over 0 … 2^32 - 1. */
  u32(): number {
    const t = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0;
    return t >>> 0;
  }

  /** Uniform over 0 … bound - 1; bound is 1 … 2^32. */
  below(bound: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * bound);
  }

  /** True with the given probability (0 … 1). */
  chance(probability: number): boolean {
    return this.u32() < probability * 0x1_0000_0000;
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.u32() & 0xff;
  }
}

/** FNV-1a over the name, seeded; mixes well enough to start the generator, which is then warmed up. */
function hash(name: string, seed: number): number {
  let h = (0x811c9dc5 ^ seed) | 0;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  h ^= h >>> 16;
  h = Math.imul(h, 0x7feb352d);
  h ^= h >>> 15;
  return h | 0;
}
