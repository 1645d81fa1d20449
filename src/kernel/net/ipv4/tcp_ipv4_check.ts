/** net/ipv4/tcp_ipv4.c, net/tcp.h: TCP's checksum over IPv4. On the way out only the pseudo header is summed; device or software do the rest. */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { inet_sk } from '../../include/net/inet_sock.ts';
import { ip_hdr } from '../../include/net/ip.ts';
import type { sock } from '../../include/net/sock.ts';
import { csum_tcpudp_magic, csum_tcpudp_nofold } from '../../lib/checksum.ts';
import { IPPROTO_TCP, tcphdr } from '../../uapi/in.ts';

const CHECK_OFFSET = tcphdr.offset.check;

export const tcp_v4_check = (len: number, saddr: number, daddr: number, base: number): number =>
  csum_tcpudp_magic(saddr, daddr, len, IPPROTO_TCP, base);

export function __tcp_v4_send_check(skb: sk_buff, saddr: number, daddr: number): void {
  const at = skb.transport_header;
  skb.mem.view.setUint16(at + CHECK_OFFSET, ~tcp_v4_check(skb.len, saddr, daddr, 0) & 0xffff);
  skb.csum_start = at;
  skb.csum_offset = CHECK_OFFSET;
}

export function tcp_v4_send_check(sk: sock, skb: sk_buff): void {
  __tcp_v4_send_check(skb, inet_sk(sk).inet_saddr, sk.skc_daddr);
}

/** Sum over the pseudo header of a received packet. */
export function inet_compute_pseudo(skb: sk_buff, proto: number): number {
  const iph = ip_hdr(skb);
  return csum_tcpudp_nofold(iph.saddr, iph.daddr, skb.len, proto, 0);
}
