/**
 * include/net/tcp.h, net/ipv4/tcp_output.c: the queues of segments: sent (tcp_rtx_queue), received out of order (out_of_order_queue), and the list of
 * sent segments by the time of their last transmission (tsorted_sent_queue).
 *
 * Linux keeps the first two as red-black trees ordered by sequence number. Here they are doubly linked lists with the same order: new segments
 * nearly always belong at the end, where the search starts, so that insertion is O(1) in practice and a walk is a plain list walk.
 */
import type { sk_buff, sk_buff_head } from '../../include/linux/skbuff.ts';
import { __skb_queue_after, __skb_queue_before, __skb_queue_head, __skb_unlink } from '../../include/linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import type { sock } from '../../include/net/sock.ts';
import { before } from '../../include/net/tcp.ts';
import { __kfree_skb } from '../core/skbuff.ts';
import { sk_mem_uncharge, sk_wmem_queued_add } from '../core/sock_mem.ts';

/** Inserts by TCP_SKB_CB(skb)->seq, behind segments that start at the same number. */
export function tcp_rbtree_insert(root: sk_buff_head, skb: sk_buff): void {
  const seq = skb.tcp.seq;
  let after = root.prev;
  while (after !== null && before(seq, after.tcp.seq)) after = after.prev;
  if (after === null) __skb_queue_head(root, skb);
  else __skb_queue_after(root, after, skb);
}

export function tcp_rtx_queue_unlink(skb: sk_buff, sk: sock): void {
  tsortedRemove(tcp_sk(sk), skb);
  __skb_unlink(skb, sk.tcp_rtx_queue);
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
