/**
 * net/ipv4/tcp_output.c: the options of outgoing segments. First their sizes are added up (`tcp_syn_options`, `tcp_synack_options`,
 * `tcp_established_options`), then the header is made room for, then they are written (`tcp_options_write`).
 *
 * Order and padding are Linux's: NOP NOP MD5 digest, MSS, SACK permitted with timestamps (or NOP NOP timestamps), AccECN, NOP window scale, NOP NOP SACK, Fast Open
 * cookie. Simplified: TCP-AO, MPTCP and SMC options are never sent.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { type tcp_fastopen_cookie, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { dst_metric_advmss } from '../../include/net/dst.ts';
import { inet_rsk, type request_sock, tcp_rsk } from '../../include/net/request_sock.ts';
import { __sk_dst_get, type sock, sock_net } from '../../include/net/sock.ts';
import {
  MAX_TCP_OPTION_SPACE,
  TCP_SYNACK_COOKIE,
  TCPOLEN_EXP_FASTOPEN_BASE,
  TCPOLEN_FASTOPEN_BASE,
  TCPOLEN_MD5SIG,
  TCPOLEN_MD5SIG_ALIGNED,
  TCPOLEN_MSS,
  TCPOLEN_MSS_ALIGNED,
  TCPOLEN_SACK_BASE,
  TCPOLEN_SACK_BASE_ALIGNED,
  TCPOLEN_SACK_PERBLOCK,
  TCPOLEN_SACK_PERM,
  TCPOLEN_SACKPERM_ALIGNED,
  TCPOLEN_TIMESTAMP,
  TCPOLEN_TSTAMP_ALIGNED,
  TCPOLEN_WINDOW,
  TCPOLEN_WSCALE_ALIGNED,
  TCPOPT_EXP,
  TCPOPT_FASTOPEN,
  TCPOPT_FASTOPEN_MAGIC,
  TCPOPT_MD5SIG,
  TCPOPT_MSS,
  TCPOPT_NOP,
  TCPOPT_SACK,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
  tcp_skb_timestamp_ts,
  u32add,
} from '../../include/net/tcp.ts';
import { tcp_md5_do_lookup } from '../../include/net/tcp_md5sig.ts';
import type { tcp_out_options } from '../../include/net/tcp_out_options.ts';
import { fitAccecn, isAccecnOptionDue, OPTION_ACCECN, sackSpace, writeAccecn } from './tcp_output_accecn.ts';

export const OPTION_SACK_ADVERTISE = 1 << 0;
export const OPTION_TS = 1 << 1;
export const OPTION_MD5 = 1 << 2;
export const OPTION_WSCALE = 1 << 3;
export const OPTION_FAST_OPEN_COOKIE = 1 << 8;

/** NOP NOP: pads a two-byte option head to four. */
const NOP_NOP = (TCPOPT_NOP << 24) | (TCPOPT_NOP << 16);

/** The MSS to announce: the path's, in as far as a route or its device knows, not above what was announced before. */
export function tcp_advertise_mss(sk: sock): number {
  const tp = tcp_sk(sk);
  const dst = __sk_dst_get(sk);
  if (dst !== null) tp.advmss = Math.min(tp.advmss, dst_metric_advmss(dst));
  return tp.advmss;
}

/** Room for the digest, if segments to `addr` are signed with a key of `sk`. Returns the length of the option. */
function addSignature(sk: sock, addr: number, opts: tcp_out_options): number {
  opts.md5_key = tcp_md5_do_lookup(sk, addr);
  if (opts.md5_key === null) return 0;
  opts.options |= OPTION_MD5;
  return TCPOLEN_MD5SIG_ALIGNED;
}

/** Bytes that a cookie option takes, padded to whole words. */
const cookieSpace = (cookie: tcp_fastopen_cookie): number =>
  (cookie.len + (cookie.exp ? TCPOLEN_EXP_FASTOPEN_BASE : TCPOLEN_FASTOPEN_BASE) + 3) & ~3;

/** Takes the cookie in if `remaining` allows; returns what is left. */
function addCookie(opts: tcp_out_options, cookie: tcp_fastopen_cookie, remaining: number): number {
  const need = cookieSpace(cookie);
  if (remaining < need) return remaining;
  opts.options |= OPTION_FAST_OPEN_COOKIE;
  opts.fastopen_cookie = cookie;
  return remaining - need;
}

