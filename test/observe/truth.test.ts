import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
function truthOf(impair: string, bytes = 400_000, extra = ''): { truth: TruthRecord[]; directory: string; wireFrames: number } {
  const text = `
seed: 3
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
capture: [wire]`;
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
