/**
 * net/ipv4/tcp.c: what the rest of TCP needs of tcp.c: state changes, the end of a connection, its queues and timers, chronographs.
 * `tcp_done_with_error` → `tcp_write_queue_purge` → `tcp_done` → `tcp_set_state` → `inet_csk_destroy_sock`.
 */
import { __skb_dequeue, __skb_queue_tail, type sk_buff } from '../../include/linux/skbuff.ts';
import { TCP_CHRONO_BUSY, TCP_CHRONO_UNSPEC, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { ICSK_TIME_PROBE0, inet_csk } from '../../include/net/inet_sock.ts';
import { TCP_DEC_STATS, TCP_INC_STATS } from '../../include/net/net_namespace.ts';
import { SOCK_BINDPORT_LOCK, SOCK_DEAD, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import {
  __tcp_adjust_rcv_ssthresh,
  tcp_clear_all_retrans_hints,
  tcp_pacing_delay,
  tcp_probe0_base,
  tcp_rto_max,
  tcp_rtx_and_write_queues_empty,
} from '../../include/net/tcp.ts';
import { hrtimer_try_to_cancel } from '../../kernel/time/hrtimer.ts';
import { tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { EINVAL } from '../../uapi/errno.ts';
import { TCP_MIB_ATTEMPTFAILS, TCP_MIB_CURRESTAB, TCP_MIB_ESTABRESETS } from '../../uapi/snmp.ts';
import { SHUTDOWN_MASK } from '../../uapi/socket.ts';
import { TCP_CLOSE, TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_SYN_RECV, TCP_SYN_SENT } from '../../uapi/tcp.ts';
import { reqsk_fastopen_remove } from '../core/request_sock.ts';
import { sk_error_report } from '../core/sock_callbacks.ts';
import { __sock_put } from '../core/sock_life.ts';
import { SOCK_MIN_RCVBUF } from '../core/sock_mem.ts';
import { inet_sk_state_store } from './af_inet_state.ts';
import { inet_csk_destroy_sock } from './inet_connection_sock_destroy.ts';
import { inet_csk_clear_xmit_timers, inet_csk_reset_xmit_timer } from './inet_connection_sock_timers.ts';
import { inet_put_port } from './inet_hashtables_bind.ts';
import { tcp_rtx_queue_unlink, tcp_wmem_free_skb } from './tcp_rtx_queue.ts';

/** Enters a state, keeping CurrEstab and EstabResets; in TCP_CLOSE the socket leaves the hash tables before anybody sees it closed. */
export function tcp_set_state(sk: sock, state: number): void {
  const oldstate = sk.skc_state;
  const wasEstablished = oldstate === TCP_ESTABLISHED || oldstate === TCP_CLOSE_WAIT;
  if (state === TCP_ESTABLISHED) {
    if (oldstate !== TCP_ESTABLISHED) TCP_INC_STATS(sock_net(sk), TCP_MIB_CURRESTAB);
  } else if (state === TCP_CLOSE_WAIT) {
    if (oldstate === TCP_SYN_RECV) TCP_INC_STATS(sock_net(sk), TCP_MIB_CURRESTAB);
  } else {
    if (state === TCP_CLOSE) leaveTables(sk, wasEstablished);
    if (wasEstablished) TCP_DEC_STATS(sock_net(sk), TCP_MIB_CURRESTAB);
  }
  inet_sk_state_store(sk, state);
}

function leaveTables(sk: sock, wasEstablished: boolean): void {
  if (wasEstablished) TCP_INC_STATS(sock_net(sk), TCP_MIB_ESTABRESETS);
  sk.skc_prot.unhash!(sk);
  if (inet_csk(sk).icsk_bind_hash !== null && (sk.sk_userlocks & SOCK_BINDPORT_LOCK) === 0) inet_put_port(sk);
}

/** The connection is over: the owner is told, or, if there is none, the socket goes. */
export function tcp_done(sk: sock): void {
  const req = tcp_sk(sk).fastopen_rsk;
  if (sk.skc_state === TCP_SYN_SENT || sk.skc_state === TCP_SYN_RECV) TCP_INC_STATS(sock_net(sk), TCP_MIB_ATTEMPTFAILS);
  tcp_set_state(sk, TCP_CLOSE);
  tcp_clear_xmit_timers(sk);
  if (req !== null) reqsk_fastopen_remove(sk, req, false);
  sk.sk_shutdown = SHUTDOWN_MASK;
  if (!sock_flag(sk, SOCK_DEAD)) sk.sk_state_change(sk);
  else inet_csk_destroy_sock(sk);
}

/** net/ipv4/tcp_input.c: ends the connection with an error (positive errno). */
export function tcp_done_with_error(sk: sock, err: number): void {
  sk.sk_err = err;
  tcp_write_queue_purge(sk);
  tcp_done(sk);
  if (!sock_flag(sk, SOCK_DEAD)) sk_error_report(sk);
}

export function tcp_write_queue_purge(sk: sock): void {
  tcp_chrono_stop(sk, TCP_CHRONO_BUSY);
  for (let skb = __skb_dequeue(sk.sk_write_queue); skb !== null; skb = __skb_dequeue(sk.sk_write_queue)) tcp_wmem_free_skb(sk, skb);
  tcp_rtx_queue_purge(sk);
  const tp = tcp_sk(sk);
  tcp_clear_all_retrans_hints(tp);
  tp.packets_out = 0;
  tp.icsk_backoff = 0;
}

export function tcp_rtx_queue_purge(sk: sock): void {
  tcp_sk(sk).highest_sack = null;
  for (let skb = sk.tcp_rtx_queue.first; skb !== null; skb = sk.tcp_rtx_queue.first) {
    tcp_rtx_queue_unlink(skb, sk);
    tcp_wmem_free_skb(sk, skb);
  }
}

/** Data waits to be sent: the connection is busy from the first segment on. */
export function tcp_add_write_queue_tail(sk: sock, skb: sk_buff): void {
  __skb_queue_tail(sk.sk_write_queue, skb);
  if (sk.sk_write_queue.next === skb) tcp_chrono_start(sk, TCP_CHRONO_BUSY);
}

function tcp_chrono_set(tp: tcp_sock, next: number): void {
  const now = tcp_jiffies32();
  const old = tp.chrono_type;
  if (old > TCP_CHRONO_UNSPEC) tp.chrono_stat[old - 1]! += now - tp.chrono_start;
  tp.chrono_start = now;
  tp.chrono_type = next;
}

/** Of several reasons to be slow, the one with the highest number is timed. */
export function tcp_chrono_start(sk: sock, type: number): void {
  const tp = tcp_sk(sk);
  if (type > tp.chrono_type) tcp_chrono_set(tp, type);
}

export function tcp_chrono_stop(sk: sock, type: number): void {
  const tp = tcp_sk(sk);
  if (tcp_rtx_and_write_queues_empty(sk)) tcp_chrono_set(tp, TCP_CHRONO_UNSPEC);
  else if (type === tp.chrono_type) tcp_chrono_set(tp, TCP_CHRONO_BUSY);
}

/** Arms the timer `what` for `when` jiffies from now; `pace_delay`: counted from when the pacer will let the packet go. */
export function tcp_reset_xmit_timer(sk: sock, what: number, when: number, pace_delay: boolean): void {
  inet_csk_reset_xmit_timer(sk, what, pace_delay ? when + tcp_pacing_delay(sk) : when, tcp_rto_max(sk));
}

/** Nothing in flight and no timer: only a window probe can get things going again. */
export function tcp_check_probe_timer(sk: sock): void {
  if (tcp_sk(sk).packets_out === 0 && inet_csk(sk).icsk_pending === 0)
    tcp_reset_xmit_timer(sk, ICSK_TIME_PROBE0, tcp_probe0_base(sk), true);
}

export function tcp_clear_xmit_timers(sk: sock): void {
  const tp = tcp_sk(sk);
  if (hrtimer_try_to_cancel(tp.pacing_timer) === 1) __sock_put(sk);
  if (hrtimer_try_to_cancel(tp.compressed_ack_timer) === 1) __sock_put(sk);
  inet_csk_clear_xmit_timers(sk);
}

/** The largest window ever offered; at least half the smallest buffer. rcv_ssthresh follows. */
export function tcp_set_window_clamp(sk: sock, val: number): number {
  const tp = tcp_sk(sk);
  if (val === 0) {
    if (sk.skc_state !== TCP_CLOSE) return -EINVAL;
    tp.window_clamp = 0;
    return 0;
  }
  const old = tp.window_clamp;
  const clamp = Math.max(SOCK_MIN_RCVBUF >> 1, val);
  if (clamp === old) return 0;
  tp.window_clamp = clamp;
  if (clamp < old) __tcp_adjust_rcv_ssthresh(sk, clamp);
  else tp.rcv_ssthresh = Math.max(Math.min(tp.rcv_wnd, clamp), tp.rcv_ssthresh);
  return 0;
}
