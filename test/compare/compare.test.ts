/** Recordings against themselves, disguised, and with one thing changed: exactly that is named. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type CompareOptions, type Comparison, compareCaptures } from '../../src/compare/compare.ts';
import { asData, describe as inWords } from '../../src/compare/describe.ts';
import { neighbourhood } from '../../src/compare/neighbourhood.ts';
import { openCapture } from '../../src/observe/files/capture_reader.ts';
import {
  acknowledgmentOf,
  type CapturedRecord,
  copyOf,
  disguise,
  flagsOf,
  isTcp,
  merge,
  optionAt,
  payloadOf,
  readRecords,
  setTtl,
  setWindow,
  sourcePortOf,
  windowOf,
  writeRecords,
} from './capture_edit.ts';

const FOLDER = 'test/fixtures/linux/scenarios';
const SERVER = 5001;
const directory = mkdtempSync(join(tmpdir(), 'truewire-compare-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const bulk = readRecords(join(FOLDER, 's03-bulk-1mb-rtt20', 'wire.pcap.gz'));
const loss = readRecords(join(FOLDER, 's04-loss-one', 'wire.pcap.gz'));
const echo = readRecords(join(FOLDER, 's15-delack', 'wire.pcap.gz'));
const datagrams = readRecords(join(FOLDER, 's10-udp', 'wire.pcap.gz'));

function compare(ours: readonly CapturedRecord[], theirs: readonly CapturedRecord[], options: CompareOptions = {}): Comparison {
  const paths = [writeRecords(join(directory, 'ours.pcap'), ours), writeRecords(join(directory, 'theirs.pcap'), theirs, 1_700_000_000)];
  return compareCaptures(
    () => openCapture(paths[0]!),
    () => openCapture(paths[1]!),
    options,
  );
}

/** All differences, as short texts. */
const named = ({ flows }: Comparison): string[] =>
  flows.flatMap(({ differences }) => differences.map(({ kind, what }) => `${kind}: ${what}`));

const edited = (records: readonly CapturedRecord[], edit: (copy: CapturedRecord[]) => void): CapturedRecord[] => {
  const copy = copyOf(records);
  edit(copy);
  return copy;
};

/** Everything from one packet on comes later. */
function delay(records: readonly CapturedRecord[], from: number, byNs: number): void {
  for (const record of records.slice(from)) record.timeNs += byNs;
}

const elsewhere = { address: 7, port: 41000, sequence: [0xf0000000, 0x7fff0000], timestamp: 12345678, id: 999, delayNs: 0 } as const;

describe('the same', () => {
  it.each([
    ['a bulk transfer', bulk],
    ['a transfer with a loss', loss],
    ['requests and answers', echo],
    ['datagrams, fragments and their errors', datagrams],
  ])('is %s compared with itself', (_, records) => {
    const comparison = compare(records, records);
    expect(named(comparison)).toEqual([]);
    expect(comparison).toMatchObject({ same: true, score: 1, oursUnits: records.length, theirsUnits: records.length });
  });

  it.each([
    ['a bulk transfer', bulk],
    ['a transfer with a loss', loss],
    ['requests and answers', echo],
  ])('is %s at other addresses and ports, with other sequence numbers (that wrap), timestamps, ids and clock', (_, records) => {
    expect(named(compare(disguise(records, SERVER, elsewhere), records))).toEqual([]);
  });

  it.each([2, 7, 44])('is a transfer seen before TSO or after GRO, in super-frames of %i segments', (most) => {
    const merged = merge(bulk, most);
    expect(merged.length).toBeLessThan(bulk.length - 100);
    expect(named(compare(merged, bulk))).toEqual([]);
    expect(named(compare(disguise(bulk, SERVER, elsewhere), merged))).toEqual([]);
    expect(named(compare(merge(bulk, 3), merged))).toEqual([]);
  });

  it('is a transfer whose handshake one capture missed', () => {
    const late = bulk.slice(60);
    expect(named(compare(late, disguise(late, SERVER, elsewhere)))).toEqual([]);
  });

  it('is a transfer on a clock that starts later, if only the tolerance allows what it took longer', () => {
    const slow = bulk.map((record, i) => ({ ...record, timeNs: record.timeNs + i * 1000 }));
    expect(named(compare(slow, bulk))).toEqual([]);
  });
});

