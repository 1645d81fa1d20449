import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { CaptureDamage, CaptureOpenError, openCapture } from '../../../src/observe/files/capture_reader.ts';
import { Bytes, concat, option, Pcapng, readAll, temporaryDirectory, temporaryFile, text } from './hand_made.ts';

const DATA = [1, 2, 3, 4, 5];

function pcap(littleEndian: boolean, magic: number, network = 1): Bytes {
  return new Bytes(littleEndian).u32(magic).u16(2, 4).u32(0, 0, 65535, network);
}

describe('classic pcap', () => {
  for (const littleEndian of [true, false]) {
    const order = littleEndian ? 'little-endian' : 'big-endian';

    it(`is read with microseconds, ${order}`, () => {
      const file = pcap(littleEndian, 0xa1b2c3d4).u32(1700000000, 123456, 5, 60).raw(DATA).u32(1700000001, 0, 0, 0).done();
      expect(readAll(temporaryFile(file))).toEqual([
        { timeNs: 1700000000_123456000n, bytes: DATA, original: 60, interfaceIndex: 0, linkType: 1 },
        { timeNs: 1700000001_000000000n, bytes: [], original: 0, interfaceIndex: 0, linkType: 1 },
      ]);
    });

    it(`is read with nanoseconds, ${order}`, () => {
      const file = pcap(littleEndian, 0xa1b23c4d, 101).u32(4294967295, 999999999, 5, 5).raw(DATA).done();
      expect(readAll(temporaryFile(file))).toEqual([
        { timeNs: 4294967295_999999999n, bytes: DATA, original: 5, interfaceIndex: 0, linkType: 101 },
      ]);
    });
  }

  it('tells the FCS length that the link type word may carry', () => {
    const reader = openCapture(temporaryFile(pcap(true, 0xa1b2c3d4, 0x24000001).done()));
    expect(reader.interfaces[0]).toMatchObject({ linkType: 1, fcsLength: 4, snapLen: 65535 });
    expect(reader.next()).toBeNull();
    reader.close();
  });

  it('names an absurd packet length, after the packets before it', () => {
    const path = temporaryFile(pcap(true, 0xa1b2c3d4).u32(1, 0, 5, 5).raw(DATA).u32(2, 0, 0x7fffffff, 60).done());
    const reader = openCapture(path);
    expect(reader.next()?.captured).toBe(5);
    const damage = `${path}: damaged at byte 53: a packet of 2147483647 bytes, expected at most 262144 (packets before it: 1)`;
    expect(() => reader.next()).toThrow(damage);
    expect(() => reader.next()).toThrow(CaptureDamage);
    reader.close();
  });

  it('refuses versions that it does not know', () => {
    const file = new Bytes(true).u32(0xa1b2c3d4).u16(3, 0).u32(0, 0, 65535, 1).done();
    expect(() => openCapture(temporaryFile(file))).toThrow('pcap version 3.0, expected 2.4');
  });
});

