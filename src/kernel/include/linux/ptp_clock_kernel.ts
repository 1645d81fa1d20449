/** include/linux/ptp_clock_kernel.h: what a driver tells of its clock, and the clock as the core keeps it. Times are in ns. */
import type { device } from './device.ts';

export interface ptp_clock_info {
  readonly name: string;
  /** Largest change of the frequency, in ppb. */
  readonly max_adj: number;
  readonly n_alarm: number;
  readonly n_ext_ts: number;
  readonly n_per_out: number;
  readonly n_pins: number;
  readonly pps: number;
  /** `scaled_ppm`: ppm times 2^16. */
  adjfine(scaled_ppm: number): number;
  adjtime(delta: bigint): number;
  gettimex64(): bigint;
  settime64(time: bigint): number;
}

/** struct ptp_clock: /dev/ptp`index`. */
export class ptp_clock {
  readonly info: ptp_clock_info;
  readonly index: number;
  readonly parent: device;
  /** What was asked for last, in ppm times 2^16. */
  dialed_frequency = 0;
  /** Its device is gone. */
  defunct = false;

  constructor(info: ptp_clock_info, index: number, parent: device) {
    this.info = info;
    this.index = index;
    this.parent = parent;
  }
}

export const ptp_clock_index = (ptp: ptp_clock): number => ptp.index;

/** Rounds towards zero, as the kernel's shift and multiplication do for positive values; one more below zero. */
export function scaled_ppm_to_ppb(ppm: number): number {
  // ppb = scaled_ppm * 1000 / 2^16, computed as (1 + scaled_ppm) * 125 >> 13.
  return Number((BigInt(1 + ppm) * 125n) >> 13n);
}

/** `base` changed by `scaled_ppm`. */
export function adjust_by_scaled_ppm(base: number, scaled_ppm: number): number {
  const diff = Number((BigInt(base) * BigInt(Math.abs(scaled_ppm))) / (1_000_000n << 16n));
  return scaled_ppm < 0 ? base - diff : base + diff;
}
