/**
 * net/ipv4/inet_connection_sock.c: bind(): may a socket have a port, and which one if it does not care?
 * `inet_csk_get_port` → `inet_csk_find_open_port` or the bucket of the port → `inet_csk_bind_conflict` → `inet_bind_conflict` → `inet_bind_hash`.
 */
import { kernel } from '../../current.ts';
import {
  type boundSock,
  FASTREUSEPORT_ANY,
  FASTREUSEPORT_STRICT,
  type inet_bind_bucket,
  type inet_bind2_bucket,
} from '../../include/net/inet_hashtables.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { EADDRINUSE } from '../../uapi/errno.ts';
import { INADDR_ANY } from '../../uapi/in.ts';
import { TCP_LISTEN, TCP_TIME_WAIT } from '../../uapi/tcp.ts';
import {
  inet_bind_bucket_create,
  inet_bind_bucket_match,
  inet_bind_hash,
  inet_bind2_bucket_create,
  inet_bind2_bucket_find,
  inet_is_local_reserved_port,
  inet_rcv_saddr_equal,
  inet_sk_get_local_port_range,
  localPortRange,
  saddrCovers,
} from './inet_hashtables.ts';

export const SK_NO_REUSE = 0;
export const SK_CAN_REUSE = 1;
/** Set by TCP_REPAIR: the port is taken without asking. */
export const SK_FORCE_REUSE = 2;

/** A group of listeners can be joined while it is the socket's own first one, or has members that were shut down. */
const reuseportCbOk = (sk: sock): boolean => sk.sk_reuseport_cb === null || sk.sk_reuseport_cb.num_closed_socks > 0;

/** Same user; sockets in TIME_WAIT have forgotten theirs. */
const sameOwner = (sk: sock, sk2: boundSock): boolean => sk2.skc_state === TCP_TIME_WAIT || (sk2 as sock).sk_uid === sk.sk_uid;

/**
 * Do two sockets whose addresses overlap exclude each other on one port? Not if they listen to different devices, not if both have SO_REUSEADDR
 * and the other does not listen (`relax`: as in bind() to a chosen port), not if both have SO_REUSEPORT and one user.
 */
function inet_bind_conflict(sk: sock, sk2: boundSock, relax: boolean, reuseport_ok: boolean): boolean {
  if (sk === sk2) return false;
  if (sk.skc_bound_dev_if !== 0 && sk2.skc_bound_dev_if !== 0 && sk.skc_bound_dev_if !== sk2.skc_bound_dev_if) return false;
  const bothReuseport = sk.skc_reuseport && sk2.skc_reuseport && reuseportCbOk(sk) && sameOwner(sk, sk2);
  if (sk.skc_reuse !== 0 && sk2.skc_reuse !== 0 && sk2.skc_state !== TCP_LISTEN) return !relax || (!reuseport_ok && bothReuseport);
  return !reuseport_ok || !bothReuseport;
}

function anyOwnerConflicts(sk: sock, tb2: inet_bind2_bucket, relax: boolean, reuseport_ok: boolean): boolean {
  for (const sk2 of tb2.owners) if (inet_bind_conflict(sk, sk2, relax, reuseport_ok)) return true;
  return false;
}

/** Bound to one address: conflicts are possible with owners of that one, and of any (asked before). Bound to any: with everybody. */
function inet_csk_bind_conflict(
  sk: sock,
  tb: inet_bind_bucket,
  tb2: inet_bind2_bucket | null,
  relax: boolean,
  reuseport_ok: boolean,
): boolean {
  if (sk.skc_rcv_saddr !== INADDR_ANY) return tb2 !== null && anyOwnerConflicts(sk, tb2, relax, reuseport_ok);
  for (const bucket of tb.bhash2)
    for (const sk2 of bucket.owners)
      if (inet_bind_conflict(sk, sk2, relax, reuseport_ok) && inet_rcv_saddr_equal(sk, sk2, true)) return true;
  return false;
}

/** A socket bound to one address against those bound to any. */
function inet_bhash2_addr_any_conflict(sk: sock, tb: inet_bind_bucket | null, relax: boolean, reuseport_ok: boolean): boolean {
  if (sk.skc_rcv_saddr === INADDR_ANY || tb === null) return false;
  const tb2 = inet_bind2_bucket_find(tb, INADDR_ANY);
  return tb2 !== null && anyOwnerConflicts(sk, tb2, relax, reuseport_ok);
}

function isOpen(sk: sock, port: number, relax: boolean): boolean {
  const network = sock_net(sk);
  if (inet_is_local_reserved_port(network, port)) return false;
  const tb = inet_bind_bucket_match(network.tcp_hashinfo, port);
  if (tb === null) return true;
  if (inet_bhash2_addr_any_conflict(sk, tb, relax, false)) return false;
  return !inet_csk_bind_conflict(sk, tb, inet_bind2_bucket_find(tb, sk.skc_rcv_saddr), relax, false);
}

