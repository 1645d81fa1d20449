/** A run that a user attends: signals and closed pipes end it, although its simulation never waits for anything. */
import { setImmediate } from 'node:timers/promises';

/** How long a signal may wait. */
const TURN_MS = 50;

/** Runs all slices; between them, some times a second, what happened to the process meanwhile gets its turn. */
export async function attended<T>(slices: Generator<undefined, T>): Promise<T> {
  for (let turn = performance.now() + TURN_MS; ; ) {
    const { done, value } = slices.next();
    if (done === true) return value;
    if (performance.now() < turn) continue;
    await setImmediate();
    turn = performance.now() + TURN_MS;
  }
}
