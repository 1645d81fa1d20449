/**
 * net/ipv4/tcp.c: receiving. `tcp_recvmsg` → `tcp_recvmsg_locked` → `skb_copy_datagram_msg`, `tcp_rcv_space_adjust`, `tcp_eat_recv_skb`, and at the end
 * `tcp_cleanup_rbuf`, which sends an ACK if reading opened the window enough. `tcp_read_sock` hands segments to a function instead (splice).
 *
 * Simplified: no TCP_ZEROCOPY_RECEIVE, no device memory.
 */
import { InvariantError } from '../../../sim/invariant.ts';
import { kernel } from '../../current.ts';
import type { Sleeping } from '../../include/linux/sched.ts';
import { __skb_unlink, type sk_buff, skb_peek_tail } from '../../include/linux/skbuff.ts';
import { tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import { max, min } from '../../include/linux/types.ts';
import { ICSK_ACK_PUSHED, ICSK_ACK_PUSHED2, inet_csk_ack_scheduled, inet_csk_in_pingpong_mode } from '../../include/net/inet_sock.ts';
import { sock_rps_record_flow } from '../../include/net/rps.ts';
import {
  type msghdr,
  SOCK_DONE,
  SOCK_RCVBUF_LOCK,
  SOCK_RCVTSTAMP,
  SOCK_URGINLINE,
  type sock,
  sock_error,
  sock_flag,
  sock_intr_errno,
  sock_net,
  sock_rcvlowat,
  sock_rcvtimeo,
} from '../../include/net/sock.ts';
import {
  after,
  before,
  TCP_URG_READ,
  TCP_URG_VALID,
  TCPHDR_FIN,
  tcp_fast_path_check,
  tcp_receive_window,
  tcp_space_from_win,
  u32add,
  u32sub,
} from '../../include/net/tcp.ts';
import { CALL_COPIED, CALL_ENDS, callTimesHold } from '../../kernel/call_times.ts';
import { current, interruptDue, signal_pending } from '../../kernel/sched.ts';
import { EAGAIN, EFAULT, EINVAL, ENOTCONN } from '../../uapi/errno.ts';
import {
  SOF_TIMESTAMPING_RAW_HARDWARE,
  SOF_TIMESTAMPING_RX_HARDWARE,
  SOF_TIMESTAMPING_RX_SOFTWARE,
  SOF_TIMESTAMPING_SOFTWARE,
} from '../../uapi/net_tstamp.ts';
import { MSG_DONTWAIT, MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, RCV_SHUTDOWN, SOL_TCP } from '../../uapi/socket.ts';
import { TCP_CLOSE, TCP_CM_INQ, TCP_ESTABLISHED, TCP_LISTEN } from '../../uapi/tcp.ts';
import { skb_copy_datagram_msg } from '../core/datagram.ts';
import { sk_busy_loop, sk_can_busy_loop } from '../core/dev_busy_poll.ts';
import { put_cmsg } from '../core/scm.ts';
import { __kfree_skb, skb_attempt_defer_free } from '../core/skbuff_free.ts';
import { putStamp, putTimestamping, reportsStamp } from '../core/sock_cmsg.ts';
import { __sk_flush_backlog, lock_sock, release_sock } from '../core/sock_lock.ts';
import { sock_rfree } from '../core/sock_owner.ts';
import { sk_wait_data } from '../core/sock_queue.ts';
import { ip_recv_error } from './ip_sockglue_error.ts';
import { tcp_data_ready, tcp_rcv_space_adjust } from './tcp_input.ts';
import { __tcp_select_window, tcp_send_ack } from './tcp_output.ts';

/* Acknowledging what was read */

/** An ACK is worth while: more than a segment is unacknowledged, or the reader has taken all of a small one. */
function readCallsForAck(sk: sock, copied: number): boolean {
  const tp = tcp_sk(sk);
  const ack = tp.icsk_ack;
  if (!inet_csk_ack_scheduled(sk)) return false;
  if (u32sub(tp.rcv_nxt, tp.rcv_wup) > ack.rcv_mss) return true;
  if (copied <= 0 || sk.sk_rmem_alloc !== 0) return false;
  return (ack.pending & ICSK_ACK_PUSHED2) !== 0 || ((ack.pending & ICSK_ACK_PUSHED) !== 0 && !inet_csk_in_pingpong_mode(sk));
}

/** RFC 9293 3.8.6.2.2: the window can be raised to twice what it is now, or from zero. */
function windowHasOpened(sk: sock): boolean {
  const tp = tcp_sk(sk);
  const rcv_window_now = tcp_receive_window(tp);
  if (2 * rcv_window_now > tp.window_clamp) return false;
  const new_window = __tcp_select_window(sk);
  return new_window !== 0 && new_window >= 2 * rcv_window_now;
}

/** The user has taken `copied` bytes: does the peer need to know? */
export function __tcp_cleanup_rbuf(sk: sock, copied: number): void {
  let time_to_ack = readCallsForAck(sk, copied);
  if (copied > 0 && !time_to_ack && (sk.sk_shutdown & RCV_SHUTDOWN) === 0) time_to_ack = windowHasOpened(sk);
  if (time_to_ack) tcp_send_ack(sk);
}

export function tcp_cleanup_rbuf(sk: sock, copied: number): void {
  const skb = sk.sk_receive_queue.next;
  const tp = tcp_sk(sk);
  if (skb !== null && !before(tp.copied_seq, skb.tcp.end_seq))
    throw new InvariantError(
      `tcp_cleanup_rbuf: copied ${tp.copied_seq}, but the queue starts with a segment that ends at ${skb.tcp.end_seq}`,
    );
  __tcp_cleanup_rbuf(sk, copied);
}

/** A segment is read: out of the queue, and back to the CPU that allocated it. */
export function tcp_eat_recv_skb(sk: sock, skb: sk_buff): void {
  __skb_unlink(skb, sk.sk_receive_queue);
  if (skb.destructor === sock_rfree) {
    sock_rfree(skb);
    skb.destructor = null;
    skb.sk = null;
    skb_attempt_defer_free(skb);
    return;
  }
  __kfree_skb(skb);
}

/* Urgent data */

/** recv(MSG_OOB): the urgent byte, if it was not left in the stream. Never sleeps. */
function tcp_recv_urg(sk: sock, msg: msghdr, len: number, flags: number): number {
  const tp = tcp_sk(sk);
  if (sock_flag(sk, SOCK_URGINLINE) || tp.urg_data === 0 || tp.urg_data === TCP_URG_READ) return -EINVAL;
  if (sk.skc_state === TCP_CLOSE && !sock_flag(sk, SOCK_DONE)) return -ENOTCONN;
  if ((tp.urg_data & TCP_URG_VALID) === 0) return sk.skc_state === TCP_CLOSE || (sk.sk_shutdown & RCV_SHUTDOWN) !== 0 ? 0 : -EAGAIN;
  const byte = tp.urg_data & 0xff;
  if ((flags & MSG_PEEK) === 0) tp.urg_data = TCP_URG_READ;
  msg.msg_flags |= MSG_OOB;
  if (len === 0) {
    msg.msg_flags |= MSG_TRUNC;
    return 0;
  }
  if ((flags & MSG_TRUNC) === 0) {
    msg.data[msg.offset++] = byte;
    msg.size--;
  }
  return 1;
}

/* Reading */

/** What a call of recvmsg() found beside data. */
class recvState {
  inq = false;
  timestamps = false;
  software = 0;
  hardware = 0n;
}

/** SO_PEEK_OFF: where the next peek begins; -1 when the option is off. */
const sk_peek_offset = (sk: sock, flags: number): number => ((flags & MSG_PEEK) !== 0 ? sk.sk_peek_off : 0);
function sk_peek_offset_fwd(sk: sock, val: number): void {
  if (sk.sk_peek_off >= 0) sk.sk_peek_off += val;
}
function sk_peek_offset_bwd(sk: sock, val: number): void {
  if (sk.sk_peek_off >= 0) sk.sk_peek_off = max(sk.sk_peek_off - val, 0);
}

/** The first segment that has something at or behind `seq`: a byte, or a FIN. */
function segmentAt(sk: sock, seq: number): sk_buff | null {
  for (let skb = sk.sk_receive_queue.next; skb !== null; skb = skb.next) {
    if (before(seq, skb.tcp.seq)) throw new InvariantError(`tcp_recvmsg: at ${seq}, but the queue goes on at ${skb.tcp.seq}`);
    if (u32sub(seq, skb.tcp.seq) < skb.len || (skb.tcp.tcp_flags & TCPHDR_FIN) !== 0) return skb;
  }
  return null;
}

/** Nothing to read. 1: wait for more; 0: that was all; or an errno. */
function mayWaitForData(sk: sock, copied: number, timeo: number): number {
  if (copied > 0) {
    const over = timeo === 0 || sk.sk_err !== 0 || sk.skc_state === TCP_CLOSE || (sk.sk_shutdown & RCV_SHUTDOWN) !== 0;
    return over || signal_pending(current()) ? 0 : 1;
  }
  if (sock_flag(sk, SOCK_DONE)) return 0;
  if (sk.sk_err !== 0) return sock_error(sk);
  if ((sk.sk_shutdown & RCV_SHUTDOWN) !== 0) return 0;
  if (sk.skc_state === TCP_CLOSE) return -ENOTCONN;
  if (timeo === 0) return -EAGAIN;
  return signal_pending(current()) ? sock_intr_errno(timeo) : 1;
}

/** The urgent byte was passed: the fast path may be taken again. */
function passedUrgent(sk: sock): void {
  const tp = tcp_sk(sk);
  if (tp.urg_data === 0 || !after(tp.copied_seq, tp.urg_seq)) return;
  tp.urg_data = 0;
  tcp_fast_path_check(sk);
}

function* tcp_recvmsg_locked(sk: sock, msg: msghdr, flags: number, state: recvState): Sleeping<number> {
  const tp = tcp_sk(sk);
  let len = msg.size;
  if (sk.skc_state === TCP_LISTEN) return -ENOTCONN;
  state.inq = tp.recvmsg_inq;
  if ((flags & MSG_OOB) !== 0) return tcp_recv_urg(sk, msg, len, flags);
  const peek = (flags & MSG_PEEK) !== 0;
  const peek_offset = max(sk_peek_offset(sk, flags), 0);
  let timeo = sock_rcvtimeo(sk, (flags & MSG_DONTWAIT) !== 0);
  let peek_seq = u32add(tp.copied_seq, peek_offset);
  let urg_hole = 0;
  let copied = 0;
  const target = sock_rcvlowat(sk, (flags & MSG_WAITALL) !== 0, len);
  do {
    const seq = peek ? peek_seq : tp.copied_seq;
    // Reads end at the urgent mark.
    if (tp.urg_data !== 0 && tp.urg_seq === seq) {
      if (copied > 0) break;
      if (signal_pending(current())) {
        copied = timeo !== 0 ? sock_intr_errno(timeo) : -EAGAIN;
        break;
      }
    }
    const skb = segmentAt(sk, seq);
    if (skb === null) {
      if (copied >= target && sk.sk_backlog.next === null) break;
      const verdict = mayWaitForData(sk, copied, timeo);
      if (verdict <= 0) {
        if (copied === 0) copied = verdict;
        break;
      }
      if (copied >= target) __sk_flush_backlog(sk);
      else {
        tcp_cleanup_rbuf(sk, copied);
        const left = yield* sk_wait_data(sk, timeo, skb_peek_tail(sk.sk_receive_queue));
        if (left < 0) return copied || left;
        timeo = left;
      }
      // Somebody else has read meanwhile: the peek begins anew.
      if (peek && u32sub(peek_seq, peek_offset + copied + urg_hole) !== tp.copied_seq) peek_seq = u32add(tp.copied_seq, peek_offset);
      continue;
    }
    let offset = u32sub(seq, skb.tcp.seq);
    if (offset < skb.len) {
      let used = min(skb.len - offset, len);
      let at = seq;
      const urg_offset = tp.urg_data !== 0 ? u32sub(tp.urg_seq, seq) : used;
      if (urg_offset < used) {
        if (urg_offset > 0) used = urg_offset;
        else if (!sock_flag(sk, SOCK_URGINLINE)) {
          at = u32add(at, 1);
          urg_hole++;
          offset++;
          used--;
        }
      }
      if (used > 0 && (flags & MSG_TRUNC) === 0 && skb_copy_datagram_msg(skb, offset, msg, used) !== 0) {
        if (copied === 0) copied = -EFAULT;
        break;
      }
      if (interruptDue()) yield;
      if (kernel().callTimes !== null) yield* callTimesHold(CALL_COPIED);
      at = u32add(at, used);
      if (peek) peek_seq = at;
      else tp.copied_seq = at;
      if (used > 0) {
        copied += used;
        len -= used;
        if (peek) sk_peek_offset_fwd(sk, used);
        else sk_peek_offset_bwd(sk, used);
        tcp_rcv_space_adjust(sk);
      }
      passedUrgent(sk);
      if (skb.tcp.has_rxtstamp) noteTimestamps(skb, state);
      if (used + offset < skb.len) continue;
    }
    if ((skb.tcp.tcp_flags & TCPHDR_FIN) !== 0) {
      if (peek) peek_seq = u32add(peek_seq, 1);
      else tp.copied_seq = u32add(tp.copied_seq, 1);
      if (!peek) tcp_eat_recv_skb(sk, skb);
      break;
    }
    if (!peek) tcp_eat_recv_skb(sk, skb);
  } while (len > 0);
  tcp_cleanup_rbuf(sk, copied);
  return copied;
}

/** tcp_update_recv_tstamps(): of the last segment read. */
function noteTimestamps(skb: sk_buff, state: recvState): void {
  state.timestamps = true;
  state.software = skb.tstamp;
  state.hardware = skb.shinfo.hwtstamps;
}

function tcp_recv_timestamp(msg: msghdr, sk: sock, state: recvState): void {
  let { software, hardware } = state;
  if (software !== 0 && sock_flag(sk, SOCK_RCVTSTAMP)) putStamp(msg, sk, software);
  if (!reportsStamp(sk, SOF_TIMESTAMPING_SOFTWARE, SOF_TIMESTAMPING_RX_SOFTWARE)) software = 0;
  if (!reportsStamp(sk, SOF_TIMESTAMPING_RAW_HARDWARE, SOF_TIMESTAMPING_RX_HARDWARE)) hardware = 0n;
  if (software !== 0 || hardware !== 0n) putTimestamping(msg, { software, hardware });
}

/** Bytes left to read, for TCP_INQ. After the FIN 1, so that the reader comes back and sees the end. */
export function tcp_inq_hint(sk: sock): number {
  const tp = tcp_sk(sk);
  const inq = u32sub(tp.rcv_nxt, tp.copied_seq);
  return inq === 0 && sock_flag(sk, SOCK_DONE) ? 1 : inq;
}

export function* tcp_recvmsg(sk: sock, msg: msghdr, flags: number): Sleeping<number> {
  if ((flags & MSG_ERRQUEUE) !== 0) return ip_recv_error(sk, msg);
  if (sk_can_busy_loop(sk) && sk.sk_receive_queue.next === null && sk.skc_state === TCP_ESTABLISHED)
    yield* sk_busy_loop(sk, (flags & MSG_DONTWAIT) !== 0);
  const state = new recvState();
  yield* lock_sock(sk);
  const ret = yield* tcp_recvmsg_locked(sk, msg, flags, state);
  if (kernel().callTimes !== null) yield* callTimesHold(CALL_ENDS);
  release_sock(sk);
  if (ret < 0) return ret;
  if (state.timestamps) tcp_recv_timestamp(msg, sk, state);
  if (state.inq) put_cmsg(msg, SOL_TCP, TCP_CM_INQ, tcp_inq_hint(sk));
  return ret;
}

/* Reading without recvmsg() */

/** Takes up to `len` bytes from `offset` on and says how many it took; 0 or an errno ends the reading. */
export type sk_read_actor_t = (skb: sk_buff, offset: number, len: number) => number;

/** The segment that holds `seq`. What lies before is read already and goes. */
export function tcp_recv_skb(sk: sock, seq: number): sk_buff | null {
  for (let skb = sk.sk_receive_queue.next; skb !== null; skb = sk.sk_receive_queue.next) {
    if (u32sub(seq, skb.tcp.seq) < skb.len || (skb.tcp.tcp_flags & TCPHDR_FIN) !== 0) return skb;
    tcp_eat_recv_skb(sk, skb);
  }
  return null;
}

/** Hands at most `count` bytes of the receive queue to `recv_actor`, segment by segment, stopping at urgent data; how many it took, or an errno. */
export function tcp_read_sock(sk: sock, count: number, recv_actor: sk_read_actor_t): number {
  const tp = tcp_sk(sk);
  if (sk.skc_state === TCP_LISTEN) return -ENOTCONN;
  let copied = 0;
  for (let skb = tcp_recv_skb(sk, tp.copied_seq); skb !== null; skb = tcp_recv_skb(sk, tp.copied_seq)) {
    const offset = u32sub(tp.copied_seq, skb.tcp.seq);
    if (offset < skb.len) {
      let len = min(skb.len - offset, count - copied);
      if (tp.urg_data !== 0) len = min(len, u32sub(tp.urg_seq, tp.copied_seq));
      if (len === 0) break;
      const used = recv_actor(skb, offset, len);
      if (used <= 0) {
        if (copied === 0) copied = used;
        break;
      }
      tp.copied_seq = u32add(tp.copied_seq, used);
      copied += used;
      if (offset + used < skb.len) continue;
    }
    const fin = (skb.tcp.tcp_flags & TCPHDR_FIN) !== 0;
    tcp_eat_recv_skb(sk, skb);
    if (fin) {
      tp.copied_seq = u32add(tp.copied_seq, 1);
      break;
    }
  }
  tcp_rcv_space_adjust(sk);
  if (copied > 0) {
    tcp_recv_skb(sk, tp.copied_seq);
    tcp_cleanup_rbuf(sk, copied);
  }
  return copied;
}

/** splice() from a socket: as tcp_read_sock(), waiting for the first byte. */
export function* tcp_splice_read(sk: sock, count: number, nonblock: boolean, recv_actor: sk_read_actor_t): Sleeping<number> {
  sock_rps_record_flow(sk);
  yield* lock_sock(sk);
  let timeo = sock_rcvtimeo(sk, nonblock);
  let spliced = 0;
  let ret = 0;
  while (spliced < count) {
    ret = tcp_read_sock(sk, count - spliced, recv_actor);
    if (ret < 0) break;
    if (ret > 0) {
      spliced += ret;
      if (timeo === 0) break;
      release_sock(sk);
      yield* lock_sock(sk);
      if (sk.sk_err !== 0 || sk.skc_state === TCP_CLOSE || (sk.sk_shutdown & RCV_SHUTDOWN) !== 0 || signal_pending(current())) break;
      continue;
    }
    if (spliced > 0) break;
    ret = mayWaitForData(sk, 0, timeo);
    // Urgent data is in the way: no use waiting.
    if (ret <= 0 || sk.sk_receive_queue.next !== null) break;
    timeo = yield* sk_wait_data(sk, timeo, null);
    ret = timeo;
    if (ret < 0) break;
  }
  release_sock(sk);
  return spliced > 0 ? spliced : min(ret, 0);
}

/** SO_RCVLOWAT: the receive buffer must be able to hold that much. */
export function tcp_set_rcvlowat(sk: sock, val: number): number {
  const tp: tcp_sock = tcp_sk(sk);
  const locked = (sk.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0;
  const cap = (locked ? sk.sk_rcvbuf : sock_net(sk).ipv4.sysctl_tcp_rmem[2]) >> 1;
  val = min(val, cap);
  sk.sk_rcvlowat = val || 1;
  tcp_data_ready(sk);
  if (locked) return 0;
  const space = tcp_space_from_win(sk, val);
  if (space > sk.sk_rcvbuf) {
    sk.sk_rcvbuf = space;
    if (tp.window_clamp !== 0 && tp.window_clamp < val) tp.window_clamp = val;
  }
  return 0;
}
