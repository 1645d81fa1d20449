/**
 * net/ipv4/tcp_input.c: options of a segment (RFC 9293 (3.1), RFC 7323, RFC 2018, RFC 7413).
 * `tcp_fast_parse_options` knows the two usual layouts by length and calls `tcp_parse_options` for the rest.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { type tcp_fastopen_cookie, tcp_hdrlen, type tcp_options_received, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  TCP_MAX_WSCALE,
  TCP_SACK_SEEN,
  TCPHDR_SYN,
  TCPOLEN_EXP_FASTOPEN_BASE,
  TCPOLEN_FASTOPEN_BASE,
  TCPOLEN_MSS,
  TCPOLEN_SACK_BASE,
  TCPOLEN_SACK_PERBLOCK,
  TCPOLEN_SACK_PERM,
  TCPOLEN_TIMESTAMP,
  TCPOLEN_TSTAMP_ALIGNED,
  TCPOLEN_WINDOW,
  TCPOPT_ACCECN0,
  TCPOPT_ACCECN1,
  TCPOPT_EOL,
  TCPOPT_EXP,
  TCPOPT_FASTOPEN,
  TCPOPT_FASTOPEN_MAGIC,
  TCPOPT_MSS,
  TCPOPT_NOP,
  TCPOPT_SACK,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
  tcp_sack_reset,
  u32sub,
} from '../../include/net/tcp.ts';

export const TCP_FASTOPEN_COOKIE_MIN = 4;
export const TCP_FASTOPEN_COOKIE_MAX = 16;
const TCPHDR_LEN = 20;
/** NOP, NOP, timestamp, length 10. */
const ALIGNED_TIMESTAMP = (TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) | (TCPOPT_TIMESTAMP << 8) | TCPOLEN_TIMESTAMP;

/** RFC 7413 (4.1.1): only in SYNs, of even length; any other length than a cookie's or none makes it void. */
function tcp_parse_fastopen_option(
  skb: sk_buff,
  at: number,
  len: number,
  syn: boolean,
  foc: tcp_fastopen_cookie | null,
  exp: boolean,
): void {
  if (foc === null || !syn || len < 0 || (len & 1) !== 0) return;
  if (len >= TCP_FASTOPEN_COOKIE_MIN && len <= TCP_FASTOPEN_COOKIE_MAX) {
    for (let i = 0; i < len; i++) foc.val[i] = skb.mem.u8[at + i]!;
  } else if (len !== 0) len = -1;
  foc.len = len;
  foc.exp = exp;
}

/** Walks all options; `estab`: those of SYNs do not count. SACK blocks are left in place: `skb.tcp.sacked` says where. */
export function tcp_parse_options(
  network: net,
  skb: sk_buff,
  opt_rx: tcp_options_received,
  estab: boolean,
  foc: tcp_fastopen_cookie | null,
): void {
  const view = skb.mem.view;
  const th = skb.transport_header;
  const end = th + tcp_hdrlen(skb);
  const syn = (view.getUint8(th + 13) & TCPHDR_SYN) !== 0;
  opt_rx.saw_tstamp = false;
  opt_rx.accecn = 0;
  opt_rx.saw_unknown = false;
  let at = th + TCPHDR_LEN;
  while (at < end) {
    const opcode = view.getUint8(at);
    if (opcode === TCPOPT_EOL) return;
    if (opcode === TCPOPT_NOP) {
      at++;
      continue;
    }
    if (end - at < 2) return;
    const opsize = view.getUint8(at + 1);
    if (opsize < 2 || opsize > end - at) return;
    if (opcode === TCPOPT_SACK) parseSack(skb, opt_rx, at, opsize);
    else if (opcode === TCPOPT_TIMESTAMP) parseTimestamp(network, view, opt_rx, at, opsize, estab);
    else parseSynOption(network, skb, opt_rx, at, opsize, syn && !estab, syn, foc);
    at += opsize;
  }
}

function parseSack(skb: sk_buff, opt_rx: tcp_options_received, at: number, opsize: number): void {
  const blocks = opsize - TCPOLEN_SACK_BASE;
  if (blocks >= TCPOLEN_SACK_PERBLOCK && blocks % TCPOLEN_SACK_PERBLOCK === 0 && opt_rx.sack_ok !== 0)
    skb.tcp.sacked = at - skb.transport_header;
}

function parseTimestamp(network: net, view: DataView, opt_rx: tcp_options_received, at: number, opsize: number, estab: boolean): void {
  if (opsize !== TCPOLEN_TIMESTAMP) return;
  if (!(estab ? opt_rx.tstamp_ok : network.ipv4.sysctl_tcp_timestamps !== 0)) return;
  opt_rx.saw_tstamp = true;
  opt_rx.rcv_tsval = view.getUint32(at + 2);
  opt_rx.rcv_tsecr = view.getUint32(at + 6);
}

