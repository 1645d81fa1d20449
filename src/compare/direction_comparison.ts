/**
 * Compares one direction of a flow as its units come in from both captures. As long as the next two correspond nothing is kept; where they don't, a window of
 * both sides is aligned. What finds no partner waits a while: it may come later on the other side, which is then a matter of order.
 */
import { align } from './align.ts';
import { compareFields, correspond, type Difference, type Kind } from './difference.ts';
import { Timing } from './timing.ts';
import type { Unit } from './unit.ts';

/** Units of each side that an alignment looks at. */
const WINDOW = 256;
/** Queue that is aligned though the other side has fewer than a window. */
const LONGEST_QUEUE = 1 << 16;
/** So many units without a difference end an alignment. */
const SETTLED = 8;
/** How many units later a unit may still come and count as reordered. */
const PATIENCE = 256;
/** Units without a partner that are judged together. */
const LONGEST_GAP = 1 << 14;

type Side = 'ours' | 'theirs';

interface Lonely {
  readonly unit: Unit;
  readonly side: Side;
  readonly step: number;
  /** The other side's last unit before it. */
  readonly anchor: Unit | null;
}

/** Units of one side that wait to be compared. */
class Queue {
  #units: Unit[] = [];
  #head = 0;
  total = 0;
  /** Units that found no partner where they were looked for. */
  alone = 0;

  get length(): number {
    return this.#units.length - this.#head;
  }

  push(unit: Unit): void {
    this.#units.push(unit);
    this.total++;
  }

  first(): Unit | undefined {
    return this.#units[this.#head];
  }

  shift(): Unit {
    const unit = this.#units[this.#head++]!;
    if (this.#head > WINDOW && this.#head * 2 > this.#units.length) {
      this.#units = this.#units.slice(this.#head);
      this.#head = 0;
    }
    return unit;
  }

  window(): readonly Unit[] {
    return this.#units.slice(this.#head, this.#head + WINDOW);
  }
}

export class DirectionComparison {
  readonly ours = new Queue();
  readonly theirs = new Queue();
  /** Units that have a partner without any difference. */
  clean = 0;
  readonly #report: (difference: Difference) => void;
  readonly #ignored: ReadonlySet<string>;
  readonly #timing: Timing;
  #lonely: Lonely[] = [];
  /** Units without a partner since the last pair. */
  #gapOurs: Unit[] = [];
  #gapTheirs: Unit[] = [];
  #steps = 0;
  #lastOurs: Unit | null = null;
  #lastTheirs: Unit | null = null;

  constructor(report: (difference: Difference) => void, ignored: ReadonlySet<string>, toleranceNs: number) {
    this.#report = report;
    this.#ignored = ignored;
    this.#timing = new Timing(toleranceNs);
  }

  /** Compares what can be compared. `ended` says that neither side gets more. */
  run(ended: boolean): void {
    while (this.ours.length > 0 && this.theirs.length > 0) {
      if (alike(this.ours.first()!, this.theirs.first()!)) this.#pair(this.ours.shift(), this.theirs.shift());
      else if (ended || this.#enough()) this.#align(ended);
      else return;
    }
    if (ended) this.#end();
    else if (this.ours.length > LONGEST_QUEUE) this.#alone('ours', this.ours.shift());
    else if (this.theirs.length > LONGEST_QUEUE) this.#alone('theirs', this.theirs.shift());
  }

  #enough(): boolean {
    const [least, most] = [Math.min(this.ours.length, this.theirs.length), Math.max(this.ours.length, this.theirs.length)];
    return least >= WINDOW || most >= LONGEST_QUEUE;
  }

