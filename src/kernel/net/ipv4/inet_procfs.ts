/**
 * The files of /proc/net that list what IPv4 has: tcp (net/ipv4/tcp_ipv4.c), udp (udp.c), arp (arp.c, neighbour.c), route (fib_trie.c).
 * Addresses are printed as the kernel's memory has them on a little-endian machine: 127.0.0.1 is 0100007F.
 */
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { RTAX_ADVMSS } from '../../include/net/dst.ts';
import {
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  inet_csk_in_pingpong_mode,
  inet_sk,
} from '../../include/net/inet_sock.ts';
import type { inet_timewait_sock } from '../../include/net/inet_timewait_sock.ts';
import { type fib_alias, RTN_BROADCAST, RTN_MULTICAST, RTN_PROHIBIT, RTN_UNREACHABLE } from '../../include/net/ip_fib.ts';
import { NUD_PERMANENT, NUD_VALID, type neighbour } from '../../include/net/neighbour.ts';
import type { net } from '../../include/net/net_namespace.ts';
import type { request_sock } from '../../include/net/request_sock.ts';
import { sk_rmem_alloc_get, sk_wmem_alloc_get, type sock } from '../../include/net/sock.ts';
import { tcp_in_initial_slowstart, u32sub } from '../../include/net/tcp.ts';
import { HZ, jiffies, timer_pending } from '../../kernel/time/timer.ts';
import { TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_SYN_RECV, TCP_TIME_WAIT } from '../../uapi/tcp.ts';
import { fib_table_dump } from './fib_trie.ts';
import { ehashAll } from './inet_hashtables_ehash.ts';

const USER_HZ = 100;
const TCP_LINE = 149;
const UDP_LINE = 127;
const ROUTE_LINE = 127;

const hex = (value: number, width: number): string => (value >>> 0).toString(16).toUpperCase().padStart(width, '0');
const swapped = (address: number): number =>
  ((address & 0xff) << 24) | ((address & 0xff00) << 8) | ((address >>> 8) & 0xff00) | (address >>> 24);
const endpoint = (address: number, port: number): string => `${hex(swapped(address), 8)}:${hex(port, 4)}`;
const clock_t = (ticks: number): number => Math.floor((Math.max(0, ticks) * USER_HZ) / HZ());
/** A kernel address in the direct map, as %p would show it without hashing. */
const pointer = (address: number): string => `ffff8880${address.toString(16).padStart(8, '0')}`;

/* /proc/net/tcp */

const TCP_HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

export function tcp4_seq_show(network: net): string {
  const lines = [TCP_HEAD];
  const add = (what: string): void => {
    lines.push(`${String(lines.length - 1).padStart(4)}: ${what}`);
  };
  for (const listeners of network.tcp_hashinfo.lhash2.values()) for (const sk of listeners) add(get_tcp4_sock(sk));
  for (const sk of ehashAll(network.tcp_hashinfo)) {
    if (sk.skc_state === TCP_TIME_WAIT) add(get_timewait4_sock(sk as inet_timewait_sock));
    else if (sk.skc_state === TCP_NEW_SYN_RECV) add(get_openreq4(sk as request_sock));
    else add(get_tcp4_sock(sk as sock));
  }
  return lines.map((line) => `${line.padEnd(TCP_LINE)}\n`).join('');
}

/** What all kinds of sockets have in common. */
function socketRow(
  ends: string,
  state: number,
  queues: [number, number],
  timer: [number, number],
  retransmits: number,
  uid: number,
): string {
  const [kind, expires] = timer;
  const when = `${hex(kind, 2)}:${hex(clock_t(expires - jiffies()), 8)}`;
  return `${ends} ${hex(state, 2)} ${hex(queues[0], 8)}:${hex(queues[1], 8)} ${when} ${hex(retransmits, 8)} ${String(uid).padStart(5)}`;
}

function get_tcp4_sock(sk: sock): string {
  const tp = tcp_sk(sk);
  const ends = `${endpoint(sk.skc_rcv_saddr, tp.inet_sport)} ${endpoint(sk.skc_daddr, sk.skc_dport)}`;
  const listening = sk.skc_state === TCP_LISTEN;
  const unread = listening ? sk.sk_ack_backlog : Math.max((tp.rcv_nxt - tp.copied_seq) | 0, 0);
  const row = socketRow(ends, sk.skc_state, [u32sub(tp.write_seq, tp.snd_una), unread], timerOf(sk, tp), tp.icsk_retransmits, sk.sk_uid);
  const ack = tp.icsk_ack;
  const quick = (ack.quick << 1) | (inet_csk_in_pingpong_mode(sk) ? 1 : 0);
  const ssthresh = listening ? tp.icsk_accept_queue.fastopenq.max_qlen : tcp_in_initial_slowstart(tp) ? -1 : tp.snd_ssthresh;
  const rest = [sk.sk_ino, sk.skc_refcnt, pointer(sk.address), clock_t(tp.icsk_rto), clock_t(ack.ato), quick, tp.snd_cwnd, ssthresh];
  return `${row} ${String(tp.icsk_probes_out).padStart(8)} ${rest.join(' ')}`;
}

function timerOf(sk: sock, tp: tcp_sock): [number, number] {
  const pending = tp.icsk_pending;
  const due = tp.icsk_retransmit_timer.expires;
  if (pending === ICSK_TIME_RETRANS || pending === ICSK_TIME_REO_TIMEOUT || pending === ICSK_TIME_LOSS_PROBE) return [1, due];
  if (pending === ICSK_TIME_PROBE0) return [4, due];
  const keepalive = sk.sk_timer;
  return keepalive !== null && timer_pending(keepalive) ? [2, keepalive.expires] : [0, jiffies()];
}

