/**
 * net/ipv4/tcp_output.c: what softirqs could not do while the socket had an owner is done when it is released.
 */
import {
  TCP_DEFERRED_ALL,
  TCPF_ACK_DEFERRED,
  TCPF_DELACK_TIMER_DEFERRED,
  TCPF_MTU_REDUCED_DEFERRED,
  TCPF_TSQ_DEFERRED,
  TCPF_WRITE_TIMER_DEFERRED,
} from '../../include/linux/tcp.ts';
import { inet_csk, inet_csk_ack_scheduled } from '../../include/net/inet_sock.ts';
import type { sock } from '../../include/net/sock.ts';
import { __sock_put } from '../core/sock_life.ts';
import { tcp_send_ack } from './tcp_output_send.ts';
import { tcp_tsq_write } from './tcp_output_tsq.ts';
import { tcp_delack_timer_handler, tcp_write_timer_handler } from './tcp_timer.ts';

/** Each deferral but that of the ACK holds a reference. */
export function tcp_release_cb(sk: sock): void {
  const flags = sk.sk_tsq_flags;
  if ((flags & TCP_DEFERRED_ALL) === 0) return;
  sk.sk_tsq_flags = flags & ~TCP_DEFERRED_ALL;
  if ((flags & TCPF_TSQ_DEFERRED) !== 0) {
    tcp_tsq_write(sk);
    __sock_put(sk);
  }
  if ((flags & TCPF_WRITE_TIMER_DEFERRED) !== 0) {
    tcp_write_timer_handler(sk);
    __sock_put(sk);
  }
  if ((flags & TCPF_DELACK_TIMER_DEFERRED) !== 0) {
    tcp_delack_timer_handler(sk);
    __sock_put(sk);
  }
  if ((flags & TCPF_MTU_REDUCED_DEFERRED) !== 0) {
    inet_csk(sk).icsk_af_ops.mtu_reduced(sk);
    __sock_put(sk);
  }
  if ((flags & TCPF_ACK_DEFERRED) !== 0 && inet_csk_ack_scheduled(sk)) tcp_send_ack(sk);
}
