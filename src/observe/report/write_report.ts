/** Writes a run's report and logs beside its captures. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CaptureWriteError } from '../files/capture_file.ts';
import type { RunReport } from './run_report.ts';

export function writeReport(directory: string, report: RunReport): void {
  write(join(directory, 'run.json'), `${JSON.stringify(report, null, 2)}\n`);
}

/** What a program printed. */
export function writeLog(directory: string, name: string, lines: readonly string[]): void {
  write(join(directory, name), `${lines.join('\n')}\n`);
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new CaptureWriteError(path, 'write', error);
  }
}
