/**
 * net/ipv4/udp.c: which socket gets a datagram, and who may have which port.
 * `udp_v4_get_port` → `udp_lib_get_port` → `udp_lib_lport_inuse`; `__udp4_lib_lookup` → `udp4_lib_lookup2` → `compute_score`.
 *
 * Sockets are found by local port; Linux has three hashes (port, port and address, both ends), which find the same sockets.
 */
import { kernel, smp_processor_id } from '../../current.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { INADDR_ANY } from '../../uapi/in.ts';
import { TCP_ESTABLISHED } from '../../uapi/tcp.ts';
import { sock_prot_inuse_add } from '../core/sock_life.ts';
import { reuseport_add_sock, reuseport_alloc, reuseport_detach_sock, reuseport_select_sock } from '../core/sock_reuseport.ts';
import {
  inet_ehashfn,
  inet_is_local_reserved_port,
  inet_rcv_saddr_any,
  inet_rcv_saddr_equal,
  inet_sk_get_local_port_range,
  localPortRange,
} from './inet_hashtables.ts';

/** Tables are searched newest first. */
const socketsOf = (network: net, port: number): sock[] | undefined => network.udp_table.get(port);

export const udp_v4_get_port = (sk: sock, snum: number): number => udp_lib_get_port(sk, snum);

/** Binds to port `snum`, or to a free one (0). 1 when it is taken, or none is free. */
export function udp_lib_get_port(sk: sock, snum: number): number {
  const network = sock_net(sk);
  const port = snum !== 0 ? snum : findFreePort(sk, network);
  if (port === 0 || (snum !== 0 && udp_lib_lport_inuse(network, port, sk))) return 1;
  sk.skc_num = port;
  if (sk.skc_reuseport) udp_reuseport_add_sock(sk, socketsOf(network, port));
  if (!sk.skc_hashed) addToTable(network, sk, port);
  return 0;
}

function addToTable(network: net, sk: sock, port: number): void {
  const list = socketsOf(network, port);
  if (list === undefined) network.udp_table.set(port, [sk]);
  else list.unshift(sk);
  sk.skc_hashed = true;
  sock_prot_inuse_add(network, sk.skc_prot, 1);
}

/** From a random port on upwards, so that an attacker cannot guess it (RFC 6056); 0 when all are taken. */
function findFreePort(sk: sock, network: net): number {
  const range = new localPortRange();
  inet_sk_get_local_port_range(sk, range);
  const count = range.high - range.low + 1;
  const first = kernel().random.below(count);
  for (let i = 0; i < count; i++) {
    const port = range.low + ((first + i) % count);
    if (!inet_is_local_reserved_port(network, port) && !udp_lib_lport_inuse(network, port, sk)) return port;
  }
  return 0;
}

/** Would `sk` and a socket that is there both hear the same datagrams, without having agreed to (SO_REUSEADDR, SO_REUSEPORT)? */
export function udp_lib_lport_inuse(network: net, num: number, sk: sock): boolean {
  const list = socketsOf(network, num);
  return list?.some((sk2) => sk2 !== sk && conflicts(sk, sk2)) ?? false;
}

function conflicts(sk: sock, sk2: sock): boolean {
  if (sk2.skc_reuse !== 0 && sk.skc_reuse !== 0) return false;
  if (sk2.skc_bound_dev_if !== 0 && sk.skc_bound_dev_if !== 0 && sk2.skc_bound_dev_if !== sk.skc_bound_dev_if) return false;
  if (!inet_rcv_saddr_equal(sk, sk2, true)) return false;
  return !(sk2.skc_reuseport && sk.skc_reuseport && sk2.sk_uid === sk.sk_uid);
}

/** Joins those who share the port and the very same address. */
function udp_reuseport_add_sock(sk: sock, list: sock[] | undefined): number {
  const friend = list?.find((sk2) => sk2 !== sk && isFriend(sk, sk2));
  return friend === undefined ? reuseport_alloc(sk, inet_rcv_saddr_any(sk)) : reuseport_add_sock(sk, friend, inet_rcv_saddr_any(sk));
}

