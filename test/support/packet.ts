/**
 * Frames for tests: parsed with offsets typed anew from the RFCs (not the stack's own windows, so that a wrong one shows), and described in one line
 * as tcpdump does. `expect(parse(frame)).toMatchObject({ tcp: { flags: 'S', window: 64240 } })` is the matcher for packets.
 */

export interface Arp {
  /** Of the packet with the padding behind it, which is what tcpdump prints. */
  length: number;
  operation: 'request' | 'reply' | number;
  senderMac: string;
  sender: string;
  targetMac: string;
  target: string;
}

export interface Ip {
  source: string;
  destination: string;
  headerLength: number;
  totalLength: number;
  tos: number;
  id: number;
  dontFragment: boolean;
  moreFragments: boolean;
  /** In bytes. */
  fragmentOffset: number;
  ttl: number;
  protocol: number;
  checksumOk: boolean;
}

export interface TcpOptions {
  mss?: number;
  windowScale?: number;
  sackPermitted?: boolean;
  timestamp?: { value: number; echo: number };
  sack?: { left: number; right: number }[];
}

export interface Tcp {
  sourcePort: number;
  destinationPort: number;
  seq: number;
  ack: number;
  /** tcpdump's letters: S, S., ., P., F., R, … */
  flags: string;
  window: number;
  urgent: number;
  options: TcpOptions;
  /** Kinds in their order on the wire. */
  optionKinds: number[];
  /** Payload bytes, by the IP header. */
  length: number;
  /** null when it cannot be told: the packet is cut or a fragment. */
  checksumOk: boolean | null;
}

export interface Udp {
  sourcePort: number;
  destinationPort: number;
  /** Payload bytes, by the UDP header. */
  length: number;
  checksumOk: boolean | null;
}

export interface Icmp {
  type: number;
  code: number;
  /** Echo's id and sequence number; otherwise the same 16-bit fields. */
  id: number;
  sequence: number;
  /** With its header. */
  length: number;
  checksumOk: boolean | null;
  /** The packet that an error message quotes. */
  quoted: Packet | null;
}

/** What an IP packet holds. */
export interface Packet {
  ip: Ip | null;
  tcp: Tcp | null;
  udp: Udp | null;
  icmp: Icmp | null;
  payload: Uint8Array;
}

export interface ParsedFrame extends Packet {
  destination: string;
  source: string;
  /** VLAN id; -1 when untagged. */
  vlan: number;
  etherType: number;
  arp: Arp | null;
  /** Bytes after the IP packet. */
  padding: number;
}

const NONE = new Uint8Array(0);
const PROTOCOL_ICMP = 1;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const FLAG_LETTERS: readonly (readonly [number, string])[] = [
  [0x01, 'F'],
  [0x02, 'S'],
  [0x04, 'R'],
  [0x08, 'P'],
  [0x10, '.'],
  [0x20, 'U'],
  [0x40, 'E'],
  [0x80, 'W'],
  [0x100, 'e'],
];

/** Parses an Ethernet frame (without FCS). */
export function parse(frame: Uint8Array): ParsedFrame {
  const view = viewOf(frame);
  const tagged = view.getUint16(12) === 0x8100;
  const etherType = view.getUint16(tagged ? 16 : 12);
  const body = frame.subarray(tagged ? 18 : 14);
  const packet = etherType === 0x0800 ? parseIp(body) : emptyPacket();
  return {
    destination: mac(frame, 0),
    source: mac(frame, 6),
    vlan: tagged ? view.getUint16(14) & 0xfff : -1,
    etherType,
    arp: etherType === 0x0806 ? parseArp(body) : null,
    padding: packet.ip === null ? 0 : Math.max(0, body.length - packet.ip.totalLength),
    ...packet,
  };
}

/** Parses an IPv4 packet, which may be cut. */
export function parseIp(bytes: Uint8Array): Packet {
  const view = viewOf(bytes);
  const headerLength = (bytes[0]! & 0xf) * 4;
  const flags = view.getUint16(6);
  const ip: Ip = {
    source: address(view, 12),
    destination: address(view, 16),
    headerLength,
    totalLength: view.getUint16(2),
    tos: bytes[1]!,
    id: view.getUint16(4),
    dontFragment: (flags & 0x4000) !== 0,
    moreFragments: (flags & 0x2000) !== 0,
    fragmentOffset: (flags & 0x1fff) * 8,
    ttl: bytes[8]!,
    protocol: bytes[9]!,
    checksumOk: internetSum(bytes.subarray(0, headerLength), 0) === 0xffff,
  };
  const body = bytes.subarray(headerLength, Math.min(bytes.length, ip.totalLength));
  const packet: Packet = { ...emptyPacket(), ip, payload: body };
  if (ip.fragmentOffset !== 0) return packet;
  if (ip.protocol === PROTOCOL_TCP && body.length >= 20) parseTcp(packet, ip, body);
  else if (ip.protocol === PROTOCOL_UDP && body.length >= 8) parseUdp(packet, ip, body);
  else if (ip.protocol === PROTOCOL_ICMP && body.length >= 8) parseIcmp(packet, ip, body);
  return packet;
}

