/**
 * How fast is a bulk transfer? One TCP flow over 1 Gbit/s and 1 ms, offloads off and on, captures off and on. Each case runs once, in a process of its own,
 * so that neither the compiler's memory of other cases nor their garbage counts; the figures are CPU seconds (user + system, all threads), which a busy
 * machine disturbs less than the clock. One JSON line a case: `framesPerCpuSecond` counts everything from the start of the process on (loading, boot,
 * compiling), `steadyFramesPerCpuSecond` the second half of the frames, `systemSeconds` is what of it the operating system
 * took, which with captures is the page cache.
 *
 *     npm run bench [-- MEGABYTES]
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CASES = [
  { name: 'bulk, offloads off', offloads: false, captures: false },
  { name: 'bulk, TSO and GRO', offloads: true, captures: false },
  { name: 'bulk, offloads off, pcapng at both ends', offloads: false, captures: true },
  { name: 'bulk, TSO and GRO, pcapng at both ends', offloads: true, captures: true },
];

/** Payload of a full segment. */
const SEGMENT = 1448;

/** So far in this process, on all of its threads. */
function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const topology = ({ offloads, captures }, bytes) => `
hosts:
  client:
    cpus: 2
    interfaces: { eth0: 10.0.0.1/24 }
    setup: [${offloads ? '' : '"ethtool -K eth0 tso off gso off gro off"'}]
    run:
      - script: |
          connect 10.0.0.2 5001
          send ${bytes} 131072
          shutdown wr
          recvall
          close
  server:
    cpus: 2
    interfaces: { eth0: 10.0.0.2/24 }
    setup: [${offloads ? '' : '"ethtool -K eth0 tso off gso off gro off"'}]
    run:
      - script: |
          listen 5001
          accept
          recvall
          close
          closelisten
wires:
  - { between: [client.eth0, server.eth0], rate: 1Gbit, delay: 1ms }
capture: ${captures ? '[tcpdump]' : '[]'}
`;

/** One case in this process. */
async function measure(index, bytes) {
  const { loadTopology } = await import('../dist/topology/load.js');
  const { runTopology } = await import('../dist/topology/run.js');
  const directory = mkdtempSync(join(tmpdir(), 'truewire-bench-'));
  const half = bytes / SEGMENT / 2;
  let atHalf = null;
  const onProgress = (_time, frames) => {
    if (atHalf === null && frames >= half) atHalf = { frames, used: cpuSeconds() };
  };
  const report = runTopology(loadTopology('bench.yaml', topology(CASES[index], bytes)), { directory, trace: 'none', onProgress });
  const used = cpuSeconds();
  rmSync(directory, { recursive: true });
  process.send({
    case: CASES[index].name,
    megabytes: bytes / 1e6,
    wireFrames: report.wireFrames,
    cpuSeconds: Number(used.toFixed(3)),
    systemSeconds: Number((process.cpuUsage().system / 1e6).toFixed(3)),
    framesPerCpuSecond: Math.round(report.wireFrames / used),
    steadyFramesPerCpuSecond: Math.round((report.wireFrames - atHalf.frames) / (used - atHalf.used)),
    nsPerFrame: Math.round((used * 1e9) / report.wireFrames),
    eventsPerFrame: Number((report.events / report.wireFrames).toFixed(2)),
    peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024),
    leaks: report.leaks,
  });
}

const inChild = (index, bytes) =>
  new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), ['--case', String(index), String(bytes)]);
    child.on('message', resolve);
    child.on('exit', (code) => code !== 0 && reject(new Error(`the case ended with ${code}`)));
  });

const [flag, ...rest] = process.argv.slice(2);
if (flag === '--case') await measure(Number(rest[0]), Number(rest[1]));
else {
  const bytes = Number(flag ?? 1000) * 1e6;
  for (const index of CASES.keys()) console.log(JSON.stringify(await inChild(index, bytes)));
}
