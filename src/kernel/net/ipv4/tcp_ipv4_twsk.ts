/**
 * net/ipv4/tcp_ipv4.c: may a new connection take the place of one in TIME_WAIT? Apart from the rest of tcp_ipv4, because the socket tables ask it.
 */
import { tcp_sk } from '../../include/linux/tcp.ts';
import type { inet_timewait_sock } from '../../include/net/inet_timewait_sock.ts';
import { LOOPBACK_IFINDEX } from '../../include/net/route.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { tcp_clock_ms } from '../../include/net/tcp.ts';
import { TCP_FIN_WAIT2 } from '../../uapi/tcp.ts';

const ipv4_is_loopback = (address: number): boolean => address >>> 24 === 127;
const overLoopback = (tw: inet_timewait_sock): boolean =>
  tw.skc_bound_dev_if === LOOPBACK_IFINDEX || ipv4_is_loopback(tw.skc_daddr) || ipv4_is_loopback(tw.skc_rcv_saddr);

/** net.ipv4.tcp_tw_reuse: 0 never, 1 always, 2 when it went over loopback. Half-closed ones stay. */
function reuseAllowed(sk: sock, tw: inet_timewait_sock): boolean {
  if (tw.tw_substate === TCP_FIN_WAIT2) return false;
  const reuse = sock_net(sk).ipv4.sysctl_tcp_tw_reuse;
  return reuse === 2 ? overLoopback(tw) : reuse !== 0;
}

/**
 * Timestamps tell old segments from new ones (RFC 6191), so the connection must have used them and its last one must be older than
 * tcp_tw_reuse_delay. `explicit`: the user named the port (bind), and only asks whether data is safe.
 * On success the new connection starts beyond the old one's sequence numbers and remembers its timestamp; `tw` has a reference more.
 */
export function tcp_twsk_unique(sk: sock, tw: inet_timewait_sock, explicit: boolean): boolean {
  if (tw.tw_ts_recent_stamp === 0) return false;
  const old = tcp_clock_ms() > tw.tw_entry_stamp + sock_net(sk).ipv4.sysctl_tcp_tw_reuse_delay;
  if (!explicit && !(reuseAllowed(sk, tw) && old)) return false;
  tw.skc_refcnt++;
  const tp = tcp_sk(sk);
  if (!tp.repair) {
    tp.write_seq = (tw.tw_snd_nxt + 65535 + 2) >>> 0 || 1;
    tp.rx_opt.ts_recent = tw.tw_ts_recent;
    tp.rx_opt.ts_recent_stamp = tw.tw_ts_recent_stamp;
  }
  return true;
}
