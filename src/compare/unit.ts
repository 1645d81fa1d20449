/**
 * What is compared with what: a packet as it would be on the wire. A super-frame (before TSO, after GRO) becomes as many units as it had segments: FIN and
 * PSH belong to the last, CWR to the first. Numbers are relative: sequence numbers to the initial one, times to the capture's first packet.
 */
import { type Direction, type Flow, type FlowKnowledge, segmentSize } from './flow_table.ts';
import { ACK, CWR, FIN, type Packet, type Protocol, PSH, RST, SYN } from './packet.ts';

export class Unit {
  readonly frame: number;
  readonly timeNs: number;
  readonly direction: 0 | 1;
  readonly protocol: Protocol;
  readonly length: number;
  readonly ttl: number;
  readonly dontFragment: boolean;
  readonly ecn: number;
  readonly fragmentOffset: number;
  readonly moreFragments: boolean;
  readonly damaged: boolean;
  readonly type: number;
  readonly code: number;
  sequence = 0;
  acknowledgment = 0;
  flags = 0;
  /** In octets, scaled where the scale is known. */
  window = 0;
  options = '';
  mss = -1;
  windowScale = -1;
  /** Relative: left, right, left, right … */
  sack: readonly number[] = NO_BLOCKS;
  /** It is a part of a super-frame. */
  part = false;
  /** What it carries had been sent before. */
  again = false;
  /** It acknowledges what the capture has not shown yet. */
  early = false;
  /** Since this side's previous packet; -1 for its first. */
  sinceOwnNs = -1;
  /** Duplicate acknowledgments or SACK blocks that its sender had got in a row. */
  duplicates = 0;
  /** The window that its sender had was closed. */
  closed = false;
  /** It acknowledges, and nothing else: no data, no probe, no SACK. */
  plainAck = false;

  constructor(packet: Packet, direction: 0 | 1, length: number) {
    this.frame = packet.frame;
    this.timeNs = packet.timeNs;
    this.direction = direction;
    this.protocol = packet.protocol;
    this.length = length;
    this.ttl = packet.ttl;
    this.dontFragment = packet.dontFragment;
    this.ecn = packet.ecn;
    this.fragmentOffset = packet.fragmentOffset;
    this.moreFragments = packet.moreFragments;
    this.damaged = packet.checksum === 'wrong';
    this.type = packet.type;
    this.code = packet.code;
  }

  /** First sequence number after it. */
  get end(): number {
    return this.sequence + this.length + ((this.flags & SYN) !== 0 ? 1 : 0) + ((this.flags & FIN) !== 0 ? 1 : 0);
  }

  /** It carries nothing but an acknowledgment. */
  get pureAck(): boolean {
    return this.protocol === 'tcp' && this.length === 0 && (this.flags & (SYN | FIN | RST)) === 0;
  }

  get carries(): boolean {
    return this.protocol === 'tcp' && this.end > this.sequence;
  }
}

const NO_BLOCKS: readonly number[] = [];

/** Units of a packet, which `observe` has seen already, appended to `units`. `knowledge` is what was learned of the flow before. */
export function unitsOf(packet: Packet, flow: Flow, knowledge: FlowKnowledge, units: Unit[]): void {
  const at = flow.directionOf(packet);
  if (packet.protocol !== 'tcp' || packet.fragmentOffset > 0) {
    const unit = new Unit(packet, at, packet.payload);
    note(unit, flow.directions[at]);
    units.push(unit);
    return;
  }
  const size = segmentSize(flow, knowledge, at, packet);
  const parts = Math.max(1, Math.ceil(packet.payload / size));
  const first = relative(flow.directions[at], packet.sequence);
  for (let part = 0; part < parts; part++) {
    const unit = new Unit(packet, at, parts === 1 ? packet.payload : Math.min(size, packet.payload - part * size));
    fill(unit, packet, flow, knowledge.scaled);
    unit.sequence = first + part * size;
    unit.flags = partFlags(packet.flags, part, parts);
    unit.part = parts > 1;
    follow(unit, flow);
    units.push(unit);
  }
}

function partFlags(flags: number, part: number, parts: number): number {
  if (part < parts - 1) flags &= ~(FIN | PSH);
  return part > 0 ? flags & ~CWR : flags;
}

/** Unwrapped: a flow of more than 4 GB has numbers that go on. */
function relative(direction: Direction, sequence: number): number {
  if (direction.base < 0) return 0;
  const expected = (direction.base + direction.high) >>> 0;
  return direction.high + ((sequence - expected) | 0);
}

function fill(unit: Unit, packet: Packet, flow: Flow, scale: boolean): void {
  const own = flow.directions[unit.direction];
  const other = flow.directions[1 - unit.direction]!;
  if ((packet.flags & ACK) !== 0) unit.acknowledgment = relative(other, packet.acknowledgment);
  const scaled = scale && (packet.flags & SYN) === 0 && own.windowScale >= 0 && other.windowScale >= 0;
  unit.window = scaled ? packet.window * 2 ** own.windowScale : packet.window;
  unit.options = packet.options;
  unit.mss = packet.mss;
  unit.windowScale = packet.windowScale;
  if (packet.sack.length > 0) unit.sack = packet.sack.map((edge) => relative(other, edge));
}

/** What the unit means where it stands, and what later ones need to know of it. */
function follow(unit: Unit, flow: Flow): void {
  const own = flow.directions[unit.direction];
  const other = flow.directions[1 - unit.direction]!;
  unit.again = unit.carries && own.high >= unit.end;
  unit.early = (unit.flags & ACK) !== 0 && flow.opened && unit.acknowledgment > other.high;
  unit.duplicates = other.duplicates;
  unit.closed = other.lastWindow === 0;
  if ((unit.flags & ACK) !== 0) {
    const duplicate = unit.sack.length > 0 || (unit.pureAck && unit.acknowledgment === own.acknowledged && unit.window === own.lastWindow);
    own.duplicates = duplicate ? own.duplicates + 1 : 0;
    own.acknowledged = Math.max(own.acknowledged, unit.acknowledgment);
    own.lastWindow = unit.window;
  }
  unit.plainAck = unit.pureAck && unit.sequence === own.high && unit.sack.length === 0;
  own.high = Math.max(own.high, unit.end);
  note(unit, own);
}

function note(unit: Unit, own: Direction): void {
  if (own.lastTimeNs >= 0) unit.sinceOwnNs = unit.timeNs - own.lastTimeNs;
  own.lastTimeNs = unit.timeNs;
}
