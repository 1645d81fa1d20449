/**
 * Does memory stay flat? One process runs the same busy network again and again (two hosts, losses, reordering, traces, truth and captures on), and one that does
 * not end for a long virtual time; after a garbage collection the heap and the process must not have grown. One JSON line a round; exit 1 when they have.
 *
 *     npm run soak [-- MINUTES]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { loadTopology, runTopology, tuneEngine } from '../dist/index.js';

/** What rounds may differ by: code that is compiled, strings that are kept; and pages that the system has not got back. */
const HEAP_GROWTH = 1.15;
const PROCESS_GROWTH = 1.3;
const WARM_UP_ROUNDS = 10;
const ROUND_MEGABYTES = 20;
/** How often the long run is looked at, in virtual time. */
const SAMPLE_NS = 5e7;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
tuneEngine();
const minutes = Number(process.argv[2] ?? 5);
const directory = mkdtempSync(join(tmpdir(), 'truewire-soak-'));

const topology = (bytes) => `
hosts:
  client:
    cpus: 2
    interfaces: { eth0: 10.0.0.1/24 }
    run: [ { script: "connect 10.0.0.2 5001\\nsend ${bytes}\\nshutdown wr\\nrecvall\\nclose" }, { command: "ping -c 50 -i 0.01 10.0.0.2" } ]
  server:
    cpus: 2
    interfaces: { eth0: 10.0.0.2/24 }
    run: [ { script: "listen 5001\\naccept\\nrecvall\\nclose\\ncloselisten" } ]
wires:
  - { between: [client.eth0, server.eth0], rate: 1Gbit, delay: 2ms, impair: { client: { loss: 0.01%, reorder: 0.1%, reorder_by: 1ms, duplicate: 0.1%, corrupt: 0.01% } } }
capture: [ tcpdump, wire ]
`;

/** One run; `sample` is called now and then while it lasts. */
function round(number, megabytes, sample) {
  let next = 0;
  const report = runTopology(loadTopology('soak.yaml', topology(megabytes * 1e6)), {
    directory,
    trace: 'default',
    truth: true,
    onProgress: (virtualNs) => {
      if (sample === null || virtualNs < next) return;
      next = virtualNs + SAMPLE_NS;
      sample();
    },
  });
  if (report.leaks > 0) throw new Error(`round ${number}: ${report.leaked.join(', ')} leaked`);
  return report;
}

function memory() {
  collectGarbage();
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed, rss };
}

const megabytes = (bytes) => Math.round(bytes / 1e5) / 10;
const started = performance.now();
let base = { heap: 0, rss: 0 };
let grown = false;

function judge(name, { heap, rss }, settled) {
  if (!settled) base = { heap: Math.max(base.heap, heap), rss: Math.max(base.rss, rss) };
  else if (heap > base.heap * HEAP_GROWTH || rss > base.rss * PROCESS_GROWTH) grown = true;
  console.log(JSON.stringify({ round: name, heapMegabytes: megabytes(heap), rssMegabytes: megabytes(rss), grown }));
}

for (let number = 1; performance.now() - started < minutes * 30_000 || number <= WARM_UP_ROUNDS + 1; number++) {
  round(number, ROUND_MEGABYTES, null);
  // Threads that have ended are forgotten when the process has its turn.
  await setImmediate();
  judge(`run ${number}`, memory(), number > WARM_UP_ROUNDS);
}

// Half of the time for one run: its second half must not take more than its first quarter.
const size = Math.round(minutes * 60);
const samples = [];
round('long', size, () => samples.push(memory()));
samples.forEach((sample, i) => {
  if (i === 0) base = { heap: 0, rss: 0 };
  judge(`long run, sample ${i}`, sample, i > samples.length / 4);
});
rmSync(directory, { recursive: true });
process.exitCode = grown ? 1 : 0;
