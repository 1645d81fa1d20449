/**
 * net/ipv4/inetpeer.c: what is remembered about hosts: rates of ICMP messages to them, fragments from them.
 * `inet_getpeer` (made when missing), `inet_peer_xrlim_allow`.
 */
import { inet_peer } from '../../include/net/inetpeer.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { HZ, jiffies } from '../../kernel/time/timer.ts';

/** net.ipv4.inet_peer_threshold: beyond so many, those unused for long go. */
const INET_PEER_THRESHOLD = 65664;
const INET_PEER_MINTTL_SECONDS = 120;
/** Messages that may follow each other at once after silence. */
const XRLIM_BURST_FACTOR = 6;

export const inet_getpeer_v4 = (network: net, daddr: number): inet_peer => inet_getpeer(network, daddr);

function inet_getpeer(network: net, daddr: number): inet_peer {
  const { peers } = network.ipv4;
  let peer = peers.get(daddr);
  if (peer === undefined) {
    peer = new inet_peer(daddr);
    // So that a burst is allowed at first.
    peer.rate_last = jiffies() - 60 * HZ();
    peers.set(daddr, peer);
    if (peers.size > INET_PEER_THRESHOLD) collect(network);
  }
  peer.dtime = jiffies();
  return peer;
}

function collect(network: net): void {
  const before = jiffies() - INET_PEER_MINTTL_SECONDS * HZ();
  for (const [daddr, peer] of network.ipv4.peers) if (peer.dtime < before) network.ipv4.peers.delete(daddr);
}

/** One token every `timeout` jiffies, a few saved up. */
export function inet_peer_xrlim_allow(peer: inet_peer, timeout: number): boolean {
  const now = jiffies();
  let token = peer.rate_tokens + (now - peer.rate_last);
  peer.rate_last = now;
  token = Math.min(token, XRLIM_BURST_FACTOR * timeout);
  const allowed = token >= timeout;
  peer.rate_tokens = allowed ? token - timeout : token;
  return allowed;
}
