/**
 * net/core/sock.c: setsockopt(SOL_SOCKET). `sock_setsockopt` → `sk_setsockopt` → one small function for each kind of option.
 *
 * Values are numbers, or the structure of the option (`linger`, `timeval`), or a string (SO_BINDTODEVICE), or the bytes of any of these. The program has
 * all capabilities.
 */
import type { Sleeping } from '../../include/linux/sched.ts';
import { MAX_SCHEDULE_TIMEOUT } from '../../include/linux/sched.ts';
import { bytesOf, intOf, nameOf } from '../../include/linux/sockptr.ts';
import { INT_MAX } from '../../include/linux/types.ts';
import {
  SK_PACING_NEEDED,
  SK_PACING_NONE,
  SK_PACING_UNLIMITED,
  SOCK_BROADCAST,
  SOCK_DBG,
  SOCK_KEEPOPEN,
  SOCK_LINGER,
  SOCK_LOCALROUTE,
  SOCK_NOFCS,
  SOCK_RCVBUF_LOCK,
  SOCK_RCVMARK,
  SOCK_RCVPRIORITY,
  SOCK_RCVTSTAMP,
  SOCK_RCVTSTAMPNS,
  SOCK_RXQ_OVFL,
  SOCK_SNDBUF_LOCK,
  SOCK_TIMESTAMP,
  SOCK_TIMESTAMPING_RX_SOFTWARE,
  SOCK_TXTIME,
  SOCK_URGINLINE,
  SOCK_ZEROCOPY,
  type sock,
  sock_net,
  sock_reset_flag,
  sock_set_flag,
  sock_valbool_flag,
  type socket,
} from '../../include/net/sock.ts';
import { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_TAI } from '../../kernel/time/posix_clock.ts';
import { HZ } from '../../kernel/time/timer.ts';
import { EDOM, EINVAL, ENODEV, ENOPROTOOPT, EOPNOTSUPP } from '../../uapi/errno.ts';
import { IPPROTO_TCP, IPPROTO_UDP } from '../../uapi/in.ts';
import {
  SOF_TIMESTAMPING_BIND_PHC,
  SOF_TIMESTAMPING_LAST,
  SOF_TIMESTAMPING_OPT_ID,
  SOF_TIMESTAMPING_OPT_ID_TCP,
  SOF_TIMESTAMPING_OPT_STATS,
  SOF_TIMESTAMPING_OPT_TSONLY,
  SOF_TIMESTAMPING_RX_SOFTWARE,
} from '../../uapi/net_tstamp.ts';
import * as so from '../../uapi/socket.ts';
import { TCP_CLOSE, TCP_LISTEN } from '../../uapi/tcp.ts';
import { sock_disable_timestamp, sock_enable_timestamp } from './sock_cmsg.ts';
import { sk_dst_reset } from './sock_dst.ts';
import { lock_sock, release_sock } from './sock_lock.ts';
import { SOCK_MIN_RCVBUF, SOCK_MIN_SNDBUF } from './sock_mem.ts';

export function* sock_setsockopt(sock: socket, level: number, optname: number, value: unknown): Sleeping<number> {
  return yield* sk_setsockopt(sock.sk!, level, optname, value);
}

export function* sk_setsockopt(sk: sock, _level: number, optname: number, value: unknown): Sleeping<number> {
  yield* lock_sock(sk);
  const result = setLocked(sk, optname, value);
  release_sock(sk);
  return result;
}

const IFNAMSIZ = 16;

function setLocked(sk: sock, optname: number, value: unknown): number {
  if (optname === so.SO_BINDTODEVICE) {
    const name = nameOf(value, IFNAMSIZ - 1);
    return name === null ? -EINVAL : bindToDevice(sk, name);
  }
  const structure = typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
  // All other options are refused when the value is shorter than an int, even if they want a structure, or do not exist.
  const val = structure ? 0 : intOf(value);
  if (val === null) return -EINVAL;
  switch (optname) {
    case so.SO_LINGER:
      return withStructure(value, lingerOf, (ling) => setLinger(sk, ling));
    case so.SO_RCVTIMEO:
    case so.SO_SNDTIMEO:
      return withStructure(value, timevalOf, (tv) => sock_set_timeout(sk, optname, tv));
    case so.SO_TXTIME:
      return withStructure(value, txtimeOf, (txtime) => setTxtime(sk, txtime));
    case so.SO_MAX_PACING_RATE:
      return structure ? -EINVAL : setMaxPacingRate(sk, rateOf(value, val));
    default:
      return structure ? -EINVAL : setNumber(sk, optname, val);
  }
}

