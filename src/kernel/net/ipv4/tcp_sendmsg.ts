/**
 * net/ipv4/tcp.c: sending. `tcp_sendmsg` → `tcp_sendmsg_locked`: user data is copied into pages of segments at the end of the write queue
 * (`tcp_stream_alloc_skb`, `tcp_skb_entail`, `skb_copy_to_page_nocache`), which go out as they fill (`tcp_push_one`) and at the end (`tcp_push`).
 *
 * Simplified: MSG_ZEROCOPY and MSG_SPLICE_PAGES copy the data all the same; segments and completions are those of Linux (net/core/msg_zerocopy.ts).
 */
import { trace } from '../../current.ts';
import type { Sleeping } from '../../include/linux/sched.ts';
import {
  __skb_header_release,
  MAX_SKB_FRAGS,
  type sk_buff,
  skb_can_coalesce,
  skb_fill_page_desc,
  skb_shinfo,
} from '../../include/linux/skbuff.ts';
import {
  TCP_CHRONO_BUSY,
  TCP_CHRONO_SNDBUF_LIMITED,
  TSQF_THROTTLED,
  tcp_fastopen_cookie,
  tcp_sk,
  type tcp_sock,
} from '../../include/linux/tcp.ts';
import { max, min } from '../../include/linux/types.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import {
  msg_data_left,
  msg_piece_left,
  type msghdr,
  SOCK_NOSPACE,
  SOCK_ZEROCOPY,
  SOCKWQ_ASYNC_NOSPACE,
  type sock,
  sock_flag,
  sock_net,
  sock_sndtimeo,
} from '../../include/net/sock.ts';
import {
  after,
  TCP_NAGLE_CORK,
  TCP_NAGLE_PUSH,
  TCPHDR_ACK,
  TCPHDR_PSH,
  TFO_CLIENT_ENABLE,
  tcp_bound_to_half_wnd,
  tcp_passive_fastopen,
  tcp_rtx_and_write_queues_empty,
  tcp_rtx_queue_empty,
  tcp_rtx_queue_tail,
  tcp_send_head,
  tcp_skb_can_collapse_to,
  tcp_skb_pcount_set,
  tcp_write_queue_empty,
  tcp_write_queue_tail,
  u32add,
} from '../../include/net/tcp.ts';
import { interruptDue } from '../../kernel/sched.ts';
import { get_page } from '../../mm/page_alloc.ts';
import { EAGAIN, EALREADY, EINPROGRESS, EOPNOTSUPP, EPIPE } from '../../uapi/errno.ts';
import { SOF_TIMESTAMPING_TX_ACK, SOF_TIMESTAMPING_TX_RECORD_MASK } from '../../uapi/net_tstamp.ts';
import { LINUX_MIB_TCPAUTOCORKING } from '../../uapi/snmp.ts';
import {
  AF_UNSPEC,
  MSG_DONTWAIT,
  MSG_EOR,
  MSG_FASTOPEN,
  MSG_MORE,
  MSG_OOB,
  MSG_ZEROCOPY,
  O_NONBLOCK,
  SEND_SHUTDOWN,
} from '../../uapi/socket.ts';
import { TCP_CLOSE, TCPF_CLOSE_WAIT, TCPF_ESTABLISHED } from '../../uapi/tcp.ts';
import { msg_zerocopy_realloc, net_zcopy_put, net_zcopy_put_abort, skb_zcopy_set, type ubuf_info_msgzc } from '../core/msg_zerocopy.ts';
import { skb_copy_to_page_nocache } from '../core/skbuff_bits.ts';
import { __sock_tx_timestamp, sock_cmsg_send, type sockcm_cookie } from '../core/sock_cmsg.ts';
import { sk_page_frag, sk_page_frag_refill } from '../core/sock_frag.ts';
import { lock_sock, release_sock, sk_flush_backlog } from '../core/sock_lock.ts';
import { sk_mem_charge, sk_wmem_queued_add } from '../core/sock_mem.ts';
import { sk_stream_error, sk_stream_memory_free, sk_stream_wait_connect, sk_stream_wait_memory } from '../core/stream.ts';
import { __inet_stream_connect } from './af_inet_stream.ts';
import { tcp_stream_alloc_skb, tcp_wmem_schedule } from './tcp_mem.ts';
import { __tcp_push_pending_frames, tcp_connect, tcp_current_mss, tcp_push_one, tcp_slow_start_after_idle_check } from './tcp_output.ts';
import { tcp_rate_check_app_limited } from './tcp_rate.ts';
import { tcp_unlink_write_queue, tcp_wmem_free_skb } from './tcp_rtx_queue.ts';
import { tcp_add_write_queue_tail, tcp_chrono_stop, tcp_set_state } from './tcp_state.ts';

