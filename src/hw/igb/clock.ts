/**
 * The port's clock for PTP (datasheet 7.9, 8.16): a 64-bit counter that grows by INCVALUE every INCPERIOD times 16 ns, and the stamps it gives to
 * frames. Values are BigInt: they exceed 2^53, and nothing here is on the path of ordinary packets.
 */
import type { Simulation } from '../../sim/simulation.ts';
import type { Nanoseconds } from '../../sim/time.ts';
import { WIDE } from '../../sim/wide.ts';
import type { Frame } from '../../wire/frame.ts';
import * as D from './e1000_defines.ts';
import * as R from './e1000_regs.ts';
import type { RegisterValues } from './register_values.ts';

const TICK_NS = 16;
const MASK64 = (1n << 64n) - 1n;
const PTP_ETHERTYPE = 0x88f7;
const PTP_EVENT_PORT = 319;
const ETH_HEADER = 14;
const ETH_P_IP = 0x0800;
const IPPROTO_UDP = 17;
const UDP_HEADER = 8;
/** Shortest header of a message, and where its fields are (IEEE 1588-2002, annex D; 1588-2008, 13.3). */
const MESSAGE = 34;
const V1_SOURCE = 22;
const V1_CONTROL = 32;
const V2_SOURCE = 20;
const SEQUENCE = 30;
/** Bit 3 of the message type: general messages, which need no stamp. */
const V2_GENERAL = 8;

export class Clock {
  readonly #simulation: Simulation;
  readonly #values: RegisterValues;
  /** The counter's value at `#since`. */
  #base = 0n;
  #since: Nanoseconds = WIDE;
  #latchedHigh = WIDE;

  constructor(simulation: Simulation, values: RegisterValues) {
    this.#simulation = simulation;
    this.#values = values;
  }

