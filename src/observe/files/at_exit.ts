/**
 * Files that are finished whatever happens: a full disk, a signal, a bug end the process, and what was still in buffers is written then. Who has finished in the
 * planned way says so.
 */

/** Calls `finish` when the process exits, unless the returned function was called before. */
export function finishAtExit(finish: () => void): () => void {
  const listener = (): void => {
    try {
      finish();
    } catch {
      // What made the process end has been told; the file ends with the last whole record that found room.
    }
  };
  // One listener a file is meant, not a leak: without this Node warns from the eleventh on.
  process.setMaxListeners(process.getMaxListeners() + 1);
  process.on('exit', listener);
  let planned = false;
  return () => {
    if (planned) return;
    planned = true;
    process.off('exit', listener);
    process.setMaxListeners(Math.max(0, process.getMaxListeners() - 1));
  };
}

/** Does all of it, also when something fails; then throws what failed first. */
export function tryAll(steps: readonly (() => void)[]): void {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
