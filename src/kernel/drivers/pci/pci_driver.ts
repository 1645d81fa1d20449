/**
 * drivers/pci/pci-driver.c: brings drivers and devices together.
 * `pci_register_driver` → `pci_match_id` → `pci_device_probe` → the driver's probe.
 */
import { kernel } from '../../current.ts';
import type { pci_dev, pci_device_id, pci_driver } from '../../include/linux/pci.ts';
import { scanSlots } from './probe.ts';

/** Offers the driver every device that nobody has. Returns the first error of a probe, or 0. */
export function pci_register_driver(driver: pci_driver): number {
  let result = 0;
  scanSlots();
  for (const pdev of kernel().pci_devices) {
    const error = pci_device_probe(driver, pdev);
    if (result === 0) result = error;
  }
  return result;
}

function pci_device_probe(driver: pci_driver, pdev: pci_dev): number {
  const id = pdev.driver === null ? pci_match_id(driver.id_table, pdev) : null;
  if (id === null) return 0;
  pdev.driver = driver;
  pdev.dev.driverName = driver.name;
  const error = driver.probe(pdev, id);
  if (error < 0) pdev.driver = null;
  return error;
}

function pci_match_id(ids: readonly pci_device_id[], pdev: pci_dev): pci_device_id | null {
  return ids.find((id) => id.vendor === pdev.vendor && id.device === pdev.device) ?? null;
}

export function pci_unregister_driver(driver: pci_driver): void {
  for (const pdev of kernel().pci_devices) {
    if (pdev.driver !== driver) continue;
    driver.remove(pdev);
    pdev.driver = null;
  }
}
