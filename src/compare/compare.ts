/**
 * Compares two captures flow by flow. Each is read twice: once to know its flows, so that they can be matched, and once to compare them as they stream by.
 * Memory grows with the number of flows and with how far the captures are apart, not with their length.
 */
import type { CaptureReader } from '../observe/files/captured_packet.ts';
import { NSEC_PER_MSEC } from '../sim/time.ts';
import { type Difference, KINDS, type Kind } from './difference.ts';
import { DirectionComparison } from './direction_comparison.ts';
import { type Flow, type FlowKnowledge, FlowTable, observe } from './flow_table.ts';
import { matchFlows } from './match_flows.ts';
import { mechanismOf } from './mechanism.ts';
import type { Protocol } from './packet.ts';
import { PacketStream } from './packet_stream.ts';
import { type Unit, unitsOf } from './unit.ts';

export interface CompareOptions {
  /** Kinds of difference that do not count, and protocols that are left out. */
  readonly ignore?: Iterable<string>;
  readonly toleranceNs?: number;
}

export const DEFAULT_TOLERANCE_NS = NSEC_PER_MSEC;
export const IGNORABLE_PROTOCOLS: readonly Protocol[] = ['tcp', 'udp', 'icmp', 'arp', 'ip', 'other'];
/** Leaves out what carries nothing but an acknowledgment: how many there are depends on how packets fall into interrupts. Probes and SACK stay. */
export const PURE_ACKS = 'acks';
export const IGNORABLE: readonly string[] = [...KINDS, PURE_ACKS, ...IGNORABLE_PROTOCOLS];
/** Differences of a flow that are kept; all are counted. */
const KEPT = 100;

/** Opens a capture from its beginning: it is read more than once. */
export type Opener = () => CaptureReader;

export interface FlowResult {
  readonly ours: string | null;
  readonly theirs: string | null;
  readonly protocol: Protocol;
  /** Index of the flow in each capture; -1 for none. */
  readonly oursIndex: number;
  readonly theirsIndex: number;
  oursUnits: number;
  theirsUnits: number;
  clean: number;
  /** Share of the packets that agree in everything that counts. */
  score: number;
  readonly counts: Partial<Record<Kind, number>>;
  /** The first ones, as they happened. */
  readonly differences: Found[];
  total: number;
  /** The earliest of all. */
  first: Found | null;
}

export interface Found extends Difference {
  readonly mechanism: string | null;
}

export interface Comparison {
  readonly same: boolean;
  readonly score: number;
  readonly oursUnits: number;
  readonly theirsUnits: number;
  readonly counts: Partial<Record<Kind, number>>;
  readonly flows: readonly FlowResult[];
  /** The earliest difference, and its flow. */
  readonly first: { readonly flow: FlowResult; readonly difference: Found } | null;
}

/** A flow of both captures, under comparison. */
class Pairing implements FlowKnowledge {
  readonly result: FlowResult;
  readonly directions: readonly [DirectionComparison, DirectionComparison];
  /** What pass one learned of it in either capture, for cutting super-frames. */
  readonly learned: readonly (Flow | null)[];
  /** Windows are compared in octets if both captures show how they are scaled, as they stand otherwise. */
  readonly scaled: boolean;

  constructor(ours: Flow | null, theirs: Flow | null, ignored: ReadonlySet<string>, toleranceNs: number) {
    const { protocol } = (ours ?? theirs)!;
    this.learned = [ours, theirs];
    this.scaled = this.learned.every((flow) => flow === null || flow.directions.every(({ windowScale }) => windowScale >= 0));
    this.result = {
      ours: ours?.name ?? null,
      theirs: theirs?.name ?? null,
      protocol,
      oursIndex: ours?.index ?? -1,
      theirsIndex: theirs?.index ?? -1,
      oursUnits: 0,
      theirsUnits: 0,
      clean: 0,
      score: 1,
      counts: {},
      differences: [],
      total: 0,
      first: null,
    };
    const report = (difference: Difference): void => this.#keep(difference);
    this.directions = [new DirectionComparison(report, ignored, toleranceNs), new DirectionComparison(report, ignored, toleranceNs)];
  }

  #keep(difference: Difference): void {
    const { counts, differences } = this.result;
    counts[difference.kind] = (counts[difference.kind] ?? 0) + 1;
    this.result.total++;
    const { first } = this.result;
    const earliest = first === null || instant(difference) < instant(first);
    if (!earliest && differences.length >= KEPT) return;
    const found = { ...difference, mechanism: mechanismOf(difference) };
    if (earliest) this.result.first = found;
    if (differences.length < KEPT) differences.push(found);
  }

  finish(): FlowResult {
    for (const direction of this.directions) direction.run(true);
    const { result } = this;
    for (const { ours, theirs, clean } of this.directions) {
      result.oursUnits += ours.total;
      result.theirsUnits += theirs.total;
      result.clean += clean;
    }
    result.score = scoreOf(result.clean, result.oursUnits, result.theirsUnits);
    result.differences.sort((a, b) => instant(a) - instant(b));
    return result;
  }
}