describe('pcapng', () => {
  it('is read in either byte order, also when it changes between sections, whose interfaces are their own', () => {
    const file = new Pcapng(true)
      .section()
      .interface()
      .packet(0, 1_000_000n, DATA)
      .append(new Pcapng(false).section().interface(undefined, 101).interface(undefined, 276).packet(1, 2_000_001n, [9]));
    expect(readAll(temporaryFile(file.done()))).toEqual([
      { timeNs: 1_000_000_000n, bytes: DATA, original: 105, interfaceIndex: 0, linkType: 1 },
      { timeNs: 2_000_001_000n, bytes: [9], original: 101, interfaceIndex: 2, linkType: 276 },
    ]);
  });

  it('has time stamps in powers of ten and of two, moved by whole seconds', () => {
    const resolution = (value: number, offset?: bigint) => (body: Bytes) => {
      option(body, 9, Uint8Array.of(value));
      if (offset !== undefined) body.u16(14, 8).u64(offset);
      body.u16(0, 0);
    };
    const file = new Pcapng()
      .section()
      .interface(resolution(9))
      .interface(resolution(0x80 | 20))
      .interface(resolution(12, -5n))
      .interface(resolution(0))
      .interface(resolution(3, 1_700_000_000n))
      .interface(resolution(0x80 | 0))
      .packet(0, 1_767_225_600_123_456_789n, [0])
      .packet(1, (7n << 20n) | (3n << 18n), [1])
      .packet(2, 10_000_000_000_999n, [2])
      .packet(3, 77n, [3])
      .packet(4, 1_002n, [4])
      .packet(0, 0xffffffffffffffffn, [5])
      .packet(5, 8n, [6]);
    expect(readAll(temporaryFile(file.done())).map((packet) => packet.timeNs)).toEqual([
      1_767_225_600_123_456_789n,
      7_750_000_000n,
      5_000_000_000n,
      77_000_000_000n,
      1_700_000_001_002_000_000n,
      18_446_744_073_709_551_615n,
      8_000_000_000n,
    ]);
  });

  it('delivers flags, packet id, queue, hash, drops and comments', () => {
    const file = new Pcapng(false)
      .section()
      .interface()
      .packet(0, 0n, DATA, (body) => {
        body.u16(2, 4).u32(0x102);
        body.u16(5, 8).u64(0x1_0000_0002n);
        body.u16(6, 4).u32(3);
        body.u16(4, 8).u64(17n);
        option(body, 3, Uint8Array.of(5, 0xde, 0xad, 0xbe, 0xef));
        option(body, 1, text('first'));
        option(body, 1, text('zwölf'));
      });
    const reader = openCapture(temporaryFile(file.packet(0, 0n, DATA).done()));
    const told = { flags: 0x102, packetId: 0x1_0000_0002, queue: 3, hash: 0xdeadbeef, dropCount: 17, comments: ['first', 'zwölf'] };
    expect(reader.next()).toMatchObject(told);
    expect(reader.next()).toMatchObject({ flags: 0, packetId: -1, queue: -1, hash: -1, dropCount: 0, comments: [] });
    reader.close();
  });

  it('describes interfaces', () => {
    const file = new Pcapng().section().interface((body) => {
      option(body, 2, text('client.eth0'));
      option(body, 3, text('where tcpdump looks'));
      option(body, 6, Uint8Array.of(2, 0, 0, 0, 10, 1));
      body.u16(8, 8).u64(10_000_000_000n);
      option(body, 11, text('\0tcp port 80'));
      option(body, 12, text('Linux 6.18'));
      option(body, 13, Uint8Array.of(4));
      option(body, 15, text('82576'));
      body.u16(0, 0);
    });
    const reader = openCapture(temporaryFile(file.done()));
    expect(reader.next()).toBeNull();
    expect(reader.interfaces).toEqual([
      {
        linkType: 1,
        snapLen: 0,
        name: 'client.eth0',
        description: 'where tcpdump looks',
        mac: Buffer.from('02000000' + '0a01', 'hex'),
        speedBps: 10_000_000_000,
        filter: 'tcp port 80',
        os: 'Linux 6.18',
        hardware: '82576',
        fcsLength: 4,
      },
    ]);
    reader.close();
  });

  it('has simple packets, cut to the snapshot length, and obsolete packet blocks', () => {
    const file = new Pcapng()
      .section()
      .interface(undefined, 1, 3)
      .block(3, (body) => body.u32(60).padded([1, 2, 3]))
      .block(2, (body) => body.u16(0, 9).u32(0, 5, 2, 40).padded([7, 8]).u16(2, 4).u32(1).u16(0, 0));
    const path = temporaryFile(file.done());
    expect(readAll(path)).toEqual([
      { timeNs: 0n, bytes: [1, 2, 3], original: 60, interfaceIndex: 0, linkType: 1 },
      { timeNs: 5_000n, bytes: [7, 8], original: 40, interfaceIndex: 0, linkType: 1 },
    ]);
    const reader = openCapture(path);
    reader.next();
    expect(reader.next()).toMatchObject({ dropCount: 9, flags: 1 });
    reader.close();
  });

  it('may hold blocks that we do not know, longer than any buffer', () => {
    const file = new Pcapng()
      .section()
      .block(0x80000001, (body) => body.padded(new Uint8Array(5000)))
      .interface()
      .block(0xbad, (body) => body.u32(10949).padded([1, 2, 3]))
      .packet(0, 1n, DATA);
    expect(readAll(temporaryFile(file.done()), 64).map((packet) => packet.bytes)).toEqual([DATA]);
  });

  const damaged: [string, Pcapng, number, string, string][] = [
    [
      'a packet of an interface that is not described',
      new Pcapng().section().packet(2, 0n, DATA),
      36,
      'a packet of interface 2',
      'one of the 0 interfaces',
    ],
    [
      'a packet longer than its block',
      new Pcapng()
        .section()
        .interface()
        .block(6, (body) => body.u32(0, 0, 0, 9, 9, 0)),
      68,
      'a packet of 9 bytes',
      'at most the 4 ',
    ],
    [
      'an option longer than its block',
      new Pcapng().section().interface((body) => body.u16(2, 400).u32(0)),
      46,
      'an option of 400 bytes',
      'at most the 4 ',
    ],
    ['a block too short for its type', new Pcapng().section().block(1, (body) => body.u32(1)), 32, 'a block length of 16', 'at least 20'],
    [
      'a section of another version',
      new Pcapng().block(0x0a0d0d0a, (body) => body.u32(0x1a2b3c4d).u16(9, 1).u64(-1n)),
      12,
      'a section of version 9.1',
      '1.0',
    ],
    [
      'a section in no byte order',
      new Pcapng().block(0x0a0d0d0a, (body) => body.u32(0x12345678).u16(1, 0).u64(-1n)),
      8,
      'a byte-order magic of 0x12345678',
      '0x1a2b3c4d',
    ],
  ];
  it.each(damaged)('names %s', (_title, file, offset, found, expected) => {
    const error = failure(() => readAll(temporaryFile(file.done())));
    expect(error).toBeInstanceOf(CaptureDamage);
    expect(error).toMatchObject({ offset, found });
    expect((error as CaptureDamage).expected).toContain(expected);
  });

  it('is damaged where the two lengths of a block differ', () => {
    const file = new Pcapng().section().interface().packet(0, 1n, DATA).done();
    file[file.length - 4]! ^= 4;
    expect(failure(() => readAll(temporaryFile(file)))).toMatchObject({
      offset: file.length - 4,
      found: 'a block that ends with the length 44',
    });
  });
});

