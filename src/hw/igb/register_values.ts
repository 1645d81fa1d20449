/** The values of one device's registers, kept under the slots of the shared map; the device's parts reach them by offset. */
import { RegisterError, type RegisterMap, resetValue } from './register_file.ts';

const STUCK = 0xffffffff;

export class RegisterValues {
  readonly map: RegisterMap;
  readonly u32: Uint32Array;
  readonly #owner: string;

  constructor(map: RegisterMap, owner: string) {
    this.map = map;
    this.#owner = owner;
    this.u32 = new Uint32Array(map.size);
    for (let slot = 0; slot < map.size; slot++) this.u32[slot] = resetValue(map.rows[slot]!, map.indices[slot]!);
  }

  /** Everything back to its reset value but what survives CTRL.RST. */
  reset(): void {
    for (let slot = 0; slot < this.map.size; slot++) {
      const row = this.map.rows[slot]!;
      if (row.sticky !== true) this.u32[slot] = resetValue(row, this.map.indices[slot]!);
    }
  }

  /** The slot of an offset that software used. */
  slot(offset: number): number {
    const slot = this.map.slot(offset);
    if (slot < 0) throw new RegisterError(this.#owner, 'no register', offset);
    return slot;
  }

  get(offset: number): number {
    return this.u32[this.map.slot(offset)]!;
  }

  set(offset: number, value: number): void {
    this.u32[this.map.slot(offset)] = value;
  }

  /** Adds to a statistic; statistics stop at their greatest value (8.18). */
  add(offset: number, amount: number): void {
    if (amount === 0) return;
    const slot = this.map.slot(offset);
    this.u32[slot] = Math.min(this.u32[slot]! + amount, STUCK);
  }

  /** Adds octets to a 64-bit statistic whose high half is the next slot. */
  addOctets(lowOffset: number, octets: number): void {
    const slot = this.map.slot(lowOffset);
    const sum = this.u32[slot]! + octets;
    this.u32[slot] = sum % 0x1_0000_0000;
    this.u32[slot + 1] = this.u32[slot + 1]! + Math.floor(sum / 0x1_0000_0000);
  }

  /** Reading the high half clears the low one; the high half itself is cleared by its access type. */
  clearPair(lowOffset: number, high: number): number {
    this.set(lowOffset, 0);
    return high;
  }
}
