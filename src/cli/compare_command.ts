/** truewire compare */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Comparison, compareCaptures, DEFAULT_TOLERANCE_NS, IGNORABLE } from '../compare/compare.ts';
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
  const names = [captureOf(ours), captureOf(theirs)] as const;
  const options = {
    ignore: ignoredOf(flags.ignore),
    toleranceNs: flags.tolerance === undefined ? DEFAULT_TOLERANCE_NS : durationFlag('--tolerance', flags.tolerance),
  };
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
  process.stdout.write(`${flags.json === true ? JSON.stringify(asData(comparison, names, rows)) : describe(comparison, names, rows)}\n`);
  return comparison.same ? EXIT_OK : EXIT_NO;
}

/** A run is compared by what was on its wire. */
function captureOf(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return path;
  const captures = readdirSync(path).filter((name) => /\.(pcap|pcapng|cap)(\.gz)?$/.test(name));
  const wires = captures.filter((name) => /\bwire\.pcap/.test(name));
  if (wires.length === 1) return join(path, wires[0]!);
  throw new UsageError(
    `${path}: is a directory with ${wires.length === 0 ? 'no capture of a wire' : 'several'}, expected one of its files: ${captures.join(', ') || 'there is none'}`,
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
