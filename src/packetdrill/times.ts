/** Times of a script: when events are due, and whether something happened when it should. Microseconds since the script's start. */
import type { TimeKind } from './ast.ts';
import { mismatch } from './failures.ts';

/** An event's time once it is known what it is relative to. */
export interface DueTime {
  readonly kind: TimeKind;
  readonly us: number;
  readonly endUs: number;
  /** What was added to relative times. */
  readonly anchorUs: number;
}

export const secondsText = (us: number): string => (us / 1e6).toFixed(6);
const signed = (us: number): string => `${us < 0 ? '' : '+'}${secondsText(us)}`;

/** Tolerance: the larger of the fixed one and a share of the time since the event before (null: none). */
export function tolerance(us: number, previousUs: number | null, fixedUs: number, percent: number): number {
  return previousUs === null ? fixedUs : Math.max(fixedUs, Math.trunc((percent / 100) * (us - previousUs)));
}

export function checkTime(due: DueTime, actualUs: number, toleranceUs: number, what: string): void {
  if (due.kind === 'any') return;
  if (actualUs >= due.us - toleranceUs && actualUs <= due.endUs + toleranceUs) return;
  const { us, endUs, anchorUs } = due;
  if (due.kind === 'absoluteRange')
    mismatch(
      `timing error: expected ${what} in time range ${secondsText(us)}~${secondsText(endUs)} sec but happened at ${secondsText(actualUs)} sec`,
    );
  if (due.kind === 'relativeRange')
    mismatch(
      `timing error: expected ${what} in relative time range ${signed(us - anchorUs)}~${signed(endUs - anchorUs)} sec ` +
        `but happened at ${signed(actualUs - anchorUs)} sec`,
    );
  mismatch(
    `timing error: expected ${what} at ${secondsText(us)} sec but happened at ${secondsText(actualUs)} sec; tolerance ${secondsText(toleranceUs)} sec`,
  );
}
