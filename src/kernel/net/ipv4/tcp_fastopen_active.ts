/** net/ipv4/tcp_fastopen.c: does a path swallow SYNs with data, or what follows them? Then no more of them for a while (RFC 7413 7.1). */
import { tcp_sk } from '../../include/linux/tcp.ts';
import { inet_csk } from '../../include/net/inet_sock.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { __sk_dst_get, type sock, sock_net } from '../../include/net/sock.ts';
import { TCPHDR_FIN } from '../../include/net/tcp.ts';
import { HZ, jiffies } from '../../kernel/time/timer.ts';
import { LINUX_MIB_TCPFASTOPENACTIVEFAIL, LINUX_MIB_TCPFASTOPENBLACKHOLE } from '../../uapi/snmp.ts';

const IFF_LOOPBACK = 0x8;

/** Do without, longer each time (2^6 times at most). */
export function tcp_fastopen_active_disable(sk: sock): void {
  const ipv4 = sock_net(sk).ipv4;
  if (ipv4.sysctl_tcp_fastopen_blackhole_timeout === 0) return;
  ipv4.tfo_active_disable_stamp = jiffies();
  ipv4.tfo_active_disable_times++;
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPFASTOPENBLACKHOLE);
}

/** Once the time is up, the socket that tries again is marked, to see how it fares. */
export function tcp_fastopen_active_should_disable(sk: sock): boolean {
  const ipv4 = sock_net(sk).ipv4;
  const timeout = ipv4.sysctl_tcp_fastopen_blackhole_timeout;
  const times = ipv4.tfo_active_disable_times;
  if (timeout === 0 || times === 0) return false;
  if (jiffies() < ipv4.tfo_active_disable_stamp + 2 ** Math.min(times - 1, 6) * timeout * HZ()) return true;
  tcp_sk(sk).syn_fastopen_ch = true;
  return false;
}

/** A connection ends: nothing but a FIN out of order came back from a SYN with data; or a marked one worked, and not over loopback. */
export function tcp_fastopen_active_disable_ofo_check(sk: sock): void {
  const tp = tcp_sk(sk);
  if (!tp.syn_fastopen) return;
  if (tp.data_segs_in === 0) {
    const skb = tp.out_of_order_queue.first;
    if (skb !== null && skb.next === null && (skb.tcp.tcp_flags & TCPHDR_FIN) !== 0) tcp_fastopen_active_disable(sk);
    return;
  }
  const ipv4 = sock_net(sk).ipv4;
  if (!tp.syn_fastopen_ch || ipv4.tfo_active_disable_times === 0) return;
  const dst = __sk_dst_get(sk);
  if (dst === null || (dst.dev.flags & IFF_LOOPBACK) === 0) ipv4.tfo_active_disable_times = 0;
}

/** Timeouts after a SYN with data: a path that drops it, perhaps. */
export function tcp_fastopen_active_detect_blackhole(sk: sock, expired: boolean): void {
  const timeouts = inet_csk(sk).icsk_retransmits;
  const tp = tcp_sk(sk);
  if (!tp.syn_fastopen && !tp.syn_data && !tp.syn_data_acked) return;
  if (timeouts !== 2 && !(timeouts < 2 && expired)) return;
  tcp_fastopen_active_disable(sk);
  NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPFASTOPENACTIVEFAIL);
}