function get_openreq4(req: request_sock): string {
  const ends = `${endpoint(req.skc_rcv_saddr, req.skc_num)} ${endpoint(req.skc_daddr, req.skc_dport)}`;
  const row = socketRow(ends, TCP_SYN_RECV, [0, 0], [1, req.rsk_timer.expires], req.num_timeout, 0);
  return `${row} ${'0'.padStart(8)} 0 ${req.skc_refcnt} ${pointer(0)}`;
}

function get_timewait4_sock(tw: inet_timewait_sock): string {
  const ends = `${endpoint(tw.skc_rcv_saddr, tw.tw_sport)} ${endpoint(tw.skc_daddr, tw.skc_dport)}`;
  const row = socketRow(ends, tw.tw_substate, [0, 0], [3, tw.tw_timer.expires], 0, 0);
  return `${row} ${'0'.padStart(8)} 0 ${tw.skc_refcnt} ${pointer(0)}`;
}

/* /proc/net/udp */

const UDP_HEAD = '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops';
/** Buckets of the table by port. Simplified: Linux's table grows with memory, and its hash starts at a random place. */
const UDP_HASH_MASK = 0xfff;

export function udp4_seq_show(network: net): string {
  const lines = [UDP_HEAD];
  const ports = [...network.udp_table.keys()].sort((a, b) => (a & UDP_HASH_MASK) - (b & UDP_HASH_MASK));
  for (const port of ports) for (const sk of network.udp_table.get(port)!) lines.push(udp4_format_sock(sk));
  return lines.map((line) => `${line.padEnd(UDP_LINE)}\n`).join('');
}

function udp4_format_sock(sk: sock): string {
  const { inet_sport } = inet_sk(sk);
  const ends = `${endpoint(sk.skc_rcv_saddr, inet_sport)} ${endpoint(sk.skc_daddr, sk.skc_dport)}`;
  const queues: [number, number] = [sk_wmem_alloc_get(sk), sk_rmem_alloc_get(sk)];
  const row = socketRow(ends, sk.skc_state, queues, [0, jiffies()], 0, sk.sk_uid);
  const rest = `${'0'.padStart(8)} ${sk.sk_ino} ${sk.skc_refcnt} ${pointer(sk.address)} ${sk.sk_drops}`;
  return `${String(inet_sport & UDP_HASH_MASK).padStart(5)}: ${row} ${rest}`;
}

/* /proc/net/arp */

const ATF_COM = 0x02;
const ATF_PERM = 0x04;

export function arp_seq_show(network: net): string {
  const lines = ['IP address       HW type     Flags       HW address            Mask     Device'];
  for (const neigh of neighbours(network)) {
    if (neigh.dev === network.loopback_dev) continue;
    const flags = (neigh.nud_state & NUD_PERMANENT) !== 0 ? ATF_PERM | ATF_COM : (neigh.nud_state & NUD_VALID) !== 0 ? ATF_COM : 0;
    const mac = [...neigh.ha].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
    const type = `0x${neigh.dev.type.toString(16)}`.padEnd(12);
    lines.push(
      `${dotted(neigh.primary_key).padEnd(16)} ${type}${`0x${flags.toString(16)}`.padEnd(12)}${mac.padEnd(17)}     *        ${neigh.dev.name}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

const dotted = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');

/** All entries of the ARP table, bucket by bucket. */
export function neighbours(network: net): neighbour[] {
  const found: neighbour[] = [];
  for (const head of network.arp_tbl.nht.hash_buckets) for (let n = head; n !== null; n = n.next) found.push(n);
  return found;
}

/* /proc/net/route */

const RTF_UP = 0x0001;
const RTF_GATEWAY = 0x0002;
const RTF_HOST = 0x0004;
const RTF_REJECT = 0x0200;
/** Smallest TCP header and IP header: what an MSS says of an MTU. */
const HEADERS = 40;

const ROUTE_HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';

export function fib_route_seq_show(network: net): string {
  const routes = fib_table_dump(network.ipv4.fib.main).filter(({ fa_type }) => fa_type !== RTN_BROADCAST && fa_type !== RTN_MULTICAST);
  return [ROUTE_HEAD, ...routes.map(routeRow)].map((line) => `${line.padEnd(ROUTE_LINE)}\n`).join('');
}

function routeRow({ prefix, plen, fa_type, fa_info }: fib_alias): string {
  const mask = plen === 0 ? 0 : (0xffff_ffff << (32 - plen)) >>> 0;
  const nh = fa_info.fib_nh[0];
  const gateway = nh?.nhc_gw ?? 0;
  let flags = fa_type === RTN_UNREACHABLE || fa_type === RTN_PROHIBIT ? RTF_REJECT : 0;
  if (gateway !== 0) flags |= RTF_GATEWAY;
  if (plen === 32) flags |= RTF_HOST;
  flags |= RTF_UP;
  const advmss = fa_info.fib_metrics?.[RTAX_ADVMSS] ?? 0;
  const words = [hex(swapped(prefix), 8), hex(swapped(gateway), 8), hex(flags, 4), 0, 0, fa_info.fib_priority, hex(swapped(mask), 8)];
  return [nh?.nhc_dev?.name ?? '*', ...words, advmss === 0 ? 0 : advmss + HEADERS, 0, 0].join('\t');
}
