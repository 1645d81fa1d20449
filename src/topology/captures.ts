/** Puts a topology's capture points where they belong: on wires, at NICs, at the packet taps. */
import type { net_device } from '../kernel/include/linux/netdevice.ts';
import { this_cpu } from '../machine/cpu.ts';
import type { CapturePoint, CaptureSession } from '../observe/capture/capture_session.ts';
import { NicCapture } from '../observe/capture/nic_capture.ts';
import { SkbCapture } from '../observe/capture/skb_capture.ts';
import { WireCapture } from '../observe/capture/wire_capture.ts';
import type { Cable } from '../wire/cable.ts';
import type { Host, Nic } from './host.ts';
import type { Network } from './network.ts';
import type { CaptureSpec } from './schema.ts';

const WHOLE_PACKET = 262144;
const LOOPBACK = 'lo';

/** Opens the capture points; returns what must be called before the session is closed. */
export function attachCaptures(network: Network, session: CaptureSession): () => void {
  const finishers: (() => void)[] = [];
  for (const spec of network.topology.capture ?? []) {
    if (spec.point === 'wire') for (const cable of cablesOf(network, spec)) captureWire(session, cable, spec, finishers);
    else if (spec.point === 'tcpdump')
      for (const [host, dev] of devicesOf(network, spec)) captureAtTaps(session, host, dev, spec, finishers);
    else for (const [host, nic] of nicsOf(network, spec)) captureAtNic(session, host, nic, spec, finishers);
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

function captureWire(session: CaptureSession, cable: Cable, spec: CaptureSpec, finishers: (() => void)[]): void {
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
  watched(cable.observers, finishers, () => new WireCapture(cable, point, spec.snaplen ?? WHOLE_PACKET));
}

/** Lets `attach` add its listener to a list, and takes it off again at the end: what the shutdown sends after that belongs to no file. */
function watched<T>(listeners: T[], finishers: (() => void)[], attach: () => void): void {
  const before = listeners.length;
  attach();
  const added = listeners.slice(before);
  finishers.push(() => {
    for (const listener of added) listeners.splice(listeners.indexOf(listener), 1);
  });
}

/** Network devices of the kernels: those with a card behind them, and loopback where it is asked for by name. */
function devicesOf(network: Network, spec: CaptureSpec): [Host, net_device][] {
  const loopbacks = network.hosts.filter((host) => spec.on === `${host.name}.${LOOPBACK}`);
  return [
    ...nicsOf(network, spec).map(([host, nic]): [Host, net_device] => [host, host.device(nic.name)]),
    ...loopbacks.map((host): [Host, net_device] => [host, host.device(LOOPBACK)]),
  ];
}

function captureAtTaps(session: CaptureSession, host: Host, dev: net_device, spec: CaptureSpec, finishers: (() => void)[]): void {
  const nic = host.nics.find(({ name }) => name === dev.name);
  const description = `${host.name} ${dev.name}, where tcpdump sees packets: before TSO, after GRO`;
  const point = openAtHost(session, host, dev.name, nic, spec, description);
  watched(dev.taps, finishers, () => new SkbCapture(dev, point, spec.snaplen ?? WHOLE_PACKET, () => this_cpu.clock));
}

function captureAtNic(session: CaptureSession, host: Host, nic: Nic, spec: CaptureSpec, finishers: (() => void)[]): void {
  const description = `${host.name} ${nic.name}, as the NIC puts frames on the wire and takes them off it`;
  const point = openAtHost(session, host, nic.name, nic, spec, description);
  watched(nic.device.observers, finishers, () => {
    const capture = new NicCapture(nic.device.observers, point, spec.snaplen ?? WHOLE_PACKET);
    finishers.push(() => capture.finish());
  });
}

function openAtHost(
  session: CaptureSession,
  host: Host,
  name: string,
  nic: Nic | undefined,
  spec: CaptureSpec,
  description: string,
): CapturePoint {
  const file = spec.file ?? `${host.name}.${name}.${spec.point}.pcapng`;
  const ipv4 = (nic?.spec.address ?? []).map(({ address, prefix }) => ({ address, prefixLength: prefix }));
  const common = { file, point: spec.point, name, description, ipv4, snapLen: spec.snaplen ?? WHOLE_PACKET };
  const hardware = nic === undefined ? {} : { mac: nic.device.options.mac, speedBps: nic.device.rateBps };
  return session.open({ ...common, ...hardware }, host.machine.simulation.now);
}
