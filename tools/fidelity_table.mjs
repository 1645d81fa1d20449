/**
 * Runs every scenario that was recorded on a real Linux and compares: a table of how far the recordings are met.
 *
 *     npm run fidelity
 *     node tools/fidelity_table.mjs s07        only scenarios whose name begins so; shows where they part
 *
 * `all`: share of packets that agree in everything, times within the tolerance. `explained`: the same without what depends on the recording computer's speed;
 * which kinds those are, and why, is in test/fixtures/linux/scenarios/expected.json. `again`: `all` and `explained` between two recordings of the real Linux.
 * `A alone`: our A against B's recorded packets; `B alone`: our B against A's; `timed`: the same with the recorded host's times of taking in and reading. The recordings are in test/fixtures/linux/scenarios.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as library from '../dist/index.js';
import { evaluate, readExpectations } from './recorded_scenarios.mjs';

const { describe, neighbourhood, openCapture } = library;
const { scenarios: expected } = readExpectations();
const [wanted] = process.argv.slice(2);
const percent = (share) => (share === undefined ? '' : `${(share * 100).toFixed(share === 1 ? 0 : 1)} %`);

/** What stands below the table for a comparison that was asked for. */
function inWords(comparison, captures) {
  const { first } = comparison;
  const open = captures.map((path) => () => openCapture(path));
  return describe(comparison, captures, first === null ? [] : neighbourhood(...open, first.flow, first.difference));
}

/** One scenario: the row of the table, and what stands below it when it was asked for. */
function compareScenario(name, directory) {
  const { all, explained, sender, receiver, senderTimed, receiverTimed, captures } = evaluate(library, name, expected[name], directory);
  const { again } = expected[name];
  const first = explained.first?.difference;
  const where = first === undefined ? 'none' : `${first.kind}: ${first.what}`.slice(0, 40);
  const scores = [
    all.score,
    explained.score,
    again?.all,
    again?.explained,
    sender?.comparison.score,
    receiver?.comparison.score,
    senderTimed?.comparison.score,
    receiverTimed?.comparison.score,
  ];
  const sides = [sender, receiver, senderTimed, receiverTimed].filter((side) => side !== null);
  return {
    row: [name, String(all.theirsUnits), String(all.oursUnits), ...scores.map(percent), where],
    text: [inWords(explained, captures), ...sides.map((side) => inWords(side.comparison, side.captures))].join('\n\n'),
  };
}

const directory = mkdtempSync(join(tmpdir(), 'truewire-fidelity-'));
try {
  const results = Object.keys(expected)
    .filter((name) => wanted === undefined || name.startsWith(wanted))
    .map((name) => compareScenario(name, directory));
  const table = [
    [
      'scenario',
      'recorded',
      'ours',
      'all',
      'explained',
      'again',
      '(explained)',
      'A alone',
      'B alone',
      'A timed',
      'B timed',
      'first divergence',
    ],
    ...results.map(({ row }) => row),
  ];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  for (const row of table) {
    const cells = row.map((cell, i) => (i > 0 && i < row.length - 1 ? cell.padStart(widths[i]) : cell.padEnd(widths[i])));
    console.log(cells.join('  ').trimEnd());
  }
  if (wanted !== undefined) for (const { text } of results) console.log(`\n${text}`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
