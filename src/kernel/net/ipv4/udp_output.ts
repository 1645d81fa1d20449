/**
 * net/ipv4/udp.c: datagrams go out. `udp_sendmsg` → route → `ip_make_skb` → `udp_send_skb` → `ip_send_skb`; with MSG_MORE or UDP_CORK pieces are
 * collected (`ip_append_data`) until `udp_push_pending_frames`.
 */
import type { Sleeping } from '../../include/linux/sched.ts';
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  SKB_GSO_UDP_L4,
  type sk_buff,
  skb_queue_empty,
  skb_transport_header,
  skb_transport_offset,
} from '../../include/linux/skbuff.ts';
import { DIV_ROUND_UP } from '../../include/linux/types.ts';
import { UDP_MAX_SEGMENTS, UDP_SEGMENT, udp_hdr, udp_sk, type udp_sock } from '../../include/linux/udp.ts';
import { dst_clone, dst_release, type rtable } from '../../include/net/dst.ts';
import { flowi4 } from '../../include/net/inet_sock.ts';
import { type inet_cork, ipcm_cookie } from '../../include/net/ip.ts';
import { IP_INC_STATS, UDP_INC_STATS } from '../../include/net/net_namespace.ts';
import { flowi4_init_output, RTCF_BROADCAST } from '../../include/net/route.ts';
import { type msghdr, SOCK_BROADCAST, SOCK_NOSPACE, sk_wmem_alloc_get, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import type { udpSendState } from '../../include/net/udp.ts';
import { CSUM_MANGLED_0, csum_add, csum_tcpudp_magic } from '../../lib/checksum.ts';
import { EACCES, EAFNOSUPPORT, EDESTADDRREQ, EINVAL, EIO, EMSGSIZE, ENETUNREACH, ENOBUFS, EOPNOTSUPP } from '../../uapi/errno.ts';
import { IPPROTO_UDP, type sockaddr_in } from '../../uapi/in.ts';
import { IPSTATS_MIB_OUTNOROUTES, UDP_MIB_OUTDATAGRAMS, UDP_MIB_SNDBUFERRORS } from '../../uapi/snmp.ts';
import { AF_INET, AF_UNSPEC, MSG_DONTWAIT, MSG_MORE, MSG_OOB, SOL_UDP } from '../../uapi/socket.ts';
import { TCP_ESTABLISHED } from '../../uapi/tcp.ts';
import { skb_checksum } from '../core/skbuff_bits.ts';
import { kfree_skb } from '../core/skbuff_free.ts';
import { sk_dst_check, sk_dst_set } from '../core/sock_dst.ts';
import { lock_sock, release_sock } from '../core/sock_lock.ts';
import { waitForSendRoom } from '../core/sock_queue.ts';
import { ip_append_data, ip_finish_skb, ip_flush_pending_frames, ip_generic_getfrag, ip_make_skb, ip_send_skb } from './ip_output.ts';
import { ip_cmsg_send, ipcm_init_sk, ipcmInterface } from './ip_sockglue.ts';
import { inet_sk_flowi_flags, ip_route_output_flow, ip_sock_rt_scope } from './route.ts';

const UDP_HLEN = 8;

export function* udp_sendmsg(sk: sock, msg: msghdr): Sleeping<number> {
  const up = udp_sk(sk);
  const len = msg.size;
  if (len > 0xffff) return -EMSGSIZE;
  if ((msg.msg_flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const corkreq = up.corkflag || (msg.msg_flags & MSG_MORE) !== 0;
  if (up.pending !== 0) return finish(sk, len, yield* appendMore(sk, up, msg, corkreq));
  // Full: waited for here, since from the next line on nothing may sleep.
  if (sk_wmem_alloc_get(sk) >= sk.sk_sndbuf) {
    const refused = yield* waitForSendRoom(sk, (msg.msg_flags & MSG_DONTWAIT) !== 0);
    if (refused < 0) return finish(sk, len, refused);
  }
  const state = sock_net(sk).ipv4.udpSend;
  const bad = prepare(sk, up, msg, state);
  if (bad !== 0) return bad;
  const fl4 = state.connected ? up.fl4 : state.fl4;
  const rt = routeTo(sk, up, fl4, state);
  if (typeof rt === 'number') return rt;
  if (corkreq) return finish(sk, len, yield* startCork(sk, up, fl4, msg, len + UDP_HLEN, state.ipc, rt));
  return finish(sk, len, sendOne(sk, fl4, msg, len + UDP_HLEN, state, rt));
}

/** Destination and everything else that this send asks for. */
function prepare(sk: sock, up: udp_sock, msg: msghdr, state: udpSendState): number {
  const bad = findDestination(sk, msg.msg_name, state);
  if (bad !== 0) return bad;
  ipcm_init_sk(state.ipc, up);
  state.ipc.gso_size = up.gso_size;
  const err = msg.msg_control.length > 0 ? udpControl(sk, msg, state) : 0;
  if (err === 0) ipcmInterface(state.ipc, up, state.daddr);
  return err;
}

/** The whole length on success; a lack of room is counted. */
function finish(sk: sock, len: number, err: number): number {
  if (err === 0) return len;
  if (err === -ENOBUFS || ((sk.sk_socket?.flags ?? 0) & SOCK_NOSPACE) !== 0) UDP_INC_STATS(sock_net(sk), UDP_MIB_SNDBUFERRORS);
  return err;
}

function findDestination(sk: sock, name: sockaddr_in | null, to: udpSendState): number {
  to.connected = name === null;
  if (name === null) {
    if (sk.skc_state !== TCP_ESTABLISHED) return -EDESTADDRREQ;
    to.daddr = sk.skc_daddr;
    to.dport = sk.skc_dport;
    return 0;
  }
  if (name.sin_family !== AF_INET && name.sin_family !== AF_UNSPEC) return -EAFNOSUPPORT;
  to.daddr = name.sin_addr;
  to.dport = name.sin_port;
  return to.dport === 0 ? -EINVAL : 0;
}

/** Control messages may ask for another source, interface, TTL, TOS or segment size. */
function udpControl(sk: sock, msg: msghdr, state: udpSendState): number {
  const err = udp_cmsg_send(msg, state.ipc) || ip_cmsg_send(sk, msg, state.ipc);
  state.connected = false;
  return err;
}

function udp_cmsg_send(msg: msghdr, ipc: ipcm_cookie): number {
  for (const { cmsg_level, cmsg_type, data } of msg.msg_control) {
    if (cmsg_level !== SOL_UDP) continue;
    if (cmsg_type !== UDP_SEGMENT || typeof data !== 'number') return -EINVAL;
    ipc.gso_size = data & 0xffff;
  }
  return 0;
}

/** The route with a reference for the caller: the socket's own, or a fresh one, which a connected socket keeps. */
function routeTo(sk: sock, up: udp_sock, fl4: flowi4, state: udpSendState): rtable | number {
  const kept = state.connected ? sk_dst_check(sk, 0) : null;
  const rt = kept ?? lookUp(sk, up, fl4, state);
  if (typeof rt === 'number') return rt;
  if ((rt.rt_flags & RTCF_BROADCAST) !== 0 && !sock_flag(sk, SOCK_BROADCAST)) {
    dst_release(rt);
    return -EACCES;
  }
  if (state.connected && kept === null) sk_dst_set(sk, dst_clone(rt));
  state.ipc.addr = state.daddr || fl4.daddr;
  return rt;
}

function lookUp(sk: sock, up: udp_sock, fl4: flowi4, state: udpSendState): rtable | number {
  const ipc = state.ipc;
  const tos = (ipc.tos !== -1 ? ipc.tos : up.tos) & 0xfc;
  const flags = inet_sk_flowi_flags(up);
  flowi4_init_output(
    fl4,
    ipc.oif,
    ipc.mark,
    tos,
    ip_sock_rt_scope(sk),
    sk.sk_protocol,
    flags,
    state.daddr,
    ipc.addr,
    state.dport,
    up.inet_sport,
  );
  const network = sock_net(sk);
  const rt = ip_route_output_flow(network, fl4, sk);
  if (rt === -ENETUNREACH) IP_INC_STATS(network, IPSTATS_MIB_OUTNOROUTES);
  return rt;
}

/** A whole datagram at once, without the lock. */
function sendOne(sk: sock, fl4: flowi4, msg: msghdr, ulen: number, state: udpSendState, rt: rtable): number {
  const cork = state.cork;
  const skb = ip_make_skb(sk, fl4, ip_generic_getfrag, msg, ulen, UDP_HLEN, state.ipc, rt, cork, msg.msg_flags);
  if (skb === null) return 0;
  return typeof skb === 'number' ? skb : udp_send_skb(skb, fl4, cork);
}

function* startCork(sk: sock, up: udp_sock, flow: flowi4, msg: msghdr, ulen: number, cookie: ipcm_cookie, rt: rtable): Sleeping<number> {
  // The lock may be waited for, and others send meanwhile.
  const fl4 = Object.assign(new flowi4(), flow);
  const ipc = Object.assign(new ipcm_cookie(), cookie);
  yield* lock_sock(sk);
  if (up.pending !== 0) {
    // Another task began a datagram while this one waited.
    release_sock(sk);
    dst_release(rt);
    return -EINVAL;
  }
  Object.assign(up.fl4, fl4);
  up.pending = AF_INET;
  const err = append(sk, up, msg, ulen, ipc, rt, true);
  release_sock(sk);
  return err;
}

function* appendMore(sk: sock, up: udp_sock, msg: msghdr, corkreq: boolean): Sleeping<number> {
  yield* lock_sock(sk);
  const err = up.pending !== AF_INET ? -EINVAL : append(sk, up, msg, msg.size, null, null, corkreq);
  release_sock(sk);
  return err;
}

/** Adds a piece to the datagram under construction and sends it if it is the last. */
function append(sk: sock, up: udp_sock, msg: msghdr, size: number, ipc: ipcm_cookie | null, rt: rtable | null, corkreq: boolean): number {
  up.len += size;
  const flags = corkreq ? msg.msg_flags | MSG_MORE : msg.msg_flags;
  const err = ip_append_data(sk, up.fl4, ip_generic_getfrag, msg, size, UDP_HLEN, ipc, rt, flags);
  if (err !== 0) udp_flush_pending_frames(sk);
  else if (!corkreq) return udp_push_pending_frames(sk);
  else if (skb_queue_empty(sk.sk_write_queue)) up.pending = 0;
  return err;
}

/** Throws away what was collected. */
export function udp_flush_pending_frames(sk: sock): void {
  const up = udp_sk(sk);
  if (up.pending === 0) return;
  up.len = 0;
  up.pending = 0;
  ip_flush_pending_frames(sk);
}

/** Sends what was collected as one datagram. */
export function udp_push_pending_frames(sk: sock): number {
  const up = udp_sk(sk);
  const skb = ip_finish_skb(sk, up.fl4);
  const err = skb === null ? 0 : udp_send_skb(skb, up.fl4, up.cork!);
  up.len = 0;
  up.pending = 0;
  return err;
}

/** Writes the UDP header and sends. */
export function udp_send_skb(skb: sk_buff, fl4: flowi4, cork: inet_cork): number {
  const sk = skb.sk as sock;
  const len = skb.len - skb_transport_offset(skb);
  const uh = udp_hdr(skb);
  uh.source = udp_sk(sk).inet_sport;
  uh.dest = fl4.fl4_dport;
  uh.len = len;
  uh.check = 0;
  const bad = cork.gso_size > 0 ? prepareSegments(skb, sk, cork, len) : 0;
  if (bad !== 0) return bad;
  if (sk.sk_no_check_tx !== 0 && cork.gso_size === 0) skb.ip_summed = CHECKSUM_NONE;
  else fillChecksum(skb, fl4, len);
  return countSent(sk, ip_send_skb(sock_net(sk), skb));
}

function fillChecksum(skb: sk_buff, fl4: flowi4, len: number): void {
  if (skb.ip_summed === CHECKSUM_PARTIAL) {
    udp4_hwcsum(skb, fl4.saddr, fl4.daddr);
    return;
  }
  const check = csum_tcpudp_magic(fl4.saddr, fl4.daddr, len, IPPROTO_UDP, udp_csum(skb));
  udp_hdr(skb).check = check || CSUM_MANGLED_0;
}

/** Header and payload; the payload of all fragments was summed while it was copied. */
function udp_csum(skb: sk_buff): number {
  let csum = headerSum(skb);
  csum = csum_add(csum, skb.csum);
  for (let frag = skb.shinfo.frag_list; frag !== null; frag = frag.next) csum = csum_add(csum, frag.csum);
  return csum;
}

function headerSum(skb: sk_buff): number {
  return skb_checksum(skb, skb_transport_offset(skb), UDP_HLEN, 0);
}

/** The device sums the payload; for a datagram that is going to be fragmented it cannot, so it is done here. */
export function udp4_hwcsum(skb: sk_buff, src: number, dst: number): void {
  const uh = udp_hdr(skb);
  const offset = skb_transport_offset(skb);
  const len = skb.len - offset;
  if (skb.shinfo.frag_list === null) {
    skb.csum_start = skb_transport_header(skb);
    skb.csum_offset = 6;
    uh.check = ~csum_tcpudp_magic(src, dst, len, IPPROTO_UDP, 0) & 0xffff;
    return;
  }
  let csum = 0;
  let hlen = len;
  for (let frag: sk_buff | null = skb.shinfo.frag_list; frag !== null; frag = frag.next) {
    csum = csum_add(csum, frag.csum);
    hlen -= frag.len;
  }
  csum = skb_checksum(skb, offset, hlen, csum);
  skb.ip_summed = CHECKSUM_NONE;
  uh.check = csum_tcpudp_magic(src, dst, len, IPPROTO_UDP, csum) || CSUM_MANGLED_0;
}

/** UDP_SEGMENT: one send, many datagrams, cut as late as possible. */
function prepareSegments(skb: sk_buff, sk: sock, cork: inet_cork, len: number): number {
  const datalen = len - UDP_HLEN;
  const tooLarge = skb.data - skb.network_header + UDP_HLEN + cork.gso_size > cork.fragsize;
  if (tooLarge || datalen > cork.gso_size * UDP_MAX_SEGMENTS || sk.sk_no_check_tx !== 0) {
    kfree_skb(skb, 'udp_send_skb');
    return -EINVAL;
  }
  if (skb.ip_summed !== CHECKSUM_PARTIAL) {
    kfree_skb(skb, 'udp_send_skb');
    return -EIO;
  }
  if (datalen > cork.gso_size) {
    skb.shinfo.gso_size = cork.gso_size;
    skb.shinfo.gso_type = SKB_GSO_UDP_L4;
    skb.shinfo.gso_segs = DIV_ROUND_UP(datalen, cork.gso_size);
  }
  return 0;
}

/** A full device queue is no error to the sender, unless it wants to know (IP_RECVERR). */
function countSent(sk: sock, err: number): number {
  const network = sock_net(sk);
  if (err === 0) UDP_INC_STATS(network, UDP_MIB_OUTDATAGRAMS);
  else if (err === -ENOBUFS && !udp_sk(sk).recverr) {
    UDP_INC_STATS(network, UDP_MIB_SNDBUFERRORS);
    return 0;
  }
  return err;
}
