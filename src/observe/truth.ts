/**
 * truth.jsonl: what every frame on every wire really was, a JSON object a line in order of time. What tools guess from captures can be scored against it.
 *
 * - `id`, `time` (ns, when its last bit left the sender), `wire`, `from`, `flow`: the frame, as in the captures.
 * - `kind`: `original`, `retransmission` (with `by`: `RTO`, `fast` or `TLP`, and `spurious` when all its data reached, or will reach, the other end anyway) or
 *   `duplicate` (the wire's).
 * - `cause`: the id of the frame that a retransmission repeats, or that a duplicate copies.
 * - `fate`: `delivered`, `reordered` (delivered after a frame that was sent later), `lost` or `corrupted`.
 */
import type { RetransmitWatcher } from '../kernel/include/net/packet_watchers.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Cable, CableEnd, CableObserver } from '../wire/cable.ts';
import type { Frame } from '../wire/frame.ts';
import type { Fate } from '../wire/impairment.ts';
import { finishAtExit } from './files/at_exit.ts';
import { LogFile, wholeLines } from './files/log_file.ts';
import { type Reason, Reasons } from './truth_reasons.ts';
import { before, type Sent, Stream } from './truth_stream.ts';

/** Its name in the directory of a run. */
export const TRUTH_FILE = 'truth.jsonl';

export type TruthKind = 'original' | 'retransmission' | 'duplicate';
export type TruthFate = 'delivered' | 'reordered' | 'lost' | 'corrupted';

export interface TruthRecord {
  readonly id: number;
  readonly time: number;
  readonly wire: string;
  readonly from: string;
  readonly flow: string;
  readonly kind: TruthKind;
  readonly by?: Reason;
  readonly spurious?: boolean;
  readonly cause?: number;
  readonly fate: TruthFate;
}

/** A record whose fate is not certain yet. */
interface Pending {
  readonly record: { -readonly [K in keyof TruthRecord]: TruthRecord[K] };
  readonly arrival: number;
}

/**
 * What is under way on one cable in one direction and was not overtaken so far, in the order of departure: so the arrivals ascend, too, and who arrives before
 * others that left earlier finds them at the end.
 */
class Way {
  #queue: Pending[] = [];
  #first = 0;

  add(frame: Pending): void {
    this.#queue.push(frame);
  }

