import fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openCapture } from '../../../src/observe/files/capture_reader.ts';
import { CaptureWriteError } from '../../../src/observe/files/output_file.ts';
import { PcapWriter } from '../../../src/observe/files/pcap_writer.ts';
import { PcapngWriter } from '../../../src/observe/files/pcapng_writer.ts';
import { blockOf } from '../../../src/sim/byte_heap.ts';
import { buffersOf, readAll, temporaryDirectory } from './hand_made.ts';

const EPOCH = 1_767_225_600_000_000_000n;
const NONE = [0, -1, -1, -1, null] as const;

afterEach(() => vi.restoreAllMocks());

function newPath(name = 'a.pcapng'): string {
  return join(temporaryDirectory(), name);
}

describe('pcapng', () => {
  it('reads back as it was written', () => {
    const path = newPath();
    const writer = new PcapngWriter(path, { os: 'Linux 6.18', application: 'truewire' });
    const ethernet = writer.addInterface({
      name: 'client.eth0',
      description: 'nic',
      mac: Uint8Array.of(2, 0, 0, 0, 10, 1),
      ipv4: [{ address: 0x0a000001, prefixLength: 24 }],
      speedBps: 1e9,
      filter: 'tcp',
      os: 'Linux 6.18',
      hardware: '82576',
      fcsLength: 0,
    });
    const raw = writer.addInterface({ name: 'lo', linkType: 101, snapLen: 96 });
    const store = Uint8Array.from({ length: 3000 }, (_, i) => i % 251);
    writer.packet(ethernet, 0, blockOf(store), 7, 60, 60, 0x102, 0, 0, 0, null);
    writer.packet(raw, 1_000_000_001, blockOf(store), 0, 96, 1514, 1, 2 ** 53 - 1, 7, 0xffffffff, 'zwölf');
    writer.packet(ethernet, 5, blockOf(store), 100, 0, 0, ...NONE);
    writer.close();

    const reader = openCapture(path);
    const first = reader.next();
    expect(first).toMatchObject({
      captured: 60,
      original: 60,
      interfaceIndex: 0,
      flags: 0x102,
      packetId: 0,
      queue: 0,
      hash: 0,
      comments: [],
    });
    expect(first?.timeNs).toBe(EPOCH);
    expect([...first!.bytes()]).toEqual([...store.subarray(7, 67)]);
    const second = reader.next();
    expect(second).toMatchObject({
      captured: 96,
      original: 1514,
      interfaceIndex: 1,
      linkType: 101,
      packetId: 2 ** 53 - 1,
      queue: 7,
      hash: 0xffffffff,
    });
    expect(second).toMatchObject({ comments: ['zwölf'], seconds: 1_767_225_601, nanoseconds: 1 });
    const third = reader.next();
    expect(third).toMatchObject({ captured: 0, flags: 0, packetId: -1, queue: -1, hash: -1, comments: [] });
    expect(reader.next()).toBeNull();
    expect(reader.interfaces).toMatchObject([
      {
        name: 'client.eth0',
        description: 'nic',
        speedBps: 1e9,
        filter: 'tcp',
        os: 'Linux 6.18',
        hardware: '82576',
        fcsLength: 0,
        snapLen: 262144,
      },
      { name: 'lo', linkType: 101, snapLen: 96, fcsLength: -1 },
    ]);
    reader.close();
  });

  it('takes packets in pieces, with every option', () => {
    const path = newPath();
    const writer = new PcapngWriter(path, { buffers: buffersOf(256) });
    const id = writer.addInterface({ name: 'eth0' });
    const store = Uint8Array.from({ length: 200 }, (_, i) => i);
    for (let round = 0; round < 20; round++) {
      writer.beginPacket(id, round, 14 + 100 + 3, 9000);
      writer.append(blockOf(store), 0, 14);
      writer.append(blockOf(store), 50, 100);
      writer.append(blockOf(store), 3, 3);
      writer.comment('one');
      writer.dropCount(2 ** 40 + round);
      writer.verdict('xdp', 2);
      writer.customOption(10949, blockOf(store));
      writer.endPacket(2, round, 1, -1, 'two');
    }
    writer.close();
    const expected = [...store.subarray(0, 14), ...store.subarray(50, 150), 3, 4, 5];
    const reader = openCapture(path);
    for (let round = 0; round < 20; round++) {
      const packet = reader.next();
      expect([...packet!.bytes()]).toEqual(expected);
      expect(packet).toMatchObject({
        original: 9000,
        comments: ['one', 'two'],
        dropCount: 2 ** 40 + round,
        flags: 2,
        packetId: round,
        queue: 1,
      });
    }
    expect(reader.next()).toBeNull();
    reader.close();
  });

  it('holds any packets at any time', () => {
    const path = newPath();
    const packets = fc.array(
      fc.record({
        timeNs: fc.integer({ min: 0, max: 2 ** 53 - 1 }),
        data: fc.uint8Array({ maxLength: 300 }),
        flags: fc.integer({ min: 0, max: 0xffffffff }),
        packetId: fc.integer({ min: -1, max: 2 ** 53 - 1 }),
        comment: fc.option(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 })),
      }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(packets, fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n }), (list, startEpochNs) => {
        const writer = new PcapngWriter(path, { startEpochNs, buffers: buffersOf(512) });
        const id = writer.addInterface({ name: 'eth0' });
        for (const { timeNs, data, flags, packetId, comment } of list) {
          writer.packet(id, timeNs, blockOf(data), 0, data.length, data.length, flags, packetId, -1, -1, comment);
        }
        writer.close();
        const reader = openCapture(path);
        for (const { timeNs, data, flags, packetId, comment } of list) {
          const packet = reader.next();
          expect(packet?.timeNs).toBe(startEpochNs + BigInt(timeNs));
          expect([...packet!.bytes()]).toEqual([...data]);
          expect(packet).toMatchObject({ flags, packetId, comments: comment === null ? [] : [comment] });
        }
        expect(reader.next()).toBeNull();
        reader.close();
      }),
      { numRuns: 200 },
    );
  });

  it('cuts a comment at 65535 bytes, between characters', () => {
    const path = newPath();
    const writer = new PcapngWriter(path);
    const id = writer.addInterface({ name: 'eth0' });
    writer.packet(id, 0, blockOf(new Uint8Array(4)), 0, 4, 4, 0, -1, -1, -1, 'ö'.repeat(40000));
    writer.close();
    const reader = openCapture(path);
    expect(reader.next()?.comments).toEqual(['ö'.repeat(32767)]);
    reader.close();
  });

  it('refuses an interface that was not added, and pieces that do not sum up', () => {
    const writer = new PcapngWriter(newPath());
    const bytes = new Uint8Array(100);
    expect(() => writer.packet(0, 0, blockOf(bytes), 0, 10, 10, ...NONE)).toThrow('interface 0 of 0');
    const id = writer.addInterface({ name: 'eth0' });
    writer.beginPacket(id, 0, 10, 10);
    expect(() => writer.append(blockOf(bytes), 0, 11)).toThrow('more bytes than beginPacket was told');
    writer.append(blockOf(bytes), 0, 9);
    expect(() => writer.endPacket(...NONE)).toThrow('1 bytes fewer than beginPacket was told');
    expect(() => writer.packet(id, 3, blockOf(bytes), 0, 1, 1, ...NONE)).toThrow('a packet at 3 ns inside of another one');
    writer.close();
  });
});

