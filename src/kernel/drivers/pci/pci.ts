/** drivers/pci/pci.c: switches a device's access to memory on and off. */
import type { pci_dev } from '../../include/linux/pci.ts';

export function pci_enable_device_mem(pdev: pci_dev): number {
  pdev.enabled = true;
  return 0;
}

export function pci_disable_device(pdev: pci_dev): void {
  pdev.enabled = false;
  pdev.is_busmaster = false;
}

/** Lets the device read and write memory on its own. */
export function pci_set_master(pdev: pci_dev): void {
  pdev.is_busmaster = true;
}
