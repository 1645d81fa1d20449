/** A whole run: boot, set-up, programs, the end, and the report. */

import { join } from 'node:path';
import type { Sleeping } from '../kernel/include/linux/sched.ts';
import { TCP_TIME_WAIT } from '../kernel/uapi/tcp.ts';
import { CaptureSession } from '../observe/capture/capture_session.ts';
import { tryAll } from '../observe/files/at_exit.ts';
import { ProgramLog } from '../observe/report/program_log.ts';
import { kernelVersion, type ReportedHost, type RunReport, reportDrops, reportHost } from '../observe/report/run_report.ts';
import { writeKernelLog, writeReport } from '../observe/report/write_report.ts';
import { selectEvents } from '../observe/trace/event_selection.ts';
import type { TraceFormat } from '../observe/trace/trace_formats.ts';
import { TRUTH_FILE, TruthLog } from '../observe/truth.ts';
import { NSEC_PER_MSEC, NSEC_PER_SEC } from '../sim/time.ts';
import { linesTo } from '../user/socket_script/log.ts';
import { type Process, type Program, startProgram } from '../user/sys.ts';
import { type CaptureOptions, formatCaptures } from './capture_files.ts';
import { attachCaptures } from './captures.ts';
import { planFaults } from './faults.ts';
import type { Host } from './host.ts';
import type { Topology } from './load.ts';
import { Network, START_NS } from './network.ts';
import { attachProbe } from './probes.ts';
import { commandProgram, type LoadedPrograms, type NamedProgram, programOf } from './programs.ts';
import type { ProgramSpec } from './schema.ts';
import { TopologyError } from './topology_error.ts';
import { attachTrace } from './traces.ts';
import { attachViews, parseView, type ViewListener } from './views.ts';

export interface RunOptions {
  /** Where the files go. */
  readonly directory: string;
  /** `--capture-format`, `--merge`. */
  readonly captures?: CaptureOptions;
  /** `--trace`: see observe/trace/event_selection.ts. */
  readonly trace: string;
  /** `--trace-format`: text unless told otherwise. */
  readonly traceFormats?: readonly TraceFormat[];
  /** End of the run in virtual ns after the start of the programs; by default when all is done, after 10 minutes at the latest. */
  readonly untilNs?: number;
  readonly programs?: LoadedPrograms;
  readonly onProgress?: (virtualNs: number, frames: number) => void;
  /** What programs print, line by line. */
  readonly onOutput?: (host: string, line: string) => void;
  /** Views of hosts at instants, each as `--at` has it, and who is shown them. */
  readonly views?: readonly string[];
  readonly onView?: ViewListener;
  /** Leave truth.jsonl: what each frame really was (observe/truth.ts). */
  readonly truth?: boolean;
}

const LONGEST_RUN_NS = 600 * NSEC_PER_SEC;
/** How often the end of the run is looked for. */
const SLICE_NS = NSEC_PER_MSEC;
/** After the last frame: for completions and moderated interrupts that are still to come. */
const SETTLE_NS = 5 * NSEC_PER_MSEC;
/** A frame that has not arrived after this never will. */
const LONGEST_WAY_NS = 60 * NSEC_PER_SEC;
const APPLICATION = 'truewire';
/** Of a set-up command that failed, so many lines of what it printed are shown. */
const SAID_LINES = 3;

/** A program of the topology and what became of it. */
interface Started {
  readonly host: string;
  readonly named: NamedProgram;
  readonly log: ProgramLog;
  process: Process | null;
}

/** Somebody who takes part in a run beside the topology's own programs: a replay. */
export interface Guest {
  /** The interface whose wire it takes; null for none. */
  readonly unplugged: string | null;
  /** Called when the hosts have booted. */
  start(network: Network): void;
  /** It has nothing more to do. */
  readonly done: boolean;
}

/** A run as a whole. The process does nothing else meanwhile, not even what signals ask for. */
export function runTopology(topology: Topology, options: RunOptions, guest: Guest | null = null): RunReport {
  const slices = runInSlices(topology, options, guest);
  for (;;) {
    const { done, value } = slices.next();
    if (done === true) return value;
  }
}

