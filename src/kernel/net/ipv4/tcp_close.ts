/**
 * net/ipv4/tcp.c: the end of a connection as its user wants it: `tcp_shutdown`, `tcp_close` (orderly, or abortive when data was left unread or SO_LINGER
 * is 0), `tcp_disconnect`, `tcp_abort`; and the life of sockets after their users have gone.
 */

import type { Sleeping } from '../../include/linux/sched.ts';
import { TCP_CHRONO_UNSPEC, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { dst_release } from '../../include/net/dst.ts';
import type { inet_timewait_sock } from '../../include/net/inet_timewait_sock.ts';
import { __NET_INC_STATS, NET_INC_STATS } from '../../include/net/net_namespace.ts';
import {
  SK_RST_REASON_TCP_ABORT_ON_CLOSE,
  SK_RST_REASON_TCP_ABORT_ON_LINGER,
  SK_RST_REASON_TCP_ABORT_ON_MEMORY,
  SK_RST_REASON_TCP_DISCONNECT_WITH_DATA,
  SK_RST_REASON_TCP_STATE,
} from '../../include/net/rstreason.ts';
import {
  SOCK_DEAD,
  SOCK_DONE,
  SOCK_LINGER,
  type sock,
  sock_flag,
  sock_hold,
  sock_net,
  sock_orphan,
  sock_reset_flag,
} from '../../include/net/sock.ts';
import {
  after,
  TCP_DELACK_MAX,
  TCP_INFINITE_SSTHRESH,
  TCP_INIT_CWND,
  TCP_MIN_MSS,
  TCP_RTO_MIN,
  TCP_TIMEOUT_INIT,
  TCP_TIMEWAIT_LEN,
  TCPHDR_FIN,
  tcp_fin_time,
  tcp_saved_syn_free,
  tcp_snd_cwnd_set,
  u32add,
  u32sub,
} from '../../include/net/tcp.ts';
import { tcp_accecn_init_counters } from '../../include/net/tcp_ecn.ts';
import { local_bh_disable, local_bh_enable } from '../../kernel/softirq.ts';
import { jiffies_to_usecs } from '../../kernel/time/timer.ts';
import { put_page } from '../../mm/page_alloc.ts';
import { ECONNRESET } from '../../uapi/errno.ts';
import {
  LINUX_MIB_TCPABORTONCLOSE,
  LINUX_MIB_TCPABORTONDATA,
  LINUX_MIB_TCPABORTONLINGER,
  LINUX_MIB_TCPABORTONMEMORY,
} from '../../uapi/snmp.ts';
import { SEND_SHUTDOWN, SHUTDOWN_MASK } from '../../uapi/socket.ts';
import {
  TCP_ACTION_FIN,
  TCP_CA_Open,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_STATE_MASK,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
  TCPF_CLOSE_WAIT,
  TCPF_CLOSING,
  TCPF_ESTABLISHED,
  TCPF_FIN_WAIT1,
  TCPF_FIN_WAIT2,
  TCPF_LAST_ACK,
  TCPF_SYN_RECV,
  TCPF_SYN_SENT,
} from '../../uapi/tcp.ts';
import { reqsk_fastopen_remove } from '../core/request_sock.ts';
import { skb_queue_purge } from '../core/skbuff_free.ts';
import { skb_rbtree_purge } from '../core/skbuff_rbtree.ts';
import { sk_error_report } from '../core/sock_callbacks.ts';
import { __sk_dst_reset } from '../core/sock_dst.ts';
import { sock_put } from '../core/sock_life.ts';
import { __release_sock, lock_sock, release_sock } from '../core/sock_lock.ts';
import { sk_set_peek_off } from '../core/sock_setsockopt.ts';
import { sk_stream_wait_close } from '../core/stream.ts';
import { inet_csk_delack_init, inet_csk_destroy_sock, inet_csk_listen_stop } from './inet_connection_sock.ts';
import { inet_bhash2_reset_saddr } from './inet_hashtables_bind.ts';
import { inet_twsk_deschedule_put } from './inet_timewait_sock.ts';
import { tcp_set_ca_state } from './tcp_cong.ts';
import { tcp_fastopen_active_disable_ofo_check } from './tcp_fastopen_active.ts';
import { tcp_clear_retrans } from './tcp_input_cwnd.ts';
import { tcp_time_wait } from './tcp_minisocks_tw.ts';
import { tcp_send_active_reset, tcp_send_fin } from './tcp_output.ts';
import { tcp_eat_recv_skb } from './tcp_recvmsg.ts';
import { tcp_free_fastopen_req } from './tcp_sendmsg.ts';
import { tcp_clear_xmit_timers, tcp_done_with_error, tcp_set_state, tcp_write_queue_purge } from './tcp_state.ts';
import { tcp_check_oom, tcp_reset_keepalive_timer } from './tcp_timer.ts';

export { tcp_check_oom };

/** What closing does in each state (RFC 9293 3.6): the next state, and whether a FIN is sent. */
function nextState(state: number): number {
  switch (state) {
    case TCP_ESTABLISHED:
    case TCP_SYN_RECV:
      return TCP_FIN_WAIT1 | TCP_ACTION_FIN;
    case TCP_CLOSE_WAIT:
      return TCP_LAST_ACK | TCP_ACTION_FIN;
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
    case TCP_LAST_ACK:
    case TCP_CLOSING:
      return state;
    default:
      return TCP_CLOSE;
  }
}

/** Enters the next state; true if a FIN has to be sent. */
function tcp_close_state(sk: sock): boolean {
  const next = nextState(sk.skc_state);
  tcp_set_state(sk, next & TCP_STATE_MASK);
  return (next & TCP_ACTION_FIN) !== 0;
}

export function tcp_shutdown(sk: sock, how: number): void {
  if ((how & SEND_SHUTDOWN) === 0) return;
  if (((1 << sk.skc_state) & (TCPF_ESTABLISHED | TCPF_SYN_SENT | TCPF_CLOSE_WAIT)) === 0) return;
  if (tcp_close_state(sk)) tcp_send_fin(sk);
}

export const tcp_orphan_count_sum = (sk: sock): number => Math.max(sock_net(sk).ipv4.tcp_orphan_count, 0);

/** Throws away what was received; true if the user had not read all of it. */
function flushReceiveQueue(sk: sock): boolean {
  let data_was_unread = false;
  for (let skb = sk.sk_receive_queue.next; skb !== null; skb = sk.sk_receive_queue.next) {
    const end_seq = (skb.tcp.tcp_flags & TCPHDR_FIN) !== 0 ? u32sub(skb.tcp.end_seq, 1) : skb.tcp.end_seq;
    if (after(end_seq, tcp_sk(sk).copied_seq)) data_was_unread = true;
    tcp_eat_recv_skb(sk, skb);
  }
  return data_was_unread;
}

/** Says goodbye: with a RST if the peer must learn that data was lost (RFC 2525 2.17) or if that is wanted, else with a FIN. */
function endConnection(sk: sock, data_was_unread: boolean): void {
  if (data_was_unread) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPABORTONCLOSE);
    tcp_set_state(sk, TCP_CLOSE);
    tcp_send_active_reset(sk, sk.sk_allocation, SK_RST_REASON_TCP_ABORT_ON_CLOSE);
  } else if (sock_flag(sk, SOCK_LINGER) && sk.sk_lingertime === 0) {
    sk.skc_prot.disconnect(sk, 0);
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPABORTONDATA);
  } else if (tcp_close_state(sk)) tcp_send_fin(sk);
}

