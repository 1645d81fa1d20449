/**
 * The connection under test: which addresses and sequence numbers stand for those of the script. Scripts count from the initial sequence number on
 * (SYN segments apart, whose numbers are absolute); the local one is the stack's choice and is learned from its first SYN.
 */
import { mismatch } from './failures.ts';
import type { TcpPacket } from './packet.ts';
import { shiftSackBlocks, timestampOffset } from './tcp_options.ts';

/** How far a socket has come, as far as packets and calls tell. */
export type ConnectionState =
  | 'new'
  | 'listening'
  | 'passivePacketReceived'
  | 'passiveSynackSent'
  | 'passiveSynackAcked'
  | 'activeConnecting'
  | 'activeSynSent'
  | 'activeSynAcked';

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

export class Connection {
  state: ConnectionState = 'new';
  /** Descriptors: the script's name for it, and the real one; -1 while it has none. */
  scriptFd = -1;
  liveFd = -1;
  localAddress = 0;
  localPort = 0;
  remoteAddress = 0;
  remotePort = 0;
  /** The stack's initial sequence number, and what the script calls it. */
  liveLocalIsn = 0;
  scriptLocalIsn = 0;
  remoteIsn = 0;
  /** Timestamps that the script wrote for the stack's packets → what they were. */
  readonly #timestamps = new Map<number, number>();
  #firstTimestamp: { script: number; live: number } | null = null;

  /** True for packets that the stack sends on this connection. */
  sends(packet: TcpPacket): boolean {
    return (
      packet.source === this.localAddress &&
      packet.sport === this.localPort &&
      packet.dest === this.remoteAddress &&
      packet.dport === this.remotePort
    );
  }

  /** What to add to the stack's own sequence numbers to have the script's. */
  #localOffset(syn: boolean): number {
    return syn ? this.scriptLocalIsn - this.liveLocalIsn : -this.liveLocalIsn;
  }

  #remoteOffset(syn: boolean): number {
    return syn ? 0 : -this.remoteIsn;
  }

  /** Rewrites a sent packet's sequence numbers to the script's. */
  toScript(packet: TcpPacket): void {
    packet.seq = (packet.seq + this.#localOffset(packet.syn)) >>> 0;
    const offset = this.#remoteOffset(packet.syn);
    if (packet.ack) packet.ack_seq = (packet.ack_seq + offset) >>> 0;
    shiftSackBlocks(packet.options, offset);
  }

  /** Rewrites a sent packet's timestamp to the script's scale and remembers what it stood for. */
  mapTimestamp(actual: TcpPacket, script: TcpPacket): void {
    if (script.anyOptions) return;
    const scriptAt = timestampOffset(script.options);
    const actualAt = timestampOffset(actual.options);
    if (scriptAt < 0 || actualAt < 0) return;
    const scriptValue = view(script.options).getUint32(scriptAt);
    const live = view(actual.options).getUint32(actualAt);
    this.#timestamps.set(scriptValue, live);
    this.#firstTimestamp ??= { script: scriptValue, live };
    view(actual.options).setUint32(actualAt, (this.#firstTimestamp.script + live - this.#firstTimestamp.live) >>> 0);
  }

  /** The packet that the script wants to arrive, as the stack must see it. `scaledEcr`: echo replies that match nothing are interpolated. */
  toLive(script: TcpPacket, scaledEcr: boolean): TcpPacket {
    const packet = script.copy();
    packet.source = this.remoteAddress;
    packet.dest = this.localAddress;
    if (packet.sport === 0) packet.sport = this.remotePort;
    if (packet.dport === 0) packet.dport = this.localPort;
    packet.seq = (packet.seq - this.#remoteOffset(packet.syn)) >>> 0;
    const offset = -this.#localOffset(packet.syn);
    if (packet.ack) packet.ack_seq = (packet.ack_seq + offset) >>> 0;
    shiftSackBlocks(packet.options, offset);
    if (packet.ack) this.#mapEcho(packet, scaledEcr);
    return packet;
  }

  #mapEcho(packet: TcpPacket, scaled: boolean): void {
    const at = timestampOffset(packet.options);
    if (at < 0) return;
    const script = view(packet.options).getUint32(at + 4);
    const exact = this.#timestamps.get(script);
    if (exact !== undefined) view(packet.options).setUint32(at + 4, exact);
    else if (scaled && this.#firstTimestamp !== null)
      view(packet.options).setUint32(at + 4, (script - this.#firstTimestamp.script + this.#firstTimestamp.live) >>> 0);
    else mismatch(`unable to infer live TS ecr for script TS ecr ${script};  no matching or preceding outbound TS val`);
  }

  /** A sequence number of the stack's, for ICMP messages that quote it. */
  localSequence(script: number): number {
    return (script - this.#localOffset(false)) >>> 0;
  }
}
