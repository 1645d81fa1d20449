/**
 * net/core/sock.c, include/net/sock.h: memory accounting of sockets.
 * `sk_wmem_schedule` / `sk_rmem_schedule` → `__sk_mem_schedule` → `__sk_mem_raise_allocated` (limits, pressure) and back by
 * `sk_mem_uncharge` → `sk_mem_reclaim` → `__sk_mem_reduce_allocated`.
 *
 * A socket buys whole pages from its protocol (`net.ipv4.tcp_mem`, `udp_mem`) into `sk_forward_alloc` and pays its buffers' truesize from there.
 *
 * Simplified: the protocol's counter is exact; Linux lets every CPU keep up to net.core.mem_pcpu_rsv pages aside. There are no memory cgroups.
 */
import { PAGE_SHIFT, PAGE_SIZE } from '../../../machine/memory.ts';
import { trace } from '../../current.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { SK_MEM_RECV, SK_MEM_SEND, SOCK_SNDBUF_LOCK, type sock } from '../../include/net/sock.ts';
import { jiffies } from '../../kernel/time/timer.ts';
import { IPPROTO_TCP } from '../../uapi/in.ts';
import { SOCK_STREAM } from '../../uapi/socket.ts';

/** Floor of buffers: two small packets. */
export const TCP_SKB_MIN_TRUESIZE = 2048 + 256;
export const SOCK_MIN_SNDBUF = TCP_SKB_MIN_TRUESIZE * 2;
export const SOCK_MIN_RCVBUF = TCP_SKB_MIN_TRUESIZE;

export const sk_mem_pages = (amt: number): number => Math.ceil(amt / PAGE_SIZE);
export const sk_has_account = (sk: sock): boolean => sk.protoMemory !== null;
export const sk_memory_allocated = (sk: sock): number => (sk.protoMemory === null ? 0 : sk.protoMemory.memory_allocated);
/** tcp_mem[index] and the like, in pages. */
export const sk_prot_mem_limits = (sk: sock, index: 0 | 1 | 2): number => sk.skc_prot.sysctl_mem!(sk.skc_net)[index];
export const sk_has_memory_pressure = (sk: sock): boolean => sk.skc_prot.enter_memory_pressure !== undefined;
export const sk_under_memory_pressure = (sk: sock): boolean => sk.protoMemory !== null && sk.protoMemory.memory_pressure !== 0;
export const sk_sockets_allocated_read_positive = (sk: sock): number => (sk.protoMemory === null ? 0 : sk.protoMemory.sockets_allocated);

export function sk_sockets_allocated_inc(sk: sock): void {
  if (sk.protoMemory !== null) sk.protoMemory.sockets_allocated++;
}

export function sk_sockets_allocated_dec(sk: sock): void {
  if (sk.protoMemory !== null) sk.protoMemory.sockets_allocated--;
}

/** Bytes that may be queued for sending beyond what is paid for already; buys pages if need be. */
export function sk_wmem_schedule(sk: sock, size: number): boolean {
  if (sk.protoMemory === null) return true;
  const delta = size - sk.sk_forward_alloc;
  return delta <= 0 || __sk_mem_schedule(sk, delta, SK_MEM_SEND);
}

export function sk_rmem_schedule(sk: sock, skb: sk_buff | null, size: number): boolean {
  if (sk.protoMemory === null) return true;
  const delta = size - sk.sk_forward_alloc;
  return delta <= 0 || __sk_mem_schedule(sk, delta, SK_MEM_RECV) || skb?.pfmemalloc === true;
}

/** Buys the pages for `size` bytes more; false (and nothing bought) when the protocol has none left for this socket. */
export function __sk_mem_schedule(sk: sock, size: number, kind: number): boolean {
  const amt = sk_mem_pages(size);
  sk.sk_forward_alloc += amt << PAGE_SHIFT;
  const granted = __sk_mem_raise_allocated(sk, size, amt, kind);
  if (!granted) sk.sk_forward_alloc -= amt << PAGE_SHIFT;
  return granted;
}

export function __sk_mem_raise_allocated(sk: sock, size: number, amt: number, kind: number): boolean {
  const memory = sk.protoMemory!;
  const limits = sk.skc_prot.sysctl_mem!(sk.skc_net);
  memory.memory_allocated += amt;
  if (memory.memory_allocated <= limits[0]) {
    sk_leave_memory_pressure(sk);
    return true;
  }
  if (memory.memory_allocated > limits[1]) sk_enter_memory_pressure(sk);
  if (memory.memory_allocated <= limits[2] && mayStillGrow(sk, kind, limits[2])) return true;
  return suppress_allocation(sk, size, amt, kind);
}

