/**
 * net/ipv4/tcp.c: TCP's socket options. `tcp_setsockopt` → `do_tcp_setsockopt`; tcp_sockopt_get.ts has `tcp_getsockopt`.
 * Values are numbers; strings for names; Uint8Arrays for keys and saved headers; `tcp_info` for TCP_INFO.
 *
 * Simplified: TCP_REPAIR, TCP_ULP, TCP-AO and TCP_ZEROCOPY_RECEIVE are refused as by a kernel without them.
 */
import { intOf, nameOf } from '../../include/linux/sockptr.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { max, min, U32_MAX } from '../../include/linux/types.ts';
import {
  ICSK_ACK_PUSHED,
  inet_csk,
  inet_csk_ack_scheduled,
  inet_csk_enter_pingpong_mode,
  inet_csk_exit_pingpong_mode,
} from '../../include/net/inet_sock.ts';
import { SOCK_KEEPOPEN, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import {
  keepalive_time_elapsed,
  MAX_TCP_KEEPCNT,
  MAX_TCP_KEEPIDLE,
  MAX_TCP_KEEPINTVL,
  MAX_TCP_SYNCNT,
  MAX_TCP_WINDOW,
  TCP_CA_NAME_MAX,
  TCP_DELACK_MAX,
  TCP_FIN_TIMEOUT_MAX,
  TCP_MIN_MSS,
  TCP_NAGLE_CORK,
  TCP_NAGLE_OFF,
  TCP_NAGLE_PUSH,
  TCP_RTO_MAX,
  TCP_RTO_MAX_SEC,
  TCP_RTO_MIN,
  TCP_TIMEOUT_INIT,
  TCP_TIMEOUT_MIN,
  TFO_CLIENT_ENABLE,
} from '../../include/net/tcp.ts';
import type { tcp_md5sig } from '../../include/net/tcp_md5sig.ts';
import { HZ, msecs_to_jiffies, tcp_jiffies32, usecs_to_jiffies } from '../../kernel/time/timer.ts';
import { minmax_reset } from '../../lib/win_minmax.ts';
import { EINVAL, ENOENT, ENOPROTOOPT, EOPNOTSUPP, EPERM } from '../../uapi/errno.ts';
import { SOL_TCP } from '../../uapi/socket.ts';
import {
  TCP_CLOSE,
  TCP_CONGESTION,
  TCP_CORK,
  TCP_DEFER_ACCEPT,
  TCP_DELACK_MAX_US,
  TCP_ESTABLISHED,
  TCP_FASTOPEN,
  TCP_FASTOPEN_CONNECT,
  TCP_FASTOPEN_KEY,
  TCP_FASTOPEN_NO_COOKIE,
  TCP_INQ,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_LINGER2,
  TCP_MAXSEG,
  TCP_MD5SIG,
  TCP_MD5SIG_EXT,
  TCP_NODELAY,
  TCP_NOTSENT_LOWAT,
  TCP_QUICKACK,
  TCP_REPAIR,
  TCP_RTO_MAX_MS,
  TCP_RTO_MIN_US,
  TCP_SAVE_SYN,
  TCP_SYNCNT,
  TCP_THIN_DUPACK,
  TCP_THIN_LINEAR_TIMEOUTS,
  TCP_TIMESTAMP,
  TCP_TX_DELAY,
  TCP_ULP,
  TCP_USER_TIMEOUT,
  TCP_WINDOW_CLAMP,
  TCPF_CLOSE,
  TCPF_CLOSE_WAIT,
  TCPF_ESTABLISHED,
  TCPF_LISTEN,
} from '../../uapi/tcp.ts';
import { tcp_set_congestion_control } from './tcp_cong.ts';
import { TCP_FASTOPEN_KEY_LENGTH, tcp_fastopen_init_key_once, tcp_fastopen_reset_cipher } from './tcp_fastopen.ts';
import { tcp_set_rto, tcp_update_pacing_rate } from './tcp_input_rtt.ts';
import { md5sigOf, tcp_v4_parse_md5_keys } from './tcp_ipv4_md5.ts';
import { tcp_push_pending_frames } from './tcp_output.ts';
import { tcp_cleanup_rbuf } from './tcp_recvmsg.ts';
import { tcp_set_window_clamp } from './tcp_state.ts';
import { tcp_reset_keepalive_timer } from './tcp_timer.ts';

const TCP_ULP_NAME_MAX = 16;
/** TCP_TX_DELAY: µs that still fit into srtt_us, which is kept ×8. */
const MAX_TX_DELAY = 2 ** (31 - 3);

export const inState = (sk: sock, states: number): boolean => ((1 << sk.skc_state) & states) !== 0;
const outside = (val: number, low: number, high: number): boolean => val < low || val > high;

/** TCP_DEFER_ACCEPT is given in seconds and kept as the number of SYN-ACK retransmissions that take as long. */
export function secs_to_retrans(seconds: number, timeout: number, rto_max: number): number {
  if (seconds <= 0) return 0;
  let res = 1;
  for (let period = timeout; seconds > period && res < 255; res++) {
    timeout = min(timeout * 2, rto_max);
    period += timeout;
  }
  return res;
}

export function retrans_to_secs(retrans: number, timeout: number, rto_max: number): number {
  if (retrans === 0) return 0;
  let period = timeout;
  while (--retrans > 0) {
    timeout = min(timeout * 2, rto_max);
    period += timeout;
  }
  return period;
}

/* What single options do */

/** Corked, partial segments wait; uncorked, they go. Stronger than TCP_NODELAY. */
export function __tcp_sock_set_cork(sk: sock, on: boolean): void {
  const tp = tcp_sk(sk);
  if (on) {
    tp.nonagle |= TCP_NAGLE_CORK;
    return;
  }
  tp.nonagle &= ~TCP_NAGLE_CORK;
  if ((tp.nonagle & TCP_NAGLE_OFF) !== 0) tp.nonagle |= TCP_NAGLE_PUSH;
  tcp_push_pending_frames(sk);
}

/** Set on a corked socket, it pushes what is queued now and takes effect when the cork is out. */
export function __tcp_sock_set_nodelay(sk: sock, on: boolean): void {
  const tp = tcp_sk(sk);
  if (!on) {
    tp.nonagle &= ~TCP_NAGLE_OFF;
    return;
  }
  tp.nonagle |= TCP_NAGLE_OFF | TCP_NAGLE_PUSH;
  tcp_push_pending_frames(sk);
}

/** Leaves dialogue mode: a pending ACK goes at once. An even value other than 0 returns to it then. */
function __tcp_sock_set_quickack(sk: sock, val: number): void {
  if (val === 0) {
    inet_csk_enter_pingpong_mode(sk);
    return;
  }
  inet_csk_exit_pingpong_mode(sk);
  if (!inState(sk, TCPF_ESTABLISHED | TCPF_CLOSE_WAIT) || !inet_csk_ack_scheduled(sk)) return;
  inet_csk(sk).icsk_ack.pending |= ICSK_ACK_PUSHED;
  tcp_cleanup_rbuf(sk, 1);
  if ((val & 1) === 0) inet_csk_enter_pingpong_mode(sk);
}

export function tcp_sock_set_keepidle_locked(sk: sock, val: number): number {
  const tp = tcp_sk(sk);
  if (outside(val, 1, MAX_TCP_KEEPIDLE)) return -EINVAL;
  tp.keepalive_time = val * HZ();
  if (sock_flag(sk, SOCK_KEEPOPEN) && !inState(sk, TCPF_CLOSE | TCPF_LISTEN))
    tcp_reset_keepalive_timer(sk, max(tp.keepalive_time - keepalive_time_elapsed(tp), 0));
  return 0;
}

/** TCP_TX_DELAY: what was measured of the path so far is off by the change. */
function tcp_enable_tx_delay(sk: sock, val: number): void {
  const tp = tcp_sk(sk);
  const delta = (val - tp.tcp_tx_delay) * 8;
  if (delta === 0 || sk.skc_state !== TCP_ESTABLISHED) return;
  tp.srtt_us = min(max(tp.srtt_us + delta, 1), U32_MAX);
  tcp_set_rto(sk);
  minmax_reset(tp.rtt_min, tcp_jiffies32(), U32_MAX);
  tcp_update_pacing_rate(sk);
}

/** TCP_FASTOPEN on a listener: how many children may wait whose handshake is not over. */
function fastopen_queue_tune(sk: sock, backlog: number): void {
  inet_csk(sk).icsk_accept_queue.fastopenq.max_qlen = min(backlog, sock_net(sk).core.sysctl_somaxconn);
}

/* setsockopt */

function setName(sk: sock, value: unknown): number {
  if (!isName(value, TCP_CA_NAME_MAX)) return -EINVAL;
  return tcp_set_congestion_control(sk, nameOf(value, TCP_CA_NAME_MAX - 1)!, true, true);
}

/** Something to be taken for a name: not nothing. */
const isName = (value: unknown, room: number): boolean => nameOf(value, room - 1) !== null && (value as { length?: number }).length !== 0;

function setFastopenKey(sk: sock, value: unknown): number {
  if (!(value instanceof Uint8Array)) return -EINVAL;
  if (value.length !== TCP_FASTOPEN_KEY_LENGTH && value.length !== 2 * TCP_FASTOPEN_KEY_LENGTH) return -EINVAL;
  const backup = value.length > TCP_FASTOPEN_KEY_LENGTH ? value.slice(TCP_FASTOPEN_KEY_LENGTH) : null;
  return tcp_fastopen_reset_cipher(sock_net(sk), sk, value.slice(0, TCP_FASTOPEN_KEY_LENGTH), backup);
}

/** The value is the structure's fields, or its bytes. */
function setMd5Key(sk: sock, optname: number, value: unknown): number {
  const cmd = value instanceof Uint8Array ? md5sigOf(value) : (value as tcp_md5sig);
  return cmd === null || typeof cmd !== 'object' ? -EINVAL : tcp_v4_parse_md5_keys(sk, optname, cmd);
}

/** Options that only store a value. UNHANDLED: it is none of these. */
const UNHANDLED = 1;
function setStored(sk: sock, optname: number, val: number): number {
  const tp = tcp_sk(sk);
  switch (optname) {
    case TCP_SYNCNT:
      if (outside(val, 1, MAX_TCP_SYNCNT)) return -EINVAL;
      tp.icsk_syn_retries = val;
      return 0;
    case TCP_USER_TIMEOUT:
      if (val < 0) return -EINVAL;
      tp.icsk_user_timeout = val;
      return 0;
    case TCP_KEEPINTVL:
      if (outside(val, 1, MAX_TCP_KEEPINTVL)) return -EINVAL;
      tp.keepalive_intvl = val * HZ();
      return 0;
    case TCP_KEEPCNT:
      if (outside(val, 1, MAX_TCP_KEEPCNT)) return -EINVAL;
      tp.keepalive_probes = val;
      return 0;
    case TCP_LINGER2:
      tp.linger2 = val < 0 ? -1 : min(val * HZ(), TCP_FIN_TIMEOUT_MAX());
      return 0;
    case TCP_DEFER_ACCEPT:
      tp.icsk_accept_queue.rskq_defer_accept = secs_to_retrans(val, TCP_TIMEOUT_INIT() / HZ(), TCP_RTO_MAX() / HZ());
      return 0;
    case TCP_RTO_MAX_MS:
      if (outside(val, 1000, TCP_RTO_MAX_SEC * 1000)) return -EINVAL;
      tp.icsk_rto_max = msecs_to_jiffies(val);
      return 0;
    case TCP_RTO_MIN_US: {
      const rto_min = usecs_to_jiffies(val);
      if (outside(rto_min, TCP_TIMEOUT_MIN(), TCP_RTO_MIN())) return -EINVAL;
      tp.icsk_rto_min = rto_min;
      return 0;
    }
    case TCP_DELACK_MAX_US: {
      const delack_max = usecs_to_jiffies(val);
      if (outside(delack_max, TCP_TIMEOUT_MIN(), TCP_DELACK_MAX())) return -EINVAL;
      tp.icsk_delack_max = delack_max;
      return 0;
    }
    case TCP_MAXSEG:
      if (val !== 0 && outside(val, TCP_MIN_MSS, MAX_TCP_WINDOW)) return -EINVAL;
      tp.rx_opt.user_mss = val;
      return 0;
    default:
      return UNHANDLED;
  }
}

/** A switch of 0 or 1: false when `val` is neither. */
const isSwitch = (val: number): boolean => val === 0 || val === 1;

function setFastopen(sk: sock, optname: number, val: number): number {
  const tp = tcp_sk(sk);
  const network = sock_net(sk);
  if (optname === TCP_FASTOPEN) {
    if (val < 0 || !inState(sk, TCPF_CLOSE | TCPF_LISTEN)) return -EINVAL;
    tcp_fastopen_init_key_once(network);
    fastopen_queue_tune(sk, val);
    return 0;
  }
  if (!isSwitch(val)) return -EINVAL;
  if (optname === TCP_FASTOPEN_CONNECT) {
    if ((network.ipv4.sysctl_tcp_fastopen & TFO_CLIENT_ENABLE) === 0) return -EOPNOTSUPP;
    if (sk.skc_state !== TCP_CLOSE) return -EINVAL;
    tp.fastopen_connect = val !== 0;
    return 0;
  }
  if (!inState(sk, TCPF_CLOSE | TCPF_LISTEN)) return -EINVAL;
  tp.fastopen_no_cookie = val !== 0;
  return 0;
}

export function do_tcp_setsockopt(sk: sock, _level: number, optname: number, value: unknown): number {
  if (optname === TCP_CONGESTION) return setName(sk, value);
  if (optname === TCP_FASTOPEN_KEY) return setFastopenKey(sk, value);
  if (optname === TCP_MD5SIG || optname === TCP_MD5SIG_EXT) return setMd5Key(sk, optname, value);
  // No upper layer protocol (TLS, MPTCP) exists here.
  if (optname === TCP_ULP) return isName(value, TCP_ULP_NAME_MAX) ? -ENOENT : -EINVAL;
  const val = intOf(value);
  if (val === null) return -EINVAL;
  const stored = setStored(sk, optname, val);
  return stored !== UNHANDLED ? stored : setActive(sk, optname, val);
}

function setActive(sk: sock, optname: number, val: number): number {
  const tp = tcp_sk(sk);
  switch (optname) {
    case TCP_NODELAY:
      __tcp_sock_set_nodelay(sk, val !== 0);
      return 0;
    case TCP_CORK:
      __tcp_sock_set_cork(sk, val !== 0);
      return 0;
    case TCP_QUICKACK:
      __tcp_sock_set_quickack(sk, val);
      return 0;
    case TCP_KEEPIDLE:
      return tcp_sock_set_keepidle_locked(sk, val);
    case TCP_WINDOW_CLAMP:
      return tcp_set_window_clamp(sk, val);
    case TCP_THIN_LINEAR_TIMEOUTS:
      if (!isSwitch(val)) return -EINVAL;
      tp.thin_lto = val !== 0;
      return 0;
    case TCP_THIN_DUPACK:
      return isSwitch(val) ? 0 : -EINVAL;
    case TCP_SAVE_SYN:
      if (outside(val, 0, 2)) return -EINVAL;
      tp.save_syn = val;
      return 0;
    case TCP_FASTOPEN:
    case TCP_FASTOPEN_CONNECT:
    case TCP_FASTOPEN_NO_COOKIE:
      return setFastopen(sk, optname, val);
    case TCP_NOTSENT_LOWAT:
      tp.notsent_lowat = val >>> 0;
      sk.sk_write_space(sk);
      return 0;
    case TCP_INQ:
      if (!isSwitch(val)) return -EINVAL;
      tp.recvmsg_inq = val !== 0;
      return 0;
    case TCP_TX_DELAY:
      if (val < 0 || val >= MAX_TX_DELAY) return -EINVAL;
      tcp_enable_tx_delay(sk, val);
      tp.tcp_tx_delay = val;
      return 0;
    // Only a socket under repair may set its clock.
    case TCP_REPAIR:
    case TCP_TIMESTAMP:
      return -EPERM;
    default:
      return -ENOPROTOOPT;
  }
}

export function tcp_setsockopt(sk: sock, level: number, optname: number, value: unknown): number {
  if (level !== SOL_TCP) return inet_csk(sk).icsk_af_ops.setsockopt(sk, level, optname, value);
  return do_tcp_setsockopt(sk, level, optname, value);
}