/** Segments queued between two looks at the backlog. */
const BACKLOG_INTERVAL = 16;

/* Pushing */

/** The peer's reader should be woken by this segment. */
export function tcp_mark_push(tp: tcp_sock, skb: sk_buff): void {
  skb.tcp.tcp_flags |= TCPHDR_PSH;
  tp.pushed_seq = tp.write_seq;
}

/** Half of the largest window was sent since the last PSH: time for one, or the peer's window might fill without its reader being woken. */
export const forced_push = (tp: tcp_sock): boolean => after(tp.write_seq, u32add(tp.pushed_seq, tp.max_window >>> 1));

/** An empty segment goes to the end of the write queue. */
export function tcp_skb_entail(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  skb.tcp.seq = skb.tcp.end_seq = tp.write_seq;
  skb.tcp.tcp_flags = TCPHDR_ACK;
  __skb_header_release(skb);
  tcp_add_write_queue_tail(sk, skb);
  sk_wmem_queued_add(sk, skb.truesize);
  sk_mem_charge(sk, skb.truesize);
  tp.nonagle &= ~TCP_NAGLE_PUSH;
  tcp_slow_start_after_idle_check(sk);
}

/** A small segment waits while packets of this socket are below: their completion will push it, and it may grow until then. */
function tcp_should_autocork(sk: sock, skb: sk_buff, size_goal: number): boolean {
  return (
    skb.len < size_goal &&
    sock_net(sk).ipv4.sysctl_tcp_autocorking !== 0 &&
    !tcp_rtx_queue_empty(sk) &&
    sk.sk_wmem_alloc > skb.truesize &&
    tcp_skb_can_collapse_to(skb)
  );
}

/** The end of a write: PSH, urgent pointer, and off it goes, unless it should wait for more. */
export function tcp_push(sk: sock, flags: number, mss_now: number, nonagle: number, size_goal: number): void {
  const tp = tcp_sk(sk);
  const skb = tcp_write_queue_tail(sk);
  if (skb === null) return;
  if ((flags & MSG_MORE) === 0 || forced_push(tp)) tcp_mark_push(tp, skb);
  if ((flags & MSG_OOB) !== 0) tp.snd_up = tp.write_seq;
  if (tcp_should_autocork(sk, skb, size_goal)) {
    if ((sk.sk_tsq_flags & TSQF_THROTTLED) === 0) {
      NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPAUTOCORKING);
      sk.sk_tsq_flags |= TSQF_THROTTLED;
    }
    return;
  }
  __tcp_push_pending_frames(sk, mss_now, (flags & MSG_MORE) !== 0 ? TCP_NAGLE_CORK : nonagle);
}

/* Sizes */

/** What a call of sendmsg() goes by; in C local variables and out-parameters. */
export class sendSizes {
  mss_now = 0;
  /** How many bytes a segment of the queue should get. */
  size_goal = 0;
  copied = 0;
  copied_syn = 0;
  /** The error is the result, whatever was sent with the SYN. */
  fatal = false;
  /** MSG_ZEROCOPY: who waits for the data to be sent and acknowledged. */
  uarg: ubuf_info_msgzc | null = null;
}

/** Whole packets of TSO size; cut later to what pacing and windows want. */
function tcp_xmit_size_goal(sk: sock, mss_now: number, large_allowed: boolean): number {
  if (!large_allowed) return mss_now;
  const tp = tcp_sk(sk);
  const new_size_goal = tcp_bound_to_half_wnd(tp, sk.sk_gso_max_size);
  let size_goal = tp.gso_segs * mss_now;
  if (new_size_goal < size_goal || new_size_goal >= size_goal + mss_now) {
    tp.gso_segs = min(Math.floor(new_size_goal / mss_now), sk.sk_gso_max_segs);
    size_goal = tp.gso_segs * mss_now;
  }
  return max(size_goal, mss_now);
}

export function tcp_send_mss(sk: sock, sizes: sendSizes, flags: number): number {
  sizes.mss_now = tcp_current_mss(sk);
  sizes.size_goal = tcp_xmit_size_goal(sk, sizes.mss_now, (flags & MSG_OOB) === 0);
  return sizes.mss_now;
}

/** A segment that nothing was put into must not stay: it would look like data to send, and pollers would not be told of room. */
export function tcp_remove_empty_skb(sk: sock): void {
  const skb = tcp_write_queue_tail(sk);
  if (skb === null || skb.tcp.seq !== skb.tcp.end_seq) return;
  tcp_unlink_write_queue(skb, sk);
  if (tcp_write_queue_empty(sk)) tcp_chrono_stop(sk, TCP_CHRONO_BUSY);
  tcp_wmem_free_skb(sk, skb);
}

