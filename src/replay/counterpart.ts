/**
 * Plays one host of a recorded capture against a host of ours whose own programs play the other. So that host meets exactly what the recorded one met, at the
 * same times, and its packets can be compared with the recorded ones; nothing depends on how the rest of the recorded computer was timed.
 *
 * A segment that acknowledges what our host has not sent yet waits for it, and all later ones with it. Only TCP connections are adapted; other packets go
 * as they are, with the host's MAC address, so the topology's IPv4 addresses must be those of the capture.
 */
import type { Kernel } from '../kernel/kernel.ts';
import type { CaptureDamage } from '../observe/files/capture_errors.ts';
import type { CaptureReader } from '../observe/files/captured_packet.ts';
import { NSEC_PER_SEC } from '../sim/time.ts';
import { Timer } from '../sim/timer.ts';
import { type Network, START_NS } from '../topology/network.ts';
import type { Guest } from '../topology/run.ts';
import type { CableEnd } from '../wire/cable.ts';
import type { Frame } from '../wire/frame.ts';
import type { Port } from '../wire/port.ts';
import { CaptureFrames, newReplayCounters, type ReplayCounters } from './capture_frames.ts';
import { Conversation } from './conversation.ts';
import type { RecordedCalls } from './recorded_calls.ts';
import { ACK, SYN, TcpSegment } from './tcp_segment.ts';

export interface CounterpartOptions {
  /** `host.interface` of ours. */
  readonly to: string;
  /** The IPv4 address in the capture whose packets are played. */
  readonly as: number;
  /** When a capture that begins with the peer begins, in ns after the start of the programs; 10 ms unless told otherwise. */
  readonly startNs?: number;
  /** When the recorded host took in what, and how long it spent in its calls: our host does the same at these times. */
  readonly calls?: RecordedCalls;
}

/** The first frame comes when the topology's programs have had time to listen. */
const LEAD_NS = 10_000_000;
/** How long after the last frame the host may still answer. */
const LISTEN_NS = NSEC_PER_SEC;
/** How long a segment waits for what it acknowledges. */
const PATIENCE_NS = NSEC_PER_SEC;
const ETHERTYPE_ARP = 0x0806;
const ARP_REQUEST = 1;
const ARP_REPLY = 2;

export class Counterpart implements Guest, Port {
  readonly name = 'counterpart';
  readonly unplugged: string;
  readonly counters: ReplayCounters & { held: number } = { ...newReplayCounters(), held: 0 };
  done = false;
  readonly #capture: CaptureFrames;
  readonly #options: CounterpartOptions;
  readonly #timer = new Timer('counterpart', () => this.#due());
  readonly #conversations: Conversation[] = [];
  readonly #segment = new TcpSegment();
  #network: Network = null as unknown as Network;
  #mac: Uint8Array = new Uint8Array(6);
  #end: CableEnd = null as unknown as CableEnd;
  /** The peer's next frame, and when it is to go. */
  #frame: Frame | null = null;
  #time = 0;
  /** ARP requests that the host has sent so far, in the recording and here. */
  #recordedRequests = 0;
  #ourRequests = 0;
  /** Since when it waits for our host; -1 when it doesn't. */
  #heldSince = -1;
  /** Capture time of the first packet, and the simulation's time that stands for it; -1 while our host's first frame is awaited. */
  #firstTime: bigint | null = null;
  #origin = -1;
  /** With recorded calls: how many of the peer's frames there were, and the first one's time in the capture. */
  #peerFrames = 0;
  #firstPeerTime = 0;

  constructor(reader: CaptureReader, options: CounterpartOptions) {
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
    this.#mac = network.nic(this.#options.to).device.options.mac;
    this.#end = network.attachInstead(this.#options.to, this).ends[1];
    this.#followCalls();
    this.#advance();
  }