/** Calls `set` with a structure, given as such or as its bytes; -EINVAL when there are too few of them. */
function withStructure<T>(value: unknown, read: (view: DataView) => T | null, set: (structure: T) => number): number {
  if (typeof value === 'object' && !(value instanceof Uint8Array)) return set(value as T);
  const bytes = bytesOf(value);
  const structure = bytes === null ? null : read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return structure === null ? -EINVAL : set(structure);
}

const lingerOf = (view: DataView): so.linger | null =>
  view.byteLength < 8 ? null : { l_onoff: view.getInt32(0, true), l_linger: view.getInt32(4, true) };
const timevalOf = (view: DataView): so.timeval | null =>
  view.byteLength < 16 ? null : { tv_sec: Number(view.getBigInt64(0, true)), tv_usec: Number(view.getBigInt64(8, true)) };
const txtimeOf = (view: DataView): so.sock_txtime | null =>
  view.byteLength === 8 ? { clockid: view.getInt32(0, true), flags: view.getUint32(4, true) } : null;

function setNumber(sk: sock, optname: number, val: number): number {
  const flag = plainFlags.get(optname);
  if (flag !== undefined) {
    sock_valbool_flag(sk, flag, val !== 0);
    if (optname === so.SO_DONTROUTE) sk_dst_reset(sk);
    return 0;
  }
  return setBuffer(sk, optname, val) ?? setIdentity(sk, optname, val) ?? setBehaviour(sk, optname, val) ?? -ENOPROTOOPT;
}

const U16_MAX = 0xffff;

/** Options that are a flag of the socket and nothing else. */
export const plainFlags: ReadonlyMap<number, number> = new Map<number, number>([
  [so.SO_DEBUG, SOCK_DBG],
  [so.SO_DONTROUTE, SOCK_LOCALROUTE],
  [so.SO_BROADCAST, SOCK_BROADCAST],
  [so.SO_OOBINLINE, SOCK_URGINLINE],
  [so.SO_RXQ_OVFL, SOCK_RXQ_OVFL],
  [so.SO_NOFCS, SOCK_NOFCS],
  [so.SO_RCVMARK, SOCK_RCVMARK],
  [so.SO_RCVPRIORITY, SOCK_RCVPRIORITY],
]);

function setBuffer(sk: sock, optname: number, val: number): number | undefined {
  const core = sock_net(sk).core;
  switch (optname) {
    case so.SO_SNDBUF:
      return setSndbuf(sk, Math.min(val >>> 0, core.sysctl_wmem_max));
    case so.SO_SNDBUFFORCE:
      return setSndbuf(sk, Math.max(val, 0));
    case so.SO_RCVBUF:
      return __sock_set_rcvbuf(sk, Math.min(val >>> 0, core.sysctl_rmem_max));
    case so.SO_RCVBUFFORCE:
      return __sock_set_rcvbuf(sk, Math.max(val, 0));
    case so.SO_BUF_LOCK:
      if ((val & ~(SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK)) !== 0) return -EINVAL;
      sk.sk_userlocks = val | (sk.sk_userlocks & ~(SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK));
      return 0;
    case so.SO_RESERVE_MEM:
      // What is reserved is charged to a memory cgroup, which no socket here has.
      return val < 0 ? -EINVAL : -EOPNOTSUPP;
    case so.SO_RCVLOWAT:
      return setRcvlowat(sk, val < 0 ? INT_MAX : val);
    default:
      return undefined;
  }
}

/** The kernel doubles what it is asked for: half is for the bookkeeping that truesize counts, too. */
function setSndbuf(sk: sock, val: number): number {
  sk.sk_userlocks |= SOCK_SNDBUF_LOCK;
  sk.sk_sndbuf = Math.max(Math.min(val, INT_MAX >> 1) * 2, SOCK_MIN_SNDBUF);
  sk.sk_write_space(sk);
  return 0;
}

export function __sock_set_rcvbuf(sk: sock, val: number): number {
  sk.sk_userlocks |= SOCK_RCVBUF_LOCK;
  sk.sk_rcvbuf = Math.max(Math.min(val, INT_MAX >> 1) * 2, SOCK_MIN_RCVBUF);
  return 0;
}

function setRcvlowat(sk: sock, val: number): number {
  const set = sk.sk_socket?.ops.set_rcvlowat;
  if (set !== undefined) return set(sk, val);
  sk.sk_rcvlowat = val || 1;
  return 0;
}