/* Fast Open */

export function tcp_free_fastopen_req(tp: tcp_sock): void {
  tp.fastopen_req = null;
}

/** RFC 7413: send() that connects. An errno; how many bytes went with the SYN is left in `sizes.copied_syn`. */
export function* tcp_sendmsg_fastopen(sk: sock, msg: msghdr, size: number, sizes: sendSizes): Sleeping<number> {
  const tp = tcp_sk(sk);
  const uaddr = msg.msg_name;
  if ((sock_net(sk).ipv4.sysctl_tcp_fastopen & TFO_CLIENT_ENABLE) === 0 || uaddr?.sin_family === AF_UNSPEC) return -EOPNOTSUPP;
  if (tp.fastopen_req !== null) return -EALREADY;
  const cookie = new tcp_fastopen_cookie();
  cookie.len = 0;
  tp.fastopen_req = { cookie, data: msg, size, copied: 0, uarg: sizes.uarg };
  if (tp.defer_connect && tcp_connect(sk) !== 0) {
    tcp_set_state(sk, TCP_CLOSE);
    tp.skc_dport = 0;
    sk.sk_route_caps = 0;
  }
  const flags = (msg.msg_flags & MSG_DONTWAIT) !== 0 ? O_NONBLOCK : 0;
  const err = yield* __inet_stream_connect(sk.sk_socket!, uaddr, flags, true);
  const req = tp.fastopen_req;
  if (req !== null) {
    sizes.copied_syn = req.copied;
    tcp_free_fastopen_req(tp);
    tp.defer_connect = false;
  }
  return err;
}

/* Timestamps and completions */

/** The last byte of this write is the one whose transmission (and acknowledgment) is reported. */
function tcp_tx_timestamp(sk: sock, tsflags: number): void {
  if (tsflags === 0) return;
  const skb = tcp_write_queue_tail(sk) ?? tcp_rtx_queue_tail(sk);
  if (skb === null) return;
  const shinfo = skb_shinfo(skb);
  shinfo.tx_flags |= __sock_tx_timestamp(tsflags);
  if ((tsflags & SOF_TIMESTAMPING_TX_ACK) !== 0) skb.tcp.txstamp_ack = true;
  if ((tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK) !== 0) shinfo.tskey = u32add(skb.tcp.seq, skb.len - 1);
}

/* Sending */

/** What appendPayload() says when it added nothing. */
const NEED_SPACE = 0;
const NEED_SEGMENT = -1000;

/** Puts up to `copy` bytes of the message at the end of `skb`; how many, NEED_SPACE, NEED_SEGMENT (its fragments are used up), or an errno. */
function appendPayload(sk: sock, msg: msghdr, skb: sk_buff, copy: number, uarg: ubuf_info_msgzc | null): number {
  if (uarg !== null) return appendZerocopy(sk, msg, skb, copy, uarg);
  const pfrag = sk_page_frag(sk);
  if (!sk_page_frag_refill(sk, pfrag)) return NEED_SPACE;
  const shinfo = skb_shinfo(skb);
  const i = shinfo.nr_frags;
  const page = pfrag.page!;
  const at = page.offset + pfrag.offset;
  const merge = skb_can_coalesce(skb, i, page, at);
  if (!merge && i >= sock_net(sk).core.sysctl_max_skb_frags) {
    tcp_mark_push(tcp_sk(sk), skb);
    return NEED_SEGMENT;
  }
  copy = tcp_wmem_schedule(sk, min(copy, pfrag.size - pfrag.offset));
  if (copy === 0) return NEED_SPACE;
  const err = skb_copy_to_page_nocache(sk, msg, skb, page, at, copy);
  if (err !== 0) return err;
  if (merge) shinfo.frags[i - 1]!.size += copy;
  else {
    skb_fill_page_desc(skb, i, page, at, copy);
    get_page(page);
  }
  pfrag.offset += copy;
  return copy;
}

