import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openCapture } from '../../../src/observe/files/capture_reader.ts';
import { PcapngWriter } from '../../../src/observe/files/pcapng_writer.ts';
import { blockOf } from '../../../src/sim/byte_heap.ts';
import { buffersOf, temporaryDirectory } from './hand_made.ts';

/** Writes packets that say which they are; returns them as the file has them. */
function written(times: readonly number[], present: (packet: number) => number, bufferBytes: number): { time: number; packet: number }[] {
  const path = join(temporaryDirectory(), 'order.pcapng');
  let packet = 0;
  const writer = new PcapngWriter(path, { buffers: buffersOf(bufferBytes), startEpochNs: 0n, present: () => present(packet) });
  const id = writer.addInterface({ name: 'eth0' });
  const bytes = new Uint8Array(64);
  for (; packet < times.length; packet++) {
    new DataView(bytes.buffer).setUint32(0, packet);
    writer.packet(id, times[packet]!, blockOf(bytes), 0, 20 + (packet % 40), 64, 0, packet, -1, -1, null);
  }
  writer.close(0);
  expect(readFileSync(path).length).toBeGreaterThan(0);
  const reader = openCapture(path);
  const found: { time: number; packet: number }[] = [];
  for (let one = reader.next(); one !== null; one = reader.next())
    found.push({ time: Number(one.timeNs), packet: one.u8[one.offset + 2]! * 256 + one.u8[one.offset + 3]! });
  reader.close();
  return found;
}

it('packets are in order of time, those of one instant as they came, whatever order they come in', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 400 }), fc.integer({ min: 700, max: 20_000 }), (times, bufferBytes) => {
      // Nothing earlier than the earliest of all that is still to come.
      const present = (packet: number): number => Math.min(...times.slice(packet), Number.MAX_SAFE_INTEGER);
      const expected = times.map((time, packet) => ({ time, packet })).sort((a, b) => a.time - b.time || a.packet - b.packet);
      expect(written(times, present, bufferBytes)).toEqual(expected);
    }),
    { numRuns: 100, seed: 1 },
  );
}); // biome-ignore format: one

it('packets that come in order stay in it through many buffers', () => {
  const times = Array.from({ length: 3000 }, (_, i) => i * 10);
  expect(written(times, (packet) => packet * 10, 4000).map(({ packet }) => packet)).toEqual(times.map((_, i) => i));
});

it('packets that must all wait when there is no more room are in order of time, too', () => {
  const times = Array.from({ length: 600 }, (_, i) => (i * 7919) % 600);
  for (const bufferBytes of [700, 5000]) {
    // Nothing may be written before the last has come.
    const found = written(times, () => 0, bufferBytes);
    expect(found.map(({ time }) => time)).toEqual([...times].sort((a, b) => a - b));
  }
});
