/**
 * net/socket.c: the system calls on sockets. `__x64_sys_sendto` → `__sys_sendto` → `sock_sendmsg` → the protocol; the others alike.
 *
 * In Linux bind, listen, shutdown and the options take the socket's lock deep inside of the protocol; those functions are plain here, so the lock is
 * taken around them.
 *
 * Where C writes into the user's memory, these fill the object they are given (`sockaddr_in`, `msghdr`); options are values (see sock_setsockopt.ts).
 */
import { kernel } from '../current.ts';
import { fd_install, fdget, get_unused_fd_flags, put_unused_fd } from '../fs/file.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { msghdr, type sock, type socket } from '../include/net/sock.ts';
import { EBADF, ECONNABORTED, EINVAL, EMSGSIZE, ENOIOCTLCMD, ENOTTY } from '../uapi/errno.ts';
import type { sockaddr_in } from '../uapi/in.ts';
import { MSG_CMSG_CLOEXEC, MSG_DONTWAIT, O_NONBLOCK, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_TYPE_MASK, SOL_SOCKET } from '../uapi/socket.ts';
import { sk_getsockopt } from './core/sock_getsockopt.ts';
import { lock_sock, release_sock } from './core/sock_lock.ts';
import { sock_setsockopt } from './core/sock_setsockopt.ts';
import {
  __sock_release,
  sock_alloc,
  sock_alloc_file,
  sock_create,
  sock_from_file,
  sock_recvmsg,
  sock_sendmsg,
  sockfd_lookup,
} from './socket.ts';

/** Largest transfer of one call: INT_MAX down to a page. */
const MAX_RW_COUNT = 0x7fff_f000;

/* socket() */

export function* __x64_sys_socket(family: number, type: number, protocol: number): Sleeping<number> {
  return yield* __sys_socket(family, type, protocol);
}

export function* __sys_socket(family: number, type: number, protocol: number): Sleeping<number> {
  const flags = type & ~SOCK_TYPE_MASK;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  const sock = sock_create(family, type & SOCK_TYPE_MASK, protocol);
  if (typeof sock === 'number') return sock;
  return yield* sock_map_fd(sock, flags);
}

function* sock_map_fd(sock: socket, flags: number): Sleeping<number> {
  const fd = get_unused_fd_flags(flags);
  if (fd < 0) {
    yield* __sock_release(sock);
    return fd;
  }
  fd_install(fd, sock_alloc_file(sock, flags & O_NONBLOCK));
  return fd;
}

/* bind(), listen() */

export function* __x64_sys_bind(fd: number, umyaddr: sockaddr_in): Sleeping<number> {
  return yield* __sys_bind(fd, umyaddr);
}

export function* __sys_bind(fd: number, umyaddr: sockaddr_in): Sleeping<number> {
  const sock = sockfd_lookup(fd);
  if (typeof sock === 'number') return sock;
  const sk = yield* lockOf(sock);
  const err = sock.ops.bind(sock, move_addr_to_kernel(umyaddr));
  release_sock(sk);
  return err;
}

/** Takes the lock of a socket and returns it, to be released. */
function* lockOf(sock: socket): Sleeping<sock> {
  const sk = sock.sk!;
  yield* lock_sock(sk);
  return sk;
}

export function* __x64_sys_listen(fd: number, backlog: number): Sleeping<number> {
  return yield* __sys_listen(fd, backlog);
}

export function* __sys_listen(fd: number, backlog: number): Sleeping<number> {
  const sock = sockfd_lookup(fd);
  if (typeof sock === 'number') return sock;
  const somaxconn = kernel().init_net.core.sysctl_somaxconn;
  const sk = yield* lockOf(sock);
  // As an unsigned number, so that a negative backlog means the most there may be.
  const err = sock.ops.listen(sock, Math.min(backlog >>> 0, somaxconn));
  release_sock(sk);
  return err;
}

/* accept() */

export function* __x64_sys_accept(fd: number, upeer_sockaddr: sockaddr_in | null): Sleeping<number> {
  return yield* __sys_accept4(fd, upeer_sockaddr, 0);
}

