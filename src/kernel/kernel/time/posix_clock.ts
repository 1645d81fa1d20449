/**
 * kernel/time/posix-clock.c, posix-timers.c: clocks that are files. A program opens /dev/ptpN and makes a clock id of the descriptor (FD_TO_CLOCKID);
 * `clock_gettime`, `clock_settime` and `clock_adjtime` with it reach the device. Times are in ns.
 */
import { ptpOf } from '../../drivers/ptp/ptp_chardev.ts';
import { ptp_clock_adjtime, ptp_clock_gettime, ptp_clock_settime } from '../../drivers/ptp/ptp_clock.ts';
import { fdget } from '../../fs/file.ts';
import type { ptp_clock } from '../../include/linux/ptp_clock_kernel.ts';
import { EINVAL, ENODEV, EOPNOTSUPP } from '../../uapi/errno.ts';
import type { timex } from '../../uapi/timex.ts';
import { ktime_get, ktime_get_real } from './hrtimer.ts';

export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_TAI = 11;
const CLOCKFD = 3;

/** The id of the clock behind a descriptor: negative, like no other clock's. */
export const FD_TO_CLOCKID = (fd: number): number => (~fd << 3) | CLOCKFD;

/** The clock of an id, or -errno. */
function get_clock_desc(id: number): ptp_clock | number {
  if (id >= 0 || (id & 7) !== CLOCKFD) return -EINVAL;
  const opened = fdget(~(id >> 3));
  const ptp = opened === null ? null : ptpOf(opened);
  if (ptp === null) return -EINVAL;
  return ptp.defunct ? -ENODEV : ptp;
}

/** The time in ns, or -errno as a number. */
export function clock_gettime(id: number): bigint | number {
  if (id === CLOCK_REALTIME) return BigInt(ktime_get_real());
  if (id === CLOCK_MONOTONIC) return BigInt(ktime_get());
  const clock = get_clock_desc(id);
  return typeof clock === 'number' ? clock : ptp_clock_gettime(clock);
}

/** Setting CLOCK_REALTIME is not supported: all hosts share the simulation's. */
export function clock_settime(id: number, time: bigint): number {
  if (id === CLOCK_REALTIME) return -EOPNOTSUPP;
  const clock = get_clock_desc(id);
  return typeof clock === 'number' ? clock : ptp_clock_settime(clock, time);
}

export function clock_adjtime(id: number, tx: timex): number {
  if (id === CLOCK_REALTIME) return -EOPNOTSUPP;
  const clock = get_clock_desc(id);
  return typeof clock === 'number' ? clock : ptp_clock_adjtime(clock, tx);
}
