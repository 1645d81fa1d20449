/**
 * net/ipv4/tcp_input.c: taking back a reduction of the window that turned out needless: because the original was acknowledged (its timestamp is older
 * than the retransmission: Eifel, RFC 3522, RFC 4015), because all retransmissions were duplicates (D-SACK, RFC 3708), or by F-RTO (RFC 5682).
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  before,
  TCPCB_LOST,
  TCPCB_RETRANS,
  tcp_clear_all_retrans_hints,
  tcp_is_reno,
  tcp_is_sack,
  tcp_left_out,
  tcp_skb_timestamp_ts,
  tcp_snd_cwnd_set,
} from '../../include/net/tcp.ts';
import { tcp_ecn_withdraw_cwr } from '../../include/net/tcp_ecn.ts';
import { tcp_jiffies32 } from '../../kernel/time/timer.ts';
import {
  LINUX_MIB_TCPDSACKUNDO,
  LINUX_MIB_TCPFULLUNDO,
  LINUX_MIB_TCPLOSSUNDO,
  LINUX_MIB_TCPPARTIALUNDO,
  LINUX_MIB_TCPSPURIOUSRTOS,
} from '../../uapi/snmp.ts';
import { TCP_CA_Disorder, TCP_CA_Loss, TCP_CA_Open, TCP_SYN_SENT } from '../../uapi/tcp.ts';
import { tcp_set_ca_state } from './tcp_cong.ts';
import { tcp_any_retrans_done } from './tcp_input_cwnd.ts';
import { tcp_check_sack_reordering } from './tcp_input_reorder.ts';
import { TCP_RACK_RECOVERY_THRESH } from './tcp_recovery.ts';

const tcp_tsopt_ecr_before = (tp: tcp_sock, when: number): boolean =>
  tp.rx_opt.saw_tstamp && tp.rx_opt.rcv_tsecr !== 0 && before(tp.rx_opt.rcv_tsecr, when);

/** The ACK echoes a stamp from before the segment's retransmission. */
export const tcp_skb_spurious_retrans = (tp: tcp_sock, skb: sk_buff): boolean =>
  (skb.tcp.sacked & TCPCB_RETRANS) !== 0 && tcp_tsopt_ecr_before(tp, tcp_skb_timestamp_ts(tp.tcp_usec_ts, skb));

/** Nothing was retransmitted yet, or the ACK is for something sent before. */
function tcp_packet_delayed(tp: tcp_sock): boolean {
  if (tp.retrans_stamp !== 0) return tcp_tsopt_ecr_before(tp, tp.retrans_stamp);
  // Without SACK the stamp is cleared when high_seq is reached, in SYN_SENT when the SYN is acknowledged, though something was retransmitted.
  if (!tcp_is_sack(tp) && !before(tp.snd_una, tp.high_seq)) return false;
  return tp.skc_state !== TCP_SYN_SENT;
}

const tcp_may_undo = (tp: tcp_sock): boolean => tp.undo_marker !== 0 && (tp.undo_retrans === 0 || tcp_packet_delayed(tp));

function tcp_undo_cwnd_reduction(sk: sock, unmark_loss: boolean): void {
  const tp = tcp_sk(sk);
  if (unmark_loss) {
    for (let skb = sk.tcp_rtx_queue.first; skb !== null; skb = skb.next) skb.tcp.sacked &= ~TCPCB_LOST;
    tp.lost_out = 0;
    tcp_clear_all_retrans_hints(tp);
  }
  if (tp.prior_ssthresh !== 0) {
    tcp_snd_cwnd_set(tp, inet_csk(sk).icsk_ca_ops.undo_cwnd(sk));
    if (tp.prior_ssthresh > tp.snd_ssthresh) {
      tp.snd_ssthresh = tp.prior_ssthresh;
      tcp_ecn_withdraw_cwr(tp);
    }
  }
  tp.snd_cwnd_stamp = tcp_jiffies32();
  tp.undo_marker = 0;
  tp.rack.advanced = true;
}

