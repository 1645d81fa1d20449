/** include/net/icmp.h: sending ICMP errors, counting messages, and what errors mean to sockets. */
import { ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, ENOPROTOOPT, EOPNOTSUPP } from '../../uapi/errno.ts';
import { icmphdr } from '../../uapi/in.ts';
import { ICMP_MIB_OUTMSGS } from '../../uapi/snmp.ts';
import type { sk_buff } from '../linux/skbuff.ts';
import { ICMP_INC_STATS, ICMPMSG_INC_STATS, type net } from './net_namespace.ts';

/** What a code of "destination unreachable" does to a socket: the error, and whether it ends a connection attempt. */
export interface icmp_err {
  readonly errno: number;
  readonly fatal: boolean;
}

const ENONET = 64;
const soft = (errno: number): icmp_err => ({ errno, fatal: false });
const hard = (errno: number): icmp_err => ({ errno, fatal: true });

/** By code. RFC 1122 3.2.2.1: unreachable nets and hosts and failed source routes are transient. */
export const icmp_err_convert: readonly icmp_err[] = [
  soft(ENETUNREACH), // ICMP_NET_UNREACH
  soft(EHOSTUNREACH), // ICMP_HOST_UNREACH
  hard(ENOPROTOOPT), // ICMP_PROT_UNREACH
  hard(ECONNREFUSED), // ICMP_PORT_UNREACH
  soft(EMSGSIZE), // ICMP_FRAG_NEEDED
  soft(EOPNOTSUPP), // ICMP_SR_FAILED
  hard(ENETUNREACH), // ICMP_NET_UNKNOWN
  hard(EHOSTDOWN), // ICMP_HOST_UNKNOWN
  hard(ENONET), // ICMP_HOST_ISOLATED
  hard(ENETUNREACH), // ICMP_NET_ANO
  hard(EHOSTUNREACH), // ICMP_HOST_ANO
  soft(ENETUNREACH), // ICMP_NET_UNR_TOS
  soft(EHOSTUNREACH), // ICMP_HOST_UNR_TOS
  hard(EHOSTUNREACH), // ICMP_PKT_FILTERED
  hard(EHOSTUNREACH), // ICMP_PREC_VIOLATION
  hard(EHOSTUNREACH), // ICMP_PREC_CUTOFF
];

export const icmp_hdr = (skb: sk_buff): icmphdr => new icmphdr(skb.mem.view, skb.transport_header);

/** Sends an error about a packet that cannot go on. `info` is the second word of the ICMP header (MTU, gateway, pointer). */
export function icmp_send(skb_in: sk_buff, type: number, code: number, info: number): void {
  const device = skb_in._skb_refdst?.dev ?? skb_in.dev;
  if (device !== null) device.nd_net.ipv4.entries.__icmp_send(skb_in, type, code, info);
}

export function icmp_out_count(network: net, type: number): void {
  ICMPMSG_INC_STATS(network, type + 256);
  ICMP_INC_STATS(network, ICMP_MIB_OUTMSGS);
}
