/**
 * Packets as scripts speak of them: IPv4 with TCP or ICMP. One class serves what a script writes, what the stack sent and what is injected,
 * so that comparing, mapping and printing are the same for all.
 */
import { onesComplementSum } from './internet_checksum.ts';
import { optionsText } from './tcp_options.ts';

export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
const IP_HEADER_BYTES = 20;
const TCP_HEADER_BYTES = 20;
/** What packetdrill puts into injected packets: the value that means "not checked" in outbound ones. */
const INJECTED_TTL = 255;

/** Which bits of the TOS byte an outbound packet is checked for. */
export type TosCheck = 'none' | 'ecn' | 'ect01' | 'tos';

export class TcpPacket {
  /* IPv4 */
  tos = 0;
  tosCheck: TosCheck = 'none';
  /** Null: not checked. */
  ttl: number | null = null;
  ihl = 5;
  source = 0;
  dest = 0;
  ipChecksumGood = true;
  /* TCP */
  sport = 0;
  dport = 0;
  seq = 0;
  ack_seq = 0;
  fin = false;
  syn = false;
  rst = false;
  psh = false;
  ack = false;
  urg = false;
  ece = false;
  cwr = false;
  ae = false;
  /** The script gave the ACE field as a number. */
  aceCount = false;
  res1 = 0;
  /** Null: not checked. */
  window: number | null = null;
  urg_ptr = 0;
  options: Uint8Array = new Uint8Array(0);
  /** `<...>`: any options. */
  anyOptions = false;
  payloadBytes = 0;
  /** Payload is zeros in both directions. */
  payloadZero = true;
  /** When it was sent, ns. */
  time = 0;

  get doff(): number {
    return (TCP_HEADER_BYTES + this.options.length) / 4;
  }

  get totalLength(): number {
    return this.ihl * 4 + this.doff * 4 + this.payloadBytes;
  }

  get ace(): number {
    return (this.ae ? 4 : 0) | (this.cwr ? 2 : 0) | (this.ece ? 1 : 0);
  }

  copy(): TcpPacket {
    const copied = Object.assign(new TcpPacket(), this);
    copied.options = this.options.slice();
    return copied;
  }

  /** As packetdrill prints it. */
  toString(): string {
    const ack = this.ack ? `ack ${this.ack_seq} ` : '';
    const window = this.window === null ? '' : `win ${this.window} `;
    const options = this.options.length === 0 ? '' : `<${optionsText(this.options)}>`;
    return `${this.flagText()} ${this.seq}:${(this.seq + this.payloadBytes) >>> 0}(${this.payloadBytes}) ${ack}${window}${options}`.trimEnd();
  }

  flagText(): string {
    const { fin, syn, rst, psh, ack, urg, ece, cwr, ae } = this;
    const plain = [fin && 'F', syn && 'S', rst && 'R', psh && 'P', ack && '.', urg && 'U'];
    const ecn = this.aceCount ? [String(this.ace)] : [ece && 'E', cwr && 'W', ae && 'A'];
    return [...plain, ...ecn].filter((flag) => flag !== false).join('') || '-';
  }

  /** The bytes on the wire, checksums and all. */
  bytes(): Uint8Array {
    const packet = new Uint8Array(this.totalLength);
    writeIpHeader(packet, this.tos, this.ttl ?? INJECTED_TTL, IPPROTO_TCP, this.source, this.dest);
    const tcp = packet.subarray(IP_HEADER_BYTES);
    this.#writeTcp(new DataView(tcp.buffer, tcp.byteOffset, tcp.length));
    tcp.set(this.options, TCP_HEADER_BYTES);
    const pseudo = (this.source >>> 16) + (this.source & 0xffff) + (this.dest >>> 16) + (this.dest & 0xffff) + IPPROTO_TCP + tcp.length;
    const checksum = ~onesComplementSum(tcp, pseudo) & 0xffff;
    tcp[16] = checksum >>> 8;
    tcp[17] = checksum & 0xff;
    return packet;
  }

  #writeTcp(view: DataView): void {
    view.setUint16(0, this.sport);
    view.setUint16(2, this.dport);
    view.setUint32(4, this.seq);
    view.setUint32(8, this.ack_seq);
    const bits = [this.fin, this.syn, this.rst, this.psh, this.ack, this.urg, this.ece, this.cwr, this.ae];
    const flags = bits.reduce((word, on, bit) => word | (on ? 1 << bit : 0), 0);
    view.setUint16(12, (this.doff << 12) | (this.res1 << 9) | flags);
    view.setUint16(14, this.window ?? 0);
    view.setUint16(18, this.urg_ptr);
  }
}

function writeIpHeader(packet: Uint8Array, tos: number, ttl: number, protocol: number, source: number, dest: number): void {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  packet[0] = 0x45;
  packet[1] = tos;
  view.setUint16(2, packet.length);
  packet[8] = ttl;
  packet[9] = protocol;
  view.setUint32(12, source);
  view.setUint32(16, dest);
  view.setUint16(10, ~onesComplementSum(packet.subarray(0, IP_HEADER_BYTES), 0) & 0xffff);
}

