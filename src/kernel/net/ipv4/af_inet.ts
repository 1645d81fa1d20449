/**
 * net/ipv4/af_inet.c: the AF_INET family: what socket(), bind(), listen(), accept(), shutdown() … do for Internet sockets of all types.
 * `inet_create` picks the protocol from `inetsw`; `inet_init` (af_inet_init.ts) fills that and registers what IP hands packets to.
 *
 * Cut: af_inet_stream.ts (connect), af_inet_state.ts, af_inet_route.ts, af_inet_destruct.ts (which TCP needs), af_inet_init.ts (which needs TCP).
 * bind, listen, shutdown and the options are called with the socket's lock held: see net/socket_syscalls.ts.
 */
import type { Sleeping } from '../../include/linux/sched.ts';
import { inet_csk, inet_sk } from '../../include/net/inet_sock.ts';
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from '../../include/net/ip_fib.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { sock_rps_record_flow } from '../../include/net/rps.ts';
import {
  INET_PROTOSW_ICSK,
  INET_PROTOSW_REUSE,
  type inet_protosw,
  type msghdr,
  SOCK_BINDADDR_LOCK,
  SOCK_BINDPORT_LOCK,
  SOCK_LINGER,
  SS_CONNECTED,
  SS_CONNECTING,
  SS_DISCONNECTING,
  SS_UNCONNECTED,
  type sock,
  sock_flag,
  sock_graft,
  sock_net,
  type socket,
} from '../../include/net/sock.ts';
import { TFO_SERVER_ENABLE, TFO_SERVER_WO_SOCKOPT1 } from '../../include/net/tcp.ts';
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EINVAL,
  ENOIOCTLCMD,
  ENOTCONN,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
} from '../../uapi/errno.ts';
import { INADDR_ANY, IP_PMTUDISC_DONT, IP_PMTUDISC_WANT, IPPROTO_IP, IPPROTO_RAW, type sockaddr_in } from '../../uapi/in.ts';
import { AF_INET, AF_UNSPEC, MSG_ERRQUEUE, O_NONBLOCK, RCV_SHUTDOWN, SHUTDOWN_MASK, SOCK_RAW, SOCK_STREAM } from '../../uapi/socket.ts';
import { TCP_CLOSE, TCP_LISTEN, TCP_SYN_SENT, TCPF_CLOSE, TCPF_LISTEN, TCPF_SYN_RECV, TCPF_SYN_SENT } from '../../uapi/tcp.ts';
import { sk_dst_reset } from '../core/sock_dst.ts';
import { sk_alloc, sk_common_release, sock_init_data } from '../core/sock_life.ts';
import { lock_sock, release_sock } from '../core/sock_lock.ts';
import { inet_sock_destruct } from './af_inet_destruct.ts';
import { inet_addr_type_table } from './fib_frontend.ts';
import { inet_csk_listen_start } from './inet_connection_sock.ts';
import { tcp_fastopen_init_key_once } from './tcp_fastopen.ts';

export * from './af_inet_destruct.ts';
export * from './af_inet_route.ts';
export * from './af_inet_state.ts';
export * from './af_inet_stream.ts';

const IPPROTO_MAX = 263;

/** Adds a protocol to the switch, in front of what stands there for its type, so that it wins when a program names none. */
export function inet_register_protosw(network: net, protosw: inet_protosw): void {
  network.inetsw.push(protosw);
}

export function inet_create(network: net, sock: socket, protocol: number, _kern: boolean): number {
  if (protocol < 0 || protocol >= IPPROTO_MAX) return -EINVAL;
  sock.state = SS_UNCONNECTED;
  const answer = lookupProtocol(network, sock.type, protocol);
  if (typeof answer === 'number') return answer;
  sock.ops = answer.ops;
  const sk = sk_alloc(network, AF_INET, answer.prot, answer.kind);
  initInetSock(network, sock, sk, answer, protocol === IPPROTO_IP ? answer.protocol : protocol);
  return startProtocol(sk);
}

