/**
 * net/ipv4/tcp_output.c: packetization layer path MTU discovery (RFC 4821): now and then a segment larger than the path is known to take is sent,
 * made of data that waits in the write queue. `tcp_mtu_probe` → `tcp_clone_payload` → `tcp_transmit_skb`; its fate is judged by tcp_input.
 */
import {
  __skb_header_release,
  MAX_SKB_FRAGS,
  type sk_buff,
  skb_fill_page_desc,
  skb_frag_size,
  type skb_frag_t,
  skb_headlen,
  skb_shinfo,
} from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC, min } from '../../include/linux/types.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  after,
  TCPHDR_ACK,
  TCPHDR_FIN,
  TCPHDR_PSH,
  tcp_highest_sack_replace,
  tcp_packets_in_flight,
  tcp_send_head,
  tcp_skb_can_collapse,
  tcp_snd_cwnd,
  tcp_snd_cwnd_set,
  tcp_wnd_end,
  u32add,
  u32sub,
} from '../../include/net/tcp.ts';
import { HZ, tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { get_page } from '../../mm/page_alloc.ts';
import { E2BIG, EINVAL, ENOMEM } from '../../uapi/errno.ts';
import { tcphdr } from '../../uapi/in.ts';
import { TCP_CA_Open } from '../../uapi/tcp.ts';
import { consume_skb } from '../core/skbuff_free.ts';
import { sk_mem_charge, sk_wmem_queued_add, sk_wmem_schedule } from '../core/sock_mem.ts';
import { tcp_stream_alloc_skb } from './tcp_mem.ts';
import { tcp_event_new_data_sent } from './tcp_output_event.ts';
import { __pskb_trim_head, tcp_eat_one_skb, tcp_has_tx_tstamp, tcp_init_tso_segs, tcp_set_skb_tso_segs } from './tcp_output_fragment.ts';
import { tcp_current_mss, tcp_mss_to_mtu, tcp_mtu_to_mss } from './tcp_output_mss.ts';
import { tcp_transmit_skb } from './tcp_output_transmit.ts';
import { tcp_insert_write_queue_before } from './tcp_rtx_queue.ts';

export const MTU_PROBE_WAIT = 0;
export const MTU_PROBE_SENT = 1;
export const MTU_PROBE_NONE = -1;

/** The search is over; after tcp_probe_interval seconds it begins again, in case the path has grown. */
function tcp_mtu_check_reprobe(sk: sock): void {
  const tp = tcp_sk(sk);
  const mtup = tp.icsk_mtup;
  if (tcp_jiffies32() - mtup.probe_timestamp < sock_net(sk).ipv4.sysctl_tcp_probe_interval * HZ()) return;
  const mss = tcp_current_mss(sk);
  mtup.probe_size = 0;
  mtup.search_high = tp.rx_opt.mss_clamp + tcphdr.size + tp.icsk_af_ops.net_header_len;
  mtup.search_low = tcp_mss_to_mtu(sk, mss);
  mtup.probe_timestamp = tcp_jiffies32();
}

/** May the first `len` bytes of the write queue become one segment? */
function tcp_can_coalesce_send_queue_head(sk: sock, len: number): boolean {
  for (let skb = tcp_send_head(sk); skb !== null; skb = skb.next) {
    if (len <= skb.len) break;
    if (skb.next === null || tcp_has_tx_tstamp(skb) || !tcp_skb_can_collapse(skb, skb.next)) return false;
    len -= skb.len;
  }
  return true;
}

/** Fills `to` with references to the first `probe_size` bytes of the write queue. */
function tcp_clone_payload(sk: sock, to: sk_buff, probe_size: number): number {
  if (!sk_wmem_schedule(sk, to.truesize + probe_size)) return -ENOMEM;
  const shinfo = skb_shinfo(to);
  let len = 0;
  let last: skb_frag_t | null = null;
  for (let skb = tcp_send_head(sk); skb !== null && len < probe_size; skb = skb.next) {
    if (skb_headlen(skb) !== 0) return dropFrags(to, -EINVAL);
    const from = skb_shinfo(skb);
    for (let i = 0; i < from.nr_frags && len < probe_size; i++) {
      const frag = from.frags[i]!;
      const todo = min(skb_frag_size(frag), probe_size - len);
      len += todo;
      if (last !== null && frag.page === last.page && frag.off === last.off + last.size) {
        last.size += todo;
        continue;
      }
      if (shinfo.nr_frags === MAX_SKB_FRAGS) return dropFrags(to, -E2BIG);
      skb_fill_page_desc(to, shinfo.nr_frags, frag.page, frag.off, todo);
      last = shinfo.frags[shinfo.nr_frags - 1]!;
    }
  }
  for (let i = 0; i < shinfo.nr_frags; i++) get_page(shinfo.frags[i]!.page);
  to.truesize += probe_size;
  to.len += probe_size;
  to.data_len += probe_size;
  __skb_header_release(to);
  return 0;
}

/** References were not taken yet: the skb must not give them back. */
function dropFrags(to: sk_buff, err: number): number {
  skb_shinfo(to).nr_frags = 0;
  return err;
}

/** Sends a probe if it is time for one and there is data, window and cwnd for it: MTU_PROBE_SENT, _WAIT (for cwnd or window) or _NONE. */
export function tcp_mtu_probe(sk: sock): number {
  const tp = tcp_sk(sk);
  const mtup = tp.icsk_mtup;
  if (!mtup.enabled || mtup.probe_size !== 0 || tp.icsk_ca_state !== TCP_CA_Open || tcp_snd_cwnd(tp) < 11) return MTU_PROBE_NONE;
  // SACK blocks make headers vary.
  if (tp.rx_opt.num_sacks !== 0 || tp.rx_opt.dsack) return MTU_PROBE_NONE;
  const mss_now = tcp_current_mss(sk);
  const probe_size = tcp_mtu_to_mss(sk, (mtup.search_high + mtup.search_low) >> 1);
  const interval = mtup.search_high - mtup.search_low;
  if (probe_size > tcp_mtu_to_mss(sk, mtup.search_high) || interval < sock_net(sk).ipv4.sysctl_tcp_probe_threshold) {
    tcp_mtu_check_reprobe(sk);
    return MTU_PROBE_NONE;
  }
  const ready = mayProbe(sk, probe_size);
  return ready === MTU_PROBE_SENT ? sendProbe(sk, probe_size, mss_now) : ready;
}

/** The loss of the probe must be found by duplicate ACKs: as many segments as that takes must be able to follow it. */
function mayProbe(sk: sock, probe_size: number): number {
  const tp = tcp_sk(sk);
  const size_needed = probe_size + (tp.reordering + 1) * tp.mss_cache;
  if (u32sub(tp.write_seq, tp.snd_nxt) < size_needed || tp.snd_wnd < size_needed) return MTU_PROBE_NONE;
  if (after(u32add(tp.snd_nxt, size_needed), tcp_wnd_end(tp))) return MTU_PROBE_WAIT;
  const in_flight = tcp_packets_in_flight(tp);
  if (in_flight + 2 > tcp_snd_cwnd(tp)) return in_flight === 0 ? MTU_PROBE_NONE : MTU_PROBE_WAIT;
  return tcp_can_coalesce_send_queue_head(sk, probe_size) ? MTU_PROBE_SENT : MTU_PROBE_NONE;
}

function sendProbe(sk: sock, probe_size: number, mss_now: number): number {
  const tp = tcp_sk(sk);
  const nskb = tcp_stream_alloc_skb(sk, GFP_ATOMIC, false);
  if (nskb === null) return MTU_PROBE_NONE;
  if (tcp_clone_payload(sk, nskb, probe_size) !== 0) {
    consume_skb(nskb);
    return MTU_PROBE_NONE;
  }
  sk_wmem_queued_add(sk, nskb.truesize);
  sk_mem_charge(sk, nskb.truesize);
  takeOver(sk, nskb, probe_size, mss_now);
  tcp_init_tso_segs(nskb, nskb.len);
  // If this fails, the segment stays at the head of the queue and is cut to ordinary size.
  if (tcp_transmit_skb(sk, nskb, true, GFP_ATOMIC) !== 0) return MTU_PROBE_NONE;
  // One large packet counts as two.
  tcp_snd_cwnd_set(tp, tcp_snd_cwnd(tp) - 1);
  tcp_event_new_data_sent(sk, nskb);
  tp.icsk_mtup.probe_size = tcp_mss_to_mtu(sk, nskb.len);
  tp.mtu_probe.probe_seq_start = nskb.tcp.seq;
  tp.mtu_probe.probe_seq_end = nskb.tcp.end_seq;
  return MTU_PROBE_SENT;
}

/** Puts the probe at the head of the write queue and removes from the segments behind it what it carries. */
function takeOver(sk: sock, nskb: sk_buff, probe_size: number, mss_now: number): void {
  const head = tcp_send_head(sk)!;
  const cb = nskb.tcp;
  cb.seq = head.tcp.seq;
  cb.end_seq = u32add(head.tcp.seq, probe_size);
  cb.tcp_flags = TCPHDR_ACK;
  tcp_insert_write_queue_before(nskb, head, sk);
  tcp_highest_sack_replace(sk, head, nskb);
  let len = 0;
  for (let skb: sk_buff | null = head; skb !== null && len < probe_size; ) {
    const next: sk_buff | null = skb.next;
    const copy = min(skb.len, probe_size - len);
    if (skb.len <= copy) tcp_eat_one_skb(sk, nskb, skb);
    else {
      cb.tcp_flags |= skb.tcp.tcp_flags & ~(TCPHDR_FIN | TCPHDR_PSH);
      __pskb_trim_head(skb, copy);
      tcp_set_skb_tso_segs(skb, mss_now);
      skb.tcp.seq = u32add(skb.tcp.seq, copy);
    }
    len += copy;
    skb = next;
  }
}
