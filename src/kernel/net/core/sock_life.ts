/**
 * net/core/sock.c: birth and death of sockets.
 * `sk_alloc` → `sock_init_data` → … → `sk_common_release` / `sock_put` → `sk_free` → `__sk_free` → `__sk_destruct`; `sk_clone_lock` for accepted ones.
 *
 * Two counts keep a socket: `skc_refcnt` (users, hash tables, timers) and `sk_wmem_alloc`, whose initial 1 stands for the former and whose
 * rest are bytes on their way out; packets in flight keep a closed socket until they are freed.
 */
import { InvariantError } from '../../../sim/invariant.ts';
import { smp_processor_id } from '../../current.ts';
import { wait_queue_head } from '../../include/linux/sched.ts';
import { sk_buff_head } from '../../include/linux/skbuff.ts';
import { type net, proto_memory } from '../../include/net/net_namespace.ts';
import {
  page_frag,
  type proto,
  SK_FLAGS_TIMESTAMP,
  SOCK_BINDPORT_LOCK,
  SOCK_DONE,
  SOCK_ZAPPED,
  sk_tx_queue_clear,
  sock,
  sock_flag,
  sock_net,
  sock_orphan,
  sock_reset_flag,
  sock_set_flag,
  type socket,
} from '../../include/net/sock.ts';
import { put_page } from '../../mm/page_alloc.ts';
import { TCP_CLOSE } from '../../uapi/tcp.ts';
import { net_enable_timestamp } from './dev_timestamp.ts';
import { sock_def_error_report, sock_def_readable, sock_def_wakeup, sock_def_write_space } from './sock_callbacks.ts';
import { sock_disable_timestamp } from './sock_cmsg.ts';
import { sk_sockets_allocated_inc } from './sock_mem.ts';

/** Makes a protocol known: from here on its sockets and their memory are counted. */
export function proto_register(network: net, prot: proto): number {
  network.prot_inuse.set(prot.name, 0);
  if (prot.sysctl_mem !== undefined) network.proto_memory.set(prot.name, new proto_memory());
  return 0;
}

export function sock_prot_inuse_add(network: net, prot: proto, value: number): void {
  network.prot_inuse.set(prot.name, (network.prot_inuse.get(prot.name) ?? 0) + value);
}

export const sock_prot_inuse_get = (network: net, prot: proto): number => network.prot_inuse.get(prot.name) ?? 0;

/** A class of socket: the protocol's own, since a protocol's state lives in the socket. */
export type sockClass = new (network: net, family: number, prot: proto) => sock;

export function sk_alloc(network: net, family: number, prot: proto, kind: sockClass = sock): sock {
  const sk = sk_prot_alloc(network, family, prot, kind);
  sk.sk_wmem_alloc = 1;
  return sk;
}

function sk_prot_alloc(network: net, family: number, prot: proto, kind: sockClass): sock {
  const sk = new kind(network, family, prot);
  sk.protoMemory = network.proto_memory.get(prot.name) ?? null;
  network.kernel.liveSockets++;
  return sk;
}

/** Defaults of every socket, and its ties to the side that files see (`parent` null: a kernel socket or one not accepted yet). */
export function sock_init_data(parent: socket | null, sk: sock): void {
  sock_init_data_uid(parent, sk, 0);
}

export function sock_init_data_uid(parent: socket | null, sk: sock, uid: number): void {
  const core = sock_net(sk).core;
  sk.sk_rcvbuf = core.sysctl_rmem_default;
  sk.sk_sndbuf = core.sysctl_wmem_default;
  sk.sk_ll_usec = core.busy_read;
  sk.skc_state = TCP_CLOSE;
  sk.sk_use_task_frag = true;
  sk.sk_socket = parent;
  sock_set_flag(sk, SOCK_ZAPPED);
  if (parent !== null) {
    sk.sk_type = parent.type;
    sk.sk_wq = parent.wq;
    parent.sk = sk;
  }
  sk.sk_uid = uid;
  sk.sk_state_change = sock_def_wakeup;
  sk.sk_data_ready = sock_def_readable;
  sk.sk_write_space = sock_def_write_space;
  sk.sk_error_report = sock_def_error_report;
  sk.sk_destruct = sock_def_destruct;
  sk.sk_stamp = -1;
}

function sock_def_destruct(_sk: sock): void {}

