/** One track a TCP connection in Perfetto's log: its states as slices, its events as instants, its congestion control as counters. */

import { fieldOf } from '../../kernel/trace/trace_event.ts';
import { tcp_state_names } from '../../kernel/uapi/tcp.ts';
import type { Annotations } from './perfetto_annotations.ts';
import { type PerfettoTracks, TYPE_INSTANT, TYPE_SLICE_BEGIN } from './perfetto_tracks.ts';
import { fieldWriter } from './print_format.ts';
import { TextBuffer } from './text_buffer.ts';
import type { TraceCursor } from './trace_cursor.ts';

const TCP_CLOSE = 7;
const TCP_LISTEN = 10;
/** tcp_sock.snd_ssthresh before the first loss. */
const TCP_INFINITE_SSTHRESH = 0x7fff_ffff;

/** A connection, from its socket's first event to its TCP_CLOSE. */
class Flow {
  readonly host: number;
  /** 0 until both ends are known. */
  track = 0;
  state = 0;
  since = 0;

  constructor(host: number) {
    this.host = host;
  }
}

export class TcpFlows {
  readonly #tracks: PerfettoTracks;
  readonly #annotations: Annotations;
  /** By host and address of the socket. */
  readonly #flows = new Map<string, Flow>();
  readonly #scratch = new TextBuffer(8192);

  constructor(tracks: PerfettoTracks, annotations: Annotations) {
    this.#tracks = tracks;
    this.#annotations = annotations;
  }

  /** Takes an event that is about a connection; false when it is none. */
  event(record: TraceCursor, host: number): boolean {
    const { event, time } = record;
    if (event.system !== 'tcp' && event.name !== 'inet_sock_set_state') return false;
    const socket = event.fields.find(({ name }) => name === 'skaddr');
    if (socket === undefined || record.u32(socket.offset) === 0) return false;
    const key = `${host} ${record.u32(socket.offset)}`;
    const flow = this.#flows.get(key) ?? new Flow(host);
    this.#flows.set(key, flow);
    if (event.name === 'inet_sock_set_state') return this.#setState(record, key, flow);
    const track = this.#name(record, flow);
    if (track === 0) return false;
    if (event.name === 'tcp_probe') this.#probe(record, track);
    this.#tracks.beginEvent(time, track, TYPE_INSTANT, event.name, event.system);
    this.#annotations.put(record, this.#tracks.out);
    if (record.packets > 0 && record.packetId > 0) this.#tracks.flow(record.packetId, record.packets);
    this.#tracks.endEvent();
    return true;
  }

  close(time: number): void {
    for (const flow of this.#flows.values()) this.#endState(flow, time);
  }

  #setState(record: TraceCursor, key: string, flow: Flow): boolean {
    const state = record.value('newstate');
    if (state === TCP_LISTEN) {
      this.#flows.delete(key);
      return false;
    }
    this.#name(record, flow);
    this.#endState(flow, record.time);
    flow.state = state;
    flow.since = record.time;
    if (state === TCP_CLOSE) this.#flows.delete(key);
    return true;
  }

  /** A state is drawn when it is over: while connecting a socket has no port yet to be named by. */
  #endState(flow: Flow, time: number): void {
    if (flow.state === 0 || flow.state === TCP_CLOSE || flow.track === 0) return;
    const name = (tcp_state_names[flow.state] ?? String(flow.state)).replace('TCP_', '');
    this.#tracks.beginEvent(flow.since, flow.track, TYPE_SLICE_BEGIN, name, 'tcp');
    this.#tracks.endEvent();
    this.#tracks.endSlice(time, flow.track);
  }

  /** The track of a connection, once its ends are known. */
  #name(record: TraceCursor, flow: Flow): number {
    if (flow.track !== 0) return flow.track;
    const { event } = record;
    if (!event.fields.some(({ name }) => name === 'sport')) return 0;
    const [sport, dport] = [record.value('sport'), record.value('dport')];
    if (sport === 0 || dport === 0) return 0;
    const [from, to] = [this.#address(record, 'saddr', sport), this.#address(record, 'daddr', dport)];
    flow.track = this.#tracks.ownTrack(this.#tracks.track(flow.host, 'TCP'), `${from} > ${to}`);
    return flow.track;
  }

  #address(record: TraceCursor, name: string, port: number): string {
    const field = fieldOf(record.event, name);
    const socketAddress = field.size === 28;
    this.#scratch.pos = 0;
    fieldWriter(field, { flags: '', width: 0, letter: socketAddress ? 'pISpc' : 'pI4', long: false })(record, this.#scratch);
    return socketAddress ? this.#scratch.toString() : `${this.#scratch.toString()}:${port}`;
  }

  #probe(record: TraceCursor, track: number): void {
    this.#counter(record, track, 'snd_cwnd', 'segments', record.value('snd_cwnd'));
    const ssthresh = record.value('ssthresh');
    if (ssthresh < TCP_INFINITE_SSTHRESH) this.#counter(record, track, 'ssthresh', 'segments', ssthresh);
    this.#counter(record, track, 'srtt', 'us', record.value('srtt'));
    this.#counter(record, track, 'snd_wnd', 'bytes', record.value('snd_wnd'));
    this.#counter(record, track, 'rcv_wnd', 'bytes', record.value('rcv_wnd'));
    this.#counter(record, track, 'in flight', 'bytes', (record.value('snd_nxt') - record.value('snd_una')) >>> 0);
  }

  #counter(record: TraceCursor, track: number, name: string, unit: string, value: number): void {
    this.#tracks.counter(record.time, this.#tracks.counterTrack(track, name, unit), value);
  }
}
