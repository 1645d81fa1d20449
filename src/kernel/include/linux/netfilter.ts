/** include/linux/netfilter.h, uapi/linux/netfilter.h, netfilter_ipv4.h: hooks that packets pass, verdicts, and who is registered. */
import type { net } from '../net/net_namespace.ts';
import type { sock } from '../net/sock.ts';
import type { net_device } from './netdevice.ts';
import type { sk_buff } from './skbuff.ts';

export const NF_DROP = 0;
export const NF_ACCEPT = 1;
export const NF_STOLEN = 2;
export const NF_QUEUE = 3;
export const NF_REPEAT = 4;
export const NF_STOP = 5;
export const NF_VERDICT_MASK = 0xff;

export const NF_INET_PRE_ROUTING = 0;
export const NF_INET_LOCAL_IN = 1;
export const NF_INET_FORWARD = 2;
export const NF_INET_LOCAL_OUT = 3;
export const NF_INET_POST_ROUTING = 4;
export const NF_INET_NUMHOOKS = 5;

export const NFPROTO_IPV4 = 2;
export const NFPROTO_ARP = 3;

export const NF_IP_PRI_RAW = -300;
export const NF_IP_PRI_CONNTRACK = -200;
export const NF_IP_PRI_MANGLE = -150;
export const NF_IP_PRI_NAT_DST = -100;
export const NF_IP_PRI_FILTER = 0;
export const NF_IP_PRI_SECURITY = 50;
export const NF_IP_PRI_NAT_SRC = 100;
export const NF_IP_PRI_CONNTRACK_HELPER = 300;
export const NF_IP_PRI_CONNTRACK_CONFIRM = 0x7fff_ffff;

/** Where a packet is: what a hook function is told. */
export class nf_hook_state {
  hook = 0;
  pf = 0;
  in: net_device | null = null;
  out: net_device | null = null;
  sk: sock | null = null;
  net: net = null as unknown as net;
  okfn: okfn_t = null as unknown as okfn_t;
}

/** Goes on with a packet that passed. */
export type okfn_t = (network: net, sk: sock | null, skb: sk_buff) => number;

export interface nf_hook_ops {
  hook(priv: unknown, skb: sk_buff, state: nf_hook_state): number;
  readonly priv: unknown;
  readonly pf: number;
  readonly hooknum: number;
  readonly priority: number;
}
