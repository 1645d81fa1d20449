/**
 * All benchmarks, one after the other.
 *
 *     npm run bench [-- MEGABYTES]
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

for (const name of ['bulk.mjs', 'lossy.mjs'])
  execFileSync(process.execPath, [fileURLToPath(new URL(name, import.meta.url)), ...process.argv.slice(2)], { stdio: 'inherit' });
