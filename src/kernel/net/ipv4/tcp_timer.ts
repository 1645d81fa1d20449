import { TCPF_WRITE_TIMER_DEFERRED, tcp_sk } from '../../include/linux/tcp.ts';
import {
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  icsk_timeout,
} from '../../include/net/inet_sock.ts';
import { type sock, sock_owned_by_user } from '../../include/net/sock.ts';
import { hrtimer } from '../../kernel/time/hrtimer.ts';
import { jiffies } from '../../kernel/time/timer.ts';
import { TCPF_CLOSE, TCPF_LISTEN } from '../../uapi/tcp.ts';
import { sk_reset_timer } from '../core/sock_callbacks.ts';
import { sock_put } from '../core/sock_life.ts';
import { inet_csk_init_xmit_timers } from './inet_connection_sock_timers.ts';
import { tcp_clamp_probe0_to_user_timeout, tcp_mstamp_refresh, tcp_pace_kick, tcp_send_loss_probe } from './tcp_output.ts';
import { tcp_rack_reo_timeout } from './tcp_recovery.ts';
import { deferToOwner, tcp_compressed_ack_kick, tcp_delack_timer } from './tcp_timer_delack.ts';
import { tcp_keepalive_timer } from './tcp_timer_keepalive.ts';
import { tcp_probe_timer, tcp_retransmit_timer } from './tcp_timer_retransmit.ts';

export * from './tcp_timer_delack.ts';
export * from './tcp_timer_keepalive.ts';
export * from './tcp_timer_retransmit.ts';
export * from './tcp_timer_timeout.ts';
export { tcp_clamp_probe0_to_user_timeout };

/** The timer is over, or was when its owner had the socket. */
export function tcp_write_timer_handler(sk: sock): void {
  const tp = tcp_sk(sk);
  if (((1 << sk.skc_state) & (TCPF_CLOSE | TCPF_LISTEN)) !== 0 || tp.icsk_pending === 0) return;
  const due = icsk_timeout(tp);
  if (due > jiffies()) {
    sk_reset_timer(sk, tp.icsk_retransmit_timer, due);
    return;
  }
  tcp_mstamp_refresh(tp);
  const event = tp.icsk_pending;
  if (event === ICSK_TIME_REO_TIMEOUT) tcp_rack_reo_timeout(sk);
  else if (event === ICSK_TIME_LOSS_PROBE) tcp_send_loss_probe(sk);
  else {
    tp.icsk_pending = 0;
    if (event === ICSK_TIME_RETRANS) tcp_retransmit_timer(sk);
    else if (event === ICSK_TIME_PROBE0) tcp_probe_timer(sk);
  }
}

function tcp_write_timer(sk: sock): void {
  if (tcp_sk(sk).icsk_pending !== 0) {
    if (!sock_owned_by_user(sk)) tcp_write_timer_handler(sk);
    else deferToOwner(sk, TCPF_WRITE_TIMER_DEFERRED);
  }
  sock_put(sk);
}

export function tcp_init_xmit_timers(sk: sock): void {
  inet_csk_init_xmit_timers(sk, tcp_write_timer, tcp_delack_timer, tcp_keepalive_timer);
  tcp_sk(sk).pacing_timer = new hrtimer(() => tcp_pace_kick(sk), true, 'tcp_pace_kick');
  tcp_sk(sk).compressed_ack_timer = new hrtimer(() => tcp_compressed_ack_kick(sk), true, 'tcp_compressed_ack_kick');
}
