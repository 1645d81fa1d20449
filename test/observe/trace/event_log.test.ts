/** events.msgpack, read with a library as docs/event_log.md says. */
import { createDecodeStream } from 'msgpack-lite';
import { describe, expect, it } from 'vitest';
import { fileOf, linesOf, runBusy } from './traced_run.ts';

interface Description {
  readonly format: string;
  readonly version: number;
  readonly record: readonly string[];
  readonly hosts: readonly { name: string; firstCpu: number; cpus: number }[];
  readonly events: readonly { id: number; system: string; name: string; fields: readonly (readonly [name: string, kind: string])[] }[];
}

function decodeAll(data: Buffer): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const objects: unknown[] = [];
    const stream = createDecodeStream();
    stream.on('data', (object: unknown) => objects.push(object));
    stream.on('end', () => resolve(objects));
    stream.on('error', reject);
    stream.end(data);
  });
}

const outcome = runBusy('all', ['text', 'msgpack']);
const lines = linesOf(outcome);
const [first, ...records] = (await decodeAll(fileOf(outcome, 'events.msgpack'))) as [Description, ...unknown[][]];
const events = new Map(first.events.map((event) => [event.id, event]));

/** A record as an object. */
const named = (record: unknown[]): Record<string, unknown> => {
  const { system, name, fields } = events.get(record[1] as number)!;
  const head = Object.fromEntries(first.record.map((key, i) => [key, record[i]]));
  return { ...head, system, name, fields: Object.fromEntries(fields.map(([field], i) => [field, record[first.record.length + i]])) };
};
const all = records.map(named);

describe('the event log', () => {
  it('starts with its description', () => {
    expect(first.format).toBe('truewire events');
    expect(first.version).toBe(1);
    expect(first.record).toEqual(['time', 'event', 'cpu', 'pid', 'comm', 'flags', 'packet', 'packets']);
    expect(first.hosts).toEqual([
      { name: 'client', firstCpu: 0, cpus: 2 },
      { name: 'server', firstCpu: 2, cpus: 1 },
    ]);
    const probe = first.events.find(({ name }) => name === 'tcp_probe')!;
    expect(probe.fields.slice(0, 4)).toEqual([
      ['saddr', 'socketAddress'],
      ['daddr', 'socketAddress'],
      ['sport', 'number'],
      ['dport', 'number'],
    ]);
  });

  it('has a record for each line of the text, and the hardware’s beside', () => {
    const kernel = all.filter(({ system }) => system !== 'nic' && system !== 'wire');
    expect(kernel.map(({ name, comm, pid, cpu }) => [String(name).replace(/^sys_(enter|exit)_/, 'sys_'), comm, pid, cpu])).toEqual(
      lines.map(({ event, comm, pid, cpu }) => [event, comm, pid, cpu]),
    );
    expect(new Set(all.map(({ system }) => system))).toContain('wire');
  });

  it('has the values that the text shows', () => {
    const texts = lines.filter(({ event }) => event === 'tcp_probe').map(({ text }) => text);
    const probes = all.filter(({ name }) => name === 'tcp_probe').map(({ fields }) => fields as Record<string, unknown>);
    expect(probes.map((f) => [f['saddr'], f['daddr'], f['snd_cwnd'], f['srtt'], f['skaddr']])).toEqual(
      texts.map((text) => {
        const value = (key: string): string => new RegExp(`\\b${key}=(\\S+)`).exec(text)![1]!;
        return [value('src'), value('dest'), Number(value('snd_cwnd')), Number(value('srtt')), `0x${value('skaddr')}`];
      }),
    );
    const freed = all.find(({ name }) => name === 'consume_skb')!['fields'] as Record<string, unknown>;
    expect(freed['location']).toMatch(/^[a-z_0-9]+$/);
  });

  it('joins by packet id what the kernels, the NICs and the wire saw of a packet', () => {
    const frames = all.filter(({ system }) => system === 'wire');
    const covered = (name: string, id: number): boolean =>
      all.some((r) => r['name'] === name && id >= (r['packet'] as number) && id < (r['packet'] as number) + (r['packets'] as number));
    expect(frames.length).toBeGreaterThan(100);
    for (const frame of frames) {
      const id = frame['packet'] as number;
      const lost = (frame['fields'] as Record<string, unknown>)['fate'] === 'lost';
      expect(covered('net_dev_start_xmit', id), `sent ${id}`).toBe(true);
      expect(covered('transmit', id), `transmitted ${id}`).toBe(true);
      expect(covered('receive', id), `received ${id}`).toBe(!lost);
      expect(covered('napi_gro_receive_entry', id), `taken ${id}`).toBe(!lost);
    }
  });
});
