/** Quantities as people write them in topology files: durations, rates, sizes, probabilities. Each parser returns null for what it cannot read. */

const DURATIONS: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, min: 60e9 };
const RATES: Record<string, number> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9, tbit: 1e12, bps: 1, kbps: 1e3, mbps: 1e6, gbps: 1e9 };
const SIZES: Record<string, number> = { '': 1, b: 1, k: 1024, kb: 1024, m: 1024 ** 2, mb: 1024 ** 2, g: 1024 ** 3, gb: 1024 ** 3 };

export const DURATION_FORM = 'a duration such as 10ms, 250us or 1.5s';
export const RATE_FORM = 'a rate from 1kbit to 400Gbit, such as 100Mbit or 1Gbit';
export const PROBABILITY_FORM = 'a share such as 1% or 0.01';
export const SIZE_FORM = 'a size such as 64K, 10M or 1500';

function quantity(text: string, units: Record<string, number>): number | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-zµ]*)\s*$/i.exec(text);
  if (match === null) return null;
  const unit = units[match[2]!] ?? units[match[2]!.toLowerCase()];
  return unit === undefined ? null : Number(match[1]) * unit;
}

/** Whole nanoseconds, or null. `0` needs no unit. */
export function parseDuration(value: string | number): number | null {
  if (value === 0 || value === '0') return 0;
  const ns = typeof value === 'string' ? quantity(value, DURATIONS) : null;
  return ns !== null && Number.isSafeInteger(Math.round(ns)) ? Math.round(ns) : null;
}

/** bit/s, or null when it is no rate or an absurd one. */
export function parseRate(value: string | number): number | null {
  const rate = typeof value === 'string' ? quantity(value, RATES) : null;
  return rate !== null && rate >= 1e3 && rate <= 400e9 ? Math.round(rate) : null;
}

/** 0 … 1, or null. */
export function parseProbability(value: string | number): number | null {
  const match = typeof value === 'string' ? /^\s*(\d+(?:\.\d+)?)\s*%\s*$/.exec(value) : null;
  const share = match !== null ? Number(match[1]) / 100 : Number(value);
  return Number.isFinite(share) && share >= 0 && share <= 1 ? share : null;
}

/** Bytes, or null. */
export function parseSize(value: string | number): number | null {
  const bytes = quantity(String(value), SIZES);
  return bytes !== null && Number.isSafeInteger(Math.round(bytes)) ? Math.round(bytes) : null;
}
