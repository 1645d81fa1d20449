/**
 * net/core/sock.c, include/net/sock.h: ownership of a socket.
 * `lock_sock` → the owner works, maybe sleeps → segments that arrive meanwhile go to the backlog (`sk_add_backlog`) → `release_sock` processes them.
 *
 * Softirq code runs atomically, so it needs no lock: it asks `sock_owned_by_user()` and does the work itself or leaves it to the owner.
 */
import { this_cpu } from '../../../machine/cpu.ts';
import { this_cpu_ptr } from '../../current.ts';
import { type Sleeping, TASK_UNINTERRUPTIBLE, wait_queue_entry, waitqueue_active } from '../../include/linux/sched.ts';
import { __skb_dequeue, __skb_queue_tail, type sk_buff } from '../../include/linux/skbuff.ts';
import { skb_dst_force } from '../../include/net/dst.ts';
import type { sock } from '../../include/net/sock.ts';
import { current, finish_wait, prepare_to_wait_exclusive, schedule, wake_up } from '../../kernel/sched.ts';
import { local_bh_disable, local_bh_enable } from '../../kernel/softirq.ts';
import { ENOBUFS } from '../../uapi/errno.ts';

/** Makes the running task the owner; sleeps while another is. */
export function* lock_sock_nested(sk: sock, _subclass = 0): Sleeping<void> {
  if (sk.sk_lock_owned) yield* __lock_sock(sk);
  sk.sk_lock_owned = true;
}

export const lock_sock = lock_sock_nested;

/** The same without the right to sleep and for short work only: true when it had to be the slow way. */
export function* lock_sock_fast(sk: sock): Sleeping<boolean> {
  yield* lock_sock_nested(sk);
  return true;
}

export function unlock_sock_fast(sk: sock, _slow: boolean): void {
  release_sock(sk);
}

function* __lock_sock(sk: sock): Sleeping<void> {
  const wait = new wait_queue_entry(current());
  for (;;) {
    prepare_to_wait_exclusive(sk.sk_lock_wq, wait, TASK_UNINTERRUPTIBLE);
    yield* schedule();
    if (!sk.sk_lock_owned) break;
  }
  finish_wait(sk.sk_lock_wq, wait);
}

/** Ends ownership: first the backlog, then what others deferred to the owner, then whoever waits for the lock. */
export function release_sock(sk: sock): void {
  local_bh_disable();
  if (sk.sk_backlog.next !== null) __release_sock(sk);
  sk.skc_prot.release_cb?.(sk);
  sk.sk_lock_owned = false;
  if (waitqueue_active(sk.sk_lock_wq)) wake_up(sk.sk_lock_wq);
  local_bh_enable();
}

/** Processes the backlog as the softirq would have; bottom halves are on meanwhile. What it adds to itself is processed, too. */
export function __release_sock(sk: sock): void {
  local_bh_enable();
  for (let skb = __skb_dequeue(sk.sk_backlog); skb !== null; skb = __skb_dequeue(sk.sk_backlog)) {
    this_cpu.spinUntil(skb.queuedTime);
    sk_backlog_rcv(sk, skb);
  }
  local_bh_disable();
  // Counted until now, so that a fast sender cannot keep the owner busy for ever.
  sk.sk_backlog_len = 0;
}

export const sk_backlog_rcv = (sk: sock, skb: sk_buff): number => sk.sk_backlog_rcv(sk, skb);

/**
 * A point of a long operation where its owner lets in what has arrived: interrupts are taken, then the backlog is processed.
 * True when there was something.
 */
export function* sk_flush_backlog(sk: sock): Sleeping<boolean> {
  if (!this_cpu.caughtUp() || this_cpu.interruptPending || this_cpu_ptr().__softirq_pending !== 0) yield;
  if (sk.sk_backlog.next === null) return false;
  __sk_flush_backlog(sk);
  return true;
}

export function __sk_flush_backlog(sk: sock): void {
  local_bh_disable();
  __release_sock(sk);
  sk.skc_prot.release_cb?.(sk);
  local_bh_enable();
}

export const sk_rcvqueues_full = (sk: sock, limit: number): boolean => sk.sk_backlog_len + sk.sk_rmem_alloc > limit;

/** Leaves a segment to the owner; -ENOBUFS when more than `limit` bytes wait already. */
export function sk_add_backlog(sk: sock, skb: sk_buff, limit: number): number {
  if (sk_rcvqueues_full(sk, limit)) return -ENOBUFS;
  __sk_add_backlog(sk, skb);
  sk.sk_backlog_len += skb.truesize;
  return 0;
}

export function __sk_add_backlog(sk: sock, skb: sk_buff): void {
  skb_dst_force(skb);
  skb.queuedTime = this_cpu.clock;
  __skb_queue_tail(sk.sk_backlog, skb);
}
