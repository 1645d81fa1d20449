/**
 * net/ipv4/icmp.c: the Internet Control Message Protocol (RFC 792, RFC 1122 3.2.2): messages in. `icmp_rcv` → by type: `icmp_echo` (→ `icmp_reply`,
 * icmp_send.ts), `icmp_unreach` | `icmp_redirect` → `icmp_socket_deliver` → the protocol's err_handler.
 *
 * Simplified: extended echo (PROBE, RFC 8335) cannot be switched on.
 */
import { NET_RX_DROP, NET_RX_SUCCESS } from '../../include/linux/netdevice.ts';
import { SKB_TRUESIZE, type sk_buff } from '../../include/linux/skbuff.ts';
import { GFP_ATOMIC } from '../../include/linux/types.ts';
import {
  SKB_DROP_REASON_ICMP_CSUM,
  SKB_DROP_REASON_INVALID_PROTO,
  SKB_DROP_REASON_IP_INHDR,
  SKB_DROP_REASON_NO_SOCKET,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_PKT_TOO_SMALL,
  SKB_DROP_REASON_UNHANDLED_PROTO,
  SKB_NOT_DROPPED_YET,
} from '../../include/net/dropreason.ts';
import { icmp_hdr } from '../../include/net/icmp.ts';
import { inet_sk, inet_sock } from '../../include/net/inet_sock.ts';
import { ICMP_INC_STATS, ICMPMSG_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import { RTCF_BROADCAST, RTCF_MULTICAST } from '../../include/net/route.ts';
import { type proto, SOCK_USE_WRITE_QUEUE, sock_set_flag } from '../../include/net/sock.ts';
import { msecs_to_jiffies } from '../../kernel/time/timer.ts';
import { EOPNOTSUPP } from '../../uapi/errno.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_EXC_FRAGTIME,
  ICMP_EXT_ECHO,
  ICMP_EXT_ECHOREPLY,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  ICMP_TIME_EXCEEDED,
  ICMP_TIMESTAMP,
  ICMP_TIMESTAMPREPLY,
  IP_PMTUDISC_DONT,
  IPPROTO_ICMP,
  icmphdr,
  iphdr,
  NR_ICMP_TYPES,
  NR_ICMP_UNREACH,
} from '../../uapi/in.ts';
import { ICMP_MIB_CSUMERRORS, ICMP_MIB_INERRORS, ICMP_MIB_INMSGS } from '../../uapi/snmp.ts';
import { AF_INET, SOCK_RAW } from '../../uapi/socket.ts';
import { skb_checksum_simple_validate } from '../core/skbuff_csum.ts';
import { consume_skb, kfree_skb_reason } from '../core/skbuff_free.ts';
import { pskb_may_pull, pskb_pull } from '../core/skbuff_reshape.ts';
import { sock_init_data } from '../core/sock_life.ts';
import { inet_current_timestamp } from './af_inet_time.ts';
import { __icmp_send, icmp_bxm, icmp_reply } from './icmp_send.ts';
import { ipv4_redirect, ipv4_update_pmtu } from './route.ts';

const icmp_discard = (_skb: sk_buff): number => SKB_NOT_DROPPED_YET;

/** What handles a message, by type: 0, or the reason to drop. */
const icmp_pointers: readonly ((skb: sk_buff) => number)[] = Array.from({ length: NR_ICMP_TYPES + 1 }, (_, type) => {
  switch (type) {
    case ICMP_ECHOREPLY:
      return icmp_echoreply;
    case ICMP_DEST_UNREACH:
    case ICMP_SOURCE_QUENCH:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETERPROB:
      return icmp_unreach;
    case ICMP_REDIRECT:
      return icmp_redirect;
    case ICMP_ECHO:
      return icmp_echo;
    case ICMP_TIMESTAMP:
      return icmp_timestamp;
    default:
      return icmp_discard;
  }
});

