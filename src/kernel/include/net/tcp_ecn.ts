/**
 * include/net/tcp_ecn.h: TCP's side of ECN. RFC 3168 (6.1): echo and answer. AccECN (RFC 9768): the receiver counts the packets marked CE, and the bytes by
 * codepoint; the three header flags AE, CWR and ECE together (ACE) carry the first count modulo 8 on every segment, an option carries the others.
 *
 * In 6.18 net.ipv4.tcp_ecn goes no further than 2, so that nobody asks for AccECN or grants it. But who asks for RFC 3168's ECN and is answered with one of
 * AccECN's codes (ACE 2, 3, 4 or 6) speaks AccECN from then on.
 */
import type { tcphdr } from '../../uapi/in.ts';
import type { sk_buff } from '../linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../linux/tcp.ts';
import { INET_ECN_CE, INET_ECN_ECT_0, INET_ECN_ECT_1, INET_ECN_is_ce, INET_ECN_MASK, INET_ECN_NOT_ECT } from './inet_ecn.ts';
import { ICSK_ACK_NOW, inet_csk } from './inet_sock.ts';
import { type sock, sock_net } from './sock.ts';
import {
  skbGsoSegs,
  TCP_ACCECN_CEP_INIT_OFFSET,
  TCP_ECN_DEMAND_CWR,
  TCP_ECN_DISABLED,
  TCP_ECN_MODE_ACCECN,
  TCP_ECN_MODE_RFC3168,
  TCP_ECN_QUEUE_CWR,
  TCP_ECN_SEEN,
  tcp_ecn_mode_accecn,
  tcp_ecn_mode_rfc3168,
  tcp_ecn_mode_set,
  tcp_stamp_us_delta,
} from './tcp.ts';
import { TCPHDR_ACE, TCPHDR_CWR } from './tcp_skb_cb.ts';

/** net.ipv4.tcp_ecn_option: none; only when it is due; on every segment. */
export const TCP_ACCECN_OPTION_DISABLED = 0;
export const TCP_ACCECN_OPTION_MINIMUM = 1;
export const TCP_ACCECN_OPTION_FULL = 2;

/** tcpi_accecn_fail_mode: what is mangled on the way. Only the two of receiving are ever found out here. */
export const TCP_ACCECN_ACE_FAIL_SEND = 1 << 0;
export const TCP_ACCECN_ACE_FAIL_RECV = 1 << 1;
export const TCP_ACCECN_OPT_FAIL_SEND = 1 << 2;
export const TCP_ACCECN_OPT_FAIL_RECV = 1 << 3;

/** tcpi_accecn_opt_seen. */
export const TCP_ACCECN_OPT_NOT_SEEN = 0;
export const TCP_ACCECN_OPT_EMPTY_SEEN = 1;
export const TCP_ACCECN_OPT_COUNTER_SEEN = 2;
export const TCP_ACCECN_OPT_FAIL_SEEN = 3;

/** The option: kind, length, and up to three counters of 24 bits. */
export const TCPOLEN_ACCECN_BASE = 2;
export const TCPOLEN_ACCECN_PERFIELD = 3;
export const TCP_ACCECN_NUMFIELDS = 3;
/** Which codepoint each counter belongs to, for the option's two kinds. */
export const ACCECN_ORDER_0 = [INET_ECN_ECT_0, INET_ECN_CE, INET_ECN_ECT_1] as const;
export const ACCECN_ORDER_1 = [INET_ECN_ECT_1, INET_ECN_CE, INET_ECN_ECT_0] as const;
/** Counters of ECT start at 1, that of CE at 0. */
export const accecnInitOffset = (ecnfield: number): number => (ecnfield === INET_ECN_CE ? 0 : 1);
/** After so many bytes of a codepoint the option is due, lest its counter wrap unseen (RFC 9768 (3.2.3.3)). */
const OPTION_DUE_SHIFT = 22;
const TCPHDR_ACE_SHIFT = 6;
const RECEIVED_CE_PENDING_MAX = 15;

/** The window was reduced: the next new data segment says so with CWR. */
export function tcp_ecn_queue_cwr(tp: tcp_sock): void {
  if (tcp_ecn_mode_rfc3168(tp)) tp.ecn_flags |= TCP_ECN_QUEUE_CWR;
}

/** The reduction was undone. */
export function tcp_ecn_withdraw_cwr(tp: tcp_sock): void {
  tp.ecn_flags &= ~TCP_ECN_QUEUE_CWR;
}

/** The peer has reduced its window, so echoing stops; its window may be so small that a delayed ACK would stall it. */
export function tcp_ecn_accept_cwr(sk: sock, skb: sk_buff): void {
  if ((skb.tcp.tcp_flags & TCPHDR_CWR) === 0 || !tcp_ecn_mode_rfc3168(tcp_sk(sk))) return;
  tcp_sk(sk).ecn_flags &= ~TCP_ECN_DEMAND_CWR;
  if (skb.tcp.seq !== skb.tcp.end_seq) inet_csk(sk).icsk_ack.pending |= ICSK_ACK_NOW;
}

