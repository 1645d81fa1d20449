/** Properties of the send queues: however segments are split, trimmed, retransmitted and collapsed, no byte, count or memory is lost. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { sk_buff, sk_buff_head } from '../../../../src/kernel/include/linux/skbuff.ts';
import { skbTree, skbTreeErase } from '../../../../src/kernel/include/linux/skbuff_rbtree.ts';
import type { tcp_sock } from '../../../../src/kernel/include/linux/tcp.ts';
import { before, TCPCB_LOST } from '../../../../src/kernel/include/net/tcp.ts';
import { alloc_skb } from '../../../../src/kernel/net/core/skbuff.ts';
import { skb_copy_bits } from '../../../../src/kernel/net/core/skbuff_bits.ts';
import { kfree_skb } from '../../../../src/kernel/net/core/skbuff_free.ts';
import { skb_rbtree_purge } from '../../../../src/kernel/net/core/skbuff_rbtree.ts';
import { TCP_FRAG_IN_RTX_QUEUE, tcp_fragment, tcp_retransmit_skb, tcp_trim_head } from '../../../../src/kernel/net/ipv4/tcp_output.ts';
import {
  lastStartingBy,
  tcp_rbtree_insert,
  tcp_rtx_queue_unlink_and_free,
  tsortedMoveTail,
  tsortedRemove,
} from '../../../../src/kernel/net/ipv4/tcp_rtx_queue.ts';
import { ISS, PeerlessHost } from './tcp_peerless.ts';

const queue = (list: sk_buff_head | skbTree): sk_buff[] => {
  const all: sk_buff[] = [];
  const first = list instanceof skbTree ? list.first : list.next;
  for (let skb = first; skb !== null; skb = skb.next) all.push(skb);
  return all;
};

const tsorted = (tp: tcp_sock): sk_buff[] => {
  const all: sk_buff[] = [];
  for (let skb = tp.tsorted_sent_queue.next; skb !== null; skb = skb.tsortedNext) all.push(skb);
  return all;
};

const inOrder = (skb: sk_buff | null): sk_buff[] => (skb === null ? [] : [...inOrder(skb.rb_left), skb, ...inOrder(skb.rb_right)]);
const depth = (skb: sk_buff | null): number => (skb === null ? 0 : 1 + Math.max(depth(skb.rb_left), depth(skb.rb_right)));

/** How many black nodes are on each way down; fails where that differs, where red is below red, and where a link up is wrong. */
function blackHeight(skb: sk_buff | null, parent: sk_buff | null): number {
  if (skb === null) return 0;
  expect(skb.rbParent).toBe(parent);
  expect(skb.rbRed && (parent === null || parent.rbRed)).toBe(false);
  const left = blackHeight(skb.rb_left, skb);
  expect(blackHeight(skb.rb_right, skb)).toBe(left);
  return left + (skb.rbRed ? 0 : 1);
}

/** All invariants that hold between operations. */
function check(tp: tcp_sock, firstByte: number): void {
  const sent = queue(tp.tcp_rtx_queue);
  const all = [...sent, ...queue(tp.sk_write_queue)];
  let seq = (ISS + firstByte) >>> 0;
  for (const skb of all) {
    expect(skb.tcp.seq).toBe(seq);
    expect((skb.tcp.end_seq - skb.tcp.seq) >>> 0).toBe(skb.len);
    const bytes = new Uint8Array(skb.len);
    skb_copy_bits(skb, 0, bytes, 0, skb.len);
    const start = (seq - ISS) >>> 0;
    expect(bytes.every((byte, i) => byte === (start + i) % 251)).toBe(true);
    seq = skb.tcp.end_seq;
  }
  expect(seq).toBe(tp.write_seq);
  expect(tp.sk_wmem_queued).toBe(all.reduce((sum, skb) => sum + skb.truesize, 0));
  expect(tp.packets_out).toBe(sent.reduce((sum, skb) => sum + skb.tcp.tcp_gso_segs, 0));
  expect(tp.retrans_out).toBe(sent.reduce((sum, skb) => sum + ((skb.tcp.sacked & 2) !== 0 ? skb.tcp.tcp_gso_segs : 0), 0));
  expect(tp.lost_out).toBe(sent.reduce((sum, skb) => sum + ((skb.tcp.sacked & 4) !== 0 ? skb.tcp.tcp_gso_segs : 0), 0));
  expect(new Set(tsorted(tp))).toEqual(new Set(sent));
}

