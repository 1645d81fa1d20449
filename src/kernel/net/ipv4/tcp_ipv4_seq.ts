/** net/ipv4/tcp_ipv4.c: /proc/net/tcp: `tcp4_seq_show` for listeners, connections, half-open ones and TIME_WAIT. */
import { tcp_sk } from '../../include/linux/tcp.ts';
import {
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  inet_csk_in_pingpong_mode,
} from '../../include/net/inet_sock.ts';
import type { inet_timewait_sock } from '../../include/net/inet_timewait_sock.ts';
import type { net } from '../../include/net/net_namespace.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import type { sock } from '../../include/net/sock.ts';
import { tcp_in_initial_slowstart, u32sub } from '../../include/net/tcp.ts';
import { HZ, jiffies, type timer_list, timer_pending } from '../../kernel/time/timer.ts';
import { TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_SYN_RECV, TCP_TIME_WAIT } from '../../uapi/tcp.ts';
import { ehashAll } from './inet_hashtables_ehash.ts';

const USER_HZ = 100;
const TMPSZ = 149;
const HEADER = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

const hex = (value: number, digits: number): string => (value >>> 0).toString(16).toUpperCase().padStart(digits, '0');
const dec = (value: number, width: number): string => String(value).padStart(width);
const jiffies_to_clock_t = (j: number): number => Math.floor((j * USER_HZ) / HZ());
const delta_to_clock_t = (expires: number): number => jiffies_to_clock_t(Math.max(0, expires - jiffies()));
/** Addresses appear as a little-endian machine's view of the bytes on the wire. */
const swapped = (addr: number): number => ((addr >>> 24) | ((addr >>> 8) & 0xff00) | ((addr << 8) & 0xff_0000) | (addr << 24)) >>> 0;
const endpoint = (addr: number, port: number): string => `${hex(swapped(addr), 8)}:${hex(port, 4)}`;

/** All of /proc/net/tcp, header included. */
export function tcp4_seq_dump(network: net): string {
  const lines = [HEADER];
  for (const listeners of network.tcp_hashinfo.lhash2.values()) for (const sk of listeners) lines.push(get_tcp4_sock(sk, lines.length - 1));
  for (const sk of ehashAll(network.tcp_hashinfo)) {
    const index = lines.length - 1;
    if (sk.skc_state === TCP_TIME_WAIT) lines.push(get_timewait4_sock(sk as inet_timewait_sock, index));
    else if (sk.skc_state === TCP_NEW_SYN_RECV) lines.push(get_openreq4(sk as request_sock, index));
    else lines.push(get_tcp4_sock(sk as sock, index));
  }
  return `${lines.map((line) => line.padEnd(TMPSZ)).join('\n')}\n`;
}

/** Which timer runs, and when it is due: 1 retransmission, 4 window probe, 2 keepalive, 0 none. */
function timerOf(sk: sock): [kind: number, expires: number] {
  const tp = tcp_sk(sk);
  const pending = tp.icsk_pending;
  if (pending === ICSK_TIME_RETRANS || pending === ICSK_TIME_REO_TIMEOUT || pending === ICSK_TIME_LOSS_PROBE)
    return [1, tp.icsk_retransmit_timer.expires];
  if (pending === ICSK_TIME_PROBE0) return [4, tp.icsk_retransmit_timer.expires];
  const keepalive: timer_list | null = sk.sk_timer;
  return keepalive !== null && timer_pending(keepalive) ? [2, keepalive.expires] : [0, jiffies()];
}

function get_tcp4_sock(sk: sock, i: number): string {
  const tp = tcp_sk(sk);
  const listening = sk.skc_state === TCP_LISTEN;
  const rx_queue = listening ? sk.sk_ack_backlog : Math.max((tp.rcv_nxt - tp.copied_seq) | 0, 0);
  const [timer_active, timer_expires] = timerOf(sk);
  const quick = (tp.icsk_ack.quick << 1) | (inet_csk_in_pingpong_mode(sk) ? 1 : 0);
  const ssthresh = listening ? tp.icsk_accept_queue.fastopenq.max_qlen : tcp_in_initial_slowstart(tp) ? -1 : tp.snd_ssthresh;
  return (
    `${dec(i, 4)}: ${endpoint(sk.skc_rcv_saddr, tp.inet_sport)} ${endpoint(sk.skc_daddr, sk.skc_dport)} ${hex(sk.skc_state, 2)} ` +
    `${hex(listening ? 0 : u32sub(tp.write_seq, tp.snd_una), 8)}:${hex(rx_queue, 8)} ${hex(timer_active, 2)}:${hex(delta_to_clock_t(timer_expires), 8)} ` +
    `${hex(tp.icsk_retransmits, 8)} ${dec(sk.sk_uid, 5)} ${dec(tp.icsk_probes_out, 8)} ${sk.sk_ino} ${sk.skc_refcnt} 0000000000000000 ` +
    `${jiffies_to_clock_t(tp.icsk_rto)} ${jiffies_to_clock_t(tp.icsk_ack.ato)} ${quick} ${tp.snd_cwnd} ${ssthresh}`
  );
}

function get_openreq4(req: request_sock, i: number): string {
  return (
    `${dec(i, 4)}: ${endpoint(req.skc_rcv_saddr, req.skc_num)} ${endpoint(req.skc_daddr, req.skc_dport)} ${hex(TCP_SYN_RECV, 2)} ` +
    `00000000:00000000 01:${hex(delta_to_clock_t(req.rsk_timer.expires), 8)} ${hex(req.num_timeout, 8)} ` +
    `${dec(req.rsk_listener?.sk_uid ?? 0, 5)} ${dec(0, 8)} 0 0 0000000000000000`
  );
}

function get_timewait4_sock(tw: inet_timewait_sock, i: number): string {
  return (
    `${dec(i, 4)}: ${endpoint(tw.skc_rcv_saddr, tw.tw_sport)} ${endpoint(tw.skc_daddr, tw.skc_dport)} ${hex(tw.tw_substate, 2)} ` +
    `00000000:00000000 03:${hex(delta_to_clock_t(tw.tw_timer.expires), 8)} 00000000 ${dec(0, 5)} ${dec(0, 8)} 0 ${tw.skc_refcnt} 0000000000000000`
  );
}
