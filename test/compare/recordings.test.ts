/**
 * Recordings of a real Linux 6.18 (two hosts under QEMU, see test/fixtures/linux/scenarios) against the same scenarios here: with both hosts ours, and with each
 * host alone against the other's recorded packets. What counts, what does not and why is in expected.json. The scores there may only rise.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Comparison, compareCaptures, IGNORABLE } from '../../src/compare/compare.ts';
import { describe as inWords } from '../../src/compare/describe.ts';
import { neighbourhood } from '../../src/compare/neighbourhood.ts';
import { openCapture } from '../../src/observe/files/capture_reader.ts';
import { DEFAULT_START_EPOCH_NS } from '../../src/observe/files/pcapng_writer.ts';
import { runOneSide } from '../../src/replay/one_side.ts';
import { RecordedCalls } from '../../src/replay/recorded_calls.ts';
import { loadTopology } from '../../src/topology/load.ts';
import { runTopology } from '../../src/topology/run.ts';
import { parseDuration } from '../../src/topology/units.ts';
import { evaluate, type Library, type OneHost, readExpectations } from '../../tools/recorded_scenarios.mjs';

const library: Library = {
  DEFAULT_START_EPOCH_NS,
  compareCaptures,
  loadTopology,
  openCapture,
  parseDuration,
  runOneSide,
  runTopology,
  RecordedCalls,
};
const { reasons, scenarios } = readExpectations();
const directory = mkdtempSync(join(tmpdir(), 'truewire-recordings-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function story(comparison: Comparison, [ours, theirs]: readonly [string, string]): string {
  const { first } = comparison;
  const [openOurs, openTheirs] = [() => openCapture(ours), () => openCapture(theirs)];
  return inWords(comparison, [ours, theirs], first === null ? [] : neighbourhood(openOurs, openTheirs, first.flow, first.difference));
}

function expectOneHost(host: OneHost | null, reached: number | undefined): void {
  expect(host === null).toBe(reached === undefined);
  if (host === null) return;
  expect(host.leaked).toEqual([]);
  expect(host.comparison.score, story(host.comparison, host.captures)).toBeGreaterThanOrEqual(reached!);
}

describe('a recording of Linux is met', () => {
  for (const [name, expectation] of Object.entries(scenarios)) {
    const { reached, again } = expectation;
    it(`${name}: ${reached.all === 1 ? 'in everything' : reached.explained === 1 ? 'but for what is explained' : 'in part'}`, () => {
      const { leaked, captures, all, explained, sender, receiver, senderTimed, receiverTimed } = evaluate(
        library,
        name,
        expectation,
        directory,
      );
      expect(leaked).toEqual([]);
      expect(all.score, story(all, captures)).toBeGreaterThanOrEqual(reached.all);
      expect(explained.score, story(explained, captures)).toBeGreaterThanOrEqual(reached.explained);
      if (again !== undefined) expect(all.score, 'about as well as the real Linux meets itself').toBeGreaterThan(again.all - 0.1);
      expectOneHost(sender, reached.sender);
      expectOneHost(receiver, reached.receiver);
      expectOneHost(senderTimed, reached.senderTimed);
      expectOneHost(receiverTimed, reached.receiverTimed);
    });
  }

  it('and whatever is left out is left out for a reason', () => {
    for (const { ignore, reached, tolerance, toleranceReason, why } of Object.values(scenarios)) {
      for (const kind of ignore) {
        expect(IGNORABLE).toContain(kind);
        expect(reasons[kind]!.length).toBeGreaterThan(40);
      }
      if (reached.explained < 1) expect(why).toBeTruthy();
      if (tolerance !== '1ms') expect(toleranceReason).toBeTruthy();
    }
  });
});
