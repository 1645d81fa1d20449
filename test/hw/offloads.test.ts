/** Contexts, IPv6, VLAN tags and large sends together on the way out; packet types and SCTP on the way in. */
import { describe, expect, it } from 'vitest';
import { ETH, get16, get32, IP, ipv4Packet, onesSum, pattern, put16, TCP } from './packets.ts';
import * as T from './test_driver.ts';

const IPV6 = 40;
const IDX1 = 1 << 4;

function started(): T.TestDriver {
  const driver = new T.TestDriver();
  driver.start();
  driver.setupTx(0);
  driver.setupRx(0);
  driver.write(T.RXCSUM, 0x2b00);
  driver.run(10_000);
  return driver;
}

/** TCP over IPv6, the checksum field holding the pseudo-header's sum as the driver leaves it. */
function ipv6Tcp(payload: Uint8Array, forSegments: boolean): Uint8Array {
  const bytes = new Uint8Array(ETH + IPV6 + TCP + payload.length);
  bytes.set([...T.mac, 2, 0, 0, 0, 1, 0x0b, 0x86, 0xdd, 0x60], 0);
  put16(bytes, 18, forSegments ? 0 : TCP + payload.length);
  bytes[20] = 6;
  bytes[21] = 64;
  for (let i = 0; i < 32; i++) bytes[22 + i] = 0x20 + i;
  put16(bytes, 54, 40000);
  put16(bytes, 56, 5001);
  put16(bytes, 58, 0x1122);
  put16(bytes, 60, 0x3344);
  put16(bytes, 66, 0x8018);
  bytes.set([1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 7], 74);
  bytes.set(payload, ETH + IPV6 + TCP);
  put16(bytes, 70, onesSum(bytes, 22, 54, 6 + (forSegments ? 0 : TCP + payload.length)));
  return bytes;
}

/** 0 when TCP's checksum over IPv6 is right. */
const ipv6Error = (bytes: Uint8Array): number => {
  const length = get16(bytes, 18);
  return ~onesSum(bytes, 54, 54 + length, onesSum(bytes, 22, 54, 6 + length)) & 0xffff;
};

describe('contexts', () => {
  it('a queue keeps two, and each packet names its own', () => {
    const driver = started();
    driver.write(T.CTRL, driver.read(T.CTRL) | T.VME);
    driver.postContext(0, ETH, IP, TCP, 500, T.TUCMD_IPV4 | T.TUCMD_TCP, 0x0064, 0);
    driver.postContext(0, ETH, IP, TCP, 700, T.TUCMD_IPV4 | T.TUCMD_TCP, 0x0065, 1);
    const payload = pattern(1000);
    const packet = ipv4Packet(payload, { check: 'tso' });
    put16(packet, 16, 0);
    put16(packet, 24, 0);
    for (const index of [0, IDX1, 0]) driver.postData(0, [packet], T.TSE | T.VLE, T.TXSM | T.IXSM | index, payload.length);
    driver.ring(0);
    driver.run(200_000);
    expect(driver.end.sent.map(({ bytes }) => [get16(bytes, 14), bytes.length - ETH - 4 - IP - TCP])).toEqual([
      [0x64, 500],
      [0x64, 500],
      [0x65, 700],
      [0x65, 300],
      [0x64, 500],
      [0x64, 500],
    ]);
  });

  it('one descriptor replaces a context, the other stays', () => {
    const driver = started();
    driver.write(T.CTRL, driver.read(T.CTRL) | T.VME);
    const send = (index: number): void => void driver.postData(0, [ipv4Packet(pattern(10))], T.VLE, index);
    driver.postContext(0, ETH, IP, 0, 0, T.TUCMD_IPV4, 1, 0);
    driver.postContext(0, ETH, IP, 0, 0, T.TUCMD_IPV4, 2, 1);
    send(0);
    driver.postContext(0, ETH, IP, 0, 0, T.TUCMD_IPV4, 3, 0);
    send(0);
    send(IDX1);
    driver.ring(0);
    driver.run(50_000);
    expect(driver.end.sent.map(({ bytes }) => get16(bytes, 14))).toEqual([1, 3, 2]);
  });
});

describe('over IPv6', () => {
  it('puts in the TCP checksum', () => {
    const driver = started();
    driver.postContext(0, ETH, IPV6, 0, 0, T.TUCMD_TCP);
    driver.postData(0, [ipv6Tcp(pattern(333), false)], 0, T.TXSM);
    driver.ring(0);
    driver.run(50_000);
    expect(ipv6Error(driver.end.sent[0]!.bytes)).toBe(0);
  });

  it('cuts a large send: payload length, sequence and checksum of each segment', () => {
    const driver = started();
    const payload = pattern(3000);
    driver.postContext(0, ETH, IPV6, TCP, 1428, T.TUCMD_TCP);
    driver.postData(0, [ipv6Tcp(payload, true)], T.TSE, T.TXSM, payload.length);
    driver.ring(0);
    driver.run(200_000);
    const sent = driver.end.sent.map(({ bytes }) => bytes);
    expect(sent.map((bytes) => get16(bytes, 18))).toEqual([TCP + 1428, TCP + 1428, TCP + 144]);
    expect(sent.map((bytes) => get32(bytes, 58))).toEqual([0x11223344, 0x11223344 + 1428, 0x11223344 + 2856]);
    expect(sent.map(ipv6Error)).toEqual([0, 0, 0]);
    // PSH is the last segment's.
    expect(sent.map((bytes) => get16(bytes, 66) & 0xff)).toEqual([0x10, 0x10, 0x18]);
  });
});

