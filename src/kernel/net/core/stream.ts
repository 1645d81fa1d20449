/**
 * net/core/stream.c: waiting of stream sockets: for the connection, for room to send, for the connection's end.
 *
 * Functions that in C change `*timeo` return what is left of it instead: a number of jiffies ≥ 0, or a negative errno.
 */
import { kernel } from '../../current.ts';
import { MAX_SCHEDULE_TIMEOUT, type Sleeping, TASK_INTERRUPTIBLE, wait_queue_entry } from '../../include/linux/sched.ts';
import {
  SOCK_NOSPACE,
  SOCKWQ_ASYNC_NOSPACE,
  sk_sleep,
  sk_stream_min_wspace,
  sk_stream_wspace,
  skwq_has_sleeper,
  type sock,
  sock_error,
  sock_intr_errno,
} from '../../include/net/sock.ts';
import {
  add_wait_queue,
  current,
  remove_wait_queue,
  signal_pending,
  wait_woken,
  wake_up_interruptible_poll,
  woken_wake_function,
} from '../../kernel/sched.ts';
import { SIGPIPE, send_sig } from '../../kernel/signal.ts';
import { EAGAIN, EPIPE } from '../../uapi/errno.ts';
import { MSG_NOSIGNAL, POLLOUT, POLLWRBAND, POLLWRNORM, SEND_SHUTDOWN } from '../../uapi/socket.ts';
import {
  TCPF_CLOSE_WAIT,
  TCPF_CLOSING,
  TCPF_ESTABLISHED,
  TCPF_FIN_WAIT1,
  TCPF_LAST_ACK,
  TCPF_SYN_RECV,
  TCPF_SYN_SENT,
} from '../../uapi/tcp.ts';
import { skb_queue_purge } from './skbuff_free.ts';
import { lock_sock, release_sock } from './sock_lock.ts';
import { sk_mem_reclaim_final } from './sock_mem.ts';

/** Is there room in the send buffer? `wake` 1 asks for those who were told to wait, which takes more. */
export const __sk_stream_memory_free = (sk: sock, wake: number): boolean =>
  sk.sk_wmem_queued < sk.sk_sndbuf && (sk.skc_prot.stream_memory_free === undefined || sk.skc_prot.stream_memory_free(sk, wake));
export const sk_stream_memory_free = (sk: sock): boolean => __sk_stream_memory_free(sk, 0);
export const __sk_stream_is_writeable = (sk: sock, wake: number): boolean =>
  sk_stream_wspace(sk) >= sk_stream_min_wspace(sk) && __sk_stream_memory_free(sk, wake);
export const sk_stream_is_writeable = (sk: sock): boolean => __sk_stream_is_writeable(sk, 0);

/** Room came free: wakes writers once it is a third of the buffer. */
export function sk_stream_write_space(sk: sock): void {
  const socket = sk.sk_socket;
  if (socket === null || !__sk_stream_is_writeable(sk, 1)) return;
  socket.flags &= ~SOCK_NOSPACE;
  if (skwq_has_sleeper(sk.sk_wq)) wake_up_interruptible_poll(sk.sk_wq!, POLLOUT | POLLWRNORM | POLLWRBAND);
}

/** One sleep of the socket's owner without its lock, unless `condition` holds already; returns what is left of `timeo`. */
export function* sk_wait_event(sk: sock, timeo: number, condition: (sk: sock) => boolean): Sleeping<number> {
  const disconnects = sk.sk_disconnects;
  release_sock(sk);
  if (!condition(sk)) timeo = yield* wait_woken(TASK_INTERRUPTIBLE, timeo);
  yield* lock_sock(sk);
  return sk.sk_disconnects === disconnects ? timeo : -EPIPE;
}

