/** What ping_recvmsg() (net/ipv4/ping.c) and raw_recvmsg() (net/ipv4/raw.c) have in common: a whole packet to the program, and where it came from. */
import type { Sleeping } from '../../include/linux/sched.ts';
import { type sk_buff, skb_network_header } from '../../include/linux/skbuff.ts';
import { inet_sk } from '../../include/net/inet_sock.ts';
import type { msghdr, sock } from '../../include/net/sock.ts';
import { EOPNOTSUPP } from '../../uapi/errno.ts';
import { iphdr } from '../../uapi/in.ts';
import { AF_INET, MSG_ERRQUEUE, MSG_OOB, MSG_TRUNC } from '../../uapi/socket.ts';
import { skb_copy_datagram_msg } from '../core/datagram.ts';
import { skb_free_datagram, skb_recv_datagram } from '../core/datagram_recv.ts';
import { sock_recv_cmsgs } from '../core/sock_cmsg.ts';
import { ip_cmsg_recv } from './ip_sockglue.ts';
import { ip_recv_error } from './ip_sockglue_error.ts';

/** The bytes copied, with MSG_TRUNC in `flags` those that the packet has; or a negative errno. */
export function* packetRecvmsg(sk: sock, msg: msghdr, flags: number): Sleeping<number> {
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  if ((flags & MSG_ERRQUEUE) !== 0) return ip_recv_error(sk, msg);
  const skb = yield* skb_recv_datagram(sk, flags);
  if (typeof skb === 'number') return skb;
  const copied = Math.min(msg.size, skb.len);
  if (copied < skb.len) msg.msg_flags |= MSG_TRUNC;
  const err = skb_copy_datagram_msg(skb, 0, msg, copied);
  if (err === 0) describe(sk, skb, msg);
  const length = (flags & MSG_TRUNC) !== 0 ? skb.len : copied;
  skb_free_datagram(sk, skb);
  return err !== 0 ? err : length;
}

function describe(sk: sock, skb: sk_buff, msg: msghdr): void {
  sock_recv_cmsgs(msg, sk, skb);
  if (msg.msg_name !== null) {
    msg.msg_name.sin_family = AF_INET;
    msg.msg_name.sin_addr = new iphdr(skb.mem.view, skb_network_header(skb)).saddr;
    msg.msg_name.sin_port = 0;
  }
  if (inet_sk(sk).cmsg_flags !== 0) ip_cmsg_recv(msg, sk, skb);
}
