/** What happened around a difference, on both sides: the flow's packets before and after it, side by side. */
import { align } from './align.ts';
import type { FlowResult, Found, Opener } from './compare.ts';
import { FlowTable, observe } from './flow_table.ts';
import { PacketStream } from './packet_stream.ts';
import { type Unit, unitsOf } from './unit.ts';

/** Rows shown before and after the difference. */
const BEFORE = 6;
const AFTER = 5;
/** Packets looked at on either side: more than are shown, since the two sides need not begin at the same one. */
const READ_BEFORE = 24;
const READ_AFTER = 16;

export interface Row {
  readonly ours: Unit | null;
  readonly theirs: Unit | null;
  /** The difference is about this row. */
  readonly here: boolean;
}

/** Reads both captures again as far as needed. */
export function neighbourhood(openOurs: Opener, openTheirs: Opener, flow: FlowResult, difference: Found): Row[] {
  const ours = around(openOurs, flow.oursIndex, difference.ours ?? difference.anchor);
  const theirs = around(openTheirs, flow.theirsIndex, difference.theirs ?? difference.anchor);
  return excerpt(rows(ours, theirs, difference));
}

/** Units of a flow around one of them; around its beginning if there is none. */
function around(open: Opener, index: number, centre: Unit | null): Unit[] {
  if (index < 0) return [];
  const stream = new PacketStream(open());
  const table = new FlowTable();
  const units: Unit[] = [];
  let after = centre === null ? READ_AFTER : -1;
  try {
    for (let packet = stream.next(); packet !== null && after !== 0; packet = stream.next()) {
      const flow = table.flowOf(packet);
      observe(flow, packet);
      if (flow.index !== index) continue;
      const fresh: Unit[] = [];
      unitsOf(packet, flow, { learned: [flow], scaled: true }, fresh);
      for (const unit of fresh) {
        if (after === 0) break;
        units.push(unit);
        if (after > 0) after--;
        else if (units.length > READ_BEFORE + 1) units.shift();
        if (after < 0 && centre !== null && isSame(unit, centre)) after = READ_AFTER;
      }
    }
  } finally {
    stream.close();
  }
  return units;
}

function excerpt(all: readonly Row[]): Row[] {
  const first = all.findIndex(({ here }) => here);
  const last = all.findLastIndex(({ here }) => here);
  return first < 0 ? all.slice(0, BEFORE + AFTER) : all.slice(Math.max(0, first - BEFORE), last + 1 + AFTER);
}

/** The same part of the same frame. */
const isSame = (a: Unit, b: Unit): boolean => a.frame === b.frame && a.sequence === b.sequence;

function rows(ours: readonly Unit[], theirs: readonly Unit[], difference: Found): Row[] {
  const result: Row[] = [];
  let [i, j] = [0, 0];
  for (const step of align(ours, theirs)) {
    const left = step === 'theirs' ? null : ours[i++]!;
    const right = step === 'ours' ? null : theirs[j++]!;
    const isOurs = left !== null && difference.ours !== null && isSame(left, difference.ours);
    const isTheirs = right !== null && difference.theirs !== null && isSame(right, difference.theirs);
    result.push({ ours: left, theirs: right, here: isOurs || isTheirs });
  }
  return result;
}
