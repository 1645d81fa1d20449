/** include/net/ip.h: control data of packets and sockets at the IP level, and the small functions on headers, TTL, MTU and DF. */
import { jiffies } from '../../kernel/time/timer.ts';
import { ip_fast_csum } from '../../lib/checksum.ts';
import {
  IP_DF,
  IP_MF,
  IP_OFFSET,
  IP_PMTUDISC_DO,
  IP_PMTUDISC_INTERFACE,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_PROBE,
  IP_PMTUDISC_WANT,
  iphdr,
} from '../../uapi/in.ts';
import type { sk_buff } from '../linux/skbuff.ts';
import { type dst_entry, dst_metric_locked, dst_metric_raw, RTAX_HOPLIMIT, RTAX_MTU, type rtable } from './dst.ts';
import { type flowi4, inet_sk } from './inet_sock.ts';
import type { net } from './net_namespace.ts';
import type { sock } from './sock.ts';

/** Bytes of a header without options. */
export const IP_HLEN = 20;
export const IP_MAX_MTU = 0xffff;
export const IPV4_MIN_MTU = 68;
export const IPV4_MAX_PMTU = 65535;
export const IP_FRAG_TIME_SECONDS = 30;

/** Bits of skb.ip_flags (IPCB(skb)->flags). */
export const IPSKB_FORWARDED = 1 << 0;
export const IPSKB_FRAG_COMPLETE = 1 << 3;
export const IPSKB_REROUTED = 1 << 4;
export const IPSKB_DOREDIRECT = 1 << 5;
export const IPSKB_FRAG_PMTU = 1 << 6;

/** Who reassembles: fragments of different users do not mix. */
export const IP_DEFRAG_LOCAL_DELIVER = 0;
export const IP_DEFRAG_CONNTRACK_IN = 2;

/** TOS of replies: the precedence of network control (RFC 1812 4.3.2.5). */
export const IPTOS_PREC_INTERNETCONTROL = 0xc0;
export const RT_TOS = (tos: number): number => tos & 0x1e;

/** uc_ttl, tos and such that are not set. */
export const IPCORK_OPT = 1;

/** What one send asks for beyond the socket's own settings. */
export class ipcm_cookie {
  addr = 0;
  oif = 0;
  ttl = 0;
  tos = -1;
  protocol = 0;
  gso_size = 0;
  mark = 0;
  priority = 0;
  transmit_time = 0;
  tsflags = 0;
  /** Options for the header, in whole words: see ip_options_output.ts. */
  opt: Uint8Array | null = null;
}

/** A datagram under construction: struct inet_cork. */
export class inet_cork {
  flags = 0;
  addr = 0;
  fragsize = 0;
  length = 0;
  dst: dst_entry | null = null;
  tx_flags = 0;
  ttl = 0;
  tos = -1;
  priority = 0;
  mark = 0;
  gso_size = 0;
  ts_opt_id = 0;
  transmit_time = 0;
  opt: Uint8Array | null = null;
}

/** What ip_send_unicast_reply() is given: `data` is the transport header, `csumoffset` counts 16-bit words (-1: no checksum). */
export class ip_reply_arg {
  data: Uint8Array = new Uint8Array(0);
  csum = 0;
  csumoffset = -1;
  flags = 0;
  bound_dev_if = 0;
  tos = 0;
  uid = 0;
}
export const IP_REPLY_ARG_NOSRCCHECK = 1;

/** Copies `len` bytes of the user's data, from `offset` on, to `to` (an offset in skb.mem); returns 0 or -errno. */
export type getfrag_t = (from: unknown, to: number, offset: number, len: number, odd: number, skb: sk_buff) => number;

export const ip_hdr = (skb: sk_buff): iphdr => new iphdr(skb.mem.view, skb.network_header);
/** Octets of the options that a header is to have. */
export const optlen = (opt: Uint8Array | null): number => (opt === null ? 0 : opt.length);
export const ip_is_fragment = (iph: iphdr): boolean => (iph.frag_off & (IP_MF | IP_OFFSET)) !== 0;
export const ip_hdr_len = (skb: sk_buff): number => (skb.mem.u8[skb.network_header]! & 15) << 2;
/** The packet's length by its header; super-frames beyond 64 KiB have 0 there. */
export const skb_ip_totlen = (skb: sk_buff, iph: iphdr): number => iph.tot_len || skb.len - (skb.network_header - skb.data);