/** Options of a SYN, and of the SYN-ACK of a simultaneous open. Returns their length. */
export function tcp_syn_options(sk: sock, skb: sk_buff, opts: tcp_out_options): number {
  const tp = tcp_sk(sk);
  const ipv4 = sock_net(sk).ipv4;
  let remaining = MAX_TCP_OPTION_SPACE - TCPOLEN_MSS_ALIGNED;
  opts.mss = tcp_advertise_mss(sk);
  remaining -= addSignature(sk, sk.skc_daddr, opts);
  // Digest and timestamps would leave no room for SACK blocks.
  if (ipv4.sysctl_tcp_timestamps !== 0 && opts.md5_key === null) {
    opts.options |= OPTION_TS;
    opts.tsval = u32add(tcp_skb_timestamp_ts(tp.tcp_usec_ts, skb), tp.tsoffset);
    opts.tsecr = tp.rx_opt.ts_recent;
    remaining -= TCPOLEN_TSTAMP_ALIGNED;
  }
  if (ipv4.sysctl_tcp_window_scaling !== 0) {
    opts.ws = tp.rx_opt.rcv_wscale;
    opts.options |= OPTION_WSCALE;
    remaining -= TCPOLEN_WSCALE_ALIGNED;
  }
  if (ipv4.sysctl_tcp_sack !== 0) {
    opts.options |= OPTION_SACK_ADVERTISE;
    if ((opts.options & OPTION_TS) === 0) remaining -= TCPOLEN_SACKPERM_ALIGNED;
  }
  const fastopen = tp.fastopen_req;
  if (fastopen !== null && fastopen.cookie.len >= 0) {
    const before = remaining;
    remaining = addCookie(opts, fastopen.cookie, remaining);
    if (remaining !== before) {
      tp.syn_fastopen = true;
      tp.syn_fastopen_exp = fastopen.cookie.exp;
    }
  }
  return MAX_TCP_OPTION_SPACE - remaining;
}

/** Options of a SYN-ACK: those that the SYN had, too. */
export function tcp_synack_options(
  sk: sock,
  req: request_sock,
  mss: number,
  skb: sk_buff,
  opts: tcp_out_options,
  foc: tcp_fastopen_cookie | null,
  synack_type: number,
): number {
  const ireq = inet_rsk(req);
  let remaining = MAX_TCP_OPTION_SPACE - TCPOLEN_MSS_ALIGNED;
  opts.mss = mss;
  remaining -= addSignature(sk, req.skc_daddr, opts);
  // As in a SYN: either SACK or timestamps. A cookie's timestamp carries options, so it stays.
  if (opts.md5_key !== null && synack_type !== TCP_SYNACK_COOKIE && ireq.sack_ok) ireq.tstamp_ok = false;
  if (ireq.wscale_ok) {
    opts.ws = ireq.rcv_wscale;
    opts.options |= OPTION_WSCALE;
    remaining -= TCPOLEN_WSCALE_ALIGNED;
  }
  if (ireq.tstamp_ok) {
    addSynackTimestamp(req, skb, opts);
    remaining -= TCPOLEN_TSTAMP_ALIGNED;
  }
  if (ireq.sack_ok) {
    opts.options |= OPTION_SACK_ADVERTISE;
    if (!ireq.tstamp_ok) remaining -= TCPOLEN_SACKPERM_ALIGNED;
  }
  if (foc !== null && foc.len >= 0) remaining = addCookie(opts, foc, remaining);
  return MAX_TCP_OPTION_SPACE - remaining;
}

/** The first and the last timestamp of a SYN-ACK are kept: the ACK that completes the handshake must echo one between them. */
function addSynackTimestamp(req: request_sock, skb: sk_buff, opts: tcp_out_options): void {
  const treq = tcp_rsk(req);
  opts.options |= OPTION_TS;
  opts.tsval = u32add(tcp_skb_timestamp_ts(treq.req_usec_ts, skb), treq.ts_off);
  if (treq.snt_tsval_first === 0) {
    if (opts.tsval === 0) opts.tsval = 0xffff_ffff;
    treq.snt_tsval_first = opts.tsval;
  }
  treq.snt_tsval_last = opts.tsval;
  opts.tsecr = req.ts_recent;
}

/** Options of all other segments: timestamps, as many SACK blocks as fit, AccECN's counters. `skb` is null when only the length matters. */
export function tcp_established_options(sk: sock, skb: sk_buff | null, opts: tcp_out_options): number {
  const tp = tcp_sk(sk);
  const rx_opt = tp.rx_opt;
  opts.options = 0;
  let size = addSignature(sk, sk.skc_daddr, opts);
  if (rx_opt.tstamp_ok) {
    opts.options = OPTION_TS;
    opts.tsval = skb === null ? 0 : u32add(tcp_skb_timestamp_ts(tp.tcp_usec_ts, skb), tp.tsoffset);
    opts.tsecr = rx_opt.ts_recent;
    size += TCPOLEN_TSTAMP_ALIGNED;
  }
  const eff_sacks = rx_opt.num_sacks + (rx_opt.dsack ? 1 : 0);
  const fit = Math.floor((MAX_TCP_OPTION_SPACE - size - TCPOLEN_SACK_BASE_ALIGNED) / TCPOLEN_SACK_PERBLOCK);
  opts.num_sack_blocks = Math.max(Math.min(eff_sacks, fit), 0);
  size += sackSpace(opts.num_sack_blocks);
  return isAccecnOptionDue(sk) ? fitAccecn(tp, opts, size) : size;
}

