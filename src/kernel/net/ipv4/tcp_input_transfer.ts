/** net/ipv4/tcp_input.c: the handshake is over, the transfer begins: MTU probing, cached metrics, window, congestion control, buffers. */
import { tcp_sk } from '../../include/linux/tcp.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { __sk_dst_get, type sock } from '../../include/net/sock.ts';
import { tcp_snd_cwnd_set } from '../../include/net/tcp.ts';
import { tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { tcp_init_congestion_control } from './tcp_cong.ts';
import { tcp_init_cwnd } from './tcp_input_cwnd.ts';
import { tcp_init_buffer_space } from './tcp_input_rcvbuf.ts';
import { tcp_init_metrics } from './tcp_metrics.ts';
import { tcp_mtup_init } from './tcp_output_mss.ts';

/** RFC 6298 (5.7) and RFC 6928: more than one retransmission in the handshake, none of them needless, and the window starts at one segment. */
export function tcp_init_transfer(sk: sock): void {
  const icsk = inet_csk(sk);
  const tp = tcp_sk(sk);
  tcp_mtup_init(sk);
  icsk.icsk_af_ops.rebuild_header(sk);
  tcp_init_metrics(sk);
  tcp_snd_cwnd_set(tp, tp.total_retrans > 1 && tp.undo_marker !== 0 ? 1 : tcp_init_cwnd(tp, __sk_dst_get(sk)));
  tp.snd_cwnd_stamp = tcp_jiffies32();
  if (!icsk.icsk_ca_initialized) tcp_init_congestion_control(sk);
  tcp_init_buffer_space(sk);
}
