/**
 * net/ipv4/af_inet.c: how the family starts: `inet_init` registers protocols with sockets (`inetsw`) and with IP (`inet_protos`).
 * Apart from af_inet.ts, because it knows TCP, which knows that one.
 */

import { tcp_sock } from '../../include/linux/tcp.ts';
import { udp_sock } from '../../include/linux/udp.ts';
import type { net } from '../../include/net/net_namespace.ts';
import {
  INET_PROTOSW_ICSK,
  INET_PROTOSW_PERMANENT,
  INET_PROTOSW_REUSE,
  type inet_protosw,
  type proto_ops,
  type socket,
} from '../../include/net/sock.ts';
import { EOPNOTSUPP } from '../../uapi/errno.ts';
import { IPPROTO_ICMP, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP } from '../../uapi/in.ts';
import { AF_INET, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM } from '../../uapi/socket.ts';
import { datagram_poll } from '../core/datagram_recv.ts';
import { proto_register } from '../core/sock_life.ts';
import { sk_set_peek_off } from '../core/sock_setsockopt.ts';
import { sysctl_core_init } from '../core/sysctl_net_core.ts';
import { sock_register } from '../socket.ts';
import {
  inet_accept,
  inet_bind,
  inet_create,
  inet_dgram_connect,
  inet_getname,
  inet_ioctl,
  inet_listen,
  inet_recvmsg,
  inet_register_protosw,
  inet_release,
  inet_sendmsg,
  inet_shutdown,
  inet_stream_connect,
  sock_common_getsockopt,
  sock_common_setsockopt,
} from './af_inet.ts';
import { ipv4_offload_init } from './inet_offload.ts';
import { ipLayerInit } from './ip_layer.ts';
import { ping_init, ping_prot, ping_sock } from './ping.ts';
import { raw_init, raw_prot, raw_sock } from './raw.ts';
import { sysctl_ipv4_init } from './sysctl_net_ipv4.ts';
import { tcp_init, tcp_poll, tcp_set_rcvlowat } from './tcp.ts';
import { tcp_prot, tcp_protocol, tcp_v4_init } from './tcp_ipv4.ts';
import { udp_err, udp_poll, udp_prot, udp_rcv } from './udp.ts';

/** net/core/sock.c: what a kind of socket cannot do. */
// biome-ignore lint/correctness/useYield: refuses at once
export function* sock_no_accept(_sock: socket, _newsock: socket, _flags: number): Generator<void, number, void> {
  return -EOPNOTSUPP;
}
export const sock_no_listen = (_sock: socket, _backlog: number): number => -EOPNOTSUPP;

const common = {
  family: AF_INET,
  release: inet_release,
  bind: inet_bind,
  getname: inet_getname,
  ioctl: inet_ioctl,
  shutdown: inet_shutdown,
  setsockopt: sock_common_setsockopt,
  getsockopt: sock_common_getsockopt,
  sendmsg: inet_sendmsg,
  recvmsg: inet_recvmsg,
} as const;

export const inet_stream_ops: proto_ops = {
  ...common,
  connect: inet_stream_connect,
  accept: inet_accept,
  poll: tcp_poll,
  listen: inet_listen,
  set_rcvlowat: tcp_set_rcvlowat,
  set_peek_off: sk_set_peek_off,
};

export const inet_dgram_ops: proto_ops = {
  ...common,
  connect: inet_dgram_connect,
  accept: sock_no_accept,
  poll: udp_poll,
  listen: sock_no_listen,
  set_peek_off: sk_set_peek_off,
};

export const inet_sockraw_ops: proto_ops = {
  ...common,
  connect: inet_dgram_connect,
  accept: sock_no_accept,
  poll: datagram_poll,
  listen: sock_no_listen,
};

const inetsw_array: readonly inet_protosw[] = [
  {
    type: SOCK_STREAM,
    protocol: IPPROTO_TCP,
    prot: tcp_prot,
    ops: inet_stream_ops,
    flags: INET_PROTOSW_PERMANENT | INET_PROTOSW_ICSK,
    kind: tcp_sock,
  },
  { type: SOCK_DGRAM, protocol: IPPROTO_UDP, prot: udp_prot, ops: inet_dgram_ops, flags: INET_PROTOSW_PERMANENT, kind: udp_sock },
  { type: SOCK_DGRAM, protocol: IPPROTO_ICMP, prot: ping_prot, ops: inet_sockraw_ops, flags: INET_PROTOSW_REUSE, kind: ping_sock },
  { type: SOCK_RAW, protocol: IPPROTO_IP, prot: raw_prot, ops: inet_sockraw_ops, flags: INET_PROTOSW_REUSE, kind: raw_sock },
];

/** Starts IPv4: sockets, protocols, tables, and the layers below and above IP, each after what it needs. */
export function inet_init(network: net): void {
  for (const prot of [tcp_prot, udp_prot, raw_prot, ping_prot]) proto_register(network, prot);
  sock_register(network, { family: AF_INET, create: inet_create });
  for (const answer of inetsw_array) inet_register_protosw(network, answer);
  network.inet_protos[IPPROTO_UDP] = { handler: udp_rcv, err_handler: udp_err, no_policy: true };
  network.inet_protos[IPPROTO_TCP] = tcp_protocol;
  raw_init(network);
  ping_init(network);
  ipLayerInit(network);
  tcp_init(network);
  tcp_v4_init(network);
  ipv4_offload_init(network);
  sysctl_core_init(network);
  sysctl_ipv4_init(network);
}
