/**
 * Feeds the frames of a capture into the receive side of a host's NIC, at their times: address filter, rings, DMA, NAPI and stack do the rest. Takes the place
 * of whatever the topology has at the other end of that interface's wire.
 */

import { CaptureDamage } from '../observe/files/capture_errors.ts';
import type { CaptureReader } from '../observe/files/capture_reader.ts';
import type { CapturedPacket } from '../observe/files/captured_packet.ts';
import { Timer } from '../sim/event_queue.ts';
import { type Network, START_NS } from '../topology/network.ts';
import type { Guest } from '../topology/run.ts';
import type { CableEnd } from '../wire/cable.ts';
import { type Frame, MIN_FRAME } from '../wire/frame.ts';
import type { Port } from '../wire/port.ts';
import { type ArpAnswer, answerArp } from './arp_answer.ts';
import { ethernetLength, writeEthernet } from './link_types.ts';
import { Rewriter } from './rewrite.ts';

export interface ReplayOptions {
  /** `host.interface` */
  readonly to: string;
  /** Times as fast as recorded. */
  readonly speed: number;
  /** The address in the capture that the host plays; null leaves frames as they are. */
  readonly played: number | null;
}

export interface ReplayCounters {
  /** Frames read, and of those: given to the NIC, of no use on a wire, cut short by the capture's snap length. */
  read: number;
  injected: number;
  tooLong: number;
  otherLinkType: number;
  cutShort: number;
}

/** Frames longer than this fit no wire: a capture from before TSO or after GRO. */
const LONGEST_FRAME = 9728;
/** The first frame comes when the topology's programs have had time to listen. */
const LEAD_NS = 10_000_000;
/** How long after the last frame the host may still answer. */
const LISTEN_NS = 100_000_000;

export class Replay implements Guest, Port {
  readonly name = 'replay';
  readonly unplugged: string;
  readonly counters: ReplayCounters = { read: 0, injected: 0, tooLong: 0, otherLinkType: 0, cutShort: 0 };
  /** What is wrong with the capture, once the reader has come to it. */
  damage: CaptureDamage | null = null;
  done = false;
  readonly #reader: CaptureReader;
  readonly #options: ReplayOptions;
  readonly #timer = new Timer('replay', () => this.#inject());
  #network: Network = null as unknown as Network;
  #nicPort: Port = null as unknown as Port;
  #end: CableEnd = null as unknown as CableEnd;
  #rewriter: Rewriter | null = null;
  #packet: CapturedPacket | null = null;
  #firstTime: bigint | null = null;

  constructor(reader: CaptureReader, options: ReplayOptions) {
    this.#reader = reader;
    this.#options = options;
    this.unplugged = options.to;
  }

  start(network: Network): void {
    this.#network = network;
    const nic = network.nic(this.#options.to);
    this.#nicPort = nic.device;
    this.#end = network.attach(this.#options.to, this, `${this.#options.to}-replay`).ends[1];
    const address = nic.spec.address?.[0];
    if (this.#options.played !== null && address !== undefined) {
      this.#rewriter = new Rewriter(
        { mac: nic.device.options.mac, address: address.address, prefix: address.prefix },
        this.#options.played,
      );
    }
    this.#advance();
  }

  /** What the host sends: only ARP requests for addresses that the capture's hosts were given are answered. */
  receive(frame: Frame): void {
    const answer: ArpAnswer = { simulationNow: this.#network.simulation.now, frames: this.#network.frames, end: this.#end };
    if (this.#rewriter !== null) answerArp(frame, this.#rewriter, answer);
    this.#network.frames.release(frame);
  }

  linkChanged(): void {
    // A port that only listens has nothing to set up.
  }

  /** Reads the next packet and waits for its time. */
  #advance(): void {
    const { simulation } = this.#network;
    try {
      this.#packet = this.#reader.next();
    } catch (error) {
      if (!(error instanceof CaptureDamage)) throw error;
      this.damage = error;
      this.#packet = null;
    }
    if (this.#packet === null) {
      simulation.once(Math.max(simulation.now, START_NS) + LISTEN_NS, 'replay ends', () => {
        this.done = true;
      });
      return;
    }
    this.counters.read++;
    this.#firstTime ??= this.#packet.timeNs;
    const offset = Math.max(0, Number(this.#packet.timeNs - this.#firstTime) / this.#options.speed);
    simulation.at(Math.max(simulation.now, START_NS + LEAD_NS + Math.round(offset)), this.#timer);
  }

  #inject(): void {
    const packet = this.#packet!;
    const length = ethernetLength(packet);
    if (length < 0) this.counters.otherLinkType++;
    else if (length > LONGEST_FRAME) this.counters.tooLong++;
    else this.#receiveAtNic(packet, length);
    this.#advance();
  }

  #receiveAtNic(packet: CapturedPacket, length: number): void {
    const { frames, simulation } = this.#network;
    const frame = frames.take(Math.max(length, MIN_FRAME));
    frame.u8.fill(0, frame.start, frame.start + frame.length);
    writeEthernet(packet, frame.u8, frame.start);
    if (packet.captured < packet.original) this.counters.cutShort++;
    this.#rewriter?.rewrite(frame);
    frame.id = simulation.takePacketIds(1);
    this.counters.injected++;
    this.#nicPort.receive(frame);
  }
}
