/**
 * trace.pftrace for ui.perfetto.dev. Each host is a process with tracks for its CPUs (task, softirq, hardirq, NAPI, and all other events as instants), its TCP
 * connections (state slices, events, counters), its queues; below come NICs with their rings and wires. Events about the same packet are joined by arrows.
 */
import { softirq_to_name } from '../../kernel/include/linux/interrupt.ts';
import { fieldOf } from '../../kernel/trace/trace_event.ts';
import { isCall, isHardware, nicReceive, nicRing, nicStore, nicTransmit, wireFrame } from './hardware_events.ts';
import { Annotations } from './perfetto_annotations.ts';
import { TcpFlows } from './perfetto_flows.ts';
import { PerfettoTracks, TYPE_INSTANT, TYPE_SLICE_BEGIN } from './perfetto_tracks.ts';
import type { TracedHost } from './trace_context.ts';
import type { TraceCursor } from './trace_cursor.ts';
import type { TraceBatch, TraceLog } from './trace_recorder.ts';

/** Arrows of one event: a packet of 64 kB has 45 frames. */
const MAX_FLOWS = 64;
const NET_RX_SOFTIRQ = 3;

/** What this log draws from; it needs these events whatever else was asked for. */
export const PERFETTO_EVENTS: readonly string[] = [
  'sched_switch', 'softirq_entry', 'softirq_exit', 'irq_handler_entry', 'irq_handler_exit', 'napi_poll', 'inet_sock_set_state', 'tcp_probe',
  'tcp_retransmit_skb', 'qdisc_enqueue', 'qdisc_dequeue', 'net_dev_start_xmit', 'napi_gro_receive_entry', 'netif_receive_skb', 'kfree_skb',
  'skb_copy_datagram_iovec',
]; // biome-ignore format: a list

/** A CPU's tracks and what is open on them. */
class CpuTracks {
  readonly host: number;
  readonly task: number;
  readonly softirq: number;
  readonly hardirq: number;
  readonly napi: number;
  readonly events: number;
  readonly hostName: string;
  taskOpen = false;
  /** When the NAPI poll that comes next began: at the softirq's start or at the end of the one before. */
  pollSince = 0;

  constructor(tracks: PerfettoTracks, host: number, hostName: string, cpu: number) {
    this.host = host;
    this.hostName = hostName;
    const parent = tracks.track(host, `CPU ${cpu}`);
    this.task = tracks.track(parent, 'task');
    this.hardirq = tracks.track(parent, 'hardirq');
    this.softirq = tracks.track(parent, 'softirq');
    this.napi = tracks.track(parent, 'NAPI');
    this.events = tracks.track(parent, 'events');
  }
}

export class PerfettoLog implements TraceLog {
  readonly #tracks: PerfettoTracks;
  readonly #annotations = new Annotations();
  readonly #cpus: CpuTracks[] = [];
  readonly #flows: TcpFlows;
  readonly #queued = new Map<number, number>();
  #end = 0;

  /** Throws CaptureWriteError. */
  constructor(path: string, hosts: readonly TracedHost[]) {
    this.#tracks = new PerfettoTracks(path);
    hosts.forEach(({ name, kernel }, index) => {
      const host = this.#tracks.host(name, index + 1);
      for (const { cpu } of kernel.percpu) this.#cpus.push(new CpuTracks(this.#tracks, host, name, cpu.id));
    });
    this.#flows = new TcpFlows(this.#tracks, this.#annotations);
  }

