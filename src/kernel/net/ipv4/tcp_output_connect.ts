/**
 * net/ipv4/tcp_output.c: opening a connection: `tcp_connect` → `tcp_connect_init` → SYN (with data: `tcp_send_syn_data`, RFC 7413);
 * `tcp_send_synack` answers a SYN that crossed ours.
 */
import { PAGE_SIZE } from '../../../machine/memory.ts';
import { kernel } from '../../current.ts';
import { __skb_header_release, __skb_queue_tail, type sk_buff, skb_cloned, skb_fill_page_desc } from '../../include/linux/skbuff.ts';
import { TCP_CHRONO_BUSY, type tcp_fastopen_request, tcp_sk } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC, min } from '../../include/linux/types.ts';
import {
  type dst_entry,
  dst_metric,
  dst_metric_advmss,
  dst_metric_locked,
  dst_mtu,
  RTAX_CC_ALGO,
  RTAX_FEATURE_ECN,
  RTAX_FEATURES,
  RTAX_INITRWND,
  RTAX_WINDOW,
} from '../../include/net/dst.ts';
import { INET_ECN_xmit } from '../../include/net/inet_ecn.ts';
import { ICSK_TIME_RETRANS } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS, TCP_INC_STATS } from '../../include/net/net_namespace.ts';
import { __sk_dst_get, type page_frag, SOCK_DONE, SOCK_RCVBUF_LOCK, type sock, sock_net, sock_reset_flag } from '../../include/net/sock.ts';
import {
  MAX_TCP_OPTION_SPACE,
  TCP_ECN_MODE_RFC3168,
  TCPHDR_ACK,
  TCPHDR_CWR,
  TCPHDR_ECE,
  TCPHDR_PSH,
  TCPHDR_SYN,
  TCPOLEN_MD5SIG_ALIGNED,
  TCPOLEN_TSTAMP_ALIGNED,
  tcp_ca_needs_ecn,
  tcp_ecn_mode_any,
  tcp_ecn_mode_set,
  tcp_full_space,
  tcp_highest_sack_replace,
  tcp_init_wl,
  tcp_mss_clamp,
  tcp_rtx_queue_head,
  tcp_send_head,
  tcp_skb_pcount,
  tcp_time_stamp_ts,
  tcp_timeout_init,
  u32add,
} from '../../include/net/tcp.ts';
import { tcp_v4_md5_lookup } from '../../include/net/tcp_md5sig.ts';
import { chargeCopy } from '../../lib/charge.ts';
import { get_page } from '../../mm/page_alloc.ts';
import { ECONNREFUSED, EFAULT, EHOSTUNREACH, ENOBUFS, ENOMEM } from '../../uapi/errno.ts';
import { tcphdr } from '../../uapi/in.ts';
import { LINUX_MIB_TCPORIGDATASENT, TCP_MIB_ACTIVEOPENS } from '../../uapi/snmp.ts';
import { skb_zcopy_set } from '../core/msg_zerocopy.ts';
import { kfree_skb } from '../core/skbuff_free.ts';
import { skb_copy } from '../core/skbuff_reshape.ts';
import { sk_page_frag, skb_page_frag_refill } from '../core/sock_frag.ts';
import { sk_mem_charge, sk_wmem_queued_add } from '../core/sock_mem.ts';
import { tcp_fastopen_cookie_check } from './tcp_fastopen.ts';
import { tcp_clear_retrans, tcp_initialize_rcv_mss } from './tcp_input_cwnd.ts';
import { tcp_stream_alloc_skb, tcp_wmem_schedule } from './tcp_mem.ts';
import { __tcp_mtu_to_mss, tcp_mtup_init, tcp_sync_mss } from './tcp_output_mss.ts';
import { skb_set_delivery_time, tcp_init_nondata_skb, tcp_mstamp_refresh, tcp_transmit_skb } from './tcp_output_transmit.ts';
import { tcp_select_initial_window } from './tcp_output_window.ts';
import { tcp_rbtree_insert, tcp_rtx_queue_unlink_and_free } from './tcp_rtx_queue.ts';
import { tcp_chrono_start, tcp_reset_xmit_timer, tcp_write_queue_purge } from './tcp_state.ts';

