/**
 * Sorts packets into flows: for TCP and UDP by addresses and ports, for the rest by addresses. A flow has two directions, 0 from the side that opened it.
 * A SYN with a new sequence number on ports used before opens a new flow.
 */
import { ACK, type Packet, type Protocol, SYN } from './packet.ts';

/** What is known of one direction of a flow. */
export class Direction {
  /** Sequence number that counts as 0; -1 until known. */
  base = -1;
  /** Highest relative sequence number after what was seen. */
  high = 0;
  /** Highest relative acknowledgment that this side gave. */
  acknowledged = 0;
  mss = -1;
  windowScale = -1;
  /** Largest payload that fits into a wire's frame, for captures that begin after the handshake. */
  largest = 0;
  packets = 0;
  bytes = 0;
  lastTimeNs = -1;
  lastWindow = -1;
  /** Acknowledgments seen in a row that were duplicates or carried SACK blocks. */
  duplicates = 0;
}

export class Flow {
  readonly index: number;
  readonly protocol: Protocol;
  /** Of the side that opened it. */
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly firstTimeNs: number;
  readonly directions: readonly [Direction, Direction] = [new Direction(), new Direction()];
  lastTimeNs: number;
  /** The handshake was seen, so windows can be scaled. */
  opened = false;

  constructor(index: number, packet: Packet, reversed: boolean) {
    this.index = index;
    this.protocol = packet.protocol;
    this.source = reversed ? packet.destination : packet.source;
    this.destination = reversed ? packet.source : packet.destination;
    this.sourcePort = reversed ? packet.destinationPort : packet.sourcePort;
    this.destinationPort = reversed ? packet.sourcePort : packet.destinationPort;
    this.firstTimeNs = this.lastTimeNs = packet.timeNs;
  }

  directionOf(packet: Packet): 0 | 1 {
    if (packet.source !== this.source) return 1;
    return packet.destination === this.source && packet.sourcePort !== this.sourcePort && !packet.isFragment ? 1 : 0;
  }

  get packets(): number {
    return this.directions[0].packets + this.directions[1].packets;
  }

  get name(): string {
    const ports = this.protocol === 'tcp' || this.protocol === 'udp';
    const from = ports ? `${this.source}:${this.sourcePort}` : this.source;
    const to = ports ? `${this.destination}:${this.destinationPort}` : this.destination;
    return `${this.protocol} ${from} > ${to}`;
  }
}

const EPHEMERAL = 32768;
const WIRE_IP_BYTES = 1500;

export class FlowTable {
  readonly flows: Flow[] = [];
  readonly #open = new Map<string, Flow>();
  /** Flows of datagrams whose first fragment was seen. */
  readonly #fragments = new Map<string, Flow>();

  /** The packet's flow, made if it is its first. */
  flowOf(packet: Packet): Flow {
    const known = packet.fragmentOffset > 0 ? this.#fragments.get(fragmentKey(packet)) : this.#find(packet);
    const flow = known ?? this.#add(packet);
    if (packet.moreFragments && packet.fragmentOffset === 0) this.#fragments.set(fragmentKey(packet), flow);
    if (packet.isFragment && !packet.moreFragments) this.#fragments.delete(fragmentKey(packet));
    return flow;
  }

  #find(packet: Packet): Flow | undefined {
    const flow = this.#open.get(flowKey(packet));
    return flow !== undefined && reopens(flow, packet) ? undefined : flow;
  }

  #add(packet: Packet): Flow {
    const flow = new Flow(this.flows.length, packet, fromResponder(packet));
    this.flows.push(flow);
    this.#open.set(flowKey(packet), flow);
    return flow;
  }
}

/** A SYN that does not repeat the flow's own. */
function reopens(flow: Flow, packet: Packet): boolean {
  if (packet.protocol !== 'tcp' || (packet.flags & (SYN | ACK)) !== SYN) return false;
  const { base } = flow.directions[flow.directionOf(packet)];
  return base >= 0 && base !== packet.sequence;
}

/** Whether the first packet that we see of a flow comes from the side that did not open it. */
function fromResponder(packet: Packet): boolean {
  if (packet.protocol !== 'tcp') return false;
  if ((packet.flags & SYN) !== 0) return (packet.flags & ACK) !== 0;
  return packet.sourcePort < EPHEMERAL && packet.destinationPort >= EPHEMERAL;
}

function flowKey({ protocol, number, source, destination, sourcePort, destinationPort }: Packet): string {
  const from = `${source} ${sourcePort}`;
  const to = `${destination} ${destinationPort}`;
  return `${protocol} ${number} ${from < to ? `${from} ${to}` : `${to} ${from}`}`;
}

const fragmentKey = ({ source, destination, id, number }: Packet): string => `${source} ${destination} ${number} ${id}`;

/** Brings a flow up to date with a packet that belongs to it. */
export function observe(flow: Flow, packet: Packet): void {
  const at = flow.directionOf(packet);
  const direction = flow.directions[at];
  direction.packets++;
  direction.bytes += packet.payload;
  flow.lastTimeNs = packet.timeNs;
  if (packet.protocol !== 'tcp' || packet.fragmentOffset > 0) return;
  if ((packet.flags & SYN) !== 0) {
    direction.base = packet.sequence;
    direction.mss = packet.mss;
    direction.windowScale = packet.windowScale;
    flow.opened = true;
  }
  if (direction.base < 0) direction.base = (packet.sequence - 1) >>> 0;
  const other = flow.directions[1 - at]!;
  if (other.base < 0 && (packet.flags & ACK) !== 0) other.base = (packet.acknowledgment - 1) >>> 0;
  const fits = packet.payload + packet.optionBytes + 40 <= WIRE_IP_BYTES;
  if (fits && packet.payload > direction.largest) direction.largest = packet.payload;
}

/** What is known of a flow that both captures have. */
export interface FlowKnowledge {
  /** The flow in each capture, read to its end. */
  readonly learned: readonly (Flow | null)[];
  /** Windows are scaled in both. */
  readonly scaled: boolean;
}

/** Payload of a full-sized segment: what the handshake agreed on, or else the largest that was seen in a frame of a wire. */
export function segmentSize(flow: Flow, { learned }: FlowKnowledge, at: 0 | 1, packet: Packet): number {
  const { optionBytes, payload } = packet;
  const [first, second] = flow.directions;
  if (first.mss > 0 && second.mss > 0) return Math.min(first.mss, second.mss) - optionBytes;
  const usual = WIRE_IP_BYTES - 40 - optionBytes;
  if (payload <= usual) return usual;
  const largest = Math.max(...learned.map((known) => known?.directions[at].largest ?? 0));
  return largest > usual / 2 ? largest : usual;
}
