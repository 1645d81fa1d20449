/**
 * net/core/datagram.c: the receiving side of datagram sockets; copying is in datagram.ts.
 * `__skb_recv_datagram` → `__skb_try_recv_datagram` → (nothing there) `__skb_wait_for_more_packets` → again.
 *
 * Results: an skb, or a negative errno. Functions that in C change `*timeo` return what is left of it.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { type Sleeping, TASK_INTERRUPTIBLE, wait_queue_entry } from '../../include/linux/sched.ts';
import { __skb_unlink, type sk_buff, type sk_buff_head, skb_peek_tail, skb_queue_empty } from '../../include/linux/skbuff.ts';
import { SKB_DROP_REASON_SOCKET_RCVBUFF } from '../../include/net/dropreason.ts';
import {
  SOCK_NOSPACE,
  SOCKWQ_ASYNC_NOSPACE,
  sk_sleep,
  type sock,
  sock_error,
  sock_intr_errno,
  sock_rcvtimeo,
  sock_writeable,
  type socket,
} from '../../include/net/sock.ts';
import { current, finish_wait, prepare_to_wait_exclusive, schedule_timeout, signal_pending, try_to_wake_up } from '../../kernel/sched.ts';
import { EAGAIN, ENOTCONN } from '../../uapi/errno.ts';
import {
  MSG_DONTWAIT,
  MSG_PEEK,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
  RCV_SHUTDOWN,
  SHUTDOWN_MASK,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from '../../uapi/socket.ts';
import { TCP_ESTABLISHED, TCP_LISTEN, TCP_SYN_SENT } from '../../uapi/tcp.ts';
import { sk_busy_loop, sk_can_busy_loop } from './dev_busy_poll.ts';
import { consume_skb, kfree_skb_reason } from './skbuff_free.ts';

/** The first packet of `queue` (or, peeking with SO_PEEK_OFF, the one that holds the offset); taken out unless peeking. */
export function __skb_try_recv_from_queue(sk: sock, queue: sk_buff_head, flags: number): sk_buff | null {
  let offset = (flags & MSG_PEEK) !== 0 && sk.sk_peek_off > 0 ? sk.sk_peek_off : 0;
  for (let skb = queue.next; skb !== null; skb = skb.next) {
    if ((flags & MSG_PEEK) === 0) {
      this_cpu.spinUntil(skb.queuedTime);
      __skb_unlink(skb, queue);
      return skb;
    }
    if (offset >= skb.len && (offset > 0 || skb.peeked) && skb.len > 0) {
      offset -= skb.len;
      continue;
    }
    skb.peeked = true;
    skb.users++;
    return skb;
  }
  return null;
}

/** How much of the packet that peeking found lies before SO_PEEK_OFF. */
export function peekOffset(sk: sock, skb: sk_buff, flags: number): number {
  if ((flags & MSG_PEEK) === 0 || sk.sk_peek_off <= 0) return 0;
  let offset = sk.sk_peek_off;
  for (let s = sk.sk_receive_queue.next; s !== null && s !== skb; s = s.next) offset -= Math.min(offset, s.len);
  return Math.min(offset, skb.len);
}

/** A packet, null when there is none, or the socket's error. */
export function __skb_try_recv_datagram(sk: sock, queue: sk_buff_head, flags: number): sk_buff | number | null {
  const error = sock_error(sk);
  if (error !== 0) return error;
  return __skb_try_recv_from_queue(sk, queue, flags);
}

/** Sleeps until something follows `skb` in `queue`; returns what is left of `timeo`, or a negative errno; -EAGAIN when waiting makes no sense. */
export function* __skb_wait_for_more_packets(sk: sock, queue: sk_buff_head, timeo: number, skb: sk_buff | null): Sleeping<number> {
  const wq = sk_sleep(sk);
  const wait = new wait_queue_entry(current(), receiver_wake_function);
  prepare_to_wait_exclusive(wq, wait, TASK_INTERRUPTIBLE);
  let result = waitReadiness(sk, timeo);
  if (result === 0) result = skb_peek_tail(queue) === skb ? yield* schedule_timeout(timeo) : timeo;
  finish_wait(wq, wait);
  return result;
}