/** Computes the header's checksum. */
export function ip_send_check(iph: iphdr): void {
  iph.check = 0;
  iph.check = ip_fast_csum(iph.view, iph.base, iph.version_ihl & 15);
}

/** One hop less; the checksum changes by what the TTL's word does (RFC 1624). Returns the new TTL. */
export function ip_decrease_ttl(iph: iphdr): number {
  const check = iph.check + 0x0100;
  iph.check = (check + (check >= 0xffff ? 1 : 0)) & 0xffff;
  return (iph.ttl = iph.ttl - 1);
}

export function ip_copy_addrs(iph: iphdr, fl4: flowi4): void {
  iph.saddr = fl4.saddr;
  iph.daddr = fl4.daddr;
}

export const ip_mtu_locked = (dst: dst_entry): boolean => dst.rt_mtu_locked || dst_metric_locked(dst, RTAX_MTU);

/** Must DF be set? (IP_MTU_DISCOVER) */
export function ip_dont_fragment(sk: sock, dst: dst_entry): boolean {
  const pmtudisc = inet_sk(sk).pmtudisc;
  return pmtudisc === IP_PMTUDISC_DO || (pmtudisc === IP_PMTUDISC_WANT && !ip_mtu_locked(dst));
}

export const ip_sk_accept_pmtu = (sk: sock): boolean => {
  const pmtudisc = inet_sk(sk).pmtudisc;
  return pmtudisc !== IP_PMTUDISC_INTERFACE && pmtudisc !== IP_PMTUDISC_OMIT;
};
export const ip_sk_use_pmtu = (sk: sock): boolean => inet_sk(sk).pmtudisc < IP_PMTUDISC_PROBE;
export const ip_sk_ignore_df = (sk: sock): boolean => {
  const pmtudisc = inet_sk(sk).pmtudisc;
  return pmtudisc < IP_PMTUDISC_DO || pmtudisc === IP_PMTUDISC_OMIT;
};

/** MTU of a route; when forwarding, learned path MTUs count only if net.ipv4.ip_forward_use_pmtu says so. */
export function ip_dst_mtu_maybe_forward(dst: dst_entry, forwarding: boolean): number {
  return ipDstMtu(dst, dst.dev.nd_net, forwarding);
}

function ipDstMtu(dst: rtable, network: net, forwarding: boolean): number {
  if (network.ipv4.sysctl_ip_fwd_use_pmtu !== 0 || ip_mtu_locked(dst) || !forwarding) {
    const learned = dst.rt_pmtu;
    if (learned !== 0 && jiffies() < dst.expires) return Math.min(learned, IP_MAX_MTU);
  }
  const metric = dst_metric_raw(dst, RTAX_MTU);
  if (metric !== 0) return Math.min(metric, IP_MAX_MTU);
  const mtu = Math.min(dst.dev.mtu, IP_MAX_MTU);
  // Without path MTU discovery, what is not on the link gets the size every host must take (RFC 1122 3.3.3).
  return ip_mtu_locked(dst) && dst.rt_uses_gateway ? Math.min(mtu, 576) : mtu;
}

export function ip_skb_dst_mtu(sk: sock | null, skb: sk_buff): number {
  const dst = skb._skb_refdst!;
  if (sk === null || !fullInetSock(sk) || ip_sk_use_pmtu(sk)) return ip_dst_mtu_maybe_forward(dst, (skb.ip_flags & IPSKB_FORWARDED) !== 0);
  return Math.min(dst.dev.mtu, IP_MAX_MTU);
}

const TCPF_TIME_WAIT = 1 << 6;
const TCPF_NEW_SYN_RECV = 1 << 12;
const fullInetSock = (sk: sock): boolean => ((1 << sk.skc_state) & (TCPF_TIME_WAIT | TCPF_NEW_SYN_RECV)) === 0;

export const ip4_dst_hoplimit = (dst: dst_entry): number => dst_metric_raw(dst, RTAX_HOPLIMIT) || dst.dev.nd_net.ipv4.sysctl_ip_default_ttl;

export function ip_select_ttl(sk: sock, dst: dst_entry): number {
  const ttl = inet_sk(sk).uc_ttl;
  return ttl < 0 ? ip4_dst_hoplimit(dst) : ttl;
}

export const inetdev_valid_mtu = (mtu: number): boolean => mtu >= IPV4_MIN_MTU;

export const isDf = (iph: iphdr): boolean => (iph.frag_off & IP_DF) !== 0;
