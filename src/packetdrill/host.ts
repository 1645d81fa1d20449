/** A fresh host for one script: a machine without cards, a kernel, and a tun interface behind which the script plays the rest of the world. */
import { tun_get_user, tun_set_iff, type tun_struct } from '../kernel/drivers/net/tun.ts';
import type { net_device } from '../kernel/include/linux/netdevice.ts';
import { start_kernel } from '../kernel/init/main.ts';
import { Kernel } from '../kernel/kernel.ts';
import { zeroSpeed } from '../kernel/trace/cost_model.ts';
import { Machine } from '../machine/machine.ts';
import { Simulation } from '../sim/simulation.ts';
import { TUN_NAME } from './defaults.ts';

const PRIME_SEED = 1;
const FIRST_PID = 1000;
const MEMORY_BYTES = 256 * 1024 * 1024;

export class ScriptHost {
  readonly simulation: Simulation;
  readonly machine: Machine;
  readonly kernel: Kernel;
  readonly tun: net_device;

  /** CPUs take no time: what a script's events cost is the runner's to say, so that verdicts don't depend on a model of a machine. */
  constructor(hz: number) {
    this.simulation = new Simulation(PRIME_SEED);
    this.machine = new Machine('packetdrill', this.simulation, MEMORY_BYTES);
    this.kernel = new Kernel(this.machine, 'packetdrill', { HZ: hz, cpus: 1, firstPid: FIRST_PID, ...zeroSpeed() });
    this.kernel.timeless = true;
    this.onCpu(() => start_kernel(this.kernel, { interfaceNames: [] }));
    this.tun = this.onCpu(() => tun_set_iff(TUN_NAME));
    this.kernel.timeless = false;
  }

  /** Runs kernel code outside of any task. */
  onCpu<T>(work: () => T): T {
    return this.machine.cpus[0]!.runOn(work);
  }

  /** A packet arrives at the interface. */
  inject(packet: Uint8Array, gsoSize: number): number {
    return tun_get_user(this.tun, packet, gsoSize);
  }

  get tunStruct(): tun_struct {
    return this.tun.priv as tun_struct;
  }
}
