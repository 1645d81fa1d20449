/**
 * include/net/sock.h, linux/net.h: `struct sock`, `struct socket`, protocols, memory accounting and the small functions on them.
 */

import { type ByteBlock, blockOf } from '../../../sim/byte_heap.ts';
import { WIDE } from '../../../sim/wide.ts';
import type { timer_list } from '../../kernel/time/timer.ts';
import type { page } from '../../mm/page_alloc.ts';
import type { sockaddr_in } from '../../uapi/in.ts';
import { newAddress } from '../linux/address.ts';
import type { Sleeping } from '../linux/sched.ts';
import { MAX_SCHEDULE_TIMEOUT, wait_queue_head } from '../linux/sched.ts';
import { type sk_buff, sk_buff_head } from '../linux/skbuff.ts';
import { skbTree } from '../linux/skbuff_rbtree.ts';
import type { dst_entry } from './dst.ts';
import type { ehashSock } from './inet_hashtables.ts';
import type { inet_timewait_sock } from './inet_timewait_sock.ts';
import type { net, proto_memory } from './net_namespace.ts';
import type { request_sock_ops } from './request_sock.ts';
import type { sock_reuseport } from './sock_reuseport.ts';

/** Bits of sk_flags. */
export const SOCK_DEAD = 1 << 0;
export const SOCK_DONE = 1 << 1;
export const SOCK_URGINLINE = 1 << 2;
export const SOCK_KEEPOPEN = 1 << 3;
export const SOCK_LINGER = 1 << 4;
export const SOCK_DESTROY = 1 << 5;
export const SOCK_BROADCAST = 1 << 6;
export const SOCK_TIMESTAMP = 1 << 7;
export const SOCK_ZAPPED = 1 << 8;
export const SOCK_USE_WRITE_QUEUE = 1 << 9;
export const SOCK_DBG = 1 << 10;
export const SOCK_RCVTSTAMP = 1 << 11;
export const SOCK_RCVTSTAMPNS = 1 << 12;
export const SOCK_LOCALROUTE = 1 << 13;
export const SOCK_MEMALLOC = 1 << 14;
export const SOCK_TIMESTAMPING_RX_SOFTWARE = 1 << 15;
export const SOCK_RXQ_OVFL = 1 << 17;
export const SOCK_ZEROCOPY = 1 << 18;
export const SOCK_RCU_FREE = 1 << 25;
export const SOCK_TXTIME = 1 << 26;
export const SOCK_NOFCS = 1 << 27;
export const SOCK_RCVMARK = 1 << 28;
export const SOCK_RCVPRIORITY = 1 << 29;

/** Flags that make arriving packets be stamped. */
export const SK_FLAGS_TIMESTAMP = SOCK_TIMESTAMP | SOCK_TIMESTAMPING_RX_SOFTWARE;

export const SOCK_SNDBUF_LOCK = 1;
export const SOCK_RCVBUF_LOCK = 2;
export const SOCK_BINDADDR_LOCK = 4;
export const SOCK_BINDPORT_LOCK = 8;
export const SOCK_CONNECT_BIND = 16;

export const SK_PACING_NONE = 0;
export const SK_PACING_NEEDED = 1;
export const SK_PACING_FQ = 2;

export const SK_MEM_SEND = 0;
export const SK_MEM_RECV = 1;
export const PAGE_FRAG_ORDER = 3;
/** sk_pacing_rate when nothing limits it. */
export const SK_PACING_UNLIMITED = Number.MAX_SAFE_INTEGER;

export const SS_UNCONNECTED = 1;
export const SS_CONNECTING = 2;
export const SS_CONNECTED = 3;
export const SS_DISCONNECTING = 4;
/** Bits of socket.flags. */
export const SOCKWQ_ASYNC_NOSPACE = 1 << 0;
export const SOCK_NOSPACE = 1 << 2;
export const SOCK_SUPPORT_ZC = 1 << 5;

/** A page being filled by consecutive sends. `offset` is the next free byte, relative to the page's start. */
export class page_frag {
  page: page | null = null;
  offset = 0;
  size = 0;
}

