/**
 * A full-duplex Ethernet cable: a rate, a delay, and what goes wrong on it. Each direction serialises frames one after the other (preamble, FCS and
 * inter-frame gap counted, the remainder of each division kept, so that rates are exact over many frames) and holds those under way in order of departure.
 * One event a frame: its arrival.
 */

import type { Simulation } from '../sim/simulation.ts';
import { type Nanoseconds, NSEC_PER_SEC } from '../sim/time.ts';
import { Timer } from '../sim/timer.ts';
import { WIDE } from '../sim/wide.ts';
import { Flights } from './flights.ts';
import { FCS_BYTES, type Frame, type FramePool, GAP_BYTES, MIN_FRAME, PREAMBLE_BYTES } from './frame.ts';
import { Fate, Impairer, type Impairment } from './impairment.ts';
import type { Port, WireEnd } from './port.ts';

/** Bits of a byte × ns of a second. */
const BITS_NS = 8 * NSEC_PER_SEC;

export interface CableOptions {
  readonly name: string;
  readonly rateBps: number;
  /** One way. */
  readonly delayNs: Nanoseconds;
}

/** Hears of every frame, also of those that are then lost: when its last bit has left the sender. */
export interface CableObserver {
  frame(from: CableEnd, frame: Frame, time: Nanoseconds, fate: Fate): void;
}

export interface CableCounters {
  frames: number;
  bytes: number;
  lost: number;
  corrupted: number;
  duplicated: number;
  delayed: number;
}

/** What becomes of frames on a cable that has been pulled. */
const UNPLUGGED = new Fate();
UNPLUGGED.lost = true;

/** One end of a cable, and the direction that starts there. */
export class CableEnd implements WireEnd {
  readonly cable: Cable;
  readonly #simulation: Simulation;
  readonly #rateBps: number;
  readonly #delayNs: Nanoseconds;
  /** ns a byte takes if that is an integer, else 0: most rates spare the division. */
  readonly #nsPerByte: number;
  /** `host.interface`, for messages and captures. */
  readonly name: string;
  readonly counters: CableCounters = { frames: 0, bytes: 0, lost: 0, corrupted: 0, duplicated: 0, delayed: 0 };
  port: Port | null = null;
  peer: CableEnd = null as unknown as CableEnd;
  #freeAt: Nanoseconds = WIDE;
  /** Bits × 10^9 that the last division left over. */
  #remainder = WIDE;
  #impairer: Impairer | null;
  /** The device here sends a signal. */
  #signals = true;
  readonly #arrival: Timer;
  readonly #flights = new Flights();

  constructor(cable: Cable, name: string, impairment: Impairment | null) {
    this.cable = cable;
    this.#simulation = cable.simulation;
    this.#rateBps = cable.options.rateBps;
    this.#delayNs = cable.options.delayNs;
    this.#nsPerByte = BITS_NS % this.#rateBps === 0 ? BITS_NS / this.#rateBps : 0;
    this.name = name;
    this.#impairer = impairment === null ? null : new Impairer(cable.simulation, `wire ${cable.options.name} from ${name}`, impairment);
    this.#arrival = new Timer(`${cable.options.name} from ${name}`, () => this.#arrive());
  }

  get rateBps(): number {
    return this.cable.up && this.peer.#signals ? this.cable.options.rateBps : 0;
  }

