/**
 * net/ipv4/tcp_output.c: congestion window validation (RFC 2861, RFC 7661): a window that was not used is no licence to burst.
 * `tcp_slow_start_after_idle_check` → `tcp_cwnd_restart` after an idle time; `tcp_cwnd_validate` after each sending.
 */

import { TCP_CHRONO_SNDBUF_LIMITED, tcp_sk } from '../../include/linux/tcp.ts';
import { max, min } from '../../include/linux/types.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { __sk_dst_get, SOCK_NOSPACE, type sock, sock_net } from '../../include/net/sock.ts';
import {
  before,
  tcp_ca_event,
  tcp_current_ssthresh,
  tcp_is_cwnd_limited,
  tcp_snd_cwnd,
  tcp_snd_cwnd_set,
  tcp_write_queue_empty,
} from '../../include/net/tcp.ts';
import { CA_EVENT_CWND_RESTART } from '../../include/net/tcp_congestion_ops.ts';
import { tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { TCP_CA_Open, TCPF_CLOSE_WAIT, TCPF_ESTABLISHED } from '../../uapi/tcp.ts';
import { tcp_init_cwnd } from './tcp_input_cwnd.ts';
import { tcp_chrono_start } from './tcp_state.ts';

/** Nothing was sent for `delta` jiffies: the window is halved for every RTO of them, down to the restart window. */
export function tcp_cwnd_restart(sk: sock, delta: number): void {
  const tp = tcp_sk(sk);
  let cwnd = tcp_snd_cwnd(tp);
  const restart_cwnd = min(tcp_init_cwnd(tp, __sk_dst_get(sk)), cwnd);
  tcp_ca_event(sk, CA_EVENT_CWND_RESTART);
  tp.snd_ssthresh = tcp_current_ssthresh(sk);
  for (delta -= tp.icsk_rto; delta > 0 && cwnd > restart_cwnd; delta -= tp.icsk_rto) cwnd >>>= 1;
  tcp_snd_cwnd_set(tp, max(cwnd, restart_cwnd));
  tp.snd_cwnd_stamp = tcp_jiffies32();
  tp.snd_cwnd_used = 0;
}

/** include/net/tcp.h: asked when the first segment after a pause is queued. */
export function tcp_slow_start_after_idle_check(sk: sock): void {
  const tp = tcp_sk(sk);
  if (sock_net(sk).ipv4.sysctl_tcp_slow_start_after_idle === 0 || tp.packets_out !== 0) return;
  if (inet_csk(sk).icsk_ca_ops.cong_control !== undefined) return;
  const delta = tcp_jiffies32() - tp.lsndtime;
  if (delta > tp.icsk_rto) tcp_cwnd_restart(sk, delta);
}

/** For a whole RTO the window was not full: it shrinks halfway to what was used. Not if the send buffer was the limit. */
function tcp_cwnd_application_limited(sk: sock): void {
  const tp = tcp_sk(sk);
  if (tp.icsk_ca_state === TCP_CA_Open && sk.sk_socket !== null && (sk.sk_socket.flags & SOCK_NOSPACE) === 0) {
    const win_used = max(tp.snd_cwnd_used, tcp_init_cwnd(tp, __sk_dst_get(sk)));
    if (win_used < tcp_snd_cwnd(tp)) {
      tp.snd_ssthresh = tcp_current_ssthresh(sk);
      tcp_snd_cwnd_set(tp, (tcp_snd_cwnd(tp) + win_used) >>> 1);
    }
    tp.snd_cwnd_used = 0;
  }
  tp.snd_cwnd_stamp = tcp_jiffies32();
}

/** Something was sent, or wanted to be: was the window the limit? Remembered for a window's length. */
export function tcp_cwnd_validate(sk: sock, is_cwnd_limited: boolean): void {
  const tp = tcp_sk(sk);
  if (!before(tp.snd_una, tp.cwnd_usage_seq) || is_cwnd_limited || (!tp.is_cwnd_limited && tp.packets_out > tp.max_packets_out)) {
    tp.is_cwnd_limited = is_cwnd_limited;
    tp.max_packets_out = tp.packets_out;
    tp.cwnd_usage_seq = tp.snd_nxt;
  }
  if (tcp_is_cwnd_limited(sk)) {
    tp.snd_cwnd_used = 0;
    tp.snd_cwnd_stamp = tcp_jiffies32();
  } else notCwndLimited(sk);
}

function notCwndLimited(sk: sock): void {
  const tp = tcp_sk(sk);
  if (tp.packets_out > tp.snd_cwnd_used) tp.snd_cwnd_used = tp.packets_out;
  if (
    sock_net(sk).ipv4.sysctl_tcp_slow_start_after_idle !== 0 &&
    tcp_jiffies32() - tp.snd_cwnd_stamp >= tp.icsk_rto &&
    tp.icsk_ca_ops.cong_control === undefined
  )
    tcp_cwnd_application_limited(sk);
  // All is sent, the window is open, and the application sleeps for room: its buffer is too small.
  if (
    tcp_write_queue_empty(sk) &&
    sk.sk_socket !== null &&
    (sk.sk_socket.flags & SOCK_NOSPACE) !== 0 &&
    ((1 << sk.skc_state) & (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT)) !== 0
  )
    tcp_chrono_start(sk, TCP_CHRONO_SNDBUF_LIMITED);
}
