/**
 * Those who look at packets inside the kernel: capture points. Lists that are empty while nobody looks. Who is called takes no reference, changes nothing and
 * charges no time. Linux has packet sockets at the devices only (`net_device.taps`).
 */
import type { sk_buff } from '../linux/skbuff.ts';
import type { sock } from './sock.ts';

export type PacketWatcher = (skb: sk_buff, outgoing: boolean) => void;
/** `size` bytes from `offset` on passed between a program and its socket; `address` and `port` of the peer if the program named it, else 0. */
export type SocketWatcher = (
  sk: sock,
  data: Uint8Array,
  offset: number,
  size: number,
  outgoing: boolean,
  address: number,
  port: number,
) => void;
export type DropWatcher = (skb: sk_buff, reason: number, location: string) => void;

/** TCP sends the stretch from `seq` to `end` again. */
export type RetransmitWatcher = (sk: sock, seq: number, end: number, by: 'RTO' | 'fast' | 'TLP') => void;

export class packetWatchers {
  /** Frames as they enter GRO. */
  readonly gro: PacketWatcher[] = [];
  /** Packets as they are given to a device's queueing discipline. */
  readonly qdisc: PacketWatcher[] = [];
  /** IP packets: as they come to ip_rcv() and as they leave ip_output(). */
  readonly ip: PacketWatcher[] = [];
  readonly socket: SocketWatcher[] = [];
  readonly drop: DropWatcher[] = [];
  readonly retransmit: RetransmitWatcher[] = [];
}

export function showPacket(watchers: readonly PacketWatcher[], skb: sk_buff, outgoing: boolean): void {
  for (let i = 0; i < watchers.length; i++) watchers[i]!(skb, outgoing);
}
