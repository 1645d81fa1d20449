/** Puts frames at NICs and on wires, and the fill of the descriptor rings, into the trace. */
import type { IgbDevice } from '../../hw/igb/igb_device.ts';
import type { DropReason, NicObserver } from '../../hw/igb/observer.ts';
import type { TraceEvent } from '../../kernel/trace/trace_event.ts';
import type { TraceRecord } from '../../kernel/trace/trace_record.ts';
import type { Cable, CableEnd, CableObserver } from '../../wire/cable.ts';
import { FCS_BYTES, type Frame, MIN_FRAME, PREAMBLE_BYTES } from '../../wire/frame.ts';
import type { Fate } from '../../wire/impairment.ts';
import { nicReceive, nicRing, nicStore, nicTransmit, wireFrame } from './hardware_events.ts';
import type { TraceRecorder } from './trace_recorder.ts';

export class NicTrace implements NicObserver {
  readonly #recorder: TraceRecorder;
  readonly #name: string;
  readonly #device: IgbDevice;

  /** `name`: `host.interface`. */
  constructor(recorder: TraceRecorder, name: string, device: IgbDevice) {
    this.#recorder = recorder;
    this.#name = name;
    this.#device = device;
    device.observers.push(this);
  }

  transmitted(frame: Frame, queue: number, time: number, descriptorIndex: number): void {
    const record = this.#begin(nicTransmit, time, frame, queue);
    record.u32(descriptorIndex);
    record.u32(frame.length);
    this.#recorder.endHardware();
    const { head, tail, size } = this.#device.tx.queues[queue]!;
    this.#ring('tx', queue, time, tail - head, size);
  }

  received(frame: Frame, queue: number, time: number, rssHash: number, dropped: DropReason | null): void {
    const record = this.#begin(nicReceive, time, frame, queue);
    record.u32(frame.length);
    record.u32(rssHash);
    record.text(dropped ?? '');
    this.#recorder.endHardware();
  }

  stored(frame: Frame, queue: number, time: number, descriptorIndex: number): void {
    const record = this.#begin(nicStore, time, frame, queue);
    record.u32(descriptorIndex);
    record.u32(frame.length);
    this.#recorder.endHardware();
    const ring = this.#device.rx.queues[queue]!;
    this.#ring('rx', queue, time, ring.available, ring.size);
  }

  discarded(frame: Frame, queue: number, time: number, reason: DropReason): void {
    const record = this.#begin(nicReceive, time, frame, queue);
    record.u32(frame.length);
    record.u32(0);
    record.text(reason);
    this.#recorder.endHardware();
  }

  /** What events about a frame at one of the card's queues begin with. */
  #begin(event: TraceEvent, time: number, frame: Frame, queue: number): TraceRecord {
    const record = this.#recorder.beginHardware(event, time);
    record.packet(frame.id, 1);
    record.text(this.#name);
    record.u32(queue);
    return record;
  }

  #ring(name: string, queue: number, time: number, used: number, size: number): void {
    const record = this.#recorder.beginHardware(nicRing, time);
    record.text(this.#name);
    record.text(name);
    record.u32(queue);
    record.u32(used < 0 ? used + size : used);
    record.u32(size);
    this.#recorder.endHardware();
  }
}

export class WireTrace implements CableObserver {
  readonly #recorder: TraceRecorder;
  readonly #cable: Cable;

  constructor(recorder: TraceRecorder, cable: Cable) {
    this.#recorder = recorder;
    this.#cable = cable;
    cable.observers.push(this);
  }

  frame(from: CableEnd, frame: Frame, time: number, fate: Fate): void {
    const { name, rateBps } = this.#cable.options;
    const bytes = PREAMBLE_BYTES + Math.max(frame.length, MIN_FRAME) + FCS_BYTES;
    const record = this.#recorder.beginHardware(wireFrame, this.#cable.simulation.now);
    record.packet(frame.id, 1);
    record.text(name);
    record.text(from.name);
    record.u32(frame.length);
    record.u32(Math.round((bytes * 8e9) / rateBps));
    record.u64(time);
    record.text(fate.lost ? 'lost' : fate.corrupt ? 'corrupt' : fate.duplicate ? 'duplicate' : '');
    this.#recorder.endHardware();
  }
}