/** Reads a sent packet; null when it is not TCP over IPv4. */
export function readPacket(bytes: Uint8Array, time: number): TcpPacket | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < IP_HEADER_BYTES + TCP_HEADER_BYTES || bytes[0]! >>> 4 !== 4 || bytes[9] !== IPPROTO_TCP) return null;
  const packet = new TcpPacket();
  packet.ihl = bytes[0]! & 15;
  packet.tos = bytes[1]!;
  packet.ttl = bytes[8]!;
  packet.source = view.getUint32(12);
  packet.dest = view.getUint32(16);
  packet.ipChecksumGood = onesComplementSum(bytes.subarray(0, packet.ihl * 4), 0) === 0xffff;
  packet.time = time;
  // A super-packet above 64 KiB has no length in its header.
  const length = view.getUint16(2) || bytes.length;
  readTcp(packet, bytes.subarray(packet.ihl * 4, length));
  return packet;
}

function readTcp(packet: TcpPacket, tcp: Uint8Array): void {
  const view = new DataView(tcp.buffer, tcp.byteOffset, tcp.length);
  packet.sport = view.getUint16(0);
  packet.dport = view.getUint16(2);
  packet.seq = view.getUint32(4);
  packet.ack_seq = view.getUint32(8);
  const word = view.getUint16(12);
  packet.res1 = (word >>> 9) & 7;
  packet.fin = (word & 1) !== 0;
  packet.syn = (word & 2) !== 0;
  packet.rst = (word & 4) !== 0;
  packet.psh = (word & 8) !== 0;
  packet.ack = (word & 16) !== 0;
  packet.urg = (word & 32) !== 0;
  packet.ece = (word & 64) !== 0;
  packet.cwr = (word & 128) !== 0;
  packet.ae = (word & 256) !== 0;
  packet.window = view.getUint16(14);
  packet.urg_ptr = view.getUint16(18);
  const header = (word >>> 12) * 4;
  packet.options = tcp.slice(TCP_HEADER_BYTES, header);
  packet.payloadBytes = tcp.length - header;
  packet.payloadZero = tcp.subarray(header).every((byte) => byte === 0);
}

/** An ICMP message about a TCP segment that the host sent. */
export class IcmpSpec {
  readonly icmpType: number;
  readonly icmpCode: number;
  readonly mtu: number;
  readonly tos: number;
  /** First sequence number and payload of the segment that is quoted, as the script counts. */
  readonly seq: number;
  readonly payloadBytes: number;

  constructor(icmpType: number, icmpCode: number, mtu: number, tos: number, seq: number, payloadBytes: number) {
    this.icmpType = icmpType;
    this.icmpCode = icmpCode;
    this.mtu = mtu;
    this.tos = tos;
    this.seq = seq;
    this.payloadBytes = payloadBytes;
  }

  toString(): string {
    return 'icmpv4';
  }

  /** The message from `source` to `dest`, quoting a segment of `dest` with the live sequence number `seq`. */
  bytes(source: number, dest: number, sport: number, dport: number, seq: number): Uint8Array {
    const QUOTED_TCP_BYTES = 8;
    const message = new Uint8Array(IP_HEADER_BYTES + 8 + IP_HEADER_BYTES + QUOTED_TCP_BYTES);
    const quoted = message.subarray(IP_HEADER_BYTES + 8);
    writeIpHeader(quoted.subarray(0, IP_HEADER_BYTES), 0, INJECTED_TTL, IPPROTO_TCP, dest, source);
    const view = new DataView(message.buffer);
    const at = IP_HEADER_BYTES + 8;
    fixQuotedLength(quoted, IP_HEADER_BYTES + TCP_HEADER_BYTES + this.payloadBytes);
    view.setUint16(at + IP_HEADER_BYTES, sport);
    view.setUint16(at + IP_HEADER_BYTES + 2, dport);
    view.setUint32(at + IP_HEADER_BYTES + 4, seq);
    message[IP_HEADER_BYTES] = this.icmpType;
    message[IP_HEADER_BYTES + 1] = this.icmpCode;
    view.setUint16(IP_HEADER_BYTES + 6, this.mtu);
    writeIpHeader(message, this.tos, INJECTED_TTL, IPPROTO_ICMP, source, dest);
    view.setUint16(IP_HEADER_BYTES + 2, ~onesComplementSum(message.subarray(IP_HEADER_BYTES), 0) & 0xffff);
    return message;
  }
}

function fixQuotedLength(quoted: Uint8Array, length: number): void {
  const view = new DataView(quoted.buffer, quoted.byteOffset, quoted.length);
  view.setUint16(2, length);
  view.setUint16(10, 0);
  view.setUint16(10, ~onesComplementSum(quoted.subarray(0, IP_HEADER_BYTES), 0) & 0xffff);
}
