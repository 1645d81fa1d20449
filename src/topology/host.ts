/** One host: a machine with its network cards in their slots, and the kernel that runs on it. */

import { IgbDevice, qemuIgb } from '../hw/igb/igb_device.ts';
import type { net_device, rtnl_link_stats64 } from '../kernel/include/linux/netdevice.ts';
import { start_kernel, stopKernel } from '../kernel/init/main.ts';
import { Kernel } from '../kernel/kernel.ts';
import { dev_get_stats } from '../kernel/net/core/dev.ts';
import { type CpuSpeed, cpuSpeed, zeroSpeed } from '../kernel/trace/cost_model.ts';
import { this_cpu } from '../machine/cpu.ts';
import { Machine } from '../machine/machine.ts';
import { type PcieTiming, pcieDefaults } from '../machine/pci.ts';
import type { Simulation } from '../sim/simulation.ts';
import type { FramePool } from '../wire/frame.ts';
import type { HostSpec, InterfaceSpec } from './schema.ts';

const DEFAULT_HZ = 250;
/** A server core of the 2020s: the clock rate, and instructions a cycle as network stacks get them. */
const DEFAULT_GHZ = 3;
const DEFAULT_IPC = 1;

/** A network card and what it is called on its host. */
export interface Nic {
  readonly name: string;
  readonly device: IgbDevice;
  readonly spec: InterfaceSpec;
}

export class Host {
  readonly name: string;
  readonly spec: HostSpec;
  readonly machine: Machine;
  readonly kernel: Kernel;
  readonly nics: readonly Nic[];

  /** `index` numbers the hosts: it makes MAC addresses and process ids differ. */
  constructor(simulation: Simulation, frames: FramePool, name: string, index: number, spec: HostSpec) {
    this.name = name;
    this.spec = spec;
    this.machine = new Machine(name, simulation, spec.memory);
    this.kernel = new Kernel(this.machine, name, {
      HZ: spec.hz ?? DEFAULT_HZ,
      cpus: spec.cpus ?? 1,
      firstPid: 300 + index * 1000,
      ...speedOf(spec),
    });
    this.nics = Object.entries(spec.interfaces ?? {}).map(([nicName, nicSpec], port) => {
      const mac = nicSpec.mac ?? Uint8Array.of(2, 0, 0, 0, index + 1, port + 1);
      const device = new IgbDevice(`${name} ${nicName}`, simulation, frames, {
        mac,
        interrupts: nicSpec.interrupts ?? 'msix',
        ...(nicSpec.nic === 'qemu-igb' ? qemuIgb : {}),
      });
      this.machine.plug(device, pcieTiming(spec));
      return { name: nicName, device, spec: nicSpec };
    });
  }

  /** Boots the kernel: subsystems, drivers, interface names. Until `endSetup` its delays take no time, so that boot ends before the programs start. */
  boot(): void {
    this.kernel.timeless = true;
    this.onCpu(() => start_kernel(this.kernel, { interfaceNames: this.nics.map(({ name }) => name) }));
  }

  /** Boot and set-up are over: from here on everything takes its time, and the accounts start. */
  endSetup(): void {
    this.kernel.timeless = false;
    for (const cpu of this.machine.cpus) cpu.resetAccount();
  }

  /** Takes interfaces down and frees what the kernel still holds; returns what is left after that: leaks. */
  shutDown(): string[] {
    return this.onCpu(() => stopKernel(this.kernel)).map((what) => `${this.name}: ${what}`);
  }

  /** Brings the CPUs' accounts up to the present. */
  account(): void {
    for (const cpu of this.machine.cpus) cpu.account();
  }

  /** Runs kernel code on CPU 0. */
  onCpu<T>(work: () => T): T {
    return this.machine.cpus[0]!.runOn(work);
  }

  device(name: string): net_device {
    return this.kernel.init_net.dev_by_name.get(name)!;
  }

  deviceStats(dev: net_device): rtnl_link_stats64 {
    return this.onCpu(() => dev_get_stats(dev));
  }

  driverStats(dev: net_device): Record<string, number> {
    return this.onCpu(() => Object.fromEntries(dev.ethtool_ops?.get_ethtool_stats?.(dev) ?? []));
  }

  /** What its cards and slots lost that no register counts. */
  cardDrops(): { reason: string; where: string; count: number }[] {
    return this.nics.flatMap(({ name, device: { faults } }, i) => {
      const where = `${this.name} ${name}`;
      const lost = [
        { reason: 'in the transmit FIFO at a reset', where, count: faults.resetTx },
        { reason: 'in the receive FIFO at a reset', where, count: faults.resetRx },
        { reason: 'arrived while the receiver was off', where, count: faults.receiverOff },
        { reason: 'interrupt messages lost', where, count: this.machine.slots[i]!.lostMessages },
      ];
      return lost.filter(({ count }) => count > 0);
    });
  }

  /** The clock that stamps what this host's CPUs see now. */
  clock(): number {
    return this_cpu.clock;
  }
}

function speedOf(spec: HostSpec): CpuSpeed {
  if (spec.cpu === 'zero') return zeroSpeed();
  return cpuSpeed((spec.cpu?.ghz ?? DEFAULT_GHZ) * 1e9, spec.cpu?.ipc ?? DEFAULT_IPC, spec.cpu?.copy);
}

function pcieTiming({ pcie }: HostSpec): PcieTiming {
  return {
    postedWriteNs: pcie?.posted_write ?? pcieDefaults.postedWriteNs,
    readLatencyNs: pcie?.read ?? pcieDefaults.readLatencyNs,
    writeLatencyNs: pcie?.write ?? pcieDefaults.writeLatencyNs,
    bytesPerNs: pcie?.rate === undefined ? pcieDefaults.bytesPerNs : pcie.rate / 8e9,
    mmioReadNs: pcie?.register_read ?? pcieDefaults.mmioReadNs,
  };
}
