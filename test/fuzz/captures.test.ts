/** Damaged captures, replayed: the frames before the damage are used, the place is named, and nothing but a word on the damage comes of it. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { explain } from '../../src/cli/errors.ts';
import { EXIT_INPUT, EXIT_NO } from '../../src/cli/exit_codes.ts';
import { CaptureDamage, openCapture } from '../../src/observe/files/capture_reader.ts';
import { Replay } from '../../src/replay/replay.ts';
import { loadTopology } from '../../src/topology/load.ts';
import { runTopology } from '../../src/topology/run.ts';
import { runExample, temporaryFolder } from '../scenarios/scenario.ts';
import { FUZZ_TIMEOUT_MS, fuzzed } from './fuzz_settings.ts';

const SERVER = `
hosts: { server: { interfaces: { eth0: 10.0.0.2/24 }, run: [ { script: "listen 5001\\naccept" } ] } }
capture: []
`;
const LINUX = 'captures/linux';

/** Recordings of Linux, and what we write ourselves. */
function samples(): Buffer[] {
  const ours = runExample('one-loss.yaml').captures.map((path) => readFileSync(path).subarray(0, 40_000));
  const linux = readdirSync(LINUX)
    .filter((name) => name.endsWith('.pcap'))
    .map((name) => readFileSync(join(LINUX, name)));
  return [...ours, ...linux];
}

interface Damage {
  readonly at: number;
  readonly to: Uint8Array;
}

function damage(whole: Buffer, changes: readonly Damage[], keep: number): Buffer {
  const bytes = Buffer.from(whole.subarray(0, Math.max(1, Math.ceil(whole.length * keep))));
  for (const { at, to } of changes)
    bytes.set(to.subarray(0, Math.max(0, bytes.length - Math.floor(at * bytes.length))), Math.floor(at * bytes.length));
  return bytes;
}

/** Near the beginning, where headers are, as often as anywhere. */
const at = fc.oneof(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.double({ min: 0, max: 0.01, noNaN: true }));
const to = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 4 }),
  fc.constantFrom(Uint8Array.of(0, 0, 0, 0), Uint8Array.of(255, 255, 255, 255)),
);
const changes = fc.array(fc.record({ at, to }), { maxLength: 4 });
const keep = fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true }));

it(
  'are used up to the damage',
  () => {
    const directory = temporaryFolder();
    const path = join(directory, 'damaged');
    const originals = samples();
    fc.assert(
      fc.property(fc.nat(originals.length - 1), changes, keep, (which, list, part) => {
        writeFileSync(path, damage(originals[which]!, list, part));
        try {
          const replay = new Replay(openCapture(path), { to: 'server.eth0', speed: 1000, played: null });
          const report = runTopology(loadTopology('server.yaml', SERVER), { directory, trace: 'none', untilNs: 50_000_000 }, replay);
          expect(report.leaked).toEqual([]);
          expect(replay.counters.injected + replay.counters.tooLong + replay.counters.otherLinkType).toBeLessThanOrEqual(
            replay.counters.read,
          );
          if (replay.damage !== null) expectNamed(replay.damage, path);
        } catch (error) {
          // Cut within the head of the file: damaged, with nothing before the damage.
          if (error instanceof CaptureDamage) expectNamed(error, path);
          else expect(explain(error), String((error as Error).stack)).toMatchObject({ code: EXIT_INPUT });
        }
      }),
      fuzzed(150),
    );
  },
  FUZZ_TIMEOUT_MS,
);

function expectNamed(error: Error, path: string): void {
  expect(error).toBeInstanceOf(CaptureDamage);
  const { message, code } = explain(error);
  expect(code).toBe(EXIT_NO);
  expect(message.startsWith(path)).toBe(true);
  expect(message).toMatch(/\d/);
}
