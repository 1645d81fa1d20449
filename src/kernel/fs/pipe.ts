/**
 * fs/pipe.c: pipes: a ring of up to 16 pages. `do_pipe2` → `pipe_write` fills pages, `pipe_read` empties them; each sleeps while it cannot.
 */
import { PAGE_SIZE } from '../../machine/memory.ts';
import { kernel } from '../current.ts';
import { type Sleeping, TASK_INTERRUPTIBLE, wait_queue_entry, wait_queue_head } from '../include/linux/sched.ts';
import { GFP_KERNEL } from '../include/linux/types.ts';
import type { msghdr } from '../include/net/sock.ts';
import {
  add_wait_queue_exclusive,
  current,
  remove_wait_queue,
  schedule,
  set_current_state,
  signal_pending,
  wake_up_interruptible_poll,
} from '../kernel/sched.ts';
import { SIGPIPE, send_sig } from '../kernel/signal.ts';
import { chargeCopy } from '../lib/charge.ts';
import { alloc_pages, type page, put_page } from '../mm/page_alloc.ts';
import { EAGAIN, EINTR, EMFILE, ENOIOCTLCMD, ENOMEM, EPIPE } from '../uapi/errno.ts';
import { O_NONBLOCK, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, SIOCINQ } from '../uapi/socket.ts';
import { fd_install, file, type file_operations, get_unused_fd_flags, type poll_table, poll_wait, put_unused_fd } from './file.ts';

const PIPE_DEF_BUFFERS = 16;

/** struct pipe_buffer: part of a page. `merge`: a later write may go on filling it. */
export interface pipe_buffer {
  readonly page: page;
  offset: number;
  len: number;
  merge: boolean;
}

export class pipe_inode_info {
  readonly rd_wait = new wait_queue_head();
  readonly wr_wait = new wait_queue_head();
  readonly bufs: pipe_buffer[] = [];
  readonly ring_size = PIPE_DEF_BUFFERS;
  readers = 1;
  writers = 1;
}

export const pipe_full = (pipe: pipe_inode_info): boolean => pipe.bufs.length >= pipe.ring_size;
export const pipe_empty = (pipe: pipe_inode_info): boolean => pipe.bufs.length === 0;

const readEnd: file_operations = { read_iter: pipe_read, poll: pipe_poll_read, unlocked_ioctl: pipe_ioctl, release: pipe_release };
const writeEnd: file_operations = { write_iter: pipe_write, poll: pipe_poll_write, unlocked_ioctl: pipe_ioctl, release: pipe_release };

/** The pipe behind a file; null when it is something else. */
export const get_pipe_info = (opened: file): pipe_inode_info | null =>
  opened.f_op === readEnd || opened.f_op === writeEnd ? (opened.private_data as pipe_inode_info) : null;

/** Both ends' descriptors, or a negative errno. */
export function do_pipe2(flags: number): [number, number] | number {
  const reader = get_unused_fd_flags(flags);
  if (reader < 0) return reader;
  const writer = get_unused_fd_flags(flags);
  if (writer < 0) {
    put_unused_fd(reader);
    return -EMFILE;
  }
  const pipe = new pipe_inode_info();
  fd_install(reader, new file(readEnd, pipe, flags));
  fd_install(writer, new file(writeEnd, pipe, flags));
  return [reader, writer];
}

/** Sleeps until there is something to read, or nobody left to write it. 0, or the reason not to. */
export function* pipe_wait_readable(pipe: pipe_inode_info, nonblock: boolean): Sleeping<number> {
  while (pipe_empty(pipe) && pipe.writers > 0) {
    const refused = yield* pipeWait(pipe.rd_wait, nonblock);
    if (refused !== 0) return refused;
  }
  return 0;
}

/** Sleeps until there is a free slot, or nobody left to read. */
export function* pipe_wait_writable(pipe: pipe_inode_info, nonblock: boolean): Sleeping<number> {
  while (pipe_full(pipe) && pipe.readers > 0) {
    const refused = yield* pipeWait(pipe.wr_wait, nonblock);
    if (refused !== 0) return refused;
  }
  return 0;
}

function* pipeWait(wq: wait_queue_head, nonblock: boolean): Sleeping<number> {
  if (nonblock) return -EAGAIN;
  if (signal_pending(current())) return -EINTR;
  const entry = new wait_queue_entry(current());
  add_wait_queue_exclusive(wq, entry);
  set_current_state(TASK_INTERRUPTIBLE);
  yield* schedule();
  remove_wait_queue(wq, entry);
  return 0;
}

function* pipe_read(opened: file, msg: msghdr): Sleeping<number> {
  const pipe = opened.private_data as pipe_inode_info;
  const refused = yield* pipe_wait_readable(pipe, (opened.f_flags & O_NONBLOCK) !== 0);
  if (refused !== 0) return refused;
  const wasFull = pipe_full(pipe);
  let done = 0;
  while (msg.size > 0 && !pipe_empty(pipe)) done += takeFrom(pipe, msg);
  if (wasFull && !pipe_full(pipe)) wakeWriters(pipe);
  return done;
}

