import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CallTree, Skipped } from '../../../src/observe/follow/calls.ts';
import { EventLogError } from '../../../src/observe/follow/event_log_reader.ts';
import { followPacket, type Life } from '../../../src/observe/follow/life.ts';
import { duration, lifeLines, waitLines } from '../../../src/observe/follow/print.ts';
import { STAGES } from '../../../src/observe/follow/stages.ts';
import { sumWaits } from '../../../src/observe/follow/waits.ts';
import type { TruthRecord } from '../../../src/observe/truth.ts';
import { loadTopology } from '../../../src/topology/load.ts';
import { runTopology } from '../../../src/topology/run.ts';
import { temporaryFolder } from '../../scenarios/scenario.ts';

const DELAY_NS = 1_000_000;
let directory: string;
let truth: TruthRecord[];
const log = (): string => join(directory, 'events.msgpack');

const NETWORK = `
hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    run: [{ at: 1ms, script: "connect 10.0.0.2 5001\\nsend 50000\\nshutdown wr\\nrecvall\\nclose" }]
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    run: [{ script: "listen 5001\\naccept\\nrecvall\\nclose" }]
wires: [{ between: [client.eth0, server.eth0], rate: 1Gbit, delay: 1ms, impair: { client: { drop: [20] } } }]`;

