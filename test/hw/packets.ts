/** Packets for the hardware's tests, and a checksum of its own: slow, plain, independent of the sources. */

export function bytesOf(hex: string): Uint8Array {
  const clean = hex.replace(/[^0-9a-fA-F]/g, '');
  return Uint8Array.from({ length: clean.length / 2 }, (_, i) => Number.parseInt(clean.slice(2 * i, 2 * i + 2), 16));
}

export function onesSum(bytes: Uint8Array, from: number, to: number, start = 0): number {
  let sum = start;
  for (let i = from; i < to; i++) sum += (i - from) % 2 === 0 ? bytes[i]! * 256 : bytes[i]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = (value >>> 8) & 0xff;
  bytes[at + 1] = value & 0xff;
}

export function get16(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 256 + bytes[at + 1]!;
}

export function get32(bytes: Uint8Array, at: number): number {
  return get16(bytes, at) * 0x10000 + get16(bytes, at + 2);
}

export interface PacketOptions {
  to?: Uint8Array;
  protocol?: number;
  source?: number[];
  destination?: number[];
  sourcePort?: number;
  destinationPort?: number;
  flags?: number;
  sequence?: number;
  /** Leave the checksum field as the driver does: the pseudo-header's sum ('seed'; without length: 'tso'); else a right one. */
  check?: 'right' | 'seed' | 'tso';
}

const station = Uint8Array.of(0x02, 0x00, 0x00, 0x00, 0x01, 0x0a);
export const ETH = 14;
export const IP = 20;
export const TCP = 32;
export const UDP = 8;

/** Ethernet, IPv4, and TCP (with twelve bytes of options) or UDP around a payload. */
export function ipv4Packet(payload: Uint8Array, options: PacketOptions = {}): Uint8Array {
  const protocol = options.protocol ?? 6;
  const l4 = protocol === 6 ? TCP : UDP;
  const bytes = new Uint8Array(ETH + IP + l4 + payload.length);
  bytes.set(options.to ?? station, 0);
  bytes.set([0x02, 0, 0, 0, 0x01, 0x0b], 6);
  put16(bytes, 12, 0x0800);
  bytes[14] = 0x45;
  put16(bytes, 16, bytes.length - ETH);
  put16(bytes, 18, 0x1234);
  bytes[22] = 64;
  bytes[23] = protocol;
  bytes.set(options.source ?? [10, 0, 0, 2], 26);
  bytes.set(options.destination ?? [10, 0, 0, 1], 30);
  put16(bytes, 24, ~onesSum(bytes, 14, 34) & 0xffff);
  put16(bytes, 34, options.sourcePort ?? 40000);
  put16(bytes, 36, options.destinationPort ?? 5001);
  if (protocol === 6) {
    const sequence = options.sequence ?? 0x11223344;
    put16(bytes, 38, sequence >>> 16);
    put16(bytes, 40, sequence & 0xffff);
    put16(bytes, 46, 0x8000 | (options.flags ?? 0x10));
    put16(bytes, 48, 501);
    bytes.set([1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 7], 54);
  } else put16(bytes, 38, l4 + payload.length);
  bytes.set(payload, ETH + IP + l4);
  const field = ETH + IP + (protocol === 6 ? 16 : 6);
  const length = options.check === 'tso' ? 0 : l4 + payload.length;
  const pseudo = onesSum(bytes, 26, 34, protocol + length);
  if (options.check === 'seed' || options.check === 'tso') put16(bytes, field, pseudo);
  else put16(bytes, field, ~onesSum(bytes, ETH + IP, bytes.length, pseudo) & 0xffff);
  return bytes;
}

/** 0 when the IPv4 header's checksum is right. */
export function ipError(bytes: Uint8Array, l3 = ETH): number {
  return ~onesSum(bytes, l3, l3 + IP) & 0xffff;
}

/** 0 when TCP's or UDP's checksum is right. */
export function l4Error(bytes: Uint8Array, l3 = ETH): number {
  const length = get16(bytes, l3 + 2) - IP;
  const pseudo = onesSum(bytes, l3 + 12, l3 + 20, bytes[l3 + 9]! + length);
  return ~onesSum(bytes, l3 + IP, l3 + IP + length, pseudo) & 0xffff;
}

export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}