const scoreOf = (clean: number, ours: number, theirs: number): number => (ours + theirs === 0 ? 1 : (2 * clean) / (ours + theirs));

/** When a difference shows, in ours where ours has the packet. */
export const instant = ({ ours, theirs }: Difference): number => (ours ?? theirs)!.timeNs;

/** One capture's way through the second pass. */
class Side {
  readonly #stream: PacketStream;
  readonly #table = new FlowTable();
  readonly #pairings: ReadonlyMap<number, Pairing>;
  readonly #ours: boolean;
  readonly #units: Unit[] = [];
  readonly #withoutAcks: boolean;
  /** Of both sides: units that were read and were not found to be alone. */
  readonly #progress: [number, number];
  ended = false;

  constructor(open: Opener, pairings: ReadonlyMap<number, Pairing>, ours: boolean, withoutAcks: boolean, progress: [number, number]) {
    this.#progress = progress;
    this.#stream = new PacketStream(open());
    this.#pairings = pairings;
    this.#ours = ours;
    this.#withoutAcks = withoutAcks;
  }

  get progress(): number {
    return this.#progress[this.#ours ? 0 : 1];
  }

  /** Takes one packet. */
  advance(): void {
    const packet = this.#stream.next();
    if (packet === null) {
      this.ended = true;
      return;
    }
    const flow = this.#table.flowOf(packet);
    observe(flow, packet);
    const pairing = this.#pairings.get(flow.index);
    if (pairing === undefined) return;
    this.#units.length = 0;
    unitsOf(packet, flow, pairing, this.#units);
    if (this.#withoutAcks && this.#units[0]!.plainAck) return;
    const direction = pairing.directions[this.#units[0]!.direction];
    const { ours, theirs } = direction;
    const queue = this.#ours ? ours : theirs;
    for (const unit of this.#units) queue.push(unit);
    const [before, beforeTheirs] = [ours.alone, theirs.alone];
    direction.run(false);
    this.#progress[this.#ours ? 0 : 1] += this.#units.length;
    this.#progress[0] -= ours.alone - before;
    this.#progress[1] -= theirs.alone - beforeTheirs;
  }
}

/** Compares two captures. Throws CaptureOpenError or CaptureDamage when one cannot be read to its end. */
export function compareCaptures(openOurs: Opener, openTheirs: Opener, options: CompareOptions = {}): Comparison {
  const ignored = new Set(options.ignore ?? []);
  const toleranceNs = options.toleranceNs ?? DEFAULT_TOLERANCE_NS;
  const pairings = matchFlows(flowsOf(openOurs), flowsOf(openTheirs))
    .filter(({ ours, theirs }) => !ignored.has((ours ?? theirs)!.protocol))
    .map(({ ours, theirs }) => new Pairing(ours, theirs, ignored, toleranceNs));
  stream(openOurs, openTheirs, pairings, ignored.has(PURE_ACKS));
  return summarize(pairings.map((pairing) => pairing.finish()));
}

/** First pass. */
function flowsOf(open: Opener): readonly Flow[] {
  const stream = new PacketStream(open());
  const table = new FlowTable();
  try {
    for (let packet = stream.next(); packet !== null; packet = stream.next()) observe(table.flowOf(packet), packet);
  } finally {
    stream.close();
  }
  return table.flows;
}

/** Second pass: both captures side by side, whichever is behind. What one alone has brings it no further: after a stretch that the other lacks they meet again. */
function stream(openOurs: Opener, openTheirs: Opener, pairings: readonly Pairing[], withoutAcks: boolean): void {
  const progress: [number, number] = [0, 0];
  const ours = new Side(openOurs, byIndex(pairings, 0), true, withoutAcks, progress);
  const theirs = new Side(openTheirs, byIndex(pairings, 1), false, withoutAcks, progress);
  while (!ours.ended || !theirs.ended) {
    if (theirs.ended || (!ours.ended && ours.progress <= theirs.progress)) ours.advance();
    else theirs.advance();
  }
}

const byIndex = (pairings: readonly Pairing[], side: 0 | 1): Map<number, Pairing> =>
  new Map(pairings.filter(({ learned }) => learned[side] !== null).map((pairing) => [pairing.learned[side]!.index, pairing]));

function summarize(flows: readonly FlowResult[]): Comparison {
  const counts: Partial<Record<Kind, number>> = {};
  let [clean, oursUnits, theirsUnits] = [0, 0, 0];
  let first: Comparison['first'] = null;
  for (const flow of flows) {
    clean += flow.clean;
    oursUnits += flow.oursUnits;
    theirsUnits += flow.theirsUnits;
    for (const kind of KINDS) if (flow.counts[kind] !== undefined) counts[kind] = (counts[kind] ?? 0) + flow.counts[kind];
    const difference = flow.first;
    if (difference !== null && (first === null || instant(difference) < instant(first.difference))) first = { flow, difference };
  }
  return { same: first === null, score: scoreOf(clean, oursUnits, theirsUnits), oursUnits, theirsUnits, counts, flows, first };
}
