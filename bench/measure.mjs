/**
 * How benchmarks measure: each case runs once, in a process of its own, so that neither the compiler's memory of other cases nor their garbage counts; the
 * figures are CPU seconds (user + system, all threads), which a busy machine disturbs less than the clock. One JSON line a case: `framesPerCpuSecond` counts
 * everything from the start of the process on (loading, boot, compiling), `steadyFramesPerCpuSecond` the second half of the frames, `systemSeconds` is what of it
 * the operating system took, which with captures is the page cache.
 *
 * A case is { name, topology(bytes): YAML text, truth?: leave truth.jsonl, over?: name of a case before it that is the same without observers }. For each case with
 * `over`, a last line says what the observers cost in percent of the steady part.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The build that is measured: see race.mjs. */
const DIST = process.env.BENCH_DIST === undefined ? '../dist/index.js' : pathToFileURL(join(process.env.BENCH_DIST, 'index.js')).href;
/** Payload of a full segment. */
const SEGMENT = 1448;

/** So far in this process, on all of its threads. */
function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** One case in this process. */
async function measure({ name, topology, truth = false }, bytes) {
  const { loadTopology, runTopology, tuneEngine } = await import(DIST);
  tuneEngine();
  const directory = mkdtempSync(join(tmpdir(), 'truewire-bench-'));
  const half = bytes / SEGMENT / 2;
  let atHalf = null;
  const onProgress = (_time, frames) => {
    if (atHalf === null && frames >= half) atHalf = { frames, used: cpuSeconds() };
  };
  const report = runTopology(loadTopology('bench.yaml', topology(bytes)), { directory, trace: 'none', truth, onProgress });
  const used = cpuSeconds();
  rmSync(directory, { recursive: true });
  return {
    case: name,
    megabytes: bytes / 1e6,
    wireFrames: report.wireFrames,
    cpuSeconds: Number(used.toFixed(3)),
    systemSeconds: Number((process.cpuUsage().system / 1e6).toFixed(3)),
    framesPerCpuSecond: Math.round(report.wireFrames / used),
    steadyFramesPerCpuSecond: Math.round((report.wireFrames - atHalf.frames) / (used - atHalf.used)),
    nsPerFrame: Math.round((used * 1e9) / report.wireFrames),
    eventsPerFrame: Number((report.events / report.wireFrames).toFixed(2)),
    goodputMbits: Number(((bytes * 8e3) / report.simulatedNs).toFixed(2)),
    peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024),
    leaks: report.leaks,
  };
}

const inChild = (script, index, bytes) =>
  new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(script), ['--case', String(index), String(bytes)]);
    child.on('message', resolve);
    child.on('exit', (code) => code !== 0 && reject(new Error(`the case ended with ${code}`)));
  });

/** The whole of a benchmark's script, whose import.meta.url is `script`: [MEGABYTES] on its command line; `megabytes` by default. */
export async function benchmark(script, cases, megabytes) {
  const [flag, ...rest] = process.argv.slice(2);
  if (flag === '--case') {
    const figures = await measure(cases[Number(rest[0])], Number(rest[1]));
    if (process.send) process.send(figures);
    else console.log(JSON.stringify(figures));
    return;
  }
  const bytes = Number(flag ?? megabytes) * 1e6;
  const results = new Map();
  for (const [index, { name }] of cases.entries()) {
    results.set(name, await inChild(script, index, bytes));
    console.log(JSON.stringify(results.get(name)));
  }
  for (const { name, over } of cases) {
    if (over === undefined) continue;
    // Of the steady part: what starting up costs is the same with and without.
    const percent = (100 * results.get(over).steadyFramesPerCpuSecond) / results.get(name).steadyFramesPerCpuSecond - 100;
    console.log(JSON.stringify({ cost: name, over, percent: Number(percent.toFixed(1)) }));
  }
}
