/** A computer: CPUs, memory, slots for PCI devices, and the routing of message-signalled interrupts. No software. */
import { Timer } from '../sim/event_queue.ts';
import { InvariantError } from '../sim/invariant.ts';
import type { Simulation } from '../sim/simulation.ts';
import type { Nanoseconds } from '../sim/time.ts';
import { Cpu, type OperatingSystem } from './cpu.ts';
import { Dma } from './dma.ts';
import { PhysicalMemory } from './memory.ts';
import { type PciDevice, type PcieTiming, type PciHost, pcieDefaults } from './pci.ts';

/** Where one MSI-X message of one device goes. A message that is still under way is not sent twice. */
interface MsixRoute {
  readonly timer: Timer;
  cpu: Cpu;
  irq: number;
}

export class Machine {
  readonly name: string;
  readonly simulation: Simulation;
  readonly memory: PhysicalMemory;
  readonly dma: Dma;
  readonly cpus: Cpu[] = [];
  readonly devices: PciDevice[] = [];
  /** The slots the devices are in, in the order they were plugged. */
  readonly slots: PciSlot[] = [];

  constructor(name: string, simulation: Simulation, memoryBytes?: number) {
    this.name = name;
    this.simulation = simulation;
    this.memory = new PhysicalMemory(name, memoryBytes, simulation.bytes);
    this.dma = new Dma(this.memory);
  }

  addCpus(count: number, os: OperatingSystem, costs: Float64Array): void {
    for (let i = 0; i < count; i++) this.cpus.push(new Cpu(this.simulation, os, i, this.name, costs));
  }

  /** Puts a device into a slot. */
  plug(device: PciDevice, timing: PcieTiming = pcieDefaults): PciSlot {
    const slot = new PciSlot(this, device, timing);
    this.devices.push(device);
    this.slots.push(slot);
    device.attach(slot);
    return slot;
  }
}

/** A device in its slot: the machine as the device sees it, and the device as the kernel's PCI core finds it. */
export class PciSlot implements PciHost {
  readonly machine: Machine;
  readonly device: PciDevice;
  readonly timing: PcieTiming;
  readonly #routes: (MsixRoute | undefined)[] = [];

  constructor(machine: Machine, device: PciDevice, timing: PcieTiming) {
    this.machine = machine;
    this.device = device;
    this.timing = timing;
  }

  get dma(): Dma {
    return this.machine.dma;
  }

  /** Programs the MSI-X table: messages of `vector` raise `irq` on `cpu`. */
  routeMsix(vector: number, cpu: Cpu, irq: number): void {
    const route = this.#routes[vector];
    if (route !== undefined) {
      route.cpu = cpu;
      route.irq = irq;
      return;
    }
    const fresh: MsixRoute = { cpu, irq, timer: new Timer(`${this.device.name} msix${vector}`, () => fresh.cpu.raise(fresh.irq)) };
    this.#routes[vector] = fresh;
  }

  msix(_device: PciDevice, vector: number, time: Nanoseconds): void {
    const route = this.#routes[vector];
    if (route === undefined)
      throw new InvariantError(`${this.machine.name}: ${this.device.name} sent MSI-X message ${vector}, which is not set up`);
    if (!route.timer.pending) this.machine.simulation.at(time, route.timer);
  }
}
