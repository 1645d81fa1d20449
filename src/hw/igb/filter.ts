/** Which frames are for this port (datasheet 7.1.3): exact addresses, the multicast hash, broadcast, promiscuous modes, the VLAN filter. */
import type { Frame } from '../../wire/frame.ts';
import * as D from './e1000_defines.ts';
import * as R from './e1000_regs.ts';
import type { RegisterValues } from './register_values.ts';

/** Verdicts of `destination`. */
export const REJECTED = 0;
export const EXACT = 1;
/** Passed by the multicast hash: the host has to look again (RXD_STAT_PIF). */
export const INEXACT = 2;

/** Multicast hash: the 12 bits of the address' last two bytes begin at one of four places (RCTL.MO). */
const multicastShifts = [4, 3, 2, 0] as const;

export class Filter {
  readonly #values: RegisterValues;
  /** Valid exact addresses, in the byte order in which a little-endian machine reads a frame: four bytes and two. */
  readonly #low = new Uint32Array(D.E1000_RAR_ENTRIES_82576);
  readonly #high = new Uint16Array(D.E1000_RAR_ENTRIES_82576);
  #count = 0;
  #stale = true;

  constructor(values: RegisterValues) {
    this.#values = values;
  }

  addressesWritten(): void {
    this.#stale = true;
  }

  isBroadcast(frame: Frame): boolean {
    return frame.view.getUint32(frame.start) === 0xffffffff && frame.view.getUint16(frame.start + 4) === 0xffff;
  }

  /** Is the destination address ours? */
  destination(frame: Frame, rctl: number): number {
    const first = frame.u8[frame.start]!;
    if ((first & 1) === 0) return this.#exact(frame) || (rctl & D.E1000_RCTL_UPE) !== 0 ? EXACT : REJECTED;
    if (this.isBroadcast(frame)) return (rctl & (D.E1000_RCTL_BAM | D.E1000_RCTL_MPE)) !== 0 ? EXACT : REJECTED;
    if ((rctl & D.E1000_RCTL_MPE) !== 0 || this.#exact(frame)) return EXACT;
    return this.#multicastHash(frame, rctl) ? INEXACT : REJECTED;
  }

  /** Does the VLAN filter let a tag pass? */
  vlan(tag: number, rctl: number): boolean {
    if ((rctl & D.E1000_RCTL_VFE) === 0) return true;
    if ((rctl & D.E1000_RCTL_CFIEN) !== 0 && ((tag >>> 12) & 1) !== ((rctl & D.E1000_RCTL_CFI) === 0 ? 0 : 1)) return false;
    const id = tag & 0xfff;
    return (
      ((this.#values.get(R.E1000_VFTA + 4 * (id >>> D.E1000_VFTA_ENTRY_SHIFT)) >>> (id & D.E1000_VFTA_ENTRY_BIT_SHIFT_MASK)) & 1) !== 0
    );
  }

  #exact(frame: Frame): boolean {
    if (this.#stale) this.#collect();
    const low = frame.view.getUint32(frame.start, true);
    const high = frame.view.getUint16(frame.start + 4, true);
    for (let i = 0; i < this.#count; i++) if (this.#low[i] === low && this.#high[i] === high) return true;
    return false;
  }

  #multicastHash(frame: Frame, rctl: number): boolean {
    const last = frame.view.getUint16(frame.start + 4, true);
    const hash = (last >>> multicastShifts[(rctl & D.E1000_RCTL_MO_MASK) >>> D.E1000_RCTL_MO_SHIFT]!) & 0xfff;
    return ((this.#values.get(R.E1000_MTA + 4 * (hash >>> 5)) >>> (hash & 31)) & 1) !== 0;
  }

  #collect(): void {
    this.#stale = false;
    this.#count = 0;
    for (let i = 0; i < D.E1000_RAR_ENTRIES_82576; i++) {
      const high = this.#values.get(R.E1000_RAH(i));
      if ((high & D.E1000_RAH_AV) === 0) continue;
      this.#low[this.#count] = this.#values.get(R.E1000_RAL(i));
      this.#high[this.#count] = high & 0xffff;
      this.#count++;
    }
  }
}
