/**
 * Faults on demand, as far as they lie in the card: see machine/fault.ts. The engines look at their marks (`hung`, `blocked`, `starved`) only where
 * they stop anyway, so that a healthy card pays nothing.
 *
 * Also the frames that a card loses without a counter in the datasheet: what stood in its FIFOs when it was reset, and what arrived while the receiver
 * was off. The run's report names them, so that every frame is accounted for.
 */
import type { DeviceFault } from '../../machine/fault.ts';
import type { IgbDevice } from './igb_device.ts';

/** Marks of a transmit queue. */
export const QUEUE_WORKS = 0;
export const QUEUE_HUNG = 1;
/** The next packet's data lie where the device may not read. */
export const QUEUE_BLOCKED = 2;

export class Faults {
  /** Frames in the transmit packet buffer at a reset: the driver had been told that they were sent. */
  resetTx = 0;
  /** Frames in the receive packet buffer at a reset. */
  resetRx = 0;
  /** Frames that came while the receiver was off or the link down. */
  receiverOff = 0;
  readonly #device: IgbDevice;

  constructor(device: IgbDevice) {
    this.#device = device;
  }

  inject(fault: DeviceFault): void {
    const device = this.#device;
    const { queue, direction } = fault;
    if (fault.kind === 'tx-hang') device.tx.hung[queue] = QUEUE_HUNG;
    else if (fault.kind === 'dma-fault' && direction === 'tx') device.tx.hung[queue] = QUEUE_BLOCKED;
    else if (fault.kind === 'dma-fault') device.rx.writer.blocked[queue] = 1;
    else if (fault.kind === 'rx-starvation') this.#starve(queue, fault.durationNs);
    else if (fault.kind === 'link-down') this.#cutLink(fault.durationNs);
    else if (fault.kind === 'crc-errors') device.damage(fault.frames);
  }

  #starve(queue: number, durationNs: number): void {
    const { rx, simulation, name } = this.#device;
    rx.starve(queue);
    simulation.once(simulation.now + durationNs, `${name} receive queue ${queue} is fed again`, () => rx.feed(queue));
  }

  #cutLink(durationNs: number): void {
    const { phy, simulation, name } = this.#device;
    phy.cut(true);
    simulation.once(simulation.now + durationNs, `${name} link comes back`, () => phy.cut(false));
  }
}