/** net.ipv4.tcp_ecn: ask for ECN, and grant it. */
const TCP_ECN_IN_ECN_OUT_ECN = 1;

/** RFC 3168 6.1.1: asks for ECN, if the administrator, the route or the congestion control wants it. */
function tcp_ecn_send_syn(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  const dst = __sk_dst_get(sk);
  const needs_ecn = tcp_ca_needs_ecn(sk);
  tp.ecn_flags = 0;
  const use_ecn =
    needs_ecn ||
    sock_net(sk).ipv4.sysctl_tcp_ecn === TCP_ECN_IN_ECN_OUT_ECN ||
    (dst !== null && (dst_metric(dst, RTAX_FEATURES) & RTAX_FEATURE_ECN) !== 0);
  if (!use_ecn) return;
  if (needs_ecn) INET_ECN_xmit(sk);
  skb.tcp.tcp_flags |= TCPHDR_ECE | TCPHDR_CWR;
  tcp_ecn_mode_set(tp, TCP_ECN_MODE_RFC3168);
}

function tcp_ecn_send_synack(sk: sock, skb: sk_buff): void {
  skb.tcp.tcp_flags &= ~TCPHDR_CWR;
  if (!tcp_ecn_mode_any(tcp_sk(sk))) skb.tcp.tcp_flags &= ~TCPHDR_ECE;
  else if (tcp_ca_needs_ecn(sk)) INET_ECN_xmit(sk);
}

/** The congestion control that the route asks for (RTAX_CC_ALGO: its number in the list, from 1 on). */
function tcp_ca_dst_init(sk: sock, dst: dst_entry): void {
  const ca = sock_net(sk).tcp_cong_list[dst_metric(dst, RTAX_CC_ALGO) - 1];
  if (ca === undefined) return;
  tcp_sk(sk).icsk_ca_dst_locked = dst_metric_locked(dst, RTAX_CC_ALGO);
  tcp_sk(sk).icsk_ca_ops = ca;
}

