/** What a step of a program does on the emulated kernel. Each operation is what tools/record_calls.py has under the same name. */
import { EPOLL_CTL_DEL } from '../../src/kernel/fs/eventpoll.ts';
import type { Sleeping } from '../../src/kernel/include/linux/sched.ts';
import { msghdr } from '../../src/kernel/include/net/sock.ts';
import type { sockaddr_in } from '../../src/kernel/uapi/in.ts';
import { MSG_NOSIGNAL, O_NONBLOCK } from '../../src/kernel/uapi/socket.ts';
import { COMMANDS } from '../../src/user/commands/commands.ts';
import { F_SETFL, inet_addr, inet_ntoa, type Sys } from '../../src/user/sys.ts';
import { cmsgHex, cmsgOf, optionHex, optionValue, toHex } from './option_bytes.ts';
import type { OptionValue, PacketRepair, StepResult } from './program.ts';

/** What the recorder gives getsockopt() room for. */
const OPTION_ROOM = 256;
const LARGEST_ERRNO = 4095;

/** The host as operations see it. */
export interface CallHost {
  readonly sys: Sys;
  /** The step's number: data that are sent begin with it. */
  readonly index: number;
  /** A descriptor by the program's name for it. */
  fd(name: unknown): number;
  /** A new descriptor gets a name. */
  made(name: unknown, fd: number): StepResult;
  sysctl(name: string, value: string): number;
  inject(packet: string, how: PacketRepair): number;
}

