/**
 * net/ipv4/tcp_output.c, TCP Small Queues: a socket may only have so much in qdisc and device at a time, so that its queue stays in the socket.
 * When a packet of a throttled socket is freed, `tcp_wfree` puts the socket on its CPU's list, and work in softirq context lets it go on
 * (`tcp_tsq_workfn` in tcp_output_tsq): sending from a destructor is forbidden, since locks of the queue may be held.
 */
import { this_cpu_ptr } from '../../current.ts';
import { SKB_TRUESIZE, type sk_buff } from '../../include/linux/skbuff.ts';
import { TSQF_QUEUED, TSQF_THROTTLED, tcp_sk, type tcp_sock } from '../../include/linux/tcp.ts';
import type { sock } from '../../include/net/sock.ts';
import { queue_work, type work_struct } from '../../kernel/workqueue.ts';
import { sk_free } from '../core/sock_life.ts';

/** A CPU's list of sockets to go on with; last come, first served. */
export class tsq_work {
  head: tcp_sock | null = null;
  readonly work: work_struct;

  constructor(work: work_struct) {
    this.work = work;
  }
}

/** Destructor of TCP's packets with payload. One byte of sk_wmem_alloc stays until the work has run: it keeps the socket alive. */
export function tcp_wfree(skb: sk_buff): void {
  const sk = skb.sk as sock;
  sk.sk_wmem_alloc -= skb.truesize - 1;
  const pcpu = this_cpu_ptr();
  // ksoftirqd is busy: better wait until the queues have drained, with fewer calls and larger packets.
  const stressed = sk.sk_wmem_alloc >= SKB_TRUESIZE(1) && pcpu.current === pcpu.ksoftirqd;
  const flags = sk.sk_tsq_flags;
  if (stressed || (flags & TSQF_THROTTLED) === 0 || (flags & TSQF_QUEUED) !== 0) {
    sk_free(sk);
    return;
  }
  sk.sk_tsq_flags = (flags & ~TSQF_THROTTLED) | TSQF_QUEUED;
  const tsq = pcpu.tsq_work as tsq_work;
  const tp = tcp_sk(sk);
  tp.tsqNext = tsq.head;
  tsq.head = tp;
  queue_work(tsq.work);
}
