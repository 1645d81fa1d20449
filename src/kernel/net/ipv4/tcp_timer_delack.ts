import { TCPF_DELACK_TIMER_DEFERRED, tcp_sk } from '../../include/linux/tcp.ts';
import { min } from '../../include/linux/types.ts';
import {
  ICSK_ACK_TIMER,
  icsk_delack_timeout,
  inet_csk_ack_scheduled,
  inet_csk_exit_pingpong_mode,
  inet_csk_in_pingpong_mode,
} from '../../include/net/inet_sock.ts';
import { __NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_hold, sock_net, sock_owned_by_user } from '../../include/net/sock.ts';
import { TCP_ATO_MIN } from '../../include/net/tcp.ts';
import { HRTIMER_NORESTART } from '../../kernel/time/hrtimer.ts';
import { jiffies } from '../../kernel/time/timer.ts';
import { LINUX_MIB_DELAYEDACKLOCKED, LINUX_MIB_DELAYEDACKS } from '../../uapi/snmp.ts';
import { TCPF_CLOSE, TCPF_LISTEN } from '../../uapi/tcp.ts';
import { sk_reset_timer } from '../core/sock_callbacks.ts';
import { sock_put } from '../core/sock_life.ts';
import { tcp_sack_compress_send_ack } from './tcp_input_rcv_sack.ts';
import { tcp_mstamp_refresh, tcp_send_ack } from './tcp_output.ts';

/** The delay is over: the ACK goes. It was too short (or the dialogue has ended): adapts it. */
export function tcp_delack_timer_handler(sk: sock): void {
  const tp = tcp_sk(sk);
  const ack = tp.icsk_ack;
  if (((1 << sk.skc_state) & (TCPF_CLOSE | TCPF_LISTEN)) !== 0) return;
  if (tp.compressed_ack !== 0) {
    tcp_mstamp_refresh(tp);
    tcp_sack_compress_send_ack(sk);
    return;
  }
  if ((ack.pending & ICSK_ACK_TIMER) === 0) return;
  const due = icsk_delack_timeout(tp);
  if (due > jiffies()) {
    sk_reset_timer(sk, tp.icsk_delack_timer, due);
    return;
  }
  ack.pending &= ~ICSK_ACK_TIMER;
  if (!inet_csk_ack_scheduled(sk)) return;
  if (!inet_csk_in_pingpong_mode(sk)) ack.ato = min(ack.ato * 2, tp.icsk_rto);
  else {
    inet_csk_exit_pingpong_mode(sk);
    ack.ato = TCP_ATO_MIN();
  }
  tcp_mstamp_refresh(tp);
  tcp_send_ack(sk);
  __NET_INC_STATS(sock_net(sk), LINUX_MIB_DELAYEDACKS);
}

export function tcp_delack_timer(sk: sock): void {
  const tp = tcp_sk(sk);
  if ((tp.icsk_ack.pending & ICSK_ACK_TIMER) !== 0 || tp.compressed_ack !== 0) {
    if (!sock_owned_by_user(sk)) tcp_delack_timer_handler(sk);
    else {
      __NET_INC_STATS(sock_net(sk), LINUX_MIB_DELAYEDACKLOCKED);
      deferToOwner(sk, TCPF_DELACK_TIMER_DEFERRED);
    }
  }
  sock_put(sk);
}

/** Leaves work to release_sock(), with a reference for it. */
export function deferToOwner(sk: sock, flag: number): void {
  if ((sk.sk_tsq_flags & flag) !== 0) return;
  sk.sk_tsq_flags |= flag;
  sock_hold(sk);
}

/** compressed_ack_timer, in softirq context. */
export function tcp_compressed_ack_kick(sk: sock): boolean {
  const tp = tcp_sk(sk);
  if (sock_owned_by_user(sk)) deferToOwner(sk, TCPF_DELACK_TIMER_DEFERRED);
  else if (tp.compressed_ack !== 0) {
    // One ACK goes: only the others were saved.
    tp.compressed_ack--;
    tcp_mstamp_refresh(tp);
    tcp_send_ack(sk);
  }
  sock_put(sk);
  return HRTIMER_NORESTART;
}
