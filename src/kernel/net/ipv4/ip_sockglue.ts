/**
 * net/ipv4/ip_sockglue.c: what sockets see of IP: the IP_* options (`ip_setsockopt`, `ip_getsockopt`), control messages (`ip_cmsg_send`,
 * `ip_cmsg_recv`). The queue of errors is in ip_sockglue_error.ts.
 */
import { type sk_buff, skb_network_header } from '../../include/linux/skbuff.ts';
import { bytesOf, intOf } from '../../include/linux/sockptr.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { dst_mtu, skb_dst_drop } from '../../include/net/dst.ts';
import { inet_sk, type inet_sock } from '../../include/net/inet_sock.ts';
import type { ipcm_cookie } from '../../include/net/ip.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { __sk_dst_get, type msghdr, type sock, sock_net } from '../../include/net/sock.ts';
import { EADDRNOTAVAIL, EINVAL, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP } from '../../uapi/errno.ts';
import * as ip from '../../uapi/in.ts';
import { AF_INET, MSG_CTRUNC, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, SOL_IP } from '../../uapi/socket.ts';
import { put_cmsg } from '../core/scm.ts';
import { sock_dequeue_err_skb } from '../core/skbuff_errqueue.ts';
import { kfree_skb } from '../core/skbuff_free.ts';
import { sock_cmsg_send } from '../core/sock_cmsg.ts';
import { sk_dst_reset } from '../core/sock_dst.ts';
import { ip_options_get } from './ip_options.ts';
import { ip_options_echo, MAX_OPTIONS } from './ip_options_output.ts';

/** Bits of inet_sock.cmsg_flags: what a receiver wants to be told. */
export const IP_CMSG_PKTINFO = 1 << 0;
export const IP_CMSG_TTL = 1 << 1;
export const IP_CMSG_TOS = 1 << 2;
export const IP_CMSG_RECVOPTS = 1 << 3;
export const IP_CMSG_RETOPTS = 1 << 4;
export const IP_CMSG_PASSSEC = 1 << 5;
export const IP_CMSG_ORIGDSTADDR = 1 << 6;
export const IP_CMSG_CHECKSUM = 1 << 7;
export const IP_CMSG_RECVFRAGSIZE = 1 << 8;

const IPTOS_TOS_MASK = 0x1e;
const INET_ECN_MASK = 3;

/* Options */

export function ip_setsockopt(sk: sock, level: number, optname: number, value: unknown): number {
  if (level !== SOL_IP) return -ENOPROTOOPT;
  if (optname === ip.IP_LOCAL_PORT_RANGE) return setPortRange(inet_sk(sk), value);
  const val = intOrByteOf(value);
  if (val === null || (value instanceof Uint8Array && value.length === 0 && notEmpty.has(optname))) return -EINVAL;
  return do_ip_setsockopt(sk, optname, val, value);
}

/** Options that want a value; to the others nothing means 0. */
const notEmpty: ReadonlySet<number> = new Set([
  ip.IP_FREEBIND,
  ip.IP_TRANSPARENT,
  ip.IP_MINTTL,
  ip.IP_MULTICAST_TTL,
  ip.IP_MULTICAST_LOOP,
  ip.IP_MULTICAST_ALL,
]);

/** IP's options may be given as a single octet. */
function intOrByteOf(value: unknown): number | null {
  if (value instanceof Uint8Array && value.length < 4) return value[0] ?? 0;
  return intOf(value);
}

function do_ip_setsockopt(sk: sock, optname: number, val: number, value: unknown): number {
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
    case ip.IP_RECVFRAGSIZE:
      if (sk.sk_type !== SOCK_RAW && sk.sk_type !== SOCK_DGRAM) return -EINVAL;
      inet.cmsg_flags = val !== 0 ? inet.cmsg_flags | IP_CMSG_RECVFRAGSIZE : inet.cmsg_flags & ~IP_CMSG_RECVFRAGSIZE;
      return 0;
    case ip.IP_RECVERR_RFC4884:
      if (val < 0 || val > 1) return -EINVAL;
      inet.recverr_rfc4884 = val !== 0;
      return 0;
    case ip.IP_MULTICAST_ALL:
      if (val < 0 || val > 1) return -EINVAL;
      inet.mc_all = val !== 0;
      return 0;
    case ip.IP_OPTIONS:
      return setOptions(sk, value);
    case ip.IP_UNICAST_IF:
      return setUnicastIf(sk, value);
    case ip.IP_MULTICAST_IF:
      return setMulticastIf(sk, value);
    case ip.IP_MINTTL:
      if (val < 0 || val > 255) return -EINVAL;
      inet.min_ttl = val;
      return 0;
    default:
      return setFlag(inet, optname, val !== 0);
  }
}