it('every segment of a large send carries the tag', () => {
  const driver = started();
  driver.write(T.CTRL, driver.read(T.CTRL) | T.VME);
  const payload = pattern(2000);
  const packet = ipv4Packet(payload, { check: 'tso' });
  put16(packet, 16, 0);
  put16(packet, 24, 0);
  driver.postContext(0, ETH, IP, TCP, 1000, T.TUCMD_IPV4 | T.TUCMD_TCP, 0x6064);
  driver.postData(0, [packet], T.TSE | T.VLE, T.TXSM | T.IXSM, payload.length);
  driver.ring(0);
  driver.run(200_000);
  expect(driver.end.sent.map(({ bytes }) => get32(bytes, 12))).toEqual([0x8100_6064, 0x8100_6064]);
  expect(driver.read(0x40f8)).toBe(1);
});

describe('DTXTCPFLG', () => {
  it('chooses the flags of first, middle and last segments', () => {
    const driver = started();
    driver.write(0x359c, 0x0010_0001);
    driver.write(0x35a0, 0x0000_0008);
    const payload = pattern(3000);
    const packet = ipv4Packet(payload, { check: 'tso', flags: 0x19 });
    put16(packet, 16, 0);
    put16(packet, 24, 0);
    driver.postContext(0, ETH, IP, TCP, 1000, T.TUCMD_IPV4 | T.TUCMD_TCP);
    driver.postData(0, [packet], T.TSE, T.TXSM | T.IXSM, payload.length);
    driver.ring(0);
    driver.run(200_000);
    expect(driver.end.sent.map(({ bytes }) => bytes[47])).toEqual([0x01, 0x10, 0x08]);
  });
});

/** Castagnoli's CRC, bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

describe('what a received packet is', () => {
  const IPV4 = 0x010;
  const IPV4_EX = 0x020;
  const IPV6_TYPE = 0x040;
  const IPV6_EX = 0x080;
  const TCP_TYPE = 0x100;
  const UDP_TYPE = 0x200;
  const SCTP_TYPE = 0x400;
  const L4CS = 0x20;
  const L4E = 0x2000_0000;

  function received(packet: Uint8Array): { type: number; l4: number; status: number } {
    const driver = started();
    driver.arrive(packet);
    driver.run(20_000);
    const { pktInfo, status } = driver.next(0)!;
    return { type: pktInfo & 0xfff0, l4: status & (L4CS | L4E), status };
  }

  /** An IPv4 packet with a record of the route, empty, behind the header. */
  function withOptions(): Uint8Array {
    const plain = ipv4Packet(pattern(40), { protocol: 17 });
    const packet = Uint8Array.from([...plain.slice(0, 34), 7, 3, 4, 0, ...plain.slice(34)]);
    packet[14] = 0x46;
    put16(packet, 16, packet.length - ETH);
    put16(packet, 24, 0);
    put16(packet, 24, ~onesSum(packet, 14, 38) & 0xffff);
    return packet;
  }

  function sctp(valid: boolean): Uint8Array {
    const packet = ipv4Packet(pattern(100), { protocol: 17 });
    packet[23] = 132;
    put16(packet, 24, 0);
    put16(packet, 24, ~onesSum(packet, 14, 34) & 0xffff);
    packet.fill(0, 42, 46);
    const crc = crc32c(packet.slice(34)) ^ (valid ? 0 : 1);
    for (let i = 0; i < 4; i++) packet[42 + i] = (crc >>> (8 * i)) & 0xff;
    return packet;
  }

  const ipv6 = ipv6Tcp(pattern(60), false);
  put16(ipv6, 70, 0);
  put16(ipv6, 70, ~onesSum(ipv6, 54, ipv6.length, onesSum(ipv6, 22, 54, 6 + TCP + 60)) & 0xffff);
  const hopByHop = Uint8Array.from([...ipv6.slice(0, 54), 6, 0, 1, 4, 0, 0, 0, 0, ...ipv6.slice(54)]);
  put16(hopByHop, 18, get16(ipv6, 18) + 8);
  hopByHop[20] = 0;

  it.each<[string, Uint8Array, number, number]>([
    ['TCP over IPv4', ipv4Packet(pattern(40)), IPV4 | TCP_TYPE, L4CS],
    ['UDP over IPv4 with options', withOptions(), IPV4 | IPV4_EX | UDP_TYPE, L4CS],
    ['SCTP over IPv4', sctp(true), IPV4 | SCTP_TYPE, L4CS],
    ['SCTP with a wrong CRC32c', sctp(false), IPV4 | SCTP_TYPE, L4CS | L4E],
    ['TCP over IPv6', ipv6, IPV6_TYPE | TCP_TYPE, L4CS],
    ['TCP over IPv6 with an extension header', hopByHop, IPV6_TYPE | IPV6_EX | TCP_TYPE, L4CS],
  ])('%s', (_name, packet, type, l4) => {
    expect(received(packet)).toMatchObject({ type, l4 });
  });
});
