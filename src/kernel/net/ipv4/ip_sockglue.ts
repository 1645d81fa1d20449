/**
 * net/ipv4/ip_sockglue.c: what sockets see of IP: the IP_* options (`ip_setsockopt`, `ip_getsockopt`), control messages (`ip_cmsg_send`,
 * `ip_cmsg_recv`) and the queue of errors (`ip_icmp_error`, `ip_local_error` → `ip_recv_error`).
 */
import { SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_LOCAL, sock_exterr_skb } from '../../include/linux/errqueue.ts';
import {
  type sk_buff,
  skb_network_header,
  skb_pull,
  skb_put,
  skb_reset_network_header,
  skb_reset_transport_header,
} from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { dst_mtu, skb_dst_drop } from '../../include/net/dst.ts';
import { inet_sk, type inet_sock } from '../../include/net/inet_sock.ts';
import type { ipcm_cookie } from '../../include/net/ip.ts';
import { __sk_dst_get, type msghdr, SOCK_TXTIME, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import { EAGAIN, EINVAL, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP } from '../../uapi/errno.ts';
import * as ip from '../../uapi/in.ts';
import { AF_INET, MSG_ERRQUEUE, MSG_TRUNC, SCM_TXTIME, SOCK_RAW, SOCK_STREAM, SOL_IP, SOL_SOCKET } from '../../uapi/socket.ts';
import { skb_copy_datagram_msg } from '../core/datagram.ts';
import { alloc_skb, consume_skb, kfree_skb } from '../core/skbuff.ts';
import { skb_clone } from '../core/skbuff_clone.ts';
import { sock_dequeue_err_skb, sock_queue_err_skb } from '../core/skbuff_errqueue.ts';
import { __sock_cmsg_send, sock_recv_timestamp } from '../core/sock_cmsg.ts';
import { sk_dst_reset } from '../core/sock_dst.ts';

/** Bits of inet_sock.cmsg_flags: what a receiver wants to be told. */
export const IP_CMSG_PKTINFO = 1 << 0;
export const IP_CMSG_TTL = 1 << 1;
export const IP_CMSG_TOS = 1 << 2;
export const IP_CMSG_RECVOPTS = 1 << 3;
export const IP_CMSG_CHECKSUM = 1 << 6;

const IPTOS_TOS_MASK = 0x1e;
const INET_ECN_MASK = 3;

/* Options */

export function ip_setsockopt(sk: sock, level: number, optname: number, value: unknown): number {
  if (level !== SOL_IP) return -ENOPROTOOPT;
  if (optname === ip.IP_LOCAL_PORT_RANGE) return setPortRange(inet_sk(sk), value);
  return typeof value === 'number' ? do_ip_setsockopt(sk, optname, value) : -EINVAL;
}

function do_ip_setsockopt(sk: sock, optname: number, val: number): number {
  const inet = inet_sk(sk);
  const wanted = cmsgOptions.get(optname);
  if (wanted !== undefined) {
    inet.cmsg_flags = val !== 0 ? inet.cmsg_flags | wanted : inet.cmsg_flags & ~wanted;
    return 0;
  }
  switch (optname) {
    case ip.IP_TOS:
      return ip_sock_set_tos(sk, val);
    case ip.IP_TTL:
      return setTtl(inet, val);
    case ip.IP_MTU_DISCOVER:
      if (val < ip.IP_PMTUDISC_DONT || val > ip.IP_PMTUDISC_OMIT) return -EINVAL;
      inet.pmtudisc = val;
      return 0;
    case ip.IP_RECVERR:
      return ip_sock_set_recverr(inet, val !== 0);
    case ip.IP_HDRINCL:
      if (sk.sk_type !== SOCK_RAW) return -ENOPROTOOPT;
      inet.hdrincl = val !== 0;
      return 0;
    case ip.IP_MULTICAST_TTL:
      if (sk.sk_type === SOCK_STREAM || val < -1 || val > 255) return -EINVAL;
      inet.mc_ttl = val === -1 ? 1 : val;
      return 0;
    case ip.IP_MINTTL:
      if (val < 0 || val > 255) return -EINVAL;
      inet.min_ttl = val;
      return 0;
    default:
      return setFlag(inet, optname, val !== 0);
  }
}

const cmsgOptions = new Map<number, number>([
  [ip.IP_PKTINFO, IP_CMSG_PKTINFO],
  [ip.IP_RECVTTL, IP_CMSG_TTL],
  [ip.IP_RECVTOS, IP_CMSG_TOS],
  [ip.IP_RECVOPTS, IP_CMSG_RECVOPTS],
  [ip.IP_CHECKSUM, IP_CMSG_CHECKSUM],
]);

function setFlag(inet: inet_sock, optname: number, on: boolean): number {
  switch (optname) {
    case ip.IP_FREEBIND:
      inet.freebind = on;
      return 0;
    case ip.IP_TRANSPARENT:
      inet.transparent = on;
      return 0;
    case ip.IP_BIND_ADDRESS_NO_PORT:
      inet.bind_address_no_port = on;
      return 0;
    case ip.IP_NODEFRAG:
      if (inet.sk_type !== SOCK_RAW) return -ENOPROTOOPT;
      inet.nodefrag = on;
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

/** -1: the default of the route again. */
function setTtl(inet: inet_sock, val: number): number {
  if (val !== -1 && (val < 1 || val > 255)) return -EINVAL;
  inet.uc_ttl = val;
  return 0;
}

/** For TCP the two ECN bits are the protocol's. The priority of the qdiscs follows from the rest. */
export function ip_sock_set_tos(sk: sock, val: number): number {
  const inet = inet_sk(sk);
  let tos = val & 0xff;
  if (sk.sk_type === SOCK_STREAM) tos = (tos & ~INET_ECN_MASK) | (inet.tos & INET_ECN_MASK);
  if (inet.tos === tos) return 0;
  inet.tos = tos;
  sk.sk_priority = rt_tos2priority(tos);
  sk_dst_reset(sk);
  return 0;
}

/** Priorities of the 16 values of the old TOS field: best effort, filler, bulk, interactive bulk, interactive. */
const ip_tos2prio = [0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4];
export const rt_tos2priority = (tos: number): number => ip_tos2prio[(tos & IPTOS_TOS_MASK) >> 1]!;

/** Switching it off throws away what was not asked for any more. */
function ip_sock_set_recverr(inet: inet_sock, on: boolean): number {
  inet.recverr = on;
  if (!on) for (let skb = sock_dequeue_err_skb(inet); skb !== null; skb = sock_dequeue_err_skb(inet)) kfree_skb(skb, 'do_ip_setsockopt');
  return 0;
}

function setPortRange(inet: inet_sock, value: unknown): number {
  if (!Array.isArray(value)) return -EINVAL;
  const [low, high] = value as [number, number];
  if (low !== 0 && high !== 0 && low > high) return -EINVAL;
  inet.local_port_range = low === 0 && high === 0 ? null : [low, high];
  return 0;
}

export function ip_getsockopt(sk: sock, level: number, optname: number): unknown {
  if (level !== SOL_IP) return -EOPNOTSUPP;
  const inet = inet_sk(sk);
  const wanted = cmsgOptions.get(optname);
  if (wanted !== undefined) return (inet.cmsg_flags & wanted) !== 0 ? 1 : 0;
  switch (optname) {
    case ip.IP_TOS:
      return inet.tos;
    case ip.IP_TTL:
      return inet.uc_ttl < 0 ? sock_net(sk).ipv4.sysctl_ip_default_ttl : inet.uc_ttl;
    case ip.IP_MTU_DISCOVER:
      return inet.pmtudisc;
    case ip.IP_MTU:
      return mtuOfRoute(sk);
    case ip.IP_RECVERR:
      return inet.recverr ? 1 : 0;
    case ip.IP_HDRINCL:
      return inet.hdrincl ? 1 : 0;
    case ip.IP_MULTICAST_TTL:
      return inet.mc_ttl;
    case ip.IP_MINTTL:
      return inet.min_ttl;
    case ip.IP_FREEBIND:
      return inet.freebind ? 1 : 0;
    case ip.IP_TRANSPARENT:
      return inet.transparent ? 1 : 0;
    case ip.IP_BIND_ADDRESS_NO_PORT:
      return inet.bind_address_no_port ? 1 : 0;
    case ip.IP_NODEFRAG:
      return inet.nodefrag ? 1 : 0;
    case ip.IP_LOCAL_PORT_RANGE:
      return inet.local_port_range ?? [0, 0];
    default:
      return -ENOPROTOOPT;
  }
}

function mtuOfRoute(sk: sock): number {
  const dst = __sk_dst_get(sk);
  return dst === null ? -ENOTCONN : dst_mtu(dst);
}

/* Control messages */

/** ipcm_init_sk(): what a send takes from its socket. */
export function ipcm_init_sk(ipcm: ipcm_cookie, inet: inet_sock): void {
  ipcm.ttl = 0;
  ipcm.transmit_time = 0;
  ipcm.tos = -1;
  ipcm.mark = inet.sk_mark;
  ipcm.priority = inet.sk_priority;
  ipcm.tsflags = inet.sk_tsflags;
  ipcm.oif = inet.skc_bound_dev_if;
  ipcm.addr = inet.inet_saddr;
  ipcm.protocol = inet.skc_num;
}

/** Reads what a send asks for. */
export function ip_cmsg_send(sk: sock, msg: msghdr, ipc: ipcm_cookie): number {
  const tsflags = __sock_cmsg_send(msg, ipc.tsflags);
  if (tsflags < 0) return tsflags;
  ipc.tsflags = tsflags;
  for (const cmsg of msg.msg_control) {
    let err = -EINVAL;
    if (cmsg.cmsg_level === SOL_IP) err = ipControl(cmsg.cmsg_type, cmsg.data, ipc);
    else if (cmsg.cmsg_level === SOL_SOCKET) err = cmsg.cmsg_type === SCM_TXTIME ? takeTxtime(sk, cmsg.data, ipc) : 0;
    if (err < 0) return err;
  }
  return 0;
}

/** When the packet shall leave, ns of the clock that SO_TXTIME named; fq keeps to it. */
function takeTxtime(sk: sock, data: unknown, ipc: ipcm_cookie): number {
  if (!sock_flag(sk, SOCK_TXTIME) || typeof data !== 'number') return -EINVAL;
  ipc.transmit_time = data;
  return 0;
}

function ipControl(type: number, data: unknown, ipc: ipcm_cookie): number {
  switch (type) {
    case ip.IP_PKTINFO: {
      const info = data as ip.in_pktinfo;
      if (info.ipi_ifindex !== 0) ipc.oif = info.ipi_ifindex;
      ipc.addr = info.ipi_spec_dst;
      return 0;
    }
    case ip.IP_TTL:
      if (typeof data !== 'number' || data < 1 || data > 255) return -EINVAL;
      ipc.ttl = data;
      return 0;
    case ip.IP_TOS:
      if (typeof data !== 'number' || data < 0 || data > 255) return -EINVAL;
      ipc.tos = data;
      ipc.priority = rt_tos2priority(data);
      return 0;
    default:
      return -EINVAL;
  }
}

/** Packets are told apart by the interface and address they came to, which is lost with their route: noted before they are queued. */
export function ipv4_pktinfo_prepare(_sk: sock, skb: sk_buff): void {
  skb_dst_drop(skb);
}

/** Reports to a receiver what it asked for. */
export function ip_cmsg_recv(msg: msghdr, sk: sock, skb: sk_buff): void {
  const flags = inet_sk(sk).cmsg_flags;
  const iph = new ip.iphdr(skb.mem.view, skb_network_header(skb));
  if ((flags & IP_CMSG_PKTINFO) !== 0)
    put(msg, ip.IP_PKTINFO, { ipi_ifindex: skb.skb_iif, ipi_spec_dst: iph.daddr, ipi_addr: iph.daddr } satisfies ip.in_pktinfo);
  if ((flags & IP_CMSG_TTL) !== 0) put(msg, ip.IP_TTL, iph.ttl);
  if ((flags & IP_CMSG_TOS) !== 0) put(msg, ip.IP_TOS, iph.tos);
}

function put(msg: msghdr, cmsg_type: number, data: unknown): void {
  msg.msg_control.push({ cmsg_level: SOL_IP, cmsg_type, data });
}

/* Errors */

/** Keeps an ICMP error with the payload of the packet that caused it (from `payload` on, an offset in the skb's memory). */
export function ip_icmp_error(sk: sock, skb: sk_buff, err: number, port: number, info: number, payload: number): void {
  const copy = skb_clone(skb, GFP_ATOMIC);
  if (copy === null) return;
  const error = new sock_exterr_skb();
  error.ee_errno = err;
  error.ee_origin = SO_EE_ORIGIN_ICMP;
  error.ee_type = skb.mem.u8[skb.transport_header]!;
  error.ee_code = skb.mem.u8[skb.transport_header + 1]!;
  error.ee_info = info;
  error.port = port;
  error.offender = new ip.iphdr(skb.mem.view, skb_network_header(skb)).saddr;
  // The inner header begins where the error's skb does now.
  error.addr_offset = skb.data + 16 - skb_network_header(skb);
  copy.exterr = error;
  queueError(sk, copy, payload - copy.data);
}

function queueError(sk: sock, skb: sk_buff, headers: number): void {
  if (headers < skb.len - skb.data_len || headers === skb.len) {
    skb_pull(skb, headers);
    skb_reset_transport_header(skb);
    if (sock_queue_err_skb(sk, skb) === 0) return;
  }
  kfree_skb(skb, 'ip_icmp_error');
}

/** An error of this host's own (EMSGSIZE) about a packet that was not sent to daddr:port. */
export function ip_local_error(sk: sock, err: number, daddr: number, port: number, info: number): void {
  if (!inet_sk(sk).recverr) return;
  const skb = alloc_skb(20, GFP_ATOMIC);
  if (skb === null) return;
  skb_reset_network_header(skb);
  const at = skb_put(skb, 20);
  new ip.iphdr(skb.mem.view, at).daddr = daddr;
  const error = new sock_exterr_skb();
  error.ee_errno = err;
  error.ee_origin = SO_EE_ORIGIN_LOCAL;
  error.ee_info = info;
  error.port = port;
  error.addr_offset = 16;
  skb.exterr = error;
  queueError(sk, skb, 20);
}

/** recvmsg(MSG_ERRQUEUE): the packet, and what happened to it as a control message IP_RECVERR. */
export function ip_recv_error(sk: sock, msg: msghdr): number {
  const skb = sock_dequeue_err_skb(sk);
  if (skb === null) return -EAGAIN;
  const copied = Math.min(skb.len, msg.size);
  if (copied < skb.len) msg.msg_flags |= MSG_TRUNC;
  const err = skb_copy_datagram_msg(skb, 0, msg, copied);
  if (err !== 0) {
    kfree_skb(skb, 'ip_recv_error');
    return err;
  }
  sock_recv_timestamp(msg, sk, skb);
  reportError(sk, skb, skb.exterr!, msg);
  msg.msg_flags |= MSG_ERRQUEUE;
  consume_skb(skb, 'ip_recv_error');
  return copied;
}

function reportError(_sk: sock, skb: sk_buff, error: sock_exterr_skb, msg: msghdr): void {
  if (msg.msg_name !== null && error.addr_offset > 0) {
    msg.msg_name.sin_family = AF_INET;
    msg.msg_name.sin_port = error.port;
    msg.msg_name.sin_addr = skb.mem.view.getUint32(skb_network_header(skb) + error.addr_offset);
  }
  put(msg, ip.IP_RECVERR, error);
}
