/** Puts a topology's capture points where they belong: on wires, at NICs, at the packet taps. */
import type { net_device } from '../kernel/include/linux/netdevice.ts';
import { extensionOf } from '../observe/capture/capture_format.ts';
import type { CapturePoint, CaptureSession, PointDescription } from '../observe/capture/capture_session.ts';
import { compileFilter } from '../observe/capture/filter/filter_parse.ts';
import { NicCapture } from '../observe/capture/nic_capture.ts';
import type { GateOptions } from '../observe/capture/packet_gate.ts';
import { SkbCapture, type SkbPoint } from '../observe/capture/skb_capture.ts';
import { LINKTYPE_EXPORTED_PDU, SocketCapture } from '../observe/capture/socket_capture.ts';
import { WireCapture } from '../observe/capture/wire_capture.ts';
import { CABLE_HARDWARE, NIC_HARDWARE } from '../observe/identity.ts';
import type { Cable } from '../wire/cable.ts';
import type { FormattedCapture } from './capture_files.ts';
import type { Host, Nic } from './host.ts';
import type { Network } from './network.ts';
import type { CaptureSpec } from './schema.ts';

const WHOLE_PACKET = 262144;
const LOOPBACK = 'lo';
const LINKTYPE_IPV4 = 228;

/** Opens the capture points; returns what must be called before the session is closed. */
export function attachCaptures(network: Network, session: CaptureSession, captures: readonly FormattedCapture[]): () => void {
  const finishers: (() => void)[] = [];
  for (const spec of captures) {
    if (spec.point === 'wire') for (const cable of cablesOf(network, spec)) captureWire(session, cable, spec, finishers);
    else if (spec.point === 'socket') for (const host of hostsOf(network, spec)) captureAtSockets(session, host, spec, finishers);
    else if (spec.point !== 'nic')
      for (const [host, dev] of devicesOf(network, spec)) captureInKernel(session, host, dev, spec.point, spec, finishers);
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

function captureWire(session: CaptureSession, cable: Cable, spec: FormattedCapture, finishers: (() => void)[]): void {
  const { name, rateBps, delayNs } = cable.options;
  const [first, second] = cable.ends;
  const point = session.open(
    {
      file: spec.file ?? `${name}.wire.${extensionOf(spec.format)}`,
      point: 'wire',
      name,
      description: `cable between ${first.name} and ${second.name}, ${delayNs} ns each way; outbound is what ${first.name} sends`,
      speedBps: rateBps,
      hardware: CABLE_HARDWARE,
      // Told of on arrival, stamped with the departure.
      latenessNs: delayNs,
      ...fileOptions(spec),
    },
    cable.simulation.now,
  );
  watched(cable.observers, finishers, () => new WireCapture(cable, point, gateOf(spec)));
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

const SKB_POINTS: Readonly<Record<SkbPoint, string>> = {
  tcpdump: 'where tcpdump sees packets: before TSO, after GRO',
  gro: 'frames as they enter GRO',
  qdisc: 'packets as they are given to the queueing discipline',
  ip: 'packets as IP takes them from below and gives them to what is below',
};

function captureInKernel(
  session: CaptureSession,
  host: Host,
  dev: net_device,
  point: SkbPoint,
  spec: FormattedCapture,
  finishers: (() => void)[],
): void {
  const nic = host.nics.find(({ name }) => name === dev.name);
  const state = spec.tcp_state === true ? '; with the state of TCP (times in µs, windows in bytes)' : '';
  const description = `${host.name} ${dev.name}, ${SKB_POINTS[point]}${state}`;
  const opened = openAtHost(session, host, dev.name, nic, spec, description, point === 'ip' ? LINKTYPE_IPV4 : undefined);
  const capture = new SkbCapture(dev, opened, { ...gateOf(spec), point, tcpState: spec.tcp_state === true });
  finishers.push(capture.detach);
}

const hostsOf = ({ hosts }: Network, { on }: CaptureSpec): Host[] =>
  hosts.filter(({ name }) => on === undefined || on === name || on.startsWith(`${name}.`));

function captureAtSockets(session: CaptureSession, host: Host, spec: FormattedCapture, finishers: (() => void)[]): void {
  const description = `${host.name}, data as it passes between programs and their sockets`;
  const point = openAtHost(session, host, 'sockets', undefined, spec, description, LINKTYPE_EXPORTED_PDU);
  finishers.push(new SocketCapture(host.kernel, point, spec.snaplen ?? WHOLE_PACKET).detach);
}

const fileOptions = ({
  format,
  snaplen,
  filter,
  max_size,
  files,
}: FormattedCapture): Pick<PointDescription, 'format' | 'snapLen'> & Partial<PointDescription> => ({
  format,
  snapLen: snaplen ?? WHOLE_PACKET,
  ...(filter === undefined ? {} : { filter }),
  ...(max_size === undefined ? {} : { maximumBytes: max_size }),
  ...(files === undefined ? {} : { files }),
});

const gateOf = ({ snaplen, filter }: CaptureSpec): GateOptions => ({
  snapLen: snaplen ?? WHOLE_PACKET,
  filter: filter === undefined ? null : compileFilter(filter),
});

function captureAtNic(session: CaptureSession, host: Host, nic: Nic, spec: FormattedCapture, finishers: (() => void)[]): void {
  const description = `${host.name} ${nic.name}, as the NIC puts frames on the wire and takes them off it`;
  const point = openAtHost(session, host, nic.name, nic, spec, description);
  watched(nic.device.observers, finishers, () => new NicCapture(nic.device.observers, point, gateOf(spec)));
}

function openAtHost(
  session: CaptureSession,
  host: Host,
  name: string,
  nic: Nic | undefined,
  spec: FormattedCapture,
  description: string,
  linkType?: number,
): CapturePoint {
  const file = spec.file ?? `${host.name}.${name}.${spec.point}.${extensionOf(spec.format)}`;
  // Where points of several hosts share a file, its interfaces need names that tell them apart.
  const shown = spec.file === undefined ? name : `${host.name}.${name} ${spec.point}`;
  const common = { file, point: spec.point, name: shown, description, ipv4: addressesOf(host, name) };
  const hardware = nic === undefined ? {} : { mac: nic.device.options.mac, speedBps: nic.device.rateBps, hardware: NIC_HARDWARE };
  const rest = { ...fileOptions(spec), ...(linkType === undefined ? {} : { linkType }) };
  return session.open({ ...common, ...hardware, ...rest }, host.machine.simulation.now);
}

/** The addresses that an interface has now; none for what is no interface. */
function addressesOf({ kernel }: Host, name: string): { address: number; prefixLength: number }[] {
  const addresses = kernel.init_net.dev_by_name.get(name)?.ip_ptr?.ifa_list ?? [];
  return addresses.map(({ ifa_local, ifa_prefixlen }) => ({ address: ifa_local, prefixLength: ifa_prefixlen }));
}
