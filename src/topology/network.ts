/** A topology come alive: hosts, cables between them, one clock. */
import { SharedProcessor } from '../machine/cpu.ts';
import { InvariantError } from '../sim/invariant.ts';
import { Simulation } from '../sim/simulation.ts';
import { NSEC_PER_SEC } from '../sim/time.ts';
import { Cable } from '../wire/cable.ts';
import { FramePool } from '../wire/frame.ts';
import type { Impairment } from '../wire/impairment.ts';
import type { Port } from '../wire/port.ts';
import { Host, type Nic } from './host.ts';
import type { Topology } from './load.ts';
import type { ImpairmentSpec, WireSpec } from './schema.ts';

/**
 * When the programs start. Before that the hosts boot: drivers probe, links come up, the set-up commands run, as on any clock that begins at power-on.
 * `at:` in a topology counts from here.
 */
export const START_NS = NSEC_PER_SEC;

const DEFAULT_RATE_BPS = 1e9;

export class Network {
  readonly topology: Topology;
  readonly simulation: Simulation;
  readonly frames: FramePool;
  readonly hosts: readonly Host[];
  readonly cables: Cable[];

  /** `unplugged` names an interface whose wire is left out: somebody else takes its place. */
  constructor(topology: Topology, unplugged: string | null = null) {
    this.topology = topology;
    this.simulation = new Simulation(topology.seed ?? 1);
    this.frames = new FramePool(this.simulation.bytes);
    this.hosts = Object.entries(topology.hosts).map(([name, spec], index) => new Host(this.simulation, this.frames, name, index, spec));
    this.cables = (topology.wires ?? []).filter((wire) => !wire.between.includes(unplugged ?? '')).map((wire) => this.#connect(wire));
    this.#shareProcessors();
    for (const host of this.hosts) host.boot();
  }

  host(name: string): Host {
    const host = this.hosts.find((candidate) => candidate.name === name);
    if (host === undefined) throw new InvariantError(`no host ${name}`);
    return host;
  }

  /** The card that a topology calls `host.interface`. */
  nic(end: string): Nic {
    const [hostName = '', ...rest] = end.split('.');
    const nic = this.host(hostName).nics.find(({ name }) => name === rest.join('.'));
    if (nic === undefined) throw new InvariantError(`no interface ${end}`);
    return nic;
  }

  /** Names of all addresses, for captures. */
  names(): { address: number; name: string }[] {
    return this.hosts.flatMap((host) =>
      host.nics.flatMap(({ spec }) => (spec.address ?? []).map(({ address }) => ({ address, name: host.name }))),
    );
  }

  get wireFrames(): number {
    return this.cables.reduce((sum, cable) => sum + cable.ends[0].counters.frames + cable.ends[1].counters.frames, 0);
  }

  /** A cable from an interface to a port that is no host's. */
  attach(end: string, port: Port, name: string, rateBps = DEFAULT_RATE_BPS, delayNs = 0): Cable {
    const { device } = this.nic(end);
    const cable = new Cable(this.simulation, this.frames, { name, rateBps, delayNs }, [end, port.name]);
    device.connect(cable.ends[0]);
    cable.plug(device, port);
    this.cables.push(cable);
    return cable;
  }

  /** A port in the place of what the topology has at the other end of an interface's wire: of the same rate, with the faults of that end. */
  attachInstead(end: string, port: Port): Cable {
    const wire = this.topology.wires?.find(({ between }) => between.includes(end));
    const other = wire?.between.find((name) => name !== end);
    const options = { name: wire?.name ?? `${end}-${port.name}`, rateBps: wire?.rate ?? DEFAULT_RATE_BPS, delayNs: 0 };
    const impairments = [null, wire === undefined || other === undefined ? null : impairmentOf(wire, other)] as const;
    const cable = new Cable(this.simulation, this.frames, options, [end, port.name], impairments);
    const { device } = this.nic(end);
    device.connect(cable.ends[0]);
    cable.plug(device, port);
    this.cables.push(cable);
    return cable;
  }

  #shareProcessors(): void {
    const processors = new Map<string, SharedProcessor>();
    for (const { spec, machine } of this.hosts) {
      const name = spec.cpu === 'zero' ? undefined : spec.cpu?.shared;
      if (name === undefined) continue;
      const processor = processors.get(name) ?? new SharedProcessor();
      processors.set(name, processor);
      for (const cpu of machine.cpus) processor.add(cpu);
    }
  }

  #connect(wire: WireSpec): Cable {
    const [first, second] = wire.between;
    const options = { name: wire.name ?? `${first}-${second}`, rateBps: wire.rate ?? DEFAULT_RATE_BPS, delayNs: wire.delay ?? 0 };
    const impairments = [impairmentOf(wire, first), impairmentOf(wire, second)] as const;
    const cable = new Cable(this.simulation, this.frames, options, [first, second], impairments);
    const ports = [this.nic(first).device, this.nic(second).device] as const;
    ports[0].connect(cable.ends[0]);
    ports[1].connect(cable.ends[1]);
    cable.plug(ports[0], ports[1]);
    return cable;
  }
}

/** What one end's frames suffer: named by host or by interface. */
function impairmentOf(wire: WireSpec, end: string): Impairment | null {
  const spec = wire.impair?.[end] ?? wire.impair?.[end.split('.', 1)[0]!];
  return spec === undefined ? null : impairment(spec);
}

function impairment(spec: ImpairmentSpec): Impairment {
  const { reorder_by, ...same } = spec;
  const rules = Object.fromEntries(Object.entries(same).filter(([, value]) => value !== undefined)) as Impairment;
  return reorder_by === undefined ? rules : { ...rules, reorderBy: reorder_by };
}
