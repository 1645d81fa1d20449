/** What can be seen at a NIC by those who only listen. Nobody listening costs nothing: the device asks for an empty list first. */
import type { Nanoseconds } from '../../sim/time.ts';
import type { Frame } from '../../wire/frame.ts';

/** Why the device did not pass a frame to the host. The counter that tells of it is in brackets. */
export type DropReason =
  | 'receiver disabled'
  | 'bad FCS (CRCERRS)'
  | 'bad FCS and too short (RFC)'
  | 'not whole bytes (ALGNERRC)'
  | 'length field wrong (LENERRS)'
  | 'too short (RUC)'
  | 'too long (ROC)'
  | 'pause frame'
  | 'address filter'
  | 'VLAN filter'
  | 'packet buffer full (MPC)'
  | 'no descriptor (RQDPC)'
  | 'reset';

/** Frames as they pass between the device and its plug. A frame's bytes are valid during the call only. */
export interface NicObserver {
  /** A frame's first bit leaves at `time`; `descriptorIndex` is where its packet's first descriptor stands in the ring of `queue`. */
  transmitted(frame: Frame, queue: number, time: Nanoseconds, descriptorIndex: number): void;
  /**
   * A frame's last bit arrived at `time`. `dropped` is null when the frame was taken into the packet buffer for `queue` (then `rssHash` is its
   * hash, 0 when it has none); otherwise queue is -1.
   */
  received(frame: Frame, queue: number, time: Nanoseconds, rssHash: number, dropped: DropReason | null): void;
  /** A frame goes from the packet buffer to host memory by DMA, beginning with the buffer of descriptor `descriptorIndex` of the ring of `queue`. */
  stored(frame: Frame, queue: number, time: Nanoseconds, descriptorIndex: number): void;
  /** A frame that had been taken into the packet buffer was given up later. */
  discarded(frame: Frame, queue: number, time: Nanoseconds, reason: DropReason): void;
}

/** Sees every access of the driver to the registers, under the register's name (`TDT[3]`), as it is issued. */
export interface RegisterObserver {
  access(device: string, write: boolean, name: string, value: number): void;
}
