/**
 * net/ipv4/icmp.c: messages out. Errors: `icmp_send` → `__icmp_send` (may we? limits) → `icmp_route_lookup` → `icmp_push_reply`. Answers: `icmp_reply`.
 */
import { trace } from '../../current.ts';
import { IFF_LOOPBACK, type net_device } from '../../include/linux/netdevice.ts';
import { CHECKSUM_NONE, PACKET_HOST, type sk_buff, skb_network_offset, skb_peek } from '../../include/linux/skbuff.ts';
import { dst_mtu, dst_release, type rtable } from '../../include/net/dst.ts';
import { icmp_hdr } from '../../include/net/icmp.ts';
import { flowi4, inet_sk } from '../../include/net/inet_sock.ts';
import { IPTOS_PREC_INTERNETCONTROL, ip_hdr, ipcm_cookie, RT_TOS } from '../../include/net/ip.ts';
import { RT_SCOPE_LINK } from '../../include/net/ip_fib.ts';
import { l3mdev_master_ifindex_rcu } from '../../include/net/l3mdev.ts';
import { ICMP_INC_STATS, type net } from '../../include/net/net_namespace.ts';
import { flowi4Clear, RTCF_BROADCAST, RTCF_LOCAL, RTCF_MULTICAST } from '../../include/net/route.ts';
import type { sock } from '../../include/net/sock.ts';
import { local_bh_disable, local_bh_enable } from '../../kernel/softirq.ts';
import { csum_add, csum_block_add, csum_fold, csum_partial } from '../../lib/checksum.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  ICMP_TIME_EXCEEDED,
  INADDR_DUMMY,
  IP_OFFSET,
  IPPROTO_ICMP,
  icmphdr,
  iphdr,
  NR_ICMP_TYPES,
} from '../../uapi/in.ts';
import { ICMP_MIB_OUTERRORS } from '../../uapi/snmp.ts';
import { MSG_DONTWAIT } from '../../uapi/socket.ts';
import { skb_copy_and_csum_bits } from '../core/skbuff_bits.ts';
import { xfrm_lookup } from '../xfrm/xfrm_policy.ts';
import { inet_select_addr } from './devinet.ts';
import { fib_compute_spec_dst, inet_addr_type_dev_table } from './fib_frontend.ts';
import { icmpv4_global_allow, icmpv4_mask_allow, icmpv4_xrlim_allow } from './icmp_limit.ts';
import { ip_options_echo } from './ip_options_output.ts';
import { ip_append_data, ip_flush_pending_frames, ip_push_pending_frames } from './ip_output.ts';
import { ip_route_output_key, ip_route_output_key_hash } from './route.ts';

/** RFC 1812 4.3.2.3: as much of the packet as an error of this length holds. */
const ICMP_ERROR_MAX = 576;

/** What a message is built from: struct icmp_bxm. */
export class icmp_bxm {
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

const ERROR_MESSAGES: readonly number[] = [
  1,
  2,
  ICMP_DEST_UNREACH,
  ICMP_SOURCE_QUENCH,
  ICMP_REDIRECT,
  6,
  7,
  9,
  10,
  ICMP_TIME_EXCEEDED,
  ICMP_PARAMETERPROB,
];

/** Must not be answered by an error: the errors, and types that nobody has defined. */
export const isErrorMessage = (type: number): boolean => ERROR_MESSAGES.includes(type);

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
export function icmp_reply(param: icmp_bxm, skb: sk_buff): void {
  const network = skb._skb_refdst!.dev.nd_net;
  const opt = ip_options_echo(network, skb);
  if (opt === null) return;
  local_bh_disable();
  const apply_ratelimit = !icmpv4_mask_allow(network, param.type, param.code);
  if (icmpv4_global_allow(network, param.type, param.code)) {
    const sk = icmp_xmit_lock(network);
    if (sk !== null) {
      replyThrough(network, sk, param, skb, opt, apply_ratelimit);
      icmp_xmit_unlock(network);
    }
  }
  local_bh_enable();
}

function replyThrough(network: net, sk: sock, param: icmp_bxm, skb: sk_buff, opt: Uint8Array, apply_ratelimit: boolean): void {
  const iph = ip_hdr(skb);
  const ipc = new ipcm_cookie();
  const fl4 = new flowi4();
  inet_sk(sk).tos = iph.tos;
  ipc.addr = iph.saddr;
  ipc.opt = opt;
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
  if (!isErrorMessage(type) || iph.protocol !== IPPROTO_ICMP) return true;
  const at = skb_in.network_header + ((iph.version_ihl & 15) << 2);
  if (at >= skb_in.tail) return false;
  const quoted = skb_in.mem.u8[at]!;
  return quoted <= NR_ICMP_TYPES && !isErrorMessage(quoted);
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
  const tos = isErrorMessage(type) ? RT_TOS(iph.tos) | IPTOS_PREC_INTERNETCONTROL : iph.tos;
  const opt = ip_options_echo(network, skb_in);
  if (opt === null) return;
  const ipc = new ipcm_cookie();
  ipc.tos = tos;
  ipc.addr = iph.saddr;
  ipc.opt = opt;
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
    const room = Math.min(dst_mtu(rt), ICMP_ERROR_MAX) - iphdr.size - opt.length - icmphdr.size;
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
