/**
 * net/ipv4/tcp_minisocks.c: from a request to a socket.
 * `tcp_openreq_init_rwin` (SYN) → `tcp_check_req` (what comes for a half-open connection) → `tcp_create_openreq_child` → `tcp_ca_openreq_child`.
 */
import { trace } from '../../current.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_hdr, tcp_options_received, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import {
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_TCP_LISTEN_OVERFLOW,
  SKB_DROP_REASON_TCP_OVERWINDOW,
  SKB_DROP_REASON_TCP_RFC7323_PAWS,
  SKB_DROP_REASON_TCP_RFC7323_TSECR,
} from '../../include/net/dropreason.ts';
import { type dst_entry, dst_metric, dst_metric_advmss, RTAX_CC_ALGO, RTAX_INITRWND, RTAX_WINDOW } from '../../include/net/dst.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS, TCP_INC_STATS } from '../../include/net/net_namespace.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import { SK_RST_REASON_INVALID_SYN } from '../../include/net/rstreason.ts';
import { SOCK_KEEPOPEN, SOCK_RCVBUF_LOCK, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import {
  after,
  between,
  keepalive_time_when,
  ktime_get_seconds,
  TCP_ECN_MODE_RFC3168,
  TCP_MSS_DEFAULT,
  TCPHDR_ACK,
  TCPHDR_RST,
  TCPHDR_SYN,
  TCPOLEN_MD5SIG_ALIGNED,
  TCPOLEN_TSTAMP_ALIGNED,
  tcp_clock_ms,
  tcp_clock_us,
  tcp_ecn_mode_set,
  tcp_full_space,
  tcp_init_wl,
  tcp_mss_clamp,
  tcp_paws_reject,
  tcp_synack_window,
  u32add,
} from '../../include/net/tcp.ts';
import { tcp_v4_md5_lookup } from '../../include/net/tcp_md5sig.ts';
import { HZ, jiffies, mod_timer, tcp_jiffies32, timer_pending } from '../../kernel/time/timer.ts';
import { minmax_reset } from '../../lib/win_minmax.ts';
import { ECONNRESET } from '../../uapi/errno.ts';
import {
  LINUX_MIB_EMBRYONICRSTS,
  LINUX_MIB_PAWSESTABREJECTED,
  LINUX_MIB_TCPACKSKIPPEDSYNRECV,
  LINUX_MIB_TCPDEFERACCEPTDROP,
  LINUX_MIB_TCPMIGRATEREQFAILURE,
  LINUX_MIB_TSECRREJECTED,
  TCP_MIB_ATTEMPTFAILS,
  TCP_MIB_PASSIVEOPENS,
} from '../../uapi/snmp.ts';
import { TCP_CA_Open } from '../../uapi/tcp.ts';
import { reqsk_fastopen_remove } from '../core/request_sock.ts';
import {
  inet_csk_clone_lock,
  inet_csk_complete_hashdance,
  inet_csk_reqsk_queue_drop,
  inet_csk_reset_keepalive_timer,
  tcp_reqsk_timeout,
} from './inet_connection_sock.ts';
import { tcp_assign_congestion_control, tcp_set_ca_state } from './tcp_cong.ts';
import { tcp_oow_rate_limited, tcp_reqsk_send_challenge_ack } from './tcp_input_challenge.ts';
import { tcp_parse_options } from './tcp_input_options.ts';
import { tcp_synack_rtt_meas } from './tcp_input_rtt.ts';
import { tcp_in_window } from './tcp_minisocks_window.ts';
import { tcp_rtx_synack, tcp_select_initial_window } from './tcp_output.ts';
import { tcp_done_with_error } from './tcp_state.ts';
import { tcp_init_xmit_timers } from './tcp_timer.ts';

const TCPHDR_LEN = 20;

/** The window that the SYN-ACK offers. */
export function tcp_openreq_init_rwin(req: request_sock, sk_listener: sock, dst: dst_entry): void {
  const tp = tcp_sk(sk_listener);
  const full_space = tcp_full_space(sk_listener);
  const mss = tcp_mss_clamp(tp, dst_metric_advmss(dst));
  let clamp = tp.window_clamp || dst_metric(dst, RTAX_WINDOW);
  // A receive buffer that the user has fixed limits the window, too.
  if ((sk_listener.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0 && (clamp > full_space || clamp === 0)) clamp = full_space;
  const segment = mss - (req.tstamp_ok ? TCPOLEN_TSTAMP_ALIGNED : 0);
  const window = tcp_select_initial_window(sk_listener, full_space, segment, clamp, req.wscale_ok, dst_metric(dst, RTAX_INITRWND));
  req.rsk_rcv_wnd = window.rcv_wnd;
  req.rsk_window_clamp = window.window_clamp;
  req.rcv_wscale = window.rcv_wscale;
}

/** The congestion control that the route asks for, else the listener's own choice, else the default. */
export function tcp_ca_openreq_child(sk: sock, dst: dst_entry): void {
  const icsk = inet_csk(sk);
  const ca = sock_net(sk).tcp_cong_list[dst_metric(dst, RTAX_CC_ALGO) - 1];
  icsk.icsk_ca_initialized = false;
  if (ca !== undefined) icsk.icsk_ca_ops = ca;
  else if (!icsk.icsk_ca_setsockopt) tcp_assign_congestion_control(sk);
  icsk.icsk_ca_priv = icsk.icsk_ca_ops.newPriv?.() ?? null;
  tcp_set_ca_state(sk, TCP_CA_Open);
}

/** The socket of a connection whose handshake is complete: listener's settings, request's numbers. */
export function tcp_create_openreq_child(sk: sock, req: request_sock, skb: sk_buff): sock {
  const newsk = inet_csk_clone_lock(sk, req, GFP_ATOMIC);
  const newtp = tcp_sk(newsk);
  childSequence(newtp, req);
  newtp.segs_in = 1;
  minmax_reset(newtp.rtt_min, tcp_jiffies32(), 0xffff_ffff);
  newtp.icsk_ack.lrcvtime = tcp_jiffies32();
  newtp.lsndtime = tcp_jiffies32();
  newsk.sk_txhash = req.txhash;
  newtp.total_retrans = req.num_retrans;
  tcp_init_xmit_timers(newsk);
  if (sock_flag(newsk, SOCK_KEEPOPEN)) inet_csk_reset_keepalive_timer(newsk, keepalive_time_when(newtp));
  childOptions(newtp, req, skb);
  if (req.num_timeout !== 0) childTimeouts(newtp, req);
  newtp.tsoffset = req.ts_off;
  newtp.md5sig_info = null;
  if (tcp_v4_md5_lookup(sk, newsk) !== null) newtp.tcp_header_len += TCPOLEN_MD5SIG_ALIGNED;
  if (skb.len >= TCP_MSS_DEFAULT + newtp.tcp_header_len) newtp.icsk_ack.last_seg_size = skb.len - newtp.tcp_header_len;
  newtp.rx_opt.mss_clamp = req.mss;
  tcp_ecn_mode_set(newtp, req.ecn_ok ? TCP_ECN_MODE_RFC3168 : 0);
  newtp.fastopen_req = null;
  newtp.fastopen_rsk = null;
  TCP_INC_STATS(sock_net(sk), TCP_MIB_PASSIVEOPENS);
  return newsk;
}

function childSequence(newtp: tcp_sock, req: request_sock): void {
  newtp.pred_flags = 0;
  newtp.rcv_wup = newtp.copied_seq = newtp.rcv_nxt = u32add(req.rcv_isn, 1);
  const seq = u32add(req.snt_isn, 1);
  newtp.snd_sml = newtp.snd_una = newtp.snd_nxt = newtp.snd_up = seq;
  newtp.write_seq = newtp.pushed_seq = seq;
  tcp_init_wl(newtp, req.rcv_isn);
}

function childOptions(newtp: tcp_sock, req: request_sock, skb: sk_buff): void {
  const rx_opt = newtp.rx_opt;
  rx_opt.tstamp_ok = req.tstamp_ok;
  rx_opt.sack_ok = req.sack_ok ? 1 : 0;
  rx_opt.wscale_ok = req.wscale_ok;
  rx_opt.snd_wscale = req.wscale_ok ? req.snd_wscale : 0;
  rx_opt.rcv_wscale = req.wscale_ok ? req.rcv_wscale : 0;
  newtp.window_clamp = req.wscale_ok ? req.rsk_window_clamp : Math.min(req.rsk_window_clamp, 65535);
  newtp.rcv_ssthresh = req.rsk_rcv_wnd;
  newtp.rcv_wnd = req.rsk_rcv_wnd;
  newtp.snd_wnd = tcp_hdr(skb).window << rx_opt.snd_wscale;
  newtp.max_window = newtp.snd_wnd;
  newtp.tcp_usec_ts = req.tstamp_ok && req.req_usec_ts;
  rx_opt.ts_recent = req.tstamp_ok ? req.ts_recent : rx_opt.ts_recent;
  rx_opt.ts_recent_stamp = req.tstamp_ok ? ktime_get_seconds() : 0;
  newtp.tcp_header_len = TCPHDR_LEN + (req.tstamp_ok ? TCPOLEN_TSTAMP_ALIGNED : 0);
}

/** The SYN-ACK had timed out: that may have been too early, which the first ACK will show (RFC 3522, Eifel). */
function childTimeouts(newtp: tcp_sock, req: request_sock): void {
  newtp.total_rto = req.num_timeout;
  newtp.undo_marker = req.snt_isn;
  newtp.retrans_stamp = (newtp.tcp_usec_ts ? req.snt_synack : Math.floor(req.snt_synack / 1000)) >>> 0;
  newtp.total_rto_time = newtp.tcp_usec_ts
    ? Math.floor((tcp_clock_us() - req.snt_synack) / 1000)
    : tcp_clock_ms() - Math.floor(req.snt_synack / 1000);
  newtp.total_rto_recoveries = 1;
}

/** Timestamps of a segment for a half-open connection, judged. */
class stampVerdict {
  readonly tmp_opt = new tcp_options_received();
  paws_reject = false;
  tsecr_reject = false;
}

function judgeStamps(sk: sock, skb: sk_buff, req: request_sock, rst: boolean, doff: number, fastopen: boolean): stampVerdict {
  const verdict = new stampVerdict();
  const tmp_opt = verdict.tmp_opt;
  if (doff <= 5) return verdict;
  tcp_parse_options(sock_net(sk), skb, tmp_opt, false, null);
  if (!tmp_opt.saw_tstamp) return verdict;
  tmp_opt.ts_recent = req.ts_recent;
  if (tmp_opt.rcv_tsecr !== 0) {
    if (req.tstamp_ok && !fastopen) verdict.tsecr_reject = !between(tmp_opt.rcv_tsecr, req.snt_tsval_first, req.snt_tsval_last);
    tmp_opt.rcv_tsecr = (tmp_opt.rcv_tsecr - req.ts_off) >>> 0;
  }
  // The true instant is not kept; this is near enough.
  tmp_opt.ts_recent_stamp = ktime_get_seconds() - Math.floor(tcp_reqsk_timeout(req) / HZ());
  verdict.paws_reject = tcp_paws_reject(tmp_opt, rst);
  return verdict;
}

/**
 * A segment for a half-open connection. Returns the new socket; or `sk` itself if the segment is the listener's to answer (or, for Fast Open, the
 * child's to process); or null when there is nothing more to do, and `req.dropReason` says why.
 *
 * Normally `sk` is the listener and the caller has a reference of `req`; with `fastopen` it is the child. Another CPU cannot have made the child
 * meanwhile, so there is no `req_stolen` here.
 */
export function tcp_check_req(sk: sock, skb: sk_buff, req: request_sock, fastopen: boolean): sock | null {
  const th = tcp_hdr(skb);
  let flg = skb.tcp.tcp_flags & (TCPHDR_RST | TCPHDR_SYN | TCPHDR_ACK);
  req.dropReason = SKB_DROP_REASON_NOT_SPECIFIED;
  const verdict = judgeStamps(sk, skb, req, th.rst !== 0, th.doff, fastopen);
  if (skb.tcp.seq === req.rcv_isn && flg === TCPHDR_SYN && !verdict.paws_reject) {
    synAgain(sk, skb, req, fastopen);
    return null;
  }
  // RFC 9293 (3.10.7.4): a wrong ACK gets a RST, which the listener sends. For Fast Open the child has checked it, and a RST is judged by its sequence number.
  if ((flg & (TCPHDR_ACK | TCPHDR_RST)) === TCPHDR_ACK && !fastopen && skb.tcp.ack_seq !== u32add(req.snt_isn, 1)) return sk;
  if (!isAcceptable(skb, req, verdict)) {
    unacceptable(sk, skb, req, verdict, (flg & TCPHDR_RST) !== 0);
    return null;
  }
  // The SYN, sent again with data: its SYN lies before the window.
  if (skb.tcp.seq === req.rcv_isn) flg &= ~TCPHDR_SYN;
  // RFC 5961 (3.2): in the window, but not at its left edge.
  if ((flg & TCPHDR_RST) !== 0 && skb.tcp.seq !== req.rcv_nxt) {
    tcp_reqsk_send_challenge_ack(sk, skb, req);
    return null;
  }
  if ((flg & (TCPHDR_RST | TCPHDR_SYN)) !== 0) {
    TCP_INC_STATS(sock_net(sk), TCP_MIB_ATTEMPTFAILS);
    return embryonicReset(sk, skb, req, fastopen, (flg & TCPHDR_RST) !== 0);
  }
  if ((flg & TCPHDR_ACK) === 0) return null;
  if (fastopen) return sk;
  if (req.num_timeout < inet_csk(sk).icsk_accept_queue.rskq_defer_accept && skb.tcp.end_seq === u32add(req.rcv_isn, 1)) {
    req.acked = true;
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPDEFERACCEPTDROP);
    return null;
  }
  return makeChild(sk, skb, req, verdict.tmp_opt);
}

/** The peer repeats its SYN, so our SYN-ACK may be lost: sends it again and starts its timer anew. */
function synAgain(sk: sock, skb: sk_buff, req: request_sock, fastopen: boolean): void {
  if (limited(sk, skb, req)) return;
  if (tcp_rtx_synack(sk, req) !== 0) return;
  const expires = jiffies() + tcp_reqsk_timeout(req);
  if (fastopen) req.rsk_timer.expires = expires;
  else if (timer_pending(req.rsk_timer)) mod_timer(req.rsk_timer, expires);
}

const limited = (sk: sock, skb: sk_buff, req: request_sock): boolean =>
  tcp_oow_rate_limited(sock_net(sk), skb, LINUX_MIB_TCPACKSKIPPEDSYNRECV, req);

const isAcceptable = (skb: sk_buff, req: request_sock, verdict: stampVerdict): boolean =>
  !verdict.paws_reject &&
  !verdict.tsecr_reject &&
  tcp_in_window(skb.tcp.seq, skb.tcp.end_seq, req.rcv_nxt, u32add(req.rcv_nxt, tcp_synack_window(req)));

/** Outside of the window: an ACK tells the peer where we are. */
function unacceptable(sk: sock, skb: sk_buff, req: request_sock, verdict: stampVerdict, rst: boolean): void {
  if (!rst && !limited(sk, skb, req)) req.rsk_ops.send_ack(sk, skb, req);
  if (verdict.paws_reject) {
    req.dropReason = SKB_DROP_REASON_TCP_RFC7323_PAWS;
    NET_INC_STATS(sock_net(sk), LINUX_MIB_PAWSESTABREJECTED);
  } else if (verdict.tsecr_reject) {
    req.dropReason = SKB_DROP_REASON_TCP_RFC7323_TSECR;
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TSECRREJECTED);
  } else req.dropReason = SKB_DROP_REASON_TCP_OVERWINDOW;
}

