import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCapture } from '../../src/observe/files/capture_reader.ts';
import type { TruthRecord } from '../../src/observe/truth.ts';
import { loadTopology } from '../../src/topology/load.ts';
import { runTopology } from '../../src/topology/run.ts';
import { temporaryFolder } from '../scenarios/scenario.ts';
import { openWireshark, type Wireshark } from '../support/wireshark.ts';

let wireshark: Wireshark;
beforeAll(async () => {
  wireshark = await openWireshark();
}, 30_000);
afterAll(() => wireshark.close());

/** A client sends to a server over a wire that does what `impair` says. */
function truthOf(
  impair: string,
  bytes = 400_000,
  extra = '',
  head = 'seed: 3',
  capture = '[wire]',
): { truth: TruthRecord[]; directory: string; wireFrames: number } {
  const text = `
${head}
hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    setup: ['ethtool -K eth0 tso off gso off gro off']
    run: [{ script: "connect 10.0.0.2 5001\\nsend ${bytes}\\n${extra}shutdown wr\\nrecvall\\nclose" }]
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    setup: ['ethtool -K eth0 gro off']
    run: [{ script: "listen 5001\\naccept\\nrecvall\\nclose" }]
wires: [{ between: [client.eth0, server.eth0], rate: 1Gbit, delay: 5ms, impair: ${impair} }]
capture: ${capture}`;
  const directory = temporaryFolder();
  const { wireFrames } = runTopology(loadTopology('truth.yaml', text), { directory, trace: 'none', truth: true });
  const lines = readFileSync(join(directory, 'truth.jsonl'), 'utf8').trimEnd().split('\n');
  return { truth: lines.map((line) => JSON.parse(line) as TruthRecord), directory, wireFrames };
}

const sent = (truth: readonly TruthRecord[]): TruthRecord[] => truth.filter(({ kind }) => kind !== 'duplicate');
const again = (truth: readonly TruthRecord[]): TruthRecord[] => truth.filter(({ kind }) => kind === 'retransmission');

describe('truth.jsonl', () => {
  it('has a record for every frame, in order of time', () => {
    const { truth, wireFrames } = truthOf('{}');
    expect(truth).toHaveLength(wireFrames);
    expect(truth.every(({ kind, fate }) => kind === 'original' && fate === 'delivered')).toBe(true);
    expect(truth.map(({ time }) => time)).toEqual(truth.map(({ time }) => time).sort((a, b) => a - b));
    expect(truth[0]).toMatchObject({ from: 'client.eth0', wire: 'client.eth0-server.eth0', flow: 'arp' });
  });

  it('knows the frame that was lost and the one that repairs it', () => {
    const { truth } = truthOf('{ client: { drop: [20] } }');
    const lost = truth.filter(({ fate }) => fate === 'lost');
    expect(lost).toHaveLength(1);
    expect(again(truth)).toEqual([expect.objectContaining({ by: 'fast', spurious: false, cause: lost[0]!.id, fate: 'delivered' })]);
  });

  it('tells a tail loss probe and a retransmission timeout', () => {
    // The last segment is lost, and so is what repeats it.
    const frames = sent(truthOf('{}', 14_480).truth).filter(({ from }) => from === 'client.eth0');
    const last = frames.findLastIndex(({ flow }) => flow.startsWith('tcp')) - 1;
    const { truth } = truthOf(`{ client: { drop: [${last}, ${last + 1}, ${last + 2}, ${last + 3}] } }`, 14_480);
    const reasons = again(truth).map(({ by }) => by);
    expect(reasons).toContain('TLP');
    expect(reasons).toContain('RTO');
  });

  it('sees duplicates, damage and frames that were overtaken', () => {
    const { truth, wireFrames } = truthOf('{ client: { duplicate: 2%, corrupt: 1%, reorder: 2%, reorder_by: 1ms } }');
    expect(sent(truth)).toHaveLength(wireFrames);
    const count = (test: (record: TruthRecord) => boolean): number => truth.filter(test).length;
    expect(count(({ kind }) => kind === 'duplicate')).toBeGreaterThan(0);
    expect(count(({ fate }) => fate === 'corrupted')).toBeGreaterThan(0);
    expect(count(({ fate }) => fate === 'reordered')).toBeGreaterThan(0);
    for (const { cause, id } of truth.filter(({ kind }) => kind === 'duplicate')) expect(cause).toBe(id);
  });
});

describe("Wireshark's tcp.analysis, scored against the truth", () => {
  it.each([
    ['one loss', '{ client: { drop: [20] } }', 1, 1],
    ['random loss', '{ client: { loss: 2% } }', 0.95, 0.95],
    ['loss both ways', '{ client: { loss: 2% }, server: { loss: 5% } }', 0.9, 0.95],
  ])('%s: it finds the retransmissions', (_name, impair, leastPrecision, leastRecall) => {
    const { truth, directory } = truthOf(impair);
    const capture = wireshark.load(join(directory, 'client.eth0-server.eth0.wire.pcapng'));
    const marked = new Set(
      capture
        .filter(
          'tcp.analysis.retransmission || tcp.analysis.fast_retransmission || tcp.analysis.spurious_retransmission || tcp.analysis.out_of_order',
        )
        .map((frame) => capture.field(frame, 'frame.packet_id')[0]),
    );
    const real = new Set(again(truth).map(({ id }) => `0x${id.toString(16).padStart(16, '0')}`));
    const normal = [...marked].map((id) => `0x${BigInt(id!).toString(16).padStart(16, '0')}`);
    const hits = normal.filter((id) => real.has(id)).length;
    expect(real.size).toBeGreaterThan(0);
    expect(hits / normal.length, 'precision').toBeGreaterThanOrEqual(leastPrecision);
    expect(hits / real.size, 'recall').toBeGreaterThanOrEqual(leastRecall);
  });
});