beforeAll(() => {
  directory = temporaryFolder();
  runTopology(loadTopology('follow.yaml', NETWORK), { directory, trace: 'all', traceFormats: ['msgpack'], truth: true });
  truth = readFileSync(join(directory, 'truth.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as TruthRecord); // biome-ignore format: one
});

const data = (): TruthRecord[] => truth.filter(({ flow, from }) => flow.startsWith('tcp') && from === 'client.eth0');
const life = async (id: number): Promise<Life> => (await followPacket(log(), id))!;

describe('one packet over all hosts', () => {
  it('goes from the system call through queue, NIC and wire to the reader', async () => {
    const { steps, cause } = await life(data()[2]!.id);
    const events = steps.filter(({ stage, time }) => stage !== '' || time === steps[0]!.time).map(({ event }) => event.split(':')[1]);
    expect(cause).toMatch(/^sockscript-\d+ in sendto\(fd=3 len=50000 .*\), called \d+ ns before$/);
    const way = ['net_dev_queue', 'net_dev_start_xmit', 'transmit', 'departure', 'frame', 'receive', 'irq_handler_entry', 'napi_gro_receive_entry', 'netif_receive_skb', 'tcp_probe', 'skb_copy_datagram_iovec']; // biome-ignore format: one
    expect(events.filter((event) => way.includes(event!))).toEqual(way);
    expect(steps[0]!.host).toBe('client');
    expect(steps.at(-1)!.host).toBe('server');
  });

  it('has waits that add up to its time, and the wire’s delay among them', async () => {
    const { steps, waits } = await life(data()[2]!.id);
    const onTheWay = steps.filter(({ stage }) => stage !== '');
    const total = [...waits.values()].reduce((sum, ns) => sum + ns, 0);
    expect(total).toBe(onTheWay.at(-1)!.time - steps[0]!.time);
    expect(waits.get(STAGES.wire)).toBe(DELAY_NS);
    // A full frame of 1,514 bytes with preamble and FCS at 1 Gbit/s.
    expect(waits.get(STAGES.serialisation)).toBe((8 + 1514 + 4) * 8);
  });

  it('names the frames that share its sk_buff, and the acknowledgement that made room for it', async () => {
    const later = await life(data().find(({ fate }) => fate === 'lost')!.id);
    expect(later.frames).toBeGreaterThan(1);
    expect(later.first).toBeLessThanOrEqual(later.id);
    const acks = truth.filter(({ from }) => from === 'server.eth0').map(({ id }) => id);
    const [, by] = /^packet (\d+), which arrived \d+ ns before$/.exec(later.cause) ?? [];
    expect(acks).toContain(Number(by));
  });

  it('ends on the wire when it was lost there', async () => {
    const { steps } = await life(data().find(({ fate }) => fate === 'lost')!.id);
    const last = steps.findLast(({ stage }) => stage !== '')!;
    expect(last.event).toBe('wire:frame');
    expect(last.text).toMatch(/fate=lost$/);
  });

  it('is null for a packet that nothing is known of', async () => {
    expect(await followPacket(log(), 1_000_000)).toBeNull();
  });

  it('prints as a table', async () => {
    const lines = lifeLines(await life(data()[2]!.id), ['a remark']);
    expect(lines.slice(1, 2)).toEqual(['a remark']);
    expect(lines.find((line) => line.includes('nic:transmit'))).toMatch(
      /^1\.\d{9} +\+\d+(\.\d+)? [nµm]s +nic:transmit +nic=client\.eth0 queue=\d descriptor=\d+ len=1514$/,
    );
    expect(lines.find((line) => line.startsWith(`  ${STAGES.wire} `))).toMatch(/1000\.000 µs +\d+\.\d%$/);
  });
});

describe('sums of waits', () => {
  it('count each frame that went through a stage', async () => {
    const sums = await sumWaits(log(), null);
    const wire = sums.find(({ stage }) => stage === STAGES.wire)!;
    expect(wire.packets).toBe(truth.length);
    expect(wire.ns).toBe(truth.length * DELAY_NS);
    expect(waitLines(sums, 'all packets')[0]).toBe('waits of all packets:');
  });

  it('are those of one packet when only it is asked for', async () => {
    const { id } = data()[2]!;
    const sums = new Map((await sumWaits(log(), new Set([id]))).map(({ stage, ns }) => [stage, ns]));
    for (const [stage, ns] of (await life(id)).waits) expect(sums.get(stage) ?? 0, stage).toBe(ns);
  });
});

it('says how to make the log when there is none', async () => {
  await expect(followPacket(join(directory, 'nothing.msgpack'), 1)).rejects.toThrow(EventLogError);
  await expect(followPacket(join(directory, 'nothing.msgpack'), 1)).rejects.toThrow(/run with --trace all --trace-format msgpack/);
});

it('durations are as precise as they are short', () => {
  expect([830, 12_208, 1_000_000, 2_500_000_000].map(duration)).toEqual(['830 ns', '12.208 µs', '1000.000 µs', '2500.000 ms']);
});

describe('the functions that a packet passed through', () => {
  const names = (tree: CallTree | Skipped): string[] => ('calls' in tree ? [] : [tree.name, ...tree.below.flatMap(names)]);
  const all = (one: CallTree): CallTree[] => [one, ...one.below.flatMap((below) => ('calls' in below ? [] : all(below)))];
  let traced: string;

  beforeAll(() => {
    traced = temporaryFolder();
    runTopology(loadTopology('follow.yaml', NETWORK), { directory: traced, trace: 'all,function_graph', traceFormats: ['msgpack'] });
  });

  const followed = async (id: number): Promise<Life> => (await followPacket(join(traced, 'events.msgpack'), id))!;

  it('go from the system call to the driver, through the receiving softirq, to the reader', async () => {
    const { calls } = await followed(data()[2]!.id);
    const [send, ...later] = calls;
    expect([send!.name, send!.host]).toEqual(['__x64_sys_sendto', 'client']);
    const down = ['tcp_sendmsg', 'tcp_write_xmit', '__tcp_transmit_skb', 'ip_queue_xmit', '__dev_queue_xmit', 'igb_xmit_frame', 'dma_map_phys']; // biome-ignore format: a list
    expect(names(send!).filter((name) => down.includes(name)).slice(0, down.length)).toEqual(down);
    const receiving = later.find(({ name, host }) => name === 'net_rx_action' && host === 'server')!;
    const up = ['igb_poll', 'dev_gro_receive', 'tcp_v4_rcv', 'tcp_rcv_established'];
    expect(names(receiving).filter((name) => up.includes(name))).toEqual(expect.arrayContaining(up));
    expect(later.find(({ name }) => name === '__x64_sys_recvfrom')!.host).toBe('server');
  }); // biome-ignore format: one each

  it('contain what they call: no call begins before its caller or ends after it', async () => {
    const { calls } = await followed(data()[2]!.id);
    const every = calls.flatMap(all);
    expect(every.length).toBeGreaterThan(80);
    for (const { start, end, below } of every)
      for (const one of below) if (!('calls' in one)) expect(one.start >= start && one.end! <= end!, `${one.name}`).toBe(true);
  });

  it('leave out what a call did for other packets, and say how much that was', async () => {
    const [first, second] = await Promise.all([followed(data()[2]!.id), followed(data()[12]!.id)]);
    const sent = ({ calls }: Life): number => calls.filter(({ host }) => host === 'client').flatMap(all).filter(({ name }) => name === 'igb_xmit_frame').length;
    expect([sent(first), sent(second)]).toEqual([1, 1]);
    expect(lifeLines(second, []).join('\n')).toMatch(/\d+ calls that are not about this packet/);
  }); // biome-ignore format: one each

  it('print as the function_graph tracer has them, or say how to get them', async () => {
    const lines = lifeLines(await followed(data()[2]!.id), []);
    expect(lines).toContainEqual(expect.stringMatching(/^ +1\.\d{9} +\d+ ns \| +igb_tx_ctxtdesc\(\);$/));
    expect(lines).toContainEqual(expect.stringMatching(/^ +1\.\d{9} +[\d.]+ [nµ]s \| +} \/\* __tcp_transmit_skb \*\/$/));
    expect(lifeLines(await life(data()[2]!.id), []).at(-1)).toBe('for the functions that it passed through run with --trace all,function_graph');
  }); // biome-ignore format: one each

  it('are the same whether the text log has them, too; nothing else changes', async () => {
    const both = temporaryFolder();
    runTopology(loadTopology('follow.yaml', NETWORK), { directory: both, trace: 'all,function_graph', traceFormats: ['text', 'msgpack'] });
    expect(readFileSync(join(both, 'events.msgpack')).equals(readFileSync(join(traced, 'events.msgpack')))).toBe(true);
    expect(readFileSync(join(both, 'run.json')).equals(readFileSync(join(directory, 'run.json')))).toBe(true);
  });
});