/** RFC 6582 (3.2), end of step 3: without SACK the state stays until something above high_seq is acknowledged, lest old duplicate ACKs count. */
function tcp_is_non_sack_preventing_reopen(sk: sock): boolean {
  const tp = tcp_sk(sk);
  if (tp.snd_una !== tp.high_seq || !tcp_is_reno(tp)) return false;
  if (!tcp_any_retrans_done(sk)) tp.retrans_stamp = 0;
  return true;
}

/** All of the recovery's data is acknowledged. True if the state must be kept nevertheless. */
export function tcp_try_undo_recovery(sk: sock): boolean {
  const tp = tcp_sk(sk);
  if (tcp_may_undo(tp)) {
    tcp_undo_cwnd_reduction(sk, false);
    NET_INC_STATS(sock_net(sk), inet_csk(sk).icsk_ca_state === TCP_CA_Loss ? LINUX_MIB_TCPLOSSUNDO : LINUX_MIB_TCPFULLUNDO);
  } else if (tp.rack.reo_wnd_persist !== 0) tp.rack.reo_wnd_persist--;
  if (tcp_is_non_sack_preventing_reopen(sk)) return true;
  tcp_set_ca_state(sk, TCP_CA_Open);
  tp.is_sack_reneg = false;
  return false;
}

/** All that was retransmitted was reported as duplicate. */
export function tcp_try_undo_dsack(sk: sock): boolean {
  const tp = tcp_sk(sk);
  if (tp.undo_marker === 0 || tp.undo_retrans !== 0) return false;
  tp.rack.reo_wnd_persist = Math.min(TCP_RACK_RECOVERY_THRESH, tp.rack.reo_wnd_persist + 1);
  tcp_undo_cwnd_reduction(sk, false);
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPDSACKUNDO);
  return true;
}

/** The timeout was spurious: nothing counts as lost any more. */
export function tcp_try_undo_loss(sk: sock, frto_undo: boolean): boolean {
  const tp = tcp_sk(sk);
  if (!frto_undo && !tcp_may_undo(tp)) return false;
  tcp_undo_cwnd_reduction(sk, true);
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPLOSSUNDO);
  if (frto_undo) NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPSPURIOUSRTOS);
  inet_csk(sk).icsk_retransmits = 0;
  if (tcp_is_non_sack_preventing_reopen(sk)) return true;
  if (frto_undo || tcp_is_sack(tp)) {
    tcp_set_ca_state(sk, TCP_CA_Open);
    tp.is_sack_reneg = false;
  }
  return true;
}

/**
 * A partial ACK for something that was merely late: reordering. While retransmissions are out nothing is undone, but nothing more is
 * retransmitted either: true.
 */
export function tcp_try_undo_partial(sk: sock, prior_snd_una: number): boolean {
  const tp = tcp_sk(sk);
  if (tp.undo_marker === 0 || !tcp_packet_delayed(tp)) return false;
  tcp_check_sack_reordering(sk, prior_snd_una, true);
  if (tp.retrans_out !== 0) return true;
  if (!tcp_any_retrans_done(sk)) tp.retrans_stamp = 0;
  tcp_undo_cwnd_reduction(sk, true);
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPPARTIALUNDO);
  tcp_try_keep_open(sk);
  return false;
}

/** Open, or Disorder while something is SACKed, lost or retransmitted. */
export function tcp_try_keep_open(sk: sock): void {
  const tp = tcp_sk(sk);
  const state = tcp_left_out(tp) !== 0 || tcp_any_retrans_done(sk) ? TCP_CA_Disorder : TCP_CA_Open;
  if (inet_csk(sk).icsk_ca_state === state) return;
  tcp_set_ca_state(sk, state);
  tp.high_seq = tp.snd_nxt;
}
