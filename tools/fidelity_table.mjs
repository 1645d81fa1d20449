/**
 * Runs every scenario that was recorded on a real Linux and compares: a table of how far the recordings are met.
 *
 *     npm run fidelity
 *     node tools/fidelity_table.mjs s07        only scenarios whose name begins so; shows where they part
 *
 * `all`: share of packets that agree in everything, within the tolerance. `explained`: the same without what depends on the recording computer's speed;
 * which kinds those are, and why, is in test/fixtures/linux/scenarios/expected.json.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareCaptures } from '../dist/compare/compare.js';
import { describe } from '../dist/compare/describe.js';
import { neighbourhood } from '../dist/compare/neighbourhood.js';
import { openCapture } from '../dist/observe/files/capture_reader.js';
import { loadTopology } from '../dist/topology/load.js';
import { runTopology } from '../dist/topology/run.js';
import { parseDuration } from '../dist/topology/units.js';

const FOLDER = 'test/fixtures/linux/scenarios';
const expected = JSON.parse(readFileSync(join(FOLDER, 'expected.json'), 'utf8'));
const [wanted] = process.argv.slice(2);
const percent = (share) => `${(share * 100).toFixed(share === 1 ? 0 : 1)} %`;

function runScenario(name, directory) {
  const file = join(FOLDER, name, 'topology.yaml');
  runTopology(loadTopology(file, readFileSync(file, 'utf8')), { directory, trace: 'none' });
}

/** One scenario: the row of the table, and what stands below it when it was asked for. */
function compareScenario(name, directory) {
  const { recording, ours, tolerance, ignore } = expected[name];
  const captures = [join(directory, ours), join(FOLDER, name, recording)];
  const open = captures.map((path) => () => openCapture(path));
  const toleranceNs = parseDuration(tolerance);
  const all = compareCaptures(...open, { toleranceNs });
  const explained = compareCaptures(...open, { toleranceNs, ignore: Object.keys(ignore) });
  const { first } = explained;
  const rows = first === null ? [] : neighbourhood(...open, first.flow, first.difference);
  const where = first === null ? 'none' : `${first.difference.kind}: ${first.difference.what}`.slice(0, 60);
  return {
    row: [name, all.theirsUnits, all.oursUnits, percent(all.score), percent(explained.score), where, first?.difference.mechanism ?? ''].map(
      String,
    ),
    text: describe(explained, captures, rows),
  };
}

const directory = mkdtempSync(join(tmpdir(), 'truewire-fidelity-'));
try {
  const results = Object.keys(expected)
    .filter((name) => wanted === undefined || name.startsWith(wanted))
    .map((name) => {
      runScenario(name, directory);
      return compareScenario(name, directory);
    });
  const table = [
    ['scenario', 'recorded', 'ours', 'all', 'explained', 'first divergence', 'likely mechanism'],
    ...results.map(({ row }) => row),
  ];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const right = [1, 2, 3, 4];
  for (const row of table) {
    console.log(
      row
        .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
        .join('  ')
        .trimEnd(),
    );
  }
  if (wanted !== undefined) for (const { text } of results) console.log(`\n${text}`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
