/**
 * The copper PHY and its link (IEEE 802.3 clauses 22, 28 and 40): registers behind MDIC, auto-negotiation, and the events of a link that comes and
 * goes. The partner is always another port that offers all speeds and both kinds of pause.
 */

import type { Nanoseconds } from '../../sim/time.ts';
import { Timer } from '../../sim/timer.ts';
import * as D from './e1000_defines.ts';
import * as R from './e1000_regs.ts';
import type { IgbDevice } from './igb_device.ts';

const PHY_ADDRESS = 1;
/** Capabilities in PHY_STATUS: 10 and 100 Mbit/s both ways, extended status, auto-negotiation, extended registers. */
const STATUS_CAPABILITIES = 0x7949;
/** What the partner offers: all of 10 and 100 Mbit/s, both pause bits, acknowledged. */
const PARTNER_ABILITY = 0x4de1;
const PARTNER_1000T = D.SR_1000T_LP_FD_CAPS | D.SR_1000T_LP_HD_CAPS | D.SR_1000T_LOCAL_RX_STATUS | D.SR_1000T_REMOTE_RX_STATUS;
const EXTENDED_STATUS_1000T_FD = 0x3000;
/** Registers 16 and above lie on pages, chosen through register 31. */
const FIRST_PAGED = 0x10;

export class Phy {
  readonly #device: IgbDevice;
  readonly #registers = new Map<number, number>();
  readonly #negotiation: Timer;
  /** The other end of the cable: bit/s, 0 while there is nobody. */
  #rateBps = 0;
  #page = 0;
  /** PHY_STATUS' link bit stays 0 after a loss until it has been read (22.2.4.2.13). */
  #lossSeen = true;
  linkUp = false;
  /** Faults on demand: nothing comes from and goes to the partner. */
  #isCut = false;

  constructor(device: IgbDevice) {
    this.#device = device;
    this.#negotiation = new Timer(`${device.name} auto-negotiation`, () => this.#negotiated());
    this.reset();
  }

