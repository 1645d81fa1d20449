/** The names that system calls in scripts use, with their numbers on x86-64. */
import * as epoll from '../kernel/fs/eventpoll.ts';
import * as errqueue from '../kernel/include/linux/errqueue.ts';
import { errno } from '../kernel/uapi/errno.ts';
import * as inet from '../kernel/uapi/in.ts';
import * as tstamp from '../kernel/uapi/net_tstamp.ts';
import * as socket from '../kernel/uapi/socket.ts';
import * as tcp from '../kernel/uapi/tcp.ts';

/** What the kernel's headers here have no use for, but scripts may name. */
const OTHERS: Readonly<Record<string, number>> = {
  NULL: 0,
  AF_INET6: 10,
  PF_INET: 2,
  SOL_IPV6: 41,
  SOL_UDPLITE: 136,
  IPPROTO_IPV6: 41,
  IPV6_RECVERR: 25,
  IPV6_TCLASS: 67,
  SOCK_RDM: 4,
  SCM_TIMESTAMPING: socket.SO_TIMESTAMPING,
  SCM_TIMESTAMPING_OPT_STATS: 54,
  SO_EE_CODE_ZEROCOPY_COPIED: 1,
  MSG_CMSG_CLOEXEC: 0x40000000,
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  F_DUPFD: 0,
  F_GETFD: 1,
  F_SETFD: 2,
  F_GETFL: 3,
  F_SETFL: 4,
  FD_CLOEXEC: 1,
  FIONREAD: socket.SIOCINQ,
  FIONBIO: 0x5421,
  SPLICE_F_MOVE: 1,
  SPLICE_F_NONBLOCK: 2,
  SPLICE_F_MORE: 4,
  TCP_ULP: 31,
};

const isNumber = (entry: [string, unknown]): entry is [string, number] => typeof entry[1] === 'number';
const numbers = (module: object): [string, number][] => Object.entries(module).filter(isNumber);

const SYMBOLS: ReadonlyMap<string, number> = new Map([
  ...numbers(tcp),
  ...numbers(inet),
  ...numbers(socket),
  ...numbers(tstamp),
  ...numbers(errqueue),
  ...numbers(epoll),
  ...numbers(errno),
  ...numbers(OTHERS),
]);

export const symbolValue = (name: string): number | undefined => SYMBOLS.get(name);
export const errnoValue = (name: string): number | undefined => (errno as Readonly<Record<string, number>>)[name];

/** What strerror() says. */
const MESSAGES: Readonly<Record<string, string>> = {
  EPERM: 'Operation not permitted',
  ENOENT: 'No such file or directory',
  EINTR: 'Interrupted system call',
  EIO: 'Input/output error',
  EBADF: 'Bad file descriptor',
  EAGAIN: 'Resource temporarily unavailable',
  ENOMEM: 'Cannot allocate memory',
  EACCES: 'Permission denied',
  EFAULT: 'Bad address',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  ENODEV: 'No such device',
  EINVAL: 'Invalid argument',
  EMFILE: 'Too many open files',
  ENOTTY: 'Inappropriate ioctl for device',
  ESPIPE: 'Illegal seek',
  EPIPE: 'Broken pipe',
  ENOMSG: 'No message of desired type',
  ENOTSOCK: 'Socket operation on non-socket',
  EDESTADDRREQ: 'Destination address required',
  EMSGSIZE: 'Message too long',
  ENOPROTOOPT: 'Protocol not available',
  EPROTONOSUPPORT: 'Protocol not supported',
  EOPNOTSUPP: 'Operation not supported',
  EAFNOSUPPORT: 'Address family not supported by protocol',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ENETUNREACH: 'Network is unreachable',
  ECONNABORTED: 'Software caused connection abort',
  ECONNRESET: 'Connection reset by peer',
  ENOBUFS: 'No buffer space available',
  EISCONN: 'Transport endpoint is already connected',
  ENOTCONN: 'Transport endpoint is not connected',
  ETIMEDOUT: 'Connection timed out',
  ECONNREFUSED: 'Connection refused',
  EHOSTUNREACH: 'No route to host',
  EALREADY: 'Operation already in progress',
  EINPROGRESS: 'Operation now in progress',
};

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(errno).map(([name, number]) => [number, name]));

/** `11 (Resource temporarily unavailable)`: number and text, as packetdrill prints them; 0 is success. */
export function errnoText(number: number): string {
  if (number === 0) return '0 (Success)';
  const name = NAMES.get(number) ?? '';
  return `${number} (${MESSAGES[name] ?? (name === '' ? `Unknown error ${number}` : name)})`;
}
