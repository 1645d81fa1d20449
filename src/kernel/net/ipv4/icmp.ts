/**
 * net/ipv4/icmp.c: the Internet Control Message Protocol (RFC 792, RFC 1122 3.2.2).
 * Errors out: `icmp_send` → `__icmp_send` (may we? limits) → `icmp_route_lookup` → `icmp_push_reply`. Replies: `icmp_echo` → `icmp_reply`.
 * In: `icmp_rcv` → by type: `icmp_echo`, `icmp_unreach` | `icmp_redirect` → `icmp_socket_deliver` → the protocol's err_handler.
 *
 * Simplified: no extended echo (PROBE, RFC 8335), no IP options in quoted or replied-to packets.
 */
import { kernel, trace } from '../../current.ts';
import { IFF_LOOPBACK, NET_RX_DROP, NET_RX_SUCCESS, type net_device } from '../../include/linux/netdevice.ts';
import { CHECKSUM_NONE, PACKET_HOST, SKB_TRUESIZE, type sk_buff, skb_network_offset, skb_peek } from '../../include/linux/skbuff.ts';
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
import { dst_mtu, dst_release, type rtable } from '../../include/net/dst.ts';
import { icmp_hdr } from '../../include/net/icmp.ts';
import { flowi4, inet_sk, inet_sock } from '../../include/net/inet_sock.ts';
import { IPTOS_PREC_INTERNETCONTROL, ip_hdr, ipcm_cookie, RT_TOS } from '../../include/net/ip.ts';
import { RT_SCOPE_LINK } from '../../include/net/ip_fib.ts';
import { l3mdev_master_ifindex_rcu } from '../../include/net/l3mdev.ts';
import { ICMP_INC_STATS, ICMPMSG_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import { flowi4Clear, RTCF_BROADCAST, RTCF_LOCAL, RTCF_MULTICAST } from '../../include/net/route.ts';
import { type proto, SOCK_USE_WRITE_QUEUE, type sock, sock_set_flag } from '../../include/net/sock.ts';
import { local_bh_disable, local_bh_enable } from '../../kernel/softirq.ts';
import { HZ, jiffies, msecs_to_jiffies } from '../../kernel/time/timer.ts';
import { csum_add, csum_block_add, csum_fold, csum_partial } from '../../lib/checksum.ts';
import { EOPNOTSUPP } from '../../uapi/errno.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_EXC_FRAGTIME,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  ICMP_TIME_EXCEEDED,
  ICMP_TIMESTAMP,
  ICMP_TIMESTAMPREPLY,
  INADDR_DUMMY,
  IP_OFFSET,
  IP_PMTUDISC_DONT,
  IPPROTO_ICMP,
  icmphdr,
  iphdr,
  NR_ICMP_TYPES,
  NR_ICMP_UNREACH,
} from '../../uapi/in.ts';
import {
  ICMP_MIB_CSUMERRORS,
  ICMP_MIB_INERRORS,
  ICMP_MIB_INMSGS,
  ICMP_MIB_OUTERRORS,
  ICMP_MIB_RATELIMITGLOBAL,
  ICMP_MIB_RATELIMITHOST,
} from '../../uapi/snmp.ts';
import { AF_INET, MSG_DONTWAIT, SOCK_RAW } from '../../uapi/socket.ts';
import { consume_skb, kfree_skb_reason } from '../core/skbuff.ts';
import { skb_copy_and_csum_bits } from '../core/skbuff_bits.ts';
import { skb_checksum_simple_validate } from '../core/skbuff_csum.ts';
import { pskb_may_pull, pskb_pull } from '../core/skbuff_reshape.ts';
import { sock_init_data } from '../core/sock_life.ts';
import { xfrm_lookup } from '../xfrm/xfrm_policy.ts';
import { inet_select_addr } from './devinet.ts';
import { fib_compute_spec_dst, inet_addr_type_dev_table } from './fib_frontend.ts';
import { inet_getpeer_v4, inet_peer_xrlim_allow } from './inetpeer.ts';
import { ip_append_data, ip_flush_pending_frames, ip_push_pending_frames } from './ip_output.ts';
import { ip_route_output_key, ip_route_output_key_hash, ipv4_redirect, ipv4_update_pmtu } from './route.ts';

export { icmp_err_convert, icmp_out_count, icmp_send } from '../../include/net/icmp.ts';

/** RFC 1812 4.3.2.3: as much of the packet as an error of this length holds. */
const ICMP_ERROR_MAX = 576;

/** What a message is built from: struct icmp_bxm. */
class icmp_bxm {
  skb: sk_buff = null as unknown as sk_buff;
  offset = 0;
  data_len = 0;
  type = 0;
  code = 0;
  /** The second word of the header. */
  info = 0;
  /** Times of a timestamp reply. */
  times: number[] | null = null;
  head_len = icmphdr.size;
}

