import type { Plugin } from 'vitest/config';

/** Name → id from the text of the cost table. */
export function readIds(text: string): Map<string, number>;

/** The instrumented code, or null if none of its functions has an id. */
export function instrument(code: string, ids: ReadonlyMap<string, number>, cpuModule: string): string | null;

/** Instruments the modules of src/kernel while vite or vitest loads them. */
export function fentryPlugin(): Plugin;
