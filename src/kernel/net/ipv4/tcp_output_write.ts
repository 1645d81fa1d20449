/**
 * net/ipv4/tcp_output.c: sends from the write queue what windows, pacing and small queues allow.
 * `__tcp_push_pending_frames` or `tcp_push_one` → `tcp_write_xmit` → `tcp_transmit_skb`, `tcp_event_new_data_sent`; then `tcp_schedule_loss_probe`.
 */
import { InvariantError } from '../../../sim/invariant.ts';
import { type sk_buff, skb_fclone_busy } from '../../include/linux/skbuff.ts';
import { TCP_CHRONO_RWND_LIMITED, TSQF_THROTTLED, tcp_sk } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC, type gfp_t, max, min } from '../../include/linux/types.ts';
import { ICSK_TIME_LOSS_PROBE } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_hold, sock_net } from '../../include/net/sock.ts';
import {
  TCP_NAGLE_PUSH,
  TCP_TIMEOUT_INIT,
  TCP_TIMEOUT_MIN_US,
  tcp_ecn_mode_accecn,
  tcp_in_cwnd_reduction,
  tcp_is_sack,
  tcp_needs_internal_pacing,
  tcp_packets_in_flight,
  tcp_rto_delta_us,
  tcp_rto_min_us,
  tcp_rtx_queue_head,
  tcp_send_head,
  tcp_skb_can_collapse,
  tcp_skb_is_last,
  tcp_skb_pcount,
  tcp_snd_cwnd,
  tcp_urg_mode,
  tcp_write_queue_empty,
  u32add,
} from '../../include/net/tcp.ts';
import { tcp_accecn_option_beacon_check } from '../../include/net/tcp_ecn.ts';
import { hrtimer_is_queued, hrtimer_start } from '../../kernel/time/hrtimer.ts';
import { jiffies_to_usecs, usecs_to_jiffies } from '../../kernel/time/timer.ts';
import { LINUX_MIB_TCPSPURIOUSRTXHOSTQUEUES } from '../../uapi/snmp.ts';
import { TCP_CA_CWR, TCP_CA_Open, TCP_CLOSE } from '../../uapi/tcp.ts';
import { skb_shift } from '../core/skbuff_split.ts';
import { tcp_cwnd_validate } from './tcp_output_cwnd.ts';
import { tcp_event_new_data_sent } from './tcp_output_event.ts';
import { tcp_eat_one_skb, tcp_set_skb_tso_segs, tso_fragment } from './tcp_output_fragment.ts';
import { tcp_current_mss } from './tcp_output_mss.ts';
import { MTU_PROBE_SENT, MTU_PROBE_WAIT, tcp_mtu_probe } from './tcp_output_probe.ts';
import { tcp_mstamp_refresh, tcp_transmit_skb } from './tcp_output_transmit.ts';
import {
  TSO_DEFER_CWND_LIMITED,
  TSO_DEFER_RWND_LIMITED,
  TSO_SEND_NOW,
  tcp_cwnd_test,
  tcp_minshall_update,
  tcp_mss_split_point,
  tcp_nagle_test,
  tcp_snd_wnd_test,
  tcp_tso_segs,
  tcp_tso_should_defer,
} from './tcp_output_tso.ts';
import { tcp_check_probe_timer, tcp_chrono_start, tcp_chrono_stop, tcp_reset_xmit_timer } from './tcp_state.ts';

/** push_one of tcp_write_xmit(): one segment; one segment even beyond cwnd, as a loss probe. */
export const PUSH_ONE = 1;
export const PUSH_LOSS_PROBE = 2;

/** Must the socket wait for its pacing timer? Arms it. */
export function tcp_pacing_check(sk: sock): boolean {
  const tp = tcp_sk(sk);
  if (!tcp_needs_internal_pacing(sk) || tp.tcp_wstamp_ns <= tp.tcp_clock_cache) return false;
  if (!hrtimer_is_queued(tp.pacing_timer)) {
    hrtimer_start(tp.pacing_timer, tp.tcp_wstamp_ns);
    sock_hold(sk);
  }
  return true;
}

/**
 * TCP Small Queues: true when the socket has enough in qdisc and device: about 1 ms at the pacing rate, two packets at least, shifted by `factor` for
 * retransmissions. It goes on when a packet is freed.
 */