function makeChild(sk: sock, skb: sk_buff, req: request_sock, tmp_opt: tcp_options_received): sock | null {
  const child = inet_csk(sk).icsk_af_ops.syn_recv_sock(sk, skb, req, null, req);
  if (child === null) return listenOverflow(sk, skb, req);
  if (tmp_opt.saw_tstamp && !after(skb.tcp.seq, req.rcv_nxt)) tcp_sk(child).rx_opt.ts_recent = tmp_opt.rcv_tsval;
  tcp_synack_rtt_meas(child, req);
  return inet_csk_complete_hashdance(sk, child, req, true);
}

/** The accept queue is full: the ACK is ignored, so that the peer's retransmission finds room; or refused with tcp_abort_on_overflow. */
function listenOverflow(sk: sock, skb: sk_buff, req: request_sock): null {
  req.dropReason = SKB_DROP_REASON_TCP_LISTEN_OVERFLOW;
  if (sk !== req.rsk_listener) NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPMIGRATEREQFAILURE);
  if (sock_net(sk).ipv4.sysctl_tcp_abort_on_overflow !== 0) return embryonicReset(sk, skb, req, false, false);
  req.acked = true;
  return null;
}

/** The half-open connection ends, by the peer's RST or with one of ours. A Fast Open child is spared for a mere wrong SYN: it may be forged. */
function embryonicReset(sk: sock, skb: sk_buff, req: request_sock, fastopen: boolean, rst: boolean): null {
  if (!rst) req.rsk_ops.send_reset(sk, skb, SK_RST_REASON_INVALID_SYN);
  else if (fastopen) {
    reqsk_fastopen_remove(sk, req, true);
    trace().tcp_receive_reset?.(sk);
    tcp_done_with_error(sk, ECONNRESET);
  }
  if (!fastopen && inet_csk_reqsk_queue_drop(sk, req)) NET_INC_STATS(sock_net(sk), LINUX_MIB_EMBRYONICRSTS);
  return null;
}
