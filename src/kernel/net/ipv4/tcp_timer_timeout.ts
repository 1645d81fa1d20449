import { kernel } from '../../current.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { GFP_ATOMIC, ilog2, max, min } from '../../include/linux/types.ts';
import { __NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { SK_RST_REASON_TCP_ABORT_ON_MEMORY } from '../../include/net/rstreason.ts';
import { SOCK_DEAD, sk_rethink_txhash, type sock, sock_flag, sock_net } from '../../include/net/sock.ts';
import { s32sub, TCP_RTO_MIN, TCP_TIMEWAIT_LEN, tcp_rto_max, tcp_time_stamp_ts, tcp_timeout_init, u32sub } from '../../include/net/tcp.ts';
import { jiffies_to_msecs, jiffies_to_usecs, tcp_jiffies32 } from '../../kernel/time/timer.ts';
import { ETIMEDOUT } from '../../uapi/errno.ts';
import { LINUX_MIB_TCPABORTONMEMORY, LINUX_MIB_TCPABORTONTIMEOUT, LINUX_MIB_TCPTIMEOUTREHASH } from '../../uapi/snmp.ts';
import { TCP_SYN_SENT, TCPF_SYN_RECV, TCPF_SYN_SENT } from '../../uapi/tcp.ts';
import { dst_negative_advice } from '../core/sock_dst.ts';
import { SOCK_MIN_SNDBUF, sk_memory_allocated, sk_prot_mem_limits } from '../core/sock_mem.ts';
import { tcp_fastopen_active_detect_blackhole } from './tcp_fastopen_active.ts';
import { tcp_mss_to_mtu, tcp_mtu_to_mss, tcp_send_active_reset, tcp_sync_mss } from './tcp_output.ts';
import { tcp_done, tcp_done_with_error } from './tcp_state.ts';

export function tcp_write_err(sk: sock): void {
  tcp_done_with_error(sk, sk.sk_err_soft || ETIMEDOUT);
  __NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPABORTONTIMEOUT);
}

/** net/ipv4/tcp.c: too many orphans, or more memory in use than tcp_mem allows? `shift` makes the socket at hand count for more. */
export function tcp_check_oom(sk: sock, shift: number): boolean {
  const ipv4 = sock_net(sk).ipv4;
  const too_many_orphans = ipv4.tcp_orphan_count * 2 ** shift > ipv4.sysctl_tcp_max_orphans;
  const out_of_socket_memory = sk.sk_wmem_queued > SOCK_MIN_SNDBUF && sk_memory_allocated(sk) > sk_prot_mem_limits(sk, 2);
  if (too_many_orphans) kernel().printk('TCP: too many orphaned sockets');
  if (out_of_socket_memory) kernel().printk('TCP: out of memory -- consider tuning tcp_mem');
  return too_many_orphans || out_of_socket_memory;
}

/** An orphan times out: should it be ended at once because resources are short? Long silence and ICMP errors count against it. */
export function tcp_out_of_resources(sk: sock, do_reset: boolean): boolean {
  const tp = tcp_sk(sk);
  const silent = tcp_jiffies32() - tp.lsndtime;
  let shift = silent > 2 * tcp_rto_max(sk) || !do_reset ? 1 : 0;
  if (sk.sk_err_soft !== 0) shift++;
  if (!tcp_check_oom(sk, shift)) return false;
  if (silent <= TCP_TIMEWAIT_LEN() || (tp.snd_wnd === 0 && tp.packets_out === 0)) do_reset = true;
  if (do_reset) tcp_send_active_reset(sk, GFP_ATOMIC, SK_RST_REASON_TCP_ABORT_ON_MEMORY);
  tcp_done(sk);
  __NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPABORTONMEMORY);
  return true;
}

/** How often an orphan tries. `alive`: it was heard of recently; then 8 times, if tcp_orphan_retries is 0. */
export function tcp_orphan_retries(sk: sock, alive: boolean): number {
  const retries = sk.sk_err_soft !== 0 && !alive ? 0 : sock_net(sk).ipv4.sysctl_tcp_orphan_retries;
  return retries === 0 && alive ? 8 : retries;
}

