/**
 * The capture point `socket`: the data of each system call, as it passes between programs and their sockets. The file's packets are what Wireshark calls exported
 * PDUs: the data behind tags that name addresses, ports and protocol.
 */
import { inet_sk } from '../../kernel/include/net/inet_sock.ts';
import type { SocketWatcher } from '../../kernel/include/net/packet_watchers.ts';
import type { sock } from '../../kernel/include/net/sock.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { SOCK_STREAM } from '../../kernel/uapi/socket.ts';
import { this_cpu } from '../../machine/cpu.ts';
import { blockOf } from '../../sim/byte_heap.ts';
import { PACKET_INBOUND, PACKET_OUTBOUND } from '../files/pcapng_format.ts';
import type { CapturePoint } from './capture_session.ts';

export const LINKTYPE_EXPORTED_PDU = 252;

const TAG_END = 0;
const TAG_DISSECTOR = 12;
const TAG_IPV4_SRC = 20;
const TAG_IPV4_DST = 21;
const TAG_PORT_TYPE = 24;
const TAG_SRC_PORT = 25;
const TAG_DST_PORT = 26;
const PORT_TYPE_TCP = 2;
const PORT_TYPE_UDP = 3;
/** Hands the bytes to Wireshark's dissector for plain data. */
const DISSECTOR = 'data';
const TAGS_BYTES = 4 + DISSECTOR.length + 5 * 8 + 4;

export class SocketCapture {
  readonly #point: CapturePoint;
  readonly #snapLen: number;
  readonly #tags = new Uint8Array(TAGS_BYTES);
  readonly #tagBytes = blockOf(this.#tags);
  readonly #view = new DataView(this.#tags.buffer);
  readonly detach: () => void;

  constructor(owner: Kernel, point: CapturePoint, snapLen: number) {
    this.#point = point;
    this.#snapLen = snapLen;
    const watchers = owner.watchers.socket;
    const watch: SocketWatcher = (sk, data, offset, size, outgoing, address, port) =>
      this.#write(sk, data, offset, size, outgoing, address, port);
    watchers.push(watch);
    this.detach = () => watchers.splice(watchers.indexOf(watch), 1);
  }

  #write(sk: sock, data: Uint8Array, offset: number, size: number, outgoing: boolean, address: number, port: number): void {
    const local = { address: sk.skc_rcv_saddr, port: inet_sk(sk).inet_sport };
    const peer = { address: address || sk.skc_daddr, port: port || sk.skc_dport };
    const [from, to] = outgoing ? [local, peer] : [peer, local];
    const type = sk.sk_type === SOCK_STREAM ? PORT_TYPE_TCP : PORT_TYPE_UDP;
    let at = this.#text(0, TAG_DISSECTOR, DISSECTOR);
    for (const [tag, value] of [[TAG_IPV4_SRC, from.address], [TAG_IPV4_DST, to.address], [TAG_PORT_TYPE, type], [TAG_SRC_PORT, from.port], [TAG_DST_PORT, to.port]] as const) at = this.#number(at, tag, value); // biome-ignore format: one
    this.#view.setUint32(at, TAG_END);
    this.#point.limit(this_cpu.clock);
    this.#point.received++;
    this.#point.accepted++;
    const captured = Math.min(TAGS_BYTES + size, this.#snapLen);
    const { writer, interfaceId } = this.#point;
    writer.beginPacket(interfaceId, this_cpu.clock, captured, TAGS_BYTES + size);
    writer.append(this.#tagBytes, 0, Math.min(TAGS_BYTES, captured));
    writer.append(blockOf(data), offset, Math.max(0, captured - TAGS_BYTES));
    writer.endPacket(outgoing ? PACKET_OUTBOUND : PACKET_INBOUND, -1, -1, -1, null);
  }

  #text(at: number, tag: number, text: string): number {
    this.#view.setUint16(at, tag);
    this.#view.setUint16(at + 2, text.length);
    for (let i = 0; i < text.length; i++) this.#tags[at + 4 + i] = text.charCodeAt(i);
    return at + 4 + text.length;
  }

  #number(at: number, tag: number, value: number): number {
    this.#view.setUint16(at, tag);
    this.#view.setUint16(at + 2, 4);
    this.#view.setUint32(at + 4, value);
    return at + 8;
  }
}