/** The row that fits type and protocol; IPPROTO_IP stands for any, on either side. */
function lookupProtocol(network: net, type: number, protocol: number): inet_protosw | number {
  let err = -ESOCKTNOSUPPORT;
  for (const answer of network.inetsw) {
    if (answer.type !== type) continue;
    if (protocol === answer.protocol ? protocol !== IPPROTO_IP : protocol === IPPROTO_IP || answer.protocol === IPPROTO_IP) return answer;
    err = -EPROTONOSUPPORT;
  }
  return err;
}

function initInetSock(network: net, sock: socket, sk: sock, answer: inet_protosw, protocol: number): void {
  const inet = inet_sk(sk);
  if ((answer.flags & INET_PROTOSW_REUSE) !== 0) sk.skc_reuse = 1;
  inet.is_icsk = (answer.flags & INET_PROTOSW_ICSK) !== 0;
  if (sock.type === SOCK_RAW) {
    sk.skc_num = protocol;
    inet.hdrincl = protocol === IPPROTO_RAW;
  }
  inet.pmtudisc = network.ipv4.sysctl_ip_no_pmtu_disc !== 0 ? IP_PMTUDISC_DONT : IP_PMTUDISC_WANT;
  sock_init_data(sock, sk);
  sk.sk_destruct = inet_sock_destruct;
  sk.sk_protocol = protocol;
  if (answer.prot.backlog_rcv !== undefined) sk.sk_backlog_rcv = answer.prot.backlog_rcv;
  sk.sk_txrehash = network.core.sysctl_txrehash;
}

function startProtocol(sk: sock): number {
  if (sk.skc_num !== 0) {
    // A raw socket's "port" is its protocol: packets can arrive from now on.
    inet_sk(sk).inet_sport = sk.skc_num;
    const err = sk.skc_prot.hash?.(sk) ?? 0;
    if (err !== 0) return failCreate(sk, err);
  }
  const err = sk.skc_prot.init?.(sk) ?? 0;
  return err !== 0 ? failCreate(sk, err) : 0;
}

function failCreate(sk: sock, err: number): number {
  if (sk.sk_socket !== null) sk.sk_socket.sk = null;
  sk_common_release(sk);
  return err;
}

/** close(): the protocol ends what it must, waiting as long as SO_LINGER says. */
export function* inet_release(sock: socket): Sleeping<number> {
  const sk = sock.sk;
  if (sk === null) return 0;
  const timeout = sock_flag(sk, SOCK_LINGER) ? sk.sk_lingertime : 0;
  yield* sk.skc_prot.close(sk, timeout);
  sock.sk = null;
  return 0;
}

export function inet_bind(sock: socket, uaddr: sockaddr_in): number {
  return inet_bind_sk(sock.sk!, uaddr);
}

export function inet_bind_sk(sk: sock, uaddr: sockaddr_in): number {
  return sk.skc_prot.bind !== undefined ? sk.skc_prot.bind(sk, uaddr) : __inet_bind(sk, uaddr);
}

export function __inet_bind(sk: sock, addr: sockaddr_in): number {
  const inet = inet_sk(sk);
  // AF_UNSPEC is taken for AF_INET if the address is empty, for programs that forget the family.
  if (addr.sin_family !== AF_INET && (addr.sin_family !== AF_UNSPEC || addr.sin_addr !== INADDR_ANY)) return -EAFNOSUPPORT;
  const type = inet_addr_type_table(sock_net(sk), addr.sin_addr, 0);
  if (!inet_addr_valid_or_nonlocal(sk, addr.sin_addr, type)) return -EADDRNOTAVAIL;
  if (sk.skc_state !== TCP_CLOSE || sk.skc_num !== 0) return -EINVAL;
  sk.skc_rcv_saddr = addr.sin_addr;
  inet.inet_saddr = type === RTN_MULTICAST || type === RTN_BROADCAST ? 0 : addr.sin_addr;
  if (!takePort(sk, addr.sin_port)) {
    inet.inet_saddr = sk.skc_rcv_saddr = 0;
    return -EADDRINUSE;
  }
  if (sk.skc_rcv_saddr !== 0) sk.sk_userlocks |= SOCK_BINDADDR_LOCK;
  if (addr.sin_port !== 0) sk.sk_userlocks |= SOCK_BINDPORT_LOCK;
  inet.inet_sport = sk.skc_num;
  sk.skc_daddr = 0;
  sk.skc_dport = 0;
  sk_dst_reset(sk);
  return 0;
}

