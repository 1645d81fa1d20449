/**
 * Pause frames that this port sends (datasheet 3.7.5.3): XOFF when the receive packet buffer is filled above FCRTH, XON when it has been
 * emptied below FCRTL. They pass by the transmit packet buffer.
 */
import type { Nanoseconds } from '../../sim/time.ts';
import { MIN_FRAME } from '../../wire/frame.ts';
import * as D from './e1000_defines.ts';
import * as R from './e1000_regs.ts';
import type { IgbDevice } from './igb_device.ts';
import { registerMap } from './registers.ts';

/** The slot of the register that every frame needs. */
const FCRTH = registerMap.slotOf(R.E1000_FCRTH);
const PAUSE_OPCODE = 1;
export const PAUSE_QUANTUM_BITS = 512;

export class FlowControl {
  readonly #device: IgbDevice;
  #stopped = false;
  /** When half of the pause we asked for is over: time to ask again. */
  #refreshAt: Nanoseconds = 0;

  constructor(device: IgbDevice) {
    this.#device = device;
  }

  reset(): void {
    this.#stopped = false;
    this.#refreshAt = 0;
  }

  get #enabled(): boolean {
    return (this.#device.registers.get(R.E1000_CTRL) & D.E1000_CTRL_TFCE) !== 0;
  }

  filled(bytes: number, now: Nanoseconds): void {
    const threshold = this.#device.registers.u32[FCRTH]! & D.E1000_FCRTH_RTH_MASK;
    if (threshold === 0 || bytes <= threshold || !this.#enabled || (this.#stopped && now < this.#refreshAt)) return;
    const quanta = this.#device.registers.get(R.E1000_FCTTV) & 0xffff;
    this.#stopped = true;
    this.#refreshAt = now + Math.floor((quanta * PAUSE_QUANTUM_BITS * 1e9) / Math.max(this.#device.rateBps, 1) / 2);
    this.#send(quanta);
    this.#device.statistics.count(R.E1000_XOFFTXC);
  }

  drained(bytes: number): void {
    if (!this.#stopped) return;
    const low = this.#device.registers.get(R.E1000_FCRTL);
    if (bytes >= (low & D.E1000_FCRTL_RTL_MASK)) return;
    this.#stopped = false;
    if ((low & D.E1000_FCRTL_XONE) === 0 || !this.#enabled) return;
    this.#send(0);
    this.#device.statistics.count(R.E1000_XONTXC);
  }

  #send(quanta: number): void {
    const device = this.#device;
    if (!device.canTransmit) return;
    const registers = device.registers;
    const frame = device.pool.take(MIN_FRAME);
    const at = frame.start;
    const view = frame.view;
    view.setUint32(at, registers.get(R.E1000_FCAL), true);
    view.setUint16(at + 4, registers.get(R.E1000_FCAH) & 0xffff, true);
    view.setUint32(at + 6, registers.get(R.E1000_RAL(0)), true);
    view.setUint16(at + 10, registers.get(R.E1000_RAH(0)) & 0xffff, true);
    view.setUint16(at + 12, registers.get(R.E1000_FCT) & 0xffff);
    view.setUint16(at + 14, PAUSE_OPCODE);
    view.setUint16(at + 16, quanta);
    frame.u8.fill(0, at + 18, at + MIN_FRAME);
    device.putOnWire(frame, -1, false);
  }
}
