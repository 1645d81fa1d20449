/**
 * net/ipv4/tcp_output.c, TCP Small Queues: a socket that waited for its packets to leave (`tcp_tsq_workfn`) or for its pacing time (`tcp_pace_kick`)
 * goes on: `tcp_tsq_handler` → `tcp_tsq_write` → `tcp_xmit_retransmit_queue`, `tcp_write_xmit`.
 */
import { kernel } from '../../current.ts';
import type { percpu } from '../../include/linux/percpu.ts';
import { TCPF_TSQ_DEFERRED, TSQF_QUEUED, tcp_sk } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import { type sock, sock_hold, sock_owned_by_user } from '../../include/net/sock.ts';
import { tcp_packets_in_flight, tcp_snd_cwnd } from '../../include/net/tcp.ts';
import { HRTIMER_NORESTART } from '../../kernel/time/hrtimer.ts';
import { work_struct, workqueue_init } from '../../kernel/workqueue.ts';
import { TCPF_CLOSE_WAIT, TCPF_CLOSING, TCPF_ESTABLISHED, TCPF_FIN_WAIT1, TCPF_LAST_ACK } from '../../uapi/tcp.ts';
import { sk_free, sock_put } from '../core/sock_life.ts';
import { tcp_current_mss } from './tcp_output_mss.ts';
import { tcp_xmit_retransmit_queue } from './tcp_output_retransmit.ts';
import { tcp_mstamp_refresh } from './tcp_output_transmit.ts';
import { tsq_work } from './tcp_output_wfree.ts';
import { tcp_write_xmit } from './tcp_output_write.ts';

const TCPF_MAY_SEND = TCPF_ESTABLISHED | TCPF_FIN_WAIT1 | TCPF_CLOSING | TCPF_CLOSE_WAIT | TCPF_LAST_ACK;

export function tcp_tsq_write(sk: sock): void {
  if (((1 << sk.skc_state) & TCPF_MAY_SEND) === 0) return;
  const tp = tcp_sk(sk);
  if (tp.lost_out > tp.retrans_out && tcp_snd_cwnd(tp) > tcp_packets_in_flight(tp)) {
    tcp_mstamp_refresh(tp);
    tcp_xmit_retransmit_queue(sk);
  }
  tcp_write_xmit(sk, tcp_current_mss(sk), tp.nonagle, 0, GFP_ATOMIC);
}

/** The socket's owner does it in release_sock(), if there is one. */
function tcp_tsq_handler(sk: sock): void {
  if (!sock_owned_by_user(sk)) tcp_tsq_write(sk);
  else if ((sk.sk_tsq_flags & TCPF_TSQ_DEFERRED) === 0) {
    sk.sk_tsq_flags |= TCPF_TSQ_DEFERRED;
    sock_hold(sk);
  }
}

function tcp_tsq_workfn(tsq: tsq_work): void {
  let tp = tsq.head;
  tsq.head = null;
  while (tp !== null) {
    const next = tp.tsqNext;
    tp.tsqNext = null;
    tp.sk_tsq_flags &= ~TSQF_QUEUED;
    tcp_tsq_handler(tp);
    sk_free(tp);
    tp = next;
  }
}

/** pacing_timer, in softirq context. */
export function tcp_pace_kick(sk: sock): boolean {
  tcp_tsq_handler(sk);
  sock_put(sk);
  return HRTIMER_NORESTART;
}

function newTsqWork(): tsq_work {
  const tsq: tsq_work = new tsq_work(new work_struct((): void => tcp_tsq_workfn(tsq)));
  return tsq;
}

export function tcp_tsq_work_init(): void {
  workqueue_init();
  kernel().percpu.forEach((pcpu: percpu) => {
    pcpu.tsq_work = newTsqWork();
  });
}