/** As appendPayload(), for pages that stay the user's: each piece of the message is a fragment of its own, and a segment has one call's data only. */
function appendZerocopy(sk: sock, msg: msghdr, skb: sk_buff, copy: number, uarg: ubuf_info_msgzc): number {
  const shinfo = skb_shinfo(skb);
  const i = shinfo.nr_frags;
  if (i >= MAX_SKB_FRAGS || (shinfo.destructor_arg !== null && shinfo.destructor_arg !== uarg)) {
    tcp_mark_push(tcp_sk(sk), skb);
    return NEED_SEGMENT;
  }
  const pfrag = sk_page_frag(sk);
  if (!sk_page_frag_refill(sk, pfrag)) return NEED_SPACE;
  const page = pfrag.page!;
  const at = page.offset + pfrag.offset;
  copy = tcp_wmem_schedule(sk, min(min(copy, pfrag.size - pfrag.offset), msg_piece_left(msg)));
  if (copy === 0) return NEED_SPACE;
  const err = skb_copy_to_page_nocache(sk, msg, skb, page, at, copy);
  if (err !== 0) return err;
  skb_fill_page_desc(skb, i, page, at, copy);
  get_page(page);
  pfrag.offset += copy;
  skb_zcopy_set(skb, uarg);
  return copy;
}

/** A fresh segment at the end of the queue; null when memory is short. */
function newSegment(sk: sock): sk_buff | null {
  const skb = tcp_stream_alloc_skb(sk, sk.sk_allocation, tcp_rtx_and_write_queues_empty(sk));
  if (skb !== null) tcp_skb_entail(sk, skb);
  return skb;
}

/** `copy` bytes more are queued. A segment that is full may go. */
function queued(sk: sock, msg: msghdr, skb: sk_buff, copy: number, sizes: sendSizes): void {
  const tp = tcp_sk(sk);
  const flags = msg.msg_flags;
  if (sizes.copied === 0) skb.tcp.tcp_flags &= ~TCPHDR_PSH;
  tp.write_seq = u32add(tp.write_seq, copy);
  skb.tcp.end_seq = u32add(skb.tcp.end_seq, copy);
  tcp_skb_pcount_set(skb, 0);
  sizes.copied += copy;
  if (msg_data_left(msg) === 0) {
    if ((flags & MSG_EOR) !== 0) skb.tcp.eor = true;
    return;
  }
  if (skb.len < sizes.size_goal || (flags & MSG_OOB) !== 0) return;
  if (forced_push(tp)) {
    tcp_mark_push(tp, skb);
    __tcp_push_pending_frames(sk, sizes.mss_now, TCP_NAGLE_PUSH);
  } else if (skb === tcp_send_head(sk)) tcp_push_one(sk, sizes.mss_now);
}

/** Queues the whole message, sleeping for room: 0 or an errno; what was queued is in `sizes.copied`. */
function* queueMessage(sk: sock, msg: msghdr, timeo: number, sizes: sendSizes): Sleeping<number> {
  const flags = msg.msg_flags;
  let process_backlog = 0;
  tcp_send_mss(sk, sizes, flags);
  if (cannotSend(sk)) return -EPIPE;
  while (msg_data_left(msg) > 0) {
    let skb = tcp_write_queue_tail(sk);
    const room = skb === null ? 0 : sizes.size_goal - skb.len;
    trace().tcp_sendmsg_locked?.(sk, msg_data_left(msg), skb, sizes.size_goal);
    let result = NEED_SEGMENT;
    if (skb !== null && room > 0 && tcp_skb_can_collapse_to(skb))
      result = appendPayload(sk, msg, skb, min(room, msg_data_left(msg)), sizes.uarg);
    if (result === NEED_SEGMENT) {
      result = NEED_SPACE;
      if (sk_stream_memory_free(sk)) {
        if (process_backlog >= BACKLOG_INTERVAL) {
          process_backlog = 0;
          if (yield* sk_flush_backlog(sk)) {
            // What arrived may have changed everything.
            tcp_send_mss(sk, sizes, flags);
            if (cannotSend(sk)) return -EPIPE;
            continue;
          }
        }
        skb = newSegment(sk);
        if (skb !== null) {
          process_backlog++;
          result = appendPayload(sk, msg, skb, min(sizes.size_goal, msg_data_left(msg)), sizes.uarg);
        }
      }
    }
    if (result > 0) {
      if (interruptDue()) yield;
      queued(sk, msg, skb!, result, sizes);
    } else if (result === NEED_SPACE) {
      timeo = yield* waitForSpace(sk, timeo, flags, sizes);
      if (timeo < 0) return timeo;
      tcp_send_mss(sk, sizes, flags);
    } else return result;
  }
  return 0;
}

const cannotSend = (sk: sock): boolean => sk.sk_err !== 0 || (sk.sk_shutdown & SEND_SHUTDOWN) !== 0;

