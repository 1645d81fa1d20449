import type { Comparison, compareCaptures } from '../src/compare/compare.ts';
import type { openCapture } from '../src/observe/files/capture_reader.ts';
import type { runOneSide } from '../src/replay/one_side.ts';
import type { RecordedCalls } from '../src/replay/recorded_calls.ts';
import type { loadTopology } from '../src/topology/load.ts';
import type { runTopology } from '../src/topology/run.ts';
import type { parseDuration } from '../src/topology/units.ts';

export interface Library {
  readonly DEFAULT_START_EPOCH_NS: bigint;
  readonly compareCaptures: typeof compareCaptures;
  readonly loadTopology: typeof loadTopology;
  readonly openCapture: typeof openCapture;
  readonly parseDuration: typeof parseDuration;
  readonly runOneSide: typeof runOneSide;
  readonly runTopology: typeof runTopology;
  readonly RecordedCalls: typeof RecordedCalls;
}

/** Shares of packets that agree. */
export interface Scores {
  readonly all: number;
  readonly explained: number;
  readonly sender?: number;
  readonly receiver?: number;
  /** With the times at which the recorded host took in frames and read. */
  readonly senderTimed?: number;
  readonly receiverTimed?: number;
}

export interface Expectation {
  readonly recording: string;
  readonly ours: string;
  readonly tolerance: string;
  /** Why it is more than 1 ms. */
  readonly toleranceReason?: string;
  /** Kinds of difference that `explained` leaves out. */
  readonly ignore: readonly string[];
  readonly reached: Scores;
  /** The same between two recordings of the real Linux, where there are two. */
  readonly again?: { readonly all: number; readonly explained: number };
  readonly why?: string;
}

export interface OneHost {
  /** Ours and theirs. */
  readonly captures: readonly [string, string];
  readonly leaked: readonly string[];
  readonly comparison: Comparison;
}

export interface Evaluation {
  readonly leaked: readonly string[];
  readonly captures: readonly [string, string];
  readonly all: Comparison;
  readonly explained: Comparison;
  readonly sender: OneHost | null;
  readonly receiver: OneHost | null;
  readonly senderTimed: OneHost | null;
  readonly receiverTimed: OneHost | null;
}

export const FOLDER: string;
export function readExpectations(): {
  readonly reasons: Readonly<Record<string, string>>;
  readonly scenarios: Readonly<Record<string, Expectation>>;
};
export function evaluate(library: Library, name: string, expectation: Expectation, directory: string): Evaluation;
