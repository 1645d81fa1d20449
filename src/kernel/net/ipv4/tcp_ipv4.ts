/**
 * net/ipv4/tcp_ipv4.c: TCP over IPv4: the protocol's table (`tcp_prot`), what is special about IPv4 (`ipv4_specific`), what IP hands segments to
 * (`tcp_protocol`), birth and death of its sockets. The rest is cut by direction:
 *
 * - tcp_ipv4_connect: connect(); tcp_ipv4_req: connections that come in; tcp_ipv4_twsk: may a connection replace one in TIME_WAIT;
 * - tcp_ipv4_rcv: segments that come in; tcp_ipv4_backlog, tcp_ipv4_auth; tcp_ipv4_check: checksums; tcp_ipv4_reply: RSTs and ACKs without a socket;
 * - tcp_ipv4_err: ICMP errors; tcp_ipv4_seq: /proc/net/tcp.
 */
import { trace } from '../../current.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { type inet_connection_sock_af_ops, inet_csk, inet_sk } from '../../include/net/inet_sock.ts';
import type { net, net_protocol } from '../../include/net/net_namespace.ts';
import { type proto, SOCK_USE_WRITE_QUEUE, type sock, sock_set_flag } from '../../include/net/sock.ts';
import { MAX_TCP_HEADER, tcp_saved_syn_free } from '../../include/net/tcp.ts';
import { IP_PMTUDISC_DO, IPPROTO_TCP, iphdr } from '../../uapi/in.ts';
import { AF_INET, SOCK_RAW } from '../../uapi/socket.ts';
import { skb_rbtree_purge } from '../core/skbuff_rbtree.ts';
import { sk_sockets_allocated_dec } from '../core/sock.ts';
import { inet_ctl_sock_create } from './af_inet_ctl_sock.ts';
import { inet_sock_destruct } from './af_inet_destruct.ts';
import { inet_sk_rebuild_header } from './af_inet_route.ts';
import { inet_csk_accept, inet_csk_get_port } from './inet_connection_sock.ts';
import { inet_hash, inet_put_port, inet_unhash } from './inet_hashtables.ts';
import { ip_queue_xmit } from './ip_output.ts';
import { ip_getsockopt, ip_setsockopt } from './ip_sockglue.ts';
import {
  tcp_abort,
  tcp_close,
  tcp_disconnect,
  tcp_enter_memory_pressure,
  tcp_free_fastopen_req,
  tcp_getsockopt,
  tcp_init_sock,
  tcp_ioctl,
  tcp_leave_memory_pressure,
  tcp_recvmsg,
  tcp_sendmsg,
  tcp_setsockopt,
  tcp_shutdown,
  tcp_stream_memory_free,
} from './tcp.ts';
import { tcp_cleanup_congestion_control } from './tcp_cong.ts';
import { tcp_fastopen_active_disable_ofo_check, tcp_fastopen_destroy_cipher } from './tcp_fastopen.ts';
import { tcp_v4_send_check } from './tcp_ipv4_check.ts';
import { tcp_v4_connect } from './tcp_ipv4_connect.ts';
import { tcp_v4_err, tcp_v4_mtu_reduced } from './tcp_ipv4_err.ts';
import { tcp_md5_destruct_sock } from './tcp_ipv4_md5.ts';
import { tcp_v4_do_rcv, tcp_v4_early_demux, tcp_v4_rcv } from './tcp_ipv4_rcv.ts';
import { inet_sk_rx_dst_set, tcp_v4_conn_request, tcp_v4_syn_recv_sock } from './tcp_ipv4_req.ts';
import { tcp_release_cb } from './tcp_output_release.ts';
import { tcp_splice_read } from './tcp_recvmsg.ts';
import { tcp_clear_xmit_timers, tcp_write_queue_purge } from './tcp_state.ts';
import { tcp_set_keepalive } from './tcp_timer.ts';

