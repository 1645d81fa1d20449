/**
 * net/ipv4/tcp_input.c: quick acknowledgements: how many segments are acknowledged at once before ACKs are delayed (RFC 5681 (4.2)).
 */
import { tcp_sk } from '../../include/linux/tcp.ts';
import { inet_csk, inet_csk_exit_pingpong_mode, inet_csk_in_pingpong_mode } from '../../include/net/inet_sock.ts';
import type { sock } from '../../include/net/sock.ts';
import { TCP_ATO_MIN } from '../../include/net/tcp.ts';

/** As many as half the window has segments, within limits. */
export function tcp_incr_quickack(sk: sock, max_quickacks: number): void {
  const ack = inet_csk(sk).icsk_ack;
  const wanted = Math.floor(tcp_sk(sk).rcv_wnd / (2 * ack.rcv_mss)) || 2;
  ack.quick = Math.max(ack.quick, Math.min(wanted, max_quickacks));
}

export function tcp_enter_quickack_mode(sk: sock, max_quickacks: number): void {
  tcp_incr_quickack(sk, max_quickacks);
  inet_csk_exit_pingpong_mode(sk);
  inet_csk(sk).icsk_ack.ato = TCP_ATO_MIN();
}

export function tcp_in_quickack_mode(sk: sock): boolean {
  const ack = inet_csk(sk).icsk_ack;
  return ack.dst_quick_ack || (ack.quick !== 0 && !inet_csk_in_pingpong_mode(sk));
}
