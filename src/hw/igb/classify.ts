/**
 * What a received frame is: its headers, its checksums, its RSS hash (datasheet 7.1.1.7, 7.1.5.2, 7.1.11). The result goes into the descriptor's
 * write-back; software trusts it, so it says only what was looked at.
 */
import { finish, fold, sumOfHeader } from '../../machine/checksum.ts';
import type { Frame } from '../../wire/frame.ts';
import { crc32c } from './crc.ts';
import * as D from './e1000_defines.ts';
import * as R from './e1000_regs.ts';
import { IPV6_HEADER, Ipv6Headers } from './ipv6_headers.ts';
import type { RegisterValues } from './register_values.ts';
import { registerMap } from './registers.ts';
import type { Rss } from './rss.ts';

const ETH_HEADER = 14;
const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const TAG = 4;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_SCTP = 132;
const IPV6_ADDRESS = 16;

/** Slots of the registers that govern it. */
const RXCSUM = registerMap.slotOf(R.E1000_RXCSUM);
const MRQC = registerMap.slotOf(R.E1000_MRQC);
const RFCTL = registerMap.slotOf(R.E1000_RFCTL);
const VET = registerMap.slotOf(R.E1000_VET);

/** What was found. One object per place in the packet buffer, used again and again. */
export class Classification {
  /** RSS type and packet type. */
  pktInfo = 0;
  rssHash = 0;
  /** Checksum bits of status_error. */
  statusError = 0;
  /** The tag in the frame; -1 when it has none. */
  vlan = -1;
  /** End of the headers that were understood, and of those up to layer 3: where header split cuts. 0 when there is no IP header. */
  headerEnd = 0;
  networkEnd = 0;
  /** For descriptors without RSS hash (RXCSUM.PCSD = 0). */
  ipId = 0;

  clear(): void {
    this.pktInfo = 0;
    this.rssHash = 0;
    this.statusError = 0;
    this.vlan = -1;
    this.headerEnd = 0;
    this.networkEnd = 0;
    this.ipId = 0;
  }
}

export class Classifier {
  readonly #rss: Rss;
  readonly #registers: Uint32Array;
  readonly #headers = new Ipv6Headers();

  constructor(rss: Rss, registers: RegisterValues) {
    this.#rss = rss;
    this.#registers = registers.u32;
  }

