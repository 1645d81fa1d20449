/**
 * What a program gets: the system calls, as generators. `const n = yield* sys.send(fd, data)`: a program runs until it calls, and sleeps inside calls
 * only. Results are those of Linux: numbers, negative errno on failure.
 *
 * Every call first lets the rest of the world catch up with this CPU's clock, so that a program never sees the network of an earlier instant.
 */

import { kernel } from '../kernel/current.ts';
import { do_epoll_create, do_epoll_ctl, do_epoll_wait, type epoll_event } from '../kernel/fs/eventpoll.ts';
import { close_fd, exit_files, newFiles, shareFiles } from '../kernel/fs/file.ts';
import { do_pipe2 } from '../kernel/fs/pipe.ts';
import { do_sys_poll, type pollfd } from '../kernel/fs/select.ts';
import { do_sendfile, do_splice, openMemoryFile } from '../kernel/fs/splice.ts';
import {
  type Sleeping,
  TASK_DEAD,
  TASK_INTERRUPTIBLE,
  TASK_UNINTERRUPTIBLE,
  task_struct,
  wait_queue_entry,
  wait_queue_head,
} from '../kernel/include/linux/sched.ts';
import type { msghdr } from '../kernel/include/net/sock.ts';
import {
  cond_resched,
  current,
  finish_wait,
  kernelSpawn,
  prepare_to_wait,
  schedule,
  set_current_state,
  wake_up_all,
} from '../kernel/kernel/sched.ts';
import { hrtimer_nanosleep } from '../kernel/kernel/time/sleep_timeout.ts';
import {
  __sys_accept4,
  __sys_getpeername,
  __sys_getsockname,
  __sys_getsockopt,
  __sys_recvmsg,
  __sys_sendmsg,
  __x64_sys_bind,
  __x64_sys_connect,
  __x64_sys_ioctl,
  __x64_sys_listen,
  __x64_sys_recvfrom,
  __x64_sys_sendto,
  __x64_sys_setsockopt,
  __x64_sys_shutdown,
  __x64_sys_socket,
} from '../kernel/net/socket_syscalls.ts';
import type { sockaddr_in } from '../kernel/uapi/in.ts';
import { AF_INET } from '../kernel/uapi/socket.ts';
import { CPU_USER, this_cpu } from '../machine/cpu.ts';
import { InvariantError } from '../sim/invariant.ts';

/** A program: runs in a task of its own; what it returns is its exit status. */
export type Program = (sys: Sys) => Sleeping<number>;

/** An IPv4 address and port as programs name them: numbers in the host's order. */
export const sockaddr = (sin_addr: number, sin_port: number): sockaddr_in => ({ sin_family: AF_INET, sin_addr, sin_port });

/** A call that was made: it must be waited for before the next one. */
class Issued {
  name = '';
  started = true;
}

/** A task started by a program (or at boot), and who waits for its end. */
export class Process {
  readonly task: task_struct;
  readonly ended = new wait_queue_head();

  constructor(task: task_struct) {
    this.task = task;
    task.onExit = () => wake_up_all(this.ended);
  }

  get running(): boolean {
    return this.task.__state !== TASK_DEAD;
  }

  /** Exit status once it has ended. */
  get status(): number {
    return this.task.exit_code;
  }
}

export class Sys {
  readonly #issued = new Issued();

