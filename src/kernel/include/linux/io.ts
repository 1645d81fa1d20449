/**
 * include/linux/io.h: a device's registers, memory-mapped.
 *
 * A write is posted: the CPU goes on, and the device sees it after the way through PCIe, in the order of issue. A read goes after all writes before it
 * (PCIe ordering) and the CPU waits for it. The device keeps that order itself: it applies what is under way before it answers a read.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import type { PciSlot } from '../../../machine/machine.ts';
import { kernel } from '../../current.ts';

export function writel(value: number, slot: PciSlot, offset: number): void {
  slot.device.writel(offset, value, this_cpu.clock + slot.timing.postedWriteNs);
}

export function readl(slot: PciSlot, offset: number): number {
  if (!kernel().timeless) this_cpu.charge(slot.timing.mmioReadNs);
  return slot.device.readl(offset);
}