export function* __sys_accept4(fd: number, upeer_sockaddr: sockaddr_in | null, flags: number): Sleeping<number> {
  const sock = sockfd_lookup(fd);
  if (typeof sock === 'number') return sock;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  const newfd = get_unused_fd_flags(flags);
  if (newfd < 0) return newfd;
  const newsock = yield* do_accept(sock, upeer_sockaddr);
  if (typeof newsock === 'number') {
    put_unused_fd(newfd);
    return newsock;
  }
  fd_install(newfd, sock_alloc_file(newsock, flags & O_NONBLOCK));
  return newfd;
}

function* do_accept(sock: socket, upeer_sockaddr: sockaddr_in | null): Sleeping<socket | number> {
  const newsock = sock_alloc(sock.type);
  newsock.ops = sock.ops;
  const err = yield* sock.ops.accept(sock, newsock, sock.nonblock ? O_NONBLOCK : 0);
  if (err < 0) return err;
  if (upeer_sockaddr === null) return newsock;
  const peer = newsock.ops.getname(newsock, 2);
  if (typeof peer === 'number') {
    yield* __sock_release(newsock);
    return -ECONNABORTED;
  }
  move_addr_to_user(peer, upeer_sockaddr);
  return newsock;
}

/* connect() */

export function* __x64_sys_connect(fd: number, uservaddr: sockaddr_in): Sleeping<number> {
  return yield* __sys_connect(fd, uservaddr);
}

export function* __sys_connect(fd: number, uservaddr: sockaddr_in): Sleeping<number> {
  const sock = sockfd_lookup(fd);
  if (typeof sock === 'number') return sock;
  return yield* __sys_connect_file(sock, move_addr_to_kernel(uservaddr));
}

export function* __sys_connect_file(sock: socket, address: sockaddr_in): Sleeping<number> {
  return yield* sock.ops.connect(sock, address, sock.nonblock ? O_NONBLOCK : 0);
}

/* getsockname(), getpeername() */

export function __sys_getsockname(fd: number, usockaddr: sockaddr_in): number {
  return getName(fd, usockaddr, false);
}

export function __sys_getpeername(fd: number, usockaddr: sockaddr_in): number {
  return getName(fd, usockaddr, true);
}

function getName(fd: number, usockaddr: sockaddr_in, peer: boolean): number {
  const sock = sockfd_lookup(fd);
  if (typeof sock === 'number') return sock;
  const name = sock.ops.getname(sock, peer ? 1 : 0);
  if (typeof name === 'number') return name;
  move_addr_to_user(name, usockaddr);
  return 0;
}

/** The kernel's own copy of an address, and a program's copy of the kernel's. */
function move_addr_to_kernel(uaddr: sockaddr_in): sockaddr_in {
  return { sin_family: uaddr.sin_family, sin_port: uaddr.sin_port, sin_addr: uaddr.sin_addr };
}

function move_addr_to_user(address: sockaddr_in, uaddr: sockaddr_in): void {
  Object.assign(uaddr, address);
}

/* send */

export function* __x64_sys_sendto(
  fd: number,
  buff: Uint8Array,
  offset: number,
  len: number,
  flags: number,
  addr: sockaddr_in | null,
): Sleeping<number> {
  return yield* __sys_sendto(fd, buff, offset, len, flags, addr);
}

/** Sends `len` bytes of `buff` from `offset` on. */
export function* __sys_sendto(
  fd: number,
  buff: Uint8Array,
  offset: number,
  len: number,
  flags: number,
  addr: sockaddr_in | null,
): Sleeping<number> {
  const sock = sockfd_lookup(fd);
  if (typeof sock === 'number') return sock;
  const msg = new msghdr(buff, offset, Math.min(len, MAX_RW_COUNT));
  if (addr !== null) msg.msg_name = move_addr_to_kernel(addr);
  msg.msg_flags = sock.nonblock ? flags | MSG_DONTWAIT : flags;
  return yield* sock_sendmsg(sock, msg);
}

export function* __sys_sendmsg(fd: number, msg: msghdr, flags: number): Sleeping<number> {
  const sock = sockfd_lookup(fd);
  if (typeof sock === 'number') return sock;
  if (msg.size > MAX_RW_COUNT) return -EMSGSIZE;
  msg.msg_flags = sock.nonblock ? flags | MSG_DONTWAIT : flags;
  return yield* sock_sendmsg(sock, msg);
}

/* receive */