export function* __tcp_close(sk: sock, timeout: number): Sleeping<void> {
  sk.sk_shutdown = SHUTDOWN_MASK;
  if (sk.skc_state === TCP_LISTEN) {
    tcp_set_state(sk, TCP_CLOSE);
    inet_csk_listen_stop(sk);
  } else {
    const data_was_unread = flushReceiveQueue(sk);
    // Else the peer has reset it.
    if (sk.skc_state !== TCP_CLOSE) {
      endConnection(sk, data_was_unread);
      yield* sk_stream_wait_close(sk, timeout);
    }
  }
  adjudgeToDeath(sk);
}

/** The socket has no user any more: it lives on until its peer agrees, or goes at once. */
function adjudgeToDeath(sk: sock): void {
  const state = sk.skc_state;
  sock_hold(sk);
  sock_orphan(sk);
  local_bh_disable();
  __release_sock(sk);
  sock_net(sk).ipv4.tcp_orphan_count++;
  // The backlog may have ended it.
  if (!(state !== TCP_CLOSE && sk.skc_state === TCP_CLOSE)) liveOn(sk);
  local_bh_enable();
}

function liveOn(sk: sock): void {
  if (sk.skc_state === TCP_FIN_WAIT2 && waitForFin(sk)) return;
  if (sk.skc_state !== TCP_CLOSE && tcp_check_oom(sk, 0)) {
    tcp_set_state(sk, TCP_CLOSE);
    tcp_send_active_reset(sk, GFP_ATOMIC, SK_RST_REASON_TCP_ABORT_ON_MEMORY);
    __NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPABORTONMEMORY);
  }
  if (sk.skc_state !== TCP_CLOSE) return;
  const req = tcp_sk(sk).fastopen_rsk;
  if (req !== null) reqsk_fastopen_remove(sk, req, false);
  inet_csk_destroy_sock(sk);
}

