/** lib/crypto/md5.c: MD5 (RFC 1321), which signs segments with TCP_MD5SIG (RFC 2385). `md5_update` as often as wanted, then `md5_final`. */

export const MD5_DIGEST_SIZE = 16;
const MD5_BLOCK_SIZE = 64;
/** Where the length stands in the last block. */
const LENGTH_AT = 56;

/** RFC 1321 (3.4): how far each of the 64 steps turns, four values a round. */
const TURNS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21] as const;
/** RFC 1321 (3.4): the integer part of 4294967296 times |sin(i)|, i from 1. */
const SINES = Int32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32));

export class md5_ctx {
  /** A, B, C, D. */
  readonly hash = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  readonly block = new Uint8Array(MD5_BLOCK_SIZE);
  readonly words = new DataView(this.block.buffer);
  byte_count = 0;
}

/** Takes in `len` bytes of `data` from `offset` on. */
export function md5_update(ctx: md5_ctx, data: Uint8Array, offset: number, len: number): void {
  let at = ctx.byte_count % MD5_BLOCK_SIZE;
  ctx.byte_count += len;
  for (let i = 0; i < len; i++) {
    ctx.block[at++] = data[offset + i]!;
    if (at < MD5_BLOCK_SIZE) continue;
    md5_block(ctx);
    at = 0;
  }
}

/** Writes the digest, 16 bytes, to `out` at `offset`. The context is used up. */
export function md5_final(ctx: md5_ctx, out: Uint8Array, offset: number): void {
  const bytes = ctx.byte_count;
  let at = bytes % MD5_BLOCK_SIZE;
  ctx.block[at++] = 0x80;
  if (at > LENGTH_AT) {
    ctx.block.fill(0, at);
    md5_block(ctx);
    at = 0;
  }
  ctx.block.fill(0, at);
  ctx.words.setUint32(LENGTH_AT, bytes * 8, true);
  ctx.words.setUint32(LENGTH_AT + 4, Math.floor(bytes / 2 ** 29), true);
  md5_block(ctx);
  for (let i = 0; i < MD5_DIGEST_SIZE; i++) out[offset + i] = ctx.hash[i >> 2]! >>> (8 * (i & 3));
}

/** The 64 steps over the full block. */
function md5_block({ hash, words }: md5_ctx): void {
  let a = hash[0]!;
  let b = hash[1]!;
  let c = hash[2]!;
  let d = hash[3]!;
  for (let i = 0; i < 64; i++) {
    const round = i >> 4;
    const sum = (a + mix(round, b, c, d) + SINES[i]! + words.getInt32(4 * wordOf(round, i), true)) | 0;
    const turn = TURNS[4 * round + (i & 3)]!;
    a = d;
    d = c;
    c = b;
    b = (b + ((sum << turn) | (sum >>> (32 - turn)))) | 0;
  }
  hash[0]! += a;
  hash[1]! += b;
  hash[2]! += c;
  hash[3]! += d;
}

/** F, G, H and I. */
function mix(round: number, b: number, c: number, d: number): number {
  if (round === 0) return (b & c) | (~b & d);
  if (round === 1) return (b & d) | (c & ~d);
  return round === 2 ? b ^ c ^ d : c ^ (b | ~d);
}

/** Which word of the block a step takes. */
function wordOf(round: number, i: number): number {
  if (round === 0) return i;
  if (round === 1) return (5 * i + 1) & 15;
  return round === 2 ? (3 * i + 5) & 15 : (7 * i) & 15;
}