/** State of a connection that is about to be opened over the route that was found. */
function tcp_connect_init(sk: sock): void {
  const tp = tcp_sk(sk);
  const dst = __sk_dst_get(sk)!;
  const ipv4 = sock_net(sk).ipv4;
  tp.tcp_header_len = tcphdr.size + (ipv4.sysctl_tcp_timestamps !== 0 ? TCPOLEN_TSTAMP_ALIGNED : 0);
  if (tcp_v4_md5_lookup(sk, sk) !== null) tp.tcp_header_len += TCPOLEN_MD5SIG_ALIGNED;
  if (tp.rx_opt.user_mss !== 0) tp.rx_opt.mss_clamp = tp.rx_opt.user_mss;
  tp.max_window = 0;
  tcp_mtup_init(sk);
  tcp_sync_mss(sk, dst_mtu(dst));
  tcp_ca_dst_init(sk, dst);
  if (tp.window_clamp === 0) tp.window_clamp = dst_metric(dst, RTAX_WINDOW);
  tp.advmss = tcp_mss_clamp(tp, dst_metric_advmss(dst));
  tcp_initialize_rcv_mss(sk);
  const full_space = tcp_full_space(sk);
  if ((sk.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0 && (tp.window_clamp > full_space || tp.window_clamp === 0)) tp.window_clamp = full_space;
  const options = tp.rx_opt.ts_recent_stamp !== 0 ? tp.tcp_header_len - tcphdr.size : 0;
  const wscale_ok = ipv4.sysctl_tcp_window_scaling !== 0;
  const window = tcp_select_initial_window(sk, full_space, tp.advmss - options, tp.window_clamp, wscale_ok, dst_metric(dst, RTAX_INITRWND));
  tp.rcv_wnd = window.rcv_wnd;
  tp.window_clamp = window.window_clamp;
  tp.rx_opt.rcv_wscale = window.rcv_wscale;
  tp.rcv_ssthresh = tp.rcv_wnd;
  initSequences(sk);
}

function initSequences(sk: sock): void {
  const tp = tcp_sk(sk);
  sk.sk_err = 0;
  sock_reset_flag(sk, SOCK_DONE);
  tp.snd_wnd = 0;
  tcp_init_wl(tp, 0);
  tcp_write_queue_purge(sk);
  tp.snd_una = tp.snd_sml = tp.snd_up = tp.snd_nxt = tp.write_seq;
  tp.rcv_nxt = tp.rcv_wup = tp.copied_seq = 0;
  tp.icsk_rto = tcp_timeout_init(sk);
  tp.icsk_retransmits = 0;
  tcp_clear_retrans(tp);
}

function tcp_connect_queue_skb(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  skb.tcp.end_seq = u32add(skb.tcp.end_seq, skb.len);
  __skb_header_release(skb);
  sk_wmem_queued_add(sk, skb.truesize);
  sk_mem_charge(sk, skb.truesize);
  tp.write_seq = skb.tcp.end_seq;
  tp.packets_out += tcp_skb_pcount(skb);
}

/** An skb with the data that go with the SYN, in so far as they fit; null when there is no memory. */
function synDataSkb(sk: sock, syn: sk_buff, fo: tcp_fastopen_request): sk_buff | null {
  const tp = tcp_sk(sk);
  const pfrag = sk_page_frag(sk);
  // All option space is reserved: middleboxes may add options of their own.
  const room = __tcp_mtu_to_mss(sk, tp.icsk_pmtu_cookie) - MAX_TCP_OPTION_SPACE;
  let space = min(room, fo.size);
  if (space > 0 && !skb_page_frag_refill(min(space, PAGE_SIZE), pfrag, sk.sk_allocation)) return null;
  const syn_data = tcp_stream_alloc_skb(sk, sk.sk_allocation, false);
  if (syn_data === null) return null;
  syn_data.tcp.copyFrom(syn.tcp);
  if (space > 0) space = tcp_wmem_schedule(sk, min(space, pfrag.size - pfrag.offset));
  if (space > 0 && !fillFromUser(syn_data, pfrag, fo, space)) {
    kfree_skb(syn_data, 'tcp_connect');
    return null;
  }
  if (fo.uarg !== null) skb_zcopy_set(syn_data, fo.uarg);
  if (space === fo.size) fo.data = null;
  fo.copied = space;
  return syn_data;
}

/** False when the user's memory is not there. */
function fillFromUser(skb: sk_buff, pfrag: page_frag, fo: tcp_fastopen_request, space: number): boolean {
  const page = pfrag.page!;
  const msg = fo.data!;
  if (msg.offset + space > msg.data.length) return false;
  const at = page.offset + pfrag.offset;
  page.mem.u8.set(msg.data.subarray(msg.offset, msg.offset + space), at);
  chargeCopy(kernel().copies.userToSkb, space);
  msg.offset += space;
  msg.size -= space;
  skb_fill_page_desc(skb, 0, page, at, space);
  get_page(page);
  pfrag.offset += space;
  skb.len += space;
  skb.data_len += space;
  skb.truesize += space;
  return true;
}

/**
 * RFC 7413: a SYN with data and cookie. Two segments stay in the queue, the SYN and the data, so that only the SYN is repeated if it times out.
 * Without a cookie (or memory) an ordinary SYN goes out that asks for one.
 */
function tcp_send_syn_data(sk: sock, syn: sk_buff): number {
  const tp = tcp_sk(sk);
  const fo = tp.fastopen_req!;
  tp.rx_opt.mss_clamp = tp.advmss;
  if (!tcp_fastopen_cookie_check(sk, fo.cookie)) return synWithoutData(sk, syn, fo);
  tp.rx_opt.mss_clamp = tcp_mss_clamp(tp, tp.rx_opt.mss_clamp);
  tcp_sync_mss(sk, tp.icsk_pmtu_cookie);
  const syn_data = synDataSkb(sk, syn, fo);
  if (syn_data === null) return synWithoutData(sk, syn, fo);
  tcp_connect_queue_skb(sk, syn_data);
  if (syn_data.len !== 0) tcp_chrono_start(sk, TCP_CHRONO_BUSY);
  const err = tcp_transmit_skb(sk, syn_data, true, sk.sk_allocation);
  skb_set_delivery_time(syn, syn_data.skb_mstamp_ns);
  syn_data.tcp.seq = u32add(syn_data.tcp.seq, 1);
  syn_data.tcp.tcp_flags = TCPHDR_ACK | TCPHDR_PSH;
  if (err === 0) {
    tp.syn_data = fo.copied > 0;
    tcp_rbtree_insert(sk.tcp_rtx_queue, syn_data);
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPORIGDATASENT);
    fo.cookie.len = -1;
    return 0;
  }
  __skb_queue_tail(sk.sk_write_queue, syn_data);
  tp.packets_out -= tcp_skb_pcount(syn_data);
  return synWithoutData(sk, syn, fo);
}

