/** include/linux/pci.h: PCI devices, drivers, and their message-signalled interrupts. */
import type { PciSlot } from '../../../machine/machine.ts';
import { device } from './device.ts';

export const PCI_VENDOR_ID_INTEL = 0x8086;

export interface pci_device_id {
  readonly vendor: number;
  readonly device: number;
}

export interface pci_driver {
  readonly name: string;
  readonly id_table: readonly pci_device_id[];
  /** Takes a device; 0 or a negative errno. */
  probe(pdev: pci_dev, id: pci_device_id): number;
  remove(pdev: pci_dev): void;
}

/** One entry of a driver's MSI-X table: `entry` is the device's vector, `vector` the irq it raises. */
export class msix_entry {
  entry = 0;
  vector = 0;
}

export class pci_dev {
  readonly slot: PciSlot;
  readonly dev: device;
  readonly vendor: number;
  readonly device: number;
  readonly subsystem_vendor: number;
  readonly subsystem_device: number;
  readonly revision: number;
  driver: pci_driver | null = null;
  driverData: unknown = null;
  enabled = false;
  is_busmaster = false;
  msix_enabled = false;
  msi_enabled = false;
  /** Of MSI or INTA. */
  irq = -1;
  /** Interrupt numbers of its MSI-X vectors; kept when MSI-X is disabled and used again. */
  readonly msixIrqs: number[] = [];

  constructor(slot: PciSlot, name: string) {
    const found = slot.device;
    this.slot = slot;
    this.dev = new device(name);
    this.vendor = found.vendorId;
    this.device = found.deviceId;
    this.subsystem_vendor = found.subsystemVendorId;
    this.subsystem_device = found.subsystemId;
    this.revision = found.revision;
  }
}

export const pci_name = (pdev: pci_dev): string => pdev.dev.name;

export function pci_set_drvdata(pdev: pci_dev, data: unknown): void {
  pdev.driverData = data;
}

export const pci_get_drvdata = <T>(pdev: pci_dev): T => pdev.driverData as T;