  /** Fills `result` for a frame without errors. */
  classify(frame: Frame, result: Classification): void {
    result.clear();
    const view = frame.view;
    let l3 = ETH_HEADER;
    let type = view.getUint16(frame.start + 12);
    if (type === (this.#registers[VET]! & 0xffff) && frame.length >= ETH_HEADER + TAG) {
      result.vlan = view.getUint16(frame.start + ETH_HEADER);
      type = view.getUint16(frame.start + ETH_HEADER + 2);
      l3 += TAG;
    }
    if (type === ETH_P_IP) this.#ipv4(frame, l3, result);
    else if (type === ETH_P_IPV6) this.#ipv6(frame, l3, result);
  }

  #ipv4(frame: Frame, l3: number, result: Classification): void {
    const u8 = frame.u8;
    const view = frame.view;
    const ip = frame.start + l3;
    if (frame.length < l3 + 20 || u8[ip]! >>> 4 !== 4) return;
    const headerLength = (u8[ip]! & 15) * 4;
    const total = view.getUint16(ip + 2);
    if (headerLength < 20 || total < headerLength || l3 + total > frame.length) return;
    result.pktInfo |= headerLength > 20 ? D.E1000_RXDADV_PKTTYPE_IPV4_EX | D.E1000_RXDADV_PKTTYPE_IPV4 : D.E1000_RXDADV_PKTTYPE_IPV4;
    result.ipId = view.getUint16(ip + 4);
    result.networkEnd = l3 + headerLength;
    result.headerEnd = l3 + headerLength;
    if ((this.#registers[RXCSUM]! & D.E1000_RXCSUM_IPOFL) !== 0) {
      result.statusError |= D.E1000_RXD_STAT_IPCS;
      if (finish(sumOfHeader(view, ip, headerLength)) !== 0) result.statusError |= D.E1000_RXDEXT_STATERR_IPE;
    }
    const isFragment = (view.getUint16(ip + 6) & 0x3fff) !== 0;
    if (isFragment) this.#fragment(result);
    const protocol = u8[ip + 9]!;
    const length = total - headerLength;
    const l4 = isFragment ? 0 : this.#l4(frame, l3 + headerLength, length, protocol, ip + 12, 8, result);
    this.#hashIpv4(frame, ip + 12, ip + headerLength, l4, result);
  }

  #ipv6(frame: Frame, l3: number, result: Classification): void {
    const u8 = frame.u8;
    const ip = frame.start + l3;
    if ((this.#registers[RFCTL]! & D.E1000_RFCTL_IPV6_DIS) !== 0) return;
    if (frame.length < l3 + IPV6_HEADER || u8[ip]! >>> 4 !== 6) return;
    const payload = frame.view.getUint16(ip + 4);
    if (l3 + IPV6_HEADER + payload > frame.length) return;
    const headers = this.#headers;
    if (!headers.parse(u8, ip, payload)) return;
    result.pktInfo |= headers.hasExtensions ? D.E1000_RXDADV_PKTTYPE_IPV6 | D.E1000_RXDADV_PKTTYPE_IPV6_EX : D.E1000_RXDADV_PKTTYPE_IPV6;
    result.networkEnd = l3 + Math.min(headers.end, IPV6_HEADER + payload);
    result.headerEnd = result.networkEnd;
    if (headers.isFragment) this.#fragment(result);
    const length = IPV6_HEADER + payload - headers.end;
    const l4 = headers.isFragment || length < 0 ? 0 : this.#l4(frame, l3 + headers.end, length, headers.protocol, ip + 8, 32, result);
    this.#hashIpv6(u8, ip + 8, ip + headers.end, l4, result);
  }

  /** Fragments are split after their IP header unless RFCTL.IPFRSP_DIS forbids it. */
  #fragment(result: Classification): void {
    if ((this.#registers[RFCTL]! & D.E1000_RFCTL_IPFRSP_DIS) === 0) return;
    result.networkEnd = 0;
    result.headerEnd = 0;
  }

  /** TCP, UDP or SCTP at `at` of the frame: packet type, checksum. Returns the protocol, 0 when it is none of them. */
  #l4(frame: Frame, at: number, length: number, protocol: number, addresses: number, addressBytes: number, result: Classification): number {
    if (protocol === IPPROTO_TCP && length >= 20) {
      result.pktInfo |= D.E1000_RXDADV_PKTTYPE_TCP;
      result.headerEnd = at + (frame.u8[frame.start + at + 12]! >>> 4) * 4;
      if ((this.#registers[RXCSUM]! & D.E1000_RXCSUM_TUOFL) === 0) return protocol;
      result.statusError |= D.E1000_RXD_STAT_TCPCS;
      this.#checkSum(frame, at, length, protocol, addresses, addressBytes, result);
      return protocol;
    }
    if (protocol === IPPROTO_UDP && length >= 8) {
      result.pktInfo |= D.E1000_RXDADV_PKTTYPE_UDP;
      result.headerEnd = at + 8;
      if ((this.#registers[RXCSUM]! & D.E1000_RXCSUM_TUOFL) !== 0) this.#checkUdp(frame, at, length, addresses, addressBytes, result);
      return protocol;
    }
    if (protocol === IPPROTO_SCTP && length >= 12) {
      result.pktInfo |= D.E1000_RXDADV_PKTTYPE_SCTP;
      if ((this.#registers[RXCSUM]! & D.E1000_RXCSUM_CRCOFL) !== 0) checkSctp(frame, at, length, result);
      return protocol;
    }
    return 0;
  }

  /** A UDP checksum of 0 means that the sender made none: nothing is claimed then. */
  #checkUdp(frame: Frame, at: number, length: number, addresses: number, addressBytes: number, result: Classification): void {
    const udp = frame.start + at;
    const udpLength = frame.view.getUint16(udp + 4);
    if (frame.view.getUint16(udp + 6) === 0 || udpLength < 8 || udpLength > length) return;
    result.statusError |= D.E1000_RXD_STAT_UDPCS | D.E1000_RXD_STAT_TCPCS | D.E1000_RXD_STAT_UDPV;
    this.#checkSum(frame, at, udpLength, IPPROTO_UDP, addresses, addressBytes, result);
  }

  #checkSum(
    frame: Frame,
    at: number,
    length: number,
    protocol: number,
    addresses: number,
    addressBytes: number,
    result: Classification,
  ): void {
    const pseudo = sumOfHeader(frame.view, addresses, addressBytes) + protocol + length;
    if (finish(pseudo + sumOf(frame, frame.start + at, length)) !== 0) result.statusError |= D.E1000_RXDEXT_STATERR_L4E;
  }

  #hashIpv4(frame: Frame, addresses: number, ports: number, l4: number, result: Classification): void {
    const mrqc = this.#registers[MRQC]!;
    if ((mrqc & D.E1000_MRQC_ENABLE_MASK) === 0) return;
    const hashed = this.#typeIpv4(mrqc, l4);
    if (hashed === D.E1000_RXDADV_RSSTYPE_NONE) return;
    result.pktInfo |= hashed;
    result.rssHash = this.#rss.ipv4(frame, addresses, hashed === D.E1000_RXDADV_RSSTYPE_IPV4 ? -1 : ports) >>> 0;
  }

  #typeIpv4(mrqc: number, l4: number): number {
    if (l4 === IPPROTO_TCP && (mrqc & D.E1000_MRQC_RSS_FIELD_IPV4_TCP) !== 0) return D.E1000_RXDADV_RSSTYPE_IPV4_TCP;
    if (l4 === IPPROTO_UDP && (mrqc & D.E1000_MRQC_RSS_FIELD_IPV4_UDP) !== 0) return D.E1000_RXDADV_RSSTYPE_IPV4_UDP;
    return (mrqc & D.E1000_MRQC_RSS_FIELD_IPV4) !== 0 ? D.E1000_RXDADV_RSSTYPE_IPV4 : D.E1000_RXDADV_RSSTYPE_NONE;
  }

  #hashIpv6(u8: Uint8Array, addresses: number, ports: number, l4: number, result: Classification): void {
    const mrqc = this.#registers[MRQC]!;
    if ((mrqc & D.E1000_MRQC_ENABLE_MASK) === 0) return;
    const hashed = this.#typeIpv6Ex(mrqc, l4) || typeIpv6(mrqc, l4);
    if (hashed === D.E1000_RXDADV_RSSTYPE_NONE) return;
    result.pktInfo |= hashed;
    const isEx =
      hashed === D.E1000_RXDADV_RSSTYPE_IPV6_EX ||
      hashed === D.E1000_RXDADV_RSSTYPE_IPV6_TCP_EX ||
      hashed === D.E1000_RXDADV_RSSTYPE_IPV6_UDP_EX;
    const source = isEx ? this.#headers.source : addresses;
    const destination = isEx ? this.#headers.destination : addresses + IPV6_ADDRESS;
    let hash = this.#rss.piece(u8, source, IPV6_ADDRESS, 0) ^ this.#rss.piece(u8, destination, IPV6_ADDRESS, IPV6_ADDRESS);
    if (hashed !== D.E1000_RXDADV_RSSTYPE_IPV6 && hashed !== D.E1000_RXDADV_RSSTYPE_IPV6_EX)
      hash ^= this.#rss.piece(u8, ports, 4, 2 * IPV6_ADDRESS);
    result.rssHash = hash >>> 0;
  }

  /** The types that look into extension headers go before the others, unless RFCTL forbids to parse those. */
  #typeIpv6Ex(mrqc: number, l4: number): number {
    if ((this.#registers[RFCTL]! & D.E1000_RFCTL_IPV6_EX_DIS) !== 0) return D.E1000_RXDADV_RSSTYPE_NONE;
    if (l4 === IPPROTO_TCP && (mrqc & D.E1000_MRQC_RSS_FIELD_IPV6_TCP_EX) !== 0) return D.E1000_RXDADV_RSSTYPE_IPV6_TCP_EX;
    if (l4 === IPPROTO_UDP && (mrqc & D.E1000_MRQC_RSS_FIELD_IPV6_UDP_EX) !== 0) return D.E1000_RXDADV_RSSTYPE_IPV6_UDP_EX;
    return (mrqc & D.E1000_MRQC_RSS_FIELD_IPV6_EX) !== 0 ? D.E1000_RXDADV_RSSTYPE_IPV6_EX : D.E1000_RXDADV_RSSTYPE_NONE;
  }
}

function typeIpv6(mrqc: number, l4: number): number {
  if (l4 === IPPROTO_TCP && (mrqc & D.E1000_MRQC_RSS_FIELD_IPV6_TCP) !== 0) return D.E1000_RXDADV_RSSTYPE_IPV6_TCP;
  if (l4 === IPPROTO_UDP && (mrqc & D.E1000_MRQC_RSS_FIELD_IPV6_UDP) !== 0) return D.E1000_RXDADV_RSSTYPE_IPV6_UDP;
  return (mrqc & D.E1000_MRQC_RSS_FIELD_IPV6) !== 0 ? D.E1000_RXDADV_RSSTYPE_IPV6 : D.E1000_RXDADV_RSSTYPE_NONE;
}

/** The sum of the bytes from `from` on: what the sender's port has summed up already is not summed again. */
function sumOf(frame: Frame, from: number, length: number): number {
  return frame.summed === length && frame.sumFrom === from ? frame.sum : frame.block.sum(from, length);
}

/** SCTP carries a CRC32c, least significant byte first, computed with the field taken as zero (RFC 9260, appendix A). */
function checkSctp(frame: Frame, at: number, length: number, result: Classification): void {
  result.statusError |= D.E1000_RXD_STAT_TCPCS;
  const field = frame.start + at + 8;
  const received = frame.view.getUint32(field, true);
  frame.view.setUint32(field, 0, true);
  if (crc32c(frame.u8, frame.start + at, length) !== received) result.statusError |= D.E1000_RXDEXT_STATERR_L4E;
  frame.view.setUint32(field, received, true);
}

/** The whole-packet checksum of descriptors without RSS hash: everything from byte `from` on (RXCSUM.PCSS). */
export function packetChecksum(frame: Frame, from: number): number {
  if (from >= frame.length) return 0;
  return fold(frame.block.sum(frame.start + from, frame.length - from));
}
