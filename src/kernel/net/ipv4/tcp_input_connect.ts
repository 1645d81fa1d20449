/**
 * net/ipv4/tcp_input.c: segments in SYN_SENT (RFC 9293 (3.10.7.3)): `tcp_rcv_synsent_state_process` → SYN-ACK: `tcp_ack`, `tcp_finish_connect`,
 * `tcp_rcv_fastopen_synack`, the ACK of the handshake; or a SYN that crossed ours: SYN_RECV, `tcp_send_synack`.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_clear_options, tcp_fastopen_cookie, tcp_options_received, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import {
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_TCP_FLAGS,
  SKB_DROP_REASON_TCP_INVALID_ACK_SEQUENCE,
  SKB_DROP_REASON_TCP_RESET,
  SKB_DROP_REASON_TCP_RFC7323_PAWS,
} from '../../include/net/dropreason.ts';
import {
  ICSK_TIME_DACK,
  ICSK_TIME_RETRANS,
  inet_csk,
  inet_csk_in_pingpong_mode,
  inet_csk_schedule_ack,
} from '../../include/net/inet_sock.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { SOCK_DEAD, SOCK_KEEPOPEN, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import {
  __tcp_fast_path_on,
  after,
  between,
  keepalive_time_when,
  TCP_DELACK_MAX,
  TCP_MAX_QUICKACKS,
  TCP_TIMEOUT_MIN,
  TCPHDR_ACK,
  TCPHDR_RST,
  TCPHDR_SYN,
  TCPOLEN_TSTAMP_ALIGNED,
  tcp_ecn_mode_accecn,
  tcp_ecn_mode_any,
  tcp_init_wl,
  tcp_paws_reject,
  tcp_rtx_queue_head,
  tcp_time_stamp_ts,
  u32add,
} from '../../include/net/tcp.ts';
import { tcp_accecn_reflector_flags, tcp_ecn_rcv_syn, tcp_ecn_rcv_synack } from '../../include/net/tcp_ecn.ts';
import { tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { tcphdr } from '../../uapi/in.ts';
import { LINUX_MIB_PAWSACTIVEREJECTED, LINUX_MIB_TCPFASTOPENACTIVE, LINUX_MIB_TCPFASTOPENACTIVEFAIL } from '../../uapi/snmp.ts';
import { TCP_ESTABLISHED, TCP_SYN_RECV } from '../../uapi/tcp.ts';
import { __kfree_skb } from '../core/skbuff_free.ts';
import { inet_csk_reset_keepalive_timer } from './inet_connection_sock.ts';
import { tcp_fastopen_add_skb } from './tcp_fastopen_server.ts';
import { tcp_ack } from './tcp_input_ack.ts';
import { tcp_store_ts_recent } from './tcp_input_challenge.ts';
import { tcp_enter_quickack_mode, tcp_initialize_rcv_mss, tcp_mark_skb_lost } from './tcp_input_cwnd.ts';
import { tcp_drop_reason, tcp_reset } from './tcp_input_fin.ts';
import { FLAG_SLOWPATH } from './tcp_input_flags.ts';
import { tcp_non_congestion_loss_retransmit } from './tcp_input_mtup.ts';
import { removeOffset, tcp_parse_options } from './tcp_input_options.ts';
import { tcp_init_transfer } from './tcp_input_transfer.ts';
import { tcp_fastopen_cache_set } from './tcp_metrics.ts';
import { tcp_send_synack } from './tcp_output_connect.ts';
import { tcp_mtup_init, tcp_sync_mss } from './tcp_output_mss.ts';
import { __tcp_send_ack } from './tcp_output_send.ts';
import { tcp_reset_xmit_timer, tcp_set_state } from './tcp_state.ts';

const TCPHDR_LEN = 20;
/** tcpi_fastopen_client_fail. */
const TFO_DATA_NOT_ACKED = 2;
const TFO_SYN_RETRANSMITTED = 3;

export function tcp_finish_connect(sk: sock, skb: sk_buff | null): void {
  const tp = tcp_sk(sk);
  const icsk = inet_csk(sk);
  tcp_set_state(sk, TCP_ESTABLISHED);
  icsk.icsk_ack.lrcvtime = tcp_jiffies32();
  if (skb !== null) {
    icsk.icsk_af_ops.sk_rx_dst_set(sk, skb);
    sk.sk_napi_id = skb.napi_id;
  }
  tcp_init_transfer(sk);
  // The window must not be taken for idle before the first data.
  tp.lsndtime = tcp_jiffies32();
  if (sock_flag(sk, SOCK_KEEPOPEN)) inet_csk_reset_keepalive_timer(sk, keepalive_time_when(tp));
  if (tp.rx_opt.snd_wscale === 0) __tcp_fast_path_on(tp, tp.snd_wnd);
  else tp.pred_flags = 0;
}

