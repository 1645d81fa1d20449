/** net/ipv4/tcp_output.c: new data was sent: it moves from the write queue to the retransmission queue. */
import { __skb_unlink, type sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { ICSK_TIME_LOSS_PROBE } from '../../include/net/inet_sock.ts';
import { NET_ADD_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { tcp_skb_pcount } from '../../include/net/tcp.ts';
import { LINUX_MIB_TCPORIGDATASENT } from '../../uapi/snmp.ts';
import { tcp_check_space, tcp_rearm_rto } from './tcp_input_cwnd.ts';
import { tcp_rbtree_insert } from './tcp_rtx_queue.ts';

export function tcp_event_new_data_sent(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  const prior_packets = tp.packets_out;
  tp.snd_nxt = skb.tcp.end_seq;
  __skb_unlink(skb, sk.sk_write_queue);
  tcp_rbtree_insert(sk.tcp_rtx_queue, skb);
  if (tp.highest_sack === null) tp.highest_sack = skb;
  tp.packets_out += tcp_skb_pcount(skb);
  // RFC 6298 (5.1): the timer runs from the oldest segment on. A pending loss probe is put off: there is newer data to probe with.
  if (prior_packets === 0 || tp.icsk_pending === ICSK_TIME_LOSS_PROBE) tcp_rearm_rto(sk);
  NET_ADD_STATS(sock_net(sk), LINUX_MIB_TCPORIGDATASENT, tcp_skb_pcount(skb));
  tcp_check_space(sk);
}