function setIdentity(sk: sock, optname: number, val: number): number | undefined {
  switch (optname) {
    case so.SO_REUSEADDR:
      sk.skc_reuse = val !== 0 ? 1 : 0;
      return 0;
    case so.SO_REUSEPORT:
      if (val !== 0 && sk.skc_family !== so.AF_INET) return -EOPNOTSUPP;
      sk.skc_reuseport = val !== 0;
      return 0;
    case so.SO_PRIORITY:
      sk.sk_priority = val;
      return 0;
    case so.SO_MARK:
      if (sk.sk_mark !== val >>> 0) sk_dst_reset(sk);
      sk.sk_mark = val >>> 0;
      return 0;
    case so.SO_BINDTOIFINDEX:
      return bindToIndex(sk, val);
    case so.SO_INCOMING_CPU:
      sk.skc_incoming_cpu = val;
      return 0;
    case so.SO_NO_CHECK:
      sk.sk_no_check_tx = val !== 0 ? 1 : 0;
      return 0;
    default:
      return undefined;
  }
}

function bindToDevice(sk: sock, name: string): number {
  if (name === '') return bindToIndex(sk, 0);
  const dev = sock_net(sk).dev_by_name.get(name);
  return dev === undefined ? -ENODEV : bindToIndex(sk, dev.ifindex);
}

function bindToIndex(sk: sock, ifindex: number): number {
  if (ifindex < 0) return -EINVAL;
  sk.skc_bound_dev_if = ifindex;
  sk.skc_prot.rehash?.(sk);
  sk_dst_reset(sk);
  return 0;
}

function setBehaviour(sk: sock, optname: number, val: number): number | undefined {
  switch (optname) {
    case so.SO_KEEPALIVE:
      sk.skc_prot.keepalive?.(sk, val !== 0);
      sock_valbool_flag(sk, SOCK_KEEPOPEN, val !== 0);
      return 0;
    case so.SO_TIMESTAMP:
    case so.SO_TIMESTAMPNS:
      return setTimestamp(sk, optname, val !== 0);
    case so.SO_TIMESTAMPING:
      return sock_set_timestamping(sk, val);
    case so.SO_BUSY_POLL:
      if (val < 0) return -EINVAL;
      sk.sk_ll_usec = val;
      return 0;
    case so.SO_PREFER_BUSY_POLL:
      sk.sk_prefer_busy_poll = val !== 0;
      return 0;
    case so.SO_BUSY_POLL_BUDGET:
      if (val < 0 || val > U16_MAX) return -EINVAL;
      sk.sk_busy_poll_budget = val;
      return 0;
    case so.SO_ZEROCOPY:
      return setZerocopy(sk, val);
    case so.SO_PEEK_OFF:
      return setPeekOff(sk, val);
    case so.SO_TXREHASH:
      return setTxrehash(sk, val);
    case so.SO_BSDCOMPAT:
      return 0;
    // Of Unix sockets.
    case so.SO_PASSCRED:
    case so.SO_PASSSEC:
    case so.SO_PASSPIDFD:
    case so.SO_PASSRIGHTS:
      return -EOPNOTSUPP;
    default:
      return undefined;
  }
}

/** The stamp comes with each packet as a `timeval` (SO_TIMESTAMP) or `timespec` (SO_TIMESTAMPNS). */
function setTimestamp(sk: sock, optname: number, on: boolean): number {
  if (!on) {
    sock_reset_flag(sk, SOCK_RCVTSTAMP | SOCK_RCVTSTAMPNS);
    return 0;
  }
  sock_valbool_flag(sk, SOCK_RCVTSTAMPNS, optname === so.SO_TIMESTAMPNS);
  sock_set_flag(sk, SOCK_RCVTSTAMP);
  sock_enable_timestamp(sk, SOCK_TIMESTAMP);
  return 0;
}

function sock_set_timestamping(sk: sock, val: number): number {
  if ((val & ~(SOF_TIMESTAMPING_LAST * 2 - 1)) !== 0) return -EINVAL;
  if ((val & SOF_TIMESTAMPING_OPT_ID_TCP) !== 0 && (val & SOF_TIMESTAMPING_OPT_ID) === 0) return -EINVAL;
  if ((val & SOF_TIMESTAMPING_OPT_STATS) !== 0 && (val & SOF_TIMESTAMPING_OPT_TSONLY) === 0) return -EINVAL;
  if ((val & SOF_TIMESTAMPING_OPT_ID) !== 0 && (sk.sk_tsflags & SOF_TIMESTAMPING_OPT_ID) === 0) {
    const start = timestampKey(sk);
    if (start < 0) return start;
    sk.sk_tskey = start;
  }
  // No device here has virtual clocks that could be bound to.
  if ((val & SOF_TIMESTAMPING_BIND_PHC) !== 0) return -EOPNOTSUPP;
  sk.sk_tsflags = val;
  if ((val & SOF_TIMESTAMPING_RX_SOFTWARE) !== 0) sock_enable_timestamp(sk, SOCK_TIMESTAMPING_RX_SOFTWARE);
  else sock_disable_timestamp(sk, SOCK_TIMESTAMPING_RX_SOFTWARE);
  return 0;
}

