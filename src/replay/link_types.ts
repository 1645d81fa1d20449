/** Packets of other link types as Ethernet frames: what comes before the network header is exchanged. */
import type { CapturedPacket } from '../observe/files/captured_packet.ts';

const LINKTYPE_NULL = 0;
const LINKTYPE_ETHERNET = 1;
const LINKTYPE_RAW = 101;
const LINKTYPE_LINUX_SLL = 113;
const LINKTYPE_IPV4 = 228;
const ETHERNET_BYTES = 14;
const ETHERTYPE_IPV4 = 0x0800;

/** Bytes before the network header, and where in them the Ethertype stands (-1: IPv4 without one). */
const HEADERS: Readonly<Record<number, readonly [length: number, typeAt: number]>> = {
  [LINKTYPE_NULL]: [4, -1],
  [LINKTYPE_RAW]: [0, -1],
  [LINKTYPE_IPV4]: [0, -1],
  [LINKTYPE_LINUX_SLL]: [16, 14],
};

/** Length of the Ethernet frame that a packet becomes; -1 for link types that cannot become one. */
export function ethernetLength(packet: CapturedPacket): number {
  if (packet.linkType === LINKTYPE_ETHERNET) return packet.original;
  const header = HEADERS[packet.linkType];
  return header === undefined || packet.captured < header[0] ? -1 : packet.original - header[0] + ETHERNET_BYTES;
}

/** Writes the frame's captured bytes. MAC addresses that a link type does not have stay zero. */
export function writeEthernet(packet: CapturedPacket, u8: Uint8Array, at: number): void {
  const { offset, captured } = packet;
  if (packet.linkType === LINKTYPE_ETHERNET) {
    u8.set(packet.u8.subarray(offset, offset + captured), at);
    return;
  }
  const [length, typeAt] = HEADERS[packet.linkType]!;
  const type = typeAt < 0 ? ETHERTYPE_IPV4 : (packet.u8[offset + typeAt]! << 8) | packet.u8[offset + typeAt + 1]!;
  u8[at + 12] = type >> 8;
  u8[at + 13] = type & 255;
  u8.set(packet.u8.subarray(offset + length, offset + captured), at + ETHERNET_BYTES);
}
