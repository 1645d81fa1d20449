/**
 * net/ipv4/inet_hashtables.c: who holds which local port.
 * `inet_csk_get_port` / `__inet_hash_connect` → `inet_bind_bucket_create`, `inet_bind2_bucket_create` → `inet_bind_hash`; back by `inet_put_port`.
 *
 * A port has a bucket (`inet_bind_bucket`), and in it one for every local address it is bound at (`inet_bind2_bucket`), which has the owners.
 */
import { type boundSock, inet_bind_bucket, inet_bind2_bucket, type inet_hashinfo } from '../../include/net/inet_hashtables.ts';
import { inet_csk, inet_sk } from '../../include/net/inet_sock.ts';
import type { inet_timewait_sock } from '../../include/net/inet_timewait_sock.ts';
import { SOCK_BINDADDR_LOCK, SOCK_CONNECT_BIND, type sock, sock_net } from '../../include/net/sock.ts';
import { ENOENT } from '../../uapi/errno.ts';
import { TCP_TIME_WAIT } from '../../uapi/tcp.ts';

export function inet_bind_bucket_create(hashinfo: inet_hashinfo, port: number): inet_bind_bucket {
  const tb = new inet_bind_bucket(port);
  hashinfo.bhash.set(port, tb);
  return tb;
}

/** Frees the bucket once nobody owns the port. */
export function inet_bind_bucket_destroy(hashinfo: inet_hashinfo, tb: inet_bind_bucket): void {
  if (tb.bhash2.length === 0) hashinfo.bhash.delete(tb.port);
}

/** The bucket of a port; null while nobody has bound it. Simplified: one namespace and no VRFs, so the port alone decides. */
export function inet_bind_bucket_match(hashinfo: inet_hashinfo, port: number): inet_bind_bucket | null {
  return hashinfo.bhash.get(port) ?? null;
}

export function inet_bind2_bucket_create(tb: inet_bind_bucket, sk: boundSock): inet_bind2_bucket {
  const tb2 = new inet_bind2_bucket(tb, sk.skc_rcv_saddr);
  tb.bhash2.push(tb2);
  return tb2;
}

export function inet_bind2_bucket_destroy(tb2: inet_bind2_bucket): void {
  if (tb2.owners.size > 0) return;
  const list = tb2.tb.bhash2;
  const index = list.indexOf(tb2);
  if (index >= 0) list.splice(index, 1);
}

export function inet_bind2_bucket_find(tb: inet_bind_bucket, rcv_saddr: number): inet_bind2_bucket | null {
  for (let i = 0; i < tb.bhash2.length; i++) if (tb.bhash2[i]!.rcv_saddr === rcv_saddr) return tb.bhash2[i]!;
  return null;
}

/** Makes `sk` an owner of `port`. */
export function inet_bind_hash(sk: sock, tb: inet_bind_bucket, tb2: inet_bind2_bucket, port: number): void {
  sk.skc_num = port;
  inet_csk(sk).icsk_bind_hash = tb;
  inet_csk(sk).icsk_bind2_hash = tb2;
  tb2.owners.add(sk);
}

const gotPortByConnect = (owner: boundSock): boolean =>
  owner.skc_state === TCP_TIME_WAIT
    ? (owner as inet_timewait_sock).tw_connect_bind
    : ((owner as sock).sk_userlocks & SOCK_CONNECT_BIND) !== 0;

/** A port that only connect() users hold any more may be shared with further ones again. */
function relaxBucket(tb: inet_bind_bucket): void {
  if (tb.fastreuse === -1 && tb.fastreuseport === -1) return;
  for (const tb2 of tb.bhash2) for (const owner of tb2.owners) if (!gotPortByConnect(owner)) return;
  tb.fastreuse = -1;
  tb.fastreuseport = -1;
}

/** Releases an owner's place; `byConnect` says how it had got its port. */
export function leaveBuckets(
  hashinfo: inet_hashinfo,
  owner: boundSock,
  tb: inet_bind_bucket,
  tb2: inet_bind2_bucket,
  byConnect: boolean,
): void {
  tb2.owners.delete(owner);
  inet_bind2_bucket_destroy(tb2);
  if (tb.bhash2.length > 0 && !byConnect) relaxBucket(tb);
  inet_bind_bucket_destroy(hashinfo, tb);
}

/** Gives the port back. */
export function inet_put_port(sk: sock): void {
  const icsk = inet_csk(sk);
  const tb = icsk.icsk_bind_hash;
  const tb2 = icsk.icsk_bind2_hash;
  sk.skc_num = 0;
  if (tb === null || tb2 === null) return;
  icsk.icsk_bind_hash = null;
  icsk.icsk_bind2_hash = null;
  leaveBuckets(sock_net(sk).tcp_hashinfo, sk, tb, tb2, gotPortByConnect(sk));
  sk.sk_userlocks &= ~SOCK_CONNECT_BIND;
}

/** A child takes a share of its listener's port. */
export function __inet_inherit_port(sk: sock, child: sock): number {
  const hashinfo = sock_net(sk).tcp_hashinfo;
  const port = child.skc_num;
  let tb = inet_csk(sk).icsk_bind_hash;
  if (tb === null) return -ENOENT;
  // A transparent proxy's child may have another port than its listener.
  if (tb.port !== port) tb = inet_bind_bucket_match(hashinfo, port) ?? inet_bind_bucket_create(hashinfo, port);
  const tb2 = inet_bind2_bucket_find(tb, child.skc_rcv_saddr) ?? inet_bind2_bucket_create(tb, child);
  inet_bind_hash(child, tb, tb2, port);
  return 0;
}

/** Local address of a bound socket becomes known (connect()) or unknown again: its owner's bucket changes with it. */
export function __inet_bhash2_update_saddr(sk: sock, saddr: number): number {
  const icsk = inet_csk(sk);
  const tb = icsk.icsk_bind_hash;
  const old = icsk.icsk_bind2_hash;
  if (tb === null || old === null) {
    setSaddr(sk, saddr);
    return 0;
  }
  old.owners.delete(sk);
  setSaddr(sk, saddr);
  const tb2 = inet_bind2_bucket_find(tb, saddr) ?? inet_bind2_bucket_create(tb, sk);
  tb2.owners.add(sk);
  icsk.icsk_bind2_hash = tb2;
  inet_bind2_bucket_destroy(old);
  return 0;
}

export function inet_bhash2_update_saddr(sk: sock, saddr: number): number {
  return __inet_bhash2_update_saddr(sk, saddr);
}

/** Forgets the local address, unless bind() had fixed it. */
export function inet_bhash2_reset_saddr(sk: sock): void {
  if ((sk.sk_userlocks & SOCK_BINDADDR_LOCK) === 0) __inet_bhash2_update_saddr(sk, 0);
}

function setSaddr(sk: sock, saddr: number): void {
  inet_sk(sk).inet_saddr = saddr;
  sk.skc_rcv_saddr = saddr;
}
