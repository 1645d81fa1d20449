/**
 * net/ipv4/tcp_fastopen.c: TCP Fast Open (RFC 7413), the client's side and the keys; the server's side is in tcp_fastopen_server.ts.
 * Client: `tcp_fastopen_defer_connect`, `tcp_fastopen_cookie_check` (is there a cookie?) → SYN with data; tcp_fastopen_active.ts notices paths that
 * swallow such SYNs.
 * Keys: `tcp_fastopen_reset_cipher`, `tcp_fastopen_init_key_once`.
 */
import { kernel } from '../../current.ts';
import { tcp_fastopen_cookie, type tcp_fastopen_request, tcp_sk } from '../../include/linux/tcp.ts';
import { type dst_entry, dst_metric, RTAX_FASTOPEN_NO_COOKIE } from '../../include/net/dst.ts';
import { inet_csk, inet_sk } from '../../include/net/inet_sock.ts';
import type { net } from '../../include/net/net_namespace.ts';
import { __sk_dst_get, type msghdr, type sock, sock_net } from '../../include/net/sock.ts';
import { TFO_CLIENT_NO_COOKIE } from '../../include/net/tcp.ts';
import { type siphash_key_t, siphashKeyOf } from '../../lib/siphash.ts';
import { tcp_fastopen_active_should_disable } from './tcp_fastopen_active.ts';
import { tcp_fastopen_cache_get } from './tcp_metrics.ts';

export * from './tcp_fastopen_active.ts';

export const TCP_FASTOPEN_COOKIE_SIZE = 8;
export const TCP_FASTOPEN_KEY_LENGTH = 16;

/** tcp_sock.fastopen_client_fail: why no data was in the SYN, or none was acknowledged. */
export const TFO_STATUS_UNSPEC = 0;
export const TFO_COOKIE_UNAVAILABLE = 1;
export const TFO_DATA_NOT_ACKED = 2;
export const TFO_SYN_RETRANSMITTED = 3;

/** Keys that cookies are made with; cookies of the second one are still accepted. */
export class tcp_fastopen_context {
  readonly key: siphash_key_t[];
  readonly raw: Uint8Array[];

  constructor(keys: Uint8Array[]) {
    this.raw = keys;
    this.key = keys.map(siphashKeyOf);
  }
}

/** Replaces the host's keys, or a listener's own (TCP_FASTOPEN_KEY). */
export function tcp_fastopen_reset_cipher(network: net, sk: sock | null, primary_key: Uint8Array, backup_key: Uint8Array | null): number {
  const context = new tcp_fastopen_context(backup_key === null ? [primary_key.slice()] : [primary_key.slice(), backup_key.slice()]);
  if (sk !== null) inet_csk(sk).icsk_accept_queue.fastopenq.ctx = context;
  else {
    network.ipv4.tcp_fastopen = context;
    network.ipv4.sysctl_tcp_fastopen_key = context.raw;
  }
  return 0;
}

/** A random key, if none was set. */
export function tcp_fastopen_init_key_once(network: net): void {
  if (network.ipv4.tcp_fastopen !== null) return;
  const key = new Uint8Array(TCP_FASTOPEN_KEY_LENGTH);
  kernel().random.fill(key);
  tcp_fastopen_reset_cipher(network, null, key, null);
}

/** A listener's keys go with it. */
export function tcp_fastopen_destroy_cipher(sk: sock): void {
  inet_csk(sk).icsk_accept_queue.fastopenq.ctx = null;
}

export const tcp_fastopen_get_ctx = (sk: sock): tcp_fastopen_context | null =>
  (inet_csk(sk).icsk_accept_queue.fastopenq.ctx ?? sock_net(sk).ipv4.tcp_fastopen) as tcp_fastopen_context | null;

/** Data without a cookie: by sysctl (`flag` differs for client and server), by socket option or by route. */
export const tcp_fastopen_no_cookie = (sk: sock, dst: dst_entry | null, flag: number): boolean =>
  (sock_net(sk).ipv4.sysctl_tcp_fastopen & flag) !== 0 ||
  tcp_sk(sk).fastopen_no_cookie ||
  (dst !== null && dst_metric(dst, RTAX_FASTOPEN_NO_COOKIE) !== 0);

/** May the SYN carry data? Fills in the cookie, and (rx_opt.mss_clamp) the MSS of the peer as it was last time. */
export function tcp_fastopen_cookie_check(sk: sock, cookie: tcp_fastopen_cookie): boolean {
  tcp_fastopen_cache_get(sk, tcp_sk(sk).rx_opt, cookie);
  if (tcp_fastopen_active_should_disable(sk)) {
    cookie.len = -1;
    return false;
  }
  if (tcp_fastopen_no_cookie(sk, __sk_dst_get(sk), TFO_CLIENT_NO_COOKIE)) {
    cookie.len = -1;
    return true;
  }
  if (cookie.len > 0) return true;
  tcp_sk(sk).fastopen_client_fail = TFO_COOKIE_UNAVAILABLE;
  return false;
}

/** TCP_FASTOPEN_CONNECT: with a cookie at hand connect() returns at once, and the first send() makes the SYN. */
export function tcp_fastopen_defer_connect(sk: sock): boolean {
  const tp = tcp_sk(sk);
  if (!tp.fastopen_connect || tp.fastopen_req !== null) return false;
  const cookie = new tcp_fastopen_cookie();
  cookie.len = 0;
  const mss_clamp = tp.rx_opt.mss_clamp;
  const known = tcp_fastopen_cookie_check(sk, cookie);
  tp.rx_opt.mss_clamp = mss_clamp;
  if (known) {
    inet_sk(sk).defer_connect = true;
    return true;
  }
  // The SYN asks for a cookie then.
  tp.fastopen_req = { cookie, data: null as unknown as msghdr, size: 0, copied: 0, uarg: null } satisfies tcp_fastopen_request;
  return false;
}