/**
 * struct msghdr as the kernel gets it: `data` is user memory, `offset` how far it was consumed (or filled), `size` its length.
 * Control messages are objects: level, type, and data as the option's own structure.
 */
export class msghdr {
  readonly data: Uint8Array;
  readonly block: ByteBlock;
  offset: number;
  size: number;
  msg_flags = 0;
  msg_name: sockaddr_in | null = null;
  /** In: control messages to obey. Out: control messages to report. */
  msg_control: cmsghdr[] = [];
  /** Sizes of the pieces that the data lie in (iov_len), where that shows: MSG_ZEROCOPY. Null: one piece. */
  pieces: readonly number[] | null = null;

  constructor(data: Uint8Array, offset = 0, size = data.length - offset) {
    this.data = data;
    this.block = blockOf(data);
    this.offset = offset;
    this.size = size;
  }
}

export interface cmsghdr {
  cmsg_level: number;
  cmsg_type: number;
  data: unknown;
}

export const msg_data_left = (msg: msghdr): number => msg.size;

/** What is left of the piece (iovec) that is being consumed; offsets count from the first. */
export function msg_piece_left(msg: msghdr): number {
  let end = 0;
  for (const piece of msg.pieces ?? []) {
    end += piece;
    if (end > msg.offset) return end - msg.offset;
  }
  return msg.size;
}

/** What a socket's protocol does. Options carry structured values, not bytes: numbers, strings, or objects named after the C structure. */
export interface proto {
  readonly name: string;
  close(sk: sock, timeout: number): Sleeping<void>;
  pre_connect?(sk: sock, address: sockaddr_in): number;
  connect(sk: sock, address: sockaddr_in): number;
  disconnect(sk: sock, flags: number): number;
  accept?(sk: sock, flags: number): Sleeping<sock | number>;
  ioctl?(sk: sock, command: number): number;
  init?(sk: sock): number;
  destroy?(sk: sock): void;
  shutdown?(sk: sock, how: number): void;
  keepalive?(sk: sock, valbool: boolean): void;
  setsockopt(sk: sock, level: number, optname: number, value: unknown): number;
  getsockopt(sk: sock, level: number, optname: number): unknown;
  sendmsg(sk: sock, msg: msghdr): Sleeping<number>;
  recvmsg(sk: sock, msg: msghdr, flags: number): Sleeping<number>;
  /** Hands what arrives to `actor`, which says how much of it it took. */
  splice_read?(sk: sock, count: number, nonblock: boolean, actor: (skb: sk_buff, offset: number, len: number) => number): Sleeping<number>;
  bind?(sk: sock, address: sockaddr_in): number;
  backlog_rcv?(sk: sock, skb: sk_buff): number;
  release_cb?(sk: sock): void;
  hash?(sk: sock): number;
  unhash?(sk: sock): void;
  rehash?(sk: sock): void;
  get_port?(sk: sock, snum: number): number;
  enter_memory_pressure?(sk: sock): void;
  leave_memory_pressure?(sk: sock): void;
  stream_memory_free?(sk: sock, wake: number): boolean;
  diag_destroy?(sk: sock, err: number): number;
  readonly rsk_prot?: request_sock_ops | null;
  readonly max_header: number;
  readonly no_autobind: boolean;
  /** net.ipv4.tcp_mem and the like: limits in pages; null when not limited. */
  sysctl_mem?(network: net): readonly [number, number, number];
}

/** What a socket's family and type do for system calls. */
export interface proto_ops {
  readonly family: number;
  release(sock: socket): Sleeping<number>;
  bind(sock: socket, address: sockaddr_in): number;
  connect(sock: socket, address: sockaddr_in, flags: number): Sleeping<number>;
  accept(sock: socket, newsock: socket, flags: number): Sleeping<number>;
  getname(sock: socket, peer: number): sockaddr_in | number;
  poll(sock: socket): number;
  ioctl(sock: socket, command: number): number;
  listen(sock: socket, backlog: number): number;
  shutdown(sock: socket, how: number): number;
  setsockopt(sock: socket, level: number, optname: number, value: unknown): number;
  getsockopt(sock: socket, level: number, optname: number): unknown;
  sendmsg(sock: socket, msg: msghdr): Sleeping<number>;
  recvmsg(sock: socket, msg: msghdr, flags: number): Sleeping<number>;
  set_rcvlowat?(sk: sock, value: number): number;
  set_peek_off?(sk: sock, value: number): number;
}

