import { describe, expect, it } from 'vitest';
import { bytesOf, ETH, get16, ipv4Packet, pattern, put16 } from './packets.ts';
import * as T from './test_driver.ts';

const DD_EOP = 3;
const PIF = 0x80;
const VP = 0x08;
const IPCS = 0x40;
const L4CS = 0x20;
const UDPCS = 0x10;
const IPE = 0x4000_0000;
const L4E = 0x2000_0000;
const RXE = 0x8000_0000;

const GPRC = 0x4074;
const MPC = 0x4010;
const RNBC = 0x40a0;

function started(rctl = T.RCTL_BAM | T.RCTL_SECRC, srrctl = 0x0200_0002): T.TestDriver {
  const driver = new T.TestDriver();
  driver.start(rctl);
  driver.setupRx(0, T.RING - 1, srrctl);
  driver.run(10_000);
  return driver;
}

/** Sends one frame through and returns what came out; null when it was not taken. */
function passed(driver: T.TestDriver, bytes: Uint8Array, badFcs = false): T.Received | null {
  driver.arrive(bytes, badFcs);
  driver.run(20_000);
  return driver.next(0);
}

describe('reception', () => {
  it('writes a frame and its descriptor to memory when the last byte can be there', () => {
    const driver = started();
    const packet = ipv4Packet(pattern(500));
    const arrived = driver.simulation.now;
    driver.arrive(packet, false, 99);
    const { bytesPerNs, writeLatencyNs } = driver.machine.timing;
    const due = Math.round(packet.length / bytesPerNs) + writeLatencyNs;
    driver.run(due - 1);
    expect(driver.next(0)).toBeNull();
    driver.run(1);
    expect(driver.simulation.now).toBe(arrived + due);
    const received = driver.next(0)!;
    expect(received.bytes).toEqual(packet);
    expect(received.tag).toBe(99);
    expect(received.status & DD_EOP).toBe(DD_EOP);
    expect(driver.read(T.RDH(0))).toBe(1);
    expect(driver.pool.live).toBe(0);
  });

  it('spreads a jumbo frame over descriptors; only the last one ends it', () => {
    const driver = started(T.RCTL_BAM | T.RCTL_SECRC | T.RCTL_LPE);
    driver.write(T.RLPML, 9234);
    const packet = ipv4Packet(pattern(8948));
    const received = passed(driver, packet)!;
    expect(received.lengths).toEqual([2048, 2048, 2048, 2048, packet.length - 8192]);
    expect(received.bytes).toEqual(packet);
    expect(received.status & L4CS).toBe(L4CS);
  });

  it('keeps the FCS when RCTL.SECRC is off', () => {
    const driver = started(T.RCTL_UPE);
    const packet = new Uint8Array(60);
    const received = passed(driver, packet)!;
    expect(received.bytes).toHaveLength(64);
    expect(residue(received.bytes)).toBe(0xdebb20e3);
  });

  it('writes legacy descriptors when SRRCTL asks for them', () => {
    const driver = started(T.RCTL_BAM | T.RCTL_SECRC, 0x0000_0002);
    const packet = ipv4Packet(pattern(100));
    driver.arrive(packet);
    driver.run(10_000);
    const view = driver.machine.section.view;
    const ring = driver.read(T.RDBAL(0)) - driver.machine.section.base;
    expect(view.getUint16(ring + 8, true)).toBe(packet.length);
    expect(view.getUint8(ring + 12) & (DD_EOP | L4CS | IPCS)).toBe(DD_EOP | L4CS | IPCS);
    expect(view.getUint8(ring + 13)).toBe(0);
  });
});

/** CRC-32 over a frame with its FCS leaves this residue. */
function residue(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return crc >>> 0;
}

