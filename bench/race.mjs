/**
 * Which of several builds is faster, and what does a case cost over another, on a machine that others use, too? They run at the same time and share one processor
 * in turns of milliseconds, so that whatever disturbs one disturbs all. The ratios of builds hold to 2 or 3 %; the figures themselves are lower than alone, because
 * each finds the others' bytes in the caches.
 *
 *     node bench/race.mjs MEGABYTES CASE:DIST CASE:DIST…        CASE is the number of a case of bulk.mjs, DIST a copy of dist that finds node_modules above it
 */
import { fileURLToPath } from 'node:url';
import { runCase } from './measure.mjs';

const bulk = fileURLToPath(new URL('bulk.mjs', import.meta.url));
const [megabytes, ...runners] = process.argv.slice(2);
if (!(Number(megabytes) > 0) || runners.length < 2 || !runners.every((runner) => /^\d+:./.test(runner))) {
  console.error('usage: node bench/race.mjs MEGABYTES CASE:DIST CASE:DIST…');
  process.exit(2);
}

async function run(runner) {
  const [, number, dist] = /^(\d+):(.*)$/.exec(runner);
  return { ...(await runCase(bulk, number, megabytes * 1e6, { dist, shared: true })), runner };
}

const results = await Promise.all(runners.map(run));
for (const { runner, framesPerCpuSecond, steadyFramesPerCpuSecond } of results) {
  const ratio = steadyFramesPerCpuSecond / results[0].steadyFramesPerCpuSecond;
  console.log(JSON.stringify({ runner, framesPerCpuSecond, steadyFramesPerCpuSecond, ratio: Number(ratio.toFixed(3)) }));
}