interface icmp_control {
  /** 0, or the reason to drop. */
  readonly handler: (skb: sk_buff) => number;
  /** An error message: must not be answered by one. */
  readonly error: boolean;
}

const icmp_discard = (_skb: sk_buff): number => SKB_NOT_DROPPED_YET;
const control = (handler: (skb: sk_buff) => number, error = false): icmp_control => ({ handler, error });

/** By type. */
const icmp_pointers: readonly icmp_control[] = Array.from({ length: NR_ICMP_TYPES + 1 }, (_, type) => {
  switch (type) {
    case ICMP_ECHOREPLY:
      return control(icmp_echoreply);
    case ICMP_DEST_UNREACH:
    case ICMP_SOURCE_QUENCH:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETERPROB:
      return control(icmp_unreach, true);
    case ICMP_REDIRECT:
      return control(icmp_redirect, true);
    case ICMP_ECHO:
      return control(icmp_echo);
    case ICMP_TIMESTAMP:
      return control(icmp_timestamp);
    case 1:
    case 2:
    case 6:
    case 7:
      return control(icmp_discard, true);
    default:
      return control(icmp_discard);
  }
});

/* Limits */

/** What net.ipv4.icmp_ratemask does not name is not limited, nor is path MTU discovery. */
function icmpv4_mask_allow(network: net, type: number, code: number): boolean {
  if (type > NR_ICMP_TYPES) return true;
  if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) return true;
  return ((1 << type) & network.ipv4.sysctl_icmp_ratemask) === 0;
}

/** The host's limit: icmp_msgs_per_sec, with icmp_msgs_burst saved up. */
export function icmp_global_allow(network: net): boolean {
  const { ipv4 } = network;
  if (ipv4.icmp_global_credit > 0) return true;
  const now = jiffies();
  const delta = Math.min(now - ipv4.icmp_global_stamp, HZ());
  if (delta < HZ() / 50) return false;
  const incr = Math.floor((ipv4.sysctl_icmp_msgs_per_sec * delta) / HZ());
  if (incr === 0) return false;
  ipv4.icmp_global_stamp = now;
  ipv4.icmp_global_credit = Math.min(ipv4.icmp_global_credit + incr, ipv4.sysctl_icmp_msgs_burst);
  return true;
}

/** One token on average; how many exactly must not be known, or the limit could be used to probe us (SAD DNS). */
export function icmp_global_consume(network: net): void {
  network.ipv4.icmp_global_credit -= kernel().random.below(3);
}

function icmpv4_global_allow(network: net, type: number, code: number): boolean {
  if (icmpv4_mask_allow(network, type, code)) return true;
  if (icmp_global_allow(network)) return true;
  ICMP_INC_STATS(network, ICMP_MIB_RATELIMITGLOBAL);
  return false;
}

/** The limit for one destination; `fl4.daddr` is who gets the message. */
function icmpv4_xrlim_allow(network: net, rt: rtable, fl4: flowi4, type: number, code: number, apply_ratelimit: boolean): boolean {
  if (icmpv4_mask_allow(network, type, code)) return true;
  if ((rt.dev.flags & IFF_LOOPBACK) !== 0) return true;
  l3mdev_master_ifindex_rcu(rt.dev);
  const allowed = inet_peer_xrlim_allow(inet_getpeer_v4(network, fl4.daddr), network.ipv4.sysctl_icmp_ratelimit);
  if (!allowed) ICMP_INC_STATS(network, ICMP_MIB_RATELIMITHOST);
  else if (apply_ratelimit) icmp_global_consume(network);
  return allowed;
}

/* Sending */

/** The host's socket for ICMP; null when it is being used, which means that an ICMP message itself caused this. */
function icmp_xmit_lock(network: net): sock | null {
  if (network.ipv4.icmpSkLocked) return null;
  network.ipv4.icmpSkLocked = true;
  return network.ipv4.icmp_sk;
}

function icmp_xmit_unlock(network: net): void {
  network.ipv4.icmpSkLocked = false;
}

/** Copies the quoted data, and sums them. */
function icmp_glue_bits(from: unknown, to: number, offset: number, len: number, odd: number, skb: sk_buff): number {
  const param = from as icmp_bxm;
  const csum = skb_copy_and_csum_bits(param.skb, param.offset + offset, skb.mem.u8, to, len);
  skb.csum = csum_block_add(skb.csum, csum, odd);
  return 0;
}

