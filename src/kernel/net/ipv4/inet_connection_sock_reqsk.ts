/**
 * net/ipv4/inet_connection_sock.c: half-open connections of a listener, and the queue of those that wait to be accepted.
 * SYN: `inet_reqsk_alloc` → `inet_csk_reqsk_queue_hash_add` → (`reqsk_timer_handler` repeats the SYN-ACK) → ACK: `inet_csk_complete_hashdance` →
 * `inet_csk_reqsk_queue_add` → accept(). Or `inet_csk_reqsk_queue_drop`.
 *
 * A hashed request has three references: of the table, of its timer, and of whoever made it.
 */

import { tcp_sk } from '../../include/linux/tcp.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import {
  reqsk_queue_added,
  reqsk_queue_len,
  reqsk_queue_len_young,
  reqsk_queue_removed,
  request_sock,
  type request_sock_ops,
  type request_sock_queue,
} from '../../include/net/request_sock.ts';
import { type sock, sock_hold, sock_net, sock_orphan } from '../../include/net/sock.ts';
import { TCP_RTO_MAX, TCP_TIMEOUT_INIT } from '../../include/net/tcp.ts';
import { jiffies, mod_timer, timer_delete_sync, timer_list } from '../../kernel/time/timer.ts';
import { LINUX_MIB_TCPMIGRATEREQFAILURE, LINUX_MIB_TCPMIGRATEREQSUCCESS, LINUX_MIB_TCPTIMEOUTS } from '../../uapi/snmp.ts';
import { O_NONBLOCK } from '../../uapi/socket.ts';
import { TCP_LISTEN } from '../../uapi/tcp.ts';
import { __reqsk_free, reqsk_put } from '../core/request_sock.ts';
import { sock_put } from '../core/sock_life.ts';
import { reuseport_migrate_sock } from '../core/sock_reuseport.ts';
import { inet_csk_destroy_sock } from './inet_connection_sock_destroy.ts';
import { inet_ehash_insert } from './inet_hashtables.ts';
import { ehashRemove } from './inet_hashtables_ehash.ts';

export const inet_csk_reqsk_queue_len = (sk: sock): number => reqsk_queue_len(inet_csk(sk).icsk_accept_queue);
export const inet_csk_reqsk_queue_young = (sk: sock): number => reqsk_queue_len_young(inet_csk(sk).icsk_accept_queue);
/** As many half-open ones as the backlog allows established ones (one more than it says). */
export const inet_csk_reqsk_queue_is_full = (sk: sock): boolean => inet_csk_reqsk_queue_len(sk) > sk.sk_max_ack_backlog;

/** When the SYN-ACK is due again: doubles with each timeout. net.ipv4.tcp_rto_max_ms limits only those of Fast Open (later kernels: these, too). */
export const tcp_reqsk_timeout = (req: request_sock): number => Math.min(req.timeout * 2 ** req.num_timeout, TCP_RTO_MAX());

/** A request; with `attach_listener` it holds its listener (one made from a SYN cookie does not). */
export function inet_reqsk_alloc(ops: request_sock_ops, sk_listener: sock, attach_listener: boolean): request_sock {
  const req = new request_sock(sock_net(sk_listener), ops, attach_listener ? sk_listener : null);
  if (attach_listener) sock_hold(sk_listener);
  req.skc_family = sk_listener.skc_family;
  req.skc_refcnt = 0;
  req.timeout = TCP_TIMEOUT_INIT();
  req.rsk_timer = new timer_list(() => reqsk_timer_handler(req), 'reqsk_timer_handler');
  return req;
}

/** Enters the table and starts the timer; false when the connection is there already. */
export function inet_csk_reqsk_queue_hash_add(sk: sock, req: request_sock, timeout: number): boolean {
  if (!inet_ehash_insert(req, null, true)) return false;
  mod_timer(req.rsk_timer, jiffies() + timeout);
  req.skc_refcnt = 3;
  reqsk_queue_added(inet_csk(sk).icsk_accept_queue);
  return true;
}

