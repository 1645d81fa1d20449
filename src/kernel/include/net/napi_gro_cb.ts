/** include/net/gro.h: what GRO keeps with a packet. */
import { WIDE } from '../../../sim/wide.ts';
import type { sk_buff } from '../linux/skbuff.ts';

/** Receive offload state of an skb on its way through GRO. */
export class napi_gro_cb {
  data_offset = 0;
  flush = 0;
  count = 0;
  age = WIDE;
  last: sk_buff | null = null;
  same_flow = false;
  csum_valid = false;
  network_offset = 0;
  proto = 0;
  csum_cnt = 0;
  free = 0;
  ip_fixedid = false;
  csum = WIDE;
}

export const NAPI_GRO_FREE = 1;
export const NAPI_GRO_FREE_STOLEN_HEAD = 2;
export const NAPI_GRO_CB = (skb: sk_buff): napi_gro_cb => skb.gro;