function* waitForSpace(sk: sock, timeo: number, flags: number, sizes: sendSizes): Sleeping<number> {
  sk.sk_socket!.flags |= SOCK_NOSPACE;
  tcp_remove_empty_skb(sk);
  if (sizes.copied > 0) tcp_push(sk, flags & ~MSG_MORE, sizes.mss_now, TCP_NAGLE_PUSH, sizes.size_goal);
  return yield* sk_stream_wait_memory(sk, timeo);
}

/** Connects first if that is asked for, waits for the connection, then queues the message. 0 or an errno. */
function* connectAndQueue(sk: sock, msg: msghdr, size: number, tsflags: number, sizes: sendSizes): Sleeping<number> {
  const flags = msg.msg_flags;
  if ((flags & MSG_FASTOPEN) !== 0 || tcp_sk(sk).defer_connect) {
    const err = yield* tcp_sendmsg_fastopen(sk, msg, size, sizes);
    if (err !== 0) {
      sizes.fatal = err !== -EINPROGRESS;
      return err;
    }
  }
  let timeo = sock_sndtimeo(sk, (flags & MSG_DONTWAIT) !== 0);
  tcp_rate_check_app_limited(sk);
  if (((1 << sk.skc_state) & ~(TCPF_ESTABLISHED | TCPF_CLOSE_WAIT)) !== 0 && !tcp_passive_fastopen(sk)) {
    timeo = yield* sk_stream_wait_connect(sk, timeo);
    if (timeo < 0) return timeo;
  }
  if (tsflags < 0) {
    sizes.fatal = true;
    return tsflags;
  }
  if (sk.sk_socket !== null) sk.sk_socket.flags &= ~SOCKWQ_ASYNC_NOSPACE;
  return yield* queueMessage(sk, msg, timeo, sizes);
}

/** The flags of SO_TIMESTAMPING for this message, or -EINVAL. */
function askedStamps(sk: sock, msg: msghdr): number {
  const sockc: sockcm_cookie = { tsflags: sk.sk_tsflags, mark: sk.sk_mark, priority: sk.sk_priority, transmit_time: 0 };
  return sock_cmsg_send(sk, msg, sockc) || sockc.tsflags;
}

export function* tcp_sendmsg_locked(sk: sock, msg: msghdr): Sleeping<number> {
  const size = msg_data_left(msg);
  const flags = msg.msg_flags;
  const sizes = new sendSizes();
  const tsflags = msg.msg_control.length === 0 ? sk.sk_tsflags : askedStamps(sk, msg);
  const zerocopy = (flags & MSG_ZEROCOPY) !== 0 && size > 0 && sock_flag(sk, SOCK_ZEROCOPY);
  if (zerocopy) sizes.uarg = msg_zerocopy_realloc(sk, size, tcp_write_queue_tail(sk)?.shinfo.destructor_arg ?? null);
  const uarg = sizes.uarg;
  const err = yield* connectAndQueue(sk, msg, size, tsflags, sizes);
  if (err !== 0) {
    tcp_remove_empty_skb(sk);
    if (sizes.fatal || sizes.copied + sizes.copied_syn === 0) {
      if (uarg !== null) net_zcopy_put_abort(uarg);
      return sendFailed(sk, flags, err);
    }
  }
  if (sizes.copied > 0) {
    tcp_tx_timestamp(sk, tsflags);
    tcp_push(sk, flags, sizes.mss_now, tcp_sk(sk).nonagle, sizes.size_goal);
  }
  if (uarg !== null) net_zcopy_put(uarg);
  return sizes.copied + sizes.copied_syn;
}

/** Edge-triggered pollers must be told of room even after EAGAIN, if nothing is queued whose ACK would tell them. */
function sendFailed(sk: sock, flags: number, err: number): number {
  err = sk_stream_error(sk, flags, err);
  if (err === -EAGAIN && tcp_rtx_and_write_queues_empty(sk)) {
    sk.sk_write_space(sk);
    tcp_chrono_stop(sk, TCP_CHRONO_SNDBUF_LIMITED);
  }
  return err;
}

export function* tcp_sendmsg(sk: sock, msg: msghdr): Sleeping<number> {
  yield* lock_sock(sk);
  const ret = yield* tcp_sendmsg_locked(sk, msg);
  release_sock(sk);
  return ret;
}

/** The source of a splice has ended: what MSG_MORE held back goes. */
export function* tcp_splice_eof(sk: sock): Sleeping<void> {
  if (tcp_write_queue_tail(sk) === null) return;
  yield* lock_sock(sk);
  const sizes = new sendSizes();
  tcp_send_mss(sk, sizes, 0);
  tcp_push(sk, 0, sizes.mss_now, tcp_sk(sk).nonagle, sizes.size_goal);
  release_sock(sk);
}