/** Errors that quote a packet of ours: unreachable, time exceeded, parameter problem, quench. */
function icmp_unreach(skb: sk_buff): number {
  const network = skb._skb_refdst!.dev.nd_net;
  if (!pskb_may_pull(skb, iphdr.size)) return unreachError(network, SKB_DROP_REASON_NOT_SPECIFIED);
  const icmph = icmp_hdr(skb);
  const iph = new iphdr(skb.mem.view, skb.data);
  if ((iph.version_ihl & 15) < 5) return unreachError(network, SKB_DROP_REASON_IP_INHDR);
  let info = 0;
  switch (icmph.type) {
    case ICMP_DEST_UNREACH:
      if ((icmph.code & 15) === ICMP_FRAG_NEEDED) {
        const ignore = network.ipv4.sysctl_ip_no_pmtu_disc;
        if (ignore === 2) return SKB_NOT_DROPPED_YET;
        // Simplified: with 3, Linux asks the protocol whether the quoted packet could be its own.
        if (ignore !== 1) info = icmph.echo_sequence;
      }
      if (icmph.code > NR_ICMP_UNREACH) return SKB_NOT_DROPPED_YET;
      break;
    case ICMP_PARAMETERPROB:
      info = icmph.echo_id >> 8;
      break;
    case ICMP_TIME_EXCEEDED:
      if (icmph.code === ICMP_EXC_FRAGTIME) return SKB_NOT_DROPPED_YET;
      break;
  }
  icmp_socket_deliver(network, skb, info);
  return SKB_NOT_DROPPED_YET;
}

function unreachError(network: net, reason: number): number {
  ICMP_INC_STATS(network, ICMP_MIB_INERRORS);
  return reason;
}

/** To whose packet is quoted: `skb.data` is at the quoted header. */
function icmp_socket_deliver(network: net, skb: sk_buff, info: number): void {
  const iph = new iphdr(skb.mem.view, skb.data);
  const { protocol } = iph;
  if (!pskb_may_pull(skb, (iph.version_ihl & 15) * 4 + 8)) {
    ICMP_INC_STATS(network, ICMP_MIB_INERRORS);
    return;
  }
  network.ipv4.entries.raw_icmp_error?.(skb, protocol, info);
  network.inet_protos[protocol]?.err_handler?.(skb, info);
}

function icmp_redirect(skb: sk_buff): number {
  const network = skb._skb_refdst!.dev.nd_net;
  if (skb.len < iphdr.size || !pskb_may_pull(skb, iphdr.size)) return unreachError(network, SKB_DROP_REASON_PKT_TOO_SMALL);
  const icmph = icmp_hdr(skb);
  icmp_socket_deliver(network, skb, icmph.view.getUint32(icmph.base + 4));
  return SKB_NOT_DROPPED_YET;
}

/** RFC 1122 3.2.2.6: every host must answer echo requests, with the data they carried. */
function icmp_echo(skb: sk_buff): number {
  const network = skb._skb_refdst!.dev.nd_net;
  if (network.ipv4.sysctl_icmp_echo_ignore_all !== 0) return SKB_NOT_DROPPED_YET;
  const icmph = icmp_hdr(skb);
  const param = new icmp_bxm();
  param.type = ICMP_ECHOREPLY;
  param.code = icmph.code;
  param.info = icmph.view.getUint32(icmph.base + 4);
  param.skb = skb;
  param.data_len = skb.len;
  icmp_reply(param, skb);
  return SKB_NOT_DROPPED_YET;
}

function icmp_timestamp(skb: sk_buff): number {
  const network = skb._skb_refdst!.dev.nd_net;
  if (skb.len < 4 || !pskb_may_pull(skb, 4)) return unreachError(network, SKB_DROP_REASON_PKT_TOO_SMALL);
  const icmph = icmp_hdr(skb);
  const now = inet_current_timestamp();
  const param = new icmp_bxm();
  param.type = ICMP_TIMESTAMPREPLY;
  param.info = icmph.view.getUint32(icmph.base + 4);
  param.times = [skb.mem.view.getUint32(skb.data), now, now];
  param.skb = skb;
  param.head_len = icmphdr.size + 12;
  icmp_reply(param, skb);
  return SKB_NOT_DROPPED_YET;
}

/** RFC 8335: silent as long as net.ipv4.icmp_echo_enable_probe is 0. */
const icmp_ext_echo = icmp_discard;

/** For ping sockets. */
function icmp_echoreply(skb: sk_buff): number {
  const { ping_rcv } = skb._skb_refdst!.dev.nd_net.ipv4.entries;
  return ping_rcv === null ? SKB_DROP_REASON_NO_SOCKET : ping_rcv(skb);
}

function handlerOf(type: number): ((skb: sk_buff) => number) | undefined {
  if (type === ICMP_EXT_ECHO) return icmp_ext_echo;
  return type === ICMP_EXT_ECHOREPLY ? icmp_echoreply : icmp_pointers[type];
}

