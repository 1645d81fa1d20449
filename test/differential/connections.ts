/** The numbers that a host's connections begin with, seen in its SYNs, and packets for it that are made with them. */
import { internetSum } from '../support/packet.ts';
import { fromHex } from './option_bytes.ts';
import type { PacketRepair } from './program.ts';

const TCP = 6;
const SYN = 2;
const PLACE = { ip: 10, tcp: 16, udp: 6, icmp: 2 } as const;

export class Connections {
  readonly #isn = new Map<number, number>();
  readonly #ts = new Map<number, number>();
  #lastPort = 0;

  /** A packet that left. */
  notice(packet: Uint8Array): void {
    const tcp = (packet[0]! & 15) * 4;
    if (packet[0]! >> 4 !== 4 || packet[9] !== TCP || (packet[tcp + 13]! & SYN) === 0) return;
    const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
    const port = view.getUint16(tcp);
    this.#lastPort = port;
    const stamp = timestampAt(packet, tcp + 20, tcp + (packet[tcp + 12]! >> 4) * 4);
    // Of the connection with that port of the peer's, and of this host's port as long as it has only one.
    for (const key of [pairOf(port, view.getUint16(tcp + 2)), port]) {
      this.#isn.set(key, view.getUint32(tcp + 4));
      if (stamp !== 0) this.#ts.set(key, view.getUint32(stamp));
    }
  }

  #base(kind: 'isn' | 'ts', port: number, peer: number): number {
    const known = kind === 'isn' ? this.#isn : this.#ts;
    return known.get(pairOf(port, peer)) ?? known.get(port) ?? 0;
  }

  repaired(hex: string, how: PacketRepair): Uint8Array {
    const packet = fromHex(hex);
    const view = new DataView(packet.buffer);
    const port = how.port || this.#lastPort;
    for (const [offset, kind] of how.fix ?? []) {
      if (kind === 'port') view.setUint16(offset, port);
      else view.setUint32(offset, view.getUint32(offset) + this.#base(kind, port, how.peer ?? 0));
    }
    for (const [kind, at, end] of how.sums ?? []) fillSum(packet, view, kind, at, end || packet.length);
    return packet;
  }
}

/** Two ports as one key, apart from all ports. */
export const pairOf = (port: number, peer: number): number => (port + 1) * 65536 + peer;

/** Where the time stamp's value is; 0: there is none. */
export function timestampAt(packet: Uint8Array, from: number, to: number): number {
  for (let at = from; at < to && packet[at] !== 0; ) {
    if (packet[at] === 8) return at + 2;
    at += packet[at] === 1 ? 1 : Math.max(packet[at + 1] ?? 1, 1);
  }
  return 0;
}

function fillSum(packet: Uint8Array, view: DataView, kind: keyof typeof PLACE, at: number, end: number): void {
  const place = at + PLACE[kind];
  view.setUint16(place, 0);
  const pseudoHeader = kind === 'tcp' || kind === 'udp' ? internetSum(packet.subarray(12, 20), packet[9]! + end - at) : 0;
  view.setUint16(place, ~internetSum(packet.subarray(at, end), pseudoHeader) & 0xffff);
}