/** The MSS that the server announced, even where the user's is smaller. */
function announcedMss(sk: sock, synack: sk_buff): number {
  const rx_opt = tcp_sk(sk).rx_opt;
  if (rx_opt.mss_clamp !== rx_opt.user_mss) return rx_opt.mss_clamp;
  const opt = new tcp_options_received();
  tcp_parse_options(sock_net(sk), synack, opt, false, null);
  return opt.mss_clamp;
}

/**
 * RFC 7413 (4.2.2): remembers the cookie, and retransmits the SYN's data if it was not acknowledged: true. A server that acknowledges a retransmitted
 * SYN without data and cookie may sit behind something that drops SYNs with data.
 */
function tcp_rcv_fastopen_synack(sk: sock, synack: sk_buff, cookie: tcp_fastopen_cookie): boolean {
  const tp = tcp_sk(sk);
  const data = tp.syn_data ? tcp_rtx_queue_head(sk) : null;
  const mss = announcedMss(sk, synack);
  let try_exp = 0;
  let syn_drop = false;
  if (!tp.syn_fastopen) cookie.len = -1;
  else if (tp.total_retrans !== 0) syn_drop = cookie.len < 0 && data !== null;
  else if (cookie.len < 0 && !tp.syn_data) try_exp = tp.syn_fastopen_exp ? 2 : 1;
  tcp_fastopen_cache_set(sk, mss, cookie, syn_drop, try_exp);
  if (data !== null) {
    tp.fastopen_client_fail = tp.total_retrans !== 0 ? TFO_SYN_RETRANSMITTED : TFO_DATA_NOT_ACKED;
    for (let skb: sk_buff | null = data; skb !== null; skb = skb.next) tcp_mark_skb_lost(sk, skb);
    tcp_non_congestion_loss_retransmit(sk);
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPFASTOPENACTIVEFAIL);
    return true;
  }
  tp.syn_data_acked = tp.syn_data;
  if (tp.syn_data_acked) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPFASTOPENACTIVE);
    // SYN and data were counted as two packets.
    if (tp.delivered > 1) tp.delivered--;
  }
  tcp_fastopen_add_skb(sk, synack);
  return false;
}

/** The SYN (or SYN-ACK) timed out too early, if the ACK echoes the stamp of the first one. */
export function tcp_try_undo_spurious_syn(sk: sock): void {
  const tp = tcp_sk(sk);
  const stamp = tp.retrans_stamp;
  if (tp.undo_marker !== 0 && stamp !== 0 && tp.rx_opt.saw_tstamp && stamp === tp.rx_opt.rcv_tsecr) tp.undo_marker = 0;
}

function forgetOptions(tp: tcp_sock, saved_clamp: number): void {
  tcp_clear_options(tp.rx_opt);
  tp.rx_opt.mss_clamp = saved_clamp;
}

function discardAndUndo(sk: sock, skb: sk_buff, saved_clamp: number, reason: number): number {
  forgetOptions(tcp_sk(sk), saved_clamp);
  tcp_drop_reason(sk, skb, reason, 'tcp_rcv_synsent_state_process');
  return 0;
}

function consume(skb: sk_buff): number {
  __kfree_skb(skb);
  return 0;
}

/** Why the ACK of a segment in SYN_SENT is unacceptable (the caller sends a RST); 0 if it is not. */
function checkAck(sk: sock, skb: sk_buff): number {
  const tp = tcp_sk(sk);
  const ack_seq = skb.tcp.ack_seq;
  if (!after(ack_seq, tp.snd_una) || after(ack_seq, tp.snd_nxt)) {
    // Of an earlier connection, whose end still has to be told: our SYN once more, soon.
    if (inet_csk(sk).icsk_retransmits === 0) tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, TCP_TIMEOUT_MIN(), false);
    return SKB_DROP_REASON_TCP_INVALID_ACK_SEQUENCE;
  }
  const rx_opt = tp.rx_opt;
  if (rx_opt.saw_tstamp && rx_opt.rcv_tsecr !== 0 && !between(rx_opt.rcv_tsecr, tp.retrans_stamp, tcp_time_stamp_ts(tp))) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_PAWSACTIVEREJECTED);
    return SKB_DROP_REASON_TCP_RFC7323_PAWS;
  }
  return 0;
}

/** Header length, with timestamps if both sides use them. */
function agreeOnTimestamps(tp: tcp_sock): void {
  if (tp.rx_opt.saw_tstamp) {
    tp.rx_opt.tstamp_ok = true;
    tp.tcp_header_len = TCPHDR_LEN + TCPOLEN_TSTAMP_ALIGNED;
    tcp_store_ts_recent(tp);
  } else tp.tcp_header_len = TCPHDR_LEN;
}