/** What Wireshark calls a frame that is no plain next segment, most telling first. */
const VERDICTS = ['spurious_retransmission', 'fast_retransmission', 'retransmission', 'out_of_order', 'lost_segment'] as const;
type Verdict = (typeof VERDICTS)[number] | 'nothing';
const REPEATED: readonly Verdict[] = ['spurious_retransmission', 'fast_retransmission', 'retransmission'];
const ANY: readonly Verdict[] = [...REPEATED, 'out_of_order'];
const INBOUND = 1;

/** By what a frame really was: how often Wireshark takes it for what, given what the receiver's card saw. */
class Score {
  readonly #counts = new Map<string, Map<Verdict, number>>();

  add(what: string, verdict: Verdict): void {
    const verdicts = this.#counts.get(what) ?? new Map<Verdict, number>();
    this.#counts.set(what, verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1));
  }

  total(what: string): number {
    return [...(this.#counts.get(what)?.values() ?? [])].reduce((sum, count) => sum + count, 0);
  }

  /** The share of them with one of these verdicts. */
  share(what: string, verdicts: readonly Verdict[]): number {
    return verdicts.reduce((sum, verdict) => sum + (this.#counts.get(what)?.get(verdict) ?? 0), 0) / this.total(what);
  }

  expect(what: string, verdicts: readonly Verdict[], least: number): void {
    const told = JSON.stringify(Object.fromEntries(this.#counts.get(what) ?? []));
    expect(this.total(what), what).toBeGreaterThan(0);
    expect(this.share(what, verdicts), `${what}: ${told}`).toBeGreaterThanOrEqual(least);
  }
}

function scoreOf(impair: string, bytes: number, seeds: readonly number[]): Score {
  const score = new Score();
  for (const seed of seeds) {
    const { truth, directory } = truthOf(impair, bytes, '', `seed: ${seed}`, '[{ point: nic, on: server.eth0, filter: tcp }]');
    const really = new Map(truth.filter(({ kind }) => kind !== 'duplicate').map((record) => [record.id, record]));
    const path = join(directory, 'server.eth0.nic.pcapng');
    const capture = wireshark.load(path);
    const marked = VERDICTS.map((verdict) => new Set(capture.filter(`tcp.analysis.${verdict}`)));
    const seen = new Set<number>();
    const reader = openCapture(path);
    for (let frame = 1, packet = reader.next(); packet !== null; frame++, packet = reader.next()) {
      if ((packet.flags & 3) !== INBOUND || packet.comments.length > 0) continue;
      const { kind, by, spurious, fate } = really.get(packet.packetId)!;
      const again = kind === 'retransmission' ? `${spurious === true ? 'spurious ' : ''}${by}` : fate;
      score.add(seen.has(packet.packetId) ? 'duplicate' : again, VERDICTS.find((_, i) => marked[i]!.has(frame)) ?? 'nothing');
      seen.add(packet.packetId);
    }
    reader.close();
  }
  return score;
}

describe("Wireshark's tcp.analysis at the receiver, scored kind by kind", () => {
  it('loss, damage, duplicates and order: it sees them, and next to nothing where nothing was', () => {
    const score = scoreOf(
      '{ client: { loss: 2%, duplicate: 2%, reorder: 2%, reorder_by: 300us, corrupt: 1% }, server: { loss: 3% } }',
      250_000,
      [1, 2, 3],
    );
    score.expect('delivered', ['nothing', 'lost_segment'], 0.99);
    // The frame behind a gap is what tells of lost and damaged ones.
    expect(score.share('delivered', ['lost_segment'])).toBeGreaterThan(0);
    score.expect('duplicate', REPEATED, 1);
    score.expect('reordered', ANY, 0.9);
    score.expect('fast', ANY, 0.8);
  });

  it('order alone: what was only late it often takes for sent again', () => {
    const score = scoreOf('{ client: { reorder: 5%, reorder_by: 20ms } }', 250_000, [1, 2]);
    score.expect('spurious fast', REPEATED, 0.9);
    score.expect('reordered', ANY, 0.9);
    expect(score.share('reordered', ['out_of_order'])).toBeLessThan(1);
  });

  it('lost ends: tail loss probes and timeouts', () => {
    const frames = sent(truthOf('{}', 14_480, '', 'seed: 1').truth).filter(({ from }) => from === 'client.eth0');
    const last = frames.findLastIndex(({ flow }) => flow.startsWith('tcp')) - 1;
    // The last data and the FIN; then what probes for them, too.
    scoreOf(`{ client: { drop: [${last}, ${last + 1}] } }`, 14_480, [1]).expect('TLP', ['nothing', ...ANY, 'lost_segment'], 1);
    scoreOf(`{ client: { drop: [${last}, ${last + 1}, ${last + 2}] } }`, 14_480, [1]).expect('RTO', ['nothing', ...ANY], 1);
  });

  it('lost acknowledgments: what is sent again for nothing', () => {
    const score = scoreOf('{ server: { loss: 60% } }', 60_000, [1, 2, 3]);
    const kinds = ['spurious RTO', 'spurious TLP'].filter((kind) => score.total(kind) > 0);
    expect(kinds.length).toBeGreaterThan(0);
    for (const kind of kinds) score.expect(kind, REPEATED, 1);
  });
});