  /** Mbit/s of a link that is up. */
  get speed(): number {
    if (this.#rateBps >= 1e9) return D.SPEED_1000;
    return this.#rateBps >= 1e8 ? D.SPEED_100 : D.SPEED_10;
  }

  get loopback(): boolean {
    return (this.#control & D.MII_CR_LOOPBACK) !== 0;
  }

  get #control(): number {
    return this.#registers.get(D.PHY_CONTROL)!;
  }

  reset(): void {
    const registers = this.#registers;
    registers.clear();
    registers.set(D.PHY_CONTROL, 0x1140);
    registers.set(D.PHY_ID1, 0x02a8);
    registers.set(D.PHY_ID2, 0x0391);
    registers.set(D.PHY_AUTONEG_ADV, 0x0de1);
    registers.set(D.PHY_1000T_CTRL, 0x0f00);
    registers.set(D.PHY_EXT_STATUS, EXTENDED_STATUS_1000T_FD);
    registers.set(D.IGP02E1000_PHY_POWER_MGMT, 0x008d);
    this.#page = 0;
  }

  /** The cable's other end came (bit/s) or went (0). */
  cable(rateBps: number, now: Nanoseconds): void {
    this.#rateBps = rateBps;
    this.negotiate(now);
  }

  /** Takes the link down and, if there is someone to talk to, starts to bring it up. */
  negotiate(now: Nanoseconds): void {
    this.#setLink(false, now);
    this.#device.simulation.cancel(this.#negotiation);
    if (this.#rateBps === 0 || this.#isCut || (this.#control & D.MII_CR_POWER_DOWN) !== 0) return;
    this.#device.simulation.at(Math.max(now, this.#device.simulation.now) + this.#device.options.autonegotiationNs, this.#negotiation);
  }

  /** CTRL.PHY_RST and a power cycle; the link is negotiated anew. */
  hardReset(now: Nanoseconds): void {
    this.reset();
    this.#restart(now);
  }

  /** It was our doing that the link goes: the partner loses our signal, and negotiates with us when it comes back. */
  #restart(now: Nanoseconds): void {
    this.#device.signal(false);
    if (!this.#isCut && (this.#control & D.MII_CR_POWER_DOWN) === 0) this.#device.signal(true);
    this.negotiate(now);
  }

  /** A fault: the wires of this port are cut, or joined again. */
  cut(isCut: boolean): void {
    this.#isCut = isCut;
    this.#restart(this.#device.simulation.now);
  }

  mdicWritten(value: number, time: Nanoseconds): void {
    const register = (value & D.E1000_MDIC_REG_MASK) >>> D.E1000_MDIC_REG_SHIFT;
    const address = (value & D.E1000_MDIC_PHY_MASK) >>> D.E1000_MDIC_PHY_SHIFT;
    this.#device.registers.set(R.E1000_MDIC, this.#access(value, register, address, time) >>> 0);
  }

  /** Simplified: READY at once; an MDIO frame takes 26 µs at 2.5 MHz. The driver polls every 50 µs. */
  #access(value: number, register: number, address: number, time: Nanoseconds): number {
    const request = (value & 0x07ffffff) | D.E1000_MDIC_READY;
    if (address !== PHY_ADDRESS) return request | D.E1000_MDIC_ERROR;
    if ((value & D.E1000_MDIC_OP_READ) !== 0) return (value & 0x0fff0000) | D.E1000_MDIC_READY | this.read(register);
    if ((value & D.E1000_MDIC_OP_WRITE) !== 0) this.write(register, value & D.E1000_MDIC_DATA_MASK, time);
    return request;
  }

  read(register: number): number {
    switch (register) {
      case D.PHY_STATUS:
        return this.#readStatus();
      case D.PHY_LP_ABILITY:
        return this.linkUp ? PARTNER_ABILITY : 0;
      case D.PHY_AUTONEG_EXP:
        return this.linkUp ? D.NWAY_ER_LP_NWAY_CAPS : 0;
      case D.PHY_1000T_STATUS:
        return this.linkUp && this.speed === D.SPEED_1000 ? PARTNER_1000T : 0;
      case D.IGP01E1000_PHY_PORT_STATUS:
        return this.#page === 0 || this.#page === register ? this.#portStatus() : this.#stored(register);
      case D.IGP01E1000_PHY_PAGE_SELECT:
        return this.#page;
      default:
        return this.#stored(register);
    }
  }

  write(register: number, value: number, time: Nanoseconds): void {
    if (register === D.PHY_CONTROL) this.#controlWritten(value, time);
    else if (register === D.IGP01E1000_PHY_PAGE_SELECT) this.#page = value;
    else if (register !== D.PHY_STATUS && register !== D.PHY_ID1 && register !== D.PHY_ID2) this.#registers.set(this.#key(register), value);
  }

  #controlWritten(value: number, time: Nanoseconds): void {
    if ((value & D.MII_CR_RESET) !== 0) {
      this.hardReset(time);
      return;
    }
    const before = this.#control;
    this.#registers.set(D.PHY_CONTROL, value & ~(D.MII_CR_RESET | D.MII_CR_RESTART_AUTO_NEG));
    const powerOrLoopback = D.MII_CR_POWER_DOWN | D.MII_CR_LOOPBACK;
    if ((value & D.MII_CR_RESTART_AUTO_NEG) !== 0 || ((before ^ value) & powerOrLoopback) !== 0) this.#restart(time);
    if ((value & D.MII_CR_LOOPBACK) !== 0) this.#setLink(true, time);
    this.#device.updateLink();
  }

  #key(register: number): number {
    if (register < FIRST_PAGED || this.#page < 0x20) return register;
    return (this.#page << 5) | register;
  }

  #stored(register: number): number {
    return this.#registers.get(this.#key(register)) ?? 0;
  }

  #readStatus(): number {
    const up = this.linkUp && this.#lossSeen;
    this.#lossSeen = true;
    return STATUS_CAPABILITIES | (up ? D.MII_SR_LINK_STATUS | D.MII_SR_AUTONEG_COMPLETE : 0);
  }

  #portStatus(): number {
    return this.linkUp && this.speed === D.SPEED_1000 ? D.IGP01E1000_PSSR_SPEED_1000MBPS : 0;
  }

  #negotiated(): void {
    if (this.#rateBps > 0) this.#setLink(true, this.#device.simulation.now);
  }

  #setLink(up: boolean, now: Nanoseconds): void {
    if (this.linkUp === up) return;
    this.linkUp = up;
    if (!up) this.#lossSeen = false;
    this.#device.linkChangedTo(now);
  }
}
