/** One packet, one identity: in every example the id of a frame joins captures, trace, descriptors and truth, and none of them knows a frame that the others don't. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openCapture } from '../../src/observe/files/capture_reader.ts';
import { hostOfCpu, readEventLog } from '../../src/observe/follow/event_log_reader.ts';
import type { TruthRecord } from '../../src/observe/truth.ts';
import { examples, runExample } from '../scenarios/scenario.ts';

const OUTBOUND = 2;

/** What one event says of frames: `where` they are, and each frame's id. */
interface Seen {
  readonly where: string;
  readonly id: number;
  readonly descriptor?: number;
}

interface Joined {
  readonly truth: readonly TruthRecord[];
  readonly wire: readonly Seen[];
  readonly sent: readonly Seen[];
  readonly received: readonly Seen[];
  /** Of packet taps, going out. */
  readonly tapped: readonly Seen[];
  /** nic:transmit, nic:receive, nic:store, wire:frame. */
  readonly events: ReadonlyMap<string, readonly Seen[]>;
  /** Hosts whose kernels have records of a frame. */
  readonly kernels: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Packets of a capture, those that were lost before the card aside. */
function captured(path: string, where: string, outgoing: boolean | null): Seen[] {
  const reader = openCapture(path);
  const found: Seen[] = [];
  for (let packet = reader.next(); packet !== null; packet = reader.next()) {
    if (outgoing !== null && ((packet.flags & 3) === OUTBOUND) !== outgoing) continue;
    if (packet.comments.some((comment) => comment.startsWith('dropped'))) continue;
    const descriptor = /^tx descriptor (\d+)$/.exec(packet.comments[0] ?? '')?.[1];
    found.push({ where, id: packet.packetId, ...(descriptor === undefined ? {} : { descriptor: Number(descriptor) }) });
  }
  reader.close();
  return found;
}

async function join_(name: string): Promise<Joined> {
  const value = ['wire', 'nic', 'tcpdump'];
  const { directory, report } = runExample(name, {
    overrides: [{ path: ['capture'], value }],
    trace: 'all',
    traceFormats: ['msgpack'],
    run: { truth: true },
  });
  const at = (point: string, outgoing: boolean | null): Seen[] =>
    report.captures.filter((capture) => capture.point === point).flatMap(({ file }) => captured(join(directory, file), file.replace(`.${point}.pcapng`, ''), outgoing)); // biome-ignore format: one
  const events = new Map<string, Seen[]>();
  const kernels = new Map<string, Set<string>>();
  await readEventLog(join(directory, 'events.msgpack'), (record, log) => {
    const { system, name: event } = record.event;
    for (let id = record.packet; id > 0 && id < record.packet + record.packets; id++) {
      if (record.cpu >= 0) kernels.set(`${id}`, (kernels.get(`${id}`) ?? new Set()).add(hostOfCpu(log, record.cpu).name));
      else {
        const where = String(system === 'wire' ? record.field('wire') : record.field('nic'));
        const seen = {
          where,
          id,
          ...(event === 'transmit' || event === 'store' ? { descriptor: Number(record.field('descriptor')) } : {}),
        };
        if (record.field('dropped') === undefined || record.field('dropped') === '') put(events, event, seen);
      }
    }
  });
  const lines = readFileSync(join(directory, 'truth.jsonl'), 'utf8').split('\n').filter((line) => line !== ''); // biome-ignore format: one
  const truth = lines.map((line) => JSON.parse(line) as TruthRecord).filter(({ kind }) => kind !== 'duplicate');
  return { truth, wire: at('wire', null), sent: at('nic', true), received: at('nic', false), tapped: at('tcpdump', true), events, kernels };
}

function put(events: Map<string, Seen[]>, event: string, seen: Seen): void {
  const list = events.get(event);
  if (list === undefined) events.set(event, [seen]);
  else list.push(seen);
}

const keys = (seen: readonly Seen[] | undefined): string[] => (seen ?? []).map(({ where, id }) => `${where} ${id}`).sort();
const hostOf = (end: string): string => end.split('.')[0]!;

describe.each(examples)('%s', (name) => {
  let joined: Joined;
  beforeAll(async () => {
    joined = await join_(name);
  }, 60_000);

  it('has every frame of its wires in truth, captures, events and at the card, and nothing else there', () => {
    const { truth, wire, sent, events } = joined;
    const wires = truth.map((record) => `${record.wire} ${record.id}`).sort();
    expect(keys(wire)).toEqual(wires);
    expect(keys(events.get('frame'))).toEqual(wires);
    const senders = truth.map(({ from, id }) => `${from} ${id}`).sort();
    expect(keys(sent)).toEqual(senders);
    expect(keys(events.get('transmit'))).toEqual(senders);
    expect(new Set(senders).size, 'an id is one frame').toBe(senders.length);
  });

  it('names the same descriptor in the capture of a card and in the log', () => {
    const of = (seen: readonly Seen[] = []): string[] => seen.map(({ where, id, descriptor }) => `${where} ${id} ${descriptor}`).sort();
    expect(of(joined.sent)).toEqual(of(joined.events.get('transmit')));
    expect(joined.sent.every(({ descriptor }) => descriptor !== undefined)).toBe(true);
  });

  it('has what was not lost at the other card, which stores it by DMA', () => {
    const { truth, received, events } = joined;
    const other = (record: TruthRecord): string => record.wire.split('-').find((end) => end !== record.from) ?? '';
    const arrived = truth.filter(({ fate }) => fate === 'delivered' || fate === 'reordered');
    expect(received.length).toBe(arrived.length);
    expect(keys(received)).toEqual(keys(events.get('receive')));
    expect(keys(events.get('store'))).toEqual(keys(received));
    const named = arrived.filter((record) => record.wire.includes('-'));
    const at = new Set(keys(received));
    for (const record of named) expect(at).toContain(`${other(record)} ${record.id}`);
  });

  it('has records of the kernels of both ends for every frame, and of no frame that never was', () => {
    const { truth, received, kernels } = joined;
    for (const { from, id } of truth) expect(kernels.get(`${id}`), `${id}`).toContain(hostOf(from));
    for (const { where, id } of received) expect(kernels.get(`${id}`), `${id}`).toContain(hostOf(where));
  });

  it('has every packet of its taps on a wire, under its id', () => {
    const frames = new Set(joined.truth.map(({ from, id }) => `${from} ${id}`));
    for (const { where, id } of joined.tapped) expect(frames).toContain(`${where} ${id}`);
    if (!name.startsWith('loopback')) expect(joined.tapped.length).toBeGreaterThan(20);
  });
});
