/**
 * The chain of IPv6 extension headers (RFC 8200, 4): where it ends, what follows it, and the addresses that the _EX hash types take from it (datasheet
 * 7.1.1.7.2): the home address of a destination option (RFC 6275, 6.3) instead of the source, that of a routing header of type 2 (6.4) instead of the
 * destination.
 */

export const IPV6_HEADER = 40;
const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION = 60;
const SOURCE_AT = 8;
const DESTINATION_AT = 24;
const HOME_ADDRESS_OPTION = 0xc9;
const PAD1 = 0;
const ADDRESS = 16;
const ROUTING_TYPE_2 = 2;

export class Ipv6Headers {
  /** What follows the chain. */
  protocol = 0;
  /** Bytes from the start of the IPv6 header to the end of the chain. */
  end = IPV6_HEADER;
  isFragment = false;
  hasExtensions = false;
  /** Where the addresses are that an _EX hash is computed over. */
  source = 0;
  destination = 0;

  /** Walks the chain of the header at `ip`, whose payload has `payload` bytes; false when it does not end within them. */
  parse(u8: Uint8Array, ip: number, payload: number): boolean {
    this.protocol = u8[ip + 6]!;
    this.end = IPV6_HEADER;
    this.isFragment = false;
    this.hasExtensions = false;
    this.source = ip + SOURCE_AT;
    this.destination = ip + DESTINATION_AT;
    while (this.protocol === HOP_BY_HOP || this.protocol === ROUTING || this.protocol === DESTINATION || this.protocol === FRAGMENT) {
      if (this.end + 8 > IPV6_HEADER + payload) return false;
      this.hasExtensions = true;
      const header = ip + this.end;
      const bytes = this.protocol === FRAGMENT ? 8 : (u8[header + 1]! + 1) * 8;
      if (this.protocol === FRAGMENT) this.isFragment = true;
      else if (this.protocol === ROUTING && u8[header + 2] === ROUTING_TYPE_2 && bytes === 8 + ADDRESS) this.destination = header + 8;
      else if (this.protocol === DESTINATION) this.#homeAddress(u8, header + 2, header + bytes);
      this.protocol = u8[header]!;
      this.end += bytes;
    }
    return true;
  }

  #homeAddress(u8: Uint8Array, from: number, to: number): void {
    for (let at = from; at + 2 <= to; at += u8[at] === PAD1 ? 1 : 2 + u8[at + 1]!) {
      if (u8[at] !== HOME_ADDRESS_OPTION || u8[at + 1] !== ADDRESS || at + 2 + ADDRESS > to) continue;
      this.source = at + 2;
      return;
    }
  }
}
