/**
 * net/core/sock.c: `skb_orphan_partial`: packets that are held back on purpose are taken off their sender's account, or delay would count as congestion of
 * the host. Apart from sock.ts, because TCP's destructor lies above it.
 */
import { type sk_buff, skb_orphan } from '../../include/linux/skbuff.ts';
import type { sock } from '../../include/net/sock.ts';
import { tcp_wfree } from '../ipv4/tcp_output_wfree.ts';
import { __sock_wfree, skb_set_owner_sk_safe, sock_wfree } from './sock_owner.ts';

const can_skb_orphan_partial = ({ destructor }: sk_buff): boolean => destructor === sock_wfree || destructor === tcp_wfree;

/** The packet pays no more, but its socket stays known. Pure acknowledgments pay nothing anyway: they are those of TCP's that nobody waits for. */
export function skb_orphan_partial(skb: sk_buff): void {
  if (skb.destructor === __sock_wfree) return;
  if (can_skb_orphan_partial(skb) && skb_set_owner_sk_safe(skb, skb.sk as sock)) return;
  skb_orphan(skb);
}
