/**
 * net/ipv4/tcp_output.c: the window that is offered to the peer.
 * `tcp_select_initial_window` for the handshake; then with every segment `tcp_select_window` → `__tcp_select_window`.
 */
import { tcp_sk } from '../../include/linux/tcp.ts';
import { ALIGN, clamp, ilog2, max, min } from '../../include/linux/types.ts';
import { ICSK_ACK_NOMEM, inet_csk } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  MAX_TCP_WINDOW,
  TCP_MAX_WSCALE,
  tcp_adjust_rcv_ssthresh,
  tcp_full_space,
  tcp_receive_window,
  tcp_space,
  tcp_under_memory_pressure,
} from '../../include/net/tcp.ts';
import { LINUX_MIB_TCPFROMZEROWINDOWADV, LINUX_MIB_TCPTOZEROWINDOWADV, LINUX_MIB_TCPWANTZEROWINDOWADV } from '../../uapi/snmp.ts';

const roundDown = (n: number, to: number): number => n - (((n % to) + to) % to);

/** What tcp_select_initial_window() decides; in C four out-parameters. */
export interface initialWindow {
  rcv_wnd: number;
  window_clamp: number;
  rcv_wscale: number;
}

/**
 * Window, scale and clamp to begin with, for `space` bytes of buffer and segments of `mss`. The scale suits the largest buffer that tuning
 * or the user could reach later, since it cannot change any more (RFC 7323 2.2).
 */
export function tcp_select_initial_window(
  sk: sock,
  space: number,
  mss: number,
  window_clamp: number,
  wscale_ok: boolean,
  init_rcv_wnd: number,
): initialWindow {
  const network = sock_net(sk);
  const limit = window_clamp === 0 ? 65535 << TCP_MAX_WSCALE : window_clamp;
  space = min(limit, max(space, 0));
  if (space > mss) space = roundDown(space, mss);
  let rcv_wnd = network.ipv4.sysctl_tcp_workaround_signed_windows !== 0 ? min(space, MAX_TCP_WINDOW) : space;
  if (init_rcv_wnd !== 0) rcv_wnd = min(rcv_wnd, init_rcv_wnd * mss);
  let rcv_wscale = 0;
  if (wscale_ok) {
    space = min(max(max(space, network.ipv4.sysctl_tcp_rmem[2]), network.core.sysctl_rmem_max), limit);
    rcv_wscale = clamp(ilog2(space) - 15, 0, TCP_MAX_WSCALE);
  }
  return { rcv_wnd, window_clamp: min(65535 << rcv_wscale, limit), rcv_wscale };
}

/** The window field of the segment that is being built, and the state that goes with having offered it. */
export function tcp_select_window(sk: sock): number {
  const tp = tcp_sk(sk);
  const network = sock_net(sk);
  const old_win = tp.rcv_wnd;
  // Data was thrown away for want of memory: nothing more, please.
  if ((tp.icsk_ack.pending & ICSK_ACK_NOMEM) !== 0) {
    tp.pred_flags = 0;
    tp.rcv_wnd = 0;
    tp.rcv_wup = tp.rcv_nxt;
    return 0;
  }
  const rcv_wscale = tp.rx_opt.rcv_wscale;
  const cur_win = tcp_receive_window(tp);
  let new_win = __tcp_select_window(sk);
  // RFC 9293 3.8.6: a window that was offered is not taken back, unless the administrator allows it.
  if (new_win < cur_win && (network.ipv4.sysctl_tcp_shrink_window === 0 || rcv_wscale === 0)) {
    if (new_win === 0) NET_INC_STATS(network, LINUX_MIB_TCPWANTZEROWINDOWADV);
    new_win = ALIGN(cur_win, 1 << rcv_wscale);
  }
  tp.rcv_wnd = new_win;
  tp.rcv_wup = tp.rcv_nxt;
  const most = rcv_wscale === 0 && network.ipv4.sysctl_tcp_workaround_signed_windows !== 0 ? MAX_TCP_WINDOW : 65535 << rcv_wscale;
  new_win = min(new_win, most) >>> rcv_wscale;
  if (new_win === 0) {
    tp.pred_flags = 0;
    if (old_win !== 0) NET_INC_STATS(network, LINUX_MIB_TCPTOZEROWINDOWADV);
  } else if (old_win === 0) NET_INC_STATS(network, LINUX_MIB_TCPFROMZEROWINDOWADV);
  return new_win;
}

/**
 * The window (in bytes) that buffer space allows now. Against silly windows (RFC 9293 3.8.6.2.2) it closes altogether when less than a segment or
 * a sixteenth of the buffer is free.
 */
export function __tcp_select_window(sk: sock): number {
  const tp = tcp_sk(sk);
  const rcv_wscale = tp.rx_opt.rcv_wscale;
  let mss = inet_csk(sk).icsk_ack.rcv_mss;
  let free_space = tcp_space(sk);
  const allowed_space = tcp_full_space(sk);
  const full_space = min(tp.window_clamp, allowed_space);
  if (mss > full_space) {
    mss = full_space;
    if (mss <= 0) return 0;
  }
  const shrink = sock_net(sk).ipv4.sysctl_tcp_shrink_window !== 0 && rcv_wscale !== 0;
  if (shrink) free_space = roundDown(free_space, 1 << rcv_wscale);
  if (free_space < full_space >> 1) {
    tp.icsk_ack.quick = 0;
    if (tcp_under_memory_pressure(sk)) tcp_adjust_rcv_ssthresh(sk);
    // Scaling must not turn what little there is into more.
    free_space = roundDown(free_space, 1 << rcv_wscale);
    if (free_space < allowed_space >> 4 || free_space < mss) return 0;
    if (shrink && free_space < 1 << rcv_wscale) return 0;
  }
  if (shrink) return free_space > tp.rcv_ssthresh ? ALIGN(tp.rcv_ssthresh, 1 << rcv_wscale) : free_space;
  free_space = min(free_space, tp.rcv_ssthresh);
  return rcv_wscale !== 0 ? ALIGN(free_space, 1 << rcv_wscale) : unscaledWindow(tp.rcv_wnd, free_space, mss, full_space);
}

/** Without scaling the window is a multiple of the segment size; it stays where it is while it is less than a segment off. */
function unscaledWindow(window: number, free_space: number, mss: number, full_space: number): number {
  if (window <= free_space - mss || window > free_space) return roundDown(free_space, mss);
  if (mss === full_space && free_space > window + (full_space >> 1)) return free_space;
  return window;
}
