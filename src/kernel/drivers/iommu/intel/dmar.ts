/**
 * drivers/iommu/intel/dmar.c: what the kernel says when the IOMMU refuses a device's access: `dmar_fault` → `dmar_fault_do_one`.
 *
 * Simplified: mappings are not tables that the IOMMU walks; the machine tells of the fault (Machine.onDmaFault), and it is logged where Linux's
 * interrupt handler would read it from the unit's registers.
 */
import type { PciSlot } from '../../../../machine/machine.ts';
import { kernel } from '../../../current.ts';

const FAULT_PENDING = 2;
const READ_NOT_SET = '[fault reason 0x06] PTE Read access is not set';
const WRITE_NOT_SET = '[fault reason 0x05] PTE Write access is not set';

export function dmar_fault(slot: PciSlot, address: number, write: boolean): void {
  kernel().printk(`DMAR: DRHD: handling fault status reg ${FAULT_PENDING}`);
  const name = kernel().pci_devices.find((pdev) => pdev.slot === slot)?.dev.name ?? '';
  const who = name.slice(name.indexOf(':') + 1);
  const page = (address - (address % 4096)).toString(16);
  kernel().printk(
    `DMAR: [DMA ${write ? 'Write' : 'Read'} NO_PASID] Request device [${who}] fault addr 0x${page} ${write ? WRITE_NOT_SET : READ_NOT_SET}`,
  );
}
