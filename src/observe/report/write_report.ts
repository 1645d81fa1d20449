/** Writes a run's report and the kernels' logs beside its captures. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CaptureWriteError } from '../files/output_file.ts';
import type { RunReport } from './run_report.ts';

export function writeReport(directory: string, report: RunReport): void {
  write(join(directory, 'run.json'), `${JSON.stringify(report, null, 2)}\n`);
}

/** The kernel's log as `dmesg` prints it: every line has the time since power-on. */
export function writeKernelLog(directory: string, host: string, log: readonly { readonly time: number; readonly text: string }[]): void {
  if (log.length > 0) write(join(directory, `${host}.dmesg.txt`), `${log.map(dmesgLines).join('\n')}\n`);
}

function dmesgLines({ time, text }: { readonly time: number; readonly text: string }): string {
  const microseconds = Math.floor(time / 1000);
  const seconds = String(Math.floor(microseconds / 1_000_000)).padStart(5);
  const stamp = `[${seconds}.${String(microseconds % 1_000_000).padStart(6, '0')}] `;
  return text
    .split('\n')
    .map((line) => stamp + line)
    .join('\n');
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new CaptureWriteError(path, 'write', error);
  }
}
