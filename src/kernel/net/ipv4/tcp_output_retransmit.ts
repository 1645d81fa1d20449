/**
 * net/ipv4/tcp_output.c: retransmission. `tcp_xmit_retransmit_queue` (all that is marked lost) or a timer → `tcp_retransmit_skb` →
 * `__tcp_retransmit_skb` → trim, split or collapse → `tcp_transmit_skb`; `tcp_send_loss_probe` (RFC 8985 (7)).
 */
import { InvariantError } from '../../../sim/invariant.ts';
import { trace } from '../../current.ts';
import { type sk_buff, skb_cloned, skb_headroom } from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC, min } from '../../include/linux/types.ts';
import { ICSK_TIME_REO_TIMEOUT, ICSK_TIME_RETRANS } from '../../include/net/inet_sock.ts';
import { __NET_INC_STATS, NET_ADD_STATS, NET_INC_STATS, TCP_ADD_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  after,
  before,
  MAX_TCP_HEADER,
  s32sub,
  TCP_NAGLE_OFF,
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_RETRANS,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  TCPHDR_CWR,
  TCPHDR_ECE,
  TCPHDR_SYN,
  TCPHDR_SYN_ECN,
  tcp_highest_sack_replace,
  tcp_in_cwnd_reduction,
  tcp_packets_in_flight,
  tcp_rtx_queue_head,
  tcp_rtx_queue_tail,
  tcp_send_head,
  tcp_skb_can_collapse,
  tcp_skb_pcount,
  tcp_skb_timestamp_ts,
  tcp_snd_cwnd,
  tcp_wnd_end,
  u32add,
  u32sub,
} from '../../include/net/tcp.ts';
import { EAGAIN, EBUSY, EHOSTUNREACH, EINVAL, ENOBUFS, ENOMEM } from '../../uapi/errno.ts';
import {
  LINUX_MIB_TCPFASTRETRANS,
  LINUX_MIB_TCPLOSSPROBES,
  LINUX_MIB_TCPRETRANSFAIL,
  LINUX_MIB_TCPSLOWSTARTRETRANS,
  LINUX_MIB_TCPSYNRETRANS,
  TCP_MIB_RETRANSSEGS,
} from '../../uapi/snmp.ts';
import { TCP_CA_Loss } from '../../uapi/tcp.ts';
import { __pskb_copy, skb_unclone_keeptruesize } from '../core/skbuff_reshape.ts';
import { tcp_rearm_rto } from './tcp_input_cwnd.ts';
import {
  TCP_FRAG_IN_RTX_QUEUE,
  tcp_adjust_pcount,
  tcp_fragment,
  tcp_set_skb_tso_segs,
  tcp_skb_collapse_tstamp,
  tcp_skb_shift,
  tcp_trim_head,
} from './tcp_output_fragment.ts';
import { tcp_current_mss } from './tcp_output_mss.ts';
import { tcp_transmit_skb, tcp_update_skb_after_send } from './tcp_output_transmit.ts';
import { tcp_snd_wnd_test, tcp_tso_segs } from './tcp_output_tso.ts';
import { PUSH_LOSS_PROBE, skb_still_in_host_queue, tcp_pacing_check, tcp_small_queue_check, tcp_write_xmit } from './tcp_output_write.ts';
import { tcp_rate_skb_sent } from './tcp_rate.ts';
import { tcp_rtx_queue_unlink_and_free } from './tcp_rtx_queue.ts';
import { tcp_reset_xmit_timer } from './tcp_state.ts';

/** csum_start is 16 bits wide in Linux: a larger headroom than it can count needs a copy. */
const MAX_HEADROOM = 0xffff;

