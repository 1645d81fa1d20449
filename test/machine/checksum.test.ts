import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { finish, fold, sum16 } from '../../src/machine/checksum.ts';

function plain(bytes: Uint8Array, offset: number, length: number, initial: number): number {
  let sum = initial;
  for (let i = 0; i < length; i++) sum += i % 2 === 0 ? bytes[offset + i]! * 256 : bytes[offset + i]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

describe('the Internet checksum', () => {
  it('is that of RFC 1071, section 3', () => {
    const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(sum16(bytes, 0, 8, 0)).toBe(0xddf2);
    expect(finish(sum16(bytes, 0, 8, 0))).toBe(0x220d);
  });

  it('is the same for any alignment, length and start', () => {
    const memory = new Uint8Array(new ArrayBuffer(4096), 3);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 2000 }), fc.nat(1500), fc.nat(0xffff), (bytes, offset, initial) => {
        memory.set(bytes, offset);
        expect(sum16(memory, offset, bytes.length, initial)).toBe(plain(bytes, 0, bytes.length, initial));
      }),
    );
  });

  it('folds large sums, and 0 only from nothing', () => {
    expect(fold(0)).toBe(0);
    expect(fold(0xffff)).toBe(0xffff);
    expect(fold(0x1_ffff_fffe)).toBe(0xffff);
    expect(fold(2 ** 40 + 5)).toBe(plain(new Uint8Array(0), 0, 0, 2 ** 40 + 5));
  });
});