  #align(ended: boolean): void {
    const ours = this.ours.window();
    const theirs = this.theirs.window();
    // Near the window's end partners may lie behind it: those are left for the next alignment.
    const limit = ended && ours.length === this.ours.length && theirs.length === this.theirs.length ? 2 * WINDOW : (WINDOW * 3) / 4;
    const behind = sideBehind(ours, theirs);
    if (behind !== null) {
      for (let i = 0; i < WINDOW && this[behind].length > 0; i++) this.#alone(behind, this[behind].shift());
      return;
    }
    let settled = 0;
    let [oursDone, theirsDone] = [0, 0];
    for (const step of align(ours, theirs)) {
      if (settled >= SETTLED || Math.max(oursDone, theirsDone) >= limit) break;
      if (step !== 'theirs') oursDone++;
      if (step !== 'ours') theirsDone++;
      if (step === 'both') {
        const [one, other] = [this.ours.shift(), this.theirs.shift()];
        settled = alike(one, other) ? settled + 1 : 0;
        this.#pair(one, other);
      } else {
        settled = 0;
        this.#alone(step, step === 'ours' ? this.ours.shift() : this.theirs.shift());
      }
    }
  }

  #end(): void {
    while (this.ours.length > 0) this.#alone('ours', this.ours.shift());
    while (this.theirs.length > 0) this.#alone('theirs', this.theirs.shift());
    this.#closeGap();
    for (const lonely of this.#lonely) this.#giveUp(lonely);
    this.#lonely = [];
  }

  #pair(ours: Unit, theirs: Unit): void {
    this.#closeGap();
    this.#steps++;
    this.#expire();
    const fields = this.#fields(ours, theirs);
    const deviation = this.#timing.deviation(ours.timeNs, theirs.timeNs);
    if (deviation !== 0) this.#emit('timing', `${milliseconds(deviation)} than theirs`, ours, theirs);
    if (!fields && (deviation === 0 || this.#ignored.has('timing'))) this.clean++;
    this.#lastOurs = ours;
    this.#lastTheirs = theirs;
  }

  /** Whether any field differs that counts. */
  #fields(ours: Unit, theirs: Unit): boolean {
    let found = false;
    compareFields(ours, theirs, (kind, what) => {
      found = this.#emit(kind, what, ours, theirs) || found;
    });
    return found;
  }

  #alone(side: Side, unit: Unit): void {
    this.#steps++;
    this[side].alone++;
    (side === 'ours' ? this.#gapOurs : this.#gapTheirs).push(unit);
    if (this.#gapOurs.length + this.#gapTheirs.length < LONGEST_GAP) return;
    this.#closeGap();
    this.#expire();
  }

  /** Judges the units without a partner between two pairs: the same bytes cut differently, or lonely until the other side has them elsewhere. */
  #closeGap(): void {
    if (this.#gapOurs.length === 0 && this.#gapTheirs.length === 0) return;
    const [ours, theirs] = [this.#gapOurs, this.#gapTheirs];
    this.#gapOurs = [];
    this.#gapTheirs = [];
    const cut = this.#settleCuts(ours, theirs);
    for (const unit of ours) if (!cut.has(unit)) this.#wait('ours', unit);
    for (const unit of theirs) if (!cut.has(unit)) this.#wait('theirs', unit);
  }

  /** Finds runs of both sides that cover the same bytes. Of super-frames the cuts are unknown: they are no difference. */
  #settleCuts(ours: readonly Unit[], theirs: readonly Unit[]): Set<Unit> {
    const cut = new Set<Unit>();
    const starts = firstAt(theirs);
    for (let i = 0; i < ours.length; i++) {
      const start = starts.get(ours[i]!.sequence)?.find((at) => !cut.has(theirs[at]!));
      if (start === undefined) continue;
      const [mine, yours] = sameBytes(ours, i, theirs, start);
      if (mine.length === 0) continue;
      for (const unit of mine) cut.add(unit);
      for (const unit of yours) cut.add(unit);
      i += mine.length - 1;
      if (mine.some(({ part }) => part) !== yours.some(({ part }) => part)) this.clean += (mine.length + yours.length) / 2;
      else this.#emit('segmentation', `${cutText(mine)}, theirs ${cutText(yours)}`, mine[0]!, yours[0]!);
    }
    return cut;
  }

  #wait(side: Side, unit: Unit): void {
    const at = this.#lonely.findIndex((lonely) => lonely.side !== side && correspond(lonely.unit, unit));
    if (at < 0) {
      this.#lonely.push({ unit, side, step: this.#steps, anchor: side === 'ours' ? this.#lastTheirs : this.#lastOurs });
      return;
    }
    const [lonely] = this.#lonely.splice(at, 1);
    const [ours, theirs] = side === 'ours' ? [unit, lonely!.unit] : [lonely!.unit, unit];
    this.#emit('order', side === 'ours' ? 'comes later than theirs' : 'comes earlier than theirs', ours, theirs);
    this.#fields(ours, theirs);
  }

  #expire(): void {
    let expired = 0;
    while (expired < this.#lonely.length && this.#lonely[expired]!.step < this.#steps - PATIENCE) this.#giveUp(this.#lonely[expired++]!);
    if (expired > 0) this.#lonely = this.#lonely.slice(expired);
  }

  #giveUp({ unit, side, anchor }: Lonely): void {
    if (side === 'ours') this.#emit('extra', 'theirs has no such packet', unit, null, anchor);
    else this.#emit('missing', 'ours has no such packet', null, unit, anchor);
  }

  #emit(kind: Kind, what: string, ours: Unit | null, theirs: Unit | null, anchor: Unit | null = null): boolean {
    if (this.#ignored.has(kind)) return false;
    this.#report({ kind, what, ours, theirs, anchor });
    return true;
  }
}

