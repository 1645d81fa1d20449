/**
 * How long the fuzz tests run: in CI a short, always equal run; `npm run fuzz` runs FUZZ times as many cases (200 unless told otherwise), from a seed of chance,
 * which a failure prints together with the smallest case that fails (FUZZ_SEED repeats it).
 */
const times = Number(process.env['FUZZ'] ?? 1);
const seed = process.env['FUZZ_SEED'];

const CI_SEED = 20251130;

export const fuzzed = (runs: number): { numRuns: number; seed?: number } => ({
  numRuns: runs * times,
  ...(seed !== undefined ? { seed: Number(seed) } : times === 1 ? { seed: CI_SEED } : {}),
});

/** Long runs have no time limit worth the name. */
export const FUZZ_TIMEOUT_MS = 120_000 * times;
