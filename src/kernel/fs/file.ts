/**
 * fs/file.c, fs/file_table.c, fs/open.c: open files and the table of descriptors of each task.
 * `get_unused_fd_flags` → `fd_install` → `fget` → `close_fd` → `fput` → `__fput` (the file's release). A task's end closes what it left open.
 *
 * Descriptors 0, 1 and 2 are open from the start, as with every program that a shell starts.
 */
import type { Sleeping, task_struct, wait_queue_entry, wait_queue_head } from '../include/linux/sched.ts';
import type { sk_buff } from '../include/linux/skbuff.ts';
import type { msghdr } from '../include/net/sock.ts';
import { add_wait_queue, add_wait_queue_exclusive, current } from '../kernel/sched.ts';
import { EBADF, EMFILE } from '../uapi/errno.ts';

/** RLIMIT_NOFILE, the soft limit. */
const NOFILE = 1024;

/** struct poll_table_struct: whoever polls puts itself into the queues it is shown. */
export interface poll_table {
  /** Events asked for: the wake-up's key must have one of them. */
  _key: number;
  _qproc(wq: wait_queue_head): void;
}

export interface file_operations {
  /** Fills `msg`; bytes, 0 at the end, or a negative errno. */
  read_iter?(file: file, msg: msghdr): Sleeping<number>;
  write_iter?(file: file, msg: msghdr): Sleeping<number>;
  /** Hands data to `actor` segment by segment; null when this file has no such way. */
  splice_read?(
    file: file,
    count: number,
    nonblock: boolean,
    actor: (skb: sk_buff, offset: number, len: number) => number,
  ): Sleeping<number> | null;
  poll?(file: file, wait: poll_table | null): number;
  /** `arg` is the structure that the command reads or fills in. */
  unlocked_ioctl?(file: file, cmd: number, arg: unknown): number;
  release?(file: file): Sleeping<number>;
  readonly isSocket?: boolean;
}

/** struct file: one opening of something. */
export class file {
  readonly f_op: file_operations;
  readonly private_data: unknown;
  f_flags: number;
  f_count = 1;
  f_pos = 0;
  /** Epoll items that watch it: fs/eventpoll.ts. */
  readonly f_ep: { remove(): void }[] = [];

  constructor(f_op: file_operations, private_data: unknown, f_flags: number) {
    this.f_op = f_op;
    this.private_data = private_data;
    this.f_flags = f_flags;
  }
}

/** struct files_struct: what a task's descriptors mean. */
export class files_struct {
  readonly fd: (file | null)[] = [];
  count = 1;
}

const nullOps: file_operations = {
  // biome-ignore lint/correctness/useYield: a read that never waits
  *read_iter() {
    return 0;
  },
  // biome-ignore lint/correctness/useYield: a write that never waits
  *write_iter(_file, msg) {
    const size = msg.size;
    msg.offset += size;
    msg.size = 0;
    return size;
  },
};

/** A file that takes everything and gives nothing: /dev/null. */
export const nullFile = (): file => new file(nullOps, null, 0);

/** Gives a fresh task its table with the three standard descriptors. */
export function newFiles(standardOutput: file | null): files_struct {
  const files = new files_struct();
  files.fd.push(nullFile(), standardOutput ?? nullFile(), nullFile());
  return files;
}

/** A task that shares its descriptors with another, as threads do. */
export function shareFiles(task: task_struct, from: task_struct): void {
  const files = filesOf(from);
  files.count++;
  task.files = files;
}

export function filesOf(task: task_struct): files_struct {
  return (task.files as files_struct | null) ?? ((task.files = newFiles(null)) as files_struct);
}

/** The lowest free descriptor, reserved; -EMFILE when there are too many. */
export function get_unused_fd_flags(_flags: number): number {
  const table = filesOf(current()).fd;
  for (let fd = 0; fd < NOFILE; fd++) {
    if (table[fd] !== null && table[fd] !== undefined) continue;
    table[fd] = reserved;
    return fd;
  }
  return -EMFILE;
}

/** Stands where a descriptor is taken but its file is not there yet. */
const reserved = new file({}, null, 0);

export function put_unused_fd(fd: number): void {
  filesOf(current()).fd[fd] = null;
}

export function fd_install(fd: number, opened: file): void {
  filesOf(current()).fd[fd] = opened;
}

/** The file of a descriptor, null when there is none. The caller gets no reference: nothing can close it before the caller sleeps. */
export function fdget(fd: number): file | null {
  const found = filesOf(current()).fd[fd];
  return found === undefined || found === reserved ? null : found;
}

/** With a reference. */
export function fget(fd: number): file | null {
  const found = fdget(fd);
  if (found !== null) found.f_count++;
  return found;
}

/** One reference less; the last one closes the file, which may take time (SO_LINGER). */
export function* fput(opened: file): Sleeping<number> {
  if (--opened.f_count > 0) return 0;
  return yield* __fput(opened);
}

function* __fput(opened: file): Sleeping<number> {
  while (opened.f_ep.length > 0) opened.f_ep[0]!.remove();
  return opened.f_op.release === undefined ? 0 : yield* opened.f_op.release(opened);
}

export function* close_fd(fd: number): Sleeping<number> {
  const opened = fdget(fd);
  if (opened === null) return -EBADF;
  filesOf(current()).fd[fd] = null;
  yield* fput(opened);
  // close() reports no error of what the release did.
  return 0;
}

/** dup(): a second descriptor for the same file. */
export function dupFd(fd: number): number {
  const opened = fget(fd);
  if (opened === null) return -EBADF;
  const fresh = get_unused_fd_flags(0);
  if (fresh < 0) opened.f_count--;
  else fd_install(fresh, opened);
  return fresh;
}

/** The task ends: closes all that it left open, unless others share the table. */
export function* exit_files(task: task_struct): Sleeping<void> {
  const files = task.files as files_struct | null;
  task.files = null;
  if (files === null || --files.count > 0) return;
  for (const opened of files.fd) if (opened !== null && opened !== undefined && opened !== reserved) yield* fput(opened);
}

/** What a file is ready for; everything, when it cannot say. */
export function vfs_poll(opened: file, wait: poll_table | null): number {
  return opened.f_op.poll === undefined ? DEFAULT_POLLMASK : opened.f_op.poll(opened, wait);
}

/** POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM */
const DEFAULT_POLLMASK = 0x145;

export function poll_wait(wq: wait_queue_head, wait: poll_table | null): void {
  wait?._qproc(wq);
}

export function addWaiter(wq: wait_queue_head, entry: wait_queue_entry, exclusive: boolean): void {
  if (exclusive) add_wait_queue_exclusive(wq, entry);
  else add_wait_queue(wq, entry);
}
