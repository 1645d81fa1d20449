/**
 * drivers/pci/probe.c: finds what is in the machine's slots.
 *
 * Simplified: no bridges and no configuration space; each slot is a bus of its own with one function, as behind a PCIe root port.
 */
import { kernel } from '../../current.ts';
import { pci_dev } from '../../include/linux/pci.ts';

/** Makes a pci_dev of each device that has none yet. */
export function scanSlots(): void {
  const found = kernel().pci_devices;
  const slots = kernel().machine.slots;
  for (let bus = found.length; bus < slots.length; bus++) {
    const number = (bus + 1).toString(16).padStart(2, '0');
    found.push(new pci_dev(slots[bus]!, `0000:${number}:00.0`));
  }
}
