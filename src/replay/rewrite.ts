/**
 * Makes frames of a foreign capture ones that a host of ours answers: the address it plays becomes the host's, every other address gets one in the host's
 * network, MAC addresses follow, and checksums are made right again.
 */
import { finish, fold, sum16 } from '../machine/checksum.ts';

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const ETHERNET_BYTES = 14;
const IPPROTO_ICMP = 1;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const FRAGMENT_MASK = 0x3fff;
const MORE_FRAGMENTS = 0x2000;

/** Where a host is: what frames to it must carry. */
export interface HostAddress {
  readonly mac: Uint8Array;
  readonly address: number;
  readonly prefix: number;
}

/** A frame to be rewritten: `length` bytes of `u8` from `start` on. */
export interface RewrittenFrame {
  readonly u8: Uint8Array;
  readonly view: DataView;
  readonly start: number;
  readonly length: number;
}

export class Rewriter {
  readonly #host: HostAddress;
  /** The address in the capture that the host plays. */
  readonly #played: number;
  readonly #mapped = new Map<number, number>();
  readonly #network: number;
  readonly #size: number;
  #next = 1;

  constructor(host: HostAddress, played: number) {
    this.#host = host;
    this.#played = played;
    this.#size = 2 ** (32 - host.prefix);
    this.#network = Math.floor(host.address / this.#size) * this.#size;
  }

  /** Is this one of the addresses that stand for hosts of the capture? */
  knows(address: number): boolean {
    for (const mapped of this.#mapped.values()) if (mapped === address) return true;
    return false;
  }

  /** Rewrites an Ethernet frame in place. Frames that are neither IPv4 nor ARP only get the MAC address. */
  rewrite(frame: RewrittenFrame): void {
    const { view, start, length } = frame;
    if (length < ETHERNET_BYTES) return;
    const type = view.getUint16(start + 12);
    const at = start + ETHERNET_BYTES;
    if (type === ETHERTYPE_ARP && length >= ETHERNET_BYTES + 28) this.#rewriteArp(frame, at);
    else if (type === ETHERTYPE_IPV4 && length >= ETHERNET_BYTES + 20) this.#rewriteIp(frame, at);
  }

  #map(address: number): number {
    if (address === this.#played) return this.#host.address;
    if (address === 0 || address === 0xffff_ffff || address >>> 28 === 14) return address;
    let mapped = this.#mapped.get(address);
    if (mapped === undefined) {
      mapped = this.#freshAddress();
      this.#mapped.set(address, mapped);
    }
    return mapped;
  }

  /** Addresses from the bottom of the host's network, without the host's own; they come round again when the network is full. */
  #freshAddress(): number {
    const usable = Math.max(this.#size - 2, 1);
    let address = this.#network + 1 + (this.#next++ % usable);
    if (address === this.#host.address) address = this.#network + 1 + (this.#next++ % usable);
    return address;
  }

  #rewriteMac({ u8, start }: RewrittenFrame): void {
    if ((u8[start]! & 1) === 0) u8.set(this.#host.mac, start);
  }

  #rewriteArp(frame: RewrittenFrame, at: number): void {
    const { view } = frame;
    view.setUint32(at + 14, this.#map(view.getUint32(at + 14)));
    const target = view.getUint32(at + 24);
    view.setUint32(at + 24, this.#map(target));
    if (target === this.#played) this.#rewriteMac(frame);
  }

  #rewriteIp(frame: RewrittenFrame, at: number): void {
    const { u8, view } = frame;
    const headerLength = (u8[at]! & 15) * 4;
    const destination = view.getUint32(at + 16);
    if (u8[at]! >> 4 !== 4 || headerLength < 20) return;
    if (destination === this.#played) this.#rewriteMac(frame);
    const addresses = sum16(u8, at + 12, 8, 0);
    view.setUint32(at + 12, this.#map(view.getUint32(at + 12)));
    view.setUint32(at + 16, this.#map(destination));
    view.setUint16(at + 10, 0);
    view.setUint16(at + 10, finish(fold(sum16(u8, at, headerLength, 0))));
    const fragment = view.getUint16(at + 6) & FRAGMENT_MASK;
    if (fragment === 0) fixTransport(frame, at, headerLength);
    else if (fragment === MORE_FRAGMENTS) adjustTransport(frame, at, headerLength, addresses);
  }
}

/**
 * Makes up for new addresses in the checksum of a message that is fragmented (RFC 1624 (3)): it is in the first fragment and covers bytes of the others, but
 * of those none has changed. `before` is the sum of the addresses that it was computed with.
 */
function adjustTransport({ view, u8, start, length }: RewrittenFrame, at: number, headerLength: number, before: number): void {
  const protocol = u8[at + 9]!;
  const place = at + headerLength + (protocol === IPPROTO_TCP ? 16 : 6);
  if ((protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) || place + 2 > start + length) return;
  const old = view.getUint16(place);
  if (protocol === IPPROTO_UDP && old === 0) return;
  view.setUint16(place, finish(0xffff - old + (0xffff - before) + sum16(u8, at + 12, 8, 0)) || 0xffff);
}

/** Makes the checksum of a whole TCP, UDP or ICMP message right. */
function fixTransport({ u8, view, start, length }: RewrittenFrame, at: number, headerLength: number): void {
  const protocol = u8[at + 9]!;
  const segment = at + headerLength;
  const size = view.getUint16(at + 2) - headerLength;
  if (size < 8 || segment + size > start + length) return;
  const offset = protocol === IPPROTO_TCP ? 16 : protocol === IPPROTO_UDP ? 6 : protocol === IPPROTO_ICMP ? 2 : -1;
  if (offset < 0 || (protocol === IPPROTO_TCP && size < 20) || (protocol === IPPROTO_UDP && view.getUint16(segment + 6) === 0)) return;
  view.setUint16(segment + offset, 0);
  const pseudo = protocol === IPPROTO_ICMP ? 0 : sum16(u8, at + 12, 8, protocol + size);
  const check = finish(fold(sum16(u8, segment, size, pseudo)));
  view.setUint16(segment + offset, check === 0 && protocol === IPPROTO_UDP ? 0xffff : check);
}
