/** net/core/skbuff.c: `skb_rbtree_purge`. */
import { type skbTree, skbTreeErase } from '../../include/linux/skbuff_rbtree.ts';
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../include/net/dropreason.ts';
import { sk_skb_reason_drop } from './skbuff_free.ts';

/** Drops all of a tree. */
export function skb_rbtree_purge(root: skbTree): void {
  for (let skb = root.first; skb !== null; skb = root.first) {
    skbTreeErase(root, skb);
    sk_skb_reason_drop(null, skb, SKB_DROP_REASON_NOT_SPECIFIED, 'skb_rbtree_purge');
  }
}
