/**
 * net/ipv4/tcp_timer.c: TCP's timers. One `timer_list` serves retransmission, loss probe, reordering and window probe (icsk_pending says which), one
 * delayed ACKs, one keepalive and FIN_WAIT2; hrtimers serve pacing and compressed ACKs.
 * `tcp_write_timer` → `tcp_write_timer_handler` → `tcp_retransmit_timer`, `tcp_probe_timer`, …; `tcp_delack_timer`; `tcp_keepalive_timer`.
 *
 * If the socket has an owner, the work is left to tcp_release_cb().
 */
import { InvariantError } from '../../../sim/invariant.ts';
import { kernel } from '../../current.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { TCPF_DELACK_TIMER_DEFERRED, TCPF_WRITE_TIMER_DEFERRED, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { clamp, GFP_ATOMIC, ilog2, max, min } from '../../include/linux/types.ts';
import {
  ICSK_ACK_TIMER,
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  icsk_delack_timeout,
  icsk_timeout,
  inet_csk_ack_scheduled,
  inet_csk_exit_pingpong_mode,
  inet_csk_in_pingpong_mode,
  inet_csk_rto_backoff,
} from '../../include/net/inet_sock.ts';
import { __NET_INC_STATS, NET_ADD_STATS } from '../../include/net/net_namespace.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import {
  SK_RST_REASON_TCP_ABORT_ON_MEMORY,
  SK_RST_REASON_TCP_KEEPALIVE_TIMEOUT,
  SK_RST_REASON_TCP_STATE,
} from '../../include/net/rstreason.ts';
import {
  SOCK_DEAD,
  SOCK_KEEPOPEN,
  sk_rethink_txhash,
  type sock,
  sock_flag,
  sock_hold,
  sock_net,
  sock_owned_by_user,
} from '../../include/net/sock.ts';
import {
  __tcp_set_rto,
  keepalive_intvl_when,
  keepalive_probes,
  keepalive_time_elapsed,
  keepalive_time_when,
  s32sub,
  TCP_ATO_MIN,
  TCP_RESOURCE_PROBE_INTERVAL,
  TCP_RTO_MIN,
  TCP_THIN_LINEAR_RETRIES,
  TCP_TIMEWAIT_LEN,
  tcp_fin_time,
  tcp_is_sack,
  tcp_rto_max,
  tcp_rto_min,
  tcp_rtx_queue_head,
  tcp_send_head,
  tcp_skb_timestamp_ts,
  tcp_stream_is_thin,
  tcp_time_stamp_ms,
  tcp_time_stamp_ts,
  tcp_timeout_init,
  tcp_write_queue_empty,
  u32sub,
} from '../../include/net/tcp.ts';
import { HRTIMER_NORESTART, hrtimer, hrtimer_try_to_cancel } from '../../kernel/time/hrtimer.ts';
import { HZ, jiffies, jiffies_to_msecs, jiffies_to_usecs, msecs_to_jiffies, tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { ETIMEDOUT } from '../../uapi/errno.ts';
import {
  LINUX_MIB_DELAYEDACKLOCKED,
  LINUX_MIB_DELAYEDACKS,
  LINUX_MIB_TCPABORTONMEMORY,
  LINUX_MIB_TCPABORTONTIMEOUT,
  LINUX_MIB_TCPACKCOMPRESSED,
  LINUX_MIB_TCPKEEPALIVE,
  LINUX_MIB_TCPLOSSFAILURES,
  LINUX_MIB_TCPRENOFAILURES,
  LINUX_MIB_TCPRENORECOVERYFAIL,
  LINUX_MIB_TCPSACKFAILURES,
  LINUX_MIB_TCPSACKRECOVERYFAIL,
  LINUX_MIB_TCPTIMEOUTREHASH,
  LINUX_MIB_TCPTIMEOUTS,
} from '../../uapi/snmp.ts';
import {
  TCP_CA_Disorder,
  TCP_CA_Loss,
  TCP_CA_Recovery,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT2,
  TCP_LISTEN,
  TCP_SYN_SENT,
  TCPF_CLOSE,
  TCPF_LISTEN,
  TCPF_SYN_RECV,
  TCPF_SYN_SENT,
} from '../../uapi/tcp.ts';
import { sk_reset_timer } from '../core/sock_callbacks.ts';
import { __sk_dst_reset, dst_negative_advice } from '../core/sock_dst.ts';
import { __sock_put, sock_put } from '../core/sock_life.ts';
import { SOCK_MIN_SNDBUF, sk_memory_allocated, sk_prot_mem_limits } from '../core/sock_mem.ts';
import {
  inet_csk_delete_keepalive_timer,
  inet_csk_init_xmit_timers,
  inet_csk_reset_keepalive_timer,
} from './inet_connection_sock_timers.ts';
import { tcp_fastopen_active_detect_blackhole } from './tcp_fastopen_active.ts';
import { tcp_enter_loss } from './tcp_input_cwnd.ts';
import { tcp_time_wait } from './tcp_minisocks_tw.ts';
import {
  tcp_clamp_probe0_to_user_timeout,
  tcp_mss_to_mtu,
  tcp_mstamp_refresh,
  tcp_mtu_to_mss,
  tcp_pace_kick,
  tcp_retransmit_skb,
  tcp_rtx_synack,
  tcp_send_ack,
  tcp_send_active_reset,
  tcp_send_loss_probe,
  tcp_send_probe0,
  tcp_sync_mss,
  tcp_write_wakeup,
} from './tcp_output.ts';
import { tcp_rack_reo_timeout } from './tcp_recovery.ts';
import { tcp_done, tcp_done_with_error, tcp_reset_xmit_timer } from './tcp_state.ts';

export { tcp_clamp_probe0_to_user_timeout };

/* The end */

function tcp_write_err(sk: sock): void {
  tcp_done_with_error(sk, sk.sk_err_soft || ETIMEDOUT);
  __NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPABORTONTIMEOUT);
}