  signal(on: boolean): void {
    if (this.#signals === on) return;
    this.#signals = on;
    if (this.cable.up) this.peer.port?.linkChanged(on ? this.cable.options.rateBps : 0);
  }

  /** A cable without faults so far has no fates for the frames under way: they are well. */
  damage(count: number): void {
    if (this.#impairer === null) {
      this.#flights.clearFates();
      this.#impairer = new Impairer(this.cable.simulation, `wire ${this.cable.options.name} from ${this.name}`, {});
    }
    this.#impairer.damageNext += count;
  }

  get freeAt(): Nanoseconds {
    return this.#freeAt;
  }

  send(frame: Frame): void {
    const { now } = this.#simulation;
    const start = now > this.#freeAt ? now : this.#freeAt;
    if (!this.cable.up) {
      this.#observe(frame, start, UNPLUGGED);
      this.#lose(frame);
      return;
    }
    const bytes = PREAMBLE_BYTES + (frame.length > MIN_FRAME ? frame.length : MIN_FRAME) + FCS_BYTES;
    const departure = start + this.#serialise(bytes);
    this.#freeAt = departure + this.#serialise(GAP_BYTES);
    this.counters.frames++;
    this.counters.bytes += frame.length;
    this.#depart(frame, departure);
  }

  /** Frames of this direction that have not arrived yet. */
  get inFlight(): number {
    return this.#flights.count;
  }

  #serialise(bytes: number): Nanoseconds {
    if (this.#nsPerByte > 0) return bytes * this.#nsPerByte;
    const rate = this.#rateBps;
    const work = bytes * BITS_NS + this.#remainder;
    const ns = Math.floor(work / rate);
    this.#remainder = work - ns * rate;
    return ns;
  }

  #depart(frame: Frame, departure: Nanoseconds): void {
    const fate = this.#flights.depart(frame, departure);
    if (this.#impairer !== null) this.#impairer.decide(fate, frame.length * 8);
    if (this.#flights.count === 1) this.#simulation.at(departure + this.#delayNs, this.#arrival);
  }

  #arrive(): void {
    const flights = this.#flights;
    const { departure, fate } = flights;
    const frame = flights.arrive();
    if (flights.count > 0) this.#simulation.at(flights.departure + this.#delayNs, this.#arrival);
    if (this.cable.observers.length > 0) this.#observe(frame, departure, this.cable.up ? fate : UNPLUGGED);
    if (this.#impairer === null) this.#deliver(frame);
    else this.#deliverImpaired(frame, fate);
  }

  #observe(frame: Frame, departure: Nanoseconds, fate: Fate): void {
    for (const observer of this.cable.observers) observer.frame(this, frame, departure, fate);
  }

  #lose(frame: Frame): void {
    this.counters.lost++;
    this.cable.frames.release(frame);
  }

  #deliverImpaired(frame: Frame, fate: Fate): void {
    if (fate.lost) {
      this.#lose(frame);
      return;
    }
    if (fate.corrupt) this.#damage(frame, fate.bit);
    if (fate.duplicate) {
      this.counters.duplicated++;
      this.#deliverAfter(this.cable.frames.copy(frame), fate.extraDelay);
    }
    this.#deliverAfter(frame, fate.extraDelay);
  }

  #deliverAfter(frame: Frame, delay: Nanoseconds): void {
    if (delay === 0) {
      this.#deliver(frame);
      return;
    }
    this.counters.delayed++;
    const simulation = this.#simulation;
    simulation.once(simulation.now + delay, `${this.cable.options.name} delayed frame`, () => this.#deliver(frame));
  }

  #damage(frame: Frame, bit: number): void {
    this.counters.corrupted++;
    frame.u8[frame.start + (bit >> 3)]! ^= 1 << (bit & 7);
    frame.badFcs = true;
    frame.forgetSum();
  }

  #deliver(frame: Frame): void {
    const port = this.peer.port;
    if (port === null || !this.cable.up) this.#lose(frame);
    else port.receive(frame);
  }
}

export class Cable {
  readonly simulation: Simulation;
  readonly frames: FramePool;
  readonly options: CableOptions;
  readonly ends: readonly [CableEnd, CableEnd];
  readonly observers: CableObserver[] = [];
  #up = false;

  /** `impairments` belong to what the first and what the second end sends. */
  constructor(
    simulation: Simulation,
    frames: FramePool,
    options: CableOptions,
    names: readonly [string, string],
    impairments: readonly [Impairment | null, Impairment | null] = [null, null],
  ) {
    this.simulation = simulation;
    this.frames = frames;
    this.options = options;
    this.ends = [new CableEnd(this, names[0], impairments[0]), new CableEnd(this, names[1], impairments[1])];
    this.ends[0].peer = this.ends[1];
    this.ends[1].peer = this.ends[0];
  }

  get up(): boolean {
    return this.#up;
  }

  /** Plugs a device in at each end and brings the link up. */
  plug(first: Port, second: Port): void {
    this.ends[0].port = first;
    this.ends[1].port = second;
    this.setLink(true);
  }

  /** Pulls the cable or plugs it in again, at both ends. */
  setLink(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    for (const end of this.ends) end.port?.linkChanged(end.rateBps);
  }
}
