/**
 * net/ipv4/tcp_input.c: room in the send buffer: growing it with the window, and waking who waits for it.
 * `tcp_check_space` → `tcp_new_space` → `tcp_sndbuf_expand`, `sk_write_space`.
 */

import { SKB_DATA_ALIGN, SKB_META_SIZE, SKB_SHINFO_SIZE } from '../../include/linux/skbuff.ts';
import { TCP_CHRONO_SNDBUF_LIMITED, tcp_sk } from '../../include/linux/tcp.ts';
import { roundup_pow_of_two } from '../../include/linux/types.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { SOCK_NOSPACE, SOCK_SNDBUF_LOCK, type sock, sock_net } from '../../include/net/sock.ts';
import { MAX_TCP_HEADER, TCP_INIT_CWND, tcp_packets_in_flight, tcp_under_memory_pressure } from '../../include/net/tcp.ts';
import { tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { sk_memory_allocated, sk_prot_mem_limits } from '../core/sock_mem.ts';
import { tcp_chrono_stop } from './tcp_state.ts';

/** Memory of one segment at worst: a frame per skb, its head rounded up to a power of two. */
function perSegmentMemory(sk: sock): number {
  const tp = tcp_sk(sk);
  const head = Math.max(tp.rx_opt.mss_clamp, tp.mss_cache) + MAX_TCP_HEADER + SKB_DATA_ALIGN(SKB_SHINFO_SIZE);
  return roundup_pow_of_two(head) + SKB_DATA_ALIGN(SKB_META_SIZE);
}

/** Twice the window: fast recovery needs as much again to keep the pipe full (RFC 5681 (3.2)). */
export function tcp_sndbuf_expand(sk: sock): void {
  const tp = tcp_sk(sk);
  const nr_segs = Math.max(TCP_INIT_CWND, tp.snd_cwnd, tp.reordering + 1);
  const factor = inet_csk(sk).icsk_ca_ops.sndbuf_expand?.(sk) ?? 2;
  const sndmem = factor * nr_segs * perSegmentMemory(sk);
  if (sk.sk_sndbuf < sndmem) sk.sk_sndbuf = Math.min(sndmem, sock_net(sk).ipv4.sysctl_tcp_wmem[2]);
}

function tcp_should_expand_sndbuf(sk: sock): boolean {
  const tp = tcp_sk(sk);
  if ((sk.sk_userlocks & SOCK_SNDBUF_LOCK) !== 0 || tcp_under_memory_pressure(sk)) return false;
  if (sk_memory_allocated(sk) >= sk_prot_mem_limits(sk, 0)) return false;
  // A full window is what holds it back, not the buffer.
  return tcp_packets_in_flight(tp) < tp.snd_cwnd;
}

function tcp_new_space(sk: sock): void {
  if (tcp_should_expand_sndbuf(sk)) {
    tcp_sndbuf_expand(sk);
    tcp_sk(sk).snd_cwnd_stamp = tcp_jiffies32();
  }
  sk.sk_write_space(sk);
}

/** Room was made, by an ACK or by sending what was held back: somebody may wait for it. */
export function tcp_check_space(sk: sock): void {
  const socket = sk.sk_socket;
  if (socket === null || (socket.flags & SOCK_NOSPACE) === 0) return;
  tcp_new_space(sk);
  if ((socket.flags & SOCK_NOSPACE) === 0) tcp_chrono_stop(sk, TCP_CHRONO_SNDBUF_LIMITED);
}
