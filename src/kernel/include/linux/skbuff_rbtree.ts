/**
 * include/linux/skbuff.h: sk_buffs in a red-black tree by TCP sequence number: TCP's retransmission and out-of-order queues. As in Linux a place is found in
 * O(log n); beside that, `next` and `prev` thread the
 * tree, so that its ends and a segment's neighbours (Linux's `skb_rb_next` and `skb_rb_prev`) are one step away.
 */
import { rb_erase, rb_insert_color, rb_link_node } from '../../lib/rbtree.ts';
import type { rb_root } from './rbtree.ts';
import type { sk_buff } from './skbuff.ts';

/** No sk_buff_head, since none of the functions on lists may touch it. */
export class skbTree implements rb_root {
  rb_node: sk_buff | null = null;
  first: sk_buff | null = null;
  last: sk_buff | null = null;
  qlen = 0;
}

/** Puts `skb` right after `prev`, or at the beginning (null). */
export function skbTreeInsertAfter(root: skbTree, prev: sk_buff | null, skb: sk_buff): void {
  const next = prev === null ? root.first : prev.next;
  skb.prev = prev;
  skb.next = next;
  if (prev === null) root.first = skb;
  else prev.next = skb;
  if (next === null) root.last = skb;
  else next.prev = skb;
  root.qlen++;
  // Of two neighbours one is above the other; the one below has no child on the side of the other.
  if (prev !== null && prev.rb_right === null) rb_link_node(skb, prev, false, root);
  else rb_link_node(skb, next, true, root);
  rb_insert_color(skb, root);
}

export function skbTreeErase(root: skbTree, skb: sk_buff): void {
  const { prev, next } = skb;
  if (prev === null) root.first = next;
  else prev.next = next;
  if (next === null) root.last = prev;
  else next.prev = prev;
  skb.next = skb.prev = null;
  root.qlen--;
  rb_erase(skb, root);
}
