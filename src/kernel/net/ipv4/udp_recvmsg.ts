/**
 * net/ipv4/udp.c: programs read datagrams. `udp_recvmsg` → `__skb_recv_udp` (which takes the whole receive queue over at once) →
 * copying, checksumming what hardware did not → `skb_consume_udp`.
 */
import type { Sleeping } from '../../include/linux/sched.ts';
import {
  __skb_dequeue,
  SKB_GSO_UDP_L4,
  type sk_buff,
  skb_csum_unnecessary,
  skb_is_nonlinear,
  skb_network_header,
  skb_queue_empty,
  skb_queue_splice_tail_init,
  skb_shared,
} from '../../include/linux/skbuff.ts';
import { UDP_GRO, udp_sk } from '../../include/linux/udp.ts';
import { SKB_DROP_REASON_UDP_CSUM } from '../../include/net/dropreason.ts';
import { inet_sk } from '../../include/net/inet_sock.ts';
import { UDP_INC_STATS } from '../../include/net/net_namespace.ts';
import { type msghdr, type sock, sock_error, sock_net, sock_rcvtimeo } from '../../include/net/sock.ts';
import { cond_resched } from '../../kernel/sched.ts';
import { EAGAIN, EINVAL } from '../../uapi/errno.ts';
import { iphdr } from '../../uapi/in.ts';
import { UDP_MIB_CSUMERRORS, UDP_MIB_INDATAGRAMS, UDP_MIB_INERRORS } from '../../uapi/snmp.ts';
import { AF_INET, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_PEEK, MSG_TRUNC, SOL_UDP } from '../../uapi/socket.ts';
import { copy_linear_skb, skb_copy_and_csum_datagram_msg, skb_copy_datagram_msg } from '../core/datagram.ts';
import { __skb_try_recv_from_queue, __skb_wait_for_more_packets, ESHUTDOWN_RECV } from '../core/datagram_recv.ts';
import { sk_busy_loop, sk_can_busy_loop } from '../core/dev_busy_poll.ts';
import { put_cmsg } from '../core/scm.ts';
import { consume_skb, kfree_skb, kfree_skb_reason, skb_attempt_defer_free, skb_release_head_state } from '../core/skbuff_free.ts';
import { sock_recv_cmsgs } from '../core/sock_cmsg.ts';
import { __sk_mem_reduce_allocated } from '../core/sock_mem.ts';
import { ip_cmsg_recv } from './ip_sockglue.ts';
import { ip_recv_error } from './ip_sockglue_error.ts';
import { udp_lib_checksum_complete } from './udp_input.ts';

const BAD_CHECKSUM = -4096;

export function* udp_recvmsg(sk: sock, msg: msghdr, flags: number): Sleeping<number> {
  if ((flags & MSG_ERRQUEUE) !== 0) return ip_recv_error(sk, msg);
  for (;;) {
    const skb = yield* __skb_recv_udp(sk, flags);
    if (typeof skb === 'number') return skb;
    const result = deliver(sk, skb, msg, flags);
    if (result !== BAD_CHECKSUM) return result;
    dropBad(sk, skb);
    yield* cond_resched();
    msg.msg_flags &= ~MSG_TRUNC;
  }
}

function dropBad(sk: sock, skb: sk_buff): void {
  UDP_INC_STATS(sock_net(sk), UDP_MIB_CSUMERRORS);
  UDP_INC_STATS(sock_net(sk), UDP_MIB_INERRORS);
  sk.sk_drops++;
  kfree_skb_reason(skb, SKB_DROP_REASON_UDP_CSUM, 'udp_recvmsg');
}

/** Copies a datagram to the program: its length, or with MSG_TRUNC the datagram's. */
function deliver(sk: sock, skb: sk_buff, msg: msghdr, flags: number): number {
  const peeking = (flags & MSG_PEEK) !== 0;
  const ulen = skb.len;
  const off = peeking ? Math.min(Math.max(sk.sk_peek_off, 0), ulen) : 0;
  const copied = Math.min(msg.size, ulen - off);
  if (copied < ulen - off) msg.msg_flags |= MSG_TRUNC;
  const err = copyOut(skb, msg, off, copied, copied < ulen || peeking);
  if (err === BAD_CHECKSUM) return err;
  if (err !== 0) return failed(sk, skb, peeking, err);
  if (!peeking) UDP_INC_STATS(sock_net(sk), UDP_MIB_INDATAGRAMS);
  fillMessage(sk, skb, msg);
  advancePeek(sk, peeking, copied);
  skb_consume_udp(sk, skb);
  return (flags & MSG_TRUNC) !== 0 ? ulen : copied;
}

/** When not all is copied, copying cannot check all: the sum is made first. */
function copyOut(skb: sk_buff, msg: msghdr, off: number, copied: number, partly: boolean): number {
  if (partly && udp_lib_checksum_complete(skb) !== 0) return BAD_CHECKSUM;
  if (partly || skb_csum_unnecessary(skb))
    return skb_is_nonlinear(skb) ? skb_copy_datagram_msg(skb, off, msg, copied) : copy_linear_skb(skb, copied, off, msg);
  const err = skb_copy_and_csum_datagram_msg(skb, off, msg);
  return err === -EINVAL ? BAD_CHECKSUM : err;
}