function parseSynOption(
  network: net,
  skb: sk_buff,
  opt_rx: tcp_options_received,
  at: number,
  opsize: number,
  fresh: boolean,
  syn: boolean,
  foc: tcp_fastopen_cookie | null,
): void {
  const view = skb.mem.view;
  switch (view.getUint8(at)) {
    case TCPOPT_MSS:
      if (opsize === TCPOLEN_MSS && fresh) parseMss(opt_rx, view.getUint16(at + 2));
      break;
    case TCPOPT_WINDOW:
      if (opsize === TCPOLEN_WINDOW && fresh && network.ipv4.sysctl_tcp_window_scaling !== 0) {
        opt_rx.wscale_ok = true;
        opt_rx.snd_wscale = Math.min(view.getUint8(at + 2), TCP_MAX_WSCALE);
      }
      break;
    case TCPOPT_SACK_PERM:
      if (opsize === TCPOLEN_SACK_PERM && fresh && network.ipv4.sysctl_tcp_sack !== 0) {
        opt_rx.sack_ok = TCP_SACK_SEEN;
        tcp_sack_reset(opt_rx);
      }
      break;
    case TCPOPT_FASTOPEN:
      tcp_parse_fastopen_option(skb, at + 2, opsize - TCPOLEN_FASTOPEN_BASE, syn, foc, false);
      break;
    case TCPOPT_EXP:
      if (opsize >= TCPOLEN_EXP_FASTOPEN_BASE && view.getUint16(at + 2) === TCPOPT_FASTOPEN_MAGIC)
        tcp_parse_fastopen_option(skb, at + 4, opsize - TCPOLEN_EXP_FASTOPEN_BASE, syn, foc, true);
      else opt_rx.saw_unknown = true;
      break;
    case TCPOPT_ACCECN0:
    case TCPOPT_ACCECN1:
      opt_rx.accecn = at - skb.transport_header;
      break;
    default:
      opt_rx.saw_unknown = true;
  }
}

function parseMss(opt_rx: tcp_options_received, in_mss: number): void {
  if (in_mss === 0) return;
  opt_rx.mss_clamp = opt_rx.user_mss !== 0 && opt_rx.user_mss < in_mss ? opt_rx.user_mss : in_mss;
}

/** The MSS option alone, bounded by the user's; 0 if there is none: for SYN cookies. */
export function tcp_parse_mss_option(skb: sk_buff, user_mss: number): number {
  const view = skb.mem.view;
  const end = skb.transport_header + tcp_hdrlen(skb);
  let mss = 0;
  for (let at = skb.transport_header + TCPHDR_LEN; at < end; ) {
    const opcode = view.getUint8(at);
    if (opcode === TCPOPT_EOL) return mss;
    if (opcode === TCPOPT_NOP) {
      at++;
      continue;
    }
    if (end - at < 2) return mss;
    const opsize = view.getUint8(at + 1);
    if (opsize < 2 || opsize > end - at) return mss;
    if (opcode === TCPOPT_MSS && opsize === TCPOLEN_MSS) {
      const in_mss = view.getUint16(at + 2);
      if (in_mss !== 0) mss = user_mss !== 0 && user_mss < in_mss ? user_mss : in_mss;
    }
    at += opsize;
  }
  return mss;
}

/** The layout that every Linux sends: two NOPs and a timestamp (RFC 7323, appendix A). */
export function tcp_parse_aligned_timestamp(tp: tcp_sock, skb: sk_buff): boolean {
  const view = skb.mem.view;
  const at = skb.transport_header + TCPHDR_LEN;
  if (view.getUint32(at) !== ALIGNED_TIMESTAMP) return false;
  const rx_opt = tp.rx_opt;
  rx_opt.saw_tstamp = true;
  rx_opt.rcv_tsval = view.getUint32(at + 4);
  const tsecr = view.getUint32(at + 8);
  // Our own clock without the connection's secret offset; 0 is "none".
  rx_opt.rcv_tsecr = tsecr === 0 ? 0 : u32sub(tsecr, tp.tsoffset);
  return true;
}

/** Options of an established connection's segment; false if it has none. */
export function tcp_fast_parse_options(sk: sock, skb: sk_buff): boolean {
  const tp = tcp_sk(sk);
  const len = tcp_hdrlen(skb);
  if (len === TCPHDR_LEN) {
    tp.rx_opt.saw_tstamp = false;
    tp.rx_opt.accecn = 0;
    return false;
  }
  if (tp.rx_opt.tstamp_ok && len === TCPHDR_LEN + TCPOLEN_TSTAMP_ALIGNED && tcp_parse_aligned_timestamp(tp, skb)) {
    tp.rx_opt.accecn = 0;
    return true;
  }
  tcp_parse_options(sock_net(sk), skb, tp.rx_opt, true, null);
  removeOffset(tp);
  return true;
}

export function removeOffset(tp: tcp_sock): void {
  const rx_opt = tp.rx_opt;
  if (rx_opt.saw_tstamp && rx_opt.rcv_tsecr !== 0) rx_opt.rcv_tsecr = u32sub(rx_opt.rcv_tsecr, tp.tsoffset);
}