/** Moves the payload of the next segment into this one; false when there is no room. */
function tcp_collapse_retrans(sk: sock, skb: sk_buff): boolean {
  const tp = tcp_sk(sk);
  const next_skb = skb.next!;
  const cb = skb.tcp;
  const gone = next_skb.tcp;
  if (next_skb.len !== 0 && tcp_skb_shift(skb, next_skb, 1, next_skb.len) === 0) return false;
  tcp_highest_sack_replace(sk, next_skb, skb);
  cb.end_seq = gone.end_seq;
  cb.tcp_flags |= gone.tcp_flags;
  cb.sacked |= gone.sacked & TCPCB_EVER_RETRANS;
  cb.eor = gone.eor;
  if (next_skb === tp.retransmit_skb_hint) tp.retransmit_skb_hint = skb;
  tcp_adjust_pcount(sk, next_skb, tcp_skb_pcount(next_skb));
  tcp_skb_collapse_tstamp(skb, next_skb);
  tcp_rtx_queue_unlink_and_free(next_skb, sk);
  return true;
}

const tcp_can_collapse = (skb: sk_buff): boolean =>
  tcp_skb_pcount(skb) <= 1 && !skb_cloned(skb) && (skb.tcp.sacked & TCPCB_SACKED_ACKED) === 0;

/** Small segments that follow go along with the one that is sent again, up to `space` bytes. */
function tcp_retrans_try_collapse(sk: sock, to: sk_buff, space: number): void {
  const tp = tcp_sk(sk);
  if (sock_net(sk).ipv4.sysctl_tcp_retrans_collapse === 0 || (to.tcp.tcp_flags & TCPHDR_SYN) !== 0) return;
  if (!tcp_can_collapse(to)) return;
  space -= to.len;
  for (let skb = to.next; skb !== null; skb = to.next) {
    if (!tcp_can_collapse(skb) || !tcp_skb_can_collapse(to, skb)) return;
    space -= skb.len;
    if (space < 0 || after(skb.tcp.end_seq, tcp_wnd_end(tp)) || !tcp_collapse_retrans(sk, to)) return;
  }
}

/** Sends one segment of the retransmission queue again (at most `segs` full packets of it), without changing the scoreboard. */
export function __tcp_retransmit_skb(sk: sock, skb: sk_buff, segs: number): number {
  const tp = tcp_sk(sk);
  // An MTU probe that is out proves nothing any more.
  tp.icsk_mtup.probe_size = 0;
  let err = skb_still_in_host_queue(sk, skb) ? -EBUSY : trimAcked(sk, skb);
  if (err === 0 && tp.icsk_af_ops.rebuild_header(sk) !== 0) err = -EHOSTUNREACH;
  if (err === 0) err = fitToWindow(sk, skb, segs);
  if (err === 0) err = sendAgain(sk, skb);
  trace().tcp_retransmit_skb?.(sk, skb, err);
  return err;
}

/** What the peer has of it need not go again. */
function trimAcked(sk: sock, skb: sk_buff): number {
  const tp = tcp_sk(sk);
  const cb = skb.tcp;
  if (!before(cb.seq, tp.snd_una)) return 0;
  if ((cb.tcp_flags & TCPHDR_SYN) !== 0) {
    cb.tcp_flags &= ~TCPHDR_SYN;
    cb.seq = u32add(cb.seq, 1);
    if (!before(cb.seq, tp.snd_una)) return 0;
  }
  if (before(cb.end_seq, tp.snd_una)) return -EINVAL;
  return tcp_trim_head(sk, skb, u32sub(tp.snd_una, cb.seq)) !== 0 ? -ENOMEM : 0;
}

/** Cuts it to what window and segment size allow now, or, if it is small, adds what follows. */
function fitToWindow(sk: sock, skb: sk_buff, segs: number): number {
  const tp = tcp_sk(sk);
  const cur_mss = tcp_current_mss(sk);
  let avail_wnd = s32sub(tcp_wnd_end(tp), skb.tcp.seq);
  // The peer shrank its window. Beyond it nothing goes, except that the first segment serves as a probe of a closed one.
  if (avail_wnd <= 0) {
    if (skb.tcp.seq !== tp.snd_una) return -EAGAIN;
    avail_wnd = cur_mss;
  }
  let len = cur_mss * segs;
  if (len > avail_wnd) len = avail_wnd - (avail_wnd % cur_mss) || avail_wnd;
  if (skb.len > len) return tcp_fragment(sk, TCP_FRAG_IN_RTX_QUEUE, skb, len, cur_mss, GFP_ATOMIC) !== 0 ? -ENOMEM : 0;
  if (skb_unclone_keeptruesize(skb, GFP_ATOMIC) !== 0) return -ENOMEM;
  const diff = tcp_skb_pcount(skb) - tcp_set_skb_tso_segs(skb, cur_mss);
  if (diff !== 0) tcp_adjust_pcount(sk, skb, diff);
  avail_wnd = min(avail_wnd, cur_mss);
  if (skb.len < avail_wnd) tcp_retrans_try_collapse(sk, skb, avail_wnd);
  return 0;
}

