/**
 * net/ipv4/tcp_input.c: what AccECN (RFC 9768) tells the sender. `tcp_accecn_process` → the option's byte counters (`tcp_accecn_process_option`), then the ACE field:
 * how many of the packets that this ACK delivered had arrived with CE.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_hdr, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { INET_ECN_CE } from '../../include/net/inet_ecn.ts';
import { ICSK_ACK_NOW, inet_csk } from '../../include/net/inet_sock.ts';
import type { sock } from '../../include/net/sock.ts';
import {
  TCP_ACCECN_ACE_MAX_DELTA,
  TCP_ACCECN_CEP_ACE_MASK,
  TCP_ACCECN_CEP_INIT_OFFSET,
  TCPOPT_ACCECN1,
  tcp_fast_path_on,
  tcp_is_sack,
} from '../../include/net/tcp.ts';
import {
  ACCECN_ORDER_0,
  ACCECN_ORDER_1,
  accecnInitOffset,
  counterAt,
  countersOf,
  noticeOption,
  TCP_ACCECN_OPT_FAIL_RECV,
  TCP_ACCECN_OPT_FAIL_SEEN,
  TCP_ACCECN_OPT_NOT_SEEN,
  tcp_accecn_ace,
  tcp_accecn_saw_opt_fail_recv,
} from '../../include/net/tcp_ecn.ts';
import type { ackContext } from '../../include/net/tcp_input_state.ts';
import { TCP_CA_CWR, TCP_CA_Open } from '../../uapi/tcp.ts';
import { FLAG_ECE, FLAG_FORWARD_PROGRESS, FLAG_SLOWPATH, FLAG_SYN_ACKED, FLAG_TS_PROGRESS } from './tcp_input_flags.ts';

/** With more data sent than this, a first option would be ambiguous: its 24 bits may have wrapped. */
const LATEST_FIRST_OPTION = 2 ** 23 - 1;
/** ACKs of so many packets may hide several turns of the ACE field, which the bytes can count. */
const MANY_PACKETS = 2 * (TCP_ACCECN_CEP_ACE_MASK + 1);

/** Moves a counter to what the option says of it, modulo 2^24; returns by how much, negative when it goes back. */
function updateCounter(counters: Uint32Array, ecnfield: number, value: number): number {
  const delta = ((value - accecnInitOffset(ecnfield) - counters[ecnfield - 1]!) << 8) >> 8;
  counters[ecnfield - 1] = counters[ecnfield - 1]! + delta;
  return delta;
}

/** An ACK without the option. All it delivered had the codepoint that was last seen to move, if that was one alone. */
function estimateWithoutOption(tp: tcp_sock, delivered_bytes: number): boolean {
  if (tp.saw_accecn_opt === TCP_ACCECN_OPT_NOT_SEEN) {
    if (tp.bytes_sent >= LATEST_FIRST_OPTION) tcp_accecn_saw_opt_fail_recv(tp, TCP_ACCECN_OPT_FAIL_SEEN);
    return false;
  }
  if (tp.est_ecnfield === 0) return false;
  tp.delivered_ecn_bytes[tp.est_ecnfield - 1]! += delivered_bytes;
  return true;
}

/** Takes the option's counters in. True if they tell reliably what this ACK delivered with which codepoint. */
function takeOption(tp: tcp_sock, skb: sk_buff): boolean {
  const view = skb.mem.view;
  const at = skb.transport_header + tp.rx_opt.accecn;
  const order = view.getUint8(at) === TCPOPT_ACCECN1 ? ACCECN_ORDER_1 : ACCECN_ORDER_0;
  const fields = Math.min(order.length, countersOf(view, at));
  const expected = tp.est_ecnfield;
  let changed = 0;
  let ambiguous = false;
  for (let i = 0; i < fields; i++) {
    const ecnfield = order[i]!;
    const delta = updateCounter(tp.delivered_ecn_bytes, ecnfield, counterAt(view, at, i));
    if (delta < 0) ambiguous = true;
    if (delta === 0 || ecnfield === expected) continue;
    if (changed === 0) changed = ecnfield;
    else ambiguous = true;
  }
  if (ambiguous) tp.est_ecnfield = 0;
  else if (changed !== 0) tp.est_ecnfield = changed;
  return !ambiguous && expected !== 0;
}