export function* __x64_sys_recvfrom(
  fd: number,
  ubuf: Uint8Array,
  offset: number,
  size: number,
  flags: number,
  addr: sockaddr_in | null,
): Sleeping<number> {
  return yield* __sys_recvfrom(fd, ubuf, offset, size, flags, addr);
}

/** Receives up to `size` bytes into `ubuf` from `offset` on; the sender's address goes to `addr`. */
export function* __sys_recvfrom(
  fd: number,
  ubuf: Uint8Array,
  offset: number,
  size: number,
  flags: number,
  addr: sockaddr_in | null,
): Sleeping<number> {
  const sock = sockfd_lookup(fd);
  if (typeof sock === 'number') return sock;
  const msg = new msghdr(ubuf, offset, Math.min(size, MAX_RW_COUNT));
  msg.msg_name = addr;
  return yield* sock_recvmsg(sock, msg, sock.nonblock ? flags | MSG_DONTWAIT : flags);
}

/** The message's address, flags and control messages are filled in. */
export function* __sys_recvmsg(fd: number, msg: msghdr, flags: number): Sleeping<number> {
  const sock = sockfd_lookup(fd);
  if (typeof sock === 'number') return sock;
  msg.msg_control = [];
  msg.msg_flags = flags & MSG_CMSG_CLOEXEC;
  return yield* sock_recvmsg(sock, msg, sock.nonblock ? flags | MSG_DONTWAIT : flags);
}

/* shutdown() and options */

export function* __x64_sys_shutdown(fd: number, how: number): Sleeping<number> {
  return yield* __sys_shutdown(fd, how);
}

export function* __sys_shutdown(fd: number, how: number): Sleeping<number> {
  const sock = sockfd_lookup(fd);
  if (typeof sock === 'number') return sock;
  const sk = yield* lockOf(sock);
  const err = sock.ops.shutdown(sock, how);
  release_sock(sk);
  return err;
}

export function* __x64_sys_setsockopt(fd: number, level: number, optname: number, value: unknown): Sleeping<number> {
  return yield* __sys_setsockopt(fd, level, optname, value);
}

export function* __sys_setsockopt(fd: number, level: number, optname: number, value: unknown): Sleeping<number> {
  const sock = sockfd_lookup(fd);
  if (typeof sock === 'number') return sock;
  return yield* do_sock_setsockopt(sock, level, optname, value);
}

function* do_sock_setsockopt(sock: socket, level: number, optname: number, value: unknown): Sleeping<number> {
  if (level === SOL_SOCKET) return yield* sock_setsockopt(sock, level, optname, value);
  const sk = yield* lockOf(sock);
  const err = sock.ops.setsockopt(sock, level, optname, value);
  release_sock(sk);
  return err;
}

/** The option's value, or a negative errno. */
export function* __sys_getsockopt(fd: number, level: number, optname: number): Sleeping<unknown> {
  const sock = sockfd_lookup(fd);
  if (typeof sock === 'number') return sock;
  if (level === SOL_SOCKET) return sk_getsockopt(sock.sk!, level, optname);
  const sk = yield* lockOf(sock);
  const value = sock.ops.getsockopt(sock, level, optname);
  release_sock(sk);
  return value;
}

/** ioctl() on any file. */
export function* __x64_sys_ioctl(fd: number, cmd: number, arg: unknown): Sleeping<number> {
  const opened = fdget(fd);
  if (opened === null) return -EBADF;
  if (opened.f_op.unlocked_ioctl === undefined) return -ENOTTY;
  const sock = sock_from_file(opened);
  const sk = sock === null ? null : yield* lockOf(sock);
  const ret = opened.f_op.unlocked_ioctl(opened, cmd, arg);
  if (sk !== null) release_sock(sk);
  return ret === -ENOIOCTLCMD ? -ENOTTY : ret;
}

/** fcntl(F_SETFL): of the flags only O_NONBLOCK means something to sockets. */
export function setFileFlags(fd: number, flags: number): void {
  const opened = fdget(fd)!;
  opened.f_flags = (opened.f_flags & ~O_NONBLOCK) | (flags & O_NONBLOCK);
  const sock = sock_from_file(opened);
  if (sock !== null) sock.nonblock = (flags & O_NONBLOCK) !== 0;
}
