import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { finish } from '../../src/machine/checksum.ts';
import { ByteBlock, ByteHeap } from '../../src/sim/byte_heap.ts';
import { type ByteLoops, plainLoops, wasmLoops } from '../../src/sim/byte_heap_wasm.ts';

const SIZE = 65_536;

/** RFC 1071, section 1, word by word. */
function plain(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += i % 2 === 0 ? bytes[i]! * 256 : bytes[i]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

const makers: [string, (size: number) => ByteLoops | null][] = [
  ['as WebAssembly', wasmLoops],
  ['in JavaScript', plainLoops],
];

describe.each(makers)('the loops over bytes %s', (_, make) => {
  const loops = make(SIZE)!;
  const block = new ByteBlock(loops, new Uint8Array(loops.buffer, 64, SIZE - 64));

  it('sum up any length from any place', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(1500), (bytes, at) => {
        block.u8.set(bytes, at);
        expect(block.sum(at, bytes.length)).toBe(plain(bytes));
      }),
      { numRuns: 300 },
    );
  });

  it('sum up the greatest words without overflow', () => {
    block.u8.fill(0xff);
    expect(block.sum(0, SIZE - 64)).toBe(0xffff);
    block.u8.fill(0);
    expect(block.sum(0, SIZE - 64)).toBe(0);
    expect(finish(block.sum(0, 20))).toBe(0xffff);
  });

  it('copy what they are told and nothing beside it, onto itself, too', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 200, maxLength: 200 }), fc.nat(100), fc.nat(100), fc.nat(100), (bytes, from, to, length) => {
        block.u8.set(bytes, 0);
        block.copyTo(block, to, from, length);
        bytes.copyWithin(to, from, from + length);
        expect(block.u8.subarray(0, 200)).toEqual(bytes);
      }),
    );
  });
});

describe('the heap', () => {
  it('hands out blocks of zeroes that do not touch each other', () => {
    const heap = new ByteHeap();
    const blocks = [100, 1, 4096, 0].map((length) => heap.allocate(length));
    for (const [i, block] of blocks.entries()) block.u8.fill(i + 1);
    expect(blocks.map((block) => block.u8.length)).toEqual([100, 1, 4096, 0]);
    expect(blocks.map((block, i) => block.u8.every((byte) => byte === i + 1))).toEqual([true, true, true, true]);
    expect(heap.allocate(5000).u8.every((byte) => byte === 0)).toBe(true);
  });

  it('copies between blocks of different heaps, too', () => {
    const [source, target] = [new ByteHeap().allocate(10), new ByteHeap().allocate(10)];
    source.u8.set([1, 2, 3, 4]);
    source.copyTo(target, 5, 1, 3);
    expect([...target.u8]).toEqual([0, 0, 0, 0, 0, 2, 3, 4, 0, 0]);
  });
});
