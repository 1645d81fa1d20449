/**
 * net/ipv4/tcp_minisocks.c: what is left of a closed connection.
 * `tcp_time_wait` puts a stand-in in the socket's place; segments for it come to `tcp_timewait_state_process`.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_options_received, tcp_sk } from '../../include/linux/tcp.ts';
import { SKB_DROP_REASON_TCP_RFC7323_TW_PAWS, SKB_NOT_DROPPED_YET } from '../../include/net/dropreason.ts';
import { inet_csk, inet_sk } from '../../include/net/inet_sock.ts';
import {
  type inet_timewait_sock,
  TCP_TW_ACK,
  TCP_TW_ACK_OOW,
  TCP_TW_RST,
  TCP_TW_SUCCESS,
  TCP_TW_SYN,
  type tcp_tw_status,
} from '../../include/net/inet_timewait_sock.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  after,
  before,
  ktime_get_seconds,
  TCP_TIMEWAIT_LEN,
  tcp_clock_ms,
  tcp_paws_reject,
  tcp_receive_window,
  tcp_time_stamp_ms,
  u32add,
} from '../../include/net/tcp.ts';
import { tcp_v4_md5_lookup } from '../../include/net/tcp_md5sig.ts';
import type { tcphdr } from '../../uapi/in.ts';
import {
  LINUX_MIB_PAWS_TW_REJECTED,
  LINUX_MIB_TCPACKSKIPPEDFINWAIT2,
  LINUX_MIB_TCPACKSKIPPEDTIMEWAIT,
  LINUX_MIB_TCPTIMEWAITOVERFLOW,
} from '../../uapi/snmp.ts';
import { TCP_FIN_WAIT2, TCP_TIME_WAIT } from '../../uapi/tcp.ts';
import {
  inet_twsk_alloc,
  inet_twsk_deschedule_put,
  inet_twsk_hashdance_schedule,
  inet_twsk_put,
  inet_twsk_reschedule,
  twsk_net,
} from './inet_timewait_sock.ts';
import { tcp_oow_rate_limited } from './tcp_input_challenge.ts';
import { tcp_parse_options } from './tcp_input_options.ts';
import { tcp_update_metrics } from './tcp_metrics.ts';
import { tcp_in_window } from './tcp_minisocks_window.ts';
import { tcp_done } from './tcp_state.ts';

/** An ACK, if it is not one too many. */
function tcp_timewait_check_oow_rate_limit(tw: inet_timewait_sock, skb: sk_buff, mib_idx: number): tcp_tw_status {
  return tcp_oow_rate_limited(twsk_net(tw), skb, mib_idx, tw) ? done(tw) : TCP_TW_ACK_OOW;
}

/** Nothing more to be done; gives up the caller's reference. */
function done(tw: inet_timewait_sock): tcp_tw_status {
  inet_twsk_put(tw);
  return TCP_TW_SUCCESS;
}

function kill(tw: inet_timewait_sock): tcp_tw_status {
  inet_twsk_deschedule_put(tw);
  return TCP_TW_SUCCESS;
}

/**
 * A segment for a connection in TIME_WAIT (or dead FIN_WAIT2). Returns what the caller has to do, who keeps its reference of `tw` unless that is
 * TCP_TW_SUCCESS. With TCP_TW_SYN `tw.newIsn` is where a new connection may start; `tw.dropReason` says why the segment is dropped.
 */
export function tcp_timewait_state_process(tw: inet_timewait_sock, skb: sk_buff, th: tcphdr): tcp_tw_status {
  const tmp_opt = new tcp_options_received();
  tw.dropReason = SKB_NOT_DROPPED_YET;
  const paws_reject = parseTimestamps(tw, skb, th, tmp_opt);
  if (tw.tw_substate === TCP_FIN_WAIT2) return deadFinWait2(tw, skb, th, tmp_opt, paws_reject);
  if (!paws_reject && skb.tcp.seq === tw.tw_rcv_nxt && (skb.tcp.seq === skb.tcp.end_seq || th.rst !== 0)) return inWindow(tw, th, tmp_opt);
  if (mayReopen(tw, skb, th, tmp_opt, paws_reject)) {
    tw.newIsn = u32add(tw.tw_snd_nxt, 65535 + 2) || 1;
    return TCP_TW_SYN;
  }
  return outOfWindow(tw, skb, th, paws_reject);
}

/** RFC 7323 (5.3): true if the segment is older than what was seen. */
function parseTimestamps(tw: inet_timewait_sock, skb: sk_buff, th: tcphdr, tmp_opt: tcp_options_received): boolean {
  if (th.doff <= 5 || tw.tw_ts_recent_stamp === 0) return false;
  tcp_parse_options(twsk_net(tw), skb, tmp_opt, false, null);
  if (!tmp_opt.saw_tstamp) return false;
  if (tmp_opt.rcv_tsecr !== 0) tmp_opt.rcv_tsecr = (tmp_opt.rcv_tsecr - tw.tw_ts_offset) >>> 0;
  tmp_opt.ts_recent = tw.tw_ts_recent;
  tmp_opt.ts_recent_stamp = tw.tw_ts_recent_stamp;
  return tcp_paws_reject(tmp_opt, th.rst !== 0);
}

