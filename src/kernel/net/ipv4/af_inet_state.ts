/**
 * net/ipv4/af_inet.c: changes of a connection's state, which the tracepoint inet_sock_set_state reports.
 * `inet_sk_set_state`, `inet_sk_state_store`.
 */
import { trace } from '../../current.ts';
import type { sock } from '../../include/net/sock.ts';

export function inet_sk_set_state(sk: sock, state: number): void {
  trace().inet_sock_set_state?.(sk, sk.skc_state, state);
  sk.skc_state = state;
}

export function inet_sk_state_store(sk: sock, newstate: number): void {
  trace().inet_sock_set_state?.(sk, sk.skc_state, newstate);
  sk.skc_state = newstate;
}