function sendAgain(sk: sock, skb: sk_buff): number {
  const tp = tcp_sk(sk);
  const network = sock_net(sk);
  // RFC 3168 6.1.1.1: perhaps it was the request for ECN that got the SYN dropped.
  if ((skb.tcp.tcp_flags & TCPHDR_SYN_ECN) === TCPHDR_SYN_ECN && network.ipv4.sysctl_tcp_ecn_fallback !== 0)
    skb.tcp.tcp_flags &= ~(TCPHDR_ECE | TCPHDR_CWR);
  const segs = tcp_skb_pcount(skb);
  TCP_ADD_STATS(network, TCP_MIB_RETRANSSEGS, segs);
  if ((skb.tcp.tcp_flags & TCPHDR_SYN) !== 0) __NET_INC_STATS(network, LINUX_MIB_TCPSYNRETRANS);
  tp.total_retrans += segs;
  tp.bytes_retrans += skb.len;
  const err = skb_headroom(skb) >= MAX_HEADROOM ? sendCopy(sk, skb) : tcp_transmit_skb(sk, skb, true, GFP_ATOMIC);
  if (err !== 0 && err !== -EBUSY) NET_ADD_STATS(network, LINUX_MIB_TCPRETRANSFAIL, segs);
  // Even if it failed: no RTT may be measured from the timestamp of a transmission that never happened.
  skb.tcp.sacked |= TCPCB_EVER_RETRANS;
  return err;
}

function sendCopy(sk: sock, skb: sk_buff): number {
  const tp = tcp_sk(sk);
  const nskb = __pskb_copy(skb, MAX_TCP_HEADER, GFP_ATOMIC);
  if (nskb === null) return -ENOBUFS;
  nskb.dev = null;
  const err = tcp_transmit_skb(sk, nskb, false, GFP_ATOMIC);
  if (err === 0) {
    tcp_update_skb_after_send(sk, skb, tp.tcp_wstamp_ns);
    tcp_rate_skb_sent(sk, skb);
  }
  return err;
}

/** To those who keep the truth about each frame. */
function announce(sk: sock, skb: sk_buff, by: 'RTO' | 'fast' | 'TLP'): void {
  const { retransmit } = sock_net(sk).kernel.watchers;
  for (let i = 0; i < retransmit.length; i++) retransmit[i]!(sk, skb.tcp.seq, skb.tcp.end_seq, by);
}

export function tcp_retransmit_skb(sk: sock, skb: sk_buff, segs: number): number {
  const tp = tcp_sk(sk);
  const err = __tcp_retransmit_skb(sk, skb, segs);
  if (err === 0) {
    announce(sk, skb, tp.icsk_ca_state === TCP_CA_Loss ? 'RTO' : 'fast');
    skb.tcp.sacked |= TCPCB_RETRANS;
    tp.retrans_out += tcp_skb_pcount(skb);
  }
  // When recovery began, for undo by timestamps and for TCP_USER_TIMEOUT; also if the attempt failed.
  if (tp.retrans_stamp === 0) tp.retrans_stamp = tcp_skb_timestamp_ts(tp.tcp_usec_ts, skb);
  if (tp.undo_retrans < 0) tp.undo_retrans = 0;
  tp.undo_retrans += tcp_skb_pcount(skb);
  return err;
}

