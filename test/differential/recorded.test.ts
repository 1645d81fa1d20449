/**
 * Programs of socket calls and packets, chosen at random, whose every result was recorded on Linux 6.18.44: return values and errnos, data, addresses,
 * options, control messages, poll and epoll, the packets that left, counters that moved, reasons of drops. How they are recorded: tools/record_calls.py.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { EmulatedHost } from './emulated_host.ts';
import { normalResults } from './normal.ts';
import type { ProgramResult, SocketProgram } from './program.ts';

const FOLDER = 'test/fixtures/linux/socket_programs';

type Recorded = SocketProgram & ProgramResult;

const recordings = (file: string): Recorded[] =>
  gunzipSync(readFileSync(join(FOLDER, file)))
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

/** The first step whose result is another one than on Linux, with what led there; null when there is none. */
function difference(recorded: Recorded): string | null {
  const linux = normalResults(recorded, recorded.results);
  const ours = normalResults(recorded, new EmulatedHost().run(recorded));
  const at = linux.findIndex((line, i) => line !== ours[i]);
  if (at < 0) return null;
  const history = recorded.steps.slice(0, at + 1).map((step, i) => `${i} ${JSON.stringify(step).slice(0, 200)}`);
  return [recorded.name, ...history, `Linux: ${linux[at]}`, `here:  ${ours[at]}`].join('\n');
}

describe('programs do here what they do on Linux', () => {
  it.each(readdirSync(FOLDER).filter((file) => file.endsWith('.jsonl.gz')))('%s', (file) => {
    const programs = recordings(file);
    expect(programs.length).toBeGreaterThan(0);
    expect(programs.map(difference).filter((text) => text !== null)).toEqual([]);
  });

  it('or are told apart', () => {
    const recorded = recordings('stream_calls.jsonl.gz')[0]!;
    const results = structuredClone(recorded.results);
    results.at(-1)!.r--;
    expect(difference({ ...recorded, results })).toContain(`${recorded.steps.length - 1} `);
  });
});
