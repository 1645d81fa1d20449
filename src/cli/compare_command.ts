/** truewire compare */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type CompareOptions, type Comparison, compareCaptures, DEFAULT_TOLERANCE_NS, IGNORABLE } from '../compare/compare.ts';
import { asData, describe } from '../compare/describe.ts';
import { neighbourhood } from '../compare/neighbourhood.ts';
import { CaptureDamage } from '../observe/files/capture_errors.ts';
import { openCapture } from '../observe/files/capture_reader.ts';
import { nearest } from '../user/nearest.ts';
import { UsageError } from './errors.ts';
import { EXIT_INPUT, EXIT_NO, EXIT_OK } from './exit_codes.ts';
import { durationFlag } from './run_command.ts';

export interface CompareFlags {
  ignore?: string;
  tolerance?: string;
  json?: boolean;
}

export function compareCommand(ours: string, theirs: string, flags: CompareFlags): number {
  const options = {
    ignore: ignoredOf(flags.ignore),
    toleranceNs: flags.tolerance === undefined ? DEFAULT_TOLERANCE_NS : durationFlag('--tolerance', flags.tolerance),
  };
  const codes = pairsOf(ours, theirs).map((names) => compareFiles(names, options, flags.json === true));
  return Math.max(...codes);
}

function compareFiles(names: readonly [string, string], options: CompareOptions, json: boolean): number {
  const [openOurs, openTheirs] = [() => openCapture(names[0]), () => openCapture(names[1])];
  let comparison: Comparison;
  try {
    comparison = compareCaptures(openOurs, openTheirs, options);
  } catch (error) {
    if (!(error instanceof CaptureDamage)) throw error;
    process.stderr.write(`${error.message}\n`);
    return EXIT_INPUT;
  }
  const { first } = comparison;
  const rows = first === null ? [] : neighbourhood(openOurs, openTheirs, first.flow, first.difference);
  process.stdout.write(`${json ? JSON.stringify(asData(comparison, names, rows)) : describe(comparison, names, rows)}\n`);
  return comparison.same ? EXIT_OK : EXIT_NO;
}

/** Two runs are compared wire by wire; a run and a capture by the run's only wire. */
function pairsOf(ours: string, theirs: string): (readonly [string, string])[] {
  if (!isDirectory(ours) || !isDirectory(theirs)) return [[captureOf(ours), captureOf(theirs)]];
  const [left, right] = [wiresOf(ours), wiresOf(theirs)];
  if (left.length === 1 && right.length === 1) return [[captureOf(ours), captureOf(theirs)]];
  const missing = [...left.filter((name) => !right.includes(name)), ...right.filter((name) => !left.includes(name))];
  if (left.length === 0 || missing.length > 0)
    throw new UsageError(
      `${ours} and ${theirs}: expected captures of the same wires in both runs, read ${missing.join(', ') || 'none'} in one only`,
    );
  return left.map((name) => [join(ours, name), join(theirs, name)]);
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

const capturesOf = (directory: string): string[] => readdirSync(directory).filter((name) => /\.(pcap|pcapng|cap)(\.gz)?$/.test(name)).sort(); // biome-ignore format: short
const wiresOf = (directory: string): string[] => capturesOf(directory).filter((name) => /\bwire\.pcap/.test(name));

/** A run is compared by what was on its wire. */
function captureOf(path: string): string {
  if (!isDirectory(path)) return path;
  const wires = wiresOf(path);
  if (wires.length === 1) return join(path, wires[0]!);
  throw new UsageError(
    `${path}: is a directory with ${wires.length === 0 ? 'no capture of a wire' : 'several'}, expected one of its files: ${capturesOf(path).join(', ') || 'there is none'}`,
  );
}

function ignoredOf(text: string | undefined): string[] {
  const words = (text ?? '')
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  for (const word of words) {
    if (IGNORABLE.includes(word)) continue;
    const near = nearest(word, IGNORABLE);
    throw new UsageError(
      `--ignore: read ${JSON.stringify(word)}, expected some of ${IGNORABLE.join(', ')}${near === null ? '' : `; did you mean ${JSON.stringify(near)}?`}`,
    );
  }
  return words;
}
