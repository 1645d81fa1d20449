/**
 * net/ipv4/tcp_output.c: segments that carry no new data of the application: ACKs (`tcp_send_ack`, `tcp_send_delayed_ack`), FIN (`tcp_send_fin`),
 * RST (`tcp_send_active_reset`), probes of windows and of silent peers (`tcp_send_probe0`, `tcp_write_wakeup`).
 */
import { trace } from '../../current.ts';
import { type sk_buff, skb_reserve } from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC, type gfp_t, max, min } from '../../include/linux/types.ts';
import {
  ICSK_ACK_PUSHED,
  ICSK_ACK_SCHED,
  ICSK_ACK_TIMER,
  ICSK_TIME_DACK,
  ICSK_TIME_PROBE0,
  icsk_delack_timeout,
  inet_csk_in_pingpong_mode,
  inet_csk_schedule_ack,
} from '../../include/net/inet_sock.ts';
import { NET_INC_STATS, TCP_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  before,
  between,
  MAX_TCP_HEADER,
  TCP_ATO_MIN,
  TCP_DELACK_MAX,
  TCP_DELACK_MIN,
  TCP_NAGLE_OFF,
  TCP_RESOURCE_PROBE_INTERVAL,
  TCP_TIMEOUT_MIN,
  TCPHDR_ACK,
  TCPHDR_FIN,
  TCPHDR_PSH,
  TCPHDR_RST,
  tcp_probe0_when,
  tcp_rto_max,
  tcp_rto_min,
  tcp_rtx_queue_tail,
  tcp_send_head,
  tcp_skb_pcount,
  tcp_under_memory_pressure,
  tcp_wnd_end,
  tcp_write_queue_empty,
  tcp_write_queue_tail,
  u32add,
  u32sub,
} from '../../include/net/tcp.ts';
import { HZ, jiffies, msecs_to_jiffies, tcp_jiffies32, usecs_to_jiffies } from '../../kernel/time/timer.ts';
import { LINUX_MIB_TCPABORTFAILED, LINUX_MIB_TCPWINPROBE, TCP_MIB_OUTRSTS } from '../../uapi/snmp.ts';
import { TCP_CLOSE, TCP_ESTABLISHED } from '../../uapi/tcp.ts';
import { alloc_skb, alloc_skb_fclone } from '../core/skbuff.ts';
import { sk_reset_timer } from '../core/sock_callbacks.ts';
import { sk_forced_mem_schedule } from '../core/sock_mem.ts';
import { tcp_event_new_data_sent } from './tcp_output_event.ts';
import { TCP_FRAG_IN_WRITE_QUEUE, tcp_fragment, tcp_set_skb_tso_segs } from './tcp_output_fragment.ts';
import { tcp_current_mss } from './tcp_output_mss.ts';
import {
  __tcp_transmit_skb,
  skb_set_tcp_pure_ack,
  tcp_acceptable_seq,
  tcp_init_nondata_skb,
  tcp_mstamp_refresh,
  tcp_queue_skb,
  tcp_transmit_skb,
} from './tcp_output_transmit.ts';
import { __tcp_push_pending_frames } from './tcp_output_write.ts';
import { tcp_reset_xmit_timer } from './tcp_state.ts';

/** An skb with room for headers only. */
function headerSkb(gfp: gfp_t): sk_buff | null {
  const skb = alloc_skb(MAX_TCP_HEADER, gfp);
  if (skb !== null) skb_reserve(skb, MAX_TCP_HEADER);
  return skb;
}

/* ACKs */

/** No ACK may be delayed until the peer's shortest possible RTO. */
export function tcp_delack_max(sk: sock): number {
  return min(tcp_sk(sk).icsk_delack_max, max(tcp_rto_min(sk), 2) - 1);
}

/** How long the next ACK may wait: the estimate of the time between segments, bounded by half a second, 200 ms in a dialogue, and the RTT. */
function ackDelay(sk: sock): number {
  const tp = tcp_sk(sk);
  const ack = tp.icsk_ack;
  let ato = ack.ato;
  if (ato > TCP_DELACK_MIN()) {
    let max_ato = HZ() >> 1;
    if (inet_csk_in_pingpong_mode(sk) || (ack.pending & ICSK_ACK_PUSHED) !== 0) max_ato = TCP_DELACK_MAX();
    if (tp.srtt_us !== 0) max_ato = min(max_ato, max(usecs_to_jiffies(Math.floor(tp.srtt_us / 8)), TCP_DELACK_MIN()));
    ato = min(ato, max_ato);
  }
  return min(ato, tcp_delack_max(sk));
}

