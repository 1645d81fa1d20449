/** include/net/inet_ecn.h: the two ECN bits of the IP header's TOS field (RFC 3168 5). */
import { inet_sk } from './inet_sock.ts';
import type { sock } from './sock.ts';

export const INET_ECN_NOT_ECT = 0;
export const INET_ECN_ECT_1 = 1;
export const INET_ECN_ECT_0 = 2;
export const INET_ECN_CE = 3;
export const INET_ECN_MASK = 3;

export const INET_ECN_is_ce = (dsfield: number): boolean => (dsfield & INET_ECN_MASK) === INET_ECN_CE;
export const INET_ECN_is_not_ect = (dsfield: number): boolean => (dsfield & INET_ECN_MASK) === INET_ECN_NOT_ECT;
export const INET_ECN_is_capable = (dsfield: number): boolean => (dsfield & INET_ECN_ECT_0) !== 0;

/** From now on the socket's packets say that their transport understands ECN. */
export function INET_ECN_xmit(sk: sock): void {
  const inet = inet_sk(sk);
  inet.tos = (inet.tos & ~INET_ECN_MASK) | INET_ECN_ECT_0;
}
export function INET_ECN_dontxmit(sk: sock): void {
  inet_sk(sk).tos &= ~INET_ECN_MASK;
}