/** The server's SYN-ACK: established. -1: the caller goes on with it. */
function receiveSynack(sk: sock, skb: sk_buff, foc: tcp_fastopen_cookie): number {
  const icsk = inet_csk(sk);
  const tp = tcp_sk(sk);
  const th = new tcphdr(skb.mem.view, skb.transport_header);
  if (tcp_ecn_mode_any(tp)) tcp_ecn_rcv_synack(sk, skb, th);
  tcp_init_wl(tp, skb.tcp.seq);
  tcp_try_undo_spurious_syn(sk);
  tcp_ack(sk, skb, FLAG_SLOWPATH);
  tp.rcv_nxt = tp.rcv_wup = u32add(skb.tcp.seq, 1);
  // Windows of SYNs are not scaled.
  tp.snd_wnd = th.window;
  if (!tp.rx_opt.wscale_ok) {
    tp.rx_opt.snd_wscale = tp.rx_opt.rcv_wscale = 0;
    tp.window_clamp = Math.min(tp.window_clamp, 65535);
  }
  agreeOnTimestamps(tp);
  if (tp.rx_opt.saw_tstamp) tp.advmss -= TCPOLEN_TSTAMP_ALIGNED;
  tcp_sync_mss(sk, icsk.icsk_pmtu_cookie);
  tcp_initialize_rcv_mss(sk);
  tp.copied_seq = tp.rcv_nxt;
  tcp_finish_connect(sk, skb);
  const fastopen_fail = (tp.syn_fastopen || tp.syn_data) && tcp_rcv_fastopen_synack(sk, skb, foc);
  if (!sock_flag(sk, SOCK_DEAD)) sk.sk_state_change(sk);
  if (fastopen_fail) return -1;
  if (sk.sk_write_pending !== 0 || icsk.icsk_accept_queue.rskq_defer_accept !== 0 || inet_csk_in_pingpong_mode(sk)) {
    // Data will follow at once and can carry the ACK.
    inet_csk_schedule_ack(sk);
    tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS);
    tcp_reset_xmit_timer(sk, ICSK_TIME_DACK, TCP_DELACK_MAX(), false);
    return consume(skb);
  }
  __tcp_send_ack(sk, tp.rcv_nxt, tcp_ecn_mode_accecn(tp) ? tcp_accecn_reflector_flags(tp.syn_ect_rcv) : 0);
  return -1;
}

/** Simultaneous open (RFC 9293 (3.5), figure 7): the data of such a SYN is dropped; it will be retransmitted. */
function receiveSyn(sk: sock, skb: sk_buff): number {
  const tp = tcp_sk(sk);
  const th = new tcphdr(skb.mem.view, skb.transport_header);
  tcp_set_state(sk, TCP_SYN_RECV);
  agreeOnTimestamps(tp);
  tp.rcv_nxt = tp.rcv_wup = u32add(skb.tcp.seq, 1);
  tp.copied_seq = tp.rcv_nxt;
  tp.snd_wnd = th.window;
  tp.snd_wl1 = skb.tcp.seq;
  tp.max_window = tp.snd_wnd;
  tcp_ecn_rcv_syn(tp, th);
  tcp_mtup_init(sk);
  tcp_sync_mss(sk, inet_csk(sk).icsk_pmtu_cookie);
  tcp_initialize_rcv_mss(sk);
  tcp_send_synack(sk);
  return consume(skb);
}

/** -1: go on with urgent data; 0: dealt with; positive: answer with a RST, for this drop reason. */
export function tcp_rcv_synsent_state_process(sk: sock, skb: sk_buff): number {
  const tp = tcp_sk(sk);
  const flags = skb.tcp.tcp_flags;
  const foc = new tcp_fastopen_cookie();
  const saved_clamp = tp.rx_opt.mss_clamp;
  tcp_parse_options(sock_net(sk), skb, tp.rx_opt, false, foc);
  removeOffset(tp);
  if ((flags & TCPHDR_ACK) !== 0) {
    const reason = checkAck(sk, skb);
    if (reason !== 0) {
      forgetOptions(tp, saved_clamp);
      return reason;
    }
    if ((flags & TCPHDR_RST) !== 0) {
      tcp_reset(sk, skb);
      return consume(skb);
    }
    return (flags & TCPHDR_SYN) === 0 ? discardAndUndo(sk, skb, saved_clamp, SKB_DROP_REASON_TCP_FLAGS) : receiveSynack(sk, skb, foc);
  }
  if ((flags & TCPHDR_RST) !== 0) return discardAndUndo(sk, skb, saved_clamp, SKB_DROP_REASON_TCP_RESET);
  if (tp.rx_opt.ts_recent_stamp !== 0 && tp.rx_opt.saw_tstamp && tcp_paws_reject(tp.rx_opt, false))
    return discardAndUndo(sk, skb, saved_clamp, SKB_DROP_REASON_TCP_RFC7323_PAWS);
  if ((flags & TCPHDR_SYN) !== 0) return receiveSyn(sk, skb);
  return discardAndUndo(sk, skb, saved_clamp, SKB_DROP_REASON_NOT_SPECIFIED);
}
