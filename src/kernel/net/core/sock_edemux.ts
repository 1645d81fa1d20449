/**
 * net/core/sock.c: skbs owned by whatever a lookup returned: a socket, a request, a TIME_WAIT. Apart from sock.ts, because these are freed by
 * net/ipv4/inet_hashtables.ts, which builds on sock.ts.
 */
import { type sk_buff, skb_orphan } from '../../include/linux/skbuff.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import type { sock } from '../../include/net/sock.ts';
import { sock_gen_put } from '../ipv4/inet_hashtables.ts';

export function sock_edemux(skb: sk_buff): void {
  sock_gen_put(skb.sk!);
}

export function skb_set_owner_edemux(skb: sk_buff, sk: sock | request_sock): void {
  skb_orphan(skb);
  if (sk.skc_refcnt === 0) return;
  sk.skc_refcnt++;
  skb.sk = sk;
  skb.destructor = sock_edemux;
}
