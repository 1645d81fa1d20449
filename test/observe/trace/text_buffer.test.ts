/** Numbers put by hand look as printf's. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessagePack } from '../../../src/observe/trace/message_pack.ts';
import { TextBuffer } from '../../../src/observe/trace/text_buffer.ts';

const put = (write: (out: TextBuffer) => void): string => {
  const out = new TextBuffer(16384);
  write(out);
  return out.toString();
};

describe('a text buffer', () => {
  it('writes decimal numbers of up to 53 bits', () => {
    fc.assert(fc.property(fc.maxSafeInteger(), (n) => put((out) => out.decimal(n)) === String(n)));
    fc.assert(
      fc.property(
        fc.nat(2000),
        fc.integer({ min: 1, max: 6 }),
        (n, width) => put((out) => out.decimal(n, width)) === String(n).padStart(width, '0'),
      ),
    );
  });

  it('writes hexadecimal numbers of 32 and 64 bits', () => {
    const words = fc.integer({ min: 0, max: 0xffff_ffff });
    fc.assert(
      fc.property(
        words,
        fc.integer({ min: 1, max: 16 }),
        (n, width) => put((out) => out.hex(n, width)) === n.toString(16).padStart(width, '0'),
      ),
    );
    fc.assert(
      fc.property(words, words, fc.integer({ min: 1, max: 16 }), (high, low, width) => {
        const value = (BigInt(high) << 32n) | BigInt(low);
        return put((out) => out.hex64(high, low, width)) === value.toString(16).padStart(width, '0');
      }),
    );
    expect(put((out) => out.hex(0xabc, 1, true))).toBe('ABC');
  });

  it('writes times as ftrace does: five columns of seconds, rounded to microseconds', () => {
    expect(put((out) => out.seconds(10_594_450_499))).toBe('   10.594450');
    expect(put((out) => out.seconds(10_594_450_500))).toBe('   10.594451');
    expect(put((out) => out.seconds(999_999_999))).toBe('    1.000000');
    expect(put((out) => out.seconds(12_345_678_000_000_000))).toBe('12345678.000000');
  });
});

describe('MessagePack', () => {
  it('is read back by a library', async () => {
    const { decode } = await import('msgpack-lite');
    const packed = (write: (out: MessagePack) => void): unknown => {
      const out = new MessagePack(65536);
      write(out);
      return decode(out.u8.subarray(0, out.pos));
    };
    fc.assert(fc.property(fc.maxSafeInteger(), (n) => packed((out) => out.integer(n)) === n));
    for (const n of [0, 127, 128, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, -1, -32, -33, -128, -(2 ** 31), -(2 ** 31) - 1])
      expect(packed((out) => out.integer(n))).toBe(n);
    for (const length of [0, 31, 32, 255, 256]) expect(packed((out) => out.string('x'.repeat(length)))).toBe('x'.repeat(length));
  });
});
