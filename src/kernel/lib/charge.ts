/** What the work of CPUs on bytes costs: it depends on data, so it is no row of the functions' costs. */
import { this_cpu } from '../../machine/cpu.ts';
import { kernel } from '../current.ts';

interface byteCounter {
  count: number;
  bytes: number;
}

/** Counts bytes that a CPU sums up, and charges it for them. */
export function chargeChecksum(bytes: number): void {
  chargeBytes(kernel().copies.checksum, bytes, kernel().options.checksumNsPerByte);
}

/** Counts bytes that a CPU copies, and charges it for them. */
export function chargeCopy(counter: byteCounter, bytes: number): void {
  chargeBytes(counter, bytes, kernel().options.copyNsPerByte);
}

function chargeBytes(counter: byteCounter, bytes: number, nsPerByte: number): void {
  counter.count++;
  counter.bytes += bytes;
  this_cpu.charge(Math.round(bytes * nsPerByte));
}