/** The headers' options; a connection's segments become so much smaller. */
function setOptions(sk: sock, value: unknown): number {
  const bytes = bytesOf(value);
  const opt = bytes === null ? null : ip_options_get(sock_net(sk), bytes);
  if (opt === null) return -EINVAL;
  const inet = inet_sk(sk);
  inet.inet_opt = opt.length === 0 ? null : opt;
  if (inet.is_icsk) {
    const tp = tcp_sk(sk);
    tp.icsk_ext_hdr_len = opt.length;
    tp.icsk_sync_mss(sk, tp.icsk_pmtu_cookie);
  }
  return 0;
}

/** An interface's number in network order, 0 for none. */
function setUnicastIf(sk: sock, value: unknown): number {
  const bytes = bytesOf(value);
  if (bytes === null || bytes.length !== 4) return -EINVAL;
  const ifindex = new DataView(bytes.buffer, bytes.byteOffset).getInt32(0);
  if (ifindex !== 0 && !sock_net(sk).dev_base.some((dev) => dev.ifindex === ifindex)) return -EADDRNOTAVAIL;
  inet_sk(sk).uc_index = ifindex;
  return 0;
}

/** struct in_addr, or ip_mreq (group, interface's address), or ip_mreqn (… and number): from which interface multicasts go. */
function setMulticastIf(sk: sock, value: unknown): number {
  if (sk.sk_type === SOCK_STREAM) return -EINVAL;
  const bytes = bytesOf(value);
  if (bytes === null || bytes.length < 4) return -EINVAL;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const address = view.getUint32(bytes.length >= 8 ? 4 : 0);
  const ifindex = bytes.length >= 12 ? view.getInt32(8, true) : 0;
  const inet = inet_sk(sk);
  const { dev_base } = sock_net(sk);
  const dev = dev_base.find((one) =>
    ifindex !== 0 ? one.ifindex === ifindex : one.ip_ptr?.ifa_list.some(({ ifa_local }) => ifa_local === address),
  );
  if (dev === undefined && (ifindex !== 0 || address !== 0)) return -EADDRNOTAVAIL;
  inet.mc_index = dev?.ifindex ?? 0;
  inet.mc_addr = address;
  return 0;
}

const cmsgOptions = new Map<number, number>([
  [ip.IP_PKTINFO, IP_CMSG_PKTINFO],
  [ip.IP_RECVTTL, IP_CMSG_TTL],
  [ip.IP_RECVTOS, IP_CMSG_TOS],
  [ip.IP_RECVOPTS, IP_CMSG_RECVOPTS],
  [ip.IP_RETOPTS, IP_CMSG_RETOPTS],
  [ip.IP_PASSSEC, IP_CMSG_PASSSEC],
  [ip.IP_RECVORIGDSTADDR, IP_CMSG_ORIGDSTADDR],
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
    case ip.IP_MULTICAST_LOOP:
      inet.mc_loop = on;
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

/** [lowest, highest], or both in a u32: the highest in its upper half. 0 stands for the host's own limit. */
function setPortRange(inet: inet_sock, value: unknown): number {
  const both = Array.isArray(value) ? ((value[1] as number) << 16) | (value[0] as number) : intOf(value);
  if (both === null) return -EINVAL;
  const low = both & 0xffff;
  const high = both >>> 16;
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
    case ip.IP_OPTIONS:
      return inet.inet_opt ?? new Uint8Array(0);
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
    case ip.IP_RECVFRAGSIZE:
      return (inet.cmsg_flags & IP_CMSG_RECVFRAGSIZE) !== 0 ? 1 : 0;
    case ip.IP_RECVERR_RFC4884:
      return inet.recverr_rfc4884 ? 1 : 0;
    case ip.IP_MULTICAST_LOOP:
      return inet.mc_loop ? 1 : 0;
    case ip.IP_MULTICAST_ALL:
      return inet.mc_all ? 1 : 0;
    // In network order, as they were set.
    case ip.IP_UNICAST_IF:
      return swab32(inet.uc_index);
    case ip.IP_MULTICAST_IF:
      return swab32(inet.mc_addr);
    // For all but raw sockets that is the port.
    case ip.IP_PROTOCOL:
      return inet.skc_num;
    default:
      return -ENOPROTOOPT;
  }
}

const swab32 = (value: number): number => (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);

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
  ipcm.opt = inet.inet_opt;
}

