/**
 * net/ipv4/ping.c: ping sockets: socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) sends echo requests and receives their replies, without the right to raw
 * sockets. The identifier is the socket's port. `ping_v4_sendmsg` → `ping_v4_push_pending_frames`; `ping_rcv` → `ping_queue_rcv_skb`.
 */
import type { Sleeping } from '../../include/linux/sched.ts';
import { type sk_buff, skb_network_header, skb_peek, skb_push } from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { SKB_DROP_REASON_NO_SOCKET, SKB_DROP_REASON_PROTO_MEM } from '../../include/net/dropreason.ts';
import { dst_release } from '../../include/net/dst.ts';
import { icmp_err_convert } from '../../include/net/icmp.ts';
import { flowi4, inet_sk, inet_sock } from '../../include/net/inet_sock.ts';
import { ipcm_cookie } from '../../include/net/ip.ts';
import { RTN_BROADCAST, RTN_MULTICAST } from '../../include/net/ip_fib.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { flowi4_init_output, RTCF_BROADCAST } from '../../include/net/route.ts';
import { type msghdr, type proto, SOCK_BROADCAST, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import { csum_fold } from '../../lib/checksum.ts';
import { EACCES, EADDRNOTAVAIL, EAFNOSUPPORT, EDESTADDRREQ, EHOSTUNREACH, EINVAL, EMSGSIZE, EOPNOTSUPP, EPROTO } from '../../uapi/errno.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  IP_PMTUDISC_DONT,
  icmphdr,
  iphdr,
  type sockaddr_in,
} from '../../uapi/in.ts';
import { AF_INET, AF_UNSPEC, MSG_DONTWAIT, MSG_OOB, MSG_TRUNC } from '../../uapi/socket.ts';
import { TCP_ESTABLISHED } from '../../uapi/tcp.ts';
import { skb_checksum } from '../core/skbuff_bits.ts';
import { skb_clone } from '../core/skbuff_clone.ts';
import { kfree_skb_reason } from '../core/skbuff_free.ts';
import { sk_error_report } from '../core/sock_callbacks.ts';
import { sk_common_release, sock_prot_inuse_add } from '../core/sock_life.ts';
import { lock_sock, release_sock } from '../core/sock_lock.ts';
import { sock_queue_rcv_skb, waitForSendRoom } from '../core/sock_queue.ts';
import { __inet_bind } from './af_inet.ts';
import { ip4_datagram_connect, ip4_datagram_release_cb } from './datagram.ts';
import { inet_addr_type_table } from './fib_frontend.ts';
import { ip_append_data, ip_flush_pending_frames, ip_generic_getfrag, ip_push_pending_frames } from './ip_output.ts';
import { ip_cmsg_send, ip_getsockopt, ip_setsockopt, ipcm_init_sk, ipcmInterface, ipv4_pktinfo_prepare } from './ip_sockglue.ts';
import { ip_icmp_error } from './ip_sockglue_error.ts';
import { packetRecvmsg } from './packet_recvmsg.ts';
import { inet_sk_flowi_flags, ip_route_output_flow, ip_sock_rt_scope, ipv4_sk_redirect, ipv4_sk_update_pmtu } from './route.ts';
import { __udp_disconnect } from './udp.ts';

const ICMP_HLEN = 8;
const NR_ICMP_UNREACH = 15;

export class ping_sock extends inet_sock {}

/** net.ipv4.ping_group_range: programs run as group 0. */
function ping_init_sock(sk: sock): number {
  const [low, high] = sock_net(sk).ipv4.ping_group_range;
  return low <= 0 && high >= 0 ? 0 : -EACCES;
}

/** Takes identifier `ident`, or the next free one. */
export function ping_get_port(sk: sock, ident: number): number {
  const table = sock_net(sk).ping_table;
  if (ident === 0) ident = freeIdent(sk, table);
  else if (table.has(ident)) return 1;
  if (ident === 0) return 1;
  sk.skc_num = ident;
  if (!sk.skc_hashed) {
    table.set(ident, sk);
    sk.skc_hashed = true;
    sock_prot_inuse_add(sock_net(sk), sk.skc_prot, 1);
  }
  return 0;
}

function freeIdent(sk: sock, table: Map<number, sock>): number {
  const first = sock_net(sk).kernel.random.below(0xffff);
  for (let i = 0; i < 0xffff; i++) {
    const ident = ((first + i) % 0xffff) + 1;
    if (!table.has(ident)) return ident;
  }
  return 0;
}

