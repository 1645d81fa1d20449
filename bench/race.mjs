/**
 * Which of several builds is faster, and what does a case cost over another, on a machine that others use, too? They run at the same time and share one processor
 * in turns of milliseconds, so that whatever disturbs one disturbs all. The ratios of builds hold to 2 or 3 %; the figures themselves are lower than alone, because
 * each finds the others' bytes in the caches.
 *
 *     node bench/race.mjs MEGABYTES CASE:DIST CASE:DIST…        CASE is the number of a case of bulk.mjs, DIST a copy of dist that finds node_modules above it
 */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const bulk = fileURLToPath(new URL('bulk.mjs', import.meta.url));
const [megabytes, ...runners] = process.argv.slice(2);
if (!(Number(megabytes) > 0) || runners.length < 2 || !runners.every((runner) => /^\d+:./.test(runner))) {
  console.error('usage: node bench/race.mjs MEGABYTES CASE:DIST CASE:DIST…');
  process.exit(2);
}

function run(runner) {
  const [, number, dist] = /^(\d+):(.*)$/.exec(runner);
  const env = { ...process.env, BENCH_DIST: resolve(dist) };
  // Linux's taskset: all on the first processor.
  const child = spawn('taskset', ['-c', '0', process.execPath, bulk, '--case', number, String(megabytes * 1e6)], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((done, fail) => {
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
    });
    child.on('error', fail);
    child.on('exit', (code) => (code === 0 ? done({ ...JSON.parse(text), runner }) : fail(new Error(`${runner}: ended with ${code}`))));
  });
}

const results = await Promise.all(runners.map(run));
for (const { runner, framesPerCpuSecond, steadyFramesPerCpuSecond } of results) {
  const ratio = steadyFramesPerCpuSecond / results[0].steadyFramesPerCpuSecond;
  console.log(JSON.stringify({ runner, framesPerCpuSecond, steadyFramesPerCpuSecond, ratio: Number(ratio.toFixed(3)) }));
}
