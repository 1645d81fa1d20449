/**
 * net/ipv4/tcp_cong.c: the congestion controls of a host, a socket's choice among them, and NewReno (RFC 5681), which the others build on.
 * At boot `tcp_register_congestion_control`; per socket `tcp_assign_congestion_control` → `tcp_init_congestion_control` → …
 * → `tcp_cleanup_congestion_control`; TCP_CONGESTION: `tcp_set_congestion_control`.
 */
import { trace } from '../../current.ts';
import type { tcp_sock } from '../../include/linux/tcp.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { type dst_entry, dst_metric, dst_metric_locked, RTAX_CC_ALGO } from '../../include/net/dst.ts';
import { INET_ECN_dontxmit, INET_ECN_xmit } from '../../include/net/inet_ecn.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { tcp_ca_needs_ecn, tcp_in_slow_start, tcp_is_cwnd_limited, tcp_snd_cwnd_set } from '../../include/net/tcp.ts';
import { TCP_CONG_NEEDS_ECN, TCP_CONG_NON_RESTRICTED, type tcp_congestion_ops } from '../../include/net/tcp_congestion_ops.ts';
import { EEXIST, EINVAL, ENOENT, EPERM } from '../../uapi/errno.ts';
import { TCPF_CLOSE, TCPF_LISTEN } from '../../uapi/tcp.ts';

export function tcp_set_ca_state(sk: sock, ca_state: number): void {
  const icsk = inet_csk(sk);
  trace().tcp_cong_state_set?.(sk, ca_state);
  icsk.icsk_ca_ops.set_state?.(sk, ca_state);
  icsk.icsk_ca_state = ca_state;
}

/* The registry. */

export const TCP_CA_UNSPEC = 0;

export const tcp_ca_find = (network: net, name: string): tcp_congestion_ops | null =>
  network.tcp_cong_list.find((ca) => ca.name === name) ?? null;

/** Loads the module tcp_NAME if it isn't registered; who may do that is the caller's business. */
function tcp_ca_find_autoload(network: net, name: string, capable: boolean): tcp_congestion_ops | null {
  const found = tcp_ca_find(network, name);
  if (found !== null || !capable) return found;
  const loadable = network.tcpCongModules.find((ca) => ca.name === name);
  if (loadable !== undefined) tcp_register_congestion_control(network, loadable);
  return loadable ?? null;
}

export function tcp_validate_congestion_control(ca: tcp_congestion_ops): number {
  return ca.cong_avoid === undefined && ca.cong_control === undefined ? -EINVAL : 0;
}

export function tcp_register_congestion_control(network: net, ca: tcp_congestion_ops): number {
  const ret = tcp_validate_congestion_control(ca);
  if (ret !== 0) return ret;
  if (tcp_ca_find(network, ca.name) !== null) return -EEXIST;
  network.tcp_cong_list.push(ca);
  if ((ca.flags & TCP_CONG_NON_RESTRICTED) !== 0) network.tcpCongAllowed.add(ca);
  return 0;
}

export function tcp_unregister_congestion_control(network: net, ca: tcp_congestion_ops): void {
  const at = network.tcp_cong_list.indexOf(ca);
  if (at >= 0) network.tcp_cong_list.splice(at, 1);
  network.tcpCongAllowed.delete(ca);
}

/* Sysctls. */

/** net.ipv4.tcp_congestion_control. What is the default, anybody may choose. */
export function tcp_set_default_congestion_control(network: net, name: string): number {
  const ca = tcp_ca_find_autoload(network, name, true);
  if (ca === null) return -ENOENT;
  network.ipv4.tcp_congestion_control = ca;
  network.tcpCongAllowed.add(ca);
  return 0;
}

export const tcp_get_default_congestion_control = (network: net): string => network.ipv4.tcp_congestion_control.name;

export const tcp_get_available_congestion_control = (network: net): string => network.tcp_cong_list.map((ca) => ca.name).join(' ');

export const tcp_get_allowed_congestion_control = (network: net): string =>
  network.tcp_cong_list
    .filter((ca) => network.tcpCongAllowed.has(ca))
    .map((ca) => ca.name)
    .join(' ');

export function tcp_set_allowed_congestion_control(network: net, value: string): number {
  const names = value.split(' ').filter((name) => name !== '');
  const chosen = names.map((name) => tcp_ca_find(network, name));
  if (chosen.includes(null)) return -ENOENT;
  network.tcpCongAllowed.clear();
  for (const ca of chosen) network.tcpCongAllowed.add(ca!);
  return 0;
}

/* A socket's choice. */

function adoptCongestionControl(sk: sock, ca: tcp_congestion_ops): void {
  const icsk = inet_csk(sk);
  icsk.icsk_ca_ops = ca;
  icsk.icsk_ca_priv = ca.newPriv?.() ?? null;
  if ((ca.flags & TCP_CONG_NEEDS_ECN) !== 0) INET_ECN_xmit(sk);
  else INET_ECN_dontxmit(sk);
}

export function tcp_assign_congestion_control(sk: sock): void {
  adoptCongestionControl(sk, sock_net(sk).ipv4.tcp_congestion_control);
}

export function tcp_init_congestion_control(sk: sock): void {
  const icsk = inet_csk(sk);
  tcp_sk(sk).prior_ssthresh = 0;
  // A child of a listener with a choice of its own must not share its state.
  icsk.icsk_ca_priv = icsk.icsk_ca_ops.newPriv?.() ?? null;
  icsk.icsk_ca_ops.init?.(sk);
  if (tcp_ca_needs_ecn(sk)) INET_ECN_xmit(sk);
  else INET_ECN_dontxmit(sk);
  icsk.icsk_ca_initialized = true;
}

