/** The MAC's statistics (datasheet 8.18). Octets are counted from the destination address to the FCS, both included. */
import { FCS_BYTES } from '../../wire/frame.ts';
import * as R from './e1000_regs.ts';
import type { RegisterValues } from './register_values.ts';

/** Slots of the six size classes, smallest first. */
function sizeSlots(values: RegisterValues, offsets: readonly number[]): Int32Array {
  return Int32Array.from(offsets, (offset) => values.slotOf(offset));
}

export class Statistics {
  readonly #values: RegisterValues;
  readonly #received: Int32Array;
  readonly #transmitted: Int32Array;
  readonly #TPR: number;
  readonly #TORL: number;
  readonly #GPRC: number;
  readonly #GORCL: number;
  readonly #TPT: number;
  readonly #TOTL: number;
  readonly #GPTC: number;
  readonly #GOTCL: number;
  readonly #BPRC: number;
  readonly #MPRC: number;
  readonly #BPTC: number;
  readonly #MPTC: number;
  readonly #HGPTC: number;
  readonly #HGOTCL: number;
  readonly #RPTHC: number;
  readonly #HGORCL: number;

  constructor(values: RegisterValues) {
    this.#values = values;
    this.#received = sizeSlots(values, [R.E1000_PRC64, R.E1000_PRC127, R.E1000_PRC255, R.E1000_PRC511, R.E1000_PRC1023, R.E1000_PRC1522]);
    this.#transmitted = sizeSlots(values, [
      R.E1000_PTC64,
      R.E1000_PTC127,
      R.E1000_PTC255,
      R.E1000_PTC511,
      R.E1000_PTC1023,
      R.E1000_PTC1522,
    ]);
    this.#TPR = values.slotOf(R.E1000_TPR);
    this.#TORL = values.slotOf(R.E1000_TORL);
    this.#GPRC = values.slotOf(R.E1000_GPRC);
    this.#GORCL = values.slotOf(R.E1000_GORCL);
    this.#TPT = values.slotOf(R.E1000_TPT);
    this.#TOTL = values.slotOf(R.E1000_TOTL);
    this.#GPTC = values.slotOf(R.E1000_GPTC);
    this.#GOTCL = values.slotOf(R.E1000_GOTCL);
    this.#BPRC = values.slotOf(R.E1000_BPRC);
    this.#MPRC = values.slotOf(R.E1000_MPRC);
    this.#BPTC = values.slotOf(R.E1000_BPTC);
    this.#MPTC = values.slotOf(R.E1000_MPTC);
    this.#HGPTC = values.slotOf(R.E1000_HGPTC);
    this.#HGOTCL = values.slotOf(R.E1000_HGOTCL);
    this.#RPTHC = values.slotOf(R.E1000_RPTHC);
    this.#HGORCL = values.slotOf(R.E1000_HGORCL);
  }

  /** A single event, for what happens rarely. */
  count(offset: number): void {
    this.#values.count(this.#values.map.slot(offset));
  }

  /** Any frame that came off the wire, good or bad. */
  arrived(length: number): void {
    this.#values.count(this.#TPR);
    this.#values.addOctets(this.#TORL, length + FCS_BYTES);
  }

  /** A good frame that passed the filters. `kind` is that of its destination: see filter.ts. */
  received(length: number, broadcast: boolean, multicast: boolean): void {
    const values = this.#values;
    values.count(this.#GPRC);
    values.addOctets(this.#GORCL, length + FCS_BYTES);
    values.count(this.#received[sizeClass(length + FCS_BYTES)]!);
    if (broadcast) values.count(this.#BPRC);
    else if (multicast) values.count(this.#MPRC);
  }

  /** A packet was written to host memory. */
  passedToHost(length: number): void {
    this.#values.count(this.#RPTHC);
    this.#values.addOctets(this.#HGORCL, length + FCS_BYTES);
  }

  /** A frame left; `first` is the first byte of its destination address. */
  sent(length: number, multicast: boolean, broadcast: boolean): void {
    const values = this.#values;
    values.count(this.#TPT);
    values.count(this.#GPTC);
    values.count(this.#HGPTC);
    values.addOctets(this.#TOTL, length + FCS_BYTES);
    values.addOctets(this.#GOTCL, length + FCS_BYTES);
    values.addOctets(this.#HGOTCL, length + FCS_BYTES);
    values.count(this.#transmitted[sizeClass(length + FCS_BYTES)]!);
    if (broadcast) values.count(this.#BPTC);
    else if (multicast) values.count(this.#MPTC);
  }
}

function sizeClass(octets: number): number {
  if (octets <= 64) return 0;
  if (octets <= 127) return 1;
  if (octets <= 255) return 2;
  if (octets <= 511) return 3;
  return octets <= 1023 ? 4 : 5;
}
