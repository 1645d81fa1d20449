/**
 * net/ipv4/raw.c: raw sockets: `raw_local_deliver` gives each socket of the protocol a copy of what comes in, IP header included;
 * `raw_sendmsg` sends payload (or, with IP_HDRINCL, whole packets); `raw_icmp_error` reports ICMP errors.
 */
import type { Sleeping } from '../../include/linux/sched.ts';
import {
  type sk_buff,
  skb_network_header,
  skb_network_offset,
  skb_push,
  skb_put,
  skb_reserve,
  skb_reset_network_header,
} from '../../include/linux/skbuff.ts';
import { intOf } from '../../include/linux/sockptr.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { SKB_DROP_REASON_SOCKET_RCVBUFF } from '../../include/net/dropreason.ts';
import { dst_mtu, dst_release, type rtable } from '../../include/net/dst.ts';
import { icmp_err_convert } from '../../include/net/icmp.ts';
import { flowi4, inet_sk, inet_sock } from '../../include/net/inet_sock.ts';
import { IP_HLEN, ip_send_check, ipcm_cookie } from '../../include/net/ip.ts';
import { RTN_BROADCAST, RTN_MULTICAST } from '../../include/net/ip_fib.ts';
import { IP_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import { flowi4_init_output, RTCF_BROADCAST } from '../../include/net/route.ts';
import { type msghdr, type proto, SOCK_BROADCAST, sk_wmem_alloc_get, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import {
  EACCES,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EDESTADDRREQ,
  EHOSTUNREACH,
  EINVAL,
  EMSGSIZE,
  ENOBUFS,
  ENOIOCTLCMD,
  ENOPROTOOPT,
  EOPNOTSUPP,
  EPROTO,
} from '../../uapi/errno.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_FILTER,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  ICMP_TIME_EXCEEDED,
  IP_PMTUDISC_DONT,
  IPPROTO_ICMP,
  IPPROTO_RAW,
  icmphdr,
  iphdr,
  type sockaddr_in,
} from '../../uapi/in.ts';
import { IPSTATS_MIB_OUTDISCARDS } from '../../uapi/snmp.ts';
import { AF_INET, AF_UNSPEC, MSG_DONTWAIT, MSG_MORE, MSG_OOB, SIOCINQ, SIOCOUTQ, SOL_RAW } from '../../uapi/socket.ts';
import { TCP_CLOSE, TCP_ESTABLISHED } from '../../uapi/tcp.ts';
import { copyFromUser } from '../core/skbuff_bits.ts';
import { skb_clone } from '../core/skbuff_clone.ts';
import { kfree_skb, kfree_skb_reason } from '../core/skbuff_free.ts';
import { sk_error_report } from '../core/sock_callbacks.ts';
import { skb_setup_tx_timestamp } from '../core/sock_cmsg.ts';
import { sk_dst_reset } from '../core/sock_dst.ts';
import { sk_common_release, sock_prot_inuse_add } from '../core/sock_life.ts';
import { lock_sock, release_sock } from '../core/sock_lock.ts';
import { sock_alloc_send_skb, sock_queue_rcv_skb, waitForSendRoom } from '../core/sock_queue.ts';
import { inet_addr_valid_or_nonlocal } from './af_inet.ts';
import { ip4_datagram_connect, ip4_datagram_release_cb } from './datagram.ts';
import { inet_addr_type_table } from './fib_frontend.ts';
import { ip_append_data, ip_flush_pending_frames, ip_local_out, ip_push_pending_frames } from './ip_output.ts';
import { ip_cmsg_send, ip_getsockopt, ip_setsockopt, ipcm_init_sk, ipcmInterface, ipv4_pktinfo_prepare } from './ip_sockglue.ts';
import { ip_icmp_error } from './ip_sockglue_error.ts';
import { packetRecvmsg } from './packet_recvmsg.ts';
import {
  __ip_select_ident,
  inet_sk_flowi_flags,
  ip_route_output_flow,
  ip_sock_rt_scope,
  ipv4_sk_redirect,
  ipv4_sk_update_pmtu,
} from './route.ts';
import { __udp_disconnect } from './udp.ts';

const NR_ICMP_UNREACH = 15;

export class raw_sock extends inet_sock {
  /** ICMP_FILTER: types that are not delivered, as bits. */
  filter = 0;
}

const raw_sk = (sk: sock): raw_sock => sk as raw_sock;

function raw_hash_sk(sk: sock): number {
  sock_net(sk).raw_sockets.unshift(sk);
  sk.skc_hashed = true;
  sock_prot_inuse_add(sock_net(sk), sk.skc_prot, 1);
  return 0;
}

function raw_unhash_sk(sk: sock): void {
  if (!sk.skc_hashed) return;
  const list = sock_net(sk).raw_sockets;
  list.splice(list.indexOf(sk), 1);
  sk.skc_hashed = false;
  sock_prot_inuse_add(sock_net(sk), sk.skc_prot, -1);
}

/** Does the socket hear packets of protocol `num` from `raddr` to `laddr` that came by device `dif`? */
export function raw_v4_match(sk: sock, num: number, raddr: number, laddr: number, dif: number): boolean {
  if (sk.skc_num !== num) return false;
  if (sk.skc_daddr !== 0 && sk.skc_daddr !== raddr) return false;
  if (sk.skc_rcv_saddr !== 0 && sk.skc_rcv_saddr !== laddr) return false;
  return sk.skc_bound_dev_if === 0 || sk.skc_bound_dev_if === dif;
}

/** A copy for every raw socket that wants it; true if there was one. `skb.data` is at the payload. */
export function raw_local_deliver(skb: sk_buff, protocol: number): boolean {
  const network = skb.dev!.nd_net;
  if (network.raw_sockets.length === 0) return false;
  const iph = new iphdr(skb.mem.view, skb_network_header(skb));
  let delivered = false;
  for (const sk of network.raw_sockets) {
    if (!raw_v4_match(sk, protocol, iph.saddr, iph.daddr, skb.skb_iif)) continue;
    delivered = true;
    if (protocol === IPPROTO_ICMP && icmp_filter(sk, skb)) continue;
    const clone = skb_clone(skb, GFP_ATOMIC);
    if (clone !== null) raw_rcv(sk, clone);
  }
  return delivered;
}

/** What is too short for an ICMP header is not delivered at all. */
function icmp_filter(sk: sock, skb: sk_buff): boolean {
  if (skb.len < icmphdr.size) return true;
  const type = skb.mem.u8[skb.data]!;
  return type < 32 && (raw_sk(sk).filter & (1 << type)) !== 0;
}

function raw_rcv(sk: sock, skb: sk_buff): void {
  skb_push(skb, -skb_network_offset(skb));
  ipv4_pktinfo_prepare(sk, skb);
  if (sock_queue_rcv_skb(sk, skb) < 0) kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_RCVBUFF, 'raw_rcv_skb');
}

