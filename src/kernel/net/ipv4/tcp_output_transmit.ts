/**
 * net/ipv4/tcp_output.c: one segment becomes a packet: `tcp_transmit_skb` → `__tcp_transmit_skb` (clone, header, options, window, checksum, owner) →
 * `queue_xmit` → `tcp_update_skb_after_send`, `tcp_rate_skb_sent`.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { InvariantError } from '../../../sim/invariant.ts';
import { kernel } from '../../current.ts';
import { NET_XMIT_CN } from '../../include/linux/netdevice.ts';
import {
  __skb_header_release,
  CHECKSUM_PARTIAL,
  SKB_GSO_TCP_ACCECN,
  SKB_GSO_TCP_ECN,
  SKB_TRUESIZE,
  type sk_buff,
  skb_cloned,
  skb_orphan,
  skb_push,
  skb_reset_transport_header,
} from '../../include/linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import type { gfp_t } from '../../include/linux/types.ts';
import { INET_ECN_dontxmit, INET_ECN_xmit } from '../../include/net/inet_ecn.ts';
import { ICSK_TIME_DACK, inet_csk_inc_pingpong_cnt } from '../../include/net/inet_sock.ts';
import { NET_ADD_STATS, TCP_ADD_STATS } from '../../include/net/net_namespace.ts';
import { SK_PACING_NONE, SK_PACING_UNLIMITED, sk_wmem_alloc_get, type sock, sock_net } from '../../include/net/sock.ts';
import {
  after,
  before,
  TCP_ECN_DEMAND_CWR,
  TCP_ECN_QUEUE_CWR,
  TCPHDR_ACK,
  TCPHDR_FIN,
  TCPHDR_PSH,
  TCPHDR_SYN,
  tcp_ca_event,
  tcp_ca_needs_ecn,
  tcp_clock_ns,
  tcp_dec_quickack_mode,
  tcp_ecn_mode_accecn,
  tcp_ecn_mode_any,
  tcp_packets_in_flight,
  tcp_rtx_queue_empty,
  tcp_skb_mss,
  tcp_skb_pcount,
  tcp_skb_pcount_set,
  tcp_urg_mode,
  tcp_wnd_end,
  u32add,
  u32sub,
} from '../../include/net/tcp.ts';
import { CA_EVENT_TX_START } from '../../include/net/tcp_congestion_ops.ts';
import { TCP_ACCECN_ACE_FAIL_RECV, tcp_accecn_set_ace } from '../../include/net/tcp_ecn.ts';
import { hrtimer_try_to_cancel } from '../../kernel/time/hrtimer.ts';
import { tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { ENOBUFS } from '../../uapi/errno.ts';
import { tcphdr } from '../../uapi/in.ts';
import { LINUX_MIB_TCPACKCOMPRESSED, TCP_MIB_OUTSEGS } from '../../uapi/snmp.ts';
import { skb_clone } from '../core/skbuff_clone.ts';
import { pskb_copy } from '../core/skbuff_reshape.ts';
import { sk_gso_disable, skb_set_dst_pending_confirm } from '../core/sock_dst.ts';
import { __sock_put } from '../core/sock_life.ts';
import { sk_mem_charge, sk_wmem_queued_add } from '../core/sock_mem.ts';
import { __sock_wfree } from '../core/sock_owner.ts';
import { inet_csk_clear_xmit_timer } from './inet_connection_sock_timers.ts';
import { tcp_enter_cwr } from './tcp_input_cwnd.ts';
import { tcp_v4_md5_hash_skb } from './tcp_ipv4_md5.ts';
import { tcp_established_options, tcp_options_write, tcp_syn_options } from './tcp_output_options.ts';
import { tcp_wfree } from './tcp_output_wfree.ts';
import { tcp_select_window } from './tcp_output_window.ts';
import { tcp_rate_skb_sent } from './tcp_rate.ts';
import { tsortedMoveTail } from './tcp_rtx_queue.ts';
import { tcp_add_write_queue_tail } from './tcp_state.ts';

const TCPHDR_FLAGS_MASK = 0x1ff;
export const SKB_CLOCK_MONOTONIC = 1;
/** truesize that marks a pure ACK: it shall not count in the socket's small queue. */
const PURE_ACK_TRUESIZE = 2;
/** The first segments of a connection are not paced. */
const PACING_STARTS_AFTER = 10;

