/** net/ipv4/tcp_minisocks.c: the segment that completed a handshake is given to the new socket. Apart, because it calls tcp_input. */
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { tcp_sk } from '../../include/linux/tcp.ts';
import { SKB_NOT_DROPPED_YET } from '../../include/net/dropreason.ts';
import { type sock, sock_owned_by_user } from '../../include/net/sock.ts';
import { tcp_segs_in } from '../../include/net/tcp.ts';
import { TCP_SYN_RECV } from '../../uapi/tcp.ts';
import { __sk_add_backlog, sock_put } from '../core/sock.ts';
import { tcp_rcv_state_process } from './tcp_input_state.ts';

/** Returns the reason if the segment must be answered with a RST. Gives up the clone's second reference. */
export function tcp_child_process(parent: sock, child: sock, skb: sk_buff): number {
  const state = child.skc_state;
  let reason: number = SKB_NOT_DROPPED_YET;
  child.sk_napi_id = skb.napi_id;
  tcp_segs_in(tcp_sk(child), skb);
  if (!sock_owned_by_user(child)) {
    reason = tcp_rcv_state_process(child, skb);
    if (state === TCP_SYN_RECV && child.skc_state !== state) parent.sk_data_ready(parent);
  } else __sk_add_backlog(child, skb);
  sock_put(child);
  return reason;
}
