/**
 * Recordings of a real Linux 6.18 (two hosts under QEMU, see test/fixtures/linux/scenarios) against the same scenarios here. What counts, what does not and why is in
 * expected.json. The scores there may only rise.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { compareCaptures, IGNORABLE } from '../../src/compare/compare.ts';
import { describe as inWords } from '../../src/compare/describe.ts';
import { neighbourhood } from '../../src/compare/neighbourhood.ts';
import { openCapture } from '../../src/observe/files/capture_reader.ts';
import { loadTopology } from '../../src/topology/load.ts';
import { runTopology } from '../../src/topology/run.ts';
import { parseDuration } from '../../src/topology/units.ts';

interface Expectation {
  recording: string;
  ours: string;
  tolerance: string;
  toleranceReason: string;
  ignore: Record<string, string>;
  reached: { all: number; explained: number };
  why?: string;
}

const FOLDER = 'test/fixtures/linux/scenarios';
const expectations = JSON.parse(readFileSync(join(FOLDER, 'expected.json'), 'utf8')) as Record<string, Expectation>;
const directory = mkdtempSync(join(tmpdir(), 'truewire-recordings-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('a recording of Linux is met', () => {
  for (const [name, { recording, ours, tolerance, ignore, reached }] of Object.entries(expectations)) {
    it(`${name}: ${reached.all === 1 ? 'in everything' : reached.explained === 1 ? 'but for what is explained' : 'in part'}`, () => {
      const file = join(FOLDER, name, 'topology.yaml');
      const report = runTopology(loadTopology(file, readFileSync(file, 'utf8')), { directory: join(directory, name), trace: 'none' });
      expect(report.leaked).toEqual([]);
      const names = [join(directory, name, ours), join(FOLDER, name, recording)] as const;
      const [openOurs, openTheirs] = [() => openCapture(names[0]), () => openCapture(names[1])];
      const toleranceNs = parseDuration(tolerance)!;
      const all = compareCaptures(openOurs, openTheirs, { toleranceNs });
      const explained = compareCaptures(openOurs, openTheirs, { toleranceNs, ignore: Object.keys(ignore) });
      const { first } = explained;
      const rows = first === null ? [] : neighbourhood(openOurs, openTheirs, first.flow, first.difference);
      expect(all.score, inWords(explained, names, rows)).toBeGreaterThanOrEqual(reached.all);
      expect(explained.score, inWords(explained, names, rows)).toBeGreaterThanOrEqual(reached.explained);
    });
  }

  it('and whatever is left out is left out for a reason', () => {
    for (const { ignore, toleranceReason, reached, why } of Object.values(expectations)) {
      for (const [kind, reason] of Object.entries(ignore)) {
        expect(IGNORABLE).toContain(kind);
        expect(reason.length).toBeGreaterThan(40);
      }
      expect(toleranceReason).not.toBe('');
      if (reached.explained < 1) expect(why).toBeTruthy();
    }
  });
});
