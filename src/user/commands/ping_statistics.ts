/** What ping counts and how it sums up, as iputils does: integer microseconds, the deviation from sums of times and of their squares. */

export class PingStatistics {
  /** Requests carry the time they were sent at. */
  readonly timing: boolean;
  transmitted = 0;
  received = 0;
  duplicates = 0;
  errors = 0;
  longestUs = 0;
  #shortestUs = Number.POSITIVE_INFINITY;
  #sum = 0;
  #sumOfSquares = 0;
  /** Sequence numbers that were answered, of the last 65,536 requests. */
  readonly #answered = new Uint8Array(0x1_0000);
  /** Most requests that were without an answer at one time. */
  #pipe = 0;

  constructor(timing: boolean) {
    this.timing = timing;
  }

  /** A request leaves with this sequence number. */
  sent(sequence: number): void {
    this.#answered[sequence] = 0;
  }

  /** A reply; `timeUs` is negative when it tells no time. True for a second reply to the same request. */
  gather(sequence: number, timeUs: number): boolean {
    const duplicate = this.#answered[sequence] !== 0;
    this.#answered[sequence] = 1;
    if (duplicate) this.duplicates++;
    else this.received++;
    this.acknowledge(sequence);
    if (timeUs >= 0) this.#time(timeUs);
    return duplicate;
  }

  /** Something was heard about a request: how many were sent from it on? */
  acknowledge(sequence: number): void {
    const behind = (this.transmitted - sequence) & 0xffff;
    if (behind < 0x8000) this.#pipe = Math.max(this.#pipe, behind + 1);
  }

  #time(us: number): void {
    this.#sum += us;
    this.#sumOfSquares += us * us;
    this.#shortestUs = Math.min(this.#shortestUs, us);
    this.longestUs = Math.max(this.longestUs, us);
  }

  /** The lines after the last reply; `elapsedMs` is the time from the first request to the last. */
  report(name: string, elapsedMs: number): string[] {
    const { transmitted, received, duplicates, errors } = this;
    const more = `${duplicates > 0 ? `, +${duplicates} duplicates` : ''}${errors > 0 ? `, +${errors} errors` : ''}`;
    const loss =
      transmitted === 0 ? '' : `, ${significant((100 * (transmitted - received)) / transmitted)}% packet loss, time ${elapsedMs}ms`;
    const lines = ['', `--- ${name} ping statistics ---`, `${transmitted} packets transmitted, ${received} received${more}${loss}`];
    lines.push(received > 0 && this.timing ? this.#times() : this.#pipeText().slice(2));
    return lines;
  }

  #times(): string {
    const count = this.received + this.duplicates;
    const average = Math.floor(this.#sum / count);
    const variance = Math.floor((this.#sumOfSquares - Math.floor((this.#sum * this.#sum) / count)) / count);
    const deviation = Math.floor(Math.sqrt(Math.max(0, variance)));
    const times = [this.#shortestUs, average, this.longestUs, deviation].map((us) => (us / 1000).toFixed(3)).join('/');
    return `rtt min/avg/max/mdev = ${times} ms${this.#pipeText()}`;
  }

  /** Only said when requests overlapped. */
  #pipeText(): string {
    return this.#pipe > 1 ? `, pipe ${this.#pipe}` : '';
  }
}

/** `%g`: six significant digits without trailing zeros. */
export const significant = (value: number): string => String(Number(value.toPrecision(6)));