/** The 16-bit one's complement sum (RFC 1071), not inverted; 0xffff over data that contains its own checksum. */
export function internetSum(bytes: Uint8Array, start: number): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i++) sum += (i & 1) === 0 ? bytes[i]! << 8 : bytes[i]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

/**
 * One line as tcpdump -nn prints it (without time and "IP "), with absolute sequence numbers, and a remark for every checksum that is wrong.
 * For several frames with relative numbers: describeAll.
 */
export function describeFrame(frame: Uint8Array): string {
  const parsed = parse(frame);
  return describeParsed(parsed, absolute) + checksumRemarks(parsed);
}

export { describeFrame as describe };

/** One line a frame; sequence numbers are relative to each connection's first, as tcpdump prints them. */
export function describeAll(frames: Iterable<Uint8Array>, remarks = true): string[] {
  const connections = new RelativeNumbers();
  return Array.from(frames, (frame) => {
    const parsed = parse(frame);
    return describeParsed(parsed, (ip, tcp) => connections.origin(ip, tcp)) + (remarks ? checksumRemarks(parsed) : '');
  });
}

/** What is subtracted from a segment's numbers before they are shown. */
interface Origin {
  seq: number;
  ack: number;
}
type OriginOf = (ip: Ip, tcp: Tcp) => Origin;

const ZERO: Origin = { seq: 0, ack: 0 };
const absolute: OriginOf = () => ZERO;

/** A SYN, and the first segment that is seen of a connection, are shown as they are; later ones relative to them. */
class RelativeNumbers {
  readonly #first = new Map<string, number>();

