/**
 * The bus between a computer and its devices. A device sees the machine as a PciHost and is seen as a PciDevice; neither knows
 * more of the other, so that a test can stand on either side.
 */
import type { Nanoseconds } from '../sim/time.ts';
import type { Dma } from './dma.ts';
import type { DeviceFault } from './fault.ts';

/** PCIe as seen from one device: latencies in ns, bandwidth in bytes a ns. */
export interface PcieTiming {
  /** From the CPU's store to the device (posted write). */
  readonly postedWriteNs: number;
  /** From the device's read request to the first byte of the completion. */
  readonly readLatencyNs: number;
  /** From the device's write to its visibility in memory. */
  readonly writeLatencyNs: number;
  /** Payload bandwidth of the link, each way. */
  readonly bytesPerNs: number;
  /** What an uncached read of a register costs the CPU. */
  readonly mmioReadNs: number;
}

/** A PCIe 2.0 x4 slot, as the 82576 has it (datasheet 3.1: 2.5 GT/s x4, 8 Gbit/s of payload each way). */
export const pcieDefaults: PcieTiming = {
  postedWriteNs: 250,
  readLatencyNs: 600,
  writeLatencyNs: 300,
  bytesPerNs: 0.9,
  mmioReadNs: 900,
};

/** What the machine offers a device. */
export interface PciHost {
  readonly dma: Dma;
  readonly timing: PcieTiming;
  /** Sends the MSI-X message of `vector`: it reaches its CPU at `time` (never earlier than now). */
  msix(device: PciDevice, vector: number, time: Nanoseconds): void;
  /** An access of the device was refused: whoever guards memory hears of it. */
  dmaFault?(address: number, write: boolean): void;
}

/** What a device offers the machine: its identity and its registers (BAR 0, 32 bits wide). */
export interface PciDevice {
  readonly name: string;
  readonly vendorId: number;
  readonly deviceId: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  readonly revision: number;
  /** Number of MSI-X vectors in its table. */
  readonly msixVectors: number;
  /** It can send one message without MSI-X (yes, unless told); without it has a wire, INTA. */
  readonly hasMsi?: boolean;
  /** Called once when the device is put into a slot. */
  attach(host: PciHost): void;
  /** A register read; takes effect now. */
  readl(offset: number): number;
  /** A register write that arrives at the device at `time` (posted); writes arrive in the order they were issued. */
  writel(offset: number, value: number, time: Nanoseconds): void;
  /** Makes the device misbehave, now. */
  inject?(fault: DeviceFault): void;
}
