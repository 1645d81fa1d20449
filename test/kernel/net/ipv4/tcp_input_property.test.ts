import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RandomStream } from '../../../../src/sim/random.ts';
import { type OnWire, type Rule, TcpPair } from './tcp_pair.ts';

const MS = 1_000_000;

interface Path {
  seed: number;
  lossPercent: number;
  reorderPercent: number;
  duplicatePercent: number;
  jitterMs: number;
  sack: boolean;
  timestamps: boolean;
  congestion: string;
  size: number;
}

const paths = fc.record<Path>({
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  lossPercent: fc.integer({ min: 0, max: 12 }),
  reorderPercent: fc.integer({ min: 0, max: 20 }),
  duplicatePercent: fc.integer({ min: 0, max: 10 }),
  jitterMs: fc.integer({ min: 0, max: 5 }),
  sack: fc.boolean(),
  timestamps: fc.boolean(),
  congestion: fc.constantFrom('cubic', 'reno', 'bbr'),
  size: fc.integer({ min: 1, max: 200_000 }),
});

/** A path that loses, delays, and duplicates at random, in both directions. */
function unreliable(path: Path): Rule {
  const random = new RandomStream(path.seed, 'path');
  const percent = (p: number): boolean => random.below(100) < p;
  // Without SACK or timestamps a bad path backs off for minutes and may time out: RFC 6298 (5.5) and Karn's rule leave nothing else.
  const loss = path.timestamps && path.sack ? path.lossPercent : path.lossPercent / 4;
  return (_segment: OnWire): number[] => {
    if (percent(loss)) return [];
    const delay = 10 * MS + random.below(path.jitterMs + 1) * MS + (percent(path.reorderPercent) ? random.below(30) * MS : 0);
    return percent(path.duplicatePercent) ? [delay, delay + random.below(20) * MS] : [delay];
  };
}

function transferOver(path: Path): TcpPair {
  const pair = new TcpPair({ rule: unreliable(path), sack: path.sack, timestamps: path.timestamps, congestion: path.congestion });
  pair.readAtB(path.size);
  pair.sendAtA(path.size);
  pair.pass(3_600_000);
  return pair;
}

it('over any path every byte arrives once and in order, and the scoreboard adds up at every step', () => {
  fc.assert(
    fc.property(paths, (path) => {
      const pair = transferOver(path);
      expect(pair.received.length).toBe(path.size);
      expect(pair.received.every((byte, i) => byte === i % 251)).toBe(true);
      expect(pair.a.packets_out + pair.a.sacked_out * Number(path.sack) + pair.a.lost_out + pair.a.retrans_out).toBe(0);
    }),
    { numRuns: 40, seed: 20_26 },
  );
}, 120_000);

it('the same path gives the same segments', () => {
  const path: Path = {
    seed: 4,
    lossPercent: 5,
    reorderPercent: 5,
    duplicatePercent: 2,
    jitterMs: 1,
    sack: true,
    timestamps: true,
    congestion: 'cubic',
    size: 150_000,
  };
  const shape = (pair: TcpPair): string => pair.log.map((s) => `${s.fromA} ${s.seq} ${s.ack} ${s.payload} ${s.flags}`).join('\n');
  expect(shape(transferOver(path))).toBe(shape(transferOver(path)));
});
