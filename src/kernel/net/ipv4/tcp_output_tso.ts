/**
 * net/ipv4/tcp_output.c: how much goes out, and how large the pieces are: windows, Nagle's rule, TSO packet sizing and its deferral.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { max, min } from '../../include/linux/types.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  after,
  TCP_NAGLE_CORK,
  TCP_NAGLE_PUSH,
  TCPHDR_FIN,
  tcp_max_tso_deferred_mss,
  tcp_min_rtt,
  tcp_packets_in_flight,
  tcp_rtx_queue_head,
  tcp_skb_pcount,
  tcp_snd_cwnd,
  tcp_urg_mode,
  tcp_wnd_end,
  tcp_write_queue_tail,
  u32add,
  u32sub,
} from '../../include/net/tcp.ts';
import { TCP_CA_Recovery } from '../../uapi/tcp.ts';

const NSEC_PER_MSEC = 1_000_000;

/** Minshall: is a small packet on its way? Only that one delays the next small one, not full-sized ones before. */
export const tcp_minshall_check = (tp: tcp_sock): boolean => after(tp.snd_sml, tp.snd_una) && !after(tp.snd_sml, tp.snd_nxt);

/** Remembers the end of a packet whose last segment is not full. */
export function tcp_minshall_update(tp: tcp_sock, mss_now: number, skb: sk_buff): void {
  if (skb.len < tcp_skb_pcount(skb) * mss_now) tp.snd_sml = skb.tcp.end_seq;
}

/** Must a partial segment wait (RFC 9293 3.7.4, with Minshall's modification)? Always while corked. */
export const tcp_nagle_check = (partial: boolean, tp: tcp_sock, nonagle: number): boolean =>
  partial && ((nonagle & TCP_NAGLE_CORK) !== 0 || (nonagle === 0 && tp.packets_out !== 0 && tcp_minshall_check(tp)));

/** May this segment go as far as Nagle is concerned? Urgent data and a FIN do not wait. */
export function tcp_nagle_test(tp: tcp_sock, skb: sk_buff, cur_mss: number, nonagle: number): boolean {
  if ((nonagle & TCP_NAGLE_PUSH) !== 0) return true;
  if (tcp_urg_mode(tp) || (skb.tcp.tcp_flags & TCPHDR_FIN) !== 0) return true;
  return !tcp_nagle_check(skb.len < cur_mss, tp, nonagle);
}

/**
 * Segments of a packet such that it lasts about 1 ms at the pacing rate; for near peers more: an allowance of a whole GSO packet, halved for each
 * 2^tcp_tso_rtt_log µs of RTT.
 */
export function tcp_tso_autosize(sk: sock, mss_now: number, min_tso_segs: number): number {
  let bytes = Math.floor(sk.sk_pacing_rate / (1 << sk.sk_pacing_shift));
  const r = tcp_min_rtt(tcp_sk(sk)) >>> min(sock_net(sk).ipv4.sysctl_tcp_tso_rtt_log, 31);
  if (r < 32) bytes += sk.sk_gso_max_size >>> r;
  bytes = min(bytes, sk.sk_gso_max_size);
  return max(Math.floor(bytes / mss_now), min_tso_segs);
}

export function tcp_tso_segs(sk: sock, mss_now: number): number {
  const ca_ops = inet_csk(sk).icsk_ca_ops;
  const min_tso = ca_ops.min_tso_segs !== undefined ? ca_ops.min_tso_segs(sk) : sock_net(sk).ipv4.sysctl_tcp_min_tso_segs;
  return min(tcp_tso_autosize(sk, mss_now, min_tso), sk.sk_gso_max_segs);
}

/** How many bytes of `skb` may go at once: whole segments, and the rest of the last one if Nagle lets it. */
export function tcp_mss_split_point(sk: sock, skb: sk_buff, mss_now: number, max_segs: number, nonagle: number): number {
  const tp = tcp_sk(sk);
  const window = u32sub(tcp_wnd_end(tp), skb.tcp.seq);
  const max_len = mss_now * max_segs;
  if (max_len <= window && skb !== tcp_write_queue_tail(sk)) return max_len;
  const needed = min(skb.len, window);
  if (max_len <= needed) return max_len;
  const partial = needed % mss_now;
  return tcp_nagle_check(partial !== 0, tp, nonagle) ? needed - partial : needed;
}