  /** Somebody who leaves now arrives at `arrival`. */
  overtake(arrival: number): void {
    while (this.#queue.length > this.#first && this.#queue.at(-1)!.arrival > arrival) this.#queue.pop()!.record.fate = 'reordered';
  }

  /** Forgets those that arrived by `time`. */
  forget(time: number): void {
    while (this.#first < this.#queue.length && this.#queue[this.#first]!.arrival <= time) this.#first++;
    if (this.#first * 2 <= this.#queue.length) return;
    this.#queue = this.#queue.slice(this.#first);
    this.#first = 0;
  }
}

/** A host said that it sends this again. */
interface Announced {
  readonly seq: number;
  readonly end: number;
  readonly by: Reason;
}

const FLUSH_BYTES = 1 << 20;
const ETH_HLEN = 14;
const ETH_P_IP = 0x0800;
const ETH_P_ARP = 0x0806;
const ICMP = 1;
const TCP = 6;
const UDP = 17;
const FIN = 1;
const SYN = 2;
const ACK = 16;
/** How many records are written before their places in the list of those that wait are given up. */
const COMPACT_AT = 4096;

export class TruthLog {
  readonly #file: LogFile;
  readonly #detachers: (() => void)[] = [];
  readonly #planned: () => void;
  readonly #streams = new Map<string, Stream>();
  readonly #announced = new Map<string, Announced[]>();
  readonly #reasons = new Reasons();
  readonly #ways = new Map<CableEnd, Way>();
  /** In the order in which they left; those before #firstPending are written. */
  #pending: Pending[] = [];
  #firstPending = 0;
  #stretches = 0;
  #text = '';
  records = 0;

  /** Throws CaptureWriteError. */
  constructor(path: string, cables: readonly Cable[], kernels: readonly Kernel[]) {
    this.#file = new LogFile(path, wholeLines);
    for (const cable of cables) this.#watchCable(cable);
    for (const owner of kernels) this.#watchKernel(owner);
    this.#planned = finishAtExit(() => this.close());
  }

  close(): void {
    this.#planned();
    for (const detach of this.#detachers) detach();
    this.#flush(Number.POSITIVE_INFINITY);
    this.#write();
    this.#file.close();
  }

  #watchCable(cable: Cable): void {
    const observer: CableObserver = { frame: (from, frame, time, fate) => this.#frame(cable, from, frame, time, fate) };
    cable.observers.push(observer);
    this.#detachers.push(() => cable.observers.splice(cable.observers.indexOf(observer), 1));
  }

  #watchKernel(owner: Kernel): void {
    const watch: RetransmitWatcher = (sk, seq, end, by) => {
      const flow = tcpFlow(sk.skc_rcv_saddr, sk.skc_num, sk.skc_daddr, sk.skc_dport);
      const list = this.#announced.get(flow);
      if (list === undefined) this.#announced.set(flow, [{ seq, end, by }]);
      else list.push({ seq, end, by });
    };
    owner.watchers.retransmit.push(watch);
    this.#detachers.push(() => owner.watchers.retransmit.splice(owner.watchers.retransmit.indexOf(watch), 1));
  }

  #frame(cable: Cable, from: CableEnd, frame: Frame, time: number, fate: Fate): void {
    const arrival = time + cable.options.delayNs + fate.extraDelay;
    this.#flush(time);
    const record = {
      id: frame.id,
      time,
      wire: cable.options.name,
      from: from.name,
      flow: flowOf(frame),
      ...this.#kindOf(from, frame, !fate.lost && !fate.corrupt),
      fate: (fate.lost ? 'lost' : fate.corrupt ? 'corrupted' : 'delivered') as TruthFate,
    };
    const way = this.#wayOf(from);
    way.forget(time);
    if (!fate.lost) way.overtake(arrival);
    this.#wait(way, { record, arrival });
    if (fate.duplicate && !fate.lost) this.#wait(way, { record: duplicateOf(record), arrival });
  }

  #wayOf(from: CableEnd): Way {
    let way = this.#ways.get(from);
    if (way === undefined) this.#ways.set(from, (way = new Way()));
    return way;
  }

  #wait(way: Way, frame: Pending): void {
    this.#pending.push(frame);
    if (frame.record.fate === 'delivered') way.add(frame);
  }

