/** Puts a topology's capture points where they belong: on wires, at NICs, at the packet taps. */
import { this_cpu } from '../machine/cpu.ts';
import type { CaptureSession } from '../observe/capture/capture_session.ts';
import { NicCapture } from '../observe/capture/nic_capture.ts';
import { SkbCapture } from '../observe/capture/skb_capture.ts';
import { WireCapture } from '../observe/capture/wire_capture.ts';
import type { Cable } from '../wire/cable.ts';
import type { Host, Nic } from './host.ts';
import type { Network } from './network.ts';
import type { CaptureSpec } from './schema.ts';

const WHOLE_PACKET = 262144;

/** Opens the capture points; returns what must be called before the session is closed. */
export function attachCaptures(network: Network, session: CaptureSession): () => void {
  const finishers: (() => void)[] = [];
  for (const spec of network.topology.capture ?? []) {
    if (spec.point === 'wire') for (const cable of cablesOf(network, spec)) captureWire(session, cable, spec);
    else for (const [host, nic] of nicsOf(network, spec)) captureAtHost(session, host, nic, spec, finishers);
  }
  return () => {
    for (const finish of finishers) finish();
  };
}

const cablesOf = ({ cables }: Network, { on }: CaptureSpec): readonly Cable[] =>
  on === undefined ? cables : cables.filter((cable) => cable.options.name === on || cable.ends.some((end) => end.name === on));

const nicsOf = ({ hosts }: Network, { on }: CaptureSpec): [Host, Nic][] =>
  hosts
    .flatMap((host) => host.nics.map((nic): [Host, Nic] => [host, nic]))
    .filter(([host, nic]) => on === undefined || on === `${host.name}.${nic.name}`);

function captureWire(session: CaptureSession, cable: Cable, spec: CaptureSpec): void {
  const { name, rateBps, delayNs } = cable.options;
  const [first, second] = cable.ends;
  const point = session.open(
    {
      file: spec.file ?? `${name}.wire.pcapng`,
      point: 'wire',
      name,
      description: `cable between ${first.name} and ${second.name}, ${delayNs} ns each way; outbound is what ${first.name} sends`,
      speedBps: rateBps,
      snapLen: spec.snaplen ?? WHOLE_PACKET,
    },
    cable.simulation.now,
  );
  new WireCapture(cable, point, spec.snaplen ?? WHOLE_PACKET);
}

function captureAtHost(session: CaptureSession, host: Host, nic: Nic, spec: CaptureSpec, finishers: (() => void)[]): void {
  const what =
    spec.point === 'nic' ? 'as the NIC puts frames on the wire and takes them off it' : 'where tcpdump sees packets: before TSO, after GRO';
  const snapLen = spec.snaplen ?? WHOLE_PACKET;
  const point = session.open(
    {
      file: spec.file ?? `${host.name}.${nic.name}.${spec.point}.pcapng`,
      point: spec.point,
      name: nic.name,
      description: `${host.name} ${nic.name}, ${what}`,
      mac: nic.device.options.mac,
      ipv4: (nic.spec.address ?? []).map(({ address, prefix }) => ({ address, prefixLength: prefix })),
      speedBps: nic.device.rateBps,
      snapLen,
    },
    host.machine.simulation.now,
  );
  if (spec.point === 'tcpdump') new SkbCapture(host.device(nic.name), point, snapLen, () => this_cpu.clock);
  else {
    const capture = new NicCapture(nic.device.observers, point, snapLen);
    finishers.push(() => capture.finish());
  }
}
