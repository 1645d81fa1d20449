/** A host with nothing but a loopback device, for programs that talk to each other on it. */
import { start_kernel, stopKernel } from '../../src/kernel/init/main.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { cpuSpeed } from '../../src/kernel/trace/cost_model.ts';
import { Machine } from '../../src/machine/machine.ts';
import { Simulation } from '../../src/sim/simulation.ts';
import { COMMANDS } from '../../src/user/commands/commands.ts';
import { type Process, type Program, startProgram } from '../../src/user/sys.ts';

export class LoopbackHost {
  readonly simulation = new Simulation(1);
  readonly machine = new Machine('host', this.simulation);
  readonly kernel: Kernel;

  constructor(cpus = 1) {
    this.kernel = new Kernel(this.machine, 'host', { HZ: 250, cpus, firstPid: 300, ...cpuSpeed(3e9, 1) });
    this.onCpu(() => start_kernel(this.kernel, { interfaceNames: [] }));
    this.run(function* up(sys) {
      return yield* COMMANDS['ip']!(['ip', 'link', 'set', 'lo', 'up'], () => undefined, sys);
    });
  }

  onCpu<T>(work: () => T): T {
    return this.machine.cpus[0]!.runOn(work);
  }

  /** Starts a program; it runs when the simulation does. */
  start(program: Program, cpu = 0): Process {
    return this.machine.cpus[cpu]!.runOn(() => startProgram(program, 'test', cpu));
  }

  /** Runs programs until the last has ended (a minute at most) and returns their exit codes. */
  runAll(...programs: Program[]): (number | null)[] {
    const processes = programs.map((program, i) => this.start(program, i % this.machine.cpus.length));
    this.simulation.run(this.simulation.now + 60e9);
    return processes.map((process) => process.status);
  }

  run(program: Program): number | null {
    return this.runAll(program)[0]!;
  }

  /** What is left after everything was closed: nothing, if nothing leaks. */
  leftovers(): string[] {
    const left = this.onCpu(() => stopKernel(this.kernel));
    const memory = [...this.kernel.init_net.proto_memory].filter(([, { memory_allocated }]) => memory_allocated !== 0);
    return [...left, ...memory.map(([name, { memory_allocated }]) => `${memory_allocated} pages of ${name}`)];
  }
}