const isConnected = (sk: sock): boolean => sk.sk_err === 0 && ((1 << sk.skc_state) & ~(TCPF_ESTABLISHED | TCPF_CLOSE_WAIT)) === 0;
const mayConnect = (sk: sock): boolean => ((1 << sk.skc_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) !== 0;

/** Waits until the handshake is over. */
export function* sk_stream_wait_connect(sk: sock, timeo: number): Sleeping<number> {
  const wait = new wait_queue_entry(current(), woken_wake_function);
  for (;;) {
    const err = sock_error(sk);
    if (err !== 0) return err;
    if (!mayConnect(sk)) return -EPIPE;
    if (timeo === 0) return -EAGAIN;
    if (signal_pending(current())) return sock_intr_errno(timeo);
    add_wait_queue(sk_sleep(sk), wait);
    sk.sk_write_pending++;
    timeo = yield* sk_wait_event(sk, timeo, isConnected);
    remove_wait_queue(sk_sleep(sk), wait);
    sk.sk_write_pending--;
    if (timeo < 0 || isConnected(sk)) return timeo;
  }
}

const hasSendError = (sk: sock): boolean => sk.sk_err !== 0 || (sk.sk_shutdown & SEND_SHUTDOWN) !== 0;
const hasRoomOrError = (sk: sock): boolean => hasSendError(sk) || sk_stream_memory_free(sk);

/** Waits for room in the send buffer; or, when there is room but the system has no memory, for a short random time. */
export function* sk_stream_wait_memory(sk: sock, timeo: number): Sleeping<number> {
  const wq = sk_sleep(sk);
  const wait = new wait_queue_entry(current(), woken_wake_function);
  add_wait_queue(wq, wait);
  const result = sk_stream_memory_free(sk) ? yield* waitForSystemMemory(sk, timeo) : yield* waitForRoom(sk, timeo);
  remove_wait_queue(wq, wait);
  // Who is told EAGAIN will poll: the next room must raise POLLOUT.
  if (result === -EAGAIN) sk.sk_socket!.flags |= SOCK_NOSPACE;
  return result;
}

function* waitForRoom(sk: sock, timeo: number): Sleeping<number> {
  for (;;) {
    const err = cannotWait(sk, timeo);
    if (err !== 0) return err;
    if (sk_stream_memory_free(sk)) return timeo;
    timeo = yield* sleepForRoom(sk, timeo, hasRoomOrError);
    if (timeo < 0) return timeo;
  }
}

function* waitForSystemMemory(sk: sock, timeo: number): Sleeping<number> {
  const err = cannotWait(sk, timeo);
  if (err !== 0) return err;
  const pause = kernel().random.below(kernel().HZ / 5) + 2;
  const left = yield* sleepForRoom(sk, pause, hasSendError);
  if (left < 0) return left;
  return yield* waitForRoom(sk, timeo === MAX_SCHEDULE_TIMEOUT ? timeo : Math.max(0, timeo - (pause - left)));
}

function* sleepForRoom(sk: sock, timeo: number, condition: (sk: sock) => boolean): Sleeping<number> {
  sk.sk_socket!.flags |= SOCK_NOSPACE;
  sk.sk_write_pending++;
  const left = yield* sk_wait_event(sk, timeo, condition);
  sk.sk_write_pending--;
  return left;
}

function cannotWait(sk: sock, timeo: number): number {
  const socket = sk.sk_socket!;
  socket.flags |= SOCKWQ_ASYNC_NOSPACE;
  if (hasSendError(sk)) return -EPIPE;
  if (timeo === 0) return -EAGAIN;
  if (signal_pending(current())) return sock_intr_errno(timeo);
  socket.flags &= ~SOCKWQ_ASYNC_NOSPACE;
  return 0;
}

const hasClosed = (sk: sock): boolean => ((1 << sk.skc_state) & (TCPF_FIN_WAIT1 | TCPF_CLOSING | TCPF_LAST_ACK)) === 0;

/** SO_LINGER: waits until all is acknowledged, FIN included, or the time is over. */
export function* sk_stream_wait_close(sk: sock, timeout: number): Sleeping<void> {
  if (timeout <= 0) return;
  const wait = new wait_queue_entry(current(), woken_wake_function);
  add_wait_queue(sk_sleep(sk), wait);
  while (timeout > 0 && !hasClosed(sk) && !signal_pending(current())) timeout = yield* sk_wait_event(sk, timeout, hasClosed);
  remove_wait_queue(sk_sleep(sk), wait);
}

/** What send() returns for `err`; EPIPE also kills the writer, unless it asked not to. */
export function sk_stream_error(sk: sock, flags: number, err: number): number {
  if (err === -EPIPE) err = sock_error(sk) || -EPIPE;
  if (err === -EPIPE && (flags & MSG_NOSIGNAL) === 0) send_sig(SIGPIPE, current());
  return err;
}

/** The socket's end: what nobody will read goes, and with it its memory. */
export function sk_stream_kill_queues(sk: sock): void {
  skb_queue_purge(sk.sk_receive_queue);
  sk_mem_reclaim_final(sk);
}
