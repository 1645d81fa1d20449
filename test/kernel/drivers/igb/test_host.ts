/** A host with one network card and the igb driver, without a protocol stack above: what the driver's tests need. */

import { igb_init_module } from '../../../../src/kernel/drivers/net/ethernet/intel/igb/igb_main.ts';
import type { net_device } from '../../../../src/kernel/include/linux/netdevice.ts';
import { pci_get_drvdata } from '../../../../src/kernel/include/linux/pci.ts';
import { net } from '../../../../src/kernel/include/net/net_namespace.ts';
import { Kernel } from '../../../../src/kernel/kernel.ts';
import { net_dev_init } from '../../../../src/kernel/net/core/dev.ts';
import { skb_init } from '../../../../src/kernel/net/core/skbuff.ts';
import { zeroSpeed } from '../../../../src/kernel/trace/cost_model.ts';
import { Machine } from '../../../../src/machine/machine.ts';
import type { PciDevice } from '../../../../src/machine/pci.ts';
import { Simulation } from '../../../../src/sim/simulation.ts';

export class TestHost {
  readonly simulation: Simulation;
  readonly machine: Machine;
  readonly kernel: Kernel;

  constructor(simulation: Simulation, device: PciDevice, cpus: number, name = 'host') {
    this.simulation = simulation;
    this.machine = new Machine(name, simulation);
    this.kernel = new Kernel(this.machine, name, { HZ: 250, cpus, firstPid: 300, ...zeroSpeed() });
    this.machine.plug(device);
  }

  get device(): net_device {
    return pci_get_drvdata<net_device>(this.kernel.pci_devices[0]!);
  }

  boot(): void {
    this.kernel.init_net = new net(this.kernel);
    this.kernel.timeless = true;
    this.onCpu(() => {
      skb_init(this.kernel);
      net_dev_init(this.kernel.init_net);
      igb_init_module();
    });
  }

  onCpu<T>(work: () => T, cpu = 0): T {
    return this.machine.cpus[cpu]!.runOn(work);
  }

  /** Lets `ns` pass. */
  run(ns: number): void {
    this.simulation.run(this.simulation.now + ns);
  }
}

export function bootWithDriver(device: PciDevice, cpus: number): TestHost {
  const host = new TestHost(new Simulation(), device, cpus);
  host.boot();
  return host;
}
