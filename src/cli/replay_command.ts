/** truewire replay */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { openCapture } from '../observe/files/capture_reader.ts';
import { summarize } from '../observe/report/summary.ts';
import { traceFiles } from '../observe/trace/trace_formats.ts';
import { Counterpart } from '../replay/counterpart.ts';
import { withoutOwnTimes } from '../replay/one_side.ts';
import { playedAddress } from '../replay/played_address.ts';
import { RecordedCalls } from '../replay/recorded_calls.ts';
import { Replay } from '../replay/replay.ts';
import type { Topology } from '../topology/load.ts';
import { runInSlices } from '../topology/run.ts';
import { nearest } from '../user/nearest.ts';
import { attended } from './attended.ts';
import { UsageError } from './errors.ts';
import { EXIT_NO, EXIT_OK } from './exit_codes.ts';
import { Progress } from './progress.ts';
import { readTopology } from './run_command.ts';

export interface ReplayFlags {
  topology: string;
  to: string;
  output?: string;
  speed: string;
  rewrite?: string | boolean;
  as?: string;
  calls?: string;
  seed?: string;
  set?: string[];
  trace: string;
  json?: boolean;
}

export async function replayCommand(capture: string, flags: ReplayFlags): Promise<number> {
  const topology = readTopology(flags.topology, flags);
  checkInterface(topology, flags.to);
  const speed = Number(flags.speed);
  if (!(speed > 0)) throw new UsageError(`--speed: read ${JSON.stringify(flags.speed)}, expected a factor such as 1 or 0.5`);
  const replay = replayOf(capture, flags, speed);
  const directory = flags.output ?? `captures/${topology.name}-replay`;
  const progress = new Progress(process.stderr);
  const started = performance.now();
  const onProgress = (virtualNs: number): void => progress.update(virtualNs, replay.counters.injected);
  const played = flags.calls === undefined ? topology : withoutOwnTimes(topology, flags.to.split('.', 1)[0]!);
  const report = await attended(runInSlices(played, { directory, trace: flags.trace, onProgress }, replay));
  progress.clear();
  const seconds = (performance.now() - started) / 1000;
  const result = { ...report, replay: { capture, to: flags.to, ...replay.counters, damage: replay.damage?.message ?? null } };
  process.stdout.write(
    flags.json === true
      ? `${JSON.stringify(result)}\n`
      : `${summarize(report, directory, traceFiles(flags.trace, ['text']), seconds)}\n${describe(replay, capture, flags.to)}\n`,
  );
  if (replay.damage !== null) process.stderr.write(`${replay.damage.message}\n`);
  return replay.damage !== null || report.leaks > 0 ? EXIT_NO : EXIT_OK;
}

function replayOf(capture: string, flags: ReplayFlags, speed: number): Replay | Counterpart {
  const { to, as, rewrite } = flags;
  if (as === undefined && flags.calls !== undefined)
    throw new UsageError('--calls: the times of a recorded host are for --as, expected that beside it');
  if (as === undefined) return new Replay(openCapture(capture), { to, speed, played: playedOf(capture, rewrite) });
  if (rewrite !== undefined || speed !== 1)
    throw new UsageError('--as: a recorded peer keeps its addresses and its times, expected no --rewrite and no --speed beside it');
  const address = { to, as: addressOf('--as', as, 'whose packets are played') };
  const options = flags.calls === undefined ? address : { ...address, calls: callsOf(flags.calls) };
  return new Counterpart(openCapture(capture), options);
}

/** A log of ftrace's, which may be compressed. */
function callsOf(file: string): RecordedCalls {
  const calls = new RecordedCalls(readText(file));
  if (calls.arrivals.length > 0) return calls;
  throw new UsageError(
    `--calls: read no napi_gro_receive_entry in ${file}, expected an ftrace log of the host with the events of docs/fidelity.md`,
  );
}

function readText(file: string): string {
  try {
    const bytes = readFileSync(file);
    return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  } catch (error) {
    throw new UsageError(`--calls: ${file} cannot be read (${(error as Error).message}), expected an ftrace log`);
  }
}

function checkInterface(topology: Topology, to: string): void {
  const ends = Object.entries(topology.hosts).flatMap(([host, { interfaces }]) =>
    Object.keys(interfaces ?? {}).map((name) => `${host}.${name}`),
  );
  if (ends.includes(to)) return;
  const near = nearest(to, ends);
  throw new UsageError(
    `--to: there is no interface ${JSON.stringify(to)}, expected one of ${ends.join(', ')}${near === null ? '' : `; did you mean ${JSON.stringify(near)}?`}`,
  );
}

function playedOf(capture: string, rewrite: string | boolean | undefined): number | null {
  if (rewrite === undefined || rewrite === false) return null;
  if (rewrite === true) return playedAddress(openCapture(capture));
  return addressOf('--rewrite', rewrite, 'that the host plays');
}

function addressOf(flag: string, text: string, meaning: string): number {
  const parts = text.split('.').map(Number);
  if (!/^\d+(\.\d+){3}$/.test(text) || parts.some((part) => part > 255)) {
    throw new UsageError(`${flag}: read ${JSON.stringify(text)}, expected the IPv4 address of the capture ${meaning}`);
  }
  return parts.reduce((value, part) => value * 256 + part, 0);
}

function describe({ counters }: Replay | Counterpart, capture: string, to: string): string {
  const notes = [
    counters.tooLong > 0 ? `${counters.tooLong} longer than any wire carries (captured before TSO or after GRO) were left out` : '',
    counters.otherLinkType > 0 ? `${counters.otherLinkType} of a link type that cannot become Ethernet were left out` : '',
    counters.cutShort > 0 ? `${counters.cutShort} were cut short by the capture's snap length; their missing bytes are zero` : '',
  ].filter((note) => note !== '');
  return [`replay: ${counters.injected} of ${counters.read} frames of ${capture} into ${to}`, ...notes.map((note) => `  ${note}`)].join(
    '\n',
  );
}
