/**
 * A booted kernel without a network card: memory, CPUs, timers, sk_buffs, network core, `lo`, offloads. For tests of parts of the stack;
 * whole hosts are made by topology/host.ts. Kernel code must run on a CPU: wrap it in `on`.
 */

import { loopback_net_init } from '../../src/kernel/drivers/net/loopback.ts';
import { net } from '../../src/kernel/include/net/net_namespace.ts';
import { workqueue_init } from '../../src/kernel/kernel/workqueue.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { dev_open, net_dev_init } from '../../src/kernel/net/core/dev.ts';
import { skb_init } from '../../src/kernel/net/core/skbuff.ts';
import { ipv4_offload_init } from '../../src/kernel/net/ipv4/inet_offload.ts';
import { zeroSpeed } from '../../src/kernel/trace/cost_model.ts';
import { Machine } from '../../src/machine/machine.ts';
import { Simulation } from '../../src/sim/simulation.ts';

export interface TestKernel {
  readonly simulation: Simulation;
  readonly kernel: Kernel;
  readonly network: net;
  /** Runs kernel code on a CPU (0 unless said otherwise). */
  on<T>(work: () => T, cpu?: number): T;
  /** Lets virtual time pass. */
  elapse(ns: number): void;
}

export interface TestKernelOptions {
  readonly cpus?: number;
  readonly HZ?: number;
  readonly seed?: number;
  /** Costs of functions; 0 each unless said otherwise. */
  readonly speed?: ReturnType<typeof zeroSpeed>;
}

export function testKernel(options: TestKernelOptions = {}): TestKernel {
  const simulation = new Simulation(options.seed ?? 1);
  const machine = new Machine('test', simulation);
  const speed = options.speed ?? zeroSpeed();
  const owner = new Kernel(machine, 'test', { HZ: options.HZ ?? 250, cpus: options.cpus ?? 1, firstPid: 300, ...speed });
  const network = new net(owner);
  owner.init_net = network;
  const on = <T>(work: () => T, cpu = 0): T => machine.cpus[cpu]!.runOn(work);
  on(() => {
    workqueue_init();
    skb_init(owner);
    net_dev_init(network);
    loopback_net_init(network);
    ipv4_offload_init(network);
    dev_open(network.loopback_dev);
  });
  return { simulation, kernel: owner, network, on, elapse: (ns) => simulation.run(simulation.now + ns) };
}
