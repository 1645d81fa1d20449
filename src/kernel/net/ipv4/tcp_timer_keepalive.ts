import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { SK_RST_REASON_TCP_KEEPALIVE_TIMEOUT, SK_RST_REASON_TCP_STATE } from '../../include/net/rstreason.ts';
import { SOCK_DEAD, SOCK_KEEPOPEN, type sock, sock_flag, sock_owned_by_user } from '../../include/net/sock.ts';
import {
  keepalive_intvl_when,
  keepalive_probes,
  keepalive_time_elapsed,
  keepalive_time_when,
  TCP_RESOURCE_PROBE_INTERVAL,
  TCP_TIMEWAIT_LEN,
  tcp_fin_time,
  tcp_write_queue_empty,
} from '../../include/net/tcp.ts';
import { HZ, msecs_to_jiffies } from '../../kernel/time/timer.ts';
import { LINUX_MIB_TCPKEEPALIVE } from '../../uapi/snmp.ts';
import { TCP_FIN_WAIT2, TCP_LISTEN, TCPF_CLOSE, TCPF_LISTEN, TCPF_SYN_SENT } from '../../uapi/tcp.ts';
import { sock_put } from '../core/sock_life.ts';
import { inet_csk_delete_keepalive_timer, inet_csk_reset_keepalive_timer } from './inet_connection_sock_timers.ts';
import { tcp_time_wait } from './tcp_minisocks_tw.ts';
import { tcp_mstamp_refresh, tcp_send_active_reset, tcp_write_wakeup } from './tcp_output.ts';
import { tcp_done } from './tcp_state.ts';
import { tcp_write_err } from './tcp_timer_timeout.ts';

export function tcp_reset_keepalive_timer(sk: sock, len: number): void {
  inet_csk_reset_keepalive_timer(sk, len);
}

function tcp_delete_keepalive_timer(sk: sock): void {
  inet_csk_delete_keepalive_timer(sk);
}

/** SO_KEEPALIVE is being changed to `val`. */
export function tcp_set_keepalive(sk: sock, val: boolean): void {
  if (((1 << sk.skc_state) & (TCPF_CLOSE | TCPF_LISTEN)) !== 0) return;
  if (val && !sock_flag(sk, SOCK_KEEPOPEN)) tcp_reset_keepalive_timer(sk, keepalive_time_when(tcp_sk(sk)));
  else if (!val) tcp_delete_keepalive_timer(sk);
}

/** Also ends FIN_WAIT2 of orphans. */
export function tcp_keepalive_timer(sk: sock): void {
  const tp = tcp_sk(sk);
  if (sock_owned_by_user(sk)) tcp_reset_keepalive_timer(sk, Math.floor(HZ() / 20));
  else if (sk.skc_state !== TCP_LISTEN) {
    tcp_mstamp_refresh(tp);
    if (sk.skc_state === TCP_FIN_WAIT2 && sock_flag(sk, SOCK_DEAD)) endFinWait2(sk);
    else if (sock_flag(sk, SOCK_KEEPOPEN) && ((1 << sk.skc_state) & (TCPF_CLOSE | TCPF_SYN_SENT)) === 0) keepAlive(sk, tp);
  }
  sock_put(sk);
}

/** What is left of the FIN_WAIT2 time beyond TIME_WAIT's length was waited for here; the rest a TIME_WAIT socket does. */
function endFinWait2(sk: sock): void {
  if (tcp_sk(sk).linger2 >= 0) {
    const tmo = tcp_fin_time(sk) - TCP_TIMEWAIT_LEN();
    if (tmo > 0) {
      tcp_time_wait(sk, TCP_FIN_WAIT2, tmo);
      return;
    }
  }
  tcp_send_active_reset(sk, GFP_ATOMIC, SK_RST_REASON_TCP_STATE);
  tcp_done(sk);
}

/** RFC 9293 3.8.4. */
function keepAlive(sk: sock, tp: tcp_sock): void {
  const time = keepalive_time_when(tp);
  // With data in flight the retransmission timer sees whether the peer lives.
  if (tp.packets_out !== 0 || !tcp_write_queue_empty(sk)) {
    tcp_reset_keepalive_timer(sk, time);
    return;
  }
  const elapsed = keepalive_time_elapsed(tp);
  if (elapsed < time) {
    tcp_reset_keepalive_timer(sk, time - elapsed);
    return;
  }
  if (peerIsDead(tp, elapsed)) {
    tcp_send_active_reset(sk, GFP_ATOMIC, SK_RST_REASON_TCP_KEEPALIVE_TIMEOUT);
    tcp_write_err(sk);
    return;
  }
  if (tcp_write_wakeup(sk, LINUX_MIB_TCPKEEPALIVE) <= 0) {
    tp.icsk_probes_out++;
    tcp_reset_keepalive_timer(sk, keepalive_intvl_when(tp));
  } else tcp_reset_keepalive_timer(sk, TCP_RESOURCE_PROBE_INTERVAL());
}

/** TCP_USER_TIMEOUT takes the place of the number of probes (RFC 5482 4). */
function peerIsDead(tp: tcp_sock, elapsed: number): boolean {
  if (tp.icsk_user_timeout !== 0) return elapsed >= msecs_to_jiffies(tp.icsk_user_timeout) && tp.icsk_probes_out > 0;
  return tp.icsk_probes_out >= keepalive_probes(tp);
}