/** Searches [low, high) from a random place: first the parity that connect() does not prefer, then the other; 0 when all are taken. */
function scanRange(sk: sock, low: number, high: number, relax: boolean): number {
  let remaining = high - low;
  if (remaining > 1) remaining &= ~1;
  const offset = kernel().random.below(remaining) | 1;
  for (let parity = 0; parity < 2; parity++) {
    let port = low + offset - parity;
    for (let i = 0; i < remaining; i += 2, port += 2) {
      if (port >= high) port -= remaining;
      if (isOpen(sk, port, relax)) return port;
    }
  }
  return 0;
}

/** Sockets with SO_REUSEADDR look in the lower half first, so that the upper one stays free for those that need a port of their own. */
function scanHalves(sk: sock, relax: boolean): number {
  const range = new localPortRange();
  inet_sk_get_local_port_range(sk, range);
  const high = range.high + 1;
  if (sk.skc_reuse !== SK_CAN_REUSE || high - range.low < 4) return scanRange(sk, range.low, high, relax);
  const half = range.low + (((high - range.low) >> 2) << 1);
  return scanRange(sk, range.low, half, relax) || scanRange(sk, half, high, relax);
}

/** A free port, 0 when there is none; with net.ipv4.ip_autobind_reuse one that differs in its peers only will do at last. */
function inet_csk_find_open_port(sk: sock): number {
  return scanHalves(sk, false) || (sock_net(sk).ipv4.sysctl_ip_autobind_reuse !== 0 ? scanHalves(sk, true) : 0);
}

/** Like all that own the port: SO_REUSEPORT and the same user, so that nobody need be asked. */
function sk_reuseport_match(tb: inet_bind_bucket, sk: sock): boolean {
  if (tb.fastreuseport <= 0 || !sk.skc_reuseport || sk.sk_reuseport_cb !== null || tb.fastuid !== sk.sk_uid) return false;
  return tb.fastreuseport === FASTREUSEPORT_ANY || saddrCovers(tb.fast_rcv_saddr, sk.skc_rcv_saddr);
}

function setFastReuseport(tb: inet_bind_bucket, sk: sock, kind: number): void {
  tb.fastreuseport = kind;
  tb.fastuid = sk.sk_uid;
  tb.fast_rcv_saddr = sk.skc_rcv_saddr;
}

/** Keeps what is known of all owners of a port, now that `sk` becomes one. */
export function inet_csk_update_fastreuse(tb: inet_bind_bucket, sk: sock): void {
  const reuse = sk.skc_reuse !== 0 && sk.skc_state !== TCP_LISTEN;
  const first = tb.bhash2.every((tb2) => tb2.owners.size === 0);
  if (first) tb.fastreuse = reuse ? 1 : 0;
  else if (!reuse) tb.fastreuse = 0;
  if (!sk.skc_reuseport) tb.fastreuseport = 0;
  else if (first) setFastReuseport(tb, sk, FASTREUSEPORT_ANY);
  else if (!sk_reuseport_match(tb, sk)) setFastReuseport(tb, sk, FASTREUSEPORT_STRICT);
}

/** All owners and `sk` allow sharing, as far as the bucket's summary says. */
function mayShareUnasked(sk: sock, tb: inet_bind_bucket): boolean {
  if (tb.bhash2.length === 0) return false;
  const reuse = sk.skc_reuse !== 0 && sk.skc_state !== TCP_LISTEN;
  return sk.skc_reuse === SK_FORCE_REUSE || (tb.fastreuse > 0 && reuse) || sk_reuseport_match(tb, sk);
}

/** Binds `sk` to port `snum` (0: any free one) at its address. */
export function inet_csk_get_port(sk: sock, snum: number): number {
  const hashinfo = sock_net(sk).tcp_hashinfo;
  const port = snum !== 0 ? snum : inet_csk_find_open_port(sk);
  if (port === 0) return -EADDRINUSE;
  const tb = inet_bind_bucket_match(hashinfo, port) ?? inet_bind_bucket_create(hashinfo, port);
  const tb2 = inet_bind2_bucket_find(tb, sk.skc_rcv_saddr);
  const ask = snum !== 0 && !mayShareUnasked(sk, tb);
  if (ask && (inet_bhash2_addr_any_conflict(sk, tb, true, true) || inet_csk_bind_conflict(sk, tb, tb2, true, true))) return -EADDRINUSE;
  inet_csk_update_fastreuse(tb, sk);
  if (inet_csk(sk).icsk_bind_hash === null) inet_bind_hash(sk, tb, tb2 ?? inet_bind2_bucket_create(tb, sk), port);
  return 0;
}
