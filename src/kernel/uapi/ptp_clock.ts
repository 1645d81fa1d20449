/** uapi/linux/ptp_clock.h: ioctls of /dev/ptpN, by their numbers on x86-64. */

export const PTP_CLOCK_GETCAPS = 0x8050_3d01;
export const PTP_SYS_OFFSET = 0x4340_3d05;
export const PTP_CLOCK_GETCAPS2 = 0x8050_3d0a;
export const PTP_SYS_OFFSET2 = 0x4340_3d0e;
export const PTP_MAX_SAMPLES = 25;

/** What the clock can do; `max_adj` in ppb. */
export interface ptp_clock_caps {
  max_adj: number;
  n_alarm: number;
  n_ext_ts: number;
  n_per_out: number;
  pps: number;
  n_pins: number;
  cross_timestamping: number;
  adjust_phase: number;
  max_phase_adj: number;
}

/** Readings in turn: system clock, device's clock, …, system clock: 2 · n_samples + 1 times in ns. */
export interface ptp_sys_offset {
  n_samples: number;
  ts: bigint[];
}
