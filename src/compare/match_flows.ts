/** Which flow of one capture is which of the other: same protocol, same service if there is a choice, similar shape, similar order of appearance. */
import type { Flow } from './flow_table.ts';

/** How far from its place in the order a flow is looked for. */
const REACH = 32;
/** What a difference costs: the same server port weighs more than the same amount of data, and that more than the same place in the order. */
const OTHER_SERVICE = 4;
const OTHER_ADDRESSES = 1;
const OTHER_SHAPE = 2;
const OTHER_PLACE = 0.1;

export interface FlowPair {
  readonly ours: Flow | null;
  readonly theirs: Flow | null;
}

/** Pairs in the order in which our flows appear, then what only they have. */
export function matchFlows(ours: readonly Flow[], theirs: readonly Flow[]): FlowPair[] {
  const free = new Map<string, Flow[]>();
  for (const flow of theirs) free.set(flow.protocol, [...(free.get(flow.protocol) ?? []), flow]);
  const pairs: FlowPair[] = ours.map((flow) => ({ ours: flow, theirs: takeNearest(flow, free.get(flow.protocol) ?? []) }));
  const left = [...free.values()].flat().sort((a, b) => a.index - b.index);
  return [...pairs, ...left.map((flow) => ({ ours: null, theirs: flow }))];
}

/** Those not taken stay in order, so what stands first is the one whose turn it is. */
function takeNearest(flow: Flow, candidates: Flow[]): Flow | null {
  let best = -1;
  let bestCost = Number.POSITIVE_INFINITY;
  for (let place = 0; place < Math.min(REACH, candidates.length); place++) {
    const cost = unlikeness(flow, candidates[place]!) + place * OTHER_PLACE;
    if (cost < bestCost) [best, bestCost] = [place, cost];
  }
  return best < 0 ? null : candidates.splice(best, 1)[0]!;
}

function unlikeness(a: Flow, b: Flow): number {
  const service = a.destinationPort === b.destinationPort ? 0 : OTHER_SERVICE;
  const addresses = a.source === b.source && a.destination === b.destination ? 0 : OTHER_ADDRESSES;
  const shape = [0, 1].reduce((sum, at) => sum + relativeGap(a.directions[at]!.bytes, b.directions[at]!.bytes), 0);
  return service + addresses + shape * OTHER_SHAPE;
}

const relativeGap = (a: number, b: number): number => (a === b ? 0 : Math.abs(a - b) / Math.max(a, b));