/** What socket() does for a family. */
export interface net_proto_family {
  readonly family: number;
  create(network: net, sock: socket, protocol: number, kern: boolean): number;
}

/** One row of AF_INET's protocol switch. `protocol` 0 (IPPROTO_IP) stands for any. */
export interface inet_protosw {
  readonly type: number;
  readonly protocol: number;
  readonly prot: proto;
  readonly ops: proto_ops;
  readonly flags: number;
  /** The class that the protocol keeps its state in. */
  readonly kind: new (
    network: net,
    family: number,
    prot: proto,
  ) => sock;
}

/** inet_protosw.flags */
export const INET_PROTOSW_REUSE = 1;
export const INET_PROTOSW_PERMANENT = 2;
export const INET_PROTOSW_ICSK = 4;

/** struct socket: the side of a socket that files see. */
export class socket {
  state = SS_UNCONNECTED;
  readonly type: number;
  flags = 0;
  /** O_NONBLOCK of its file. */
  nonblock = false;
  /** The file it stands behind: fs/file.ts. */
  file: unknown = null;
  ops: proto_ops = null as unknown as proto_ops;
  sk: sock | null = null;
  readonly wq = new wait_queue_head();

  constructor(type: number) {
    this.type = type;
  }
}

export class sock {
  readonly address = newAddress(2432);
  /* sock_common */
  skc_daddr = 0;
  skc_rcv_saddr = 0;
  skc_dport = 0;
  /** Local port, in the host's order like every port. */
  skc_num = 0;
  skc_family = 0;
  skc_state = 7;
  skc_reuse = 0;
  skc_reuseport = false;
  skc_bound_dev_if = 0;
  skc_hash = WIDE;
  skc_cookie = 0;
  skc_tx_queue_mapping = -1;
  skc_net: net;
  skc_refcnt = 1;
  /** In the established or listening hash: see net/ipv4/inet_hashtables. */
  skc_hashed = false;
  /** Next in its chain of the established hash. */
  skc_next: ehashSock | null = null;
  skc_flags = 0;
  skc_incoming_cpu = -1;
  skc_prot: proto;

  sk_type = 0;
  sk_protocol = 0;
  sk_socket: socket | null = null;
  /** Where its users wait; kept while an orphan, so that nobody need check. */
  sk_wq: wait_queue_head | null = null;

  /** sk_lock: owned by a user of the socket; those who wait for it. */
  sk_lock_owned = false;
  readonly sk_lock_wq = new wait_queue_head();
  /** Segments that arrived while it was owned. */
  readonly sk_backlog = new sk_buff_head();
  sk_backlog_len = 0;
  /** Clock of the CPU that processed the latest segment: answers to it leave no earlier, whichever CPU sends them. */
  inputTime = WIDE;

  readonly sk_receive_queue = new sk_buff_head();
  readonly sk_write_queue = new sk_buff_head();
  readonly sk_error_queue = new sk_buff_head();
  /** Retransmission queue: by sequence number. */
  readonly tcp_rtx_queue = new skbTree();