/** Stamps of a stream are numbered by its bytes, from the first that is not acknowledged. */
function timestampKey(sk: sock): number {
  if (sk.sk_protocol !== IPPROTO_TCP) return 0;
  if (sk.skc_state === TCP_CLOSE || sk.skc_state === TCP_LISTEN) return -EINVAL;
  return (sk as unknown as { snd_una: number }).snd_una;
}

/** In octets a second: an int, of which -1 means no limit, or a long. */
function rateOf(value: unknown, val: number): number {
  if (!(value instanceof Uint8Array) || value.length < 8) return val === -1 ? SK_PACING_UNLIMITED : val >>> 0;
  return Math.min(Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0, true)), SK_PACING_UNLIMITED);
}

function setMaxPacingRate(sk: sock, rate: number): number {
  if (rate !== SK_PACING_UNLIMITED && sk.sk_pacing_status === SK_PACING_NONE) sk.sk_pacing_status = SK_PACING_NEEDED;
  sk.sk_max_pacing_rate = rate;
  sk.sk_pacing_rate = Math.min(sk.sk_pacing_rate, rate);
  return 0;
}

function setZerocopy(sk: sock, val: number): number {
  if (sk.sk_protocol !== IPPROTO_TCP && sk.sk_protocol !== IPPROTO_UDP) return -EOPNOTSUPP;
  if (val < 0 || val > 1) return -EINVAL;
  sock_valbool_flag(sk, SOCK_ZEROCOPY, val !== 0);
  return 0;
}

function setPeekOff(sk: sock, val: number): number {
  const set = sk.sk_socket?.ops.set_peek_off;
  return set === undefined ? -EOPNOTSUPP : set(sk, val);
}

export function sk_set_peek_off(sk: sock, val: number): number {
  sk.sk_peek_off = val;
  return 0;
}

function setTxrehash(sk: sock, val: number): number {
  if (sk.sk_protocol !== IPPROTO_TCP) return -EOPNOTSUPP;
  if (val < -1 || val > 1) return -EINVAL;
  sk.sk_txrehash = val === -1 ? sock_net(sk).core.sysctl_txrehash : val;
  return 0;
}

function setLinger(sk: sock, ling: so.linger): number {
  if (ling.l_onoff === 0) {
    sock_reset_flag(sk, SOCK_LINGER);
    return 0;
  }
  sk.sk_lingertime = ling.l_linger >>> 0 >= INT_MAX ? MAX_SCHEDULE_TIMEOUT : ling.l_linger * HZ();
  sock_set_flag(sk, SOCK_LINGER);
  return 0;
}

function sock_set_timeout(sk: sock, optname: number, tv: so.timeval): number {
  if (tv.tv_usec < 0 || tv.tv_usec >= 1_000_000) return -EDOM;
  const timeo = timeoutOf(tv);
  if (optname === so.SO_RCVTIMEO) sk.sk_rcvtimeo = timeo;
  else sk.sk_sndtimeo = timeo;
  return 0;
}

function timeoutOf(tv: so.timeval): number {
  if (tv.tv_sec < 0) return 0;
  if (tv.tv_sec === 0 && tv.tv_usec === 0) return MAX_SCHEDULE_TIMEOUT;
  return tv.tv_sec * HZ() + Math.ceil((tv.tv_usec * HZ()) / 1_000_000);
}

const TXTIME_CLOCKS: ReadonlySet<number> = new Set([CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_TAI]);

/** From now on sends may name the time of departure (SCM_TXTIME), by one of three clocks. */
function setTxtime(sk: sock, { clockid, flags }: so.sock_txtime): number {
  if ((flags & ~so.SOF_TXTIME_FLAGS_MASK) !== 0 || !TXTIME_CLOCKS.has(clockid)) return -EINVAL;
  sk.sk_clockid = clockid;
  sk.sk_txtime_deadline_mode = (flags & so.SOF_TXTIME_DEADLINE_MODE) !== 0;
  sk.sk_txtime_report_errors = (flags & so.SOF_TXTIME_REPORT_ERRORS) !== 0;
  sock_set_flag(sk, SOCK_TXTIME);
  return 0;
}