/** Builds the message and sends it. Takes over `rt`'s reference. */
function icmp_push_reply(network: net, sk: sock, param: icmp_bxm, fl4: flowi4, ipc: ipcm_cookie, rt: rtable): void {
  rt.__refcnt++;
  if (ip_append_data(sk, fl4, icmp_glue_bits, param, param.data_len + param.head_len, param.head_len, ipc, rt, MSG_DONTWAIT) < 0) {
    ICMP_INC_STATS(network, ICMP_MIB_OUTERRORS);
    ip_flush_pending_frames(sk);
    return;
  }
  const skb = skb_peek(sk.sk_write_queue);
  if (skb === null) return;
  writeIcmpHeader(skb, param);
  let csum = csum_partial(skb.mem.u8, skb.transport_header, param.head_len, 0);
  for (let piece: sk_buff | null = skb; piece !== null; piece = piece.next) csum = csum_add(csum, piece.csum);
  icmp_hdr(skb).checksum = csum_fold(csum);
  skb.ip_summed = CHECKSUM_NONE;
  ip_push_pending_frames(sk, fl4);
}

function writeIcmpHeader(skb: sk_buff, param: icmp_bxm): void {
  const icmph = icmp_hdr(skb);
  icmph.type = param.type;
  icmph.code = param.code;
  icmph.checksum = 0;
  icmph.view.setUint32(icmph.base + 4, param.info);
  const { times } = param;
  if (times !== null) for (let i = 0; i < times.length; i++) icmph.view.setUint32(icmph.base + 8 + 4 * i, times[i]!);
}

/** Answers a message to us. */
function icmp_reply(param: icmp_bxm, skb: sk_buff): void {
  const network = skb._skb_refdst!.dev.nd_net;
  local_bh_disable();
  const apply_ratelimit = !icmpv4_mask_allow(network, param.type, param.code);
  if (icmpv4_global_allow(network, param.type, param.code)) {
    const sk = icmp_xmit_lock(network);
    if (sk !== null) {
      replyThrough(network, sk, param, skb, apply_ratelimit);
      icmp_xmit_unlock(network);
    }
  }
  local_bh_enable();
}

function replyThrough(network: net, sk: sock, param: icmp_bxm, skb: sk_buff, apply_ratelimit: boolean): void {
  const iph = ip_hdr(skb);
  const ipc = new ipcm_cookie();
  const fl4 = new flowi4();
  inet_sk(sk).tos = iph.tos;
  ipc.addr = iph.saddr;
  fl4.daddr = iph.saddr;
  fl4.saddr = fib_compute_spec_dst(skb, iph.saddr, iph.daddr);
  fl4.flowi4_tos = RT_TOS(iph.tos);
  fl4.flowi4_proto = IPPROTO_ICMP;
  fl4.flowi4_oif = l3mdev_master_ifindex_rcu(skb.dev);
  const rt = ip_route_output_key(network, fl4);
  if (typeof rt === 'number') return;
  if (icmpv4_xrlim_allow(network, rt, fl4, param.type, param.code, apply_ratelimit)) icmp_push_reply(network, sk, param, fl4, ipc, rt);
  dst_release(rt);
}

/** The way to who sent the packet: as its source address says. Simplified: without IPsec there is no other way to look up. */
function icmp_route_lookup(
  network: net,
  fl4: flowi4,
  skb_in: sk_buff,
  iph: iphdr,
  saddr: number,
  tos: number,
  type: number,
  code: number,
): rtable | number {
  flowi4Clear(fl4);
  fl4.daddr = iph.saddr;
  fl4.saddr = saddr;
  fl4.flowi4_tos = RT_TOS(tos);
  fl4.flowi4_proto = IPPROTO_ICMP;
  fl4.fl4_icmp_type = type;
  fl4.fl4_icmp_code = code;
  const route_lookup_dev: net_device | null = skb_in.dev ?? skb_in._skb_refdst?.dev ?? null;
  fl4.flowi4_oif = l3mdev_master_ifindex_rcu(route_lookup_dev);
  const rt = ip_route_output_key_hash(network, fl4, skb_in);
  if (typeof rt === 'number') return rt;
  xfrm_lookup(rt);
  inet_addr_type_dev_table(network, route_lookup_dev, fl4.daddr);
  return rt;
}

