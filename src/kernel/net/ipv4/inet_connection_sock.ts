/**
 * net/ipv4/inet_connection_sock.c: what connection-oriented protocols share. Cut by subject; this file is the name under which others know all of it.
 * Here: listening (`inet_csk_listen_start` → `inet_csk_accept` → `inet_csk_listen_stop`) and the birth of accepted sockets (`inet_csk_clone_lock`).
 *
 * - inet_connection_sock_bind: `inet_csk_get_port`
 * - inet_connection_sock_reqsk: half-open connections, the accept queue
 * - inet_connection_sock_timers, _route, _destroy
 */
import { type Sleeping, TASK_INTERRUPTIBLE, wait_queue_entry } from '../../include/linux/sched.ts';
import { inet_csk, inet_sk } from '../../include/net/inet_sock.ts';
import { reqsk_queue_empty, reqsk_queue_remove, type request_sock, request_sock_queue } from '../../include/net/request_sock.ts';
import { SOCK_RCU_FREE, sk_sleep, type sock, sock_hold, sock_intr_errno, sock_rcvtimeo, sock_reset_flag } from '../../include/net/sock.ts';
import {
  autoremove_wake_function,
  current,
  finish_wait,
  prepare_to_wait_exclusive,
  schedule_timeout,
  signal_pending,
} from '../../kernel/sched.ts';
import { EAGAIN, EINVAL } from '../../uapi/errno.ts';
import { O_NONBLOCK } from '../../uapi/socket.ts';
import { TCP_CLOSE, TCP_LISTEN, TCP_SYN_RECV } from '../../uapi/tcp.ts';
import { reqsk_put, reqsk_queue_alloc } from '../core/request_sock.ts';
import { lock_sock, release_sock, sk_clone_lock, sk_dst_reset, sock_put } from '../core/sock.ts';
import { reuseport_migrate_sock } from '../core/sock_reuseport.ts';
import { inet_sk_set_state, inet_sk_state_store } from './af_inet_state.ts';
import { inet_child_forget, migrateChild } from './inet_connection_sock_reqsk.ts';

export * from './inet_connection_sock_bind.ts';
export * from './inet_connection_sock_destroy.ts';
export * from './inet_connection_sock_reqsk.ts';
export * from './inet_connection_sock_route.ts';
export * from './inet_connection_sock_timers.ts';

/** Sleeps until a connection waits, the listener closes, a signal comes or time is up. Waiters are woken one at a time. */
function* inet_csk_wait_for_connect(sk: sock, timeout: number): Sleeping<number> {
  const queue = inet_csk(sk).icsk_accept_queue;
  const wait = new wait_queue_entry(current(), autoremove_wake_function);
  let timeo = timeout;
  let err = 0;
  for (;;) {
    prepare_to_wait_exclusive(sk_sleep(sk), wait, TASK_INTERRUPTIBLE);
    release_sock(sk);
    if (reqsk_queue_empty(queue)) timeo = yield* schedule_timeout(timeo);
    yield* lock_sock(sk);
    err = 0;
    if (!reqsk_queue_empty(queue)) break;
    err = -EINVAL;
    if (sk.skc_state !== TCP_LISTEN) break;
    err = sock_intr_errno(timeo);
    if (signal_pending(current())) break;
    err = -EAGAIN;
    if (timeo === 0) break;
  }
  finish_wait(sk_sleep(sk), wait);
  return err;
}

/** The next established connection; a negative errno if there is none. */
export function* inet_csk_accept(sk: sock, flags: number): Sleeping<sock | number> {
  yield* lock_sock(sk);
  const result = yield* acceptLocked(sk, flags);
  release_sock(sk);
  return result;
}