  write({ cursor, order, count }: TraceBatch): void {
    for (let i = 0; i < count; i++) {
      cursor.moveTo(order[i]!);
      if (isCall(cursor.type)) continue;
      if (isHardware(cursor.type)) this.#hardware(cursor);
      else this.#kernel(cursor, this.#cpus[cursor.cpu]!);
      if (cursor.time > this.#end) this.#end = cursor.time;
    }
  }

  close(): void {
    for (const { task, taskOpen } of this.#cpus) if (taskOpen) this.#tracks.endSlice(this.#end, task);
    this.#flows.close(this.#end);
    this.#tracks.close();
  }

  #kernel(record: TraceCursor, cpu: CpuTracks): void {
    const { event, time } = record;
    const tracks = this.#tracks;
    switch (event.name) {
      case 'sched_switch':
        this.#switch(record, cpu);
        return;
      case 'softirq_entry':
        if (record.value('vec') === NET_RX_SOFTIRQ) cpu.pollSince = time;
        this.#slice(time, cpu.softirq, softirq_to_name[record.value('vec')] ?? 'softirq', 'irq');
        return;
      case 'softirq_exit':
        tracks.endSlice(time, cpu.softirq);
        return;
      case 'irq_handler_entry':
        this.#slice(time, cpu.hardirq, record.string(fieldOf(event, 'name')), 'irq');
        return;
      case 'irq_handler_exit':
        tracks.endSlice(time, cpu.hardirq);
        return;
      case 'napi_poll':
        this.#poll(record, cpu);
        return;
      case 'qdisc_enqueue':
      case 'qdisc_dequeue':
        this.#queue(record, cpu);
    }
    if (this.#flows.event(record, cpu.host)) return;
    this.#instant(record, time, cpu.events);
  }

  #slice(time: number, track: number, name: string, category: string): void {
    this.#tracks.beginEvent(time, track, TYPE_SLICE_BEGIN, name, category);
    this.#tracks.endEvent();
  }

  /** An event with its fields and packets. */
  #instant(record: TraceCursor, time: number, track: number): void {
    const { event } = record;
    this.#tracks.beginEvent(time, track, TYPE_INSTANT, event.name, event.system);
    this.#annotations.put(record, this.#tracks.out);
    this.#packets(record);
    this.#tracks.endEvent();
  }

  #packets(record: TraceCursor): void {
    const { packetId, packets } = record;
    if (packets > 0 && packetId > 0) this.#tracks.flow(packetId, Math.min(packets, MAX_FLOWS));
  }

  #switch(record: TraceCursor, cpu: CpuTracks): void {
    const { time, event } = record;
    if (cpu.taskOpen) this.#tracks.endSlice(time, cpu.task);
    const pid = record.value('next_pid');
    cpu.taskOpen = pid !== 0;
    if (cpu.taskOpen) this.#slice(time, cpu.task, `${record.string(fieldOf(event, 'next_comm'))}-${pid}`, 'sched');
  }

  /** The tracepoint tells of a poll when it is over. */
  #poll(record: TraceCursor, cpu: CpuTracks): void {
    const { time, event } = record;
    const start = cpu.pollSince === 0 ? time : cpu.pollSince;
    this.#tracks.beginEvent(start, cpu.napi, TYPE_SLICE_BEGIN, `poll ${record.string(fieldOf(event, 'dev_name'))}`, 'napi');
    this.#annotations.put(record, this.#tracks.out);
    this.#tracks.endEvent();
    this.#tracks.endSlice(time, cpu.napi);
    cpu.pollSince = time;
  }

  /** How many packets a qdisc holds, by what went in and came out. */
  #queue(record: TraceCursor, cpu: CpuTracks): void {
    const { event } = record;
    const handle = record.value('handle');
    const name = `qdisc ${(handle >>> 16).toString(16)}: of interface ${record.value('ifindex')}`;
    const track = this.#tracks.counterTrack(cpu.host, name, 'packets');
    const change = event.name === 'qdisc_enqueue' ? 1 : -record.value('packets');
    const queued = Math.max(0, (this.#queued.get(track) ?? 0) + change);
    this.#queued.set(track, queued);
    this.#tracks.counter(record.time, track, queued);
  }

  #hardware(record: TraceCursor): void {
    const { event, time } = record;
    const text = (name: string): string => record.string(fieldOf(event, name));
    const tracks = this.#tracks;
    if (event === wireFrame) {
      const track = tracks.track(tracks.track(0, `wire ${text('wire')}`), `from ${text('from')}`);
      const departed = record.value('departed');
      tracks.beginEvent(departed - record.value('serialised'), track, TYPE_SLICE_BEGIN, `${record.value('len')} bytes`, 'wire');
      this.#annotations.put(record, tracks.out);
      this.#packets(record);
      tracks.endEvent();
      tracks.endSlice(departed, track);
      return;
    }
    const nic = tracks.track(0, `NIC ${text('nic')}`);
    if (event === nicRing) {
      const ring = tracks.counterTrack(nic, `${text('ring')} ring ${record.value('queue')}`, 'descriptors');
      tracks.counter(time, ring, record.value('used'));
    } else if (event === nicStore) this.#instant(record, time, tracks.track(nic, `receive queue ${record.value('queue')}`));
    else if (event === nicTransmit) this.#instant(record, time, tracks.track(nic, `transmit queue ${record.value('queue')}`));
    else if (event === nicReceive) this.#instant(record, time, tracks.track(nic, 'receive'));
  }
}
