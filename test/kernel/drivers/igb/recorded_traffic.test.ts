/**
 * The driver's register accesses while traffic flows, against recordings of the real driver (Linux 6.18, igb on QEMU) in the same scenarios: per transmitted
 * packet (descriptors and doorbell), per interrupt, per refill of a receive ring, and per run of the watchdog.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { emulatedTraffic, recordedTraffic } from './traffic_record.ts';

/** What differs, and why. docs/fidelity.md has the same list. */
const DIFFERENCES = {
  queue: 'Which queue a flow uses: both hash keys are random, so queues are compared by kind.',
  empty:
    'How many interrupts find nothing to do, and how often one is polled twice: when QEMU has postponed an interrupt because of EITR it sends it even if the driver has polled meanwhile, or masked the vector because it polls.',
  batch:
    'In bulk transfers how many packets one doorbell covers and how many buffers one refill: the recorded wire has no serialisation, its moderation timer runs four times too long, and TDT writes transmit at once.',
  acks: 'How many acknowledgments there are (s03, s04, s06, s08, s18; one more in s07 and s16), and how a large send is cut (s08, s18): both follow from the same times.',
  average: 'Values of EITR that are computed from the average packet size of an interrupt, where interrupts cover other packets.',
  phy: 'Two seconds after the link came up the PHY is looked at once more (SWSM, SW_FW_SYNC, MDIC); the recorded machines had that behind them.',
} as const;

interface Scenario {
  readonly name: string;
  /** Virtual time from the start of programs, in ms: a little more than the recorded one, less than what ends it (ARP probes after five seconds). */
  readonly untilMs: number;
  /** How the packets a host hands to its card compare. */
  readonly packets: Readonly<Record<'A' | 'B', 'same' | 'same kinds' | 'some of the kinds'>>;
  /** Frames of A that the topology drops. */
  readonly lostOnWire?: number;
}

const BOTH_SAME = { A: 'same', B: 'same' } as const;
const SCENARIOS: readonly Scenario[] = [
  { name: 's01-handshake-echo', untilMs: 2500, packets: BOTH_SAME },
  { name: 's02-echo-nooffload', untilMs: 2500, packets: BOTH_SAME },
  { name: 's03-bulk-1mb-rtt20', untilMs: 2500, packets: { A: 'same', B: 'same kinds' } },
  { name: 's04-loss-one', untilMs: 2500, packets: { A: 'same', B: 'same kinds' }, lostOnWire: 1 },
  { name: 's05a-nagle', untilMs: 2500, packets: BOTH_SAME },
  { name: 's05b-nodelay', untilMs: 2500, packets: BOTH_SAME },
  { name: 's06-zero-window', untilMs: 9000, packets: { A: 'same kinds', B: 'same kinds' } },
  { name: 's07-rto', untilMs: 2500, packets: { A: 'same', B: 'same kinds' }, lostOnWire: 17 },
  { name: 's08-bulk-10mb-offload', untilMs: 2500, packets: { A: 'some of the kinds', B: 'same kinds' } },
  { name: 's09-refused-unreachable', untilMs: 4500, packets: BOTH_SAME },
  { name: 's10-udp', untilMs: 2500, packets: BOTH_SAME },
  { name: 's15-delack', untilMs: 2500, packets: BOTH_SAME },
  { name: 's16-half-close', untilMs: 2500, packets: { A: 'same kinds', B: 'same' } },
  { name: 's18-bulk-1mb-rtt20-offload', untilMs: 2500, packets: { A: 'some of the kinds', B: 'same kinds' } },
];

const RING = 256;
const IGB_RX_BUFFER_WRITE = 16;
const PHY_TIMER = /^[AB] (rd|WR) (SWSM|SW_FW_SYNC|MDIC) /;
/** IGB_START_ITR and IGB_20K_ITR, with the bit that leaves the running counter alone. */
const START_INTERVAL = 0x8000_0288;
const LOW_LATENCY = 0x8000_00c4;
const AVERAGE = 'average';
/** Vectors 1 and 2 are receive queues 0 and 1, vectors 3 and 4 transmit queues 0 and 1. */
const RX = [1, 2];
const TX = [3, 4];
const HOSTS = ['A', 'B'] as const;

/** Lines of one host without its name. */
const of = (lines: readonly string[], host: string): string[] => lines.filter((line) => line.startsWith(host)).map((line) => line.slice(2));

const indexOf = (name: string): number => Number(/\d+/.exec(name)![0]);

