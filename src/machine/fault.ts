/**
 * Faults on demand: what can be made to go wrong with a device, from a topology, a program or a test. Some lie in the slot (bus, interrupts),
 * the others in the device itself, which says what it makes of them.
 */
import type { Nanoseconds } from '../sim/time.ts';

/**
 * - `dma-fault`: the device's next access for a packet of the queue hits memory that the IOMMU does not let it touch; its DMA engine stops there.
 * - `tx-hang`: the transmit queue stops working, without a word.
 * - `rx-starvation`: descriptors given to the receive queue do not reach the device for a while.
 * - `lost-interrupts`: messages get lost on the bus for a while.
 * - `slow-pcie`: latencies grow and bandwidth shrinks by a factor for a while.
 * - `link-down`: the port sends no signal for a while; both ends of the cable lose the link.
 * - `crc-errors`: the next frames that the port sends arrive damaged.
 */
export const DEVICE_FAULTS = ['dma-fault', 'tx-hang', 'rx-starvation', 'lost-interrupts', 'slow-pcie', 'link-down', 'crc-errors'] as const;

export type DeviceFaultKind = (typeof DEVICE_FAULTS)[number];

export interface DeviceFault {
  readonly kind: DeviceFaultKind;
  /** Queue of those that concern one. */
  readonly queue: number;
  /** dma-fault: of a packet to be sent, or of one to be received. */
  readonly direction: 'tx' | 'rx';
  /** How long those last that pass by themselves. */
  readonly durationNs: Nanoseconds;
  /** crc-errors: how many frames. */
  readonly frames: number;
  /** slow-pcie: how many times slower. */
  readonly factor: number;
}

export const faultDefaults: Omit<DeviceFault, 'kind'> = { queue: 0, direction: 'tx', durationNs: 10_000_000, frames: 1, factor: 10 };