function synWithoutData(sk: sock, syn: sk_buff, fo: tcp_fastopen_request): number {
  if (fo.cookie.len > 0) fo.cookie.len = 0;
  const err = tcp_transmit_skb(sk, syn, true, sk.sk_allocation);
  if (err !== 0) tcp_sk(sk).syn_fastopen = false;
  // Retransmitted SYNs carry no Fast Open option.
  fo.cookie.len = -1;
  return err;
}

/** Sends the SYN and arms the timer that repeats it. */
export function tcp_connect(sk: sock): number {
  const tp = tcp_sk(sk);
  if (tp.icsk_af_ops.rebuild_header(sk) !== 0) return -EHOSTUNREACH;
  tcp_connect_init(sk);
  const buff = tcp_stream_alloc_skb(sk, sk.sk_allocation, true);
  if (buff === null) return -ENOBUFS;
  tcp_init_nondata_skb(buff, sk, tp.write_seq, TCPHDR_SYN);
  tcp_mstamp_refresh(tp);
  tp.retrans_stamp = tcp_time_stamp_ts(tp);
  tcp_connect_queue_skb(sk, buff);
  tcp_ecn_send_syn(sk, buff);
  tcp_rbtree_insert(sk.tcp_rtx_queue, buff);
  const err = tp.fastopen_req !== null ? tcp_send_syn_data(sk, buff) : tcp_transmit_skb(sk, buff, true, sk.sk_allocation);
  if (err === -ECONNREFUSED) return err;
  // Only now, so that the SYN counts as new in OutSegs.
  const unsent = tcp_send_head(sk);
  tp.snd_nxt = tp.pushed_seq = unsent !== null ? unsent.tcp.seq : tp.write_seq;
  TCP_INC_STATS(sock_net(sk), TCP_MIB_ACTIVEOPENS);
  tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, tp.icsk_rto, false);
  return 0;
}

/** Simultaneous open: our SYN goes again as a SYN-ACK. */
export function tcp_send_synack(sk: sock): number {
  let skb = tcp_rtx_queue_head(sk);
  if (skb === null || (skb.tcp.tcp_flags & TCPHDR_SYN) === 0) return -EFAULT;
  if ((skb.tcp.tcp_flags & TCPHDR_ACK) === 0) {
    if (skb_cloned(skb)) skb = replaceSyn(sk, skb);
    if (skb === null) return -ENOMEM;
    skb.tcp.tcp_flags |= TCPHDR_ACK;
    tcp_ecn_send_synack(sk, skb);
  }
  return tcp_transmit_skb(sk, skb, true, GFP_ATOMIC);
}

/** The SYN is still on its way down: a copy takes its place in the queue. */
function replaceSyn(sk: sock, skb: sk_buff): sk_buff | null {
  const nskb = skb_copy(skb, GFP_ATOMIC);
  if (nskb === null) return null;
  tcp_highest_sack_replace(sk, skb, nskb);
  tcp_rtx_queue_unlink_and_free(skb, sk);
  __skb_header_release(nskb);
  tcp_rbtree_insert(sk.tcp_rtx_queue, nskb);
  sk_wmem_queued_add(sk, nskb.truesize);
  sk_mem_charge(sk, nskb.truesize);
  return nskb;
}
