/** Whatever happens to a file: the packets before the damage come out as they were, nothing is invented, and the error says where. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CaptureDamage, CaptureOpenError } from '../../../src/observe/files/capture_reader.ts';
import { Bytes, option, Pcapng, type ReadPacket, readInto, temporaryDirectory, text } from './hand_made.ts';

const files: [string, Uint8Array][] = [
  [
    'pcap, little-endian',
    new Bytes(true)
      .u32(0xa1b23c4d)
      .u16(2, 4)
      .u32(0, 0, 65535, 1)
      .u32(1, 2, 3, 3)
      .raw([1, 2, 3])
      .u32(4, 5, 6, 6)
      .raw([1, 2, 3, 4, 5, 6])
      .done(),
  ],
  [
    'pcap, big-endian',
    new Bytes(false)
      .u32(0xa1b2c3d4)
      .u16(2, 4)
      .u32(0, 0, 65535, 1)
      .u32(1, 2, 3, 3)
      .raw([1, 2, 3])
      .u32(4, 5, 6, 6)
      .raw([1, 2, 3, 4, 5, 6])
      .done(),
  ],
  ['pcapng, two sections', pcapng(true).append(pcapng(false)).done()],
];

function pcapng(littleEndian: boolean): Pcapng {
  return new Pcapng(littleEndian)
    .section()
    .interface((body) => {
      option(body, 2, text('eth0'));
      option(body, 9, Uint8Array.of(9));
      body.u16(0, 0);
    })
    .packet(0, 1_000_000_000_000_000_000n, [1, 2, 3, 4, 5], (body) => option(body, 1, text('a comment')))
    .block(5, (body) => body.u32(0, 0, 0))
    .block(3, (body) => body.u32(3).padded([9, 8, 7]));
}

interface Outcome {
  packets: ReadPacket[];
  error: unknown;
}

function read(path: string, bytes: Uint8Array, chunkBytes?: number): Outcome {
  writeFileSync(path, bytes);
  const outcome: Outcome = { packets: [], error: null };
  try {
    readInto(outcome.packets, path, chunkBytes);
  } catch (error) {
    outcome.error = error;
  }
  return outcome;
}

describe.each(files)('%s', (_name, whole) => {
  it('cut at every byte: a prefix of the packets, and the error names where the file ends', () => {
    const path = join(temporaryDirectory(), 'cut');
    const all = read(path, whole).packets;
    const wholeCuts: number[] = [];
    for (let length = 0; length < whole.length; length++) {
      const { packets, error } = read(path, whole.subarray(0, length));
      expect(packets).toEqual(all.slice(0, packets.length));
      if (error === null) wholeCuts.push(length);
      else if (length < 4) expect(error).toBeInstanceOf(CaptureOpenError);
      else expect(error).toMatchObject({ name: 'CaptureDamage', path, offset: length });
    }
    // Only where a record or block ends nothing can be missed.
    expect(wholeCuts).toEqual(boundaries(whole));
  });

  it('does not depend on where chunks end', () => {
    const path = join(temporaryDirectory(), 'chunked');
    const expected = read(path, whole);
    expect(expected.packets.length).toBeGreaterThan(1);
    for (let chunk = 2; chunk < 80; chunk++) expect(read(path, whole, chunk)).toEqual(expected);
  });

  it('with bytes changed anywhere: packets or an error that says where, and the packets before the change are as they were', () => {
    const path = join(temporaryDirectory(), 'changed');
    const all = read(path, whole).packets;
    const changes = fc.array(fc.record({ at: fc.nat(whole.length - 1), to: fc.integer({ min: 0, max: 255 }) }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(changes, (list) => {
        const bytes = Uint8Array.from(whole);
        for (const { at, to } of list) bytes[at] = to;
        const { packets, error } = read(path, bytes);
        if (error !== null) expectTelling(error, bytes);
        const firstChange = bytes.findIndex((octet, i) => octet !== whole[i]);
        const before = firstChange < 0 ? all.length : untouched(whole, all, firstChange);
        expect(packets.slice(0, before)).toEqual(all.slice(0, before));
      }),
      { numRuns: 1500 },
    );
  });
});

it('random bytes never crash a reader', () => {
  const path = join(temporaryDirectory(), 'random');
  const magics = ['d4c3b2a1', 'a1b23c4d', '0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000'].map((hex) => Buffer.from(hex, 'hex'));
  fc.assert(
    fc.property(fc.constantFrom(...magics), fc.uint8Array({ maxLength: 200 }), (magic, rest) => {
      const bytes = Buffer.concat([magic, rest]);
      const { error } = read(path, bytes);
      if (error !== null) expectTelling(error, bytes);
    }),
    { numRuns: 1500 },
  );
});

function expectTelling(error: unknown, bytes: Uint8Array): void {
  if (error instanceof CaptureOpenError) {
    expect(error.message).toMatch(/is no capture: it begins with|pcap version/);
    return;
  }
  expect(error).toBeInstanceOf(CaptureDamage);
  const { offset, found, expected } = error as CaptureDamage;
  expect(offset).toBeGreaterThanOrEqual(0);
  expect(offset).toBeLessThanOrEqual(bytes.length);
  expect(found.length * expected.length).toBeGreaterThan(0);
}

/** How many packets lie wholly before a byte: those that the file cut there still holds. */
function untouched(whole: Uint8Array, all: ReadPacket[], at: number): number {
  const held = boundaries(whole)
    .filter((boundary) => boundary <= at)
    .at(-1);
  if (held === undefined) return 0;
  const { packets } = read(join(temporaryDirectory(), 'held'), whole.subarray(0, held));
  expect(packets.length).toBeLessThanOrEqual(all.length);
  return packets.length;
}

/** Ends of records or blocks, by a walk of its own; without the file's end. */
function boundaries(whole: Uint8Array): number[] {
  const view = new DataView(whole.buffer, whole.byteOffset, whole.length);
  const isPcapng = view.getUint32(0) === 0x0a0d0d0a;
  let littleEndian = whole[0] === 0x4d;
  const ends: number[] = [];
  for (let at = isPcapng ? 0 : 24; at < whole.length; ) {
    if (at > 0) ends.push(at);
    if (isPcapng && view.getUint32(at) === 0x0a0d0d0a) littleEndian = view.getUint32(at + 8, true) === 0x1a2b3c4d;
    at += isPcapng ? view.getUint32(at + 4, littleEndian) : 16 + view.getUint32(at + 8, littleEndian);
  }
  return ends;
}
