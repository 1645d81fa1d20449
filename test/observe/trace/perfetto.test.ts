/** trace.pftrace, read back: tracks, slices that nest, counters, arrows. */
import { describe, expect, it } from 'vitest';
import { integer, type Message, message, messages, readMessage, text } from './protobuf_reader.ts';
import { fileOf, linesOf, runBusy } from './traced_run.ts';

const outcome = runBusy('all', ['text', 'perfetto']);
const lines = linesOf(outcome);
const packets = messages(readMessage(fileOf(outcome, 'trace.pftrace')), 1);

interface Track {
  readonly uuid: number;
  readonly name: string;
  readonly parent: number | undefined;
  readonly counter: boolean;
  readonly process: string | undefined;
}

interface Event {
  readonly time: number;
  readonly type: number;
  readonly track: Track;
  readonly name: string | undefined;
  readonly value: number | undefined;
  readonly flows: readonly number[];
  readonly notes: ReadonlyMap<string, string | number>;
}

const tracks = new Map<number, Track>();
const events: Event[] = [];
for (const packet of packets) {
  const descriptor = message(packet, 60);
  if (descriptor !== undefined) {
    const process = message(descriptor, 3);
    tracks.set(integer(descriptor, 1)!, {
      uuid: integer(descriptor, 1)!,
      name: text(descriptor, 2) ?? '',
      parent: integer(descriptor, 5),
      counter: descriptor.fields.has(8),
      process: process === undefined ? undefined : text(process, 6),
    });
  }
  const event = message(packet, 11);
  if (event !== undefined) events.push(eventOf(packet, event));
}

function eventOf(packet: Message, event: Message): Event {
  const track = tracks.get(integer(event, 11)!);
  if (track === undefined) throw new Error(`an event on track ${integer(event, 11)}, which nobody described`);
  return {
    time: integer(packet, 8)!,
    type: integer(event, 9)!,
    track,
    name: text(event, 23),
    value: integer(event, 30),
    flows: (event.fields.get(47) ?? []).map(Number),
    notes: new Map(messages(event, 4).map((note) => [text(note, 10)!, text(note, 6) ?? integer(note, 3) ?? integer(note, 4)!])),
  };
}

/** `client/CPU 0/task` */
function path(track: Track): string {
  const own = track.process ?? track.name;
  return track.parent === undefined ? own : `${path(tracks.get(track.parent)!)}/${own}`;
}
const on = (name: string | RegExp): Event[] =>
  events.filter(({ track }) => (typeof name === 'string' ? path(track) === name : name.test(path(track))));

describe('the Perfetto trace', () => {
  it('has tracks for CPUs, connections, queues, NICs and wires', () => {
    const paths = [...tracks.values()].map(path);
    for (const cpu of ['client/CPU 0', 'client/CPU 1', 'server/CPU 0'])
      expect(paths).toEqual(expect.arrayContaining(['task', 'hardirq', 'softirq', 'NAPI', 'events'].map((name) => `${cpu}/${name}`)));
    expect(paths.filter((name) => /^client\/TCP\/10\.0\.0\.1:\d+ > 10\.0\.0\.2:5001$/.test(name))).toHaveLength(1);
    expect(paths.filter((name) => /^server\/TCP\/10\.0\.0\.2:5001 > 10\.0\.0\.1:\d+$/.test(name))).toHaveLength(1);
    expect(paths).toEqual(expect.arrayContaining(['NIC client.eth0/tx ring 0', 'NIC server.eth0/receive']));
    expect(paths).toEqual(
      expect.arrayContaining(['wire client.eth0-server.eth0/from client.eth0', 'wire client.eth0-server.eth0/from server.eth0']),
    );
  });

  it('has slices that nest and end', () => {
    const sliced = [...new Set(events.filter(({ type }) => type === 1).map(({ track }) => track))];
    expect(sliced.length).toBeGreaterThan(10);
    for (const track of sliced) {
      const ordered = events
        .filter((event) => event.track === track && (event.type === 1 || event.type === 2))
        .sort((a, b) => a.time - b.time);
      let depth = 0;
      for (const { type } of ordered) {
        depth += type === 1 ? 1 : -1;
        expect(depth, path(track)).toBeGreaterThanOrEqual(0);
      }
      expect(depth, path(track)).toBe(0);
    }
  });

  it('has a slice for each softirq, interrupt and poll of the text', () => {
    const begun = (name: RegExp): number => on(name).filter(({ type }) => type === 1).length;
    const logged = (name: string): number => lines.filter(({ event }) => event === name).length;
    expect(begun(/\/softirq$/)).toBe(logged('softirq_entry'));
    expect(begun(/\/hardirq$/)).toBe(logged('irq_handler_entry'));
    expect(begun(/\/NAPI$/)).toBe(logged('napi_poll'));
  });

  it('shows the states of a connection', () => {
    const states = on(/^client\/TCP\/.*:5001$/).filter(({ type }) => type === 1);
    expect(states.map(({ name }) => name)).toEqual(['SYN_SENT', 'ESTABLISHED', 'FIN_WAIT1', 'FIN_WAIT2']);
  });

  it('counts the congestion window as tcp_probe tells it', () => {
    const [, port] = /10\.0\.0\.1:(\d+) dest=10\.0\.0\.2:5001/.exec(lines.find(({ event }) => event === 'tcp_probe')!.text) ?? [];
    const told = lines
      .filter(({ event, text: line }) => event === 'tcp_probe' && line.includes(`src=10.0.0.1:${port ?? ''}`))
      .map(({ text: line }) => Number(/snd_cwnd=(\d+)/.exec(line)![1]))
      .filter((value, i, values) => i === 0 || value !== values[i - 1]);
    expect(on(/^client\/TCP\/.*:5001\/snd_cwnd$/).map(({ value }) => value)).toEqual(told);
  });

  it('joins what happens to a packet by arrows, from the sender’s kernel over the wire to the receiver’s', () => {
    const frame = on('wire client.eth0-server.eth0/from client.eth0').find(({ notes }) => (notes.get('len') as number) > 1000)!;
    const id = frame.flows[0]!;
    const path_ = events
      .filter(({ flows }) => flows.includes(id))
      .sort((a, b) => a.time - b.time)
      .map(({ name }) => name);
    expect(path_).toEqual(
      expect.arrayContaining(['net_dev_queue', 'net_dev_start_xmit', 'transmit', frame.name, 'receive', 'napi_gro_receive_entry']),
    );
    expect(path_.indexOf('net_dev_start_xmit')).toBeLessThan(path_.indexOf('transmit'));
    expect(path_.indexOf('transmit')).toBeLessThan(path_.indexOf('napi_gro_receive_entry'));
  });

  it('has the fields of events as annotations', () => {
    const sent = on(/\/events$/).find(({ name }) => name === 'net_dev_start_xmit')!;
    expect(sent.notes.get('name')).toBe('eth0');
    expect(sent.notes.get('skbaddr')).toMatch(/^0xffff8880/);
  });
});
