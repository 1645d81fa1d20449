/**
 * What the MAC does with a frame that has arrived, before it may enter the packet buffer: FCS and length (datasheet 8.18), pause frames (3.7.5), address
 * and VLAN filters (7.1.3). Every frame that ends here has a counter.
 */
import type { Nanoseconds } from '../../sim/time.ts';
import { FCS_BYTES, type Frame, MIN_FRAME } from '../../wire/frame.ts';
import * as D from './e1000_defines.ts';
import * as R from './e1000_regs.ts';
import { INEXACT, REJECTED } from './filter.ts';
import type { IgbDevice } from './igb_device.ts';
import type { DropReason } from './observer.ts';
import { registerMap } from './registers.ts';

/** Slots of the registers that every frame needs. */
const RCTL = registerMap.slotOf(R.E1000_RCTL);
const VET = registerMap.slotOf(R.E1000_VET);
const RXPBS = registerMap.slotOf(R.E1000_RXPBS);
const FCT = registerMap.slotOf(R.E1000_FCT);
const CTRL = registerMap.slotOf(R.E1000_CTRL);
const RLPML = registerMap.slotOf(R.E1000_RLPML);
const MAX_FRAME = 1514;
export const VLAN_TAG = 4;
/** Bytes of the two addresses. */
export const ADDRESSES = 12;
const PAUSE_OPCODE = 0x0001;
/** Smaller values in its place are lengths (IEEE 802.3, 3.2.6). */
const FIRST_ETHERTYPE = 0x0600;

export class RxMac {
  /** RCTL.RXEN. */
  enabled = false;
  /** Of the frame that was admitted last: its address was found in a hash table only; it is a bad one that RCTL.SBP lets in. */
  inexact = false;
  bad = false;
  readonly #device: IgbDevice;

  constructor(device: IgbDevice) {
    this.#device = device;
  }

  /** Null when the frame goes into the packet buffer, of which `buffered` bytes are taken; otherwise why not. */
  admit(frame: Frame, now: Nanoseconds, buffered: number): DropReason | null {
    const device = this.#device;
    if (!this.enabled) {
      device.faults.receiverOff++;
      return 'receiver disabled';
    }
    const registers = device.registers;
    const rctl = registers.u32[RCTL]!;
    device.statistics.arrived(frame.length);
    const bad = this.#checkFrame(frame, rctl);
    if (bad !== null && (rctl & D.E1000_RCTL_SBP) === 0) return bad;
    if (bad === null && this.#isMacControl(frame)) {
      this.#macControl(frame, now);
      if ((rctl & D.E1000_RCTL_PMCF) === 0) return 'pause frame';
    }
    const verdict = device.filter.destination(frame, rctl);
    if (verdict === REJECTED) return 'address filter';
    if ((rctl & D.E1000_RCTL_VFE) !== 0 && frame.view.getUint16(frame.start + ADDRESSES) === (registers.u32[VET]! & 0xffff)) {
      if (!device.filter.vlan(frame.view.getUint16(frame.start + ADDRESSES + 2), rctl)) return 'VLAN filter';
    }
    const room = (registers.u32[RXPBS]! & D.E1000_RXPBS_SIZE_MASK_82576) * 1024;
    if (buffered + frame.length + FCS_BYTES > room) {
      device.statistics.count(R.E1000_MPC);
      device.interrupts.causeOther(D.E1000_ICR_RXMISS, now);
      return 'packet buffer full (MPC)';
    }
    // GPRC leaves out what MPC counts (8.18.23).
    if (bad === null) this.#countGood(frame);
    this.inexact = verdict === INEXACT;
    this.bad = bad !== null;
    return null;
  }