/** Only an address of the host's own, or none. */
function ping_bind(sk: sock, addr: sockaddr_in): number {
  const type = inet_addr_type_table(sock_net(sk), addr.sin_addr, 0);
  if (addr.sin_family === AF_INET && (type === RTN_MULTICAST || type === RTN_BROADCAST) && addr.sin_addr !== 0) return -EADDRNOTAVAIL;
  return __inet_bind(sk, addr);
}

function ping_unhash(sk: sock): void {
  if (!sk.skc_hashed) return;
  sock_net(sk).ping_table.delete(sk.skc_num);
  sk.skc_hashed = false;
  sk.skc_num = 0;
  inet_sk(sk).inet_sport = 0;
  sock_prot_inuse_add(sock_net(sk), sk.skc_prot, -1);
}

function ping_lookup(network: net, ident: number, laddr: number, dif: number): sock | null {
  const sk = network.ping_table.get(ident);
  if (sk === undefined || (sk.skc_rcv_saddr !== 0 && sk.skc_rcv_saddr !== laddr)) return null;
  return sk.skc_bound_dev_if === 0 || sk.skc_bound_dev_if === dif ? sk : null;
}

/** An echo reply: 0 when a socket got (a clone of) it, else the reason to drop it. The skb stays the caller's. */
export function ping_rcv(skb: sk_buff): number {
  const network = skb.dev!.nd_net;
  const icmph = new icmphdr(skb.mem.view, skb.transport_header);
  const iph = new iphdr(skb.mem.view, skb_network_header(skb));
  const sk = ping_lookup(network, icmph.echo_id, iph.daddr, skb.skb_iif);
  if (sk === null) return SKB_DROP_REASON_NO_SOCKET;
  // The program reads from the ICMP header on.
  skb_push(skb, skb.data - skb.transport_header);
  const clone = skb_clone(skb, GFP_ATOMIC);
  if (clone !== null) ping_queue_rcv_skb(sk, clone);
  return 0;
}

function ping_queue_rcv_skb(sk: sock, skb: sk_buff): void {
  ipv4_pktinfo_prepare(sk, skb);
  if (sock_queue_rcv_skb(sk, skb) < 0) kfree_skb_reason(skb, SKB_DROP_REASON_PROTO_MEM, 'ping_queue_rcv_skb');
}

/** An ICMP error about an echo request; `skb.data` is at the request's IP header. */
export function ping_err(skb: sk_buff, info: number): void {
  const iph = new iphdr(skb.mem.view, skb.data);
  const at = skb.data + ((iph.version_ihl & 15) << 2);
  const request = new icmphdr(skb.mem.view, at);
  if (request.type !== ICMP_ECHO) return;
  const sk = ping_lookup(skb.dev!.nd_net, request.echo_id, iph.saddr, skb.skb_iif);
  if (sk === null) return;
  const err = errorOf(sk, skb, info);
  if (err === 0) return;
  const inet = inet_sk(sk);
  if (inet.recverr) ip_icmp_error(sk, skb, Math.abs(err), 0, info, at);
  else if (err > 0 || sk.skc_state !== TCP_ESTABLISHED) return;
  sk.sk_err = Math.abs(err);
  sk_error_report(sk);
}

/** The errno, negative if hard; 0: nothing to tell. */
function errorOf(sk: sock, skb: sk_buff, info: number): number {
  const type = skb.mem.u8[skb.transport_header]!;
  const code = skb.mem.u8[skb.transport_header + 1]!;
  switch (type) {
    case ICMP_SOURCE_QUENCH:
      return 0;
    case ICMP_PARAMETERPROB:
      return -EPROTO;
    case ICMP_REDIRECT:
      ipv4_sk_redirect(skb, sk);
      return 0;
    case ICMP_DEST_UNREACH:
      if (code === ICMP_FRAG_NEEDED) {
        ipv4_sk_update_pmtu(skb, sk, info);
        return inet_sk(sk).pmtudisc !== IP_PMTUDISC_DONT ? -EMSGSIZE : 0;
      }
      if (code > NR_ICMP_UNREACH) return EHOSTUNREACH;
      return icmp_err_convert[code]!.fatal ? -icmp_err_convert[code]!.errno : icmp_err_convert[code]!.errno;
    default:
      return EHOSTUNREACH;
  }
}

