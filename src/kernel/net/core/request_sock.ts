/**
 * net/core/request_sock.c, include/net/request_sock.h: references of half-open connections, and what becomes of the request of a Fast Open
 * connection, which stands beside its socket until the handshake is over.
 */
import { tcp_sk } from '../../include/linux/tcp.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import type { request_sock, request_sock_queue } from '../../include/net/request_sock.ts';
import type { sock } from '../../include/net/sock.ts';
import { HZ, jiffies } from '../../kernel/time/timer.ts';
import { TCP_LISTEN } from '../../uapi/tcp.ts';
import { sock_put } from './sock_life.ts';

/** A listener's queue starts empty. Its limit of Fast Open requests may have been set before. */
export function reqsk_queue_alloc(queue: request_sock_queue): void {
  queue.rskq_accept_head = null;
  queue.rskq_accept_tail = null;
  queue.fastopenq.rskq_rst_head = null;
  queue.fastopenq.rskq_rst_tail = null;
  queue.fastopenq.qlen = 0;
}

/** Frees a request: its listener loses a reference. */
export function reqsk_free(req: request_sock): void {
  req.rsk_ops.destructor(req);
  req.saved_syn = null;
  if (req.rsk_listener !== null) sock_put(req.rsk_listener);
}
export const __reqsk_free = reqsk_free;

export function reqsk_put(req: request_sock): void {
  if (--req.skc_refcnt === 0) reqsk_free(req);
}

/**
 * The handshake of a Fast Open connection ended (or was `reset`). One that a RST ended is kept for a minute and counts against the limit all
 * the while: so somebody with forged addresses cannot use more than the limit allows (RFC 7413, 5.1).
 */
export function reqsk_fastopen_remove(sk: sock, req: request_sock, reset: boolean): void {
  const listener = req.rsk_listener!;
  const fastopenq = inet_csk(listener).icsk_accept_queue.fastopenq;
  tcp_sk(sk).fastopen_rsk = null;
  fastopenq.qlen--;
  req.tfo_listener = false;
  // Not accepted yet: accept() frees the request.
  if (req.sk !== null) return;
  if (!reset || listener.skc_state !== TCP_LISTEN) {
    reqsk_put(req);
    return;
  }
  req.rsk_timer.expires = jiffies() + 60 * HZ();
  if (fastopenq.rskq_rst_head === null) fastopenq.rskq_rst_head = req;
  else fastopenq.rskq_rst_tail!.dl_next = req;
  req.dl_next = null;
  fastopenq.rskq_rst_tail = req;
  fastopenq.qlen++;
}
