/**
 * The capture point `nic`: frames as a NIC puts them on the wire and takes them off it, after TSO and checksum insertion. Outgoing frames are stamped with
 * their first bit and name the descriptor they came from, incoming ones with their last bit; those the NIC did not take say why. One that it had taken and then
 * gave up appears a second time, with the reason.
 */
import type { DropReason, NicObserver } from '../../hw/igb/observer.ts';
import type { Frame } from '../../wire/frame.ts';
import { PACKET_CRC_ERROR, PACKET_INBOUND, PACKET_OUTBOUND } from '../files/pcapng_format.ts';
import type { CapturePoint } from './capture_session.ts';
import { type GateOptions, PacketGate } from './packet_gate.ts';
import { receptionType } from './reception_type.ts';

export class NicCapture implements NicObserver {
  readonly #gate: PacketGate;
  /** By descriptor: the comment that names it. */
  readonly #descriptors: string[] = [];

  constructor(observers: NicObserver[], point: CapturePoint, options: GateOptions) {
    this.#gate = new PacketGate(point, options);
    observers.push(this);
  }

  transmitted(frame: Frame, queue: number, time: number, descriptorIndex: number): void {
    const { block, u8, start, length, id } = frame;
    const gate = this.#gate;
    if (!gate.wants(u8, start, length, length, time)) return;
    const flags = PACKET_OUTBOUND | receptionType(u8, start);
    const comment = (this.#descriptors[descriptorIndex] ??= `tx descriptor ${descriptorIndex}`);
    gate.writer.packet(gate.interfaceId, time, block, start, gate.kept(length), length, flags, id, queue, -1, comment);
  }

  received(frame: Frame, queue: number, time: number, rssHash: number, dropped: DropReason | null): void {
    if (dropped !== null) {
      this.#lost(frame, queue, time, dropped, false);
      return;
    }
    const { block, u8, start, length, id } = frame;
    const gate = this.#gate;
    if (!gate.wants(u8, start, length, length, time)) return;
    const hash = rssHash === 0 ? -1 : rssHash >>> 0;
    gate.writer.packet(gate.interfaceId, time, block, start, gate.kept(length), length, inbound(frame), id, queue, hash, null);
  }

  stored(): void {
    // Shown when it came off the wire.
  }

  discarded(frame: Frame, queue: number, time: number, reason: DropReason): void {
    this.#lost(frame, queue, time, reason, true);
  }

  #lost(frame: Frame, queue: number, time: number, reason: DropReason, seen: boolean): void {
    const { block, u8, start, length, id } = frame;
    if (!this.#gate.wants(u8, start, length, length, time, seen)) return;
    this.#gate.packetDropped(time, block, start, length, inbound(frame), id, queue, `not passed to the host: ${reason}`);
  }
}

const inbound = (frame: Frame): number => PACKET_INBOUND | receptionType(frame.u8, frame.start) | (frame.badFcs ? PACKET_CRC_ERROR : 0);