function tcp_accecn_process_option(tp: tcp_sock, skb: sk_buff, delivered_bytes: number, flag: number): boolean {
  if ((tp.accecn_fail_mode & TCP_ACCECN_OPT_FAIL_RECV) !== 0) return false;
  if ((flag & FLAG_SLOWPATH) === 0 || tp.rx_opt.accecn === 0) return estimateWithoutOption(tp, delivered_bytes);
  noticeOption(tp, skb);
  return takeOption(tp, skb);
}

/**
 * An ACK of eight packets and more: the ACE field may have gone round. `delta` is the least number of marks that it allows, `safe_delta` the greatest; the bytes
 * marked decide, if they are known (RFC 9768, appendix A.2.2), or else the greatest counts (A.2.1).
 */
function unwrap(sk: sock, delta: number, delivered_pkts: number, delivered_bytes: number, d_ceb: number): number {
  const tp = tcp_sk(sk);
  const safe_delta = delivered_pkts - ((delivered_pkts - delta) & TCP_ACCECN_CEP_ACE_MASK);
  if (d_ceb < 0) return safe_delta;
  if (d_ceb === 0) return delta;
  const orderly = tcp_is_sack(tp) || tp.icsk_ca_state === TCP_CA_Open || tp.icsk_ca_state === TCP_CA_CWR;
  if (delivered_pkts >= MANY_PACKETS && orderly) {
    if (delivered_bytes <= d_ceb) return safe_delta;
    const packets = Math.ceil((d_ceb * delivered_pkts) / delivered_bytes);
    return Math.min(safe_delta, delta + (packets & ~TCP_ACCECN_CEP_ACE_MASK));
  }
  if (d_ceb > delta * tp.mss_cache) return safe_delta;
  return d_ceb < (safe_delta * tp.mss_cache) >>> 1 ? delta : safe_delta;
}

/** How many packets more the peer has received with CE. */
function __tcp_accecn_process(sk: sock, skb: sk_buff, delivered_pkts: number, delivered_bytes: number, flag: number): number {
  const tp = tcp_sk(sk);
  // It may have been overtaken by another.
  if ((flag & (FLAG_FORWARD_PROGRESS | FLAG_TS_PROGRESS)) === 0) return 0;
  const old_ceb = tp.delivered_ecn_bytes[INET_ECN_CE - 1]!;
  const opt_deltas_valid = tcp_accecn_process_option(tp, skb, delivered_bytes, flag);
  // Header prediction has found the field where it was.
  if ((flag & FLAG_SLOWPATH) === 0 && delivered_pkts <= TCP_ACCECN_CEP_ACE_MASK) return 0;
  if ((flag & FLAG_SYN_ACKED) !== 0) return 0;
  if (tp.received_ce_pending >= TCP_ACCECN_ACE_MAX_DELTA) inet_csk(sk).icsk_ack.pending |= ICSK_ACK_NOW;
  const delta = (tcp_accecn_ace(tcp_hdr(skb)) - TCP_ACCECN_CEP_INIT_OFFSET - tp.delivered_ce) & TCP_ACCECN_CEP_ACE_MASK;
  if (delivered_pkts <= TCP_ACCECN_CEP_ACE_MASK) return delta;
  return unwrap(sk, delta, delivered_pkts, delivered_bytes, opt_deltas_valid ? tp.delivered_ecn_bytes[INET_ECN_CE - 1]! - old_ceb : -1);
}

/** The CE marks that this ACK reports; they act as ECE does under RFC 3168. */
export function tcp_accecn_process(sk: sock, skb: sk_buff, delivered_pkts: number, ctx: ackContext): number {
  const tp = tcp_sk(sk);
  const delta = __tcp_accecn_process(sk, skb, delivered_pkts, ctx.sack.delivered_bytes, ctx.flag);
  if (delta === 0) return 0;
  tp.delivered_ce += delta;
  ctx.flag |= FLAG_ECE;
  if (tp.pred_flags !== 0) tcp_fast_path_on(tp);
  return delta;
}
