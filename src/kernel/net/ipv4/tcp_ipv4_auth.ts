/**
 * net/ipv4/tcp.c, include/net/tcp.h: signatures of segments (RFC 2385, RFC 5925).
 *
 * Simplified: keys for TCP-MD5 and TCP-AO cannot be set, so no segment is expected to be signed; one that is, is dropped, as Linux does without a key.
 */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import {
  SKB_DROP_REASON_TCP_AOKEYNOTFOUND,
  SKB_DROP_REASON_TCP_AUTH_HDR,
  SKB_DROP_REASON_TCP_MD5UNEXPECTED,
  SKB_NOT_DROPPED_YET,
} from '../../include/net/dropreason.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { TCPOLEN_TIMESTAMP, TCPOPT_AO, TCPOPT_EOL, TCPOPT_MD5SIG, TCPOPT_NOP, TCPOPT_TIMESTAMP } from '../../include/net/tcp.ts';
import { LINUX_MIB_TCPAOKEYNOTFOUND, LINUX_MIB_TCPMD5UNEXPECTED } from '../../uapi/snmp.ts';

const TCPHDR_LEN = 20;
const ALIGNED_TIMESTAMP = ((TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) | (TCPOPT_TIMESTAMP << 8) | TCPOLEN_TIMESTAMP) >>> 0;
const AUTH_NONE = 0;
const AUTH_MALFORMED = -1;

/** The kind of signature option (TCPOPT_MD5SIG, TCPOPT_AO) in a segment; AUTH_NONE; AUTH_MALFORMED if there are two. */
function tcp_do_parse_auth_options(skb: sk_buff): number {
  const view = skb.mem.view;
  let at = skb.transport_header + TCPHDR_LEN;
  const end = skb.transport_header + ((view.getUint8(skb.transport_header + 12) >> 4) << 2);
  // Nearly every segment has exactly a timestamp, or nothing.
  if (at === end || (end - at === 12 && view.getUint32(at) === ALIGNED_TIMESTAMP)) return AUTH_NONE;
  let found = AUTH_NONE;
  while (at < end) {
    const opcode = view.getUint8(at);
    if (opcode === TCPOPT_EOL) break;
    if (opcode === TCPOPT_NOP) {
      at++;
      continue;
    }
    const opsize = end - at < 2 ? 0 : view.getUint8(at + 1);
    if (opsize < 2 || opsize > end - at) return AUTH_MALFORMED;
    if (opcode === TCPOPT_MD5SIG || opcode === TCPOPT_AO) {
      if (found !== AUTH_NONE) return AUTH_MALFORMED;
      found = opcode;
    }
    at += opsize;
  }
  return found;
}

/** Why a segment for `sk` must be dropped because of its signature; SKB_NOT_DROPPED_YET if it need not. */
export function tcp_inbound_hash(sk: sock, skb: sk_buff): number {
  const kind = tcp_do_parse_auth_options(skb);
  if (kind === AUTH_NONE) return SKB_NOT_DROPPED_YET;
  if (kind === AUTH_MALFORMED) return SKB_DROP_REASON_TCP_AUTH_HDR;
  NET_INC_STATS(sock_net(sk), kind === TCPOPT_MD5SIG ? LINUX_MIB_TCPMD5UNEXPECTED : LINUX_MIB_TCPAOKEYNOTFOUND);
  return kind === TCPOPT_MD5SIG ? SKB_DROP_REASON_TCP_MD5UNEXPECTED : SKB_DROP_REASON_TCP_AOKEYNOTFOUND;
}