// biome-ignore lint/suspicious/noExplicitAny: a step's arguments are what its operation says
type Arguments = readonly any[];
type Operation = (host: CallHost, args: Arguments) => Sleeping<StepResult>;

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  *socket({ sys, made }, [name, family, type, protocol]) {
    return made(name, yield* sys.socket(family, type, protocol));
  },
  *bind({ sys, fd }, [name, to]) {
    return { r: yield* sys.bind(fd(name), address(to)) };
  },
  *connect({ sys, fd }, [name, to]) {
    return { r: yield* sys.connect(fd(name), address(to)) };
  },
  *listen({ sys, fd }, [name, backlog]) {
    return { r: yield* sys.listen(fd(name), backlog) };
  },
  *accept({ sys, fd, made }, [name, child, flags]) {
    const peer = emptyAddress();
    const got = yield* sys.accept(fd(name), peer, flags);
    return got < 0 ? { r: got } : { ...made(child, got), a: addressText(peer) };
  },
  *sockname({ sys, fd }, [name]) {
    const own = emptyAddress();
    return withName(yield* sys.getsockname(fd(name), own), own);
  },
  *peername({ sys, fd }, [name]) {
    const peer = emptyAddress();
    return withName(yield* sys.getpeername(fd(name), peer), peer);
  },
  *shutdown({ sys, fd }, [name, how]) {
    return { r: yield* sys.shutdown(fd(name), how) };
  },
  *close({ sys, fd }, [name]) {
    return { r: yield* sys.close(fd(name)) };
  },
  *send({ sys, fd, index }, [name, length, flags, to]) {
    return { r: yield* sys.sendto(fd(name), pattern(index, length), flags | MSG_NOSIGNAL, to ? address(to) : null) };
  },
  *recv({ sys, fd }, [name, length, flags]) {
    const buffer = new Uint8Array(length);
    const from = emptyAddress();
    const r = yield* sys.recvfrom(fd(name), buffer, flags, from);
    return r < 0 ? { r } : { r, d: digest(buffer.subarray(0, r)), ...named(from) };
  },
  *write({ sys, fd, index }, [name, length]) {
    return { r: yield* sys.write(fd(name), pattern(index, length)) };
  },
  *read({ sys, fd }, [name, length]) {
    const buffer = new Uint8Array(length);
    const r = yield* sys.read(fd(name), buffer);
    return r < 0 ? { r } : { r, d: digest(buffer.subarray(0, r)) };
  },
  *sendmsg({ sys, fd, index }, [name, length, flags, to, control]) {
    const message = new msghdr(pattern(index, length));
    if (to) message.msg_name = address(to);
    message.msg_control = (control as [number, number, string][]).map(cmsgOf);
    return { r: yield* sys.sendmsg(fd(name), message, flags | MSG_NOSIGNAL) };
  },
  *recvmsg({ sys, fd }, [name, length, flags]) {
    const buffer = new Uint8Array(length);
    const message = new msghdr(buffer);
    const from = emptyAddress();
    message.msg_name = from;
    const r = yield* sys.recvmsg(fd(name), message, flags);
    if (r < 0) return { r };
    const result: StepResult = { r, f: message.msg_flags >>> 0, d: digest(buffer.subarray(0, r)), ...named(from) };
    if (message.msg_control.length > 0) result.c = message.msg_control.map((cmsg) => [cmsg.cmsg_level, cmsg.cmsg_type, cmsgHex(cmsg)]);
    return result;
  },
  *set({ sys, fd }, [name, level, option, value]) {
    return { r: yield* sys.setsockopt(fd(name), level, option, optionValue(level, option, value as OptionValue)) };
  },
  *get({ sys, fd }, [name, level, option]) {
    return optionResult(level, option, yield* sys.getsockopt(fd(name), level, option));
  },
  /** Sets an option and looks at it. */
  *option({ sys, fd }, [name, level, option, value]) {
    const r = yield* sys.setsockopt(fd(name), level, option, optionValue(level, option, value as OptionValue));
    const now = optionResult(level, option, yield* sys.getsockopt(fd(name), level, option));
    return { r, v: now.v ?? now.r };
  },
  *poll({ sys, fd }, [name, events]) {
    const entry = { fd: fd(name), events: events as number, revents: 0 };
    return { r: yield* sys.poll([entry], 0), v: entry.revents };
  },
  *ioctl({ sys, fd }, [name, command]) {
    const value = yield* sys.ioctl(fd(name), command);
    return value < 0 ? { r: value } : { r: 0, v: value };
  },
  *epoll({ sys, made }, [name]) {
    return made(name, yield* sys.epollCreate());
  },
  *epctl({ sys, fd }, [ep, operation, name, events, data]) {
    const event = operation === EPOLL_CTL_DEL ? null : { events: events as number, data };
    return { r: yield* sys.epollCtl(fd(ep), operation, fd(name), event) };
  },
  *epwait({ sys, fd }, [ep, maximum]) {
    const events = yield* sys.epollWait(fd(ep), maximum, 0);
    if (typeof events === 'number') return { r: events, e: [] };
    return { r: events.length, e: events.map((event): [number, number] => [event.events >>> 0, event.data as number]) };
  },
  *nonblock({ sys, fd }, [name, on]) {
    return { r: yield* sys.fcntl(fd(name), F_SETFL, on ? O_NONBLOCK : 0) };
  },
  *ip({ sys }, [words]) {
    return { r: yield* COMMANDS['ip']!(['ip', ...(words as string).split(' ')], () => undefined, sys) };
  },
  // biome-ignore lint/correctness/useYield: an operation may sleep, this one need not
  *sysctl({ sysctl }, [name, value]) {
    return { r: sysctl(name, value) };
  },
  /** The time that goes by after a step is the host's business. */
  // biome-ignore lint/correctness/useYield: an operation may sleep, this one need not
  *sleep() {
    return { r: 0 };
  },
  // biome-ignore lint/correctness/useYield: an operation may sleep, this one need not
  *inject({ inject }, [packet, how]) {
    return { r: Math.min(inject(packet, how), 0) };
  },
};

const emptyAddress = (): sockaddr_in => ({ sin_family: 0, sin_port: 0, sin_addr: 0 });

function address(text: string): sockaddr_in {
  const [family, host, port] = text.split(':');
  return { sin_family: Number(family), sin_port: Number(port), sin_addr: inet_addr(host!)! };
}

const addressText = ({ sin_family, sin_addr, sin_port }: sockaddr_in): string => `${sin_family}:${inet_ntoa(sin_addr)}:${sin_port}`;
const withName = (r: number, name: sockaddr_in): StepResult => (r < 0 ? { r } : { r, a: addressText(name) });
/** Datagrams have a sender's address; streams report none. */
const named = (from: sockaddr_in): { a?: string } => (from.sin_family === 0 ? {} : { a: addressText(from) });
const pattern = (index: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (index * 7 + i) & 0xff);
const digest = (data: Uint8Array): string =>
  data.length <= 32 ? toHex(data) : `${toHex(data.subarray(0, 16))}..${toHex(data.subarray(data.length - 8))}`;

/** Negative numbers are errnos; -1 is a value of several options (SO_PEEK_OFF), and other values may be beyond all errnos. */
function optionResult(level: number, option: number, value: unknown): StepResult {
  if (typeof value === 'number' && value < -1 && value >= -LARGEST_ERRNO) return { r: value };
  return { r: 0, v: optionHex(level, option, value).slice(0, 2 * OPTION_ROOM) };
}
