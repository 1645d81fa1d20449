/** net/ipv4/inet_connection_sock.c: the end of connection sockets that no user owns (any more). */

import { invariant } from '../../../sim/invariant.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { SOCK_DEAD, type sock, sock_flag, sock_net, sock_set_flag } from '../../include/net/sock.ts';
import { TCP_CLOSE } from '../../uapi/tcp.ts';
import { sock_put } from '../core/sock_life.ts';
import { sk_stream_kill_queues } from '../core/stream.ts';

/** Frees what an orphan in TCP_CLOSE holds, and the reference of its former user. */
export function inet_csk_destroy_sock(sk: sock): void {
  invariant(sk.skc_state === TCP_CLOSE, () => `socket destroyed in state ${sk.skc_state}`);
  invariant(sock_flag(sk, SOCK_DEAD), 'socket destroyed while it has a user');
  invariant(!sk.skc_hashed, 'socket destroyed while it is hashed');
  invariant(sk.skc_num === 0 || inet_csk(sk).icsk_bind_hash !== null, () => `socket destroyed with port ${sk.skc_num} but unbound`);
  sk.skc_prot.destroy!(sk);
  sk_stream_kill_queues(sk);
  sock_net(sk).ipv4.tcp_orphan_count--;
  sock_put(sk);
}

/** An orphan from now on. */
export function inet_csk_prepare_for_destroy_sock(sk: sock): void {
  sock_set_flag(sk, SOCK_DEAD);
  sock_net(sk).ipv4.tcp_orphan_count++;
}

/** A child that was just cloned will not live: gives up the clone's second reference and makes it an orphan, to be ended with tcp_done(). */
export function inet_csk_prepare_forced_close(sk: sock): void {
  sock_put(sk);
  inet_csk_prepare_for_destroy_sock(sk);
  sk.skc_num = 0;
}
