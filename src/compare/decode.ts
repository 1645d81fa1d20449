/** Captured packets decoded as far as the comparison looks: link layer, ARP, IPv4, IPv6, TCP, UDP, ICMP. */
import type { CapturedPacket } from '../observe/files/captured_packet.ts';
import { decodeTcp } from './decode_tcp.ts';
import { judgeChecksum, onesSum } from './ipv4_checksum.ts';
import type { Packet } from './packet.ts';

const LINKTYPE_NULL = 0;
const LINKTYPE_ETHERNET = 1;
const LINKTYPE_RAW = 101;
const LINKTYPE_LINUX_SLL = 113;
const LINKTYPE_LINUX_SLL2 = 276;
const LINKTYPE_IPV4 = 228;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_VLAN = 0x8100;
const ETHERTYPE_IPV6 = 0x86dd;
const IPPROTO_ICMP = 1;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_ICMPV6 = 58;

/** Fills `packet` from what was captured; what cannot be decoded stays `other`. */
export function decode(packet: Packet, captured: CapturedPacket): void {
  packet.clear();
  const { u8, offset } = captured;
  const view = new DataView(u8.buffer, u8.byteOffset, u8.byteLength);
  const end = offset + captured.captured;
  const [type, header] = linkLayer(view, captured.linkType, offset, end);
  packet.number = type;
  packet.payload = captured.original;
  if (type < 0) return;
  if (type === ETHERTYPE_ARP) decodeArp(packet, view, offset + header, end);
  else if (type === ETHERTYPE_IPV4) decodeIpv4(packet, u8, view, offset + header, end, captured.original - header);
  else if (type === ETHERTYPE_IPV6) decodeIpv6(packet, view, offset + header, end);
  else if (captured.linkType === LINKTYPE_ETHERNET) nameMacs(packet, u8, offset);
}

/** Ethertype and length of the link-layer header; -1 when there is none that we know. */
function linkLayer(view: DataView, linkType: number, at: number, end: number): [type: number, header: number] {
  if (linkType === LINKTYPE_ETHERNET) return ethernet(view, at, end);
  if (linkType === LINKTYPE_LINUX_SLL) return end - at < 16 ? [-1, 0] : [view.getUint16(at + 14), 16];
  if (linkType === LINKTYPE_LINUX_SLL2) return end - at < 20 ? [-1, 0] : [view.getUint16(at), 20];
  const header = linkType === LINKTYPE_NULL ? 4 : 0;
  if (linkType !== LINKTYPE_NULL && linkType !== LINKTYPE_RAW && linkType !== LINKTYPE_IPV4) return [-1, 0];
  if (end - at <= header) return [-1, 0];
  return [view.getUint8(at + header) >> 4 === 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4, header];
}

function ethernet(view: DataView, at: number, end: number): [type: number, header: number] {
  if (end - at < 14) return [-1, 0];
  const type = view.getUint16(at + 12);
  if (type !== ETHERTYPE_VLAN || end - at < 18) return [type, 14];
  return [view.getUint16(at + 16), 18];
}

function nameMacs(packet: Packet, u8: Uint8Array, at: number): void {
  packet.destination = macText(u8, at);
  packet.source = macText(u8, at + 6);
}

const macText = (u8: Uint8Array, at: number): string =>
  Array.from(u8.subarray(at, at + 6), (byte) => byte.toString(16).padStart(2, '0')).join(':');

const ipv4Text = (view: DataView, at: number): string =>
  `${view.getUint8(at)}.${view.getUint8(at + 1)}.${view.getUint8(at + 2)}.${view.getUint8(at + 3)}`;

/** ARP for IPv4 over Ethernet (RFC 826): who asks whom. */
function decodeArp(packet: Packet, view: DataView, at: number, end: number): void {
  if (end - at < 28 || view.getUint16(at + 2) !== ETHERTYPE_IPV4) return;
  packet.protocol = 'arp';
  packet.type = view.getUint16(at + 6);
  packet.source = ipv4Text(view, at + 14);
  packet.destination = ipv4Text(view, at + 24);
  // Short frames are padded to 60 octets on some links, and the padding says nothing.
  packet.payload = 28;
}

