/** Virtual time: an integer number of nanoseconds since the simulation began; 2^53 ns are 104 days. */
export type Nanoseconds = number;

export const NSEC_PER_USEC = 1_000;
export const NSEC_PER_MSEC = 1_000_000;
export const NSEC_PER_SEC = 1_000_000_000;

/** `1234567` → `0.001234567`: seconds with all nine digits, as tcpdump and ftrace print them. */
export function formatSeconds(ns: Nanoseconds, digits = 9): string {
  const seconds = Math.floor(ns / NSEC_PER_SEC);
  const fraction = String(ns - seconds * NSEC_PER_SEC).padStart(9, '0');
  return `${seconds}.${fraction.slice(0, digits)}`;
}
