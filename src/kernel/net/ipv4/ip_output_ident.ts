/** include/net/ip.h: the identification field of packets (RFC 6864). */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { inet_sk } from '../../include/net/inet_sock.ts';
import { ip_hdr } from '../../include/net/ip.ts';
import type { net } from '../../include/net/net_namespace.ts';
import type { sock } from '../../include/net/sock.ts';
import { IP_DF } from '../../uapi/in.ts';
import { __ip_select_ident } from './route.ts';

/** A connected socket counts its own, `segs` at a time; other packets get 0 if they cannot be fragmented, else one that is hard to guess. */
export function ip_select_ident_segs(network: net, skb: sk_buff, sk: sock | null, segs: number): void {
  const iph = ip_hdr(skb);
  if (sk !== null && sk.skc_daddr !== 0) {
    const inet = inet_sk(sk);
    const id = inet.inet_id;
    inet.inet_id = (id + segs) & 0xffff;
    // Who shares a socket without its lock takes the number after counting, TCP the one before.
    iph.id = sk.sk_protocol === 6 ? id : inet.inet_id;
  } else if ((iph.frag_off & IP_DF) !== 0 && !skb.ignore_df) iph.id = 0;
  else __ip_select_ident(network, iph, segs);
}

export const ip_select_ident = (network: net, skb: sk_buff, sk: sock | null): void => ip_select_ident_segs(network, skb, sk, 1);
