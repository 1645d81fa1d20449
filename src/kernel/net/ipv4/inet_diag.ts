/**
 * net/ipv4/inet_diag.c, tcp_diag.c: what `ss` asks the kernel for: one record a socket, with the fields of `struct inet_diag_msg`. `tcp_info` is not
 * part of it; `sk` leads to it.
 */
import { tcp_sk } from '../../include/linux/tcp.ts';
import type { ehashSock } from '../../include/net/inet_hashtables.ts';
import { ICSK_TIME_LOSS_PROBE, ICSK_TIME_PROBE0, ICSK_TIME_REO_TIMEOUT, ICSK_TIME_RETRANS } from '../../include/net/inet_sock.ts';
import type { inet_timewait_sock } from '../../include/net/inet_timewait_sock.ts';
import type { net } from '../../include/net/net_namespace.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import type { sock } from '../../include/net/sock.ts';
import { u32sub } from '../../include/net/tcp.ts';
import { jiffies, jiffies_to_msecs, timer_pending } from '../../kernel/time/timer.ts';
import { TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_SYN_RECV, TCP_TIME_WAIT } from '../../uapi/tcp.ts';
import { sk_get_meminfo, type skMeminfo } from '../core/sock_getsockopt.ts';
import { sock_gen_cookie } from '../core/sock_life.ts';
import { ehashAll } from './inet_hashtables_ehash.ts';

/** Values of idiag_timer. */
export const IDIAG_TIMER_OFF = 0;
export const IDIAG_TIMER_ON = 1;
export const IDIAG_TIMER_KEEPALIVE = 2;
export const IDIAG_TIMER_TIMEWAIT = 3;
export const IDIAG_TIMER_PERSIST = 4;

export interface inet_diag_msg {
  idiag_family: number;
  idiag_state: number;
  idiag_timer: number;
  idiag_retrans: number;
  id: { sport: number; dport: number; src: number; dst: number; if: number; cookie: number };
  /** ms until the timer is due. */
  idiag_expires: number;
  /** Unread bytes; of a listener the connections that wait to be accepted. */
  idiag_rqueue: number;
  /** Bytes not acknowledged; of a listener its backlog. */
  idiag_wqueue: number;
  idiag_uid: number;
  idiag_inode: number;
  meminfo: skMeminfo | null;
  /** The full socket; null for half-open connections and TIME_WAIT. */
  sk: sock | null;
}

/** Listeners first, as `ss -l` and then the others; `states` is a mask of TCPF_* bits. */
export function inet_diag_dump(network: net, states = 0xffff): inet_diag_msg[] {
  const found: inet_diag_msg[] = [];
  const wanted = (state: number): boolean => (states & (1 << state)) !== 0;
  if (wanted(TCP_LISTEN))
    for (const listeners of network.tcp_hashinfo.lhash2.values()) for (const sk of listeners) found.push(ofSocket(sk));
  for (const sk of ehashAll(network.tcp_hashinfo)) if (wanted(visibleState(sk))) found.push(messageOf(sk));
  return found;
}

/** A half-open connection shows as SYN_RECV, a dead FIN_WAIT2 as that. */
const visibleState = (sk: ehashSock): number =>
  sk.skc_state === TCP_NEW_SYN_RECV ? TCP_SYN_RECV : sk.skc_state === TCP_TIME_WAIT ? (sk as inet_timewait_sock).tw_substate : sk.skc_state;

function messageOf(sk: ehashSock): inet_diag_msg {
  if (sk.skc_state === TCP_TIME_WAIT) return ofTimewait(sk as inet_timewait_sock);
  return sk.skc_state === TCP_NEW_SYN_RECV ? ofRequest(sk as request_sock) : ofSocket(sk as sock);
}

/** Identity, and a timer that is due at jiffy `expires`. */
function common(sk: ehashSock, timer: number, expires: number): inet_diag_msg {
  return {
    idiag_family: sk.skc_family,
    idiag_state: visibleState(sk),
    idiag_timer: timer,
    idiag_retrans: 0,
    id: {
      sport: sk.skc_num,
      dport: sk.skc_dport,
      src: sk.skc_rcv_saddr,
      dst: sk.skc_daddr,
      if: sk.skc_bound_dev_if,
      cookie: sk.skc_cookie,
    },
    idiag_expires: timer === IDIAG_TIMER_OFF ? 0 : jiffies_to_msecs(Math.max(0, expires - jiffies())),
    idiag_rqueue: 0,
    idiag_wqueue: 0,
    idiag_uid: 0,
    idiag_inode: 0,
    meminfo: null,
    sk: null,
  };
}

function ofTimewait(tw: inet_timewait_sock): inet_diag_msg {
  return { ...common(tw, IDIAG_TIMER_TIMEWAIT, tw.tw_timer.expires), id: { ...common(tw, 0, 0).id, sport: tw.tw_sport } };
}

function ofRequest(req: request_sock): inet_diag_msg {
  return { ...common(req, IDIAG_TIMER_ON, req.rsk_timer.expires), idiag_retrans: req.num_retrans };
}

function ofSocket(sk: sock): inet_diag_msg {
  const tp = tcp_sk(sk);
  sock_gen_cookie(sk);
  const message = common(sk, ...timerOf(sk));
  const listening = sk.skc_state === TCP_LISTEN;
  message.id.sport = tp.inet_sport;
  if (message.idiag_timer === IDIAG_TIMER_ON) message.idiag_retrans = tp.icsk_retransmits;
  else if (message.idiag_timer !== IDIAG_TIMER_OFF) message.idiag_retrans = tp.icsk_probes_out;
  message.idiag_rqueue = listening ? sk.sk_ack_backlog : Math.max((tp.rcv_nxt - tp.copied_seq) | 0, 0);
  message.idiag_wqueue = listening ? sk.sk_max_ack_backlog : u32sub(tp.write_seq, tp.snd_una);
  message.idiag_uid = sk.sk_uid;
  message.idiag_inode = sk.sk_ino;
  message.meminfo = sk_get_meminfo(sk);
  message.sk = sk;
  return message;
}

function timerOf(sk: sock): [timer: number, expires: number] {
  const tp = tcp_sk(sk);
  const pending = tp.icsk_pending;
  if (pending === ICSK_TIME_RETRANS || pending === ICSK_TIME_REO_TIMEOUT || pending === ICSK_TIME_LOSS_PROBE)
    return [IDIAG_TIMER_ON, tp.icsk_retransmit_timer.expires];
  if (pending === ICSK_TIME_PROBE0) return [IDIAG_TIMER_PERSIST, tp.icsk_retransmit_timer.expires];
  const keepalive = sk.sk_timer;
  return keepalive !== null && timer_pending(keepalive) ? [IDIAG_TIMER_KEEPALIVE, keepalive.expires] : [IDIAG_TIMER_OFF, 0];
}
