/** Packets as lines, with sequence numbers and time stamps counted from the connection's first. */
import { pairOf, timestampAt } from './connections.ts';

const EPHEMERAL = 32768;
const FLAGS = 'FSRP.UEWA';
const IP_DF = 0x4000;
const IP_MF = 0x2000;
const LAST = -1;

/** Ports that no program named are the kernel's choice. */
export const portText = (port: number, known: ReadonlySet<number>): string =>
  port >= EPHEMERAL && !known.has(port) ? 'eph' : String(port);

export class PacketText {
  readonly #isn = new Map<number, number>();

  describe(bytes: Uint8Array, known: ReadonlySet<number>): string {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const head = (bytes[0]! & 15) * 4;
    const fragment = view.getUint16(6);
    const parts = [`${dotted(bytes, 12)}>${dotted(bytes, 16)}`, `len ${view.getUint16(2)} ttl ${bytes[8]} tos ${bytes[1]}`];
    if (view.getUint16(2) !== bytes.length) parts.push(`of ${bytes.length}`);
    if (head > 20) parts.push(`options ${hex(bytes, 20, head)}`);
    if ((fragment & IP_DF) !== 0) parts.push('DF');
    if ((fragment & IP_MF) !== 0) parts.push('MF');
    if ((fragment & 0x1fff) !== 0)
      return [...parts, `+${(fragment & 0x1fff) * 8} ${hex(bytes, head, Math.min(head + 16, bytes.length))}`].join(' ');
    return [...parts, this.#transport(bytes, view, head, known)].join(' ');
  }

  #transport(bytes: Uint8Array, view: DataView, at: number, known: ReadonlySet<number>): string {
    const ports = (): string => `${portText(view.getUint16(at), known)}>${portText(view.getUint16(at + 2), known)}`;
    if (bytes[9] === 6) return `tcp ${ports()} ${this.#tcp(bytes, view, at)}`;
    if (bytes[9] === 17)
      return `udp ${ports()} (${view.getUint16(at + 4)})${view.getUint16(at + 6) === 0 ? ' nosum' : ''} ${hex(bytes, at + 8, Math.min(at + 16, bytes.length))}`;
    if (bytes[9] === 1) return `icmp ${bytes[at]}/${bytes[at + 1]} ${icmpRest(bytes, at)}`;
    return `proto ${bytes[9]} ${hex(bytes, at, Math.min(at + 16, bytes.length))}`;
  }

  #tcp(bytes: Uint8Array, view: DataView, at: number): string {
    const port = view.getUint16(at);
    const flags = view.getUint16(at + 12) & 0x1ff;
    const seq = view.getUint32(at + 4);
    const end = at + (bytes[at + 12]! >> 4) * 4;
    const pair = pairOf(port, view.getUint16(at + 2));
    if ((flags & 2) !== 0) for (const key of [pair, port, LAST]) this.#isn.set(key, seq);
    // What answers a segment of no connection takes its number from that segment, which was made for the last connection of its port.
    const isn = this.#isn.get(pair) ?? this.#isn.get(port) ?? this.#isn.get(LAST);
    const relative = isn === undefined || (seq === 0 && (flags & 4) !== 0) ? `${seq}!` : String((seq - isn) | 0);
    const names = [...FLAGS].filter((_, i) => (flags & (1 << i)) !== 0).join('');
    const payload = bytes.length - end;
    const ack = (flags & 16) !== 0 ? ` ack ${view.getUint32(at + 8)}` : '';
    const urgent = (flags & 32) !== 0 ? ` urg ${view.getUint16(at + 18)}` : '';
    return `${names} ${relative}(${payload})${ack} win ${view.getUint16(at + 14)}${urgent}${optionText(bytes, view, at + 20, end)}`;
  }
}

function optionText(bytes: Uint8Array, view: DataView, from: number, end: number): string {
  const stamp = timestampAt(bytes, from, end);
  const copy = Uint8Array.from(bytes.subarray(from, end));
  if (copy.length === 0) return '';
  if (stamp === 0) return ` <${hex(copy, 0, copy.length)}>`;
  copy.fill(0, stamp - from, stamp - from + 8);
  return ` <${hex(copy, 0, copy.length)} ecr ${view.getUint32(stamp + 4)}>`;
}

/** The word behind the checksum, and of what is quoted what stays the same: not its identification, not sequence numbers of ours. */
function icmpRest(bytes: Uint8Array, at: number): string {
  const error = [3, 4, 5, 11, 12].includes(bytes[at]!);
  // Of a timestamp reply the times of the two hosts' clocks are not compared.
  if (bytes[at] === 14) return `${hex(bytes, at + 4, at + 8)} ${hex(bytes, at + 8, at + 12)} (${bytes.length - at})`;
  if (!error) return `${hex(bytes, at + 4, at + 8)} ${hex(bytes, at + 8, Math.min(at + 24, bytes.length))} (${bytes.length - at})`;
  const inner = at + 8;
  return `${hex(bytes, at + 4, at + 8)} quotes ${dotted(bytes, inner + 12)}>${dotted(bytes, inner + 16)} proto ${bytes[inner + 9]} (${bytes.length - inner})`;
}

const dotted = (bytes: Uint8Array, at: number): string => [...bytes.subarray(at, at + 4)].join('.');
const hex = (bytes: Uint8Array, from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).toString('hex');