/** IP_MULTICAST_IF and IP_UNICAST_IF: the interface for a destination, unless the socket or the send has one, and the source for multicast, unless they have one. */
export function ipcmInterface(ipc: ipcm_cookie, inet: inet_sock, daddr: number): void {
  const multicast = ip.ipv4_is_multicast(daddr);
  if (ipc.oif === 0) ipc.oif = multicast ? inet.mc_index : inet.uc_index;
  if (ipc.addr === 0 && multicast) ipc.addr = inet.mc_addr;
}

/** Reads what a send asks for. */
export function ip_cmsg_send(sk: sock, msg: msghdr, ipc: ipcm_cookie): number {
  for (const { cmsg_level, cmsg_type, data } of msg.msg_control) {
    if (cmsg_level !== SOL_IP) continue;
    const err = ipControl(sock_net(sk), cmsg_type, data, ipc);
    if (err < 0) return err;
  }
  return sock_cmsg_send(sk, msg, ipc);
}

function ipControl(network: net, type: number, data: unknown, ipc: ipcm_cookie): number {
  switch (type) {
    case ip.IP_PKTINFO: {
      const info = data as ip.in_pktinfo;
      if (typeof info !== 'object' || info instanceof Uint8Array) return -EINVAL;
      if (info.ipi_ifindex !== 0) ipc.oif = info.ipi_ifindex;
      ipc.addr = info.ipi_spec_dst;
      return 0;
    }
    case ip.IP_RETOPTS: {
      const bytes = bytesOf(data);
      const opt = bytes === null ? null : ip_options_get(network, bytes.subarray(0, MAX_OPTIONS));
      if (opt === null) return -EINVAL;
      ipc.opt = opt;
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
  if ((flags & IP_CMSG_PKTINFO) !== 0) put_cmsg(msg, SOL_IP, ip.IP_PKTINFO, pktinfoOf(skb, iph.daddr));
  if ((flags & IP_CMSG_TTL) !== 0) put_cmsg(msg, SOL_IP, ip.IP_TTL, iph.ttl);
  if ((flags & IP_CMSG_TOS) !== 0) put_cmsg(msg, SOL_IP, ip.IP_TOS, iph.tos);
  if ((flags & IP_CMSG_RECVOPTS) !== 0 && skb.ip_opt_len !== 0) put_cmsg(msg, SOL_IP, ip.IP_RECVOPTS, receivedOptions(skb));
  if ((flags & IP_CMSG_RETOPTS) !== 0 && skb.ip_opt_len !== 0) ip_cmsg_recv_retopts(msg, sock_net(sk), skb);
  if ((flags & IP_CMSG_ORIGDSTADDR) !== 0) ip_cmsg_recv_dstaddr(msg, skb, iph.daddr);
  if ((flags & IP_CMSG_RECVFRAGSIZE) !== 0 && skb.ip_frag_max_size !== 0) put_cmsg(msg, SOL_IP, ip.IP_RECVFRAGSIZE, skb.ip_frag_max_size);
}

/** Errors are queued without looking up which of the host's addresses they are for. */
const pktinfoOf = (skb: sk_buff, daddr: number): ip.in_pktinfo => ({
  ipi_ifindex: skb.skb_iif,
  ipi_spec_dst: skb.exterr === null ? daddr : 0,
  ipi_addr: daddr,
});

function receivedOptions(skb: sk_buff): Uint8Array {
  const at = skb_network_header(skb) + ip.iphdr.size;
  return skb.mem.u8.slice(at, at + skb.ip_opt_len);
}

function ip_cmsg_recv_retopts(msg: msghdr, network: net, skb: sk_buff): void {
  const options = ip_options_echo(network, skb);
  if (options === null) msg.msg_flags |= MSG_CTRUNC;
  else put_cmsg(msg, SOL_IP, ip.IP_RETOPTS, options);
}

/** Where it was sent to, before anything translated it; the port is that of UDP's header, whatever the protocol. */
function ip_cmsg_recv_dstaddr(msg: msghdr, skb: sk_buff, daddr: number): void {
  if (skb.transport_header + 4 > skb.tail) return;
  const sin_port = skb.mem.view.getUint16(skb.transport_header + 2);
  put_cmsg(msg, SOL_IP, ip.IP_RECVORIGDSTADDR, { sin_family: AF_INET, sin_port, sin_addr: daddr } satisfies ip.sockaddr_in);
}
