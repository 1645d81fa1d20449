/**
 * drivers/pci/msi/api.c: MSI-X vectors and the CPUs they interrupt.
 * `pci_enable_msix_range` → an irq number for each vector → the machine's routing, which follows the irq's affinity.
 */
import { kernel } from '../../../current.ts';
import type { msix_entry, pci_dev } from '../../../include/linux/pci.ts';
import { irq_alloc_desc, type irq_desc } from '../../../kernel/irq.ts';
import { EINVAL, ENOSPC } from '../../../uapi/errno.ts';

/** Gives each of the first entries an irq, at least `minvec` and at most `maxvec`; returns how many. */
export function pci_enable_msix_range(pdev: pci_dev, entries: msix_entry[], minvec: number, maxvec: number): number {
  if (pdev.msix_enabled || minvec > maxvec) return -EINVAL;
  const count = Math.min(maxvec, pdev.slot.device.msixVectors);
  if (count < minvec) return -ENOSPC;
  for (let i = 0; i < count; i++) entries[i]!.vector = irqOfVector(pdev, entries[i]!.entry);
  pdev.msix_enabled = true;
  return count;
}

export function pci_disable_msix(pdev: pci_dev): void {
  pdev.msix_enabled = false;
}

/** One message for all causes, or -errno. Its irq is `pdev.irq` from now on. */
export function pci_enable_msi(pdev: pci_dev): number {
  if (pdev.msi_enabled || pdev.msix_enabled) return -EINVAL;
  if (pdev.slot.device.hasMsi === false) return -ENOSPC;
  pdev.irq = irqOfVector(pdev, 0, `PCI-MSI-${pdev.dev.name}`);
  pdev.msi_enabled = true;
  return 0;
}

export function pci_disable_msi(pdev: pci_dev): void {
  pdev.msi_enabled = false;
}

/**
 * The irq of the wire INTA, through the interrupt controller.
 * Simplified: the wire's edge is a message; nobody shares it, and its level is not looked at again when the handler is done (the device asserts it anew
 * when causes are enabled).
 */
export function pciIntxIrq(pdev: pci_dev): number {
  pdev.irq = irqOfVector(pdev, 0, 'IO-APIC');
  return pdev.irq;
}

function irqOfVector(pdev: pci_dev, vector: number, chip = `PCI-MSIX-${pdev.dev.name}`): number {
  const known = pdev.msixIrqs[vector];
  if (known !== undefined) return known;
  const desc = irq_alloc_desc();
  desc.chip = chip;
  desc.hwirq = vector;
  desc.affinity = leastLoadedCpu(desc);
  desc.route = (cpu) => pdev.slot.routeMsix(vector, kernel().percpu[cpu]!.cpu, desc.irq);
  desc.route(desc.affinity);
  pdev.msixIrqs[vector] = desc.irq;
  return desc.irq;
}

/** As x86's vector allocator: the CPU that has the fewest interrupts, the first of equals. */
function leastLoadedCpu(fresh: irq_desc): number {
  const load = kernel().percpu.map(() => 0);
  for (const desc of kernel().irq_desc.values()) if (desc !== fresh) load[desc.affinity]!++;
  return load.indexOf(Math.min(...load));
}