/** A SYN that asks for ECN has both flags. */
export function tcp_ecn_rcv_syn(tp: tcp_sock, th: tcphdr): void {
  if (tcp_ecn_mode_rfc3168(tp) && (th.ece === 0 || th.cwr === 0)) tcp_ecn_mode_set(tp, TCP_ECN_DISABLED);
}

export const tcp_accecn_ace = (th: tcphdr): number => (th.ae << 2) | (th.cwr << 1) | th.ece;

/** RFC 9768, table 2: the code that tells how a SYN or SYN-ACK arrived: not ECT, ECT(1), ECT(0), CE. */
const REFLECTED_ACE = [0b010, 0b011, 0b100, 0b110] as const;
export const tcp_accecn_reflector_flags = (ect: number): number => REFLECTED_ACE[ect & INET_ECN_MASK]! << TCPHDR_ACE_SHIFT;

/** And back, of these four. */
export const tcp_accecn_extract_syn_ect = (ace: number): number => REFLECTED_ACE.indexOf(ace as 0b010);

/** The network may set CE on a packet with ECT, or (some do) exchange ECT(0) and ECT(1); all else is mangling. */
export const tcp_ect_transition_valid = (snt: number, rcv: number): boolean =>
  rcv === snt || (snt !== INET_ECN_NOT_ECT && rcv !== INET_ECN_NOT_ECT && snt !== INET_ECN_CE);

/** Does the peer's report on our SYN make sense? If not (and net.ipv4.tcp_ecn_fallback is on), we send without ECT (RFC 9768 (3.2.2.3)). */
function tcp_accecn_validate_syn_feedback(sk: sock, ace: number, sent_ect: number): boolean {
  if (sock_net(sk).ipv4.sysctl_tcp_ecn_fallback === 0 || tcp_ect_transition_valid(sent_ect, tcp_accecn_extract_syn_ect(ace))) return true;
  tcp_sk(sk).accecn_fail_mode |= TCP_ACCECN_ACE_FAIL_RECV;
  return false;
}

/** At least `opt_demand_min` of the next segments shall have the option. */
export function tcp_accecn_opt_demand_min(tp: tcp_sock, opt_demand_min: number): void {
  if (tp.accecn_opt_demand < opt_demand_min) tp.accecn_opt_demand = opt_demand_min;
}

export function tcp_accecn_saw_opt_fail_recv(tp: tcp_sock, saw_opt: number): void {
  tp.saw_accecn_opt = saw_opt;
  if (saw_opt === TCP_ACCECN_OPT_FAIL_SEEN) tp.accecn_fail_mode |= TCP_ACCECN_OPT_FAIL_RECV;
}

export function tcp_accecn_init_counters(tp: tcp_sock): void {
  tp.received_ce = tp.received_ce_pending = 0;
  tp.received_ecn_bytes.fill(0);
  tp.delivered_ecn_bytes.fill(0);
  tp.accecn_minlen = tp.accecn_opt_demand = tp.est_ecnfield = 0;
  tp.accecn_fail_mode = tp.prev_ecnfield = tp.accecn_opt_tstamp = 0;
  tp.saw_accecn_opt = TCP_ACCECN_OPT_NOT_SEEN;
}

/** Notes the connection's first option, if the segment has one and none with counters has been seen; true when it was noted. */
export function noticeOption(tp: tcp_sock, skb: sk_buff): boolean {
  if (tp.rx_opt.accecn === 0 || tp.saw_accecn_opt >= TCP_ACCECN_OPT_COUNTER_SEEN) return false;
  tcp_accecn_saw_opt_fail_recv(tp, tcp_accecn_option_init(skb, tp.rx_opt.accecn));
  return true;
}

/** The first option of the connection, at `opt_offset` of the header: counters of ECT start at 1, so that a middlebox which zeroes them shows. */
function tcp_accecn_option_init(skb: sk_buff, opt_offset: number): number {
  const at = skb.transport_header + opt_offset;
  const view = skb.mem.view;
  const fields = countersOf(view, at);
  if (fields === 0) return TCP_ACCECN_OPT_EMPTY_SEEN;
  const zeroed = (field: number): boolean => counterAt(view, at, field) === 0;
  return zeroed(0) || (fields >= 3 && zeroed(2)) ? TCP_ACCECN_OPT_FAIL_SEEN : TCP_ACCECN_OPT_COUNTER_SEEN;
}

/** How many counters the option at `at` has room for. */
export const countersOf = (view: DataView, at: number): number =>
  Math.floor((view.getUint8(at + 1) - TCPOLEN_ACCECN_BASE) / TCPOLEN_ACCECN_PERFIELD);

export function counterAt(view: DataView, option: number, field: number): number {
  const at = option + TCPOLEN_ACCECN_BASE + field * TCPOLEN_ACCECN_PERFIELD;
  return (view.getUint16(at) << 8) | view.getUint8(at + 2);
}