/** Between the limits a socket gets its guaranteed minimum, and its fair share of all there is. */
function mayStillGrow(sk: sock, kind: number, high: number): boolean {
  if (kind === SK_MEM_RECV) {
    if (sk.sk_rmem_alloc < sk_get_rmem0(sk)) return true;
  } else if (sk.sk_type === SOCK_STREAM) {
    if (sk.sk_wmem_queued < sk_get_wmem0(sk)) return true;
  } else if (sk.sk_wmem_alloc < sk_get_wmem0(sk)) return true;
  if (!sk_has_memory_pressure(sk)) return false;
  if (!sk_under_memory_pressure(sk)) return true;
  const own = sk_mem_pages(sk.sk_wmem_queued + sk.sk_rmem_alloc + sk.sk_forward_alloc);
  return high > sk_sockets_allocated_read_positive(sk) * own;
}

function suppress_allocation(sk: sock, size: number, amt: number, kind: number): boolean {
  if (kind === SK_MEM_SEND && sk.sk_type === SOCK_STREAM) {
    sk_stream_moderate_sndbuf(sk);
    // A stream above its send buffer will sleep in its next write; below it nothing would ever wake it, so it must fail now.
    if (sk.sk_wmem_queued + size >= sk.sk_sndbuf) return true;
  }
  trace().sock_exceed_buf_limit?.(sk, sk_memory_allocated(sk), kind);
  sk.protoMemory!.memory_allocated -= amt;
  return false;
}

export const sk_get_rmem0 = (sk: sock): number =>
  sk.sk_protocol === IPPROTO_TCP ? sk.skc_net.ipv4.sysctl_tcp_rmem[0] : sk.skc_net.ipv4.sysctl_udp_rmem_min;
export const sk_get_wmem0 = (sk: sock): number =>
  sk.sk_protocol === IPPROTO_TCP ? sk.skc_net.ipv4.sysctl_tcp_wmem[0] : sk.skc_net.ipv4.sysctl_udp_wmem_min;

export function sk_enter_memory_pressure(sk: sock): void {
  const memory = sk.protoMemory;
  if (memory === null || sk.skc_prot.enter_memory_pressure === undefined) return;
  sk.skc_prot.enter_memory_pressure(sk);
  if (memory.memory_pressure === 0) memory.memory_pressure = jiffies();
}

export function sk_leave_memory_pressure(sk: sock): void {
  const leave = sk.skc_prot.leave_memory_pressure;
  if (leave !== undefined) leave(sk);
  else if (sk.protoMemory !== null) sk.protoMemory.memory_pressure = 0;
}

/** Shrinks a send buffer that tuning had grown, unless its user fixed it. */
export function sk_stream_moderate_sndbuf(sk: sock): void {
  if ((sk.sk_userlocks & SOCK_SNDBUF_LOCK) !== 0) return;
  const half = Math.min(sk.sk_sndbuf, sk.sk_wmem_queued >> 1);
  sk.sk_sndbuf = Math.max(half, SOCK_MIN_SNDBUF);
}

/** Takes memory without asking: for segments that must exist (SYN, FIN), whatever the limits. */
export function sk_forced_mem_schedule(sk: sock, size: number): void {
  const delta = size - sk.sk_forward_alloc;
  if (delta <= 0) return;
  const amt = sk_mem_pages(delta);
  sk.sk_forward_alloc += amt << PAGE_SHIFT;
  if (sk.protoMemory !== null) sk.protoMemory.memory_allocated += amt;
}

export function sk_mem_charge(sk: sock, size: number): void {
  if (sk.protoMemory !== null) sk.sk_forward_alloc -= size;
}

export function sk_mem_uncharge(sk: sock, size: number): void {
  if (sk.protoMemory === null) return;
  sk.sk_forward_alloc += size;
  sk_mem_reclaim(sk);
}

/** Gives whole pages that nothing uses back to the protocol. */
export function sk_mem_reclaim(sk: sock): void {
  if (sk.protoMemory === null) return;
  if (sk.sk_forward_alloc >= PAGE_SIZE) __sk_mem_reclaim(sk, sk.sk_forward_alloc);
}

/** As sk_mem_reclaim(), for the last time: a socket that goes away keeps nothing. */
export function sk_mem_reclaim_final(sk: sock): void {
  sk_mem_reclaim(sk);
}

export function __sk_mem_reclaim(sk: sock, amount: number): void {
  const pages = amount >> PAGE_SHIFT;
  sk.sk_forward_alloc -= pages << PAGE_SHIFT;
  __sk_mem_reduce_allocated(sk, pages);
}

export function __sk_mem_reduce_allocated(sk: sock, amount: number): void {
  const memory = sk.protoMemory!;
  memory.memory_allocated -= amount;
  if (memory.memory_pressure !== 0 && memory.memory_allocated < sk_prot_mem_limits(sk, 0)) sk_leave_memory_pressure(sk);
}

export function sk_wmem_queued_add(sk: sock, value: number): void {
  sk.sk_wmem_queued += value;
}
