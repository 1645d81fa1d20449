/**
 * net/ipv4/tcp_input.c: how far segments are reordered, by SACK and without, and what was delivered. Without SACK duplicate ACKs are counted as if
 * they were SACKed segments (RFC 5681 (3.2)).
 */
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { before, tcp_ecn_mode_rfc3168, tcp_highest_sack_seq, u32sub } from '../../include/net/tcp.ts';
import { LINUX_MIB_TCPRENOREORDER, LINUX_MIB_TCPSACKREORDER, LINUX_MIB_TCPTSREORDER } from '../../uapi/snmp.ts';
import { tcp_limit_reno_sacked, tcp_verify_left_out } from './tcp_input_cwnd.ts';

/** Each packet that an ECE-marked ACK delivers counts as marked (RFC 3168's echo is that coarse). */
export function tcp_count_delivered(tp: tcp_sock, delivered: number, ece_ack: boolean): void {
  tp.delivered += delivered;
  if (ece_ack && tcp_ecn_mode_rfc3168(tp)) tp.delivered_ce += delivered;
}

/** A segment that was never retransmitted arrived after higher ones: its distance, in segments, is the reordering to expect. */
export function tcp_check_sack_reordering(sk: sock, low_seq: number, ts: boolean): void {
  const tp = tcp_sk(sk);
  const mss = tp.mss_cache;
  const fack = tcp_highest_sack_seq(tp);
  if (!before(low_seq, fack)) return;
  const metric = u32sub(fack, low_seq);
  if (mss !== 0 && metric > tp.reordering * mss)
    tp.reordering = Math.min(Math.floor((metric + mss - 1) / mss), sock_net(sk).ipv4.sysctl_tcp_max_reordering);
  tp.reord_seen++;
  NET_INC_STATS(sock_net(sk), ts ? LINUX_MIB_TCPTSREORDER : LINUX_MIB_TCPSACKREORDER);
}

/** More duplicate ACKs than segments that could cause them: reordering. */
function tcp_check_reno_reordering(sk: sock, addend: number): void {
  const tp = tcp_sk(sk);
  if (!tcp_limit_reno_sacked(tp)) return;
  tp.reordering = Math.min(tp.packets_out + addend, sock_net(sk).ipv4.sysctl_tcp_max_reordering);
  tp.reord_seen++;
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPRENOREORDER);
}

export function tcp_add_reno_sack(sk: sock, num_dupack: number, ece_ack: boolean): void {
  if (num_dupack === 0) return;
  const tp = tcp_sk(sk);
  const prior_sacked = tp.sacked_out;
  tp.sacked_out += num_dupack;
  tcp_check_reno_reordering(sk, 0);
  const delivered = tp.sacked_out - prior_sacked;
  if (delivered > 0) tcp_count_delivered(tp, delivered, ece_ack);
  tcp_verify_left_out(tp);
}

/** A cumulative ACK of `acked` segments: one filled the hole, the others had caused duplicate ACKs. */
export function tcp_remove_reno_sacks(sk: sock, acked: number, ece_ack: boolean): void {
  const tp = tcp_sk(sk);
  if (acked > 0) {
    tcp_count_delivered(tp, Math.max(acked - tp.sacked_out, 1), ece_ack);
    tp.sacked_out = Math.max(tp.sacked_out - (acked - 1), 0);
  }
  tcp_check_reno_reordering(sk, acked);
  tcp_verify_left_out(tp);
}