/** Arms the delayed-ACK timer; it never moves to a later time, and an ACK that is nearly due goes at once. */
export function tcp_send_delayed_ack(sk: sock): void {
  const tp = tcp_sk(sk);
  const ack = tp.icsk_ack;
  const ato = ackDelay(sk);
  let timeout = jiffies() + ato;
  if ((ack.pending & ICSK_ACK_TIMER) !== 0) {
    const due = icsk_delack_timeout(tp);
    if (due <= jiffies() + (ato >> 2)) {
      tcp_send_ack(sk);
      return;
    }
    timeout = min(timeout, due);
  }
  ack.pending |= ICSK_ACK_SCHED | ICSK_ACK_TIMER;
  sk_reset_timer(sk, tp.icsk_delack_timer, timeout);
}

export function __tcp_send_ack(sk: sock, rcv_nxt: number, flags: number): void {
  if (sk.skc_state === TCP_CLOSE) return;
  const buff = headerSkb(GFP_ATOMIC);
  if (buff === null) {
    retryAckLater(sk);
    return;
  }
  tcp_init_nondata_skb(buff, sk, tcp_acceptable_seq(sk), TCPHDR_ACK | flags);
  skb_set_tcp_pure_ack(buff);
  __tcp_transmit_skb(sk, buff, false, 0, rcv_nxt);
}

/** No memory for an ACK: the timer tries again, later each time. */
function retryAckLater(sk: sock): void {
  const ack = tcp_sk(sk).icsk_ack;
  const delay = TCP_DELACK_MAX() * (1 << ack.retry);
  if (delay < tcp_rto_max(sk)) ack.retry++;
  inet_csk_schedule_ack(sk);
  ack.ato = TCP_ATO_MIN();
  tcp_reset_xmit_timer(sk, ICSK_TIME_DACK, delay, false);
}

export function tcp_send_ack(sk: sock): void {
  __tcp_send_ack(sk, tcp_sk(sk).rcv_nxt, 0);
}

/* The end of a connection */

/** Sends a FIN: on the last segment that waits, or one of its own. */
export function tcp_send_fin(sk: sock): void {
  const tp = tcp_sk(sk);
  const tail = tcp_write_queue_tail(sk);
  const carrier = tail ?? (tcp_under_memory_pressure(sk) ? tcp_rtx_queue_tail(sk) : null);
  if (carrier !== null) {
    carrier.tcp.tcp_flags |= TCPHDR_FIN;
    carrier.tcp.end_seq = u32add(carrier.tcp.end_seq, 1);
    tp.write_seq = u32add(tp.write_seq, 1);
    if (tail === null) {
      // No memory for another segment: as if the FIN had gone with the one that is out already; a timeout will send it.
      tp.snd_nxt = u32add(tp.snd_nxt, 1);
      return;
    }
  } else {
    const skb = alloc_skb_fclone(MAX_TCP_HEADER, GFP_ATOMIC);
    if (skb === null) return;
    skb_reserve(skb, MAX_TCP_HEADER);
    sk_forced_mem_schedule(sk, skb.truesize);
    tcp_init_nondata_skb(skb, sk, tp.write_seq, TCPHDR_ACK | TCPHDR_FIN);
    tcp_queue_skb(sk, skb);
  }
  __tcp_push_pending_frames(sk, tcp_current_mss(sk), TCP_NAGLE_OFF);
}

/** Tells the peer that the connection is gone although it did nothing wrong. It is not retransmitted. */
export function tcp_send_active_reset(sk: sock, priority: gfp_t, reason: number): void {
  const network = sock_net(sk);
  TCP_INC_STATS(network, TCP_MIB_OUTRSTS);
  const skb = headerSkb(priority);
  if (skb === null) {
    NET_INC_STATS(network, LINUX_MIB_TCPABORTFAILED);
    return;
  }
  tcp_init_nondata_skb(skb, sk, tcp_acceptable_seq(sk), TCPHDR_ACK | TCPHDR_RST);
  tcp_mstamp_refresh(tcp_sk(sk));
  if (tcp_transmit_skb(sk, skb, false, priority) !== 0) NET_INC_STATS(network, LINUX_MIB_TCPABORTFAILED);
  trace().tcp_send_reset?.(sk, null, reason);
}

/* Probes */