function* ping_v4_sendmsg(sk: sock, msg: msghdr): Sleeping<number> {
  const len = msg.size;
  const refused = checkRequest(msg);
  if (refused !== 0) return refused;
  const daddr = destination(sk, msg);
  if (daddr < 0) return daddr;
  const inet = inet_sk(sk);
  const ipc = new ipcm_cookie();
  ipcm_init_sk(ipc, inet);
  const bad = ip_cmsg_send(sk, msg, ipc);
  if (bad < 0) return bad;
  ipcmInterface(ipc, inet, daddr);
  const fl4 = new flowi4();
  const tos = (ipc.tos !== -1 ? ipc.tos : inet.tos) & 0xfc;
  flowi4_init_output(fl4, ipc.oif, ipc.mark, tos, ip_sock_rt_scope(sk), sk.sk_protocol, inet_sk_flowi_flags(sk), daddr, ipc.addr, 0, 0);
  fl4.fl4_icmp_type = ICMP_ECHO;
  const rt = ip_route_output_flow(sock_net(sk), fl4, sk);
  if (typeof rt === 'number') return rt;
  if ((rt.rt_flags & RTCF_BROADCAST) !== 0 && !sock_flag(sk, SOCK_BROADCAST)) {
    dst_release(rt);
    return -EACCES;
  }
  ipc.addr = daddr || fl4.daddr;
  const full = yield* waitForSendRoom(sk, (msg.msg_flags & MSG_DONTWAIT) !== 0);
  if (full < 0) {
    dst_release(rt);
    return full;
  }
  yield* lock_sock(sk);
  const err = ip_append_data(sk, fl4, ip_generic_getfrag, msg, len, 0, ipc, rt, msg.msg_flags);
  const sent = err !== 0 ? flush(sk, err) : ping_v4_push_pending_frames(sk, fl4, len);
  release_sock(sk);
  return sent < 0 ? sent : len;
}

function flush(sk: sock, err: number): number {
  ip_flush_pending_frames(sk);
  return err;
}

/** ping_common_sendmsg(): only echo requests with code 0. */
function checkRequest(msg: msghdr): number {
  if (msg.size > 0xffff) return -EMSGSIZE;
  if (msg.size < ICMP_HLEN) return -EINVAL;
  if ((msg.msg_flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  return msg.data[msg.offset] === ICMP_ECHO && msg.data[msg.offset + 1] === 0 ? 0 : -EINVAL;
}

function destination(sk: sock, msg: msghdr): number {
  const name = msg.msg_name;
  if (name === null) return sk.skc_state === TCP_ESTABLISHED ? sk.skc_daddr : -EDESTADDRREQ;
  return name.sin_family !== AF_INET && name.sin_family !== AF_UNSPEC ? -EAFNOSUPPORT : name.sin_addr;
}

/** The header gets the socket's identifier and its checksum, over all fragments. */
function ping_v4_push_pending_frames(sk: sock, fl4: flowi4, len: number): number {
  const skb = skb_peek(sk.sk_write_queue);
  if (skb === null) return 0;
  const icmph = new icmphdr(skb.mem.view, skb.transport_header);
  icmph.echo_id = inet_sk(sk).inet_sport;
  icmph.checksum = 0;
  icmph.checksum = checksumOfQueue(sk, len);
  return ip_push_pending_frames(sk, fl4);
}

function checksumOfQueue(sk: sock, len: number): number {
  let csum = 0;
  let done = 0;
  for (let skb = sk.sk_write_queue.next; skb !== null && done < len; skb = skb.next) {
    const offset = skb.transport_header - skb.data;
    const size = skb.len - offset;
    const part = skb_checksum(skb, offset, size, 0);
    csum += done & 1 ? ((part & 0xff) << 8) | (part >>> 8) : part;
    done += size;
  }
  return csum_fold(csum);
}

const ping_recvmsg = (sk: sock, msg: msghdr, flags: number): Sleeping<number> => packetRecvmsg(sk, msg, flags & ~MSG_TRUNC);

// biome-ignore lint/correctness/useYield: a close that never waits
function* ping_close(sk: sock, _timeout: number): Sleeping<void> {
  sk_common_release(sk);
}

export const ping_prot: proto = {
  name: 'PING',
  init: ping_init_sock,
  close: ping_close,
  bind: ping_bind,
  connect: ip4_datagram_connect,
  disconnect: __udp_disconnect,
  setsockopt: ip_setsockopt,
  getsockopt: ip_getsockopt,
  sendmsg: ping_v4_sendmsg,
  recvmsg: ping_recvmsg,
  release_cb: ip4_datagram_release_cb,
  unhash: ping_unhash,
  get_port: ping_get_port,
  max_header: 0,
  no_autobind: false,
};

/** Lets ICMP deliver to ping sockets. */
export function ping_init(network: net): void {
  network.ipv4.entries.ping_rcv = ping_rcv;
  network.ipv4.entries.ping_err = ping_err;
}