/** An ICMP error about a packet of `protocol`; `skb.data` is at that packet's IP header. */
export function raw_icmp_error(skb: sk_buff, protocol: number, info: number): void {
  const network = skb.dev!.nd_net;
  const iph = new iphdr(skb.mem.view, skb.data);
  for (const sk of network.raw_sockets) if (raw_v4_match(sk, protocol, iph.daddr, iph.saddr, skb.skb_iif)) raw_err(sk, skb, info);
}

function raw_err(sk: sock, skb: sk_buff, info: number): void {
  const type = skb.mem.u8[skb.transport_header]!;
  const code = skb.mem.u8[skb.transport_header + 1]!;
  const needFrag = type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED;
  if (needFrag) ipv4_sk_update_pmtu(skb, sk, info);
  else if (type === ICMP_REDIRECT) {
    ipv4_sk_redirect(skb, sk);
    return;
  }
  const inet = inet_sk(sk);
  // Only who asked, or who is connected, is told (RFC 1122 3.3.8).
  if ((!inet.recverr && sk.skc_state !== TCP_ESTABLISHED) || type === ICMP_SOURCE_QUENCH) return;
  const err = errorOf(inet, type, code);
  if (inet.recverr) {
    const header = inet.hdrincl ? 0 : (skb.mem.u8[skb.data]! & 15) << 2;
    ip_icmp_error(sk, skb, Math.abs(err), 0, info, skb.data + header);
  }
  if (!inet.recverr && err > 0) return;
  sk.sk_err = Math.abs(err);
  sk_error_report(sk);
}

/** The errno, negative if it is a hard error. */
function errorOf(inet: inet_sock, type: number, code: number): number {
  if (type === ICMP_PARAMETERPROB) return -EPROTO;
  if (type === ICMP_TIME_EXCEEDED || type !== ICMP_DEST_UNREACH || code > NR_ICMP_UNREACH) return EHOSTUNREACH;
  if (code === ICMP_FRAG_NEEDED) return inet.pmtudisc !== IP_PMTUDISC_DONT ? -EMSGSIZE : EMSGSIZE;
  const converted = icmp_err_convert[code]!;
  return converted.fatal ? -converted.errno : converted.errno;
}

