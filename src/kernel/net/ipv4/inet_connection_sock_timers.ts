/**
 * net/ipv4/inet_connection_sock.c, include/net/inet_connection_sock.h: a connection's three timers.
 *
 * The retransmission timer serves five purposes, one at a time (`icsk_pending`). Clearing only takes the purpose away: the timer itself runs on
 * and finds nothing to do, which is cheaper than to disarm it on every ACK.
 */
import { ICSK_ACK_TIMER, ICSK_TIME_DACK, ICSK_TIME_PROBE0, ICSK_TIME_RETRANS, inet_csk } from '../../include/net/inet_sock.ts';
import type { sock } from '../../include/net/sock.ts';
import { jiffies, timer_list } from '../../kernel/time/timer.ts';
import { sk_reset_timer, sk_stop_timer, sk_stop_timer_sync } from '../core/sock_callbacks.ts';

type timerHandler = (sk: sock) => void;

/** Every handler gets the socket; an armed timer holds a reference of it, which the handler gives up. */
export function inet_csk_init_xmit_timers(
  sk: sock,
  retransmit_handler: timerHandler,
  delack_handler: timerHandler,
  keepalive_handler: timerHandler,
): void {
  const icsk = inet_csk(sk);
  icsk.icsk_retransmit_timer = new timer_list(() => retransmit_handler(sk), retransmit_handler.name);
  icsk.icsk_delack_timer = new timer_list(() => delack_handler(sk), delack_handler.name);
  icsk.icsk_keepalive_timer = new timer_list(() => keepalive_handler(sk), keepalive_handler.name);
  sk.sk_timer = icsk.icsk_keepalive_timer;
  icsk.icsk_pending = 0;
  icsk.icsk_ack.pending = 0;
}

export function inet_csk_clear_xmit_timers(sk: sock): void {
  const icsk = inet_csk(sk);
  icsk.icsk_pending = 0;
  icsk.icsk_ack.pending = 0;
  sk_stop_timer(sk, icsk.icsk_retransmit_timer);
  sk_stop_timer(sk, icsk.icsk_delack_timer);
  sk_stop_timer(sk, icsk.icsk_keepalive_timer);
}

export function inet_csk_clear_xmit_timers_sync(sk: sock): void {
  const icsk = inet_csk(sk);
  icsk.icsk_pending = 0;
  icsk.icsk_ack.pending = 0;
  sk_stop_timer_sync(sk, icsk.icsk_retransmit_timer);
  sk_stop_timer_sync(sk, icsk.icsk_delack_timer);
  sk_stop_timer_sync(sk, icsk.icsk_keepalive_timer);
}

/** Arms a timer for purpose `what`, in `when` jiffies but at most `max_when`. */
export function inet_csk_reset_xmit_timer(sk: sock, what: number, when: number, max_when: number): void {
  const icsk = inet_csk(sk);
  const expires = jiffies() + (when > max_when ? max_when : when);
  if (what === ICSK_TIME_DACK) {
    icsk.icsk_ack.pending |= ICSK_ACK_TIMER;
    icsk.icsk_ack.timeout = expires;
    sk_reset_timer(sk, icsk.icsk_delack_timer, expires);
  } else {
    icsk.icsk_pending = what;
    icsk.icsk_timeout = expires;
    sk_reset_timer(sk, icsk.icsk_retransmit_timer, expires);
  }
}

export function inet_csk_clear_xmit_timer(sk: sock, what: number): void {
  const icsk = inet_csk(sk);
  if (what === ICSK_TIME_RETRANS || what === ICSK_TIME_PROBE0) icsk.icsk_pending = 0;
  else if (what === ICSK_TIME_DACK) {
    icsk.icsk_ack.pending = 0;
    icsk.icsk_ack.retry = 0;
  }
}

export function inet_csk_delete_keepalive_timer(sk: sock): void {
  sk_stop_timer(sk, inet_csk(sk).icsk_keepalive_timer);
}

export function inet_csk_reset_keepalive_timer(sk: sock, len: number): void {
  sk_reset_timer(sk, inet_csk(sk).icsk_keepalive_timer, jiffies() + len);
}