/** Writes options from `at` on (right behind the 20 bytes of header) and returns where they end. `tp` is null for a SYN-ACK of a request. */
export function tcp_options_write(view: DataView, at: number, tp: tcp_sock | null, opts: tcp_out_options): number {
  const start = at;
  const options = opts.options;
  if ((options & OPTION_MD5) !== 0) {
    view.setUint32(at, NOP_NOP | (TCPOPT_MD5SIG << 8) | TCPOLEN_MD5SIG);
    opts.hash_location = at + 4;
    at += TCPOLEN_MD5SIG_ALIGNED;
  }
  if (opts.mss !== 0) {
    view.setUint32(at, ((TCPOPT_MSS << 24) | (TCPOLEN_MSS << 16) | opts.mss) >>> 0);
    at += 4;
  }
  if ((options & OPTION_TS) !== 0) {
    const head = (options & OPTION_SACK_ADVERTISE) !== 0 ? (TCPOPT_SACK_PERM << 24) | (TCPOLEN_SACK_PERM << 16) : NOP_NOP;
    view.setUint32(at, head | (TCPOPT_TIMESTAMP << 8) | TCPOLEN_TIMESTAMP);
    view.setUint32(at + 4, opts.tsval);
    view.setUint32(at + 8, opts.tsecr);
    at += TCPOLEN_TSTAMP_ALIGNED;
  } else if ((options & OPTION_SACK_ADVERTISE) !== 0) {
    view.setUint32(at, NOP_NOP | (TCPOPT_SACK_PERM << 8) | TCPOLEN_SACK_PERM);
    at += TCPOLEN_SACKPERM_ALIGNED;
  }
  if ((options & OPTION_ACCECN) !== 0) at = writeAccecn(view, at, tp!, opts);
  if ((options & OPTION_WSCALE) !== 0) {
    view.setUint32(at, (TCPOPT_NOP << 24) | (TCPOPT_WINDOW << 16) | (TCPOLEN_WINDOW << 8) | opts.ws);
    at += TCPOLEN_WSCALE_ALIGNED;
  }
  if (opts.num_sack_blocks !== 0) at = writeSack(view, padTo(view, at, start + 2), tp!, opts.num_sack_blocks);
  if ((options & OPTION_FAST_OPEN_COOKIE) !== 0) at = writeCookie(view, at, opts.fastopen_cookie!);
  return padTo(view, at, start);
}

/** NOPs up to the next multiple of four bytes from `origin` on. */
function padTo(view: DataView, at: number, origin: number): number {
  while (((at - origin) & 3) !== 0) view.setUint8(at++, TCPOPT_NOP);
  return at;
}

/** A D-SACK block (RFC 2883 4) comes first and is reported once; the others follow, most recent first. */
function writeSack(view: DataView, at: number, tp: tcp_sock, blocks: number): number {
  view.setUint16(at, (TCPOPT_SACK << 8) | (TCPOLEN_SACK_BASE + blocks * TCPOLEN_SACK_PERBLOCK));
  at += TCPOLEN_SACK_BASE;
  const dsack = tp.rx_opt.dsack ? 1 : 0;
  for (let i = 0; i < blocks; i++) {
    const block = i < dsack ? tp.duplicate_sack[0] : tp.selective_acks[i - dsack]!;
    view.setUint32(at, block.start_seq);
    view.setUint32(at + 4, block.end_seq);
    at += TCPOLEN_SACK_PERBLOCK;
  }
  tp.rx_opt.dsack = false;
  return at;
}

/** RFC 7413 4.1.1; `exp`: the experimental option of before (RFC 6994). */
function writeCookie(view: DataView, at: number, cookie: tcp_fastopen_cookie): number {
  const base = cookie.exp ? TCPOLEN_EXP_FASTOPEN_BASE : TCPOLEN_FASTOPEN_BASE;
  const len = base + cookie.len;
  view.setUint8(at, cookie.exp ? TCPOPT_EXP : TCPOPT_FASTOPEN);
  view.setUint8(at + 1, len);
  if (cookie.exp) view.setUint16(at + 2, TCPOPT_FASTOPEN_MAGIC);
  for (let i = 0; i < cookie.len; i++) view.setUint8(at + base + i, cookie.val[i]!);
  const end = at + ((len + 3) & ~3);
  for (let pad = at + len; pad < end; pad++) view.setUint8(pad, TCPOPT_NOP);
  return end;
}
