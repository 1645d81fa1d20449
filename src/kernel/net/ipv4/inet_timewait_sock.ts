/**
 * net/ipv4/inet_timewait_sock.c: what is left of a connection in TIME_WAIT (and in FIN_WAIT2 once its user is gone): an identity in the tables
 * and a timer.
 * `inet_twsk_alloc` → `inet_twsk_hashdance_schedule` → `inet_twsk_reschedule` … → timer → `inet_twsk_kill` → `inet_twsk_put`.
 *
 * References: one of the established table, one of the bind table, one of the timer, and one of everybody who looked it up.
 */
import type { inet_hashinfo } from '../../include/net/inet_hashtables.ts';
import { inet_csk, inet_sk } from '../../include/net/inet_sock.ts';
import { inet_timewait_sock } from '../../include/net/inet_timewait_sock.ts';
import { NET_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import { SOCK_CONNECT_BIND, type sock, sock_net } from '../../include/net/sock.ts';
import { HZ, jiffies, mod_timer, timer_delete_sync, timer_list, timer_pending } from '../../kernel/time/timer.ts';
import { LINUX_MIB_TIMEWAITED, LINUX_MIB_TIMEWAITKILLED } from '../../uapi/snmp.ts';
import { TCP_TIME_WAIT } from '../../uapi/tcp.ts';
import { sock_prot_inuse_add } from '../core/sock.ts';
import { leaveBuckets } from './inet_hashtables_bind.ts';
import { ehashAdd, ehashRemove } from './inet_hashtables_ehash.ts';

export const twsk_net = (tw: inet_timewait_sock): net => tw.skc_net;

/** Gives up a reference; the last one frees it (which is the garbage collector's work here). */
export function inet_twsk_put(tw: inet_timewait_sock): void {
  tw.skc_refcnt--;
}

/** Null when there are tcp_max_tw_buckets of them already. */
export function inet_twsk_alloc(sk: sock, state: number): inet_timewait_sock | null {
  const ipv4 = sock_net(sk).ipv4;
  if (ipv4.tcp_death_row_count >= ipv4.sysctl_tcp_max_tw_buckets) return null;
  const tw = new inet_timewait_sock(sock_net(sk));
  tw.skc_daddr = sk.skc_daddr;
  tw.skc_rcv_saddr = sk.skc_rcv_saddr;
  tw.skc_bound_dev_if = sk.skc_bound_dev_if;
  tw.skc_num = sk.skc_num;
  tw.skc_dport = sk.skc_dport;
  tw.skc_family = sk.skc_family;
  tw.skc_reuse = sk.skc_reuse;
  tw.skc_reuseport = sk.skc_reuseport;
  tw.skc_hash = sk.skc_hash;
  tw.skc_cookie = sk.skc_cookie;
  tw.skc_state = TCP_TIME_WAIT;
  tw.tw_substate = state;
  tw.tw_sport = inet_sk(sk).inet_sport;
  tw.tw_tos = inet_sk(sk).tos;
  tw.tw_transparent = inet_sk(sk).transparent;
  tw.tw_connect_bind = (sk.sk_userlocks & SOCK_CONNECT_BIND) !== 0;
  tw.tw_timer = new timer_list(() => tw_timer_handler(tw), 'tw_timer_handler');
  tw.skc_refcnt = 0;
  return tw;
}

/** Takes the place of `sk` in the tables and starts the timer. */
export function inet_twsk_hashdance_schedule(tw: inet_timewait_sock, sk: sock, hashinfo: inet_hashinfo, timeo: number): void {
  tw.tw_tb = inet_csk(sk).icsk_bind_hash;
  tw.tw_tb2 = inet_csk(sk).icsk_bind2_hash;
  tw.tw_tb2?.owners.add(tw);
  ehashAdd(hashinfo, tw);
  if (ehashRemove(hashinfo, sk)) sock_prot_inuse_add(sock_net(sk), sk.skc_prot, -1);
  tw.skc_refcnt = 3;
  __inet_twsk_schedule(tw, timeo, false);
}

/** (Re)starts the timer. A short life counts as killed: the peer will not need us for as long as 2 MSL. */
export function __inet_twsk_schedule(tw: inet_timewait_sock, timeo: number, rearm: boolean): void {
  if (rearm) {
    if (timer_pending(tw.tw_timer)) mod_timer(tw.tw_timer, jiffies() + timeo);
    return;
  }
  NET_INC_STATS(twsk_net(tw), timeo <= 4 * HZ() ? LINUX_MIB_TIMEWAITKILLED : LINUX_MIB_TIMEWAITED);
  mod_timer(tw.tw_timer, jiffies() + timeo);
  twsk_net(tw).ipv4.tcp_death_row_count++;
}

export function inet_twsk_reschedule(tw: inet_timewait_sock, timeo: number): void {
  __inet_twsk_schedule(tw, timeo, true);
}

function tw_timer_handler(tw: inet_timewait_sock): void {
  inet_twsk_kill(tw);
}

/** Leaves the tables; the timer's reference goes with it. */
function inet_twsk_kill(tw: inet_timewait_sock): void {
  const hashinfo = twsk_net(tw).tcp_hashinfo;
  if (ehashRemove(hashinfo, tw)) inet_twsk_put(tw);
  inet_twsk_bind_unhash(tw, hashinfo);
  twsk_net(tw).ipv4.tcp_death_row_count--;
  inet_twsk_put(tw);
}

/** Gives back the local port, if it has not been given back. */
export function inet_twsk_bind_unhash(tw: inet_timewait_sock, hashinfo: inet_hashinfo): void {
  const tb = tw.tw_tb;
  const tb2 = tw.tw_tb2;
  if (tb === null || tb2 === null) return;
  tw.tw_tb = null;
  tw.tw_tb2 = null;
  leaveBuckets(hashinfo, tw, tb, tb2, tw.tw_connect_bind);
  inet_twsk_put(tw);
}

/** Ends it before its time, and gives up the caller's reference. */
export function inet_twsk_deschedule_put(tw: inet_timewait_sock): void {
  if (timer_delete_sync(tw.tw_timer)) inet_twsk_kill(tw);
  inet_twsk_put(tw);
}
