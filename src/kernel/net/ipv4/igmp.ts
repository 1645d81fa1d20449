/**
 * net/ipv4/igmp.c: multicast group membership (RFC 3376). A host is a member of 224.0.0.1 without ever reporting it, and no program can join another group:
 * queries need no answer, reports of others concern nobody.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { kfree_skb } from '../core/skbuff_free.ts';

/** The protocol's receive function. */
export function igmp_rcv(skb: sk_buff): number {
  kfree_skb(skb, 'igmp_rcv');
  return 0;
}
