/** What happened around a difference, on both sides: the flow's packets before and after it, side by side. */
import { align } from './align.ts';
import type { FlowResult, Found, Opener } from './compare.ts';
import { FlowTable, observe } from './flow_table.ts';
import { PacketStream } from './packet_stream.ts';
import { type Unit, unitsOf } from './unit.ts';

const BEFORE = 6;
const AFTER = 5;

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
  return rows(ours, theirs, difference);
}

/** Units of a flow around one of them; around its beginning if there is none. */
function around(open: Opener, index: number, centre: Unit | null): Unit[] {
  if (index < 0) return [];
  const stream = new PacketStream(open());
  const table = new FlowTable();
  const units: Unit[] = [];
  let after = centre === null ? AFTER : -1;
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
        else if (units.length > BEFORE + 1) units.shift();
        if (after < 0 && centre !== null && isSame(unit, centre)) after = AFTER;
      }
    }
  } finally {
    stream.close();
  }
  return units;
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
