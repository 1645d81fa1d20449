/** The MAC's statistics (datasheet 8.18). Octets are counted from the destination address to the FCS, both included. */
import { FCS_BYTES } from '../../wire/frame.ts';
import * as R from './e1000_regs.ts';
import type { RegisterValues } from './register_values.ts';

const SIZES = 6;
const receivedSizes = [R.E1000_PRC64, R.E1000_PRC127, R.E1000_PRC255, R.E1000_PRC511, R.E1000_PRC1023, R.E1000_PRC1522] as const;
const sentSizes = [R.E1000_PTC64, R.E1000_PTC127, R.E1000_PTC255, R.E1000_PTC511, R.E1000_PTC1023, R.E1000_PTC1522] as const;

/** What frames of one kind have added since the registers were last brought up to date. */
class Tally {
  frames = 0;
  octets = 0;
  multicasts = 0;
  broadcasts = 0;
  readonly sizes = new Uint32Array(SIZES);

  add(length: number): void {
    this.frames++;
    this.octets += length + FCS_BYTES;
  }

  addSized(length: number, multicast: boolean, broadcast: boolean): void {
    this.add(length);
    this.sizes[sizeClass(length + FCS_BYTES)]!++;
    if (broadcast) this.broadcasts++;
    else if (multicast) this.multicasts++;
  }

  clear(): void {
    this.frames = 0;
    this.octets = 0;
    this.multicasts = 0;
    this.broadcasts = 0;
    this.sizes.fill(0);
  }
}

export class Statistics {
  readonly #values: RegisterValues;
  readonly #arrived = new Tally();
  readonly #received = new Tally();
  readonly #delivered = new Tally();
  readonly #sent = new Tally();

  constructor(values: RegisterValues) {
    this.#values = values;
  }

  /** A single event, for what happens rarely. */
  count(offset: number): void {
    this.#values.add(offset, 1);
  }

  /** Any frame that came off the wire, good or bad. */
  arrived(length: number): void {
    this.#arrived.add(length);
  }

  /** A good frame that passed the filters. */
  received(length: number, multicast: boolean, broadcast: boolean): void {
    this.#received.addSized(length, multicast, broadcast);
  }

  /** A packet was written to host memory. */
  passedToHost(length: number): void {
    this.#delivered.add(length);
  }

  /** A frame left. */
  sent(length: number, multicast: boolean, broadcast: boolean): void {
    this.#sent.addSized(length, multicast, broadcast);
  }

  /** Brings the registers up to date: before software looks at them, and before a reset. */
  update(): void {
    const values = this.#values;
    values.add(R.E1000_TPR, this.#arrived.frames);
    values.addOctets(R.E1000_TORL, this.#arrived.octets);
    values.add(R.E1000_GPRC, this.#received.frames);
    values.addOctets(R.E1000_GORCL, this.#received.octets);
    values.add(R.E1000_MPRC, this.#received.multicasts);
    values.add(R.E1000_BPRC, this.#received.broadcasts);
    values.add(R.E1000_RPTHC, this.#delivered.frames);
    values.addOctets(R.E1000_HGORCL, this.#delivered.octets);
    this.#updateSent();
    for (let i = 0; i < SIZES; i++) {
      values.add(receivedSizes[i]!, this.#received.sizes[i]!);
      values.add(sentSizes[i]!, this.#sent.sizes[i]!);
    }
    for (const tally of [this.#arrived, this.#received, this.#delivered, this.#sent]) tally.clear();
  }

  #updateSent(): void {
    const values = this.#values;
    const { frames, octets, multicasts, broadcasts } = this.#sent;
    for (const offset of [R.E1000_TPT, R.E1000_GPTC, R.E1000_HGPTC]) values.add(offset, frames);
    for (const offset of [R.E1000_TOTL, R.E1000_GOTCL, R.E1000_HGOTCL]) values.addOctets(offset, octets);
    values.add(R.E1000_MPTC, multicasts);
    values.add(R.E1000_BPTC, broadcasts);
  }
}

function sizeClass(octets: number): number {
  if (octets <= 64) return 0;
  if (octets <= 127) return 1;
  if (octets <= 255) return 2;
  if (octets <= 511) return 3;
  return octets <= 1023 ? 4 : 5;
}