/** The same in slices of virtual time, for who has something else to do between them. */
export function* runInSlices(topology: Topology, options: RunOptions, guest: Guest | null = null): Generator<undefined, RunReport> {
  // Mistakes in scripts, commands, files of captures and the selection of events are found before anything is written.
  selectEvents(options.trace);
  const captures = formatCaptures(topology, options.captures ?? {});
  const planned = planPrograms(topology, options);
  const views = (options.views ?? []).map((text) => parseView(text, Object.keys(topology.hosts)));
  const network = new Network(topology, guest?.unplugged ?? null);
  guest?.start(network);
  for (const host of network.hosts) configure(network, host);
  network.simulation.run(START_NS);
  checkSetup(network);
  for (const host of network.hosts) host.endSetup();
  const session = new CaptureSession(options.directory, APPLICATION, network.names(), network.simulation);
  const finishCaptures = attachCaptures(network, session, captures);
  const trace = attachTrace(network, options.directory, options.trace, options.traceFormats);
  for (const host of network.hosts) for (const probe of host.spec.probes ?? []) attachProbe(host, probe);
  const showLeftViews = attachViews(network, views, options.onView ?? (() => undefined));
  const truth = options.truth === true ? truthOf(network, options.directory) : null;
  const started = startPrograms(network, topology, planned);
  planFaults(network);
  yield* runToTheEnd(network, started, options, guest);
  showLeftViews();
  finishCaptures();
  truth?.close();
  const end = network.simulation.now;
  const frames = network.wireFrames;
  const reported = network.hosts.map(reportable);
  const report = describe(network, reported, started, end, frames);
  report.captures = session.close(end);
  trace?.close();
  // What hosts say as they are taken down belongs to no run.
  for (const { name, kernel } of network.hosts) writeKernelLog(options.directory, name, kernel.log);
  const leaked = network.hosts.flatMap((host) => host.shutDown());
  letFramesArrive(network);
  if (network.frames.live > 0) leaked.push(`${network.frames.live} frames`);
  report.leaked = leaked;
  report.leaks = leaked.length;
  const closings = started.map(
    ({ log }) =>
      (): void =>
        log.close(),
  );
  tryAll(closings);
  writeReport(options.directory, report);
  return report;
}

const truthOf = ({ cables, hosts }: Network, directory: string): TruthLog =>
  new TruthLog(join(directory, TRUTH_FILE), cables, hosts.map(({ kernel }) => kernel)); // biome-ignore format: short

/** Frames that are on long wires when a run is cut off are no leak: they get the time to arrive. */
function letFramesArrive({ simulation, frames }: Network): void {
  const latest = simulation.now + LONGEST_WAY_NS;
  do simulation.run(simulation.now + SETTLE_NS);
  while (frames.live > 0 && simulation.now < latest);
}

function planPrograms(topology: Topology, options: RunOptions): Map<string, Started[]> {
  return new Map(
    Object.entries(topology.hosts).map(([host, spec]) => [
      host,
      (spec.run ?? []).map((run, index) => planned(topology, options, host, run, index)),
    ]),
  );
}

function planned(
  topology: Topology,
  { directory, onOutput, programs }: RunOptions,
  host: string,
  spec: ProgramSpec,
  index: number,
): Started {
  const log = new ProgramLog(() => join(directory, `${host}.${started.process?.task.pid}.log`));
  const tell = (line: string): void => {
    log.line(line);
    onOutput?.(host, line);
  };
  const named = programOf(
    spec,
    topology.place('hosts', host, 'run', index, wayOf(spec)),
    onOutput === undefined ? log : linesTo(tell),
    programs ?? new Map(),
  );
  const started: Started = { host, named, log, process: null };
  return started;
}

/** The key that says what is run. */
const wayOf = ({ script, command }: ProgramSpec): string =>
  script !== undefined ? 'script' : command !== undefined ? 'command' : 'program';

/** The commands that bring a host's interfaces up, then those of its `setup:`, run one after the other by a task of that host at power-on. */
function configure(network: Network, host: Host): void {
  const { place } = network.topology;
  const interfaces = ['ip link set lo up', ...host.nics.flatMap(({ name, spec }) => interfaceCommands(name, spec))];
  const programs = [
    ...interfaces.map((line) => setupProgram(line, place('hosts', host.name, 'interfaces'))),
    ...(host.spec.setup ?? []).map((line, index) => setupProgram(line, place('hosts', host.name, 'setup', index))),
  ];
  host.onCpu(() =>
    startProgram(
      function* init(sys) {
        for (const program of programs) yield* program(sys);
        return 0;
      },
      'sh',
      0,
    ),
  );
}

/** A command that must succeed: its failure ends the run, with its place, its status and what it had to say. */
function setupProgram(line: string, place: string): Program {
  const printed: string[] = [];
  const program = commandProgram(line, place, (text) => printed.push(text));
  return function* setup(sys): Sleeping<number> {
    const status = yield* program(sys);
    if (status === 0) return 0;
    const said = printed.length === 0 ? 'and said nothing' : `saying ${JSON.stringify(printed.slice(-SAID_LINES).join('; '))}`;
    throw new TopologyError([
      `${place}: set-up command ${JSON.stringify(line)} ended with status ${status} ${said}, expected 0 (allow failure with: … || true)`,
    ]);
  };
}