/** Only the peer's FIN is missing: a TIME_WAIT socket waits for it, at least for the last minute. True when that has taken over. */
function waitForFin(sk: sock): boolean {
  if (tcp_sk(sk).linger2 < 0) {
    tcp_set_state(sk, TCP_CLOSE);
    tcp_send_active_reset(sk, GFP_ATOMIC, SK_RST_REASON_TCP_ABORT_ON_LINGER);
    __NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPABORTONLINGER);
    return false;
  }
  const tmo = tcp_fin_time(sk);
  if (tmo > TCP_TIMEWAIT_LEN()) {
    tcp_reset_keepalive_timer(sk, tmo - TCP_TIMEWAIT_LEN());
    return false;
  }
  tcp_time_wait(sk, TCP_FIN_WAIT2, tmo);
  return true;
}

export function* tcp_close(sk: sock, timeout: number): Sleeping<void> {
  yield* lock_sock(sk);
  yield* __tcp_close(sk, timeout);
  release_sock(sk);
  sock_put(sk);
}

/** States in which an abort must tell the peer (RFC 9293 3.10.5). */
const tcp_need_reset = (state: number): boolean =>
  ((1 << state) & (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT | TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2 | TCPF_SYN_RECV)) !== 0;

/** Ends the connection at once and leaves a socket that can connect again. */
export function tcp_disconnect(sk: sock, _flags: number): number {
  const tp = tcp_sk(sk);
  const old_state = sk.skc_state;
  if (old_state !== TCP_CLOSE) tcp_set_state(sk, TCP_CLOSE);
  if (old_state === TCP_LISTEN) inet_csk_listen_stop(sk);
  else abandon(sk, old_state);
  tcp_clear_xmit_timers(sk);
  skb_queue_purge(sk.sk_receive_queue);
  tp.copied_seq = tp.rcv_nxt;
  tp.urg_data = 0;
  sk_set_peek_off(sk, -1);
  tcp_write_queue_purge(sk);
  tcp_fastopen_active_disable_ofo_check(sk);
  skb_rbtree_purge(tp.out_of_order_queue);
  tp.ooo_last_skb = null;
  tp.skc_dport = 0;
  inet_bhash2_reset_saddr(sk);
  sk.sk_shutdown = 0;
  sock_reset_flag(sk, SOCK_DONE);
  resetConnectionState(sk);
  if (tp.fastopen_rsk !== null) reqsk_fastopen_remove(sk, tp.fastopen_rsk, false);
  tcp_free_fastopen_req(tp);
  tp.defer_connect = false;
  tp.fastopen_client_fail = 0;
  if (sk.sk_frag.page !== null) {
    put_page(sk.sk_frag.page);
    sk.sk_frag.page = null;
    sk.sk_frag.offset = 0;
  }
  sk_error_report(sk);
  return 0;
}

function abandon(sk: sock, old_state: number): void {
  const tp = tcp_sk(sk);
  if (tcp_need_reset(old_state)) tcp_send_active_reset(sk, GFP_ATOMIC, SK_RST_REASON_TCP_STATE);
  else if (tp.snd_nxt !== tp.write_seq && ((1 << old_state) & (TCPF_CLOSING | TCPF_LAST_ACK)) !== 0)
    tcp_send_active_reset(sk, GFP_ATOMIC, SK_RST_REASON_TCP_DISCONNECT_WITH_DATA);
  else if (old_state !== TCP_SYN_SENT) return;
  sk.sk_err = ECONNRESET;
}

