/**
 * Feeds the frames of a capture into the receive side of a host's NIC, at their times: address filter, rings, DMA, NAPI and stack do the rest. Takes the place
 * of whatever the topology has at the other end of that interface's wire.
 */
import type { CaptureDamage } from '../observe/files/capture_errors.ts';
import type { CaptureReader } from '../observe/files/capture_reader.ts';
import type { CapturedPacket } from '../observe/files/captured_packet.ts';
import { Timer } from '../sim/timer.ts';
import { type Network, START_NS } from '../topology/network.ts';
import type { Guest } from '../topology/run.ts';
import type { CableEnd } from '../wire/cable.ts';
import type { Frame } from '../wire/frame.ts';
import type { Port } from '../wire/port.ts';
import { type ArpAnswer, answerArp } from './arp_answer.ts';
import { CaptureFrames, newReplayCounters, type ReplayCounters } from './capture_frames.ts';
import { Rewriter } from './rewrite.ts';

export interface ReplayOptions {
  /** `host.interface` */
  readonly to: string;
  /** Times as fast as recorded. */
  readonly speed: number;
  /** The address in the capture that the host plays; null leaves frames as they are. */
  readonly played: number | null;
}

/** The first frame comes when the topology's programs have had time to listen. */
const LEAD_NS = 10_000_000;
/** How long after the last frame the host may still answer. */
const LISTEN_NS = 100_000_000;

export class Replay implements Guest, Port {
  readonly name = 'replay';
  readonly unplugged: string;
  readonly counters: ReplayCounters = newReplayCounters();
  done = false;
  readonly #capture: CaptureFrames;
  readonly #options: ReplayOptions;
  readonly #timer = new Timer('replay', () => this.#inject());
  #network: Network = null as unknown as Network;
  #nicPort: Port = null as unknown as Port;
  #end: CableEnd = null as unknown as CableEnd;
  #rewriter: Rewriter | null = null;
  #packet: CapturedPacket | null = null;
  #firstTime: bigint | null = null;

  constructor(reader: CaptureReader, options: ReplayOptions) {
    this.#capture = new CaptureFrames(reader, this.counters);
    this.#options = options;
    this.unplugged = options.to;
  }

  /** What is wrong with the capture, once the reader has come to it. */
  get damage(): CaptureDamage | null {
    return this.#capture.damage;
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
    const answer: ArpAnswer = { frames: this.#network.frames, end: this.#end };
    if (this.#rewriter !== null) answerArp(frame, this.#rewriter, answer);
    this.#network.frames.release(frame);
  }

  linkChanged(): void {
    // A port that only listens has nothing to set up.
  }

  /** Reads the next packet and waits for its time. */
  #advance(): void {
    const { simulation } = this.#network;
    this.#packet = this.#capture.next();
    if (this.#packet === null) {
      simulation.once(Math.max(simulation.now, START_NS) + LISTEN_NS, 'replay ends', () => {
        this.done = true;
      });
      return;
    }
    this.#firstTime ??= this.#packet.timeNs;
    const offset = Math.max(0, Number(this.#packet.timeNs - this.#firstTime) / this.#options.speed);
    simulation.at(Math.max(simulation.now, START_NS + LEAD_NS + Math.round(offset)), this.#timer);
  }

  #inject(): void {
    const frame = this.#capture.toFrame(this.#packet!, this.#network.frames);
    if (frame !== null) this.#receiveAtNic(frame);
    this.#advance();
  }

  #receiveAtNic(frame: Frame): void {
    this.#rewriter?.rewrite(frame);
    frame.id = this.#network.simulation.takePacketIds(1);
    this.counters.injected++;
    this.#nicPort.receive(frame);
  }
}