describe('at any moment the file', () => {
  it('ends with a whole block', () => {
    const path = newPath();
    const writer = new PcapngWriter(path, { buffers: buffersOf(1000) });
    const id = writer.addInterface({ name: 'eth0' });
    const bytes = new Uint8Array(300);
    let seen = 0;
    for (let i = 0; i < 100; i++) {
      writer.packet(id, i, blockOf(bytes), 0, i * 3, i * 3, 1, i, 0, -1, 'a comment');
      const onDisk = readAll(path);
      expect(onDisk.length).toBeGreaterThanOrEqual(seen);
      expect(onDisk.length).toBeLessThanOrEqual(i + 1);
      seen = onDisk.length;
    }
    expect(seen).toBeGreaterThan(80);
    writer.flush();
    expect(readAll(path)).toHaveLength(100);
    writer.close();
  });

  it('is readable before the first packet, and within a packet', () => {
    const path = newPath();
    const writer = new PcapngWriter(path);
    expect(readAll(path)).toEqual([]);
    const id = writer.addInterface({ name: 'eth0' });
    writer.packet(id, 1, blockOf(new Uint8Array(60)), 0, 60, 60, ...NONE);
    writer.beginPacket(id, 2, 60, 60);
    writer.append(blockOf(new Uint8Array(60)), 0, 30);
    writer.flush();
    expect(readAll(path)).toHaveLength(1);
    writer.append(blockOf(new Uint8Array(60)), 0, 30);
    writer.endPacket(...NONE);
    writer.close();
    expect(readAll(path)).toHaveLength(2);
  });

  it('holds everything when the process ends without closing it, also with many writers', () => {
    const before = process.listeners('exit');
    const limit = process.getMaxListeners();
    const directory = temporaryDirectory();
    const warned = vi.spyOn(process, 'emitWarning');
    for (let i = 0; i < 20; i++) {
      const writer = new PcapngWriter(join(directory, `${i}`), { buffers: buffersOf(4096) });
      writer.packet(writer.addInterface({ name: 'eth0' }), 1, blockOf(new Uint8Array(60)), 0, 60, 60, ...NONE);
    }
    const added = process.listeners('exit').filter((listener) => !before.includes(listener));
    expect(added).toHaveLength(20);
    for (const listener of added) listener.call(process, 0);
    for (let i = 0; i < 20; i++) expect(readAll(join(directory, `${i}`))).toHaveLength(1);
    expect(process.listeners('exit')).toEqual(before);
    expect(process.getMaxListeners()).toBe(limit);
    expect(warned).not.toHaveBeenCalled();
  });
});

