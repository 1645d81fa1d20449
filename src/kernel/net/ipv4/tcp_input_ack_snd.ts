/**
 * net/ipv4/tcp_input.c: after a segment: data that may go out now, and whether an ACK is due at once, later (RFC 5681 (4.2)), or, for a burst
 * out of order, once for many segments (ACK compression).
 */
import { TCPF_ACK_DEFERRED, tcp_sk } from '../../include/linux/tcp.ts';
import { ICSK_ACK_NOW, inet_csk, inet_csk_ack_scheduled } from '../../include/net/inet_sock.ts';
import { type sock, sock_hold, sock_net, sock_owned_by_user } from '../../include/net/sock.ts';
import { TCP_FASTRETRANS_THRESH, tcp_is_sack, u32sub } from '../../include/net/tcp.ts';
import { hrtimer_is_queued, hrtimer_start, ktime_get } from '../../kernel/time/hrtimer.ts';
import { tcp_check_space, tcp_in_quickack_mode } from './tcp_input_cwnd.ts';
import { tcp_send_ack, tcp_send_delayed_ack } from './tcp_output_send.ts';
import { __tcp_select_window } from './tcp_output_window.ts';
import { tcp_push_pending_frames } from './tcp_output_write.ts';

export function tcp_data_snd_check(sk: sock): void {
  tcp_push_pending_frames(sk);
  tcp_check_space(sk);
}

/** More than a segment, and the window moves on by it (else the reader sends the ACK); or quick ACKs; or once, by order. */
function isAckDueNow(sk: sock): boolean {
  const tp = tcp_sk(sk);
  if (
    u32sub(tp.rcv_nxt, tp.rcv_wup) > inet_csk(sk).icsk_ack.rcv_mss &&
    (u32sub(tp.rcv_nxt, tp.copied_seq) < sk.sk_rcvlowat || __tcp_select_window(sk) >= tp.rcv_wnd)
  )
    return true;
  return tcp_in_quickack_mode(sk) || (inet_csk(sk).icsk_ack.pending & ICSK_ACK_NOW) !== 0;
}

/** The first three duplicate ACKs go at once, since fast retransmit counts them; later ones at most each 5 % of an RTT, or 1 ms. */
function compressAck(sk: sock): void {
  const tp = tcp_sk(sk);
  const ipv4 = sock_net(sk).ipv4;
  if (!tcp_is_sack(tp) || tp.compressed_ack >= ipv4.sysctl_tcp_comp_sack_nr) {
    tcp_send_ack(sk);
    return;
  }
  if (tp.compressed_ack_rcv_nxt !== tp.rcv_nxt) {
    tp.compressed_ack_rcv_nxt = tp.rcv_nxt;
    tp.dup_ack_counter = 0;
  }
  if (tp.dup_ack_counter < TCP_FASTRETRANS_THRESH) {
    tp.dup_ack_counter++;
    tcp_send_ack(sk);
    return;
  }
  tp.compressed_ack++;
  if (hrtimer_is_queued(tp.compressed_ack_timer)) return;
  const rtt = tp.srtt_us !== 0 ? Math.min(tp.rcv_rtt_est.rtt_us, tp.srtt_us) : tp.rcv_rtt_est.rtt_us;
  // rtt is in eighths of a µs: 1000 / 8 / 20.
  const delay = Math.min(ipv4.sysctl_tcp_comp_sack_delay_ns, Math.floor((rtt * 125) / 20));
  sock_hold(sk);
  // The timer may be late by the slack, to share an interrupt; softirq timers run when the first of them must, so one alone always is.
  hrtimer_start(tp.compressed_ack_timer, ktime_get() + delay + ipv4.sysctl_tcp_comp_sack_slack_ns);
}

export function __tcp_ack_snd_check(sk: sock, ofo_possible: boolean): void {
  if (isAckDueNow(sk)) {
    // From the backlog, in the user's context: one ACK for all of it, when the socket is released.
    if (sock_owned_by_user(sk) && sock_net(sk).ipv4.sysctl_tcp_backlog_ack_defer !== 0) sk.sk_tsq_flags |= TCPF_ACK_DEFERRED;
    else tcp_send_ack(sk);
  } else if (!ofo_possible || tcp_sk(sk).out_of_order_queue.first === null) tcp_send_delayed_ack(sk);
  else compressAck(sk);
}

/** Unless data that was sent meanwhile carried the ACK. */
export function tcp_ack_snd_check(sk: sock): void {
  if (inet_csk_ack_scheduled(sk)) __tcp_ack_snd_check(sk, true);
}