export * from './tcp_ipv4_check.ts';
export * from './tcp_ipv4_connect.ts';
export * from './tcp_ipv4_err.ts';
export * from './tcp_ipv4_rcv.ts';
export * from './tcp_ipv4_reply.ts';
export * from './tcp_ipv4_req.ts';
export * from './tcp_ipv4_seq.ts';
export * from './tcp_ipv4_twsk.ts';

export const ipv4_specific: inet_connection_sock_af_ops = {
  queue_xmit: ip_queue_xmit,
  send_check: tcp_v4_send_check,
  rebuild_header: inet_sk_rebuild_header,
  sk_rx_dst_set: inet_sk_rx_dst_set,
  conn_request: tcp_v4_conn_request,
  syn_recv_sock: tcp_v4_syn_recv_sock,
  net_header_len: iphdr.size,
  setsockopt: ip_setsockopt,
  getsockopt: ip_getsockopt,
  mtu_reduced: tcp_v4_mtu_reduced,
};

function tcp_v4_init_sock(sk: sock): number {
  tcp_init_sock(sk);
  inet_csk(sk).icsk_af_ops = ipv4_specific;
  sk.sk_destruct = tcp4_destruct_sock;
  return 0;
}

function tcp4_destruct_sock(sk: sock): void {
  tcp_md5_destruct_sock(sk);
  inet_sock_destruct(sk);
}

/** Frees all that a closed socket still holds; the socket itself lives on while somebody refers to it. */
export function tcp_v4_destroy_sock(sk: sock): void {
  const tp = tcp_sk(sk);
  trace().tcp_destroy_sock?.(sk);
  tcp_clear_xmit_timers(sk);
  tcp_cleanup_congestion_control(sk);
  tcp_write_queue_purge(sk);
  tcp_fastopen_active_disable_ofo_check(sk);
  skb_rbtree_purge(tp.out_of_order_queue);
  if (tp.icsk_bind_hash !== null) inet_put_port(sk);
  tcp_free_fastopen_req(tp);
  tcp_fastopen_destroy_cipher(sk);
  tcp_saved_syn_free(tp);
  sk_sockets_allocated_dec(sk);
}

export const tcp_prot: proto = {
  name: 'TCP',
  close: tcp_close,
  connect: tcp_v4_connect,
  disconnect: tcp_disconnect,
  accept: inet_csk_accept,
  ioctl: tcp_ioctl,
  init: tcp_v4_init_sock,
  destroy: tcp_v4_destroy_sock,
  shutdown: tcp_shutdown,
  setsockopt: tcp_setsockopt,
  getsockopt: tcp_getsockopt,
  keepalive: tcp_set_keepalive,
  recvmsg: tcp_recvmsg,
  splice_read: tcp_splice_read,
  sendmsg: tcp_sendmsg,
  backlog_rcv: tcp_v4_do_rcv,
  release_cb: tcp_release_cb,
  hash: inet_hash,
  unhash: inet_unhash,
  get_port: inet_csk_get_port,
  enter_memory_pressure: tcp_enter_memory_pressure,
  leave_memory_pressure: tcp_leave_memory_pressure,
  stream_memory_free: tcp_stream_memory_free,
  diag_destroy: tcp_abort,
  sysctl_mem: (network: net) => network.ipv4.sysctl_tcp_mem,
  max_header: MAX_TCP_HEADER,
  no_autobind: true,
};

/** What IP does with protocol 6. */
export const tcp_protocol: net_protocol = {
  handler: tcp_v4_rcv,
  err_handler: tcp_v4_err,
  early_demux: tcp_v4_early_demux,
  no_policy: true,
};

/** Makes the socket that RSTs and ACKs without a socket of their own go out by. It needs tcp_init() and the family's switch. */
export function tcp_v4_init(network: net): void {
  const sk = inet_ctl_sock_create(network, AF_INET, SOCK_RAW, IPPROTO_TCP);
  // RSTs, and ACKs in SYN_RECV and TIME_WAIT, have DF set and identification 0, like the connection's other segments.
  inet_sk(sk).pmtudisc = IP_PMTUDISC_DO;
  sock_set_flag(sk, SOCK_USE_WRITE_QUEUE);
  network.ipv4.tcp_sk = sk;
}