describe('files that are no captures', () => {
  it.each([
    ['an empty file', new Uint8Array(0), 'is empty, expected a capture (pcap or pcapng)'],
    ['a file of two bytes', Uint8Array.of(0xd4, 0xc3), 'is no capture: it has only 2 bytes, expected pcap'],
    [
      'text',
      text('hello, world'),
      'is no capture: it begins with 68656c6c, expected pcap (a1b2c3d4, a1b23c4d, in either byte order) or pcapng (0a0d0d0a)',
    ],
    ['another format', text('snoop\0\0\0'), '736e6f6f (a snoop file)'],
  ])('%s', (_title, bytes, message) => {
    const path = temporaryFile(bytes);
    expect(() => openCapture(path)).toThrow(CaptureOpenError);
    expect(() => openCapture(path)).toThrow(`${path}: `);
    expect(() => openCapture(path)).toThrow(message);
  });

  it('a file that is not there, and a directory', () => {
    expect(() => openCapture('no/such/file.pcap')).toThrow('no/such/file.pcap: cannot be opened: ENOENT');
    expect(() => openCapture(temporaryDirectory())).toThrow(CaptureOpenError);
  });
});

describe('packed captures', () => {
  const bytes = readFileSync(new URL('../../../captures/linux/s10-udp.B.pcap', import.meta.url));

  it('are read like unpacked ones', () => {
    expect(readAll(temporaryFile(gzipSync(bytes)))).toEqual(readAll(temporaryFile(bytes)));
  });

  it('deliver what there is when they are cut', () => {
    const packed = gzipSync(bytes);
    const error = failure(() => readAll(temporaryFile(packed.subarray(0, packed.length / 2))));
    expect(error).toBeInstanceOf(CaptureDamage);
    expect((error as CaptureDamage).message).toMatch(/the end of the file after \d+ bytes of a packet.*\(packets before it: [1-9]\d*\)/);
  });

  it('are refused when the packed data is broken', () => {
    const packed = gzipSync(bytes);
    packed.fill(0xff, 20, 60);
    expect(() => openCapture(temporaryFile(packed))).toThrow('gzip data that cannot be unpacked');
  });
});

it('a large file takes no more memory than a small one', () => {
  const path = `${temporaryDirectory()}/large`;
  const fd = openSync(path, 'w');
  writeSync(fd, new Pcapng().section().interface().done());
  const packets = new Pcapng();
  for (let i = 0; i < 100; i++) packets.packet(0, BigInt(i), new Uint8Array(1500));
  const part = packets.done();
  for (let i = 0; i < 300; i++) writeSync(fd, part);
  closeSync(fd);
  const reader = openCapture(path);
  const buffers = new Set<ArrayBufferLike>();
  let count = 0;
  for (let packet = reader.next(); packet !== null; packet = reader.next()) {
    buffers.add(packet.u8.buffer);
    count++;
  }
  reader.close();
  expect(count).toBe(30_000);
  expect([...buffers].map((buffer) => buffer.byteLength)).toEqual([262144]);
});

it('bytes after a whole file are damage, not packets', () => {
  const file = concat(new Pcapng().section().interface().packet(0, 1n, DATA).done(), text('xyz'));
  const error = failure(() => readAll(temporaryFile(file)));
  expect(error).toMatchObject({ offset: file.length, found: 'the end of the file after 3 bytes of a block header', expected: '8 bytes' });
});

function failure(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
