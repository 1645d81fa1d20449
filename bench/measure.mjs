/**
 * How benchmarks measure: each case runs once, in a process of its own, so that neither the compiler's memory of other cases nor their garbage counts; the
 * figures are CPU seconds (user + system, all threads), which a busy machine disturbs less than the clock. One JSON line a case: `framesPerCpuSecond` counts
 * everything from the start of the process on (loading, boot, compiling), `steadyFramesPerCpuSecond` the second half of the frames, `quietFramesPerCpuSecond` the
 * fastest twentieth of them: what a frame takes while nobody else wants the caches and the memory. `systemSeconds` is what of all of it the operating system took.
 *
 * A case is { name, topology(bytes): YAML text, truth?: leave truth.jsonl, over?: name of a case before it that is the same without observers }. For each case with
 * `over`, a last line says what the observers cost: both run again for that, at the same time and on the same processor.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The build that is measured: see race.mjs. */
const DIST = process.env.BENCH_DIST === undefined ? '../dist/index.js' : pathToFileURL(join(process.env.BENCH_DIST, 'index.js')).href;
/** Payload of a full segment. */
const SEGMENT = 1448;
const SLICES = 20;

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
  const slice = bytes / SEGMENT / SLICES;
  const marks = [];
  const onProgress = (_time, frames) => {
    if (frames >= (marks.length + 1) * slice) marks.push({ frames, used: cpuSeconds() });
  };
  const report = runTopology(loadTopology('bench.yaml', topology(bytes)), { directory, trace: 'none', truth, onProgress });
  const used = cpuSeconds();
  rmSync(directory, { recursive: true });
  const steady = marks.slice(SLICES / 2 - 1);
  return {
    case: name,
    megabytes: bytes / 1e6,
    wireFrames: report.wireFrames,
    cpuSeconds: Number(used.toFixed(3)),
    systemSeconds: Number((process.cpuUsage().system / 1e6).toFixed(3)),
    framesPerCpuSecond: Math.round(report.wireFrames / used),
    steadyFramesPerCpuSecond: Math.round((report.wireFrames - steady[0].frames) / (used - steady[0].used)),
    quietFramesPerCpuSecond: Math.round(
      Math.max(...steady.slice(1).map((mark, i) => (mark.frames - steady[i].frames) / (mark.used - steady[i].used))),
    ),
    nsPerFrame: Math.round((used * 1e9) / report.wireFrames),
    eventsPerFrame: Number((report.events / report.wireFrames).toFixed(2)),
    goodputMbits: Number(((bytes * 8e3) / report.simulatedNs).toFixed(2)),
    peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024),
    leaks: report.leaks,
  };
}

/** Runs one case of a script in a process of its own; returns its figures. `dist`: of another build; `shared`: on the first processor, as all others that are. */
export function runCase(script, number, bytes, { dist, shared = false } = {}) {
  const env = dist === undefined ? process.env : { ...process.env, BENCH_DIST: resolve(dist) };
  const command = [process.execPath, script, '--case', String(number), String(bytes)];
  const [program, ...parameters] = shared ? ['taskset', '-c', '0', ...command] : command;
  return new Promise((done, fail) => {
    const child = spawn(program, parameters, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
    });
    child.on('error', fail);
    child.on('close', (code) => (code === 0 ? done(JSON.parse(text)) : fail(new Error(`case ${number} ended with ${code}`))));
  });
}

/** What a case costs over another, in percent: of the steady part, since starting up costs the same, and at the same time, so that whatever disturbs one disturbs both. */
async function costOver(script, number, other, bytes) {
  const [base, observed] = await Promise.all([other, number].map((one) => runCase(script, one, bytes, { shared: true })));
  return Number(((100 * base.steadyFramesPerCpuSecond) / observed.steadyFramesPerCpuSecond - 100).toFixed(1));
}

/** The whole of a benchmark's script, whose import.meta.url is `script`: [MEGABYTES] on its command line; `megabytes` by default. */
export async function benchmark(script, cases, megabytes) {
  const [flag, ...rest] = process.argv.slice(2);
  if (flag === '--case') {
    console.log(JSON.stringify(await measure(cases[Number(rest[0])], Number(rest[1]))));
    return;
  }
  const bytes = Number(flag ?? megabytes) * 1e6;
  const path = fileURLToPath(script);
  for (const number of cases.keys()) console.log(JSON.stringify(await runCase(path, number, bytes)));
  for (const [number, { name, over }] of cases.entries()) {
    if (over === undefined) continue;
    const other = cases.findIndex((one) => one.name === over);
    console.log(JSON.stringify({ cost: name, over, percent: await costOver(path, number, other, bytes) }));
  }
}
