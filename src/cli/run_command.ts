/** truewire run */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CAPTURE_FORMATS } from '../observe/capture/capture_format.ts';
import type { RunReport } from '../observe/report/run_report.ts';
import { summarize } from '../observe/report/summary.ts';
import { parseTraceFormats, traceFiles } from '../observe/trace/trace_formats.ts';
import { TRUTH_FILE } from '../observe/truth.ts';
import { formatSeconds } from '../sim/time.ts';
import type { CaptureOptions } from '../topology/capture_files.ts';
import { loadTopology, type Override, type Topology } from '../topology/load.ts';
import type { LoadedPrograms } from '../topology/programs.ts';
import { runInSlices } from '../topology/run.ts';
import { DURATION_FORM, parseDuration } from '../topology/units.ts';
import type { Program } from '../user/sys.ts';
import { attended } from './attended.ts';
import { UsageError } from './errors.ts';
import { EXIT_NO, EXIT_OK } from './exit_codes.ts';
import { Progress } from './progress.ts';

export interface RunFlags {
  output?: string;
  seed?: string;
  until?: string;
  set?: string[];
  trace: string;
  traceFormat: string;
  json?: boolean;
  at?: string[];
  truth?: boolean;
  captureFormat?: string;
  merge?: boolean;
}

/** Reads a topology file with the command line's changes applied. */
export function readTopology(file: string, flags: Pick<RunFlags, 'seed' | 'set'>): Topology {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file}: cannot read the topology: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`);
  }
  const overrides = (flags.set ?? []).map(parseOverride);
  if (flags.seed !== undefined) overrides.push({ path: ['seed'], value: wholeNumber('--seed', flags.seed) });
  return loadTopology(file, text, overrides);
}

function parseOverride(text: string): Override {
  const at = text.indexOf('=');
  if (at <= 0) throw new UsageError(`--set: read ${JSON.stringify(text)}, expected path=value such as wires.0.delay=5ms`);
  const value = text.slice(at + 1);
  return { path: text.slice(0, at).split('.'), value: /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value };
}

function wholeNumber(flag: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new UsageError(`${flag}: read ${JSON.stringify(text)}, expected a whole number`);
  return Number(text);
}

export function durationFlag(flag: string, text: string): number {
  return parseDuration(text) ?? fail(`${flag}: read ${JSON.stringify(text)}, expected ${DURATION_FORM}`);
}

const fail = (message: string): never => {
  throw new UsageError(message);
};

export async function runCommand(file: string, flags: RunFlags): Promise<number> {
  const topology = readTopology(file, flags);
  const directory = flags.output ?? `captures/${topology.name}`;
  const progress = new Progress(process.stderr);
  const started = performance.now();
  const traceFormats = parseTraceFormats(flags.traceFormat);
  const slices = runInSlices(topology, {
    directory,
    trace: flags.trace,
    traceFormats,
    ...(flags.until === undefined ? {} : { untilNs: durationFlag('--until', flags.until) }),
    captures: captureOptions(flags),
    programs: await loadPrograms(topology),
    truth: flags.truth === true,
    views: flags.at ?? [],
    onView: (host, at, line, lines) => {
      progress.clear();
      // The report alone is the output that programs read.
      const stream = flags.json === true ? process.stderr : process.stdout;
      stream.write(`== ${formatSeconds(at, 6)} ${host}: ${line}\n${lines.map((text) => `${text}\n`).join('')}\n`);
    },
    onProgress: (virtualNs, frames) => progress.update(virtualNs, frames),
  });
  const report = await attended(slices);
  progress.clear();
  const seconds = (performance.now() - started) / 1000;
  const logs = [...traceFiles(flags.trace, traceFormats), ...(flags.truth === true ? [TRUTH_FILE] : [])];
  process.stdout.write(flags.json === true ? `${JSON.stringify(report)}\n` : `${summarize(report, directory, logs, seconds)}\n`);
  return verdict(report);
}

function captureOptions({ captureFormat, merge }: RunFlags): CaptureOptions {
  if (captureFormat === undefined) return { merge: merge === true };
  const format = CAPTURE_FORMATS.find((known) => known === captureFormat);
  if (format === undefined)
    throw new UsageError(`--capture-format: read ${JSON.stringify(captureFormat)}, expected one of ${CAPTURE_FORMATS.join(', ')}`);
  if (merge === true && format !== 'pcapng')
    throw new UsageError('--merge: a classic pcap file has one capture point only, expected no --capture-format or pcapng');
  return { format, merge: merge === true };
}

/** A run says no when a program failed or something leaked. */
const verdict = (report: RunReport): number => (report.leaks > 0 || report.programs.some(({ status }) => status !== 0) ? EXIT_NO : EXIT_OK);

/** Loads the modules of `program:` entries; each exports a generator function `program` (or as default). */
async function loadPrograms(topology: Topology): Promise<LoadedPrograms> {
  const loaded = new Map<string, Program>();
  for (const host of Object.values(topology.hosts)) {
    for (const { program } of host.run ?? []) {
      if (program === undefined || loaded.has(program)) continue;
      loaded.set(program, await loadProgram(program));
    }
  }
  return loaded;
}

async function loadProgram(path: string): Promise<Program> {
  let module: { program?: Program; default?: Program };
  try {
    module = (await import(pathToFileURL(resolve(path)).href)) as typeof module;
  } catch (error) {
    throw new UsageError(`program: ${path}: ${(error as Error).message}`);
  }
  const found = module.program ?? module.default;
  if (typeof found !== 'function')
    throw new UsageError(`program: ${path}: read a module without a program, expected export const program = function* (sys) { … }`);
  return found;
}