/** RFC 4821 7.7: repeated timeouts may mean a path that swallows large packets and ICMP messages alike: tries smaller ones. */
function tcp_mtu_probing(sk: sock): void {
  const ipv4 = sock_net(sk).ipv4;
  if (ipv4.sysctl_tcp_mtu_probing === 0) return;
  const tp = tcp_sk(sk);
  const mtup = tp.icsk_mtup;
  if (!mtup.enabled) {
    mtup.enabled = true;
    mtup.probe_timestamp = tcp_jiffies32();
  } else {
    const half = tcp_mtu_to_mss(sk, mtup.search_low) >> 1;
    const mss = max(max(min(ipv4.sysctl_tcp_base_mss, half), ipv4.sysctl_tcp_mtu_probe_floor), ipv4.sysctl_tcp_min_snd_mss);
    mtup.search_low = tcp_mss_to_mtu(sk, mss);
  }
  tcp_sync_mss(sk, tp.icsk_pmtu_cookie);
}

/** How many ms `boundary` retransmissions take, when the RTO starts at `rto_base` and doubles up to its maximum. */
function tcp_model_timeout(sk: sock, boundary: number, rto_base: number): number {
  const rto_max = tcp_rto_max(sk);
  const linear_backoff_thresh = ilog2(Math.floor(rto_max / rto_base));
  const doublings = min(boundary, linear_backoff_thresh);
  const timeout = (2 * 2 ** doublings - 1) * rto_base + (boundary - doublings) * rto_max;
  return jiffies_to_msecs(timeout);
}

/**
 * Has it been retransmitting for as long as `boundary` retransmissions would take (or `timeout` ms, if that is given)? Counted in time and not in
 * retransmissions, since these may fail locally or be made linear.
 */
export function retransmits_timed_out(sk: sock, boundary: number, timeout: number): boolean {
  const tp = tcp_sk(sk);
  if (tp.icsk_retransmits === 0) return false;
  if (timeout === 0) {
    const handshake = ((1 << sk.skc_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) !== 0;
    timeout = tcp_model_timeout(sk, boundary, handshake ? tcp_timeout_init(sk) : TCP_RTO_MIN());
  }
  if (tp.tcp_usec_ts) {
    const delta = u32sub(tp.tcp_mstamp >>> 0, tp.retrans_stamp) + jiffies_to_usecs(1);
    return delta - timeout * 1000 >= 0;
  }
  return s32sub(u32sub(tcp_time_stamp_ts(tp), tp.retrans_stamp), timeout) >= 0;
}

/** A retransmission timeout: gives up (true) if it has been long enough; asks for another route and path MTU before that. */
export function tcp_write_timeout(sk: sock): boolean {
  const tp = tcp_sk(sk);
  const ipv4 = sock_net(sk).ipv4;
  let expired = false;
  let retry_until: number;
  if (((1 << sk.skc_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) !== 0) {
    if (tp.icsk_retransmits !== 0) dst_negative_advice(sk);
    retry_until = tp.icsk_syn_retries || ipv4.sysctl_tcp_syn_retries;
    const linear = sk.skc_state === TCP_SYN_SENT ? ipv4.sysctl_tcp_syn_linear_timeouts : 0;
    expired = tp.icsk_retransmits >= retry_until + linear;
  } else {
    if (retransmits_timed_out(sk, ipv4.sysctl_tcp_retries1, 0)) {
      tcp_mtu_probing(sk);
      dst_negative_advice(sk);
    }
    retry_until = ipv4.sysctl_tcp_retries2;
    if (sock_flag(sk, SOCK_DEAD)) {
      const alive = tp.icsk_rto < tcp_rto_max(sk);
      retry_until = tcp_orphan_retries(sk, alive);
      if (tcp_out_of_resources(sk, alive || !retransmits_timed_out(sk, retry_until, 0))) return true;
    }
  }
  if (!expired) expired = retransmits_timed_out(sk, retry_until, tp.icsk_user_timeout);
  tcp_fastopen_active_detect_blackhole(sk, expired);
  if (expired) {
    tcp_write_err(sk);
    return true;
  }
  if (sk_rethink_txhash(sk)) {
    tp.timeout_rehash++;
    __NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPTIMEOUTREHASH);
  }
  return false;
}