describe('the retransmission queue', () => {
  it('keeps every byte, count and the memory through splits, trims, losses and retransmissions', () => {
    const operation = fc.record({ kind: fc.constantFrom('split', 'trim', 'lose', 'retransmit'), at: fc.nat(), size: fc.nat() });
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 4 }),
        fc.array(operation, { maxLength: 25 }),
        (writes, operations) => {
          const host = new PeerlessHost();
          const tp = host.socket((sk) => {
            sk.nonagle = 1;
            sk.snd_cwnd = 100;
          });
          let from = 0;
          for (const size of writes) {
            host.send(tp, size, 0, from);
            from += size;
          }
          let acked = 0;
          host.run(() => {
            check(tp, acked);
            for (const { kind, at, size } of operations) {
              const sent = queue(tp.tcp_rtx_queue);
              if (sent.length === 0) break;
              const skb = sent[at % sent.length]!;
              if (kind === 'split' && skb.len > 1) tcp_fragment(tp, TCP_FRAG_IN_RTX_QUEUE, skb, 1 + (size % (skb.len - 1)), 1448, 0);
              else if (kind === 'trim') acked += acknowledge(tp, sent[0]!, 1 + (size % sent[0]!.len));
              else if (kind === 'lose' && (skb.tcp.sacked & TCPCB_LOST) === 0) {
                skb.tcp.sacked |= TCPCB_LOST;
                tp.lost_out += skb.tcp.tcp_gso_segs;
              } else if (kind === 'retransmit' && (skb.tcp.sacked & 2) === 0) tcp_retransmit_skb(tp, skb, 1 + (size % 3));
              check(tp, acked);
            }
          });
          host.drain(tp);
          expect(tp.sk_wmem_queued).toBe(0);
          expect(host.kernel.skb.live).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is ordered by sequence number, also around 2^32, and a balanced tree whatever comes and goes', () => {
    const step = fc.record({ erase: fc.boolean(), at: fc.integer({ min: 0, max: 5000 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const host = new PeerlessHost();
        const tree = new skbTree();
        const expected: sk_buff[] = [];
        host.run(() => {
          for (const { erase, at } of steps) {
            if (erase && expected.length > 0) {
              const [skb] = expected.splice(at % expected.length, 1);
              skbTreeErase(tree, skb!);
              kfree_skb(skb!);
            } else {
              const skb = alloc_skb(64, 0)!;
              skb.tcp.seq = (0xffff_f800 + at) >>> 0;
              tcp_rbtree_insert(tree, skb);
              const behind = expected.findIndex((other) => before(skb.tcp.seq, other.tcp.seq));
              expected.splice(behind < 0 ? expected.length : behind, 0, skb);
            }
            expect(queue(tree)).toEqual(expected);
            expect(inOrder(tree.rb_node)).toEqual(expected);
            expect(tree.qlen).toBe(expected.length);
            expect(tree.last).toBe(expected.at(-1) ?? null);
            blackHeight(tree.rb_node, null);
          }
          skb_rbtree_purge(tree);
          expect(host.kernel.skb.live).toBe(0);
        });
      }),
      { numRuns: 50 },
    );
  });

  it('finds a segment in a window of thousands without walking it', () => {
    const host = new PeerlessHost();
    host.run(() => {
      const tree = new skbTree();
      for (let i = 0; i < 4096; i++) {
        const skb = alloc_skb(64, 0)!;
        skb.tcp.seq = i * 1448;
        tcp_rbtree_insert(tree, skb);
      }
      expect(depth(tree.rb_node)).toBeLessThanOrEqual(2 * Math.log2(4097));
      for (const seq of [0, 1, 1447, 1448, 2000 * 1448 + 7, 4095 * 1448, 0x7000_0000])
        expect(lastStartingBy(tree, seq)!.tcp.seq).toBe(Math.min(4095, Math.floor(seq / 1448)) * 1448);
      expect(lastStartingBy(tree, 0xffff_ffff)).toBe(null);
      skb_rbtree_purge(tree);
    });
  });

  it('knows in which order segments were sent last', () => {
    const host = new PeerlessHost();
    const tp = host.socket((sk) => {
      sk.sk_gso_max_segs = 1;
    });
    host.send(tp, 3 * 1448);
    host.run(() => {
      const [a, b, c] = tsorted(tp);
      tsortedMoveTail(tp, a!);
      expect(tsorted(tp)).toEqual([b, c, a]);
      tsortedRemove(tp, c!);
      tsortedRemove(tp, c!);
      expect(tsorted(tp)).toEqual([b, a]);
    });
    host.drain(tp);
  });
});

/** As tcp_clean_rtx_queue() does with the first segment: frees it, or trims it. Returns how much was acknowledged. */
function acknowledge(tp: tcp_sock, skb: sk_buff, bytes: number): number {
  const count = (skb_: sk_buff): void => {
    if ((skb_.tcp.sacked & 2) !== 0) tp.retrans_out -= skb_.tcp.tcp_gso_segs;
    if ((skb_.tcp.sacked & 4) !== 0) tp.lost_out -= skb_.tcp.tcp_gso_segs;
    tp.packets_out -= skb_.tcp.tcp_gso_segs;
  };
  count(skb);
  tp.snd_una = (tp.snd_una + bytes) >>> 0;
  if (bytes === skb.len) {
    if (tp.highest_sack === skb) tp.highest_sack = skb.next;
    tcp_rtx_queue_unlink_and_free(skb, tp);
    return bytes;
  }
  expect(tcp_trim_head(tp, skb, bytes)).toBe(0);
  const segs = skb.tcp.tcp_gso_segs;
  tp.packets_out += segs;
  if ((skb.tcp.sacked & 2) !== 0) tp.retrans_out += segs;
  if ((skb.tcp.sacked & 4) !== 0) tp.lost_out += segs;
  return bytes;
}
