/**
 * net/ipv4/tcp.c: memory of the sending side: pressure, forced and ordinary reservations, allocation of empty segments.
 * `tcp_stream_alloc_skb` → `sk_wmem_schedule` or `sk_forced_mem_schedule`.
 */
import { CHECKSUM_PARTIAL, SKB_TRUESIZE, type sk_buff, skb_end_offset, skb_reserve } from '../../include/linux/skbuff.ts';
import { type gfp_t, min } from '../../include/linux/types.ts';
import { NET_ADD_STATS, NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { MAX_TCP_HEADER } from '../../include/net/tcp.ts';
import { jiffies, jiffies_to_msecs } from '../../kernel/time/timer.ts';
import { LINUX_MIB_TCPMEMORYPRESSURES, LINUX_MIB_TCPMEMORYPRESSURESCHRONO } from '../../uapi/snmp.ts';
import { alloc_skb_fclone } from '../core/skbuff.ts';
import { __kfree_skb } from '../core/skbuff_free.ts';
import { sk_forced_mem_schedule, sk_stream_moderate_sndbuf, sk_wmem_schedule } from '../core/sock_mem.ts';

export function tcp_enter_memory_pressure(sk: sock): void {
  const memory = sk.protoMemory;
  if (memory === null || memory.memory_pressure !== 0) return;
  memory.memory_pressure = jiffies();
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPMEMORYPRESSURES);
}

export function tcp_leave_memory_pressure(sk: sock): void {
  const memory = sk.protoMemory;
  if (memory === null || memory.memory_pressure === 0) return;
  NET_ADD_STATS(sock_net(sk), LINUX_MIB_TCPMEMORYPRESSURESCHRONO, jiffies_to_msecs(jiffies() - memory.memory_pressure));
  memory.memory_pressure = 0;
}

/** An empty segment with room for headers; its payload goes into fragments. Null when memory is short. */
export function tcp_stream_alloc_skb(sk: sock, gfp: gfp_t, force_schedule: boolean): sk_buff | null {
  const skb = alloc_skb_fclone(MAX_TCP_HEADER, gfp);
  if (skb === null) {
    if (!sk.sk_bypass_prot_mem) tcp_enter_memory_pressure(sk);
    sk_stream_moderate_sndbuf(sk);
    return null;
  }
  skb.truesize = SKB_TRUESIZE(skb_end_offset(skb));
  if (!scheduleSegment(sk, skb.truesize, force_schedule)) {
    __kfree_skb(skb);
    return null;
  }
  skb_reserve(skb, MAX_TCP_HEADER);
  skb.ip_summed = CHECKSUM_PARTIAL;
  return skb;
}

function scheduleSegment(sk: sock, size: number, force: boolean): boolean {
  if (!force) return sk_wmem_schedule(sk, size);
  sk_forced_mem_schedule(sk, size);
  return true;
}

/** How many of `copy` bytes may be queued: all, or under pressure what tcp_wmem[0] guarantees. */
export function tcp_wmem_schedule(sk: sock, copy: number): number {
  if (sk_wmem_schedule(sk, copy)) return copy;
  const left = sock_net(sk).ipv4.sysctl_tcp_wmem[0] - sk.sk_wmem_queued;
  if (left > 0) sk_forced_mem_schedule(sk, min(left, copy));
  return min(copy, sk.sk_forward_alloc);
}
