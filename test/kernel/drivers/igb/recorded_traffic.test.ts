/**
 * The driver's register writes while traffic flows, against recordings of the real driver (Linux 6.18, igb on QEMU) in the same scenarios: per transmitted
 * packet, per interrupt and per refill of a receive ring.
 *
 * What cannot be compared one to one, and why:
 * - which queue a flow uses: both hash keys are random, so queues are compared by kind;
 * - how many interrupts there are, and which of them find nothing left to do: the recorded machine's wire has no serialisation and its moderation timer runs four times too long (lab/README);
 * - in bulk transfers how many packets one doorbell covers and how many buffers one refill: both follow from those times.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadTopology, type Override } from '../../../../src/topology/load.ts';
import type { Network } from '../../../../src/topology/network.ts';
import { runTopology } from '../../../../src/topology/run.ts';
import { temporaryFolder } from '../../../scenarios/scenario.ts';

interface Write {
  readonly host: string;
  readonly name: string;
  readonly value: number;
}

const START = 1_000_000_000;
const MS = 1_000_000;
const RING = 256;
const COLLAPSE = /R+/g;

function recorded(scenario: string): Write[] {
  const text = gunzipSync(readFileSync(new URL(`../../../fixtures/linux/igb/writes-${scenario.slice(0, 3)}.txt.gz`, import.meta.url)));
  const lines = text.toString().trim().split('\n');
  return lines
    .filter((line) => !line.startsWith('#'))
    .map((line) => {
      const [host = '', name = '', value = ''] = line.split(' ');
      return { host, name, value: Number(value) };
    });
}

/** The same scenario on the emulator. */
function emulated(scenario: string, untilMs: number): Write[] {
  const file = new URL(`../../../fixtures/linux/scenarios/${scenario}/topology.yaml`, import.meta.url);
  // The recorded machines have two CPUs, so two queue pairs. A delay by netem becomes one of the wire: the card sees the same.
  const text = readFileSync(file, 'utf8').replace(/^.*\btc qdisc\b.*netem.*\n/gm, '');
  const both = (key: string, value: unknown): Override[] => ['A', 'B'].map((host) => ({ path: ['hosts', host, key], value }));
  const overrides: Override[] = [...both('cpus', 2), { path: ['capture'], value: [] }];
  if (scenario.includes('rtt20')) overrides.push({ path: ['wires', '0', 'delay'], value: '10ms' });
  const topology = loadTopology('topology.yaml', text, overrides);
  const writes: Write[] = [];
  const listen = (network: Network): void => {
    for (const host of network.hosts) {
      host.nics[0]!.device.registerObserver = {
        access: (_device, write, name, value) => {
          if (write && network.simulation.now >= START && network.simulation.now < START + untilMs * MS)
            writes.push({ host: host.name, name, value });
        },
      };
    }
  };
  const guest = { unplugged: null, start: listen, done: false };
  runTopology(topology, { directory: temporaryFolder(), trace: 'none', untilNs: untilMs * MS }, guest);
  return writes;
}

const hostsOf = (writes: readonly Write[]): string[] => [...new Set(writes.map(({ host }) => host))].sort();

/** By how much each write moves a tail on: descriptors handed over. `first` is where a tail stands before. */
function steps(writes: readonly Write[], host: string, register: 'TDT' | 'RDT'): number[] {
  const tails = new Map<string, number>();
  const found: number[] = [];
  for (const { name, value } of writes.filter((write) => write.host === host && write.name.startsWith(register))) {
    const before = tails.get(name) ?? (register === 'TDT' ? 0 : RING - 1);
    found.push((value - before + RING) % RING);
    tails.set(name, value);
  }
  return found;
}

/**
 * A vector's interrupts as words: E the moderation interval is written, R the receive ring refilled, I the vector enabled again. Vectors 1 and 2 are
 * receive queues 0 and 1, vectors 3 and 4 transmit queues 0 and 1.
 */
function interrupts(writes: readonly Write[], host: string, vector: number): string {
  let word = '';
  for (const { name, value } of writes.filter((write) => write.host === host)) {
    if (name === `EITR[${vector}]`) word += 'E';
    else if (vector <= 2 && name === `RDT[${vector - 1}]`) word += 'R';
    else if (name === 'EIMS' && value === 1 << vector) word += 'I';
  }
  return word;
}

