/** drivers/ptp/ptp_chardev.c: /dev/ptpN. `ptp_open` and `ptp_ioctl`: PTP_CLOCK_GETCAPS, PTP_SYS_OFFSET. */
import { type file, type file_operations, file as openFile } from '../../fs/file.ts';
import type { ptp_clock } from '../../include/linux/ptp_clock_kernel.ts';
import { ktime_get_real } from '../../kernel/time/hrtimer.ts';
import { EINVAL, ENODEV, ENOTTY } from '../../uapi/errno.ts';
import {
  PTP_CLOCK_GETCAPS,
  PTP_CLOCK_GETCAPS2,
  PTP_MAX_SAMPLES,
  PTP_SYS_OFFSET,
  PTP_SYS_OFFSET2,
  type ptp_clock_caps,
  type ptp_sys_offset,
} from '../../uapi/ptp_clock.ts';

const ptp_fops: file_operations = { unlocked_ioctl: ptp_ioctl };

export const ptp_open = (ptp: ptp_clock): file => new openFile(ptp_fops, ptp, 0);

/** The clock behind a descriptor; null when it is none's. */
export const ptpOf = (opened: file): ptp_clock | null => (opened.f_op === ptp_fops ? (opened.private_data as ptp_clock) : null);

function ptp_ioctl(opened: file, cmd: number, arg: unknown): number {
  const ptp = opened.private_data as ptp_clock;
  if (ptp.defunct) return -ENODEV;
  switch (cmd) {
    case PTP_CLOCK_GETCAPS:
    case PTP_CLOCK_GETCAPS2:
      return ptp_clock_getcaps(ptp, arg as ptp_clock_caps);
    case PTP_SYS_OFFSET:
    case PTP_SYS_OFFSET2:
      return ptp_sys_offset_basic(ptp, arg as ptp_sys_offset);
    default:
      return -ENOTTY;
  }
}

function ptp_clock_getcaps(ptp: ptp_clock, caps: ptp_clock_caps): number {
  const { max_adj, n_alarm, n_ext_ts, n_per_out, pps, n_pins } = ptp.info;
  Object.assign(caps, { max_adj, n_alarm, n_ext_ts, n_per_out, pps, n_pins, cross_timestamping: 0, adjust_phase: 0, max_phase_adj: 0 });
  return 0;
}

function ptp_sys_offset_basic(ptp: ptp_clock, offset: ptp_sys_offset): number {
  if (offset.n_samples > PTP_MAX_SAMPLES) return -EINVAL;
  offset.ts.length = 0;
  for (let i = 0; i < offset.n_samples; i++) offset.ts.push(BigInt(ktime_get_real()), ptp.info.gettimex64());
  offset.ts.push(BigInt(ktime_get_real()));
  return 0;
}