describe('filters', () => {
  const multicast = Uint8Array.of(0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb);
  const broadcast = new Uint8Array(6).fill(0xff);
  const other = Uint8Array.of(0x02, 0x00, 0x00, 0x00, 0x01, 0x0c);
  const to = (address: Uint8Array) => ipv4Packet(pattern(60), { to: address });

  it('takes its own address from the EEPROM', () => {
    const driver = started(T.RCTL_SECRC);
    expect(driver.read(T.RAL0)).toBe(0x0000_0002);
    expect(driver.read(T.RAH0)).toBe(0x8000_0a01);
    expect(passed(driver, to(T.mac))).not.toBeNull();
    expect(passed(driver, to(other))).toBeNull();
    expect(passed(driver, to(broadcast))).toBeNull();
    expect(driver.read(GPRC)).toBe(1);
  });

  it('takes a second exact address, all unicast when promiscuous, broadcasts when told', () => {
    const driver = started(T.RCTL_SECRC);
    driver.write(0x5400 + 8 * 7, 0x0000_0002);
    driver.write(0x5404 + 8 * 7, 0x8000_0c01);
    expect(passed(driver, to(other))).not.toBeNull();
    driver.write(0x5404 + 8 * 7, 0);
    expect(passed(driver, to(other))).toBeNull();
    driver.write(T.RCTL, T.RCTL_EN | T.RCTL_SECRC | T.RCTL_UPE);
    expect(passed(driver, to(other))).not.toBeNull();
    driver.write(T.RCTL, T.RCTL_EN | T.RCTL_SECRC | T.RCTL_BAM);
    expect(passed(driver, to(broadcast))).not.toBeNull();
  });

  it('takes multicasts whose hash is in the table, marked as inexact, and all when told', () => {
    const driver = started(T.RCTL_SECRC);
    expect(passed(driver, to(multicast))).toBeNull();
    // Bits 47:36 of the address, byte 5 being the most significant (7.1.3.1.2): 0xfb0 of fb:00.
    const hash = ((0xfb << 8) | 0x00) >>> 4;
    driver.write(T.MTA + 4 * (hash >>> 5), 1 << (hash & 31));
    expect(passed(driver, to(multicast))!.status & PIF).toBe(PIF);
    driver.write(T.MTA + 4 * (hash >>> 5), 0);
    driver.write(T.RCTL, T.RCTL_EN | T.RCTL_SECRC | T.RCTL_MPE);
    expect(passed(driver, to(multicast))!.status & PIF).toBe(0);
  });

  it('filters VLANs and strips their tags', () => {
    const driver = started(T.RCTL_SECRC | T.RCTL_VFE);
    const plain = to(T.mac);
    const tagged = Uint8Array.from([...plain.slice(0, 12), 0x81, 0x00, 0x60, 0x64, ...plain.slice(12)]);
    expect(passed(driver, tagged)).toBeNull();
    driver.write(T.VFTA + 4 * (100 >>> 5), 1 << (100 & 31));
    const kept = passed(driver, tagged)!;
    expect(kept.bytes).toEqual(tagged);
    expect(kept.status & (VP | L4CS)).toBe(L4CS);
    driver.write(T.CTRL, driver.read(T.CTRL) | T.VME);
    const stripped = passed(driver, tagged)!;
    expect(stripped.bytes).toEqual(plain);
    expect(stripped.vlan).toBe(0x6064);
    expect(stripped.status & VP).toBe(VP);
    expect(passed(driver, plain)!.status & VP).toBe(0);
  });

  it('drops long frames: over 1,518 bytes, or over RLPML with LPE', () => {
    const driver = started();
    const ROC = 0x40ac;
    expect(passed(driver, ipv4Packet(pattern(1448)))).not.toBeNull();
    expect(passed(driver, ipv4Packet(pattern(1449)))).toBeNull();
    expect(driver.read(ROC)).toBe(1);
    driver.write(T.RCTL, T.RCTL_EN | T.RCTL_SECRC | T.RCTL_LPE);
    driver.write(T.RLPML, 1522);
    expect(passed(driver, ipv4Packet(pattern(1452)))).not.toBeNull();
    expect(passed(driver, ipv4Packet(pattern(1453)))).toBeNull();
    expect(driver.read(ROC)).toBe(1);
    expect(driver.read(ROC)).toBe(0);
  });

  it('drops bad frames with a counter each, or stores them with RCTL.SBP', () => {
    const driver = started();
    expect(passed(driver, to(T.mac), true)).toBeNull();
    expect(driver.read(0x4000)).toBe(1);
    expect(passed(driver, to(T.mac).slice(0, 40))).toBeNull();
    expect(driver.read(0x40a4)).toBe(1);
    expect(passed(driver, to(T.mac).slice(0, 40), true)).toBeNull();
    expect(driver.read(0x40a8)).toBe(1);
    driver.write(T.RCTL, T.RCTL_EN | T.RCTL_SECRC | T.RCTL_SBP);
    expect((passed(driver, to(T.mac), true)!.status & RXE) >>> 0).toBe(RXE);
  });
});