describe('what cannot be written', () => {
  it('is told with path and reason', () => {
    const path = join(temporaryDirectory(), 'missing', 'a.pcapng');
    expect(() => new PcapngWriter(path)).toThrow(CaptureWriteError);
    expect(() => new PcapngWriter(path)).toThrow(`${path}: cannot create the capture: no such file or directory (ENOENT)`);
  });

  it.runIf(fs.existsSync('/dev/full'))('is told when the disk is full', () => {
    expect(() => new PcapngWriter('/dev/full')).toThrow('/dev/full: cannot write the capture: no space left on device (ENOSPC)');
  });

  it.each([
    ['pcapng', 0],
    ['pcapng', 1],
    ['pcapng', 500],
    ['pcap', 0],
    ['pcap', 77],
    ['pcap', 500],
  ])('leaves what was written before readable: %s, %i bytes into a write', (format, partial) => {
    const path = newPath();
    const packetLength = 100;
    const bytes = new Uint8Array(packetLength).fill(7);
    const pcapng = format === 'pcapng' ? new PcapngWriter(path, { buffers: buffersOf(2000) }) : null;
    const pcap = pcapng === null ? new PcapWriter(path, { buffers: buffersOf(2000) }) : null;
    pcapng?.addInterface({ name: 'eth0' });
    const write = (i: number) => {
      pcapng?.packet(0, i, blockOf(bytes), 0, packetLength, packetLength, ...NONE);
      pcap?.packet(i, blockOf(bytes), 0, packetLength, packetLength);
    };
    for (let i = 0; i < 50; i++) write(i);
    const before = readAll(path);
    const real = fs.writeSync;
    let left = partial;
    vi.spyOn(fs, 'writeSync').mockImplementation(((fd: number, buf: Uint8Array, offset: number, length: number, position: number) => {
      if (left === 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', errno: -28 });
      const done = real(fd, buf, offset, Math.min(length, left), position);
      left -= done;
      return done;
    }) as typeof fs.writeSync);
    const fill = () => {
      for (let i = 50; i < 1000; i++) write(i);
    };
    expect(fill).toThrow(`${path}: cannot write the capture: no space left on device (ENOSPC)`);
    const after = readAll(path);
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.length - before.length).toBe(wholePackets(format, partial, before.length));
    // There is room again, but a gap would make the file unreadable: it stays as it is, and closing it is no second error.
    vi.restoreAllMocks();
    expect(fill).toThrow('ENOSPC');
    (pcapng ?? pcap)?.close();
    expect(readAll(path)).toEqual(after);
  });

  it('is told when the file is closed already', () => {
    const writer = new PcapngWriter(newPath());
    const id = writer.addInterface({ name: 'eth0' });
    writer.close();
    writer.close();
    expect(() => writer.packet(id, 0, blockOf(new Uint8Array(4)), 0, 4, 4, ...NONE)).toThrow('cannot write the capture: it is closed');
  });
});

/** Packets of 100 bytes that fit into the bytes that were still written: pcapng adds 36 to each (28 header, 4 end of options, 4 trailer), pcap 16. */
function wholePackets(format: string, partial: number, before: number): number {
  expect(before).toBeGreaterThan(0);
  return Math.floor(partial / (format === 'pcapng' ? 136 : 116));
}

describe('classic pcap', () => {
  it.each([
    ['ns', 1n],
    ['us', 1000n],
  ] as const)('reads back as it was written, in %s', (resolution, unit) => {
    const path = newPath('a.pcap');
    const writer = new PcapWriter(path, { resolution, linkType: 101, startEpochNs: 1_700_000_000_999_999_000n });
    const bytes = Uint8Array.from({ length: 200 }, (_, i) => i);
    writer.packet(0, blockOf(bytes), 3, 150, 1514);
    writer.packet(1_234, blockOf(bytes), 0, 0, 0);
    writer.packet(86_400_000_000_123, blockOf(bytes), 0, 200, 200);
    writer.close();
    const time = (ns: bigint) => ((1_700_000_000_999_999_000n + ns) / unit) * unit;
    expect(readAll(path)).toEqual([
      { timeNs: time(0n), bytes: [...bytes.subarray(3, 153)], original: 1514, interfaceIndex: 0, linkType: 101 },
      { timeNs: time(1_234n), bytes: [], original: 0, interfaceIndex: 0, linkType: 101 },
      { timeNs: time(86_400_000_000_123n), bytes: [...bytes], original: 200, interfaceIndex: 0, linkType: 101 },
    ]);
  });
});