/** Same step of the conversation, and what decides on the alignment is the same, too. */
const alike = (a: Unit, b: Unit): boolean =>
  correspond(a, b) && a.acknowledgment === b.acknowledgment && a.flags === b.flags && a.window === b.window;

/** The side whose window lies wholly before the other's, so that what follows it may still meet it; null when they overlap. */
function sideBehind(ours: readonly Unit[], theirs: readonly Unit[]): Side | null {
  if (precedes(ours, theirs)) return 'ours';
  return precedes(theirs, ours) ? 'theirs' : null;
}

/** In one direction of a TCP connection sequence numbers and acknowledgments only grow, but for what is sent again. */
function precedes(early: readonly Unit[], late: readonly Unit[]): boolean {
  if (early.length === 0 || late.length === 0 || early[0]!.protocol !== 'tcp') return false;
  const [data, ack] = [(unit: Unit): number => unit.sequence, (unit: Unit): number => unit.acknowledgment];
  const within = (of: (unit: Unit) => number): boolean => greatest(early, of) <= least(late, of);
  return within(data) && within(ack) && (greatest(early, data) < least(late, data) || greatest(early, ack) < least(late, ack));
}

const greatest = (units: readonly Unit[], of: (unit: Unit) => number): number =>
  units.reduce((most, unit) => Math.max(most, of(unit)), Number.NEGATIVE_INFINITY);
const least = (units: readonly Unit[], of: (unit: Unit) => number): number =>
  units.reduce((most, unit) => Math.min(most, of(unit)), Number.POSITIVE_INFINITY);

/** Where units are that begin at a sequence number. */
function firstAt(units: readonly Unit[]): Map<number, number[]> {
  const starts = new Map<number, number[]>();
  units.forEach(({ carries, sequence }, at) => {
    if (!carries) return;
    const known = starts.get(sequence);
    if (known === undefined) starts.set(sequence, [at]);
    else known.push(at);
  });
  return starts;
}

/** The shortest runs from `ours[from]` and `theirs[start]` on that cover the same sequence numbers; empty when there are none. */
function sameBytes(ours: readonly Unit[], from: number, theirs: readonly Unit[], start: number): [Unit[], Unit[]] {
  if (!ours[from]!.carries) return [[], []];
  let [i, j] = [from, start];
  while (ours[i]!.end !== theirs[j]!.end) {
    const behind = ours[i]!.end < theirs[j]!.end;
    const [run, at] = behind ? [ours, i] : [theirs, j];
    if (run[at + 1] === undefined || run[at + 1]!.sequence !== run[at]!.end) return [[], []];
    if (behind) i++;
    else j++;
  }
  return [ours.slice(from, i + 1), theirs.slice(start, j + 1)];
}

const cutText = (units: readonly Unit[]): string => {
  const lengths = units.map(({ length }) => length);
  const text = lengths.length > 8 ? `${lengths.slice(0, 8).join('+')}+…` : lengths.join('+');
  return `${text} octets in ${units.length === 1 ? 'one segment' : `${units.length} segments`}`;
};

const milliseconds = (ns: number): string => `${(Math.abs(ns) / 1e6).toFixed(3)} ms ${ns > 0 ? 'later' : 'earlier'}`;
