/** CPUs that take turns on one processor: each work takes as long as a fair share of it allows. */
import { describe, expect, it } from 'vitest';
import { Cpu, type OperatingSystem, SharedProcessor } from '../../src/machine/cpu.ts';
import { Simulation } from '../../src/sim/simulation.ts';

interface Work {
  readonly at: number;
  readonly ns: number;
}

/** Runs each CPU's works (one step each) and tells when every one of them ended. */
function endsOf(works: readonly (readonly Work[])[], shared: boolean): number[][] {
  const simulation = new Simulation(1);
  const processor = new SharedProcessor();
  const cpus = works.map((list, id) => {
    const left = [...list];
    const os: OperatingSystem = {
      interrupt: () => undefined,
      step: (cpu) => {
        if (left.length === 0 || left[0]!.at > cpu.clock) return false;
        cpu.charge(left.shift()!.ns);
        return true;
      },
      nextStepAt: () => left[0]?.at ?? Number.POSITIVE_INFINITY,
    };
    const cpu = new Cpu(simulation, os, id, 'host', new Int32Array(0));
    if (shared) processor.add(cpu);
    return cpu;
  });
  for (const [i, cpu] of cpus.entries()) cpu.kick(works[i]![0]!.at);
  simulation.run(1_000_000);
  return cpus.map(({ clock }) => [clock]);
}

describe('a shared processor', () => {
  it('leaves a CPU that works alone as fast as it is', () => {
    expect(endsOf([[{ at: 0, ns: 100 }], [{ at: 500, ns: 50 }]], true)).toEqual([[100], [550]]);
  });

  it('halves the speed of two that work at the same time, until the shorter is done', () => {
    expect(endsOf([[{ at: 0, ns: 100 }], [{ at: 0, ns: 40 }]], true)).toEqual([[140], [80]]);
  });

  it('holds up who is under way when another begins', () => {
    expect(endsOf([[{ at: 0, ns: 100 }], [{ at: 60, ns: 100 }]], true)).toEqual([[140], [200]]);
  });

  it('does nothing to CPUs of their own', () => {
    expect(endsOf([[{ at: 0, ns: 100 }], [{ at: 60, ns: 100 }]], false)).toEqual([[100], [160]]);
  });
});