/** The clocks that all timestamps of one activation of TCP are taken from. */
export function tcp_mstamp_refresh(tp: tcp_sock): void {
  const now = tcp_clock_ns();
  tp.tcp_clock_cache = now;
  tp.tcp_mstamp = Math.floor(now / 1000);
}

/** Earliest departure time: what pacing wants, and the base of all RTT measurements. */
export function skb_set_delivery_time(skb: sk_buff, kt: number): void {
  skb.tstamp = kt;
  skb.skb_mstamp_ns = kt;
  skb.tstamp_type = SKB_CLOCK_MONOTONIC;
}

/** A segment without payload. SYN and FIN take a sequence number each. */
export function tcp_init_nondata_skb(skb: sk_buff, _sk: sock, seq: number, flags: number): void {
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.tcp.tcp_flags = flags;
  tcp_skb_pcount_set(skb, 1);
  skb.tcp.seq = seq;
  skb.tcp.end_seq = (flags & (TCPHDR_SYN | TCPHDR_FIN)) !== 0 ? u32add(seq, 1) : seq;
}

export function skb_set_tcp_pure_ack(skb: sk_buff): void {
  skb.truesize = PURE_ACK_TRUESIZE;
}
export const skb_is_tcp_pure_ack = (skb: sk_buff): boolean => skb.truesize === PURE_ACK_TRUESIZE;

/** SND.NXT for segments without payload; after the peer shrank its window the window's end, which is all that it would accept. */
export function tcp_acceptable_seq(sk: sock): number {
  const tp = tcp_sk(sk);
  const end = tcp_wnd_end(tp);
  // Scaling rounds: a shortfall of less than one unit is no shrinking.
  if (!before(end, tp.snd_nxt) || (tp.rx_opt.wscale_ok && u32sub(tp.snd_nxt, end) < 1 << tp.rx_opt.rcv_wscale)) return tp.snd_nxt;
  return end;
}

/** RFC 3168 6.1: new data is ECN-capable, ACKs and retransmissions are not (DCTCP marks all); echoes and answers ride along. AccECN: everything is. */
function tcp_ecn_send(sk: sock, skb: sk_buff, th: tcphdr, tcp_header_len: number): void {
  const tp = tcp_sk(sk);
  if (!tcp_ecn_mode_any(tp)) return;
  if (tcp_ecn_mode_accecn(tp)) {
    if ((tp.accecn_fail_mode & TCP_ACCECN_ACE_FAIL_RECV) === 0) INET_ECN_xmit(sk);
    else INET_ECN_dontxmit(sk);
    tcp_accecn_set_ace(tp, skb, th);
    skb.shinfo.gso_type |= SKB_GSO_TCP_ACCECN;
    return;
  }
  if (skb.len !== tcp_header_len && !before(skb.tcp.seq, tp.snd_nxt)) {
    INET_ECN_xmit(sk);
    if ((tp.ecn_flags & TCP_ECN_QUEUE_CWR) !== 0) {
      tp.ecn_flags &= ~TCP_ECN_QUEUE_CWR;
      th.cwr = 1;
      skb.shinfo.gso_type |= SKB_GSO_TCP_ECN;
    }
  } else if (!tcp_ca_needs_ecn(sk)) INET_ECN_dontxmit(sk);
  if ((tp.ecn_flags & TCP_ECN_DEMAND_CWR) !== 0) th.ece = 1;
}

function tcp_event_data_sent(tp: tcp_sock, sk: sock): void {
  const now = tcp_jiffies32();
  if (tcp_packets_in_flight(tp) === 0) tcp_ca_event(sk, CA_EVENT_TX_START);
  tp.lsndtime = now;
  // An answer soon after a request: this is a conversation, so ACKs can wait for answers.
  if (now - tp.icsk_ack.lrcvtime < tp.icsk_ack.ato) inet_csk_inc_pingpong_cnt(sk);
}

