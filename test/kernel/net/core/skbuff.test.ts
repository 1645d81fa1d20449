/** Operations on socket buffers keep the bytes, however these are spread over linear part, fragments and frag_list. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  __skb_header_release,
  SKB_SMALL_HEAD_HEADROOM,
  type sk_buff,
  skb_coalesce_result,
  skb_end_offset,
  skb_fclone_busy,
  skb_fill_page_desc,
  skb_get,
  skb_header_cloned,
  skb_headlen,
  skb_pull,
  skb_push,
  skb_put,
  skb_reserve,
} from '../../../../src/kernel/include/linux/skbuff.ts';
import { GFP_KERNEL } from '../../../../src/kernel/include/linux/types.ts';
import { SKB_DROP_REASON_TCP_CSUM } from '../../../../src/kernel/include/net/dropreason.ts';
import type { sock } from '../../../../src/kernel/include/net/sock.ts';
import { msghdr } from '../../../../src/kernel/include/net/sock.ts';
import { alloc_pages } from '../../../../src/kernel/mm/page_alloc.ts';
import { skb_copy_datagram_msg } from '../../../../src/kernel/net/core/datagram.ts';
import { alloc_skb, alloc_skb_fclone, build_skb, napi_alloc_skb, napi_build_skb } from '../../../../src/kernel/net/core/skbuff.ts';
import { skb_checksum, skb_copy_bits, skb_store_bits } from '../../../../src/kernel/net/core/skbuff_bits.ts';
import { skb_clone } from '../../../../src/kernel/net/core/skbuff_clone.ts';
import {
  consume_skb,
  kfree_skb_partial,
  kfree_skb_reason,
  napi_consume_skb,
  skb_attempt_defer_free,
  skb_defer_free_flush,
} from '../../../../src/kernel/net/core/skbuff_free.ts';
import {
  pskb_copy,
  pskb_expand_head,
  pskb_may_pull,
  pskb_pull,
  pskb_trim,
  skb_condense,
  skb_copy,
  skb_cow_head,
  skb_linearize,
} from '../../../../src/kernel/net/core/skbuff_reshape.ts';
import { skb_append_pagefrags, skb_shift, skb_split, skb_try_coalesce } from '../../../../src/kernel/net/core/skbuff_split.ts';
import { type TestKernel, testKernel } from '../../../support/kernel.ts';

/** How the bytes of a test packet are spread. */
interface Shape {
  readonly linear: number;
  readonly frags: readonly number[];
  readonly list: readonly number[];
}

const shape = fc.record({
  linear: fc.integer({ min: 0, max: 300 }),
  frags: fc.array(fc.integer({ min: 1, max: 1500 }), { maxLength: 6 }),
  list: fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 3 }),
});
const flat = shape.map((s) => ({ ...s, list: [] }));

let next = 0;
const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, () => (next = (next * 5 + 17) & 0xff));

function addFrag(skb: sk_buff, bytes: Uint8Array): void {
  const page = alloc_pages(GFP_KERNEL, 0)!;
  page.mem.u8.set(bytes, page.offset + 7);
  skb_fill_page_desc(skb, skb.shinfo.nr_frags, page, page.offset + 7, bytes.length);
  skb.len += bytes.length;
  skb.data_len += bytes.length;
  skb.truesize += bytes.length;
}

function build({ linear, frags, list }: Shape): sk_buff {
  const skb = alloc_skb(linear + 64, GFP_KERNEL)!;
  skb_reserve(skb, 64);
  skb.mem.u8.set(pattern(linear), skb_put(skb, linear));
  for (const size of frags) addFrag(skb, pattern(size));
  let tail: sk_buff | null = null;
  for (const size of list) {
    const part = build({ linear: size >> 1, frags: size - (size >> 1) > 0 ? [size - (size >> 1)] : [], list: [] });
    if (tail === null) skb.shinfo.frag_list = part;
    else tail.next = part;
    tail = part;
    skb.len += part.len;
    skb.data_len += part.len;
    skb.truesize += part.truesize;
  }
  return skb;
}

function contents(skb: sk_buff): number[] {
  const bytes = new Uint8Array(skb.len);
  expect(skb_copy_bits(skb, 0, bytes, 0, skb.len)).toBe(0);
  return [...bytes];
}

function nothingIsLost(host: TestKernel): void {
  expect(host.kernel.skb.live).toBe(0);
  expect(host.kernel.skb.shinfo_cache.inUse).toBe(0);
  expect(host.kernel.skb.small_head_cache.inUse).toBe(0);
}

