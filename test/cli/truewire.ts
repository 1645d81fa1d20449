/** The built command line as its users start it, in a folder of their own. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve('.');
export const MAIN = join(ROOT, 'dist', 'cli', 'main.js');
const LOCK = join(tmpdir(), 'truewire-test-build');
const BUILD_LIMIT_MS = 120_000;

/** Builds `dist` if sources are newer, once for all test files that run at the same time. `npm test` has built before. */
export function build(): void {
  if (isFresh()) return;
  const locked = lock();
  try {
    if (!isFresh()) execFileSync('npm', ['run', 'build'], { cwd: ROOT, stdio: 'pipe' });
  } finally {
    if (locked) rmdirSync(LOCK);
  }
}

function isFresh(): boolean {
  const built = statSync(MAIN, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return sources.every((name) => statSync(join('src', name)).mtimeMs <= built);
}

/** False when somebody else's lock seems to have been left behind. */
function lock(): boolean {
  const end = performance.now() + BUILD_LIMIT_MS;
  while (performance.now() < end) {
    try {
      mkdirSync(LOCK);
      return true;
    } catch {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  return false;
}

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `truewire ARGS` in a folder, output piped. */
export async function truewire(folder: string, ...args: string[]): Promise<Ended> {
  return await new Promise((resolveEnded, reject) => {
    execFile(process.execPath, [MAIN, ...args], { cwd: folder, maxBuffer: 1 << 28 }, (error, out, err) => {
      const code = error?.code ?? 0;
      if (typeof code === 'number') resolveEnded({ code, out, err });
      else reject(error);
    });
  });
}