/** With IP_BIND_ADDRESS_NO_PORT the port is chosen by connect() only, when it need not be unique. */
function takePort(sk: sock, snum: number): boolean {
  if (snum === 0 && inet_sk(sk).bind_address_no_port) return true;
  return sk.skc_prot.get_port!(sk, snum) === 0;
}

export function inet_addr_valid_or_nonlocal(sk: sock, addr: number, type: number): boolean {
  const inet = inet_sk(sk);
  if (sock_net(sk).ipv4.sysctl_ip_nonlocal_bind !== 0 || inet.freebind || inet.transparent) return true;
  return addr === INADDR_ANY || type === RTN_LOCAL || type === RTN_MULTICAST || type === RTN_BROADCAST;
}

export function inet_listen(sock: socket, backlog: number): number {
  if (sock.state !== SS_UNCONNECTED || sock.type !== SOCK_STREAM) return -EINVAL;
  return __inet_listen_sk(sock.sk!, backlog);
}

export function __inet_listen_sk(sk: sock, backlog: number): number {
  if (((1 << sk.skc_state) & (TCPF_CLOSE | TCPF_LISTEN)) === 0) return -EINVAL;
  sk.sk_max_ack_backlog = backlog;
  // A second listen() only changes the backlog.
  if (sk.skc_state === TCP_LISTEN) return 0;
  enableFastopen(sk, backlog);
  return inet_csk_listen_start(sk);
}

/** net.ipv4.tcp_fastopen 0x400: listeners take data in SYNs without having asked for it. */
function enableFastopen(sk: sock, backlog: number): void {
  const network = sock_net(sk);
  const wanted = TFO_SERVER_WO_SOCKOPT1 | TFO_SERVER_ENABLE;
  const queue = inet_csk(sk).icsk_accept_queue;
  if ((network.ipv4.sysctl_tcp_fastopen & wanted) !== wanted || queue === null || queue.fastopenq.max_qlen !== 0) return;
  queue.fastopenq.max_qlen = Math.min(backlog, network.core.sysctl_somaxconn);
  tcp_fastopen_init_key_once(network);
}

/** A socket that sends without being bound gets a free port. */
export function inet_autobind(sk: sock): number {
  if (sk.skc_num !== 0) return 0;
  if (sk.skc_prot.get_port!(sk, 0) !== 0) return -EAGAIN;
  inet_sk(sk).inet_sport = sk.skc_num;
  return 0;
}

/** connect() of datagram sockets: just a destination to remember. */
export function* inet_dgram_connect(sock: socket, uaddr: sockaddr_in, flags: number): Sleeping<number> {
  const sk = sock.sk!;
  yield* lock_sock(sk);
  const err = dgramConnect(sk, uaddr, flags);
  release_sock(sk);
  return err;
}

function dgramConnect(sk: sock, uaddr: sockaddr_in, flags: number): number {
  if (uaddr.sin_family === AF_UNSPEC) return sk.skc_prot.disconnect(sk, flags);
  if (sk.skc_num === 0 && inet_autobind(sk) !== 0) return -EAGAIN;
  return sk.skc_prot.connect(sk, uaddr);
}

export function* inet_accept(sock: socket, newsock: socket, flags: number): Sleeping<number> {
  const sk1 = sock.sk!;
  const sk2 = yield* sk1.skc_prot.accept!(sk1, flags);
  if (typeof sk2 === 'number') return sk2;
  yield* lock_sock(sk2);
  __inet_accept(newsock, sk2);
  release_sock(sk2);
  return 0;
}

export function __inet_accept(newsock: socket, newsk: sock): void {
  sock_rps_record_flow(newsk);
  sock_graft(newsk, newsock);
  newsock.state = SS_CONNECTED;
}