/** Sends again all that is marked lost, as far as cwnd allows. The next call begins at the first segment that this one could not settle. */
export function tcp_xmit_retransmit_queue(sk: sock): void {
  const tp = tcp_sk(sk);
  if (tp.packets_out === 0) return;
  const rtx_head = tcp_rtx_queue_head(sk);
  const max_segs = tcp_tso_segs(sk, tcp_current_mss(sk));
  let hole: sk_buff | null = null;
  let rearm_timer = false;
  for (let skb = tp.retransmit_skb_hint ?? rtx_head; skb !== null; skb = skb.next) {
    if (tcp_pacing_check(sk)) break;
    if (hole === null) tp.retransmit_skb_hint = skb;
    const quota = tcp_snd_cwnd(tp) - tcp_packets_in_flight(tp);
    if (quota <= 0 || tp.retrans_out >= tp.lost_out) break;
    const sacked = skb.tcp.sacked;
    if ((sacked & TCPCB_LOST) === 0) {
      if (hole === null && (sacked & (TCPCB_SACKED_RETRANS | TCPCB_SACKED_ACKED)) === 0) hole = skb;
      continue;
    }
    if ((sacked & (TCPCB_SACKED_ACKED | TCPCB_SACKED_RETRANS)) !== 0) continue;
    if (tcp_small_queue_check(sk, skb, 1)) break;
    if (tcp_retransmit_skb(sk, skb, min(quota, max_segs)) !== 0) break;
    const mib = tp.icsk_ca_state === TCP_CA_Loss ? LINUX_MIB_TCPSLOWSTARTRETRANS : LINUX_MIB_TCPFASTRETRANS;
    NET_ADD_STATS(sock_net(sk), mib, tcp_skb_pcount(skb));
    if (tcp_in_cwnd_reduction(sk)) tp.prr_out += tcp_skb_pcount(skb);
    if (skb === rtx_head && tp.icsk_pending !== ICSK_TIME_REO_TIMEOUT) rearm_timer = true;
  }
  if (rearm_timer) tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, tp.icsk_rto, true);
}

/** The probe timeout is over: sends new data if there is some and the window allows, or the last segment again. At most one is out. */
export function tcp_send_loss_probe(sk: sock): void {
  const tp = tcp_sk(sk);
  const mss = tcp_current_mss(sk);
  if (tp.tlp_high_seq === 0) {
    tp.tlp_retrans = false;
    const skb = tcp_send_head(sk);
    if (skb === null && tcp_rtx_queue_tail(sk) === null) {
      if (tp.packets_out !== 0) throw new InvariantError(`tcp_send_loss_probe: ${tp.packets_out} packets out, but none queued`);
      tp.icsk_pending = 0;
      return;
    }
    const sent = skb !== null && tcp_snd_wnd_test(tp, skb, mss) ? probeWithNewData(sk, mss) : probeWithLast(sk, mss);
    if (sent) {
      tp.tlp_high_seq = tp.snd_nxt;
      NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPLOSSPROBES);
      // So that the RTO runs from now on.
      tp.icsk_pending = 0;
    }
  }
  tcp_rearm_rto(sk);
}

function probeWithNewData(sk: sock, mss: number): boolean {
  const tp = tcp_sk(sk);
  const pcount = tp.packets_out;
  tcp_write_xmit(sk, mss, TCP_NAGLE_OFF, PUSH_LOSS_PROBE, GFP_ATOMIC);
  return tp.packets_out > pcount;
}

function probeWithLast(sk: sock, mss: number): boolean {
  let skb = tcp_rtx_queue_tail(sk);
  if (skb === null || skb_still_in_host_queue(sk, skb)) return false;
  const pcount = tcp_skb_pcount(skb);
  if (pcount === 0) throw new InvariantError('tcp_send_loss_probe: a sent segment that was not counted');
  if (pcount > 1 && skb.len > (pcount - 1) * mss) {
    if (tcp_fragment(sk, TCP_FRAG_IN_RTX_QUEUE, skb, (pcount - 1) * mss, mss, GFP_ATOMIC) !== 0) return false;
    skb = skb.next!;
  }
  if (__tcp_retransmit_skb(sk, skb, 1) !== 0) return false;
  announce(sk, skb, 'TLP');
  tcp_sk(sk).tlp_retrans = true;
  return true;
}
