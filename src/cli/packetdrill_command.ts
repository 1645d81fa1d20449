/** truewire packetdrill */
import { mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { CaptureWriteError } from '../observe/files/output_file.ts';
import type { Script } from '../packetdrill/ast.ts';
import { ScriptSyntaxError } from '../packetdrill/failures.ts';
import { type RunOptions, runOptions } from '../packetdrill/options.ts';
import { parseScript } from '../packetdrill/parse.ts';
import { runScript, type Verdict } from '../packetdrill/run.ts';
import { UsageError } from './errors.ts';
import { EXIT_BUG, EXIT_INPUT, EXIT_NO, EXIT_OK } from './exit_codes.ts';

export interface PacketdrillFlags {
  /** Folder for a pcapng file and a trace of each script. */
  output?: string;
  json?: boolean;
  /** `NAME=value`, as packetdrill's -D. */
  define?: string[];
  hz?: string;
  tolerance_usecs?: string;
}

/** What --json prints for a script. */
interface Row extends Verdict {
  /** CPU time it took, ms. */
  readonly milliseconds: number;
  /** It could not be used at all. */
  readonly unusable: boolean;
  /** truewire itself failed. */
  readonly bug: boolean;
}

/** Runs scripts one after the other, each on a host of its own. Returns the exit code. */
export function packetdrillCommand(files: readonly string[], flags: PacketdrillFlags): number {
  const defines = new Map((flags.define ?? []).map(parseDefine));
  const given: Partial<RunOptions> = {
    ...(flags.hz === undefined ? {} : { hz: clockRate(flags.hz) }),
    ...(flags.tolerance_usecs === undefined ? {} : { toleranceUs: wholeNumber('--tolerance_usecs', flags.tolerance_usecs) }),
  };
  if (flags.output !== undefined) makeFolder(flags.output);
  const names = recordNames(files);
  const rows = files.map((file, i) => {
    const row = runFile(file, defines, given, flags.output === undefined ? null : join(flags.output, names[i]!));
    report(row, flags.json === true);
    return row;
  });
  const failed = rows.filter(({ ok }) => !ok).length;
  if (flags.json !== true && rows.length > 1) process.stdout.write(`${rows.length - failed} of ${rows.length} scripts ok\n`);
  if (rows.some(({ bug }) => bug)) return EXIT_BUG;
  if (rows.some(({ unusable }) => unusable)) return EXIT_INPUT;
  return failed > 0 ? EXIT_NO : EXIT_OK;
}

function parseDefine(text: string): [string, string] {
  const match = /^([A-Za-z_]\w*)=(.*)$/s.exec(text);
  if (match === null) throw new UsageError(`-D: read ${JSON.stringify(text)}, expected NAME=value`);
  return [match[1]!, match[2]!];
}

function wholeNumber(flag: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new UsageError(`${flag}: read ${JSON.stringify(text)}, expected a whole number`);
  return Number(text);
}

/** Jiffies must be whole nanoseconds. */
function clockRate(text: string): number {
  const hz = wholeNumber('--hz', text);
  if (hz === 0 || 1_000_000_000 % hz !== 0) throw new UsageError(`--hz: read ${JSON.stringify(text)}, expected 100, 250, 1000 or the like`);
  return hz;
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new CaptureWriteError(path, 'create a folder for', error);
  }
}

/** Names for the files of each script: its own, with a number where two are called the same. */
function recordNames(files: readonly string[]): string[] {
  const used = new Map<string, number>();
  return files.map((file) => {
    const name = basename(file).replace(/\.pkt$/, '');
    const count = (used.get(name) ?? 0) + 1;
    used.set(name, count);
    return count === 1 ? name : `${name}-${count}`;
  });
}

function runFile(file: string, defines: ReadonlyMap<string, string>, given: Partial<RunOptions>, recordTo: string | null): Row {
  const started = process.cpuUsage();
  const verdict = verdictOf(file, defines, given, recordTo);
  const { user, system } = process.cpuUsage(started);
  return { ...verdict, milliseconds: (user + system) / 1000 };
}

function verdictOf(
  file: string,
  defines: ReadonlyMap<string, string>,
  given: Partial<RunOptions>,
  recordTo: string | null,
): Omit<Row, 'milliseconds'> {
  try {
    const script = readScript(file, defines);
    return {
      ...runScript(script, runOptions(script, given), { recordTo, readScript: (path) => readBeside(file, path) }),
      unusable: false,
      bug: false,
    };
  } catch (error) {
    if (error instanceof CaptureWriteError) throw error;
    const syntax = error instanceof ScriptSyntaxError || error instanceof UsageError;
    const line = error instanceof ScriptSyntaxError ? error.line : 0;
    // A fault of ours in one script must not hide what the others have to say.
    const message = syntax
      ? error.message
      : `a bug of truewire (please report it with the script):\n${(error as Error).stack ?? String(error)}`;
    return { path: file, ok: false, message, line, virtualUs: 0, output: [], unusable: syntax, bug: !syntax };
  }
}

function readScript(file: string, defines: ReadonlyMap<string, string>): Script {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file}: cannot read the script: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`);
  }
  return parseScript(file, text, defines);
}

/** A shell script that a script names, relative to its own place. */
function readBeside(script: string, path: string): string | null {
  try {
    return readFileSync(resolve(dirname(script), path), 'utf8');
  } catch {
    return null;
  }
}

function report(row: Row, json: boolean): void {
  if (json) process.stdout.write(`${JSON.stringify(row)}\n`);
  else if (row.ok) process.stdout.write(`ok   ${row.path}  ${(row.virtualUs / 1e6).toFixed(3)} s in ${Math.round(row.milliseconds)} ms\n`);
  else process.stdout.write(`FAIL ${row.path}\n${row.message}\n`);
  if (!json) for (const line of row.output) process.stdout.write(`     ${line}\n`);
}