/** The packets a host handed to its card, as the descriptors of each. */
function packets(lines: readonly string[], host: string): string[] {
  const found: string[] = [];
  let open: string[] = [];
  for (const line of of(lines, host).filter((text) => /^(CTX|DATA) /.test(text))) {
    open.push(line);
    if (!line.includes('EOP')) continue;
    found.push(open.join(' / '));
    open = [];
  }
  expect(open, 'a doorbell hands over whole packets').toEqual([]);
  return found;
}

/** A packet without its lengths; how many pages a large send spans is one of them. */
const kindOf = (packet: string): string =>
  packet.replace(/(len|pay)=[1-9]\d*/g, '$1=n').replace(/( \/ DATA len=n IFCS\|DEXT\|TSE pay=0 - idx=0)+/g, ' / pages');

/** Frames that the card makes of what it was handed. */
function frames(lines: readonly string[], host: string): number {
  const segments = (packet: string): number => {
    const [, mss, pay] = /mss=(\d+).*?TSE pay=(\d+)/.exec(packet) ?? [];
    return pay === undefined ? 1 : Math.ceil(Number(pay) / Number(mss));
  };
  return packets(lines, host).reduce((sum, packet) => sum + segments(packet), 0);
}

/** How many packets each doorbell covers. */
function doorbells(lines: readonly string[], host: string): number[] {
  const counts: number[] = [];
  for (const line of of(lines, host)) {
    if (line.startsWith('WR TDT')) counts.push(0);
    else if (/^DATA .*EOP/.test(line)) counts[counts.length - 1]!++;
  }
  return counts;
}

/**
 * A vector's interrupts as words: E the moderation interval is written, a number the buffers by which the receive ring is refilled, I the vector enabled
 * again.
 */
function interrupts(lines: readonly string[], host: string, vector: number): string[] {
  const words: string[] = [];
  let word: string[] = [];
  let tail = RING - 1;
  for (const line of of(lines, host).filter((text) => text.startsWith('WR '))) {
    const [, name = '', value = ''] = line.split(' ');
    if (name.startsWith('EITR') && indexOf(name) === vector) word.push('E');
    else if (vector <= 2 && name === `RDT[${vector - 1}]`) {
      word.push(String((Number(value) - tail + RING) % RING));
      tail = Number(value);
    } else if (name === 'EIMS' && Number(value) === 1 << vector) {
      words.push([...word, 'I'].join(' '));
      word = [];
    }
  }
  return words;
}

/** Ours: one poll gives back sixteen buffers as often as it can, and then the rest. Theirs may have several polls. */
const POLL = /^(E )?(16 )*(\d+ )?I$/;
const POLLS = /^(E )?(\d+ )*I$/;

function intervals(lines: readonly string[], host: string, vector: number): number[] {
  return of(lines, host)
    .filter((line) => line.startsWith(`WR EITR[${vector}]`))
    .map((line) => Number(line.split(' ')[2]));
}

const intervalKind = (value: number): string | number => (value === START_INTERVAL || value === LOW_LATENCY ? value : AVERAGE);

/** The registers each run of the watchdog reads (and those that `ethtool -S` reads, which is the same without the last). */
function watchdogs(lines: readonly string[], host: string): string[][] {
  const runs: string[][] = [];
  for (const line of of(lines, host).filter((text) => text.startsWith('rd '))) {
    const name = line.split(' ')[1]!;
    if (name === 'RQDPC[0]') runs.push([]);
    runs.at(-1)!.push(name);
  }
  return runs;
}

const stems = (lines: readonly string[]): string[] => {
  const names = lines.filter((line) => / (rd|WR) /.test(line)).map((line) => line.split(' ').slice(1, 3).join(' '));
  return [...new Set(names.map((name) => name.replace(/\[\d+\]/, '')))].sort();
};

/** Descriptors by which a tail moved on, over all rings of a kind. */
function handedOver(lines: readonly string[], host: string, register: 'TDT' | 'RDT'): number {
  const tails = new Map<string, number>();
  let sum = 0;
  for (const line of of(lines, host).filter((text) => text.startsWith(`WR ${register}`))) {
    const [, name = '', value = ''] = line.split(' ');
    const before = tails.get(name) ?? (register === 'TDT' ? 0 : RING - 1);
    sum += (Number(value) - before + RING) % RING;
    tails.set(name, Number(value));
  }
  return sum;
}

const recordings = new Map(SCENARIOS.map(({ name }) => [name, recordedTraffic(name)]));
/** Each register that some recording shows being read: only the longer ones have a run of the watchdog in them. */
const WATCHDOG = [...recordings.values()]
  .flatMap((lines) => HOSTS.flatMap((host) => watchdogs(lines, host)))
  .find((run) => run.length > 60)!;