function tcp_event_ack_sent(sk: sock, rcv_nxt: number): void {
  const tp = tcp_sk(sk);
  if (tp.compressed_ack !== 0) {
    NET_ADD_STATS(sock_net(sk), LINUX_MIB_TCPACKCOMPRESSED, tp.compressed_ack);
    tp.compressed_ack = 0;
    if (hrtimer_try_to_cancel(tp.compressed_ack_timer) === 1) __sock_put(sk);
  }
  // DCTCP sends an ACK for older data first, when the CE mark changes; it acknowledges nothing of the rest.
  if (rcv_nxt !== tp.rcv_nxt) return;
  tcp_dec_quickack_mode(sk);
  inet_csk_clear_xmit_timer(sk, ICSK_TIME_DACK);
}

/** Advances the pacer by what the packet takes at the pacing rate, less what it was late; and the segment is the one sent last. */
export function tcp_update_skb_after_send(sk: sock, skb: sk_buff, prior_wstamp: number): void {
  const tp = tcp_sk(sk);
  if (sk.sk_pacing_status !== SK_PACING_NONE) {
    const rate = sk.sk_pacing_rate;
    if (rate !== SK_PACING_UNLIMITED && rate !== 0 && tp.data_segs_out >= PACING_STARTS_AFTER) {
      const len_ns = Math.floor((skb.len * 1_000_000_000) / rate);
      const credit = tp.tcp_wstamp_ns - prior_wstamp;
      tp.tcp_wstamp_ns += len_ns - Math.min(Math.floor(len_ns / 2), credit);
    }
  }
  tsortedMoveTail(tp, skb);
}

/** Position of the urgent pointer, as far as 16 bits reach (RFC 9293 3.8.5, in the BSD reading: one past the urgent byte). */
function writeUrgent(tp: tcp_sock, th: tcphdr, seq: number): void {
  if (!tcp_urg_mode(tp) || !before(seq, tp.snd_up)) return;
  if (before(tp.snd_up, u32add(seq, 0x10000))) {
    th.urg_ptr = u32sub(tp.snd_up, seq);
    th.urg = 1;
  } else if (after(u32add(seq, 0xffff), tp.snd_nxt)) {
    th.urg_ptr = 0xffff;
    th.urg = 1;
  }
}

/**
 * Sends a segment: a clone of it when it stays in a queue (`clone_it`), or itself; what was sent is gone either way. 0, a negative errno, or a
 * positive NET_XMIT_… when the local queue dropped it.
 */
