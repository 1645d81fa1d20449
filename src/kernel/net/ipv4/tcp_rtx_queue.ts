/**
 * include/net/tcp.h, net/ipv4/tcp_output.c: the queues of segments: sent (tcp_rtx_queue) and received out of order (out_of_order_queue), red-black trees by
 * sequence number; and the list of sent segments by the time of their last transmission (tsorted_sent_queue).
 */
import { __skb_queue_before, __skb_unlink, type sk_buff } from '../../include/linux/skbuff.ts';
import { type skbTree, skbTreeErase, skbTreeInsertAfter } from '../../include/linux/skbuff_rbtree.ts';
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import type { sock } from '../../include/net/sock.ts';
import { before } from '../../include/net/tcp.ts';
import { __kfree_skb } from '../core/skbuff_free.ts';
import { sk_mem_uncharge, sk_wmem_queued_add } from '../core/sock_mem.ts';

/** The last segment that starts at `seq` or before it; null if none does. */
export function lastStartingBy(root: skbTree, seq: number): sk_buff | null {
  const last = root.last;
  if (last === null || !before(seq, last.tcp.seq)) return last;
  let found: sk_buff | null = null;
  for (let skb = root.rb_node; skb !== null; ) {
    if (before(seq, skb.tcp.seq)) skb = skb.rb_left;
    else {
      found = skb;
      skb = skb.rb_right;
    }
  }
  return found;
}

/** Inserts by TCP_SKB_CB(skb)->seq, behind segments that start at the same number. */
export function tcp_rbtree_insert(root: skbTree, skb: sk_buff): void {
  skbTreeInsertAfter(root, lastStartingBy(root, skb.tcp.seq), skb);
}

export function tcp_rtx_queue_unlink(skb: sk_buff, sk: sock): void {
  tsortedRemove(tcp_sk(sk), skb);
  skbTreeErase(sk.tcp_rtx_queue, skb);
}

export function tcp_rtx_queue_unlink_and_free(skb: sk_buff, sk: sock): void {
  tcp_rtx_queue_unlink(skb, sk);
  tcp_wmem_free_skb(sk, skb);
}

export function tcp_unlink_write_queue(skb: sk_buff, sk: sock): void {
  __skb_unlink(skb, sk.sk_write_queue);
}

export function tcp_insert_write_queue_before(fresh: sk_buff, skb: sk_buff, sk: sock): void {
  __skb_queue_before(sk.sk_write_queue, skb, fresh);
}

/** Frees a segment of the send queues and gives its memory back to the socket. */
export function tcp_wmem_free_skb(sk: sock, skb: sk_buff): void {
  sk_wmem_queued_add(sk, -skb.truesize);
  sk_mem_uncharge(sk, skb.truesize);
  __kfree_skb(skb);
}

/** list_del_init(&skb->tcp_tsorted_anchor). */
export function tsortedRemove(tp: tcp_sock, skb: sk_buff): void {
  if (!skb.tsorted) return;
  const list = tp.tsorted_sent_queue;
  if (skb.tsortedPrev !== null) skb.tsortedPrev.tsortedNext = skb.tsortedNext;
  else list.next = skb.tsortedNext;
  if (skb.tsortedNext !== null) skb.tsortedNext.tsortedPrev = skb.tsortedPrev;
  else list.prev = skb.tsortedPrev;
  skb.tsortedNext = skb.tsortedPrev = null;
  skb.tsorted = false;
}

/** list_move_tail: it was sent last. */
export function tsortedMoveTail(tp: tcp_sock, skb: sk_buff): void {
  tsortedRemove(tp, skb);
  const list = tp.tsorted_sent_queue;
  skb.tsortedPrev = list.prev;
  if (list.prev !== null) list.prev.tsortedNext = skb;
  else list.next = skb;
  list.prev = skb;
  skb.tsorted = true;
}

/** list_add(&skb->tcp_tsorted_anchor, &where->tcp_tsorted_anchor): the second half of a split segment follows the first, if that is listed. */
export function tsortedInsertAfter(tp: tcp_sock, where: sk_buff, skb: sk_buff): void {
  if (!where.tsorted) return;
  const list = tp.tsorted_sent_queue;
  skb.tsortedPrev = where;
  skb.tsortedNext = where.tsortedNext;
  if (where.tsortedNext !== null) where.tsortedNext.tsortedPrev = skb;
  else list.prev = skb;
  where.tsortedNext = skb;
  skb.tsorted = true;
}