function* acceptLocked(sk: sock, flags: number): Sleeping<sock | number> {
  const queue = inet_csk(sk).icsk_accept_queue;
  if (sk.skc_state !== TCP_LISTEN) return -EINVAL;
  if (reqsk_queue_empty(queue)) {
    const timeo = sock_rcvtimeo(sk, (flags & O_NONBLOCK) !== 0);
    if (timeo === 0) return -EAGAIN;
    const error = yield* inet_csk_wait_for_connect(sk, timeo);
    if (error !== 0) return error;
  }
  const req = reqsk_queue_remove(queue, sk)!;
  const newsk = req.sk!;
  // A Fast Open connection may be accepted before its handshake is over; then the request goes when that is.
  if (req.tfo_listener) req.sk = null;
  else reqsk_put(req);
  return newsk;
}

export function inet_csk_delack_init(sk: sock): void {
  const ack = inet_csk(sk).icsk_ack;
  ack.pending = ack.quick = ack.pingpong = ack.retry = ack.ato = ack.lrcv_flowlabel = 0;
  ack.timeout = ack.lrcvtime = ack.last_seg_size = ack.rcv_mss = 0;
  ack.dst_quick_ack = false;
}

/** The port is asked for again, since sharing it is judged by other rules for listeners. */
export function inet_csk_listen_start(sk: sock): number {
  reqsk_queue_alloc(inet_csk(sk).icsk_accept_queue);
  sk.sk_ack_backlog = 0;
  inet_csk_delack_init(sk);
  inet_sk_state_store(sk, TCP_LISTEN);
  let err = sk.skc_prot.get_port!(sk, sk.skc_num);
  if (err === 0) {
    inet_sk(sk).inet_sport = sk.skc_num;
    sk_dst_reset(sk);
    err = sk.skc_prot.hash!(sk);
    if (err === 0) return 0;
  }
  inet_sk_set_state(sk, TCP_CLOSE);
  return err;
}

/** Connections that nobody accepted move to another listener of the group, or are reset. */
export function inet_csk_listen_stop(sk: sock): void {
  const queue = inet_csk(sk).icsk_accept_queue;
  for (let req = reqsk_queue_remove(queue, sk); req !== null; req = reqsk_queue_remove(queue, sk)) stopWaiting(sk, req, req.sk!);
  let req = queue.fastopenq.rskq_rst_head;
  queue.fastopenq.rskq_rst_head = null;
  while (req !== null) {
    const next: request_sock | null = req.dl_next;
    reqsk_put(req);
    req = next;
  }
}

function stopWaiting(sk: sock, req: request_sock, child: sock): void {
  sock_hold(child);
  const nsk = reuseport_migrate_sock(sk, child.skc_hash);
  if (nsk === null) {
    inet_child_forget(sk, req, child);
    reqsk_put(req);
  } else if (!migrateChild(nsk, req, child)) reqsk_put(req);
  sock_put(child);
}

/** The socket of a new connection: a copy of the listener with the request's identity, with two references. */
export function inet_csk_clone_lock(sk: sock, req: request_sock, priority: number): sock {
  const newsk = sk_clone_lock(sk, priority);
  const newicsk = inet_csk(newsk);
  inet_sk_set_state(newsk, TCP_SYN_RECV);
  newicsk.icsk_bind_hash = null;
  newicsk.icsk_bind2_hash = null;
  newsk.skc_dport = req.skc_dport;
  newsk.skc_num = req.skc_num;
  newicsk.inet_sport = req.skc_num;
  newsk.skc_daddr = req.skc_daddr;
  newsk.skc_rcv_saddr = req.skc_rcv_saddr;
  newicsk.inet_saddr = req.skc_rcv_saddr;
  newsk.skc_bound_dev_if = req.ir_iif;
  newsk.sk_reuseport_cb = null;
  sock_reset_flag(newsk, SOCK_RCU_FREE);
  newsk.sk_mark = req.ir_mark;
  newsk.skc_cookie = req.skc_cookie;
  newicsk.icsk_retransmits = 0;
  newicsk.icsk_backoff = 0;
  newicsk.icsk_probes_out = 0;
  newicsk.icsk_probes_tstamp = 0;
  newicsk.icsk_accept_queue = new request_sock_queue();
  return newsk;
}