/** Is it a packet that an error may be sent about (RFC 1122 3.2.2, RFC 1812 4.3.2.7)? */
function mayReport(skb_in: sk_buff, rt: rtable, iph: iphdr, type: number): boolean {
  if (skb_in.network_header < skb_in.head || skb_in.network_header + iphdr.size > skb_in.tail) return false;
  if (skb_in.pkt_type !== PACKET_HOST) return false;
  if ((rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0) return false;
  if ((iph.frag_off & IP_OFFSET) !== 0) return false;
  if (!icmp_pointers[type]!.error || iph.protocol !== IPPROTO_ICMP) return true;
  const at = skb_in.network_header + ((iph.version_ihl & 15) << 2);
  if (at >= skb_in.tail) return false;
  const quoted = skb_in.mem.u8[at]!;
  return quoted <= NR_ICMP_TYPES && !icmp_pointers[quoted]!.error;
}

/** Sends an error about `skb_in`, which stays the caller's. */
export function __icmp_send(skb_in: sk_buff, type: number, code: number, info: number): void {
  const rt = skb_in._skb_refdst;
  if (rt === null) return;
  const network = rt.dev.nd_net;
  const iph = ip_hdr(skb_in);
  if (!mayReport(skb_in, rt, iph, type)) return;
  local_bh_disable();
  // Loopback is not limited here; whether the message leaves the host is seen later.
  const limited = skb_in.dev === null || (skb_in.dev.flags & IFF_LOOPBACK) === 0;
  const apply_ratelimit = limited && !icmpv4_mask_allow(network, type, code);
  if (!limited || icmpv4_global_allow(network, type, code)) {
    const sk = icmp_xmit_lock(network);
    if (sk !== null) {
      sendError(network, sk, skb_in, rt, iph, type, code, info, apply_ratelimit);
      icmp_xmit_unlock(network);
    }
  }
  local_bh_enable();
}

function sendError(
  network: net,
  sk: sock,
  skb_in: sk_buff,
  rt_in: rtable,
  iph: iphdr,
  type: number,
  code: number,
  info: number,
  apply_ratelimit: boolean,
): void {
  const tos = icmp_pointers[type]!.error ? RT_TOS(iph.tos) | IPTOS_PREC_INTERNETCONTROL : iph.tos;
  const ipc = new ipcm_cookie();
  ipc.tos = tos;
  ipc.addr = iph.saddr;
  const fl4 = new flowi4();
  const rt = icmp_route_lookup(network, fl4, skb_in, iph, errorSource(network, skb_in, rt_in, iph), tos, type, code);
  if (typeof rt === 'number') return;
  if (icmpv4_xrlim_allow(network, rt, fl4, type, code, apply_ratelimit)) {
    const param = new icmp_bxm();
    param.skb = skb_in;
    param.offset = skb_network_offset(skb_in);
    param.type = type;
    param.code = code;
    param.info = info;
    const room = Math.min(dst_mtu(rt), ICMP_ERROR_MAX) - iphdr.size - icmphdr.size;
    // Less than an IP header would say nothing.
    if (room > iphdr.size) {
      param.data_len = Math.min(skb_in.len - param.offset, room);
      if (fl4.saddr === 0) fl4.saddr = INADDR_DUMMY;
      trace().icmp_send?.(skb_in, type, code);
      icmp_push_reply(network, sk, param, fl4, ipc, rt);
    }
  }
  dst_release(rt);
}

/** Errors about packets to us come from the address they were for; a router lets routing choose, or uses the address they came in by. */
function errorSource(network: net, skb_in: sk_buff, rt: rtable, iph: iphdr): number {
  if ((rt.rt_flags & RTCF_LOCAL) !== 0) return iph.daddr;
  const inbound = rt.rt_is_input && network.ipv4.sysctl_icmp_errors_use_inbound_ifaddr !== 0 && skb_in.dev !== null;
  return inbound ? inet_select_addr(skb_in.dev!, iph.saddr, RT_SCOPE_LINK) : 0;
}

/* Receiving */

/** Errors that quote a packet of ours: unreachable, time exceeded, parameter problem, quench. */
function icmp_unreach(skb: sk_buff): number {
  const network = skb._skb_refdst!.dev.nd_net;
  if (!pskb_may_pull(skb, iphdr.size)) return unreachError(network, SKB_DROP_REASON_PKT_TOO_SMALL);
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

/** Milliseconds since midnight UT. */
const inet_current_timestamp = (): number => Math.floor(jiffies() * (1000 / HZ())) % 86_400_000;

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

/** For ping sockets. */
function icmp_echoreply(skb: sk_buff): number {
  const { ping_rcv } = skb._skb_refdst!.dev.nd_net.ipv4.entries;
  return ping_rcv === null ? SKB_DROP_REASON_NO_SOCKET : ping_rcv(skb);
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
  // RFC 1122 3.2.2: unknown types are silently discarded.
  if (type > NR_ICMP_TYPES) return icmpError(network, skb, SKB_DROP_REASON_UNHANDLED_PROTO);
  if ((rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0 && !answersMany(network, type))
    return icmpError(network, skb, SKB_DROP_REASON_INVALID_PROTO);
  const reason = icmp_pointers[type]!.handler(skb);
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

/* Initialisation */

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