/** 0: sleep; anything else ends the wait. */
function waitReadiness(sk: sock, timeo: number): number {
  const error = sock_error(sk);
  if (error !== 0) return error;
  // Orderly end: the reader gets 0 bytes, which callers make of this errno.
  if ((sk.sk_shutdown & RCV_SHUTDOWN) !== 0) return -ESHUTDOWN_RECV;
  if (isConnectionOriented(sk.sk_type) && sk.skc_state !== TCP_ESTABLISHED && sk.skc_state !== TCP_LISTEN) return -ENOTCONN;
  return signal_pending(current()) ? sock_intr_errno(timeo) : 0;
}

/** What __skb_wait_for_more_packets() returns after shutdown(SHUT_RD): no errno of Linux, whose `*err` is 0 then. */
export const ESHUTDOWN_RECV = 4095;

const isConnectionOriented = (type: number): boolean => type === SOCK_SEQPACKET || type === SOCK_STREAM;

/** Readers are woken by data and errors only, not by room to write. */
function receiver_wake_function(entry: wait_queue_entry, key: number): boolean {
  if (key !== 0 && (key & (POLLIN | POLLERR)) === 0) return false;
  return try_to_wake_up(entry.task!);
}

export function* __skb_recv_datagram(sk: sock, queue: sk_buff_head, flags: number): Sleeping<sk_buff | number> {
  let timeo = sock_rcvtimeo(sk, (flags & MSG_DONTWAIT) !== 0);
  for (;;) {
    const skb = __skb_try_recv_datagram(sk, queue, flags);
    if (skb !== null) return skb;
    if (sk_can_busy_loop(sk)) {
      yield* sk_busy_loop(sk, (flags & MSG_DONTWAIT) !== 0);
      if (!skb_queue_empty(queue)) continue;
    }
    if (timeo === 0) return -EAGAIN;
    timeo = yield* __skb_wait_for_more_packets(sk, queue, timeo, null);
    if (timeo < 0) return timeo;
  }
}

/** A packet; a negative errno; or 0 after shutdown(SHUT_RD). */
export function* skb_recv_datagram(sk: sock, flags: number): Sleeping<sk_buff | number> {
  const result = yield* __skb_recv_datagram(sk, sk.sk_receive_queue, flags);
  return result === -ESHUTDOWN_RECV ? 0 : result;
}

export function skb_free_datagram(_sk: sock, skb: sk_buff): void {
  consume_skb(skb, 'skb_free_datagram');
}

/** A packet that turned out to be bad is thrown away, from the queue too if it was only peeked at. */
export function skb_kill_datagram(sk: sock, skb: sk_buff, flags: number): void {
  if ((flags & MSG_PEEK) !== 0 && skb.list === sk.sk_receive_queue) {
    __skb_unlink(skb, sk.sk_receive_queue);
    skb.users--;
  }
  sk.sk_drops++;
  kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_RCVBUFF, 'skb_kill_datagram');
}

/** What poll() reports for a datagram socket. */
export function datagram_poll(sock: socket): number {
  const sk = sock.sk!;
  let mask = 0;
  if (sk.sk_err !== 0 || !skb_queue_empty(sk.sk_error_queue)) mask |= POLLERR;
  if ((sk.sk_shutdown & RCV_SHUTDOWN) !== 0) mask |= POLLRDHUP | POLLIN | POLLRDNORM;
  if (sk.sk_shutdown === SHUTDOWN_MASK) mask |= POLLHUP;
  if (!skb_queue_empty(sk.sk_receive_queue)) mask |= POLLIN | POLLRDNORM;
  if (sk.skc_state === TCP_SYN_SENT && isConnectionOriented(sk.sk_type)) return mask;
  if (sock_writeable(sk)) mask |= POLLOUT | POLLWRNORM | POLLWRBAND;
  else sock.flags |= SOCKWQ_ASYNC_NOSPACE | SOCK_NOSPACE;
  return mask;
}
