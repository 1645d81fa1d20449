/** net/ipv4/tcp_minisocks.c: the window test of request and TIME_WAIT sockets. */
import { after, before } from '../../include/net/tcp.ts';

/** Does the segment touch the window s_win … e_win? (RFC 9293 3.4) */
export function tcp_in_window(seq: number, end_seq: number, s_win: number, e_win: number): boolean {
  if (seq === s_win) return true;
  if (after(end_seq, s_win) && before(seq, e_win)) return true;
  return seq === e_win && seq === end_seq;
}
