/**
 * System calls as programs make them. A program is a generator function; every call is `yield* sys.…()` and returns what the call returns in C: a
 * number, negative for an errno, or a value.
 *
 *     function* client(sys: Sys) {
 *       const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
 *       yield* sys.connect(fd, sockaddr('10.0.0.2', 5001));
 *       return 0;
 *     }
 *
 * Entering the kernel is a point where the CPU takes interrupts that have arrived by its clock. A program's own work takes time only as far as it
 * says so with `sys.compute(ns)`.
 */

import { kernel, trace } from '../kernel/current.ts';
import { do_epoll_create, do_epoll_ctl, do_epoll_wait, type epoll_event } from '../kernel/fs/eventpoll.ts';
import { close_fd, dupFd, fdget } from '../kernel/fs/file.ts';
import { openDeviceFile } from '../kernel/fs/open.ts';
import { do_pipe2 } from '../kernel/fs/pipe.ts';
import { do_sys_poll, type pollfd } from '../kernel/fs/select.ts';
import { do_sendfile, do_splice, openMemoryFile } from '../kernel/fs/splice.ts';
import type { Sleeping } from '../kernel/include/linux/sched.ts';
import { msghdr } from '../kernel/include/net/sock.ts';
import { CALL_BEGINS, callTimesHold } from '../kernel/kernel/call_times.ts';
import {
  __sys_accept4,
  __sys_getpeername,
  __sys_getsockname,
  __sys_getsockopt,
  __sys_recvmsg,
  __sys_sendmsg,
  __x64_sys_accept,
  __x64_sys_bind,
  __x64_sys_connect,
  __x64_sys_ioctl,
  __x64_sys_listen,
  __x64_sys_recvfrom,
  __x64_sys_sendto,
  __x64_sys_setsockopt,
  __x64_sys_shutdown,
  __x64_sys_socket,
  setFileFlags,
} from '../kernel/net/socket_syscalls.ts';
import { EBADF, EINVAL } from '../kernel/uapi/errno.ts';
import type { sockaddr_in } from '../kernel/uapi/in.ts';
import { O_NONBLOCK, SIOCINQ } from '../kernel/uapi/socket.ts';
import { syscall_numbers } from '../kernel/uapi/unistd.ts';
import { pointer, TaskCalls } from './task_calls.ts';

export const F_GETFL = 3;
export const F_SETFL = 4;
export const FIONREAD = SIOCINQ;

const SOCKADDR_BYTES = 16;

/** The kernel as one task sees it. */
export class Sys extends TaskCalls {
  /* Sockets */

  socket(family: number, type: number, protocol = 0): Sleeping<number> {
    return this.call('socket', this.#socket(family, type, protocol));
  }
  *#socket(family: number, type: number, protocol: number): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.socket!, [family, type, protocol]);
    return this.leave('socket', yield* __x64_sys_socket(family, type, protocol));
  }

  bind(fd: number, address: sockaddr_in): Sleeping<number> {
    return this.call('bind', this.#bind(fd, address));
  }
  *#bind(fd: number, address: sockaddr_in): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.bind!, [fd, pointer(address), 16]);
    return this.leave('bind', yield* __x64_sys_bind(fd, address));
  }

  listen(fd: number, backlog: number): Sleeping<number> {
    return this.call('listen', this.#listen(fd, backlog));
  }
  *#listen(fd: number, backlog: number): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.listen!, [fd, backlog]);
    return this.leave('listen', yield* __x64_sys_listen(fd, backlog));
  }

