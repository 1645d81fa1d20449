/**
 * What a driver did to its card while a scenario ran, as text: register accesses in the order they were made, and below each TDT write the descriptors it
 * handed over. The same text comes from the recordings of the real driver (test/fixtures/linux/igb/traffic) and from a run of ours.
 *
 *     A WR TDT[0] 0x2
 *     A CTX mac=14 ip=20 vlan=0 ipv4=0 l4=tcp mss=0 l4len=0 idx=0
 *     A DATA len=74 EOP|IFCS|RS|DEXT pay=74 TXSM idx=0
 *     A rd RQDPC[0] 0x0
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { IgbDevice } from '../../../../src/hw/igb/igb_device.ts';
import { loadTopology, type Override } from '../../../../src/topology/load.ts';
import type { Network } from '../../../../src/topology/network.ts';
import { runTopology } from '../../../../src/topology/run.ts';
import { temporaryFolder } from '../../../scenarios/scenario.ts';

/** Virtual time at which programs may start. */
const START = 1_000_000_000;
const MS = 1_000_000;
const DESCRIPTOR = 16;
const CONTEXT_TYPE = 2;
const L4_NAMES = ['udp', 'tcp', 'sctp', '-'];
const COMMANDS: [number, string][] = [
  [0x01, 'EOP'],
  [0x02, 'IFCS'],
  [0x08, 'RS'],
  [0x20, 'DEXT'],
  [0x40, 'VLE'],
  [0x80, 'TSE'],
];

export function recordedTraffic(scenario: string): string[] {
  const file = new URL(`../../../fixtures/linux/igb/traffic/${scenario}.txt.gz`, import.meta.url);
  return gunzipSync(readFileSync(file))
    .toString()
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('#'));
}

/** The same scenario on the emulator: the first `untilMs` after the last program has started. */
export function emulatedTraffic(scenario: string, untilMs: number): string[] {
  const file = new URL(`../../../fixtures/linux/scenarios/${scenario}/topology.yaml`, import.meta.url);
  // The recorded machines had two CPUs, so two queue pairs.
  const overrides: Override[] = ['A', 'B'].map((host) => ({ path: ['hosts', host, 'cpus'], value: 2 }));
  overrides.push({ path: ['capture'], value: [] });
  const topology = loadTopology('topology.yaml', readFileSync(file, 'utf8'), overrides);
  const lines: string[] = [];
  const starts = Object.values(topology.hosts).flatMap(({ run }) => (run ?? []).map(({ at }) => at ?? 0));
  const start = START + Math.max(...starts);
  const end = start + untilMs * MS;
  const listen = (network: Network): void => {
    for (const host of network.hosts) {
      const device = host.nics[0]!.device;
      const tails = new Map<string, number>();
      device.registerObserver = {
        access: (_device, write, name, value) => {
          if (network.simulation.now < start || network.simulation.now >= end) return;
          lines.push(`${host.name} ${write ? 'WR' : 'rd'} ${name} 0x${value.toString(16)}`);
          if (!write || !name.startsWith('TDT')) return;
          for (const text of handedOver(device, Number(/\d+/.exec(name)![0]), tails.get(name) ?? 0, value))
            lines.push(`${host.name} ${text}`);
          tails.set(name, value);
        },
      };
    }
  };
  runTopology(
    topology,
    { directory: temporaryFolder(), trace: 'none', untilNs: end - START },
    { unplugged: null, start: listen, done: false },
  );
  return lines;
}

/** The descriptors of a transmit ring from one tail to the next. */
function handedOver(device: IgbDevice, queue: number, from: number, to: number): string[] {
  const { base, size } = device.tx.queues[queue]!;
  const section = device.host.dma.memory.section(base);
  const found: string[] = [];
  for (let i = from; i !== to; i = (i + 1) % size) {
    const at = base - section.base + i * DESCRIPTOR;
    found.push(descriptor(section.view.getUint32(at, true), section.view.getUint32(at + 8, true), section.view.getUint32(at + 12, true)));
  }
  return found;
}

function descriptor(lengths: number, command: number, last: number): string {
  if (((command >>> 20) & 15) === CONTEXT_TYPE) {
    const header = `mac=${(lengths >>> 9) & 127} ip=${lengths & 511} vlan=${lengths >>> 16} ipv4=${(command >>> 10) & 1}`;
    const l4 = `l4=${L4_NAMES[(command >>> 11) & 3]} mss=${last >>> 16} l4len=${(last >>> 8) & 255} idx=${(last >>> 4) & 7}`;
    return `CTX ${header} ${l4}`;
  }
  const commands = COMMANDS.filter(([bit]) => ((command >>> 24) & bit) !== 0).map(([, name]) => name);
  const options = [(last & 0x100) !== 0 ? 'IXSM' : '', (last & 0x200) !== 0 ? 'TXSM' : ''].filter((name) => name !== '');
  return `DATA len=${command & 0xffff} ${commands.join('|')} pay=${last >>> 14} ${options.join('|') || '-'} idx=${(last >>> 4) & 7}`;
}
