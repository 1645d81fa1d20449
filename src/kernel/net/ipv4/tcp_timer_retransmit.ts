/**
 * net/ipv4/tcp_timer.c: the retransmission timeout (`tcp_retransmit_timer`) and probes of a closed window (`tcp_probe_timer`).
 */
import { InvariantError } from '../../../sim/invariant.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { clamp, min } from '../../include/linux/types.ts';
import { ICSK_TIME_RETRANS, icsk_timeout, inet_csk_rto_backoff } from '../../include/net/inet_sock.ts';
import { __NET_INC_STATS } from '../../include/net/net_namespace.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import { SOCK_DEAD, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import {
  __tcp_set_rto,
  TCP_RESOURCE_PROBE_INTERVAL,
  TCP_THIN_LINEAR_RETRIES,
  tcp_is_sack,
  tcp_rto_max,
  tcp_rto_min,
  tcp_rtx_queue_head,
  tcp_send_head,
  tcp_skb_timestamp_ts,
  tcp_stream_is_thin,
  tcp_time_stamp_ms,
  tcp_time_stamp_ts,
  u32sub,
} from '../../include/net/tcp.ts';
import { msecs_to_jiffies, tcp_jiffies32 } from '../../kernel/time/timer.ts';
import {
  LINUX_MIB_TCPLOSSFAILURES,
  LINUX_MIB_TCPRENOFAILURES,
  LINUX_MIB_TCPRENORECOVERYFAIL,
  LINUX_MIB_TCPSACKFAILURES,
  LINUX_MIB_TCPSACKRECOVERYFAIL,
  LINUX_MIB_TCPTIMEOUTS,
} from '../../uapi/snmp.ts';
import {
  TCP_CA_Disorder,
  TCP_CA_Loss,
  TCP_CA_Recovery,
  TCP_ESTABLISHED,
  TCP_SYN_SENT,
  TCPF_SYN_RECV,
  TCPF_SYN_SENT,
} from '../../uapi/tcp.ts';
import { __sk_dst_reset } from '../core/sock_dst.ts';
import { tcp_enter_loss } from './tcp_input_cwnd.ts';
import { tcp_retransmit_skb, tcp_rtx_synack, tcp_send_probe0 } from './tcp_output.ts';
import { tcp_reset_xmit_timer } from './tcp_state.ts';
import { retransmits_timed_out, tcp_orphan_retries, tcp_out_of_resources, tcp_write_err, tcp_write_timeout } from './tcp_timer_timeout.ts';

export function tcp_syn_ack_timeout(req: request_sock): void {
  __NET_INC_STATS(req.skc_net, LINUX_MIB_TCPTIMEOUTS);
}

/** RFC 1122 4.2.2.17: a closed window is probed for ever, as long as the probes are answered; orphans and TCP_USER_TIMEOUT have an end. */
export function tcp_probe_timer(sk: sock): void {
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
