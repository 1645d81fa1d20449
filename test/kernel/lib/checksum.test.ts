/** The kernel's checksum helpers against sums done by hand. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  csum_block_add,
  csum_fold,
  csum_partial,
  csum_replace2,
  csum_replace4,
  csum_sub,
  csum_tcpudp_magic,
  ip_fast_csum,
} from '../../../src/kernel/lib/checksum.ts';
import { testKernel } from '../../support/kernel.ts';

/** Sum of big-endian words by RFC 1071, the slow way. */
function naive(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
}
/** 0 and 0xffff are the same number in ones-complement arithmetic. */
const same = (a: number, b: number): boolean => a % 0xffff === b % 0xffff;
/** Kernel functions run on a CPU. */
const onCpu = (work: () => void): void => testKernel().on(work);
const bytes = fc.uint8Array({ minLength: 0, maxLength: 300 });

describe('checksums', () => {
  it('sum like RFC 1071', () => {
    onCpu(() => {
      fc.assert(fc.property(bytes, (data) => same(csum_partial(data, 0, data.length, 0), naive(data))));
      fc.assert(fc.property(bytes, (data) => same(csum_fold(csum_partial(data, 0, data.length, 0)), ~naive(data) & 0xffff)));
    });
  });

  it('of a whole are those of its parts, wherever it is cut', () => {
    onCpu(() =>
      fc.assert(
        fc.property(bytes, fc.nat(), (data, cut) => {
          const at = data.length === 0 ? 0 : cut % data.length;
          const front = csum_partial(data, 0, at, 0);
          const back = csum_partial(data, at, data.length - at, 0);
          const whole = csum_block_add(front, back, at);
          expect(same(whole, naive(data))).toBe(true);
          if (at % 2 === 0) expect(same(csum_sub(whole, front), back)).toBe(true);
        }),
      ),
    );
  });

  it('follow a changed field', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), fc.nat(0xffff), fc.nat(0xffff_ffff), (header, short, long) => {
        header[0] = 0x45;
        const view = new DataView(header.buffer);
        view.setUint16(10, 0);
        const before = ip_fast_csum(view, 0, 5);
        const length = view.getUint16(2);
        const address = view.getUint32(12);
        view.setUint16(2, short);
        view.setUint32(12, long);
        const after = csum_replace4(csum_replace2(before, length, short), address, long);
        expect(same(after, ip_fast_csum(view, 0, 5))).toBe(true);
      }),
    );
  });

  it('include the pseudo header', () => {
    const pseudo = Uint8Array.of(10, 0, 0, 1, 192, 168, 255, 2, 0, 6, 0x12, 0x34);
    expect(csum_tcpudp_magic(0x0a000001, 0xc0a8ff02, 0x1234, 6, 0)).toBe(~naive(pseudo) & 0xffff);
  });
});
