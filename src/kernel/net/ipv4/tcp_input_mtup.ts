/**
 * net/ipv4/tcp_input.c: losses that have nothing to do with congestion: probes of the path MTU (RFC 4821) that succeeded or failed, and
 * segments too large for it: retransmitted without reducing the window.
 */
import { tcp_sk } from '../../include/linux/tcp.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { tcp_current_ssthresh, tcp_is_reno, tcp_snd_cwnd_set } from '../../include/net/tcp.ts';
import { tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { LINUX_MIB_TCPMTUPFAIL, LINUX_MIB_TCPMTUPSUCCESS } from '../../uapi/snmp.ts';
import { TCP_CA_Loss, TCP_SYN_SENT } from '../../uapi/tcp.ts';
import { tcp_set_ca_state } from './tcp_cong.ts';
import { tcp_limit_reno_sacked, tcp_mark_skb_lost, tcp_skb_seglen, tcp_verify_left_out } from './tcp_input_cwnd.ts';
import { tcp_current_mss, tcp_mss_to_mtu, tcp_sync_mss } from './tcp_output_mss.ts';
import { tcp_xmit_retransmit_queue } from './tcp_output_retransmit.ts';

export function tcp_mtup_probe_failed(sk: sock): void {
  const mtup = inet_csk(sk).icsk_mtup;
  mtup.search_high = mtup.probe_size - 1;
  mtup.probe_size = 0;
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPMTUPFAIL);
}

/** Larger segments from now on; the window stays the same in bytes. */
export function tcp_mtup_probe_success(sk: sock): void {
  const tp = tcp_sk(sk);
  const icsk = inet_csk(sk);
  const mtup = icsk.icsk_mtup;
  tp.prior_ssthresh = tcp_current_ssthresh(sk);
  tcp_snd_cwnd_set(tp, Math.max(1, Math.floor((tp.snd_cwnd * tcp_mss_to_mtu(sk, tp.mss_cache)) / mtup.probe_size)));
  tp.snd_cwnd_cnt = 0;
  tp.snd_cwnd_stamp = tcp_jiffies32();
  tp.snd_ssthresh = tcp_current_ssthresh(sk);
  mtup.search_low = mtup.probe_size;
  mtup.probe_size = 0;
  tcp_sync_mss(sk, icsk.icsk_pmtu_cookie);
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPMTUPSUCCESS);
}

/** Loss state only keeps book of when all of it is acknowledged. */
export function tcp_non_congestion_loss_retransmit(sk: sock): void {
  const tp = tcp_sk(sk);
  if (inet_csk(sk).icsk_ca_state !== TCP_CA_Loss) {
    tp.high_seq = tp.snd_nxt;
    tp.snd_ssthresh = tcp_current_ssthresh(sk);
    tp.prior_ssthresh = 0;
    tp.undo_marker = 0;
    tcp_set_ca_state(sk, TCP_CA_Loss);
  }
  tcp_xmit_retransmit_queue(sk);
}

/** The path MTU shrank: what is larger than it cannot have arrived. With Fast Open the SYN's data counts, whatever its size. */
export function tcp_simple_retransmit(sk: sock): void {
  const tp = tcp_sk(sk);
  const mss = tp.syn_data && sk.skc_state === TCP_SYN_SENT ? -1 : tcp_current_mss(sk);
  for (let skb = sk.tcp_rtx_queue.first; skb !== null; skb = skb.next) if (tcp_skb_seglen(skb) > mss) tcp_mark_skb_lost(sk, skb);
  if (tp.lost_out === 0) return;
  if (tcp_is_reno(tp)) tcp_limit_reno_sacked(tp);
  tcp_verify_left_out(tp);
  tcp_non_congestion_loss_retransmit(sk);
}
