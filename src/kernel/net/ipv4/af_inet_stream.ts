/**
 * net/ipv4/af_inet.c: connect() of stream sockets. `inet_stream_connect` → `__inet_stream_connect` → the protocol's connect → `inet_wait_for_connect`.
 * Apart from af_inet.ts, because TCP itself connects a socket that sends its first data with the SYN.
 */
import { type Sleeping, TASK_INTERRUPTIBLE, wait_queue_entry } from '../../include/linux/sched.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { inet_sk } from '../../include/net/inet_sock.ts';
import {
  SS_CONNECTED,
  SS_CONNECTING,
  SS_DISCONNECTING,
  SS_UNCONNECTED,
  sk_sleep,
  type sock,
  sock_error,
  sock_intr_errno,
  sock_sndtimeo,
  type socket,
} from '../../include/net/sock.ts';
import { add_wait_queue, current, remove_wait_queue, signal_pending, wait_woken, woken_wake_function } from '../../kernel/sched.ts';
import { EALREADY, ECONNABORTED, EINPROGRESS, EINVAL, EISCONN } from '../../uapi/errno.ts';
import { IPPROTO_TCP, type sockaddr_in } from '../../uapi/in.ts';
import { AF_UNSPEC, O_NONBLOCK } from '../../uapi/socket.ts';
import { TCP_CLOSE, TCPF_SYN_RECV, TCPF_SYN_SENT } from '../../uapi/tcp.ts';
import { lock_sock, release_sock } from '../core/sock_lock.ts';

export function* inet_stream_connect(sock: socket, uaddr: sockaddr_in, flags: number): Sleeping<number> {
  const sk = sock.sk!;
  yield* lock_sock(sk);
  const err = yield* __inet_stream_connect(sock, uaddr, flags, false);
  release_sock(sk);
  return err;
}

/** With the lock held. `uaddr` null: a handshake that was put off (TCP_FASTOPEN_CONNECT) goes on. */
export function* __inet_stream_connect(sock: socket, uaddr: sockaddr_in | null, flags: number, is_sendmsg: boolean): Sleeping<number> {
  const sk = sock.sk!;
  if (uaddr !== null && uaddr.sin_family === AF_UNSPEC) return dissolve(sock, flags);
  const started = startConnect(sock, uaddr, is_sendmsg);
  if (started !== GO_ON && started !== EALREADY_GO_ON) return started;
  return yield* finishConnect(sock, sk, flags, started === GO_ON ? -EINPROGRESS : alreadyError(sk, is_sendmsg));
}

/** connect() with AF_UNSPEC takes a connection back. */
function dissolve(sock: socket, flags: number): number {
  const sk = sock.sk!;
  sk.sk_disconnects++;
  const err = sk.skc_prot.disconnect(sk, flags);
  sock.state = err !== 0 ? SS_DISCONNECTING : SS_UNCONNECTED;
  return err;
}

const GO_ON = 1;
const EALREADY_GO_ON = 2;
/** A handshake that was put off is under way for who sends, and over for who connects. */
const alreadyError = (sk: sock, is_sendmsg: boolean): number =>
  inet_sk(sk).defer_connect ? (is_sendmsg ? -EINPROGRESS : -EISCONN) : -EALREADY;

/** The SYN goes out, unless it has. GO_ON: the handshake is under way. */
function startConnect(sock: socket, uaddr: sockaddr_in | null, _is_sendmsg: boolean): number {
  const sk = sock.sk!;
  if (sock.state === SS_CONNECTED) return -EISCONN;
  if (sock.state === SS_CONNECTING) return EALREADY_GO_ON;
  if (sock.state !== SS_UNCONNECTED) return -EINVAL;
  if (sk.skc_state !== TCP_CLOSE) return -EISCONN;
  const err = sk.skc_prot.connect(sk, uaddr!);
  if (err < 0) return err;
  sock.state = SS_CONNECTING;
  return inet_sk(sk).defer_connect ? 0 : GO_ON;
}

/** Waits for the answer and makes the result of it. `pending` is what a caller hears who does not want to wait. */
function* finishConnect(sock: socket, sk: sock, flags: number, pending: number): Sleeping<number> {
  const timeo = sock_sndtimeo(sk, (flags & O_NONBLOCK) !== 0);
  if (inHandshake(sk)) {
    const left = timeo === 0 ? 0 : yield* inet_wait_for_connect(sk, timeo, writeBias(sk));
    if (left === 0) return pending;
    if (signal_pending(current())) return sock_intr_errno(left);
  }
  // Refused, reset or timed out.
  if (sk.skc_state === TCP_CLOSE) return connectFailed(sock, sk, flags);
  sock.state = SS_CONNECTED;
  return 0;
}

const inHandshake = (sk: sock): boolean => ((1 << sk.skc_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) !== 0;

/** What did not fit into the SYN is a writer that waits: the ACK of the SYN-ACK is left to it. */
function writeBias(sk: sock): number {
  if (sk.sk_protocol !== IPPROTO_TCP) return 0;
  const request = tcp_sk(sk).fastopen_req;
  return request !== null && request.data !== null ? 1 : 0;
}

function connectFailed(sock: socket, sk: sock, flags: number): number {
  const err = sock_error(sk) || -ECONNABORTED;
  sk.sk_disconnects++;
  sock.state = sk.skc_prot.disconnect(sk, flags) !== 0 ? SS_DISCONNECTING : SS_UNCONNECTED;
  return err;
}

/** Sleeps until the handshake is over; returns what is left of `timeo`. */
function* inet_wait_for_connect(sk: sock, timeo: number, writebias: number): Sleeping<number> {
  const wait = new wait_queue_entry(current(), woken_wake_function);
  add_wait_queue(sk_sleep(sk), wait);
  sk.sk_write_pending += writebias;
  while (inHandshake(sk) && timeo > 0 && !signal_pending(current())) {
    release_sock(sk);
    if (inHandshake(sk)) timeo = yield* wait_woken(TASK_INTERRUPTIBLE, timeo);
    yield* lock_sock(sk);
  }
  remove_wait_queue(sk_sleep(sk), wait);
  sk.sk_write_pending -= writebias;
  return timeo;
}