/** Type and code of the message that is sent, for its route. */
function raw_probe_proto_opt(fl4: flowi4, msg: msghdr): void {
  if (msg.size < 2) return;
  fl4.fl4_icmp_type = msg.data[msg.offset]!;
  fl4.fl4_icmp_code = msg.data[msg.offset + 1]!;
}

function* raw_sendmsg(sk: sock, msg: msghdr): Sleeping<number> {
  const len = msg.size;
  const daddr = destination(sk, msg);
  if (daddr < 0) return daddr;
  const inet = inet_sk(sk);
  const ipc = new ipcm_cookie();
  ipcm_init_sk(ipc, inet);
  const bad = ip_cmsg_send(sk, msg, ipc);
  if (bad < 0) return bad;
  // Who makes his headers himself makes their options, too.
  if (ipc.opt !== null && inet.hdrincl) return -EINVAL;
  ipcmInterface(ipc, inet, daddr);
  const fl4 = new flowi4();
  const tos = (ipc.tos !== -1 ? ipc.tos : inet.tos) & 0xfc;
  const proto = inet.hdrincl ? IPPROTO_RAW : sk.sk_protocol;
  flowi4_init_output(fl4, ipc.oif, ipc.mark, tos, ip_sock_rt_scope(sk), proto, inet_sk_flowi_flags(sk), daddr, ipc.addr, 0, 0);
  if (proto === IPPROTO_ICMP) raw_probe_proto_opt(fl4, msg);
  const rt = ip_route_output_flow(sock_net(sk), fl4, sk);
  if (typeof rt === 'number') return rt;
  if ((rt.rt_flags & RTCF_BROADCAST) !== 0 && !sock_flag(sk, SOCK_BROADCAST)) {
    dst_release(rt);
    return -EACCES;
  }
  ipc.addr = daddr || fl4.daddr;
  const err = inet.hdrincl ? yield* raw_send_hdrinc(sk, fl4, msg, len, ipc, rt) : yield* sendPayload(sk, fl4, msg, len, ipc, rt);
  return err < 0 ? err : len;
}

