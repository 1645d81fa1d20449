/**
 * net/ipv4/tcp_input.c: ACKs in answer to segments that cannot be accepted, and their limits: RFC 5961 (7) for challenge ACKs,
 * net.ipv4.tcp_invalid_ratelimit against loops of two hosts that contradict each other.
 */
import { kernel } from '../../current.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { NET_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { after, ktime_get_seconds, TCPHDR_SYN, tcp_paws_check } from '../../include/net/tcp.ts';
import { HZ, jiffies, tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { LINUX_MIB_TCPACKSKIPPEDCHALLENGE, LINUX_MIB_TCPCHALLENGEACK } from '../../uapi/snmp.ts';
import { FLAG_TS_PROGRESS } from './tcp_input_flags.ts';
import { __tcp_send_ack } from './tcp_output_send.ts';

const INT_MAX = 0x7fff_ffff;

/** A socket of any kind (full, request, TIME_WAIT) that remembers when it last answered something out of window. */
export interface oowStamp {
  last_oow_ack_time: number;
}

function __tcp_oow_rate_limited(network: net, mib_idx: number, last: oowStamp): boolean {
  const now = tcp_jiffies32();
  if (last.last_oow_ack_time !== 0 && now - last.last_oow_ack_time < network.ipv4.sysctl_tcp_invalid_ratelimit) {
    NET_INC_STATS(network, mib_idx);
    return true;
  }
  last.last_oow_ack_time = now;
  return false;
}

/** True if no answer is due now. Data cannot be part of a loop of ACKs, so it is always answered. */
export function tcp_oow_rate_limited(network: net, skb: sk_buff, mib_idx: number, last: oowStamp): boolean {
  if (skb.tcp.seq !== skb.tcp.end_seq && (skb.tcp.tcp_flags & TCPHDR_SYN) === 0) return false;
  return __tcp_oow_rate_limited(network, mib_idx, last);
}

/** RFC 5961 (7): limited per socket and, if net.ipv4.tcp_challenge_ack_limit says so, per host and second, by a random number near it. */
function challengeAllowed(network: net, last: oowStamp): boolean {
  if (__tcp_oow_rate_limited(network, LINUX_MIB_TCPACKSKIPPEDCHALLENGE, last)) return false;
  if (network.ipv4.sysctl_tcp_challenge_ack_limit !== INT_MAX && !takeFromHostsBudget(network)) return false;
  NET_INC_STATS(network, LINUX_MIB_TCPCHALLENGEACK);
  return true;
}

/** `flags`: of the ACE field, when it answers a SYN under AccECN. */
export function tcp_send_challenge_ack(sk: sock, flags = 0): void {
  const tp = tcp_sk(sk);
  if (challengeAllowed(sock_net(sk), tp)) __tcp_send_ack(sk, tp.rcv_nxt, flags);
}

/** The same for a half-open connection; data does not lift the limit. */
export function tcp_reqsk_send_challenge_ack(sk: sock, skb: sk_buff, req: request_sock): void {
  if (challengeAllowed(sock_net(sk), req)) req.rsk_ops.send_ack(sk, skb, req);
}

function takeFromHostsBudget(network: net): boolean {
  const ipv4 = network.ipv4;
  const limit = ipv4.sysctl_tcp_challenge_ack_limit;
  const second = Math.floor(jiffies() / HZ());
  if (second !== ipv4.tcp_challenge_timestamp) {
    const half = (limit + 1) >>> 1;
    ipv4.tcp_challenge_timestamp = second;
    ipv4.tcp_challenge_count = half + kernel().random.below(limit);
  }
  if (ipv4.tcp_challenge_count <= 0) return false;
  ipv4.tcp_challenge_count--;
  return true;
}

/** RFC 7323 (4.3). */
export function tcp_store_ts_recent(tp: tcp_sock): void {
  tp.rx_opt.ts_recent = tp.rx_opt.rcv_tsval;
  tp.rx_opt.ts_recent_stamp = ktime_get_seconds();
}

export function __tcp_replace_ts_recent(tp: tcp_sock, tstamp_delta: number): number {
  tcp_store_ts_recent(tp);
  return tstamp_delta > 0 ? FLAG_TS_PROGRESS : 0;
}

/** Only a segment that starts at or before what was acknowledged last: its stamp is what a delayed ACK must echo. */
export function tcp_replace_ts_recent(tp: tcp_sock, seq: number): number {
  if (!tp.rx_opt.saw_tstamp || after(seq, tp.rcv_wup) || !tcp_paws_check(tp.rx_opt, 0)) return 0;
  return __tcp_replace_ts_recent(tp, (tp.rx_opt.rcv_tsval - tp.rx_opt.ts_recent) | 0);
}
