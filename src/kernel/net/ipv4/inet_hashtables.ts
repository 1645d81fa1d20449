/**
 * net/ipv4/inet_hashtables.c: listeners, and the ways into and out of the tables of TCP's sockets.
 * Receiving: `__inet_lookup` → `__inet_lookup_established`, else `__inet_lookup_listener` → `inet_lhash2_lookup` → `compute_score`.
 * Binding a connection: `inet_hash_connect` → `__inet_hash_connect` → `__inet_check_established`.
 * The tables themselves are in inet_hashtables_ehash.ts and inet_hashtables_bind.ts.
 */
import { kernel, smp_processor_id } from '../../current.ts';
import { type ehashSock, INET_TABLE_PERTURB_SIZE, inet_hashinfo } from '../../include/net/inet_hashtables.ts';
import { inet_csk, inet_sk } from '../../include/net/inet_sock.ts';
import { inet_timewait_sock } from '../../include/net/inet_timewait_sock.ts';
import { NET_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import { request_sock } from '../../include/net/request_sock.ts';
import { SOCK_CONNECT_BIND, SOCK_DEAD, SOCK_RCU_FREE, type sock, sock_net, sock_set_flag } from '../../include/net/sock.ts';
import { EADDRNOTAVAIL } from '../../uapi/errno.ts';
import { INADDR_ANY } from '../../uapi/in.ts';
import { LINUX_MIB_TIMEWAITRECYCLED } from '../../uapi/snmp.ts';
import { TCP_CLOSE, TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_TIME_WAIT } from '../../uapi/tcp.ts';
import { reqsk_put } from '../core/request_sock.ts';
import { secure_ipv4_port_ephemeral } from '../core/secure_seq.ts';
import { sock_prot_inuse_add, sock_put } from '../core/sock.ts';
import { reuseport_add_sock, reuseport_alloc, reuseport_select_sock, reuseport_stop_listen_sock } from '../core/sock_reuseport.ts';
import { inet_sk_set_state } from './af_inet_state.ts';
import {
  inet_bind_bucket_create,
  inet_bind_bucket_match,
  inet_bind_hash,
  inet_bind2_bucket_create,
  inet_bind2_bucket_find,
} from './inet_hashtables_bind.ts';
import {
  __inet_lookup_established,
  ehashAdd,
  ehashFind,
  ehashRemove,
  inet_ehashfn,
  sk_ehashfn,
  sk_unhashed,
} from './inet_hashtables_ehash.ts';
import { inet_twsk_bind_unhash, inet_twsk_deschedule_put, inet_twsk_put } from './inet_timewait_sock.ts';
import { tcp_twsk_unique } from './tcp_ipv4_twsk.ts';

export * from './inet_hashtables_bind.ts';
export * from './inet_hashtables_ehash.ts';

/** Makes the tables; the key of the hash is the host's own. */
export function inet_hashinfo_init(network: net): void {
  network.tcp_hashinfo = new inet_hashinfo(kernel().random.u32());
}

export const isFullsock = (sk: ehashSock): sk is sock => !(sk instanceof inet_timewait_sock) && !(sk instanceof request_sock);

/* Addresses of a socket. */
const ipv4_rcv_saddr_equal = (saddr1: number, saddr2: number, match_sk1_wildcard: boolean, match_sk2_wildcard: boolean): boolean =>
  saddr1 === saddr2 || (match_sk1_wildcard && saddr1 === INADDR_ANY) || (match_sk2_wildcard && saddr2 === INADDR_ANY);
/** Can both hear the same packet's address? Without `match_wildcard` only if they are bound to exactly the same. */
export const inet_rcv_saddr_equal = (sk: { skc_rcv_saddr: number }, sk2: { skc_rcv_saddr: number }, match_wildcard: boolean): boolean =>
  ipv4_rcv_saddr_equal(sk.skc_rcv_saddr, sk2.skc_rcv_saddr, match_wildcard, match_wildcard);
export const inet_rcv_saddr_any = (sk: sock): boolean => sk.skc_rcv_saddr === INADDR_ANY;
/** As inet_rcv_saddr_equal, where only the first address may be a wildcard. */
export const saddrCovers = (saddr1: number, saddr2: number): boolean => ipv4_rcv_saddr_equal(saddr1, saddr2, true, false);

/** How well a listener fits; -1 when it does not. Bound to the device is better, then: listening on this CPU (SO_INCOMING_CPU). */
function compute_score(sk: sock, daddr: number, dif: number): number {
  if (sk.skc_rcv_saddr !== daddr) return -1;
  if (sk.skc_bound_dev_if !== 0 && sk.skc_bound_dev_if !== dif) return -1;
  let score = sk.skc_bound_dev_if !== 0 ? 3 : 2;
  if (sk.skc_incoming_cpu === smp_processor_id()) score++;
  return score;
}

/** Of a group that shares the port, the member that the connection's hash picks. */
export function inet_lookup_reuseport(network: net, sk: sock, saddr: number, sport: number, daddr: number, hnum: number): sock | null {
  if (!sk.skc_reuseport) return null;
  return reuseport_select_sock(sk, inet_ehashfn(network, daddr, hnum, saddr, sport));
}

function inet_lhash2_lookup(
  network: net,
  listeners: sock[],
  saddr: number,
  sport: number,
  daddr: number,
  hnum: number,
  dif: number,
): sock | null {
  let result: sock | null = null;
  let hiscore = 0;
  for (let i = 0; i < listeners.length; i++) {
    const sk = listeners[i]!;
    const score = compute_score(sk, daddr, dif);
    if (score <= hiscore) continue;
    const member = inet_lookup_reuseport(network, sk, saddr, sport, daddr, hnum);
    if (member !== null) return member;
    result = sk;
    hiscore = score;
  }
  return result;
}

/** The listener for a connection request, without a reference: one bound to the address, else one bound to any. */
export function __inet_lookup_listener(
  network: net,
  saddr: number,
  sport: number,
  daddr: number,
  hnum: number,
  dif: number,
  _sdif: number,
): sock | null {
  const listeners = network.tcp_hashinfo.lhash2.get(hnum);
  if (listeners === undefined) return null;
  return (
    inet_lhash2_lookup(network, listeners, saddr, sport, daddr, hnum, dif) ??
    inet_lhash2_lookup(network, listeners, saddr, sport, INADDR_ANY, hnum, dif)
  );
}

/** As __inet_lookup_listener, with a reference. */
export function inet_lookup_listener(
  network: net,
  saddr: number,
  sport: number,
  daddr: number,
  dport: number,
  dif: number,
  sdif: number,
): sock | null {
  const sk = __inet_lookup_listener(network, saddr, sport, daddr, dport, dif, sdif);
  if (sk !== null) sk.skc_refcnt++;
  return sk;
}

/** Connection or listener, with a reference. */
export function inet_lookup(network: net, saddr: number, sport: number, daddr: number, dport: number, dif: number): ehashSock | null {
  return (
    __inet_lookup_established(network, saddr, sport, daddr, dport, dif, 0) ??
    inet_lookup_listener(network, saddr, sport, daddr, dport, dif, 0)
  );
}

/**
 * Puts `sk` into the table of connections in place of `osk`; or, without one, unless the connection is there already.
 * False when it was not put in. `osk` loses the table's reference.
 */
export function inet_ehash_insert(sk: ehashSock, osk: ehashSock | null, checkDuplicate: boolean): boolean {
  const hashinfo = sk.skc_net.tcp_hashinfo;
  sk.skc_hash = sk_ehashfn(sk);
  if (osk !== null) {
    if (!ehashRemove(hashinfo, osk)) return false;
    osk.skc_refcnt--;
  } else if (checkDuplicate && isDuplicate(hashinfo, sk)) return false;
  ehashAdd(hashinfo, sk);
  return true;
}

const isDuplicate = (hashinfo: inet_hashinfo, sk: ehashSock): boolean =>
  ehashFind(hashinfo, sk.skc_hash, sk.skc_daddr, sk.skc_dport, sk.skc_rcv_saddr, sk.skc_num, sk.skc_bound_dev_if) !== null;

/** As inet_ehash_insert; counts the socket, and closes it when the connection is another's. */
export function inet_ehash_nolisten(sk: sock, osk: ehashSock | null, checkDuplicate: boolean): boolean {
  if (inet_ehash_insert(sk, osk, checkDuplicate)) {
    sock_prot_inuse_add(sock_net(sk), sk.skc_prot, 1);
    return true;
  }
  sock_net(sk).ipv4.tcp_orphan_count++;
  inet_sk_set_state(sk, TCP_CLOSE);
  sock_set_flag(sk, SOCK_DEAD);
  return false;
}

function inet_lhash2_bucket_sk(hashinfo: inet_hashinfo, sk: sock): sock[] {
  let listeners = hashinfo.lhash2.get(sk.skc_num);
  if (listeners === undefined) {
    listeners = [];
    hashinfo.lhash2.set(sk.skc_num, listeners);
  }
  return listeners;
}

/** Listeners of one user on the same address, port and device form a group. */
function inet_reuseport_add_sock(sk: sock, listeners: sock[]): number {
  for (const sk2 of listeners)
    if (
      sk2.skc_reuseport &&
      sk2.skc_bound_dev_if === sk.skc_bound_dev_if &&
      inet_csk(sk2).icsk_bind_hash === inet_csk(sk).icsk_bind_hash &&
      sk2.sk_uid === sk.sk_uid &&
      inet_rcv_saddr_equal(sk, sk2, false)
    )
      return reuseport_add_sock(sk, sk2, inet_rcv_saddr_any(sk));
  return reuseport_alloc(sk, inet_rcv_saddr_any(sk));
}

export function __inet_hash(sk: sock, osk: ehashSock | null): number {
  if (sk.skc_state !== TCP_LISTEN) {
    inet_ehash_nolisten(sk, osk, false);
    return 0;
  }
  const listeners = inet_lhash2_bucket_sk(sock_net(sk).tcp_hashinfo, sk);
  if (sk.skc_reuseport) inet_reuseport_add_sock(sk, listeners);
  sock_set_flag(sk, SOCK_RCU_FREE);
  listeners.unshift(sk);
  sk.skc_hashed = true;
  sock_prot_inuse_add(sock_net(sk), sk.skc_prot, 1);
  return 0;
}

/** Makes the socket findable. */
export function inet_hash(sk: sock): number {
  return sk.skc_state === TCP_CLOSE ? 0 : __inet_hash(sk, null);
}

/** Nobody finds it any more. */
export function inet_unhash(sk: sock): void {
  if (sk_unhashed(sk)) return;
  const hashinfo = sock_net(sk).tcp_hashinfo;
  if (sk.skc_state === TCP_LISTEN) unhashListener(hashinfo, sk);
  else ehashRemove(hashinfo, sk);
  sock_prot_inuse_add(sock_net(sk), sk.skc_prot, -1);
}

function unhashListener(hashinfo: inet_hashinfo, sk: sock): void {
  reuseport_stop_listen_sock(sk);
  const listeners = hashinfo.lhash2.get(sk.skc_num)!;
  listeners.splice(listeners.indexOf(sk), 1);
  if (listeners.length === 0) hashinfo.lhash2.delete(sk.skc_num);
  sk.skc_hashed = false;
}

/**
 * Would `lport` make the connection unique? If so, takes it: `sk` gets the port and is hashed. Returns the TIME_WAIT socket whose place it took
 * (with a reference; only when `keepTw`, else that one is ended here), null when there was none, or -EADDRNOTAVAIL.
 */
function __inet_check_established(sk: sock, lport: number, keepTw: boolean, hash: number): inet_timewait_sock | null | number {
  const network = sock_net(sk);
  const hashinfo = network.tcp_hashinfo;
  const other = ehashFind(hashinfo, hash, sk.skc_daddr, sk.skc_dport, sk.skc_rcv_saddr, lport, sk.skc_bound_dev_if);
  let tw: inet_timewait_sock | null = null;
  if (other !== null) {
    if (other.skc_state !== TCP_TIME_WAIT) return -EADDRNOTAVAIL;
    tw = other as inet_timewait_sock;
    if (!tcp_twsk_unique(sk, tw, !keepTw)) return -EADDRNOTAVAIL;
  }
  sk.skc_num = lport;
  inet_sk(sk).inet_sport = lport;
  sk.skc_hash = hash;
  ehashAdd(hashinfo, sk);
  if (tw !== null) takePlace(hashinfo, tw);
  sock_prot_inuse_add(network, sk.skc_prot, 1);
  if (keepTw || tw === null) return tw;
  inet_twsk_deschedule_put(tw);
  return null;
}

function takePlace(hashinfo: inet_hashinfo, tw: inet_timewait_sock): void {
  if (ehashRemove(hashinfo, tw)) tw.skc_refcnt--;
  NET_INC_STATS(tw.skc_net, LINUX_MIB_TIMEWAITRECYCLED);
}

/** net.ipv4.ip_local_port_range, narrowed by IP_LOCAL_PORT_RANGE. */
export class localPortRange {
  low = 0;
  high = 0;
  /** Set by the socket: then ports of both parities are tried alike. */
  local = false;
}

export function inet_sk_get_local_port_range(sk: sock, range: localPortRange): boolean {
  const [low, high] = sock_net(sk).ipv4.sysctl_ip_local_port_range;
  const own = inet_sk(sk).local_port_range;
  range.low = own !== null && low <= own[0] && own[0] <= high ? own[0] : low;
  range.high = own !== null && low <= own[1] && own[1] <= high ? own[1] : high;
  range.local = own !== null;
  return range.local;
}

export const inet_is_local_reserved_port = (network: net, port: number): boolean =>
  network.ipv4.sysctl_ip_local_reserved_ports.length > 0 && network.ipv4.sysctl_ip_local_reserved_ports.includes(port);

/** By how much earlier connections moved the search on; random until one has. */
function perturbation(hashinfo: inet_hashinfo, index: number): number {
  let value = hashinfo.table_perturb.get(index);
  if (value === undefined) {
    value = kernel().random.u32();
    hashinfo.table_perturb.set(index, value);
  }
  return value;
}

/** Tries `port` for a connection: the TIME_WAIT socket it takes over from, null, or -EADDRNOTAVAIL. */
function tryPort(sk: sock, port: number, hash: number): inet_timewait_sock | null | number {
  const tb = inet_bind_bucket_match(sock_net(sk).tcp_hashinfo, port);
  // Nobody has it: no connection can clash either.
  if (tb === null) return null;
  // Somebody bound it explicitly: connect() keeps clear of it.
  if (tb.fastreuse >= 0 || tb.fastreuseport >= 0) return -EADDRNOTAVAIL;
  return __inet_check_established(sk, port, true, hash);
}

/** `port` is ours: enters the buckets, and the table unless __inet_check_established did that. */
function takePort(sk: sock, port: number, tw: inet_timewait_sock | null): void {
  const hashinfo = sock_net(sk).tcp_hashinfo;
  let tb = inet_bind_bucket_match(hashinfo, port);
  if (tb === null) {
    tb = inet_bind_bucket_create(hashinfo, port);
    tb.fastreuse = -1;
    tb.fastreuseport = -1;
  }
  const tb2 = inet_bind2_bucket_find(tb, sk.skc_rcv_saddr) ?? inet_bind2_bucket_create(tb, sk);
  inet_bind_hash(sk, tb, tb2, port);
  sk.sk_userlocks |= SOCK_CONNECT_BIND;
  if (sk_unhashed(sk)) {
    inet_sk(sk).inet_sport = port;
    inet_ehash_nolisten(sk, tw, false);
  }
  if (tw === null) return;
  inet_twsk_bind_unhash(tw, hashinfo);
  inet_twsk_deschedule_put(tw);
}

/**
 * Finds a port for a connection: from the offset that belongs to the destination (RFC 6056, 3.3.4), first the ports of the range's own parity
 * (even ones by default; bind() prefers the others), then the rest.
 */
export function __inet_hash_connect(sk: sock, offset64hi: number, offset64lo: number, hash_port0: number): number {
  const network = sock_net(sk);
  const hashinfo = network.tcp_hashinfo;
  if (sk.skc_num !== 0) {
    const result = __inet_check_established(sk, sk.skc_num, false, (hash_port0 + sk.skc_num) >>> 0);
    return typeof result === 'number' ? result : 0;
  }
  const range = new localPortRange();
  inet_sk_get_local_port_range(sk, range);
  const step = range.local ? 1 : 2;
  const high = range.high + 1;
  let remaining = high - range.low;
  if (!range.local && remaining > 1) remaining &= ~1;
  const index = offset64lo % INET_TABLE_PERTURB_SIZE;
  const perturbed = perturbation(hashinfo, index);
  let offset = ((perturbed + offset64hi) >>> 0) % remaining;
  if (!range.local) offset &= ~1;
  for (let parity = 0; parity < (range.local || remaining <= 1 ? 1 : 2); parity++) {
    let port = range.low + offset + parity;
    for (let i = 0; i < remaining; i += step, port += step) {
      if (port >= high) port -= remaining;
      if (inet_is_local_reserved_port(network, port)) continue;
      const tw = tryPort(sk, port, (hash_port0 + port) >>> 0);
      if (typeof tw === 'number') continue;
      // A little chance in the next search, unless ports are so short that the search itself moves it on.
      const advance = Math.max(i, kernel().random.below(8) * step);
      hashinfo.table_perturb.set(index, (perturbed + advance + step) >>> 0);
      takePort(sk, port, tw);
      return 0;
    }
  }
  return -EADDRNOTAVAIL;
}

/** Gives a connecting socket its place in the tables, and a local port if it has none. */
export function inet_hash_connect(sk: sock): number {
  let hi = 0;
  let lo = 0;
  if (sk.skc_num === 0) {
    const hash = secure_ipv4_port_ephemeral(sk.skc_rcv_saddr, sk.skc_daddr, sk.skc_dport);
    hi = hash.hi;
    lo = hash.lo;
  }
  const hash_port0 = inet_ehashfn(sock_net(sk), sk.skc_rcv_saddr, 0, sk.skc_daddr, sk.skc_dport);
  return __inet_hash_connect(sk, hi, lo, hash_port0);
}

/** Gives up a reference on whatever a lookup returned. */
export function sock_gen_put(sk: ehashSock): void {
  if (sk.skc_state === TCP_TIME_WAIT) inet_twsk_put(sk as inet_timewait_sock);
  else if (sk.skc_state === TCP_NEW_SYN_RECV) reqsk_put(sk as request_sock);
  else sock_put(sk as sock);
}