/** `peer`: 0 for the socket's own name, 1 for its peer's, 2 for its peer's even when the connection is gone (accept()). */
export function inet_getname(sock: socket, peer: number): sockaddr_in | number {
  const sk = sock.sk!;
  const inet = inet_sk(sk);
  if (peer === 0) return { sin_family: AF_INET, sin_port: inet.inet_sport, sin_addr: sk.skc_rcv_saddr || inet.inet_saddr };
  const unconnected = ((1 << sk.skc_state) & (TCPF_CLOSE | TCPF_SYN_SENT)) !== 0;
  if (sk.skc_dport === 0 || (unconnected && peer === 1)) return -ENOTCONN;
  return { sin_family: AF_INET, sin_port: sk.skc_dport, sin_addr: sk.skc_daddr };
}

export function inet_send_prepare(sk: sock): number {
  sock_rps_record_flow(sk);
  if (sk.skc_num === 0 && !sk.skc_prot.no_autobind && inet_autobind(sk) !== 0) return -EAGAIN;
  return 0;
}

/** To the capture points at sockets. */
function showTransfer(sk: sock, msg: msghdr, offset: number, size: number, outgoing: boolean, peer: sockaddr_in | null): void {
  const { socket: watchers } = sock_net(sk).kernel.watchers;
  for (let i = 0; i < watchers.length; i++)
    watchers[i]!(sk, msg.data, offset, Math.min(size, msg.data.length - offset), outgoing, peer?.sin_addr ?? 0, peer?.sin_port ?? 0);
}

export function* inet_sendmsg(sock: socket, msg: msghdr): Sleeping<number> {
  const sk = sock.sk!;
  if (inet_send_prepare(sk) !== 0) return -EAGAIN;
  const { offset, msg_name } = msg;
  const sent = yield* sk.skc_prot.sendmsg(sk, msg);
  if (sent > 0) showTransfer(sk, msg, offset, sent, true, msg_name);
  return sent;
}

export function* inet_recvmsg(sock: socket, msg: msghdr, flags: number): Sleeping<number> {
  const sk = sock.sk!;
  if ((flags & MSG_ERRQUEUE) === 0) sock_rps_record_flow(sk);
  const { offset } = msg;
  const received = yield* sk.skc_prot.recvmsg(sk, msg, flags);
  if (received > 0) showTransfer(sk, msg, offset, received, false, msg.msg_name);
  return received;
}

export function inet_shutdown(sock: socket, how: number): number {
  const sk = sock.sk!;
  // SHUT_RD, SHUT_WR, SHUT_RDWR become the bits 1, 2 and both.
  how++;
  if ((how & ~SHUTDOWN_MASK) !== 0 || how === 0) return -EINVAL;
  if (sock.state === SS_CONNECTING)
    sock.state = ((1 << sk.skc_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV | TCPF_CLOSE)) !== 0 ? SS_DISCONNECTING : SS_CONNECTED;
  const err = shutdownByState(sock, sk, how);
  // Everybody who sleeps on the socket looks at it again.
  sk.sk_state_change(sk);
  return err;
}

function shutdownByState(sock: socket, sk: sock, how: number): number {
  if (sk.skc_state === TCP_SYN_SENT || (sk.skc_state === TCP_LISTEN && (how & RCV_SHUTDOWN) !== 0)) {
    const err = sk.skc_prot.disconnect(sk, O_NONBLOCK);
    sock.state = err !== 0 ? SS_DISCONNECTING : SS_UNCONNECTED;
    return err;
  }
  if (sk.skc_state === TCP_LISTEN) return 0;
  const err = sk.skc_state === TCP_CLOSE ? -ENOTCONN : 0;
  sk.sk_shutdown |= how;
  sk.skc_prot.shutdown?.(sk, how);
  return err;
}

/** The protocol's answer; requests about routes and interfaces are not part of the model. */
export function inet_ioctl(sock: socket, cmd: number): number {
  const sk = sock.sk!;
  return sk.skc_prot.ioctl?.(sk, cmd) ?? -ENOIOCTLCMD;
}

/** net/core/sock.c: setsockopt and getsockopt beyond SOL_SOCKET are the protocol's. */
export function sock_common_setsockopt(sock: socket, level: number, optname: number, value: unknown): number {
  return sock.sk!.skc_prot.setsockopt(sock.sk!, level, optname, value);
}

export function sock_common_getsockopt(sock: socket, level: number, optname: number): unknown {
  return sock.sk!.skc_prot.getsockopt(sock.sk!, level, optname);
}