  /** The peer's address goes to `peer`. With flags it is accept4(). */
  accept(fd: number, peer: sockaddr_in | null = null, flags = 0): Sleeping<number> {
    return this.call('accept', flags === 0 ? this.#accept(fd, peer) : this.#accept4(fd, peer, flags));
  }
  *#accept(fd: number, peer: sockaddr_in | null): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.accept!, [fd, pointer(peer), pointer(peer)]);
    return this.leave('accept', yield* __x64_sys_accept(fd, peer));
  }
  *#accept4(fd: number, peer: sockaddr_in | null, flags: number): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.accept4!, [fd, pointer(peer), pointer(peer), flags]);
    return this.leave('accept4', yield* __sys_accept4(fd, peer, flags));
  }

  connect(fd: number, address: sockaddr_in): Sleeping<number> {
    return this.call('connect', this.#connect(fd, address));
  }
  *#connect(fd: number, address: sockaddr_in): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.connect!, [fd, pointer(address), 16]);
    return this.leave('connect', yield* __x64_sys_connect(fd, address));
  }

  shutdown(fd: number, how: number): Sleeping<number> {
    return this.call('shutdown', this.#shutdown(fd, how));
  }
  *#shutdown(fd: number, how: number): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.shutdown!, [fd, how]);
    return this.leave('shutdown', yield* __x64_sys_shutdown(fd, how));
  }

  getsockname(fd: number, address: sockaddr_in): Sleeping<number> {
    return this.call('getsockname', this.#name('getsockname', fd, address));
  }

  getpeername(fd: number, address: sockaddr_in): Sleeping<number> {
    return this.call('getpeername', this.#name('getpeername', fd, address));
  }
  *#name(call: 'getsockname' | 'getpeername', fd: number, address: sockaddr_in): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers[call]!, [fd, pointer(address), pointer(address)]);
    return this.leave(call, call === 'getsockname' ? __sys_getsockname(fd, address) : __sys_getpeername(fd, address));
  }

  setsockopt(fd: number, level: number, option: number, value: unknown): Sleeping<number> {
    return this.call('setsockopt', this.#setsockopt(fd, level, option, value));
  }
  *#setsockopt(fd: number, level: number, option: number, value: unknown): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.setsockopt!, [fd, level, option, pointer(value), 4]);
    return this.leave('setsockopt', yield* __x64_sys_setsockopt(fd, level, option, value));
  }

  /** The option's value; a negative number is an errno. */
  getsockopt(fd: number, level: number, option: number): Sleeping<unknown> {
    return this.call('getsockopt', this.#getsockopt(fd, level, option));
  }
  *#getsockopt(fd: number, level: number, option: number): Sleeping<unknown> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.getsockopt!, [fd, level, option, pointer(fd), pointer(fd)]);
    return this.leave('getsockopt', yield* __sys_getsockopt(fd, level, option));
  }

  /* Data */

  /** Sends `size` bytes of `data` from `offset` on: all of it unless said otherwise. */
  send(fd: number, data: Uint8Array, flags = 0, offset = 0, size = data.length - offset): Sleeping<number> {
    return this.call('send', this.#sendto(fd, data, flags, null, offset, size));
  }

  sendto(fd: number, data: Uint8Array, flags: number, to: sockaddr_in | null, offset = 0, size = data.length - offset): Sleeping<number> {
    return this.call('sendto', this.#sendto(fd, data, flags, to, offset, size));
  }
  *#sendto(fd: number, data: Uint8Array, flags: number, to: sockaddr_in | null, offset: number, size: number): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.sendto!, [fd, pointer(data), size, flags, pointer(to), to === null ? 0 : SOCKADDR_BYTES]);
    return this.leave('sendto', yield* __x64_sys_sendto(fd, data, offset, size, flags, to));
  }

  /** Receives up to `size` bytes into `buffer` from `offset` on: to its end unless said otherwise. */
  recv(fd: number, buffer: Uint8Array, flags = 0, offset = 0, size = buffer.length - offset): Sleeping<number> {
    return this.call('recv', this.#recvfrom(fd, buffer, flags, null, offset, size));
  }

  /** The sender's address goes to `from`. */
  recvfrom(
    fd: number,
    buffer: Uint8Array,
    flags: number,
    from: sockaddr_in | null,
    offset = 0,
    size = buffer.length - offset,
  ): Sleeping<number> {
    return this.call('recvfrom', this.#recvfrom(fd, buffer, flags, from, offset, size));
  }
  *#recvfrom(fd: number, buffer: Uint8Array, flags: number, from: sockaddr_in | null, offset: number, size: number): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.recvfrom!, [fd, pointer(buffer), size, flags, pointer(from), pointer(from)]);
    if (kernel().callTimes !== null) yield* callTimesHold(CALL_BEGINS);
    return this.leave('recvfrom', yield* __x64_sys_recvfrom(fd, buffer, offset, size, flags, from));
  }

  sendmsg(fd: number, message: msghdr, flags = 0): Sleeping<number> {
    return this.call('sendmsg', this.#sendmsg(fd, message, flags));
  }
  *#sendmsg(fd: number, message: msghdr, flags: number): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.sendmsg!, [fd, pointer(message), flags]);
    return this.leave('sendmsg', yield* __sys_sendmsg(fd, message, flags));
  }

  recvmsg(fd: number, message: msghdr, flags = 0): Sleeping<number> {
    return this.call('recvmsg', this.#recvmsg(fd, message, flags));
  }
  *#recvmsg(fd: number, message: msghdr, flags: number): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.recvmsg!, [fd, pointer(message), flags]);
    return this.leave('recvmsg', yield* __sys_recvmsg(fd, message, flags));
  }

  read(fd: number, buffer: Uint8Array): Sleeping<number> {
    return this.call('read', this.#read(fd, buffer));
  }
  *#read(fd: number, buffer: Uint8Array): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.read!, [fd, pointer(buffer), buffer.length]);
    const opened = fdget(fd);
    if (opened === null) return this.leave('read', -EBADF);
    const ret = opened.f_op.read_iter === undefined ? -EINVAL : yield* opened.f_op.read_iter(opened, new msghdr(buffer));
    return this.leave('read', ret);
  }

  write(fd: number, data: Uint8Array): Sleeping<number> {
    return this.call('write', this.#write(fd, data));
  }
  *#write(fd: number, data: Uint8Array): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.write!, [fd, pointer(data), data.length]);
    const opened = fdget(fd);
    if (opened === null) return this.leave('write', -EBADF);
    const ret = opened.f_op.write_iter === undefined ? -EINVAL : yield* opened.f_op.write_iter(opened, new msghdr(data));
    return this.leave('write', ret);
  }

  splice(from: number, to: number, length: number, flags = 0): Sleeping<number> {
    return this.call('splice', this.#splice(from, to, length, flags));
  }
  *#splice(from: number, to: number, length: number, flags: number): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.splice!, [from, 0, to, 0, length, flags]);
    return this.leave('splice', yield* do_splice(from, to, length, flags));
  }

  sendfile(to: number, from: number, count: number): Sleeping<number> {
    return this.call('sendfile', this.#sendfile(to, from, count));
  }
  *#sendfile(to: number, from: number, count: number): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.sendfile64!, [to, from, 0, count]);
    return this.leave('sendfile64', yield* do_sendfile(to, from, count));
  }

  /* Descriptors */

  close(fd: number): Sleeping<number> {
    return this.call('close', this.#close(fd));
  }
  *#close(fd: number): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.close!, [fd]);
    return this.leave('close', yield* close_fd(fd));
  }

  dup(fd: number): Sleeping<number> {
    return this.plain('dup', [fd], () => dupFd(fd));
  }

  /** A file with this content, to be read or sent. */
  open(content: Uint8Array): Sleeping<number> {
    return this.plain('openat', [], () => openMemoryFile(content));
  }

  /** Opens a device's file: /dev/ptpN. */
  openDevice(path: string): Sleeping<number> {
    return this.plain('openat', [], () => openDeviceFile(path));
  }

  /** [reading end, writing end], or a negative errno. */
  pipe(flags = 0): Sleeping<[number, number] | number> {
    return this.plain('pipe2', [pointer(flags), flags], () => do_pipe2(flags));
  }

  fcntl(fd: number, command: number, argument = 0): Sleeping<number> {
    return this.plain('fcntl', [fd, command, argument], () => this.#fcntl(fd, command, argument));
  }
  #fcntl(fd: number, command: number, argument: number): number {
    const opened = fdget(fd);
    if (opened === null) return -EBADF;
    if (command === F_GETFL) return opened.f_flags & O_NONBLOCK;
    if (command !== F_SETFL) return -EINVAL;
    setFileFlags(fd, argument);
    return 0;
  }

  /** The value that the command asks for, or 0 when it fills in a structure (`argument`). */
  ioctl(fd: number, command: number, argument?: unknown): Sleeping<number> {
    return this.call('ioctl', this.#ioctl(fd, command, argument));
  }
  *#ioctl(fd: number, command: number, argument: unknown): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.ioctl!, [fd, command, pointer(command)]);
    return this.leave('ioctl', yield* __x64_sys_ioctl(fd, command, argument));
  }

  /** How many descriptors have events; `revents` of each is filled. `timeoutMs` negative: for ever. */
  poll(fds: readonly pollfd[], timeoutMs: number): Sleeping<number> {
    return this.call('poll', this.#poll(fds, timeoutMs));
  }
  *#poll(fds: readonly pollfd[], timeoutMs: number): Sleeping<number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.poll!, [pointer(fds), fds.length, timeoutMs >>> 0]);
    return this.leave('poll', yield* do_sys_poll(fds, timeoutMs));
  }

  epollCreate(flags = 0): Sleeping<number> {
    return this.plain('epoll_create1', [flags], () => do_epoll_create(flags));
  }

  epollCtl(epfd: number, operation: number, fd: number, event: epoll_event | null): Sleeping<number> {
    const args = [epfd, operation, fd, pointer(event)];
    return this.plain('epoll_ctl', args, () => do_epoll_ctl(epfd, operation, fd, event));
  }

  /** Events that happened, or a negative errno. `timeoutMs` negative: for ever. */
  epollWait(epfd: number, maxevents: number, timeoutMs: number): Sleeping<epoll_event[] | number> {
    return this.call('epoll_wait', this.#epollWait(epfd, maxevents, timeoutMs));
  }
  *#epollWait(epfd: number, maxevents: number, timeoutMs: number): Sleeping<epoll_event[] | number> {
    if (this.enter()) yield;
    trace().sys_enter?.(syscall_numbers.epoll_wait!, [epfd, pointer(epfd), maxevents, timeoutMs >>> 0]);
    return this.leave('epoll_wait', yield* do_epoll_wait(epfd, maxevents, timeoutMs));
  }
}
