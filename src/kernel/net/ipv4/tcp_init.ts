/**
 * net/ipv4/tcp.c: the start of the protocol (`tcp_init`) and of each of its sockets (`tcp_init_sock`).
 */

import { tcp_sk } from '../../include/linux/tcp.ts';
import { U32_MAX } from '../../include/linux/types.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { SOCK_SUPPORT_ZC, SOCK_USE_WRITE_QUEUE, type sock, sock_net, sock_set_flag } from '../../include/net/sock.ts';
import {
  TCP_DELACK_MAX,
  TCP_INFINITE_SSTHRESH,
  TCP_INIT_CWND,
  TCP_MSS_DEFAULT,
  TCP_TIMEOUT_INIT,
  tcp_scaling_ratio_init,
  tcp_snd_cwnd_set,
} from '../../include/net/tcp.ts';
import { HZ, jiffies_to_usecs, msecs_to_jiffies, tcp_jiffies32, usecs_to_jiffies } from '../../kernel/time/timer.ts';
import { minmax_reset } from '../../lib/win_minmax.ts';
import { sk_sockets_allocated_inc } from '../core/sock_mem.ts';
import { sk_stream_write_space } from '../core/stream.ts';
import { inet_hashinfo_init } from './inet_hashtables.ts';
import { tcp_assign_congestion_control } from './tcp_cong.ts';
import { tcp_congestion_default } from './tcp_cong_init.ts';
import { tcp_sync_mss } from './tcp_output_mss.ts';
import { tcp_tsq_work_init } from './tcp_output_tsq.ts';
import { tcp_init_xmit_timers } from './tcp_timer.ts';

/** Defaults that are kept in jiffies (tcp_sk_init() in Linux), tables, congestion controls, small queues. tcp_v4_init() comes after it. */
export function tcp_init(network: net): void {
  const ipv4 = network.ipv4;
  ipv4.sysctl_tcp_fin_timeout = 60 * HZ();
  ipv4.sysctl_tcp_keepalive_time = 7200 * HZ();
  ipv4.sysctl_tcp_keepalive_intvl = 75 * HZ();
  ipv4.sysctl_tcp_invalid_ratelimit = Math.floor(HZ() / 2);
  inet_hashinfo_init(network);
  tcp_congestion_default(network);
  tcp_tsq_work_init();
}

export function tcp_init_sock(sk: sock): void {
  const tp = tcp_sk(sk);
  const ipv4 = sock_net(sk).ipv4;
  tcp_init_xmit_timers(sk);
  tp.icsk_rto = TCP_TIMEOUT_INIT();
  tp.icsk_rto_max = msecs_to_jiffies(ipv4.sysctl_tcp_rto_max_ms);
  tp.icsk_rto_min = usecs_to_jiffies(ipv4.sysctl_tcp_rto_min_us);
  tp.icsk_delack_max = TCP_DELACK_MAX();
  tp.mdev_us = jiffies_to_usecs(TCP_TIMEOUT_INIT());
  minmax_reset(tp.rtt_min, tcp_jiffies32(), U32_MAX);
  // The SYN counts as one in many a peer's congestion control (RFC 6928).
  tcp_snd_cwnd_set(tp, TCP_INIT_CWND);
  // Until the first ACK there is a bubble in the pipe.
  tp.app_limited = U32_MAX;
  tp.rate_app_limited = true;
  tp.snd_ssthresh = TCP_INFINITE_SSTHRESH;
  tp.snd_cwnd_clamp = U32_MAX;
  tp.mss_cache = TCP_MSS_DEFAULT;
  tp.reordering = ipv4.sysctl_tcp_reordering;
  tcp_assign_congestion_control(sk);
  tp.tsoffset = 0;
  tp.rack.reo_wnd_steps = 1;
  sk.sk_write_space = sk_stream_write_space;
  sock_set_flag(sk, SOCK_USE_WRITE_QUEUE);
  tp.icsk_sync_mss = tcp_sync_mss;
  sk.sk_sndbuf = ipv4.sysctl_tcp_wmem[1];
  sk.sk_rcvbuf = ipv4.sysctl_tcp_rmem[1];
  tcp_scaling_ratio_init(sk);
  if (sk.sk_socket !== null) sk.sk_socket.flags |= SOCK_SUPPORT_ZC;
  sk_sockets_allocated_inc(sk);
}