  sk_rcvbuf = 212992;
  sk_sndbuf = 212992;
  sk_rmem_alloc = 0;
  sk_wmem_alloc = 1;
  sk_wmem_queued = 0;
  sk_omem_alloc = 0;
  sk_forward_alloc = 0;
  sk_userlocks = 0;
  sk_drops = 0;
  /** Writers that sleep for a connection or for room. */
  sk_write_pending = 0;
  /** Memory of its protocol; null when that is not limited. */
  protoMemory: proto_memory | null = null;
  sk_shutdown = 0;
  sk_err = 0;
  sk_err_soft = 0;
  sk_max_ack_backlog = 0;
  sk_ack_backlog = 0;
  sk_priority = 0;
  sk_mark = 0;
  sk_txhash = WIDE;
  sk_napi_id = 0;
  /** Hash of received packets, for RFS. */
  sk_rxhash = WIDE;
  /** SO_BUSY_POLL in µs, SO_PREFER_BUSY_POLL, and SO_BUSY_POLL_BUDGET (0: the default). */
  sk_ll_usec = 0;
  sk_prefer_busy_poll = false;
  sk_busy_poll_budget = 0;
  sk_rcvlowat = 1;
  sk_rcvtimeo = MAX_SCHEDULE_TIMEOUT;
  sk_sndtimeo = MAX_SCHEDULE_TIMEOUT;
  sk_lingertime = 0;
  sk_no_check_tx = 0;
  sk_allocation = 0xcc0;
  sk_pacing_rate = SK_PACING_UNLIMITED;
  sk_max_pacing_rate = SK_PACING_UNLIMITED;
  sk_pacing_shift = 10;
  sk_pacing_status = SK_PACING_NONE;
  sk_gso_type = 0;
  sk_gso_max_size = 0;
  sk_gso_max_segs = 0;
  sk_route_caps = 0;
  sk_gso_disabled = false;
  sk_dst_cache: dst_entry | null = null;
  sk_rx_dst: dst_entry | null = null;
  sk_rx_dst_ifindex = 0;
  sk_dst_pending_confirm = false;
  sk_tsflags = 0;
  sk_tskey = 0;
  sk_stamp = 0;
  sk_zckey = 0;
  sk_peek_off = -1;
  sk_use_task_frag = false;
  readonly sk_frag = new page_frag();
  sk_timer: timer_list | null = null;
  sk_user_data: unknown = null;
  /** The group of SO_REUSEPORT sockets it belongs to. */
  sk_reuseport_cb: sock_reuseport | null = null;
  sk_uid = 0;
  sk_ino = 0;
  sk_txrehash = 1;
  sk_bypass_prot_mem = false;
  sk_disconnects = 0;
  /** SO_TXTIME: the clock of SCM_TXTIME, and what a qdisc shall make of it. */
  sk_clockid = 0;
  sk_txtime_deadline_mode = false;
  sk_txtime_report_errors = false;
  /** Softnet counter of the CPU that queued data last, for autocorking-like statistics. */
  sk_tsq_flags = 0;

  sk_state_change: (sk: sock) => void = null as unknown as (sk: sock) => void;
  sk_data_ready: (sk: sock) => void = null as unknown as (sk: sock) => void;
  sk_write_space: (sk: sock) => void = null as unknown as (sk: sock) => void;
  sk_error_report: (sk: sock) => void = null as unknown as (sk: sock) => void;
  sk_backlog_rcv: (sk: sock, skb: sk_buff) => number = null as unknown as (sk: sock, skb: sk_buff) => number;
  sk_destruct: ((sk: sock) => void) | null = null;

  constructor(network: net, family: number, prot: proto) {
    this.skc_net = network;
    this.skc_family = family;
    this.skc_prot = prot;
  }
}