const pureAcks = (records: readonly CapturedRecord[]): number[] =>
  records.flatMap((record, i) =>
    isTcp(record) && payloadOf(record) === 0 && flagsOf(record) === 0x10 && sourcePortOf(record) === SERVER ? [i] : [],
  );
const fullSegments = (records: readonly CapturedRecord[]): number[] =>
  records.flatMap((record, i) => (isTcp(record) && payloadOf(record) === 1448 ? [i] : []));

describe('exactly one difference', () => {
  it('is a window that was changed', () => {
    const at = pureAcks(bulk)[100]!;
    const comparison = compare(
      edited(bulk, (copy) => setWindow(copy[at]!, windowOf(copy[at]!) + 3)),
      bulk,
    );
    const scaled = windowOf(bulk[at]!) * 256;
    expect(named(comparison)).toEqual([`window: window ${scaled + 768}, theirs ${scaled}`]);
    expect(comparison.first?.difference).toMatchObject({ ours: { frame: at + 1 }, theirs: { frame: at + 1 } });
    expect(comparison.first?.difference.mechanism).toMatch(/autotuning/);
  });

  it('is an acknowledgment that is missing, and one too many', () => {
    const at = pureAcks(bulk)[200]!;
    const without = edited(bulk, (copy) => copy.splice(at, 1));
    const comparison = compare(without, bulk);
    expect(named(comparison)).toEqual(['missing: ours has no such packet']);
    expect(comparison.first?.difference.theirs?.frame).toBe(at + 1);
    expect(comparison.first?.difference.mechanism).toMatch(/ACK/);
    expect(named(compare(bulk, without))).toEqual(['extra: theirs has no such packet']);
  });

  it('is a swapped pair', () => {
    const at = fullSegments(bulk)[300]!;
    const swapped = edited(bulk, (copy) => {
      [copy[at]!.bytes, copy[at + 1]!.bytes] = [copy[at + 1]!.bytes, copy[at]!.bytes];
    });
    expect(named(compare(swapped, bulk))).toEqual([expect.stringMatching(/^order: comes (later|earlier) than theirs$/)]);
  });

  it('is an answer that stands before its question', () => {
    const swapped = edited(echo, (copy) => {
      [copy[2]!.bytes, copy[3]!.bytes] = [copy[3]!.bytes, copy[2]!.bytes];
    });
    const comparison = compare(swapped, echo, { ignore: ['timing'] });
    expect(comparison.counts).toEqual({ order: 1 });
  });

  it('is a segment that comes late', () => {
    const at = pureAcks(loss).findLast((i) => loss[i + 1]!.timeNs - loss[i]!.timeNs > 8e6)!;
    const comparison = compare(
      edited(loss, (copy) => (copy[at]!.timeNs += 6e6)),
      loss,
    );
    expect(named(comparison)).toEqual(['timing: 6.000 ms later than theirs']);
    expect(comparison.first?.difference.ours?.frame).toBe(at + 1);
  });

  it('is a pause that delays all that follows', () => {
    const shifted = edited(bulk, (copy) => delay(copy, 500, 50e6));
    // One for each direction.
    expect(named(compare(shifted, bulk))).toEqual(['timing: 50.000 ms later than theirs', 'timing: 50.000 ms later than theirs']);
    expect(named(compare(shifted, bulk, { toleranceNs: 60e6 }))).toEqual([]);
  });

  it('is a SACK block, a flag, a TTL, an option of the handshake', () => {
    const sack = loss.findIndex((record) => isTcp(record) && optionAt(record, 5) >= 0);
    const bytes = optionAt(loss[sack]!, 5) + 6;
    const moved = edited(loss, (copy) => copy[sack]!.bytes.writeUInt32BE(loss[sack]!.bytes.readUInt32BE(bytes) + 1448, bytes));
    expect(named(compare(moved, loss))).toEqual([expect.stringMatching(/^option: SACK 28961:31857, theirs 28961:30409$/)]);
    const pushed = edited(bulk, (copy) => (copy[700]!.bytes[47]! ^= 0x08));
    expect(named(compare(pushed, bulk))).toEqual([expect.stringMatching(/^flags: flags \[(P?)\.\], theirs \[(P?)\.\]$/)]);
    expect(
      named(
        compare(
          edited(bulk, (copy) => setTtl(copy[700]!, 63)),
          bulk,
        ),
      ),
    ).toEqual(['header: TTL 63, theirs 64']);
    const syn = edited(bulk, (copy) => copy[2]!.bytes.writeUInt16BE(1400, optionAt(copy[2]!, 2) + 2));
    expect(named(compare(syn, bulk))).toContain('option: mss 1400, theirs 1460');
  });

  it('is a packet that was damaged', () => {
    const at = pureAcks(bulk)[50]!;
    const damaged = edited(bulk, (copy) => (copy[at]!.bytes[50]! ^= 0x01));
    const path = writeRecords(join(directory, 'damaged.pcap'), damaged, 0, false);
    const original = writeRecords(join(directory, 'original.pcap'), bulk, 0, false);
    const comparison = compareCaptures(
      () => openCapture(path),
      () => openCapture(original),
    );
    expect(named(comparison)).toEqual(['checksum: wrong checksum, theirs is right']);
  });

  it('is data that was cut into other segments', () => {
    const at = fullSegments(bulk)[400]!;
    const cut = edited(bulk, (copy) => {
      const first = copy[at]!;
      const second = { ...first, bytes: Buffer.from(first.bytes), original: first.original - 1000 };
      second.bytes.writeUInt16BE(first.bytes.readUInt16BE(16) - 1000, 16);
      second.bytes.writeUInt32BE((first.bytes.readUInt32BE(38) + 1000) >>> 0, 38);
      first.bytes.writeUInt16BE(first.bytes.readUInt16BE(16) - 448, 16);
      first.original -= 448;
      copy.splice(at + 1, 0, second);
    });
    expect(named(compare(cut, bulk))).toEqual(['segmentation: 1000+448 octets in 2 segments, theirs 1448 octets in one segment']);
  });

  it('is a datagram that was lost, and nothing else', () => {
    const answers = datagrams.findIndex(({ bytes }) => bytes[23] === 1);
    expect(
      named(
        compare(
          edited(datagrams, (copy) => copy.splice(answers, 1)),
          datagrams,
        ),
      ),
    ).toEqual(['missing: ours has no such packet']);
  });

  it('is a connection that only one side has', () => {
    const comparison = compare(
      bulk.filter((record) => !isTcp(record)),
      bulk,
    );
    expect(comparison.counts).toEqual({ missing: bulk.filter(isTcp).length });
    expect(comparison.flows.find(({ protocol }) => protocol === 'tcp')).toMatchObject({ ours: null, score: 0 });
  });
});

