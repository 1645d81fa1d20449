import { describe, expect, it } from 'vitest';
import { siphash, siphash_2u32, siphash_3u32, siphash_4u32, siphashKeyOf } from '../../src/kernel/lib/siphash.ts';

const key = siphashKeyOf(Uint8Array.from({ length: 16 }, (_, i) => i));
const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i);
const words = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);

function hash(data: Uint8Array): string {
  siphash(data, key);
  return key.hi.toString(16).padStart(8, '0') + key.lo.toString(16).padStart(8, '0');
}

describe('SipHash-2-4', () => {
  it('gives the results of its authors', () => {
    expect(hash(counting(0))).toBe('726fdb47dd0e0e31');
    expect(hash(counting(1))).toBe('74f839c593dc67fd');
    expect(hash(counting(8))).toBe('93f5f5799a932462');
    expect(hash(counting(15))).toBe('a129ca6149be45e5');
  });

  it('hashes words as it hashes their bytes', () => {
    expect(siphash_2u32(1, 0xffff_fffe, key)).toBe(siphash(words(1, 0xffff_fffe), key));
    expect(siphash_3u32(7, 8, 9, key)).toBe(siphash(words(7, 8, 9), key));
    expect(siphash_4u32(7, 8, 9, 0x8000_0000, key)).toBe(siphash(words(7, 8, 9, 0x8000_0000), key));
  });
});
