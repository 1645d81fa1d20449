/**
 * net/ipv4/tcp.c, include/net/tcp.h: signatures of segments that come in (RFC 2385). `tcp_inbound_hash` → `tcp_inbound_md5_hash`; keys and digests are in
 * tcp_ipv4_md5.ts.
 *
 * Simplified: TCP-AO (RFC 5925) is absent: a segment signed so is dropped, as Linux does without a key.
 */
import { trace } from '../../current.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import {
  SKB_DROP_REASON_TCP_AOKEYNOTFOUND,
  SKB_DROP_REASON_TCP_AUTH_HDR,
  SKB_DROP_REASON_TCP_MD5FAILURE,
  SKB_DROP_REASON_TCP_MD5NOTFOUND,
  SKB_DROP_REASON_TCP_MD5UNEXPECTED,
  SKB_NOT_DROPPED_YET,
} from '../../include/net/dropreason.ts';
import { ip_hdr } from '../../include/net/ip.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { TCPOLEN_TIMESTAMP, TCPOPT_AO, TCPOPT_EOL, TCPOPT_MD5SIG, TCPOPT_NOP, TCPOPT_TIMESTAMP } from '../../include/net/tcp.ts';
import { tcp_md5_do_lookup, type tcp_md5sig_key } from '../../include/net/tcp_md5sig.ts';
import { MD5_DIGEST_SIZE } from '../../lib/crypto/md5.ts';
import {
  LINUX_MIB_TCPAOKEYNOTFOUND,
  LINUX_MIB_TCPMD5FAILURE,
  LINUX_MIB_TCPMD5NOTFOUND,
  LINUX_MIB_TCPMD5UNEXPECTED,
} from '../../uapi/snmp.ts';
import { tcp_v4_md5_hash_skb } from './tcp_ipv4_md5.ts';

const TCPHDR_LEN = 20;
const ALIGNED_TIMESTAMP = ((TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) | (TCPOPT_TIMESTAMP << 8) | TCPOLEN_TIMESTAMP) >>> 0;
/** Octets of the shortest signature option: TCPOLEN_MD5SIG. */
const TCPOLEN_AUTH_MIN = 18;
const AUTH_NONE = 0;
const AUTH_MALFORMED = -1;

/** Where in `skb.mem` the signature option of a segment starts (TCPOPT_MD5SIG, TCPOPT_AO); AUTH_NONE; AUTH_MALFORMED if there are two. */
function tcp_do_parse_auth_options(skb: sk_buff): number {
  const view = skb.mem.view;
  let at = skb.transport_header + TCPHDR_LEN;
  const end = skb.transport_header + ((view.getUint8(skb.transport_header + 12) >> 4) << 2);
  // Nearly every segment has exactly a timestamp, or nothing.
  if (at === end || (end - at === 12 && view.getUint32(at) === ALIGNED_TIMESTAMP)) return AUTH_NONE;
  let found = AUTH_NONE;
  // Where no signature fits any more, Linux does not look whether the rest makes sense.
  while (end - at >= TCPOLEN_AUTH_MIN) {
    const opcode = view.getUint8(at);
    if (opcode === TCPOPT_EOL) break;
    if (opcode === TCPOPT_NOP) {
      at++;
      continue;
    }
    const opsize = view.getUint8(at + 1);
    if (opsize < 2 || opsize > end - at) return AUTH_MALFORMED;
    if (opcode === TCPOPT_MD5SIG || opcode === TCPOPT_AO) {
      if (found !== AUTH_NONE) return AUTH_MALFORMED;
      found = at;
    }
    at += opsize;
  }
  return found;
}

/** Where the digest of a segment is; 0 if it has none; negative if its options make no sense. */
export function tcp_parse_md5sig_option(skb: sk_buff): number {
  const option = tcp_do_parse_auth_options(skb);
  if (option <= 0) return option;
  return skb.mem.u8[option] === TCPOPT_MD5SIG ? option + 2 : 0;
}

/** Is the digest at `hash_location` the one that `key` gives for this received segment? */
export function isSigned(skb: sk_buff, key: tcp_md5sig_key, hash_location: number): boolean {
  const newhash = new Uint8Array(MD5_DIGEST_SIZE);
  const { saddr, daddr } = ip_hdr(skb);
  tcp_v4_md5_hash_skb(newhash, 0, key, saddr, daddr, skb);
  return newhash.every((byte, i) => byte === skb.mem.u8[hash_location + i]);
}

/** Why a segment for `sk` (a connection, a listener, or the listener of a half-open connection) is dropped for its signature; SKB_NOT_DROPPED_YET if not. */
export function tcp_inbound_hash(sk: sock, skb: sk_buff): number {
  const option = tcp_do_parse_auth_options(skb);
  if (option === AUTH_NONE) {
    if (!sock_net(sk).ipv4.tcp_md5_needed || tcp_md5_do_lookup(sk, ip_hdr(skb).saddr) === null) return SKB_NOT_DROPPED_YET;
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPMD5NOTFOUND);
    trace().tcp_hash_md5_required?.(sk, skb);
    return SKB_DROP_REASON_TCP_MD5NOTFOUND;
  }
  if (option === AUTH_MALFORMED) {
    trace().tcp_hash_bad_header?.(sk, skb);
    return SKB_DROP_REASON_TCP_AUTH_HDR;
  }
  if (skb.mem.u8[option] === TCPOPT_MD5SIG) return tcp_inbound_md5_hash(sk, skb, option + 2);
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPAOKEYNOTFOUND);
  return SKB_DROP_REASON_TCP_AOKEYNOTFOUND;
}

function tcp_inbound_md5_hash(sk: sock, skb: sk_buff, hash_location: number): number {
  const key = tcp_md5_do_lookup(sk, ip_hdr(skb).saddr);
  if (key === null) {
    NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPMD5UNEXPECTED);
    trace().tcp_hash_md5_unexpected?.(sk, skb);
    return SKB_DROP_REASON_TCP_MD5UNEXPECTED;
  }
  if (isSigned(skb, key, hash_location)) return SKB_NOT_DROPPED_YET;
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPMD5FAILURE);
  trace().tcp_hash_md5_mismatch?.(sk, skb);
  return SKB_DROP_REASON_TCP_MD5FAILURE;
}