describe('several conversations', () => {
  it('are matched by service and shape, whatever their order and ports', () => {
    const second = disguise(echo, SERVER, { ...elsewhere, address: 0, delayNs: 1e6 });
    const together = (...all: CapturedRecord[][]): CapturedRecord[] => all.flat().sort((a, b) => a.timeNs - b.timeNs);
    const tcp = (records: readonly CapturedRecord[]): CapturedRecord[] => copyOf(records.filter(isTcp));
    const ours = together(tcp(bulk), tcp(second));
    const theirs = together(tcp(disguise(bulk, SERVER, { ...elsewhere, address: 0, port: 51000, delayNs: 3e6 })), tcp(second));
    const comparison = compare(ours, theirs);
    expect(comparison.flows.map(({ oursUnits, theirsUnits }) => [oursUnits, theirsUnits])).toEqual([
      [bulk.filter(isTcp).length, bulk.filter(isTcp).length],
      [echo.filter(isTcp).length, echo.filter(isTcp).length],
    ]);
    expect(comparison.flows.map(({ score }) => score)).toEqual([1, 1]);
  });
});

describe('what is ignored', () => {
  it('does not count', () => {
    const at = pureAcks(bulk)[100]!;
    const changed = edited(bulk, (copy) => setWindow(copy[at]!, 1));
    expect(compare(changed, bulk, { ignore: ['window'] })).toMatchObject({ same: true, score: 1 });
    const fewer = edited(bulk, (copy) => copy.splice(at, 1));
    expect(compare(fewer, bulk, { ignore: ['acks'] })).toMatchObject({ same: true, score: 1 });
    expect(compare(bulk.filter(isTcp), bulk, { ignore: ['arp', 'timing'] })).toMatchObject({ same: true });
  });
});