function decodeIpv4(packet: Packet, u8: Uint8Array, view: DataView, at: number, end: number, length: number): void {
  if (end - at < 20) return;
  const headerBytes = (view.getUint8(at) & 15) * 4;
  if (headerBytes < 20 || at + headerBytes > end) return;
  // tot_len is 0 in super-frames that are longer than it can say.
  const total = view.getUint16(at + 2) || length;
  const word = view.getUint16(at + 6);
  packet.source = ipv4Text(view, at + 12);
  packet.destination = ipv4Text(view, at + 16);
  packet.ttl = view.getUint8(at + 8);
  packet.ecn = view.getUint8(at + 1) & 3;
  packet.id = view.getUint16(at + 4);
  packet.dontFragment = (word & 0x4000) !== 0;
  packet.moreFragments = (word & 0x2000) !== 0;
  packet.fragmentOffset = (word & 0x1fff) * 8;
  const protocol = view.getUint8(at + 9);
  const start = at + headerBytes;
  const transport = Math.max(0, total - headerBytes);
  decodeTransport(packet, view, protocol, start, Math.min(end, at + total), transport);
  if (packet.isFragment || at + total > end) return;
  const field = checksumField(packet);
  // The pseudo header of RFC 9293 3.1; ICMP has none.
  const pseudo = packet.protocol === 'icmp' ? 0 : onesSum(u8, at + 12, at + 20, protocol + transport);
  const absent = packet.protocol === 'udp' && view.getUint16(start + 6) === 0;
  if (field >= 0 && !absent) packet.checksum = judgeChecksum(u8, start, at + total, start + field, pseudo);
}

const checksumField = ({ protocol }: Packet): number => (protocol === 'tcp' ? 16 : protocol === 'udp' ? 6 : protocol === 'icmp' ? 2 : -1);

function decodeIpv6(packet: Packet, view: DataView, at: number, end: number): void {
  if (end - at < 40) return;
  packet.source = ipv6Text(view, at + 8);
  packet.destination = ipv6Text(view, at + 24);
  packet.ttl = view.getUint8(at + 7);
  packet.ecn = (view.getUint8(at + 1) >> 4) & 3;
  const length = view.getUint16(at + 4);
  decodeTransport(packet, view, view.getUint8(at + 6), at + 40, end, length === 0 ? end - at - 40 : length);
}

const ipv6Text = (view: DataView, at: number): string =>
  [0, 2, 4, 6, 8, 10, 12, 14].map((word) => view.getUint16(at + word).toString(16)).join(':');

function decodeTransport(packet: Packet, view: DataView, protocol: number, at: number, end: number, length: number): void {
  packet.protocol = 'ip';
  packet.number = protocol;
  packet.payload = length;
  if (packet.fragmentOffset > 0) {
    packet.protocol = protocol === IPPROTO_UDP ? 'udp' : protocol === IPPROTO_TCP ? 'tcp' : protocol === IPPROTO_ICMP ? 'icmp' : 'ip';
  } else if (protocol === IPPROTO_TCP) {
    if (decodeTcp(packet, view, at, end, length)) packet.protocol = 'tcp';
  } else if (protocol === IPPROTO_UDP && end - at >= 8) {
    packet.protocol = 'udp';
    packet.sourcePort = view.getUint16(at);
    packet.destinationPort = view.getUint16(at + 2);
    packet.payload = length - 8;
  } else if ((protocol === IPPROTO_ICMP || protocol === IPPROTO_ICMPV6) && end - at >= 4) {
    packet.protocol = 'icmp';
    packet.type = view.getUint8(at);
    packet.code = view.getUint8(at + 1);
  }
}