/** Runs a property on one kernel and checks that every run gives everything back. */
function holds<T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void): void {
  const host = testKernel();
  fc.assert(
    fc.property(arbitrary, (value) => {
      host.on(() => property(value));
      nothingIsLost(host);
    }),
    { numRuns: 150 },
  );
}

describe('sk_buff', () => {
  it('has the truesize of a 6.18 on x86-64', () => {
    const host = testKernel();
    host.on(() => {
      const small = alloc_skb(100, GFP_KERNEL)!;
      expect([small.truesize, skb_end_offset(small)]).toEqual([960, SKB_SMALL_HEAD_HEADROOM]);
      const large = alloc_skb(1000, GFP_KERNEL)!;
      expect([large.truesize, skb_end_offset(large)]).toEqual([2048 + 256, 2048 - 320]);
      const page = alloc_pages(GFP_KERNEL, 0)!;
      const received = napi_build_skb(page, page.offset, 2048)!;
      expect(received.truesize).toBe(2304);
      for (const skb of [small, large, received]) consume_skb(skb);
    });
    nothingIsLost(host);
    expect(host.kernel.skb.skbuff_cache.inUse).toBe(31);
  });

  it('keeps its bytes when it is cloned and copied, and when the original goes first', () => {
    const cloneOfClone = (skb: sk_buff): sk_buff => {
      const first = skb_clone(skb, GFP_KERNEL)!;
      const second = skb_clone(first, GFP_KERNEL)!;
      consume_skb(first);
      return second;
    };
    const ways = [skb_clone, skb_copy, pskb_copy, cloneOfClone];
    holds(fc.tuple(shape, fc.constantFrom(...ways)), ([spread, duplicate]) => {
      const skb = build(spread);
      const before = contents(skb);
      const other = duplicate(skb, GFP_KERNEL)!;
      expect(contents(other)).toEqual(before);
      consume_skb(skb);
      expect(contents(other)).toEqual(before);
      consume_skb(other);
    });
  });

  it('can be pulled up to any length', () => {
    holds(fc.tuple(shape, fc.double({ min: 0, max: 1, noNaN: true })), ([spread, part]) => {
      const skb = build(spread);
      const before = contents(skb);
      const len = Math.floor(skb.len * part);
      expect(pskb_may_pull(skb, len)).toBe(true);
      expect(skb_headlen(skb)).toBeGreaterThanOrEqual(len);
      expect(contents(skb)).toEqual(before);
      expect(pskb_may_pull(skb, skb.len + 1)).toBe(false);
      expect(pskb_pull(skb, len)).toBe(skb.data);
      expect(contents(skb)).toEqual(before.slice(len));
      consume_skb(skb);
    });
  });

  it('does not show a clone what happens to it', () => {
    holds(fc.tuple(shape, fc.double({ min: 0, max: 1, noNaN: true })), ([spread, part]) => {
      const skb = build(spread);
      const before = contents(skb);
      const clone = skb_clone(skb, GFP_KERNEL)!;
      const len = Math.floor(skb.len * part);
      expect(pskb_trim(skb, len)).toBe(0);
      expect(contents(skb)).toEqual(before.slice(0, len));
      expect(contents(clone)).toEqual(before);
      expect(skb_linearize(clone)).toBe(0);
      expect(contents(clone)).toEqual(before);
      skb_condense(skb);
      expect(contents(skb)).toEqual(before.slice(0, len));
      consume_skb(clone);
      consume_skb(skb);
    });
  });

  it('moves with its headers when its head grows', () => {
    holds(fc.tuple(shape, fc.integer({ min: 0, max: 400 })), ([spread, room]) => {
      const skb = build(spread);
      const before = contents(skb);
      skb.network_header = skb.data + 3;
      skb.transport_header = skb.data + 5;
      expect(pskb_expand_head(skb, room, room)).toBe(0);
      expect([skb.network_header - skb.data, skb.transport_header - skb.data, skb.mac_header]).toEqual([3, 5, -1]);
      expect(contents(skb)).toEqual(before);
      expect(skb.data - skb.head).toBe(64 + room);
      consume_skb(skb);
    });
  });

  it('can be written to in any part', () => {
    holds(fc.tuple(shape, fc.nat(), fc.nat()), ([spread, a, b]) => {
      const skb = build(spread);
      const expected = contents(skb);
      const offset = skb.len === 0 ? 0 : a % skb.len;
      const bytes = pattern(skb.len === offset ? 0 : b % (skb.len - offset));
      expect(skb_store_bits(skb, offset, bytes, 0, bytes.length)).toBe(0);
      expected.splice(offset, bytes.length, ...bytes);
      expect(contents(skb)).toEqual(expected);
      consume_skb(skb);
    });
  });

  it('has the checksum of its bytes wherever these are', () => {
    holds(fc.tuple(shape, fc.nat(), fc.nat()), ([spread, a, b]) => {
      const skb = build(spread);
      const offset = skb.len === 0 ? 0 : a % skb.len;
      const length = skb.len === offset ? 0 : b % (skb.len - offset + 1);
      const bytes = contents(skb).slice(offset, offset + length);
      let sum = 0;
      for (const [i, byte] of bytes.entries()) sum += i % 2 === 0 ? byte << 8 : byte;
      while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
      const ours = skb_checksum(skb, offset, length, 0);
      expect(ours === 0xffff ? 0 : ours).toBe(sum === 0xffff ? 0 : sum);
      consume_skb(skb);
    });
  });

  it('is split in two at any place', () => {
    holds(fc.tuple(flat, fc.double({ min: 0, max: 1, noNaN: true })), ([spread, part]) => {
      const skb = build(spread);
      const before = contents(skb);
      const len = Math.floor(skb.len * part);
      const rest = alloc_skb(400, GFP_KERNEL)!;
      skb_split(skb, rest, len);
      expect(skb.len).toBe(len);
      expect([...contents(skb), ...contents(rest)]).toEqual(before);
      consume_skb(skb);
      consume_skb(rest);
    });
  });

  it('shifts whole ranges of fragments or nothing', () => {
    holds(fc.tuple(flat, flat, fc.double({ min: 0, max: 1, noNaN: true })), ([to, from, part]) => {
      const target = build(to);
      const source = build({ ...from, linear: 0, frags: from.frags.length === 0 ? [10] : from.frags });
      const all = [...contents(target), ...contents(source)];
      const len = Math.max(1, Math.floor(source.len * part));
      const before = target.len;
      const shifted = skb_shift(target, source, len);
      expect([0, len]).toContain(shifted);
      expect(target.len).toBe(before + shifted);
      expect([...contents(target), ...contents(source)]).toEqual(all);
      consume_skb(target);
      consume_skb(source);
    });
  });

  it('shifts into the same page without a new fragment', () => {
    const host = testKernel();
    host.on(() => {
      const page = alloc_pages(GFP_KERNEL, 0)!;
      page.mem.u8.set(pattern(1000), page.offset);
      const target = alloc_skb(0, GFP_KERNEL)!;
      const source = alloc_skb(0, GFP_KERNEL)!;
      skb_append_pagefrags(target, page, page.offset, 300, 17);
      target.len = target.data_len = 300;
      skb_append_pagefrags(source, page, page.offset + 300, 700, 17);
      source.len = source.data_len = 700;
      expect(skb_shift(target, source, 200)).toBe(200);
      expect([target.shinfo.nr_frags, target.len, source.len]).toEqual([1, 500, 500]);
      expect(skb_shift(target, source, 500)).toBe(500);
      expect([target.shinfo.nr_frags, target.len, source.len, source.shinfo.nr_frags]).toEqual([1, 1000, 0, 0]);
      expect(contents(target)).toEqual([...page.mem.u8.subarray(page.offset, page.offset + 1000)]);
      consume_skb(source);
      consume_skb(target);
      expect(page._refcount).toBe(1);
    });
    nothingIsLost(host);
  });

  it('coalesces received packets by taking over their heads', () => {
    const host = testKernel();
    host.on(() => {
      const received = (length: number): sk_buff => {
        const page = alloc_pages(GFP_KERNEL, 0)!;
        const skb = build_skb(page, page.offset, 2048)!;
        skb_reserve(skb, 64);
        skb.mem.u8.set(pattern(length), skb_put(skb, length));
        return skb;
      };
      const to = received(1500);
      const from = received(900);
      const all = [...contents(to), ...contents(from)];
      const result = new skb_coalesce_result();
      expect(skb_try_coalesce(to, from, result)).toBe(true);
      expect([result.fragstolen, result.delta_truesize]).toEqual([true, 2304 - 256]);
      kfree_skb_partial(from, result.fragstolen);
      expect(contents(to)).toEqual(all);
      const clone = skb_clone(to, GFP_KERNEL)!;
      const late = received(10);
      expect(skb_try_coalesce(to, late, result)).toBe(false);
      for (const skb of [clone, late, to]) consume_skb(skb);
    });
    nothingIsLost(host);
  });

  it('is read by the user from any offset', () => {
    holds(fc.tuple(shape, fc.nat(), fc.nat()), ([spread, a, b]) => {
      const skb = build(spread);
      const offset = skb.len === 0 ? 0 : a % skb.len;
      const length = skb.len === offset ? 0 : b % (skb.len - offset + 1);
      const message = new msghdr(new Uint8Array(length + 3), 2, length);
      expect(skb_copy_datagram_msg(skb, offset, message, length)).toBe(0);
      expect([...message.data.subarray(2, 2 + length)]).toEqual(contents(skb).slice(offset, offset + length));
      expect([message.offset, message.size]).toEqual([2 + length, 0]);
      consume_skb(skb);
    });
  });
});