/** How many segments cwnd allows; at most half of it at once, so that two packets are in flight. */
export function tcp_cwnd_test(tp: tcp_sock): number {
  const in_flight = tcp_packets_in_flight(tp);
  const cwnd = tcp_snd_cwnd(tp);
  if (in_flight >= cwnd) return 0;
  return min(max(cwnd >>> 1, 1), cwnd - in_flight);
}

/** Does its first segment fit into the peer's window? */
export function tcp_snd_wnd_test(tp: tcp_sock, skb: sk_buff, cur_mss: number): boolean {
  const end_seq = skb.len > cur_mss ? u32add(skb.tcp.seq, cur_mss) : skb.tcp.end_seq;
  return !after(end_seq, tcp_wnd_end(tp));
}

/** What tcp_tso_should_defer() says; in C a bool and two out-parameters. */
export const TSO_SEND_NOW = 0;
export const TSO_DEFER = 1;
export const TSO_DEFER_CWND_LIMITED = 2;
export const TSO_DEFER_RWND_LIMITED = 3;

/** Should a packet that is smaller than it could be wait for the next ACK to make it larger? Not if that ACK is far, nor after a pause. */
export function tcp_tso_should_defer(sk: sock, skb: sk_buff, max_segs: number): number {
  const tp = tcp_sk(sk);
  if (tp.icsk_ca_state >= TCP_CA_Recovery) return TSO_SEND_NOW;
  if (tp.tcp_clock_cache - tp.tcp_wstamp_ns - NSEC_PER_MSEC > 0) return TSO_SEND_NOW;
  const send_win = u32sub(tcp_wnd_end(tp), skb.tcp.seq);
  const cong_win = (tcp_snd_cwnd(tp) - tcp_packets_in_flight(tp)) * tp.mss_cache;
  const limit = min(send_win, cong_win);
  if (limit >= max_segs * tp.mss_cache) return TSO_SEND_NOW;
  if (skb !== tcp_write_queue_tail(sk) && limit >= skb.len) return TSO_SEND_NOW;
  if (enoughOfWindow(sk, limit) || !ackIsNear(sk)) return TSO_SEND_NOW;
  if (cong_win < send_win) {
    if (cong_win <= skb.len) return TSO_DEFER_CWND_LIMITED;
  } else if (send_win <= skb.len) return TSO_DEFER_RWND_LIMITED;
  // Nothing will be added to it any more.
  if ((skb.tcp.tcp_flags & TCPHDR_FIN) !== 0 || skb.tcp.eor) return TSO_SEND_NOW;
  return TSO_DEFER;
}

/** A fair part of the window (1/tcp_tso_win_divisor) is available. */
function enoughOfWindow(sk: sock, limit: number): boolean {
  const tp = tcp_sk(sk);
  const win_divisor = sock_net(sk).ipv4.sysctl_tcp_tso_win_divisor;
  if (win_divisor === 0) return limit > tcp_max_tso_deferred_mss(tp) * tp.mss_cache;
  return limit >= Math.floor(min(tp.snd_wnd, tcp_snd_cwnd(tp) * tp.mss_cache) / win_divisor);
}

/** The next ACK is due, by SRTT from the oldest segment, within min(1 ms, SRTT/2). */
function ackIsNear(sk: sock): boolean {
  const tp = tcp_sk(sk);
  const head = tcp_rtx_queue_head(sk);
  if (head === null) return false;
  const srtt_in_ns = 125 * tp.srtt_us;
  const threshold = min(Math.floor(srtt_in_ns / 2), NSEC_PER_MSEC);
  return head.skb_mstamp_ns + srtt_in_ns - tp.tcp_clock_cache - threshold <= 0;
}
