/**
 * net/core/filter.c: socket filters. Simplified: SO_ATTACH_FILTER and SO_ATTACH_BPF do not exist, so nothing is trimmed or refused but packets that were
 * received with the kernel's last memory.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { SKB_DROP_REASON_PFMEMALLOC, SKB_NOT_DROPPED_YET } from '../../include/net/dropreason.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { SOCK_MEMALLOC, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import { LINUX_MIB_PFMEMALLOCDROP } from '../../uapi/snmp.ts';

/** Why the packet must be dropped, SKB_NOT_DROPPED_YET if it need not; a filter would keep at least `cap` bytes. */
export function sk_filter_trim_cap(sk: sock, skb: sk_buff, _cap: number): number {
  if (!skb.pfmemalloc || sock_flag(sk, SOCK_MEMALLOC)) return SKB_NOT_DROPPED_YET;
  NET_INC_STATS(sock_net(sk), LINUX_MIB_PFMEMALLOCDROP);
  return SKB_DROP_REASON_PFMEMALLOC;
}