/** Leaves the table and stops the timer; true if it was in the table. */
function reqsk_queue_unlink(req: request_sock): boolean {
  const found = ehashRemove(req.skc_net.tcp_hashinfo, req);
  if (timer_delete_sync(req.rsk_timer)) reqsk_put(req);
  return found;
}

function __inet_csk_reqsk_queue_drop(sk: sock, req: request_sock): boolean {
  const unlinked = reqsk_queue_unlink(req);
  if (unlinked) {
    reqsk_queue_removed(inet_csk(sk).icsk_accept_queue, req);
    reqsk_put(req);
  }
  return unlinked;
}

/** Forgets a half-open connection; false when it was forgotten already. */
export function inet_csk_reqsk_queue_drop(sk: sock, req: request_sock): boolean {
  return __inet_csk_reqsk_queue_drop(sk, req);
}

export function inet_csk_reqsk_queue_drop_and_put(sk: sock, req: request_sock): void {
  inet_csk_reqsk_queue_drop(sk, req);
  reqsk_put(req);
}

/** A crowded queue gives old requests fewer retries, to keep half of its room for young ones. */
function maxSynAckRetries(listener: sock, queue: request_sock_queue): number {
  let retries = inet_csk(listener).icsk_syn_retries || sock_net(listener).ipv4.sysctl_tcp_synack_retries;
  const qlen = reqsk_queue_len(queue);
  if (qlen * 2 <= Math.max(8, listener.sk_max_ack_backlog)) return retries;
  for (let young = reqsk_queue_len_young(queue) * 2; retries > 2 && qlen >= young; young *= 2) retries--;
  return retries;
}

/** Retries are used up, and no TCP_DEFER_ACCEPT lets an acknowledged request wait for its data any longer. */
const isExpired = (req: request_sock, retries: number, defer: number): boolean =>
  req.num_timeout >= retries && (defer === 0 || !req.acked || req.num_timeout >= defer);
/** While data is waited for nothing is sent, but for a last chance at the end of the period. */
const shouldResend = (req: request_sock, defer: number): boolean => defer === 0 || !req.acked || req.num_timeout >= defer - 1;

/** The SYN-ACK was not answered in time. */
function reqsk_timer_handler(req: request_sock): void {
  const listener = req.rsk_listener!;
  if (listener.skc_state !== TCP_LISTEN) {
    migrateHalfOpen(listener, req);
    return;
  }
  if (retryLater(listener, req)) mod_timer(req.rsk_timer, jiffies() + tcp_reqsk_timeout(req));
  else inet_csk_reqsk_queue_drop_and_put(listener, req);
}

/** Repeats the SYN-ACK if it is time to; false when the request is given up. */
function retryLater(listener: sock, req: request_sock): boolean {
  const queue = inet_csk(listener).icsk_accept_queue;
  const retries = maxSynAckRetries(listener, queue);
  const defer = queue.rskq_defer_accept;
  NET_INC_STATS(sock_net(listener), LINUX_MIB_TCPTIMEOUTS);
  if (isExpired(req, retries, defer)) return false;
  if (shouldResend(req, defer) && req.rsk_ops.rtx_syn_ack(listener, req) !== 0 && !req.acked) return false;
  if (req.num_timeout++ === 0) queue.young--;
  return true;
}

/** Its listener closed: another one of the group takes it over, if it can. */
function migrateHalfOpen(listener: sock, req: request_sock): void {
  const nsk = reuseport_migrate_sock(listener, req.skc_hash);
  if (nsk !== null && takeOverHalfOpen(nsk, req)) {
    NET_INC_STATS(sock_net(nsk), LINUX_MIB_TCPMIGRATEREQSUCCESS);
    reqsk_queue_removed(inet_csk(listener).icsk_accept_queue, req);
    reqsk_put(req);
  } else inet_csk_reqsk_queue_drop_and_put(listener, req);
}

