/**
 * drivers/ptp/ptp_clock.c: clocks of devices as /dev/ptpN and as clocks of clock_gettime(), clock_settime() and clock_adjtime().
 * `ptp_clock_register` → `ptp_clock_gettime`, `ptp_clock_settime`, `ptp_clock_adjtime` → the driver; `ptp_clock_unregister`.
 */
import { kernel } from '../../current.ts';
import type { device } from '../../include/linux/device.ts';
import { ptp_clock, type ptp_clock_info, scaled_ppm_to_ppb } from '../../include/linux/ptp_clock_kernel.ts';
import { EINVAL, EOPNOTSUPP, ERANGE } from '../../uapi/errno.ts';
import { ADJ_FREQUENCY, ADJ_NANO, ADJ_OFFSET, ADJ_SETOFFSET, type timex } from '../../uapi/timex.ts';

const NSEC_PER_SEC = 1_000_000_000n;
const NSEC_PER_USEC = 1000n;

/** Makes it /dev/ptpN, of the lowest free number. */
export function ptp_clock_register(info: ptp_clock_info, parent: device): ptp_clock {
  const clocks = kernel().ptpClocks;
  let index = 0;
  while (clocks.has(index)) index++;
  const ptp = new ptp_clock(info, index, parent);
  clocks.set(index, ptp);
  return ptp;
}

export function ptp_clock_unregister(ptp: ptp_clock): void {
  ptp.defunct = true;
  kernel().ptpClocks.delete(ptp.index);
}

export const ptp_clock_gettime = (ptp: ptp_clock): bigint => ptp.info.gettimex64();

/** Times before 1970 are no times. */
export const ptp_clock_settime = (ptp: ptp_clock, time: bigint): number => (time < 0n ? -EINVAL : ptp.info.settime64(time));

/** Changes the clock as `tx.modes` says; without a mode it only tells the frequency. */
export function ptp_clock_adjtime(ptp: ptp_clock, tx: timex): number {
  if ((tx.modes & ADJ_SETOFFSET) !== 0) return setOffset(ptp, tx);
  if ((tx.modes & ADJ_FREQUENCY) !== 0) return setFrequency(ptp, tx.freq);
  if ((tx.modes & ADJ_OFFSET) !== 0) return -EOPNOTSUPP;
  if (tx.modes !== 0) return -EOPNOTSUPP;
  tx.freq = ptp.dialed_frequency;
  return 0;
}

/** `tx.time` is seconds, rounded down, and a positive rest, which without ADJ_NANO is in µs. */
function setOffset(ptp: ptp_clock, tx: timex): number {
  if ((tx.modes & ADJ_NANO) !== 0) return ptp.info.adjtime(tx.time);
  const rest = ((tx.time % NSEC_PER_SEC) + NSEC_PER_SEC) % NSEC_PER_SEC;
  return ptp.info.adjtime(tx.time - (rest % NSEC_PER_USEC));
}

function setFrequency(ptp: ptp_clock, freq: number): number {
  const ppb = scaled_ppm_to_ppb(freq);
  if (ppb > ptp.info.max_adj || ppb < -ptp.info.max_adj) return -ERANGE;
  const err = ptp.info.adjfine(freq);
  if (err === 0) ptp.dialed_frequency = freq;
  return err;
}