/** FIN_WAIT2 without an owner: waits for the FIN; data that nobody will read is answered with a RST. */
function deadFinWait2(
  tw: inet_timewait_sock,
  skb: sk_buff,
  th: tcphdr,
  tmp_opt: tcp_options_received,
  paws_reject: boolean,
): tcp_tw_status {
  const { seq, end_seq } = skb.tcp;
  const rcv_nxt = tw.tw_rcv_nxt;
  if (paws_reject || !tcp_in_window(seq, end_seq, rcv_nxt, u32add(rcv_nxt, tw.tw_rcv_wnd)))
    return tcp_timewait_check_oow_rate_limit(tw, skb, LINUX_MIB_TCPACKSKIPPEDFINWAIT2);
  if (th.rst !== 0) return kill(tw);
  if (th.syn !== 0 && !before(seq, rcv_nxt)) return TCP_TW_RST;
  if (th.ack === 0 || !after(end_seq, rcv_nxt) || end_seq === seq) return done(tw);
  if (th.fin === 0 || end_seq !== u32add(rcv_nxt, 1)) return TCP_TW_RST;
  tw.tw_substate = TCP_TIME_WAIT;
  tw.tw_rcv_nxt = end_seq;
  if (tmp_opt.saw_tstamp) {
    tw.tw_entry_stamp = tcp_clock_ms();
    tw.tw_ts_recent_stamp = ktime_get_seconds();
    tw.tw_ts_recent = tmp_opt.rcv_tsval;
  }
  inet_twsk_reschedule(tw, TCP_TIMEWAIT_LEN());
  return TCP_TW_ACK;
}

/** A bare ACK starts 2 MSL anew; a RST ends them, unless net.ipv4.tcp_rfc1337 guards against that (RFC 1337). */
function inWindow(tw: inet_timewait_sock, th: tcphdr, tmp_opt: tcp_options_received): tcp_tw_status {
  if (th.rst === 0) inet_twsk_reschedule(tw, TCP_TIMEWAIT_LEN());
  else if (twsk_net(tw).ipv4.sysctl_tcp_rfc1337 === 0) return kill(tw);
  if (tmp_opt.saw_tstamp) {
    tw.tw_ts_recent = tmp_opt.rcv_tsval;
    tw.tw_ts_recent_stamp = ktime_get_seconds();
  }
  return done(tw);
}

/** RFC 1122 (4.2.2.13), RFC 6191: a SYN with a higher sequence number, or a later timestamp, may reopen the connection. */
const mayReopen = (tw: inet_timewait_sock, skb: sk_buff, th: tcphdr, tmp_opt: tcp_options_received, paws_reject: boolean): boolean =>
  th.syn !== 0 &&
  th.rst === 0 &&
  th.ack === 0 &&
  !paws_reject &&
  (after(skb.tcp.seq, tw.tw_rcv_nxt) || (tmp_opt.saw_tstamp && ((tw.tw_ts_recent - tmp_opt.rcv_tsval) | 0) < 0));

function outOfWindow(tw: inet_timewait_sock, skb: sk_buff, th: tcphdr, paws_reject: boolean): tcp_tw_status {
  if (paws_reject) {
    tw.dropReason = SKB_DROP_REASON_TCP_RFC7323_TW_PAWS;
    NET_INC_STATS(twsk_net(tw), LINUX_MIB_PAWS_TW_REJECTED);
  }
  if (th.rst !== 0) return done(tw);
  // A SYN without ACK may be an old one as well as a new one with a lower number: it does not prolong the wait.
  if (paws_reject || th.ack !== 0) inet_twsk_reschedule(tw, TCP_TIMEWAIT_LEN());
  return tcp_timewait_check_oow_rate_limit(tw, skb, LINUX_MIB_TCPACKSKIPPEDTIMEWAIT);
}

/** Replaces the socket by a stand-in for `timeo` jiffies, and closes it. */
export function tcp_time_wait(sk: sock, state: number, timeo: number): void {
  const network = sock_net(sk);
  const tw = inet_twsk_alloc(sk, state);
  if (tw !== null) {
    rememberConnection(tw, sk);
    // Long enough for two retransmissions of the peer's FIN.
    const rto = inet_csk(sk).icsk_rto;
    const atLeast = Math.max(timeo, rto * 4 - (rto >> 1));
    inet_twsk_hashdance_schedule(tw, sk, network.tcp_hashinfo, state === TCP_TIME_WAIT ? TCP_TIMEWAIT_LEN() : atLeast);
  } else NET_INC_STATS(network, LINUX_MIB_TCPTIMEWAITOVERFLOW);
  tcp_update_metrics(sk);
  tcp_done(sk);
}

function rememberConnection(tw: inet_timewait_sock, sk: sock): void {
  const tp = tcp_sk(sk);
  tw.tw_transparent = inet_sk(sk).transparent;
  tw.tw_mark = sk.sk_mark;
  tw.tw_priority = sk.sk_priority;
  tw.tw_rcv_wscale = tp.rx_opt.rcv_wscale;
  tw.tw_entry_stamp = tcp_time_stamp_ms(tp);
  tw.tw_rcv_nxt = tp.rcv_nxt;
  tw.tw_snd_nxt = tp.snd_nxt;
  tw.tw_rcv_wnd = tcp_receive_window(tp);
  tw.tw_ts_recent = tp.rx_opt.ts_recent;
  tw.tw_ts_recent_stamp = tp.rx_opt.ts_recent_stamp;
  tw.tw_ts_offset = tp.tsoffset;
  tw.tw_usec_ts = tp.tcp_usec_ts;
  tw.tw_last_oow_ack_time = 0;
  tw.tw_tx_delay = tp.tcp_tx_delay;
  tw.tw_txhash = sk.sk_txhash;
  tw.tw_md5_key = tcp_v4_md5_lookup(sk, sk);
}