function tcp_reinit_congestion_control(sk: sock, ca: tcp_congestion_ops): void {
  tcp_cleanup_congestion_control(sk);
  adoptCongestionControl(sk, ca);
  inet_csk(sk).icsk_ca_setsockopt = true;
  if (((1 << sk.skc_state) & (TCPF_CLOSE | TCPF_LISTEN)) === 0) tcp_init_congestion_control(sk);
}

export function tcp_cleanup_congestion_control(sk: sock): void {
  const icsk = inet_csk(sk);
  if (icsk.icsk_ca_initialized) icsk.icsk_ca_ops.release?.(sk);
  icsk.icsk_ca_initialized = false;
}

/** The route's choice (RTAX_CC_ALGO): a key, the place in the list of what is registered plus one. */
export const tcp_ca_find_key = (network: net, key: number): tcp_congestion_ops | null => network.tcp_cong_list[key - 1] ?? null;

/** For `ip route … congctl NAME`; 0 if there is no such congestion control. */
export function tcp_ca_get_key_by_name(network: net, name: string): number {
  const ca = tcp_ca_find_autoload(network, name, true);
  return ca === null ? 0 : network.tcp_cong_list.indexOf(ca) + 1;
}

export const tcp_ca_get_name_by_key = (network: net, key: number): string | null => tcp_ca_find_key(network, key)?.name ?? null;

/** net/ipv4/tcp_output.c: a connecting socket takes its route's choice, if that has one. */
export function tcp_ca_dst_init(sk: sock, dst: dst_entry): void {
  const key = dst_metric(dst, RTAX_CC_ALGO);
  const ca = key === 0 ? null : tcp_ca_find_key(sock_net(sk), key);
  if (ca === null) return;
  const icsk = inet_csk(sk);
  icsk.icsk_ca_dst_locked = dst_metric_locked(dst, RTAX_CC_ALGO);
  icsk.icsk_ca_ops = ca;
  icsk.icsk_ca_priv = ca.newPriv?.() ?? null;
}

/** TCP_CONGESTION (`load`: modules may be loaded), and the choice of a route (tcp_minisocks.c). */
export function tcp_set_congestion_control(sk: sock, name: string, load: boolean, cap_net_admin: boolean): number {
  const icsk = inet_csk(sk);
  const network = sock_net(sk);
  if (icsk.icsk_ca_dst_locked) return -EPERM;
  const ca = load ? tcp_ca_find_autoload(network, name, cap_net_admin) : tcp_ca_find(network, name);
  if (ca === icsk.icsk_ca_ops) {
    icsk.icsk_ca_setsockopt = true;
    return 0;
  }
  if (ca === null) return -ENOENT;
  if (!network.tcpCongAllowed.has(ca) && !cap_net_admin) return -EPERM;
  tcp_reinit_congestion_control(sk, ca);
  return 0;
}

/* NewReno. */

/** RFC 5681 (3.1): a segment more per segment acknowledged, up to the threshold; returns what is left for congestion avoidance. */
export function tcp_slow_start(tp: tcp_sock, acked: number): number {
  const before = tp.snd_cwnd;
  const cwnd = Math.min(before + acked, tp.snd_ssthresh);
  tcp_snd_cwnd_set(tp, Math.min(cwnd, tp.snd_cwnd_clamp));
  return acked - (cwnd - before);
}

/** One segment more for every `w` segments acknowledged. Credit that was saved up under a larger `w` counts for one only. */
export function tcp_cong_avoid_ai(tp: tcp_sock, w: number, acked: number): void {
  let cwnd = tp.snd_cwnd;
  if (tp.snd_cwnd_cnt >= w) {
    tp.snd_cwnd_cnt = 0;
    cwnd++;
  }
  tp.snd_cwnd_cnt += acked;
  if (tp.snd_cwnd_cnt >= w) {
    const delta = Math.floor(tp.snd_cwnd_cnt / w);
    tp.snd_cwnd_cnt -= delta * w;
    cwnd += delta;
  }
  tcp_snd_cwnd_set(tp, Math.min(cwnd, tp.snd_cwnd_clamp));
}

export function tcp_reno_cong_avoid(sk: sock, _ack: number, acked: number): void {
  const tp = tcp_sk(sk);
  if (!tcp_is_cwnd_limited(sk)) return;
  if (tcp_in_slow_start(tp)) {
    acked = tcp_slow_start(tp, acked);
    if (acked === 0) return;
  }
  tcp_cong_avoid_ai(tp, tp.snd_cwnd, acked);
}

export function tcp_reno_ssthresh(sk: sock): number {
  return Math.max(tcp_sk(sk).snd_cwnd >>> 1, 2);
}

export function tcp_reno_undo_cwnd(sk: sock): number {
  const tp = tcp_sk(sk);
  return Math.max(tp.snd_cwnd, tp.prior_cwnd);
}

export const tcp_reno: tcp_congestion_ops = {
  name: 'reno',
  flags: TCP_CONG_NON_RESTRICTED,
  ssthresh: tcp_reno_ssthresh,
  cong_avoid: tcp_reno_cong_avoid,
  undo_cwnd: tcp_reno_undo_cwnd,
};