  /** FCS and length (8.18.1, 8.18.30 …). Lengths count the FCS. */
  #checkFrame(frame: Frame, rctl: number): DropReason | null {
    const statistics = this.#device.statistics;
    const limit = this.#longest(frame, rctl);
    if (frame.badFcs) return this.#checkBadFcs(frame, limit);
    if (frame.length < MIN_FRAME) {
      statistics.count(R.E1000_RUC);
      statistics.count(R.E1000_RLEC);
      return 'too short (RUC)';
    }
    if (frame.length > limit) {
      statistics.count(R.E1000_ROC);
      statistics.count(R.E1000_RLEC);
      return 'too long (ROC)';
    }
    const type = frame.view.getUint16(frame.start + ADDRESSES);
    return type < FIRST_ETHERTYPE && !fillsFrame(frame, type) ? this.#wrongLength() : null;
  }

  /** Which of its faults a damaged frame is counted for: CRCERRS and ALGNERRC leave out what is shorter than 64 bytes. */
  #checkBadFcs(frame: Frame, limit: number): DropReason {
    const statistics = this.#device.statistics;
    if (frame.length < MIN_FRAME) {
      statistics.count(R.E1000_RFC);
      return 'bad FCS and too short (RFC)';
    }
    if (frame.length > limit) statistics.count(R.E1000_RJC);
    statistics.count(frame.misaligned ? R.E1000_ALGNERRC : R.E1000_CRCERRS);
    return frame.misaligned ? 'not whole bytes (ALGNERRC)' : 'bad FCS (CRCERRS)';
  }

  /** A frame of IEEE 802.3 whose length field does not fit is dropped, unless RFCTL.LEF lets it pass. */
  #wrongLength(): DropReason | null {
    this.#device.statistics.count(R.E1000_LENERRS);
    return (this.#device.registers.get(R.E1000_RFCTL) & D.E1000_RFCTL_LEF) !== 0 ? null : 'length field wrong (LENERRS)';
  }

  #longest(frame: Frame, rctl: number): number {
    if ((rctl & D.E1000_RCTL_LPE) !== 0) return (this.#device.registers.u32[RLPML]! & D.E1000_RLPML_MASK) - FCS_BYTES;
    if (frame.length <= MAX_FRAME) return MAX_FRAME;
    const tagged = frame.view.getUint16(frame.start + ADDRESSES) === (this.#device.registers.u32[VET]! & 0xffff);
    return tagged ? MAX_FRAME + VLAN_TAG : MAX_FRAME;
  }

  #isMacControl(frame: Frame): boolean {
    const registers = this.#device.registers;
    if (frame.view.getUint16(frame.start + ADDRESSES) !== registers.u32[FCT]!) return false;
    return (
      frame.view.getUint32(frame.start, true) === registers.get(R.E1000_FCAL) &&
      frame.view.getUint16(frame.start + 4, true) === (registers.get(R.E1000_FCAH) & 0xffff)
    );
  }

  /** A pause frame stops our MAC for so many times 512 bit times; 0 lets it go on (IEEE 802.3 annex 31B). */
  #macControl(frame: Frame, now: Nanoseconds): void {
    const statistics = this.#device.statistics;
    const enabled = (this.#device.registers.u32[CTRL]! & D.E1000_CTRL_RFCE) !== 0;
    if (!enabled || frame.view.getUint16(frame.start + 14) !== PAUSE_OPCODE) {
      statistics.count(R.E1000_FCRUC);
      return;
    }
    const quanta = frame.view.getUint16(frame.start + 16);
    statistics.count(quanta === 0 ? R.E1000_XONRXC : R.E1000_XOFFRXC);
    this.#device.pauseTransmission(quanta, now);
  }

  #countGood(frame: Frame): void {
    const multicast = (frame.u8[frame.start]! & 1) !== 0;
    this.#device.statistics.received(frame.length, multicast, multicast && this.#device.filter.isBroadcast(frame));
  }
}

/** Does the length field say what the frame holds? Only the shortest frames may have padding. */
function fillsFrame(frame: Frame, length: number): boolean {
  const held = frame.length - ADDRESSES - 2;
  return length === held || (length < held && frame.length === MIN_FRAME);
}