/** net/ipv4/tcp.c: too many orphans, or more memory in use than tcp_mem allows? `shift` makes the socket at hand count for more. */
export function tcp_check_oom(sk: sock, shift: number): boolean {
  const ipv4 = sock_net(sk).ipv4;
  const too_many_orphans = ipv4.tcp_orphan_count * 2 ** shift > ipv4.sysctl_tcp_max_orphans;
  const out_of_socket_memory = sk.sk_wmem_queued > SOCK_MIN_SNDBUF && sk_memory_allocated(sk) > sk_prot_mem_limits(sk, 2);
  if (too_many_orphans) kernel().printk('TCP: too many orphaned sockets');
  if (out_of_socket_memory) kernel().printk('TCP: out of memory -- consider tuning tcp_mem');
  return too_many_orphans || out_of_socket_memory;
}

/** An orphan times out: should it be ended at once because resources are short? Long silence and ICMP errors count against it. */
function tcp_out_of_resources(sk: sock, do_reset: boolean): boolean {
  const tp = tcp_sk(sk);
  const silent = tcp_jiffies32() - tp.lsndtime;
  let shift = silent > 2 * tcp_rto_max(sk) || !do_reset ? 1 : 0;
  if (sk.sk_err_soft !== 0) shift++;
  if (!tcp_check_oom(sk, shift)) return false;
  if (silent <= TCP_TIMEWAIT_LEN() || (tp.snd_wnd === 0 && tp.packets_out === 0)) do_reset = true;
  if (do_reset) tcp_send_active_reset(sk, GFP_ATOMIC, SK_RST_REASON_TCP_ABORT_ON_MEMORY);
  tcp_done(sk);
  __NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPABORTONMEMORY);
  return true;
}

/** How often an orphan tries. `alive`: it was heard of recently; then 8 times, if tcp_orphan_retries is 0. */
function tcp_orphan_retries(sk: sock, alive: boolean): number {
  const retries = sk.sk_err_soft !== 0 && !alive ? 0 : sock_net(sk).ipv4.sysctl_tcp_orphan_retries;
  return retries === 0 && alive ? 8 : retries;
}

/** RFC 4821 7.7: repeated timeouts may mean a path that swallows large packets and ICMP messages alike: tries smaller ones. */
function tcp_mtu_probing(sk: sock): void {
  const ipv4 = sock_net(sk).ipv4;
  if (ipv4.sysctl_tcp_mtu_probing === 0) return;
  const tp = tcp_sk(sk);
  const mtup = tp.icsk_mtup;
  if (!mtup.enabled) {
    mtup.enabled = true;
    mtup.probe_timestamp = tcp_jiffies32();
  } else {
    const half = tcp_mtu_to_mss(sk, mtup.search_low) >> 1;
    const mss = max(max(min(ipv4.sysctl_tcp_base_mss, half), ipv4.sysctl_tcp_mtu_probe_floor), ipv4.sysctl_tcp_min_snd_mss);
    mtup.search_low = tcp_mss_to_mtu(sk, mss);
  }
  tcp_sync_mss(sk, tp.icsk_pmtu_cookie);
}

