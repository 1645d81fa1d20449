/** Whole runs for tests: a topology in, a report and files out; and the frames of a capture, parsed. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { openCapture } from '../../src/observe/files/capture_reader.ts';
import type { RunReport } from '../../src/observe/report/run_report.ts';
import type { TraceFormat } from '../../src/observe/trace/trace_formats.ts';
import { loadTopology, type Override } from '../../src/topology/load.ts';
import { type RunOptions, runTopology } from '../../src/topology/run.ts';
import { type ParsedFrame, parse } from '../support/packet.ts';

export interface Outcome {
  readonly directory: string;
  readonly report: RunReport;
  /** What all programs printed, as `host: line`. */
  readonly output: readonly string[];
  /** Paths of its pcapng files, in order of name. */
  readonly captures: readonly string[];
}

export interface RunSettings {
  readonly overrides?: readonly Override[];
  readonly trace?: string;
  readonly traceFormats?: readonly TraceFormat[];
  /** Anything else that a run may be asked for. */
  readonly run?: Partial<RunOptions>;
}

const directories: string[] = [];
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** A folder that is gone when the test file is over. */
export function temporaryFolder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'truewire-run-'));
  directories.push(directory);
  return directory;
}

/** The example topologies, by file name. */
export const examples = readdirSync('topologies').filter((name) => name.endsWith('.yaml'));

export const runExample = (name: string, settings: RunSettings = {}): Outcome =>
  runText(join('topologies', name), readFileSync(join('topologies', name), 'utf8'), settings);

export function runText(
  file: string,
  text: string,
  { overrides = [], trace = 'none', traceFormats = ['text'], run = {} }: RunSettings = {},
): Outcome {
  const directory = temporaryFolder();
  const output: string[] = [];
  const report = runTopology(loadTopology(file, text, overrides), {
    directory,
    trace,
    traceFormats,
    onOutput: (host, line) => output.push(`${host}: ${line}`),
    ...run,
  });
  const captures = report.captures.map(({ file: name }) => join(directory, name)).sort();
  return { directory, report, output, captures };
}

/** All programs ended well, every byte that was read was the one that was sent, and nothing is lost in memory. */
export function expectGoodEnd({ report, output }: Outcome): void {
  expect(report.programs.filter(({ status }) => status !== 0)).toEqual([]);
  expect(output.filter((line) => /bad=[1-9]/.test(line))).toEqual([]);
  expect(report.leaked).toEqual([]);
  expect(report.leaks).toBe(0);
}

/** What the script on `host` says it sent and received in its last connection. */
export function transferred({ output }: Outcome, host: string): { sent: number; received: number } {
  const line = output.findLast((text) => text.startsWith(`${host}: `) && / end tx=/.test(text));
  const [, sent = 'NaN', received = 'NaN'] = /tx=(\d+) rx=(\d+)/.exec(line ?? '') ?? [];
  return { sent: Number(sent), received: Number(received) };
}

/** Files by name, for comparing two runs. */
export function filesOf({ directory }: Outcome): Map<string, Buffer> {
  return new Map(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))]));
}

/** One captured frame. */
export interface Seen {
  readonly timeNs: bigint;
  readonly parsed: ParsedFrame;
  readonly comments: readonly string[];
  readonly outbound: boolean;
  readonly packetId: number;
}

const OUTBOUND = 2;

export function framesOf(capture: string): Seen[] {
  const reader = openCapture(capture);
  const seen: Seen[] = [];
  for (let packet = reader.next(); packet !== null; packet = reader.next()) {
    const { timeNs, flags, packetId } = packet;
    const parsed = parse(Uint8Array.from(packet.bytes()));
    seen.push({ timeNs, parsed, comments: [...packet.comments], outbound: (flags & 3) === OUTBOUND, packetId });
  }
  reader.close();
  return seen;
}

/** Byte i of a script's stream. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}

/** The bytes that one side of the only connection in a capture got across: what was lost or damaged on the wire did not arrive. */
export function arrived(frames: readonly Seen[], fromPort: (port: number) => boolean): Uint8Array {
  const sent = frames.filter(({ parsed: { tcp } }) => tcp !== null && fromPort(tcp.sourcePort));
  const first = sent.find(({ parsed: { tcp } }) => tcp!.flags.includes('S'))!.parsed.tcp!.seq + 1;
  const pieces = sent
    .filter(({ parsed: { tcp }, comments }) => tcp!.length > 0 && !comments.some((comment) => /^(lost|damaged)/.test(comment)))
    .map(({ parsed: { tcp, payload } }) => ({ at: (tcp!.seq - first) >>> 0, payload }));
  const length = Math.max(0, ...pieces.map(({ at, payload }) => at + payload.length));
  const bytes = new Uint8Array(length);
  const have = new Uint8Array(length);
  for (const { at, payload } of pieces) {
    bytes.set(payload, at);
    have.fill(1, at, at + payload.length);
  }
  expect(have.indexOf(0), 'a gap in the stream').toBe(-1);
  return bytes;
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