describe('the description', () => {
  it('shows the neighbourhood of the first divergence, both sides side by side', () => {
    const at = pureAcks(bulk)[100]!;
    const paths = [
      writeRecords(
        join(directory, 'a.pcap'),
        edited(bulk, (copy) => copy.splice(at, 1)),
      ),
      writeRecords(join(directory, 'b.pcap'), bulk),
    ];
    const open = paths.map((path) => () => openCapture(path));
    const comparison = compareCaptures(open[0]!, open[1]!);
    const { flow, difference } = comparison.first!;
    const rows = neighbourhood(open[0]!, open[1]!, flow, difference);
    const here = rows.findIndex((row) => row.here);
    expect(rows[here]).toMatchObject({ ours: null, theirs: { frame: at + 1, acknowledgment: difference.theirs!.acknowledgment } });
    expect(rows.slice(0, here).every(({ ours, theirs }) => ours?.frame === theirs?.frame)).toBe(true);
    const text = inWords(comparison, ['a.pcap', 'b.pcap'], rows);
    expect(text).toMatch(/^ours {4}a\.pcap: 1142 packets$/m);
    expect(text).toMatch(/^=> +\d+ +\d\.\d{6} < \[\.\] seq 1 ack \d+ win \d+ len 0$/m);
    const data = JSON.parse(JSON.stringify(asData(comparison, ['a.pcap', 'b.pcap'], rows))) as {
      first: { kind: string; theirs: { frame: number } };
    };
    expect(data.first).toMatchObject({ kind: 'missing', theirs: { frame: at + 1 } });
  });
});

/** Edits that must be found. Each returns false where it cannot be applied. */
const EDITS: Record<string, (copy: CapturedRecord[], at: number) => boolean> = {
  remove: (copy, at) => copy.splice(at, 1).length === 1,
  repeat: (copy, at) => {
    copy.splice(at, 0, { ...copy[at]!, bytes: Buffer.from(copy[at]!.bytes) });
    return true;
  },
  late: (copy, at) => {
    delay(copy, at, 20e6);
    return true;
  },
  ttl: (copy, at) => isTcp(copy[at]!) && setTtl(copy[at]!, 61) > 0,
  window: (copy, at) => isTcp(copy[at]!) && setWindow(copy[at]!, windowOf(copy[at]!) ^ 1) > 0,
  push: (copy, at) => isTcp(copy[at]!) && (copy[at]!.bytes[47]! ^= 0x08) >= 0,
  ack: (copy, at) =>
    isTcp(copy[at]!) &&
    (flagsOf(copy[at]!) & 0x10) !== 0 &&
    copy[at]!.bytes.writeUInt32BE((acknowledgmentOf(copy[at]!) + 1448) >>> 0, 42) > 0,
  fragment: (copy, at) => isTcp(copy[at]!) && (copy[at]!.bytes[20]! ^= 0x40) >= 0,
};

describe('a random edit', () => {
  it.each([
    ['a bulk transfer', bulk],
    ['a transfer with a loss', loss],
    ['requests and answers', echo],
  ])('of %s is found', (_, records) => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(EDITS)), fc.integer({ min: 2, max: records.length - 1 }), (name, at) => {
        const copy = copyOf(records);
        fc.pre(EDITS[name]!(copy, at));
        expect(compare(copy, records).same, `${name} at frame ${at + 1}`).toBe(false);
        expect(compare(records, copy).same, `${name} at frame ${at + 1}, other way round`).toBe(false);
      }),
      { numRuns: 40, seed: 1 },
    );
  });
});
