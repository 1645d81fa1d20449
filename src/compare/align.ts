/**
 * Aligns two short sequences of units: which of ours is which of theirs, with the fewest gaps (Needleman and Wunsch 1970). Pure acknowledgments at the same
 * place may stand for each other though they acknowledge different amounts: that says more than one missing and one too many.
 */
import { correspond } from './difference.ts';
import type { Unit } from './unit.ts';

const GAP = 1;
/** Less than two gaps, more than one. */
const OTHER_ACK = 1.5;
/** Corresponding units that differ in their acknowledgment: a reason to look whether another fits better. */
const UNLIKE = 0.01;
const NEVER = Number.POSITIVE_INFINITY;

const cost = (a: Unit, b: Unit): number => {
  if (correspond(a, b)) return a.acknowledgment === b.acknowledgment && a.flags === b.flags && a.window === b.window ? 0 : UNLIKE;
  return a.pureAck && b.pureAck && a.direction === b.direction && a.sequence === b.sequence ? OTHER_ACK : NEVER;
};

/** A step: both advance, only ours, or only theirs. */
export type Step = 'both' | 'ours' | 'theirs';

/** The cheapest alignment of whole sequences. */
export function align(ours: readonly Unit[], theirs: readonly Unit[]): Step[] {
  const width = theirs.length + 1;
  const total = new Float64Array((ours.length + 1) * width);
  for (let i = ours.length; i >= 0; i--) {
    for (let j = theirs.length; j >= 0; j--) total[i * width + j] = cheapest(ours, theirs, total, width, i, j);
  }
  return walk(ours, theirs, total, width);
}

/** Cost of aligning what is left from (i, j) on. */
function cheapest(ours: readonly Unit[], theirs: readonly Unit[], total: Float64Array, width: number, i: number, j: number): number {
  const last = i === ours.length;
  if (j === theirs.length) return last ? 0 : (ours.length - i) * GAP;
  if (last) return (theirs.length - j) * GAP;
  const gap = GAP + Math.min(total[(i + 1) * width + j]!, total[i * width + j + 1]!);
  return Math.min(gap, cost(ours[i]!, theirs[j]!) + total[(i + 1) * width + j + 1]!);
}

function walk(ours: readonly Unit[], theirs: readonly Unit[], total: Float64Array, width: number): Step[] {
  const steps: Step[] = [];
  for (let i = 0, j = 0; i < ours.length || j < theirs.length; ) {
    const here = total[i * width + j]!;
    if (i < ours.length && j < theirs.length && cost(ours[i]!, theirs[j]!) + total[(i + 1) * width + j + 1]! === here) {
      steps.push('both');
      i++;
      j++;
    } else if (i < ours.length && GAP + total[(i + 1) * width + j]! === here) {
      steps.push('ours');
      i++;
    } else {
      steps.push('theirs');
      j++;
    }
  }
  return steps;
}