export function tcp_small_queue_check(sk: sock, skb: sk_buff, factor: number): boolean {
  const tp = tcp_sk(sk);
  let limit = max(2 * skb.truesize, Math.floor(sk.sk_pacing_rate / (1 << sk.sk_pacing_shift)));
  limit = min(limit, sock_net(sk).ipv4.sysctl_tcp_limit_output_bytes) * (1 << factor);
  // TCP_TX_DELAY keeps packets in the qdisc on purpose: what leaves in that time, doubled for skb overhead.
  if (tp.tcp_tx_delay !== 0) limit += Math.floor((sk.sk_pacing_rate * tp.tcp_tx_delay) / 2 ** 19);
  if (sk.sk_wmem_alloc <= limit) return false;
  // With nothing or one segment out, an ACK might never come to save us from a completion that is late.
  const head = tcp_rtx_queue_head(sk);
  if (head === null || head.next === null) return false;
  sk.sk_tsq_flags |= TSQF_THROTTLED;
  return true;
}

/** The segment at hand is smaller than it might be: takes payload over from the next one. */
function tcp_grow_skb(sk: sock, skb: sk_buff, amount: number): void {
  if (tcp_skb_is_last(sk, skb)) return;
  const next_skb = skb.next!;
  if (!tcp_skb_can_collapse(skb, next_skb)) return;
  const nlen = min(amount, next_skb.len);
  if (nlen === 0 || skb_shift(skb, next_skb, nlen) === 0) return;
  skb.tcp.end_seq = u32add(skb.tcp.end_seq, nlen);
  next_skb.tcp.seq = u32add(next_skb.tcp.seq, nlen);
  if (next_skb.len !== 0) return;
  skb.tcp.end_seq = next_skb.tcp.end_seq;
  tcp_eat_one_skb(sk, skb, next_skb);
}

/**
 * Sends as much of the write queue as may go now. True when nothing is in flight and nothing could be sent although there is something: then only a
 * window probe can help.
 */
export function tcp_write_xmit(sk: sock, mss_now: number, nonagle: number, push_one: number, gfp: gfp_t): boolean {
  const tp = tcp_sk(sk);
  let sent_pkts = 0;
  let is_cwnd_limited = false;
  let is_rwnd_limited = false;
  tcp_mstamp_refresh(tp);
  // The option that is due by now takes space.
  if (tcp_ecn_mode_accecn(tp) && tcp_accecn_option_beacon_check(sk)) mss_now = tcp_current_mss(sk);
  if (push_one === 0) {
    const probe = tcp_mtu_probe(sk);
    if (probe === MTU_PROBE_WAIT) return false;
    if (probe === MTU_PROBE_SENT) sent_pkts = 1;
  }
  const max_segs = tcp_tso_segs(sk, mss_now);
  for (let skb = tcp_send_head(sk); skb !== null; skb = tcp_send_head(sk)) {
    if (tcp_pacing_check(sk)) break;
    let cwnd_quota = tcp_cwnd_test(tp);
    if (cwnd_quota === 0) {
      if (push_one !== PUSH_LOSS_PROBE) break;
      cwnd_quota = 1;
    }
    cwnd_quota = min(cwnd_quota, max_segs);
    const missing_bytes = cwnd_quota * mss_now - skb.len;
    if (missing_bytes > 0) tcp_grow_skb(sk, skb, missing_bytes);
    const tso_segs = tcp_set_skb_tso_segs(skb, mss_now);
    if (!tcp_snd_wnd_test(tp, skb, mss_now)) {
      is_rwnd_limited = true;
      break;
    }
    if (tso_segs === 1) {
      // Only the last segment can still grow.
      if (!tcp_nagle_test(tp, skb, mss_now, tcp_skb_is_last(sk, skb) ? nonagle : TCP_NAGLE_PUSH)) break;
    } else if (push_one === 0) {
      const verdict = tcp_tso_should_defer(sk, skb, max_segs);
      if (verdict !== TSO_SEND_NOW) {
        if (verdict === TSO_DEFER_CWND_LIMITED) is_cwnd_limited = true;
        else if (verdict === TSO_DEFER_RWND_LIMITED) is_rwnd_limited = true;
        break;
      }
    }
    const limit = tso_segs > 1 && !tcp_urg_mode(tp) ? tcp_mss_split_point(sk, skb, mss_now, cwnd_quota, nonagle) : mss_now;
    if (skb.len > limit && tso_fragment(sk, skb, limit, mss_now, gfp) !== 0) break;
    if (tcp_small_queue_check(sk, skb, 0)) break;
    // An empty segment: its owner sleeps in the middle of sendmsg().
    if (skb.tcp.end_seq === skb.tcp.seq) break;
    if (tcp_transmit_skb(sk, skb, true, gfp) !== 0) break;
    tcp_event_new_data_sent(sk, skb);
    tcp_minshall_update(tp, mss_now, skb);
    sent_pkts += tcp_skb_pcount(skb);
    if (push_one !== 0) break;
  }
  if (is_rwnd_limited) tcp_chrono_start(sk, TCP_CHRONO_RWND_LIMITED);
  else tcp_chrono_stop(sk, TCP_CHRONO_RWND_LIMITED);
  if (tcp_packets_in_flight(tp) >= tcp_snd_cwnd(tp)) is_cwnd_limited = true;
  if (sent_pkts !== 0 || is_cwnd_limited) tcp_cwnd_validate(sk, is_cwnd_limited);
  if (sent_pkts !== 0) {
    if (tcp_in_cwnd_reduction(sk)) tp.prr_out += sent_pkts;
    if (push_one !== PUSH_LOSS_PROBE) tcp_schedule_loss_probe(sk, false);
    return false;
  }
  return tp.packets_out === 0 && !tcp_write_queue_empty(sk);
}

