/**
 * net/ipv4/udp.c: the UDP protocol as sockets see it: `udp_prot`. Sending is in udp_output.ts, receiving in udp_input.ts (from the wire) and
 * udp_recvmsg.ts (by programs), ports and lookup in udp_table.ts.
 */
import type { Sleeping } from '../../include/linux/sched.ts';
import { skb_queue_empty } from '../../include/linux/skbuff.ts';
import { intOf } from '../../include/linux/sockptr.ts';
import { UDP_CORK, UDP_GRO, UDP_SEGMENT, udp_sk } from '../../include/linux/udp.ts';
import { inet_sk } from '../../include/net/inet_sock.ts';
import type { net } from '../../include/net/net_namespace.ts';
import {
  type proto,
  SOCK_BINDADDR_LOCK,
  SOCK_BINDPORT_LOCK,
  sk_wmem_alloc_get,
  type sock,
  sock_net,
  type socket,
} from '../../include/net/sock.ts';
import { EINVAL, ENOIOCTLCMD, ENOPROTOOPT } from '../../uapi/errno.ts';
import { POLLIN, POLLRDNORM, SIOCINQ, SIOCOUTQ, SOL_UDP } from '../../uapi/socket.ts';
import { TCP_CLOSE } from '../../uapi/tcp.ts';
import { datagram_poll } from '../core/datagram_recv.ts';
import { sk_dst_reset } from '../core/sock_dst.ts';
import { sk_common_release } from '../core/sock_life.ts';
import { inet_sock_destruct } from './af_inet_destruct.ts';
import { ip4_datagram_connect, ip4_datagram_release_cb } from './datagram.ts';
import { ip_getsockopt, ip_setsockopt } from './ip_sockglue.ts';
import { udp_flush_pending_frames, udp_push_pending_frames, udp_sendmsg } from './udp_output.ts';
import { udp_destruct_common, udp_recvmsg } from './udp_recvmsg.ts';
import { udp_lib_rehash, udp_lib_unhash, udp_v4_get_port } from './udp_table.ts';

export * from './udp_input.ts';
export * from './udp_output.ts';
export * from './udp_recvmsg.ts';
export * from './udp_table.ts';

const MAX_GSO_SIZE = 0xffff;

export function udp_init_sock(sk: sock): number {
  udp_sk(sk).forward_threshold = sk.sk_rcvbuf >> 2;
  sk.sk_destruct = udp_destruct_sock;
  return 0;
}

function udp_destruct_sock(sk: sock): void {
  udp_destruct_common(sk);
  inet_sock_destruct(sk);
}

function udp_destroy_sock(sk: sock): void {
  udp_flush_pending_frames(sk);
  if (udp_sk(sk).encap_enabled) sock_net(sk).udp_encap_needed--;
}

// biome-ignore lint/correctness/useYield: a close that never waits
function* udp_lib_close(sk: sock, _timeout: number): Sleeping<void> {
  sk_common_release(sk);
}

/** Ends an association (POSIX 1003.1g); also of raw and ping sockets. What the program did not bind itself is free again. */
export function __udp_disconnect(sk: sock, _flags: number): number {
  const inet = inet_sk(sk);
  sk.skc_state = TCP_CLOSE;
  sk.skc_daddr = 0;
  sk.skc_dport = 0;
  sk.skc_bound_dev_if = 0;
  if ((sk.sk_userlocks & SOCK_BINDADDR_LOCK) === 0) {
    inet.inet_saddr = sk.skc_rcv_saddr = 0;
    if ((sk.sk_userlocks & SOCK_BINDPORT_LOCK) !== 0) sk.skc_prot.rehash?.(sk);
  }
  if ((sk.sk_userlocks & SOCK_BINDPORT_LOCK) === 0) {
    sk.skc_prot.unhash?.(sk);
    inet.inet_sport = 0;
  }
  sk_dst_reset(sk);
  return 0;
}

/** SIOCINQ tells the next datagram's length, SIOCOUTQ what the device has not sent yet. */
export function udp_ioctl(sk: sock, cmd: number): number {
  if (cmd === SIOCOUTQ) return sk_wmem_alloc_get(sk);
  if (cmd !== SIOCINQ) return -ENOIOCTLCMD;
  return (udp_sk(sk).reader_queue.next ?? sk.sk_receive_queue.next)?.len ?? 0;
}

/** As datagram_poll(), with what the reader has taken over. */
export function udp_poll(sock: socket): number {
  const mask = datagram_poll(sock);
  return skb_queue_empty(udp_sk(sock.sk!).reader_queue) ? mask : mask | POLLIN | POLLRDNORM;
}

/** From here on GRO looks for the sockets of datagrams. */
function udp_tunnel_encap_enable(sk: sock): void {
  if (udp_sk(sk).encap_enabled) return;
  udp_sk(sk).encap_enabled = true;
  sock_net(sk).udp_encap_needed++;
}

function udp_setsockopt(sk: sock, level: number, optname: number, value: unknown): number {
  if (level !== SOL_UDP) return ip_setsockopt(sk, level, optname, value);
  const val = intOf(value);
  if (val === null) return -EINVAL;
  const up = udp_sk(sk);
  switch (optname) {
    case UDP_CORK:
      up.corkflag = val !== 0;
      if (!up.corkflag && up.pending !== 0) udp_push_pending_frames(sk);
      return 0;
    case UDP_SEGMENT:
      if (val < 0 || val > MAX_GSO_SIZE) return -EINVAL;
      up.gso_size = val;
      return 0;
    case UDP_GRO:
      if (val !== 0) udp_tunnel_encap_enable(sk);
      up.gro_enabled = val !== 0;
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

function udp_getsockopt(sk: sock, level: number, optname: number): unknown {
  if (level !== SOL_UDP) return ip_getsockopt(sk, level, optname);
  const up = udp_sk(sk);
  switch (optname) {
    case UDP_CORK:
      return up.corkflag ? 1 : 0;
    case UDP_SEGMENT:
      return up.gso_size;
    case UDP_GRO:
      return up.gro_enabled ? 1 : 0;
    default:
      return -ENOPROTOOPT;
  }
}

export const udp_prot: proto = {
  name: 'UDP',
  close: udp_lib_close,
  connect: ip4_datagram_connect,
  disconnect: __udp_disconnect,
  ioctl: udp_ioctl,
  init: udp_init_sock,
  destroy: udp_destroy_sock,
  setsockopt: udp_setsockopt,
  getsockopt: udp_getsockopt,
  sendmsg: udp_sendmsg,
  recvmsg: udp_recvmsg,
  release_cb: ip4_datagram_release_cb,
  unhash: udp_lib_unhash,
  rehash: udp_lib_rehash,
  get_port: udp_v4_get_port,
  max_header: 0,
  no_autobind: false,
  sysctl_mem: (network: net) => network.ipv4.sysctl_udp_mem,
};
