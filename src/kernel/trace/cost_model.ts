/**
 * Nothing of Linux: turns the instruction counts of function_costs.ts into the time that a CPU spends on each function. A CPU is described by its
 * clock rate and by how many instructions it retires a cycle, which for network stacks is far below the pipeline's width (caches, MMIO).
 */
import { InvariantError } from '../../sim/invariant.ts';
import { function_costs } from './function_costs.ts';

/** Whole ns of each function, by id; at least 1, so that no two calls end at the same time. */
export function scaledCosts(hz: number, ipc: number): Float64Array {
  const instructionsPerNs = (hz * ipc) / 1e9;
  if (!(instructionsPerNs > 0)) throw new InvariantError(`a CPU of ${hz} Hz and ${ipc} instructions a cycle`);
  return Float64Array.from(function_costs, ([, instructions]) => Math.max(1, Math.round(instructions / instructionsPerNs)));
}

/** For a CPU that is infinitely fast (`cpu: zero`). */
export function zeroCosts(): Float64Array {
  return new Float64Array(function_costs.length);
}