  at(time: Nanoseconds): bigint {
    const increment = this.#values.get(R.E1000_TIMINCA);
    const period = increment >>> D.E1000_TIMINCA_INCPERIOD_SHIFT;
    if (period === 0) return this.#base;
    const ticks = Math.floor((time - this.#since) / (period * TICK_NS));
    return (this.#base + BigInt(ticks) * BigInt(increment & D.E1000_TIMINCA_INCVALUE_MASK)) & MASK64;
  }

  readLow(): number {
    const value = this.at(this.#simulation.now);
    this.#latchedHigh = Number(value >> 32n);
    return Number(value & 0xffffffffn);
  }

  readHigh(): number {
    return this.#latchedHigh;
  }

  writeLow(value: number, time: Nanoseconds): void {
    this.#rebase((this.at(time) & ~0xffffffffn) | BigInt(value), time);
  }

  writeHigh(value: number, time: Nanoseconds): void {
    this.#rebase((this.at(time) & 0xffffffffn) | (BigInt(value) << 32n), time);
  }

  /** The value is stored already, so what ran until now is rebased with the increment before it. */
  writeIncrement(value: number, time: Nanoseconds): void {
    this.#values.set(R.E1000_TIMINCA, this.#increment);
    this.#rebase(this.at(time), time);
    this.#increment = value;
    this.#values.set(R.E1000_TIMINCA, value);
  }

  #increment = 0;

  adjust(high: number, time: Nanoseconds): void {
    const amount = (BigInt(high & 0x7fffffff) << 32n) | BigInt(this.#values.get(R.E1000_TIMADJL));
    this.#rebase((high & 0x80000000) !== 0 ? this.at(time) - amount : this.at(time) + amount, time);
  }

  reset(now: Nanoseconds): void {
    this.#base = 0n;
    this.#since = now;
    this.#increment = 0;
  }

  /** FRTIMER: time since power-on in three fields. */
  freeRunning(): number {
    const microseconds = Math.floor(this.#simulation.now / 1000);
    const seconds = Math.floor(microseconds / 1_000_000) & 0xfff;
    const milliseconds = Math.floor(microseconds / 1000) % 1000;
    return ((seconds << 20) | (milliseconds << 10) | (microseconds % 1000)) >>> 0;
  }

  /** Stamps a frame on its way out, unless an older stamp has not been read yet. */
  stampTransmit(time: Nanoseconds): void {
    const control = this.#values.get(R.E1000_TSYNCTXCTL);
    if ((control & D.E1000_TSYNCTXCTL_ENABLED) === 0 || (control & D.E1000_TSYNCTXCTL_VALID) !== 0) return;
    const value = this.at(time);
    this.#values.set(R.E1000_TXSTMPL, Number(value & 0xffffffffn));
    this.#values.set(R.E1000_TXSTMPH, Number(value >> 32n));
    this.#values.set(R.E1000_TSYNCTXCTL, control | D.E1000_TSYNCTXCTL_VALID);
  }

  freeTransmit(high: number): number {
    this.#values.set(R.E1000_TSYNCTXCTL, this.#values.get(R.E1000_TSYNCTXCTL) & ~D.E1000_TSYNCTXCTL_VALID);
    return high;
  }

  get stampsReceived(): boolean {
    return (this.#values.get(R.E1000_TSYNCRXCTL) & D.E1000_TSYNCRXCTL_ENABLED) !== 0;
  }

  /** Stamps a received PTP frame if TSYNCRXCTL asks for it; true when it was stamped. */
  stampReceive(frame: Frame, time: Nanoseconds): boolean {
    const control = this.#values.get(R.E1000_TSYNCRXCTL);
    if ((control & D.E1000_TSYNCRXCTL_VALID) !== 0 || !this.#wanted(frame, control & D.E1000_TSYNCRXCTL_TYPE_MASK)) return false;
    const value = this.at(time);
    this.#values.set(R.E1000_RXSTMPL, Number(value & 0xffffffffn));
    this.#values.set(R.E1000_RXSTMPH, Number(value >> 32n));
    this.#values.set(R.E1000_TSYNCRXCTL, control | D.E1000_TSYNCRXCTL_VALID);
    this.#remember(frame);
    return true;
  }

  freeReceive(high: number): number {
    this.#values.set(R.E1000_TSYNCRXCTL, this.#values.get(R.E1000_TSYNCRXCTL) & ~D.E1000_TSYNCRXCTL_VALID);
    return high;
  }

  /**
   * TSYNCRXCTL.Type says which PTP messages are stamped, TSYNCRXCFG of which kind (8.16.2, 8.16.27). Simplified: they are known by Ethertype and UDP port; the
   * datasheet also wants a filter (ETQF, FTQF) that marks them.
   */
  #wanted(frame: Frame, type: number): boolean {
    if (type === D.E1000_TSYNCRXCTL_TYPE_ALL) return true;
    const message = messageAt(frame);
    if (message === 0) return false;
    const isL2 = message === ETH_HEADER;
    const at = frame.start + message;
    if (type === D.E1000_TSYNCRXCTL_TYPE_L4_V1) return !isL2 && frame.u8[at + V1_CONTROL] === (this.#values.get(R.E1000_TSYNCRXCFG) & 0xff);
    if (type === D.E1000_TSYNCRXCTL_TYPE_EVENT_V2) return (frame.u8[at]! & V2_GENERAL) === 0;
    if (type === D.E1000_TSYNCRXCTL_TYPE_L2_V2 && !isL2) return false;
    return frame.u8[at] === ((this.#values.get(R.E1000_TSYNCRXCFG) >>> 8) & 0xff);
  }

  /** RXSATRL and RXSATRH: who sent the stamped message, and its sequence number, so that software finds it (8.16.7). */
  #remember(frame: Frame): void {
    const message = messageAt(frame);
    const isV1 = (this.#values.get(R.E1000_TSYNCRXCTL) & D.E1000_TSYNCRXCTL_TYPE_MASK) === D.E1000_TSYNCRXCTL_TYPE_L4_V1;
    const at = frame.start + message + (isV1 ? V1_SOURCE : V2_SOURCE);
    const sequence = message === 0 ? 0 : frame.view.getUint16(frame.start + message + SEQUENCE);
    this.#values.set(R.E1000_RXSATRL, message === 0 ? 0 : frame.view.getUint32(at + 2));
    this.#values.set(R.E1000_RXSATRH, message === 0 ? 0 : ((sequence << 16) | frame.view.getUint16(at)) >>> 0);
  }

  #rebase(value: bigint, time: Nanoseconds): void {
    this.#base = value & MASK64;
    this.#since = time;
  }
}

/** Where a PTP message begins in a frame: after the Ethernet header, or after UDP to the event port; 0 when it is none. */
function messageAt(frame: Frame): number {
  const { view, start, length } = frame;
  const type = view.getUint16(start + 12);
  if (type === PTP_ETHERTYPE) return ETH_HEADER;
  if (type !== ETH_P_IP || length < ETH_HEADER + 20 + UDP_HEADER + MESSAGE || frame.u8[start + 23] !== IPPROTO_UDP) return 0;
  const udp = ETH_HEADER + (frame.u8[start + ETH_HEADER]! & 15) * 4;
  return view.getUint16(start + udp + 2) === PTP_EVENT_PORT ? udp + UDP_HEADER : 0;
}
