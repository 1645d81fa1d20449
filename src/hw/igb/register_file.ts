/**
 * The register file: which offsets exist, what they hold, who may touch them how. Built from the table in registers.ts. All devices share one
 * map from offsets to slots; each has its own values.
 *
 * Posted writes wait here until they arrive. They are applied whenever the device is touched at or after their time, so that a write which
 * nothing waits for costs no event; the device decides with `RegisterRow.issued` which ones need one.
 */
import type { Nanoseconds } from '../../sim/time.ts';
import type { IgbDevice } from './igb_device.ts';

/**
 * RW reads what was written; RO is the device's; RC is the device's and reading it clears it; WO reads as an error; RW1C: writing a one clears
 * the bit; RW1S: writing a one sets it (and a mask-clear register's one clears it elsewhere).
 */
export type RegisterAccess = 'RW' | 'RO' | 'RC' | 'WO' | 'RW1C' | 'RW1S';

/** One row of the table. An array of registers is one row with a count. */
export interface RegisterRow {
  readonly name: string;
  readonly offset: number;
  readonly count?: number;
  /** Bytes from one register of an array to the next; 4 unless told. */
  readonly stride?: number;
  /** A second offset (and stride) under which the first `alias.count` of them are found, too. */
  readonly alias?: { readonly offset: number; readonly stride?: number; readonly count?: number };
  readonly access: RegisterAccess;
  readonly reset: number;
  /** The reset value of the first of an array, where it differs. */
  readonly resetOfFirst?: number;
  /** Bits that software can write; the others keep the device's value. All unless told. */
  readonly writable?: number;
  /** The reset by CTRL.RST leaves it alone. */
  readonly sticky?: boolean;
  readonly about: string;
  /** What reading or writing it sets off, for those where it does. */
  readonly effect?: string;
  /** It keeps what is written to it (or its reset value), and nothing of it is modelled. */
  readonly inert?: boolean;
  /** Side effect of reading, and its result. */
  readonly read?: (device: IgbDevice, index: number, value: number) => number;
  /** Side effect of a write when it arrives at `time`; the value is stored already (masked by `writable`). */
  readonly written?: (device: IgbDevice, index: number, value: number, time: Nanoseconds) => void;
  /** Called when a write is issued that will arrive at `time`: arms whatever must happen on arrival. Without it the arrival is an event. */
  readonly issued?: (device: IgbDevice, index: number, value: number, time: Nanoseconds) => void;
}

/** A driver touched what is not there, or in a way that is not allowed: a bug of the driver. */
export class RegisterError extends Error {
  override readonly name = 'RegisterError';
  readonly offset: number;
  constructor(device: string, what: string, offset: number) {
    super(`${device}: ${what} at register offset 0x${offset.toString(16)}`);
    this.offset = offset;
  }
}

/** What an access does, as the device looks it up: unlike rows, all of these have one shape, which is what makes the look-up cheap. */
export class RegisterEffects {
  readonly access: RegisterAccess;
  readonly writable: number;
  readonly read: NonNullable<RegisterRow['read']> | null;
  readonly written: NonNullable<RegisterRow['written']> | null;
  readonly issued: NonNullable<RegisterRow['issued']> | null;

  constructor(row: RegisterRow) {
    this.access = row.access;
    this.writable = row.writable ?? 0xffffffff;
    this.read = row.read ?? null;
    this.written = row.written ?? null;
    this.issued = row.issued ?? null;
  }
}

const REGISTER_SPACE = 0x10000;
const NO_SLOT = 0xffff;

/** The table unrolled: one slot for each register. */
export class RegisterMap {
  readonly rows: RegisterRow[] = [];
  readonly effects: RegisterEffects[] = [];
  readonly indices: number[] = [];
  readonly #slots = new Uint16Array(REGISTER_SPACE >> 2).fill(NO_SLOT);

  constructor(table: readonly RegisterRow[]) {
    for (const row of table) this.#add(row);
  }

  get size(): number {
    return this.rows.length;
  }

  /** The slot of an offset, or -1 where there is no register. */
  slot(offset: number): number {
    if ((offset & 3) !== 0 || offset < 0 || offset >= REGISTER_SPACE) return -1;
    const slot = this.#slots[offset >> 2]!;
    return slot === NO_SLOT ? -1 : slot;
  }

