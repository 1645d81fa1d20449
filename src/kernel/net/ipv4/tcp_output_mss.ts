/**
 * net/ipv4/tcp_output.c: segment sizes. `tcp_current_mss` → `tcp_sync_mss` (when the path's MTU changed) → `tcp_mtu_to_mss`.
 *
 * rx_opt.user_mss is TCP_MAXSEG, rx_opt.mss_clamp what was negotiated, both without options; mss_cache is what is used, with the options that every
 * segment carries taken off (SACK blocks come off in tcp_current_mss()).
 */
import { tcp_sk } from '../../include/linux/tcp.ts';
import { max, min } from '../../include/linux/types.ts';
import { dst_mtu } from '../../include/net/dst.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { __sk_dst_get, type sock, sock_net } from '../../include/net/sock.ts';
import { tcp_bound_to_half_wnd } from '../../include/net/tcp.ts';
import { tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { tcphdr } from '../../uapi/in.ts';
import { tcp_established_options } from './tcp_output_options.ts';

/** Payload of a packet of `pmtu` bytes without TCP options (RFC 9293 3.7.1: MMS_S − 20). */
export function __tcp_mtu_to_mss(sk: sock, pmtu: number): number {
  const tp = tcp_sk(sk);
  const payload = min(pmtu - tp.icsk_af_ops.net_header_len - tcphdr.size, tp.rx_opt.mss_clamp);
  return max(payload - tp.icsk_ext_hdr_len, sock_net(sk).ipv4.sysctl_tcp_min_snd_mss);
}

export function tcp_mtu_to_mss(sk: sock, pmtu: number): number {
  return __tcp_mtu_to_mss(sk, pmtu) - (tcp_sk(sk).tcp_header_len - tcphdr.size);
}

export function tcp_mss_to_mtu(sk: sock, mss: number): number {
  const tp = tcp_sk(sk);
  return mss + tp.tcp_header_len + tp.icsk_ext_hdr_len + tp.icsk_af_ops.net_header_len;
}

/** MTU probing (RFC 4821): searches between tcp_base_mss and what the peer takes. */
export function tcp_mtup_init(sk: sock): void {
  const tp = tcp_sk(sk);
  const ipv4 = sock_net(sk).ipv4;
  const mtup = tp.icsk_mtup;
  mtup.enabled = ipv4.sysctl_tcp_mtu_probing > 1;
  mtup.search_high = tp.rx_opt.mss_clamp + tcphdr.size + tp.icsk_af_ops.net_header_len;
  mtup.search_low = tcp_mss_to_mtu(sk, ipv4.sysctl_tcp_base_mss);
  mtup.probe_size = 0;
  if (mtup.enabled) mtup.probe_timestamp = tcp_jiffies32();
}

/** The path's MTU is `pmtu` now: recomputes mss_cache and returns it. */
export function tcp_sync_mss(sk: sock, pmtu: number): number {
  const tp = tcp_sk(sk);
  const icsk = inet_csk(sk);
  const mtup = icsk.icsk_mtup;
  if (mtup.search_high > pmtu) mtup.search_high = pmtu;
  let mss_now = tcp_bound_to_half_wnd(tp, tcp_mtu_to_mss(sk, pmtu));
  icsk.icsk_pmtu_cookie = pmtu;
  if (mtup.enabled) mss_now = min(mss_now, tcp_mtu_to_mss(sk, mtup.search_low));
  tp.mss_cache = mss_now;
  return mss_now;
}

/** The segment size right now: the path may have changed, and SACK blocks take their room. */
export function tcp_current_mss(sk: sock): number {
  const tp = tcp_sk(sk);
  let mss_now = tp.mss_cache;
  const dst = __sk_dst_get(sk);
  if (dst !== null) {
    const mtu = dst_mtu(dst);
    if (mtu !== tp.icsk_pmtu_cookie) mss_now = tcp_sync_mss(sk, mtu);
  }
  const header_len = tcp_established_options(sk, null, sock_net(sk).ipv4.tcpOutOptions) + tcphdr.size;
  return mss_now - (header_len - tp.tcp_header_len);
}
