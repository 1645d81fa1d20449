/**
 * net/ipv4/syncookies.c: SYN cookies (Bernstein 1996): a listener under flood keeps nothing of a SYN; its answer's sequence number says what must
 * be known when the ACK comes, and its timestamp which options were agreed on.
 * Out: `cookie_init_sequence` → `cookie_v4_init_sequence`, `cookie_init_timestamp`. Back: `__cookie_v4_check`, `cookie_timestamp_decode`
 * (the socket is made in syncookies_check.ts).
 *
 * The number: hash(addresses, ports) + their sequence number + minutes · 2^24 + ((hash(addresses, ports, minutes) + index of the MSS) mod 2^24).
 */
import { kernel } from '../../current.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_clear_options, tcp_hdr, type tcp_options_received, tcp_sk } from '../../include/linux/tcp.ts';
import { type dst_entry, dst_metric_raw, RTAX_FEATURE_ECN, RTAX_FEATURES } from '../../include/net/dst.ts';
import { ip_hdr } from '../../include/net/ip.ts';
import { NET_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import type { request_sock, tcp_request_sock_ops } from '../../include/net/request_sock.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { TCP_SACK_SEEN } from '../../include/net/tcp.ts';
import { HZ, jiffies } from '../../kernel/time/timer.ts';
import { randomSiphashKey, siphash_4u32, type siphash_key_t } from '../../lib/siphash.ts';
import type { iphdr, tcphdr } from '../../uapi/in.ts';
import { LINUX_MIB_SYNCOOKIESSENT } from '../../uapi/snmp.ts';

const COOKIEBITS = 24;
const COOKIEMASK = 0xff_ffff;
/** Minutes for which a cookie is good. */
export const MAX_SYNCOOKIE_AGE = 2;
const TCP_SYNCOOKIE_PERIOD = (): number => 60 * HZ();
const TCP_SYNCOOKIE_VALID = (): number => MAX_SYNCOOKIE_AGE * TCP_SYNCOOKIE_PERIOD();

/** The lowest 6 bits of the timestamp: window scale (15: none), SACK, ECN. */
const TSBITS = 6;
const TS_OPT_WSCALE_MASK = 0xf;
const TS_OPT_SACK = 1 << 4;
const TS_OPT_ECN = 1 << 5;

/** Sizes that can be said in a cookie: what peers announce most, after Alcock and Nelson, "An Analysis of TCP Maximum Segment Sizes" (2011). */
const msstab = [536, 1300, 1440, 1460] as const;

/* When cookies are due: kept in the listener's ts_recent_stamp (in jiffies), or for its group. */
export const tcp_cookie_time = (): number => Math.floor(jiffies() / TCP_SYNCOOKIE_PERIOD());

/** The queue of half-open connections overflowed: noted once a second. */
export function tcp_synq_overflow(sk: sock): void {
  const now = jiffies();
  const group = sk.skc_reuseport ? sk.sk_reuseport_cb : null;
  if (group !== null) {
    if (now > group.synq_overflow_ts + HZ()) group.synq_overflow_ts = now;
    return;
  }
  const rx_opt = tcp_sk(sk).rx_opt;
  if (now > rx_opt.ts_recent_stamp + HZ()) rx_opt.ts_recent_stamp = now;
}

/** No cookie can be outstanding, so an ACK that carries one is forged. */
export function tcp_synq_no_recent_overflow(sk: sock): boolean {
  const group = sk.skc_reuseport ? sk.sk_reuseport_cb : null;
  const last_overflow = group !== null ? group.synq_overflow_ts : tcp_sk(sk).rx_opt.ts_recent_stamp;
  return jiffies() > last_overflow + TCP_SYNCOOKIE_VALID();
}

/** The initial sequence number that stands for a SYN; `mss.value` becomes what it can say. */
export function cookie_init_sequence(ops: tcp_request_sock_ops, sk: sock, skb: sk_buff, mss: { value: number }): number {
  tcp_synq_overflow(sk);
  NET_INC_STATS(sock_net(sk), LINUX_MIB_SYNCOOKIESSENT);
  return ops.cookie_init_seq(skb, mss);
}

function syncookie_secret(index: 0 | 1): siphash_key_t {
  const k = kernel();
  const secrets = k.init_net.ipv4.syncookie_secret;
  if (secrets.length === 0) secrets.push(randomSiphashKey(k.random), randomSiphashKey(k.random));
  return secrets[index]!;
}

const cookie_hash = (saddr: number, daddr: number, ports: number, count: number, secret: 0 | 1): number =>
  siphash_4u32(saddr, daddr, ports, count, syncookie_secret(secret));
const portsOf = (th: tcphdr): number => ((th.source << 16) | th.dest) >>> 0;

function secure_tcp_syn_cookie(saddr: number, daddr: number, ports: number, sseq: number, data: number): number {
  const count = tcp_cookie_time();
  const minutes = (count % 256) * 2 ** COOKIEBITS;
  const low = (cookie_hash(saddr, daddr, ports, count, 1) + data) & COOKIEMASK;
  return (cookie_hash(saddr, daddr, ports, 0, 0) + sseq + minutes + low) % 0x1_0000_0000;
}

/** The data in a cookie; a forged or old one gives a number that is no data, or -1. */
function check_tcp_syn_cookie(cookie: number, saddr: number, daddr: number, ports: number, sseq: number): number {
  const count = tcp_cookie_time();
  const rest = (cookie - cookie_hash(saddr, daddr, ports, 0, 0) - sseq) >>> 0;
  const diff = (count - (rest >>> COOKIEBITS)) & 0xff;
  if (diff >= MAX_SYNCOOKIE_AGE) return -1;
  return (rest - cookie_hash(saddr, daddr, ports, count - diff, 1)) & COOKIEMASK;
}

export function __cookie_v4_init_sequence(iph: iphdr, th: tcphdr, mss: { value: number }): number {
  let index = msstab.length - 1;
  while (index > 0 && mss.value < msstab[index]!) index--;
  mss.value = msstab[index]!;
  return secure_tcp_syn_cookie(iph.saddr, iph.daddr, portsOf(th), th.seq, index);
}

export function cookie_v4_init_sequence(skb: sk_buff, mss: { value: number }): number {
  return __cookie_v4_init_sequence(ip_hdr(skb), tcp_hdr(skb), mss);
}

/** The MSS that a cookie holds; 0 when it is not one of ours. */
export function __cookie_v4_check(iph: iphdr, th: tcphdr): number {
  const cookie = (th.ack_seq - 1) >>> 0;
  const index = check_tcp_syn_cookie(cookie, iph.saddr, iph.daddr, portsOf(th), (th.seq - 1) >>> 0);
  return msstab[index] ?? 0;
}

/** Time of the SYN-ACK in ns, moved back a little so that its timestamp holds the options. Later timestamps must not be smaller. */
export function cookie_init_timestamp(req: request_sock, now: number): number {
  const unit = req.req_usec_ts ? 1000 : 1_000_000;
  const ts_now = Math.floor(now / unit);
  let options = req.wscale_ok ? req.snd_wscale : TS_OPT_WSCALE_MASK;
  if (req.sack_ok) options |= TS_OPT_SACK;
  if (req.ecn_ok) options |= TS_OPT_ECN;
  let ts = ts_now - (ts_now % 2 ** TSBITS) + options;
  if (ts > ts_now) ts -= 2 ** TSBITS;
  return ts * unit;
}

/** Options from the echoed timestamp; false if it says something that this host would not have agreed to. */
export function cookie_timestamp_decode(network: net, tcp_opt: tcp_options_received): boolean {
  if (!tcp_opt.saw_tstamp) {
    tcp_clear_options(tcp_opt);
    return true;
  }
  const ipv4 = network.ipv4;
  const options = tcp_opt.rcv_tsecr;
  if (ipv4.sysctl_tcp_timestamps === 0) return false;
  tcp_opt.sack_ok = (options & TS_OPT_SACK) !== 0 ? TCP_SACK_SEEN : 0;
  if (tcp_opt.sack_ok !== 0 && ipv4.sysctl_tcp_sack === 0) return false;
  if ((options & TS_OPT_WSCALE_MASK) === TS_OPT_WSCALE_MASK) return true;
  tcp_opt.wscale_ok = true;
  tcp_opt.snd_wscale = options & TS_OPT_WSCALE_MASK;
  return ipv4.sysctl_tcp_window_scaling !== 0;
}

/** Was ECN agreed on? That is cookie_ecn_ok() in two steps, since the second needs the route. */
export const cookie_ecn_asked = (tcp_opt: tcp_options_received): boolean => (tcp_opt.rcv_tsecr & TS_OPT_ECN) !== 0;
export const cookie_ecn_ok = (network: net, dst: dst_entry): boolean =>
  network.ipv4.sysctl_tcp_ecn !== 0 || (dst_metric_raw(dst, RTAX_FEATURES) & RTAX_FEATURE_ECN) !== 0;