describe('checksums of received frames', () => {
  it('are verified for TCP and UDP over IPv4', () => {
    const driver = started();
    const tcp = passed(driver, ipv4Packet(pattern(101)))!;
    expect(tcp.pktInfo).toBe(0x0110);
    expect(tcp.status & (IPCS | L4CS | UDPCS | IPE | L4E)).toBe(IPCS | L4CS);
    const udp = passed(driver, ipv4Packet(pattern(101), { protocol: 17 }))!;
    expect(udp.pktInfo).toBe(0x0210);
    expect(udp.status & (IPCS | L4CS | UDPCS | IPE | L4E)).toBe(IPCS | L4CS | UDPCS);
  });

  it('say which one is wrong', () => {
    const driver = started();
    const bad = ipv4Packet(pattern(200));
    bad[150]! ^= 1;
    expect(passed(driver, bad)!.status & (IPE | L4E)).toBe(L4E);
    const badHeader = ipv4Packet(pattern(200));
    put16(badHeader, 24, get16(badHeader, 24) ^ 0x0100);
    expect(passed(driver, badHeader)!.status & (IPE | L4E)).toBe(IPE);
  });

  it('ignore padding, and are not claimed for fragments, unchecked UDP, or with RXCSUM off', () => {
    const driver = started();
    const short = ipv4Packet(pattern(1), { protocol: 17 });
    const padded = new Uint8Array(60).fill(0x55);
    padded.set(short);
    expect(passed(driver, padded)!.status & (L4CS | L4E)).toBe(L4CS);
    const unchecked = ipv4Packet(pattern(100), { protocol: 17 });
    put16(unchecked, 40, 0);
    expect(passed(driver, unchecked)!.status & (L4CS | UDPCS | L4E)).toBe(0);
    const fragment = ipv4Packet(pattern(100));
    put16(fragment, 20, 0x2000);
    put16(fragment, 24, get16(fragment, 24) - 0x2000);
    expect(passed(driver, fragment)!.status & (IPCS | IPE | L4CS)).toBe(IPCS);
    driver.write(T.RXCSUM, 0);
    expect(passed(driver, ipv4Packet(pattern(100)))!.status & (IPCS | L4CS)).toBe(0);
  });

  it('are given as identification and sum over the packet while RXCSUM.PCSD is off', () => {
    const driver = started();
    driver.write(T.RXCSUM, 0x300 | ETH);
    const received = passed(driver, ipv4Packet(pattern(100)))!;
    expect(received.rss & 0xffff).toBe(0x1234);
  });
});

