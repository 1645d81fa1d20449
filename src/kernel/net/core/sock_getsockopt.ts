/**
 * net/core/sock.c: getsockopt(SOL_SOCKET). `sk_getsockopt` returns the option's value (a number, a string, or the option's structure), or a
 * negative errno. Where -1 is a value (SO_INCOMING_CPU, SO_PEEK_OFF), it means "not set".
 */
import { MAX_SCHEDULE_TIMEOUT } from '../../include/linux/sched.ts';
import {
  SK_PACING_UNLIMITED,
  SOCK_KEEPOPEN,
  SOCK_LINGER,
  SOCK_RCVBUF_LOCK,
  SOCK_RCVTSTAMP,
  SOCK_RCVTSTAMPNS,
  SOCK_SNDBUF_LOCK,
  SOCK_ZEROCOPY,
  sk_rmem_alloc_get,
  sk_wmem_alloc_get,
  type sock,
  sock_error,
  sock_flag,
  sock_net,
} from '../../include/net/sock.ts';
import { HZ } from '../../kernel/time/timer.ts';
import { ENODATA, ENOPROTOOPT, EOPNOTSUPP } from '../../uapi/errno.ts';
import { IPPROTO_TCP } from '../../uapi/in.ts';
import * as so from '../../uapi/socket.ts';
import { TCP_LISTEN } from '../../uapi/tcp.ts';
import { sock_gen_cookie } from './sock_life.ts';
import { plainFlags } from './sock_setsockopt.ts';

/** SO_MEMINFO's numbers, in the order of uapi/linux/sock_diag.h. */
export interface skMeminfo {
  SK_MEMINFO_RMEM_ALLOC: number;
  SK_MEMINFO_RCVBUF: number;
  SK_MEMINFO_WMEM_ALLOC: number;
  SK_MEMINFO_SNDBUF: number;
  SK_MEMINFO_FWD_ALLOC: number;
  SK_MEMINFO_WMEM_QUEUED: number;
  SK_MEMINFO_OPTMEM: number;
  SK_MEMINFO_BACKLOG: number;
  SK_MEMINFO_DROPS: number;
}

export function sk_getsockopt(sk: sock, _level: number, optname: number): unknown {
  const flag = readableFlags.get(optname);
  if (flag !== undefined) return sock_flag(sk, flag) ? 1 : 0;
  return getBuffer(sk, optname) ?? getIdentity(sk, optname) ?? getBehaviour(sk, optname) ?? -ENOPROTOOPT;
}

function txtimeOf(sk: sock): so.sock_txtime {
  const deadline = sk.sk_txtime_deadline_mode ? so.SOF_TXTIME_DEADLINE_MODE : 0;
  return { clockid: sk.sk_clockid, flags: deadline | (sk.sk_txtime_report_errors ? so.SOF_TXTIME_REPORT_ERRORS : 0) };
}

const readableFlags = new Map([...plainFlags, [so.SO_KEEPALIVE, SOCK_KEEPOPEN], [so.SO_ZEROCOPY, SOCK_ZEROCOPY]]);

function getBuffer(sk: sock, optname: number): unknown {
  switch (optname) {
    case so.SO_SNDBUF:
      return sk.sk_sndbuf;
    case so.SO_RCVBUF:
      return sk.sk_rcvbuf;
    case so.SO_RCVLOWAT:
      return sk.sk_rcvlowat;
    case so.SO_SNDLOWAT:
      return 1;
    case so.SO_BUF_LOCK:
      return sk.sk_userlocks & (SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK);
    case so.SO_RESERVE_MEM:
      return 0;
    case so.SO_MEMINFO:
      return sk_get_meminfo(sk);
    default:
      return undefined;
  }
}

export function sk_get_meminfo(sk: sock): skMeminfo {
  return {
    SK_MEMINFO_RMEM_ALLOC: sk_rmem_alloc_get(sk),
    SK_MEMINFO_RCVBUF: sk.sk_rcvbuf,
    SK_MEMINFO_WMEM_ALLOC: sk_wmem_alloc_get(sk),
    SK_MEMINFO_SNDBUF: sk.sk_sndbuf,
    SK_MEMINFO_FWD_ALLOC: sk.sk_forward_alloc,
    SK_MEMINFO_WMEM_QUEUED: sk.sk_wmem_queued,
    SK_MEMINFO_OPTMEM: sk.sk_omem_alloc,
    SK_MEMINFO_BACKLOG: sk.sk_backlog_len,
    SK_MEMINFO_DROPS: sk.sk_drops,
  };
}

