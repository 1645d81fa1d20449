/** What can be plugged into a cable: the seam between wires and the devices at their ends. */
import type { Nanoseconds } from '../sim/time.ts';
import type { Frame } from './frame.ts';

/** A device's side of the plug: what the wire calls. */
export interface Port {
  readonly name: string;
  /** A frame has arrived whole, now. The port owns it from here on and releases it. */
  receive(frame: Frame): void;
  /** The link came up (rate in bit/s) or went down (0). */
  linkChanged(rateBps: number): void;
}

/** The wire's side of the plug: what a device calls. One end of a cable. */
export interface WireEnd {
  /** bit/s, 0 while the link is down. */
  readonly rateBps: number;
  /** The instant from which the wire is free for this end's next frame. */
  readonly freeAt: Nanoseconds;
  /**
   * Puts a frame on the wire now or as soon as the wire is free, whichever is later; the wire owns it from here on. `freeAt` is then
   * the instant at which its last bit has left, inter-frame gap included.
   */
  send(frame: Frame): void;
  /** The PHY at this end has stopped to send a signal (powered down, in reset), or sends one again: the far end's link goes and comes with it. */
  signal(on: boolean): void;
  /** Damages the next `count` frames that leave here. */
  damage(count: number): void;
}
