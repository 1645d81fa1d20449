/**
 * kernel/time/timecounter.c: a clock in ns made of a device's counter (`cyclecounter`), which may have few bits: it has to be read at least once before
 * it has gone half around. Times are BigInt, as they are 64 bits wide.
 */

/** cycles × mult / 2^shift are ns; `mask` has the counter's bits. */
export interface cyclecounter {
  readonly read: () => bigint;
  readonly mask: bigint;
  readonly mult: bigint;
  readonly shift: bigint;
}

export class timecounter {
  readonly cc: cyclecounter;
  cycle_last = 0n;
  nsec = 0n;
  /** Parts of a ns that were left over, in units of 2^-shift ns. */
  frac = 0n;

  constructor(cc: cyclecounter) {
    this.cc = cc;
  }
}

/** From now on the time is `start_tstamp` ns. */
export function timecounter_init(tc: timecounter, start_tstamp: bigint): void {
  tc.cycle_last = tc.cc.read();
  tc.nsec = start_tstamp;
  tc.frac = 0n;
}

export function timecounter_adjtime(tc: timecounter, delta: bigint): void {
  tc.nsec += delta;
}

/** The present time. */
export function timecounter_read(tc: timecounter): bigint {
  const { cc } = tc;
  const now = cc.read();
  const scaled = ((now - tc.cycle_last) & cc.mask) * cc.mult + tc.frac;
  tc.cycle_last = now;
  tc.frac = scaled & ((1n << cc.shift) - 1n);
  tc.nsec += scaled >> cc.shift;
  return tc.nsec;
}

/** When the counter had this value: up to half of its range before or after it was read last. */
export function timecounter_cyc2time(tc: timecounter, cycle_tstamp: bigint): bigint {
  const { cc } = tc;
  const delta = (cycle_tstamp - tc.cycle_last) & cc.mask;
  if (delta <= cc.mask / 2n) return tc.nsec + ((delta * cc.mult + tc.frac) >> cc.shift);
  const back = (tc.cycle_last - cycle_tstamp) & cc.mask;
  return tc.nsec - ((back * cc.mult - tc.frac) >> cc.shift);
}