  origin(ip: Ip, tcp: Tcp): Origin {
    const from = `${ip.source}:${tcp.sourcePort}>${ip.destination}:${tcp.destinationPort}`;
    const back = `${ip.destination}:${tcp.destinationPort}>${ip.source}:${tcp.sourcePort}`;
    if (tcp.flags.includes('S') || !this.#first.has(from)) {
      this.#first.set(from, tcp.seq);
      if (tcp.flags.includes('.')) this.#first.set(back, (tcp.ack - 1) >>> 0);
      return ZERO;
    }
    return { seq: this.#first.get(from)!, ack: this.#first.get(back) ?? 0 };
  }
}

function describeParsed(frame: ParsedFrame, origin: OriginOf): string {
  const tag = frame.vlan < 0 ? '' : `vlan ${frame.vlan}, `;
  if (frame.arp !== null) return tag + describeArp(frame.arp);
  if (frame.ip !== null) return tag + describePacket(frame, frame.ip, origin);
  return `${tag}${frame.source} > ${frame.destination}, ethertype 0x${frame.etherType.toString(16).padStart(4, '0')}`;
}

function describePacket(packet: Packet, ip: Ip, origin: OriginOf): string {
  const { tcp, udp, icmp } = packet;
  if (tcp !== null)
    return `${ip.source}.${tcp.sourcePort} > ${ip.destination}.${tcp.destinationPort}: ${describeTcp(tcp, origin(ip, tcp))}`;
  if (udp !== null) return `${ip.source}.${udp.sourcePort} > ${ip.destination}.${udp.destinationPort}: UDP, length ${udp.length}`;
  if (icmp !== null) return `${ip.source} > ${ip.destination}: ICMP ${describeIcmp(icmp)}, length ${icmp.length}`;
  return `${ip.source} > ${ip.destination}: ip-proto-${ip.protocol}`;
}

function describeTcp(tcp: Tcp, origin: Origin): string {
  const parts = [`Flags [${tcp.flags}]`];
  const seq = (tcp.seq - origin.seq) >>> 0;
  if (tcp.length > 0) parts.push(`seq ${seq}:${(seq + tcp.length) >>> 0}`);
  else if (/[SFR]/.test(tcp.flags)) parts.push(`seq ${seq}`);
  if (tcp.flags.includes('.')) parts.push(`ack ${(tcp.ack - origin.ack) >>> 0}`);
  parts.push(`win ${tcp.window}`);
  if (tcp.flags.includes('U')) parts.push(`urg ${tcp.urgent}`);
  if (tcp.optionKinds.length > 0)
    parts.push(`options [${tcp.optionKinds.map((kind) => describeOption(kind, tcp.options, origin)).join(',')}]`);
  parts.push(`length ${tcp.length}`);
  return parts.join(', ');
}

function describeOption(kind: number, options: TcpOptions, origin: Origin): string {
  switch (kind) {
    case 0:
      return 'eol';
    case 1:
      return 'nop';
    case 2:
      return `mss ${options.mss}`;
    case 3:
      return `wscale ${options.windowScale}`;
    case 4:
      return 'sackOK';
    case 5:
      return `sack ${options.sack?.length} ${options.sack?.map((block) => describeSack(block, origin)).join('')}`;
    case 8:
      return `TS val ${options.timestamp?.value} ecr ${options.timestamp?.echo}`;
    default:
      return `unknown-${kind}`;
  }
}

/** SACK blocks are in the numbers of the other direction, as acknowledgments are. */
function describeSack(block: { left: number; right: number }, origin: Origin): string {
  return `{${(block.left - origin.ack) >>> 0}:${(block.right - origin.ack) >>> 0}}`;
}

function describeArp(arp: Arp): string {
  if (arp.operation === 'reply') return `ARP, Reply ${arp.sender} is-at ${arp.senderMac}, length ${arp.length}`;
  if (arp.operation !== 'request') return `ARP, operation ${arp.operation}, length ${arp.length}`;
  if (arp.sender === arp.target) return `ARP, Announcement ${arp.sender}, length ${arp.length}`;
  const known = arp.targetMac === '00:00:00:00:00:00' ? '' : ` (${arp.targetMac})`;
  if (arp.sender === '0.0.0.0') return `ARP, Probe ${arp.target}${known}, length ${arp.length}`;
  return `ARP, Request who-has ${arp.target}${known} tell ${arp.sender}, length ${arp.length}`;
}

function describeIcmp(icmp: Icmp): string {
  switch (icmp.type) {
    case 0:
      return `echo reply, id ${icmp.id}, seq ${icmp.sequence}`;
    case 8:
      return `echo request, id ${icmp.id}, seq ${icmp.sequence}`;
    case 3:
      return describeUnreachable(icmp, icmp.quoted);
    case 11:
      return icmp.code === 0 ? 'time exceeded in-transit' : 'ip reassembly time exceeded';
    default:
      return `type ${icmp.type} code ${icmp.code}`;
  }
}

function describeUnreachable(icmp: Icmp, quoted: Packet | null): string {
  const destination = quoted?.ip?.destination ?? '?';
  switch (icmp.code) {
    case 0:
      return `net ${destination} unreachable`;
    case 1:
      return `host ${destination} unreachable`;
    case 2:
      return `${destination} protocol ${quoted?.ip?.protocol} unreachable`;
    case 3:
      if (quoted?.udp) return `${destination} udp port ${quoted.udp.destinationPort} unreachable`;
      return `${destination} tcp port ${quoted?.tcp?.destinationPort} unreachable`;
    case 4:
      return `${destination} unreachable - need to frag (mtu ${icmp.sequence})`;
    case 13:
      return `host ${destination} unreachable - admin prohibited filter`;
    default:
      return `${destination} unreachable - #${icmp.code}`;
  }
}

function checksumRemarks(packet: Packet): string {
  let remarks = '';
  if (packet.ip?.checksumOk === false) remarks += ' (bad ip cksum)';
  if (packet.tcp?.checksumOk === false) remarks += ' (bad tcp cksum)';
  if (packet.udp?.checksumOk === false) remarks += ' (bad udp cksum)';
  if (packet.icmp?.checksumOk === false) remarks += ' (bad icmp cksum)';
  return remarks;
}

function emptyPacket(): Packet {
  return { ip: null, tcp: null, udp: null, icmp: null, payload: NONE };
}

function parseArp(bytes: Uint8Array): Arp {
  const view = viewOf(bytes);
  const operation = view.getUint16(6);
  return {
    length: bytes.length,
    operation: operation === 1 ? 'request' : operation === 2 ? 'reply' : operation,
    senderMac: mac(bytes, 8),
    sender: address(view, 14),
    targetMac: mac(bytes, 18),
    target: address(view, 24),
  };
}

function parseTcp(packet: Packet, ip: Ip, bytes: Uint8Array): void {
  const view = viewOf(bytes);
  const headerLength = (bytes[12]! >> 4) * 4;
  const bits = view.getUint16(12) & 0x1ff;
  const { options, kinds } = parseTcpOptions(bytes.subarray(20, Math.min(headerLength, bytes.length)));
  packet.tcp = {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    seq: view.getUint32(4),
    ack: view.getUint32(8),
    flags:
      FLAG_LETTERS.filter(([bit]) => (bits & bit) !== 0)
        .map(([, letter]) => letter)
        .join('') || 'none',
    window: view.getUint16(14),
    urgent: view.getUint16(18),
    options,
    optionKinds: kinds,
    length: ip.totalLength - ip.headerLength - headerLength,
    checksumOk: transportSumOk(ip, bytes),
  };
  packet.payload = bytes.subarray(headerLength);
}

function parseTcpOptions(bytes: Uint8Array): { options: TcpOptions; kinds: number[] } {
  const view = viewOf(bytes);
  const options: TcpOptions = {};
  const kinds: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const kind = bytes[at]!;
    kinds.push(kind);
    if (kind === 0) break;
    const length = kind === 1 ? 1 : (bytes[at + 1] ?? 0);
    if (length === 0 || at + length > bytes.length) break;
    parseTcpOption(view, at, kind, length, options);
    at += length;
  }
  return { options, kinds };
}