/** RFC 8985 (7.2): the probe timeout, 2 × SRTT and more for a single segment, whose ACK may be delayed. Never later than the RTO. */
function probeTimeout(sk: sock): number {
  const tp = tcp_sk(sk);
  if (tp.srtt_us === 0) return TCP_TIMEOUT_INIT();
  const margin = tp.packets_out === 1 ? tcp_rto_min_us(sk) : TCP_TIMEOUT_MIN_US;
  return usecs_to_jiffies(Math.floor(tp.srtt_us / 4) + margin);
}

/** Arms the tail loss probe instead of the RTO, if the connection can use one. */
export function tcp_schedule_loss_probe(sk: sock, advancing_rto: boolean): boolean {
  const tp = tcp_sk(sk);
  // No probe before the handshake of a Fast Open connection is over.
  if (tp.fastopen_rsk !== null) return false;
  const early_retrans = sock_net(sk).ipv4.sysctl_tcp_early_retrans;
  if ((early_retrans !== 3 && early_retrans !== 4) || tp.packets_out === 0 || !tcp_is_sack(tp)) return false;
  if (tp.icsk_ca_state !== TCP_CA_Open && tp.icsk_ca_state !== TCP_CA_CWR) return false;
  let timeout = probeTimeout(sk);
  const rto_delta_us = advancing_rto ? jiffies_to_usecs(tp.icsk_rto) : tcp_rto_delta_us(sk);
  if (rto_delta_us > 0) timeout = min(timeout, usecs_to_jiffies(rto_delta_us));
  tcp_reset_xmit_timer(sk, ICSK_TIME_LOSS_PROBE, timeout, true);
  return true;
}

/** The last transmission of this segment has not even left the host: sending it again would be pointless. */
export function skb_still_in_host_queue(sk: sock, skb: sk_buff): boolean {
  if (!skb_fclone_busy(sk, skb)) return false;
  sk.sk_tsq_flags |= TSQF_THROTTLED;
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPSPURIOUSRTXHOSTQUEUES);
  return true;
}

/** Sends what may be sent, and sees to a probe if nothing can be. */
export function __tcp_push_pending_frames(sk: sock, cur_mss: number, nonagle: number): void {
  if (sk.skc_state === TCP_CLOSE) return;
  if (tcp_write_xmit(sk, cur_mss, nonagle, 0, GFP_ATOMIC)) tcp_check_probe_timer(sk);
}

/** include/net/tcp.h */
export function tcp_push_pending_frames(sk: sock): void {
  if (tcp_send_head(sk) !== null) __tcp_push_pending_frames(sk, tcp_current_mss(sk), tcp_sk(sk).nonagle);
}

/** Sends the one full segment at the head of the queue. */
export function tcp_push_one(sk: sock, mss_now: number): void {
  const skb = tcp_send_head(sk);
  if (skb === null || skb.len < mss_now) throw new InvariantError(`tcp_push_one: no full segment (${skb?.len} of ${mss_now} bytes)`);
  tcp_write_xmit(sk, mss_now, TCP_NAGLE_PUSH, PUSH_ONE, sk.sk_allocation);
}