function getIdentity(sk: sock, optname: number): unknown {
  switch (optname) {
    case so.SO_TYPE:
      return sk.sk_type;
    case so.SO_PROTOCOL:
      return sk.sk_protocol;
    case so.SO_DOMAIN:
      return sk.skc_family;
    case so.SO_REUSEADDR:
      return sk.skc_reuse;
    case so.SO_REUSEPORT:
      return sk.skc_reuseport ? 1 : 0;
    case so.SO_ACCEPTCONN:
      return sk.skc_state === TCP_LISTEN ? 1 : 0;
    case so.SO_PRIORITY:
      return sk.sk_priority;
    case so.SO_MARK:
      return sk.sk_mark;
    case so.SO_BINDTOIFINDEX:
      return sk.skc_bound_dev_if;
    case so.SO_BINDTODEVICE:
      return boundDevice(sk);
    case so.SO_INCOMING_CPU:
      return sk.skc_incoming_cpu;
    case so.SO_INCOMING_NAPI_ID:
      return sk.sk_napi_id;
    case so.SO_COOKIE:
      return sock_gen_cookie(sk);
    case so.SO_NO_CHECK:
      return sk.sk_no_check_tx;
    default:
      return undefined;
  }
}

function boundDevice(sk: sock): string {
  const index = sk.skc_bound_dev_if;
  return index === 0 ? '' : (sock_net(sk).dev_base.find((dev) => dev.ifindex === index)?.name ?? '');
}

function getBehaviour(sk: sock, optname: number): unknown {
  switch (optname) {
    case so.SO_ERROR:
      return takeError(sk);
    case so.SO_TXTIME:
      return txtimeOf(sk);
    case so.SO_LINGER:
      return { l_onoff: sock_flag(sk, SOCK_LINGER) ? 1 : 0, l_linger: Math.floor(sk.sk_lingertime / HZ()) };
    case so.SO_RCVTIMEO:
      return sock_get_timeout(sk.sk_rcvtimeo);
    case so.SO_SNDTIMEO:
      return sock_get_timeout(sk.sk_sndtimeo);
    case so.SO_TIMESTAMP:
      return sock_flag(sk, SOCK_RCVTSTAMP) && !sock_flag(sk, SOCK_RCVTSTAMPNS) ? 1 : 0;
    case so.SO_TIMESTAMPNS:
      return sock_flag(sk, SOCK_RCVTSTAMP) && sock_flag(sk, SOCK_RCVTSTAMPNS) ? 1 : 0;
    case so.SO_TIMESTAMPING:
      return sk.sk_tsflags;
    case so.SO_BUSY_POLL:
      return sk.sk_ll_usec;
    case so.SO_PREFER_BUSY_POLL:
      return sk.sk_prefer_busy_poll ? 1 : 0;
    case so.SO_MAX_PACING_RATE:
      return sk.sk_max_pacing_rate === SK_PACING_UNLIMITED ? 0xffff_ffff : sk.sk_max_pacing_rate;
    case so.SO_PEEK_OFF:
      return sk.sk_socket?.ops.set_peek_off === undefined ? -EOPNOTSUPP : sk.sk_peek_off;
    case so.SO_TXREHASH:
      return sk.sk_protocol === IPPROTO_TCP ? sk.sk_txrehash : -EOPNOTSUPP;
    case so.SO_BSDCOMPAT:
      return 0;
    case so.SO_PASSCRED:
    case so.SO_PASSSEC:
    case so.SO_PASSPIDFD:
    case so.SO_PASSRIGHTS:
      return -EOPNOTSUPP;
    // Only Unix sockets know who is at the other end.
    case so.SO_PEERCRED:
      return { pid: 0, uid: -1, gid: -1 };
    case so.SO_PEERGROUPS:
    case so.SO_PEERPIDFD:
      return -ENODATA;
    case so.SO_PEERNAME:
      return sk.sk_socket!.ops.getname(sk.sk_socket!, 1);
    default:
      return undefined;
  }
}

/** Hands over the pending error, or a soft one, as a positive errno, and forgets it. */
function takeError(sk: sock): number {
  const error = -sock_error(sk);
  if (error !== 0) return error;
  const soft = sk.sk_err_soft;
  sk.sk_err_soft = 0;
  return soft;
}

function sock_get_timeout(timeo: number): so.timeval {
  if (timeo === MAX_SCHEDULE_TIMEOUT) return { tv_sec: 0, tv_usec: 0 };
  return { tv_sec: Math.floor(timeo / HZ()), tv_usec: Math.floor(((timeo % HZ()) * 1_000_000) / HZ()) };
}