  /** The slot of one of our own names: for the device's parts, which look up once what they need often. */
  slotOf(offset: number): number {
    const slot = this.slot(offset);
    if (slot < 0) throw new RegisterError('register table', 'no register', offset);
    return slot;
  }

  /** `TDT[3]`, or `CTRL` where there is only one. */
  nameOf(slot: number): string {
    const row = this.rows[slot]!;
    return row.count === undefined ? row.name : `${row.name}[${this.indices[slot]}]`;
  }

  #add(row: RegisterRow): void {
    const first = this.rows.length;
    const count = row.count ?? 1;
    const effects = new RegisterEffects(row);
    for (let i = 0; i < count; i++) {
      this.#place(row, row.offset + i * (row.stride ?? 4), first + i);
      this.rows.push(row);
      this.effects.push(effects);
      this.indices.push(i);
    }
    const alias = row.alias;
    if (alias === undefined) return;
    for (let i = 0; i < (alias.count ?? count); i++) this.#place(row, alias.offset + i * (alias.stride ?? 4), first + i);
  }

  #place(row: RegisterRow, offset: number, slot: number): void {
    const taken = this.#slots[offset >> 2]!;
    if (taken !== NO_SLOT) throw new RegisterError('register table', `${row.name} lies on ${this.rows[taken]!.name}`, offset);
    this.#slots[offset >> 2] = slot;
  }
}

/** The reset value of one register of a row. */
export function resetValue(row: RegisterRow, index: number): number {
  return index === 0 && row.resetOfFirst !== undefined ? row.resetOfFirst : row.reset;
}

/**
 * Writes on their way to the device, in order of arrival. They stand in `#slots[#head]` … `#slots[#end - 1]`; the arrays start over when all have
 * arrived and only grow, because shortening an array is dear.
 */
export class PostedWrites {
  #slots = new Int32Array(64);
  #values = new Uint32Array(64);
  #times = new Float64Array(64);
  #head = 0;
  #end = 0;

  get empty(): boolean {
    return this.#head === this.#end;
  }

  /** Arrival of the last one; -1 when there is none. */
  get lastTime(): Nanoseconds {
    return this.empty ? -1 : this.#times[this.#end - 1]!;
  }

  get nextTime(): Nanoseconds {
    return this.empty ? Number.POSITIVE_INFINITY : this.#times[this.#head]!;
  }

  /**
   * Adds a write. CPUs have their own clocks, so a later call may bring an earlier time: it is sorted in, but never before an older write to the same
   * register. Returns the time of its arrival.
   */
  add(slot: number, value: number, time: Nanoseconds): Nanoseconds {
    if (this.#end === this.#slots.length) this.#grow();
    let place = this.#end;
    while (place > this.#head && this.#times[place - 1]! > time && this.#slots[place - 1] !== slot) place--;
    const arrival = place > this.#head ? Math.max(time, this.#times[place - 1]!) : time;
    for (let i = this.#end; i > place; i--) {
      this.#slots[i] = this.#slots[i - 1]!;
      this.#values[i] = this.#values[i - 1]!;
      this.#times[i] = this.#times[i - 1]!;
    }
    this.#slots[place] = slot;
    this.#values[place] = value;
    this.#times[place] = arrival;
    this.#end++;
    return arrival;
  }

  /** The slot of the next write that has arrived by `until`; -1 when none has. Take its value and time before `next`. */
  due(until: Nanoseconds): number {
    return this.#head < this.#end && this.#times[this.#head]! <= until ? this.#slots[this.#head]! : -1;
  }

  get value(): number {
    return this.#values[this.#head]!;
  }

  next(): void {
    if (++this.#head < this.#end) return;
    this.#head = 0;
    this.#end = 0;
  }

  #grow(): void {
    const size = this.#slots.length * 2;
    const slots = new Int32Array(size);
    const values = new Uint32Array(size);
    const times = new Float64Array(size);
    slots.set(this.#slots);
    values.set(this.#values);
    times.set(this.#times);
    this.#slots = slots;
    this.#values = values;
    this.#times = times;
  }
}
