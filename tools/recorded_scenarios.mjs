/**
 * The scenarios that were recorded on a real Linux, run here in four ways: both hosts ours; only A ours, with B's packets from the recording; only B ours, with
 * A's; and one of them ours with the recorded host's own times, too (replay/recorded_calls.ts). `library` holds the project's own functions, from the sources (tests) or from dist (tools/fidelity_table.mjs).
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

export const FOLDER = 'test/fixtures/linux/scenarios';
/** Power-on to the start of the programs. */
const START_NS = 1_000_000_000;

/** `reasons` says why a kind of difference may be left out; `scenarios` what is expected of each. */
export const readExpectations = () => JSON.parse(readFileSync(join(FOLDER, 'expected.json'), 'utf8'));

/** Everything that can be said of one scenario; see recorded_scenarios.d.mts. */
export function evaluate(library, name, expectation, directory) {
  const { recording, ours, tolerance, ignore } = expectation;
  const toleranceNs = library.parseDuration(tolerance);
  const file = join(FOLDER, name, 'topology.yaml');
  const topology = library.loadTopology(file, readFileSync(file, 'utf8'));
  const recorded = join(FOLDER, name, recording);
  const wire = join(FOLDER, name, 'wire.pcap.gz');
  const folder = (part) => {
    const path = join(directory, name, part);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const compare = (one, other, ignored) =>
    library.compareCaptures(() => library.openCapture(one), () => library.openCapture(other), { toleranceNs, ignore: ignored }); // biome-ignore format: short
  const whole = folder('both');
  const report = library.runTopology(topology, { directory: whole, trace: 'none' });
  const captures = [join(whole, ours), recorded];
  const first = library.openCapture(join(whole, 'wire.wire.pcapng')).next();
  const startNs = Number(first.timeNs - library.DEFAULT_START_EPOCH_NS) - START_NS;
  /** `host` against the recorded `peer`; what it sent is compared where the recording was made. */
  const against = (host, peer, seen, theirs, calls) => {
    const path = folder(calls === undefined ? host : `${host}-timed`);
    const as = topology.hosts[peer].interfaces.eth0.address[0].address;
    const side = library.runOneSide(
      topology,
      library.openCapture(wire),
      { to: `${host}.eth0`, as, startNs, ...(calls === undefined ? {} : { calls }) },
      { directory: path, trace: 'none' },
    );
    const result = { captures: [join(path, seen), theirs], leaked: side.report.leaked };
    return { ...result, comparison: compare(...result.captures, []) };
  };
  const wanted = expectation.reached;
  /** The same with the times at which the recorded host took in frames and read, from its trace. */
  const timed = (host, ...rest) =>
    against(host, ...rest, new library.RecordedCalls(gunzipSync(readFileSync(join(FOLDER, name, `${host}.trace.gz`))).toString()));
  return {
    leaked: report.leaked,
    captures,
    all: compare(...captures, []),
    explained: compare(...captures, ignore),
    sender: wanted.sender === undefined ? null : against('A', 'B', ours, recorded),
    receiver: wanted.receiver === undefined ? null : against('B', 'A', 'wire.wire.pcapng', wire),
    senderTimed: wanted.senderTimed === undefined ? null : timed('A', 'B', ours, recorded),
    receiverTimed: wanted.receiverTimed === undefined ? null : timed('B', 'A', 'wire.wire.pcapng', wire),
  };
}