  socket(family: number, type: number, protocol = 0): Sleeping<number> {
    return this.#call('socket', __x64_sys_socket(family, type, protocol));
  }
  bind(fd: number, address: sockaddr_in): Sleeping<number> {
    return this.#call('bind', __x64_sys_bind(fd, address));
  }
  listen(fd: number, backlog: number): Sleeping<number> {
    return this.#call('listen', __x64_sys_listen(fd, backlog));
  }
  /** The peer's address goes to `peer`. */
  accept(fd: number, peer: sockaddr_in | null = null, flags = 0): Sleeping<number> {
    return this.#call('accept', __sys_accept4(fd, peer, flags));
  }
  connect(fd: number, address: sockaddr_in): Sleeping<number> {
    return this.#call('connect', __x64_sys_connect(fd, address));
  }
  send(fd: number, data: Uint8Array, flags = 0, offset = 0, length = data.length - offset): Sleeping<number> {
    return this.#call('send', __x64_sys_sendto(fd, data, offset, length, flags, null));
  }
  sendto(fd: number, data: Uint8Array, flags: number, to: sockaddr_in | null, offset = 0, length = data.length - offset): Sleeping<number> {
    return this.#call('sendto', __x64_sys_sendto(fd, data, offset, length, flags, to));
  }
  recv(fd: number, buffer: Uint8Array, flags = 0, offset = 0, length = buffer.length - offset): Sleeping<number> {
    return this.#call('recv', __x64_sys_recvfrom(fd, buffer, offset, length, flags, null));
  }
  recvfrom(fd: number, buffer: Uint8Array, flags: number, from: sockaddr_in | null): Sleeping<number> {
    return this.#call('recvfrom', __x64_sys_recvfrom(fd, buffer, 0, buffer.length, flags, from));
  }
  sendmsg(fd: number, message: msghdr, flags = 0): Sleeping<number> {
    return this.#call('sendmsg', __sys_sendmsg(fd, message, flags));
  }
  recvmsg(fd: number, message: msghdr, flags = 0): Sleeping<number> {
    return this.#call('recvmsg', __sys_recvmsg(fd, message, flags));
  }
  shutdown(fd: number, how: number): Sleeping<number> {
    return this.#call('shutdown', __x64_sys_shutdown(fd, how));
  }
  close(fd: number): Sleeping<number> {
    return this.#call('close', close_fd(fd));
  }
  setsockopt(fd: number, level: number, option: number, value: unknown): Sleeping<number> {
    return this.#call('setsockopt', __x64_sys_setsockopt(fd, level, option, value));
  }
  /** The option's value, or a negative errno. */
  getsockopt(fd: number, level: number, option: number): Sleeping<unknown> {
    return this.#call('getsockopt', __sys_getsockopt(fd, level, option));
  }
  getsockname(fd: number, address: sockaddr_in): Sleeping<number> {
    return this.#call(
      'getsockname',
      immediate(() => __sys_getsockname(fd, address)),
    );
  }
  getpeername(fd: number, address: sockaddr_in): Sleeping<number> {
    return this.#call(
      'getpeername',
      immediate(() => __sys_getpeername(fd, address)),
    );
  }
  ioctl(fd: number, command: number): Sleeping<number> {
    return this.#call('ioctl', __x64_sys_ioctl(fd, command));
  }
  poll(fds: readonly pollfd[], timeoutMs: number): Sleeping<number> {
    return this.#call('poll', do_sys_poll(fds, timeoutMs));
  }
  epollCreate(flags = 0): Sleeping<number> {
    return this.#call(
      'epoll_create1',
      immediate(() => do_epoll_create(flags)),
    );
  }
  epollCtl(epfd: number, op: number, fd: number, event: epoll_event | null): Sleeping<number> {
    return this.#call(
      'epoll_ctl',
      immediate(() => do_epoll_ctl(epfd, op, fd, event)),
    );
  }
  epollWait(epfd: number, maxEvents: number, timeoutMs: number): Sleeping<epoll_event[] | number> {
    return this.#call('epoll_wait', do_epoll_wait(epfd, maxEvents, timeoutMs));
  }
  pipe(flags = 0): Sleeping<[number, number] | number> {
    return this.#call(
      'pipe2',
      immediate(() => do_pipe2(flags)),
    );
  }
  splice(fdIn: number, fdOut: number, length: number, flags = 0): Sleeping<number> {
    return this.#call('splice', do_splice(fdIn, fdOut, length, flags));
  }
  sendfile(fdOut: number, fdIn: number, count: number): Sleeping<number> {
    return this.#call('sendfile', do_sendfile(fdOut, fdIn, count));
  }
  /** A file in memory, opened for reading. */
  open(content: Uint8Array): Sleeping<number> {
    return this.#call(
      'open',
      immediate(() => openMemoryFile(content)),
    );
  }
  nanosleep(ns: number): Sleeping<number> {
    return this.#call('nanosleep', sleepFor(ns));
  }
  /** CLOCK_MONOTONIC, ns. */
  clockGettime(): number {
    return this_cpu.clock;
  }
  /** Uses the CPU in user mode. */
  *compute(ns: number): Sleeping<void> {
    const context = this_cpu.switchContext(CPU_USER);
    this_cpu.charge(ns);
    this_cpu.switchContext(context);
    yield* cond_resched();
  }
  /** Starts a thread that shares this program's descriptors. */
  spawn(program: Program, name = current().comm): Process {
    const task = newTask(program, name, current().cpu);
    shareFiles(task, current());
    return start(task);
  }
  /** Waits for a thread or process to end; returns its exit status. */
  join(process: Process): Sleeping<number> {
    return this.#call('wait4', waitFor(process));
  }

  #call<T>(name: string, body: Sleeping<T>): Sleeping<T> {
    if (!this.#issued.started) throw new InvariantError(`${current().comm}: ${this.#issued.name}() was called without yield*`);
    this.#issued.name = name;
    this.#issued.started = false;
    return enter(this.#issued, body);
  }
}

function* enter<T>(issued: Issued, body: Sleeping<T>): Sleeping<T> {
  issued.started = true;
  if (!this_cpu.caughtUp()) yield;
  this_cpu.charge(kernel().options.syscallNs);
  return yield* body;
}

// biome-ignore lint/correctness/useYield: a call that never waits, in the form of one that may
function* immediate<T>(work: () => T): Sleeping<T> {
  return work();
}

function* sleepFor(ns: number): Sleeping<number> {
  set_current_state(TASK_INTERRUPTIBLE);
  return yield* hrtimer_nanosleep(ns);
}

function* waitFor(process: Process): Sleeping<number> {
  const entry = new wait_queue_entry(current());
  while (process.running) {
    prepare_to_wait(process.ended, entry, TASK_UNINTERRUPTIBLE);
    yield* schedule();
  }
  finish_wait(process.ended, entry);
  return process.status;
}

function newTask(program: Program, name: string, cpu: number): task_struct {
  const task = new task_struct(kernel().nextPid(), name.slice(0, 15), cpu, null);
  task.body = main(task, program);
  return task;
}

function* main(task: task_struct, program: Program): Sleeping<number> {
  const status = yield* program(new Sys());
  yield* exit_files(task);
  return status;
}

function start(task: task_struct): Process {
  const process = new Process(task);
  kernelSpawn(task);
  return process;
}

/** Starts a program on a CPU of the kernel that runs now, with descriptors of its own. */
export function startProgram(program: Program, name: string, cpu: number): Process {
  const task = newTask(program, name, cpu);
  task.files = newFiles(null);
  return start(task);
}
