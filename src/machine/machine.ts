/** A computer: CPUs, memory, slots for PCI devices, and the routing of message-signalled interrupts. No software. */

import { InvariantError } from '../sim/invariant.ts';
import type { Simulation } from '../sim/simulation.ts';
import type { Nanoseconds } from '../sim/time.ts';
import { Timer } from '../sim/timer.ts';
import { Cpu, type OperatingSystem } from './cpu.ts';
import { Dma } from './dma.ts';
import type { DeviceFault } from './fault.ts';
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
  /** Told of accesses that the IOMMU refused: on a PC by an interrupt of the DMA remapping unit. */
  onDmaFault: ((slot: PciSlot, address: number, write: boolean) => void) | null = null;

  constructor(name: string, simulation: Simulation, memoryBytes?: number) {
    this.name = name;
    this.simulation = simulation;
    this.memory = new PhysicalMemory(name, memoryBytes, simulation.bytes);
    this.dma = new Dma(this.memory);
  }

  addCpus(count: number, os: OperatingSystem, costs: Int32Array): void {
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
  timing: PcieTiming;
  readonly #routes: (MsixRoute | undefined)[] = [];
  /** What the link does when nothing slows it down. */
  readonly #usualTiming: PcieTiming;
  #slowUntil: Nanoseconds = 0;
  /** Messages sent before that are lost. */
  #deafUntil: Nanoseconds = 0;
  /** Interrupt messages that never reached a CPU. */
  lostMessages = 0;

  constructor(machine: Machine, device: PciDevice, timing: PcieTiming) {
    this.machine = machine;
    this.device = device;
    this.timing = timing;
    this.#usualTiming = timing;
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
    if (time < this.#deafUntil) this.lostMessages++;
    else if (!route.timer.pending) this.machine.simulation.at(time, route.timer);
  }

  dmaFault(address: number, write: boolean): void {
    this.machine.onDmaFault?.(this, address, write);
  }

  /** Makes something go wrong, now. */
  inject(fault: DeviceFault): void {
    const { simulation } = this.machine;
    if (fault.kind === 'lost-interrupts') this.#deafUntil = Math.max(this.#deafUntil, simulation.now + fault.durationNs);
    else if (fault.kind === 'slow-pcie') this.#slowDown(fault.factor, simulation.now + fault.durationNs);
    else this.device.inject?.(fault);
  }

  #slowDown(factor: number, until: Nanoseconds): void {
    this.timing = slower(this.#usualTiming, factor);
    this.#slowUntil = Math.max(this.#slowUntil, until);
    this.machine.simulation.once(until, `${this.device.name} PCIe as fast as before`, () => {
      if (this.machine.simulation.now >= this.#slowUntil) this.timing = this.#usualTiming;
    });
  }
}

function slower(timing: PcieTiming, factor: number): PcieTiming {
  return {
    postedWriteNs: Math.round(timing.postedWriteNs * factor),
    readLatencyNs: Math.round(timing.readLatencyNs * factor),
    writeLatencyNs: Math.round(timing.writeLatencyNs * factor),
    bytesPerNs: timing.bytesPerNs / factor,
    mmioReadNs: Math.round(timing.mmioReadNs * factor),
  };
}