/** The answer to our request for ECN. */
export function tcp_ecn_rcv_synack(sk: sock, skb: sk_buff, th: tcphdr): void {
  const tp = tcp_sk(sk);
  const ace = tcp_accecn_ace(th);
  if (ace === 0b000 || ace === 0b111) {
    tcp_ecn_mode_set(tp, TCP_ECN_DISABLED);
    return;
  }
  if (ace === 0b001 || ace === 0b101) {
    tcp_ecn_mode_set(tp, TCP_ECN_MODE_RFC3168);
    return;
  }
  tcp_ecn_mode_set(tp, TCP_ECN_MODE_ACCECN);
  tp.syn_ect_rcv = skb.tcp.ip_dsfield & INET_ECN_MASK;
  if (noticeOption(tp, skb)) tp.accecn_opt_demand = 2;
  if (INET_ECN_is_ce(skb.tcp.ip_dsfield) && tcp_accecn_validate_syn_feedback(sk, ace, tp.syn_ect_snt)) {
    tp.received_ce++;
    tp.received_ce_pending++;
  }
}

/** A SYN-ACK again, on an established connection: the ACK tells how the first one arrived. Returns the flags of that ACK. */
export function reflectSyn(sk: sock, skb: sk_buff): number {
  const tp = tcp_sk(sk);
  if (!tcp_ecn_mode_accecn(tp)) return 0;
  if (noticeOption(tp, skb)) tcp_accecn_opt_demand_min(tp, 1);
  return tcp_accecn_reflector_flags(tp.syn_ect_rcv);
}

/**
 * Counts a segment with `len` bytes of payload by the codepoint it arrived with; whatever was negotiated, for tcp_info. Under AccECN a change of the codepoint is
 * acknowledged at once (RFC 9768 (3.2.2.5.1)), and the option goes with two segments.
 */
export function tcp_ecn_received_counters(sk: sock, skb: sk_buff, len: number): void {
  const tp = tcp_sk(sk);
  const ecnfield = skb.tcp.ip_dsfield & INET_ECN_MASK;
  if (ecnfield === INET_ECN_NOT_ECT && tp.prev_ecnfield === INET_ECN_NOT_ECT) return;
  if (ecnfield !== INET_ECN_NOT_ECT) countMarked(tp, skb, ecnfield, len);
  const ecn_edge = tp.prev_ecnfield !== ecnfield;
  if (!ecn_edge && ecnfield !== INET_ECN_CE) return;
  tp.prev_ecnfield = ecnfield;
  if (!tcp_ecn_mode_accecn(tp)) return;
  if (ecn_edge) inet_csk(sk).icsk_ack.pending |= ICSK_ACK_NOW;
  tp.accecn_opt_demand = 2;
}

function countMarked(tp: tcp_sock, skb: sk_buff, ecnfield: number, len: number): void {
  if (!tcp_ecn_mode_rfc3168(tp)) tp.ecn_flags |= TCP_ECN_SEEN;
  if (ecnfield === INET_ECN_CE) {
    const pcount = skbGsoSegs(skb);
    tp.received_ce = (tp.received_ce + pcount) >>> 0;
    tp.received_ce_pending = Math.min(tp.received_ce_pending + pcount, RECEIVED_CE_PENDING_MAX);
  }
  if (len <= 0) return;
  const counters = tp.received_ecn_bytes;
  const before = counters[ecnfield - 1]!;
  counters[ecnfield - 1] = before + len;
  tp.accecn_minlen = Math.max(tp.accecn_minlen, tcp_ecnfield_to_accecn_optfield(ecnfield));
  if (counters[ecnfield - 1]! >>> OPTION_DUE_SHIFT !== before >>> OPTION_DUE_SHIFT) tcp_accecn_opt_demand_min(tp, 1);
}

/** How many counters an option of the order ECT(1), CE, ECT(0) needs to show that of `ecnfield`. */
function tcp_ecnfield_to_accecn_optfield(ecnfield: number): number {
  if (ecnfield === INET_ECN_ECT_1) return 1;
  return ecnfield === INET_ECN_CE ? 2 : 3;
}

/** The header of an outgoing segment gets the count of CE marks; but the last ACK of the handshake, whose flags are set, reports on the SYN-ACK. */
export function tcp_accecn_set_ace(tp: tcp_sock, skb: sk_buff, th: tcphdr): void {
  if ((skb.tcp.tcp_flags & TCPHDR_ACE) !== 0) return;
  const wire_ace = tp.received_ce + TCP_ACCECN_CEP_INIT_OFFSET;
  th.ece = wire_ace & 1;
  th.cwr = (wire_ace >>> 1) & 1;
  th.ae = (wire_ace >>> 2) & 1;
  tp.received_ce_pending = 0;
}

/** The option is sent net.ipv4.tcp_ecn_option_beacon times an RTT at least. */
export function tcp_accecn_option_beacon_check(sk: sock): boolean {
  const beacon = sock_net(sk).ipv4.sysctl_tcp_ecn_option_beacon;
  const tp = tcp_sk(sk);
  return beacon !== 0 && tcp_stamp_us_delta(tp.tcp_mstamp, tp.accecn_opt_tstamp) * beacon >= tp.srtt_us >>> 3;
}
