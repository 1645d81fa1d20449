/**
 * include/trace/events/syscalls.h, kernel/trace/trace_syscalls.c: one event for the entry and one for the exit of each system call, made from the two
 * tracepoints sys_enter and sys_exit.
 */
import { syscall_numbers } from '../../uapi/unistd.ts';
import { endOf, layOut } from '../event_layout.ts';
import type { PrintArgument } from '../print_argument.ts';
import type { TraceEvent } from '../trace_event.ts';
import type { TraceRecord } from '../trace_record.ts';

/** Name and arguments of those that concern files and sockets. */
const table: readonly (readonly [name: string, args: string])[] = [
  ['read', 'unsigned int fd; char * buf; size_t count'],
  ['write', 'unsigned int fd; const char * buf; size_t count'],
  ['close', 'unsigned int fd'],
  ['poll', 'struct pollfd * ufds; unsigned int nfds; int timeout_msecs'],
  ['ioctl', 'unsigned int fd; unsigned int cmd; unsigned long arg'],
  ['dup', 'unsigned int fildes'],
  ['sendfile64', 'int out_fd; int in_fd; loff_t * offset; size_t count'],
  ['socket', 'int family; int type; int protocol'],
  ['connect', 'int fd; struct sockaddr * uservaddr; int addrlen'],
  ['accept', 'int fd; struct sockaddr * upeer_sockaddr; int * upeer_addrlen'],
  ['sendto', 'int fd; void * buff; size_t len; unsigned int flags; struct sockaddr * addr; int addr_len'],
  ['recvfrom', 'int fd; void * ubuf; size_t size; unsigned int flags; struct sockaddr * addr; int * addr_len'],
  ['sendmsg', 'int fd; struct user_msghdr * msg; unsigned int flags'],
  ['recvmsg', 'int fd; struct user_msghdr * msg; unsigned int flags'],
  ['shutdown', 'int fd; int how'],
  ['bind', 'int fd; struct sockaddr * umyaddr; int addrlen'],
  ['listen', 'int fd; int backlog'],
  ['getsockname', 'int fd; struct sockaddr * usockaddr; int * usockaddr_len'],
  ['getpeername', 'int fd; struct sockaddr * usockaddr; int * usockaddr_len'],
  ['setsockopt', 'int fd; int level; int optname; char * optval; int optlen'],
  ['getsockopt', 'int fd; int level; int optname; char * optval; int * optlen'],
  ['kill', 'pid_t pid; int sig'],
  ['fcntl', 'unsigned int fd; unsigned int cmd; unsigned long arg'],
  ['epoll_wait', 'int epfd; struct epoll_event * events; int maxevents; int timeout'],
  ['epoll_ctl', 'int epfd; int op; int fd; struct epoll_event * event'],
  ['splice', 'int fd_in; loff_t * off_in; int fd_out; loff_t * off_out; size_t len; unsigned int flags'],
  ['accept4', 'int fd; struct sockaddr * upeer_sockaddr; int * upeer_addrlen; int flags'],
  ['epoll_create1', 'int flags'],
  ['pipe2', 'int * fildes; int flags'],
];

/** Arguments stand from here on, eight bytes each. */
const ARGUMENTS_OFFSET = 16;
const NUMBER = layOut('int __syscall_nr');

function assignEnter(record: TraceRecord, id: number, args: readonly number[]): void {
  record.u32(id);
  for (let i = 0; i < args.length; i++) record.u64(args[i]!);
}

function assignExit(record: TraceRecord, id: number, ret: number): void {
  record.u32(id);
  record.u64(ret);
}

/** All of them, exits first, with consecutive ids. */
export function syscallEvents(firstId: number): TraceEvent[] {
  return table.flatMap(([name, declarations], index) => {
    const syscall = syscall_numbers[name]!;
    const args = layOut(declarations, ARGUMENTS_OFFSET, true);
    const fields = [...NUMBER, ...args];
    const enter: TraceEvent = {
      system: 'syscalls',
      name: `sys_enter_${name}`,
      id: firstId + 2 * index + 1,
      slot: 'sys_enter',
      syscall,
      fields,
      size: endOf(fields),
      print: args.map((field) => `${field.name}: 0x%08lx`).join(', '),
      arguments: args.map(({ name: field }): PrintArgument => ({ kind: 'cast', field, expression: `((unsigned long)(REC->${field}))` })),
      assign: assignEnter,
    };
    const result = [...NUMBER, ...layOut('long ret', ARGUMENTS_OFFSET)];
    const exit: TraceEvent = {
      ...enter,
      name: `sys_exit_${name}`,
      id: firstId + 2 * index,
      slot: 'sys_exit',
      fields: result,
      size: endOf(result),
      print: '0x%lx',
      arguments: ['ret'],
      assign: assignExit,
    };
    return [exit, enter];
  });
}
