/**
 * Nothing of Linux: turns the instruction counts of function_costs.ts into the time that a CPU spends on each function. A CPU is described by its
 * clock rate and by how many instructions it retires a cycle, which for network stacks is far below the pipeline's width (caches, MMIO).
 */
import { InvariantError } from '../../sim/invariant.ts';
import { function_costs } from './function_costs.ts';

/** By instructions a ns. CPUs of the same speed share a table: see machine/cpu.ts. */
const tables = new Map<number, Int32Array>();

/** Whole ns of each function, by id; at least 1, so that no two calls end at the same time. Not to be changed. */
export function scaledCosts(hz: number, ipc: number): Int32Array {
  const instructionsPerNs = (hz * ipc) / 1e9;
  if (!(instructionsPerNs > 0)) throw new InvariantError(`a CPU of ${hz} Hz and ${ipc} instructions a cycle`);
  return tableOf(instructionsPerNs, (instructions) => Math.max(1, Math.round(instructions / instructionsPerNs)));
}

/** For a CPU that is infinitely fast (`cpu: zero`). */
export function zeroCosts(): Int32Array {
  return tableOf(Number.POSITIVE_INFINITY, () => 0);
}

function tableOf(instructionsPerNs: number, ns: (instructions: number) => number): Int32Array {
  let table = tables.get(instructionsPerNs);
  if (table === undefined) {
    table = Int32Array.from(function_costs, ([, instructions]) => ns(instructions));
    tables.set(instructionsPerNs, table);
  }
  return table;
}

/** What a CPU of a given speed takes for everything that is charged: see KernelOptions. */
export interface CpuSpeed {
  readonly costs: Int32Array;
  readonly copyNsPerByte: number;
  readonly checksumNsPerByte: number;
  readonly syscallNs: number;
  readonly interruptNs: number;
  readonly contextSwitchNs: number;
}

/**
 * Instructions that no row of the table holds: the assembly around system calls and interrupts, and a switch of tasks (register and address space
 * change, run queue). Estimates for x86-64 without mitigations.
 */
const SYSCALL_INSTRUCTIONS = 150;
const INTERRUPT_INSTRUCTIONS = 400;
const CONTEXT_SWITCH_INSTRUCTIONS = 1200;
/** A copy moves 16 bytes an instruction and waits for memory: about 8 bytes a cycle. */
const COPY_BYTES_PER_CYCLE = 8;

/** A CPU of `hz` cycles a second and `ipc` instructions a cycle, which copies `copy` octets a cycle. */
export function cpuSpeed(hz: number, ipc: number, copy = COPY_BYTES_PER_CYCLE): CpuSpeed {
  const ns = (instructions: number): number => Math.max(1, Math.round((instructions * 1e9) / (hz * ipc)));
  return {
    costs: scaledCosts(hz, ipc),
    copyNsPerByte: 1e9 / (hz * copy),
    // Sums are made of whole words, also where copies are made byte by byte.
    checksumNsPerByte: 1e9 / (hz * Math.max(copy, COPY_BYTES_PER_CYCLE)),
    syscallNs: ns(SYSCALL_INSTRUCTIONS),
    interruptNs: ns(INTERRUPT_INSTRUCTIONS),
    contextSwitchNs: ns(CONTEXT_SWITCH_INSTRUCTIONS),
  };
}

/** `cpu: zero`: nothing takes time. */
export const zeroSpeed = (): CpuSpeed => ({
  costs: zeroCosts(),
  copyNsPerByte: 0,
  checksumNsPerByte: 0,
  syscallNs: 0,
  interruptNs: 0,
  contextSwitchNs: 0,
});