function takeOverHalfOpen(nsk: sock, req: request_sock): boolean {
  const nreq = inet_reqsk_clone(req, nsk);
  const queue = inet_csk(nsk).icsk_accept_queue;
  queue.qlen++;
  if (nreq.num_timeout === 0) queue.young++;
  if (!retryLater(nsk, nreq) || !inet_ehash_insert(nreq, req, false)) {
    NET_INC_STATS(sock_net(nsk), LINUX_MIB_TCPMIGRATEREQFAILURE);
    reqsk_queue_removed(queue, nreq);
    __reqsk_free(nreq);
    return false;
  }
  nreq.skc_refcnt = 2;
  mod_timer(nreq.rsk_timer, jiffies() + tcp_reqsk_timeout(nreq));
  return true;
}

/** A copy of a request for another listener, whose reference it takes over. */
export function inet_reqsk_clone(req: request_sock, sk: sock): request_sock {
  const nreq = Object.assign(new request_sock(req.skc_net, req.rsk_ops, sk), req);
  nreq.rsk_listener = sk;
  nreq.skc_next = null;
  nreq.skc_hashed = false;
  nreq.dl_next = null;
  nreq.rsk_timer = new timer_list(() => reqsk_timer_handler(nreq), 'reqsk_timer_handler');
  if (nreq.tfo_listener && nreq.sk !== null) tcp_sk(nreq.sk).fastopen_rsk = nreq;
  req.saved_syn = null;
  return nreq;
}

/** Nobody will accept `child`: it goes, with a RST if its state asks for one. */
export function inet_child_forget(sk: sock, req: request_sock, child: sock): void {
  sk.skc_prot.disconnect(child, O_NONBLOCK);
  sock_orphan(child);
  sock_net(sk).ipv4.tcp_orphan_count++;
  if (req.tfo_listener) tcp_sk(child).fastopen_rsk = null;
  inet_csk_destroy_sock(child);
}

/** `child` waits to be accepted; null when the listener closed meanwhile. */
export function inet_csk_reqsk_queue_add(sk: sock, req: request_sock, child: sock): sock | null {
  if (sk.skc_state !== TCP_LISTEN) {
    inet_child_forget(sk, req, child);
    return null;
  }
  const queue = inet_csk(sk).icsk_accept_queue;
  req.sk = child;
  req.dl_next = null;
  if (queue.rskq_accept_head === null) queue.rskq_accept_head = req;
  else queue.rskq_accept_tail!.dl_next = req;
  queue.rskq_accept_tail = req;
  sk.sk_ack_backlog++;
  return child;
}

/** The handshake is complete and `child` has the request's place in the table: from half-open to waiting for accept(). */
export function inet_csk_complete_hashdance(sk: sock, child: sock, req: request_sock, own_req: boolean): sock | null {
  if (own_req && acceptOrMigrate(sk, child, req)) return child;
  sock_put(child);
  return null;
}

function acceptOrMigrate(sk: sock, child: sock, req: request_sock): boolean {
  const listener = req.rsk_listener!;
  inet_csk_reqsk_queue_drop(listener, req);
  reqsk_queue_removed(inet_csk(listener).icsk_accept_queue, req);
  if (sk === listener) return inet_csk_reqsk_queue_add(sk, req, child) !== null;
  sock_hold(sk);
  return migrateChild(sk, req, child);
}

/** Moves an established connection to the accept queue of `nsk`, of which the caller hands over a reference. */
export function migrateChild(nsk: sock, req: request_sock, child: sock): boolean {
  const nreq = inet_reqsk_clone(req, nsk);
  nreq.skc_refcnt = 1;
  const added = inet_csk_reqsk_queue_add(nsk, nreq, child) !== null;
  NET_INC_STATS(sock_net(nsk), added ? LINUX_MIB_TCPMIGRATEREQSUCCESS : LINUX_MIB_TCPMIGRATEREQFAILURE);
  if (added) reqsk_put(req);
  else __reqsk_free(nreq);
  return added;
}
