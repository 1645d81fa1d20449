/** Plans a topology's faults: at their instants things go wrong with cards, hosts and cables. `at:` counts from the start of the programs. */
import { type DeviceFault, faultDefaults } from '../machine/fault.ts';
import type { Cable } from '../wire/cable.ts';
import type { Host } from './host.ts';
import { type Network, START_NS } from './network.ts';
import type { HostFaultSpec, WireFaultSpec } from './schema.ts';

export function planFaults(network: Network): void {
  for (const host of network.hosts) for (const spec of host.spec.faults ?? []) planHostFault(network, host, spec);
  for (const wire of network.topology.wires ?? []) {
    const [first] = wire.between;
    const cable = network.cables.find(({ ends }) => ends.some((end) => end.name === first));
    if (cable !== undefined) for (const spec of wire.faults ?? []) planWireFault(network, cable, spec);
  }
}

function planHostFault({ simulation }: Network, host: Host, spec: HostFaultSpec): void {
  const start = START_NS + spec.at;
  const name = `${host.name} fault: ${spec.fault}`;
  if (spec.fault === 'no-memory') {
    simulation.once(start, name, () => {
      host.kernel.pages.failing = true;
    });
    simulation.once(start + (spec.for ?? faultDefaults.durationNs), name, () => {
      host.kernel.pages.failing = false;
    });
    return;
  }
  const nic = host.nics.find((candidate) => candidate.name === spec.on) ?? host.nics[0]!;
  const slot = host.machine.slots.find(({ device }) => device === nic.device)!;
  const fault = deviceFault(spec, spec.fault);
  simulation.once(start, name, () => slot.inject(fault));
}

function deviceFault(spec: HostFaultSpec, kind: DeviceFault['kind']): DeviceFault {
  return {
    kind,
    queue: spec.queue ?? faultDefaults.queue,
    direction: spec.direction ?? faultDefaults.direction,
    durationNs: spec.for ?? faultDefaults.durationNs,
    frames: spec.frames ?? faultDefaults.frames,
    factor: spec.factor ?? faultDefaults.factor,
  };
}

function planWireFault({ simulation }: Network, cable: Cable, spec: WireFaultSpec): void {
  const start = START_NS + spec.at;
  const name = `${cable.options.name} fault: ${spec.fault}`;
  if (spec.fault === 'link-down') {
    simulation.once(start, name, () => cable.setLink(false));
    simulation.once(start + (spec.for ?? faultDefaults.durationNs), name, () => cable.setLink(true));
    return;
  }
  const damaged = cable.ends.filter(({ name: end }) => spec.from === undefined || end === spec.from || end.split('.', 1)[0] === spec.from);
  simulation.once(start, name, () => {
    for (const end of damaged) end.damage(spec.frames ?? faultDefaults.frames);
  });
}
