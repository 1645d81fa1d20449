/** A capture's packets as frames that can be put on a wire, and the account of those that cannot. */
import { CaptureDamage } from '../observe/files/capture_errors.ts';
import type { CapturedPacket, CaptureReader } from '../observe/files/captured_packet.ts';
import { type Frame, type FramePool, MIN_FRAME } from '../wire/frame.ts';
import { ethernetLength, writeEthernet } from './link_types.ts';

export interface ReplayCounters {
  /** Frames read, and of those: given to the NIC, of no use on a wire, cut short by the capture's snap length. */
  read: number;
  injected: number;
  tooLong: number;
  otherLinkType: number;
  cutShort: number;
}

export const newReplayCounters = (): ReplayCounters => ({ read: 0, injected: 0, tooLong: 0, otherLinkType: 0, cutShort: 0 });

/** Frames longer than this fit no wire: a capture from before TSO or after GRO. */
const LONGEST_FRAME = 9728;

export class CaptureFrames {
  /** What is wrong with the capture, once the reader has come to it. */
  damage: CaptureDamage | null = null;
  readonly #reader: CaptureReader;
  readonly #counters: ReplayCounters;

  constructor(reader: CaptureReader, counters: ReplayCounters) {
    this.#reader = reader;
    this.#counters = counters;
  }

  /** The next packet; null at the end of the capture, or of its undamaged part. */
  next(): CapturedPacket | null {
    try {
      const packet = this.#reader.next();
      if (packet !== null) this.#counters.read++;
      return packet;
    } catch (error) {
      if (!(error instanceof CaptureDamage)) throw error;
      this.damage = error;
      return null;
    }
  }

  /** The packet as a frame of `frames`, what was not captured being zero; null if it cannot be one. */
  toFrame(packet: CapturedPacket, frames: FramePool): Frame | null {
    const length = ethernetLength(packet);
    if (length < 0 || length > LONGEST_FRAME) {
      if (length < 0) this.#counters.otherLinkType++;
      else this.#counters.tooLong++;
      return null;
    }
    if (packet.captured < packet.original) this.#counters.cutShort++;
    const frame = frames.take(Math.max(length, MIN_FRAME));
    frame.u8.fill(0, frame.start, frame.start + frame.length);
    writeEthernet(packet, frame.u8, frame.start);
    return frame;
  }
}
