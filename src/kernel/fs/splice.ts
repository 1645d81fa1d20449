/**
 * fs/splice.c, read_write.c: moving data between files and pipes without user memory: `do_splice`, `do_sendfile`.
 *
 * Simplified: data is copied between a pipe's pages and the file's own memory. Linux hands the pages over (MSG_SPLICE_PAGES, skb fragments), so it
 * copies nothing; system calls, wake-ups and what goes out on the wire are the same.
 */
import { PAGE_SIZE } from '../../machine/memory.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { GFP_KERNEL } from '../include/linux/types.ts';
import { msghdr } from '../include/net/sock.ts';
import { alloc_pages, put_page } from '../mm/page_alloc.ts';
import { skb_copy_bits } from '../net/core/skbuff_bits.ts';
import { EBADF, EINVAL, ENOMEM, EPIPE } from '../uapi/errno.ts';
import { MSG_MORE, O_NONBLOCK } from '../uapi/socket.ts';
import { fd_install, fdget, file, type file_operations, get_unused_fd_flags } from './file.ts';
import {
  consumePipeBuffer,
  get_pipe_info,
  pipe_empty,
  type pipe_inode_info,
  pipe_wait_readable,
  pipe_wait_writable,
  wakeReaders,
  wakeWriters,
} from './pipe.ts';

export const SPLICE_F_MOVE = 1;
export const SPLICE_F_NONBLOCK = 2;
export const SPLICE_F_MORE = 4;
/** What one round of sendfile() moves: the pages of a pipe. */
const ROUND = 16 * PAGE_SIZE;

/** Up to `len` bytes from one file to the other, of which one must be a pipe. */
export function* do_splice(fdIn: number, fdOut: number, len: number, flags: number): Sleeping<number> {
  const from = fdget(fdIn);
  const to = fdget(fdOut);
  if (from === null || to === null) return -EBADF;
  if (len === 0) return 0;
  const source = get_pipe_info(from);
  const target = get_pipe_info(to);
  if (source !== null) return yield* splice_from_pipe(source, to, len, flags);
  if (target !== null) return yield* splice_file_to_pipe(from, target, len, flags);
  return -EINVAL;
}

function* splice_from_pipe(pipe: pipe_inode_info, to: file, len: number, flags: number): Sleeping<number> {
  if (to.f_op.write_iter === undefined) return -EINVAL;
  const ready = yield* pipe_wait_readable(pipe, (flags & SPLICE_F_NONBLOCK) !== 0);
  if (ready !== 0) return ready;
  let done = 0;
  while (done < len && !pipe_empty(pipe)) {
    const buf = pipe.bufs[0]!;
    const size = Math.min(buf.len, len - done);
    const msg = new msghdr(buf.page.mem.u8, buf.offset, size);
    if ((flags & SPLICE_F_MORE) !== 0 || (size < len - done && pipe.bufs.length > 1)) msg.msg_flags |= MSG_MORE;
    const sent = yield* to.f_op.write_iter(to, msg);
    if (sent < 0) return done > 0 ? done : sent;
    consumePipeBuffer(pipe, sent);
    done += sent;
    if (sent < size) break;
  }
  wakeWriters(pipe);
  return done;
}

/** As much as there is at once, in free slots of the pipe. */
function* splice_file_to_pipe(from: file, pipe: pipe_inode_info, len: number, flags: number): Sleeping<number> {
  if (from.f_op.read_iter === undefined) return -EINVAL;
  const ready = yield* pipe_wait_writable(pipe, (flags & SPLICE_F_NONBLOCK) !== 0);
  if (ready !== 0) return ready;
  if (pipe.readers === 0) return -EPIPE;
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0;
  const got = yield* readPage(from, pipe, Math.min(len, PAGE_SIZE), nonblock);
  if (got > 0) wakeReaders(pipe);
  return got;
}

function* readPage(from: file, pipe: pipe_inode_info, size: number, nonblock: boolean): Sleeping<number> {
  const page = alloc_pages(GFP_KERNEL, 0);
  if (page === null) return -ENOMEM;
  let at = page.offset;
  const splice = from.f_op.splice_read?.(from, size, nonblock, (skb, offset, len) => {
    skb_copy_bits(skb, offset, page.mem.u8, at, len);
    at += len;
    return len;
  });
  const got = yield* splice ?? from.f_op.read_iter!(from, new msghdr(page.mem.u8, page.offset, size));
  if (got > 0) pipe.bufs.push({ page, offset: page.offset, len: got, merge: false });
  else put_page(page);
  return got;
}

/** Files that live in memory: what sendfile() sends. */
const memoryFileOps: file_operations = {
  // biome-ignore lint/correctness/useYield: a read that never waits
  *read_iter(opened, msg) {
    const content = opened.private_data as Uint8Array;
    const size = Math.max(0, Math.min(msg.size, content.length - opened.f_pos));
    msg.data.set(content.subarray(opened.f_pos, opened.f_pos + size), msg.offset);
    opened.f_pos += size;
    msg.offset += size;
    msg.size -= size;
    return size;
  },
};

/** Opens `content` as a file of the running task; returns its descriptor. */
export function openMemoryFile(content: Uint8Array): number {
  const fd = get_unused_fd_flags(0);
  if (fd >= 0) fd_install(fd, new file(memoryFileOps, content, 0));
  return fd;
}

/** `count` bytes of a file, from its position on, to another, without user memory in between; tells the socket while more is to come. */
export function* do_sendfile(fdOut: number, fdIn: number, count: number): Sleeping<number> {
  const to = fdget(fdOut);
  const from = fdget(fdIn);
  if (to === null || from === null) return -EBADF;
  if (from.f_op !== memoryFileOps || to.f_op.write_iter === undefined) return -EINVAL;
  const content = from.private_data as Uint8Array;
  const end = Math.min(content.length, from.f_pos + count);
  let done = 0;
  while (from.f_pos < end) {
    const size = Math.min(end - from.f_pos, ROUND);
    const msg = new msghdr(content, from.f_pos, size);
    if (from.f_pos + size < end) msg.msg_flags |= MSG_MORE;
    const sent = yield* to.f_op.write_iter(to, msg);
    if (sent < 0) return done > 0 ? done : sent;
    from.f_pos += sent;
    done += sent;
    if (sent < size && (to.f_flags & O_NONBLOCK) !== 0) break;
  }
  return done;
}