  /** `arrives`: undamaged. */
  #kindOf(from: CableEnd, frame: Frame, arrives: boolean): Pick<TruthRecord, 'kind' | 'by' | 'spurious' | 'cause'> {
    const segment = tcpSegment(frame);
    if (segment === null) return { kind: 'original' };
    const { seq, end, flow, reverse, ack } = segment;
    if (ack !== null && arrives) this.#streams.get(`${from.peer.name} ${reverse}`)?.forget(ack);
    if (seq === end) return { kind: 'original' };
    const key = `${from.name} ${flow}`;
    let stream = this.#streams.get(key);
    if (stream === undefined) this.#streams.set(key, (stream = new Stream()));
    const again = stream.highest !== null && before(seq, stream.highest);
    const earlier = again ? stream.overlapping(seq, end) : [];
    stream.add({ seq, end, id: frame.id, arrives, order: this.#stretches++ });
    if (stream.highest === null || before(stream.highest, end)) stream.highest = end;
    if (!again) return { kind: 'original' };
    const cause = earlier.findLast((other) => !before(seq, other.seq))?.id ?? earlier.at(-1)?.id;
    const spurious = covers(earlier, seq, end);
    return { kind: 'retransmission', by: this.#reason(frame.id, flow, seq, end), spurious, ...(cause === undefined ? {} : { cause }) };
  }

  /** SYN-ACKs are repeated by a timer of their own, which announces nothing. */
  #reason(id: number, flow: string, seq: number, end: number): Reason {
    const known = this.#reasons.of(id);
    if (known !== undefined) return known;
    const list = this.#announced.get(flow) ?? [];
    const at = list.findIndex((other) => !before(seq, other.seq) && before(seq, other.end));
    const by = list[at]?.by ?? 'RTO';
    if (at >= 0 && !before(end, list[at]!.end)) list.splice(at, 1);
    this.#reasons.add(id, by);
    return by;
  }

  /** Writes what nothing that is still to come can change: all that arrived by `time`, in order of departure. */
  #flush(time: number): void {
    while (this.#firstPending < this.#pending.length && this.#pending[this.#firstPending]!.arrival <= time) {
      this.#text += `${JSON.stringify(this.#pending[this.#firstPending++]!.record)}\n`;
      this.records++;
    }
    if (this.#firstPending >= COMPACT_AT) {
      this.#pending = this.#pending.slice(this.#firstPending);
      this.#firstPending = 0;
    }
    if (this.#text.length >= FLUSH_BYTES) this.#write();
  }

  #write(): void {
    const bytes = Buffer.from(this.#text);
    // Before it is written: what a full disk has refused is not tried again.
    this.#text = '';
    this.#file.write(bytes, bytes.length);
  }
}

function duplicateOf({ id, time, wire, from, flow }: TruthRecord): Pending['record'] {
  return { id, time, wire, from, flow, kind: 'duplicate', cause: id, fate: 'delivered' };
}

/** Is every byte of a stretch in one of these that arrived? */
function covers(earlier: readonly Sent[], seq: number, end: number): boolean {
  let at = seq;
  for (let moved = true; moved && before(at, end); ) {
    moved = false;
    for (const other of earlier) {
      if (!other.arrives || before(at, other.seq) || !before(at, other.end)) continue;
      at = other.end;
      moved = true;
    }
  }
  return !before(at, end);
}

const dotted = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
const tcpFlow = (source: number, sport: number, destination: number, dport: number): string =>
  `tcp ${dotted(source)}:${sport} > ${dotted(destination)}:${dport}`;

/** `udp 10.0.0.1:9001 > 10.0.0.2:9000`, `arp`, `0x88cc` */
function flowOf({ view, start }: Frame): string {
  const type = view.getUint16(start + 12);
  if (type === ETH_P_ARP) return 'arp';
  if (type !== ETH_P_IP) return `0x${type.toString(16).padStart(4, '0')}`;
  const ip = start + ETH_HLEN;
  const [source, destination] = [view.getUint32(ip + 12), view.getUint32(ip + 16)];
  const protocol = view.getUint8(ip + 9);
  const fragment = (view.getUint16(ip + 6) & 0x1fff) !== 0;
  if ((protocol !== TCP && protocol !== UDP) || fragment) {
    const name = protocol === ICMP ? 'icmp' : protocol === UDP ? 'udp' : protocol === TCP ? 'tcp' : `ip-proto-${protocol}`;
    return `${name} ${dotted(source)} > ${dotted(destination)}`;
  }
  const head = ip + ((view.getUint8(ip) & 15) << 2);
  const flow = tcpFlow(source, view.getUint16(head), destination, view.getUint16(head + 2));
  return protocol === TCP ? flow : `udp${flow.slice(3)}`;
}

interface Segment {
  readonly seq: number;
  readonly end: number;
  readonly flow: string;
  readonly reverse: string;
  readonly ack: number | null;
}

function tcpSegment({ view, start, length }: Frame): Segment | null {
  const ip = start + ETH_HLEN;
  if (length < ETH_HLEN + 40 || view.getUint16(start + 12) !== ETH_P_IP || view.getUint8(ip + 9) !== TCP) return null;
  const ihl = (view.getUint8(ip) & 15) << 2;
  const tcp = ip + ihl;
  const header = (view.getUint8(tcp + 12) >> 4) << 2;
  const flags = view.getUint8(tcp + 13);
  const seq = view.getUint32(tcp + 4);
  const size = view.getUint16(ip + 2) - ihl - header + ((flags & SYN) !== 0 ? 1 : 0) + ((flags & FIN) !== 0 ? 1 : 0);
  const [source, destination] = [view.getUint32(ip + 12), view.getUint32(ip + 16)];
  const [sport, dport] = [view.getUint16(tcp), view.getUint16(tcp + 2)];
  return {
    seq,
    end: (seq + size) >>> 0,
    flow: tcpFlow(source, sport, destination, dport),
    reverse: tcpFlow(destination, dport, source, sport),
    ack: (flags & ACK) !== 0 ? view.getUint32(tcp + 8) : null,
  };
}
