/**
 * net/ipv4/tcp.c: getsockopt() of TCP: `tcp_getsockopt` → `do_tcp_getsockopt`: structures, texts and numbers.
 */

import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { U32_MAX } from '../../include/linux/types.ts';
import { inet_csk, inet_csk_in_pingpong_mode } from '../../include/net/inet_sock.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import {
  keepalive_intvl_when,
  keepalive_probes,
  keepalive_time_when,
  TCP_NAGLE_CORK,
  TCP_NAGLE_OFF,
  TCP_RTO_MAX,
  TCP_TIMEOUT_INIT,
  tcp_clock_ts,
  tcp_saved_syn_free,
  u32add,
} from '../../include/net/tcp.ts';
import { HZ, jiffies_to_msecs, jiffies_to_usecs } from '../../kernel/time/timer.ts';
import { ENOPROTOOPT } from '../../uapi/errno.ts';
import { SOL_TCP } from '../../uapi/socket.ts';
import {
  TCP_CC_INFO,
  TCP_CONGESTION,
  TCP_CORK,
  TCP_DEFER_ACCEPT,
  TCP_DELACK_MAX_US,
  TCP_FASTOPEN,
  TCP_FASTOPEN_CONNECT,
  TCP_FASTOPEN_KEY,
  TCP_FASTOPEN_NO_COOKIE,
  TCP_INFO,
  TCP_INQ,
  TCP_IS_MPTCP,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_LINGER2,
  TCP_MAXSEG,
  TCP_NODELAY,
  TCP_NOTSENT_LOWAT,
  TCP_QUICKACK,
  TCP_REPAIR,
  TCP_RTO_MAX_MS,
  TCP_RTO_MIN_US,
  TCP_SAVE_SYN,
  TCP_SAVED_SYN,
  TCP_SYNCNT,
  TCP_THIN_DUPACK,
  TCP_THIN_LINEAR_TIMEOUTS,
  TCP_TIMESTAMP,
  TCP_TX_DELAY,
  TCP_ULP,
  TCP_USER_TIMEOUT,
  TCP_WINDOW_CLAMP,
  TCPF_CLOSE,
  TCPF_LISTEN,
} from '../../uapi/tcp.ts';
import { tcp_fastopen_get_ctx } from './tcp_fastopen.ts';
import { tcp_get_info, tcp_info } from './tcp_info.ts';
import { inState, retrans_to_secs } from './tcp_sockopt.ts';

/** The keys in use, one after the other: the current one, and the one before it. */
const fastopenKeys = (sk: sock): Uint8Array => Uint8Array.from((tcp_fastopen_get_ctx(sk)?.raw ?? []).flatMap((key) => [...key]));

/** Options with a value that is no number; undefined when it is none of these. */
function getStructure(sk: sock, optname: number): unknown {
  const tp = tcp_sk(sk);
  switch (optname) {
    case TCP_INFO: {
      const info = new tcp_info();
      tcp_get_info(sk, info);
      return info;
    }
    case TCP_CC_INFO:
      return tp.icsk_ca_ops.get_info?.(sk, U32_MAX) ?? null;
    case TCP_CONGESTION:
      return tp.icsk_ca_ops.name;
    case TCP_FASTOPEN_KEY:
      return fastopenKeys(sk);
    case TCP_ULP:
      return new Uint8Array(0);
    case TCP_SAVED_SYN: {
      const saved = tp.saved_syn;
      tcp_saved_syn_free(tp);
      return saved ?? new Uint8Array(0);
    }
    default:
      return undefined;
  }
}

function getNumber(sk: sock, tp: tcp_sock, optname: number): number {
  const ipv4 = sock_net(sk).ipv4;
  switch (optname) {
    case TCP_MAXSEG:
      return tp.rx_opt.user_mss !== 0 && inState(sk, TCPF_CLOSE | TCPF_LISTEN) ? tp.rx_opt.user_mss : tp.mss_cache;
    case TCP_NODELAY:
      return (tp.nonagle & TCP_NAGLE_OFF) !== 0 ? 1 : 0;
    case TCP_CORK:
      return (tp.nonagle & TCP_NAGLE_CORK) !== 0 ? 1 : 0;
    case TCP_KEEPIDLE:
      return Math.floor(keepalive_time_when(tp) / HZ());
    case TCP_KEEPINTVL:
      return Math.floor(keepalive_intvl_when(tp) / HZ());
    case TCP_KEEPCNT:
      return keepalive_probes(tp);
    case TCP_SYNCNT:
      return tp.icsk_syn_retries || ipv4.sysctl_tcp_syn_retries;
    case TCP_LINGER2:
      return tp.linger2 < 0 ? tp.linger2 : Math.floor((tp.linger2 || ipv4.sysctl_tcp_fin_timeout) / HZ());
    case TCP_DEFER_ACCEPT:
      return retrans_to_secs(tp.icsk_accept_queue.rskq_defer_accept, TCP_TIMEOUT_INIT() / HZ(), TCP_RTO_MAX() / HZ());
    case TCP_WINDOW_CLAMP:
      return tp.window_clamp;
    case TCP_QUICKACK:
      return inet_csk_in_pingpong_mode(sk) ? 0 : 1;
    case TCP_THIN_LINEAR_TIMEOUTS:
      return tp.thin_lto ? 1 : 0;
    case TCP_THIN_DUPACK:
    case TCP_REPAIR:
      return 0;
    case TCP_USER_TIMEOUT:
      return tp.icsk_user_timeout;
    case TCP_FASTOPEN:
      return tp.icsk_accept_queue.fastopenq.max_qlen;
    case TCP_FASTOPEN_CONNECT:
      return tp.fastopen_connect ? 1 : 0;
    case TCP_FASTOPEN_NO_COOKIE:
      return tp.fastopen_no_cookie ? 1 : 0;
    case TCP_TX_DELAY:
      return tp.tcp_tx_delay;
    case TCP_TIMESTAMP: {
      // The lowest bit tells the clock's unit.
      const clock = u32add(tcp_clock_ts(tp.tcp_usec_ts), tp.tsoffset);
      return tp.tcp_usec_ts ? (clock | 1) >>> 0 : (clock & ~1) >>> 0;
    }
    case TCP_NOTSENT_LOWAT:
      return tp.notsent_lowat;
    case TCP_INQ:
      return tp.recvmsg_inq ? 1 : 0;
    case TCP_IS_MPTCP:
      return 0;
    case TCP_SAVE_SYN:
      return tp.save_syn;
    case TCP_RTO_MAX_MS:
      return jiffies_to_msecs(tp.icsk_rto_max);
    case TCP_RTO_MIN_US:
      return jiffies_to_usecs(tp.icsk_rto_min);
    case TCP_DELACK_MAX_US:
      return jiffies_to_usecs(tp.icsk_delack_max);
    default:
      return -ENOPROTOOPT;
  }
}

/** The option's value. A negative errno (in the range of errnos) means failure: TCP_LINGER2's -1 is the one negative value. */
export function do_tcp_getsockopt(sk: sock, _level: number, optname: number): unknown {
  const structure = getStructure(sk, optname);
  return structure !== undefined ? structure : getNumber(sk, tcp_sk(sk), optname);
}

export function tcp_getsockopt(sk: sock, level: number, optname: number): unknown {
  if (level !== SOL_TCP) return inet_csk(sk).icsk_af_ops.getsockopt(sk, level, optname);
  return do_tcp_getsockopt(sk, level, optname);
}