function failed(sk: sock, skb: sk_buff, peeking: boolean, err: number): number {
  if (!peeking) {
    sk.sk_drops++;
    UDP_INC_STATS(sock_net(sk), UDP_MIB_INERRORS);
  }
  kfree_skb(skb, 'udp_recvmsg');
  return err;
}

function fillMessage(sk: sock, skb: sk_buff, msg: msghdr): void {
  sock_recv_cmsgs(msg, sk, skb);
  const name = msg.msg_name;
  if (name !== null) {
    name.sin_family = AF_INET;
    name.sin_port = skb.mem.view.getUint16(skb.transport_header);
    name.sin_addr = new iphdr(skb.mem.view, skb_network_header(skb)).saddr;
  }
  if (udp_sk(sk).gro_enabled && (skb.shinfo.gso_type & SKB_GSO_UDP_L4) !== 0) put_cmsg(msg, SOL_UDP, UDP_GRO, skb.shinfo.gso_size);
  if (inet_sk(sk).cmsg_flags !== 0) ip_cmsg_recv(msg, sk, skb);
}

/** With SO_PEEK_OFF a peek moves the offset on, and a read takes it back. */
function advancePeek(sk: sock, peeking: boolean, copied: number): void {
  if (sk.sk_peek_off < 0) return;
  sk.sk_peek_off = peeking ? sk.sk_peek_off + copied : Math.max(0, sk.sk_peek_off - copied);
}

/** A datagram that nobody else holds is freed where it was allocated, and without a tracepoint. */
export function skb_consume_udp(_sk: sock, skb: sk_buff): void {
  if (skb_shared(skb)) consume_skb(skb, 'skb_consume_udp');
  else {
    skb_release_head_state(skb);
    skb_attempt_defer_free(skb);
  }
}

/** A datagram, a negative errno, or 0 after shutdown(SHUT_RD). */
export function* __skb_recv_udp(sk: sock, flags: number): Sleeping<sk_buff | number> {
  const queue = udp_sk(sk).reader_queue;
  let timeo = sock_rcvtimeo(sk, (flags & MSG_DONTWAIT) !== 0);
  for (;;) {
    const error = sock_error(sk);
    if (error !== 0) return error;
    const skb = takeDatagram(sk, flags);
    if (skb !== null) return skb;
    if (sk_can_busy_loop(sk)) {
      yield* sk_busy_loop(sk, (flags & MSG_DONTWAIT) !== 0);
      if (!skb_queue_empty(sk.sk_receive_queue)) continue;
    }
    if (timeo === 0) return -EAGAIN;
    timeo = yield* __skb_wait_for_more_packets(sk, sk.sk_receive_queue, timeo, null);
    if (timeo < 0) return skb_queue_empty(queue) && timeo === -ESHUTDOWN_RECV ? 0 : timeo;
  }
}

/** From the reader's own queue; when that is empty, it takes over all that came meanwhile. */
function takeDatagram(sk: sock, flags: number): sk_buff | null {
  const queue = udp_sk(sk).reader_queue;
  if (skb_queue_empty(queue)) skb_queue_splice_tail_init(sk.sk_receive_queue, queue);
  const skb = __skb_try_recv_from_queue(sk, queue, flags);
  if (skb !== null && (flags & MSG_PEEK) === 0) udp_rmem_release(sk, skb.truesize, true);
  return skb;
}

/** Gives room back for what was read; in batches while there is more to read, since senders on other CPUs contend for these counters. */
export function udp_rmem_release(sk: sock, size: number, partial: boolean): void {
  const up = udp_sk(sk);
  if (partial) {
    up.forward_deficit += size;
    size = up.forward_deficit;
    if (size < up.forward_threshold && !skb_queue_empty(up.reader_queue)) return;
  } else size += up.forward_deficit;
  up.forward_deficit = 0;
  sk.sk_rmem_alloc -= size;
  sk.sk_forward_alloc += size;
  // A read keeps less than a page of it, the end of the socket keeps nothing.
  const amt = Math.floor((sk.sk_forward_alloc - (partial ? 1 : 0)) / 4096);
  sk.sk_forward_alloc -= amt * 4096;
  if (amt > 0 && sk.protoMemory !== null) __sk_mem_reduce_allocated(sk, amt);
}

/** The socket's end: what nobody read. */
export function udp_destruct_common(sk: sock): void {
  const up = udp_sk(sk);
  let total = 0;
  skb_queue_splice_tail_init(sk.sk_receive_queue, up.reader_queue);
  for (let skb = __skb_dequeue(up.reader_queue); skb !== null; skb = __skb_dequeue(up.reader_queue)) {
    total += skb.truesize;
    kfree_skb(skb, 'udp_destruct_common');
  }
  udp_rmem_release(sk, total, false);
}