  /** The host's reader goes by the recording's clock, whose zero is known when the peer's first frame is planned. */
  #followCalls(): void {
    const { calls, to } = this.#options;
    if (calls === undefined) return;
    const times = calls.times();
    const zero = (): number => (this.#origin < 0 ? Number.NEGATIVE_INFINITY : this.#origin + this.#firstPeerTime);
    this.#kernelOf(to).callTimes = {
      until: (task, point) => zero() + times.until(task, point),
      segment: (port, len) => zero() + times.segment(port, len),
    };
  }

  linkChanged(): void {
    // A recorded host has no port to set up.
  }

  /** What our host sends. */
  receive(frame: Frame): void {
    const { simulation, frames } = this.#network;
    if (this.#segment.read(frame)) this.#noteOurs(this.#segment);
    else if (arpOperation(frame) === ARP_REQUEST) this.#ourRequests++;
    frames.release(frame);
    if (this.#origin < 0 && simulation.now >= START_NS) {
      this.#origin = simulation.now;
      this.#plan();
    } else if (this.#heldSince >= 0) this.#due();
  }

  #noteOurs(segment: TcpSegment): void {
    const { sourcePort, destinationPort, flags } = segment;
    let found = this.#conversations.find(({ ourPort, peerPort }) => ourPort === sourcePort && peerPort === destinationPort);
    if (found === undefined && (flags & SYN) !== 0) {
      found = this.#conversations.find(
        ({ ourPort, peerPort, recordedPort }) =>
          ourPort < 0 && peerPort === destinationPort && ((flags & ACK) === 0 || recordedPort < 0 || recordedPort === sourcePort),
      );
      if (found === undefined) {
        found = new Conversation(destinationPort);
        this.#conversations.push(found);
      }
    }
    found?.noteOurs(segment);
  }

  #noteRecorded(segment: TcpSegment): void {
    const { sourcePort, destinationPort, flags } = segment;
    let found = this.#recorded(sourcePort, destinationPort);
    if (found === undefined && (flags & SYN) !== 0) {
      found = this.#conversations.find(({ recordedPort, peerPort }) => recordedPort < 0 && peerPort === destinationPort);
      if (found === undefined) {
        found = new Conversation(destinationPort);
        this.#conversations.push(found);
      }
    }
    found?.noteRecorded(segment);
  }

  #recorded(port: number, peer: number): Conversation | undefined {
    return this.#conversations.find(({ recordedPort, peerPort }) => recordedPort === port && peerPort === peer);
  }

  /** Reads on to the peer's next frame; what our host's part of the recording is gets noted. */
  #advance(): void {
    for (;;) {
      const frame = this.#read();
      if (frame === null) {
        this.#finish();
        return;
      }
      const isTcp = this.#segment.read(frame);
      if (isTcp ? this.#segment.source === this.#options.as : this.#isPeers(frame)) {
        this.#frame = frame;
        this.#goByCalls();
        this.#plan();
        return;
      }
      if (isTcp) this.#noteRecorded(this.#segment);
      else if (arpOperation(frame) === ARP_REQUEST) this.#recordedRequests++;
      this.#network.frames.release(frame);
    }
  }

  /** With recorded calls, the peer's frames come when the recorded host's stack took them in. */
  #goByCalls(): void {
    const { calls } = this.#options;
    if (calls === undefined) return;
    if (this.#peerFrames === 0) this.#firstPeerTime = this.#time;
    const arrival = calls.arrivals[this.#peerFrames++];
    if (arrival !== undefined) this.#time = this.#firstPeerTime + arrival;
  }

  #isPeers(frame: Frame): boolean {
    return frame.view.getUint32(frame.start + (arpOperation(frame) > 0 ? 28 : 26)) === this.#options.as;
  }

  /** The next packet of the capture as a frame; null at its end. */
  #read(): Frame | null {
    for (let packet = this.#capture.next(); packet !== null; packet = this.#capture.next()) {
      const frame = this.#capture.toFrame(packet, this.#network.frames);
      if (frame === null) continue;
      this.#firstTime ??= packet.timeNs;
      this.#time = Number(packet.timeNs - this.#firstTime);
      return frame;
    }
    return null;
  }

  /** Waits for the frame's time. A capture that begins with the peer begins by itself. */
  #plan(): void {
    if (this.#frame === null) return;
    const { simulation } = this.#network;
    if (this.#origin < 0 && this.#time === 0) this.#origin = this.#inPhase(START_NS + (this.#options.startNs ?? LEAD_NS));
    if (this.#origin >= 0) simulation.at(Math.max(simulation.now, this.#origin + this.#time), this.#timer);
  }

  /** The instant next to `start` at which our host's clocks stand as the recorded one's did: timers expire at jiffies, and timestamps count milliseconds. */
  #inPhase(start: number): number {
    const { calls, to } = this.#options;
    if (calls === undefined) return start;
    const { nsPerJiffy } = this.#kernelOf(to);
    return start + Math.round((start - calls.firstArrival) / nsPerJiffy) * nsPerJiffy - (start - calls.firstArrival);
  }

  #kernelOf(end: string): Kernel {
    return this.#network.host(end.split('.', 1)[0]!).kernel;
  }

  #due(): void {
    const frame = this.#frame!;
    const { simulation } = this.#network;
    const conversation = this.#segment.read(frame) ? this.#conversationOf(this.#segment) : undefined;
    if (!this.#isDue(frame, conversation) && !this.#tired()) return;
    if (simulation.now < this.#origin + this.#time) return;
    this.#heldSince = -1;
    simulation.cancel(this.#timer);
    conversation?.adapt(this.#segment);
    this.#inject(frame);
  }

  /** Our host has sent what the peer answers. */
  #isDue(frame: Frame, conversation: Conversation | undefined): boolean {
    if (conversation !== undefined) return conversation.isDue(this.#segment);
    return arpOperation(frame) !== ARP_REPLY || this.#ourRequests >= this.#recordedRequests;
  }

  /** The peer's segment is to wait: true when it has waited long enough. */
  #tired(): boolean {
    const { simulation } = this.#network;
    if (this.#heldSince < 0) {
      this.#heldSince = simulation.now;
      this.counters.held++;
      simulation.at(simulation.now + PATIENCE_NS, this.#timer);
    }
    return simulation.now >= this.#heldSince + PATIENCE_NS;
  }

  #conversationOf(segment: TcpSegment): Conversation | undefined {
    const found = this.#recorded(segment.destinationPort, segment.sourcePort);
    if (found !== undefined || (segment.flags & SYN) === 0) return found;
    const fresh = new Conversation(segment.sourcePort);
    this.#conversations.push(fresh);
    return fresh;
  }

  #inject(frame: Frame): void {
    const { simulation } = this.#network;
    this.#frame = null;
    if ((frame.u8[frame.start]! & 1) === 0) frame.u8.set(this.#mac, frame.start);
    frame.id = simulation.takePacketIds(1);
    this.counters.injected++;
    this.#end.send(frame);
    this.#advance();
  }

  #finish(): void {
    const { simulation } = this.#network;
    simulation.once(Math.max(simulation.now, START_NS) + LISTEN_NS, 'counterpart ends', () => {
      this.done = true;
    });
  }
}

/** What an ARP packet asks or says; 0 for another packet. */
const arpOperation = ({ view, start }: Frame): number => (view.getUint16(start + 12) === ETHERTYPE_ARP ? view.getUint16(start + 20) : 0);