function destination(sk: sock, msg: msghdr): number {
  if (msg.size > 0xffff) return -EMSGSIZE;
  if ((msg.msg_flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const name = msg.msg_name;
  if (name === null) return sk.skc_state === TCP_ESTABLISHED ? sk.skc_daddr : -EDESTADDRREQ;
  if (name.sin_family !== AF_INET && name.sin_family !== AF_UNSPEC) return -EAFNOSUPPORT;
  return name.sin_addr;
}

function* sendPayload(sk: sock, fl4: flowi4, msg: msghdr, len: number, ipc: ipcm_cookie, rt: rtable): Sleeping<number> {
  const refused = yield* waitForSendRoom(sk, (msg.msg_flags & MSG_DONTWAIT) !== 0);
  if (refused < 0) {
    dst_release(rt);
    return refused;
  }
  yield* lock_sock(sk);
  let err = ip_append_data(sk, fl4, raw_getfrag, msg, len, 0, ipc, rt, msg.msg_flags);
  if (err !== 0) ip_flush_pending_frames(sk);
  else if ((msg.msg_flags & MSG_MORE) === 0) {
    err = ip_push_pending_frames(sk, fl4);
    // A full queue of the device is no error to the sender, unless it wants to know.
    if (err === -ENOBUFS && !inet_sk(sk).recverr) err = 0;
  }
  release_sock(sk);
  return err;
}

/** No checksum: what it would be is the program's affair. */
function raw_getfrag(from: unknown, to: number, _offset: number, len: number, _odd: number, skb: sk_buff): number {
  return copyFromUser(from as msghdr, skb.mem.block, to, len);
}

/** The program gives the IP header; what it left 0 of source, identification and checksum is filled in. */
function* raw_send_hdrinc(sk: sock, fl4: flowi4, msg: msghdr, length: number, ipc: ipcm_cookie, rt: rtable): Sleeping<number> {
  const dev = rt.dev;
  const refusal = length > dst_mtu(rt) ? -EMSGSIZE : length < IP_HLEN ? -EINVAL : 0;
  const space = dev.hard_header_len + 15 + dev.needed_tailroom;
  const skb = refusal !== 0 ? refusal : yield* sock_alloc_send_skb(sk, length + space, (msg.msg_flags & MSG_DONTWAIT) !== 0);
  if (typeof skb === 'number') {
    dst_release(rt);
    return skb;
  }
  skb_reserve(skb, dev.hard_header_len + 15);
  skb.protocol = 0x0800;
  skb.priority = sk.sk_priority;
  skb.mark = sk.sk_mark;
  skb._skb_refdst = rt;
  skb_setup_tx_timestamp(skb, sk, ipc.tsflags);
  skb_reset_network_header(skb);
  copyFromUser(msg, skb.mem.block, skb_put(skb, length), length);
  const iph = new iphdr(skb.mem.view, skb.data);
  const iphlen = (iph.version_ihl & 15) << 2;
  if (iphlen < IP_HLEN || iphlen > length) {
    IP_INC_STATS(sock_net(sk), IPSTATS_MIB_OUTDISCARDS);
    kfree_skb(skb, 'raw_sendmsg');
    return -EINVAL;
  }
  skb.transport_header = skb.data + iphlen;
  fillHeader(sk, iph, fl4, length);
  const err = ip_local_out(sock_net(sk), sk, skb);
  return err > 0 ? 0 : err;
}

function fillHeader(sk: sock, iph: iphdr, fl4: flowi4, length: number): void {
  if (iph.saddr === 0) iph.saddr = fl4.saddr;
  iph.tot_len = length;
  if (iph.id === 0) __ip_select_ident(sock_net(sk), iph, 1);
  ip_send_check(iph);
}

function raw_bind(sk: sock, addr: sockaddr_in): number {
  if (sk.skc_state !== TCP_CLOSE) return -EINVAL;
  const type = inet_addr_type_table(sock_net(sk), addr.sin_addr, 0);
  if (!inet_addr_valid_or_nonlocal(sk, addr.sin_addr, type)) return -EADDRNOTAVAIL;
  sk.skc_rcv_saddr = addr.sin_addr;
  inet_sk(sk).inet_saddr = type === RTN_MULTICAST || type === RTN_BROADCAST ? 0 : addr.sin_addr;
  sk_dst_reset(sk);
  return 0;
}

// biome-ignore lint/correctness/useYield: a close that never waits
function* raw_close(sk: sock, _timeout: number): Sleeping<void> {
  sk_common_release(sk);
}

function raw_destroy(sk: sock): void {
  ip_flush_pending_frames(sk);
}

function raw_setsockopt(sk: sock, level: number, optname: number, value: unknown): number {
  if (level !== SOL_RAW) return ip_setsockopt(sk, level, optname, value);
  if (optname !== ICMP_FILTER) return -ENOPROTOOPT;
  if (sk.skc_num !== IPPROTO_ICMP) return -EOPNOTSUPP;
  // struct icmp_filter: what is missing of it stays as it was.
  raw_sk(sk).filter = intOf(value) ?? raw_sk(sk).filter;
  return 0;
}

function raw_getsockopt(sk: sock, level: number, optname: number): unknown {
  if (level !== SOL_RAW) return ip_getsockopt(sk, level, optname);
  if (optname !== ICMP_FILTER) return -ENOPROTOOPT;
  return sk.skc_num === IPPROTO_ICMP ? raw_sk(sk).filter >>> 0 : -EOPNOTSUPP;
}

function raw_ioctl(sk: sock, cmd: number): number {
  if (cmd === SIOCOUTQ) return sk_wmem_alloc_get(sk);
  return cmd === SIOCINQ ? (sk.sk_receive_queue.next?.len ?? 0) : -ENOIOCTLCMD;
}

export const raw_prot: proto = {
  name: 'RAW',
  close: raw_close,
  destroy: raw_destroy,
  connect: ip4_datagram_connect,
  disconnect: __udp_disconnect,
  ioctl: raw_ioctl,
  setsockopt: raw_setsockopt,
  getsockopt: raw_getsockopt,
  sendmsg: raw_sendmsg,
  recvmsg: packetRecvmsg,
  bind: raw_bind,
  release_cb: ip4_datagram_release_cb,
  hash: raw_hash_sk,
  unhash: raw_unhash_sk,
  max_header: 0,
  no_autobind: true,
};

/** Lets IP deliver to raw sockets. */
export function raw_init(network: net): void {
  network.ipv4.entries.raw_local_deliver = raw_local_deliver;
  network.ipv4.entries.raw_icmp_error = raw_icmp_error;
}