function takeFrom(pipe: pipe_inode_info, msg: msghdr): number {
  const buf = pipe.bufs[0]!;
  const size = Math.min(buf.len, msg.size);
  msg.data.set(buf.page.mem.u8.subarray(buf.offset, buf.offset + size), msg.offset);
  chargeCopy(kernel().copies.skbToUser, size);
  msg.offset += size;
  msg.size -= size;
  consumePipeBuffer(pipe, size);
  return size;
}

/** `size` bytes of the oldest buffer have been used. */
export function consumePipeBuffer(pipe: pipe_inode_info, size: number): void {
  const buf = pipe.bufs[0]!;
  buf.offset += size;
  buf.len -= size;
  if (buf.len > 0) return;
  pipe.bufs.shift();
  put_page(buf.page);
}

export function wakeWriters(pipe: pipe_inode_info): void {
  wake_up_interruptible_poll(pipe.wr_wait, POLLOUT | POLLWRNORM);
}

export function wakeReaders(pipe: pipe_inode_info): void {
  wake_up_interruptible_poll(pipe.rd_wait, POLLIN | POLLRDNORM);
}

function* pipe_write(opened: file, msg: msghdr): Sleeping<number> {
  const pipe = opened.private_data as pipe_inode_info;
  if (pipe.readers === 0) return brokenPipe();
  let done = mergeTail(pipe, msg);
  while (msg.size > 0) {
    const refused = yield* pipe_wait_writable(pipe, (opened.f_flags & O_NONBLOCK) !== 0);
    const wasEmpty = pipe_empty(pipe);
    const added = refused !== 0 ? refused : pipe.readers === 0 ? brokenPipe() : addPage(pipe, msg);
    if (added < 0) return done > 0 ? done : added;
    done += added;
    if (wasEmpty) wakeReaders(pipe);
  }
  return done;
}

function brokenPipe(): number {
  send_sig(SIGPIPE, current());
  return -EPIPE;
}

/** What exceeds whole pages goes into the last page if all of it fits: so that small writes are never torn. */
function mergeTail(pipe: pipe_inode_info, msg: msghdr): number {
  const chars = msg.size % PAGE_SIZE;
  const last = pipe.bufs.at(-1);
  if (chars === 0 || last === undefined || !last.merge) return 0;
  const end = last.offset + last.len;
  if (end - last.page.offset + chars > PAGE_SIZE) return 0;
  fill(last.page, end, msg, chars);
  last.len += chars;
  return chars;
}

function addPage(pipe: pipe_inode_info, msg: msghdr): number {
  const fresh = alloc_pages(GFP_KERNEL, 0);
  if (fresh === null) return -ENOMEM;
  const size = Math.min(msg.size, PAGE_SIZE);
  fill(fresh, fresh.offset, msg, size);
  pipe.bufs.push({ page: fresh, offset: fresh.offset, len: size, merge: true });
  return size;
}

function fill(target: page, at: number, msg: msghdr, size: number): void {
  target.mem.u8.set(msg.data.subarray(msg.offset, msg.offset + size), at);
  chargeCopy(kernel().copies.userToSkb, size);
  msg.offset += size;
  msg.size -= size;
}

function pipe_poll_read(opened: file, wait: poll_table | null): number {
  const pipe = opened.private_data as pipe_inode_info;
  poll_wait(pipe.rd_wait, wait);
  return (pipe_empty(pipe) ? 0 : POLLIN | POLLRDNORM) | (pipe.writers === 0 ? POLLHUP : 0);
}

function pipe_poll_write(opened: file, wait: poll_table | null): number {
  const pipe = opened.private_data as pipe_inode_info;
  poll_wait(pipe.wr_wait, wait);
  return (pipe_full(pipe) ? 0 : POLLOUT | POLLWRNORM) | (pipe.readers === 0 ? POLLERR : 0);
}

function pipe_ioctl(opened: file, cmd: number): number {
  if (cmd !== SIOCINQ) return -ENOIOCTLCMD;
  return (opened.private_data as pipe_inode_info).bufs.reduce((sum, buf) => sum + buf.len, 0);
}

// biome-ignore lint/correctness/useYield: a release that never waits
function* pipe_release(opened: file): Sleeping<number> {
  const pipe = opened.private_data as pipe_inode_info;
  if (opened.f_op === readEnd) pipe.readers--;
  else pipe.writers--;
  wake_up_interruptible_poll(pipe.rd_wait, POLLIN | POLLRDNORM | POLLHUP);
  wake_up_interruptible_poll(pipe.wr_wait, POLLOUT | POLLWRNORM | POLLERR);
  if (pipe.readers === 0 && pipe.writers === 0) while (!pipe_empty(pipe)) consumePipeBuffer(pipe, pipe.bufs[0]!.len);
  return 0;
}
