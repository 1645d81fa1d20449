/** include/linux/udp.h, net/udp.h: the UDP part of a socket. */

import { udphdr } from '../../uapi/in.ts';
import { inet_sock } from '../net/inet_sock.ts';
import type { sock } from '../net/sock.ts';
import { type sk_buff, sk_buff_head } from './skbuff.ts';

export class udp_sock extends inet_sock {
  /** AF_INET while a datagram is under construction (MSG_MORE, UDP_CORK); its length so far. */
  pending = 0;
  len = 0;
  corkflag = false;
  gso_size = 0;
  gro_enabled = false;
  /** It is counted in udp_encap_needed. */
  encap_enabled = false;
  /** Packets taken over from the receive queue in one go by the reader. */
  readonly reader_queue = new sk_buff_head();
  /** Bytes that were read but not yet given back; they are in batches of `forward_threshold`. */
  forward_deficit = 0;
  forward_threshold = 0;
}

export const udp_sk = (sk: sock): udp_sock => sk as udp_sock;
export const udp_hdr = (skb: sk_buff): udphdr => new udphdr(skb.mem.view, skb.transport_header);

export const UDP_CORK = 1;
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;
/** Most segments that one send may be cut into. */
export const UDP_MAX_SEGMENTS = 1 << 7;