/** All that belongs to one connection goes back to what tcp_init_sock() made it. */
function resetConnectionState(sk: sock): void {
  const tp = tcp_sk(sk);
  tp.srtt_us = 0;
  tp.mdev_us = jiffies_to_usecs(TCP_TIMEOUT_INIT());
  tp.rcv_rtt_last_tsecr = 0;
  tp.write_seq = u32add(tp.write_seq, tp.max_window + 2) || 1;
  tp.icsk_backoff = tp.icsk_probes_out = tp.icsk_probes_tstamp = 0;
  tp.icsk_rto = TCP_TIMEOUT_INIT();
  tp.icsk_rto_min = TCP_RTO_MIN();
  tp.icsk_delack_max = TCP_DELACK_MAX();
  tp.snd_ssthresh = TCP_INFINITE_SSTHRESH;
  tcp_snd_cwnd_set(tp, TCP_INIT_CWND);
  tp.snd_cwnd_cnt = 0;
  tp.is_cwnd_limited = false;
  tp.max_packets_out = 0;
  tp.window_clamp = 0;
  tp.delivered = tp.delivered_ce = 0;
  tcp_accecn_init_counters(tp);
  if (tp.icsk_ca_initialized) tp.icsk_ca_ops.release?.(sk);
  tp.icsk_ca_priv = tp.icsk_ca_ops.newPriv?.() ?? null;
  tp.icsk_ca_initialized = false;
  tcp_set_ca_state(sk, TCP_CA_Open);
  tp.is_sack_reneg = false;
  tcp_clear_retrans(tp);
  tp.total_retrans = 0;
  inet_csk_delack_init(sk);
  tp.icsk_ack.rcv_mss = TCP_MIN_MSS;
  clearReceivedOptions(tp);
  __sk_dst_reset(sk);
  dst_release(sk.sk_rx_dst);
  sk.sk_rx_dst = null;
  tcp_saved_syn_free(tp);
  clearCounters(tp);
}

function clearReceivedOptions(tp: tcp_sock): void {
  const rx_opt = tp.rx_opt;
  rx_opt.ts_recent_stamp = rx_opt.ts_recent = rx_opt.rcv_tsval = rx_opt.rcv_tsecr = 0;
  rx_opt.saw_tstamp = rx_opt.tstamp_ok = rx_opt.dsack = rx_opt.wscale_ok = rx_opt.smc_ok = rx_opt.saw_unknown = false;
  rx_opt.sack_ok = rx_opt.snd_wscale = rx_opt.rcv_wscale = rx_opt.num_sacks = 0;
  rx_opt.accecn = rx_opt.user_mss = rx_opt.mss_clamp = 0;
}

function clearCounters(tp: tcp_sock): void {
  tp.compressed_ack = tp.segs_in = tp.segs_out = 0;
  tp.bytes_sent = tp.bytes_acked = tp.bytes_received = tp.bytes_retrans = 0;
  tp.data_segs_in = tp.data_segs_out = 0;
  tp.duplicate_sack[0].start_seq = tp.duplicate_sack[0].end_seq = 0;
  tp.dsack_dups = tp.reord_seen = tp.rcv_ooopack = tp.plb_rehash = 0;
  tp.retrans_out = tp.sacked_out = tp.tlp_high_seq = 0;
  tp.last_oow_ack_time = 0;
  tp.chrono_type = TCP_CHRONO_UNSPEC;
  tp.app_limited = 0xffff_ffff;
  tp.rate_app_limited = true;
  tp.rack.mstamp = 0;
  tp.rack.advanced = false;
  tp.rack.reo_wnd_steps = 1;
  tp.rack.last_delivered = 0;
  tp.rack.reo_wnd_persist = 0;
  tp.rack.dsack_seen = false;
  tp.syn_data_acked = false;
}

/** ss --kill: ends a connection from outside, with an error (positive errno) for its user. */
export function tcp_abort(sk: sock | inet_timewait_sock, err: number): number {
  if (sk.skc_state === TCP_TIME_WAIT) {
    inet_twsk_deschedule_put(sk as inet_timewait_sock);
    return 0;
  }
  const full = sk as sock;
  local_bh_disable();
  if (full.skc_state === TCP_LISTEN) {
    tcp_set_state(full, TCP_CLOSE);
    inet_csk_listen_stop(full);
  }
  if (!sock_flag(full, SOCK_DEAD)) {
    if (tcp_need_reset(full.skc_state)) tcp_send_active_reset(full, GFP_ATOMIC, SK_RST_REASON_TCP_STATE);
    tcp_done_with_error(full, err);
  }
  local_bh_enable();
  return 0;
}