/** How many ms `boundary` retransmissions take, when the RTO starts at `rto_base` and doubles up to its maximum. */
function tcp_model_timeout(sk: sock, boundary: number, rto_base: number): number {
  const rto_max = tcp_rto_max(sk);
  const linear_backoff_thresh = ilog2(Math.floor(rto_max / rto_base));
  const doublings = min(boundary, linear_backoff_thresh);
  const timeout = (2 * 2 ** doublings - 1) * rto_base + (boundary - doublings) * rto_max;
  return jiffies_to_msecs(timeout);
}

/**
 * Has it been retransmitting for as long as `boundary` retransmissions would take (or `timeout` ms, if that is given)? Counted in time and not in
 * retransmissions, since these may fail locally or be made linear.
 */
function retransmits_timed_out(sk: sock, boundary: number, timeout: number): boolean {
  const tp = tcp_sk(sk);
  if (tp.icsk_retransmits === 0) return false;
  if (timeout === 0) {
    const handshake = ((1 << sk.skc_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) !== 0;
    timeout = tcp_model_timeout(sk, boundary, handshake ? tcp_timeout_init(sk) : TCP_RTO_MIN());
  }
  if (tp.tcp_usec_ts) {
    const delta = u32sub(tp.tcp_mstamp >>> 0, tp.retrans_stamp) + jiffies_to_usecs(1);
    return delta - timeout * 1000 >= 0;
  }
  return s32sub(u32sub(tcp_time_stamp_ts(tp), tp.retrans_stamp), timeout) >= 0;
}

/** A retransmission timeout: gives up (true) if it has been long enough; asks for another route and path MTU before that. */
function tcp_write_timeout(sk: sock): boolean {
  const tp = tcp_sk(sk);
  const ipv4 = sock_net(sk).ipv4;
  let expired = false;
  let retry_until: number;
  if (((1 << sk.skc_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) !== 0) {
    if (tp.icsk_retransmits !== 0) dst_negative_advice(sk);
    retry_until = tp.icsk_syn_retries || ipv4.sysctl_tcp_syn_retries;
    const linear = sk.skc_state === TCP_SYN_SENT ? ipv4.sysctl_tcp_syn_linear_timeouts : 0;
    expired = tp.icsk_retransmits >= retry_until + linear;
  } else {
    if (retransmits_timed_out(sk, ipv4.sysctl_tcp_retries1, 0)) {
      tcp_mtu_probing(sk);
      dst_negative_advice(sk);
    }
    retry_until = ipv4.sysctl_tcp_retries2;
    if (sock_flag(sk, SOCK_DEAD)) {
      const alive = tp.icsk_rto < tcp_rto_max(sk);
      retry_until = tcp_orphan_retries(sk, alive);
      if (tcp_out_of_resources(sk, alive || !retransmits_timed_out(sk, retry_until, 0))) return true;
    }
  }
  if (!expired) expired = retransmits_timed_out(sk, retry_until, tp.icsk_user_timeout);
  tcp_fastopen_active_detect_blackhole(sk, expired);
  if (expired) {
    tcp_write_err(sk);
    return true;
  }
  if (sk_rethink_txhash(sk)) {
    tp.timeout_rehash++;
    __NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPTIMEOUTREHASH);
  }
  return false;
}

/* Delayed ACKs */

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

/** net/ipv4/tcp_input.c: sends the ACK that stands for those that were compressed. */
export function tcp_sack_compress_send_ack(sk: sock): void {
  const tp = tcp_sk(sk);
  if (tp.compressed_ack === 0) return;
  if (hrtimer_try_to_cancel(tp.compressed_ack_timer) === 1) __sock_put(sk);
  // The one that is sent is not one that was saved.
  NET_ADD_STATS(sock_net(sk), LINUX_MIB_TCPACKCOMPRESSED, tp.compressed_ack - 1);
  tp.compressed_ack = 0;
  tcp_send_ack(sk);
}

function tcp_delack_timer(sk: sock): void {
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
function deferToOwner(sk: sock, flag: number): void {
  if ((sk.sk_tsq_flags & flag) !== 0) return;
  sk.sk_tsq_flags |= flag;
  sock_hold(sk);
}

/** compressed_ack_timer, in softirq context. */
function tcp_compressed_ack_kick(sk: sock): boolean {
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

/* Retransmission and window probes */

/** RFC 1122 4.2.2.17: a closed window is probed for ever, as long as the probes are answered; orphans and TCP_USER_TIMEOUT have an end. */
function tcp_probe_timer(sk: sock): void {
  const tp = tcp_sk(sk);
  if (tp.packets_out !== 0 || tcp_send_head(sk) === null) {
    tp.icsk_probes_out = 0;
    tp.icsk_probes_tstamp = 0;
    return;
  }
  if (tp.icsk_probes_tstamp === 0) tp.icsk_probes_tstamp = tcp_jiffies32();
  else if (tp.icsk_user_timeout !== 0 && tcp_jiffies32() - tp.icsk_probes_tstamp >= msecs_to_jiffies(tp.icsk_user_timeout)) {
    tcp_write_err(sk);
    return;
  }
  let max_probes = sock_net(sk).ipv4.sysctl_tcp_retries2;
  if (sock_flag(sk, SOCK_DEAD)) {
    const rto_max = tcp_rto_max(sk);
    const alive = inet_csk_rto_backoff(tp, rto_max) < rto_max;
    max_probes = tcp_orphan_retries(sk, alive);
    if (!alive && tp.icsk_backoff >= max_probes) {
      tcp_write_err(sk);
      return;
    }
    if (tcp_out_of_resources(sk, true)) return;
  }
  if (tp.icsk_probes_out >= max_probes) tcp_write_err(sk);
  else tcp_send_probe0(sk);
}

function tcp_update_rto_stats(sk: sock): void {
  const tp = tcp_sk(sk);
  if (tp.icsk_retransmits === 0) {
    tp.total_rto_recoveries++;
    tp.rto_stamp = tcp_time_stamp_ms(tp);
  }
  tp.icsk_retransmits++;
  tp.total_rto++;
}

/** A child made by Fast Open, whose handshake is not over: only its SYN-ACK is repeated. */
function tcp_fastopen_synack_timer(sk: sock, req: request_sock): void {
  const tp = tcp_sk(sk);
  tcp_syn_ack_timeout(req);
  const max_retries = tp.icsk_syn_retries || sock_net(sk).ipv4.sysctl_tcp_synack_retries + 1;
  if (req.num_timeout >= max_retries) {
    tcp_write_err(sk);
    return;
  }
  if (tp.icsk_retransmits === 1) tcp_enter_loss(sk);
  // An error here is no reason to give up: the child may have been accepted already.
  tcp_rtx_synack(sk, req);
  req.num_timeout++;
  tcp_update_rto_stats(sk);
  if (tp.retrans_stamp === 0) tp.retrans_stamp = tcp_time_stamp_ts(tp);
  tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, req.timeout * 2 ** req.num_timeout, false);
}

/** The window was closed with data in flight, and the peer has been silent for two maximal RTOs (or TCP_USER_TIMEOUT). */
function tcp_rtx_probe0_timed_out(sk: sock, rtx_delta: number): boolean {
  const tp = tcp_sk(sk);
  const user_timeout = tp.icsk_user_timeout;
  let timeout = tcp_rto_max(sk) * 2;
  if (user_timeout !== 0) {
    if (rtx_delta > user_timeout) return true;
    timeout = min(timeout, msecs_to_jiffies(user_timeout));
  }
  if (icsk_timeout(tp) - tp.rcv_tstamp <= timeout) return false;
  return msecs_to_jiffies(rtx_delta) > timeout;
}

/** The peer shrank its window to nothing: retransmissions serve as probes of it. True when the connection was given up. */
function retransmitIntoClosedWindow(sk: sock, skb: sk_buff): boolean {
  const tp = tcp_sk(sk);
  const since = tp.retrans_stamp || tcp_skb_timestamp_ts(tp.tcp_usec_ts, skb);
  let rtx_delta = u32sub(tcp_time_stamp_ts(tp), since);
  if (tp.tcp_usec_ts) rtx_delta = Math.floor(rtx_delta / 1000);
  if (tcp_rtx_probe0_timed_out(sk, rtx_delta)) {
    tcp_write_err(sk);
    return true;
  }
  tcp_enter_loss(sk);
  tcp_retransmit_skb(sk, skb, 1);
  __sk_dst_reset(sk);
  return false;
}

/** The first timeout of a series: which repair had failed? */
function countFailure(sk: sock): void {
  const tp = tcp_sk(sk);
  const sack = tcp_is_sack(tp);
  let mib = 0;
  if (tp.icsk_ca_state === TCP_CA_Recovery) mib = sack ? LINUX_MIB_TCPSACKRECOVERYFAIL : LINUX_MIB_TCPRENORECOVERYFAIL;
  else if (tp.icsk_ca_state === TCP_CA_Loss) mib = LINUX_MIB_TCPLOSSFAILURES;
  else if (tp.icsk_ca_state === TCP_CA_Disorder || tp.sacked_out !== 0) mib = sack ? LINUX_MIB_TCPSACKFAILURES : LINUX_MIB_TCPRENOFAILURES;
  if (mib !== 0) __NET_INC_STATS(sock_net(sk), mib);
}

/** The retransmission timeout (RFC 6298 (5.4)–(5.7)). */
export function tcp_retransmit_timer(sk: sock): void {
  const tp = tcp_sk(sk);
  if (tp.fastopen_rsk !== null) {
    tcp_fastopen_synack_timer(sk, tp.fastopen_rsk);
    return;
  }
  if (tp.packets_out === 0) return;
  const skb = tcp_rtx_queue_head(sk);
  if (skb === null) throw new InvariantError(`tcp_retransmit_timer: ${tp.packets_out} packets out, but none queued`);
  const handshake = ((1 << sk.skc_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) !== 0;
  if (tp.snd_wnd === 0 && !sock_flag(sk, SOCK_DEAD) && !handshake) {
    if (!retransmitIntoClosedWindow(sk, skb)) backOff(sk);
    return;
  }
  __NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPTIMEOUTS);
  if (tcp_write_timeout(sk)) return;
  if (tp.icsk_retransmits === 0) countFailure(sk);
  tcp_enter_loss(sk);
  tcp_update_rto_stats(sk);
  if (tcp_retransmit_skb(sk, tcp_rtx_queue_head(sk)!, 1) > 0) {
    // It did not leave the host: tries again soon, without backing off.
    tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, TCP_RESOURCE_PROBE_INTERVAL(), false);
    return;
  }
  backOff(sk);
}

/** RFC 6298 (5.5): the RTO doubles. Not for thin streams that want it linear, nor for the first SYNs. */
function backOff(sk: sock): void {
  const tp = tcp_sk(sk);
  const ipv4 = sock_net(sk).ipv4;
  const thin =
    sk.skc_state === TCP_ESTABLISHED &&
    (tp.thin_lto || ipv4.sysctl_tcp_thin_linear_timeouts !== 0) &&
    tcp_stream_is_thin(tp) &&
    tp.icsk_retransmits <= TCP_THIN_LINEAR_RETRIES;
  if (thin) {
    tp.icsk_backoff = 0;
    tp.icsk_rto = clamp(__tcp_set_rto(tp), tcp_rto_min(sk), tcp_rto_max(sk));
  } else if (sk.skc_state !== TCP_SYN_SENT || tp.total_rto > ipv4.sysctl_tcp_syn_linear_timeouts) {
    tp.icsk_backoff++;
    tp.icsk_rto = min(tp.icsk_rto * 2, tcp_rto_max(sk));
  }
  tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, tcp_clamp_rto_to_user_timeout(sk), false);
  if (retransmits_timed_out(sk, ipv4.sysctl_tcp_retries1 + 1, 0)) __sk_dst_reset(sk);
}

