/**
 * net/socket.c: sockets as files. `__sock_create` → family's create → `sock_alloc_file`; `sock_sendmsg`, `sock_recvmsg`, `sock_poll`, `sock_close`.
 * The system calls themselves are in socket_syscalls.ts.
 */
import { kernel, trace } from '../current.ts';
import { fdget, file, type file_operations, type poll_table, poll_wait } from '../fs/file.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import type { net } from '../include/net/net_namespace.ts';
import { type msghdr, type net_proto_family, sock_net, socket } from '../include/net/sock.ts';
import { EAFNOSUPPORT, EBADF, EINVAL, ENOIOCTLCMD, ENOTSOCK } from '../uapi/errno.ts';
import { MSG_DONTWAIT, O_NONBLOCK, POLL_BUSY_LOOP } from '../uapi/socket.ts';
import { sk_busy_poll_once, sk_can_busy_loop } from './core/dev_busy_poll.ts';
import { dev_ioctl, type ifreq } from './core/dev_ioctl.ts';

const NPROTO = 46;
const SOCK_MAX = 11;

/** Makes a family known to socket(). */
export function sock_register(network: net, family: net_proto_family): void {
  network.net_families.set(family.family, family);
}

/** A socket without protocol yet. */
export function sock_alloc(type: number): socket {
  return new socket(type);
}

/** socket() without a descriptor; a kernel socket if `kern`. */
export function __sock_create(network: net, family: number, type: number, protocol: number, kern: boolean): socket | number {
  if (family < 0 || family >= NPROTO) return -EAFNOSUPPORT;
  if (type < 0 || type >= SOCK_MAX) return -EINVAL;
  const sock = sock_alloc(type);
  const pf = network.net_families.get(family);
  if (pf === undefined) return -EAFNOSUPPORT;
  const err = pf.create(network, sock, protocol, kern);
  if (err < 0) return err;
  if (sock.sk !== null) sock.sk.sk_ino = ++network.lastInode;
  return sock;
}

export const sock_create = (family: number, type: number, protocol: number): socket | number =>
  __sock_create(kernel().init_net, family, type, protocol, false);
/** A socket of the kernel's own: no program holds it. */
export const sock_create_kern = (network: net, family: number, type: number, protocol: number): socket | number =>
  __sock_create(network, family, type, protocol, true);

/** The end of a socket's file side; its protocol may wait for data to be delivered (SO_LINGER). */
export function* __sock_release(sock: socket): Sleeping<number> {
  const result = sock.sk === null ? 0 : yield* sock.ops.release(sock);
  sock.file = null;
  return result;
}

export const sock_release = __sock_release;

export const socket_file_ops: file_operations = {
  read_iter: sock_read_iter,
  write_iter: sock_write_iter,
  splice_read(opened, count, nonblock, actor) {
    const { sk } = opened.private_data as socket;
    const read = sk!.skc_prot.splice_read;
    return read === undefined ? null : read(sk!, count, nonblock || nonblockFlag(opened) !== 0, actor);
  },
  poll: sock_poll,
  unlocked_ioctl: sock_ioctl,
  release: sock_close,
  isSocket: true,
};

export function sock_alloc_file(sock: socket, flags: number): file {
  const opened = new file(socket_file_ops, sock, flags);
  sock.file = opened;
  sock.nonblock = (flags & O_NONBLOCK) !== 0;
  return opened;
}

export const sock_from_file = (opened: file): socket | null => (opened.f_op === socket_file_ops ? (opened.private_data as socket) : null);

/** The socket of a descriptor; -EBADF: none such, -ENOTSOCK: a file of another kind. */
export function sockfd_lookup(fd: number): socket | number {
  const opened = fdget(fd);
  if (opened === null) return -EBADF;
  return sock_from_file(opened) ?? -ENOTSOCK;
}

export function* sock_sendmsg(sock: socket, msg: msghdr): Sleeping<number> {
  const ret = yield* sock.ops.sendmsg(sock, msg);
  trace().sock_send_length?.(sock.sk!, ret, 0);
  return ret;
}

export function* sock_recvmsg(sock: socket, msg: msghdr, flags: number): Sleeping<number> {
  const sk = sock.sk!;
  const ret = yield* sock.ops.recvmsg(sock, msg, flags);
  trace().sock_recv_length?.(sk, ret, flags);
  return ret;
}

const nonblockFlag = (opened: file): number => ((opened.f_flags & O_NONBLOCK) !== 0 ? MSG_DONTWAIT : 0);

function* sock_write_iter(opened: file, msg: msghdr): Sleeping<number> {
  msg.msg_flags |= nonblockFlag(opened);
  return yield* sock_sendmsg(opened.private_data as socket, msg);
}

function* sock_read_iter(opened: file, msg: msghdr): Sleeping<number> {
  // A read of nothing does not wait for something.
  if (msg.size === 0) return 0;
  return yield* sock_recvmsg(opened.private_data as socket, msg, nonblockFlag(opened));
}

function sock_poll(opened: file, wait: poll_table | null): number {
  const sock = opened.private_data as socket;
  let flag = 0;
  if (sk_can_busy_loop(sock.sk!)) {
    if (wait !== null && (wait._key & POLL_BUSY_LOOP) !== 0) sk_busy_poll_once(sock.sk!);
    flag = POLL_BUSY_LOOP;
  }
  poll_wait(sock.wq, wait);
  return sock.ops.poll(sock) | flag;
}

/** The option's value, where C writes it to the user's memory; negative: an errno. */
function sock_ioctl(opened: file, cmd: number, arg: unknown): number {
  const sock = opened.private_data as socket;
  const ret = sock.ops.ioctl(sock, cmd);
  return ret === -ENOIOCTLCMD ? dev_ioctl(sock_net(sock.sk!), cmd, arg as ifreq | undefined) : ret;
}

function* sock_close(opened: file): Sleeping<number> {
  return yield* __sock_release(opened.private_data as socket);
}