function interfaceCommands(name: string, spec: Host['nics'][number]['spec']): string[] {
  const lines: string[] = [];
  if (spec.queues !== undefined) lines.push(`ethtool -L ${name} combined ${spec.queues}`);
  if (spec.rx_ring !== undefined) lines.push(`ethtool -G ${name} rx ${spec.rx_ring}`);
  if (spec.tx_ring !== undefined) lines.push(`ethtool -G ${name} tx ${spec.tx_ring}`);
  if (spec.mtu !== undefined) lines.push(`ip link set ${name} mtu ${spec.mtu}`);
  for (const { text } of spec.address ?? []) lines.push(`ip address add ${text} brd + dev ${name}`);
  lines.push(`ip link set ${name} up`);
  return lines;
}

/** Set-up must be over when the programs start. */
function checkSetup(network: Network): void {
  for (const host of network.hosts) {
    if (host.kernel.tasks.length > 0) host.kernel.printk('set-up commands were still running when the programs started');
  }
}

/** Returns all programs, those that start later included. */
function startPrograms(network: Network, topology: Topology, planned: ReadonlyMap<string, Started[]>): Started[] {
  return network.hosts.flatMap((host) => {
    const programs = planned.get(host.name) ?? [];
    for (const [index, started] of programs.entries()) {
      const spec = topology.hosts[host.name]!.run![index]!;
      const { program, name, title } = started.named;
      const cpu = (spec.cpu ?? index) % host.machine.cpus.length;
      network.simulation.once(START_NS + (spec.at ?? 0), `${host.name} ${title}`, () => {
        started.process = host.machine.cpus[cpu]!.runOn(() => startProgram(program, name, cpu));
      });
    }
    return programs;
  });
}

function* runToTheEnd(network: Network, started: readonly Started[], options: RunOptions, guest: Guest | null): Generator<undefined, void> {
  const { simulation } = network;
  const deadline = START_NS + (options.untilNs ?? network.topology.until ?? LONGEST_RUN_NS);
  const fixed = options.untilNs !== undefined || network.topology.until !== undefined;
  while (simulation.now < deadline) {
    simulation.run(Math.min(simulation.now + SLICE_NS, deadline));
    options.onProgress?.(simulation.now, network.wireFrames);
    yield;
    if (!fixed && (guest?.done ?? started.every(({ process }) => process !== null && !process.running)) && quiet(network)) break;
  }
  simulation.run(Math.min(simulation.now + SETTLE_NS, Math.max(deadline, simulation.now)));
}

/** Nothing is under way any more: no frame on a wire, no connection but in TIME_WAIT. */
function quiet({ cables, hosts }: Network): boolean {
  if (cables.some((cable) => cable.ends.some((end) => end.inFlight > 0))) return false;
  return hosts.every(({ kernel }) => {
    for (const chain of kernel.init_net.tcp_hashinfo.ehash) {
      for (let sk = chain; sk !== null; sk = sk.skc_next) if (sk.skc_state !== TCP_TIME_WAIT) return false;
    }
    return true;
  });
}

const reportable = (host: Host): ReportedHost => ({
  name: host.name,
  kernel: host.kernel,
  driverStats: (dev) => host.driverStats(dev),
  deviceStats: (dev) => host.deviceStats(dev),
  cardDrops: host.cardDrops(),
});

function describe(
  network: Network,
  hosts: readonly ReportedHost[],
  started: readonly Started[],
  end: number,
  wireFrames: number,
): RunReport {
  for (const host of network.hosts) host.account();
  return {
    name: network.topology.name,
    seed: network.simulation.seed,
    kernel: kernelVersion,
    simulatedNs: end - START_NS,
    events: network.simulation.events,
    wireFrames,
    hosts: Object.fromEntries(hosts.map((host) => [host.name, reportHost(host)])),
    wires: Object.fromEntries(
      network.cables.map((cable) => [
        cable.options.name,
        Object.fromEntries(cable.ends.map((wireEnd) => [wireEnd.name, { ...wireEnd.counters }])),
      ]),
    ),
    drops: reportDrops(hosts, network.cables),
    captures: [],
    programs: started.map(({ host, named, process }) => ({
      host,
      pid: process?.task.pid ?? 0,
      command: named.title,
      status: process === null || process.running ? null : process.status,
    })),
    leaks: 0,
    leaked: [],
  };
}