describe('receive-side scaling', () => {
  /** The key and the vectors of Microsoft's "Verifying the RSS Hash Calculation". */
  const key = bytesOf('6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa');
  const ipv4 = [
    ['161.142.100.80', 1766, '66.9.149.187', 2794, 0x323e8fc2, 0x51ccc178],
    ['65.69.140.83', 4739, '199.92.111.2', 14230, 0xd718262a, 0xc626b0ea],
    ['12.22.207.184', 38024, '24.19.198.95', 12898, 0xd2d0a5de, 0x5c2b394a],
    ['209.142.163.6', 2217, '38.27.205.30', 48228, 0x82989176, 0xafc7327f],
    ['202.188.127.2', 1303, '153.39.163.191', 44251, 0x5d1809c5, 0x10e828a2],
  ] as const;
  const ipv6 = [
    ['3ffe250102000003 0000000000000001', 1766, '3ffe250102001fff 0000000000000007', 2794, 0x2cc18cd5, 0x40207d3d],
    ['ff02000000000000 0000000000000001', 4739, '3ffe050100080000 026097fffe40efab', 14230, 0x0f0c461c, 0xdde51bbf],
    ['fe80000000000000 0200f8fffe2167cf', 38024, '3ffe190045450003 0200f8fffe2167cf', 44251, 0x4b61e985, 0x02d1feef],
  ] as const;

  function scaled(fields: number): T.TestDriver {
    const driver = new T.TestDriver();
    driver.start();
    for (let queue = 0; queue < 8; queue++) driver.setupRx(queue);
    for (let i = 0; i < 10; i++)
      driver.write(T.RSSRK + 4 * i, key[4 * i]! | (key[4 * i + 1]! << 8) | (key[4 * i + 2]! << 16) | (key[4 * i + 3]! << 24));
    for (let i = 0; i < 32; i++) driver.write(T.RETA + 4 * i, i % 2 === 0 ? 0x03020100 : 0x07060504);
    driver.write(T.RXCSUM, 0x2300);
    driver.write(T.MRQC, 2 | fields);
    driver.run(10_000);
    return driver;
  }

  function hashed(driver: T.TestDriver, packet: Uint8Array): { rss: number; type: number; queue: number } {
    driver.arrive(packet);
    driver.run(20_000);
    for (let queue = 0; queue < 8; queue++) {
      const received = driver.next(queue);
      if (received !== null) return { rss: received.rss, type: received.pktInfo & 15, queue };
    }
    throw new Error('nothing received');
  }

  const octets = (address: string) => address.split('.').map(Number);

  it.each(ipv4)('hashes IPv4 %s:%i from %s:%i', (destination, destinationPort, source, sourcePort, two, four) => {
    const packet = ipv4Packet(pattern(20), { destination: octets(destination), destinationPort, source: octets(source), sourcePort });
    expect(hashed(scaled(1 << 16), packet)).toEqual({ rss: four, type: 1, queue: four & 7 });
    expect(hashed(scaled(1 << 17), packet)).toEqual({ rss: two, type: 2, queue: two & 7 });
  });

  it.each(ipv6)('hashes IPv6 %s:%i from %s:%i', (destination, destinationPort, source, sourcePort, two, four) => {
    const packet = new Uint8Array(ETH + 40 + 20);
    packet.set([...T.mac, 2, 0, 0, 0, 1, 0x0b, 0x86, 0xdd, 0x60]);
    put16(packet, 18, 20);
    packet[20] = 6;
    packet.set(bytesOf(source), 22);
    packet.set(bytesOf(destination), 38);
    put16(packet, 54, sourcePort);
    put16(packet, 56, destinationPort);
    packet[66] = 0x50;
    expect(hashed(scaled(1 << 21), packet)).toEqual({ rss: four, type: 3, queue: four & 7 });
    expect(hashed(scaled(1 << 20), packet)).toEqual({ rss: two, type: 5, queue: two & 7 });
  });

  /** The ports of an IPv6 packet that carries TCP or UDP after `extensions`. */
  function ipv6Packet(
    protocol: number,
    source: string,
    destination: string,
    ports: readonly [number, number],
    extensions = '',
  ): Uint8Array {
    const chain = bytesOf(extensions);
    const l4 = ETH + 40 + chain.length;
    const packet = new Uint8Array(l4 + 20);
    packet.set([...T.mac, 2, 0, 0, 0, 1, 0x0b, 0x86, 0xdd, 0x60]);
    put16(packet, 18, chain.length + 20);
    packet[20] = chain.length > 0 ? 60 : protocol;
    packet.set(bytesOf(source), 22);
    packet.set(bytesOf(destination), 38);
    packet.set(chain, ETH + 40);
    put16(packet, l4, ports[0]);
    put16(packet, l4 + 2, ports[1]);
    if (protocol === 6) packet[l4 + 12] = 0x50;
    else put16(packet, l4 + 4, 20);
    return packet;
  }

  it.each(ipv4)('hashes UDP over IPv4 %s:%i from %s:%i', (destination, destinationPort, source, sourcePort, two, four) => {
    const addresses = { destination: octets(destination), destinationPort, source: octets(source), sourcePort };
    const packet = ipv4Packet(pattern(20), { protocol: 17, ...addresses });
    expect(hashed(scaled(1 << 22), packet)).toEqual({ rss: four, type: 7, queue: four & 7 });
    expect(hashed(scaled((1 << 17) | (1 << 16)), packet)).toEqual({ rss: two, type: 2, queue: two & 7 });
  });

  it.each(ipv6)('hashes UDP over IPv6 %s:%i from %s:%i', (destination, destinationPort, source, sourcePort, two, four) => {
    const packet = ipv6Packet(17, source, destination, [sourcePort, destinationPort]);
    expect(hashed(scaled(1 << 23), packet)).toEqual({ rss: four, type: 8, queue: four & 7 });
    expect(hashed(scaled((1 << 20) | (1 << 21)), packet)).toEqual({ rss: two, type: 5, queue: two & 7 });
  });

  it.each(ipv6)(
    'hashes %s:%i from %s:%i where extension headers name the addresses',
    (destination, destinationPort, source, sourcePort, two, four) => {
      // Destination options with the home address (the source to be hashed), then a routing header of type 2 (the destination to be hashed).
      const options = (next: string): string => `${next} 02 0102 0000 c910 ${source}`;
      const routing = (next: string): string => `${next} 02 02 01 00000000 ${destination}`;
      const [careOf, relay] = ['20010db8 00000000 00000000 000000aa', '20010db8 00000000 00000000 000000bb'];
      const ports = [sourcePort, destinationPort] as const;
      const tcp = ipv6Packet(6, careOf, relay, ports, options('2b') + routing('06'));
      const udp = ipv6Packet(17, careOf, relay, ports, options('2b') + routing('11'));
      expect(hashed(scaled(1 << 18), tcp)).toEqual({ rss: four, type: 6, queue: four & 7 });
      expect(hashed(scaled(1 << 24), udp)).toEqual({ rss: four, type: 9, queue: four & 7 });
      expect(hashed(scaled(1 << 19), tcp)).toEqual({ rss: two, type: 4, queue: two & 7 });
      const driver = scaled((1 << 19) | (1 << 20));
      driver.write(0x5008, 1 << 16);
      const plain = hashed(driver, tcp);
      expect(plain.type).toBe(5);
      expect(plain.rss).not.toBe(two);
    },
  );

  it('sends what it cannot hash to the first entry of the table', () => {
    const arp = new Uint8Array(60);
    arp.set([...T.mac, 2, 0, 0, 0, 1, 0x0b, 0x08, 0x06]);
    expect(hashed(scaled(3 << 16), arp)).toEqual({ rss: 0, type: 0, queue: 0 });
  });
});

