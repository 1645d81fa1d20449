/**
 * net/core/sock_reuseport.c: groups of sockets with SO_REUSEPORT that share an address and a port; a hash of the connection picks one.
 * `reuseport_alloc` / `reuseport_add_sock` → `reuseport_select_sock` → `reuseport_stop_listen_sock` → `reuseport_detach_sock`.
 *
 * Simplified: no BPF program can choose the socket.
 */
import { reciprocal_scale } from '../../include/linux/jhash.ts';
import { NET_INC_STATS } from '../../include/net/net_namespace.ts';
import { type sock, sock_net } from '../../include/net/sock.ts';
import { sock_reuseport } from '../../include/net/sock_reuseport.ts';
import { LINUX_MIB_TCPMIGRATEREQFAILURE } from '../../uapi/snmp.ts';
import { TCP_ESTABLISHED } from '../../uapi/tcp.ts';

/** Starts a group with `sk` alone. */
export function reuseport_alloc(sk: sock, bind_inany: boolean): number {
  if (sk.sk_reuseport_cb !== null) return 0;
  const reuse = new sock_reuseport(bind_inany);
  reuse.socks.push(sk);
  sk.sk_reuseport_cb = reuse;
  return 0;
}

/** `sk` joins the group of `sk2`. */
export function reuseport_add_sock(sk: sock, sk2: sock, bind_inany: boolean): number {
  if (sk2.sk_reuseport_cb === null) reuseport_alloc(sk2, bind_inany);
  if (sk.sk_reuseport_cb !== null) reuseport_detach_sock(sk);
  const reuse = sk2.sk_reuseport_cb!;
  reuse.socks.push(sk);
  sk.sk_reuseport_cb = reuse;
  return 0;
}

/** The last one takes the place of the one that leaves. */
function leave(reuse: sock_reuseport, sk: sock): boolean {
  const index = reuse.socks.indexOf(sk);
  if (index < 0) return false;
  const last = reuse.socks.pop()!;
  if (last !== sk) reuse.socks[index] = last;
  return true;
}

export function reuseport_detach_sock(sk: sock): void {
  const reuse = sk.sk_reuseport_cb;
  if (reuse === null) return;
  if (!leave(reuse, sk)) reuse.num_closed_socks--;
  sk.sk_reuseport_cb = null;
}

/** A listener closes: its half-open connections may move to others of the group, if net.ipv4.tcp_migrate_req says so. */
export function reuseport_stop_listen_sock(sk: sock): void {
  const reuse = sk.sk_reuseport_cb;
  if (reuse === null) return;
  if (sock_net(sk).ipv4.sysctl_tcp_migrate_req === 0) reuseport_detach_sock(sk);
  else if (leave(reuse, sk)) reuse.num_closed_socks++;
}

/** The socket that `hash` falls on: of connected (UDP) ones the next that is not; null when there is none. */
export function reuseport_select_sock(sk: sock, hash: number): sock | null {
  const reuse = sk.sk_reuseport_cb;
  if (reuse === null || reuse.socks.length === 0) return null;
  const count = reuse.socks.length;
  const first = reciprocal_scale(hash, count);
  for (let i = 0; i < count; i++) {
    const candidate = reuse.socks[(first + i) % count]!;
    if (candidate.skc_state !== TCP_ESTABLISHED) return candidate;
  }
  return null;
}

/** Another listener of the group for a connection whose own has closed; with a reference. */
export function reuseport_migrate_sock(sk: sock, hash: number): sock | null {
  const reuse = sk.sk_reuseport_cb;
  if (reuse === null) return null;
  const nsk = sock_net(sk).ipv4.sysctl_tcp_migrate_req !== 0 ? reuseport_select_sock(sk, hash) : null;
  if (nsk === null) NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPMIGRATEREQFAILURE);
  else nsk.skc_refcnt++;
  return nsk;
}