/** A segment with an old sequence number, which the peer must answer with an ACK. `urgent`: with SND.UNA, to carry the urgent pointer. */
function tcp_xmit_probe_skb(sk: sock, urgent: boolean, mib: number): number {
  const tp = tcp_sk(sk);
  const skb = headerSkb(GFP_ATOMIC);
  if (skb === null) return -1;
  tcp_init_nondata_skb(skb, sk, urgent ? tp.snd_una : u32sub(tp.snd_una, 1), TCPHDR_ACK);
  NET_INC_STATS(sock_net(sk), mib);
  return tcp_transmit_skb(sk, skb, false, 0);
}

export function tcp_send_window_probe(sk: sock): void {
  if (sk.skc_state !== TCP_ESTABLISHED) return;
  const tp = tcp_sk(sk);
  tp.snd_wl1 = u32sub(tp.rcv_nxt, 1);
  tcp_mstamp_refresh(tp);
  tcp_xmit_probe_skb(sk, false, LINUX_MIB_TCPWINPROBE);
}

/** Sends something that makes the peer answer: data if its window has room for any, else an empty probe. */
export function tcp_write_wakeup(sk: sock, mib: number): number {
  const tp = tcp_sk(sk);
  if (sk.skc_state === TCP_CLOSE) return -1;
  const skb = tcp_send_head(sk);
  if (skb !== null && before(skb.tcp.seq, tcp_wnd_end(tp))) return sendPartOf(sk, skb);
  if (between(tp.snd_up, u32add(tp.snd_una, 1), u32add(tp.snd_una, 0xffff))) tcp_xmit_probe_skb(sk, true, mib);
  return tcp_xmit_probe_skb(sk, false, mib);
}

/** The window is open, but less than silly window avoidance would send into: now it has to do. */
function sendPartOf(sk: sock, skb: sk_buff): number {
  const tp = tcp_sk(sk);
  const cb = skb.tcp;
  const mss = tcp_current_mss(sk);
  const room = u32sub(tcp_wnd_end(tp), cb.seq);
  if (before(tp.pushed_seq, cb.end_seq)) tp.pushed_seq = cb.end_seq;
  if (room < u32sub(cb.end_seq, cb.seq) || skb.len > mss) {
    cb.tcp_flags |= TCPHDR_PSH;
    if (tcp_fragment(sk, TCP_FRAG_IN_WRITE_QUEUE, skb, min(room, mss), mss, GFP_ATOMIC) !== 0) return -1;
  } else if (tcp_skb_pcount(skb) === 0) tcp_set_skb_tso_segs(skb, mss);
  cb.tcp_flags |= TCPHDR_PSH;
  const err = tcp_transmit_skb(sk, skb, true, GFP_ATOMIC);
  if (err === 0) tcp_event_new_data_sent(sk, skb);
  return err;
}

/** net/ipv4/tcp_timer.c: a probe that is due after TCP_USER_TIMEOUT comes when that is over. */
export function tcp_clamp_probe0_to_user_timeout(sk: sock, when: number): number {
  const tp = tcp_sk(sk);
  if (tp.icsk_user_timeout === 0 || tp.icsk_probes_tstamp === 0) return when;
  const elapsed = max(tcp_jiffies32() - tp.icsk_probes_tstamp, 0);
  return min(max(msecs_to_jiffies(tp.icsk_user_timeout) - elapsed, TCP_TIMEOUT_MIN()), when);
}

/** The probe timer of a closed window is over: probes, and arms it again, twice as long. */
export function tcp_send_probe0(sk: sock): void {
  const tp = tcp_sk(sk);
  const err = tcp_write_wakeup(sk, LINUX_MIB_TCPWINPROBE);
  if (tp.packets_out !== 0 || tcp_write_queue_empty(sk)) {
    tp.icsk_probes_out = 0;
    tp.icsk_backoff = 0;
    tp.icsk_probes_tstamp = 0;
    return;
  }
  tp.icsk_probes_out++;
  let timeout: number;
  if (err <= 0) {
    if (tp.icsk_backoff < sock_net(sk).ipv4.sysctl_tcp_retries2) tp.icsk_backoff++;
    timeout = tcp_probe0_when(sk, tcp_rto_max(sk));
  } else timeout = TCP_RESOURCE_PROBE_INTERVAL(); // It never left the host.
  tcp_reset_xmit_timer(sk, ICSK_TIME_PROBE0, tcp_clamp_probe0_to_user_timeout(sk, timeout), true);
}
