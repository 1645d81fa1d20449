/**
 * One host of a topology against the recording of the other: the topology's other hosts run nothing, a Counterpart plays them from the capture. What the host
 * then sends is comparable with the recording packet by packet.
 */
import type { CaptureReader } from '../observe/files/captured_packet.ts';
import type { RunReport } from '../observe/report/run_report.ts';
import type { Topology } from '../topology/load.ts';
import { type RunOptions, runTopology } from '../topology/run.ts';
import type { HostSpec } from '../topology/schema.ts';
import { Counterpart, type CounterpartOptions } from './counterpart.ts';

export interface OneSide {
  readonly report: RunReport;
  readonly counterpart: Counterpart;
}

/** Runs the host of `replay.to` alone. */
export function runOneSide(topology: Topology, recording: CaptureReader, replay: CounterpartOptions, options: RunOptions): OneSide {
  const [host = ''] = replay.to.split('.', 1);
  const counterpart = new Counterpart(recording, replay);
  const alone = aloneOf(topology, host);
  return { report: runTopology(replay.calls === undefined ? alone : withoutOwnTimes(alone, host), options, counterpart), counterpart };
}

function aloneOf(topology: Topology, host: string): Topology {
  const silent = ({ run: _run, setup: _setup, ...rest }: HostSpec): HostSpec => rest;
  const hosts = Object.entries(topology.hosts).map(([name, spec]) => [name, name === host ? spec : silent(spec)]);
  return { ...topology, hosts: Object.fromEntries(hosts) as Topology['hosts'] };
}

const MERGE_NS = 8000;

/** With recorded times nothing takes time by itself: neither `host`'s CPU nor the moderation of its interrupts. */
export function withoutOwnTimes(topology: Topology, host: string): Topology {
  const { probes: _probes, ...rest } = topology.hosts[host]!;
  const setup = Object.keys(rest.interfaces ?? {}).flatMap((name) => [
    `ethtool -C ${name} rx-usecs 0`,
    // What one recorded poll merged comes at one time; it is merged until nothing more comes.
    `echo 1 | tee /sys/class/net/${name}/napi_defer_hard_irqs`,
    `echo ${MERGE_NS} | tee /sys/class/net/${name}/gro_flush_timeout`,
  ]);
  return { ...topology, hosts: { ...topology.hosts, [host]: { ...rest, cpu: 'zero', setup: [...(rest.setup ?? []), ...setup] } } };
}
