import type { sk_buff } from './skbuff.ts';

/** A queue of sk_buffs. */
export class sk_buff_head {
  next: sk_buff | null = null;
  prev: sk_buff | null = null;
  qlen = 0;
}

export const skb_queue_len = (list: sk_buff_head): number => list.qlen;
export const skb_queue_empty = (list: sk_buff_head): boolean => list.next === null;
export const skb_peek = (list: sk_buff_head): sk_buff | null => list.next;
export const skb_peek_tail = (list: sk_buff_head): sk_buff | null => list.prev;
export const skb_queue_is_last = (list: sk_buff_head, skb: sk_buff): boolean => list.prev === skb;

export function __skb_queue_tail(list: sk_buff_head, skb: sk_buff): void {
  skb.next = null;
  skb.prev = list.prev;
  if (list.prev !== null) list.prev.next = skb;
  else list.next = skb;
  list.prev = skb;
  skb.list = list;
  list.qlen++;
}

export function __skb_queue_head(list: sk_buff_head, skb: sk_buff): void {
  skb.prev = null;
  skb.next = list.next;
  if (list.next !== null) list.next.prev = skb;
  else list.prev = skb;
  list.next = skb;
  skb.list = list;
  list.qlen++;
}

export function __skb_queue_after(list: sk_buff_head, prev: sk_buff, skb: sk_buff): void {
  if (prev.next === null) {
    __skb_queue_tail(list, skb);
    return;
  }
  skb.prev = prev;
  skb.next = prev.next;
  prev.next.prev = skb;
  prev.next = skb;
  skb.list = list;
  list.qlen++;
}

export function __skb_queue_before(list: sk_buff_head, next: sk_buff, skb: sk_buff): void {
  if (next.prev === null) __skb_queue_head(list, skb);
  else __skb_queue_after(list, next.prev, skb);
}

export function __skb_unlink(skb: sk_buff, list: sk_buff_head): void {
  if (skb.prev !== null) skb.prev.next = skb.next;
  else list.next = skb.next;
  if (skb.next !== null) skb.next.prev = skb.prev;
  else list.prev = skb.prev;
  skb.next = skb.prev = null;
  skb.list = null;
  list.qlen--;
}

export function __skb_dequeue(list: sk_buff_head): sk_buff | null {
  const skb = list.next;
  if (skb !== null) __skb_unlink(skb, list);
  return skb;
}

/** Moves all of `list` to the end of `head`. */
export function skb_queue_splice_tail_init(list: sk_buff_head, head: sk_buff_head): void {
  for (let skb = __skb_dequeue(list); skb !== null; skb = __skb_dequeue(list)) __skb_queue_tail(head, skb);
}

export const skb_queue_tail = __skb_queue_tail;
export const skb_queue_head = __skb_queue_head;
export const skb_dequeue = __skb_dequeue;
export const skb_unlink = __skb_unlink;