describe.each(SCENARIOS)('$name', ({ name, untilMs, packets: expected, lostOnWire = 0 }) => {
  const theirs = recordings.get(name)!;
  const ours = emulatedTraffic(name, untilMs).filter((line) => !PHY_TIMER.test(line));
  const isExact = expected.A === 'same' && expected.B === 'same';

  it('writes the same registers and no others, and reads none but the watchdog’s', () => {
    const writes = (lines: readonly string[]): string[] => stems(lines).filter((text) => text.startsWith('WR'));
    expect(writes(ours)).toEqual(writes(theirs));
    for (const text of stems([...ours, ...theirs]).filter((line) => line.startsWith('rd')))
      expect(WATCHDOG.map((register) => register.replace(/\[\d+\]/, ''))).toContain(text.slice(3));
  });

  it.each(HOSTS)('%s: per transmitted packet, the same descriptors behind each doorbell', (host) => {
    const [mine, recorded] = [packets(ours, host), packets(theirs, host)];
    if (expected[host] === 'same') expect(mine).toEqual(recorded);
    else if (expected[host] === 'some of the kinds')
      expect(recorded.map(kindOf)).toEqual(expect.arrayContaining([...new Set(mine.map(kindOf))]));
    else expect([...new Set(mine.map(kindOf))].sort()).toEqual([...new Set(recorded.map(kindOf))].sort());
  });

  it('rings once for each packet, or once for several that follow each other (xmit_more), never for none', () => {
    for (const lines of [ours, theirs]) for (const host of HOSTS) expect(Math.min(...doorbells(lines, host))).toBeGreaterThan(0);
    if (isExact) for (const host of HOSTS) expect(doorbells(ours, host)).toEqual(doorbells(theirs, host));
  });

  it('per interrupt: the interval if it changed, refills, enable; nothing is read', () => {
    for (const host of HOSTS) {
      for (const vector of RX) for (const word of interrupts(ours, host, vector)) expect(word).toMatch(POLL);
      for (const vector of RX) for (const word of interrupts(theirs, host, vector)) expect(word).toMatch(POLLS);
      for (const vector of TX)
        for (const word of [ours, theirs].flatMap((lines) => interrupts(lines, host, vector))) expect(word).toMatch(/^(E )?I$/);
    }
  });

  it('per refill: at most sixteen buffers, and as many as frames came in', () => {
    for (const lines of [ours, theirs]) {
      for (const host of HOSTS) {
        const steps = RX.flatMap((vector) => interrupts(lines, host, vector)).flatMap((word) => (word.match(/\d+/g) ?? []).map(Number));
        expect(Math.max(...steps)).toBeLessThanOrEqual(IGB_RX_BUFFER_WRITE);
        expect(Math.min(...steps)).toBeGreaterThan(0);
        // The recorded losses happened above the card, ours on the wire.
        const lost = lines === ours && host === 'B' ? lostOnWire : 0;
        expect(handedOver(lines, host, 'RDT')).toBe(frames(lines, host === 'A' ? 'B' : 'A') - lost);
      }
    }
    if (isExact) for (const host of HOSTS) expect(handedOver(ours, host, 'RDT')).toBe(handedOver(theirs, host, 'RDT'));
  });

  it('every vector begins with the same interval, and goes on to the same kinds', () => {
    const kinds = (lines: readonly string[], vectors: readonly number[]): (string | number)[] =>
      [...new Set(HOSTS.flatMap((host) => vectors.flatMap((vector) => intervals(lines, host, vector).map(intervalKind))))].sort();
    for (const lines of [ours, theirs]) {
      for (const host of HOSTS)
        for (const vector of [...RX, ...TX])
          for (const first of intervals(lines, host, vector).slice(0, 1)) expect(first).toBe(START_INTERVAL);
    }
    for (const vectors of [RX, TX]) expect(kinds(ours, vectors)).toEqual(kinds(theirs, vectors));
  });

  it('per run of the watchdog: the same registers are read, in the same order', () => {
    const runs = HOSTS.flatMap((host) => watchdogs(ours, host));
    expect(runs.length).toBeGreaterThan(0);
    for (const run of runs) expect(run).toEqual(WATCHDOG);
    for (const run of HOSTS.flatMap((host) => watchdogs(theirs, host))) expect(WATCHDOG.slice(0, run.length)).toEqual(run);
  });
});

it('docs/fidelity.md lists what differs, with the reasons', () => {
  const document = readFileSync('docs/fidelity.md', 'utf8').replaceAll(/\s+/g, ' ');
  for (const reason of Object.values(DIFFERENCES)) expect(document).toContain(reason);
});
