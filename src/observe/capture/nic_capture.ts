/**
 * The capture point `nic`: frames as a NIC puts them on the wire and takes them off it, after TSO and checksum insertion. Outgoing frames are stamped with
 * their first bit and name the descriptor they came from, incoming ones with their last bit; those the NIC did not take say why.
 */
import type { DropReason, NicObserver } from '../../hw/igb/observer.ts';
import type { Frame } from '../../wire/frame.ts';
import { PACKET_CRC_ERROR, PACKET_INBOUND, PACKET_OUTBOUND } from '../files/pcapng_format.ts';
import type { CapturePoint } from './capture_session.ts';
import { type GateOptions, PacketGate } from './packet_gate.ts';
import { receptionType } from './reception_type.ts';

/** A frame that waits for its turn: transmit times may lie ahead of what arrives meanwhile. */
interface Pending {
  time: number;
  bytes: Uint8Array;
  length: number;
  flags: number;
  id: number;
  queue: number;
  hash: number;
  comment: string | null;
}

export class NicCapture implements NicObserver {
  readonly #gate: PacketGate;
  /** Frames whose time has not come yet, in order. */
  readonly #ahead: Pending[] = [];

  constructor(observers: NicObserver[], point: CapturePoint, options: GateOptions) {
    this.#gate = new PacketGate(point, options);
    observers.push(this);
  }

  transmitted(frame: Frame, queue: number, time: number, descriptorIndex: number): void {
    if (!this.#gate.wants(frame.u8, frame.start, frame.length, frame.length, time)) return;
    const flags = PACKET_OUTBOUND | receptionType(frame.u8, frame.start);
    const captured = this.#gate.kept(frame.length);
    this.#ahead.push({
      time,
      bytes: frame.u8.slice(frame.start, frame.start + captured),
      length: frame.length,
      flags,
      id: frame.id,
      queue,
      hash: -1,
      comment: `tx descriptor ${descriptorIndex}`,
    });
  }

  received(frame: Frame, queue: number, time: number, rssHash: number, dropped: DropReason | null): void {
    this.#flushUntil(time);
    if (dropped !== null) this.#gate.point.dropped++;
    if (!this.#gate.wants(frame.u8, frame.start, frame.length, frame.length, time)) return;
    const flags = PACKET_INBOUND | receptionType(frame.u8, frame.start) | (frame.badFcs ? PACKET_CRC_ERROR : 0);
    const captured = this.#gate.kept(frame.length);
    const comment = dropped === null ? null : `not passed to the host: ${dropped}`;
    const hash = rssHash === 0 ? -1 : rssHash >>> 0;
    this.#gate.point.writer.packet(0, time, frame.u8, frame.start, captured, frame.length, flags, frame.id, queue, hash, comment);
  }

  discarded(): void {
    this.#gate.point.received++;
    this.#gate.point.dropped++;
  }

  /** Writes what is left at the end of a run. */
  finish(): void {
    this.#flushUntil(Number.POSITIVE_INFINITY);
  }

  #flushUntil(time: number): void {
    const ahead = this.#ahead;
    let done = 0;
    while (done < ahead.length && ahead[done]!.time <= time) {
      const { time: stamp, bytes, length, flags, id, queue, hash, comment } = ahead[done++]!;
      this.#gate.point.writer.packet(0, stamp, bytes, 0, bytes.length, length, flags, id, queue, hash, comment);
    }
    if (done > 0) ahead.splice(0, done);
  }
}