/** The kinds of interrupts of all receive or all transmit vectors of both hosts; refills are taken together. */
function kinds(writes: readonly Write[], vectors: readonly number[]): string[] {
  const found = new Set<string>();
  for (const host of hostsOf(writes)) {
    for (const vector of vectors)
      for (const kind of interrupts(writes, host, vector).match(/E?R*I/g) ?? []) found.add(kind.replace(COLLAPSE, 'R'));
  }
  return [...found].sort();
}

const intervals = (writes: readonly Write[], host: string, vector: number): number[] =>
  writes.filter((write) => write.host === host && write.name === `EITR[${vector}]`).map(({ value }) => value);

const total = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** IGB_START_ITR, with the bit that leaves the running counter alone. */
const START_INTERVAL = 0x8000_0288;
/** Two seconds after the link came up the PHY is looked at; the recorded machines had that behind them. */
const PHY_TIMER = ['SWSM', 'SW_FW_SYNC', 'MDIC'];
const RX = [1, 2];
const TX = [3, 4];
const SCENARIOS: [string, number][] = [
  ['s01-handshake-echo', 500],
  ['s02-echo-nooffload', 500],
  ['s03-bulk-1mb-rtt20', 900],
  ['s08-bulk-10mb-offload', 1200],
];

/** A test of some scenarios only. */
function when(condition: boolean, title: string, test: () => void): void {
  if (condition) it(title, test);
}

describe.each(SCENARIOS)('%s', (scenario, untilMs) => {
  const theirs = recorded(scenario);
  const ours = emulated(scenario, untilMs).filter(({ name }) => !PHY_TIMER.includes(name));
  const isBulk = scenario.includes('bulk');

  it('writes the same registers and no others', () => {
    const stems = (writes: readonly Write[]): string[] => [...new Set(writes.map(({ name }) => name.replace(/\[\d+\]/, '')))].sort();
    expect(stems(ours)).toEqual(stems(theirs));
  });

  it('interrupts take the same courses: the interval if it changed, refills, enable', () => {
    for (const writes of [theirs, ours]) {
      for (const host of hostsOf(writes)) {
        for (const vector of RX) expect(interrupts(writes, host, vector)).toMatch(/^(E?R*I)*(E?R*)$/);
        for (const vector of TX) expect(interrupts(writes, host, vector)).toMatch(/^(E?I)*E?$/);
      }
    }
    expect(kinds(ours, TX)).toEqual(kinds(theirs, TX));
    // Whether an interrupt finds frames that an earlier poll has not taken already is a question of time.
    expect(kinds(ours, RX).filter((kind) => kind.includes('R'))).toEqual(kinds(theirs, RX).filter((kind) => kind.includes('R')));
  });

  it('enables one vector at a time, and every vector begins with the same interval', () => {
    for (const writes of [theirs, ours]) {
      for (const { name, value } of writes) if (name === 'EIMS') expect([2, 4, 8, 16]).toContain(value);
      for (const host of hostsOf(writes)) {
        for (const vector of [...RX, ...TX]) {
          const [first] = intervals(writes, host, vector);
          if (first !== undefined) expect(first).toBe(START_INTERVAL);
        }
      }
    }
  });

  it('refills at most sixteen buffers at a time', () => {
    for (const writes of [theirs, ours])
      for (const host of hostsOf(writes)) expect(Math.max(...steps(writes, host, 'RDT'))).toBeLessThanOrEqual(16);
  });

  when(
    !isBulk,
    'every doorbell hands over as many descriptors, in the same order; as many buffers come back; the intervals are the same',
    () => {
      expect(hostsOf(ours)).toEqual(hostsOf(theirs));
      for (const host of hostsOf(theirs)) {
        expect(steps(ours, host, 'TDT')).toEqual(steps(theirs, host, 'TDT'));
        expect(total(steps(ours, host, 'RDT'))).toBe(total(steps(theirs, host, 'RDT')));
      }
      const values = (writes: readonly Write[]): number[] =>
        [...new Set(hostsOf(writes).flatMap((host) => [...RX, ...TX].flatMap((vector) => intervals(writes, host, vector))))].sort();
      expect(values(ours)).toEqual(values(theirs));
    },
  );

  when(scenario.startsWith('s03'), 'without offloads as many descriptors carry the data, and every frame takes one buffer', () => {
    expect(total(steps(ours, 'A', 'TDT'))).toBe(total(steps(theirs, 'A', 'TDT')));
    for (const writes of [theirs, ours]) {
      expect(total(steps(writes, 'B', 'RDT'))).toBe(total(steps(writes, 'A', 'TDT')));
      expect(total(steps(writes, 'A', 'RDT'))).toBe(total(steps(writes, 'B', 'TDT')));
    }
  });
});