export function __tcp_transmit_skb(sk: sock, skb: sk_buff, clone_it: boolean, gfp_mask: gfp_t, rcv_nxt: number): number {
  const tp = tcp_sk(sk);
  if (tcp_skb_pcount(skb) === 0) throw new InvariantError('__tcp_transmit_skb: the segment was not counted');
  this_cpu.spinUntil(sk.inputTime);
  const prior_wstamp = tp.tcp_wstamp_ns;
  if (tp.tcp_clock_cache > prior_wstamp) tp.tcp_wstamp_ns = tp.tcp_clock_cache;
  skb_set_delivery_time(skb, tp.tcp_wstamp_ns);
  const oskb = skb;
  if (clone_it) {
    // The device still has the last clone's header if the data is shared: then this one needs a header of its own.
    const copy = skb_cloned(oskb) ? pskb_copy(oskb, gfp_mask) : skb_clone(oskb, gfp_mask);
    if (copy === null) return -ENOBUFS;
    skb = copy;
    skb.dev = null;
  }
  const tcb = skb.tcp;
  const opts = sock_net(sk).ipv4.tcpOutOptions;
  opts.clear();
  let tcp_header_size = tcphdr.size;
  if ((tcb.tcp_flags & TCPHDR_SYN) !== 0) tcp_header_size += tcp_syn_options(sk, skb, opts);
  else {
    tcp_header_size += tcp_established_options(sk, skb, opts);
    // Ends the receiver's GRO at once; single segments are left alone, they may be sent under congestion.
    if (tcp_skb_pcount(skb) > 1) tcb.tcp_flags |= TCPHDR_PSH;
  }
  // Another TX queue may be chosen while nothing of ours can be overtaken.
  skb.ooo_okay = sk_wmem_alloc_get(sk) < SKB_TRUESIZE(1) || tcp_rtx_queue_empty(sk);
  skb.pfmemalloc = false;
  skb_push(skb, tcp_header_size);
  skb_reset_transport_header(skb);
  setOwner(sk, skb);
  skb_set_dst_pending_confirm(skb, sk.sk_dst_pending_confirm);

  const th = new tcphdr(skb.mem.view, skb.data);
  th.source = tp.inet_sport;
  th.dest = tp.skc_dport;
  th.seq = tcb.seq;
  th.ack_seq = rcv_nxt;
  th.flagWord = ((tcp_header_size >> 2) << 12) | (tcb.tcp_flags & TCPHDR_FLAGS_MASK);
  th.check = 0;
  th.urg_ptr = 0;
  writeUrgent(tp, th, tcb.seq);
  const shinfo = skb.shinfo;
  shinfo.gso_type = sk.sk_gso_type;
  if ((tcb.tcp_flags & TCPHDR_SYN) === 0) {
    th.window = tcp_select_window(sk);
    tcp_ecn_send(sk, skb, th, tcp_header_size);
  } else th.window = Math.min(tp.rcv_wnd, 65535); // RFC 7323 2.2: never scaled in a SYN.
  tcp_options_write(skb.mem.view, skb.data + tcphdr.size, tp, opts);
  if (opts.md5_key !== null) {
    sk_gso_disable(sk);
    tcp_v4_md5_hash_skb(skb.mem.u8, opts.hash_location, opts.md5_key, tp.skc_rcv_saddr, tp.skc_daddr, skb);
  }
  tp.icsk_af_ops.send_check(sk, skb);

  if ((tcb.tcp_flags & TCPHDR_ACK) !== 0) tcp_event_ack_sent(sk, rcv_nxt);
  countSegment(sk, skb, tcp_header_size);
  shinfo.gso_segs = tcp_skb_pcount(skb);
  shinfo.gso_size = tcp_skb_mss(skb);
  skb.packetId = kernel().machine.simulation.takePacketIds(shinfo.gso_segs > 1 ? shinfo.gso_segs : 1);
  if (tp.tcp_tx_delay !== 0) skb_set_delivery_time(skb, skb.skb_mstamp_ns + tp.tcp_tx_delay * 1000);

  let err = tp.icsk_af_ops.queue_xmit(sk, skb, tp.fl4);
  if (err > 0) {
    // The local queue is full: congestion, as any other.
    tcp_enter_cwr(sk);
    if (err === NET_XMIT_CN) err = 0;
  }
  if (err === 0 && clone_it) {
    tcp_update_skb_after_send(sk, oskb, prior_wstamp);
    tcp_rate_skb_sent(sk, oskb);
  }
  return err;
}

function setOwner(sk: sock, skb: sk_buff): void {
  if (skb.destructor !== null) skb_orphan(skb);
  skb.sk = sk;
  skb.destructor = skb_is_tcp_pure_ack(skb) ? __sock_wfree : tcp_wfree;
  sk.sk_wmem_alloc += skb.truesize;
  if (sk.sk_txhash !== 0) {
    skb.l4_hash = true;
    skb.hash = sk.sk_txhash;
  }
}

function countSegment(sk: sock, skb: sk_buff, tcp_header_size: number): void {
  const tp = tcp_sk(sk);
  const tcb = skb.tcp;
  const segs = tcp_skb_pcount(skb);
  if (skb.len !== tcp_header_size) {
    tcp_event_data_sent(tp, sk);
    tp.data_segs_out += segs;
    tp.bytes_sent += skb.len - tcp_header_size;
  }
  if (after(tcb.end_seq, tp.snd_nxt) || tcb.seq === tcb.end_seq) TCP_ADD_STATS(sock_net(sk), TCP_MIB_OUTSEGS, segs);
  tp.segs_out += segs;
}

export function tcp_transmit_skb(sk: sock, skb: sk_buff, clone_it: boolean, gfp_mask: gfp_t): number {
  return __tcp_transmit_skb(sk, skb, clone_it, gfp_mask, tcp_sk(sk).rcv_nxt);
}

/** Queues a segment for sending. Who calls it must see to its being pushed, or the socket may stall. */
export function tcp_queue_skb(sk: sock, skb: sk_buff): void {
  tcp_sk(sk).write_seq = skb.tcp.end_seq;
  __skb_header_release(skb);
  tcp_add_write_queue_tail(sk, skb);
  sk_wmem_queued_add(sk, skb.truesize);
  sk_mem_charge(sk, skb.truesize);
}
