/**
 * net/ipv4/ip_sockglue.c: the queue of errors that a socket asked for with IP_RECVERR: `ip_icmp_error`, `ip_local_error` → recvmsg(MSG_ERRQUEUE):
 * `ip_recv_error`.
 */
import { SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_LOCAL, sock_exterr_skb } from '../../include/linux/errqueue.ts';
import {
  type sk_buff,
  skb_network_header,
  skb_pull,
  skb_put,
  skb_reset_network_header,
  skb_reset_transport_header,
} from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { inet_sk } from '../../include/net/inet_sock.ts';
import type { msghdr, sock } from '../../include/net/sock.ts';
import { EAGAIN } from '../../uapi/errno.ts';
import * as ip from '../../uapi/in.ts';
import { AF_INET, MSG_ERRQUEUE, MSG_TRUNC, SOL_IP } from '../../uapi/socket.ts';
import { skb_copy_datagram_msg } from '../core/datagram.ts';
import { put_cmsg } from '../core/scm.ts';
import { alloc_skb } from '../core/skbuff.ts';
import { skb_clone } from '../core/skbuff_clone.ts';
import { sock_dequeue_err_skb, sock_queue_err_skb } from '../core/skbuff_errqueue.ts';
import { consume_skb, kfree_skb } from '../core/skbuff_free.ts';
import { sock_recv_timestamp } from '../core/sock_cmsg.ts';
import { ip_cmsg_recv } from './ip_sockglue.ts';

/** Keeps an ICMP error with the payload of the packet that caused it (from `payload` on, an offset in the skb's memory). */
export function ip_icmp_error(sk: sock, skb: sk_buff, err: number, port: number, info: number, payload: number): void {
  const copy = skb_clone(skb, GFP_ATOMIC);
  if (copy === null) return;
  const error = new sock_exterr_skb();
  error.ee_errno = err;
  error.ee_origin = SO_EE_ORIGIN_ICMP;
  error.ee_type = skb.mem.u8[skb.transport_header]!;
  error.ee_code = skb.mem.u8[skb.transport_header + 1]!;
  error.ee_info = info;
  error.port = port;
  error.offender = new ip.iphdr(skb.mem.view, skb_network_header(skb)).saddr;
  // The inner header begins where the error's skb does now.
  error.addr_offset = skb.data + 16 - skb_network_header(skb);
  copy.exterr = error;
  queueError(sk, copy, payload - copy.data);
}

function queueError(sk: sock, skb: sk_buff, headers: number): void {
  if (headers < skb.len - skb.data_len || headers === skb.len) {
    skb_pull(skb, headers);
    skb_reset_transport_header(skb);
    if (sock_queue_err_skb(sk, skb) === 0) return;
  }
  kfree_skb(skb, 'ip_icmp_error');
}

/** An error of this host's own (EMSGSIZE) about a packet that was not sent to daddr:port. */
export function ip_local_error(sk: sock, err: number, daddr: number, port: number, info: number): void {
  if (!inet_sk(sk).recverr) return;
  const skb = alloc_skb(20, GFP_ATOMIC);
  if (skb === null) return;
  skb_reset_network_header(skb);
  const at = skb_put(skb, 20);
  new ip.iphdr(skb.mem.view, at).daddr = daddr;
  const error = new sock_exterr_skb();
  error.ee_errno = err;
  error.ee_origin = SO_EE_ORIGIN_LOCAL;
  error.ee_info = info;
  error.port = port;
  error.addr_offset = 16;
  skb.exterr = error;
  queueError(sk, skb, 20);
}

/** recvmsg(MSG_ERRQUEUE): the packet, and what happened to it as a control message IP_RECVERR. */
export function ip_recv_error(sk: sock, msg: msghdr): number {
  const skb = sock_dequeue_err_skb(sk);
  if (skb === null) return -EAGAIN;
  const copied = Math.min(skb.len, msg.size);
  if (copied < skb.len) msg.msg_flags |= MSG_TRUNC;
  const err = skb_copy_datagram_msg(skb, 0, msg, copied);
  if (err !== 0) {
    kfree_skb(skb, 'ip_recv_error');
    return err;
  }
  sock_recv_timestamp(msg, sk, skb);
  reportError(sk, skb, skb.exterr!, msg);
  msg.msg_flags |= MSG_ERRQUEUE;
  consume_skb(skb, 'ip_recv_error');
  return copied;
}

function reportError(sk: sock, skb: sk_buff, error: sock_exterr_skb, msg: msghdr): void {
  if (msg.msg_name !== null && error.addr_offset > 0) {
    msg.msg_name.sin_family = AF_INET;
    msg.msg_name.sin_port = error.port;
    msg.msg_name.sin_addr = skb.mem.view.getUint32(skb_network_header(skb) + error.addr_offset);
  }
  // Of the ICMP message, not of the packet that it quotes.
  if (error.ee_origin === SO_EE_ORIGIN_ICMP && inet_sk(sk).cmsg_flags !== 0) ip_cmsg_recv(msg, sk, skb);
  put_cmsg(msg, SOL_IP, ip.IP_RECVERR, error);
}