describe('clones and owners', () => {
  it('know when the clone that TCP sent is still busy', () => {
    const host = testKernel();
    host.on(() => {
      const skb = alloc_skb_fclone(100, GFP_KERNEL)!;
      const sk = {} as sock;
      expect(skb_fclone_busy(sk, skb)).toBe(false);
      const clone = skb_clone(skb, GFP_KERNEL)!;
      clone.sk = sk;
      expect(clone).toBe(skb.fclonePeer);
      expect(skb_fclone_busy(sk, skb)).toBe(true);
      expect(skb_fclone_busy({} as sock, skb)).toBe(false);
      const second = skb_clone(skb, GFP_KERNEL)!;
      expect(second).not.toBe(clone);
      consume_skb(clone);
      expect(skb_fclone_busy(sk, skb)).toBe(false);
      expect(skb_clone(skb, GFP_KERNEL)).toBe(clone);
      consume_skb(skb);
      consume_skb(second);
      expect(host.kernel.skb.skbuff_fclone_cache.inUse).toBe(1);
      consume_skb(clone);
      expect(host.kernel.skb.skbuff_fclone_cache.inUse).toBe(0);
    });
    nothingIsLost(host);
  });

  it('may write headers once the payload holder has let go of them', () => {
    const host = testKernel();
    host.on(() => {
      const skb = alloc_skb_fclone(100, GFP_KERNEL)!;
      skb_reserve(skb, 50);
      __skb_header_release(skb);
      const clone = skb_clone(skb, GFP_KERNEL)!;
      expect(skb_header_cloned(clone)).toBe(false);
      const head = clone.head;
      expect(skb_cow_head(clone, 20)).toBe(0);
      expect(clone.head).toBe(head);
      skb_push(clone, 20);
      skb_pull(clone, 20);
      const third = skb_clone(clone, GFP_KERNEL)!;
      expect(skb_header_cloned(clone)).toBe(true);
      for (const each of [third, clone, skb]) consume_skb(each);
    });
    nothingIsLost(host);
  });

  it('report who dropped what, once, at the last reference', () => {
    const host = testKernel();
    const seen: string[] = [];
    host.kernel.trace.kfree_skb = (_skb, location, reason) => seen.push(`${location} ${reason}`);
    host.kernel.trace.consume_skb = (_skb, location) => seen.push(`consumed ${location}`);
    host.on(() => {
      const skb = alloc_skb(10, GFP_KERNEL)!;
      skb_get(skb);
      kfree_skb_reason(skb, SKB_DROP_REASON_TCP_CSUM, 'tcp_v4_rcv');
      expect(seen).toEqual([]);
      kfree_skb_reason(skb, SKB_DROP_REASON_TCP_CSUM, 'tcp_v4_rcv');
      expect(() => consume_skb(skb)).toThrow('freed twice');
      napi_consume_skb(alloc_skb(10, GFP_KERNEL), 64, 'igb_poll');
    });
    expect(seen).toEqual([`tcp_v4_rcv ${SKB_DROP_REASON_TCP_CSUM}`, 'consumed igb_poll']);
    nothingIsLost(host);
  });

  it('go back to the CPU that allocated them', () => {
    const host = testKernel({ cpus: 2 });
    const skb = host.on(() => napi_alloc_skb(host.network.loopback_dev, 1000)!, 1);
    expect(skb.head_frag).toBe(true);
    host.on(() => skb_attempt_defer_free(skb), 0);
    expect(host.kernel.skb.live).toBe(1);
    host.on(() => skb_defer_free_flush(host.kernel.percpu[1]!.softnet_data), 1);
    nothingIsLost(host);
  });
});