export const sock_net = (sk: sock): net => sk.skc_net;
export const sock_flag = (sk: sock, flag: number): boolean => (sk.skc_flags & flag) !== 0;
export function sock_set_flag(sk: sock, flag: number): void {
  sk.skc_flags |= flag;
}
export function sock_reset_flag(sk: sock, flag: number): void {
  sk.skc_flags &= ~flag;
}
export function sock_valbool_flag(sk: sock, flag: number, on: boolean): void {
  if (on) sock_set_flag(sk, flag);
  else sock_reset_flag(sk, flag);
}
export const sock_owned_by_user = (sk: sock): boolean => sk.sk_lock_owned;
export function sock_hold(sk: sock): void {
  sk.skc_refcnt++;
}
export const sk_sleep = (sk: sock): wait_queue_head => sk.sk_wq!;
export const sk_fullsock = (sk: sock): boolean => (1 << sk.skc_state & ~((1 << 6) | (1 << 12))) !== 0; // biome-ignore format: states
export const sk_wmem_alloc_get = (sk: sock): number => sk.sk_wmem_alloc - 1;
export const sk_rmem_alloc_get = (sk: sock): number => sk.sk_rmem_alloc;
export const sk_stream_min_wspace = (sk: sock): number => sk.sk_wmem_queued >> 1;
export const sk_stream_wspace = (sk: sock): number => sk.sk_sndbuf - sk.sk_wmem_queued;
export const sk_acceptq_is_full = (sk: sock): boolean => sk.sk_ack_backlog > sk.sk_max_ack_backlog;
export const __sk_dst_get = (sk: sock): dst_entry | null => sk.sk_dst_cache;
export const sock_rcvtimeo = (sk: sock, noblock: boolean): number => (noblock ? 0 : sk.sk_rcvtimeo);
export const sock_sndtimeo = (sk: sock, noblock: boolean): number => (noblock ? 0 : sk.sk_sndtimeo);
export const sock_rcvlowat = (sk: sock, waitall: boolean, len: number): number => (waitall ? len : Math.min(sk.sk_rcvlowat, len)) || 1;
export const sock_intr_errno = (timeo: number): number => (timeo === MAX_SCHEDULE_TIMEOUT ? -512 : -4);

/** SO_TXREHASH */
export const SOCK_TXREHASH_DISABLED = 0;
export const SOCK_TXREHASH_ENABLED = 1;

/** A flow hash that is not 0; networks choose among equal paths by it. */
export function sk_set_txhash(sk: sock): void {
  sk.sk_txhash = sk.skc_net.kernel.random.below(0xffff_ffff) + 1;
}

/** The path seems to be broken: perhaps another one is not. */
export function sk_rethink_txhash(sk: sock): boolean {
  if (sk.sk_txhash === 0 || sk.sk_txrehash !== SOCK_TXREHASH_ENABLED) return false;
  sk_set_txhash(sk);
  return true;
}

/** Consumes the pending error: negative errno, or 0. */
export function sock_error(sk: sock): number {
  const error = sk.sk_err;
  sk.sk_err = 0;
  return -error;
}

/** A timewait or request socket may stand where lookups return a socket. */
export type anySock = sock | inet_timewait_sock;

export const sock_writeable = (sk: sock): boolean => sk.sk_wmem_alloc < sk.sk_sndbuf >> 1;
export const sk_tx_queue_get = (sk: sock): number => sk.skc_tx_queue_mapping;
export function sk_tx_queue_set(sk: sock, tx_queue: number): void {
  sk.skc_tx_queue_mapping = tx_queue;
}
export function sk_tx_queue_clear(sk: sock): void {
  sk.skc_tx_queue_mapping = -1;
}
/** A segment inherits its socket's choice of path. */
export function skb_set_hash_from_sk(skb: sk_buff, sk: sock): void {
  if (sk.sk_txhash === 0) return;
  skb.l4_hash = true;
  skb.hash = sk.sk_txhash;
}
/** Somebody sleeps there. Sockets without a user have no queue. */
export const skwq_has_sleeper = (wq: wait_queue_head | null): boolean => wq !== null && wq.head.length > 0;
/** Nothing to take in interrupt or softirq context, since paths run atomically: kept so that code says where Linux locks. */
export function bh_lock_sock(_sk: sock): void {}
export const bh_lock_sock_nested = bh_lock_sock;
export function bh_unlock_sock(_sk: sock): void {}
/** The socket loses its user: what arrives from now on has nobody to wake. */
export function sock_orphan(sk: sock): void {
  sock_set_flag(sk, SOCK_DEAD);
  sk.sk_socket = null;
  sk.sk_ino = 0;
}
/** A socket from accept() gets its user. */
export function sock_graft(sk: sock, parent: socket): void {
  sk.sk_wq = parent.wq;
  parent.sk = sk;
  sk.sk_socket = parent;
  sk.sk_ino = ++sock_net(sk).lastInode;
}
