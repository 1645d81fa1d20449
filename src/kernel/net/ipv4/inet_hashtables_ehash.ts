/**
 * net/ipv4/inet_hashtables.c: the table of connections, which every received segment is looked up in.
 * `inet_ehashfn` → chain → `inet_match`. Full sockets, TIME_WAIT and half-open ones (TCP_NEW_SYN_RECV) stand side by side in it.
 *
 * The table doubles when chains get longer than two on average, where Linux sizes it once by the machine's memory.
 */
import { jhash_3words } from '../../include/linux/jhash.ts';
import type { ehashSock, inet_hashinfo } from '../../include/net/inet_hashtables.ts';
import type { net } from '../../include/net/net_namespace.ts';

/** The local port is added last, so that a search for a port needs the expensive part only once. */
export function inet_ehashfn(network: net, laddr: number, lport: number, faddr: number, fport: number): number {
  return (lport + jhash_3words(laddr, faddr, fport, network.tcp_hashinfo.ehash_secret)) >>> 0;
}

export const sk_ehashfn = (sk: ehashSock): number => inet_ehashfn(sk.skc_net, sk.skc_rcv_saddr, sk.skc_num, sk.skc_daddr, sk.skc_dport);

export const sk_unhashed = (sk: ehashSock): boolean => !sk.skc_hashed;
export const sk_hashed = (sk: ehashSock): boolean => sk.skc_hashed;

/** Is `sk` the connection from `saddr`:`sport` to us at `daddr`:`hnum`, and may it hear device `dif`? */
const inet_match = (sk: ehashSock, saddr: number, sport: number, daddr: number, hnum: number, dif: number): boolean =>
  sk.skc_dport === sport &&
  sk.skc_num === hnum &&
  sk.skc_daddr === saddr &&
  sk.skc_rcv_saddr === daddr &&
  (sk.skc_bound_dev_if === 0 || sk.skc_bound_dev_if === dif);

/** The first of the chain that holds the connection under `hash`; null when there is none. */
export function ehashFind(
  hashinfo: inet_hashinfo,
  hash: number,
  saddr: number,
  sport: number,
  daddr: number,
  hnum: number,
  dif: number,
): ehashSock | null {
  let sk = hashinfo.ehash[hash & hashinfo.ehash_mask]!;
  while (sk !== null) {
    if (sk.skc_hash === hash && inet_match(sk, saddr, sport, daddr, hnum, dif)) return sk;
    sk = sk.skc_next!;
  }
  return null;
}

/** Takes a reference on what it finds. */
export function __inet_lookup_established(
  network: net,
  saddr: number,
  sport: number,
  daddr: number,
  hnum: number,
  dif: number,
  _sdif: number,
): ehashSock | null {
  const hash = inet_ehashfn(network, daddr, hnum, saddr, sport);
  const sk = ehashFind(network.tcp_hashinfo, hash, saddr, sport, daddr, hnum, dif);
  if (sk !== null) sk.skc_refcnt++;
  return sk;
}

/** Puts `sk` at the head of the chain of `sk.skc_hash`. */
export function ehashAdd(hashinfo: inet_hashinfo, sk: ehashSock): void {
  if (hashinfo.ehashCount > 2 * hashinfo.ehash.length) grow(hashinfo);
  const slot = sk.skc_hash & hashinfo.ehash_mask;
  sk.skc_next = hashinfo.ehash[slot]!;
  hashinfo.ehash[slot] = sk;
  sk.skc_hashed = true;
  hashinfo.ehashCount++;
}

/** Returns whether it was there. */
export function ehashRemove(hashinfo: inet_hashinfo, sk: ehashSock): boolean {
  if (!sk.skc_hashed) return false;
  const slot = sk.skc_hash & hashinfo.ehash_mask;
  const head = hashinfo.ehash[slot]!;
  if (head === sk) hashinfo.ehash[slot] = sk.skc_next;
  else predecessor(head!, sk).skc_next = sk.skc_next;
  sk.skc_next = null;
  sk.skc_hashed = false;
  hashinfo.ehashCount--;
  return true;
}

function predecessor(head: ehashSock, sk: ehashSock): ehashSock {
  let at = head;
  while (at.skc_next !== sk) at = at.skc_next!;
  return at;
}

function grow(hashinfo: inet_hashinfo): void {
  const old = hashinfo.ehash;
  hashinfo.ehash = new Array<ehashSock | null>(old.length * 2).fill(null);
  hashinfo.ehash_mask = hashinfo.ehash.length - 1;
  for (const head of old) rehashChain(hashinfo, head);
}

/** From the tail on, so that newer ones stay in front. */
function rehashChain(hashinfo: inet_hashinfo, head: ehashSock | null): void {
  if (head === null) return;
  rehashChain(hashinfo, head.skc_next);
  const slot = head.skc_hash & hashinfo.ehash_mask;
  head.skc_next = hashinfo.ehash[slot]!;
  hashinfo.ehash[slot] = head;
}

/** All of the table, for dumps: never on a packet's way. */
export function ehashAll(hashinfo: inet_hashinfo): ehashSock[] {
  const all: ehashSock[] = [];
  for (const head of hashinfo.ehash) for (let sk = head; sk !== null; sk = sk.skc_next) all.push(sk);
  return all;
}
