import { describe, expect, it } from 'vitest';
import { ETH, get16, get32, IP, ipError, ipv4Packet, l4Error, pattern, put16, TCP } from './packets.ts';
import * as T from './test_driver.ts';

const concat = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

function started(queue = 0, wthresh = 0): T.TestDriver {
  const driver = new T.TestDriver();
  driver.start();
  driver.setupTx(queue, wthresh);
  driver.run(1000);
  return driver;
}

describe('transmission', () => {
  it('sends a packet of one descriptor as it is, after descriptor fetch, payload fetch and no more', () => {
    const driver = started();
    const packet = ipv4Packet(pattern(100));
    const index = driver.postData(0, [packet], 0, 0, -1, 77);
    const rung = driver.simulation.now;
    driver.ring(0);
    driver.run(100_000);
    expect(driver.end.sent).toHaveLength(1);
    expect(driver.end.sent[0]!.bytes).toEqual(packet);
    expect(driver.end.sent[0]!.id).toBe(77);
    expect(driver.end.sent[0]!.queue).toBe(0);
    const { readLatencyNs, bytesPerNs } = driver.machine.timing;
    expect(driver.end.sent[0]!.time).toBe(rung + 2 * readLatencyNs + Math.round(packet.length / bytesPerNs));
    expect(driver.done(0, index)).toBe(true);
    expect(driver.read(T.TDH(0))).toBe(1);
    expect(driver.pool.live).toBe(0);
  });

  it('gathers pieces at odd offsets and pads short frames with zeroes', () => {
    const driver = started();
    const packet = ipv4Packet(new Uint8Array(0), { protocol: 17 });
    driver.postData(0, [packet.slice(0, 7), packet.slice(7, 8), packet.slice(8)]);
    driver.ring(0);
    driver.run(10_000);
    const sent = driver.end.sent[0]!.bytes;
    expect(sent).toHaveLength(60);
    expect(sent.slice(0, packet.length)).toEqual(packet);
    expect(sent.slice(packet.length).every((byte) => byte === 0)).toBe(true);
  });

  it('keeps frames in order and never two at once on the wire', () => {
    const driver = started();
    for (let i = 0; i < 10; i++) driver.postData(0, [ipv4Packet(pattern(1000 + i))], 0, 0, -1, 1 + i);
    driver.ring(0);
    driver.run(1_000_000);
    expect(driver.end.sent.map((frame) => frame.id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (let i = 1; i < 10; i++) {
      const before = driver.end.sent[i - 1]!;
      expect(driver.end.sent[i]!.time).toBe(before.time + (before.bytes.length + 24) * 8);
    }
  });

  it('puts in the TCP checksum over an odd number of bytes', () => {
    const driver = started();
    const packet = ipv4Packet(pattern(333), { check: 'seed' });
    driver.postContext(0, ETH, IP, TCP, 0, T.TUCMD_IPV4 | T.TUCMD_TCP);
    driver.postData(0, [packet], 0, T.TXSM);
    driver.ring(0);
    driver.run(100_000);
    const sent = driver.end.sent[0]!.bytes;
    expect(l4Error(sent)).toBe(0);
    expect(sent).toEqual(ipv4Packet(pattern(333)));
  });

  it('puts in IP and UDP checksums, and sends a UDP checksum of 0 as ones', () => {
    const driver = started();
    // A payload chosen so that the checksum comes out as zero.
    const payload = Uint8Array.of(0, 0, 0, 0);
    put16(payload, 0, get16(ipv4Packet(payload, { protocol: 17 }), 40));
    const packet = ipv4Packet(payload, { protocol: 17, check: 'seed' });
    put16(packet, 24, 0);
    driver.postContext(0, ETH, IP, 8, 0, T.TUCMD_IPV4);
    driver.postData(0, [packet], 0, T.TXSM | T.IXSM);
    driver.ring(0);
    driver.run(100_000);
    const sent = driver.end.sent[0]!.bytes;
    expect(ipError(sent)).toBe(0);
    expect(get16(sent, 40)).toBe(0xffff);
  });

  it('puts in the SCTP CRC32c', () => {
    const driver = started();
    // RFC 3720 B.4: the CRC32c of 32 bytes of zeroes is 0x8a9136aa; a header of zeroes with a chunk of zeroes is just that.
    const packet = new Uint8Array(ETH + IP + 32);
    packet.set(ipv4Packet(new Uint8Array(0)).slice(0, ETH + IP));
    packet[23] = 132;
    put16(packet, 16, IP + 32);
    driver.postContext(0, ETH, IP, 12, 0, T.TUCMD_IPV4 | T.TUCMD_SCTP);
    driver.postData(0, [packet], 0, T.TXSM);
    driver.ring(0);
    driver.run(100_000);
    expect([...driver.end.sent[0]!.bytes.slice(42, 46)]).toEqual([0xaa, 0x36, 0x91, 0x8a]);
  });

  it('inserts the VLAN tag of the context while CTRL.VME is set', () => {
    const driver = started();
    driver.write(T.CTRL, driver.read(T.CTRL) | T.VME);
    const packet = ipv4Packet(pattern(200), { check: 'seed' });
    driver.postContext(0, ETH, IP, TCP, 0, T.TUCMD_IPV4 | T.TUCMD_TCP, 0x2064);
    driver.postData(0, [packet], T.VLE, T.TXSM);
    driver.ring(0);
    driver.run(100_000);
    const sent = driver.end.sent[0]!.bytes;
    expect(sent).toEqual(concat(packet.slice(0, 12), Uint8Array.of(0x81, 0x00, 0x20, 0x64), ipv4Packet(pattern(200)).slice(12)));
  });

  it('sends legacy descriptors with checksum insertion and reports each', () => {
    const driver = started();
    const packet = ipv4Packet(pattern(64), { check: 'seed' });
    const cso = ETH + IP + 16;
    const css = ETH + IP;
    const index = driver.post(0, driver.buffer(packet), 0, EOP_IFCS_IC_RS | (cso << 16) | packet.length, css << 8);
    driver.ring(0);
    driver.run(100_000);
    expect(driver.end.sent[0]!.bytes).toEqual(ipv4Packet(pattern(64)));
    expect(driver.done(0, index)).toBe(true);
  });

  it('takes turns among queues, packet by packet', () => {
    const driver = started(0);
    driver.setupTx(5);
    driver.setupTx(15);
    for (const queue of [0, 5, 15]) for (let i = 0; i < 3; i++) driver.postData(queue, [ipv4Packet(pattern(800))]);
    for (const queue of [0, 5, 15]) driver.ring(queue);
    driver.run(1_000_000);
    expect(driver.end.sent.map((frame) => frame.queue)).toEqual([0, 5, 15, 0, 5, 15, 0, 5, 15]);
  });

  it('writes the head to memory instead of DD when head write-back is on', () => {
    const driver = started();
    const where = driver.buffer(new Uint8Array(4));
    driver.write(T.TDWBAL(0), where | 1);
    driver.write(T.TDWBAH(0), 0);
    const index = driver.postData(0, [ipv4Packet(pattern(64))]);
    driver.postData(0, [ipv4Packet(pattern(64))]);
    driver.ring(0);
    driver.run(100_000);
    expect(driver.done(0, index)).toBe(false);
    expect(driver.machine.section.view.getUint32(where - driver.machine.section.base, true)).toBe(2);
  });

  it('holds frames while the link is down and sends them when it comes back', () => {
    const driver = started();
    driver.end.rateBps = 0;
    driver.device.linkChanged(0);
    const index = driver.postData(0, [ipv4Packet(pattern(64))]);
    driver.ring(0);
    driver.run(1_000_000);
    expect(driver.end.sent).toHaveLength(0);
    expect(driver.done(0, index)).toBe(true);
    driver.end.rateBps = 1e9;
    driver.device.linkChanged(1e9);
    driver.run(1_000_000);
    expect(driver.end.sent).toHaveLength(1);
  });

  it('has no more than the packet buffer in flight: DD of the rest waits for the wire', () => {
    const driver = started();
    driver.write(0x3404, 4);
    const indices = [0, 1, 2, 3, 4, 5].map((i) => driver.postData(0, [ipv4Packet(pattern(1400 + i))]));
    driver.ring(0);
    driver.run(8_000);
    expect(indices.map((index) => driver.done(0, index))).toEqual([true, true, false, false, false, false]);
    driver.run(100_000);
    expect(indices.every((index) => driver.done(0, index))).toBe(true);
    expect(driver.end.sent).toHaveLength(6);
  });

  it('collects write-backs up to WTHRESH while the vector is quiet, and flushes when its time is over', () => {
    const driver = started(0, 4);
    driver.write(T.GPIE, 0xc000_0011);
    driver.write(T.IVAR(0), 0x8000);
    driver.write(T.EIAC, 1);
    driver.write(T.EIMS, 1);
    driver.write(T.EITR(0), 500 << 2);
    const first = driver.postData(0, [ipv4Packet(pattern(64))]);
    driver.ring(0);
    driver.run(20_000);
    expect(driver.done(0, first)).toBe(true);
    const second = driver.postData(0, [ipv4Packet(pattern(64))]);
    driver.ring(0);
    driver.run(20_000);
    expect(driver.done(0, second)).toBe(false);
    driver.run(600_000);
    expect(driver.done(0, second)).toBe(true);
    expect(driver.machine.messages).toHaveLength(2);
    expect(driver.machine.messages[1]!.time - driver.machine.messages[0]!.time).toBeGreaterThanOrEqual(500_000);
  });

  it('refuses an unmapped buffer with a DMA fault that names it', () => {
    const driver = started();
    driver.post(0, 0x0070_0000, 0, T.DATA | T.EOP | T.RS | 64, 64 << 14);
    driver.ring(0);
    expect(() => driver.run(100_000)).toThrow(/DMA fault: nic on test: read of 64 bytes at 0x700000/);
  });
});

const EOP_IFCS_IC_RS = 0x0f00_0000;

describe('segmentation', () => {
  function segments(payload: Uint8Array, mss: number, flags: number, pieces: (packet: Uint8Array) => Uint8Array[]): T.TestDriver {
    const driver = started();
    const packet = ipv4Packet(payload, { check: 'tso', flags });
    put16(packet, 16, 0);
    put16(packet, 24, 0);
    driver.postContext(0, ETH, IP, TCP, mss, T.TUCMD_IPV4 | T.TUCMD_TCP);
    driver.postData(0, pieces(packet), T.TSE, T.TXSM | T.IXSM, payload.length, 1000);
    driver.ring(0);
    driver.run(2_000_000);
    return driver;
  }

  /** What software would have made: the bytes of segment `i`, checksums included. */
  function expected(payload: Uint8Array, mss: number, i: number, flags: number): Uint8Array {
    const part = payload.slice(i * mss, (i + 1) * mss);
    const bytes = ipv4Packet(part, { flags, sequence: 0x11223344 + i * mss });
    put16(bytes, 18, 0x1234 + i);
    put16(bytes, 24, 0);
    let sum = 0;
    for (let at = 14; at < 34; at += 2) sum += get16(bytes, at);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    put16(bytes, 24, ~sum & 0xffff);
    return bytes;
  }

  it('cuts a large send into segments that are byte for byte those of software', () => {
    const payload = pattern(5000);
    const flags = 0x10 | 0x08 | 0x80 | 0x01; // ACK, PSH, CWR, FIN
    const driver = segments(payload, 1448, flags, (packet) => [
      packet.slice(0, ETH + IP + TCP),
      packet.slice(ETH + IP + TCP, ETH + IP + TCP + 1000),
      packet.slice(ETH + IP + TCP + 1000),
    ]);
    const sent = driver.end.sent;
    expect(sent.map((frame) => frame.id)).toEqual([1000, 1001, 1002, 1003]);
    expect(sent[0]!.bytes).toEqual(expected(payload, 1448, 0, 0x10 | 0x80));
    expect(sent[1]!.bytes).toEqual(expected(payload, 1448, 1, 0x10));
    expect(sent[2]!.bytes).toEqual(expected(payload, 1448, 2, 0x10));
    expect(sent[3]!.bytes).toEqual(expected(payload, 1448, 3, 0x10 | 0x08 | 0x01));
    for (const frame of sent) expect([ipError(frame.bytes), l4Error(frame.bytes)]).toEqual([0, 0]);
  });

  it('does so with header and data in one buffer and an odd segment size', () => {
    const payload = pattern(1000);
    const driver = segments(payload, 333, 0x10, (packet) => [packet]);
    expect(driver.end.sent).toHaveLength(4);
    for (const [i, frame] of driver.end.sent.entries())
      expect(frame.bytes.slice(0, ETH + IP + TCP + 1)).toEqual(expected(payload, 333, i, 0x10).slice(0, 67));
    for (const frame of driver.end.sent) expect([ipError(frame.bytes), l4Error(frame.bytes)]).toEqual([0, 0]);
  });

  it('sends 64 KB at wire speed without a gap, with few events', () => {
    const driver = segments(pattern(63_000), 1448, 0x10, (packet) => [packet]);
    const sent = driver.end.sent;
    expect(sent).toHaveLength(44);
    for (let i = 1; i < sent.length; i++) expect(sent[i]!.time - sent[i - 1]!.time).toBe((sent[i - 1]!.bytes.length + 24) * 8);
    expect(driver.simulation.events).toBeLessThan(60);
    expect(get32(sent[43]!.bytes, 38)).toBe(0x11223344 + 43 * 1448);
  });

  it('segments UDP: length and checksum of each datagram', () => {
    const driver = started();
    const payload = pattern(2500);
    const packet = ipv4Packet(payload, { protocol: 17, check: 'tso' });
    put16(packet, 24, 0);
    driver.postContext(0, ETH, IP, 8, 1000, T.TUCMD_IPV4);
    driver.postData(0, [packet], T.TSE, T.TXSM | T.IXSM, payload.length);
    driver.ring(0);
    driver.run(1_000_000);
    expect(driver.end.sent.map((frame) => get16(frame.bytes, 38))).toEqual([1008, 1008, 508]);
    for (const frame of driver.end.sent) expect([ipError(frame.bytes), l4Error(frame.bytes)]).toEqual([0, 0]);
  });
});