const isFriend = (sk: sock, sk2: sock): boolean =>
  sk2.skc_reuseport && sk2.skc_bound_dev_if === sk.skc_bound_dev_if && sk2.sk_uid === sk.sk_uid && inet_rcv_saddr_equal(sk, sk2, false);

export function udp_lib_unhash(sk: sock): void {
  if (!sk.skc_hashed) return;
  const network = sock_net(sk);
  const list = socketsOf(network, sk.skc_num)!;
  list.splice(list.indexOf(sk), 1);
  if (list.length === 0) network.udp_table.delete(sk.skc_num);
  reuseport_detach_sock(sk);
  sk.skc_hashed = false;
  sk.skc_num = 0;
  sock_prot_inuse_add(network, sk.skc_prot, -1);
}

/** The local address changed: a socket that hears one address only no longer belongs to the group of those that hear all. */
export function udp_lib_rehash(sk: sock): void {
  if (sk.sk_reuseport_cb !== null) reuseport_detach_sock(sk);
}

export const udp_v4_rehash = udp_lib_rehash;

/** How well a socket fits; -1 when it does not. Who has connected to the sender wins, then who is bound to the device. */
function compute_score(sk: sock, saddr: number, sport: number, daddr: number, dif: number): number {
  if (sk.skc_rcv_saddr !== daddr) return -1;
  let score = 2;
  if (sk.skc_daddr !== 0) {
    if (sk.skc_daddr !== saddr) return -1;
    score += 4;
  }
  if (sk.skc_dport !== 0) {
    if (sk.skc_dport !== sport) return -1;
    score += 4;
  }
  if (sk.skc_bound_dev_if !== 0) {
    if (sk.skc_bound_dev_if !== dif) return -1;
    score += 4;
  }
  if (sk.skc_incoming_cpu === smp_processor_id()) score++;
  return score;
}

/** Of the sockets at `bound` (the packet's address, or any) the one that fits best. */
function udp4_lib_lookup2(
  network: net,
  list: sock[],
  saddr: number,
  sport: number,
  daddr: number,
  hnum: number,
  dif: number,
  bound: number,
): sock | null {
  let result: sock | null = null;
  let badness = 0;
  for (let i = 0; i < list.length; i++) {
    const sk = list[i]!;
    const score = compute_score(sk, saddr, sport, bound, dif);
    if (score <= badness) continue;
    badness = score;
    result = sk;
    if (!sk.skc_reuseport || sk.skc_state === TCP_ESTABLISHED) continue;
    result = reuseport_select_sock(sk, inet_ehashfn(network, daddr, hnum, saddr, sport)) ?? sk;
  }
  return result;
}

/** The receiver of a datagram from saddr:sport to daddr:dport that came in by device `dif`; null when there is none. */
export function __udp4_lib_lookup(network: net, saddr: number, sport: number, daddr: number, dport: number, dif: number): sock | null {
  const list = socketsOf(network, dport);
  if (list === undefined) return null;
  return (
    udp4_lib_lookup2(network, list, saddr, sport, daddr, dport, dif, daddr) ??
    udp4_lib_lookup2(network, list, saddr, sport, daddr, dport, dif, INADDR_ANY)
  );
}

/** Should this socket get a copy of a broadcast? */
export function __udp_is_mcast_sock(sk: sock, saddr: number, sport: number, daddr: number, dif: number): boolean {
  if (sk.skc_daddr !== 0 && sk.skc_daddr !== saddr) return false;
  if (sk.skc_dport !== 0 && sk.skc_dport !== sport) return false;
  if (sk.skc_rcv_saddr !== 0 && sk.skc_rcv_saddr !== daddr) return false;
  return sk.skc_bound_dev_if === 0 || sk.skc_bound_dev_if === dif;
}

export const udpSocketsOfPort = (network: net, port: number): readonly sock[] => socketsOf(network, port) ?? none;
const none: readonly sock[] = [];
