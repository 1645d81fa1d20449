/** net/ipv4/tcp.c: what can be done with a socket without blocking (`tcp_poll`), and how much is queued (`tcp_ioctl`). */
import { tcp_sk } from '../../include/linux/tcp.ts';
import { INT_MAX } from '../../include/linux/types.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { reqsk_queue_empty } from '../../include/net/request_sock.ts';
import {
  SOCK_NOSPACE,
  SOCK_URGINLINE,
  SOCKWQ_ASYNC_NOSPACE,
  type sock,
  sock_flag,
  sock_rcvlowat,
  type socket,
} from '../../include/net/sock.ts';
import { TCP_URG_VALID, tcp_epollin_ready, tcp_inq, tcp_notsent_lowat, u32sub } from '../../include/net/tcp.ts';
import { EINVAL, ENOIOCTLCMD } from '../../uapi/errno.ts';
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRNORM,
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SHUTDOWN_MASK,
  SIOCATMARK,
  SIOCINQ,
  SIOCOUTQ,
  SIOCOUTQNSD,
} from '../../uapi/socket.ts';
import { TCP_CLOSE, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT, TCPF_SYN_RECV, TCPF_SYN_SENT } from '../../uapi/tcp.ts';
import { __sk_stream_is_writeable } from '../core/stream.ts';

/** TCP_NOTSENT_LOWAT: is there less unsent than that? Who waits is only woken at half of it (`wake` 1). */
export function tcp_stream_memory_free(sk: sock, wake: number): boolean {
  const tp = tcp_sk(sk);
  return u32sub(tp.write_seq, tp.snd_nxt) * 2 ** wake < tcp_notsent_lowat(tp);
}

/** Connections that wait for accept(). */
export const inet_csk_listen_poll = (sk: sock): number => (reqsk_queue_empty(inet_csk(sk).icsk_accept_queue) ? 0 : POLLIN | POLLRDNORM);

export function tcp_poll(socket: socket): number {
  const sk = socket.sk!;
  const state = sk.skc_state;
  if (state === TCP_LISTEN) return inet_csk_listen_poll(sk);
  let mask = 0;
  if (sk.sk_shutdown === SHUTDOWN_MASK || state === TCP_CLOSE) mask |= POLLHUP;
  if ((sk.sk_shutdown & RCV_SHUTDOWN) !== 0) mask |= POLLIN | POLLRDNORM | POLLRDHUP;
  const tp = tcp_sk(sk);
  if (state !== TCP_SYN_SENT && (state !== TCP_SYN_RECV || tp.fastopen_rsk !== null)) mask |= connectedMask(sk, socket);
  // TCP_FASTOPEN_CONNECT: the first write will make the SYN.
  else if (state === TCP_SYN_SENT && tp.defer_connect) mask |= POLLOUT | POLLWRNORM;
  if (sk.sk_err !== 0 || sk.sk_error_queue.next !== null) mask |= POLLERR;
  return mask;
}

function connectedMask(sk: sock, socket: socket): number {
  const tp = tcp_sk(sk);
  let mask = 0;
  let target = sock_rcvlowat(sk, false, INT_MAX);
  // The urgent byte itself is no data to be read.
  if (tp.urg_data !== 0 && tp.urg_seq === tp.copied_seq && !sock_flag(sk, SOCK_URGINLINE)) target++;
  if (tcp_epollin_ready(sk, target)) mask |= POLLIN | POLLRDNORM;
  if ((sk.sk_shutdown & SEND_SHUTDOWN) !== 0 || __sk_stream_is_writeable(sk, 1)) mask |= POLLOUT | POLLWRNORM;
  else socket.flags |= SOCKWQ_ASYNC_NOSPACE | SOCK_NOSPACE;
  if ((tp.urg_data & TCP_URG_VALID) !== 0) mask |= POLLPRI;
  return mask;
}

/** The answer of the ioctl, or a negative errno. */
export function tcp_ioctl(sk: sock, command: number): number {
  const tp = tcp_sk(sk);
  const handshake = ((1 << sk.skc_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) !== 0;
  switch (command) {
    case SIOCINQ:
      return sk.skc_state === TCP_LISTEN ? -EINVAL : tcp_inq(sk);
    case SIOCATMARK:
      return tp.urg_data !== 0 && tp.urg_seq === tp.copied_seq ? 1 : 0;
    case SIOCOUTQ:
      if (sk.skc_state === TCP_LISTEN) return -EINVAL;
      return handshake ? 0 : u32sub(tp.write_seq, tp.snd_una);
    case SIOCOUTQNSD:
      if (sk.skc_state === TCP_LISTEN) return -EINVAL;
      return handshake ? 0 : u32sub(tp.write_seq, tp.snd_nxt);
    default:
      return -ENOIOCTLCMD;
  }
}