/** One reference less; the last one frees the socket, if no packet of it is in flight. */
export function sock_put(sk: sock): void {
  if (--sk.skc_refcnt === 0) sk_free(sk);
  else if (sk.skc_refcnt < 0) throw new InvariantError(`socket ${sk.skc_prot.name} :${sk.skc_num} put once too often`);
}

/** A reference less that is known not to be the last. */
export function __sock_put(sk: sock): void {
  sk.skc_refcnt--;
}

export function sk_free(sk: sock): void {
  if (--sk.sk_wmem_alloc === 0) __sk_free(sk);
}

export function __sk_free(sk: sock): void {
  sk_destruct(sk);
}

export function sk_destruct(sk: sock): void {
  __sk_destruct(sk);
}

function __sk_destruct(sk: sock): void {
  sk.sk_destruct?.(sk);
  sock_disable_timestamp(sk, SK_FLAGS_TIMESTAMP);
  const frag = sk.sk_frag;
  if (frag.page !== null) {
    put_page(frag.page);
    frag.page = null;
  }
  sock_net(sk).kernel.liveSockets--;
}

/** The end of a datagram socket: its protocol forgets it, its user has left. */
export function sk_common_release(sk: sock): void {
  sk.skc_prot.destroy?.(sk);
  // Unhashed before it is orphaned: nobody can find it any more when its last reference goes.
  sk.skc_prot.unhash?.(sk);
  sock_orphan(sk);
  sock_put(sk);
}

/** A number that identifies the socket in diagnostics; given when first asked for. */
export function sock_gen_cookie(sk: sock): number {
  if (sk.skc_cookie === 0) sk.skc_cookie = sock_net(sk).nextCookie++;
  return sk.skc_cookie;
}

/** A copy of a listener for a new connection, owned by the caller and with two references (caller's and hash table's). */
export function sk_clone_lock(sk: sock, _priority = 0): sock {
  const network = sock_net(sk);
  const newsk = sk_prot_alloc(network, sk.skc_family, sk.skc_prot, sk.constructor as sockClass);
  sock_copy(newsk, sk);
  forgetParentsUse(newsk);
  sk_sockets_allocated_inc(newsk);
  if (sock_flag(newsk, SK_FLAGS_TIMESTAMP)) net_enable_timestamp(network);
  return newsk;
}

/** What belongs to a socket's past and must not be inherited. */
function forgetParentsUse(newsk: sock): void {
  newsk.skc_refcnt = 2;
  newsk.skc_cookie = 0;
  newsk.skc_hashed = false;
  newsk.skc_next = null;
  newsk.sk_reuseport_cb = null;
  newsk.skc_incoming_cpu = smp_processor_id();
  newsk.sk_lock_owned = false;
  newsk.sk_backlog_len = 0;
  newsk.sk_rmem_alloc = newsk.sk_omem_alloc = newsk.sk_wmem_queued = 0;
  newsk.sk_wmem_alloc = 1;
  newsk.sk_forward_alloc = 0;
  newsk.sk_dst_cache = newsk.sk_rx_dst = null;
  newsk.sk_dst_pending_confirm = false;
  newsk.sk_drops = newsk.sk_zckey = 0;
  newsk.sk_err = newsk.sk_err_soft = newsk.sk_priority = 0;
  newsk.sk_userlocks &= ~SOCK_BINDPORT_LOCK;
  newsk.sk_timer = null;
  newsk.sk_user_data = null;
  newsk.sk_socket = null;
  newsk.sk_wq = null;
  newsk.sk_ino = 0;
  sock_reset_flag(newsk, SOCK_DONE);
  sk_tx_queue_clear(newsk);
}

/**
 * Copies a socket field by field. What a fresh socket has as an object of its own (queues aside, which stay empty) is filled with the parent's
 * values; other objects, such as operation tables, are shared.
 */
function sock_copy(to: sock, from: sock): void {
  const target = to as unknown as Record<string, unknown>;
  for (const [key, value] of Object.entries(from)) {
    const own = target[key];
    if (own === value || key === 'address') continue;
    if (typeof own !== 'object' || own === null) target[key] = value;
    else if (!isPrivate(own)) copyState(own, value as object);
  }
}

const isPrivate = (own: object): boolean => own instanceof sk_buff_head || own instanceof wait_queue_head || own instanceof page_frag;

function copyState(own: object, value: object): void {
  if (!Array.isArray(own)) Object.assign(own, value);
  else for (let i = 0; i < own.length; i++) if (typeof own[i] === 'object') Object.assign(own[i] as object, (value as object[])[i]);
}
