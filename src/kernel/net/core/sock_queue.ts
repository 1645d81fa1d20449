/**
 * net/core/sock.c: queues of received packets, waiting for data or room, and buffers for datagrams to send.
 * `sock_queue_rcv_skb_reason` → `__sock_queue_rcv_skb` → `sk_data_ready`; `sock_alloc_send_pskb` ↔ `sock_wait_for_wmem`.
 *
 * Functions that in C change `*timeo` return what is left of it instead: a number of jiffies ≥ 0, or a negative errno.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { kernel, trace } from '../../current.ts';
import { type Sleeping, TASK_INTERRUPTIBLE, wait_queue_entry } from '../../include/linux/sched.ts';
import { __skb_queue_tail, type sk_buff, skb_peek_tail } from '../../include/linux/skbuff.ts';
import { skb_dst_force } from '../../include/net/dst.ts';
import {
  PAGE_FRAG_ORDER,
  SOCK_DEAD,
  SOCK_NOSPACE,
  SOCK_RXQ_OVFL,
  SOCKWQ_ASYNC_NOSPACE,
  sk_sleep,
  sk_wmem_alloc_get,
  type sock,
  sock_error,
  sock_flag,
  sock_intr_errno,
  sock_sndtimeo,
} from '../../include/net/sock.ts';
import { CALL_WAITS, CALL_WOKEN, callTimesHold } from '../../kernel/call_times.ts';
import {
  add_wait_queue,
  current,
  remove_wait_queue,
  schedule_timeout,
  set_current_state,
  signal_pending,
  wait_woken,
  woken_wake_function,
} from '../../kernel/sched.ts';
import { EAGAIN, ENOBUFS, ENOMEM, EPIPE } from '../../uapi/errno.ts';
import { SEND_SHUTDOWN } from '../../uapi/socket.ts';
import { alloc_skb_with_frags } from './skbuff_with_frags.ts';
import { lock_sock, release_sock } from './sock_lock.ts';
import { sk_rmem_schedule } from './sock_mem.ts';
import { skb_set_owner_r, skb_set_owner_w } from './sock_owner.ts';

/** Queues a packet for the socket's reader. On failure (-ENOMEM: buffer full, -ENOBUFS: no memory) the caller still has the skb. */
export function __sock_queue_rcv_skb(sk: sock, skb: sk_buff): number {
  if (sk.sk_rmem_alloc >= sk.sk_rcvbuf) {
    sk.sk_drops++;
    trace().sock_rcvqueue_full?.(sk, skb);
    return -ENOMEM;
  }
  if (!sk_rmem_schedule(sk, skb, skb.truesize)) {
    sk.sk_drops++;
    return -ENOBUFS;
  }
  skb.dev = null;
  skb_set_owner_r(skb, sk);
  skb_dst_force(skb);
  sock_skb_set_dropcount(sk, skb);
  skb.queuedTime = this_cpu.clock;
  __skb_queue_tail(sk.sk_receive_queue, skb);
  if (!sock_flag(sk, SOCK_DEAD)) sk.sk_data_ready(sk);
  return 0;
}

/** Simplified: sockets have no filters (SO_ATTACH_FILTER), so nothing is trimmed or refused before queueing. */
export const sock_queue_rcv_skb = __sock_queue_rcv_skb;

/** SO_RXQ_OVFL: how many were lost before this one. */
export function sock_skb_set_dropcount(sk: sock, skb: sk_buff): void {
  skb.dropcount = sock_flag(sk, SOCK_RXQ_OVFL) ? sk.sk_drops : 0;
}

/** Waits, without the socket's lock, until something was queued after `skb` or `timeo` jiffies are over; returns what is left of them. */
export function* sk_wait_data(sk: sock, timeo: number, skb: sk_buff | null): Sleeping<number> {
  const wq = sk_sleep(sk);
  const wait = new wait_queue_entry(current(), woken_wake_function);
  const disconnects = sk.sk_disconnects;
  add_wait_queue(wq, wait);
  if (kernel().callTimes !== null) yield* callTimesHold(CALL_WAITS);
  release_sock(sk);
  if (skb_peek_tail(sk.sk_receive_queue) === skb) timeo = yield* wait_woken(TASK_INTERRUPTIBLE, timeo);
  if (kernel().callTimes !== null) yield* callTimesHold(CALL_WOKEN);
  yield* lock_sock(sk);
  remove_wait_queue(wq, wait);
  return sk.sk_disconnects === disconnects ? timeo : -EPIPE;
}

/** Sleeps until packets on their way have left room in the send buffer. */
function* sock_wait_for_wmem(sk: sock, timeo: number): Sleeping<number> {
  const wq = sk_sleep(sk);
  const wait = new wait_queue_entry(current());
  add_wait_queue(wq, wait);
  while (timeo > 0 && !signal_pending(current()) && !mayWrite(sk)) {
    sk.sk_socket!.flags |= SOCK_NOSPACE;
    set_current_state(TASK_INTERRUPTIBLE);
    timeo = yield* schedule_timeout(timeo);
  }
  remove_wait_queue(wq, wait);
  return timeo;
}

const mayWrite = (sk: sock): boolean => sk_wmem_alloc_get(sk) < sk.sk_sndbuf || (sk.sk_shutdown & SEND_SHUTDOWN) !== 0 || sk.sk_err !== 0;

/** Waits until something may be sent at all: 0, or a negative errno. For who then makes its buffers where it cannot sleep. */
export function* waitForSendRoom(sk: sock, noblock: boolean): Sleeping<number> {
  let timeo = sock_sndtimeo(sk, noblock);
  for (;;) {
    const ready = sendReadiness(sk, timeo);
    if (ready !== 0) return Math.min(ready, 0);
    timeo = yield* sock_wait_for_wmem(sk, timeo);
  }
}

/** A buffer to send, paid by the socket: waits for room unless `noblock`. Linear part of `header_len`, pages for the rest. */
export function* sock_alloc_send_pskb(sk: sock, header_len: number, data_len: number, noblock: boolean): Sleeping<sk_buff | number> {
  const refused = yield* waitForSendRoom(sk, noblock);
  if (refused < 0) return refused;
  const skb = alloc_skb_with_frags(header_len, data_len, PAGE_FRAG_ORDER, sk.sk_allocation);
  if (skb === null) return -ENOBUFS;
  skb_set_owner_w(skb, sk);
  return skb;
}

export const sock_alloc_send_skb = (sk: sock, size: number, noblock: boolean): Sleeping<sk_buff | number> =>
  sock_alloc_send_pskb(sk, size, 0, noblock);

/** 1: there is room; 0: wait; negative: give up. */
function sendReadiness(sk: sock, timeo: number): number {
  const err = sock_error(sk);
  if (err !== 0) return err;
  if ((sk.sk_shutdown & SEND_SHUTDOWN) !== 0) return -EPIPE;
  if (sk_wmem_alloc_get(sk) < sk.sk_sndbuf) return 1;
  sk.sk_socket!.flags |= SOCKWQ_ASYNC_NOSPACE | SOCK_NOSPACE;
  if (timeo === 0) return -EAGAIN;
  return signal_pending(current()) ? sock_intr_errno(timeo) : 0;
}