function parseTcpOption(view: DataView, at: number, kind: number, length: number, options: TcpOptions): void {
  if (kind === 2 && length === 4) options.mss = view.getUint16(at + 2);
  if (kind === 3 && length === 3) options.windowScale = view.getUint8(at + 2);
  if (kind === 4 && length === 2) options.sackPermitted = true;
  if (kind === 8 && length === 10) options.timestamp = { value: view.getUint32(at + 2), echo: view.getUint32(at + 6) };
  if (kind === 5) {
    options.sack = [];
    for (let block = at + 2; block + 8 <= at + length; block += 8) {
      options.sack.push({ left: view.getUint32(block), right: view.getUint32(block + 4) });
    }
  }
}

function parseUdp(packet: Packet, ip: Ip, bytes: Uint8Array): void {
  const view = viewOf(bytes);
  packet.udp = {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    length: view.getUint16(4) - 8,
    // RFC 768: 0 says that the sender computed none.
    checksumOk: view.getUint16(6) === 0 ? null : transportSumOk(ip, bytes),
  };
  packet.payload = bytes.subarray(8);
}

function parseIcmp(packet: Packet, ip: Ip, bytes: Uint8Array): void {
  const view = viewOf(bytes);
  const type = bytes[0]!;
  const isError = type === 3 || type === 4 || type === 5 || type === 11 || type === 12;
  packet.icmp = {
    type,
    code: bytes[1]!,
    id: view.getUint16(4),
    sequence: view.getUint16(6),
    length: ip.totalLength - ip.headerLength,
    checksumOk: isWhole(ip, bytes) ? internetSum(bytes, 0) === 0xffff : null,
    quoted: isError && bytes.length >= 28 ? parseIp(bytes.subarray(8)) : null,
  };
  packet.payload = bytes.subarray(8);
}

function isWhole(ip: Ip, body: Uint8Array): boolean {
  return !ip.moreFragments && ip.fragmentOffset === 0 && body.length === ip.totalLength - ip.headerLength;
}

/** TCP's and UDP's checksum covers a pseudo header (RFC 9293, 3.1): addresses, protocol, length. */
function transportSumOk(ip: Ip, body: Uint8Array): boolean | null {
  if (!isWhole(ip, body)) return null;
  const start = sumOfAddress(ip.source) + sumOfAddress(ip.destination) + ip.protocol + body.length;
  return internetSum(body, start) === 0xffff;
}

function sumOfAddress(dotted: string): number {
  return dotted.split('.').reduce((sum, octet, i) => sum + (Number(octet) << (i % 2 === 0 ? 8 : 0)), 0);
}

function mac(bytes: Uint8Array, at: number): string {
  return Array.from(bytes.subarray(at, at + 6), (octet) => octet.toString(16).padStart(2, '0')).join(':');
}

function address(view: DataView, at: number): string {
  return [0, 1, 2, 3].map((i) => view.getUint8(at + i)).join('.');
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
