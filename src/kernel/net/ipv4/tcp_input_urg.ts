/**
 * net/ipv4/tcp_input.c: urgent data (RFC 6093): one byte, out of band. As BSD does it, the pointer points behind that byte
 * (net.ipv4.tcp_stdurg = 0), and a newer urgent byte supersedes an older one.
 *
 * Simplified: there is no SIGURG; the socket's readiness (POLLPRI) says the same.
 */
import { __skb_unlink, type sk_buff, skb_peek } from '../../include/linux/skbuff.ts';
import { tcp_hdrlen, tcp_sk } from '../../include/linux/tcp.ts';
import { SOCK_DEAD, SOCK_URGINLINE, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import { after, before, TCP_URG_NOTYET, TCP_URG_VALID, TCPHDR_SYN, TCPHDR_URG, u32add, u32sub } from '../../include/net/tcp.ts';
import { skb_copy_bits } from '../core/skbuff_bits.ts';
import { __kfree_skb } from '../core/skbuff_free.ts';

function tcp_check_urg(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  let ptr = skb.mem.view.getUint16(skb.transport_header + 18);
  if (ptr !== 0 && sock_net(sk).ipv4.sysctl_tcp_stdurg === 0) ptr--;
  ptr = u32add(ptr, skb.tcp.seq);
  // Read already, or received without having been urgent, or older than the one that is known.
  if (after(tp.copied_seq, ptr) || before(ptr, tp.rcv_nxt)) return;
  if (tp.urg_data !== 0 && !after(ptr, tp.urg_seq)) return;
  // The previous urgent byte was not read and reading stands at it: it is given up.
  const atMark = tp.urg_seq === tp.copied_seq && tp.urg_data !== 0;
  if (atMark && !sock_flag(sk, SOCK_URGINLINE) && tp.copied_seq !== tp.rcv_nxt) skipByte(sk);
  tp.urg_data = TCP_URG_NOTYET;
  tp.urg_seq = ptr;
  tp.pred_flags = 0;
}

function skipByte(sk: sock): void {
  const tp = tcp_sk(sk);
  const skb = skb_peek(sk.sk_receive_queue);
  tp.copied_seq = u32add(tp.copied_seq, 1);
  if (skb === null || before(tp.copied_seq, skb.tcp.end_seq)) return;
  __skb_unlink(skb, sk.sk_receive_queue);
  __kfree_skb(skb);
}

export function tcp_urg(sk: sock, skb: sk_buff): void {
  const tp = tcp_sk(sk);
  if ((skb.tcp.tcp_flags & TCPHDR_URG) !== 0) tcp_check_urg(sk, skb);
  if (tp.urg_data !== TCP_URG_NOTYET) return;
  const syn = (skb.tcp.tcp_flags & TCPHDR_SYN) !== 0 ? 1 : 0;
  // Where the byte is, from the start of the TCP header.
  const ptr = (u32sub(tp.urg_seq, skb.tcp.seq) + tcp_hdrlen(skb) - syn) >>> 0;
  if (ptr >= skb.len) return;
  const byte = new Uint8Array(1);
  skb_copy_bits(skb, ptr, byte, 0, 1);
  tp.urg_data = TCP_URG_VALID | byte[0]!;
  if (!sock_flag(sk, SOCK_DEAD)) sk.sk_data_ready(sk);
}
