/** The capture point `wire`: a cable, both directions, with the frames that are then lost or damaged. Stamped when the last bit has left the sender. */
import type { Cable, CableEnd, CableObserver } from '../../wire/cable.ts';
import type { Frame } from '../../wire/frame.ts';
import type { Fate } from '../../wire/impairment.ts';
import { PACKET_CRC_ERROR, PACKET_INBOUND, PACKET_OUTBOUND } from '../files/pcapng_format.ts';
import type { CapturePoint } from './capture_session.ts';
import { type GateOptions, PacketGate } from './packet_gate.ts';
import { receptionType } from './reception_type.ts';

export class WireCapture implements CableObserver {
  readonly #first: CableEnd;
  readonly #gate: PacketGate;

  /** Frames from the cable's first end count as outbound. */
  constructor(cable: Cable, point: CapturePoint, options: GateOptions) {
    this.#first = cable.ends[0];
    this.#gate = new PacketGate(point, options);
    cable.observers.push(this);
  }

  frame(from: CableEnd, frame: Frame, time: number, fate: Fate): void {
    const { block, u8, start, length, id, queue } = frame;
    const gate = this.#gate;
    if (!gate.wants(u8, start, length, length, time)) return;
    const direction = from === this.#first ? PACKET_OUTBOUND : PACKET_INBOUND;
    const flags = direction | receptionType(u8, start) | (fate.corrupt ? PACKET_CRC_ERROR : 0);
    if (fate.lost) gate.packetDropped(time, block, start, length, flags, id, queue, LOST);
    else gate.writer.packet(gate.interfaceId, time, block, start, gate.kept(length), length, flags, id, queue, -1, remark(fate));
  }
}

const LOST = 'lost on the wire';

function remark(fate: Fate): string | null {
  if (fate.corrupt) return 'damaged on the wire';
  if (fate.duplicate) return 'duplicated on the wire';
  return null;
}