/** The next timeout comes no later than the end of TCP_USER_TIMEOUT. */
function tcp_clamp_rto_to_user_timeout(sk: sock): number {
  const tp = tcp_sk(sk);
  if (tp.icsk_user_timeout === 0) return tp.icsk_rto;
  let elapsed = u32sub(tcp_time_stamp_ts(tp), tp.retrans_stamp);
  if (tp.tcp_usec_ts) elapsed = Math.floor(elapsed / 1000);
  const remaining = tp.icsk_user_timeout - elapsed;
  return remaining <= 0 ? 1 : min(tp.icsk_rto, msecs_to_jiffies(remaining));
}

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

export function tcp_syn_ack_timeout(req: request_sock): void {
  __NET_INC_STATS(req.skc_net, LINUX_MIB_TCPTIMEOUTS);
}

/* Keepalive */

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
function tcp_keepalive_timer(sk: sock): void {
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

export function tcp_init_xmit_timers(sk: sock): void {
  inet_csk_init_xmit_timers(sk, tcp_write_timer, tcp_delack_timer, tcp_keepalive_timer);
  tcp_sk(sk).pacing_timer = new hrtimer(() => tcp_pace_kick(sk), true, 'tcp_pace_kick');
  tcp_sk(sk).compressed_ack_timer = new hrtimer(() => tcp_compressed_ack_kick(sk), true, 'tcp_compressed_ack_kick');
}
