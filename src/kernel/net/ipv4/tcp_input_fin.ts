/** net/ipv4/tcp_input.c: FIN and RST from the peer. */
import { trace } from '../../current.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { inet_csk_enter_pingpong_mode, inet_csk_schedule_ack } from '../../include/net/inet_sock.ts';
import { SOCK_DEAD, SOCK_DONE, type sock, sock_flag, sock_set_flag } from '../../include/net/sock.ts';
import { skbGsoSegs, tcp_is_sack, tcp_sack_reset } from '../../include/net/tcp.ts';
import { ECONNREFUSED, ECONNRESET, EPIPE } from '../../uapi/errno.ts';
import { RCV_SHUTDOWN } from '../../uapi/socket.ts';
import {
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../../uapi/tcp.ts';
import { sk_skb_reason_drop } from '../core/skbuff_free.ts';
import { skb_rbtree_purge } from '../core/skbuff_rbtree.ts';
import { tcp_time_wait } from './tcp_minisocks.ts';
import { tcp_send_ack } from './tcp_output_send.ts';
import { tcp_done_with_error, tcp_set_state } from './tcp_state.ts';

/** Inlined by gcc: the tracepoint shows the caller, `location`. */
export function tcp_drop_reason(sk: sock, skb: sk_buff, reason: number, location: string): void {
  sk.sk_drops += skbGsoSegs(skb);
  sk_skb_reason_drop(sk, skb, reason, location);
}

/** RFC 9293 (3.10.7.4), second: the error is what the user would get from a BSD. */
export function tcp_reset(sk: sock, _skb: sk_buff | null): void {
  trace().tcp_receive_reset?.(sk);
  switch (sk.skc_state) {
    case TCP_SYN_SENT:
      tcp_done_with_error(sk, ECONNREFUSED);
      break;
    case TCP_CLOSE_WAIT:
      tcp_done_with_error(sk, EPIPE);
      break;
    case TCP_CLOSE:
      break;
    default:
      tcp_done_with_error(sk, ECONNRESET);
  }
}

/** RFC 9293 (3.10.7.4), eighth: the FIN is next in sequence. */
export function tcp_fin(sk: sock): void {
  const tp = tcp_sk(sk);
  inet_csk_schedule_ack(sk);
  sk.sk_shutdown |= RCV_SHUTDOWN;
  sock_set_flag(sk, SOCK_DONE);
  switch (sk.skc_state) {
    case TCP_SYN_RECV:
    case TCP_ESTABLISHED:
      tcp_set_state(sk, TCP_CLOSE_WAIT);
      inet_csk_enter_pingpong_mode(sk);
      break;
    case TCP_FIN_WAIT1:
      // Both close at the same time.
      tcp_send_ack(sk);
      tcp_set_state(sk, TCP_CLOSING);
      break;
    case TCP_FIN_WAIT2:
      tcp_send_ack(sk);
      tcp_time_wait(sk, TCP_TIME_WAIT, 0);
      break;
    default:
    // CLOSE_WAIT, CLOSING, LAST_ACK: the FIN again.
  }
  // Nothing can come after a FIN.
  skb_rbtree_purge(tp.out_of_order_queue);
  tp.ooo_last_skb = null;
  if (tcp_is_sack(tp)) tcp_sack_reset(tp.rx_opt);
  if (!sock_flag(sk, SOCK_DEAD)) sk.sk_state_change(sk);
}
