/** uapi/linux/timex.h: clock_adjtime(). */

/** What it changes (`modes`) and tells. `freq` is in ppm times 2^16; `time` is an offset, in ns. */
export interface timex {
  modes: number;
  freq: number;
  time: bigint;
}

export const ADJ_OFFSET = 0x0001;
export const ADJ_FREQUENCY = 0x0002;
export const ADJ_SETOFFSET = 0x0100;
export const ADJ_NANO = 0x2000;
