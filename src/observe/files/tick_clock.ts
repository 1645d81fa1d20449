/** Time stamps of an interface: a 64-bit count of 10^-n or 2^-n seconds since 1970, moved by whole seconds. */
const TWO_16 = 65536;
const TWO_32 = 4294967296;
const NS_PER_SECOND = 1_000_000_000;

export class TickClock {
  /** What `convert` returns. */
  seconds = 0;
  nanoseconds = 0;
  readonly #offsetSeconds: bigint;
  readonly #ticksPerSecond: bigint;
  /** Ticks a second where a tick is a whole number of ns: then numbers suffice. Otherwise 0. */
  readonly #wholeTicks: number;

  /** `resolution` is if_tsresol: n for 10^-n, with the highest bit set 2^-n. */
  constructor(resolution: number, offsetSeconds: bigint) {
    const power = BigInt(resolution & 0x7f);
    this.#ticksPerSecond = (resolution & 0x80) !== 0 ? 2n ** power : 10n ** power;
    this.#wholeTicks = (resolution & 0x80) === 0 && resolution <= 9 ? Number(this.#ticksPerSecond) : 0;
    this.#offsetSeconds = offsetSeconds;
  }

  convert(high: number, low: number): void {
    if (this.#wholeTicks !== 0) this.#divide(high, low);
    else this.#divideBig(high, low);
    this.seconds += Number(this.#offsetSeconds);
  }

  /** Long division in steps of 16 bits: every intermediate value is below 2^53. */
  #divide(high: number, low: number): void {
    const divisor = this.#wholeTicks;
    const first = Math.floor(high / divisor);
    let dividend = (high - first * divisor) * TWO_16 + (low >>> 16);
    const second = Math.floor(dividend / divisor);
    dividend = (dividend - second * divisor) * TWO_16 + (low & 0xffff);
    const third = Math.floor(dividend / divisor);
    this.seconds = first * TWO_32 + second * TWO_16 + third;
    this.nanoseconds = (dividend - third * divisor) * (NS_PER_SECOND / divisor);
  }

  #divideBig(high: number, low: number): void {
    const ticks = (BigInt(high) << 32n) | BigInt(low);
    this.seconds = Number(ticks / this.#ticksPerSecond);
    this.nanoseconds = Number(((ticks % this.#ticksPerSecond) * BigInt(NS_PER_SECOND)) / this.#ticksPerSecond);
  }
}