/** The protocol's receive function: `skb.data` is at the ICMP header. */
export function icmp_rcv(skb: sk_buff): number {
  const rt = skb._skb_refdst!;
  const network = rt.dev.nd_net;
  ICMP_INC_STATS(network, ICMP_MIB_INMSGS);
  if (skb_checksum_simple_validate(skb) !== 0) {
    ICMP_INC_STATS(network, ICMP_MIB_CSUMERRORS);
    return icmpError(network, skb, SKB_DROP_REASON_ICMP_CSUM);
  }
  if (pskb_pull(skb, icmphdr.size) === null) return icmpError(network, skb, SKB_DROP_REASON_NOT_SPECIFIED);
  const { type } = icmp_hdr(skb);
  ICMPMSG_INC_STATS(network, type);
  const toMany = (rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0;
  if (toMany && type !== ICMP_EXT_ECHO && !answersMany(network, type)) return icmpError(network, skb, SKB_DROP_REASON_INVALID_PROTO);
  const handler = handlerOf(type);
  // RFC 1122 3.2.2: unknown types are silently discarded.
  if (handler === undefined) return icmpError(network, skb, SKB_DROP_REASON_UNHANDLED_PROTO);
  const reason = handler(skb);
  if (reason === SKB_NOT_DROPPED_YET) {
    consume_skb(skb, 'icmp_rcv');
    return NET_RX_SUCCESS;
  }
  kfree_skb_reason(skb, reason, 'icmp_rcv');
  return NET_RX_DROP;
}

/** Messages to many: only questions, and those about echo and time only if the administrator wants (RFC 1122 3.2.2.6, 3.2.2.8). */
function answersMany(network: net, type: number): boolean {
  if (type === ICMP_ECHO || type === ICMP_TIMESTAMP) return network.ipv4.sysctl_icmp_echo_ignore_broadcasts === 0;
  return type === 17 || type === 18;
}

function icmpError(network: net, skb: sk_buff, reason: number): number {
  ICMP_INC_STATS(network, ICMP_MIB_INERRORS);
  kfree_skb_reason(skb, reason, 'icmp_rcv');
  return NET_RX_DROP;
}

/** An error came back for a message of ours: sent by a ping socket (which hears of it), or an echo reply of the stack's own. */
export function icmp_err(skb: sk_buff, info: number): number {
  const network = skb._skb_refdst!.dev.nd_net;
  const quoted = skb.mem.u8[skb.data + ((skb.mem.u8[skb.data]! & 15) << 2)]!;
  const { type, code } = icmp_hdr(skb);
  if (quoted !== ICMP_ECHOREPLY) network.ipv4.entries.ping_err?.(skb, info);
  else if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) ipv4_update_pmtu(skb, network, info, 0, IPPROTO_ICMP);
  else if (type === ICMP_REDIRECT) ipv4_redirect(skb, network, 0, IPPROTO_ICMP);
  return 0;
}

/** Only the stack itself uses the ICMP socket: none of its operations is ever called. */
const icmp_ctl_prot: proto = {
  name: 'ICMP',
  *close() {},
  connect: () => -EOPNOTSUPP,
  disconnect: () => -EOPNOTSUPP,
  ioctl: () => -EOPNOTSUPP,
  setsockopt: () => -EOPNOTSUPP,
  getsockopt: () => -EOPNOTSUPP,
  // biome-ignore lint/correctness/useYield: it never sleeps
  *sendmsg() {
    return -EOPNOTSUPP;
  },
  // biome-ignore lint/correctness/useYield: it never sleeps
  *recvmsg() {
    return -EOPNOTSUPP;
  },
  max_header: 0,
  no_autobind: true,
};

/** The socket that sends, and the limits. Simplified: one socket a host, where Linux has one a CPU (a path runs atomically here). */
export function icmp_init(network: net): void {
  const sk = new inet_sock(network, AF_INET, icmp_ctl_prot);
  sock_init_data(null, sk);
  sk.sk_type = SOCK_RAW;
  sk.sk_protocol = IPPROTO_ICMP;
  sk.sk_allocation = GFP_ATOMIC;
  sk.sk_sndbuf = 2 * SKB_TRUESIZE(64 * 1024);
  sk.sk_use_task_frag = false;
  sock_set_flag(sk, SOCK_USE_WRITE_QUEUE);
  inet_sk(sk).pmtudisc = IP_PMTUDISC_DONT;
  const { ipv4 } = network;
  ipv4.icmp_sk = sk;
  ipv4.entries.__icmp_send = __icmp_send;
  ipv4.sysctl_icmp_ratelimit = msecs_to_jiffies(1000);
}