describe('running out of room', () => {
  const packet = ipv4Packet(pattern(1000));

  it('waits in the packet buffer for descriptors, which end it', () => {
    const driver = new T.TestDriver();
    driver.start();
    driver.setupRx(0, 2);
    for (let i = 0; i < 5; i++) driver.arrive(packet);
    driver.run(100_000);
    expect(driver.next(0)).not.toBeNull();
    expect(driver.next(0)).not.toBeNull();
    expect(driver.next(0)).toBeNull();
    expect(driver.pool.live).toBe(3);
    expect(driver.read(RNBC)).toBe(1);
    driver.giveBack(0, 10);
    driver.run(100_000);
    expect([driver.next(0), driver.next(0), driver.next(0)].every((received) => received !== null)).toBe(true);
    expect(driver.pool.live).toBe(0);
  });

  it('misses packets when the packet buffer is full, and counts each', () => {
    const driver = new T.TestDriver();
    driver.start();
    driver.setupRx(0, 1);
    driver.write(T.RXPBS, 4);
    for (let i = 0; i < 10; i++) driver.arrive(packet);
    driver.run(100_000);
    const kept = driver.pool.live;
    expect(driver.read(MPC)).toBe(10 - 1 - kept - 0);
    expect(kept).toBe(2);
    expect(driver.read(MPC)).toBe(0);
    // Those that were missed are not among the good ones (8.18.23).
    expect(driver.read(GPRC)).toBe(3);
  });

  it('drops at once when the queue says so (SRRCTL.DROP_EN)', () => {
    const driver = new T.TestDriver();
    driver.start();
    driver.setupRx(0, 2, T.DROP_EN | 0x0200_0002);
    for (let i = 0; i < 5; i++) driver.arrive(packet);
    driver.run(100_000);
    expect(driver.pool.live).toBe(0);
    expect(driver.read(T.RQDPC(0))).toBe(3);
    expect(driver.read(T.RQDPC(0))).toBe(0);
  });

  it('asks the partner to pause above FCRTH and to go on below FCRTL', () => {
    const driver = new T.TestDriver();
    driver.start();
    driver.setupRx(0, 1);
    driver.write(T.CTRL, driver.read(T.CTRL) | T.TFCE);
    driver.write(0x0170, 0xffff);
    driver.write(0x2168, 0x2000);
    driver.write(0x2160, 0x8000_1000);
    for (let i = 0; i < 12; i++) driver.arrive(packet);
    driver.run(100_000);
    expect(driver.end.sent).toHaveLength(1);
    expect([...driver.end.sent[0]!.bytes.slice(0, 18)]).toEqual([1, 0x80, 0xc2, 0, 0, 1, ...T.mac, 0x88, 0x08, 0, 1, 0xff, 0xff]);
    driver.giveBack(0, 14);
    driver.run(100_000);
    expect(get16(driver.end.sent[1]!.bytes, 16)).toBe(0);
    expect([driver.read(0x4054), driver.read(0x404c)]).toEqual([1, 1]);
  });

  it('stops transmitting while the partner pauses it', () => {
    const driver = new T.TestDriver();
    driver.start();
    driver.setupTx(0);
    driver.write(T.CTRL, driver.read(T.CTRL) | T.RFCE);
    const pause = bytesOf('0180c2000001 02000000010b 8808 0001 0064');
    const whole = new Uint8Array(60);
    whole.set(pause);
    driver.arrive(whole);
    const until = driver.simulation.now + 100 * 512;
    driver.postData(0, [packet]);
    driver.ring(0);
    driver.run(50_000);
    expect(driver.end.sent).toHaveLength(0);
    driver.run(50_000);
    expect(driver.end.sent[0]!.time).toBe(until);
    expect(driver.read(0x4050)).toBe(1);
  });
});

describe('loopback', () => {
  it('hands its own frames to its receiver and nothing to the wire', () => {
    const driver = started(T.RCTL_SECRC | T.RCTL_LBM_MAC);
    driver.setupTx(0);
    const packet = ipv4Packet(pattern(300));
    driver.postData(0, [packet]);
    driver.ring(0);
    driver.run(50_000);
    const received = driver.next(0)!;
    expect(received.bytes).toEqual(packet);
    expect(received.status & 0x0004_0000).toBe(0x0004_0000);
    expect(driver.end.sent).toHaveLength(0);
  });
});
